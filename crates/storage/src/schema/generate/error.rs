//! Why no revision was written.

use std::io;
use std::path::PathBuf;

use crate::migrate::MigrateError;
use crate::schema::{Engine, SchemaError};

/// Why no revision was written. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// The message makes no name.
    #[error("the message {0}: say in a few plain words what the revision does, such as -m \"add moods\"")]
    Message(&'static str),
    /// Somebody else is writing a revision in the same folder.
    #[error("another `sotto db revision` is at work in {}: try again when it is done", .0.display())]
    Busy(PathBuf),
    /// The engines' folders do not hold the same revisions.
    #[error("the folders sqlite and postgres do not hold the same revisions: {sqlite} and {postgres} are the newest")]
    Uneven {
        /// The newest for SQLite.
        sqlite: String,
        /// The newest for PostgreSQL.
        postgres: String,
    },
    /// A file cannot be read or written.
    #[error("{} cannot be {verb}: {reason}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// `read` or `written`.
        verb: &'static str,
        /// What the operating system says.
        reason: io::Error,
    },
    /// What was worked out does not lead to where it should.
    #[error(
        "what was worked out for {engine} does not lead {direction}: {reason}. Nothing was written: write the files by \
         hand, `sotto db revision` without --autogenerate makes their skeletons"
    )]
    Astray {
        /// On which engine.
        engine: Engine,
        /// To the desired schema, or back.
        direction: &'static str,
        /// The first difference, or what the engine says.
        reason: String,
    },
    /// About the migrations that are there.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// About trying them.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}
