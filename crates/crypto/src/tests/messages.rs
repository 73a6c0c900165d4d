//! Malformed messages.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use super::*;
use crate::Error;
use crate::message::{LoginFinish, LoginRequest, LoginResponse, RegistrationRequest, RegistrationResponse};
use crate::sealed::{RecoveryProof, RecoveryVerifier, RecoveryWrap, WrappedMasterKey};

/// Damages a valid text in many ways; each must be rejected.
fn refuses_bad_text<T: FromStr<Err = Error> + Display + Debug>(good: &T, error: Error) {
    let text = good.to_string();
    assert_eq!(text.parse::<T>().unwrap().to_string(), text);
    let mut bad = vec![
        String::new(),
        "A".into(),
        text[1..].into(),
        text[..text.len() - 1].into(),
        format!("{text}A"),
        format!("{text}="),
        format!("{text}\n"),
        format!(" {text}"),
        format!("{text}{text}"),
    ];
    // Symbols of the other alphabet and of none, at the start.
    bad.extend(["+", "/", "=", "*", " ", "\0"].map(|symbol| format!("{symbol}{}", &text[1..])));
    bad.push(format!("é{}", &text[2..]));
    // Bits at the end that belong to no byte.
    if !text.len().is_multiple_of(4) {
        let last = text.chars().last().unwrap();
        let stray = if text.len() % 4 == 2 { "BCDEF" } else { "BCD" };
        bad.extend(
            stray.chars().filter(|symbol| *symbol != last).map(|symbol| format!("{}{symbol}", &text[..text.len() - 1])),
        );
    }
    for bad in bad {
        match bad.parse::<T>() {
            Err(found) => assert_eq!(found, error, "{bad}"),
            Ok(read) => panic!("{bad} was read as {read}"),
        }
    }
}

/// 32 bytes that encode no element of ristretto255, or its identity (RFC 9496, appendix A.3 has the first four).
fn bad_points() -> Vec<[u8; 32]> {
    let point = |text: &str| unhex(text).try_into().unwrap();
    vec![
        point("00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
        point("f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        point("0100000000000000000000000000000000000000000000000000000000000000"),
        point("26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371"),
        [0; 32],
        [0xff; 32],
    ]
}

macro_rules! refuses {
    ($good:expr, $type:ident, $points:expr) => {{
        let good: &$type = &$good;
        let error = $type::from_bytes(&[]).unwrap_err();
        refuses_bad_text(good, error);
        let bytes = good.to_bytes();
        for length in (0..=$type::LENGTH + 40).filter(|length| *length != $type::LENGTH) {
            let other: Vec<u8> = bytes.iter().copied().chain([0; 40]).take(length).collect();
            assert_eq!($type::from_bytes(&other).unwrap_err(), error, "{length} bytes");
        }
        let points: &[usize] = &$points;
        for place in points {
            for point in bad_points() {
                let mut bad = bytes;
                bad[*place..place + 32].copy_from_slice(&point);
                assert_eq!($type::from_bytes(&bad).unwrap_err(), error, "at {place}: {}", hex(&point));
            }
        }
    }};
}

#[test]
fn invalid_messages_are_rejected() {
    let random = Seeded::new(20);
    let (keys, scope) = (ServerKeys::generate(&random), scope(1, 2));
    let (request, registration) = Registration::start(scope, phrase("x"), &random).unwrap();
    let response = keys.register(scope, &request).unwrap();
    refuses!(request, RegistrationRequest, [0]);
    refuses!(response, RegistrationResponse, [0, 32]);
    let record = registration.finish(&response, &random).unwrap().record;
    refuses!(record, RegistrationRecord, [0]);

    let (request, login) = Login::start(scope, phrase("x"), &random).unwrap();
    refuses!(request, LoginRequest, [0, 64]);
    let (response, _) = keys.start_login(scope, Some(&record), &request, &random).unwrap();
    refuses!(response, LoginResponse, [0, 224]);
    let finish = login.finish(&response, &random).unwrap().finish;
    refuses!(finish, LoginFinish, []);
}

#[test]
fn wrapped_keys_and_proofs_have_fixed_lengths() {
    let refused = |error: Result<(), Error>| error.unwrap_err();
    refuses_bad_text(
        &WrappedMasterKey::from_bytes(&[1; 61]).unwrap(),
        refused(WrappedMasterKey::from_bytes(&[1; 60]).map(drop)),
    );
    refuses_bad_text(
        &RecoveryWrap::from_bytes(&[1; 61]).unwrap(),
        refused(RecoveryWrap::from_bytes(&[1; 62]).map(drop)),
    );
    refuses_bad_text(&RecoveryProof::from_bytes(&[1; 32]).unwrap(), refused(RecoveryProof::from_bytes(&[]).map(drop)));
    refuses_bad_text(
        &RecoveryVerifier::from_bytes(&[1; 32]).unwrap(),
        refused(RecoveryVerifier::from_bytes(&[1; 33]).map(drop)),
    );
}
