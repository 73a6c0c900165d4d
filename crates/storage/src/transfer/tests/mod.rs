//! Backup, restore and copy on real databases of both engines.

mod account_deletion;
mod damage;
mod data;
mod faults;
mod hostile;
mod layouts;
mod round_trips;
mod stale_logs;
mod statistics;
mod targets;

use std::path::{Path, PathBuf};

use sotto_domain::Timestamp;
use tempfile::TempDir;

use super::{
    BackupOptions, Destination, KeysOutcome, Manifest, Migrations, Observer, Package, Restored, Result, TransferError,
    backup, restore,
};
use crate::DatabaseUrl;
use crate::testing::Scratch;

/// A folder for backups, attachments and keys.
struct Workspace(TempDir);

impl Workspace {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn destination(&self, url: &DatabaseUrl) -> Destination {
        Destination {
            database: url.clone(),
            attachments: self.path("restored/attachments").into(),
            keys: self.path("restored/keys.json"),
            check_keys: |_| Ok(()),
            identity: None,
            adopt: false,
            restart: false,
            migrations: Migrations::default(),
        }
    }

    /// The names in the folder.
    fn names(&self) -> Vec<String> {
        names(self.0.path())
    }

    async fn backup(&self, url: &DatabaseUrl, name: &str) -> Manifest {
        backup(url, &self.path(name), &rows(), &Observer::default()).await.unwrap()
    }

    async fn restore(&self, name: &str, url: &DatabaseUrl) -> Result<Restored> {
        restore(&Package::from_path(&self.path(name)), &self.destination(url), &Observer::default()).await
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    // The lock file of a database remains after the lock is released.
    names.retain(|name| name != ".journal.db.lock");
    names.sort();
    names
}

/// A backup of the rows alone.
fn rows() -> BackupOptions {
    BackupOptions::rows(Timestamp::parse("2025-01-22T10:00:00Z").unwrap())
}

async fn empty_ones() -> [Scratch; 2] {
    [Scratch::sqlite(), Scratch::postgres().await]
}

/// The message of a refusal.
#[track_caller]
fn sentence<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    match outcome {
        Ok(done) => panic!("accepted: {done:?}"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn assert_contains(sentence: &str, parts: &[&str]) {
    for part in parts {
        assert!(sentence.contains(part), "'{part}' is not in: {sentence}");
    }
}
