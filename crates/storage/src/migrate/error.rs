//! Why a migration was refused or failed, told so that a person can act on it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::source::Loss;

/// What every function of this module returns.
pub type Result<T> = std::result::Result<T, MigrateError>;

/// Why a migration was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A folder of migrations cannot be read.
    #[error("the folder of migrations {} cannot be read: {reason}", path.display())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// A file of migrations breaks the rules for such files.
    #[error("the migration file {file} {reason}")]
    File {
        /// The file's name.
        file: String,
        /// A clause: "is empty: …".
        reason: String,
    },
    /// The text is no target.
    #[error(
        "'{0}' is not a target: name head, base, a number of steps such as +1 or -1, or a revision as `sotto db history` lists it"
    )]
    BadTarget(String),
    /// No revision answers to the target.
    #[error("there is no revision '{target}': {known}")]
    UnknownTarget {
        /// As it was typed.
        target: String,
        /// A clause that lists what there is.
        known: String,
    },
    /// Fewer steps than asked for, or the other way than asked for.
    #[error("{0}")]
    Unreachable(String),
    /// The database was migrated by a newer version.
    #[error(
        "the database is at revision {revision}, which this version of Sotto does not know ({known}): use the version of Sotto that made it, or a newer one"
    )]
    Ahead {
        /// The applied revision that has no files here.
        revision: String,
        /// A clause: what this version knows.
        known: String,
    },
    /// A newer revision was applied before an older one.
    #[error(
        "revision {missing} was never applied, though {newer} was: one of them was added out of order. Restore a backup, or, if the schema is known to be right, record it with `sotto db stamp {newer}`"
    )]
    OutOfOrder {
        /// The older revision.
        missing: String,
        /// The newer one.
        newer: String,
    },
    /// A file was changed after it had been applied.
    #[error(
        "the file {file} was changed after it had been applied, so what it says is not what is in the database: put the original file back and make a new migration for the change. If only its wording changed, `sotto db stamp {current}` records it as it is now"
    )]
    Edited {
        /// The file's name.
        file: String,
        /// The revision that the database is at.
        current: String,
    },
    /// The database belongs to another program.
    #[error("{database} holds tables that are not Sotto's ({tables}): give Sotto a database of its own")]
    Foreign {
        /// Which database, without its password.
        database: String,
        /// Some of what is in it.
        tables: String,
    },
    /// A downgrade would destroy data, and nobody has agreed to that.
    #[error("this downgrade would delete {losses}. {advice}")]
    DataLoss {
        /// What would go.
        losses: Losses,
        /// What to do about it.
        advice: &'static str,
    },
    /// Somebody else is migrating, or writing to the file for as long.
    #[error(
        "another migration, or another program that writes, has held this database for {} seconds: wait until it is done, then try again",
        .0.as_secs()
    )]
    Locked(Duration),
    /// A step failed and was undone.
    #[error("{file}{} failed and was undone: {reason}. The database is at revision {at}", Line(*line))]
    Step {
        /// The file's name.
        file: String,
        /// The line of the file, counted from 1, where the engine says.
        line: Option<usize>,
        /// What the engine says.
        reason: String,
        /// The revision that the database is at now.
        at: String,
    },
    /// A step that runs outside of a transaction failed half-way.
    #[error(
        "{file} failed: {reason}. It cannot run inside of a transaction, so an index that is INVALID may be left: no query uses it, and the next try drops it and begins anew. The database is at revision {at}"
    )]
    Concurrent {
        /// The file's name.
        file: String,
        /// What the engine says.
        reason: String,
        /// The revision that the database is at.
        at: String,
    },
    /// After the steps, rows point at rows that are gone.
    #[error(
        "the migration would leave rows of {table} ({rows} in all) without the row that they refer to; everything was undone"
    )]
    BrokenReferences {
        /// The first table with such rows.
        table: String,
        /// How many of them.
        rows: u64,
    },
    /// No snapshot could be taken, so nothing was changed.
    #[error("no snapshot could be taken at {}: {reason}. Nothing was changed", path.display())]
    Snapshot {
        /// Where it was to be.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// The backup before a loss failed, so nothing was changed.
    #[error("no backup could be taken: {reason}. Nothing was changed")]
    Backup {
        /// What went wrong.
        reason: String,
    },
    /// Nobody said where a script starts, and the database cannot be asked.
    #[error(
        "the script has to start somewhere, and the database does not say where it is ({reason}): name its revision with --from, or `--from base` for an empty one"
    )]
    NoStart {
        /// Why it does not.
        reason: String,
    },
    /// A stamp on a database without tables.
    #[error("the database is empty, so there is nothing to stamp: `sotto db upgrade` makes its tables")]
    NothingToStamp,
    /// The database cannot be opened or does not answer.
    #[error("the database {database} cannot be used: {reason}")]
    Database {
        /// Which database, without its password.
        database: String,
        /// What the engine says.
        reason: String,
    },
}

/// What a downgrade would delete; never empty in an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Losses(pub Vec<(Loss, u64)>);

/// What down files declare to destroy, and how much of it there is; `None` if it is not there: an earlier step down may
/// be about to make it.
pub type Counted = Vec<(Loss, Option<u64>)>;

impl Losses {
    /// What is there to lose.
    pub fn of(counted: &Counted) -> Self {
        let there = |(loss, count): &(Loss, Option<u64>)| Some((loss.clone(), count.filter(|count| *count > 0)?));
        Self(counted.iter().filter_map(there).collect())
    }

    /// Fails if there is something to lose and nobody has `allowed` it.
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
