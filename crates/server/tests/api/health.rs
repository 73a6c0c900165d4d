//! Health, metrics, headers, stopping.

use reqwest::{Method, StatusCode};
use serde_json::json;
use sotto_server::{Config, ProviderSettings, Registration};
use sotto_storage::testing::{Scratch, wait_until, within_bound};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::on_both_engines;
use crate::server::{ApiResponse, Server, lenient};

on_both_engines!(
    health_and_metrics_respond,
    readiness_reports_another_schema,
    a_stop_finishes_accepted_requests,
    responses_have_security_headers
);

async fn health_and_metrics_respond(server: Server) {
    for path in ["/health/live", "/health/ready"] {
        let health = ApiResponse::receive(server.request(Method::GET, path)).await.expect(StatusCode::OK);
        assert_eq!(health, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
    }
    let ada = server.person("ada").await;
    let id = ada.write("zanzibar", "2025-01-22T10:00:00Z", &["quetzal"]).await["id"].as_str().unwrap().to_owned();
    ada.get(&format!("/api/journals/{id}")).await.expect(StatusCode::OK);
    let metrics = server.request(Method::GET, "/metrics").send().await.unwrap();
    assert!(metrics.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let metrics = metrics.text().await.unwrap();
    assert!(
        metrics.contains("sotto_http_requests_total{method=\"GET\",route=\"/api/journals/{entry_id}\",status=\"200\"}"),
        "{metrics}"
    );
    for private in [&id, "zanzibar", "quetzal", "ada@"] {
        assert!(!metrics.contains(private), "{private}");
    }
    let schema = server.app.storage.health().schema().await.unwrap().revision;
    let version = env!("CARGO_PKG_VERSION");
    for part in [
        format!("sotto_build_info{{version=\"{version}\",schema=\"{schema}\"}} 1"),
        "process_resident_memory_bytes ".into(),
        "process_cpu_seconds_total ".into(),
        "process_open_fds ".into(),
        "process_start_time_seconds ".into(),
    ] {
        assert!(metrics.lines().any(|line| line.starts_with(&part)), "{part}: {metrics}");
    }
    // Each metric is described once: Prometheus rejects a scrape with a second description.
    let types: Vec<_> = metrics.lines().filter(|line| line.starts_with("# TYPE")).collect();
    assert_eq!(types.len(), types.iter().collect::<std::collections::BTreeSet<_>>().len(), "{types:?}");
}

/// As after a manual migration while the server was running.
async fn readiness_reports_another_schema(server: Server) {
    let ready = async || ApiResponse::receive(server.request(Method::GET, "/health/ready")).await;
    for (change, says) in [
        (
            "UPDATE schema_migrations SET up_checksum = 'edited' WHERE version = 2",
            "was changed after it had been applied",
        ),
        (
            "INSERT INTO schema_migrations (version, name, up_checksum, down_checksum) VALUES (9000, 'moods', '', '')",
            "9000_moods, which this version of Sotto does not know",
        ),
        ("DELETE FROM schema_migrations WHERE version > 2", "this version of Sotto works with"),
    ] {
        ready().await.expect(StatusCode::OK);
        server.scratch.execute("CREATE TABLE kept AS SELECT * FROM schema_migrations").await.unwrap();
        server.scratch.execute(change).await.unwrap();
        let problem = ready().await.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
        ApiResponse::receive(server.request(Method::GET, "/health/live")).await.expect(StatusCode::OK);
        let back = "DELETE FROM schema_migrations; INSERT INTO schema_migrations SELECT * FROM kept; DROP TABLE kept";
        server.scratch.execute(back).await.unwrap();
    }
    ready().await.expect(StatusCode::OK);
}

async fn a_stop_finishes_accepted_requests(mut server: Server) {
    let token = server.person("ada").await.token.clone();
    let body = json!({"content": "under way", "entry_date": "2025-01-22T10:00:00Z"}).to_string();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /api/journals/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body when the handler reads it, so the request is under way.
    let mut interim = [0; 25];
    within_bound("the server asks for the body", stream.read_exact(&mut interim)).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body.as_bytes()[..10]).await.unwrap();
    let address = server.address;
    let finish = async {
        wait_until("the server accepts no connections", async || TcpStream::connect(address).await.is_err()).await;
        stream.write_all(&body.as_bytes()[10..]).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    };
    let ((), response) = tokio::join!(server.stop(), finish);
    assert!(response.starts_with("HTTP/1.1 201"), "{response}");
    assert!(TcpStream::connect(server.address).await.is_err());
}

async fn responses_have_security_headers(server: Server) {
    let ada = server.person("ada").await;
    let response = ada.get("/api/journals/").await;
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
    // Without a trusted proxy, a client cannot choose the request id in the log.
    let forged = ApiResponse::receive(ada.request(Method::GET, "/api/tags/").header("x-request-id", "forged")).await;
    assert_ne!(forged.header("x-request-id"), Some("forged"));
}

#[tokio::test]
async fn the_server_describes_registration_and_providers() {
    let open = Server::start(Scratch::sqlite(), lenient()).await;
    let expected = json!({"version": env!("CARGO_PKG_VERSION"), "registration": "open", "first_account": true, "providers": [], "audio_limit_bytes": 64 << 20});
    let response = ApiResponse::receive(open.request(Method::GET, "/api/server")).await;
    assert_eq!(response.expect(StatusCode::OK), expected);

    let providers = vec![ProviderSettings {
        id: "google".into(),
        name: "Google".into(),
        issuer: "https://accounts.google.com".into(),
        client_id: "sotto".into(),
        client_secret: "secret".into(),
        scopes: vec![],
    }];
    let public_url = Some("https://journal.example.org".to_owned());
    let config = Config { registration: Registration::Closed, providers, public_url, ..lenient() };
    let closed = Server::start(Scratch::sqlite(), config).await;
    let response = ApiResponse::receive(closed.request(Method::GET, "/api/server")).await.expect(StatusCode::OK);
    assert_eq!(response["registration"], "closed");
    assert_eq!(response["providers"], json!([{"id": "google", "name": "Google"}]));
}

#[tokio::test]
async fn metrics_without_a_token_are_local() {
    let server = Server::on_sqlite().await;
    let request = server.request(Method::GET, "/metrics");
    assert_eq!(request.try_clone().unwrap().send().await.unwrap().status(), StatusCode::OK);
    // A proxy on the same machine, which is not listed as trusted.
    let refusal = ApiResponse::receive(request.header("x-forwarded-for", "203.0.113.9")).await;
    assert_eq!(refusal.expect(StatusCode::FORBIDDEN)["code"], "metrics_are_local");
}

#[tokio::test]
async fn metrics_can_require_a_token() {
    let server =
        Server::start(Scratch::sqlite(), Config { metrics_token: Some("scrape me".into()), ..lenient() }).await;
    let request = server.request(Method::GET, "/metrics");
    ApiResponse::receive(request.try_clone().unwrap()).await.expect(StatusCode::UNAUTHORIZED);
    ApiResponse::receive(request.try_clone().unwrap().bearer_auth("scrape")).await.expect(StatusCode::UNAUTHORIZED);
    let scrape = request.bearer_auth("scrape me").header("x-forwarded-for", "203.0.113.9");
    assert_eq!(scrape.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn headers_of_a_trusted_proxy_are_used() {
    let config = Config { rate_limits: true, trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..lenient() };
    let server = Server::start(Scratch::sqlite(), config).await;
    let request = server.request(Method::GET, "/health/live").header("x-request-id", "proxy-1");
    assert_eq!(ApiResponse::receive(request).await.header("x-request-id"), Some("proxy-1"));
    // Each client has its own limit.
    for n in 0..15 {
        let account = json!({"email": format!("{n}@example.org"), "password": crate::server::PASSWORD});
        let request = server.request(Method::POST, "/api/auth/register").json(&account);
        let request = request.header("x-forwarded-for", format!("203.0.113.{n}"));
        ApiResponse::receive(request).await.expect(StatusCode::CREATED);
    }
}
