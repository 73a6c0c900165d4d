//! Clients that do not read what they have asked for.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use sotto_server::Config;
use sotto_storage::testing::{Scratch, wait_until};

use crate::audio::wav;
use crate::on_both_engines;
use crate::server::{ApiResponse, Person, Server, lenient};

on_both_engines!(a_user_has_one_export_at_a_time, unread_pages_are_limited_for_each_user);

const EXPORT: &str = "/api/users/me/export";
const DATE: &str = "2025-01-22T10:00:00Z";
/// More than the buffers of a connection.
const MUCH: usize = 32 << 20;

/// Starts an export that cannot end before its client reads.
async fn stalled_export(person: &Person<'_>) -> Response {
    let entry = person.write("Spoken.", DATE, &[]).await;
    ApiResponse::receive(person.record(&entry, "audio/wav", wav(MUCH, 1))).await.expect(StatusCode::CREATED);
    export(person).await
}

/// The head of the response.
async fn export(person: &Person<'_>) -> Response {
    person.request(Method::GET, EXPORT).send().await.unwrap()
}

async fn a_user_has_one_export_at_a_time(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let stalled = stalled_export(&ada).await;
    assert_eq!(stalled.status(), StatusCode::OK);
    let refused = ada.get(EXPORT).await;
    assert_eq!(refused.header("retry-after"), Some("30"));
    assert_eq!(refused.expect(StatusCode::TOO_MANY_REQUESTS)["code"], json!("export_running"));
    assert_eq!(export(&ben).await.status(), StatusCode::OK);
    assert_eq!(ada.get("/api/journals/").await.status, StatusCode::OK, "an export is no read");
    // The place is free again when the export has ended, or its client is gone.
    assert!(stalled.bytes().await.unwrap().len() > MUCH);
    wait_until("the export has ended", async || export(&ada).await.status() == StatusCode::OK).await;
    wait_until("that client is gone", async || export(&ada).await.status() == StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_nobody_reads_breaks_off() {
    let config = Config { export_timeout: Duration::from_millis(500), ..lenient() };
    let server = Server::start(Scratch::sqlite(), config).await;
    let ada = server.person("ada").await;
    let stalled = stalled_export(&ada).await;
    assert_eq!(stalled.status(), StatusCode::OK);
    wait_until("its place is free", async || export(&ada).await.status() == StatusCode::OK).await;
    stalled.bytes().await.expect_err("it must not look complete");
}

async fn unread_pages_are_limited_for_each_user(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    // As JSON, each of these pages is larger than the buffers of a connection.
    let long = "\u{1}".repeat(600_000);
    for n in 1..=4 {
        ada.write(&long, &format!("2025-01-0{n}T10:00:00Z"), &[]).await;
    }
    ben.write(&long, DATE, &[]).await;
    let page = async |person: &Person<'_>| person.request(Method::GET, "/api/journals/").send().await.unwrap();
    let mut unread = Vec::new();
    for _ in 0..4 {
        unread.push(page(&ada).await);
    }
    assert!(unread.iter().all(|response| response.status() == StatusCode::OK));
    assert_eq!(ada.get("/api/journals/").await.expect(StatusCode::SERVICE_UNAVAILABLE)["code"], json!("busy"));
    // Small responses, and those of others, are as fast as ever.
    ada.get("/api/journals/?view=summary").await.expect(StatusCode::OK);
    let theirs = page(&ben).await;
    assert_eq!(theirs.status(), StatusCode::OK);
    let length = theirs.content_length().unwrap();
    assert_eq!(theirs.bytes().await.unwrap().len() as u64, length);

    // A page that was read makes room for another one.
    let read: serde_json::Value = unread.pop().unwrap().json().await.unwrap();
    assert_eq!(read.as_array().unwrap().len(), 4);
    ada.get("/api/journals/").await.expect(StatusCode::OK);
}
