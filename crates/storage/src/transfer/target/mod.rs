//! Databases that rows are written to: empty ones, and those in which the same was begun before.

mod postgres;
mod sqlite;

use tokio::runtime::Handle;

use super::error::{Result, TransferError};
use super::layout::{Layout, Table};
use super::mark::Mark;
use super::snapshot::{Migrations, Snapshot, snapshot};
use super::value::Row;
use crate::DatabaseUrl;
use crate::schema;

/// Stores rows. What was stored is durable, and marked as a part until [`Target::finish`].
pub trait Target {
    /// The key of the last row that a table has.
    fn last_key(&mut self, table: &Table) -> Result<Option<Row>>;
    /// Stores rows that come after the last one, all or none of them.
    fn store(&mut self, table: &Table, rows: &[Row]) -> Result<()>;
    /// What is stored.
    fn snapshot(&mut self) -> Result<Box<dyn Snapshot>>;
    /// Says that everything is there, and lets others use the database.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// What is to be written, and how.
pub struct Plan<'p> {
    pub migrations: &'p Migrations,
    /// The revision that the rows are of.
    pub revision: &'p str,
    pub layout: &'p Layout,
    pub mark: Mark,
    /// Whether to delete a part that was written before.
    pub restart: bool,
    pub runtime: &'p Handle,
}

/// Prepares a database for rows: empty, at the revision, marked; or as it was left by the same before.
///
/// # Errors
/// If it holds rows, is another program's, is in use, or does not allow writes.
pub fn open(url: &DatabaseUrl, plan: &Plan<'_>) -> Result<Box<dyn Target>> {
    Ok(match url {
        DatabaseUrl::Sqlite(path) => Box::new(sqlite::SqliteTarget::open(path, plan)?),
        DatabaseUrl::Postgres(_) => Box::new(postgres::PostgresTarget::open(url, plan)?),
    })
}

/// Refuses a database that holds rows. One that has only empty tables, as after the first start of a server, is empty.
fn refuse_used(url: &DatabaseUrl, plan: &Plan<'_>) -> Result<()> {
    if plan.runtime.block_on(plan.migrations.migrator(url)?.current())?.is_none() {
        return Ok(());
    }
    let layout = Layout::of(plan.runtime.block_on(schema::read(url))?)?;
    let mut snapshot = snapshot(url, &layout, plan.runtime)?;
    for table in &layout.tables {
        let rows = snapshot.count(table)?;
        if rows > 0 {
            let unit = if rows == 1 { "row" } else { "rows" };
            return Err(TransferError::Refused(format!(
                "the database {url} is not empty ({rows} {unit} of {}): a {} goes into an empty database only, and this one \
                 is left as it is",
                table.name, plan.mark.purpose
            )));
        }
    }
    Ok(())
}
