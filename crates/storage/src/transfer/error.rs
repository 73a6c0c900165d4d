//! Why a backup, a restore or a copy was refused or failed, told so that a person can act on it.

use std::io;
use std::path::{Path, PathBuf};

use crate::DatabaseUrl;
use crate::migrate::MigrateError;
use crate::schema::SchemaError;

/// What every function of this module returns.
pub type Result<T> = std::result::Result<T, TransferError>;

/// Why a backup, a restore or a copy was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// About the schema's revision.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The schema could not be read.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// What was asked for cannot be done; the text is a sentence.
    #[error("{0}")]
    Refused(String),
    /// A database did not give or take rows.
    #[error("the database {database} {reason}")]
    Database {
        /// Which database, without its password.
        database: String,
        /// A clause: what could not be done, and what the engine says.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{} cannot be {doing}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// A participle: `read`, `written`.
        doing: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// A backup is not what was once written.
    #[error("the backup {backup} cannot be used: {reason}")]
    Damaged {
        /// Which backup.
        backup: String,
        /// A clause that names what is wrong.
        reason: String,
    },
    /// What was written is not what was read.
    #[error("{0}")]
    Unequal(String),
    /// The caller asked to stop.
    #[error("stopped before the end, as asked")]
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

/// For `map_err`: this path could not be `doing` (a participle).
pub(super) fn file(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> TransferError {
    let path = path.to_owned();
    move |source| TransferError::File { path, doing, source }
}
