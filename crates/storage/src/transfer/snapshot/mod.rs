//! Reads the rows of a database as of one moment, while others write.

mod postgres;
mod sqlite;

pub use postgres::session as postgres_session;
pub use sqlite::value_of as sqlite_value;

use std::path::PathBuf;

use tokio::runtime::Handle;

use super::error::{Result, TransferError};
use super::layout::{Layout, Table};
use super::manifest::{RowDigest, Sum};
use super::progress::Meter;
use super::value::{Row, write_line};
use crate::DatabaseUrl;
use crate::migrate::source::{Migration, Source};
use crate::migrate::{Applied, Migrator, State};
use crate::schema;

/// Reads the rows of one moment. Used on one blocking thread.
pub trait Snapshot {
    /// The versions of the applied migrations, ascending.
    fn versions(&mut self) -> Result<Vec<u32>>;
    /// The number of rows of a table.
    fn count(&mut self, table: &Table) -> Result<u64>;
    /// Calls `each` with the rows of a table, in the order of its primary key.
    fn rows(&mut self, table: &Table, each: &mut dyn FnMut(Row) -> Result<()>) -> Result<()>;
}

/// A database whose tables are those of its revision.
pub struct Opened {
    pub snapshot: Box<dyn Snapshot>,
    pub revision: Applied,
    pub layout: Layout,
}

/// The known migrations of both engines.
#[derive(Debug, Clone, Default)]
pub struct Migrations {
    /// For developers and tests: a folder with the folders `sqlite` and `postgres`, instead of the built-in migrations.
    pub folder: Option<PathBuf>,
}

impl Migrations {
    /// The migrator for a database.
    ///
    /// # Errors
    /// If the files break the rules for migrations.
    pub fn migrator(&self, url: &DatabaseUrl) -> Result<Migrator> {
        Ok(match &self.folder {
            Some(folder) => Migrator::with_directory(url, folder)?,
            None => Migrator::new(url)?,
        })
    }

    /// The layout of a revision, which is the same on both engines.
    fn layout(&self, version: u32) -> Result<Layout> {
        Layout::after_migrations(&self.source()?, version as usize)
    }

    /// The layout of a revision by name; for an unknown revision, a clause about the known ones.
    pub fn layout_of(&self, revision: &str) -> Result<std::result::Result<Layout, String>> {
        let source = self.source()?;
        let known = source.migrations();
        if let Some(place) = known.iter().position(|one| one.revision() == revision) {
            return Layout::after_migrations(&source, place + 1).map(Ok);
        }
        let newest = known.last().map_or_else(|| "none".into(), Migration::revision);
        Ok(Err(format!("the newest that it knows is {newest}")))
    }

    /// An in-memory SQLite database with the schema of a known revision.
    pub fn in_memory(&self, revision: &str) -> Result<rusqlite::Connection> {
        let source = self.source()?;
        let count = source.migrations().iter().take_while(|one| one.revision() != revision).count() + 1;
        Ok(schema::database_in_memory(&source.migrations()[..count.min(source.migrations().len())])?)
    }

    /// Layouts are computed from SQLite's files, because those can run in memory.
    fn source(&self) -> Result<Source> {
        let sqlite = DatabaseUrl::Sqlite(PathBuf::new());
        Ok(match &self.folder {
            Some(folder) => Source::directory(&sqlite, folder)?,
            None => Source::embedded(&sqlite)?,
        })
    }

    /// Opens a database with a known schema for reading.
    pub fn open(&self, url: &DatabaseUrl, runtime: &Handle) -> Result<Opened> {
        let migrator = self.migrator(url)?;
        let revision = runtime.block_on(self.revision(url, &migrator))?;
        let layout = self.layout(revision.version)?;
        let mut snapshot = snapshot(url, &layout, runtime)?;
        // The schema is read separately from the snapshot: a migration in between would show here.
        let found = runtime.block_on(schema::read(url))?;
        let now = runtime.block_on(migrator.current())?.map(|applied| applied.version);
        if now != Some(revision.version) || snapshot.versions()?.last() != Some(&revision.version) {
            return Err(TransferError::database(url, "is being migrated: try again when that is done"));
        }
        let differences = layout.differences(found);
        if !differences.is_empty() {
            return Err(TransferError::Refused(format!(
                "the tables of {url} are not those of its revision {}, so it cannot be transferred completely: {}. \
                 Remove what is not Sotto's, and restore what is missing",
                revision.revision(),
                differences.join("; ")
            )));
        }
        Ok(Opened { snapshot, revision, layout })
    }

    async fn revision(&self, url: &DatabaseUrl, migrator: &Migrator) -> Result<Applied> {
        let current = migrator.current().await?;
        match (migrator.state_of_tables().await?, current) {
            (State::Head | State::Behind { .. }, Some(revision)) => Ok(revision),
            (State::Unfinished { .. }, Some(revision)) => Err(super::unfinished::unfinished(url, &revision)),
            (state @ State::Ahead { .. }, _) => Err(TransferError::Refused(state.to_string())),
            (_, _) => Err(TransferError::database(url, "is being migrated: try again when that is done")),
        }
    }
}

/// Opens a database whose tables are those of `layout`.
pub fn snapshot(url: &DatabaseUrl, layout: &Layout, runtime: &Handle) -> Result<Box<dyn Snapshot>> {
    Ok(match url {
        DatabaseUrl::Sqlite(path) => Box::new(sqlite::SqliteSnapshot::open(path)?),
        DatabaseUrl::Postgres(_) => Box::new(postgres::PostgresSnapshot::open(url, layout, runtime)?),
    })
}

/// The sum of the rows of each table.
pub fn sums(snapshot: &mut dyn Snapshot, layout: &Layout, meter: &mut Meter<'_>) -> Result<Vec<Sum>> {
    let mut line = Vec::new();
    let mut sum = |table: &Table| {
        let mut digest = RowDigest::default();
        snapshot.rows(table, &mut |row| {
            line.clear();
            write_line(&row, &mut line).map_err(TransferError::Refused)?;
            digest.add(&line);
            meter.row(&table.name)
        })?;
        meter.report(&table.name)?;
        Ok(digest.sum())
    };
    layout.tables.iter().map(&mut sum).collect()
}
