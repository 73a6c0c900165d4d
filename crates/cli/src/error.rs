//! Why a command failed, in sentences.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use sotto_domain::storage::StorageError;
use sotto_server::keys::KeysError;
use sotto_storage::migrate::MigrateError;
use sotto_storage::transfer::TransferError;

/// What every command returns.
pub type Result<T> = std::result::Result<T, CliError>;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A setting is unknown or makes no sense.
    #[error("{0}")]
    Settings(String),
    /// What was asked for cannot be done.
    #[error("{0}")]
    Refused(String),
    /// A check has found something.
    #[error("{0}")]
    Found(String),
    /// The folder for data cannot be made.
    #[error("the data folder {} cannot be made: {source}", path.display())]
    DataFolder {
        /// Which folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The store of attachments cannot be used.
    #[error(
        "the store of attachments {place} cannot be used: {reason}. Look at --attachments or SOTTO_ATTACHMENTS, and for s3:// at AWS_…"
    )]
    Attachments {
        /// Which store.
        place: String,
        /// What it says.
        reason: object_store::Error,
    },
    /// Nobody can be listened to there.
    #[error("cannot listen on {address}: {source}. Choose another address with --listen or SOTTO_LISTEN")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// A password could not be read.
    #[error("the password could not be read: {0}")]
    Password(io::Error),
    /// An answer could not be written.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
    /// The program could not start its threads or signal handlers.
    #[error("the program could not start: {0}")]
    Runtime(io::Error),
    /// About keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// About the schema.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// About a backup, a restore or a copy.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// About the database.
    #[error("{0}")]
    Storage(#[from] StorageError),
}

impl CliError {
    /// What the process ends with: 2 if it did what it was asked and found something, 1 if it could not do it.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Found(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Tells a person what went wrong.
#[expect(clippy::print_stderr, reason = "this is where a command speaks")]
pub fn print(error: &CliError) {
    eprintln!("sotto: {error}");
}
