//! The schema that files of SQL make, read in a place that is gone afterwards: a database in memory, or on PostgreSQL a
//! schema inside of a transaction that is never committed. Both sides of a comparison are then in the words of the same
//! engine, and a process that is killed leaves nothing behind.

use tokio_postgres::error::SqlState;

use super::{Engine, Schema, SchemaError, postgres, sqlite};
use crate::DatabaseUrl;
use crate::migrate::postgres::connect;
use crate::migrate::source::Script;
use crate::migrate::{self, sql};
use crate::postgres::error::sentence;

/// A process has one place at a time on a connection of the server, so the connection's number is a name that no other has.
/// The search path holds nothing else: no file can touch what is real.
const OPEN: &str = "
    BEGIN;
    SET LOCAL lock_timeout = '10s';
    SET LOCAL statement_timeout = '60s';
    SET LOCAL client_min_messages = 'error';
    DO $$ BEGIN
        EXECUTE format('CREATE SCHEMA %I', 'sotto_scratch_' || pg_backend_pid());
        PERFORM set_config('search_path', 'sotto_scratch_' || pg_backend_pid(), true);
    END $$";

/// SQL to run, and what to call it when it fails.
#[derive(Debug, Clone)]
pub(super) struct Sql {
    pub(super) file: String,
    pub(super) text: String,
}

impl From<&Script> for Sql {
    fn from(script: &Script) -> Self {
        let text = match script.concurrent_index {
            // Not possible inside of a transaction, and of no use where nobody else is.
            Some(_) => sql::split(&script.sql, ';').join(";").replacen("CONCURRENTLY", "", 1),
            None => script.sql.clone(),
        };
        Self { file: script.file.clone(), text }
    }
}

/// The schema that `files` make on the engine of `url`, one after the other, beside the table of bookkeeping. Of a SQLite
/// database, only the engine is of interest.
pub(super) async fn made_by(url: &DatabaseUrl, files: Vec<Sql>) -> Result<Schema, SchemaError> {
    match url {
        DatabaseUrl::Sqlite(_) => {
            let work = tokio::task::spawn_blocking(move || in_memory(&files)).await;
            work.map_err(|error| unreadable(url, error.to_string()))?
        }
        DatabaseUrl::Postgres(_) => rolled_back(url, &files).await,
    }
}

/// The schema that `files` make on SQLite.
pub(super) fn in_memory(files: &[Sql]) -> Result<Schema, SchemaError> {
    let failed = |file: &str, error: rusqlite::Error| SchemaError::Script {
        file: file.to_owned(),
        engine: Engine::Sqlite,
        reason: match error {
            // Its own text repeats the rest of the file.
            rusqlite::Error::SqlInputError { msg, .. } => msg,
            other => other.to_string(),
        },
    };
    let work = || -> rusqlite::Result<rusqlite::Connection> {
        let connection = rusqlite::Connection::open_in_memory()?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.execute_batch(migrate::sqlite::BOOKKEEPING)?;
        Ok(connection)
    };
    let connection = work().map_err(|error| failed("a database in memory", error))?;
    for file in files {
        connection.execute_batch(&file.text).map_err(|error| failed(&file.file, error))?;
    }
    sqlite::read_from(&connection).map_err(|error| failed("a database in memory", error))
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
        Sql { file: "the table of migrations".to_owned(), text: migrate::postgres::BOOKKEEPING.to_owned() };
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
