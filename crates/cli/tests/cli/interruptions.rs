//! Backups, restores and copies that are killed in the middle.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command};

use sotto_storage::testing::{wait_until, wait_until_blocking};
use tokio_postgres::{Client, NoTls};

use crate::program::{Finished, Home, RunningServer};

/// Size of the journals in MB, large enough that a transfer is not over too soon. Reading is faster.
const SIZE: u32 = 6;
const SIZE_TO_READ: u32 = 15;

/// Fills a database with incompressible entries, and a tag, which is transferred after them.
pub async fn fill(home: &Home, megabytes: u32) {
    home.run(&["db", "upgrade"]).ok();
    if let Some(path) = home.database.strip_prefix("sqlite:") {
        let connection = rusqlite::Connection::open(path).unwrap();
        let fill = format!(
            "BEGIN;
             INSERT INTO users (id, email) VALUES (zeroblob(16), 'ada@example.org');
             INSERT INTO tags (id, name, name_key, user_id) VALUES (zeroblob(16), 'a', 'a', zeroblob(16));
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {megabytes} * 4)
             INSERT INTO journal_entries (id, content, entry_date, entry_day, user_id)
                 SELECT randomblob(16), hex(randomblob(250000)), i, '2025-01-22', zeroblob(16) FROM n;
             COMMIT"
        );
        connection.execute_batch(&fill).unwrap();
    } else {
        let zero = "'00000000-0000-0000-0000-000000000000'";
        let fill = format!(
            "INSERT INTO users (id, email) VALUES ({zero}, 'ada@example.org');
             INSERT INTO tags (id, name, name_key, user_id) VALUES ({zero}, 'a', 'a', {zero});
             INSERT INTO journal_entries (id, content, entry_date, entry_day, user_id)
                 SELECT gen_random_uuid(), (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 15000) j),
                     now(), '2025-01-22', {zero} FROM generate_series(1, {megabytes} * 4 / 2) i"
        );
        admin(home).await.batch_execute(&fill).await.unwrap();
    }
}

async fn admin(home: &Home) -> Client {
    let (client, connection) = tokio_postgres::connect(&home.database, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The checksums of a database's tables.
pub fn sums(home: &Home) -> Vec<(String, String)> {
    let file = home.path("sums.tar");
    let report = home.run(&["backup", file.to_str().unwrap(), "--json"]).json();
    fs::remove_file(file).unwrap();
    let tables = report["tables"].as_array().unwrap().iter();
    tables.map(|table| (table["name"].to_string(), table["sha256"].to_string())).collect()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

/// Waits for a condition while the process runs.
pub async fn wait_while_running(child: &mut Child, what: &str, holds: impl AsyncFn() -> bool) {
    wait_until(what, async || {
        let holds = holds().await;
        assert!(holds || child.try_wait().unwrap().is_none(), "the process ended before this: {what}");
        holds
    })
    .await;
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_backup_is_never_accepted_as_complete() {
    for home in [Home::sqlite(), Home::postgres().await] {
        fill(&home, SIZE_TO_READ).await;
        let draft = home.path(".killed.tar.unfinished");
        let mut child = home.command(&["backup", "killed.tar"]).spawn().unwrap();
        wait_while_running(&mut child, "the backup has a draft", async || draft.exists()).await;
        signal(&child, "STOP");
        assert!(!home.path("killed.tar").exists());
        kill(child);
        assert!(!home.path("killed.tar").exists());
        let refusal = home.run(&["backup", "verify", draft.to_str().unwrap()]).refused();
        assert!(refusal.contains("cut off"), "{refusal}");
        home.run(&["restore", draft.to_str().unwrap()]).refused();
        home.run(&["backup", "killed.tar"]).ok();
        home.run(&["backup", "verify", "killed.tar"]).ok();
        assert!(!draft.exists(), "the next one clears it away");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_backup_leaves_no_file() {
    for home in [Home::sqlite(), Home::postgres().await] {
        fill(&home, SIZE_TO_READ).await;
        let draft = home.path(".stopped.tar.unfinished");
        let mut child = home.command(&["backup", "stopped.tar"]).spawn().unwrap();
        wait_while_running(&mut child, "the draft has content", async || {
            fs::metadata(&draft).is_ok_and(|metadata| metadata.len() > 0)
        })
        .await;
        signal(&child, "TERM");
        let refusal = Finished::from_output(child.wait_with_output().unwrap()).refused();
        assert!(refusal.contains("stopped"), "{refusal}");
        assert!(!draft.exists() && !home.path("stopped.tar").exists());
    }
}

/// Restores from a pipe that delivers everything once, for the check, and then only a half, so that the restore cannot
/// continue.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_restore_leaves_no_partial_journal_and_can_be_repeated() {
    let old = Home::sqlite();
    fill(&old, SIZE).await;
    old.run(&["backup", "whole.tar"]).ok();
    let whole = fs::read(old.path("whole.tar")).unwrap();
    for new in [Home::sqlite(), Home::postgres().await] {
        let pipe = new.path("pipe.tar");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut child = new.command(&["restore", pipe.to_str().unwrap()]).spawn().unwrap();
        let (path, bytes, reader) = (pipe.clone(), whole.clone(), child.id());
        let feeder = std::thread::spawn(move || {
            let open = || fs::OpenOptions::new().write(true).open(&path).unwrap();
            // The first reader only checks whether the backup is encrypted.
            let _ = open().write_all(&bytes);
            wait_until_closed(reader, &path);
            open().write_all(&bytes).unwrap();
            wait_until_closed(reader, &path);
            let mut third = open();
            let _ = third.write_all(&bytes[..bytes.len() * 2 / 3]);
            // Held open until the reader has been killed.
            wait_until_blocking("the test removes the pipe", || !path.exists());
        });
        wait_while_running(&mut child, "some entries are restored", async || rows(&new).await > 8).await;
        kill(child);
        fs::remove_file(&pipe).unwrap();
        feeder.join().unwrap();

        if new.database.starts_with("sqlite:") {
            assert!(!new.path("data/journal.db").exists());
        } else {
            assert_ne!(new.run(&["db", "upgrade"]).code, Some(0));
        }
        // No server can start on the part, or next to it.
        let refusal = new.run(&["serve", "--listen", "127.0.0.1:0"]).refused();
        assert!(refusal.contains("has not ended") && refusal.contains("again"), "{refusal}");
        assert!(!new.path("data/journal.db").exists());
        // The same backup may have another name.
        let second = old.path("whole.tar");
        new.run(&["restore", second.to_str().unwrap()]).ok();
        assert_eq!(sums(&new), sums(&old));
        RunningServer::start(&new, &[]).stop();
    }
}

/// Waits until a process has closed a pipe: data written before that would go to the reader that is about to close it.
fn wait_until_closed(process: u32, pipe: &Path) {
    let has_it = || {
        let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        open.filter_map(|file| fs::read_link(file.path()).ok()).any(|target| target == pipe)
    };
    wait_until_blocking("the reader closes the pipe", || !has_it());
}

/// The number of entries in an unfinished target.
async fn rows(home: &Home) -> i64 {
    if home.database.starts_with("sqlite:") {
        let path = home.path("data/.journal.db.unfinished");
        let look = || {
            let connection = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.query_row("SELECT count(*) FROM journal_entries", [], |row| row.get(0))
        };
        look().unwrap_or(0)
    } else {
        let row = admin(home).await.query_one("SELECT count(*) FROM journal_entries", &[]).await;
        row.map_or(0, |row| row.get(0))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_copy_can_continue() {
    // To PostgreSQL: another transaction has inserted the same tag and not committed yet.
    let (old, new) = (Home::sqlite(), Home::postgres().await);
    fill(&old, 2).await;
    new.run(&["db", "upgrade"]).ok();
    let mut rival = admin(&new).await;
    rival.batch_execute("SET session_replication_role = replica").await.unwrap();
    let transaction = rival.transaction().await.unwrap();
    let zero = "'00000000-0000-0000-0000-000000000000'";
    let insert = format!("INSERT INTO tags (id, name, name_key, user_id) VALUES ({zero}, 'a', 'a', {zero})");
    transaction.execute(&insert, &[]).await.unwrap();
    let copy = ["db", "copy", "--from", &old.database, "--to", &new.database];
    let mut child = new.command(&copy).spawn().unwrap();
    let watcher = admin(&new).await;
    let waits = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                 AND application_name = 'sotto transfer' AND datname = current_database())";
    // The process also waits for its own locks for a moment.
    let waits = async || watcher.query_one(waits, &[]).await.unwrap().get(0);
    let what = "the entries are copied and the copy waits for the tag";
    wait_while_running(&mut child, what, async || rows(&new).await == 8 && waits().await).await;
    kill(child);
    transaction.rollback().await.unwrap();
    assert_eq!(rows(&new).await, 8, "all the entries were there before the tag");
    let current = new.run(&["db", "current"]).ok();
    let serve = new.run(&["serve", "--listen", "127.0.0.1:0"]).refused();
    let upgrade = new.run(&["db", "upgrade"]).refused();
    for output in [current, serve, upgrade] {
        assert!(output.contains("part of a copy of ") && output.contains("that has not ended"), "{output}");
        assert!(!output.contains("9999") && !output.contains("does not know"), "{output}");
    }
    new.run(&copy).ok();
    assert_eq!(sums(&new), sums(&old));

    // To SQLite: the process is suspended as soon as it has written something.
    for old in [Home::sqlite(), Home::postgres().await] {
        let new = Home::sqlite();
        fill(&old, SIZE).await;
        fs::create_dir_all(new.path("data")).unwrap();
        let copy = ["db", "copy", "--from", &old.database, "--to", &new.database];
        let mut child = new.command(&copy).spawn().unwrap();
        wait_while_running(&mut child, "an entry is copied", async || rows(&new).await > 0).await;
        signal(&child, "STOP");
        let before = rows(&new).await;
        kill(child);
        assert!(!new.path("data/journal.db").exists());
        assert!(before > 0);
        new.run(&copy).ok();
        assert_eq!(sums(&new), sums(&old));
        assert!(!Path::new(&new.path("data/.journal.db.unfinished")).exists());
    }
}
