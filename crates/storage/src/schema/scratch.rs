//! Runs SQL files in a scratch place and reads the resulting schema: in an in-memory database, or on PostgreSQL in a
//! schema created in a transaction that is never committed. Both sides of a comparison then come from the same engine,
//! and a killed process leaves nothing behind.

use tokio_postgres::error::SqlState;

use super::{Engine, Schema, SchemaError, postgres, sqlite};
use crate::DatabaseUrl;
use crate::migrate::postgres::connect;
use crate::migrate::source::Script;
use crate::migrate::{self, sql};
use crate::postgres::error::sentence;

/// A session uses one scratch schema at a time, so the session's number makes its name unique. The search path contains
/// no other schema, so no file can touch real tables.
const OPEN: &str = "
    BEGIN;
    SET LOCAL lock_timeout = '10s';
    SET LOCAL statement_timeout = '60s';
    SET LOCAL client_min_messages = 'error';
    DO $$ BEGIN
        EXECUTE format('CREATE SCHEMA %I', 'sotto_scratch_' || pg_backend_pid());
        PERFORM set_config('search_path', 'sotto_scratch_' || pg_backend_pid(), true);
    END $$";

/// SQL to run, and its name in error messages.
#[derive(Debug, Clone)]
pub(super) struct Sql {
    pub(super) file: String,
    pub(super) text: String,
}

impl From<&Script> for Sql {
    fn from(script: &Script) -> Self {
        let text = match script.concurrent_index {
            // `CONCURRENTLY` is impossible inside of a transaction, and useless in a private schema.
            Some(_) => sql::split(&script.sql, ';').join(";").replacen("CONCURRENTLY", "", 1),
            None => script.sql.clone(),
        };
        Self { file: script.file.clone(), text }
    }
}

/// The schema that `files` create on the engine of `url`, run one after another, next to the table of the migration
/// runner. For SQLite, `url` only names the engine.
pub(super) async fn schema_after(url: &DatabaseUrl, files: Vec<Sql>) -> Result<Schema, SchemaError> {
    match url {
        DatabaseUrl::Sqlite(_) => {
            let work = tokio::task::spawn_blocking(move || in_memory(&files)).await;
            work.map_err(|error| unreadable(url, error.to_string()))?
        }
        DatabaseUrl::Postgres(_) => rolled_back(url, &files).await,
    }
}

/// The schema that `files` create on SQLite.
pub(super) fn in_memory(files: &[Sql]) -> Result<Schema, SchemaError> {
    let connection = database_in_memory(files)?;
    sqlite::read_from(&connection).map_err(|error| failed("a database in memory", error))
}

/// An in-memory database after running `files` on SQLite.
pub(super) fn database_in_memory(files: &[Sql]) -> Result<rusqlite::Connection, SchemaError> {
    let work = || -> rusqlite::Result<rusqlite::Connection> {
        let connection = rusqlite::Connection::open_in_memory()?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.execute_batch(migrate::sqlite::MIGRATIONS_TABLE)?;
        Ok(connection)
    };
    let connection = work().map_err(|error| failed("a database in memory", error))?;
    for file in files {
        connection.execute_batch(&file.text).map_err(|error| failed(&file.file, error))?;
    }
    Ok(connection)
}

fn failed(file: &str, error: rusqlite::Error) -> SchemaError {
    SchemaError::Script {
        file: file.to_owned(),
        engine: Engine::Sqlite,
        reason: match error {
            // The error's own text repeats the rest of the file.
            rusqlite::Error::SqlInputError { msg, .. } => msg,
            other => other.to_string(),
        },
    }
}

async fn rolled_back(url: &DatabaseUrl, files: &[Sql]) -> Result<Schema, SchemaError> {
    let client = connect(url).await.map_err(|reason| unreadable(url, reason))?;
    client.batch_execute(OPEN).await.map_err(|error| match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE | &SqlState::READ_ONLY_SQL_TRANSACTION) => {
            SchemaError::NotAllowed { database: url.to_string(), reason: sentence(&error) }
        }
        _ => unreadable(url, sentence(&error)),
    })?;
    let bookkeeping =
        Sql { file: "the table of migrations".to_owned(), text: migrate::postgres::MIGRATIONS_TABLE.to_owned() };
    for file in std::iter::once(&bookkeeping).chain(files) {
        client.batch_execute(&file.text).await.map_err(|error| SchemaError::Script {
            file: file.file.clone(),
            engine: Engine::Postgres,
            reason: sentence(&error),
        })?;
    }
    let schema = postgres::read_from(&client).await.map_err(|error| unreadable(url, sentence(&error)))?;
    client.batch_execute("ROLLBACK").await.map_err(|error| unreadable(url, sentence(&error)))?;
    Ok(schema)
}

fn unreadable(url: &DatabaseUrl, reason: String) -> SchemaError {
    SchemaError::Unreadable { database: url.to_string(), reason }
}
