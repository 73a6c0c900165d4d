//! The life of a secret tag, from creation to deletion.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_crypto::client::{Metadata, RecoveryKey};
use sotto_server::system::SystemRandom;

use crate::on_both_engines;
use crate::server::{ApiResponse, Person, Server};
use crate::vault::{DATE, PHRASE, Secret, encode, text};

on_both_engines!(
    a_secret_tag_from_creation_to_deletion,
    a_lost_passphrase_is_replaced,
    a_tag_is_registered_again_with_rotated_server_keys,
    the_recovery_key_works_after_the_server_keys_are_lost,
    several_secret_tags_are_unlocked_at_once,
    frequent_unlocks_of_one_tag_do_not_delay_others
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secret_tags_work_across_three_nodes() {
    a_secret_tag_from_creation_to_deletion(Server::on_three_nodes().await).await;
    a_lost_passphrase_is_replaced(Server::on_three_nodes().await).await;
}

async fn a_secret_tag_from_creation_to_deletion(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    let listed = ada.get("/api/secret-tags/").await.expect(StatusCode::OK);
    let [tag] = listed.as_array().unwrap().as_slice() else { panic!("one secret tag: {listed}") };
    assert_eq!((tag["id"].clone(), &tag["open"]), (json!(secret.scope.tag), &json!(false)));
    assert_eq!((&tag["metadata"], &tag["version"]), (&Value::Null, &Value::Null));

    let refused = secret.try_unlock("the grey heron wades").await.err().unwrap();
    refused.expect(StatusCode::FORBIDDEN);
    let open = secret.unlock(PHRASE).await;
    assert_eq!((&open.response["version"], &open.response["reregister"]), (&json!(1), &json!(false)));
    assert_eq!((&open.response["failed_tries"]["count"], open.name(&open.response)), (&json!(1), "Therapy".to_owned()));
    assert!(open.response["failed_tries"]["last"].is_string());

    let entry = open.write("Nobody knows.", DATE).await;
    assert_eq!((&entry["content"], &entry["title"], &entry["revision"]), (&json!(""), &Value::Null, &json!(1)));
    assert_eq!(open.contents(&open.entries()).await, ["Nobody knows."]);

    // Change the name.
    let metadata = Metadata { name: "Dreams".into(), color: None };
    let metadata = json!({"metadata": encode(open.vault.seal_metadata(&metadata, &SystemRandom).unwrap().as_bytes())});
    let renamed =
        ApiResponse::receive(open.request(Method::PUT, &secret.path).json(&metadata)).await.expect(StatusCode::OK);
    assert_eq!(open.name(&renamed), "Dreams");
    let listed = open.get("/api/secret-tags/").await.expect(StatusCode::OK);
    assert_eq!((open.name(&listed[0]), &listed[0]["version"]), ("Dreams".to_owned(), &json!(1)));

    // Change the passphrase: the secret tag stays unlocked in this session, the old passphrase stops working, and the
    // entries are kept.
    let elsewhere = secret.unlock(PHRASE).await;
    open.change_phrase("a new one", 7).await.expect(StatusCode::CONFLICT);
    let changed = open.change_phrase("a new one", 1).await.expect(StatusCode::OK);
    assert_eq!(changed["version"], 2);
    elsewhere.get(&elsewhere.entries()).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(open.contents(&open.entries()).await, ["Nobody knows."]);
    ada.post(&format!("{}/lock", secret.path), json!({})).await.expect(StatusCode::OK);
    open.get(&open.entries()).await.expect(StatusCode::NOT_FOUND);
    secret.try_unlock(PHRASE).await.err().unwrap().expect(StatusCode::FORBIDDEN);
    let open = secret.unlock("a new one").await;
    assert_eq!(open.contents(&open.entries()).await, ["Nobody knows."]);

    // Deletion needs an explicit parameter.
    let refusal = open.delete(&secret.path).await.expect(StatusCode::CONFLICT);
    assert_eq!(refusal["current"], json!({"entries": 1}));
    assert_eq!(open.contents(&open.entries()).await, ["Nobody knows."]);
    ada.delete(&format!("{}?with_entries=true", secret.path)).await.expect(StatusCode::FORBIDDEN);
    open.delete(&format!("{}?with_entries=true", secret.path)).await.expect(StatusCode::OK);
    assert_eq!(ada.get("/api/secret-tags/").await.expect(StatusCode::OK), json!([]));
    open.get(&crate::vault::path(&entry)).await.expect(StatusCode::NOT_FOUND);
    secret.try_unlock("a new one").await.err().unwrap().expect(StatusCode::FORBIDDEN);
}

async fn a_lost_passphrase_is_replaced(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    let open = secret.unlock(PHRASE).await;
    open.write("Nobody knows.", DATE).await;
    let wrong = RecoveryKey::generate(&SystemRandom);
    secret.recover(&wrong, "never").await.expect(StatusCode::FORBIDDEN);
    let recovered = secret.recover(&secret.recovery_key, "a new one").await.expect(StatusCode::OK);
    assert_eq!(recovered["id"], json!(secret.scope.tag));
    // It is locked in all sessions, and only the new passphrase unlocks it.
    open.get(&open.entries()).await.expect(StatusCode::NOT_FOUND);
    secret.try_unlock(PHRASE).await.err().unwrap().expect(StatusCode::FORBIDDEN);
    let open = secret.unlock("a new one").await;
    // The recovery has cleared the failed attempts before it.
    assert_eq!((&open.response["version"], &open.response["failed_tries"]["count"]), (&json!(2), &json!(1)));
    assert_eq!(open.contents(&open.entries()).await, ["Nobody knows."]);
}

async fn a_tag_is_registered_again_with_rotated_server_keys(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    secret.unlock(PHRASE).await.write("Nobody knows.", DATE).await;
    let (scope, recovery_key) = (secret.scope, secret.recovery_key.reveal().parse().unwrap());
    let (id, email, token) = (ada.id.clone(), ada.email.clone(), ada.token.clone());

    let rotated = server.keys.rotated(&SystemRandom);
    let server = server.restart(&rotated).await;
    let ada = Person { server: &server, id, email, token, refresh_token: String::new() };
    let secret = Secret { person: ada, scope, recovery_key, path: format!("/api/secret-tags/{}", scope.tag) };
    let open = secret.unlock(PHRASE).await;
    assert_eq!(open.response["reregister"], true);
    open.change_phrase(PHRASE, 1).await.expect(StatusCode::OK);
    let open = secret.unlock(PHRASE).await;
    assert_eq!((&open.response["reregister"], &open.response["version"]), (&json!(false), &json!(2)));
    assert_eq!(open.contents(&open.entries()).await, ["Nobody knows."]);
    let used = server.app.storage.secret_tags().server_keys().await.unwrap();
    assert_eq!(used, [*rotated.secret_tags.current.fingerprint().as_bytes()]);
}

async fn the_recovery_key_works_after_the_server_keys_are_lost(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    secret.unlock(PHRASE).await.write("Nobody knows.", DATE).await;
    let (scope, recovery_key) = (secret.scope, secret.recovery_key.reveal().parse().unwrap());
    let (id, email, token) = (ada.id.clone(), ada.email.clone(), ada.token.clone());

    let mut keys = sotto_server::Keys::generate(&SystemRandom);
    keys.token_signing = server.keys.token_signing;
    let server = server.restart(&keys).await;
    let ada = Person { server: &server, id, email, token, refresh_token: String::new() };
    let secret = Secret { person: ada, scope, recovery_key, path: format!("/api/secret-tags/{}", scope.tag) };
    secret.try_unlock(PHRASE).await.err().unwrap().expect(StatusCode::FORBIDDEN);
    secret.recover(&secret.recovery_key, PHRASE).await.expect(StatusCode::OK);
    let open = secret.unlock(PHRASE).await;
    assert_eq!(open.contents(&open.entries()).await, ["Nobody knows."]);
}

async fn several_secret_tags_are_unlocked_at_once(server: Server) {
    let ada = server.person("ada").await;
    let (first, second) = (Secret::make(&ada, PHRASE).await, Secret::make(&ada, "another").await);
    let (one, two) = (first.unlock(PHRASE).await, second.unlock("another").await);
    let (in_one, in_two) = (one.write("one", DATE).await, two.write("two", DATE).await);
    let both = |method: Method, path: &str| {
        ada.request(method, path).header("x-sotto-unlock", format!("{}, {}", one.token, two.token))
    };
    for (open, entry, content) in [(&one, &in_one, "one"), (&two, &in_two, "two")] {
        let read = ApiResponse::receive(both(Method::GET, &crate::vault::path(entry))).await.expect(StatusCode::OK);
        assert_eq!(open.read(&read), content);
        let listed = ApiResponse::receive(both(Method::GET, &open.entries())).await.expect(StatusCode::OK);
        assert_eq!(listed, json!([read]));
    }
    let listed = ApiResponse::receive(both(Method::GET, "/api/secret-tags/")).await.expect(StatusCode::OK);
    assert!(listed.as_array().unwrap().iter().all(|tag| tag["open"] == true && tag["metadata"].is_string()));
    // Each token unlocks its own secret tag.
    one.get(&crate::vault::path(&in_two)).await.expect(StatusCode::NOT_FOUND);
    // One request moves an entry from one secret tag to the other.
    let id = text(&in_one, "id").parse().unwrap();
    let moved =
        both(Method::PUT, &crate::vault::path(&in_one)).header("if-match", "\"1\"").json(&two.seal(id, 2, "moved"));
    ApiResponse::receive(moved).await.expect(StatusCode::OK);
    assert_eq!(one.contents(&one.entries()).await, Vec::<String>::new());
    assert_eq!(two.contents(&two.entries()).await.len(), 2);
    ada.post("/api/secret-tags/lock", json!({})).await.expect(StatusCode::OK);
    for open in [&one, &two] {
        open.get(&open.entries()).await.expect(StatusCode::NOT_FOUND);
    }
}

/// A client that tries a passphrase on all secret tags starts with the one that was unlocked last, as listed.
async fn frequent_unlocks_of_one_tag_do_not_delay_others(server: Server) {
    let ada = server.person("ada").await;
    let mut secrets = Vec::new();
    for phrase in ["one", "two", "three"] {
        secrets.push((Secret::make(&ada, phrase).await, phrase));
        server.clock.advance(1);
    }
    let listed = async || {
        let listed = ada.get("/api/secret-tags/").await.expect(StatusCode::OK);
        let ids: Vec<_> = listed.as_array().unwrap().iter().map(|tag| text(tag, "id").to_owned()).collect();
        ids.into_iter()
            .map(|id| secrets.iter().find(|(secret, _)| secret.path.ends_with(&id)).unwrap())
            .collect::<Vec<_>>()
    };
    // Unlocks by trying all secret tags. Returns the failed attempts that the unlocked one reports.
    let unlock_by_phrase = async |phrase: &str| {
        for (secret, _) in listed().await {
            server.clock.advance(1);
            match secret.try_unlock(phrase).await {
                Ok(open) => {
                    ada.post("/api/secret-tags/lock", json!({})).await.expect(StatusCode::OK);
                    return open.response["failed_tries"]["count"].as_u64().unwrap();
                }
                Err(refused) => assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body),
            }
        }
        panic!("{phrase} unlocks no secret tag");
    };
    // Before their first unlock, secret tags are listed in the order of creation, so the first two get one failure each.
    assert_eq!(unlock_by_phrase("three").await, 0);
    for _ in 0..20 {
        assert_eq!(unlock_by_phrase("three").await, 0);
    }
    assert_eq!(unlock_by_phrase("one").await, 1);
    let order: Vec<_> = listed().await.into_iter().map(|(_, phrase)| *phrase).collect();
    assert_eq!(order, ["one", "three", "two"]);
    // Even in the worst order, each secret tag has at most one failure per other secret tag.
    for phrase in ["two", "three", "one", "two", "three", "one", "two"] {
        assert!(unlock_by_phrase(phrase).await <= 2, "{phrase}");
    }
}
