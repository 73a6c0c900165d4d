//! API tokens: what they allow, and what they never do.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_domain::account::Administered;
use sotto_domain::api_token::{MAX_TOKENS, Scope, USE_INTERVAL_SECONDS};
use sotto_domain::{Clock, UserId};

use crate::on_both_engines;
use crate::server::{ApiResponse, Person, Server, fill, wait_until_unauthorized};
use crate::vault::{DATE, PHRASE, Secret};

on_both_engines!(
    a_token_is_shown_once,
    a_token_allows_only_its_scopes,
    invalid_tokens_are_rejected,
    a_token_expires,
    a_deleted_token_is_rejected,
    deleting_a_user_deletes_their_tokens,
    the_use_of_a_token_is_recorded,
    tokens_per_user_are_limited,
    tokens_of_other_users_are_not_found,
    sealed_entries_stay_sealed,
);

const TOKENS: &str = "/api/users/me/tokens";

async fn a_token_is_shown_once(server: Server) {
    let ada = server.person("ada").await;
    let created = make(&ada, json!({"name": " Backup ", "scopes": ["tags:read", "entries:read"]})).await;
    let secret = created["token"].as_str().unwrap();
    assert!(secret.starts_with("sotto_") && secret.len() == 49, "{secret}");
    assert_eq!((&created["name"], &created["scopes"]), (&json!("Backup"), &json!(["entries:read", "tags:read"])));
    assert_eq!((&created["expires_at"], &created["last_used_at"]), (&Value::Null, &Value::Null));
    let list = ada.get(TOKENS).await.expect(StatusCode::OK);
    let mut expected = created.clone();
    expected.as_object_mut().unwrap().remove("token");
    assert_eq!(list, json!([expected]));
    // The database contains no token.
    let dump = sotto_storage::testing::dump(&server.scratch.url);
    assert!(dump.contains("Backup") && !dump.contains(secret));
}

/// Every operation of the specification, with a token of each scope, behaves as documented.
async fn a_token_allows_only_its_scopes(server: Server) {
    let ada = server.person("ada").await;
    let mut tokens = BTreeMap::new();
    for scope in Scope::ALL {
        tokens.insert(scope.name(), token(&ada, &[scope.name()]).await);
    }
    let specification = ada.get("/api/openapi.json").await.expect(StatusCode::OK);
    let mut opened = BTreeMap::new();
    for (path, item) in specification["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(security) = operation.get("security") else { continue };
            let named: Vec<&str> = security
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|scheme| scheme["api_token"].as_array().into_iter().flatten())
                .map(|scope| scope.as_str().unwrap())
                .collect();
            assert!(named.len() <= 1, "{method} {path} needs one scope");
            for (scope, secret) in &tokens {
                let request = server.request(method.to_uppercase().parse().unwrap(), &fill(path)).bearer_auth(secret);
                // A response to HEAD has no body to check.
                let status = match method.as_str() {
                    "head" => request.send().await.unwrap().status(),
                    _ => ApiResponse::receive(request.json(&json!({}))).await.status,
                };
                let is_named = named.contains(scope);
                assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {path} {scope}");
                assert_eq!(status != StatusCode::FORBIDDEN, is_named, "{method} {path} {scope}: {status}");
                *opened.entry((*scope).to_owned()).or_insert(0) += u32::from(is_named);
            }
            let is_private = ["users", "auth", "secret-tags", "admin", "opaque-sessions"]
                .iter()
                .any(|part| path.starts_with(&format!("/api/{part}")));
            assert!(!is_private || named.is_empty(), "{method} {path} is not for tokens");
        }
    }
    for (scope, least) in [
        ("entries:read", 5),
        ("entries:write", 3),
        ("tags:read", 2),
        ("tags:write", 3),
        ("reminders:read", 2),
        ("reminders:write", 3),
    ] {
        assert!(opened[scope] >= least, "{scope}: {opened:?}");
    }
    let refused = server.request(Method::GET, "/api/tags/").bearer_auth(&tokens["entries:read"]);
    let refused = ApiResponse::receive(refused).await.expect(StatusCode::FORBIDDEN);
    assert_eq!(refused["detail"], "This API token lacks a scope for this request: tags:read.");
    let refused = server.request(Method::GET, "/api/users/me").bearer_auth(&tokens["entries:read"]);
    let refused = ApiResponse::receive(refused).await.expect(StatusCode::FORBIDDEN);
    assert!(refused["detail"].as_str().unwrap().contains("sign in"), "{refused}");
}

async fn invalid_tokens_are_rejected(server: Server) {
    let ada = server.person("ada").await;
    let good = json!({"name": "script", "scopes": ["entries:read"]});
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(101))),
        ("name", json!("two\nlines")),
        ("scopes", json!([])),
        ("scopes", json!(["entries:read", "admin"])),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
        ("expires_at", json!("tomorrow")),
        ("token", json!("sotto_mine")),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_eq!(ada.post(TOKENS, bad).await.refused(), format!("body.{field}"));
    }
    for bearer in ["sotto_", "sotto_AAAA", &format!("sotto_{}", "A".repeat(43))] {
        let request = server.request(Method::GET, "/api/journals/").bearer_auth(bearer);
        ApiResponse::receive(request).await.expect(StatusCode::UNAUTHORIZED);
    }
}

async fn a_token_expires(server: Server) {
    let ada = server.person("ada").await;
    let end = server.clock.now().plus_seconds(60).to_string();
    let created = make(&ada, json!({"name": "short", "scopes": ["entries:read"], "expires_at": end})).await;
    assert_eq!(created["expires_at"], end);
    let read = || read(&server, created["token"].as_str().unwrap());
    assert_eq!(read().await, StatusCode::OK);
    server.clock.advance(61);
    assert_eq!(read().await, StatusCode::UNAUTHORIZED);
    assert_eq!(ada.get(TOKENS).await.expect(StatusCode::OK).as_array().unwrap().len(), 1);
}

async fn a_deleted_token_is_rejected(server: Server) {
    let ada = server.person("ada").await;
    let there = server.another(&server.keys).await;
    let created = make(&ada, json!({"name": "lost", "scopes": ["entries:read"]})).await;
    let secret = created["token"].as_str().unwrap();
    let there = server.client.get(format!("http://{there}/api/journals/")).bearer_auth(secret);
    ApiResponse::receive(there.try_clone().unwrap()).await.expect(StatusCode::OK);
    assert_eq!(read(&server, secret).await, StatusCode::OK);
    let path = format!("{TOKENS}/{}", created["id"].as_str().unwrap());
    ada.delete(&path).await.expect(StatusCode::OK);
    assert_eq!(read(&server, secret).await, StatusCode::UNAUTHORIZED);
    ada.delete(&path).await.expect(StatusCode::NOT_FOUND);
    wait_until_unauthorized(async || ApiResponse::receive(there.try_clone().unwrap()).await.status).await;
}

async fn deleting_a_user_deletes_their_tokens(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let (of_ada, of_ben) = (token(&ada, &["entries:read"]).await, token(&ben, &["entries:read"]).await);
    assert_eq!(read(&server, &of_ada).await, StatusCode::OK);
    assert_eq!(read(&server, &of_ben).await, StatusCode::OK);
    let users = server.app.storage.users();
    let id = |person: &Person| UserId(person.id.parse().unwrap());
    assert!(users.set_active(id(&ada), false, server.clock.now()).await.unwrap());
    assert_eq!(users.delete(id(&ben)).await.unwrap(), Administered::Done(()));
    for secret in [of_ada, of_ben] {
        wait_until_unauthorized(async || read(&server, &secret).await).await;
    }
}

async fn the_use_of_a_token_is_recorded(server: Server) {
    let ada = server.person("ada").await;
    let secret = token(&ada, &["entries:read"]).await;
    let noted = async || ada.get(TOKENS).await.expect(StatusCode::OK)[0]["last_used_at"].clone();
    assert_eq!(noted().await, Value::Null);
    assert_eq!(read(&server, &secret).await, StatusCode::OK);
    let first = noted().await;
    assert!(first.is_string());
    // Another node reads the token from storage within the same minute.
    for (seconds, is_moved) in [(USE_INTERVAL_SECONDS / 2, false), (USE_INTERVAL_SECONDS, true)] {
        server.clock.advance(seconds);
        let node = server.another(&server.keys).await;
        let request = server.client.get(format!("http://{node}/api/journals/")).bearer_auth(&secret);
        ApiResponse::receive(request).await.expect(StatusCode::OK);
        assert_eq!(noted().await != first, is_moved, "after {seconds} seconds");
    }
}

async fn tokens_per_user_are_limited(server: Server) {
    let ada = server.person("ada").await;
    let body = json!({"name": "one of many", "scopes": ["entries:read"]});
    for _ in 0..MAX_TOKENS {
        make(&ada, body.clone()).await;
    }
    ada.post(TOKENS, body).await.expect(StatusCode::CONFLICT);
}

async fn tokens_of_other_users_are_not_found(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let created = make(&ada, json!({"name": "hers", "scopes": ["entries:read"]})).await;
    let secret = created["token"].as_str().unwrap();
    ben.delete(&format!("{TOKENS}/{}", created["id"].as_str().unwrap())).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(ben.get(TOKENS).await.expect(StatusCode::OK), json!([]));
    ada.write("mine", DATE, &[]).await;
    ben.write("his", DATE, &[]).await;
    let list = server.request(Method::GET, "/api/journals/").bearer_auth(secret);
    let list = ApiResponse::receive(list).await.expect(StatusCode::OK);
    assert_eq!((list.as_array().unwrap().len(), &list[0]["content"]), (1, &json!("mine")));
}

/// Not even together with an unlock token of its owner.
async fn sealed_entries_stay_sealed(server: Server) {
    let ada = server.person("ada").await;
    let secret = Secret::make(&ada, PHRASE).await;
    let open = secret.unlock(PHRASE).await;
    let entry = open.write("Nobody knows.", DATE).await;
    let bearer = token(&ada, &["entries:read", "entries:write"]).await;
    let send = |method: Method, path: &str| {
        ApiResponse::receive(server.request(method, path).bearer_auth(&bearer).header("x-sotto-unlock", &open.token))
    };
    let path = crate::vault::path(&entry);
    for method in [Method::GET, Method::DELETE] {
        send(method, &path).await.expect(StatusCode::NOT_FOUND);
    }
    send(Method::GET, &open.entries()).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(send(Method::GET, "/api/journals/").await.expect(StatusCode::OK), json!([]));
    assert_eq!(open.contents(&open.entries()).await, ["Nobody knows."]);
}

async fn make(person: &Person<'_>, body: Value) -> Value {
    person.post(TOKENS, body).await.expect(StatusCode::CREATED)
}

async fn token(person: &Person<'_>, scopes: &[&str]) -> String {
    let created = make(person, json!({"name": "script", "scopes": scopes})).await;
    created["token"].as_str().unwrap().to_owned()
}

async fn read(server: &Server, token: &str) -> StatusCode {
    let request = server.request(Method::GET, "/api/journals/").bearer_auth(token);
    ApiResponse::receive(request).await.status
}
