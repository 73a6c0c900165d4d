//! Copies the rows of one database to another, of the same engine or the other.

use tokio::runtime::Handle;

use super::error::{Result, TransferError};
use super::fill::{Filler, compare};
use super::manifest::{RowDigest, Sum};
use super::mark::Mark;
use super::on_a_thread;
use super::snapshot::Migrations;
use super::target::{self, Plan};
use super::value::write_line;
use super::watch::Watch;
use crate::DatabaseUrl;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The revision of both.
    pub revision: String,
    /// Each table, and what its rows add up to on both sides.
    pub tables: Vec<(String, Sum)>,
}

/// Copies what `from` holds at this moment to `to`, which is empty, or in which the same copy was begun before. What was
/// written is read back and compared.
///
/// # Errors
/// If one of them cannot be read or written, or `to` is in use. [`TransferError::Unequal`] if a copy was continued, and
/// `from` has changed since it was begun.
pub async fn copy(
    from: &DatabaseUrl,
    to: &DatabaseUrl,
    restart: bool,
    migrations: &Migrations,
    watch: &Watch,
) -> Result<Copied> {
    let (from, to, migrations, watch) = (from.clone(), to.clone(), migrations.clone(), watch.clone());
    on_a_thread(move |runtime| carry_out(&from, &to, restart, &migrations, &watch, runtime)).await
}

fn carry_out(
    from: &DatabaseUrl,
    to: &DatabaseUrl,
    restart: bool,
    migrations: &Migrations,
    watch: &Watch,
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
    let mark = Mark { purpose: "copy", identity, source: from.to_string() };
    let plan = Plan { migrations, revision: &revision, layout: &layout, mark, restart, runtime };
    let mut target = target::open(to, &plan)?;

    let mut total = 0;
    for table in &layout.tables {
        total += source.snapshot.count(table)?;
    }
    let mut filler = Filler::new(target.as_mut(), watch, Some(total));
    let (mut sums, mut line) = (Vec::new(), Vec::new());
    for table in &layout.tables {
        let mut digest = RowDigest::default();
        source.snapshot.rows(table, &mut |row| {
            line.clear();
            write_line(&row, &mut line).map_err(TransferError::Refused)?;
            digest.add(&line);
            filler.row(table, row, line.len())
        })?;
        sums.push(digest.sum());
    }
    filler.flush()?;
    let advice = format!(
        "{from} has changed since this copy was begun: stop the server that uses it, and copy again with --restart"
    );
    compare(target.as_mut(), &layout, &sums, watch, &advice)?;
    target.finish()?;
    let names = layout.tables.into_iter().map(|table| table.name);
    Ok(Copied { revision, tables: names.zip(sums).collect() })
}

/// Two spellings of a file's path are one database.
fn identity(url: &DatabaseUrl) -> String {
    match url {
        DatabaseUrl::Sqlite(path) => {
            DatabaseUrl::Sqlite(path.canonicalize().unwrap_or_else(|_| path.clone())).to_string()
        }
        DatabaseUrl::Postgres(_) => url.to_string(),
    }
}
