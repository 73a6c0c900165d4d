//! Checks that the rows and the file of a database are intact. This is the part of `sotto db check --rows` that goes
//! beyond the schema.
//!
//! All checks only read: on SQLite with a separate connection that cannot write, on PostgreSQL in read-only
//! transactions with a time limit for each statement, so that a running server is not blocked. [`reindex`] is the
//! exception: it rebuilds the full-text index.

mod foreign_keys;
mod postgres;
mod recordings;
mod search;
mod sqlite;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::DatabaseUrl;
use crate::schema::{Check, SchemaError};

pub(crate) use foreign_keys::{Orphans, orphans};
pub use recordings::check_recordings;
pub(crate) use search::SearchIndexFaults;

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Integrity {
    /// The faults that were found.
    pub findings: Vec<Finding>,
    /// What was not checked and why, a sentence each.
    pub notes: Vec<String>,
}

/// A fault in the rows or in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The kind of fault.
    pub kind: FindingKind,
    /// The table; empty for a fault of the whole database.
    pub table: String,
    /// The constraint, index or object; empty for a fault of the whole table.
    pub name: String,
    /// The expected state, as a clause.
    pub expected: String,
    /// The actual state. Contains no data of users.
    pub found: String,
    /// The statements or the command that repair the fault; empty if only a backup helps.
    pub mend: Vec<String>,
    /// The data that the repair deletes, as a clause. Operators run such statements themselves.
    pub loses: Option<String>,
}

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// Pages, rows or indexes that cannot be read or that contradict each other.
    Damage,
    /// Rows that refer to a row that does not exist.
    ForeignKey,
    /// Rows that a check constraint should have rejected.
    Check,
    /// Rows that are equal where a key should have rejected that.
    Duplicate,
    /// The full-text index differs from the entries.
    SearchIndex,
    /// An index was built with another version of the collation.
    Collation,
    /// A recording that a row names is missing or differs from the row.
    Recording,
    /// The check could not read all of the data, so faults may remain undetected.
    Unchecked,
}

/// Why the rows could not be checked or the index not rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum IntegrityError {
    /// The database cannot be opened or does not respond.
    #[error("the rows of {database} cannot be checked: {reason}")]
    Unreadable {
        /// The address of the database, without the password.
        database: String,
        /// The engine's message.
        reason: String,
    },
    /// The schema cannot be read.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The full-text index does not exist.
    #[error("there is no {0}: `sotto db check --sql` prints the statement that makes it")]
    NoIndex(&'static str),
    /// The full-text index is still wrong after the rebuild.
    #[error("the full-text index was rebuilt, and is still not what it should be: {0}")]
    StillWrong(String),
}

impl Integrity {
    /// Whether everything was checked and no fault was found.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Adds the result of another check.
    pub fn extend(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.notes.extend(other.notes);
    }

    fn add(&mut self, kind: FindingKind, table: &str, name: &str) -> &mut Finding {
        self.findings.push(Finding {
            kind,
            table: table.to_owned(),
            name: name.to_owned(),
            expected: String::new(),
            found: String::new(),
            mend: Vec::new(),
            loses: None,
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// Adds a finding if rows violate a check constraint.
    fn add_broken_check(&mut self, table: &str, check: &Check, broken: u64) {
        if broken > 0 {
            self.add(FindingKind::Check, table, &check.name)
                .differs(check.definition.clone(), format!("{} that break it", rows(broken)));
        }
    }
}

impl Finding {
    fn differs(&mut self, expected: impl Into<String>, found: impl Into<String>) -> &mut Self {
        self.expected = expected.into();
        self.found = found.into();
        self
    }

    fn mended_by(&mut self, statement: impl Into<String>) -> &mut Self {
        self.mend.push(statement.into());
        self
    }

    fn losing(&mut self, what: impl Into<String>) -> &mut Self {
        self.loses = Some(what.into());
        self
    }
}

/// Checks the rows and the file of the database at `url`: that they are readable, that all constraints hold, and that
/// the full-text index agrees with the entries. Changes nothing.
///
/// # Errors
/// If the database cannot be opened. Damage is a finding, not an error.
pub async fn check(url: &DatabaseUrl) -> Result<Integrity, IntegrityError> {
    match url {
        DatabaseUrl::Sqlite(path) => {
            let path = path.clone();
            blocking(url, move || sqlite::check(&path)).await
        }
        DatabaseUrl::Postgres(_) => postgres::check(url).await,
    }
}

/// Rebuilds the full-text index, verifies it, and returns the number of entries in it. Other connections can read and
/// write during the rebuild; on SQLite, searches find only some of the entries until it is complete.
///
/// # Errors
/// If the database cannot be opened or written to, or if the index does not exist or is still wrong after the rebuild.
pub async fn reindex(url: &DatabaseUrl) -> Result<u64, IntegrityError> {
    match url {
        DatabaseUrl::Sqlite(path) => {
            let path = path.clone();
            blocking(url, move || search::rebuild(&path)).await?
        }
        DatabaseUrl::Postgres(_) => postgres::reindex(url).await,
    }
}

async fn blocking<T: Send + 'static>(
    url: &DatabaseUrl,
    work: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, IntegrityError> {
    let unreadable = |reason: String| IntegrityError::Unreadable { database: url.to_string(), reason };
    let done = tokio::task::spawn_blocking(work).await.map_err(|stopped| unreadable(stopped.to_string()))?;
    done.map_err(|error| unreadable(error.to_string()))
}

impl fmt::Display for Finding {
    /// `foreign key fk_tags_user of tags: expected …, found …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        if !self.table.is_empty() {
            write!(f, " of {}", self.table)?;
        }
        write!(f, ": expected {}, found {}", self.expected, self.found)
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Damage => "damage",
            Self::ForeignKey => "foreign key",
            Self::Check => "check",
            Self::Duplicate => "duplicates",
            Self::SearchIndex => "search index",
            Self::Collation => "collation",
            Self::Recording => "recording",
            Self::Unchecked => "unchecked",
        })
    }
}

/// `1 row`, `2 rows`
fn rows(count: u64) -> String {
    format!("{count} row{}", if count == 1 { "" } else { "s" })
}

/// Quotes an SQL identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
