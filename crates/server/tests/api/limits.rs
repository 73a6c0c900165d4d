//! Limits that come before work: lists, bodies, and what one user may do at once.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_server::{Config, ShareLimits};
use sotto_storage::testing::{Scratch, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{ApiResponse, Person, Server, fill, lenient};

/// Routes whose callers need not be signed in.
const PUBLIC: [&str; 4] = ["/api/auth/register", "/api/auth/login", "/api/auth/refresh", "/api/auth/logout"];

/// Each operation of the specification with a JSON body: its method, path, and the schema of the body.
fn operations_with_bodies() -> Vec<(Method, String, Value)> {
    let specification: Value = serde_json::from_str(&sotto_server::openapi::to_json().unwrap()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in specification["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/components/schemas/")) else {
                continue;
            };
            let schema = specification["components"]["schemas"][name].clone();
            operations.push((method.to_uppercase().parse().unwrap(), path.clone(), schema));
        }
    }
    assert!(operations.len() > 10, "{operations:?}");
    operations
}

#[tokio::test]
async fn every_list_in_a_request_is_refused_at_its_limit() {
    let server = Server::start(Scratch::sqlite(), lenient()).await;
    let ada = server.superuser("ada").await;
    let mut lists = Vec::new();
    for (method, path, schema) in operations_with_bodies() {
        for (name, property) in schema["properties"].as_object().unwrap() {
            let is_list = property["type"] == "array" || property["type"] == json!(["array", "null"]);
            if !is_list {
                continue;
            }
            let max = property["maxItems"].as_u64().unwrap_or_else(|| panic!("{path}: {name} has no maxItems"));
            // The millionth element would be no mistake of a person, and is never looked at: this is not even JSON.
            let element = match property["items"]["format"].as_str() {
                Some("uuid") => "\"0190b5a4-1111-7222-8333-444455556666\",",
                _ => "\"a\",",
            };
            let body = format!("{{\"{name}\": [{} nonsense", element.repeat(usize::try_from(max).unwrap() + 1));
            let request = ada.request(method.clone(), &fill(&path)).header("content-type", "application/json");
            let refused = ApiResponse::receive(request.body(body)).await.expect(StatusCode::UNPROCESSABLE_ENTITY);
            let error = &refused["errors"][0];
            assert_eq!(error["loc"], json!(["body", name]), "{path}: {refused}");
            assert_eq!((&error["code"], &error["params"]), (&json!("too_many"), &json!({"max": max})), "{path}");
            lists.push(format!("{method} {path} {name}"));
        }
    }
    assert!(lists.len() >= 5, "{lists:?}");
}

#[tokio::test]
async fn a_million_tags_are_not_parsed() {
    let server = Server::start(Scratch::sqlite(), lenient()).await;
    let ada = server.person("ada").await;
    let body = format!("{{\"tags\": [{}\"a\"]}}", "\"a\",".repeat(1_000_000));
    let request = ada.request(Method::POST, "/api/journals/").header("content-type", "application/json");
    assert_eq!(ApiResponse::receive(request.body(body)).await.refused(), "body.tags");
}

#[tokio::test]
async fn small_routes_refuse_large_bodies() {
    let server = Server::start(Scratch::sqlite(), lenient()).await;
    let ada = server.person("ada").await;
    let login = json!({"email": "x".repeat(16 << 10), "password": "x"});
    let announced = server.request(Method::POST, "/api/auth/login").json(&login);
    ApiResponse::receive(announced).await.expect(StatusCode::PAYLOAD_TOO_LARGE);
    let chunks = futures_util::stream::iter(vec![Ok::<_, std::io::Error>(login.to_string())]);
    let chunked = server.request(Method::POST, "/api/auth/login").header("content-type", "application/json");
    let chunked = chunked.body(reqwest::Body::wrap_stream(chunks));
    ApiResponse::receive(chunked).await.expect(StatusCode::PAYLOAD_TOO_LARGE);
    ada.post("/api/tags/", json!({"name": "x".repeat(16 << 10)})).await.expect(StatusCode::PAYLOAD_TOO_LARGE);
    // Entries may still be long, and preferences in every spelling.
    ada.write(&"x".repeat(1 << 20), "2025-01-22T10:00:00Z", &[]).await;
    let preferences = format!("{{\"preferences\": {{{}\"a\": 1}}}}", " ".repeat(60_000));
    let request = ada.request(Method::PUT, "/api/users/me").header("content-type", "application/json");
    ApiResponse::receive(request.body(preferences)).await.expect(StatusCode::OK);
}

/// Otherwise anyone could fill the memory that is there for the bodies of users.
#[tokio::test]
async fn strangers_are_refused_before_their_body_is_read() {
    let server = Server::start(Scratch::sqlite(), lenient()).await;
    for (method, path, _) in operations_with_bodies() {
        if PUBLIC.contains(&path.as_str()) {
            continue;
        }
        let mut stream =
            begin(&server, &format!("{method} {}", fill(&path)), "Bearer nobody", "application/json").await;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(std::str::from_utf8(&status).unwrap(), "HTTP/1.1 401", "{method} {path}");
    }
}

#[tokio::test]
async fn a_user_has_a_number_of_requests_at_once() {
    let server = Server::start(Scratch::sqlite(), impatient()).await;
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let authorization = format!("Bearer {}", ada.token);
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(begin(&server, "POST /api/tags/", &authorization, "application/json").await);
    }
    // The server has begun all of them when it refuses another one.
    wait_until("the user has no more places", async || ada.get("/api/tags/").await.status != StatusCode::OK).await;
    let refused = ada.get("/api/tags/").await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.expect(StatusCode::TOO_MANY_REQUESTS)["code"], "too_many_at_once");
    ben.get("/api/tags/").await.expect(StatusCode::OK);
    let health = server.request(Method::GET, "/health/ready").bearer_auth(&ada.token).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    drop(open);
    wait_until("the places are free", async || ada.get("/api/tags/").await.status == StatusCode::OK).await;
}

#[tokio::test]
async fn a_user_has_a_number_of_uploads_at_once() {
    let server = Server::start(Scratch::sqlite(), impatient()).await;
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let audio = async |person: &Person<'_>| {
        let entry = person.write("heard", "2025-01-22T10:00:00Z", &[]).await;
        format!("/api/journals/{}/audio", entry["id"].as_str().unwrap())
    };
    let path = audio(&ada).await;
    let authorization = format!("Bearer {}", ada.token);
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(begin(&server, &format!("PUT {path}"), &authorization, "audio/wav").await);
    }
    let put = async |person: &Person<'_>, path: &str| {
        let request = person.request(Method::PUT, path).header("content-type", "audio/wav").body("no recording");
        ApiResponse::receive(request).await
    };
    wait_until("the user has no more uploads", async || put(&ada, &path).await.status == StatusCode::TOO_MANY_REQUESTS)
        .await;
    assert_eq!(put(&ada, &path).await.body["code"], "too_many_at_once");
    // Other requests and other users go on.
    ada.get("/api/tags/").await.expect(StatusCode::OK);
    let theirs = audio(&ben).await;
    put(&ben, &theirs).await.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    drop(open);
    wait_until("the uploads are free", async || put(&ada, &path).await.status == StatusCode::UNSUPPORTED_MEDIA_TYPE)
        .await;
}

/// Begins a request whose body does not arrive.
async fn begin(server: &Server, request_line: &str, authorization: &str, media_type: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "{request_line} HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\ncontent-type: {media_type}\r\ncontent-length: 1000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Refuses at once, so that a test does not wait.
fn impatient() -> Config {
    Config { shares: ShareLimits { wait: Duration::from_millis(50), ..ShareLimits::default() }, ..lenient() }
}
