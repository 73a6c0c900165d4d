//! Converts errors of SQLite into those of the storage contract.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::ffi::{self, ErrorCode};
use rusqlite::{Connection, Error};
use sotto_domain::storage::{self, StorageError};

/// The columns of each unique constraint in the format of SQLite's messages, and its name in the schema. A constraint
/// that follows from another one has that one's name, because a row that violates one violates both, and SQLite may
/// report either.
const UNIQUES: [(&str, &str); 30] = [
    ("users.id", "pk_users"),
    ("users.email", "idx_users_email"),
    ("users.google_id", "idx_users_google_id"),
    ("secret_tags.tag_id", "pk_secret_tags"),
    ("secret_tags.user_id, secret_tags.tag_id", "pk_secret_tags"),
    ("journal_entries.id", "pk_journal_entries"),
    ("journal_entries.user_id, journal_entries.id", "pk_journal_entries"),
    ("search_documents.document", "pk_search_documents"),
    ("search_documents.entry_id", "uq_search_documents_entry"),
    ("tags.id", "pk_tags"),
    ("tags.user_id, tags.id", "pk_tags"),
    ("tags.user_id, tags.name", "uq_tags_user_name_key"),
    ("tags.user_id, tags.name_key", "uq_tags_user_name_key"),
    ("journal_entry_tags.entry_id, journal_entry_tags.tag_id", "pk_journal_entry_tags"),
    ("reminders.id", "pk_reminders"),
    ("reminders.user_id, reminders.id", "pk_reminders"),
    ("opaque_sessions.session_id", "pk_opaque_sessions"),
    ("login_sessions.id", "pk_login_sessions"),
    ("attachments.id", "pk_attachments"),
    ("attachments.user_id, attachments.entry_id", "uq_attachments_entry"),
    ("attachment_store.id", "pk_attachment_store"),
    ("attachment_store.name", "uq_attachment_store_name"),
    ("freed_attachments.id", "pk_freed_attachments"),
    ("identities.id", "pk_identities"),
    ("identities.issuer, identities.subject", "uq_identities_issuer_subject"),
    ("api_tokens.id", "pk_api_tokens"),
    ("api_tokens.token_hash", "uq_api_tokens_token_hash"),
    ("idempotency_keys.user_id, idempotency_keys.key_hash", "pk_idempotency_keys"),
    ("security_events.id", "pk_security_events"),
    ("deleted_secret_tags.user_id, deleted_secret_tags.tag_id", "pk_deleted_secret_tags"),
];

/// Runs `work` and turns a panic in it into an error.
pub fn run_catching_panics<T>(
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    connection: &Connection,
) -> storage::Result<T> {
    match catch_unwind(AssertUnwindSafe(|| work(connection))) {
        Ok(outcome) => outcome.map_err(|error| storage_error(&error)),
        Err(_) => Err(StorageError::Other("the work on the database panicked".into())),
    }
}

pub fn storage_error(error: &Error) -> StorageError {
    match error {
        Error::SqliteFailure(failure, message) => from_code(*failure, message.as_deref().unwrap_or_default(), error),
        Error::FromSqlConversionFailure(..)
        | Error::InvalidColumnType(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..) => StorageError::Corrupt(error.to_string()),
        _ => StorageError::Other(error.to_string().into()),
    }
}

/// Converts the error of a failed commit. After a failed write or sync, the changes may still appear when the log is
/// next read. This is not so for a full disk, because the frame that completes a commit is written last.
pub fn commit_error(error: &Error) -> StorageError {
    match storage_error(error) {
        StorageError::Unavailable(why) => StorageError::Unknown(why),
        other => other,
    }
}

/// Adds the name of the foreign key that a statement can violate, because SQLite does not report it.
pub fn name_foreign_key(foreign_key: &'static str) -> impl Fn(Error) -> Error {
    move |error| match error {
        Error::SqliteFailure(failure, _) if failure.extended_code == ffi::SQLITE_CONSTRAINT_FOREIGNKEY => {
            Error::SqliteFailure(failure, Some(format!("FOREIGN KEY constraint failed: {foreign_key}")))
        }
        other => other,
    }
}

/// The schema's name of the constraint that a statement violated.
fn broken_constraint(error: &Error) -> Option<&str> {
    let Error::SqliteFailure(failure, Some(message)) = error else { return None };
    let (_, detail) = message.split_once(" constraint failed: ")?;
    match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
            Some(UNIQUES.iter().find(|(columns, _)| *columns == detail).map_or(detail, |(_, name)| name))
        }
        ffi::SQLITE_CONSTRAINT_CHECK | ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Some(detail),
        _ => None,
    }
}

fn from_code(failure: ffi::Error, message: &str, error: &Error) -> StorageError {
    match failure.code {
        ErrorCode::ConstraintViolation => match broken_constraint(error) {
            Some(constraint) => StorageError::Conflict { constraint: constraint.to_owned() },
            None => other(message),
        },
        // An operation is interrupted when its time is up.
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OperationInterrupted => StorageError::Busy,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StorageError::Corrupt(message.to_owned()),
        ErrorCode::DiskFull => StorageError::Full("the disk is full".into()),
        ErrorCode::ReadOnly => other("the database file is read-only; let this process write to it and its folder"),
        // A quota, a system limit or a failing disk. A change that is not completely in the log is not stored.
        ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_WRITE => {
            StorageError::Full(format!("the disk takes no more ({message})"))
        }
        ErrorCode::SystemIoFailure => StorageError::Unavailable(format!("the disk reports an error ({message})")),
        ErrorCode::CannotOpen => StorageError::Unavailable(format!("the file cannot be opened ({message})")),
        _ => StorageError::Other(error.to_string().into()),
    }
}

fn other(sentence: &str) -> StorageError {
    StorageError::Other(sentence.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(extended: i32) -> StorageError {
        storage_error(&Error::SqliteFailure(ffi::Error::new(extended), Some("why".into())))
    }

    #[test]
    fn each_kind_of_failure_maps_to_its_error() {
        assert!(matches!(code(ffi::SQLITE_BUSY_SNAPSHOT), StorageError::Busy));
        assert!(matches!(code(ffi::SQLITE_INTERRUPT), StorageError::Busy));
        assert!(matches!(code(ffi::SQLITE_CORRUPT_VTAB), StorageError::Corrupt(_)));
        assert!(matches!(code(ffi::SQLITE_NOTADB), StorageError::Corrupt(_)));
        assert!(matches!(code(ffi::SQLITE_IOERR_FSYNC), StorageError::Unavailable(_)));
        assert!(matches!(code(ffi::SQLITE_FULL), StorageError::Full(_)));
        assert!(matches!(code(ffi::SQLITE_IOERR_WRITE), StorageError::Full(_)));
        assert!(code(ffi::SQLITE_READONLY).to_string().contains("read-only"));
    }

    #[test]
    fn every_unique_constraint_of_the_schema_has_its_name() {
        let connection = Connection::open_in_memory().unwrap();
        let schema = concat!(
            include_str!("../../migrations/sqlite/0001_create_standardized_schema.up.sql"),
            include_str!("../../migrations/sqlite/0002_secret_tags.up.sql"),
            include_str!("../../migrations/sqlite/0003_web_app.up.sql"),
            include_str!("../../migrations/sqlite/0004_attachment_store.up.sql"),
            include_str!("../../migrations/sqlite/0005_idempotency_keys.up.sql"),
            include_str!("../../migrations/sqlite/0006_account_safety.up.sql"),
        );
        connection.execute_batch(schema).unwrap();
        let sql =
            "SELECT DISTINCT (SELECT group_concat(t.name || '.' || c.name, ', ') FROM pragma_index_info(i.name) c)
                   FROM sqlite_schema t, pragma_index_list(t.name) i
                   WHERE t.type = 'table' AND t.sql LIKE '%STRICT' AND i.\"unique\"";
        let mut statement = connection.prepare(sql).unwrap();
        let found: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        for columns in &found {
            assert!(UNIQUES.iter().any(|(known, _)| known == columns), "{columns} has no name");
        }
        // The rowid of search_documents is a key without an index.
        assert_eq!(found.len() + 1, UNIQUES.len());
        for (_, name) in UNIQUES {
            assert!(schema.contains(name) || name == "pk_search_documents", "{name} is not in the schema");
        }
    }
}
