//! The errors of commands, and their exit codes.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use sotto_domain::storage::StorageError;
use sotto_files::FileError;
use sotto_server::attachments::AttachmentStoreError;
use sotto_server::keys::KeysError;
use sotto_storage::migrate::MigrateError;
use sotto_storage::transfer::TransferError;

/// The result of every command.
pub type Result<T> = std::result::Result<T, CliError>;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A setting is unknown or invalid.
    #[error("{0}")]
    Settings(String),
    /// The command was refused.
    #[error("{0}")]
    Refused(String),
    /// A check has found differences or damage.
    #[error("{0}")]
    Found(String),
    /// A backup or a restore succeeded, but recordings that have a row are missing.
    #[error("{0}")]
    Incomplete(String),
    /// The data folder cannot be created.
    #[error("the data folder {} cannot be created: {source}", path.display())]
    DataFolder { path: PathBuf, source: io::Error },
    /// The attachment store cannot be used.
    #[error(
        "the attachment store {place} cannot be used: {reason}. Check --attachments or SOTTO_ATTACHMENTS, and for \
         s3:// the variables AWS_…"
    )]
    Attachments { place: String, reason: object_store::Error },
    /// The server cannot listen on its address.
    #[error("cannot listen on {address}: {source}. Choose another address with --listen or SOTTO_LISTEN")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the password could not be read: {0}")]
    Password(io::Error),
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
    /// The program could not start its threads or signal handlers.
    #[error("the program could not start: {0}")]
    Runtime(io::Error),
    /// An error about keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// An error of the attachment store.
    #[error(transparent)]
    Recordings(#[from] AttachmentStoreError),
    /// An error about the schema.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// An error of a backup, a restore or a copy.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// An error of the database.
    #[error("{0}")]
    Storage(#[from] StorageError),
}

impl From<FileError> for CliError {
    fn from(error: FileError) -> Self {
        Self::Transfer(error.into())
    }
}

/// The exit code of the process. `docs/operation.md` lists the codes; clap ends with 2 for an invalid command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The command failed or was refused.
    Failed = 1,
    /// A check has found differences or damage.
    Found = 3,
    /// There is no database.
    Missing = 4,
    /// The database has no tables yet.
    Empty = 5,
    /// This user has no permission to use the database.
    Denied = 6,
    /// The database belongs to another program.
    Foreign = 7,
    /// Recordings are missing in the result.
    Incomplete = 8,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

impl CliError {
    /// The exit code for this error.
    pub fn code(&self) -> Code {
        match self {
            Self::Found(_) => Code::Found,
            Self::Incomplete(_) => Code::Incomplete,
            Self::Migrate(error) | Self::Transfer(TransferError::Migrate(error)) => match error {
                MigrateError::Missing { .. } => Code::Missing,
                MigrateError::Empty { .. } => Code::Empty,
                MigrateError::Denied { .. } => Code::Denied,
                MigrateError::Foreign { .. } | MigrateError::Unmarked { .. } => Code::Foreign,
                _ => Code::Failed,
            },
            _ => Code::Failed,
        }
    }
}

/// Prints the error to standard error.
#[expect(clippy::print_stderr, reason = "a message for the terminal, not a log line")]
pub fn print(error: &CliError) {
    eprintln!("sotto: {error}");
}
