//! Backup, restore and copy on real databases of both engines.

mod damage;
mod data;
mod departures;
mod faults;
mod layouts;
mod round_trips;
mod targets;

use std::path::{Path, PathBuf};

use sotto_domain::Timestamp;
use tempfile::TempDir;

use super::{
    Contents, Destination, Keys, Manifest, Migrations, Package, Restored, Result, TransferError, Watch, backup, restore,
};
use crate::DatabaseUrl;
use crate::testing::Scratch;

/// A folder for backups, attachments and keys.
struct Desk(TempDir);

impl Desk {
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
            restart: false,
            migrations: Migrations::default(),
        }
    }

    /// The names in it.
    fn names(&self) -> Vec<String> {
        names(self.0.path())
    }

    async fn backup(&self, url: &DatabaseUrl, name: &str) -> Manifest {
        backup(url, &self.path(name), &rows(), &Watch::default()).await.unwrap()
    }

    async fn restore(&self, name: &str, url: &DatabaseUrl) -> Result<Restored> {
        restore(&Package::at(&self.path(name)), &self.destination(url), &Watch::default()).await
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The rows alone.
fn rows() -> Contents {
    Contents::rows(Timestamp::parse("2025-01-22T10:00:00Z").unwrap())
}

async fn empty_ones() -> [Scratch; 2] {
    [Scratch::sqlite(), Scratch::postgres().await]
}

/// The sentence of a refusal.
#[track_caller]
fn sentence<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    match outcome {
        Ok(done) => panic!("accepted: {done:?}"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn assert_says(sentence: &str, parts: &[&str]) {
    for part in parts {
        assert!(sentence.contains(part), "'{part}' is not in: {sentence}");
    }
}
