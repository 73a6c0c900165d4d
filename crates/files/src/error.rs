//! The errors of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// The result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, FileError>;

/// Why a file was not written, or a lock not acquired.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The name exists.
    #[error("{} already exists and was not changed: choose another name", .0.display())]
    Taken(PathBuf),
    /// Another process writes the same file.
    #[error("another process is writing {}: wait until it is done", .0.display())]
    BeingWritten(PathBuf),
    /// Another process holds the lock and did not release it in time.
    #[error("{} is held by {holder}", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The holder, such as `sotto serve (process 4711)`.
        holder: String,
    },
    /// The operating system refused.
    #[error("{} cannot be {doing}: {source}", path.display())]
    Io {
        path: PathBuf,
        /// A participle: `read`, `written`.
        doing: &'static str,
        source: io::Error,
    },
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { source, .. } => source,
            FileError::Taken(_) => Self::new(io::ErrorKind::AlreadyExists, error),
            FileError::BeingWritten(_) | FileError::Held { .. } => Self::new(io::ErrorKind::ResourceBusy, error),
        }
    }
}

/// For `map_err`: the error that `path` cannot be `doing` (a participle).
pub(crate) fn failed(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { path, doing, source }
}
