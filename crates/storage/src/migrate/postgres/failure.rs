//! The errors of migrations on a PostgreSQL server.

use tokio_postgres::error::{ErrorPosition, SqlState};

use super::super::error::MigrateError;
use super::super::inventory::DeclarationErrors;
use super::super::source::{Migration, Script, Source};
use super::super::{plan, sql};
use crate::postgres::error::sentence;

/// The error of a down migration that does not declare what it destroys.
pub(super) fn wrong_declaration(step: &Migration, at: String, wrong: &DeclarationErrors) -> MigrateError {
    MigrateError::WrongDeclaration { file: step.down.file.clone(), reason: wrong.to_string(), at }
}

/// The error of a step. `applied` is the number of applied revisions, including those of earlier steps of this run,
/// because each step is committed.
pub(super) fn failed(source: &Source, script: &Script, applied: u32, error: &tokio_postgres::Error) -> MigrateError {
    let line = error.as_db_error().and_then(|refusal| match refusal.position() {
        Some(ErrorPosition::Original(position)) => {
            let before: usize = script.sql.chars().take(*position as usize - 1).map(char::len_utf8).sum();
            Some(sql::line_at(&script.sql, before))
        }
        _ => None,
    });
    let (file, reason, at) =
        (script.file.clone(), message_with_advice(error), plan::revision_at(source, applied as usize));
    let rows = violating_key(error);
    if script.concurrent_index.is_some() {
        return MigrateError::Concurrent { file, reason, at, rows };
    }
    MigrateError::Step { file, line, reason, at, rows }
}

/// The key that exists twice, or that refers to a missing row. The details of other errors may contain a whole row.
fn violating_key(error: &tokio_postgres::Error) -> Option<String> {
    let refusal = error.as_db_error()?;
    let names_a_key = [SqlState::UNIQUE_VIOLATION, SqlState::FOREIGN_KEY_VIOLATION].contains(refusal.code());
    let table = refusal.table().map(|table| format!("in the table {table}: ")).unwrap_or_default();
    refusal.detail().filter(|_| names_a_key).map(|detail| table + detail)
}

/// The server's message, with advice for known errors.
pub(super) fn message_with_advice(error: &tokio_postgres::Error) -> String {
    let help = match error.code() {
        Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            ". Others were using the table for more than 10 seconds: stop the servers, or try again when they are less busy"
        }
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            ". Connect as the owner of the database and of Sotto's tables, or make this user their owner"
        }
        Some(&SqlState::DISK_FULL | &SqlState::CONFIGURATION_LIMIT_EXCEEDED) => {
            ". Free disk space on the server, then try again"
        }
        _ => "",
    };
    sentence(error) + help
}
