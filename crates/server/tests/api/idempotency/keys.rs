//! Keys: which are accepted, for which request, for whom, and for how long.

use std::collections::BTreeSet;

use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_domain::idempotency::KEPT_SECONDS;
use sotto_storage::testing::wait_for;

use super::{
    JOURNALS, KEY, Maker, REMINDERS, SECRET_TAGS, TAGS, TOKENS, USERS, create, entry, is_replay, reminder, tag, token,
};
use crate::on_both_engines;
use crate::server::{ApiResponse, Person, Server};
use crate::vault::new_id;

on_both_engines!(
    a_key_is_valid_for_one_request,
    malformed_keys_are_refused,
    the_same_key_of_another_user_is_separate,
    a_rejected_request_does_not_use_its_key,
    a_repeated_request_is_not_validated_again,
    a_key_ends_after_a_day,
    the_database_contains_no_copy_of_a_key_or_request,
);

#[track_caller]
fn assert_key_was_reused(response: ApiResponse) {
    let body = response.expect(StatusCode::UNPROCESSABLE_ENTITY);
    let error = &body["errors"][0];
    assert_eq!(
        (&error["loc"], &error["code"]),
        (&json!(["header", "Idempotency-Key"]), &json!("idempotency_key_reused"))
    );
}

async fn a_key_is_valid_for_one_request(server: Server) {
    let maker = Maker::new(&server).await;
    maker.send(&tag("one"), "key").await.expect(StatusCode::CREATED);
    let rows = maker.rows().await;
    for other in maker.creates().await.iter().chain([&tag("two")]) {
        assert_key_was_reused(maker.send(other, "key").await);
    }
    assert_eq!(maker.rows().await, rows);
    // Another form of the same address.
    let bare = create("/api/tags", TAGS, json!({"name": "one"}));
    let again = maker.send(&bare, "key").await;
    assert!(is_replay(&again));
    again.expect(StatusCode::CREATED);
}

async fn malformed_keys_are_refused(server: Server) {
    let maker = Maker::new(&server).await;
    let rows = maker.rows().await;
    let long = "x".repeat(256);
    let values: Vec<&[u8]> = vec![
        b"",
        b"\"\"",
        b"\"",
        b"two words",
        b"a\tb",
        b"a\"b",
        b"\"a",
        b"a\\b",
        "ä".as_bytes(),
        b"\xff",
        long.as_bytes(),
    ];
    let mut sets: Vec<Vec<&[u8]>> = values.into_iter().map(|value| vec![value]).collect();
    sets.push(vec![b"one", b"two"]);
    sets.push(vec![b"one", b"one"]);
    for create in maker.creates().await {
        for values in &sets {
            let mut request = maker.open.request(Method::POST, create.path).json(&create.body);
            for value in values {
                request = request.header(KEY, HeaderValue::from_bytes(value).unwrap());
            }
            let body = ApiResponse::receive(request).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
            let error = &body["errors"][0];
            assert_eq!(error["code"], "not_an_idempotency_key", "{values:?}: {body}");
            assert_eq!(error["params"], json!({"max": 255}));
        }
    }
    assert_eq!(maker.rows().await, rows);
    for key in [&long[1..], &format!("\"{}\"", &long[1..])] {
        maker.send(&tag("one"), key).await.expect(StatusCode::CREATED);
    }
    // Where nothing is created, the key changes nothing.
    let listed = maker.open.request(Method::GET, TAGS).header(KEY, &long);
    ApiResponse::receive(listed).await.expect(StatusCode::OK);
}

async fn the_same_key_of_another_user_is_separate(server: Server) {
    let maker = Maker::new(&server).await;
    let bob = server.person("bob").await;
    for create in [entry(), tag("once"), reminder(), token()] {
        let mine = maker.send(&create, create.path).await.expect(StatusCode::CREATED);
        let theirs =
            ApiResponse::receive(bob.request(Method::POST, create.path).header(KEY, create.path).json(&create.body))
                .await;
        assert!(!is_replay(&theirs));
        let theirs = theirs.expect(StatusCode::CREATED);
        assert_ne!(theirs["id"], mine["id"]);
        assert!(mine["token"].is_null() || mine["token"] != theirs["token"]);
        // With another key, the same request is a new one.
        let other = bob.request(Method::POST, create.path).header(KEY, "bob's").json(&create.body);
        assert!(!is_replay(&ApiResponse::receive(other).await));
    }
}

async fn a_rejected_request_does_not_use_its_key(server: Server) {
    let maker = Maker::new(&server).await;
    maker.send(&tag(""), "key").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    let mut unknown = entry();
    unknown.body["tag_ids"] = json!([new_id()]);
    maker.send(&unknown, "key").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    maker.send(&tag("taken"), "other").await.expect(StatusCode::CREATED);
    maker.send(&tag("taken"), "key").await.expect(StatusCode::CONFLICT);
    let taken = create(USERS, USERS, json!({"email": maker.person().email, "password": "correct horse battery"}));
    maker.send(&taken, "key").await.expect(StatusCode::CONFLICT);
    let created = maker.send(&tag("free"), "key").await;
    assert!(!is_replay(&created));
    created.expect(StatusCode::CREATED);
    // Without a key, each request creates a row.
    for _ in 0..2 {
        maker.person().post(REMINDERS, reminder().body).await.expect(StatusCode::CREATED);
    }
}

/// The name is taken by the row itself, the expiry has passed, and the limit is reached.
async fn a_repeated_request_is_not_validated_again(server: Server) {
    let maker = Maker::new(&server).await;
    let mut ending = token();
    ending.body["expires_at"] = json!(server.app.now().plus_seconds(60).to_string());
    let created = maker.send(&ending, "ending").await.expect(StatusCode::CREATED);
    for _ in 1..sotto_domain::api_token::MAX_TOKENS {
        maker.person().post(TOKENS, token().body).await.expect(StatusCode::CREATED);
    }
    server.clock.advance(120);
    assert_eq!(maker.send(&ending, "ending").await.expect(StatusCode::CREATED), created);
    maker.send(&ending, "other").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(maker.send(&token(), "late").await.expect(StatusCode::CONFLICT)["code"], "too_many_api_tokens");
}

async fn a_key_ends_after_a_day(server: Server) {
    let ada = server.person("ada").await;
    let post = async |person: &Person<'_>| {
        ApiResponse::receive(person.request(Method::POST, REMINDERS).header(KEY, "key").json(&reminder().body)).await
    };
    let first = post(&ada).await.expect(StatusCode::CREATED);
    let signed_in = async || {
        let tokens = server.login(&ada.email, crate::server::PASSWORD).await;
        Person { token: tokens["access_token"].as_str().unwrap().to_owned(), ..ada.clone() }
    };
    server.clock.advance(KEPT_SECONDS - 60);
    let almost = post(&signed_in().await).await;
    assert!(is_replay(&almost));
    assert_eq!(almost.expect(StatusCode::CREATED)["id"], first["id"]);

    server.clock.advance(120);
    // A server deletes expired keys when it starts.
    server.another(&server.keys).await;
    let later = signed_in().await;
    let again = wait_for("the expired key is deleted", async || {
        let again = post(&later).await;
        (!is_replay(&again)).then(|| again.expect(StatusCode::CREATED))
    })
    .await;
    assert_ne!(again["id"], first["id"]);
}

async fn the_database_contains_no_copy_of_a_key_or_request(server: Server) {
    let maker = Maker::new(&server).await;
    let created = maker.send(&entry(), "a-key-that-is-easily-found").await.expect(StatusCode::CREATED);
    let path = format!("{JOURNALS}{}", created["id"].as_str().unwrap());
    maker.person().put(&path, json!({"content": "zanzibar"})).await.expect(StatusCode::OK);
    maker.send(&entry(), "a-key-that-is-easily-found").await.expect(StatusCode::CREATED);
    let token = maker.send(&token(), "another-key-to-be-found").await.expect(StatusCode::CREATED);
    let dump = sotto_storage::testing::dump(&server.scratch.url);
    assert!(dump.contains("idempotency_keys") && dump.contains("zanzibar"));
    for absent in ["to-be-found", "easily-found", "\"entry_date\"", token["token"].as_str().unwrap()] {
        assert!(!dump.contains(absent), "{absent}");
    }
}

/// Routes that create a row by POST without a key: an address can have one account, and there is no user yet to whom a
/// key could belong.
const WITHOUT: [&str; 1] = ["/api/auth/register"];

#[test]
fn every_create_in_the_specification_accepts_a_key() {
    let specification: Value = serde_json::from_str(&sotto_server::openapi::to_json().unwrap()).unwrap();
    let mut taking = BTreeSet::new();
    for (path, item) in specification["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let takes = parameters.into_iter().any(|one| one["name"] == "Idempotency-Key" && one["in"] == "header");
            let responses = operation["responses"].as_object().unwrap();
            let creates = method == "post" && responses.contains_key("201");
            assert_eq!(takes, creates && !WITHOUT.contains(&path.as_str()), "{method} {path}");
            if takes {
                assert!(responses.contains_key("410"), "{path}");
                assert!(responses["201"]["headers"]["idempotency-replayed"].is_object(), "{path}");
                taking.insert(path.as_str());
            }
        }
    }
    // The requests in these tests.
    assert_eq!(taking, [JOURNALS, TAGS, REMINDERS, TOKENS, USERS, SECRET_TAGS].into());
}
