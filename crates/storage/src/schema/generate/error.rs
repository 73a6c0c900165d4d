//! The errors of generating migrations.

use std::io;
use std::path::PathBuf;

use crate::migrate::MigrateError;
use crate::schema::{Engine, SchemaError};

/// Why no migration was written. No file was changed.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// The message makes no file name.
    #[error("the message {0}: say in a few plain words what the revision does, such as -m \"add moods\"")]
    Message(&'static str),
    /// Another process writes a migration to the same folder.
    #[error("another `sotto db revision` is at work in {}: try again when it is done", .0.display())]
    Busy(PathBuf),
    /// The engines' folders contain different revisions.
    #[error("the folders sqlite and postgres do not hold the same revisions: {sqlite} and {postgres} are the newest")]
    Uneven {
        /// The newest revision for SQLite.
        sqlite: String,
        /// The newest revision for PostgreSQL.
        postgres: String,
    },
    /// A file cannot be read or written.
    #[error("{} cannot be {verb}: {reason}", path.display())]
    File {
        path: PathBuf,
        /// `read` or `written`.
        verb: &'static str,
        reason: io::Error,
    },
    /// The generated migrations do not create the expected schema.
    #[error(
        "what was worked out for {engine} does not lead {direction}: {reason}. Nothing was written: write the files by \
         hand, `sotto db revision` without --autogenerate makes their skeletons"
    )]
    WrongResult {
        engine: Engine,
        /// To the desired schema, or back.
        direction: &'static str,
        /// The first difference, or the engine's message.
        reason: String,
    },
    /// An existing migration is invalid.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The migrations could not be tried.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}
