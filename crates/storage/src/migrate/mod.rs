//! Migrations: upgrades and downgrades of a database's schema.
//!
//! A [`Migrator`] reads pairs of SQL files ([`source`]), computes the steps to a target ([`plan`]) and runs them. It
//! records applied migrations in the table `schema_migrations`. A step is applied completely or not at all, even if the
//! process is killed. If several migrators start at once, one works and the others wait. Destroying data requires
//! permission.

mod before_loss;
mod error;
mod inventory;
pub mod plan;
pub(crate) mod postgres;
mod rehearsal;
mod script;
pub mod source;
pub(crate) mod sql;
pub(crate) mod sqlite;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sotto_domain::Timestamp;

use crate::DatabaseUrl;
pub use before_loss::BeforeLoss;
pub use error::{Counted, Losses, MigrateError, Result};
pub use plan::{Applied, Direction, State, Target};
pub use rehearsal::{Cut, Lock, Locks, Rehearsal, RehearsedStep};
use source::Source;

/// Upgrades an empty or older database to the newest revision.
///
/// # Errors
/// As [`Migrator::upgrade`].
pub async fn upgrade(url: &DatabaseUrl) -> Result<Report> {
    Migrator::new(url)?.upgrade(&Target::Head).await
}

/// Copies and backups that migrations take: this many of the newest are kept, at any age.
pub const COPIES_KEPT: usize = 3;
/// Copies and backups younger than this many days are kept as well.
pub const COPIES_KEPT_DAYS: i64 = 30;

/// Migrates one database.
#[derive(Debug, Clone)]
pub struct Migrator {
    url: DatabaseUrl,
    source: Source,
    lock_timeout: Duration,
    before_loss: Option<BeforeLoss>,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The migrations that were run, in that order.
    pub steps: Vec<String>,
    /// The revision before the run, or `base`.
    pub from: String,
    /// The revision after the run, or `base`.
    pub to: String,
    /// A copy of the database before the run.
    pub snapshot: Option<PathBuf>,
    /// Older copies that were deleted because there are enough newer ones.
    pub deleted: Vec<PathBuf>,
}

/// A revision, and whether it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Number and name.
    pub revision: String,
    /// When it was applied; `None` if it is not.
    pub applied_at: Option<Timestamp>,
    /// Whether this program has its files.
    pub known: bool,
    /// What its down migration destroys.
    pub loses: Vec<source::Loss>,
}

impl Migrator {
    /// How long a migrator waits for another one by default: 10 minutes.
    pub const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_mins(10);

    /// Uses the built-in migrations.
    ///
    /// # Errors
    /// If those break the rules of [`source`].
    pub fn new(url: &DatabaseUrl) -> Result<Self> {
        Ok(Self {
            url: url.clone(),
            source: Source::embedded(url)?,
            lock_timeout: Self::DEFAULT_LOCK_TIMEOUT,
            before_loss: None,
        })
    }

    /// Uses the migrations in the folders `sqlite` and `postgres` of `folder`, for developers and tests.
    ///
    /// # Errors
    /// If they cannot be read, or break the rules of [`source`].
    pub fn with_directory(url: &DatabaseUrl, folder: &Path) -> Result<Self> {
        Ok(Self {
            url: url.clone(),
            source: Source::directory(url, folder)?,
            lock_timeout: Self::DEFAULT_LOCK_TIMEOUT,
            before_loss: None,
        })
    }

    /// Sets how long to wait for another migrator.
    #[must_use]
    pub fn with_lock_timeout(self, lock_timeout: Duration) -> Self {
        Self { lock_timeout, ..self }
    }

    /// Sets the backup that is taken before a downgrade destroys data on a server. A SQLite file is copied in any case.
    #[must_use]
    pub fn backing_up(self, before_loss: BeforeLoss) -> Self {
        Self { before_loss: Some(before_loss), ..self }
    }

    /// Upgrades to `target`. A SQLite file with a schema is first copied to a file next to it. A PostgreSQL database is
    /// not copied: use `sotto backup`.
    ///
    /// # Errors
    /// If the target is unknown or below, if files and database contradict each other, if a step fails (which undoes
    /// it), or if another migrator does not finish in time.
    pub async fn upgrade(&self, target: &Target) -> Result<Report> {
        self.run(Action::Upgrade(target.clone())).await
    }

    /// Downgrades to `target`. If data will be lost, a SQLite file is copied first, and a PostgreSQL database is backed
    /// up if [`Self::backing_up`] was called.
    ///
    /// # Errors
    /// As [`Self::upgrade`], [`MigrateError::InUse`] if a server uses the database, and [`MigrateError::DataLoss`] if
    /// rows or values would be lost without `allow_data_loss`.
    pub async fn downgrade(&self, target: &Target, allow_data_loss: bool) -> Result<Report> {
        self.run(Action::Downgrade(target.clone(), allow_data_loss)).await
    }

    /// Records the database as being at `target`, with the checksums of the present files, and runs no migration.
    ///
    /// # Errors
    /// If the target is unknown, or the database does not exist or is empty.
    pub async fn stamp(&self, target: &Target) -> Result<Report> {
        self.run(Action::Stamp(target.clone())).await
    }

    /// The newest applied revision; `None` at base, and if there is no database.
    ///
    /// # Errors
    /// If the database cannot be read or belongs to another program.
    pub async fn current(&self) -> Result<Option<Applied>> {
        Ok(self.applied().await?.and_then(|mut applied| applied.pop()))
    }

    /// Every revision that this program or the database knows, oldest first.
    ///
    /// # Errors
    /// If there is no database, if it cannot be read, or if it belongs to another program.
    pub async fn history(&self) -> Result<Vec<Revision>> {
        let applied = self.applied().await?.ok_or_else(|| MigrateError::missing(&self.url))?;
        let known = self.source.migrations();
        let shipped = known.iter().map(|one| Revision {
            revision: one.revision(),
            applied_at: applied
                .iter()
                .find(|row| row.version == one.version && row.name == one.name)
                .map(|row| row.applied_at),
            known: true,
            loses: one.loses.clone(),
        });
        let unknown = applied
            .iter()
            .filter(|row| !known.iter().any(|one| row.version == one.version && row.name == one.name))
            .map(|row| Revision {
                revision: row.revision(),
                applied_at: Some(row.applied_at),
                known: false,
                loses: Vec::new(),
            });
        Ok(shipped.chain(unknown).collect())
    }

    /// Compares the database with this program's migrations. A server starts on [`State::Head`] only.
    ///
    /// # Errors
    /// If the database cannot be read, belongs to another program, or contradicts the files.
    pub async fn state(&self) -> Result<State> {
        match self.applied().await? {
            Some(applied) => plan::state(&self.source, &applied),
            None => Ok(State::Missing),
        }
    }

    /// Like [`Self::state`], for a database that must have Sotto's tables.
    ///
    /// # Errors
    /// As [`Self::state`], and [`MigrateError::Missing`] or [`MigrateError::Empty`] if there are no tables.
    pub async fn state_of_tables(&self) -> Result<State> {
        self.state().await?.with_tables(&self.url)
    }

    /// The applied migrations, oldest first.
    ///
    /// # Errors
    /// As [`Self::state_of_tables`], and [`MigrateError::Ahead`] if one of them is unknown.
    pub(crate) async fn applied_migrations(&self) -> Result<Vec<source::Migration>> {
        let applied = self.applied().await?.ok_or_else(|| MigrateError::missing(&self.url))?;
        let at = plan::position(&self.source, &applied)?;
        if at == 0 {
            return Err(MigrateError::empty(&self.url));
        }
        Ok(self.source.migrations()[..at].to_vec())
    }

    /// The rows of `schema_migrations`, oldest first; `None` if there is no database.
    async fn applied(&self) -> Result<Option<Vec<Applied>>> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let path = path.clone();
                self.blocking(move || sqlite::read(&path)).await
            }
            DatabaseUrl::Postgres(_) => postgres::read(&self.url).await,
        }
    }

    async fn run(&self, order: Action) -> Result<Report> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let (path, source, lock_timeout) = (path.clone(), self.source.clone(), self.lock_timeout);
                self.blocking(move || sqlite::run(&path, &source, &order, lock_timeout)).await
            }
            DatabaseUrl::Postgres(_) => {
                postgres::run(&self.url, &self.source, &order, self.lock_timeout, self.before_loss.as_ref()).await
            }
        }
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| {
            Err(MigrateError::Database { database: self.url.to_string(), reason: error.to_string() })
        })
    }
}

/// What a run does.
enum Action {
    Upgrade(Target),
    Downgrade(Target, bool),
    Stamp(Target),
}
