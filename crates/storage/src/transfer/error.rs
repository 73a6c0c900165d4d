//! The errors of backup, restore and copy, with advice for the operator.

use std::io;
use std::path::{Path, PathBuf};

use sotto_files::FileError;

use crate::DatabaseUrl;
use crate::migrate::MigrateError;
use crate::schema::SchemaError;

/// The result of every fallible function of this module.
pub type Result<T> = std::result::Result<T, TransferError>;

/// Why a backup, a restore or a copy was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// An error about the schema's revision.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The run cannot start or continue; the text is a sentence.
    #[error("{0}")]
    Refused(String),
    /// Rows could not be read from or written to a database.
    #[error("the database {database} {reason}")]
    Database {
        /// The database, without its password.
        database: String,
        /// A clause: what failed, with the engine's message.
        reason: String,
    },
    #[error("{} cannot be {doing}: {source}", path.display())]
    File {
        path: PathBuf,
        /// A participle: `read`, `written`.
        doing: &'static str,
        source: io::Error,
    },
    /// A backup is damaged.
    #[error("the backup {backup} cannot be used: {reason}")]
    Damaged {
        backup: String,
        /// A clause that names the damage.
        reason: String,
    },
    /// The written rows differ from the rows that were read.
    #[error("{0}")]
    Unequal(String),
    /// The caller requested a stop.
    #[error("stopped before the end, as requested")]
    Stopped,
}

impl TransferError {
    pub(super) fn database(url: &DatabaseUrl, reason: impl Into<String>) -> Self {
        Self::Database { database: url.to_string(), reason: reason.into() }
    }

    pub(super) fn damaged(backup: &str, reason: impl Into<String>) -> Self {
        Self::Damaged { backup: backup.to_owned(), reason: reason.into() }
    }
}

impl From<FileError> for TransferError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { path, doing, source } => Self::File { path, doing, source },
            refused => Self::Refused(refused.to_string()),
        }
    }
}

/// For `map_err`: the error that `path` cannot be `doing` (a participle).
pub(super) fn file(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> TransferError {
    let path = path.to_owned();
    move |source| TransferError::File { path, doing, source }
}
