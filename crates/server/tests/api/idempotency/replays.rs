//! Replays: what the response to a repeated request is.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sotto_domain::idempotency::KEPT_SECONDS;

use super::{JOURNALS, KEY, Maker, TAGS, TOKENS, create, entry, is_replay, tag, token};
use crate::on_both_engines;
use crate::server::{ApiResponse, Server};
use crate::vault::{DATE, new_id};

on_both_engines!(
    every_create_can_be_sent_again,
    a_replay_returns_the_current_state,
    a_replay_of_a_deleted_row_is_gone,
    a_replay_of_a_sealed_entry_requires_the_unlocked_tag,
    concurrent_requests_create_one_row,
    a_repeated_token_create_returns_the_same_secret,
);

async fn every_create_can_be_sent_again(server: Server) {
    let maker = Maker::new(&server).await;
    let before = maker.rows().await;
    for (number, create) in maker.creates().await.iter().enumerate() {
        let key = format!("key-{number}");
        let first = maker.send(create, &key).await;
        assert!(!is_replay(&first), "{first:?}");
        let rows = maker.rows().await;
        for key in [key.clone(), format!("\"{key}\"")] {
            let again = maker.send(create, &key).await;
            assert_eq!((again.status, is_replay(&again)), (StatusCode::CREATED, true), "{again:?}");
            assert_eq!(again.body, first.body);
            for name in ["etag", "location"] {
                assert_eq!(again.header(name), first.header(name), "{name}");
            }
        }
        first.expect(StatusCode::CREATED);
        assert_eq!(maker.rows().await, rows, "{}", create.path);
    }
    let created: Vec<_> = maker.rows().await.iter().zip(before).map(|(after, before)| after - before).collect();
    // The tag of the entries and the other tag.
    assert_eq!(created, [2, 1, 2, 1, 1, 1, 1]);
}

async fn a_replay_returns_the_current_state(server: Server) {
    let maker = Maker::new(&server).await;
    let ada = maker.person();
    let created = maker.send(&entry(), "one").await.expect(StatusCode::CREATED);
    let path = format!("{JOURNALS}{}", created["id"].as_str().unwrap());
    let changed = ada.put(&path, json!({"content": "changed"})).await.expect(StatusCode::OK);
    let again = maker.send(&entry(), "one").await;
    assert_eq!((is_replay(&again), again.header("etag")), (true, Some("\"2\"")));
    assert_eq!(again.expect(StatusCode::CREATED), changed);

    let created = maker.send(&tag("two"), "two").await.expect(StatusCode::CREATED);
    let path = format!("{TAGS}{}", created["id"].as_str().unwrap());
    let changed = ada.put(&path, json!({"name": "renamed"})).await.expect(StatusCode::OK);
    assert_eq!(maker.send(&tag("two"), "two").await.expect(StatusCode::CREATED), changed);
}

async fn a_replay_of_a_deleted_row_is_gone(server: Server) {
    let maker = Maker::new(&server).await;
    for (number, create) in maker.creates().await.iter().enumerate() {
        let [key, fresh] = ["old", "new"].map(|name| format!("{name}-{number}"));
        let created = maker.send(create, &key).await.expect(StatusCode::CREATED);
        maker.delete(create, &created).await;
        let rows = maker.rows().await;
        assert_eq!(maker.send(create, &key).await.expect(StatusCode::GONE)["code"], "gone");
        assert_eq!(maker.rows().await, rows);
        let again = maker.send(create, &fresh).await;
        assert!(!is_replay(&again));
        if create.path.starts_with("/api/secret-tags/") {
            // The id of a deleted secret tag is never used again.
            assert_eq!(again.expect(StatusCode::CONFLICT)["code"], "id_taken");
        } else {
            let again = again.expect(StatusCode::CREATED);
            maker.delete(create, &again).await;
        }
    }
}

async fn a_replay_of_a_sealed_entry_requires_the_unlocked_tag(server: Server) {
    let maker = Maker::new(&server).await;
    let (ada, open) = (maker.person(), &maker.open);
    let plain = entry();
    let created = maker.send(&plain, "plain").await.expect(StatusCode::CREATED);
    let id = created["id"].as_str().unwrap();
    let path = format!("{JOURNALS}{id}");
    let sealed = open.put(&path, 1, open.seal(id.parse().unwrap(), 2, "Hidden.")).await.expect(StatusCode::OK);
    assert_eq!(maker.send(&plain, "plain").await.expect(StatusCode::CREATED), sealed);
    let locked = ada.request(Method::POST, JOURNALS).header(KEY, "plain").json(&plain.body);
    let refusal = ApiResponse::receive(locked).await.expect(StatusCode::GONE);
    assert!(!refusal.to_string().contains(id), "{refusal}");

    // As for the first request, the secret tag must be unlocked.
    let create = create(JOURNALS, JOURNALS, open.entry(new_id(), "Heron.", DATE));
    let sealed = maker.send(&create, "sealed").await.expect(StatusCode::CREATED);
    let locked = || ApiResponse::receive(ada.request(Method::POST, JOURNALS).header(KEY, "sealed").json(&create.body));
    assert_eq!(locked().await.expect(StatusCode::FORBIDDEN)["code"], "secret_tag_locked");
    maker.delete(&create, &sealed).await;
    assert_eq!(locked().await.expect(StatusCode::FORBIDDEN)["code"], "secret_tag_locked");
}

async fn concurrent_requests_create_one_row(server: Server) {
    let maker = Maker::new(&server).await;
    for (number, create) in maker.creates().await.iter().enumerate() {
        let before = maker.rows().await;
        let key = format!("key-{number}");
        let responses = join_all((0..6).map(|_| maker.send(create, &key))).await;
        assert_eq!(responses.iter().filter(|response| !is_replay(response)).count(), 1, "{responses:?}");
        let bodies: BTreeSet<_> =
            responses.into_iter().map(|response| response.expect(StatusCode::CREATED).to_string()).collect();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        let more: usize = maker.rows().await.iter().zip(before).map(|(after, before)| after - before).sum();
        let with_tag = usize::from(number == 0);
        assert_eq!(more, 1 + with_tag, "{}", create.path);
    }
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
    for (created, status) in
        [(&first, StatusCode::OK), (&other, StatusCode::OK), (&json!({"token": "sotto_x"}), StatusCode::UNAUTHORIZED)]
    {
        let tags = server.request(Method::GET, TAGS).bearer_auth(created["token"].as_str().unwrap());
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

/// Requests of one client may reach several servers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_on_three_nodes_create_one_row() {
    let server = Server::on_three_nodes().await;
    concurrent_requests_create_one_row(server).await;
}
