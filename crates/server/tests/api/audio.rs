//! Recordings of plain entries: uploaded, played, limited, replaced, deleted.

use std::path::PathBuf;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sotto_server::Config;
use sotto_storage::testing::{Scratch, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::on_both_engines;
use crate::server::{ApiResponse, Person, Server, lenient};
use crate::vault::{DATE, path, text};

on_both_engines!(
    a_recording_is_uploaded_and_played,
    parts_of_a_recording_are_played,
    other_media_types_are_rejected,
    an_interrupted_upload_leaves_nothing,
    one_of_many_concurrent_uploads_is_stored,
    a_recording_is_deleted_with_its_entry,
    a_recording_is_private
);

/// A WAV file of this length; `byte` tells files apart.
pub fn wav(length: usize, byte: u8) -> Vec<u8> {
    let mut wav = b"RIFF\x24\0\0\0WAVEfmt ".to_vec();
    wav.resize(length, byte);
    wav
}

impl Server {
    /// The files of the store, drafts included.
    pub fn objects(&self) -> Vec<PathBuf> {
        let folders = std::fs::read_dir(self.recordings.path()).unwrap().map(|folder| folder.unwrap().path());
        let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
        files.collect()
    }

    /// Waits for this number of files in the store. Interrupted uploads are deleted in the background.
    pub async fn wait_for_objects(&self, count: usize) {
        wait_until(&format!("the store has {count} files"), async || self.objects().len() == count).await;
    }
}

impl Person<'_> {
    pub fn record(&self, entry: &Value, media_type: &str, recording: Vec<u8>) -> RequestBuilder {
        self.request(Method::PUT, &audio(entry)).header("content-type", media_type).body(recording)
    }

    pub async fn play(&self, entry: &Value) -> Vec<u8> {
        let response = self.request(Method::GET, &audio(entry)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.bytes().await.unwrap().to_vec()
    }
}

pub fn audio(entry: &Value) -> String {
    format!("{}/audio", path(entry))
}

async fn a_recording_is_uploaded_and_played(server: Server) {
    let ada = server.person("ada").await;
    let entry = ada.write("Spoken.", DATE, &[]).await;
    ada.get(&audio(&entry)).await.expect(StatusCode::NOT_FOUND);
    // More than is held in memory at once.
    let long = wav(11 << 20, 1);
    let sent = ApiResponse::receive(ada.record(&entry, "audio/x-wav", long.clone())).await;
    let etag = sent.header("etag").unwrap().to_owned();
    let sent = sent.expect(StatusCode::CREATED);
    assert_eq!(
        (&sent["media_type"], &sent["byte_length"], &sent["audio_url"], &sent["entry_id"]),
        (&json!("audio/wav"), &json!(long.len()), &json!(audio(&entry)), &entry["id"])
    );
    let now = ada.get(&path(&entry)).await.expect(StatusCode::OK);
    assert_eq!((&now["audio_url"], &now["revision"]), (&sent["audio_url"], &json!(1)));

    let played = ada.request(Method::GET, text(&sent, "audio_url")).send().await.unwrap();
    let headers = played.headers().clone();
    for (name, value) in [
        ("content-type", "audio/wav"),
        ("content-length", &*long.len().to_string()),
        ("content-disposition", "inline"),
        ("accept-ranges", "bytes"),
        ("etag", &etag),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'; frame-ancestors 'none'"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(played.bytes().await.unwrap() == long);
    let head = ada.request(Method::HEAD, &audio(&entry)).send().await.unwrap();
    for name in ["content-type", "content-length", "content-disposition", "accept-ranges", "etag"] {
        assert_eq!(head.headers()[name], headers[name], "{name}");
    }
    let unchanged = ada.request(Method::GET, &audio(&entry)).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!(
        (unchanged.status(), unchanged.headers()["etag"].to_str().unwrap()),
        (StatusCode::NOT_MODIFIED, etag.as_str())
    );

    let other = ApiResponse::receive(ada.record(&entry, "audio/wav", wav(100, 2))).await;
    assert_ne!(other.header("etag"), Some(&*etag));
    other.expect(StatusCode::OK);
    assert_eq!(ada.play(&entry).await, wav(100, 2));
    assert_eq!(server.objects().len(), 1, "the one before has vanished");

    ada.delete(&audio(&entry)).await.expect(StatusCode::OK);
    ada.get(&audio(&entry)).await.expect(StatusCode::NOT_FOUND);
    ada.delete(&audio(&entry)).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(ada.get(&path(&entry)).await.expect(StatusCode::OK)["audio_url"], Value::Null);
    assert_eq!(server.objects().len(), 0);
}

async fn parts_of_a_recording_are_played(server: Server) {
    let ada = server.person("ada").await;
    let entry = ada.write("Spoken.", DATE, &[]).await;
    let recording: Vec<u8> = wav(16, 0).into_iter().chain((0..100_000_u32).map(|at| at.to_le_bytes()[0])).collect();
    let sent = ApiResponse::receive(ada.record(&entry, "audio/wav", recording.clone())).await;
    let etag = sent.header("etag").unwrap().to_owned();
    let length = recording.len();
    let ask = async |method: Method, range: &str, condition: &str| {
        let request = ada.request(method, &audio(&entry)).header("range", range);
        let request = if condition.is_empty() { request } else { request.header("if-range", condition) };
        let response = request.send().await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, part, size) = (response.status(), header("content-range"), header("content-length"));
        (status, part, size, response.bytes().await.unwrap().to_vec())
    };
    for (asked, first, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=100-70000", 100, 70_001),
        ("bytes=99000-", 99_000, length),
        ("bytes=-5", length - 5, length),
        ("bytes=50000-999999999", 50_000, length),
    ] {
        let expected = (
            StatusCode::PARTIAL_CONTENT,
            Some(format!("bytes {first}-{}/{length}", end - 1)),
            Some((end - first).to_string()),
        );
        let (status, part, size, bytes) = ask(Method::GET, asked, "").await;
        assert_eq!((status, part, size), expected, "{asked}");
        assert!(bytes == recording[first..end], "{asked}");
        let (status, part, size, bytes) = ask(Method::HEAD, asked, &etag).await;
        assert_eq!(((status, part, size), bytes.len()), (expected, 0), "{asked}");
    }
    for asked in [format!("bytes={length}-"), "bytes=-0".into()] {
        let (status, part, ..) = ask(Method::GET, &asked, "").await;
        assert_eq!((status, part), (StatusCode::RANGE_NOT_SATISFIABLE, Some(format!("bytes */{length}"))), "{asked}");
    }
    // Other units, several ranges and outdated conditions get the whole recording.
    let former = "\"AAAA\"";
    for (asked, condition) in
        [("bytes=5-1", ""), ("bytes=0-1,5-6", ""), ("lines=0-1", ""), ("bytes=0-1", former), ("bytes=0-1", "W/\"x\"")]
    {
        let (status, part, size, bytes) = ask(Method::GET, asked, condition).await;
        assert_eq!((status, part, size), (StatusCode::OK, None, Some(length.to_string())), "{asked}");
        assert!(bytes == recording);
    }
}

async fn other_media_types_are_rejected(server: Server) {
    let ada = server.person("ada").await;
    let entry = ada.write("Spoken.", DATE, &[]).await;
    for (media_type, body) in [
        ("audio/wav", b"<html><script>alert(1)</script></html>".to_vec()),
        ("audio/wav", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec()),
        ("audio/wav", vec![]),
        ("audio/webm", wav(1000, 1)),
        ("text/html", wav(1000, 1)),
    ] {
        let refused = ApiResponse::receive(ada.record(&entry, media_type, body)).await;
        refused.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let nameless = ada.request(Method::PUT, &audio(&entry)).body(wav(1000, 1));
    ApiResponse::receive(nameless).await.expect(StatusCode::CREATED);
    let missing = json!({"id": Uuid::from_u128(7)});
    ApiResponse::receive(ada.record(&missing, "audio/wav", wav(99, 1))).await.expect(StatusCode::NOT_FOUND);
    let crooked = ada.request(Method::PUT, "/api/journals/x/audio").body(wav(99, 1));
    assert_eq!(ApiResponse::receive(crooked).await.refused(), "path.id");
    assert_eq!(ada.play(&entry).await, wav(1000, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn size_limit_and_quota_are_enforced() {
    for scratch in [Scratch::sqlite(), Scratch::postgres().await] {
        let config = Config { audio_limit: 1000, audio_quota: Some(1500), ..lenient() };
        limits_are_enforced(Server::start(scratch, config).await).await;
    }
}

async fn limits_are_enforced(server: Server) {
    let ada = server.person("ada").await;
    let (one, two) = (ada.write("One.", DATE, &[]).await, ada.write("Two.", DATE, &[]).await);
    let send = async |entry: &Value, length| ApiResponse::receive(ada.record(entry, "audio/wav", wav(length, 1))).await;
    let refused = send(&one, 1001).await.expect(StatusCode::PAYLOAD_TOO_LARGE);
    assert!(text(&refused, "detail").contains("1000 bytes"), "{refused}");
    // Without a declared length, the bytes are counted.
    let pieces = futures_util::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(wav(100, 1))));
    let unannounced = ada.request(Method::PUT, &audio(&one)).body(reqwest::Body::wrap_stream(pieces));
    ApiResponse::receive(unannounced).await.expect(StatusCode::PAYLOAD_TOO_LARGE);
    server.wait_for_objects(0).await;

    send(&one, 1000).await.expect(StatusCode::CREATED);
    let refused = send(&two, 501).await.expect(StatusCode::INSUFFICIENT_STORAGE);
    assert!(text(&refused, "detail").contains("1500 bytes") && text(&refused, "detail").contains("1000 bytes"));
    let pieces = futures_util::stream::iter((0..6).map(|_| Ok::<_, std::io::Error>(wav(100, 1))));
    let unannounced = ada.request(Method::PUT, &audio(&two)).body(reqwest::Body::wrap_stream(pieces));
    ApiResponse::receive(unannounced).await.expect(StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(server.objects().len(), 1);
    send(&two, 500).await.expect(StatusCode::CREATED);
    // A replaced recording does not count.
    send(&one, 900).await.expect(StatusCode::OK);
    send(&one, 1000).await.expect(StatusCode::OK);
    let bob = server.person("bob").await;
    let entry = bob.write("Three.", DATE, &[]).await;
    ApiResponse::receive(bob.record(&entry, "audio/wav", wav(1000, 1))).await.expect(StatusCode::CREATED);
}

async fn an_interrupted_upload_leaves_nothing(server: Server) {
    let ada = server.person("ada").await;
    let entry = ada.write("Spoken.", DATE, &[]).await;
    ApiResponse::receive(ada.record(&entry, "audio/wav", wav(1000, 1))).await.expect(StatusCode::CREATED);
    // Enough for a draft on the disk.
    let part = wav(7 << 20, 2);
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: audio/wav\r\ncontent-length: {}\r\n\r\n",
        audio(&entry),
        ada.token,
        part.len() + 1
    );
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&part).await.unwrap();
    server.wait_for_objects(2).await;
    drop(stream);
    server.wait_for_objects(1).await;
    assert_eq!(ada.play(&entry).await, wav(1000, 1));

    // A client that ends the body too early.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&part[..1000]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut response = String::new();
    let _ = stream.read_to_string(&mut response).await;
    assert!(response.is_empty() || response.starts_with("HTTP/1.1 400"), "{response}");
    server.wait_for_objects(1).await;
    assert_eq!(ada.play(&entry).await, wav(1000, 1));
}

async fn one_of_many_concurrent_uploads_is_stored(server: Server) {
    let ada = server.person("ada").await;
    let entry = ada.write("Spoken.", DATE, &[]).await;
    let uploads: Vec<_> = (1..=8)
        .map(|byte| {
            let request = ada.record(&entry, "audio/wav", wav(200_000, byte));
            tokio::spawn(async move { request.send().await.unwrap().status() })
        })
        .collect();
    let mut created = 0;
    for upload in uploads {
        let status = upload.await.unwrap();
        assert!(status.is_success(), "{status}");
        created += usize::from(status == StatusCode::CREATED);
    }
    let left = ada.play(&entry).await;
    assert!((1..=8).any(|byte| left == wav(200_000, byte)), "it is none of them, or of several");
    assert_eq!((created, server.objects().len()), (1, 1));
}

async fn a_recording_is_deleted_with_its_entry(server: Server) {
    let ada = server.person("ada").await;
    let entry = ada.write("Spoken.", DATE, &[]).await;
    ApiResponse::receive(ada.record(&entry, "audio/wav", wav(1000, 1))).await.expect(StatusCode::CREATED);
    ada.delete(&path(&entry)).await.expect(StatusCode::OK);
    ada.get(&audio(&entry)).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(server.objects().len(), 0);
}

async fn a_recording_is_private(server: Server) {
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let entry = ada.write("Spoken.", DATE, &[]).await;
    ApiResponse::receive(ada.record(&entry, "audio/wav", wav(1000, 1))).await.expect(StatusCode::CREATED);
    bob.get(&audio(&entry)).await.expect(StatusCode::NOT_FOUND);
    bob.delete(&audio(&entry)).await.expect(StatusCode::NOT_FOUND);
    ApiResponse::receive(bob.record(&entry, "audio/wav", wav(99, 2))).await.expect(StatusCode::NOT_FOUND);
    let nobody = server.request(Method::GET, &audio(&entry));
    ApiResponse::receive(nobody).await.expect(StatusCode::UNAUTHORIZED);
    // A browser plays it with the session cookie, and another site cannot replace it.
    let cookie = format!("sotto_access={}", ada.token);
    let played = server.request(Method::GET, &audio(&entry)).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(played.bytes().await.unwrap(), wav(1000, 1));
    let forged = server.request(Method::PUT, &audio(&entry)).header("cookie", &cookie).body(wav(99, 2));
    ApiResponse::receive(forged.header("sec-fetch-site", "cross-site")).await.expect(StatusCode::FORBIDDEN);
    assert_eq!(ada.play(&entry).await, wav(1000, 1));
}
