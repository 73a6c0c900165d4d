//! `Idempotency-Key`: a repeated create creates one row.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_domain::SecretTagId;
use sotto_domain::idempotency::KEPT_SECONDS;
use sotto_domain::secret_tag::DeletedSecretTag;
use sotto_storage::testing::wait_for;

use crate::on_both_engines;
use crate::server::{ApiResponse, Person, Server};
use crate::vault::{DATE, Open, PHRASE, Secret, new_id};

on_both_engines!(
    every_create_can_be_sent_again,
    a_replay_returns_the_current_state,
    a_replay_of_a_deleted_row_is_gone,
    a_replay_of_a_sealed_entry_requires_the_unlocked_tag,
    a_key_is_valid_for_one_request,
    malformed_keys_are_refused,
    concurrent_requests_create_one_row,
    the_same_key_of_another_user_is_separate,
    a_rejected_request_does_not_use_its_key,
    a_repeated_request_is_not_validated_again,
    a_key_ends_after_a_day,
    a_repeated_token_create_returns_the_same_secret,
    the_database_contains_no_copy_of_a_key_or_request,
);

const KEY: &str = "idempotency-key";
const JOURNALS: &str = "/api/journals/";
const TAGS: &str = "/api/tags/";
const REMINDERS: &str = "/api/reminders/";
const TOKENS: &str = "/api/users/me/tokens";
const USERS: &str = "/api/admin/users";
const SECRET_TAGS: &str = "/api/secret-tags/register/finish";

/// A request that creates a row.
struct Create {
    path: &'static str,
    body: Value,
    /// The address of the row, with its id.
    row: &'static str,
}

fn create(path: &'static str, row: &'static str, body: Value) -> Create {
    Create { path, body, row }
}

fn entry() -> Create {
    create(JOURNALS, JOURNALS, json!({"content": "once", "entry_date": DATE, "tags": ["new"]}))
}

fn tag(name: &str) -> Create {
    create(TAGS, TAGS, json!({"name": name}))
}

fn reminder() -> Create {
    let body = json!({"title": "once", "message": "", "frequency": "daily", "time": "2025-01-22T19:00:00Z"});
    create(REMINDERS, REMINDERS, body)
}

fn token() -> Create {
    create(TOKENS, "/api/users/me/tokens/", json!({"name": "once", "scopes": ["tags:read"]}))
}

fn user() -> Create {
    let body = json!({"email": "once@example.org", "password": "correct horse battery"});
    create(USERS, "/api/admin/users/", body)
}

/// A superuser with an unlocked secret tag, who may create everything.
struct Maker<'a> {
    open: Open<'a>,
}

impl<'a> Maker<'a> {
    async fn new(server: &'a Server) -> Self {
        let person = server.superuser("ada").await;
        Self { open: Secret::make(&person, PHRASE).await.unlock(PHRASE).await }
    }

    fn person(&self) -> &Person<'a> {
        &self.open.person
    }

    /// One row of each kind.
    async fn creates(&self) -> Vec<Create> {
        let (_, secret_tag) = Secret::prepare(self.person(), PHRASE).await;
        let mut with_id = entry();
        with_id.body["id"] = json!(new_id());
        vec![
            entry(),
            with_id,
            create(JOURNALS, JOURNALS, self.open.entry(new_id(), "once", DATE)),
            tag("once"),
            reminder(),
            token(),
            user(),
            create(SECRET_TAGS, "/api/secret-tags/", secret_tag),
        ]
    }

    async fn send(&self, create: &Create, key: &str) -> ApiResponse {
        ApiResponse::receive(self.open.request(Method::POST, create.path).header(KEY, key).json(&create.body)).await
    }

    /// The number of rows of each kind.
    async fn rows(&self) -> Vec<usize> {
        let mut rows = vec![];
        for path in [JOURNALS, &self.open.entries(), TAGS, REMINDERS, TOKENS, USERS, "/api/secret-tags/"] {
            rows.push(self.open.get(path).await.expect(StatusCode::OK).as_array().unwrap().len());
        }
        rows
    }

    async fn delete(&self, create: &Create, row: &Value) {
        if create.path == SECRET_TAGS {
            // The secret tag must be unlocked first.
            let (user, id) = (self.open.scope.user, SecretTagId(row["id"].as_str().unwrap().parse().unwrap()));
            let secret_tags = self.person().server.app.storage.secret_tags();
            let deleted = secret_tags.delete(user, id, false).await.unwrap();
            assert!(matches!(deleted, DeletedSecretTag::Deleted { .. }), "{deleted:?}");
            return;
        }
        let path = format!("{}{}", create.row, row["id"].as_str().unwrap());
        let request = self.open.request(Method::DELETE, &path).header("if-match", "*");
        ApiResponse::receive(request).await.expect(StatusCode::OK);
    }
}

fn is_replayed(answer: &ApiResponse) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

#[track_caller]
fn assert_reused(answer: ApiResponse) {
    let body = answer.expect(StatusCode::UNPROCESSABLE_ENTITY);
    let error = &body["errors"][0];
    assert_eq!(
        (&error["loc"], &error["code"]),
        (&json!(["header", "Idempotency-Key"]), &json!("idempotency_key_reused"))
    );
}

async fn every_create_can_be_sent_again(server: Server) {
    let maker = Maker::new(&server).await;
    let before = maker.rows().await;
    for (number, create) in maker.creates().await.iter().enumerate() {
        let key = format!("key-{number}");
        let first = maker.send(create, &key).await;
        assert!(!is_replayed(&first), "{first:?}");
        let rows = maker.rows().await;
        for key in [key.clone(), format!("\"{key}\"")] {
            let again = maker.send(create, &key).await;
            assert_eq!((again.status, is_replayed(&again)), (StatusCode::CREATED, true), "{again:?}");
            assert_eq!(again.body, first.body);
            for name in ["etag", "location"] {
                assert_eq!(again.header(name), first.header(name), "{name}");
            }
        }
        first.expect(StatusCode::CREATED);
        assert_eq!(maker.rows().await, rows, "{}", create.path);
    }
    let made: Vec<_> = maker.rows().await.iter().zip(before).map(|(after, before)| after - before).collect();
    // The tag of the entries and the other tag.
    assert_eq!(made, [2, 1, 2, 1, 1, 1, 1]);
}

async fn a_replay_returns_the_current_state(server: Server) {
    let maker = Maker::new(&server).await;
    let ada = maker.person();
    let made = maker.send(&entry(), "one").await.expect(StatusCode::CREATED);
    let path = format!("{JOURNALS}{}", made["id"].as_str().unwrap());
    let changed = ada.put(&path, json!({"content": "changed"})).await.expect(StatusCode::OK);
    let again = maker.send(&entry(), "one").await;
    assert_eq!((is_replayed(&again), again.header("etag")), (true, Some("\"2\"")));
    assert_eq!(again.expect(StatusCode::CREATED), changed);

    let made = maker.send(&tag("two"), "two").await.expect(StatusCode::CREATED);
    let path = format!("{TAGS}{}", made["id"].as_str().unwrap());
    let changed = ada.put(&path, json!({"name": "renamed"})).await.expect(StatusCode::OK);
    assert_eq!(maker.send(&tag("two"), "two").await.expect(StatusCode::CREATED), changed);
}

async fn a_replay_of_a_deleted_row_is_gone(server: Server) {
    let maker = Maker::new(&server).await;
    for (number, create) in maker.creates().await.iter().enumerate() {
        let [key, fresh] = ["old", "new"].map(|name| format!("{name}-{number}"));
        let made = maker.send(create, &key).await.expect(StatusCode::CREATED);
        maker.delete(create, &made).await;
        let rows = maker.rows().await;
        assert_eq!(maker.send(create, &key).await.expect(StatusCode::GONE)["code"], "gone");
        assert_eq!(maker.rows().await, rows);
        let again = maker.send(create, &fresh).await;
        assert!(!is_replayed(&again));
        let again = again.expect(StatusCode::CREATED);
        maker.delete(create, &again).await;
    }
}

async fn a_replay_of_a_sealed_entry_requires_the_unlocked_tag(server: Server) {
    let maker = Maker::new(&server).await;
    let (ada, open) = (maker.person(), &maker.open);
    let plain = entry();
    let made = maker.send(&plain, "plain").await.expect(StatusCode::CREATED);
    let id = made["id"].as_str().unwrap();
    let path = format!("{JOURNALS}{id}");
    let sealed = open.put(&path, 1, open.seal(id.parse().unwrap(), 2, "Hidden.")).await.expect(StatusCode::OK);
    assert_eq!(maker.send(&plain, "plain").await.expect(StatusCode::CREATED), sealed);
    let locked = ada.request(Method::POST, JOURNALS).header(KEY, "plain").json(&plain.body);
    let gone = ApiResponse::receive(locked).await.expect(StatusCode::GONE);
    assert!(!gone.to_string().contains(id), "{gone}");

    // A sealed entry is answered like by the first request.
    let create = create(JOURNALS, JOURNALS, open.entry(new_id(), "Heron.", DATE));
    let sealed = maker.send(&create, "sealed").await.expect(StatusCode::CREATED);
    let locked = || ApiResponse::receive(ada.request(Method::POST, JOURNALS).header(KEY, "sealed").json(&create.body));
    assert_eq!(locked().await.expect(StatusCode::FORBIDDEN)["code"], "secret_tag_locked");
    maker.delete(&create, &sealed).await;
    assert_eq!(locked().await.expect(StatusCode::FORBIDDEN)["code"], "secret_tag_locked");
}

async fn a_key_is_valid_for_one_request(server: Server) {
    let maker = Maker::new(&server).await;
    maker.send(&tag("one"), "key").await.expect(StatusCode::CREATED);
    let rows = maker.rows().await;
    for other in maker.creates().await.iter().chain([&tag("two")]) {
        assert_reused(maker.send(other, "key").await);
    }
    assert_eq!(maker.rows().await, rows);
    // Another form of the same address.
    let bare = create("/api/tags", TAGS, json!({"name": "one"}));
    let again = maker.send(&bare, "key").await;
    assert!(is_replayed(&again));
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

async fn concurrent_requests_create_one_row(server: Server) {
    let maker = Maker::new(&server).await;
    for (number, create) in maker.creates().await.iter().enumerate() {
        let before = maker.rows().await;
        let key = format!("key-{number}");
        let answers = join_all((0..6).map(|_| maker.send(create, &key))).await;
        assert_eq!(answers.iter().filter(|answer| !is_replayed(answer)).count(), 1, "{answers:?}");
        let made: BTreeSet<_> =
            answers.into_iter().map(|answer| answer.expect(StatusCode::CREATED).to_string()).collect();
        assert_eq!(made.len(), 1, "{made:?}");
        let more: usize = maker.rows().await.iter().zip(before).map(|(after, before)| after - before).sum();
        let with_tag = usize::from(number == 0);
        assert_eq!(more, 1 + with_tag, "{}", create.path);
    }
}

async fn the_same_key_of_another_user_is_separate(server: Server) {
    let maker = Maker::new(&server).await;
    let bob = server.person("bob").await;
    for create in [entry(), tag("once"), reminder(), token()] {
        let mine = maker.send(&create, create.path).await.expect(StatusCode::CREATED);
        let theirs =
            ApiResponse::receive(bob.request(Method::POST, create.path).header(KEY, create.path).json(&create.body))
                .await;
        assert!(!is_replayed(&theirs));
        let theirs = theirs.expect(StatusCode::CREATED);
        assert_ne!(theirs["id"], mine["id"]);
        assert!(mine["token"].is_null() || mine["token"] != theirs["token"]);
        // With another key, the same request is a new one.
        let other = bob.request(Method::POST, create.path).header(KEY, "bob's").json(&create.body);
        assert!(!is_replayed(&ApiResponse::receive(other).await));
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
    let made = maker.send(&tag("free"), "key").await;
    assert!(!is_replayed(&made));
    made.expect(StatusCode::CREATED);
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
    let made = maker.send(&ending, "ending").await.expect(StatusCode::CREATED);
    for _ in 1..sotto_domain::api_token::MAX_TOKENS {
        maker.person().post(TOKENS, token().body).await.expect(StatusCode::CREATED);
    }
    server.clock.advance(120);
    assert_eq!(maker.send(&ending, "ending").await.expect(StatusCode::CREATED), made);
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
    assert!(is_replayed(&almost));
    assert_eq!(almost.expect(StatusCode::CREATED)["id"], first["id"]);

    server.clock.advance(120);
    // A server deletes expired keys when it starts.
    server.another(&server.keys).await;
    let later = signed_in().await;
    let again = wait_for("the expired key is deleted", async || {
        let again = post(&later).await;
        (!is_replayed(&again)).then(|| again.expect(StatusCode::CREATED))
    })
    .await;
    assert_ne!(again["id"], first["id"]);
}

async fn a_repeated_token_create_returns_the_same_secret(server: Server) {
    let ada = server.person("ada").await;
    let (access, email) = (ada.token.clone(), ada.email.clone());
    let post = async |server: &Server, key: &str, access: &str| {
        let request = server.request(Method::POST, TOKENS).bearer_auth(access);
        ApiResponse::receive(request.header(KEY, key).json(&token().body)).await.expect(StatusCode::CREATED)
    };
    let first = post(&server, "key", &access).await;
    let other = post(&server, "other", &access).await;
    assert_ne!(first["token"], other["token"]);
    let keys = server.keys.clone();
    let server = server.restart(&keys).await;
    let access = server.login(&email, crate::server::PASSWORD).await["access_token"].as_str().unwrap().to_owned();
    assert_eq!(post(&server, "key", &access).await, first);
    for (made, status) in
        [(&first, StatusCode::OK), (&other, StatusCode::OK), (&json!({"token": "sotto_x"}), StatusCode::UNAUTHORIZED)]
    {
        let tags = server.request(Method::GET, TAGS).bearer_auth(made["token"].as_str().unwrap());
        ApiResponse::receive(tags).await.expect(status);
    }
    // Once the token is deleted and the key has expired, the same key makes another secret, and the old one never works
    // again.
    let path = format!("{TOKENS}/{}", first["id"].as_str().unwrap());
    ApiResponse::receive(server.request(Method::DELETE, &path).bearer_auth(&access)).await.expect(StatusCode::OK);
    let day_later = server.app.now().plus_seconds(KEPT_SECONDS);
    assert_eq!(server.app.storage.idempotency_keys().delete_expired(day_later).await.unwrap(), 2);
    let again = post(&server, "key", &access).await;
    assert_ne!(again["token"], first["token"]);
}

async fn the_database_contains_no_copy_of_a_key_or_request(server: Server) {
    let maker = Maker::new(&server).await;
    let made = maker.send(&entry(), "a-key-that-is-easily-found").await.expect(StatusCode::CREATED);
    let path = format!("{JOURNALS}{}", made["id"].as_str().unwrap());
    maker.person().put(&path, json!({"content": "zanzibar"})).await.expect(StatusCode::OK);
    maker.send(&entry(), "a-key-that-is-easily-found").await.expect(StatusCode::CREATED);
    let token = maker.send(&token(), "another-key-to-be-found").await.expect(StatusCode::CREATED);
    let dump = sotto_storage::testing::dump(&server.scratch.url);
    assert!(dump.contains("idempotency_keys") && dump.contains("zanzibar"));
    for absent in ["to-be-found", "easily-found", "\"entry_date\"", token["token"].as_str().unwrap()] {
        assert!(!dump.contains(absent), "{absent}");
    }
}

/// Requests of one client may reach several servers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_on_three_nodes_create_one_row() {
    let server = Server::on_three_nodes().await;
    concurrent_requests_create_one_row(server).await;
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
