//! Logs of another database next to the path of a new one: SQLite would apply them to it, or delete them.

use std::fs;
use std::path::{Path, PathBuf};

use super::data::Populated;
use super::{Migrations, Observer, Workspace, assert_contains, names, sentence};
use crate::DatabaseUrl;
use crate::migrate::{Migrator, State, Target};
use crate::testing::Scratch;
use crate::transfer::copy;

fn path_of(url: &DatabaseUrl) -> PathBuf {
    match url {
        DatabaseUrl::Sqlite(path) => path.clone(),
        DatabaseUrl::Postgres(_) => panic!("expected a SQLite database"),
    }
}

fn log_path(path: &Path, ending: &str) -> PathBuf {
    format!("{}{ending}", path.display()).into()
}

/// The state after a crash and a careless cleanup: the log of a database with rows, without the database.
async fn log_without_database() -> (Scratch, Vec<u8>) {
    let scratch = Scratch::sqlite();
    crate::migrate::upgrade(&scratch.url).await.unwrap();
    let path = path_of(&scratch.url);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.execute("INSERT INTO users (id, email) VALUES (zeroblob(16), 'ada@example.org')", []).unwrap();
    let log = fs::read(log_path(&path, "-wal")).unwrap();
    assert!(log.len() > 1000);
    drop(connection);
    fs::remove_file(&path).unwrap();
    fs::write(log_path(&path, "-wal"), &log).unwrap();
    (scratch, log)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_created_next_to_a_stale_log() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    let manifest = workspace.backup(populated.url(), "archive.tar").await;
    let (scratch, log) = log_without_database().await;
    let (path, migrator) = (path_of(&scratch.url), Migrator::new(&scratch.url).unwrap());
    // The database is missing, or an empty file replaces it.
    for empty in [false, true] {
        if empty {
            fs::write(&path, "").unwrap();
        }
        for refused in [
            sentence(workspace.restore("archive.tar", &scratch.url).await),
            sentence(copy(populated.url(), &scratch.url, false, &Migrations::default(), &Observer::default()).await),
            sentence(copy(&scratch.url, populated.url(), false, &Migrations::default(), &Observer::default()).await),
            migrator.upgrade(&Target::Head).await.unwrap_err().to_string(),
            migrator.stamp(&Target::Head).await.unwrap_err().to_string(),
            migrator.state().await.unwrap_err().to_string(),
            migrator.rehearse_upgrade(&Target::Head).await.unwrap_err().to_string(),
            scratch.url.open().await.err().unwrap().to_string(),
        ] {
            assert_contains(&refused, &["journal.db-wal is there", "put it back", "move", "try again"]);
        }
        assert_eq!(fs::read(log_path(&path, "-wal")).unwrap(), log, "the log may be the only copy of its rows");
        assert_eq!(path.exists(), empty);
    }
    fs::remove_file(&path).unwrap();
    fs::rename(log_path(&path, "-wal"), workspace.path("log")).unwrap();
    // Empty files do no harm.
    fs::write(log_path(&path, "-wal"), "").unwrap();
    fs::write(log_path(&path, "-shm"), "nothing of value").unwrap();
    workspace.restore("archive.tar", &scratch.url).await.unwrap();
    assert_eq!(workspace.backup(&scratch.url, "again").await.tables, manifest.tables);
    assert_eq!(names(path.parent().unwrap()), ["journal.db"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_rollback_journal_is_not_applied_to_another_database() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    workspace.backup(populated.url(), "archive.tar").await;
    let scratch = Scratch::sqlite();
    let path = path_of(&scratch.url);
    fs::write(log_path(&path, "-journal"), [7; 4096]).unwrap();
    let refused = sentence(workspace.restore("archive.tar", &scratch.url).await);
    assert_contains(&refused, &["journal.db-journal is there", "put it back"]);
    assert_eq!(names(path.parent().unwrap()), ["journal.db-journal"]);
}

/// `cp journal-at-….db journal.db`, with the log of the previous database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_next_to_the_log_of_another_database_is_not_opened() {
    let (_scratch, log) = log_without_database().await;
    let (scratch, other) = (Scratch::sqlite(), Scratch::sqlite());
    let path = path_of(&scratch.url);
    crate::migrate::upgrade(&other.url).await.unwrap();
    fs::copy(path_of(&other.url), &path).unwrap();
    fs::write(log_path(&path, "-wal"), &log).unwrap();
    let refused = scratch.url.open().await.err().unwrap().to_string();
    assert_contains(&refused, &["journal.db-wal is another database's", "Move the log"]);
    assert_eq!(fs::read(log_path(&path, "-wal")).unwrap(), log);
    assert_eq!(fs::read(&path).unwrap(), fs::read(path_of(&other.url)).unwrap());
}

/// The log of a killed database itself is accepted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_its_own_log_is_recovered() {
    let scratch = Scratch::sqlite();
    crate::migrate::upgrade(&scratch.url).await.unwrap();
    let path = path_of(&scratch.url);
    let killed = Scratch::sqlite();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.execute("INSERT INTO users (id, email) VALUES (zeroblob(16), 'ada@example.org')", []).unwrap();
    for end in ["", "-wal"] {
        fs::copy(log_path(&path, end), log_path(&path_of(&killed.url), end)).unwrap();
    }
    assert_eq!(Migrator::new(&killed.url).unwrap().state().await.unwrap(), State::Head);
    let storage = killed.url.open().await.unwrap();
    assert_eq!(
        storage.users().list(&sotto_domain::account::UserQuery { limit: 9, ..<_>::default() }).await.unwrap().len(),
        1
    );
    storage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_is_refused_while_a_server_claims_the_file() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    workspace.backup(populated.url(), "archive.tar").await;
    let scratch = Scratch::sqlite();
    let claim = scratch.url.claim_for_server().await.unwrap().unwrap();
    let refused = sentence(workspace.restore("archive.tar", &scratch.url).await);
    assert_contains(&refused, &["is in use by `sotto serve` (process", "stop it first"]);
    assert!(!path_of(&scratch.url).exists());
    drop(claim);
    workspace.restore("archive.tar", &scratch.url).await.unwrap();
}
