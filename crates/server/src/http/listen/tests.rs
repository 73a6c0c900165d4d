//! Connections that take what they can, over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;

/// Long enough for a busy machine, short enough for a test.
const SHORT: Duration = Duration::from_millis(300);

/// Deadlines that no test reaches, except those that it shortens.
fn patient() -> ConnectionLimits {
    let long = Duration::from_mins(5);
    ConnectionLimits { exempt: Vec::new(), first_byte: long, head: long, progress: long, ..ConnectionLimits::default() }
}

async fn start(limits: ConnectionLimits) -> (SocketAddr, watch::Sender<Stage>) {
    let endless =
        || async { Body::from_stream(stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from(vec![0; 16384])))) };
    let routes = Router::new()
        .route("/", get(async || "hello"))
        .route("/endless", get(endless))
        .route("/body", post(async |body: Bytes| body.len().to_string()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stage, stages) = watch::channel(Stage::Serving);
    tokio::spawn(accept(listener, routes, limits, stages));
    (address, stage)
}

/// What the server sends until it closes the connection. A reset closes it, too.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut part = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut part).await {
        all.extend_from_slice(&part[..length]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

async fn get_once(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut all = String::new();
    let mut part = [0; 4096];
    while !all.ends_with("hello") {
        let length = stream.read(&mut part).await.unwrap();
        assert!(length > 0, "closed after {all:?}");
        all.push_str(std::str::from_utf8(&part[..length]).unwrap());
    }
    all
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let (address, _stage) = start(ConnectionLimits { first_byte: SHORT, ..patient() }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(until_closed(&mut stream).await, "");
    // The deadline is for the first byte only.
    let mut stream = TcpStream::connect(address).await.unwrap();
    get_once(&mut stream).await;
    tokio::time::sleep(2 * SHORT).await;
    get_once(&mut stream).await;
}

#[tokio::test]
async fn a_slow_head_is_cut_off() {
    let (address, _stage) = start(ConnectionLimits { head: SHORT, ..patient() }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
    until_closed(&mut stream).await;
}

#[tokio::test]
async fn a_large_head_is_refused() {
    let (address, _stage) = start(patient()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(2 * HEAD_BYTES));
    // The server closes while the client still sends.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = [0; 13];
    // What the client still sends may reset the connection before it has read the response.
    if stream.read_exact(&mut answer).await.is_ok() {
        assert_eq!(&answer, b"HTTP/1.1 431 ");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n", "x".repeat(HEAD_BYTES - 1024));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"Connection: close\r\n\r\n").await.unwrap();
    assert!(until_closed(&mut stream).await.ends_with("hello"));
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off() {
    let (address, _stage) = start(ConnectionLimits { progress: SHORT, ..patient() }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(4 * SHORT).await;
    // Without the deadline, this response would never end.
    until_closed(&mut stream).await;
}

#[tokio::test]
async fn a_client_that_reads_is_not_cut_off() {
    let (address, _stage) = start(ConnectionLimits { progress: SHORT, ..patient() }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut part = vec![0; 1 << 20];
    let end = tokio::time::Instant::now() + 4 * SHORT;
    while tokio::time::Instant::now() < end {
        assert!(stream.read(&mut part).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_cut_off() {
    let (address, _stage) = start(ConnectionLimits { progress: SHORT, ..patient() }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf").await.unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn one_client_gets_its_share_of_connections() {
    let (address, _stage) = start(ConnectionLimits { per_client: 3, ..patient() }).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        get_once(&mut stream).await;
        open.push(stream);
    }
    let mut fourth = TcpStream::connect(address).await.unwrap();
    assert_eq!(until_closed(&mut fourth).await, "");
    // A place is free again when the server has seen the end of a connection.
    drop(open.pop());
    loop {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        if until_closed(&mut stream).await.ends_with("hello") {
            break;
        }
    }
    get_once(&mut open[0]).await;
}

#[tokio::test]
async fn an_exempt_network_is_not_counted() {
    let exempt = vec!["127.0.0.0/8".parse().unwrap()];
    let (address, _stage) = start(ConnectionLimits { per_client: 1, exempt, ..patient() }).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        get_once(&mut stream).await;
        open.push(stream);
    }
}
