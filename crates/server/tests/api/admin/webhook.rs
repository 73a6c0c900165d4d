//! The webhook that is called when an alert is raised or cleared.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_domain::health::Thresholds;
use sotto_server::{Webhook, take_reading};
use sotto_storage::testing::{Scratch, within_bound};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::watchful;
use crate::server::{ApiResponse, Server};

/// Accepts posts. The first `bad` ones get status 500 or, with `hang`, no response at all.
async fn listener(bad: usize, hang: bool) -> (String, mpsc::UnboundedReceiver<(bool, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?token=s3cret", listener.local_addr().unwrap());
    let (posts, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut open = Vec::new();
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut bytes = [0; 4096];
                let read = stream.read(&mut bytes).await.unwrap();
                assert!(read > 0, "{request}");
                request.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
            let is_good = number >= bad;
            posts.send((is_good, request)).unwrap();
            if is_good || !hang {
                let status = if is_good { "204 No Content" } else { "500 Oh" };
                let response = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(response.as_bytes()).await.unwrap();
            } else {
                open.push(stream);
            }
        }
    });
    (url, received)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_webhook_call_is_repeated() {
    for (bad, hang) in [(0, false), (2, false), (2, true)] {
        let (url, mut posts) = listener(bad, hang).await;
        let mut config = watchful(Thresholds::default());
        let back_off = vec![Duration::from_millis(5); 3];
        config.monitoring.webhook = Some(Webhook { url, timeout: Duration::from_millis(300), back_off });
        assert!(!format!("{config:?}").contains("s3cret"));
        let server = Server::start(Scratch::sqlite(), config).await;
        let edit = "UPDATE schema_migrations SET up_checksum = 'x' || up_checksum";
        let undo = "UPDATE schema_migrations SET up_checksum = substr(up_checksum, 2)";
        take_reading(&server.app).await.unwrap();
        server.scratch.execute(edit).await.unwrap();
        // A webhook that hangs delays nothing else.
        take_reading(&server.app).await.unwrap();
        server.scratch.execute(undo).await.unwrap();
        take_reading(&server.app).await.unwrap();
        take_reading(&server.app).await.unwrap();
        let mut accepted = Vec::new();
        let mut tries = 0;
        while accepted.len() < 2 {
            let (is_good, request) = within_bound("a post to the webhook", posts.recv()).await.unwrap();
            tries += 1;
            assert!(request.starts_with("POST /hook?token=s3cret HTTP/1.1"), "{request}");
            if is_good {
                accepted.push(request);
            }
        }
        assert!(tries >= bad + 2);
        let bodies: Vec<Value> = accepted
            .iter()
            .map(|request| serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap())
            .collect();
        for (body, state) in bodies.iter().zip(["raised", "cleared"]) {
            assert_eq!(
                (&body["service"], &body["alert"], &body["state"]),
                (&json!("sotto"), &json!("migration"), &json!(state))
            );
            assert!(body["at"].as_str().unwrap().ends_with('Z') && body["since"] == bodies[0]["at"], "{body}");
            assert!(!body.to_string().contains("s3cret"));
        }
        assert!(bodies[0]["sentence"].as_str().unwrap().contains("was changed"), "{bodies:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_always_fails_delays_nothing() {
    let mut config = watchful(Thresholds::default());
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/");
    config.monitoring.webhook = Some(Webhook { url, timeout: Duration::from_millis(50), back_off: vec![] });
    let mut server = Server::start(Scratch::sqlite(), config).await;
    for _ in 0..100 {
        server.scratch.execute("UPDATE schema_migrations SET up_checksum = 'x' || up_checksum").await.unwrap();
        take_reading(&server.app).await.unwrap();
        server.scratch.execute("UPDATE schema_migrations SET up_checksum = substr(up_checksum, 2)").await.unwrap();
        take_reading(&server.app).await.unwrap();
        take_reading(&server.app).await.unwrap();
    }
    ApiResponse::receive(server.request(Method::GET, "/health/ready")).await.expect(StatusCode::OK);
    server.stop().await;
}
