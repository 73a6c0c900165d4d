//! The rows of a database as they are at one moment, whatever is written meanwhile.

mod postgres;
mod sqlite;

pub use postgres::session as postgres_session;
pub use sqlite::value_of as sqlite_value;

use std::path::PathBuf;

use tokio::runtime::Handle;

use super::error::{Result, TransferError};
use super::layout::{Layout, Table};
use super::manifest::{RowDigest, Sum};
use super::value::{Row, write_line};
use super::watch::Meter;
use crate::DatabaseUrl;
use crate::migrate::source::{Migration, Source};
use crate::migrate::{Applied, Migrator, State};
use crate::schema;

/// Gives the rows of one moment. It is used on one thread that may block.
pub trait Snapshot {
    /// The numbers of the revisions that the database has been brought to, ascending.
    fn versions(&mut self) -> Result<Vec<u32>>;
    /// How many rows a table has.
    fn count(&mut self, table: &Table) -> Result<u64>;
    /// Hands over the rows of a table, in the order of its primary key.
    fn rows(&mut self, table: &Table, each: &mut dyn FnMut(Row) -> Result<()>) -> Result<()>;
}

/// A database whose tables are known to be those of its revision.
pub struct Opened {
    pub snapshot: Box<dyn Snapshot>,
    pub revision: Applied,
    pub layout: Layout,
}

/// What a revision is made of, on either engine.
#[derive(Debug, Clone, Default)]
pub struct Migrations {
    /// For developers and tests: the folders `sqlite` and `postgres` of this one instead of what is built in.
    pub folder: Option<PathBuf>,
}

impl Migrations {
    /// For a database.
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
        Layout::after(&self.source()?, version as usize)
    }

    /// The layout of the revision of this name; a clause about what is known if it is not.
    pub fn layout_of(&self, revision: &str) -> Result<std::result::Result<Layout, String>> {
        let source = self.source()?;
        let known = source.migrations();
        if let Some(place) = known.iter().position(|one| one.revision() == revision) {
            return Layout::after(&source, place + 1).map(Ok);
        }
        let newest = known.last().map_or_else(|| "none".into(), Migration::revision);
        Ok(Err(format!("the newest that it knows is {newest}")))
    }

    /// The layout comes from SQLite's files, because those can be run in memory.
    fn source(&self) -> Result<Source> {
        let sqlite = DatabaseUrl::Sqlite(PathBuf::new());
        Ok(match &self.folder {
            Some(folder) => Source::directory(&sqlite, folder)?,
            None => Source::embedded(&sqlite)?,
        })
    }

    /// Opens a database that has a schema which this program knows, for reading.
    pub fn open(&self, url: &DatabaseUrl, runtime: &Handle) -> Result<Opened> {
        let migrator = self.migrator(url)?;
        let revision = runtime.block_on(self.revision(url, &migrator))?;
        let layout = self.layout(revision.version)?;
        let mut snapshot = snapshot(url, &layout, runtime)?;
        // The schema is read beside the snapshot: a migration that came between would show here.
        let found = runtime.block_on(schema::read(url))?;
        let now = runtime.block_on(migrator.current())?.map(|applied| applied.version);
        if now != Some(revision.version) || snapshot.versions()?.last() != Some(&revision.version) {
            return Err(TransferError::database(url, "is being migrated at this moment: try again when that is done"));
        }
        let differences = layout.differences(found);
        if !differences.is_empty() {
            return Err(TransferError::Refused(format!(
                "the tables of {url} are not those of its revision {}, so it cannot be carried over whole: {}. Move away \
                 what is not Sotto's, and restore what is missing",
                revision.revision(),
                differences.join("; ")
            )));
        }
        Ok(Opened { snapshot, revision, layout })
    }

    async fn revision(&self, url: &DatabaseUrl, migrator: &Migrator) -> Result<Applied> {
        let current = migrator.current().await?;
        match (migrator.state().await?, current) {
            (State::Head | State::Behind { .. }, Some(revision)) => Ok(revision),
            (State::Ahead { .. }, Some(revision)) if super::mark::is_mark(&revision) => {
                Err(super::mark::unfinished(url, &revision))
            }
            (state @ State::Ahead { .. }, _) => Err(TransferError::Refused(state.to_string())),
            (_, _) => Err(TransferError::Refused(format!("the database {url} is empty: there is nothing to read"))),
        }
    }
}

/// Opens a database whose tables are known to be those of `layout`.
pub fn snapshot(url: &DatabaseUrl, layout: &Layout, runtime: &Handle) -> Result<Box<dyn Snapshot>> {
    Ok(match url {
        DatabaseUrl::Sqlite(path) => Box::new(sqlite::SqliteSnapshot::open(path)?),
        DatabaseUrl::Postgres(_) => Box::new(postgres::PostgresSnapshot::open(url, layout, runtime)?),
    })
}

/// What the rows of each table add up to.
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
        meter.tell(&table.name)?;
        Ok(digest.sum())
    };
    layout.tables.iter().map(&mut sum).collect()
}
