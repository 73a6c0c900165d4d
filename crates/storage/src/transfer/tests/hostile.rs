//! Backups that claim too much, or what a server would believe.

use std::fs;

use super::damage::{archive, check, gzip};
use super::{Destination, Observer, Package, Scratch, Workspace, assert_contains, rows, sentence};
use crate::migrate::{Migrator, State};
use crate::transfer::{BackupOptions, backup, restore};

const ROWS: &str = "tables/001-attachments/000001.jsonl.gz";

/// A header whose only table is `attachments`.
fn header(revision: &str, tables: &str) -> Vec<u8> {
    format!(
        r#"{{"format": 1, "sotto": "1.0.0", "engine": "sqlite", "revision": "{revision}",
            "created_at": "2025-01-22T10:00:00Z", "layout": {{"tables": [{tables}]}}}}"#
    )
    .into_bytes()
}

fn table(name: &str) -> String {
    format!(r#"{{"name": "{name}", "columns": [{{"name": "media_type", "kind": "text"}}], "key": ["media_type"]}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_limit_is_named() {
    let workspace = Workspace::new();
    let path = workspace.path("hostile.tar");
    let good = header("0001_x", &table("attachments"));
    let first = ("sotto-backup.json", good.as_slice());
    let spaces = vec![b' '; 4 << 20];
    let row = |text: &str| gzip(format!("[\"{text}\"]\n").as_bytes());
    let many = header("0001_x", &vec![table("t"); 501].join(","));
    let columns = vec![r#"{"name": "c", "kind": "text"}"#; 501].join(",");
    let wide = header("0001_x", &format!(r#"{{"name": "t", "columns": [{columns}], "key": []}}"#));
    let empty = ("manifest.json.sha256", spaces.as_slice());
    for (members, parts) in [
        (vec![("sotto-backup.json", spaces.as_slice())], ["sotto-backup.json is longer than", "1048576 bytes"]),
        (vec![("sotto-backup.json", &many[..])], ["501 tables", "at most 500"]),
        (vec![("sotto-backup.json", &wide[..])], ["the table t", "more than 500 columns"]),
        (vec![("sotto-backup.json", &header("\\u001b[2J", &table("t"))[..])], ["its revision", "at most 200 bytes"]),
        (
            vec![("sotto-backup.json", &header(&"r".repeat(201), &table("t"))[..])],
            ["its revision", "at most 200 bytes"],
        ),
        (vec![("sotto-backup.json", &header("0001_x", &table("t/../x"))[..])], ["a name of a table", "63 letters"]),
        (vec![("sotto-backup.json", &header("0001_x", &table(""))[..])], ["a name of a table", "63 letters"]),
        (vec![first, (ROWS, &row(&"a".repeat(17 << 20)))], [ROWS, "a row is longer than 16 MiB"]),
        (vec![first, (ROWS, &row("text/html"))], [ROWS, "\"text/html\" is not the media type of a recording"]),
        (vec![first, (ROWS, &row("audio/x\\r\\nset-cookie: a=b"))], [ROWS, "is not the media type of a recording"]),
        (vec![first, (ROWS, &row("audio/webm")), ("keys.json", &spaces)], ["keys.json is longer than", "1048576"]),
        (
            vec![first, (ROWS, &row("audio/webm")), ("manifest.json", &spaces)],
            ["manifest.json is longer than", "bytes"],
        ),
        (
            vec![first, (ROWS, &row("audio/webm")), ("manifest.json", b"{}"), empty],
            ["manifest.json.sha256 is longer than", "1024 bytes"],
        ),
        (vec![first, ("attachments/\u{1b}[2J", b"")], ["has control characters", "u{1b}"]),
    ] {
        fs::write(&path, archive(&members)).unwrap();
        assert_contains(&sentence(check(&path).await), &parts);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_checked_before_anything_is_changed() {
    let (workspace, scratch, target) = (Workspace::new(), Scratch::sqlite(), Scratch::sqlite());
    crate::migrate::upgrade(&scratch.url).await.unwrap();
    fs::write(workspace.path("keys.json"), "no keys").unwrap();
    let options = BackupOptions { keys: Some(workspace.path("keys.json")), ..rows() };
    backup(&scratch.url, &workspace.path("all.tar"), &options, &Observer::default()).await.unwrap();
    let destination = Destination {
        check_keys: |keys| Err(format!("{} bytes are wrong", keys.len())),
        ..workspace.destination(&target.url)
    };
    let package = Package::from_path(&workspace.path("all.tar"));
    let refusal = sentence(restore(&package, &destination, &Observer::default()).await);
    assert_contains(&refusal, &["all.tar", "keys.json has no keys of a server", "7 bytes are wrong"]);
    assert_eq!(Migrator::new(&target.url).unwrap().state().await.unwrap(), State::Missing);
    assert!(!workspace.path("restored").exists());
}
