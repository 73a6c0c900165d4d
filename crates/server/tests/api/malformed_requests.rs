//! Malformed, oversized, interrupted and malicious requests: each gets a clear 4xx, and nothing is lost.

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::on_both_engines;
use crate::server::{ApiResponse, Server};

on_both_engines!(
    malformed_bodies_are_refused,
    invalid_entries_are_rejected,
    ids_that_are_not_uuids_are_refused,
    a_truncated_body_stores_nothing,
    oversized_requests_are_refused,
    a_million_tags_are_refused_with_one_error,
    unusual_text_is_stored_unchanged,
);

async fn malformed_bodies_are_refused(server: Server) {
    let ada = server.person("ada").await;
    let send = |kind: &'static str, body: &'static [u8]| {
        ApiResponse::receive(ada.request(Method::POST, "/api/journals/").header("content-type", kind).body(body))
    };
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"null",
        b"\"text\"",
        b"{\"content\":\"\xff\"}",
        b"{} {}",
        b"{\"content\":\"a\",\"content\":\"b\"}",
    ] {
        assert!(send("application/json", body).await.refused().starts_with("body"));
    }
    send("text/plain", b"{}").await.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let bare = ada.request(Method::POST, "/api/journals/").body("{}");
    ApiResponse::receive(bare).await.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let deep = "[".repeat(100_000);
    let deep = ada.request(Method::POST, "/api/journals/").header("content-type", "application/json").body(deep);
    ApiResponse::receive(deep).await.refused();
}

async fn invalid_entries_are_rejected(server: Server) {
    let ada = server.person("ada").await;
    let date = "2025-01-22T10:00:00Z";
    for (entry, place) in [
        (json!({"entry_date": date}), "body.content"),
        (json!({"content": "x"}), "body"),
        (json!({"content": null, "entry_date": date}), "body.content"),
        (json!({"content": 1, "entry_date": date}), "body.content"),
        (json!({"content": "nul\u{0}", "entry_date": date}), "body.content"),
        (json!({"content": "x", "entry_date": date, "title": "x".repeat(501)}), "body.title"),
        (json!({"content": "x", "entry_date": date, "title": "two\nlines"}), "body.title"),
        (json!({"content": "x", "entry_date": date, "entry_zone": "Mars/Olympus"}), "body.entry_zone"),
        (json!({"content": "x", "entry_date": date, "audio_url": "javascript:alert(1)"}), "body.audio_url"),
        (json!({"content": "x", "entry_date": date, "user_id": ada.id}), "body.user_id"),
        (json!({"content": "x", "entry_date": date, "revision": 7}), "body.revision"),
        (json!({"content": "x", "entry_date": date, "tags": "work"}), "body.tags"),
        (json!({"content": "x", "entry_date": date, "tags": [null]}), "body.tags[0]"),
        (json!({"content": "x", "entry_date": date, "tag_ids": ["x"]}), "body.tag_ids[0]"),
        (json!({"content": "x", "entry_date": "2025-01-22T10:00:00"}), "body.entry_date"),
        (json!({"content": "x", "entry_date": "2025-02-30T10:00:00Z"}), "body.entry_date"),
        (json!({"content": "x", "entry_date": "0000-01-01T00:00:00Z"}), "body.entry_date"),
        (json!({"content": "x", "entry_date": "+010000-01-01T00:00:00Z"}), "body.entry_date"),
        (json!({"content": "x", "entry_date": 1_737_540_000}), "body.entry_date"),
        (json!({"content": "x", "entry_date": ""}), "body.entry_date"),
    ] {
        assert_eq!(ada.post("/api/journals/", entry.clone()).await.refused(), place, "{entry}");
    }
    assert_eq!(ada.contents("/api/journals/").await, Vec::<String>::new());
    for far in ["0001-01-02T00:00:00Z", "9999-12-30T00:00:00Z"] {
        let entry = ada.write("far", far, &[]).await;
        assert_eq!(entry["entry_date"], far);
    }
}

async fn ids_that_are_not_uuids_are_refused(server: Server) {
    let ada = server.person("ada").await;
    for resource in ["journals", "tags", "reminders"] {
        for id in [
            "1",
            "not-a-uuid",
            "0190b5a4111172228333444455556666",
            "%7B0190b5a4-1111-7222-8333-444455556666%7D",
            "..%2F..",
            "%00",
            "%FF",
        ] {
            assert_eq!(ada.get(&format!("/api/{resource}/{id}")).await.refused(), "path.id", "{resource}/{id}");
        }
    }
    ada.get("/api/journals/0190b5a4-1111-7222-8333-444455556666/none").await.expect(StatusCode::NOT_FOUND);
    ada.get("/api/nothing/here").await.expect(StatusCode::NOT_FOUND);
    ApiResponse::receive(ada.request(Method::PATCH, "/api/journals/")).await.expect(StatusCode::METHOD_NOT_ALLOWED);
}

async fn a_truncated_body_stores_nothing(server: Server) {
    let ada = server.person("ada").await;
    let body = json!({"content": "half", "entry_date": "2025-01-22T10:00:00Z"}).to_string();
    for sent in [0, 1, body.len() / 2, body.len() - 1] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "POST /api/journals/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            ada.token,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body.as_bytes()[..sent]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response).await;
        let response = String::from_utf8_lossy(&response);
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 400"), "{response}");
    }
    assert_eq!(ada.contents("/api/journals/").await, Vec::<String>::new());
}

async fn a_million_tags_are_refused_with_one_error(server: Server) {
    let ada = server.person("ada").await;
    let tags = vec![""; 1_000_000];
    let new = json!({"content": "", "entry_date": "2025-01-22T10:00:00Z", "tags": tags});
    assert_eq!(ada.post("/api/journals/", new).await.refused(), "body.tags");
    let entry = ada.write("Beans", "2025-01-22T10:00:00Z", &[]).await;
    let path = format!("/api/journals/{}", entry["id"].as_str().unwrap());
    assert_eq!(ada.put(&path, json!({"tags": tags})).await.refused(), "body.tags");
}

async fn oversized_requests_are_refused(server: Server) {
    let ada = server.person("ada").await;
    // The server may respond and disconnect before everything is sent. A reused connection would then fail its next
    // request, so each of these has its own. Either way nothing is stored.
    let alone = || reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let send = async |request: reqwest::RequestBuilder| {
        let request = request.build().unwrap();
        alone().execute(request).await.ok().map(|response| response.status())
    };
    let huge = json!({"content": "x".repeat(5 << 20), "entry_date": "2025-01-22T10:00:00Z"});
    let huge = send(ada.request(Method::POST, "/api/journals/").json(&huge)).await;
    assert!(huge.is_none_or(|status| status == StatusCode::PAYLOAD_TOO_LARGE), "{huge:?}");
    let long_header = send(server.request(Method::GET, "/api/users/me").bearer_auth("x".repeat(100_000))).await;
    assert!(long_header.is_none_or(|status| status.is_client_error()), "{long_header:?}");
    assert_eq!(ada.contents("/api/journals/").await, Vec::<String>::new());
}

async fn unusual_text_is_stored_unchanged(server: Server) {
    let ada = server.person("ada").await;
    for text in [
        "",
        " ",
        "'; DROP TABLE users; --",
        "<script>alert(1)</script>",
        "👩‍👩‍👧‍👦\u{200f}שלום",
        "a\u{301}\r\n\t\u{feff}",
        "\\u0000",
        "%00",
    ] {
        let entry = ada.write(text, "2025-01-22T10:00:00Z", &[]).await;
        assert_eq!(entry["content"], text);
        let path = format!("/api/journals/{}", entry["id"].as_str().unwrap());
        assert_eq!(ada.get(&path).await.expect(StatusCode::OK)["content"], text);
    }
    for query in ["'; DROP TABLE users; --", "a' OR '1'='1", "NEAR(a b)", "a:* & !b", "\"unclosed", "content:x", "-x"] {
        let request = ada.request(Method::GET, "/api/journals/").query(&[("q", query)]);
        ApiResponse::receive(request).await.expect(StatusCode::OK);
    }
}
