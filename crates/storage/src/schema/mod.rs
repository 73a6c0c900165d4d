//! The schema of a database as it is, read into one model that both engines share, and what is built on that.
//!
//! [`read`] asks the engine's catalogue. Two schemas of one engine are equal if [`Schema::differences`] finds none;
//! [`Schema::neutral`] leaves out what only one engine has or can tell, so that what remains must be equal on both.

mod check;
mod differences;
mod erd;
pub mod generate;
mod model;
mod page;
mod postgres;
mod reasons;
mod scratch;
mod sqlite;
pub mod standards;
#[cfg(test)]
mod tests;

use crate::DatabaseUrl;
use crate::migrate::source::{Migration, Source};
use scratch::{Sql, made_by};

pub use check::{CheckError, Report, check};
pub use differences::{Difference, Part};
pub use erd::mermaid;
pub use model::{Check, Column, Engine, ForeignKey, Index, Key, Kind, Schema, Table, Trigger};
pub use page::page;

/// What only one engine has, and what belongs to the migration runner: `(table, index)`; without an index, all of the
/// table.
///
/// Full text is an inverted index on an expression on PostgreSQL, and a table of documents with an FTS5 table (which
/// SQLite keeps in three tables of its own) on SQLite.
const NOT_COMPARED: [(&str, Option<&str>); 7] = [
    ("schema_migrations", None),
    ("journal_entries", Some("idx_journal_entries_search")),
    ("search_documents", None),
    ("journal_entries_fts", None),
    ("journal_entries_fts_config", None),
    ("journal_entries_fts_data", None),
    ("journal_entries_fts_idx", None),
];

/// Why a schema could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database cannot be opened or does not answer.
    #[error("the schema of {database} cannot be read: {reason}")]
    Unreadable {
        /// Which database, without its password.
        database: String,
        /// What the engine says.
        reason: String,
    },
    /// The role may not make a scratch schema.
    #[error(
        "what is in {database} cannot be compared with what the migrations make: for that they are run in a schema of \
         their own, inside of a transaction that is rolled back, and the role may not make one ({reason}). Grant it \
         CREATE on the database, or ask as a role that has it"
    )]
    NotAllowed {
        /// Which database, without its password.
        database: String,
        /// What the engine says.
        reason: String,
    },
    /// A file of SQL does not run on an empty database.
    #[error("{file} does not run on an empty database of {engine}: {reason}")]
    Script {
        /// Which file.
        file: String,
        /// On which engine.
        engine: Engine,
        /// What the engine says.
        reason: String,
    },
}

/// Reads the schema of a database.
///
/// # Errors
/// If the database cannot be opened or does not answer.
pub async fn read(url: &DatabaseUrl) -> Result<Schema, SchemaError> {
    let failed = |reason: String| SchemaError::Unreadable { database: url.to_string(), reason };
    match url {
        DatabaseUrl::Sqlite(path) => {
            let path = path.clone();
            let read = tokio::task::spawn_blocking(move || sqlite::read(&path)).await;
            read.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
        }
        DatabaseUrl::Postgres(_) => postgres::read(url).await.map_err(failed),
    }
}

/// What all the migrations that are built into this program make on the engine of `url`. Of a SQLite database, only the
/// engine is of interest.
///
/// # Errors
/// If the migrations do not run on an empty database, or there is no place to try them.
pub async fn of_migrations(url: &DatabaseUrl) -> Result<Schema, CheckError> {
    let source = Source::embedded(url)?;
    Ok(made_by(url, source.migrations().iter().map(|one| Sql::from(&one.up)).collect()).await?)
}

/// The schema that a connection to SQLite sees.
pub(crate) fn of_connection(connection: &rusqlite::Connection) -> rusqlite::Result<Schema> {
    sqlite::read_from(connection)
}

/// The schema that migrations of SQLite make, in memory.
pub(crate) fn in_memory(migrations: &[Migration]) -> Result<Schema, SchemaError> {
    let files: Vec<_> = migrations.iter().map(|one| Sql::from(&one.up)).collect();
    scratch::in_memory(&files)
}

impl Schema {
    /// What must be equal on both engines. Left out are what is listed as an engine's own, triggers and views, the SQL
    /// of checks, defaults and definitions, and the difference between kinds that are one type on SQLite.
    #[must_use]
    pub fn neutral(mut self) -> Self {
        for (table, index) in NOT_COMPARED {
            match (index, self.tables.get_mut(table)) {
                (Some(index), Some(table)) => table.indexes.retain(|one| one.name != index),
                (Some(_), None) => {}
                (None, _) => drop(self.tables.remove(table)),
            }
        }
        self.views.clear();
        for table in self.tables.values_mut() {
            table.triggers.clear();
            table.statement = None;
            for check in &mut table.checks {
                check.expression.clear();
            }
            for index in &mut table.indexes {
                index.definition.clear();
            }
            for column in &mut table.columns {
                column.definition.clear();
                column.generated = column.generated.take().map(|_| "some".to_owned());
                column.default = column.default.take().map(|_| "some".to_owned());
                if column.kind == Kind::Instant {
                    column.kind = Kind::Integer;
                }
            }
        }
        self
    }
}
