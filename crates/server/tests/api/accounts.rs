//! Accounts: sign-up, sign-in, tokens, cookies, passwords, limits.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_domain::{Clock, UserId};
use sotto_server::system::SystemRandom;
use sotto_server::{Config, Keys, Registration};
use sotto_storage::testing::Scratch;
use uuid::Uuid;

use crate::on_both_engines;
use crate::server::{ApiResponse, PASSWORD, Server, lenient, wait_until_unauthorized};

on_both_engines!(
    sign_up_and_in,
    an_address_has_one_account,
    invalid_sign_ups_are_rejected,
    wrong_passwords_and_unknown_users_get_the_same_response,
    tokens_end_and_are_refreshed,
    a_reused_refresh_token_ends_the_session,
    signing_out_ends_the_tokens,
    the_web_app_signs_in_by_cookie,
    users_change_their_own_account,
    preferences_are_stored_unchanged,
    each_user_has_one_draft_key,
    a_new_password_ends_other_logins,
    sessions_are_listed_and_ended,
    a_deactivated_user_is_signed_out_on_every_node,
);

async fn sign_up_and_in(server: Server) {
    let account =
        json!({"email": " Ada@Example.org ", "password": PASSWORD, "full_name": "Ada", "time_zone": "Europe/Berlin"});
    let created = post(&server, "/api/auth/register", &account).await.expect(StatusCode::CREATED);
    assert_eq!((&created["email"], &created["time_zone"]), (&json!("ada@example.org"), &json!("Europe/Berlin")));
    assert_eq!((&created["is_active"], &created["is_superuser"]), (&json!(true), &json!(false)));
    assert_eq!(created["email_verified"], false);
    assert_eq!((&created["has_password"], &created["preferences"]), (&json!(true), &json!({})));
    assert!(created.get("hashed_password").is_none() && created.get("password").is_none());

    let tokens = server.login("ADA@example.org", PASSWORD).await;
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("bearer"), &json!(900)));
    let form = [("username", "ada@example.org"), ("password", PASSWORD), ("grant_type", "password"), ("scope", "")];
    let form =
        ApiResponse::receive(server.request(Method::POST, "/api/auth/login").form(&form)).await.expect(StatusCode::OK);
    let me = server.request(Method::GET, "/api/users/me").bearer_auth(form["access_token"].as_str().unwrap());
    assert_eq!(ApiResponse::receive(me).await.expect(StatusCode::OK), created);
}

async fn an_address_has_one_account(server: Server) {
    let account = |email: &str| json!({"email": email, "password": PASSWORD});
    let (ada, twin) = (account("ada@example.org"), account("ADA@example.org"));
    let both = tokio::join!(post(&server, "/api/auth/register", &ada), post(&server, "/api/auth/register", &twin));
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::CREATED, StatusCode::CONFLICT]);
}

async fn invalid_sign_ups_are_rejected(server: Server) {
    for (account, place) in [
        (json!({"email": "nobody", "password": PASSWORD}), "body.email"),
        (json!({"email": format!("{}@example.org", "a".repeat(300)), "password": PASSWORD}), "body.email"),
        (json!({"email": "a@example.org", "password": "short"}), "body.password"),
        (json!({"email": "a@example.org", "password": "x".repeat(1025)}), "body.password"),
        (json!({"email": "a@example.org", "password": PASSWORD, "full_name": ""}), "body.full_name"),
        (json!({"email": "a@example.org", "password": PASSWORD, "time_zone": "Nowhere"}), "body.time_zone"),
        (json!({"email": "a@example.org", "password": PASSWORD, "is_superuser": true}), "body.is_superuser"),
        (json!({"password": PASSWORD}), "body"),
    ] {
        assert_eq!(post(&server, "/api/auth/register", &account).await.refused(), place);
    }
}

async fn wrong_passwords_and_unknown_users_get_the_same_response(server: Server) {
    let ada = server.person("ada").await;
    let wrong = json!({"email": ada.email, "password": "wrong password"});
    let wrong = post(&server, "/api/auth/login", &wrong).await.expect(StatusCode::UNAUTHORIZED);
    for (email, password) in [("ben@example.org", PASSWORD), ("not an address", PASSWORD), ("ada@example.org", "")] {
        let other = json!({"email": email, "password": password});
        assert_eq!(post(&server, "/api/auth/login", &other).await.expect(StatusCode::UNAUTHORIZED), wrong);
    }
}

async fn tokens_end_and_are_refreshed(server: Server) {
    let mut ada = server.person("ada").await;
    server.clock.advance(16 * 60);
    let ended = ada.get("/api/users/me").await;
    assert_eq!(ended.header("www-authenticate"), Some("Bearer"));
    ended.expect(StatusCode::UNAUTHORIZED);

    let refresh = json!({"refresh_token": ada.refresh_token});
    let renewed = post(&server, "/api/auth/refresh", &refresh).await.expect(StatusCode::OK);
    // Two tabs, or a lost response: the same token again, at once.
    let again = post(&server, "/api/auth/refresh", &refresh).await.expect(StatusCode::OK);
    ada.token = renewed["access_token"].as_str().unwrap().to_owned();
    ada.get("/api/users/me").await.expect(StatusCode::OK);
    let next = json!({"refresh_token": again["refresh_token"]});
    post(&server, "/api/auth/refresh", &next).await.expect(StatusCode::OK);

    // Neither kind works as the other, and forged tokens never work.
    for token in [renewed["refresh_token"].as_str().unwrap(), "", "x", "a.b.c"] {
        ada.token = token.to_owned();
        ada.get("/api/users/me").await.expect(StatusCode::UNAUTHORIZED);
    }
    for token in [renewed["access_token"].as_str().unwrap(), "x"] {
        let body = json!({ "refresh_token": token });
        post(&server, "/api/auth/refresh", &body).await.expect(StatusCode::UNAUTHORIZED);
    }
    assert_eq!(post(&server, "/api/auth/refresh", &json!({})).await.refused(), "body.refresh_token");
    server.clock.advance(31 * 24 * 3600);
    post(&server, "/api/auth/refresh", &next).await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_reused_refresh_token_ends_the_session(server: Server) {
    let mut ada = server.person("ada").await;
    let first = json!({"refresh_token": ada.refresh_token});
    let second = post(&server, "/api/auth/refresh", &first).await.expect(StatusCode::OK);
    server.clock.advance(11);
    post(&server, "/api/auth/refresh", &first).await.expect(StatusCode::UNAUTHORIZED);
    let second_refresh = json!({"refresh_token": second["refresh_token"]});
    post(&server, "/api/auth/refresh", &second_refresh).await.expect(StatusCode::UNAUTHORIZED);
    ada.token = second["access_token"].as_str().unwrap().to_owned();
    ada.get("/api/users/me").await.expect(StatusCode::UNAUTHORIZED);
}

async fn signing_out_ends_the_tokens(server: Server) {
    let ada = server.person("ada").await;
    ada.get("/api/users/me").await.expect(StatusCode::OK);
    ada.post("/api/auth/logout", json!({})).await.expect(StatusCode::OK);
    ada.get("/api/users/me").await.expect(StatusCode::UNAUTHORIZED);
    let refresh = json!({"refresh_token": ada.refresh_token});
    post(&server, "/api/auth/refresh", &refresh).await.expect(StatusCode::UNAUTHORIZED);
}

async fn the_web_app_signs_in_by_cookie(server: Server) {
    let ada = server.person("ada").await;
    let login = json!({"email": ada.email, "password": PASSWORD, "cookie": true});
    let response = post(&server, "/api/auth/login", &login).await;
    let cookies: Vec<_> =
        response.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    let body = response.expect(StatusCode::OK);
    assert_eq!(body, json!({"token_type": "cookie", "expires_in": 900}));
    let tokens: Vec<_> = cookies.iter().filter(|cookie| !cookie.starts_with("sotto_oidc=")).collect();
    assert_eq!(tokens.len(), 2);
    assert!(tokens.iter().all(|cookie| cookie.contains("; HttpOnly; SameSite=Strict; Path=/api")), "{cookies:?}");
    let jar = cookies.iter().map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ");

    let send = |method: Method, path: &str| server.request(method, path).header(COOKIE, &jar);
    ApiResponse::receive(send(Method::GET, "/api/users/me")).await.expect(StatusCode::OK);
    let tag = send(Method::POST, "/api/tags/").json(&json!({"name": "x"}));
    let own = tag.try_clone().unwrap().header("origin", format!("http://{}", server.address));
    ApiResponse::receive(own).await.expect(StatusCode::CREATED);
    // Another site cannot make the browser send a request.
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "http://evil.example"),
        ("origin", "null"),
    ] {
        ApiResponse::receive(tag.try_clone().unwrap().header(name, value)).await.expect(StatusCode::FORBIDDEN);
    }
    let foreign = send(Method::POST, "/api/auth/refresh").header("sec-fetch-site", "cross-site");
    ApiResponse::receive(foreign).await.expect(StatusCode::FORBIDDEN);

    let renewed = ApiResponse::receive(send(Method::POST, "/api/auth/refresh")).await;
    assert_eq!(renewed.headers.get_all(SET_COOKIE).iter().count(), 2);
    renewed.expect(StatusCode::OK);
    let out = ApiResponse::receive(send(Method::POST, "/api/auth/logout")).await;
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    ApiResponse::receive(send(Method::GET, "/api/users/me")).await.expect(StatusCode::UNAUTHORIZED);
}

async fn users_change_their_own_account(server: Server) {
    let (ada, _ben) = (server.person("ada").await, server.person("ben").await);
    let changed = json!({"full_name": "Ada L.", "avatar_url": "https://example.org/ada.png"});
    let changed = ada.put("/api/users/me", changed).await.expect(StatusCode::OK);
    assert_eq!((&changed["full_name"], &changed["email"]), (&json!("Ada L."), &json!(ada.email)));
    assert_eq!(ada.put("/api/users/me", json!({"avatar_url": null})).await.body["avatar_url"], Value::Null);
    for (change, place) in [
        (json!({"email": "new@example.org"}), "body.current_password"),
        (json!({"email": "new@example.org", "current_password": "wrong"}), "body.current_password"),
        (json!({"email": "nobody", "current_password": PASSWORD}), "body.email"),
        (json!({"avatar_url": "javascript:alert(1)"}), "body.avatar_url"),
        (json!({"is_superuser": true}), "body.is_superuser"),
        (json!({"id": ada.id}), "body.id"),
    ] {
        assert_eq!(ada.put("/api/users/me", change).await.refused(), place);
    }
    let taken = json!({"email": "ben@example.org", "current_password": PASSWORD});
    ada.put("/api/users/me", taken).await.expect(StatusCode::CONFLICT);
    let moved = json!({"email": "NEW@example.org", "current_password": PASSWORD});
    assert_eq!(ada.put("/api/users/me", moved).await.expect(StatusCode::OK)["email"], "new@example.org");
    server.login("new@example.org", PASSWORD).await;
}

async fn preferences_are_stored_unchanged(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let first = json!({"theme": "dark", "<script>": ["\u{0}", 1.5, null, {"日": true}]});
    let changed = ada.put("/api/users/me", json!({"preferences": first})).await.expect(StatusCode::OK);
    assert_eq!(changed["preferences"], first);
    // Other changes leave the preferences; a new value replaces them as a whole.
    let named = ada.put("/api/users/me", json!({"full_name": "Ada L."})).await.expect(StatusCode::OK);
    assert_eq!(named["preferences"], first);
    ada.put("/api/users/me", json!({"preferences": {"language": "de"}})).await.expect(StatusCode::OK);
    let me = ada.get("/api/users/me").await.expect(StatusCode::OK);
    assert_eq!(me["preferences"], json!({"language": "de"}));
    let long = |length: usize| json!({"preferences": {"a": "x".repeat(length - 8)}});
    ada.put("/api/users/me", long(16384)).await.expect(StatusCode::OK);
    let mut deep = json!(1);
    (0..200).for_each(|_| deep = json!([deep]));
    for (change, place) in [
        (long(16385), "body.preferences"),
        (json!({"preferences": null}), "body.preferences"),
        (json!({"preferences": "dark"}), "body.preferences"),
        (json!({"preferences": ["dark"]}), "body.preferences"),
        (json!({"has_password": false}), "body.has_password"),
    ] {
        assert_eq!(ada.put("/api/users/me", change).await.refused(), place);
    }
    ada.put("/api/users/me", json!({"preferences": {"deep": deep}})).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(ada.put("/api/users/me", json!({})).await.body["preferences"], long(16384)["preferences"]);
    assert_eq!(ben.get("/api/users/me").await.body["preferences"], json!({}));
}

async fn each_user_has_one_draft_key(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let path = "/api/users/me/draft-key";
    let (first, second) = tokio::join!(ada.get(path), ada.get(path));
    assert_eq!(first.header("cache-control"), Some("no-store"));
    let first = first.expect(StatusCode::OK);
    assert_eq!(second.expect(StatusCode::OK), first);
    let bytes = URL_SAFE_NO_PAD.decode(first["key"].as_str().unwrap()).unwrap();
    assert_eq!((bytes.len(), first.as_object().unwrap().len()), (32, 1));
    assert_ne!(ben.get(path).await.expect(StatusCode::OK), first);
    assert!(!ada.get("/api/users/me").await.body.to_string().contains(first["key"].as_str().unwrap()));

    // The key is the same after the next sign-in, on another node.
    let again = server.login(&ada.email, PASSWORD).await;
    let other_node = server.another(&server.keys).await;
    let again =
        server.client.get(format!("http://{other_node}{path}")).bearer_auth(again["access_token"].as_str().unwrap());
    assert_eq!(ApiResponse::receive(again).await.expect(StatusCode::OK), first);
    ApiResponse::receive(server.request(Method::GET, path)).await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_new_password_ends_other_logins(server: Server) {
    let ada = server.person("ada").await;
    let other = server.login(&ada.email, PASSWORD).await;
    let other = server.request(Method::GET, "/api/users/me").bearer_auth(other["access_token"].as_str().unwrap());
    ApiResponse::receive(other.try_clone().unwrap()).await.expect(StatusCode::OK);
    let change = |current: &str, new: &str| {
        ada.put("/api/users/me/password", json!({"current_password": current, "new_password": new}))
    };
    assert_eq!(change("wrong", "another password").await.refused(), "body.current_password");
    assert_eq!(change(PASSWORD, "short").await.refused(), "body.new_password");
    change(PASSWORD, "another password").await.expect(StatusCode::OK);
    ada.get("/api/users/me").await.expect(StatusCode::OK);
    ApiResponse::receive(other).await.expect(StatusCode::UNAUTHORIZED);
    server.login(&ada.email, "another password").await;
    let old = json!({"email": ada.email, "password": PASSWORD});
    post(&server, "/api/auth/login", &old).await.expect(StatusCode::UNAUTHORIZED);
}

async fn sessions_are_listed_and_ended(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let phone = json!({"email": ada.email, "password": PASSWORD});
    let phone = server.request(Method::POST, "/api/auth/login").header("user-agent", "Phone").json(&phone);
    let phone = ApiResponse::receive(phone).await.expect(StatusCode::OK);
    let list = ada.get("/api/users/me/sessions").await.expect(StatusCode::OK);
    let list = list.as_array().unwrap();
    let (current, other) = (&list[1], &list[0]);
    assert_eq!(
        (&current["is_current"], &other["is_current"], &other["user_agent"]),
        (&json!(true), &json!(false), &json!("Phone"))
    );
    let path = format!("/api/users/me/sessions/{}", other["id"].as_str().unwrap());
    ben.delete(&path).await.expect(StatusCode::NOT_FOUND);
    ada.delete(&path).await.expect(StatusCode::OK);
    ada.delete(&path).await.expect(StatusCode::NOT_FOUND);
    let phone = server.request(Method::GET, "/api/users/me").bearer_auth(phone["access_token"].as_str().unwrap());
    ApiResponse::receive(phone).await.expect(StatusCode::UNAUTHORIZED);
}

/// Deactivated on one node, like `sotto user deactivate` does, while another node has cached the account.
async fn a_deactivated_user_is_signed_out_on_every_node(server: Server) {
    let keys = Keys::generate(&SystemRandom);
    let server = server.restart(&keys).await;
    let ada = server.person("ada").await;
    let other_node = server.another(&keys).await;
    let there = server.client.get(format!("http://{other_node}/api/users/me")).bearer_auth(&ada.token);
    ApiResponse::receive(there.try_clone().unwrap()).await.expect(StatusCode::OK);

    let id = UserId(Uuid::try_parse(&ada.id).unwrap());
    assert!(server.app.storage.users().set_active(id, false, server.clock.now()).await.unwrap());
    wait_until_unauthorized(async || ApiResponse::receive(there.try_clone().unwrap()).await.status).await;
    let login = json!({"email": ada.email, "password": PASSWORD});
    post(&server, "/api/auth/login", &login).await.expect(StatusCode::FORBIDDEN);
    let refresh = json!({"refresh_token": ada.refresh_token});
    post(&server, "/api/auth/refresh", &refresh).await.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn sign_up_can_be_closed() {
    let server = Server::start(Scratch::sqlite(), Config { registration: Registration::Closed, ..lenient() }).await;
    let account = json!({"email": "ada@example.org", "password": PASSWORD});
    post(&server, "/api/auth/register", &account).await.expect(StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn login_attempts_are_rate_limited() {
    let server = Server::start(Scratch::sqlite(), Config { rate_limits: true, ..lenient() }).await;
    server.person("ada").await;
    let wrong = json!({"email": "ada@example.org", "password": "a wrong guess"});
    let mut last = post(&server, "/api/auth/login", &wrong).await;
    for _ in 0..20 {
        if last.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        last = post(&server, "/api/auth/login", &wrong).await;
    }
    let wait: u64 = last.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=11).contains(&wait));
    last.expect(StatusCode::TOO_MANY_REQUESTS);
    // Sign-ups have their own limit.
    let mut refused = 0;
    for n in 0..15 {
        let account = json!({"email": format!("{n}@example.org"), "password": PASSWORD});
        refused +=
            u32::from(post(&server, "/api/auth/register", &account).await.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(refused >= 4, "{refused} refused");
}

/// An address that everybody knows, and a password that nobody guesses.
#[tokio::test]
async fn strangers_do_not_lock_the_owner_out() {
    let config = Config { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..Config::default() };
    let server = Server::start(Scratch::sqlite(), config).await;
    let ada = server.person("ada").await;
    let login = async |from: &str, password: &str| {
        let body = json!({"email": "ada@example.org", "password": password});
        let request = server.request(Method::POST, "/api/auth/login").header("x-forwarded-for", from);
        ApiResponse::receive(request.json(&body)).await
    };
    login("192.0.2.1", PASSWORD).await.expect(StatusCode::OK);
    let mut tries = 0;
    while login("198.51.100.7", "a wrong guess").await.status == StatusCode::UNAUTHORIZED {
        tries += 1;
        assert!(tries < 20);
    }
    login("198.51.100.8", PASSWORD).await.expect(StatusCode::TOO_MANY_REQUESTS);
    // A client that signed in before may still mistype, and succeed as often as it likes.
    login("192.0.2.1", "a typing mistake").await.expect(StatusCode::UNAUTHORIZED);
    for _ in 0..12 {
        login("192.0.2.1", PASSWORD).await.expect(StatusCode::OK);
    }
    let change = json!({"current_password": PASSWORD, "new_password": "another horse battery"});
    ada.put("/api/users/me/password", change).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn behind_https_cookies_are_secure() {
    let config = Config { public_url: Some("https://journal.example.org".into()), ..lenient() };
    let server = Server::start(Scratch::sqlite(), config).await;
    server.person("ada").await;
    let login = json!({"email": "ada@example.org", "password": PASSWORD, "cookie": true});
    let response = post(&server, "/api/auth/login", &login).await;
    assert!(response.headers.get_all(SET_COOKIE).iter().all(|cookie| cookie.to_str().unwrap().ends_with("; Secure")));
    assert!(response.header("strict-transport-security").is_some());
}

async fn post(server: &Server, path: &str, body: &Value) -> ApiResponse {
    ApiResponse::receive(server.request(Method::POST, path).json(body)).await
}
