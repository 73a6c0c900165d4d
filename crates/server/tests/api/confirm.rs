//! Sensitive actions need a recent sign-in or a confirmation.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_domain::session::{MAX_SESSION_SECONDS, RECENT_SECONDS};
use sotto_domain::{SessionId, UserId};
use sotto_server::Config;
use sotto_storage::testing::Scratch;

use crate::on_both_engines;
use crate::server::{ApiResponse, PASSWORD, Person, Server, wait_until_unauthorized};

on_both_engines!(
    sensitive_actions_need_a_recent_sign_in,
    a_confirmation_is_for_one_session_on_every_node,
    a_confirmation_needs_the_password,
    a_wrong_clock_makes_no_session_recent,
    a_new_password_deletes_the_api_tokens_unless_asked_not_to,
    a_session_ends_after_90_days,
);

const CONFIRM: &str = "/api/auth/confirm";
const TOKENS: &str = "/api/users/me/tokens";

/// The same session, after its tokens were exchanged.
async fn refreshed<'a>(person: &Person<'a>) -> Person<'a> {
    let body = json!({"refresh_token": person.refresh_token});
    let request = person.server.request(Method::POST, "/api/auth/refresh").json(&body);
    let pair = ApiResponse::receive(request).await.expect(StatusCode::OK);
    let text = |name: &str| pair[name].as_str().unwrap().to_owned();
    Person { token: text("access_token"), refresh_token: text("refresh_token"), ..person.clone() }
}

async fn signed_in_again<'a>(person: &Person<'a>) -> Person<'a> {
    let pair = person.server.login(&person.email, PASSWORD).await;
    let text = |name: &str| pair[name].as_str().unwrap().to_owned();
    Person { token: text("access_token"), refresh_token: text("refresh_token"), ..person.clone() }
}

fn script() -> Value {
    json!({"name": "script", "scopes": ["tags:read"]})
}

/// Every sensitive action. The last one changes the address.
async fn statuses(person: &Person<'_>) -> Vec<(StatusCode, Value)> {
    let nobody = "/api/users/me/identities/0190b5a4-1111-7222-8333-444455556666";
    let export = person.request(Method::GET, "/api/users/me/export").send().await.unwrap();
    let exported = export.status();
    let exported = (exported, serde_json::from_slice(&export.bytes().await.unwrap()).unwrap_or(Value::Null));
    let address = json!({"email": "new@example.org", "current_password": PASSWORD});
    let mut all = vec![exported];
    for response in
        [person.post(TOKENS, script()).await, person.delete(nobody).await, person.put("/api/users/me", address).await]
    {
        all.push((response.status, response.body));
    }
    all
}

async fn sensitive_actions_need_a_recent_sign_in(server: Server) {
    let ada = server.person("ada").await;
    server.clock.advance(RECENT_SECONDS + 1);
    let ada = refreshed(&ada).await;
    for (status, problem) in statuses(&ada).await {
        assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("confirm_sign_in")), "{problem}");
    }
    // Everything else works, with the same address too.
    let unchanged = json!({"email": ada.email, "full_name": "Ada L."});
    ada.put("/api/users/me", unchanged).await.expect(StatusCode::OK);
    ada.get(TOKENS).await.expect(StatusCode::OK);
    ada.get("/api/users/me/identities").await.expect(StatusCode::OK);
    ada.post(CONFIRM, json!({"password": PASSWORD})).await.expect(StatusCode::OK);
    server.clock.advance(RECENT_SECONDS - 60);
    let ada = refreshed(&ada).await;
    let accepted: Vec<_> = statuses(&ada).await.into_iter().map(|(status, _)| status).collect();
    assert_eq!(accepted, [StatusCode::OK, StatusCode::CREATED, StatusCode::NOT_FOUND, StatusCode::OK]);
    server.clock.advance(120);
    ada.post(TOKENS, script()).await.expect(StatusCode::FORBIDDEN);
}

async fn a_confirmation_is_for_one_session_on_every_node(server: Server) {
    let ada = server.person("ada").await;
    let elsewhere = signed_in_again(&ada).await;
    server.clock.advance(RECENT_SECONDS + 1);
    let (ada, elsewhere) = (refreshed(&ada).await, refreshed(&elsewhere).await);
    let node = server.another(&server.keys).await;
    let there = server.client.post(format!("http://{node}{TOKENS}")).bearer_auth(&ada.token).json(&script());
    // Both nodes have the session in their cache.
    ada.post(TOKENS, script()).await.expect(StatusCode::FORBIDDEN);
    ApiResponse::receive(there.try_clone().unwrap()).await.expect(StatusCode::FORBIDDEN);
    ada.post(CONFIRM, json!({"password": PASSWORD})).await.expect(StatusCode::OK);
    ada.post(TOKENS, script()).await.expect(StatusCode::CREATED);
    ApiResponse::receive(there).await.expect(StatusCode::CREATED);
    elsewhere.post(TOKENS, script()).await.expect(StatusCode::FORBIDDEN);
}

async fn a_confirmation_needs_the_password(server: Server) {
    let ada = server.person("ada").await;
    let token = ada.post(TOKENS, script()).await.expect(StatusCode::CREATED);
    server.clock.advance(RECENT_SECONDS + 1);
    let ada = refreshed(&ada).await;
    for wrong in ["", "wrong password", &"x".repeat(2000)] {
        let refused = ada.post(CONFIRM, json!({"password": wrong})).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
        let error = &refused["errors"][0];
        assert_eq!((&error["loc"], &error["code"]), (&json!(["body", "password"]), &json!("wrong_password")));
    }
    assert_eq!(ada.post(CONFIRM, json!({})).await.refused(), "body");
    ada.post(TOKENS, script()).await.expect(StatusCode::FORBIDDEN);
    let password = json!({"password": PASSWORD});
    let by_token = server.request(Method::POST, CONFIRM).bearer_auth(token["token"].as_str().unwrap()).json(&password);
    assert_eq!(ApiResponse::receive(by_token).await.expect(StatusCode::FORBIDDEN)["code"], "no_api_tokens");
    ApiResponse::receive(server.request(Method::POST, CONFIRM).json(&password)).await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_wrong_clock_makes_no_session_recent(server: Server) {
    const DAY: i64 = 24 * 3600;
    let ada = server.person("ada").await;
    server.clock.set(DAY);
    let ahead = signed_in_again(&ada).await;
    ahead.post(CONFIRM, json!({"password": PASSWORD})).await.expect(StatusCode::OK);
    server.clock.set(-DAY);
    let ahead = refreshed(&ahead).await;
    ahead.post(TOKENS, script()).await.expect(StatusCode::FORBIDDEN);
    // Not even when the clock gets there.
    server.clock.advance(DAY);
    let ahead = refreshed(&ahead).await;
    ahead.post(TOKENS, script()).await.expect(StatusCode::FORBIDDEN);
    ahead.post(CONFIRM, json!({"password": PASSWORD})).await.expect(StatusCode::OK);
    ahead.post(TOKENS, script()).await.expect(StatusCode::CREATED);
}

async fn a_new_password_deletes_the_api_tokens_unless_asked_not_to(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let make = async |person: &Person<'_>| {
        let made = person.post(TOKENS, script()).await.expect(StatusCode::CREATED);
        made["token"].as_str().unwrap().to_owned()
    };
    let read = async |token: &str| {
        ApiResponse::receive(server.request(Method::GET, "/api/tags/").bearer_auth(token)).await.status
    };
    let (of_ada, of_ben) = (make(&ada).await, make(&ben).await);
    for token in [&of_ada, &of_ben] {
        assert_eq!(read(token).await, StatusCode::OK);
    }
    let change = |old: &str, new: &str, keep: Value| {
        let mut body = json!({"current_password": old, "new_password": new});
        if keep.is_boolean() {
            body["delete_api_tokens"] = keep;
        }
        ada.put("/api/users/me/password", body)
    };
    change(PASSWORD, "another password", json!(false)).await.expect(StatusCode::OK);
    assert_eq!(read(&of_ada).await, StatusCode::OK);
    // A wrong password deletes nothing.
    assert_eq!(change("wrong", "another password", json!(true)).await.refused(), "body.current_password");
    assert_eq!(read(&of_ada).await, StatusCode::OK);
    change("another password", PASSWORD, Value::Null).await.expect(StatusCode::OK);
    // This node forgets it at once, others within 5 seconds.
    assert_eq!(read(&of_ada).await, StatusCode::UNAUTHORIZED);
    assert_eq!(ada.get(TOKENS).await.expect(StatusCode::OK), json!([]));
    assert_eq!(read(&of_ben).await, StatusCode::OK);
}

async fn a_session_ends_after_90_days(server: Server) {
    let mut ada = server.person("ada").await;
    for _ in 0..4 {
        server.clock.advance(20 * 24 * 3600);
        ada = refreshed(&ada).await;
    }
    let list = ada.get("/api/users/me/sessions").await.expect(StatusCode::OK);
    let time = |name: &str| sotto_domain::Timestamp::parse(list[0][name].as_str().unwrap()).unwrap();
    assert_eq!(time("expires_at"), time("created_at").plus_seconds(MAX_SESSION_SECONDS));
    server.clock.advance(10 * 24 * 3600 - 120);
    ada = refreshed(&ada).await;
    ada.get("/api/users/me").await.expect(StatusCode::OK);
    // The access token lasts longer than its session.
    server.clock.advance(121);
    ada.get("/api/users/me").await.expect(StatusCode::UNAUTHORIZED);
    let body = json!({"refresh_token": ada.refresh_token});
    let late = ApiResponse::receive(server.request(Method::POST, "/api/auth/refresh").json(&body)).await;
    late.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn confirmations_count_as_attempts_at_the_password() {
    let server = Server::start(Scratch::sqlite(), Config::default()).await;
    let ada = server.person("ada").await;
    let mut last = ada.post(CONFIRM, json!({"password": "wrong"})).await;
    for _ in 0..20 {
        if last.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        last = ada.post(CONFIRM, json!({"password": "wrong"})).await;
    }
    last.expect(StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_session_that_ends_elsewhere_is_not_confirmed() {
    let server = Server::on_sqlite().await;
    let ada = server.person("ada").await;
    let list = ada.get("/api/users/me/sessions").await.expect(StatusCode::OK);
    let (user, session) = (ada.id.parse().unwrap(), list[0]["id"].as_str().unwrap().parse().unwrap());
    // The cache of this node still has the session.
    assert!(server.app.storage.sessions().end(UserId(user), SessionId(session)).await.unwrap());
    let confirmed = ada.post(CONFIRM, json!({"password": PASSWORD})).await;
    confirmed.expect(StatusCode::UNAUTHORIZED);
    wait_until_unauthorized(async || ada.get("/api/users/me").await.status).await;
}
