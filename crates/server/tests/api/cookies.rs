//! Cookies with HTTPS: their prefix, and the cookies of earlier versions.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sotto_server::Config;
use sotto_storage::testing::Scratch;

use crate::server::{ApiResponse, PASSWORD, Person, Server, lenient};

const REFRESH: &str = "/api/auth/refresh";

async fn server() -> Server {
    let config = Config { public_url: Some("https://journal.example.org".into()), ..lenient() };
    Server::start(Scratch::sqlite(), config).await
}

fn set(response: &ApiResponse) -> Vec<String> {
    response.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// The cookies that the response deletes.
fn deleted(response: &ApiResponse) -> Vec<String> {
    let set = set(response);
    let gone = set.iter().filter(|cookie| cookie.contains("Max-Age=0"));
    let name_and_path = gone.map(|cookie| {
        let path = cookie.split("; ").find_map(|part| part.strip_prefix("Path=")).unwrap();
        format!("{} {path}", cookie.split('=').next().unwrap())
    });
    name_and_path.collect()
}

/// The value of a cookie that the response sets.
fn value(response: &ApiResponse, name: &str) -> String {
    let set = set(response);
    let cookie = set.iter().find(|cookie| cookie.starts_with(&format!("{name}="))).unwrap();
    cookie.split(';').next().unwrap().split_once('=').unwrap().1.to_owned()
}

async fn send(server: &Server, method: Method, path: &str, cookies: &str) -> ApiResponse {
    ApiResponse::receive(server.request(method, path).header(COOKIE, cookies)).await
}

/// Signs in, and returns the tokens of the new cookies.
async fn sign_in(server: &Server, person: &Person<'_>) -> (String, String) {
    let login = json!({"email": person.email, "password": PASSWORD, "cookie": true});
    let response = ApiResponse::receive(server.request(Method::POST, "/api/auth/login").json(&login)).await;
    for cookie in set(&response) {
        assert!(cookie.starts_with("__Host-sotto_") && cookie.contains("; Path=/; "), "{cookie}");
        assert!(
            cookie.ends_with("; Secure") && cookie.contains("; HttpOnly; ") && !cookie.contains("Domain"),
            "{cookie}"
        );
    }
    let tokens = (value(&response, "__Host-sotto_access"), value(&response, "__Host-sotto_refresh"));
    response.expect(StatusCode::OK);
    tokens
}

#[tokio::test]
async fn with_https_only_cookies_with_the_prefix_are_accepted() {
    let server = server().await;
    let ada = server.person("ada").await;
    let (access, refresh) = sign_in(&server, &ada).await;
    send(&server, Method::GET, "/api/users/me", &format!("__Host-sotto_access={access}")).await.expect(StatusCode::OK);
    let renewed = send(&server, Method::POST, REFRESH, &format!("__Host-sotto_refresh={refresh}")).await;
    assert_eq!((set(&renewed).len(), deleted(&renewed).len()), (2, 0));
    let refresh = value(&renewed, "__Host-sotto_refresh");
    renewed.expect(StatusCode::OK);
    // A server of another subdomain can set cookies without the prefix.
    let planted = format!("sotto_access={access}; sotto_refresh={refresh}");
    send(&server, Method::GET, "/api/users/me", &planted).await.expect(StatusCode::UNAUTHORIZED);
    send(&server, Method::POST, REFRESH, &planted).await.expect(StatusCode::UNAUTHORIZED);
    send(&server, Method::POST, REFRESH, &format!("__Host-sotto_refresh={refresh}")).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_cookie_of_an_earlier_version_is_exchanged() {
    let server = server().await;
    let ada = server.person("ada").await;
    let (_, refresh) = sign_in(&server, &ada).await;
    let claims = jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(&refresh).unwrap().claims;
    let mut old = claims.clone();
    old.as_object_mut().unwrap().remove("knows_prefix").unwrap();
    let key = EncodingKey::from_secret(&server.keys.token_signing);
    let old = encode(&Header::new(Algorithm::HS256), &old, &key).unwrap();
    let foreign = server.request(Method::POST, REFRESH).header(COOKIE, format!("sotto_refresh={old}"));
    let foreign = ApiResponse::receive(foreign.header("sec-fetch-site", "cross-site")).await;
    foreign.expect(StatusCode::FORBIDDEN);
    let renewed = send(&server, Method::POST, REFRESH, &format!("sotto_refresh={old}")).await;
    let gone = ["sotto_access /api", "sotto_refresh /api/auth", "sotto_oidc /api/auth/oidc"];
    assert_eq!(deleted(&renewed), gone);
    let access = value(&renewed, "__Host-sotto_access");
    renewed.expect(StatusCode::OK);
    send(&server, Method::GET, "/api/users/me", &format!("__Host-sotto_access={access}")).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn signing_out_deletes_the_cookies_of_every_version() {
    let server = server().await;
    let ada = server.person("ada").await;
    let (access, refresh) = sign_in(&server, &ada).await;
    let all = [
        "__Host-sotto_access /",
        "__Host-sotto_refresh /",
        "__Host-sotto_oidc /",
        "sotto_access /api",
        "sotto_refresh /api/auth",
        "sotto_oidc /api/auth/oidc",
    ];
    let out = send(&server, Method::POST, "/api/auth/logout", &format!("sotto_refresh={refresh}")).await;
    assert_eq!(deleted(&out), all);
    out.expect(StatusCode::OK);
    let access = format!("__Host-sotto_access={access}");
    send(&server, Method::GET, "/api/users/me", &access).await.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn hsts_covers_subdomains_on_request() {
    for (hsts_subdomains, expected) in [(false, "max-age=31536000"), (true, "max-age=31536000; includeSubDomains")] {
        let public_url = Some("https://journal.example.org".into());
        let server = Server::start(Scratch::sqlite(), Config { public_url, hsts_subdomains, ..lenient() }).await;
        let response = ApiResponse::receive(server.request(Method::GET, "/api/server")).await;
        assert_eq!(response.header("strict-transport-security"), Some(expected));
    }
    let server = Server::start(Scratch::sqlite(), Config { hsts_subdomains: true, ..lenient() }).await;
    let response = ApiResponse::receive(server.request(Method::GET, "/api/server")).await;
    assert_eq!(response.header("strict-transport-security"), None);
}

#[tokio::test]
async fn a_token_that_mixes_users_and_sessions_is_rejected() {
    let server = server().await;
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    // Both sessions are cached.
    for person in [&ada, &ben] {
        person.get("/api/users/me").await.expect(StatusCode::OK);
    }
    let claims = jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(&ada.token).unwrap().claims;
    let mut mixed = claims.clone();
    mixed["sub"] = json!(ben.id);
    let key = EncodingKey::from_secret(&server.keys.token_signing);
    let sign = |claims: &serde_json::Value| encode(&Header::new(Algorithm::HS256), claims, &key).unwrap();
    let as_ben = Person { token: sign(&mixed), ..ben.clone() };
    as_ben.get("/api/users/me").await.expect(StatusCode::UNAUTHORIZED);
    let same = Person { token: sign(&claims), ..ada.clone() };
    same.get("/api/users/me").await.expect(StatusCode::OK);
}
