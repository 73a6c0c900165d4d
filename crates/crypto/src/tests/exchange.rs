//! Client and server against each other, and the server's state between the halves of a login.

use sotto_domain::{OpaqueSessionId, Timestamp};
use uuid::Uuid;

use super::*;
use crate::Binding;
use crate::Error;
use crate::message::{LoginFinish, LoginResponse};

const NOW: Timestamp = Timestamp::MIN;

fn session(id: u128, scope: Scope) -> LoginSession {
    LoginSession { id: OpaqueSessionId(Uuid::from_u128(id)), scope, expires_at: NOW.plus_seconds(120) }
}

/// Starts a login on both sides, and returns its state and messages.
fn start(
    keys: &ServerKeys,
    scope: Scope,
    record: Option<&RegistrationRecord>,
    text: &str,
    random: &dyn Random,
) -> (Login, LoginResponse, PendingLogin) {
    let (request, login) = Login::start(scope, phrase(text), random).unwrap();
    let (response, pending) = keys.start_login(scope, record, &request, random).unwrap();
    (login, response, pending)
}

#[test]
fn the_same_passphrase_gives_the_same_export_key() {
    let random = Seeded::new(1);
    let (keys, scope) = (ServerKeys::generate(&random), scope(1, 2));
    let Registered { record, export_key, server } = register(&keys, scope, "correct horse", &random);
    assert_eq!(server, keys.fingerprint());
    let record = record.to_string().parse::<RegistrationRecord>().unwrap();
    assert_eq!(log_in(&keys, scope, &record, "correct horse", &random).as_bytes(), export_key.as_bytes());
    // Both ways to type é give the same phrase.
    let Registered { record, export_key, .. } = register(&keys, scope, "caf\u{e9}", &random);
    assert_eq!(log_in(&keys, scope, &record, "cafe\u{301}", &random).as_bytes(), export_key.as_bytes());

    let (login, response, _) = start(&keys, scope, Some(&record), "cafe", &random);
    assert_eq!(login.finish(&response, &random).unwrap_err(), Error::WrongPhrase);
}

#[test]
fn a_record_is_valid_only_for_its_user_tag_and_server() {
    let random = Seeded::new(2);
    let (keys, home) = (ServerKeys::generate(&random), scope(1, 2));
    let record = register(&keys, home, "correct horse", &random).record;
    let others = [
        (ServerKeys::generate(&random), home),
        (ServerKeys::from_bytes(keys.to_bytes().as_slice()).unwrap(), scope(1, 3)),
        (ServerKeys::from_bytes(keys.to_bytes().as_slice()).unwrap(), scope(3, 2)),
    ];
    for (keys, scope) in others {
        let (login, response, _) = start(&keys, scope, Some(&record), "correct horse", &random);
        assert_eq!(login.finish(&response, &random).unwrap_err(), Error::WrongPhrase);
    }
}

#[test]
fn an_unknown_tag_gets_the_response_of_a_known_one_and_never_unlocks() {
    let random = Seeded::new(3);
    let (keys, scope) = (ServerKeys::generate(&random), scope(1, 2));
    let (login, response, pending) = start(&keys, scope, None, "correct horse", &random);
    assert_eq!(response.to_bytes().len(), LoginResponse::LENGTH);
    // The response has valid points.
    response.to_string().parse::<LoginResponse>().unwrap();
    assert_eq!(login.finish(&response, &random).unwrap_err(), Error::WrongPhrase);
    assert_eq!(pending.finish(&LoginFinish::from_bytes(&[0; 64]).unwrap()).unwrap_err(), Error::WrongPhrase);
    // The same request twice: the OPRF gives the same response, as for a known tag, and the masks differ.
    let (request, _) = Login::start(scope, phrase("correct horse"), &random).unwrap();
    let first = keys.start_login(scope, None, &request, &random).unwrap().0.to_bytes();
    let second = keys.start_login(scope, None, &request, &random).unwrap().0.to_bytes();
    assert_eq!(first[..32], second[..32]);
    assert!(first[32..64] != second[32..64] && first[64..192] != second[64..192]);
}

#[test]
fn messages_of_one_login_are_rejected_in_another() {
    let random = Seeded::new(4);
    let (keys, scope) = (ServerKeys::generate(&random), scope(1, 2));
    let record = register(&keys, scope, "correct horse", &random).record;
    let (first, first_response, first_pending) = start(&keys, scope, Some(&record), "correct horse", &random);
    let (second, second_response, second_pending) = start(&keys, scope, Some(&record), "correct horse", &random);
    let finish = first.finish(&first_response, &random).unwrap().finish;
    assert_eq!(second_pending.finish(&finish).unwrap_err(), Error::WrongPhrase);
    assert_eq!(second.finish(&first_response, &random).unwrap_err(), Error::WrongPhrase);
    assert!(first_pending.finish(&finish).is_ok());
    drop(second_response);
}

#[test]
fn a_reflected_request_is_rejected() {
    let random = Seeded::new(5);
    let (keys, scope) = (ServerKeys::generate(&random), scope(1, 2));
    let (request, registration) = Registration::start(scope, phrase("x"), &random).unwrap();
    let mut response = keys.register(scope, &request).unwrap().to_bytes();
    response[..32].copy_from_slice(&request.to_bytes());
    let response = crate::message::RegistrationResponse::from_bytes(&response).unwrap();
    assert_eq!(registration.finish(&response, &random).unwrap_err(), Error::Refused("registration response"));
}

#[test]
fn any_changed_byte_of_a_login_response_is_rejected() {
    let random = Seeded::new(6);
    let (keys, scope) = (ServerKeys::generate(&random), scope(1, 2));
    // Without stretching, which would take minutes here and does not matter.
    let binding = || Binding { stretch: false, ..Binding::from(scope) };
    let (request, registration) = Registration::start(binding(), phrase("x"), &random).unwrap();
    let record = registration.finish(&keys.register(scope, &request).unwrap(), &random).unwrap().record;
    for place in 0..LoginResponse::LENGTH {
        let (request, login) = Login::start(binding(), phrase("x"), &random).unwrap();
        let (response, _) = keys.start_login(scope, Some(&record), &request, &random).unwrap();
        let mut changed = response.to_bytes();
        changed[place] ^= 1 << (place % 8);
        // Either the point is invalid, or the client notices the change.
        if let Ok(changed) = LoginResponse::from_bytes(&changed) {
            assert_eq!(login.finish(&changed, &random).unwrap_err(), Error::WrongPhrase, "{place}");
        }
    }
    // A changed proof of the client.
    for place in 0..LoginFinish::LENGTH {
        let (request, login) = Login::start(binding(), phrase("x"), &random).unwrap();
        let (response, pending) = keys.start_login(scope, Some(&record), &request, &random).unwrap();
        let mut changed = login.finish(&response, &random).unwrap().finish.to_bytes();
        changed[place] ^= 1 << (place % 8);
        assert!(pending.finish(&LoginFinish::from_bytes(&changed).unwrap()).is_err(), "{place}");
    }
}

#[test]
fn a_sealed_login_opens_only_in_its_row_before_it_expires() {
    let random = Seeded::new(7);
    let (keys, home, sealing) = (ServerKeys::generate(&random), scope(1, 2), SealingKey::generate(&random));
    let row = session(9, home);
    let seal = || {
        let (request, _) = Login::start(home, phrase("x"), &random).unwrap();
        let (_, pending) = keys.start_login(home, None, &request, &random).unwrap();
        pending.seal(&sealing, &row, &random).unwrap()
    };
    let sealed = seal();
    assert_eq!(sealed.len(), PendingLogin::SEALED_LENGTH);
    assert!(PendingLogin::open(&sealing, &row, &sealed, NOW).is_ok());
    // Another process with the same key.
    let copy = SealingKey::from_bytes(sealing.as_bytes()).unwrap();
    assert!(PendingLogin::open(&copy, &row, &sealed, NOW.plus_seconds(119)).is_ok());

    let refused = |row: &LoginSession, sealed: &[u8]| {
        assert_eq!(PendingLogin::open(&sealing, row, sealed, NOW).unwrap_err(), Error::Refused("login"));
    };
    for place in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[place / 8] ^= 1 << (place % 8);
        refused(&row, &changed);
    }
    refused(&row, &sealed[..sealed.len() - 1]);
    refused(&row, &[sealed.as_slice(), &[0]].concat());
    refused(&row, &[]);
    refused(&session(8, home), &sealed);
    refused(&session(9, scope(1, 3)), &sealed);
    refused(&session(9, scope(3, 2)), &sealed);
    // A row whose expiry was changed.
    refused(&LoginSession { expires_at: row.expires_at.plus_seconds(1), ..row }, &sealed);
    assert_eq!(PendingLogin::open(&sealing, &row, &sealed, row.expires_at).unwrap_err(), Error::Expired);
    let other = SealingKey::generate(&random);
    assert_eq!(PendingLogin::open(&other, &row, &sealed, NOW).unwrap_err(), Error::Refused("login"));
    assert!(seal()[1..13] != sealed[1..13], "an iv was used twice");
}

#[test]
fn a_sealed_login_can_be_finished() {
    let random = Seeded::new(8);
    let (keys, scope, sealing) = (ServerKeys::generate(&random), scope(1, 2), SealingKey::generate(&random));
    let record = register(&keys, scope, "x", &random).record;
    let row = session(9, scope);
    let (login, response, pending) = start(&keys, scope, Some(&record), "x", &random);
    let sealed = pending.seal(&sealing, &row, &random).unwrap();
    let logged_in = login.finish(&response, &random).unwrap();
    let pending = PendingLogin::open(&sealing, &row, &sealed, NOW).unwrap();
    assert_eq!(pending.finish(&logged_in.finish).unwrap(), logged_in.session_key);
}

#[test]
fn server_keys_are_parsed_strictly_and_have_different_fingerprints() {
    let random = Seeded::new(9);
    let keys = ServerKeys::generate(&random);
    let stored = keys.to_bytes();
    assert_eq!(ServerKeys::from_bytes(stored.as_slice()).unwrap().fingerprint(), keys.fingerprint());
    assert!(ServerKeys::generate(&random).fingerprint() != keys.fingerprint());
    let printed = keys.fingerprint().to_string();
    assert_eq!(printed.parse(), Ok(keys.fingerprint()));
    for bad in
        ["", &printed[1..], &printed.to_uppercase().replace(char::is_numeric, "A"), &format!("+{}", &printed[1..])]
    {
        assert_eq!(bad.parse::<crate::Fingerprint>(), Err(Error::Fingerprint), "{bad}");
    }
    let mut zero_key = *stored;
    zero_key[64..96].fill(0);
    let mut no_point = *stored;
    no_point[96..].fill(0xff);
    for bad in [&stored[1..], &[stored.as_slice(), &[0]].concat(), &zero_key, &no_point, &[]] {
        assert_eq!(ServerKeys::from_bytes(bad).unwrap_err(), Error::ServerKeys);
    }
}

#[test]
fn secrets_are_redacted_in_debug_output() {
    let random = Seeded::new(10);
    let (keys, scope) = (ServerKeys::generate(&random), scope(1, 2));
    let (request, login) = Login::start(scope, phrase("open sesame"), &random).unwrap();
    let (response, pending) = keys.start_login(scope, None, &request, &random).unwrap();
    let sealing = SealingKey::generate(&random);
    let printed = format!("{:?} {login:?} {pending:?} {sealing:?} {request:?} {response:?}", phrase("open sesame"));
    assert_eq!(printed, "Phrase(…) Login(…) PendingLogin(…) SealingKey(…) LoginRequest(…) LoginResponse(…)");
    assert_eq!(format!("{keys:?}"), format!("ServerKeys({})", keys.fingerprint()));
}

#[test]
fn a_passphrase_has_length_limits() {
    for good in ["x".to_owned(), "x".repeat(1024), "\u{fdfa}".repeat(341)] {
        assert!(Phrase::new(&good).is_ok());
    }
    for bad in [String::new(), "x".repeat(1025)] {
        assert_eq!(Phrase::new(&bad).unwrap_err(), Error::Phrase);
    }
    // The longest phrase after normalization is still one that OPAQUE accepts.
    assert!(Login::start(scope(1, 2), phrase(&"\u{fdfa}".repeat(341)), &Seeded::new(11)).is_ok());
}
