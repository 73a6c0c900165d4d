//! Tests of the migration runner on real databases of both engines.

mod declarations;
mod faults;
mod files;
mod guard;
mod postgres;
mod rehearsal;
mod rivals;
mod rows;
mod script;
mod sqlite;
mod steps;
mod targets;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::postgres::connect;
use super::{Migrator, Result, Target};
use crate::DatabaseUrl;
use crate::testing::Scratch;

/// A folder of migrations that a test writes, the same for both engines.
struct Folder(TempDir);

impl Folder {
    /// Three revisions: `0001_notes` creates a table with two rows, `0002_colors` adds a column to it, `0003_places`
    /// creates another table.
    fn with_three_revisions() -> Self {
        let folder = Self::empty();
        folder.step(
            "0001_notes",
            "CREATE TABLE notes (id INTEGER NOT NULL PRIMARY KEY, text TEXT);\nINSERT INTO notes VALUES (1, 'one'), (2, 'two');",
            "-- loses: notes\nDROP TABLE notes;",
        );
        folder.step(
            "0002_colors",
            "ALTER TABLE notes ADD COLUMN color TEXT;",
            "-- loses: notes.color\nALTER TABLE notes DROP COLUMN color;",
        );
        folder.step(
            "0003_places",
            "CREATE TABLE places (id INTEGER NOT NULL);",
            "-- loses: places\nDROP TABLE places;",
        );
        folder
    }

    fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("sqlite")).unwrap();
        fs::create_dir(folder.path().join("postgres")).unwrap();
        Self(folder)
    }

    fn step(&self, revision: &str, up: &str, down: &str) {
        self.file(&format!("{revision}.up.sql"), up);
        self.file(&format!("{revision}.down.sql"), down);
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) {
        for engine in ["sqlite", "postgres"] {
            fs::write(self.0.path().join(engine).join(name), text.as_ref()).unwrap();
        }
    }

    /// A migration of one engine only.
    fn step_on(&self, engine: &str, revision: &str, up: &str, down: &str) {
        for (direction, text) in [("up", up), ("down", down)] {
            fs::write(self.0.path().join(engine).join(format!("{revision}.{direction}.sql")), text).unwrap();
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join("sqlite").join(name)).unwrap()
    }

    fn remove(&self, revision: &str) {
        for engine in ["sqlite", "postgres"] {
            for direction in ["up", "down"] {
                fs::remove_file(self.0.path().join(engine).join(format!("{revision}.{direction}.sql"))).unwrap();
            }
        }
    }

    fn migrator(&self, scratch: &Scratch) -> Migrator {
        Migrator::with_directory(&scratch.url, self.0.path()).unwrap()
    }

    /// The error of reading the folder.
    fn refusal(&self) -> String {
        let sqlite = Scratch::sqlite();
        Migrator::with_directory(&sqlite.url, self.0.path()).unwrap_err().to_string()
    }
}

async fn both() -> [Scratch; 2] {
    [Scratch::sqlite(), Scratch::postgres().await]
}

/// Runs SQL directly, without the runner.
async fn execute(scratch: &Scratch, sql: &str) {
    match &scratch.url {
        DatabaseUrl::Sqlite(path) => rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap(),
        url @ DatabaseUrl::Postgres(_) => connect(url).await.unwrap().batch_execute(sql).await.unwrap(),
    }
}

async fn count(scratch: &Scratch, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    match &scratch.url {
        DatabaseUrl::Sqlite(path) => count_in(path, table),
        url @ DatabaseUrl::Postgres(_) => connect(url).await.unwrap().query_one(&sql, &[]).await.unwrap().get(0),
    }
}

fn count_in(path: &Path, table: &str) -> i64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

async fn current(migrator: &Migrator) -> String {
    migrator.current().await.unwrap().map_or_else(|| "base".to_owned(), |applied| applied.revision())
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

/// The message of an error.
#[track_caller]
fn sentence<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Ok(report) => panic!("accepted: {report:?}"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn assert_contains(sentence: &str, parts: &[&str]) {
    for part in parts {
        assert!(sentence.contains(part), "'{part}' is not in: {sentence}");
    }
}
