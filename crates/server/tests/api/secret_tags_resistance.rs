//! Attacks without the passphrase: they fail, are slowed down, and are reported to the owner.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_crypto::client::{Login, Phrase};
use sotto_domain::secret_tag::{IDLE_SECONDS, LOGIN_SECONDS, MAX_OPEN, NewLogin, OPEN_SECONDS};
use sotto_domain::{Clock, OpaqueSessionId, SecretTagId};
use sotto_server::system::{SystemClock, SystemRandom};

use crate::on_both_engines;
use crate::server::{ApiResponse, PASSWORD, Person, Server};
use crate::vault::{DATE, PHRASE, Secret, encode, new_id, text};

on_both_engines!(
    an_unknown_secret_tag_gets_the_response_of_a_known_one,
    messages_are_valid_once_and_in_their_context,
    wrong_passphrases_are_delayed_and_reported,
    every_use_of_an_oprf_key_is_counted,
    registering_an_id_gives_no_free_guesses,
    guesses_do_not_lock_the_recovery,
    a_token_is_valid_only_for_its_session,
    an_unlock_expires,
    simultaneous_unlocks_are_limited
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passphrases_are_delayed_across_nodes() {
    wrong_passphrases_are_delayed_and_reported(Server::on_three_nodes().await).await;
}

/// The names of headers, and the names and lengths of fields; for a problem, its code. Timestamps have the length of
/// their fraction.
fn shape(response: &ApiResponse) -> (StatusCode, Vec<String>, Vec<(String, usize)>) {
    let mut names: Vec<_> = response.headers.keys().map(ToString::to_string).collect();
    names.sort();
    names.extend(response.body["code"].as_str().map(str::to_owned));
    let fields = response.body.as_object().unwrap().iter();
    let length = |name: &str, value: &Value| if name == "expires_at" { 0 } else { value.to_string().len() };
    (response.status, names, fields.map(|(name, value)| (name.clone(), length(name, value))).collect())
}

async fn an_unknown_secret_tag_gets_the_response_of_a_known_one(server: Server) {
    let ada = server.person("ada").await;
    let known = Secret::make(&ada, PHRASE).await;
    let nothing = SecretTagId(new_id());
    let mut unknown = known.by(&ada);
    unknown.scope.tag = nothing;
    unknown.path = format!("/api/secret-tags/{nothing}");
    let mut shapes = Vec::new();
    for secret in [&known, &unknown] {
        let mut seen = Vec::new();
        let (_, started) = secret.start(PHRASE).await;
        seen.push(shape(&started));
        let finished = secret.finish(&started.body["session_id"], &encode(&[7; 64])).await;
        seen.push(shape(&finished));
        let key = sotto_crypto::client::RecoveryKey::generate(&SystemRandom);
        seen.push(shape(&secret.recover(&key, "never").await));
        for response in [
            ada.put(&secret.path, json!({"metadata": encode(&[7; 100])})).await,
            ada.delete(&secret.path).await,
            ada.get(&format!("/api/journals/?secret_tag_id={}", secret.scope.tag)).await,
            ada.post(&format!("{}/lock", secret.path), json!({})).await,
        ] {
            seen.push(shape(&response));
        }
        // Both are slowed down after the same number of attempts.
        let request = login_request(secret);
        let mut tries = 0;
        let slowed = loop {
            let response = ada.post(&format!("{}/unlock/start", secret.path), request.clone()).await;
            if response.status != StatusCode::OK {
                break response;
            }
            tries += 1;
        };
        assert!(tries < 10);
        seen.push(shape(&slowed));
        seen.push((StatusCode::OK, Vec::new(), vec![("tries".into(), tries)]));
        shapes.push(seen);
    }
    let [known, unknown] = shapes.as_slice() else { unreachable!("there are two") };
    assert_eq!(known, unknown);
}

async fn messages_are_valid_once_and_in_their_context(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let (secret, other) = (Secret::make(&ada, PHRASE).await, Secret::make(&ada, "another").await);
    let theirs = Secret { person: ben.clone(), ..secret.by(&ada) };
    let before = ada.get("/api/secret-tags/").await.expect(StatusCode::OK);

    // A valid proof, in every place where it does not belong.
    let (login, started) = secret.start(PHRASE).await;
    let started = started.expect(StatusCode::OK);
    let proof = login.finish(&text(&started, "login_response").parse().unwrap(), &SystemRandom).unwrap();
    let (proof, session) = (proof.finish.to_string(), &started["session_id"]);
    theirs.finish(session, &proof).await.expect(StatusCode::NOT_FOUND);
    secret.finish(&json!(new_id()), &proof).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(secret.finish(session, &proof[1..]).await.refused(), "body.login_finish");
    let (_, again) = secret.start(PHRASE).await;
    secret.finish(&again.body["session_id"], &proof).await.expect(StatusCode::FORBIDDEN);
    // None of these has used up the session. After one use, it ends.
    secret.finish(session, &proof).await.expect(StatusCode::OK);
    secret.finish(session, &proof).await.expect(StatusCode::NOT_FOUND);

    // Under another secret tag, the session is used up without effect.
    let (login, started) = secret.start(PHRASE).await;
    let started = started.expect(StatusCode::OK);
    let proof = login.finish(&text(&started, "login_response").parse().unwrap(), &SystemRandom).unwrap();
    other.finish(&started["session_id"], &proof.finish.to_string()).await.expect(StatusCode::NOT_FOUND);
    secret.finish(&started["session_id"], &proof.finish.to_string()).await.expect(StatusCode::NOT_FOUND);

    // Too late.
    let (login, started) = secret.start(PHRASE).await;
    let started = started.expect(StatusCode::OK);
    let proof = login.finish(&text(&started, "login_response").parse().unwrap(), &SystemRandom).unwrap();
    server.clock.advance(LOGIN_SECONDS);
    secret.finish(&started["session_id"], &proof.finish.to_string()).await.expect(StatusCode::NOT_FOUND);

    // A session of another kind has no login to finish.
    let open = secret.unlock(PHRASE).await;
    let request = sotto_crypto::client::Registration::start(secret.scope, phrase(), &SystemRandom).unwrap().0;
    let start = json!({"registration_request": request.to_string()});
    open.post(&format!("{}/phrase/start", secret.path), start).await.expect(StatusCode::OK);
    let sessions = ada.get("/api/opaque-sessions/").await.expect(StatusCode::OK);
    let begun = sessions.as_array().unwrap().iter().find(|session| session["state"] == "initialized").unwrap();
    secret.finish(&begun["id"], &proof.finish.to_string()).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(ada.get("/api/secret-tags/").await.expect(StatusCode::OK), before);
    assert_eq!(ben.get("/api/opaque-sessions/").await.expect(StatusCode::OK), json!([]));
}

async fn wrong_passphrases_are_delayed_and_reported(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    let start = format!("{}/unlock/start", secret.path);
    let request = login_request(&secret);
    let mut waits = Vec::new();
    let mut tries = 0;
    while waits.len() < 4 {
        let response = ada.post(&start, request.clone()).await;
        match response.status {
            StatusCode::OK => tries += 1,
            StatusCode::TOO_MANY_REQUESTS => {
                let wait: i64 = response.header("retry-after").unwrap().parse().unwrap();
                waits.push(wait);
                server.clock.advance(wait);
            }
            status => panic!("{status}"),
        }
    }
    assert!(waits.is_sorted_by(|first, second| first < second) && waits[0] <= 2, "{waits:?}");
    // The right passphrase waits like any other, is accepted, and reports the failures.
    let open = secret.unlock(PHRASE).await;
    let reported = open.response["failed_tries"]["count"].as_u64().unwrap();
    assert_eq!(reported, tries);
    for _ in 0..3 {
        ada.post(&start, request.clone()).await.expect(StatusCode::OK);
    }
    // Attempts of another user do not count here.
    let ben = server.person("ben").await;
    ben.post(&start, request).await.expect(StatusCode::OK);
}

/// Other ways to guess passphrases count as well.
async fn every_use_of_an_oprf_key_is_counted(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    let request =
        sotto_crypto::client::Registration::start(secret.scope, phrase(), &SystemRandom).unwrap().0.to_string();
    let register = json!({"tag_id": secret.scope.tag, "registration_request": request});
    ada.post("/api/secret-tags/register/start", register).await.expect(StatusCode::CONFLICT);

    let open = secret.unlock(PHRASE).await;
    let mut tries = 0;
    let path = format!("{}/phrase/start", secret.path);
    while open.post(&path, json!({"registration_request": request})).await.status == StatusCode::OK {
        tries += 1;
        assert!(tries < 10);
    }
    // Ending a started login does not reset the count.
    for session in ada.get("/api/opaque-sessions/").await.expect(StatusCode::OK).as_array().unwrap() {
        ada.delete(&format!("/api/opaque-sessions/{}", text(session, "id"))).await;
    }
    let request = login_request(&secret);
    ada.post(&format!("{}/unlock/start", secret.path), request).await.expect(StatusCode::TOO_MANY_REQUESTS);
}

/// Someone with an old copy of the database cannot guess by registering the id of a secret tag: not of a deleted one,
/// and not without limit of one that this database does not know.
async fn registering_an_id_gives_no_free_guesses(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    let request =
        sotto_crypto::client::Registration::start(secret.scope, phrase(), &SystemRandom).unwrap().0.to_string();
    let start = async |person: &Person<'_>, tag: &Value| {
        let register = json!({"tag_id": tag, "registration_request": request});
        person.post("/api/secret-tags/register/start", register).await
    };
    // A finished registration leaves no failed attempt.
    let open = secret.unlock(PHRASE).await;
    assert_eq!(open.response["failed_tries"]["count"], 0);
    open.delete(&secret.path).await.expect(StatusCode::OK);
    let deleted = json!(secret.scope.tag);
    for _ in 0..2 {
        start(&ada, &deleted).await.expect(StatusCode::CONFLICT);
        let (_, mut finish) = Secret::prepare(&ada, PHRASE).await;
        finish["tag_id"] = deleted.clone();
        ada.post("/api/secret-tags/register/finish", finish).await.expect(StatusCode::CONFLICT);
    }
    // The same id of another user has another key.
    let ben = server.person("ben").await;
    start(&ben, &deleted).await.expect(StatusCode::OK);

    let unknown = json!(new_id());
    let mut tries = 0;
    loop {
        match start(&ada, &unknown).await.status {
            StatusCode::OK => tries += 1,
            StatusCode::TOO_MANY_REQUESTS => break,
            status => panic!("{status}"),
        }
        assert!(tries < 10);
    }
    let path = format!("/api/secret-tags/{}/unlock/start", unknown.as_str().unwrap());
    ada.post(&path, login_request(&secret)).await.expect(StatusCode::TOO_MANY_REQUESTS);
    start(&ben, &unknown).await.expect(StatusCode::OK);
}

/// A thief who guesses passphrases with a stolen session makes the owner wait, but does not lock the recovery.
async fn guesses_do_not_lock_the_recovery(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    let unlock = format!("{}/unlock/start", secret.path);
    while ada.post(&unlock, login_request(&secret)).await.status == StatusCode::OK {}
    // Wrong recovery keys are refused as such, and the owner sees them.
    let request =
        sotto_crypto::client::Registration::start(secret.scope, phrase(), &SystemRandom).unwrap().0.to_string();
    let recover = format!("{}/recover/start", secret.path);
    let wrong = json!({"recovery_proof": encode(&[7; 32]), "registration_request": request});
    ada.post(&recover, wrong.clone()).await.expect(StatusCode::FORBIDDEN);
    secret.recover(&secret.recovery_key, "a new passphrase").await.expect(StatusCode::OK);
    secret.unlock("a new passphrase").await;

    // Wrong keys have a limit of their own.
    let mut wrong_keys = 0;
    while ada.post(&recover, wrong.clone()).await.status == StatusCode::FORBIDDEN {
        wrong_keys += 1;
        assert!(wrong_keys < 20);
    }
    let failed = ada.get("/api/opaque-sessions/").await.expect(StatusCode::OK);
    assert!(failed.as_array().unwrap().iter().any(|session| session["state"] == "failed"), "{failed}");
    server.clock.advance(60);
    // With the right key, passphrases can be tested, so that is counted, too.
    let proof = secret.recovery_key.proof().unwrap().to_string();
    let right = json!({"recovery_proof": proof, "registration_request": request});
    let mut recoveries = 0;
    while ada.post(&recover, right.clone()).await.status == StatusCode::OK {
        recoveries += 1;
        assert!(recoveries < 30);
    }
    server.clock.advance(3600);
    // The access token has expired by now.
    let ada = Person { token: text(&server.login(&ada.email, PASSWORD).await, "access_token").to_owned(), ..ada };
    ada.post(&recover, right).await.expect(StatusCode::OK);
}

async fn a_token_is_valid_only_for_its_session(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    let open = secret.unlock(PHRASE).await;
    open.write("Nobody knows.", DATE).await;
    let shown = |person: &Person<'_>, token: &str| {
        ApiResponse::receive(person.request(Method::GET, &open.entries()).header("x-sotto-unlock", token))
    };
    let tokens = server.login(&ada.email, PASSWORD).await;
    let elsewhere = Person { token: text(&tokens, "access_token").to_owned(), ..ada.clone() };
    let ben = server.person("ben").await;
    for thief in [&elsewhere, &ben] {
        shown(thief, &open.token).await.expect(StatusCode::NOT_FOUND);
    }
    let other = format!("{}{}", &open.token[..63], if open.token.ends_with('A') { "B" } else { "A" });
    shown(&ada, &other).await.expect(StatusCode::NOT_FOUND);
    for bad in [&open.token[1..], "x", "", &format!("{},", open.token), &[open.token.as_str(); 17].join(",")] {
        assert_eq!(shown(&ada, bad).await.refused(), "header.x-sotto-unlock");
    }
    shown(&ada, &open.token).await.expect(StatusCode::OK);
    // The owner sees the session from elsewhere, and can end it.
    let sessions = elsewhere.get("/api/opaque-sessions").await.expect(StatusCode::OK);
    assert_eq!((&sessions[0]["state"], &sessions[0]["secret_tag_id"]), (&json!("unlocked"), &json!(secret.scope.tag)));
    let session = format!("/api/opaque-sessions/{}", text(&sessions[0], "id"));
    ben.delete(&session).await.expect(StatusCode::NOT_FOUND);
    shown(&ada, &open.token).await.expect(StatusCode::OK);
    elsewhere.delete(&session).await.expect(StatusCode::OK);
    elsewhere.delete(&session).await.expect(StatusCode::NOT_FOUND);
    shown(&ada, &open.token).await.expect(StatusCode::NOT_FOUND);
    // Signing out ends it, even for a client with both tokens.
    let open = secret.unlock(PHRASE).await;
    ada.post("/api/auth/logout", json!({})).await.expect(StatusCode::OK);
    open.get(&open.entries()).await.expect(StatusCode::UNAUTHORIZED);
    let again =
        ApiResponse::receive(elsewhere.request(Method::GET, &open.entries()).header("x-sotto-unlock", &open.token));
    again.await.expect(StatusCode::NOT_FOUND);
}

async fn an_unlock_expires(server: Server) {
    let mut ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    let open = secret.unlock(PHRASE).await;
    // Access tokens expire earlier than what is measured here, but the session continues.
    let refreshed = async |ada: &mut Person<'_>| {
        let body = json!({"refresh_token": ada.refresh_token});
        let pair = ada.post("/api/auth/refresh", body).await.expect(StatusCode::OK);
        text(&pair, "access_token").clone_into(&mut ada.token);
        text(&pair, "refresh_token").clone_into(&mut ada.refresh_token);
    };
    let is_open = async |ada: &Person<'_>, token: &str| {
        let response =
            ApiResponse::receive(ada.request(Method::GET, &open.entries()).header("x-sotto-unlock", token)).await;
        response.status == StatusCode::OK
    };
    let mut elapsed = 0;
    while elapsed + IDLE_SECONDS < OPEN_SECONDS {
        server.clock.advance(IDLE_SECONDS - 10);
        elapsed += IDLE_SECONDS - 10;
        refreshed(&mut ada).await;
        assert!(is_open(&ada, &open.token).await, "after {elapsed} s of use");
    }
    server.clock.advance(OPEN_SECONDS - elapsed);
    refreshed(&mut ada).await;
    assert!(!is_open(&ada, &open.token).await, "after all the time there is");

    let secret = secret.by(&ada);
    let open = secret.unlock(PHRASE).await;
    server.clock.advance(IDLE_SECONDS);
    refreshed(&mut ada).await;
    assert!(!is_open(&ada, &open.token).await, "when it was not used");
}

async fn simultaneous_unlocks_are_limited(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    let open = secret.unlock(PHRASE).await;
    open.get(&open.entries()).await.expect(StatusCode::OK);
    // The same number of attempts, without the client's work for each.
    let sessions = server.app.storage.opaque_sessions();
    for n in 0..MAX_OPEN {
        server.clock.advance(1);
        let (id, now) = (OpaqueSessionId::new(&SystemClock, &SystemRandom), server.clock.now());
        let (user_id, expires_at) = (secret.scope.user, now.plus_seconds(LOGIN_SECONDS));
        let login = NewLogin { id, user_id, tag: secret.scope.tag, state: Vec::new(), expires_at };
        sessions.start(&login, now).await.unwrap();
        sessions.take(user_id, id, now).await.unwrap().unwrap();
        assert_eq!(open.get(&open.entries()).await.status, StatusCode::OK, "{n} more");
        sessions.unlock(user_id, id, 1, &[7; 32], now).await.unwrap().unwrap();
    }
    open.get(&open.entries()).await.expect(StatusCode::NOT_FOUND);
}

fn login_request(secret: &Secret<'_>) -> Value {
    let (request, _) = Login::start(secret.scope, phrase(), &SystemRandom).unwrap();
    json!({"login_request": request.to_string()})
}

fn phrase() -> Phrase {
    Phrase::new("a guess").unwrap()
}
