//! Checks whether a database has the schema that its migrations create, and whether it keeps the standards.

use super::repair::{Repair, repairs};
use super::scratch::{Sql, schema_after};
use super::standards::{self, Violation};
use super::{Difference, Engine, SchemaError, read};
use crate::DatabaseUrl;
use crate::migrate::source::Migration;
use crate::migrate::{MigrateError, Migrator};

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The revision of the database.
    pub revision: String,
    /// Differences from the schema that the migrations up to that revision create.
    pub differences: Vec<Difference>,
    /// Violations of the standards.
    pub violations: Vec<Violation>,
    /// Statements that repair the differences.
    pub repairs: Vec<Repair>,
}

/// Why a database could not be checked. No such error means that the database is clean.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// This program has no files for the revision of the database.
    #[error("this database cannot be checked: {0}")]
    Unknown(MigrateError),
    /// The database was migrated during the check.
    #[error("the database was migrated during the check: try again when the migration is done")]
    Moved,
    /// A migration error.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The actual or the expected schema could not be read.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl Report {
    /// Whether the check found nothing.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty() && self.violations.is_empty()
    }
}

/// Compares the database at `url` with the schema that the migrations of `migrator` create up to the database's
/// revision, and with the standards. Changes nothing.
///
/// # Errors
/// If the check is not possible: see [`CheckError`].
pub async fn check(url: &DatabaseUrl, migrator: &Migrator) -> Result<Report, CheckError> {
    let done = migrator.applied_migrations().await.map_err(|error| match error {
        MigrateError::Ahead { .. } => CheckError::Unknown(error),
        other => CheckError::Migrate(other),
    })?;
    let revision = done.last().map(Migration::revision).unwrap_or_default();
    let found = read(url).await?;
    if migrator.applied_migrations().await?.len() != done.len() {
        return Err(CheckError::Moved);
    }
    let expected = schema_after(url, done.iter().map(|one| Sql::from(&one.up)).collect()).await?;
    let engine = Engine::from(url);
    Ok(Report {
        revision,
        differences: expected.differences(&found),
        violations: standards::violations(&found, engine),
        repairs: repairs(engine, &expected, &found),
    })
}
