//! Signing out: it works with whatever is left of a session, and always deletes the cookies.

use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::on_both_engines;
use crate::server::{ApiResponse, PASSWORD, Person, Server};

on_both_engines!(
    an_idle_browser_signs_out,
    the_refresh_cookie_is_enough,
    a_refresh_token_in_the_body_is_enough,
    an_exchanged_refresh_token_still_ends_its_session,
    without_a_valid_token_nothing_ends,
    another_site_cannot_sign_anybody_out,
);

const LOGOUT: &str = "/api/auth/logout";

/// The cookies of a browser that has signed in: `name=value`.
async fn browser(server: &Server, person: &Person<'_>) -> Vec<String> {
    let login = json!({"email": person.email, "password": PASSWORD, "cookie": true});
    let response = ApiResponse::receive(server.request(Method::POST, "/api/auth/login").json(&login)).await;
    let pair = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().split(';').next().unwrap().to_owned();
    let jar: Vec<String> = response.headers.get_all(SET_COOKIE).iter().map(pair).collect();
    response.expect(StatusCode::OK);
    jar.into_iter().filter(|cookie| !cookie.ends_with('=')).collect()
}

fn with(request: RequestBuilder, cookies: &[String]) -> RequestBuilder {
    request.header(COOKIE, cookies.join("; "))
}

/// Signs out, and checks that every cookie is deleted.
async fn sign_out(request: RequestBuilder) {
    let response = ApiResponse::receive(request).await;
    for name in ["sotto_access", "sotto_refresh", "sotto_oidc"] {
        let deleted = |cookie: &str| cookie.starts_with(&format!("{name}=;")) && cookie.contains("Max-Age=0");
        let cookies = response.headers.get_all(SET_COOKIE);
        assert!(cookies.iter().any(|cookie| deleted(cookie.to_str().unwrap())), "{name}: {:?}", response.headers);
    }
    response.expect(StatusCode::OK);
}

/// The number of a user's sessions. The person signs in again, because their access token may have expired.
async fn sessions(server: &Server, person: &Person<'_>) -> usize {
    let token = server.login(&person.email, PASSWORD).await["access_token"].as_str().unwrap().to_owned();
    let list = Person { token: token.clone(), ..person.clone() }.get("/api/users/me/sessions").await;
    let count = list.expect(StatusCode::OK).as_array().unwrap().len() - 1;
    sign_out(server.request(Method::POST, LOGOUT).bearer_auth(token)).await;
    count
}

async fn an_idle_browser_signs_out(server: Server) {
    let ada = server.person("ada").await;
    let cookies = browser(&server, &ada).await;
    assert_eq!(cookies.len(), 2);
    assert_eq!(sessions(&server, &ada).await, 2);
    server.clock.advance(16 * 60);
    // The expired access cookie does not prevent it.
    sign_out(with(server.request(Method::POST, LOGOUT), &cookies)).await;
    assert_eq!(sessions(&server, &ada).await, 1);
    let refresh = ApiResponse::receive(with(server.request(Method::POST, "/api/auth/refresh"), &cookies)).await;
    refresh.expect(StatusCode::UNAUTHORIZED);
}

async fn the_refresh_cookie_is_enough(server: Server) {
    let ada = server.person("ada").await;
    let cookies = browser(&server, &ada).await;
    let access = with(server.request(Method::GET, "/api/users/me"), &cookies);
    ApiResponse::receive(access.try_clone().unwrap()).await.expect(StatusCode::OK);
    let refresh: Vec<_> = cookies.iter().filter(|cookie| cookie.starts_with("sotto_refresh=")).cloned().collect();
    sign_out(with(server.request(Method::POST, LOGOUT), &refresh)).await;
    // This node forgets the session at once.
    ApiResponse::receive(access).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(sessions(&server, &ada).await, 1);
}

async fn a_refresh_token_in_the_body_is_enough(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let cookies = browser(&server, &ben).await;
    let body = json!({"refresh_token": ada.refresh_token});
    sign_out(server.request(Method::POST, LOGOUT).json(&body)).await;
    assert_eq!((sessions(&server, &ada).await, sessions(&server, &ben).await), (0, 2));
    // Tokens of several sessions end all of them.
    let body = json!({"refresh_token": ben.refresh_token});
    sign_out(with(server.request(Method::POST, LOGOUT).json(&body), &cookies)).await;
    assert_eq!(sessions(&server, &ben).await, 0);
}

async fn an_exchanged_refresh_token_still_ends_its_session(server: Server) {
    let ada = server.person("ada").await;
    let first = json!({"refresh_token": ada.refresh_token});
    let refresh =
        async |body: &Value| ApiResponse::receive(server.request(Method::POST, "/api/auth/refresh").json(body)).await;
    let second = refresh(&first).await.expect(StatusCode::OK);
    server.clock.advance(60);
    sign_out(server.request(Method::POST, LOGOUT).json(&first)).await;
    let second = json!({"refresh_token": second["refresh_token"]});
    refresh(&second).await.expect(StatusCode::UNAUTHORIZED);
}

async fn without_a_valid_token_nothing_ends(server: Server) {
    let ada = server.person("ada").await;
    let token = json!({"name": "script", "scopes": ["tags:read"]});
    let api_token = ada.post("/api/users/me/tokens", token).await.expect(StatusCode::CREATED);
    let post = || server.request(Method::POST, LOGOUT);
    sign_out(post()).await;
    sign_out(post().json(&json!({}))).await;
    sign_out(post().json(&Value::Null)).await;
    sign_out(post().form(&[("refresh_token", &ada.refresh_token)])).await;
    sign_out(post().bearer_auth(api_token["token"].as_str().unwrap())).await;
    for wrong in ["", "x", "a.b.c", &ada.refresh_token[1..], &format!("{}A", ada.refresh_token)] {
        sign_out(post().json(&json!({"refresh_token": wrong}))).await;
        sign_out(post().header(COOKIE, format!("sotto_refresh={wrong}; sotto_access={wrong}"))).await;
        sign_out(post().bearer_auth(wrong)).await;
    }
    // A mistake in the request is no sign-out.
    assert_eq!(ApiResponse::receive(post().json(&json!({"refresh_token": 7}))).await.refused(), "body.refresh_token");
    assert_eq!(ApiResponse::receive(post().json(&json!({"token": "x"}))).await.refused(), "body.token");
    ada.get("/api/users/me").await.expect(StatusCode::OK);
    assert_eq!(sessions(&server, &ada).await, 1);
}

async fn another_site_cannot_sign_anybody_out(server: Server) {
    let ada = server.person("ada").await;
    let cookies = browser(&server, &ada).await;
    // Browsers without `SameSite` send the cookies, others do not, but the response would delete them all the same.
    for request in [server.request(Method::POST, LOGOUT), with(server.request(Method::POST, LOGOUT), &cookies)] {
        for (name, value) in [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "null")] {
            let response = ApiResponse::receive(request.try_clone().unwrap().header(name, value)).await;
            assert!(response.header("set-cookie").is_none(), "{response:?}");
            assert_eq!(response.expect(StatusCode::FORBIDDEN)["code"], "foreign_origin");
        }
    }
    assert_eq!(sessions(&server, &ada).await, 2);
}
