//! Recent activity: what happened to an account, for its owner.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_domain::UserId;
use sotto_domain::security_event::KEPT_SECONDS;

use crate::on_both_engines;
use crate::server::{ApiResponse, PASSWORD, Person, Server};
use crate::vault::{PHRASE, Secret};

on_both_engines!(
    every_change_of_credentials_is_shown,
    a_reused_refresh_token_is_shown,
    changes_by_a_superuser_are_shown_without_an_origin,
    secret_tags_are_shown_without_their_ids,
    pages_show_own_events_only,
    api_tokens_are_refused,
    refused_sign_ins_are_not_stored,
    events_end_with_their_time_and_their_account,
);

const ACTIVITY: &str = "/api/users/me/activity";
const TOKENS: &str = "/api/users/me/tokens";

impl Person<'_> {
    async fn activity(&self) -> Vec<Value> {
        let events = self.get(ACTIVITY).await.expect(StatusCode::OK);
        events.as_array().unwrap().clone()
    }

    /// The kinds of all events, oldest first.
    async fn kinds(&self) -> Vec<String> {
        let events = self.activity().await;
        events.iter().rev().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }
}

async fn every_change_of_credentials_is_shown(server: Server) {
    let ada = server.person("ada").await;
    let elsewhere = server.login(&ada.email, PASSWORD).await;
    let other = Person { token: elsewhere["access_token"].as_str().unwrap().to_owned(), ..ada.clone() };
    let sessions = ada.get("/api/users/me/sessions").await.expect(StatusCode::OK);
    let session = sessions.as_array().unwrap().iter().find(|one| one["is_current"] == false).unwrap();
    ada.delete(&format!("/api/users/me/sessions/{}", session["id"].as_str().unwrap())).await.expect(StatusCode::OK);
    let new = "another battery staple";
    let change = json!({"current_password": PASSWORD, "new_password": new});
    ada.put("/api/users/me/password", change).await.expect(StatusCode::OK);
    let address = json!({"email": "lovelace@example.org", "current_password": new});
    ada.put("/api/users/me", address).await.expect(StatusCode::OK);
    // The same address again and another name are no changes of credentials.
    let name = json!({"email": "lovelace@example.org", "full_name": "Ada"});
    ada.put("/api/users/me", name).await.expect(StatusCode::OK);
    let token = json!({"name": "script", "scopes": ["tags:read"]});
    let token = ada.post(TOKENS, token).await.expect(StatusCode::CREATED);
    ada.delete(&format!("{TOKENS}/{}", token["id"].as_str().unwrap())).await.expect(StatusCode::OK);
    ada.request(Method::GET, "/api/users/me/export").send().await.unwrap().bytes().await.unwrap();
    other.get(ACTIVITY).await.expect(StatusCode::UNAUTHORIZED);

    let signed_in = server.login("lovelace@example.org", new).await;
    let again = Person { token: signed_in["access_token"].as_str().unwrap().to_owned(), ..ada.clone() };
    ApiResponse::receive(again.request(Method::POST, "/api/auth/logout")).await.expect(StatusCode::OK);
    let expected = [
        "signed_in",
        "signed_in",
        "session_ended",
        "password_changed",
        "email_changed",
        "api_token_created",
        "api_token_deleted",
        "exported",
        "signed_in",
        "signed_out",
    ];
    assert_eq!(ada.kinds().await, expected);
    let events = ada.activity().await;
    assert!(events.iter().all(|event| event["client"] == "127.0.0.1"), "{events:?}");
}

async fn a_reused_refresh_token_is_shown(server: Server) {
    let ada = server.person("ada").await;
    let refresh = || server.request(Method::POST, "/api/auth/refresh").header("user-agent", "curl/8.0");
    let refresh = || refresh().json(&json!({"refresh_token": ada.refresh_token}));
    ApiResponse::receive(refresh()).await.expect(StatusCode::OK);
    server.clock.advance(60);
    ApiResponse::receive(refresh()).await.expect(StatusCode::UNAUTHORIZED);
    let tokens = server.login(&ada.email, PASSWORD).await;
    let ada = Person { token: tokens["access_token"].as_str().unwrap().to_owned(), ..ada.clone() };
    assert_eq!(ada.kinds().await, ["signed_in", "refresh_token_reused", "signed_in"]);
    assert_eq!(ada.activity().await[1]["user_agent"], "curl/8.0");
}

async fn changes_by_a_superuser_are_shown_without_an_origin(server: Server) {
    let (root, ada) = (server.superuser("root").await, server.person("ada").await);
    let path = format!("/api/admin/users/{}", ada.id);
    for change in [
        json!({"is_superuser": true}),
        // What does not change is no event.
        json!({"is_superuser": true, "is_active": true, "full_name": "Ada"}),
        json!({"is_superuser": false}),
        json!({"is_active": false}),
        json!({"is_active": true, "password": "a new password"}),
    ] {
        root.put(&path, change).await.expect(StatusCode::OK);
    }
    let tokens = server.login(&ada.email, "a new password").await;
    let ada = Person { token: tokens["access_token"].as_str().unwrap().to_owned(), ..ada.clone() };
    let kinds = ada.kinds().await;
    let by_root = [
        "superuser_granted",
        "superuser_revoked",
        "account_deactivated",
        "account_activated",
        "password_reset_by_operator",
    ];
    assert_eq!(kinds[1..6], by_root);
    for event in &ada.activity().await[1..6] {
        assert_eq!((&event["client"], &event["user_agent"]), (&Value::Null, &Value::Null));
    }
    assert_eq!(root.kinds().await, ["signed_in"]);
}

async fn secret_tags_are_shown_without_their_ids(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    let open = secret.unlock(PHRASE).await;
    open.change_phrase("another passphrase of some words", 1).await.expect(StatusCode::OK);
    secret.recover(&secret.recovery_key, "and one more of these").await.expect(StatusCode::OK);
    assert_eq!(ada.kinds().await, ["signed_in", "passphrase_changed", "secret_tag_recovered"]);
    let events = ada.get(ACTIVITY).await.body.to_string();
    assert!(!events.contains(&secret.scope.tag.to_string()), "{events}");
}

async fn pages_show_own_events_only(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    for person in [&ada, &ben] {
        for _ in 0..4 {
            server.login(&person.email, PASSWORD).await;
        }
    }
    let all = ada.activity().await;
    assert_eq!(all.len(), 5);
    let (mut pages, mut next) = (vec![], Some(format!("{ACTIVITY}?limit=2")));
    while let Some(path) = next {
        let response = ada.get(&path).await;
        next = response.next();
        pages.push(response.expect(StatusCode::OK).as_array().unwrap().clone());
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(pages.concat(), all);
    let of_ben = ben.activity().await;
    assert!(of_ben.len() == 5 && of_ben.iter().all(|event| !all.contains(event)));
    let cursor = ada.get(&format!("{ACTIVITY}?limit=2")).await.next().unwrap();
    assert_eq!(ben.get(&cursor).await.refused(), "query.cursor");
    for (query, field) in [("limit=0", "query.limit"), ("limit=1001", "query.limit"), ("cursor=x", "query.cursor")] {
        assert_eq!(ada.get(&format!("{ACTIVITY}?{query}")).await.refused(), field);
    }
}

async fn api_tokens_are_refused(server: Server) {
    let ada = server.person("ada").await;
    let scopes = ["entries:read", "entries:write", "tags:read", "tags:write", "reminders:read", "reminders:write"];
    let token = ada.post(TOKENS, json!({"name": "all", "scopes": scopes})).await.expect(StatusCode::CREATED);
    let program = Person { token: token["token"].as_str().unwrap().to_owned(), ..ada };
    program.get(ACTIVITY).await.expect(StatusCode::FORBIDDEN);
    ApiResponse::receive(server.request(Method::GET, ACTIVITY)).await.expect(StatusCode::UNAUTHORIZED);
}

async fn refused_sign_ins_are_not_stored(server: Server) {
    let ada = server.person("ada").await;
    for (email, password) in [(ada.email.as_str(), "wrong"), ("nobody@example.org", PASSWORD)] {
        let login =
            server.request(Method::POST, "/api/auth/login").json(&json!({"email": email, "password": password}));
        ApiResponse::receive(login).await.expect(StatusCode::UNAUTHORIZED);
    }
    assert_eq!(ada.kinds().await, ["signed_in"]);
}

async fn events_end_with_their_time_and_their_account(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let events = server.app.storage.security_events();
    let of = async |person: &Person<'_>| events.list(UserId(person.id.parse().unwrap()), None, 10).await.unwrap().len();
    ada.delete_with("/api/users/me", json!({"password": PASSWORD})).await.expect(StatusCode::OK);
    assert_eq!((of(&ada).await, of(&ben).await), (0, 1));
    assert_eq!(events.delete_expired(server.app.now().plus_seconds(KEPT_SECONDS)).await.unwrap(), 1);
    assert_eq!(of(&ben).await, 0);
}
