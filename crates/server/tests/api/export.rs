//! Everything that is somebody's in one archive, read back by another implementation of the format: Python's.

use std::collections::BTreeMap;
use std::process::Command;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sotto_storage::testing::Scratch;

use crate::on_both_engines;
use crate::server::{Answer, Person, Server, lenient};
use crate::vault::{DATE, PHRASE, Secret, new_id};

on_both_engines!(
    the_archive_holds_what_the_api_answers,
    names_are_safe_and_none_is_there_twice,
    what_is_sealed_comes_along_while_it_is_open,
    an_empty_journal_is_an_archive_too,
    pages_are_read_to_the_last,
);

const EXPORT: &str = "/api/users/me/export";

/// Says what is in an archive as JSON, if all of it is sound.
const READ: &str = "
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    files = archive.infolist()
    assert all(file.file_size == len(archive.read(file)) for file in files)
    json.dump([[file.filename, archive.read(file).decode()] for file in files], sys.stdout)
";

/// The files of an archive, in their order.
async fn files(request: RequestBuilder) -> Vec<(String, String)> {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/zip");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let name = answer.headers()["content-disposition"].to_str().unwrap();
    assert!(name.starts_with("attachment; filename=\"sotto-20") && name.ends_with(".zip\""), "{name}");
    let archive = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(archive.path(), answer.bytes().await.unwrap()).unwrap();
    let read = Command::new("python3").args(["-c", READ]).arg(archive.path()).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    serde_json::from_slice(&read.stdout).unwrap()
}

async fn archive(person: &Person<'_>) -> (Value, Vec<(String, String)>) {
    let mut files = files(person.request(Method::GET, EXPORT)).await;
    assert_eq!(files[0].0, "journal.json");
    let (_, journal) = files.remove(0);
    (serde_json::from_str(&journal).unwrap(), files)
}

/// The front matter and the text of a Markdown file.
fn parse(file: &str) -> (BTreeMap<String, Value>, &str) {
    let (head, text) = file.strip_prefix("---\n").unwrap().split_once("\n---\n\n").unwrap();
    let field = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), serde_json::from_str(value).unwrap())
    };
    (head.split('\n').map(field).collect(), text)
}

async fn the_archive_holds_what_the_api_answers(server: Server) {
    let (ada, ben) = (server.person_in("ada", "Asia/Tokyo").await, server.person("ben").await);
    ben.write("another's", "2025-01-22T10:00:00Z", &["theirs"]).await;
    ada.put("/api/users/me", json!({"preferences": {"theme": "dark"}})).await.expect(StatusCode::OK);
    let key = ada.get("/api/users/me/draft-key").await.body["key"].as_str().unwrap().to_owned();
    let reminder = json!({"title": "Write", "message": "m", "frequency": "daily", "time": "2025-01-22T20:00:00Z"});
    ada.post("/api/reminders/", reminder).await.expect(StatusCode::CREATED);
    let titles = [
        Value::Null,
        json!("\"quoted\", 'so' \\and\\ so: # no comment"),
        json!("--- - ? & * ! | > % @ ` {a: [b]}"),
        json!("👩‍👩‍👧‍👦 🏳️‍🌈 שלום e\u{301}\u{2028}\u{feff}x"),
        json!("null"),
    ];
    let texts = ["", "---\n\n---\ntitle: other\n---\n\n", "# Ünïcödé 🌸\r\n\ttab\u{1}\u{7f}\n\n", "one line", "\n\n"];
    for (title, text) in titles.iter().zip(texts) {
        let entry = json!({
            "title": title, "content": text, "entry_date": "2025-01-22T20:00:00.123456Z", "tags": ["a, \"b\"", "日"],
            "audio_url": "https://example.org/a.ogg",
        });
        ada.post("/api/journals/", entry).await.expect(StatusCode::CREATED);
    }
    let (journal, files) = archive(&ada).await;
    let entries = ada.get("/api/journals/").await.body;
    for (part, path) in [("tags", "/api/tags/"), ("reminders", "/api/reminders/"), ("secret_tags", "/api/secret-tags/")]
    {
        assert_eq!(journal[part], ada.get(path).await.expect(StatusCode::OK), "{part}");
    }
    assert_eq!(journal["entries"], entries);
    assert_eq!(journal["profile"], ada.get("/api/users/me").await.body);
    assert!(journal["exported_at"].as_str().unwrap().ends_with('Z'));
    assert!(!journal.to_string().contains(&key) && !journal.to_string().contains("another's"));

    assert_eq!(files.len(), titles.len());
    for ((name, file), entry) in files.iter().zip(entries.as_array().unwrap()) {
        // The day is that of the entry's own zone.
        assert!(name.starts_with("entries/2025/2025-01-23"), "{name}");
        let (fields, text) = parse(file);
        assert_eq!(text, entry["content"].as_str().unwrap());
        assert_eq!(fields.get("title").unwrap_or(&Value::Null), &entry["title"]);
        for (field, of_entry) in [
            ("id", "id"),
            ("date", "entry_date"),
            ("zone", "entry_zone"),
            ("audio", "audio_url"),
            ("created", "created_at"),
            ("updated", "updated_at"),
        ] {
            assert_eq!(fields[field], entry[of_entry], "{field}");
        }
        assert_eq!(fields["tags"], json!(["a, \"b\"", "日"]));
    }
}

async fn names_are_safe_and_none_is_there_twice(server: Server) {
    let ada = server.person("ada").await;
    let titles = [
        "../../../etc/passwd",
        "/absolute",
        "C:\\Windows\\con",
        "aux.",
        "a\u{202e}gpj.exe",
        "Same",
        "same",
        "SAME!",
        "same 2",
        "...",
        "日記",
    ];
    for title in titles.map(str::to_owned).into_iter().chain(["x".repeat(500), "é".repeat(250)]) {
        let entry = json!({"title": title, "content": title, "entry_date": "2025-01-22T10:00:00Z"});
        ada.post("/api/journals/", entry).await.expect(StatusCode::CREATED);
    }
    let old = json!({"content": "old", "entry_date": "0001-01-05T10:00:00Z"});
    ada.post("/api/journals/", old).await.expect(StatusCode::CREATED);
    let (_, files) = archive(&ada).await;
    let mut seen = std::collections::HashSet::new();
    for (name, file) in &files {
        let (folder, plain) = name.rsplit_once('/').unwrap();
        assert!(["entries/2025", "entries/0001"].contains(&folder), "{name}");
        let stem = plain.strip_suffix(".md").unwrap();
        assert!(stem.chars().all(|c| c.is_alphanumeric() || c == '-') && plain.len() <= 120, "{name}");
        assert!(seen.insert(name.to_lowercase()), "{name} is there twice");
        parse(file);
    }
    assert_eq!(files.len(), titles.len() + 3);
    assert!(files.iter().any(|(name, _)| name == "entries/2025/2025-01-22-etc-passwd.md"));
    assert!(files.iter().any(|(name, _)| name == "entries/2025/2025-01-22-日記.md"));
    assert_eq!(files.last().unwrap().0, "entries/0001/0001-01-05.md");
}

async fn what_is_sealed_comes_along_while_it_is_open(server: Server) {
    let ada = server.person("ada").await;
    ada.write("in plain", DATE, &[]).await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let sealed = open.post("/api/journals/", open.entry(new_id(), "sealed", DATE)).await.expect(StatusCode::CREATED);

    let (locked, markdown) = archive(&ada).await;
    assert_eq!(locked["secret_tags"], ada.get("/api/secret-tags/").await.body);
    assert_eq!((locked["entries"].as_array().unwrap().len(), markdown.len()), (1, 1));
    assert!(!locked.to_string().contains(sealed["encrypted_content"].as_str().unwrap()));

    let files = files(open.request(Method::GET, EXPORT)).await;
    assert_eq!(files.len(), 2);
    let journal: Value = serde_json::from_str(&files[0].1).unwrap();
    assert_eq!(journal["secret_tags"], open.get("/api/secret-tags/").await.body);
    assert_eq!(journal["entries"][1], sealed);
    assert_eq!(open.read(&journal["entries"][1]), "sealed");
}

async fn an_empty_journal_is_an_archive_too(server: Server) {
    let ada = server.person("ada").await;
    let (journal, files) = archive(&ada).await;
    assert_eq!((&journal["entries"], files.len()), (&json!([]), 0));
    Answer::of(server.request(Method::GET, EXPORT)).await.expect(StatusCode::UNAUTHORIZED);
}

async fn pages_are_read_to_the_last(server: Server) {
    let ada = server.person("ada").await;
    // More bytes than a page holds, and more rows.
    let long = "x".repeat(1 << 20);
    for n in 10..20 {
        ada.write(&long, &format!("2025-01-{n}T10:00:00Z"), &[]).await;
    }
    for n in 0..205 {
        ada.write(&format!("{n}"), "2024-01-22T10:00:00Z", &[&format!("tag {n}")]).await;
    }
    let (journal, files) = archive(&ada).await;
    assert_eq!((journal["entries"].as_array().unwrap().len(), journal["tags"].as_array().unwrap().len()), (215, 205));
    let mut ids: Vec<_> = files.iter().map(|(_, file)| parse(file).0["id"].clone().to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 215);
    assert!(files.iter().take(10).all(|(_, file)| parse(file).1 == long));
}

/// Those who do not take what they asked for hold a place each; without them, there is place again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_so_many_at_once() {
    let server = Server::start(Scratch::sqlite(), lenient()).await;
    let ada = server.person("ada").await;
    let mut state = 1_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + u8::try_from((state >> 33) % 95).unwrap())
    };
    // More than what waits on the way to a client, even compressed.
    for n in 10..30 {
        let noise: String = (0..1 << 20).map(|_| letter()).collect();
        ada.write(&noise, &format!("2025-01-{n}T10:00:00Z"), &[]).await;
    }
    let mut idle = Vec::new();
    for _ in 0..8 {
        let answer = ada.request(Method::GET, EXPORT).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        idle.push(answer);
    }
    let refused = ada.get(EXPORT).await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    refused.expect(StatusCode::SERVICE_UNAVAILABLE);
    drop(idle);
    while ada.request(Method::GET, EXPORT).send().await.unwrap().status() != StatusCode::OK {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
