//! Truncated, edited and malicious backups.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::data::Populated;
use super::{Manifest, Observer, Package, Result, Scratch, TransferError, Workspace, assert_contains, rows, sentence};
use crate::migrate::{Migrator, State};
use crate::transfer::package::Members;
use crate::transfer::package::archive::ArchiveWriter;
use crate::transfer::{backup_to_folder, verify};

pub(super) async fn check(path: &Path) -> Result<Manifest> {
    verify(&Package::from_path(path), &Observer::default()).await
}

/// A backup of a few rows, small enough to change every byte.
async fn small(workspace: &Workspace) -> Vec<u8> {
    let scratch = Scratch::sqlite();
    crate::migrate::upgrade(&scratch.url).await.unwrap();
    let mut writer = super::data::Writer::open(&scratch.url).await;
    for user in 1..4 {
        let email = format!("user-{user}@example.org");
        writer.insert("users", [("id", super::data::id(1, user).into()), ("email", email.as_str().into())]).await;
    }
    writer.close().await;
    workspace.backup(&scratch.url, "small.tar").await;
    fs::read(workspace.path("small.tar")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_changed_byte_is_detected() {
    let workspace = Workspace::new();
    let good = small(&workspace).await;
    let path = workspace.path("bad.tar");
    // Covers each kind of position: 41 is coprime to the block size.
    for place in (0..good.len()).step_by(41).chain((good.len() - 1600..good.len()).step_by(9)) {
        let mut bad = good.clone();
        bad[place] ^= 1 << (place % 8);
        fs::write(&path, &bad).unwrap();
        let result = check(&path).await;
        assert!(matches!(result, Err(TransferError::Damaged { .. })), "byte {place}: {result:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_truncation_is_detected_and_nothing_is_restored() {
    let workspace = Workspace::new();
    let good = small(&workspace).await;
    let target = Scratch::sqlite();
    for length in (0..good.len()).step_by(211).chain((good.len() - 1030..good.len()).step_by(103)) {
        fs::write(workspace.path("bad.tar"), &good[..length]).unwrap();
        let refusal = sentence(check(&workspace.path("bad.tar")).await);
        assert!(refusal.contains("cut off"), "{length}: {refusal}");
    }
    assert_contains(&sentence(workspace.restore("bad.tar", &target.url).await), &["bad.tar", "cut off before its end"]);
    assert_eq!(Migrator::new(&target.url).unwrap().state().await.unwrap(), State::Missing);

    let longer = [good.as_slice(), b"x"].concat();
    fs::write(workspace.path("bad.tar"), longer).unwrap();
    assert_contains(&sentence(check(&workspace.path("bad.tar")).await), &["after its end"]);
    fs::write(workspace.path("bad.tar"), "Dear diary, ".repeat(1000)).unwrap();
    assert_contains(&sentence(check(&workspace.path("bad.tar")).await), &["not an archive that Sotto has written"]);
    assert_contains(&sentence(check(&workspace.path("nowhere")).await), &["nowhere", "cannot be opened"]);
}

const TAGS: &str = "tables/014-tags/000001.jsonl.gz";

/// A change of a folder, and the expected parts of the error.
type Edit = (fn(&Path), &'static [&'static str]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_in_a_folder_is_named() {
    let populated = Populated::sqlite().await;
    let edits: [Edit; 9] = [
        (|at| fs::remove_file(at.join(TAGS)).unwrap(), &["tables/014-tags/000001.jsonl.gz", "is missing"]),
        (|at| fs::remove_file(at.join("manifest.json")).unwrap(), &["another is missing"]),
        (|at| fs::remove_file(at.join("manifest.json.sha256")).unwrap(), &["cut off"]),
        (|at| fs::remove_file(at.join("sotto-backup.json")).unwrap(), &["does not begin like a backup"]),
        (|at| fs::write(at.join("attachments"), "").unwrap(), &["attachments"]),
        (
            |at| fs::write(at.join("tables/014-tags/000002.jsonl.gz"), gzip(b"")).unwrap(),
            &["000002", "not in its manifest"],
        ),
        (
            |at| {
                let text = fs::read_to_string(at.join("manifest.json")).unwrap();
                fs::write(at.join("manifest.json"), text.replacen("0.1", "0.2", 1)).unwrap();
            },
            &["its manifest is not what was written"],
        ),
        (
            |at| {
                let mut rows = unzip(&fs::read(at.join(TAGS)).unwrap());
                let end = rows.iter().position(|byte| *byte == b'\n').unwrap();
                rows.drain(..=end);
                fs::write(at.join(TAGS), gzip(&rows)).unwrap();
            },
            &["014-tags", "is not what was written"],
        ),
        (
            |at| {
                #[cfg(unix)]
                std::os::unix::fs::symlink("/etc/passwd", at.join("attachments")).unwrap();
            },
            &["attachments", "neither a file nor a folder"],
        ),
    ];
    for (number, (edit, message)) in edits.into_iter().enumerate() {
        let workspace = Workspace::new();
        let path = workspace.path("folder");
        let manifest = backup_to_folder(populated.url(), &path, &rows(), &Observer::default()).await.unwrap();
        assert_eq!(check(&path).await.unwrap(), manifest);
        edit(&path);
        let refusal = sentence(check(&path).await);
        for part in message {
            assert!(refusal.contains(part), "edit {number}: {refusal}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_swapped_files_are_detected() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await.grow(9).await);
    let path = workspace.path("folder");
    let manifest = backup_to_folder(populated.url(), &path, &rows(), &Observer::default()).await.unwrap();
    let entries = manifest.tables.iter().find(|table| table.name == "journal_entries").unwrap();
    let [first, second, ..] = entries.files.as_slice() else { panic!("there are two files at least") };
    fs::rename(path.join(&first.name), path.join("spare")).unwrap();
    fs::rename(path.join(&second.name), path.join(&first.name)).unwrap();
    fs::rename(path.join("spare"), path.join(&second.name)).unwrap();
    assert_contains(&sentence(check(&path).await), &[&first.name, "is not what was written"]);
}

pub(super) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ArchiveWriter::new(Vec::new(), 0);
    for (name, content) in members {
        archive.begin(name, content.len() as u64).unwrap();
        archive.write(content).unwrap();
        archive.end().unwrap();
    }
    archive.finish().unwrap()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn unzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(bytes), &mut plain).unwrap();
    plain
}

/// Adds a member with any name.
fn append(builder: &mut tar::Builder<Vec<u8>>, name: &[u8], content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_size(content.len() as u64);
    header.set_mode(0o600);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

/// The header of a backup with one table, `notes`, with one text column.
fn header(format: u32) -> String {
    format!(
        r#"{{"format": {format}, "sotto": "9.9.9", "engine": "sqlite", "revision": "0001_notes", "created_at": "2025-01-22T10:00:00Z",
            "layout": {{"tables": [{{"name": "notes", "columns": [{{"name": "text", "kind": "text"}}], "key": ["text"]}}]}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malicious_archives_do_no_harm() {
    let workspace = Workspace::new();
    let (path, first) = (workspace.path("bad.tar"), header(1));
    let first = ("sotto-backup.json", first.as_bytes());
    let newer = header(2);
    // A row of 256 MiB, and 256 MiB of one-letter rows.
    let long_row = gzip(&[b"[\"".as_slice(), &vec![b'a'; 256 << 20]].concat());
    let wrong_kind = gzip(b"[1]\n");
    let deep = gzip(&b"[".repeat(1 << 20));
    let rows = "tables/001-notes/000001.jsonl.gz";
    for (members, message) in [
        (vec![("sotto-backup.json", newer.as_bytes())], "of format 2"),
        (vec![("sotto-backup.json", b"{}".as_slice())], "is damaged"),
        (vec![first, (rows, &long_row)], "a row is longer than 16 MiB"),
        (vec![first, (rows, &wrong_kind)], "not of its kind"),
        (vec![first, (rows, &deep)], "last row has no end"),
        (vec![first, (rows, b"not gzip at all")], rows),
        (vec![first, ("tables/001-other/000001.jsonl.gz", b"")], "is in the wrong place"),
        (vec![first, ("manifest.json", b"{}")], "cut off"),
    ] {
        fs::write(&path, archive(&members)).unwrap();
        assert_contains(&sentence(check(&path).await), &[message]);
    }

    // Members that the writer refuses to create.
    let tar_with = |entry: &dyn Fn(&mut tar::Builder<Vec<u8>>)| {
        let mut builder = tar::Builder::new(Vec::new());
        append(&mut builder, first.0.as_bytes(), first.1);
        entry(&mut builder);
        builder.into_inner().unwrap()
    };
    let plain = |name: &'static [u8]| move |builder: &mut tar::Builder<Vec<u8>>| append(builder, name, b"x");
    let link = |builder: &mut tar::Builder<Vec<u8>>| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "attachments/link", "/etc").unwrap();
    };
    let long_name = |builder: &mut tar::Builder<Vec<u8>>| {
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        builder.append_data(&mut header, "attachments/".to_owned() + &"a".repeat(300), b"x".as_slice()).unwrap();
    };
    for bad in [
        tar_with(&plain(b"attachments/../../escaped")),
        tar_with(&plain(b"/etc/escaped")),
        tar_with(&plain(b"attachments//escaped")),
        tar_with(&link),
        tar_with(&long_name),
    ] {
        fs::write(&path, bad).unwrap();
        let refusal = sentence(check(&path).await);
        assert!(refusal.contains("not an archive that Sotto has written") || refusal.contains("lead out"), "{refusal}");
    }
    assert_eq!(workspace.names(), ["bad.tar"]);
}
