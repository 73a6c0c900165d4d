//! The errors of migrations on a SQLite file.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;
use sotto_files::FileError;

use super::super::error::MigrateError;
use crate::DatabaseUrl;

pub(super) fn in_use(path: &Path, error: &FileError) -> MigrateError {
    let database = DatabaseUrl::Sqlite(path.to_owned()).to_string();
    match error {
        FileError::Held { holder, .. } => MigrateError::InUse { database, by: holder.clone() },
        FileError::Io { source, .. } => unreachable(path, source),
        other => {
            let reason = format!("{other}: this process must be able to write to the file and to its folder");
            MigrateError::Database { database, reason }
        }
    }
}

pub(super) fn unusable(path: &Path, error: &rusqlite::Error) -> MigrateError {
    let (database, reason) = (DatabaseUrl::Sqlite(path.to_owned()).to_string(), sentence(error));
    match error.sqlite_error_code() {
        // A path that is no file cannot be opened either.
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) if path.is_file() => {
            MigrateError::Denied { database, reason }
        }
        _ => MigrateError::Database { database, reason },
    }
}

pub(super) fn unreachable(path: &Path, error: &io::Error) -> MigrateError {
    let (database, reason) = (DatabaseUrl::Sqlite(path.to_owned()).to_string(), error.to_string());
    match error.kind() {
        io::ErrorKind::PermissionDenied => MigrateError::Denied { database, reason },
        _ => MigrateError::Database { database, reason },
    }
}

/// SQLite's message, with advice for known errors.
pub(super) fn sentence(error: &rusqlite::Error) -> String {
    let help = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ": free disk space, then try again",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            ": this process must be able to write to the file and to its folder"
        }
        Some(ErrorCode::SystemIoFailure) => ": the disk may be full, over its quota, or failing",
        _ => "",
    };
    format!("{error}{help}")
}
