//! Malformed messages of secret tags: each gets a 422 that names the field, and changes nothing.

use reqwest::StatusCode;
use serde_json::{Value, json};
use sotto_crypto::client::{Login, Phrase, Registration};
use sotto_server::system::SystemRandom;

use crate::on_both_engines;
use crate::server::Server;
use crate::vault::{PHRASE, Secret, encode, new_id};

on_both_engines!(malformed_messages_change_nothing);

/// Bytes, sent as base64url, and their error. `good` is a valid message.
fn malformed(good: &str) -> Vec<Value> {
    let text = |text: String| Value::String(text);
    vec![
        Value::Null,
        json!(7),
        json!([]),
        text(String::new()),
        text(good[..good.len() - 1].into()),
        text(good[4..].into()),
        text(format!("{good}A")),
        text(format!("{good}AAAA")),
        text(format!("{good}=")),
        text(format!(" {good}")),
        text(format!("{}\n", &good[1..])),
        text(format!("+{}", &good[1..])),
        text(format!("/{}", &good[1..])),
        text(format!("ä{}", &good[2..])),
        text("A".repeat(10_000)),
    ]
}

/// Of these lengths, bytes that are no valid point: the identity, one outside of the field, one off the curve.
fn no_points(length: usize) -> Vec<Value> {
    let mut odd = vec![0; length];
    odd[0] = 1;
    vec![json!(encode(&vec![0; length])), json!(encode(&vec![0xff; length])), json!(encode(&odd))]
}

/// The address of a message, a valid one, and its byte fields, with their lengths if they begin with a point.
type Message = (String, Value, Vec<(&'static str, Option<usize>)>);

fn messages(secret: &Secret<'_>) -> Vec<Message> {
    let phrase = || Phrase::new("x").unwrap();
    let registration = Registration::start(secret.scope, phrase(), &SystemRandom).unwrap().0.to_string();
    let login = Login::start(secret.scope, phrase(), &SystemRandom).unwrap().0.to_string();
    // The public key of a record must be a point; any valid point will do.
    let mut record = [7; 192];
    record[..32].copy_from_slice(&point(&registration));
    let (record, wrap, proof) = (encode(&record), encode(&[7; 61]), encode(&[7; 32]));
    let metadata = encode(&[7; 61]);
    let path = |step: &str| format!("{}/{step}", secret.path);
    vec![
        (
            "/api/secret-tags/register/start".to_owned(),
            json!({"tag_id": new_id(), "registration_request": registration}),
            vec![("registration_request", Some(32))],
        ),
        (
            "/api/secret-tags/register/finish".to_owned(),
            json!({
                "tag_id": new_id(), "registration_record": record, "server_keys": "0".repeat(32),
                "wrapped_master_key": wrap, "metadata": metadata, "recovery_wrap": wrap, "recovery_verifier": proof,
            }),
            vec![
                ("registration_record", Some(192)),
                ("wrapped_master_key", None),
                ("recovery_wrap", None),
                ("recovery_verifier", None),
            ],
        ),
        (path("unlock/start"), json!({"login_request": login}), vec![("login_request", Some(96))]),
        (
            path("unlock/finish"),
            json!({"session_id": new_id(), "login_finish": encode(&[7; 64])}),
            vec![("login_finish", None)],
        ),
        (path("phrase/start"), json!({"registration_request": registration}), vec![("registration_request", Some(32))]),
        (
            path("phrase/finish"),
            json!({"registration_record": record, "wrapped_master_key": wrap, "version": 1}),
            vec![("registration_record", Some(192)), ("wrapped_master_key", None)],
        ),
        (
            path("recover/start"),
            json!({"recovery_proof": proof, "registration_request": registration}),
            vec![("recovery_proof", None), ("registration_request", Some(32))],
        ),
        (
            path("recover/finish"),
            json!({"recovery_proof": proof, "registration_record": record, "wrapped_master_key": wrap, "version": 1}),
            vec![("recovery_proof", None), ("registration_record", Some(192)), ("wrapped_master_key", None)],
        ),
    ]
}

async fn malformed_messages_change_nothing(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    let open = secret.unlock(PHRASE).await;
    let messages = messages(&secret);
    let before = open.get("/api/secret-tags/").await.expect(StatusCode::OK);
    let sessions = ada.get("/api/opaque-sessions/").await.expect(StatusCode::OK);

    for (path, good, fields) in &messages {
        for (field, length) in fields {
            let mut bad = malformed(good[field].as_str().unwrap());
            bad.extend(length.map(no_points).unwrap_or_default());
            for value in bad {
                let mut body = good.clone();
                body[field] = value.clone();
                let refused = open.post(path, body).await.refused();
                assert_eq!(refused, format!("body.{field}"), "{path} {value}");
            }
            let mut body = good.clone();
            body.as_object_mut().unwrap().remove(*field);
            assert_eq!(open.post(path, body).await.refused(), "body", "{path} without {field}");
        }
        let mut body = good.clone();
        body["phrase"] = json!(PHRASE);
        assert_eq!(open.post(path, body).await.refused(), "body.phrase", "{path}");
    }
    let finish = |field: &str, value: Value| {
        let mut body = messages[1].1.clone();
        body[field] = value;
        open.post(&messages[1].0, body)
    };
    for metadata in [encode(&[7; 60]), encode(&[7; 158]), "?".repeat(100)] {
        assert_eq!(finish("metadata", json!(metadata)).await.refused(), "body.metadata");
        assert_eq!(ada.put(&secret.path, json!({"metadata": metadata})).await.refused(), "body.metadata");
    }
    for id in [json!("00000000-0000-0000-0000-000000000000"), json!("x"), json!(1)] {
        assert_eq!(finish("tag_id", id).await.refused(), "body.tag_id");
    }
    for keys in ["", "x", &"F".repeat(32)] {
        assert_eq!(finish("server_keys", json!(keys)).await.refused(), "body.server_keys");
    }
    // Keys that this server does not have; an id that is used, by this user and by another.
    finish("server_keys", json!("0".repeat(32))).await.expect(StatusCode::CONFLICT);
    let mut taken = messages[1].1.clone();
    taken.as_object_mut().unwrap().remove("server_keys");
    taken["tag_id"] = json!(secret.scope.tag);
    ada.post(&messages[1].0, taken.clone()).await.expect(StatusCode::CONFLICT);
    let ben = server.person("ben").await;
    ben.post(&messages[1].0, taken).await.expect(StatusCode::CONFLICT);

    assert_eq!(open.get("/api/secret-tags/").await.expect(StatusCode::OK), before);
    assert_eq!(ada.get("/api/opaque-sessions/").await.expect(StatusCode::OK), sessions);
    assert_eq!(ben.get("/api/secret-tags/").await.expect(StatusCode::OK), json!([]));
    secret.unlock(PHRASE).await;
}

fn point(registration_request: &str) -> [u8; 32] {
    use std::str::FromStr;
    sotto_crypto::message::RegistrationRequest::from_str(registration_request).unwrap().to_bytes()
}
