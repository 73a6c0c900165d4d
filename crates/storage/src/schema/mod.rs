//! Reads the schema of a database into a model that both engines share, and compares, checks, repairs and draws
//! schemas.
//!
//! [`read`] queries the engine's catalogue. Two schemas of one engine are equal if [`Schema::differences`] finds
//! nothing. [`Schema::neutral`] removes what only one engine has, so that the rest must be equal on both engines.

mod check;
mod differences;
mod erd;
pub mod generate;
mod model;
mod page;
mod postgres;
mod reasons;
mod repair;
mod scratch;
mod sqlite;
pub mod standards;
#[cfg(test)]
mod tests;

use crate::DatabaseUrl;
use crate::migrate::source::{Migration, Source};
use scratch::{Sql, schema_after};

pub use check::{CheckError, Report, check};
pub use differences::{Difference, SchemaPart};
pub use erd::mermaid;
pub use model::{Check, Clause, Column, ColumnKind, Engine, ForeignKey, Index, KeyConstraint, Schema, Table, Trigger};
pub use page::page;
pub use repair::{Repair, script};

/// Tables and indexes that only one engine has, and the table of the migration runner: `(table, index)`, or without an
/// index the whole table.
///
/// Full-text search uses an inverted index on an expression on PostgreSQL. On SQLite it uses a table of documents and
/// an FTS5 table, which SQLite stores in three internal tables.
const NOT_COMPARED: [(&str, Option<&str>); 7] = [
    ("schema_migrations", None),
    ("journal_entries", Some("idx_journal_entries_search")),
    ("search_documents", None),
    ("journal_entries_fts", None),
    ("journal_entries_fts_config", None),
    ("journal_entries_fts_data", None),
    ("journal_entries_fts_idx", None),
];

/// Whether a table only holds data computed from other tables, so that dropping it loses nothing.
pub(crate) fn is_derived(table: &str) -> bool {
    NOT_COMPARED.contains(&(table, None))
}

/// Why a schema could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database cannot be opened or does not respond.
    #[error("the schema of {database} cannot be read: {reason}")]
    Unreadable {
        /// The database, without its password.
        database: String,
        /// The engine's message.
        reason: String,
    },
    /// The role has no permission to create a scratch schema.
    #[error(
        "the schema of {database} cannot be compared with the migrations: they would be run in a separate schema, \
         in a transaction that is rolled back, and the role may not create one ({reason}). Grant it CREATE on the \
         database, or use a role that has it"
    )]
    NotAllowed {
        /// The database, without its password.
        database: String,
        /// The engine's message.
        reason: String,
    },
    /// An SQL file fails on an empty database.
    #[error("{file} does not run on an empty database of {engine}: {reason}")]
    Script {
        file: String,
        engine: Engine,
        /// The engine's message.
        reason: String,
    },
}

/// Reads the schema of a database.
///
/// # Errors
/// If the database cannot be opened or does not respond.
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

/// The schema that the built-in migrations create on the engine of `url`. For SQLite, `url` only names the engine.
///
/// # Errors
/// If the migrations fail on an empty database, or no scratch schema can be created.
pub async fn after_migrations(url: &DatabaseUrl) -> Result<Schema, CheckError> {
    let source = Source::embedded(url)?;
    Ok(schema_after(url, source.migrations().iter().map(|one| Sql::from(&one.up)).collect()).await?)
}

/// Reads the schema of an open SQLite connection.
pub(crate) fn read_connection(connection: &rusqlite::Connection) -> rusqlite::Result<Schema> {
    sqlite::read_from(connection)
}

/// The schema that SQLite migrations create, computed in memory.
pub(crate) fn in_memory(migrations: &[Migration]) -> Result<Schema, SchemaError> {
    scratch::in_memory(&up_files(migrations))
}

/// An in-memory database with the schema that SQLite migrations create.
pub(crate) fn database_in_memory(migrations: &[Migration]) -> Result<rusqlite::Connection, SchemaError> {
    scratch::database_in_memory(&up_files(migrations))
}

fn up_files(migrations: &[Migration]) -> Vec<Sql> {
    migrations.iter().map(|one| Sql::from(&one.up)).collect()
}

impl Schema {
    /// Keeps only what must be equal on both engines. Removes what `NOT_COMPARED` lists, triggers, views, the SQL of
    /// checks, defaults and definitions, and the distinction between kinds that are one type on SQLite.
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
                check.definition.clear();
            }
            for index in &mut table.indexes {
                index.definition.clear();
            }
            for column in &mut table.columns {
                column.definition.clear();
                column.generated = column.generated.take().map(|_| "some".to_owned());
                column.default = column.default.take().map(|_| "some".to_owned());
                if column.kind == ColumnKind::Instant {
                    column.kind = ColumnKind::Integer;
                }
            }
        }
        self
    }
}
