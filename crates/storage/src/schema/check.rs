//! Whether a database is what its migrations make, and keeps the standards.

use super::scratch::{Sql, made_by};
use super::standards::{self, Violation};
use super::{Difference, Engine, SchemaError, read};
use crate::DatabaseUrl;
use crate::migrate::{MigrateError, Migrator};

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The revision that the database is at.
    pub revision: String,
    /// Where it is not what the migrations up to that revision make.
    pub differences: Vec<Difference>,
    /// Where it breaks the standards.
    pub violations: Vec<Violation>,
}

/// Why a database could not be checked. None of these says that it is clean.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Its revision has no files here.
    #[error("whether this database is as it should be is unknown: {0}")]
    Unknown(MigrateError),
    /// There is nothing to check.
    #[error("the database is empty, so there is nothing to check: `sotto db upgrade` makes its tables")]
    Empty,
    /// Somebody is at work on it.
    #[error("the database went to another revision while it was looked at: try again when the migration is done")]
    Moved,
    /// About the migrations.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// About reading either side.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl Report {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty() && self.violations.is_empty()
    }
}

/// Compares the database at `url` with what the migrations of `migrator` make up to the revision that it is at, and with
/// the standards. It changes nothing.
///
/// # Errors
/// If that cannot be told: see [`CheckError`].
pub async fn check(url: &DatabaseUrl, migrator: &Migrator) -> Result<Report, CheckError> {
    let done = migrator.done().await.map_err(|error| match error {
        MigrateError::Ahead { .. } => CheckError::Unknown(error),
        other => CheckError::Migrate(other),
    })?;
    let revision = done.last().ok_or(CheckError::Empty)?.revision();
    let found = read(url).await?;
    if migrator.done().await?.len() != done.len() {
        return Err(CheckError::Moved);
    }
    let expected = made_by(url, done.iter().map(|one| Sql::from(&one.up)).collect()).await?;
    let differences = expected.differences(&found);
    Ok(Report { revision, differences, violations: standards::violations(&found, Engine::from(url)) })
}
