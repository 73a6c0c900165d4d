//! Migrations: bringing the schema of a database to a revision, and back.
//!
//! A [`Migrator`] reads pairs of SQL files ([`source`]), works out the steps ([`plan`]) and runs them. It keeps what
//! it did in the table `schema_migrations`. A step is done wholly or not at all, also when the process is killed; of
//! several migrators at once, one works and the others wait for it. What would destroy data needs to be allowed.

mod before_loss;
mod error;
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
pub use rehearsal::{Lock, Locks, Rehearsal, RehearsedStep};
use source::Source;

/// Brings an empty or older database to the newest revision.
///
/// # Errors
/// As [`Migrator::upgrade`].
pub async fn upgrade(url: &DatabaseUrl) -> Result<Report> {
    Migrator::new(url)?.upgrade(&Target::Head).await
}

/// Brings one database from revision to revision.
#[derive(Debug, Clone)]
pub struct Migrator {
    url: DatabaseUrl,
    source: Source,
    patience: Duration,
    before_loss: Option<BeforeLoss>,
}

/// What a run has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The revisions whose files were run, in that order.
    pub steps: Vec<String>,
    /// The revision that the database was at, or `base`.
    pub from: String,
    /// The revision that the database is at, or `base`.
    pub to: String,
    /// A copy of the database as it was before.
    pub snapshot: Option<PathBuf>,
}

/// A revision and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Number and name.
    pub revision: String,
    /// When it was applied, if it is.
    pub applied_at: Option<Timestamp>,
    /// What going back from it destroys.
    pub loses: Vec<source::Loss>,
}

impl Migrator {
    /// How long a migrator waits for another one, unless it is told otherwise: 10 minutes.
    pub const PATIENCE: Duration = Duration::from_mins(10);

    /// With the migrations that are built into this program.
    ///
    /// # Errors
    /// If those break the rules of [`source`].
    pub fn new(url: &DatabaseUrl) -> Result<Self> {
        Ok(Self { url: url.clone(), source: Source::embedded(url)?, patience: Self::PATIENCE, before_loss: None })
    }

    /// With the migrations in the folders `sqlite` and `postgres` of `folder`, for developers and tests.
    ///
    /// # Errors
    /// If they cannot be read, or break the rules of [`source`].
    pub fn with_directory(url: &DatabaseUrl, folder: &Path) -> Result<Self> {
        Ok(Self {
            url: url.clone(),
            source: Source::directory(url, folder)?,
            patience: Self::PATIENCE,
            before_loss: None,
        })
    }

    /// The same, waiting so long for another migrator.
    #[must_use]
    pub fn waiting(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same, backing up a server's database before a downgrade destroys data. A database file is copied in any case.
    #[must_use]
    pub fn backing_up(self, before_loss: BeforeLoss) -> Self {
        Self { before_loss: Some(before_loss), ..self }
    }

    /// Goes up to `target`. A database file that holds a schema is copied first, to a file beside it; a server's
    /// database is not: `sotto backup` does that.
    ///
    /// # Errors
    /// If the target is unknown or below, if files and database contradict each other, if a step fails (which undoes
    /// it), or if another migrator does not finish in time.
    pub async fn upgrade(&self, target: &Target) -> Result<Report> {
        self.run(Order::Upgrade(target.clone())).await
    }

    /// Goes down to `target`. If data will be lost, a database file is copied first, and a server's database backed up if
    /// [`Self::backing_up`] says how.
    ///
    /// # Errors
    /// As [`Self::upgrade`], and [`MigrateError::DataLoss`] if rows or values would be lost without `allow_data_loss`.
    pub async fn downgrade(&self, target: &Target, allow_data_loss: bool) -> Result<Report> {
        self.run(Order::Downgrade(target.clone(), allow_data_loss)).await
    }

    /// Records the database to be at `target`, with the files as they are now, and runs nothing.
    ///
    /// # Errors
    /// If the target is unknown, or the database is empty.
    pub async fn stamp(&self, target: &Target) -> Result<Report> {
        self.run(Order::Stamp(target.clone())).await
    }

    /// The newest revision that the database has; `None` at base.
    ///
    /// # Errors
    /// If the database cannot be read or is another program's.
    pub async fn current(&self) -> Result<Option<Applied>> {
        Ok(self.applied().await?.pop())
    }

    /// Every revision that this program or the database knows, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read or is another program's.
    pub async fn history(&self) -> Result<Vec<Revision>> {
        let applied = self.applied().await?;
        let known = self.source.migrations();
        let shipped = known.iter().map(|one| Revision {
            revision: one.revision(),
            applied_at: applied
                .iter()
                .find(|row| row.version == one.version && row.name == one.name)
                .map(|row| row.applied_at),
            loses: one.loses.clone(),
        });
        let unknown = applied
            .iter()
            .filter(|row| !known.iter().any(|one| row.version == one.version && row.name == one.name))
            .map(|row| Revision { revision: row.revision(), applied_at: Some(row.applied_at), loses: Vec::new() });
        Ok(shipped.chain(unknown).collect())
    }

    /// How the database stands to this program. A server starts on [`State::Head`] only.
    ///
    /// # Errors
    /// If the database cannot be read, is another program's, or contradicts the files.
    pub async fn state(&self) -> Result<State> {
        plan::state(&self.source, &self.applied().await?)
    }

    /// The migrations that the database has, oldest first.
    ///
    /// # Errors
    /// As [`Self::state`], and [`MigrateError::Ahead`] if one of them is unknown.
    pub(crate) async fn done(&self) -> Result<Vec<source::Migration>> {
        let at = plan::position(&self.source, &self.applied().await?)?;
        Ok(self.source.migrations()[..at].to_vec())
    }

    async fn applied(&self) -> Result<Vec<Applied>> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let path = path.clone();
                self.blocking(move || sqlite::read(&path)).await
            }
            DatabaseUrl::Postgres(_) => postgres::read(&self.url).await,
        }
    }

    async fn run(&self, order: Order) -> Result<Report> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let (path, source, patience) = (path.clone(), self.source.clone(), self.patience);
                self.blocking(move || sqlite::run(&path, &source, &order, patience)).await
            }
            DatabaseUrl::Postgres(_) => {
                postgres::run(&self.url, &self.source, &order, self.patience, self.before_loss.as_ref()).await
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

/// What an executor is told to do.
enum Order {
    Upgrade(Target),
    Downgrade(Target, bool),
    Stamp(Target),
}
