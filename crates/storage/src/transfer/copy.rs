//! Copies the rows of one database to another, of either engine.

use tokio::runtime::Handle;

use super::batches::{BatchWriter, compare};
use super::error::{Result, TransferError};
use super::manifest::{RowDigest, Sum};
use super::on_a_thread;
use super::progress::Observer;
use super::snapshot::Migrations;
use super::target::{self, Plan};
use super::unfinished::UnfinishedMark;
use super::value::write_line;
use super::verify::check_as_server;
use crate::DatabaseUrl;

/// The result of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The revision of both databases.
    pub revision: String,
    /// The tables, each with the sum of its rows, which is the same on both sides.
    pub tables: Vec<(String, Sum)>,
}

/// Copies the present rows of `from` to `to`, which is empty or contains an unfinished part of the same copy. Reads the
/// written rows back and compares them.
///
/// # Errors
/// If a database cannot be read or written, or `to` is in use. [`TransferError::Unequal`] if a copy was continued and
/// `from` has changed since its start.
pub async fn copy(
    from: &DatabaseUrl,
    to: &DatabaseUrl,
    restart: bool,
    migrations: &Migrations,
    observer: &Observer,
) -> Result<Copied> {
    let (from, to, migrations, observer) = (from.clone(), to.clone(), migrations.clone(), observer.clone());
    on_a_thread(move |runtime| carry_out(&from, &to, restart, &migrations, &observer, runtime)).await
}

fn carry_out(
    from: &DatabaseUrl,
    to: &DatabaseUrl,
    restart: bool,
    migrations: &Migrations,
    observer: &Observer,
    runtime: &Handle,
) -> Result<Copied> {
    let identity = identity(from);
    if identity == self::identity(to) {
        return Err(TransferError::Refused(format!("{from} and {to} are the same database")));
    }
    let mut source = migrations.open(from, runtime)?;
    let revision = source.revision.revision();
    let layout = source.layout;
    let identity = format!("{identity} at {revision}");
    let mark = UnfinishedMark { purpose: "copy", identity, source: from.to_string() };
    let plan = Plan { migrations, revision: &revision, layout: &layout, mark, restart, runtime };
    let mut target = target::open(to, &plan)?;

    let mut total = 0;
    for table in &layout.tables {
        total += source.snapshot.count(table)?;
    }
    let mut writer = BatchWriter::new(target.as_mut(), observer, Some(total));
    let (mut sums, mut line) = (Vec::new(), Vec::new());
    for table in &layout.tables {
        let mut digest = RowDigest::default();
        source.snapshot.rows(table, &mut |row| {
            line.clear();
            write_line(&row, &mut line).map_err(TransferError::Refused)?;
            digest.add(&line);
            writer.row(table, row, line.len())
        })?;
        sums.push(digest.sum());
    }
    writer.flush()?;
    let advice = format!(
        "{from} has changed since this copy started: stop the server that uses it, and copy again with --restart"
    );
    compare(target.as_mut(), &layout, &sums, observer, &advice)?;
    target.finish()?;
    check_as_server(to, &layout, &sums, runtime)?;
    let names = layout.tables.into_iter().map(|table| table.name);
    Ok(Copied { revision, tables: names.zip(sums).collect() })
}

/// Identifies the database: two spellings of a file's path are the same database.
fn identity(url: &DatabaseUrl) -> String {
    match url {
        DatabaseUrl::Sqlite(path) => {
            DatabaseUrl::Sqlite(path.canonicalize().unwrap_or_else(|_| path.clone())).to_string()
        }
        DatabaseUrl::Postgres(_) => url.to_string(),
    }
}
