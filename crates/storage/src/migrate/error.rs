//! The errors of migrations, with advice for the operator.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::plan::Unfinished;
use super::source::Loss;
use crate::DatabaseUrl;

/// The result of every fallible function of this module.
pub type Result<T> = std::result::Result<T, MigrateError>;

/// Why a migration was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("the folder of migrations {} cannot be read: {reason}", path.display())]
    Folder { path: PathBuf, reason: String },
    /// A migration file breaks the rules for such files.
    #[error("the migration file {file} {reason}")]
    File {
        file: String,
        /// A clause: "is empty: …".
        reason: String,
    },
    /// The text is no valid target.
    #[error(
        "'{0}' is not a valid target: use head, base, a number of steps such as +1 or -1, or a revision from `sotto db \
         history`"
    )]
    BadTarget(String),
    /// No revision matches the target.
    #[error("there is no revision '{target}': {known}")]
    UnknownTarget {
        /// The target as typed.
        target: String,
        /// A clause about the known revisions.
        known: String,
    },
    /// The target has fewer steps than requested, or is in the other direction.
    #[error("{0}")]
    Unreachable(String),
    /// A newer version of Sotto has migrated the database.
    #[error(
        "the database is at revision {revision}, which this version of Sotto does not know ({known}): use the version \
         of Sotto that upgraded it, or a newer one, or run `sotto db downgrade {common}` with that version"
    )]
    Ahead {
        /// The applied revision that has no files here.
        revision: String,
        /// A clause about the revisions that this version knows.
        known: String,
        /// The newest revision that both know, or `base`.
        common: String,
    },
    /// A restore or a copy into the database has not ended.
    #[error("{}", Unfinished(purpose, origin))]
    Unfinished {
        /// `restore` or `copy`.
        purpose: String,
        /// The source of the restore or copy.
        origin: String,
    },
    /// A newer revision was applied before an older one.
    #[error(
        "revision {missing} was never applied, but the later revision {newer} was: one of them was added out of order. \
         Restore a backup or, if you know that the schema is correct, record it with `sotto db stamp {newer}`"
    )]
    OutOfOrder { missing: String, newer: String },
    /// A file was changed after it had been applied.
    #[error(
        "the file {file} was changed after it had been applied, so it no longer describes the database: restore the \
         original file and write a new migration for the change. If only comments have changed, `sotto db stamp \
         {current}` records the changed file"
    )]
    Edited {
        file: String,
        /// The revision of the database.
        current: String,
    },
    /// The database belongs to another program.
    #[error("{database} holds tables that are not Sotto's ({tables}): give Sotto a separate database")]
    Foreign {
        /// The database, without its password.
        database: String,
        /// Some of the tables in it.
        tables: String,
    },
    /// The file lacks Sotto's application id, and its tables look like Sotto's.
    #[error(
        "the file {} contains Sotto's tables, but lacks the application id of Sotto's files, which `sqlite3 .dump` \
         leaves out. If it was made from such a dump, set the application id: {remedy}",
        path.display()
    )]
    Unmarked {
        path: PathBuf,
        /// A shell command that sets the application id.
        remedy: String,
    },
    #[error("there is no database {database}: {advice}")]
    Missing {
        /// The database, without its password.
        database: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The database has no tables yet.
    #[error("the database {database} is empty: `sotto db upgrade` creates its tables")]
    Empty {
        /// The database, without its password.
        database: String,
    },
    /// This user may not read the database, so its contents are unknown.
    #[error("this user has no permission to use the database {database}: {reason}")]
    Denied {
        /// The database, without its password.
        database: String,
        /// The message of the operating system or the engine.
        reason: String,
    },
    /// A downgrade would destroy data, which was not allowed.
    #[error("this downgrade would delete {losses}. {advice}")]
    DataLoss {
        losses: Losses,
        /// What to do about it.
        advice: &'static str,
    },
    /// A running server uses the database.
    #[error("{database} is in use by {by}: a downgrade drops tables that a running server uses. Stop it first")]
    InUse {
        /// The database, without its password.
        database: String,
        /// The user of the database.
        by: String,
    },
    /// The files of the database are in a wrong state; the text is a sentence.
    #[error("{0}")]
    Refused(String),
    /// A down file does not declare what it destroys. The step was undone.
    #[error(
        "the line `-- loses:` of {file} is wrong: {reason}. The file was not applied, because data that a step \
         destroys must be counted, allowed and backed up first. The database is at revision {at}. Correct the line or \
         the statements"
    )]
    WrongDeclaration {
        file: String,
        /// A clause that says what is wrong.
        reason: String,
        /// The revision of the database.
        at: String,
    },
    /// Another migrator holds the lock, or another program writes to the file, for this long.
    #[error(
        "another migration, or another program that writes, has locked this database for {} seconds: wait until it is \
         done, then try again",
        .0.as_secs()
    )]
    Locked(Duration),
    /// A step failed and was undone.
    #[error("{file}{} failed and was undone: {reason}. The database is at revision {at}", Line(*line))]
    Step {
        file: String,
        /// The line of the file, counted from 1, if the engine reports it.
        line: Option<usize>,
        /// The engine's message.
        reason: String,
        /// The revision of the database now.
        at: String,
        /// The rows that caused the failure.
        rows: Option<String>,
    },
    /// A step that runs outside of a transaction failed half-way.
    #[error(
        "{file} failed: {reason}. It cannot run inside of a transaction, so it may have left an INVALID index: no \
         query uses it, and the next attempt drops it and starts again. The database is at revision {at}"
    )]
    Concurrent {
        file: String,
        /// The engine's message.
        reason: String,
        /// The revision of the database.
        at: String,
        /// The rows that caused the failure.
        rows: Option<String>,
    },
    /// After the steps, rows refer to missing rows.
    #[error(
        "the migration would leave rows of {table} ({count} in all) without the row that they refer to; everything was undone"
    )]
    BrokenReferences {
        /// The first table with such rows.
        table: String,
        /// The number of such rows.
        count: u64,
        /// Some of these rows.
        rows: Option<String>,
    },
    /// No snapshot could be taken, so nothing was changed.
    #[error("no snapshot could be taken at {}: {reason}. Nothing was changed", path.display())]
    Snapshot {
        /// The path of the snapshot.
        path: PathBuf,
        reason: String,
    },
    /// The backup before a loss failed, so nothing was changed.
    #[error("no backup could be taken: {reason}. Nothing was changed")]
    Backup { reason: String },
    /// The start of a script was not given, and the database cannot be read.
    #[error(
        "the start of the script is unknown, because the database cannot be read ({reason}): name its revision with \
         --from, or use `--from base` for an empty database"
    )]
    NoStart {
        /// Why it cannot be read.
        reason: String,
    },
    /// The database cannot be opened or does not respond.
    #[error("the database {database} cannot be used: {reason}")]
    Database {
        /// The database, without its password.
        database: String,
        /// The engine's message.
        reason: String,
    },
}

impl MigrateError {
    pub(super) fn missing(database: &DatabaseUrl) -> Self {
        let advice = match database {
            DatabaseUrl::Sqlite(_) => {
                "`sotto serve` or `sotto db upgrade` creates it. If the journal is in another place, set --data-dir or \
                 --database"
            }
            DatabaseUrl::Postgres(_) => {
                "create it on the server with CREATE DATABASE, or correct the address in --database or SOTTO_DATABASE"
            }
        };
        Self::Missing { database: database.to_string(), advice }
    }

    pub(super) fn empty(database: &DatabaseUrl) -> Self {
        Self::Empty { database: database.to_string() }
    }

    /// The rows that caused a step to fail, with their values, such as two entries of a new unique index. Users wrote
    /// these values, so they are not part of the error message: they may be shown to the operator, and must not be
    /// logged.
    pub fn rows(&self) -> Option<&str> {
        match self {
            Self::Step { rows, .. } | Self::Concurrent { rows, .. } | Self::BrokenReferences { rows, .. } => {
                rows.as_deref()
            }
            _ => None,
        }
    }
}

/// The data that a downgrade would delete; never empty in an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Losses(pub Vec<(Loss, u64)>);

/// The declared losses of down files with their counts; `None` if the table or column does not exist yet, because an
/// earlier step down may create it.
pub type Counted = Vec<(Loss, Option<u64>)>;

impl Losses {
    /// The losses with a count above zero.
    pub fn from_counted(counted: &Counted) -> Self {
        let there = |(loss, count): &(Loss, Option<u64>)| Some((loss.clone(), count.filter(|count| *count > 0)?));
        Self(counted.iter().filter_map(there).collect())
    }

    /// Fails if there is data to lose and the loss was not `allowed`.
    pub(super) fn refuse_unless(self, allowed: bool, advice: &'static str) -> Result<()> {
        if allowed || self.0.is_empty() { Ok(()) } else { Err(MigrateError::DataLoss { losses: self, advice }) }
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (loss, count)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let unit = match (loss.column.is_some(), *count == 1) {
                (true, true) => "value",
                (true, false) => "values",
                (false, true) => "row",
                (false, false) => "rows",
            };
            write!(f, "{separator}{count} {unit} of {loss}")?;
        }
        Ok(())
    }
}

struct Line(Option<usize>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, ", line {line},"))
    }
}
