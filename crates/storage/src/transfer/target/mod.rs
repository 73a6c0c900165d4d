//! Databases that rows are written to: empty ones, and those with an unfinished part of the same restore or copy.

mod indexes;
mod postgres;
mod search;
mod sessions;
mod sqlite;

use tokio::runtime::Handle;

use super::error::{Result, TransferError};
use super::layout::{Layout, Table};
use super::snapshot::{Migrations, Snapshot, snapshot};
use super::unfinished::UnfinishedMark;
use super::value::Row;
use crate::DatabaseUrl;
use crate::schema;

/// Stores rows. Stored rows are durable, and the database is marked as unfinished until [`Target::finish`]. Also after
/// a failure, the stored rows are always the first ones of the whole.
pub trait Target {
    /// The key of the last stored row of a table.
    fn last_key(&mut self, table: &Table) -> Result<Option<Row>>;
    /// Stores, or starts to store, rows that follow the last one: all or none of them. Later failures are returned by a
    /// later call.
    fn store(&mut self, table: &Table, rows: Vec<Row>) -> Result<()>;
    /// Reads the stored rows.
    fn snapshot(&mut self) -> Result<Box<dyn Snapshot>>;
    /// Removes the mark, so that others can use the database.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// What to write, and how.
pub struct Plan<'p> {
    pub migrations: &'p Migrations,
    /// The revision of the rows.
    pub revision: &'p str,
    pub layout: &'p Layout,
    pub mark: UnfinishedMark,
    /// Whether to delete the rows of an unfinished run.
    pub restart: bool,
    pub runtime: &'p Handle,
}

/// Prepares a database for rows: empty, at the revision and marked as unfinished, or with an unfinished part of the
/// same run.
///
/// # Errors
/// If the database contains rows, belongs to another program, is in use, or cannot be written.
pub fn open(url: &DatabaseUrl, plan: &Plan<'_>) -> Result<Box<dyn Target>> {
    Ok(match url {
        DatabaseUrl::Sqlite(path) => Box::new(sqlite::SqliteTarget::open(path, plan)?),
        DatabaseUrl::Postgres(_) => Box::new(postgres::PostgresTarget::open(url, plan)?),
    })
}

/// The refusal of a database that a server uses.
fn in_use(url: &DatabaseUrl, by: &str) -> TransferError {
    TransferError::Refused(format!("{url} is in use by {by}: stop it first"))
}

/// Refuses a database with rows. Empty tables, as after the first start of a server, are accepted.
fn refuse_used(url: &DatabaseUrl, plan: &Plan<'_>) -> Result<()> {
    if plan.runtime.block_on(plan.migrations.migrator(url)?.current())?.is_none() {
        return Ok(());
    }
    let layout = Layout::from_schema(plan.runtime.block_on(schema::read(url))?)?;
    let mut snapshot = snapshot(url, &layout, plan.runtime)?;
    for table in &layout.tables {
        let rows = snapshot.count(table)?;
        if rows > 0 {
            let unit = if rows == 1 { "row" } else { "rows" };
            return Err(TransferError::Refused(format!(
                "the database {url} is not empty ({rows} {unit} of {}): a {} needs an empty database, and this one was \
                 not changed",
                table.name, plan.mark.purpose
            )));
        }
    }
    Ok(())
}
