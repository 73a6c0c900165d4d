//! The export, read by another implementation of the zip format: Python's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sotto_storage::testing::{Scratch, wait_until};

use crate::audio::wav;
use crate::on_both_engines;
use crate::server::{ApiResponse, Person, Server, lenient};
use crate::vault::{DATE, PHRASE, Secret, new_id, text};

on_both_engines!(
    the_archive_matches_the_responses_of_the_api,
    file_names_are_safe_and_unique,
    unlocked_sealed_entries_are_exported,
    an_empty_journal_is_exported_as_an_archive,
    pages_are_followed_to_the_last,
    recordings_are_exported_with_their_entries,
    unlocked_encrypted_recordings_are_exported,
    lost_recordings_are_listed_and_the_rest_is_exported,
);

const EXPORT: &str = "/api/users/me/export";

/// Describes an archive as JSON, if it is valid.
const READ: &str = "
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    files = archive.infolist()
    assert all(file.file_size == len(archive.read(file)) for file in files)
    is_stored = lambda file: file.compress_type == zipfile.ZIP_STORED
    json.dump([[file.filename, archive.read(file).hex(), is_stored(file)] for file in files], sys.stdout)
";

/// A file of an archive.
struct File {
    name: String,
    bytes: Vec<u8>,
    /// Uncompressed.
    is_stored: bool,
}

/// The texts of an archive, in order.
async fn files(request: RequestBuilder) -> Vec<(String, String)> {
    all_files(request).await.into_iter().map(|file| (file.name, String::from_utf8(file.bytes).unwrap())).collect()
}

/// The files of an archive, in order.
async fn all_files(request: RequestBuilder) -> Vec<File> {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/zip");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let name = response.headers()["content-disposition"].to_str().unwrap();
    assert!(name.starts_with("attachment; filename=\"sotto-20") && name.ends_with(".zip\""), "{name}");
    let archive = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(archive.path(), response.bytes().await.unwrap()).unwrap();
    let read = Command::new("python3").args(["-c", READ]).arg(archive.path()).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let files: Vec<(String, String, bool)> = serde_json::from_slice(&read.stdout).unwrap();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let bytes = |hex: &str| hex.as_bytes().chunks(2).map(byte).collect();
    files.into_iter().map(|(name, hex, is_stored)| File { name, bytes: bytes(&hex), is_stored }).collect()
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

async fn the_archive_matches_the_responses_of_the_api(server: Server) {
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
        // The day is the one in the entry's own time zone.
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

async fn file_names_are_safe_and_unique(server: Server) {
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

async fn unlocked_sealed_entries_are_exported(server: Server) {
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

async fn an_empty_journal_is_exported_as_an_archive(server: Server) {
    let ada = server.person("ada").await;
    let (journal, files) = archive(&ada).await;
    assert_eq!((&journal["entries"], files.len()), (&json!([]), 0));
    ApiResponse::receive(server.request(Method::GET, EXPORT)).await.expect(StatusCode::UNAUTHORIZED);
}

async fn pages_are_followed_to_the_last(server: Server) {
    let ada = server.person("ada").await;
    // More bytes than a page has, and more rows.
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

async fn recordings_are_exported_with_their_entries(server: Server) {
    let (ada, ben) = (server.person("ada").await, server.person("ben").await);
    let write = async |title: &str| {
        let entry = json!({"title": title, "content": "Spoken.", "entry_date": DATE});
        ada.post("/api/journals/", entry).await.expect(StatusCode::CREATED)
    };
    let (one, two, silent) = (write("Same").await, write("same").await, write("Silent").await);
    // More than a chunk.
    let long = wav(300_000, 1);
    ApiResponse::receive(ada.record(&one, "audio/x-wav", long.clone())).await.expect(StatusCode::CREATED);
    let ogg = [b"OggS".as_slice(), &[0; 24], b"OpusHead"].concat();
    ApiResponse::receive(ada.record(&two, "audio/ogg", ogg.clone())).await.expect(StatusCode::CREATED);
    let theirs = ben.write("Theirs.", DATE, &[]).await;
    ApiResponse::receive(ben.record(&theirs, "audio/wav", wav(100, 2))).await.expect(StatusCode::CREATED);

    let files = all_files(ada.request(Method::GET, EXPORT)).await;
    assert_eq!(files.len(), 6, "the journal, three entries, two recordings, and nothing that is missing");
    let markdown = |entry: &Value| {
        let id = |file: &File| parse(std::str::from_utf8(&file.bytes).unwrap()).0["id"].clone();
        files.iter().find(|file| file.name.strip_suffix(".md").is_some() && id(file) == entry["id"]).unwrap()
    };
    for (entry, recording, ending) in [(&one, &long, ".wav"), (&two, &ogg, ".ogg")] {
        let text = markdown(entry);
        let name = format!("{}{ending}", text.name.strip_suffix(".md").unwrap());
        let beside = parse(std::str::from_utf8(&text.bytes).unwrap()).0["recording"].as_str().unwrap().to_owned();
        assert_eq!(format!("entries/2025/{beside}"), name, "the Markdown file points to it");
        let file = files.iter().find(|file| file.name == name).unwrap();
        assert!(file.bytes == *recording && file.is_stored, "{name}");
    }
    let text = std::str::from_utf8(&markdown(&silent).bytes).unwrap();
    assert!(!parse(text).0.contains_key("recording"));
    assert!(!markdown(&silent).is_stored);
}

async fn unlocked_encrypted_recordings_are_exported(server: Server) {
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let closed = Secret::make(&ada, "another phrase altogether").await.unlock("another phrase altogether").await;
    let mut sealed = Vec::new();
    for (secret, content) in [(&open, "sealed"), (&closed, "not shown to be open")] {
        let entry = secret.write(content, DATE).await;
        let (recording, key) = secret.encrypt(&entry, &wav(200_000, 3));
        ApiResponse::receive(secret.record(&entry, recording.clone())).await.expect(StatusCode::CREATED);
        sealed.push((entry, recording, key));
    }
    let names = |files: &[File]| files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&all_files(ada.request(Method::GET, EXPORT)).await), ["journal.json"]);

    let files = all_files(open.request(Method::GET, EXPORT)).await;
    let (entry, recording, key) = &sealed[0];
    assert_eq!(names(&files), ["journal.json".to_owned(), format!("sealed/{}", text(entry, "id"))]);
    assert!(files[1].bytes == *recording && files[1].is_stored, "it is as the server keeps it");
    assert!(open.decrypt(entry, key, &files[1].bytes) == wav(200_000, 3));
}

async fn lost_recordings_are_listed_and_the_rest_is_exported(server: Server) {
    let ada = server.person("ada").await;
    let open = Secret::make(&ada, PHRASE).await.unlock(PHRASE).await;
    let mut objects: Vec<PathBuf> = Vec::new();
    for n in 1..=5 {
        let entry = ada.write("Spoken.", &format!("2025-01-0{n}T10:00:00Z"), &[]).await;
        ApiResponse::receive(ada.record(&entry, "audio/wav", wav(200_000, n))).await.expect(StatusCode::CREATED);
        let new = server.objects().into_iter().find(|object| !objects.contains(object)).unwrap();
        objects.push(new);
    }
    let entry = open.write("Whispered.", DATE).await;
    let (recording, _) = open.encrypt(&entry, &wav(1000, 6));
    ApiResponse::receive(open.record(&entry, recording)).await.expect(StatusCode::CREATED);
    let hidden = server.objects().into_iter().find(|object| !objects.contains(object)).unwrap();

    std::fs::remove_file(&objects[0]).unwrap();
    let cut = std::fs::OpenOptions::new().write(true).open(&objects[1]).unwrap();
    cut.set_len(150_000).unwrap();
    std::fs::write(&objects[2], wav(200_000, 9)).unwrap();
    std::fs::write(&objects[3], "").unwrap();
    std::fs::remove_file(&hidden).unwrap();

    let files = all_files(open.request(Method::GET, EXPORT)).await;
    let find = |name: &str| files.iter().find(|file| file.name == name);
    let day = |n: u32, ending: &str| format!("entries/2025/2025-01-0{n}{ending}");
    for n in 1..=5 {
        let entry = std::str::from_utf8(&find(&day(n, ".md")).unwrap().bytes).unwrap();
        let (fields, content) = parse(entry);
        let has_recording = find(&day(n, ".wav")).is_some();
        assert_eq!((content, fields.contains_key("recording")), ("Spoken.", has_recording), "{n}");
        assert_eq!(has_recording, [2, 3, 5].contains(&n), "{n}");
    }
    assert!(find(&day(2, ".wav")).unwrap().bytes == wav(150_000, 2));
    assert!(find(&day(5, ".wav")).unwrap().bytes == wav(200_000, 5));
    let last = files.last().unwrap();
    assert_eq!(last.name, "missing.txt");
    let (_, listed) = std::str::from_utf8(&last.bytes).unwrap().split_once("\n\n").unwrap();
    let mut listed: Vec<_> = listed.lines().collect();
    listed.sort_unstable();
    let sealed = format!("sealed/{}: it is missing", text(&entry, "id"));
    assert_eq!(
        listed,
        [
            "entries/2025/2025-01-01.wav: it is missing",
            "entries/2025/2025-01-02.wav: only 150000 of its 200000 bytes could be read",
            "entries/2025/2025-01-03.wav: its content has changed",
            "entries/2025/2025-01-04.wav: it could not be read",
            &sealed,
        ]
    );
    // While the secret tag is locked, nothing reveals its entries.
    let locked = all_files(ada.request(Method::GET, EXPORT)).await;
    let missing = std::str::from_utf8(&locked.last().unwrap().bytes).unwrap();
    assert!(missing.contains("2025-01-01.wav") && !missing.contains("sealed"));
}

/// Each export that nobody reads takes one of the places of all users. Once it is gone, others can export again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_exports_are_limited() {
    let server = Server::start(Scratch::sqlite(), lenient()).await;
    let mut unread = Vec::new();
    for number in 0..9 {
        let person = server.person(&format!("person{number}")).await;
        let entry = person.write("spoken", DATE, &[]).await;
        // More than the network buffers.
        let recording = person.record(&entry, "audio/wav", wav(24 << 20, 1));
        ApiResponse::receive(recording).await.expect(StatusCode::CREATED);
        if number < 8 {
            let response = person.request(Method::GET, EXPORT).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            unread.push(response);
            continue;
        }
        let refused = person.get(EXPORT).await;
        assert_eq!(refused.header("retry-after"), Some("1"));
        refused.expect(StatusCode::SERVICE_UNAVAILABLE);
        unread.clear();
        wait_until("an export is possible again", async || {
            person.request(Method::GET, EXPORT).send().await.unwrap().status() == StatusCode::OK
        })
        .await;
    }
}
