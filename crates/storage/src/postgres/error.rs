//! Maps errors of the driver to [`StorageError`], by SQLSTATE where there is one (PostgreSQL manual, appendix A).

use std::error::Error;
use std::fmt::Write;

use deadpool_postgres::{HookError, PoolError, TimeoutType};
use sotto_domain::storage::StorageError;
use tokio_postgres::error::{DbError, SqlState};

use super::pool::NO_ROOM;

/// Maps the error of a statement.
pub fn from_driver(error: tokio_postgres::Error) -> StorageError {
    if let Some(refusal) = error.as_db_error() {
        return from_server(refusal).unwrap_or_else(|| StorageError::Other(Box::new(error)));
    }
    // The server may have executed the statement before the connection was lost. For a statement that changes nothing,
    // the caller applies [`harmless`].
    let lost = error.is_closed() || error.source().is_some_and(<dyn Error>::is::<std::io::Error>);
    if lost { StorageError::Unknown(sentence(&error)) } else { StorageError::Other(Box::new(error)) }
}

/// Maps the error of a statement that changes nothing, for which it does not matter whether the server executed it.
pub fn harmless(error: StorageError) -> StorageError {
    match error {
        StorageError::Unknown(why) => StorageError::Unavailable(why),
        other => other,
    }
}

/// Maps an error of the pool, which means that there was no connection.
pub fn from_pool(error: PoolError) -> StorageError {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => StorageError::Busy,
        PoolError::Backend(error) if error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => StorageError::Busy,
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            StorageError::Unavailable(sentence(&error))
        }
        PoolError::Timeout(_) => StorageError::Unavailable("the server did not answer in time".into()),
        PoolError::Closed => StorageError::Unavailable("it was closed".into()),
        PoolError::PostCreateHook(HookError::Message(reason)) if reason == NO_ROOM => StorageError::Busy,
        PoolError::PostCreateHook(HookError::Message(reason)) => StorageError::Unavailable(reason.into_owned()),
        PoolError::NoRuntimeSpecified => StorageError::Other(Box::new(error)),
    }
}

/// The value in `column` violates the schema and cannot be read.
pub fn corrupt(column: &str, reason: impl std::fmt::Display) -> StorageError {
    StorageError::Corrupt(format!("in the column {column}: {reason}"))
}

/// Whether the connection that returned this error must not be used again: it is about to close, it leads to a
/// read-only server (after a failover), or the statements that were prepared on it are no longer valid.
pub fn spoils_connection(error: &tokio_postgres::Error) -> bool {
    const STALE: [SqlState; 8] = [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::IDLE_SESSION_TIMEOUT,
        SqlState::INVALID_SQL_STATEMENT_NAME,
        SqlState::FEATURE_NOT_SUPPORTED,
        SqlState::DUPLICATE_PSTATEMENT,
        SqlState::PROTOCOL_VIOLATION,
    ];
    error.code().is_none_or(|code| STALE.contains(code))
}

/// The error and its causes in one line.
pub fn sentence(error: &tokio_postgres::Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", refusal.message(), refusal.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text.replace('\n', " ")
}

fn from_server(refusal: &DbError) -> Option<StorageError> {
    let sentence = || format!("{} (SQLSTATE {})", refusal.message(), refusal.code().code());
    let code = refusal.code().code();
    Some(match code {
        "40001" | "40P01" | "53200" | "53300" | "55P03" | "57014" => StorageError::Busy,
        "53100" => StorageError::Full(sentence()),
        "25006" | "26000" | "42P05" => StorageError::Unavailable(sentence()),
        "XX001" | "XX002" => StorageError::Corrupt(sentence()),
        _ if code.starts_with("23") => StorageError::Conflict { constraint: without_shard(refusal.constraint()?) },
        // Connection exceptions, exhausted resources, shutdowns and restarts.
        _ if ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) => StorageError::Unavailable(sentence()),
        _ => return None,
    })
}

/// Removes the shard number from the name of a constraint. Citus names a constraint of a shard `NAME_SHARD`, such as
/// `uq_tags_user_name_102086`. No constraint of the schema ends in a number (a test below checks this), so a name with
/// a prefix of the schema and a number at its end belongs to a shard.
fn without_shard(name: &str) -> String {
    let ours = ["pk_", "fk_", "uq_", "ck_", "idx_"].iter().any(|prefix| name.starts_with(prefix));
    match name.rsplit_once('_') {
        Some((base, shard)) if ours && is_number(shard) => base.to_owned(),
        _ => name.to_owned(),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_number_is_removed_from_a_constraint_name() {
        for (reported, constraint) in [
            ("uq_tags_user_name_102086", "uq_tags_user_name"),
            ("idx_users_email_102008", "idx_users_email"),
            ("uq_tags_user_name_key", "uq_tags_user_name_key"),
            ("uq_tags_user_name_", "uq_tags_user_name_"),
            ("somebody_elses_2", "somebody_elses_2"),
            ("tags", "tags"),
        ] {
            assert_eq!(without_shard(reported), constraint);
        }
    }

    #[test]
    fn no_constraint_of_the_schema_ends_in_a_number() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
        let mut names = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let sql = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for word in sql.split(|c: char| !c.is_alphanumeric() && c != '_') {
                if ["pk_", "fk_", "uq_", "ck_", "idx_"].iter().any(|prefix| word.starts_with(prefix)) {
                    names += 1;
                    assert_eq!(without_shard(word), word);
                }
            }
        }
        assert!(names > 40, "only {names} names were found in {folder}");
    }
}
