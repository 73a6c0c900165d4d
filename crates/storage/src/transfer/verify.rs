//! The last check of a filled database: opens it as its server will.

use tokio::runtime::Handle;

use super::error::{Result, TransferError};
use super::layout::Layout;
use super::manifest::Sum;
use super::snapshot::snapshot;
use crate::DatabaseUrl;
use crate::sqlite::connection::reader;
use crate::sqlite::health::StatementTimer;

/// Opens the database at its final place with a server's settings, and counts its rows. Every row has been compared
/// before, but under another name, or on the connection that wrote it.
///
/// # Errors
/// [`TransferError::Unequal`] if there are too few or too many rows; the engine's message if the database cannot be
/// used.
pub fn check_as_server(url: &DatabaseUrl, layout: &Layout, expected: &[Sum], runtime: &Handle) -> Result<()> {
    let opened = match url {
        // With a read-only connection, because a writer would leave its log here.
        DatabaseUrl::Sqlite(path) => reader(path, &StatementTimer::default()).map(drop),
        DatabaseUrl::Postgres(_) => runtime.block_on(async {
            let storage = url.open().await?;
            storage.close().await;
            Ok(())
        }),
    };
    opened.map_err(|error| {
        let sentence = format!("was written, but cannot be used: {error}. Check its disk, and try again elsewhere");
        TransferError::database(url, sentence)
    })?;
    let mut snapshot = snapshot(url, layout, runtime)?;
    for (table, sum) in layout.tables.iter().zip(expected) {
        let found = snapshot.count(table)?;
        if found != sum.rows {
            return Err(TransferError::Unequal(format!(
                "{url} has {found} rows of {} where {} were written: do not use it. Check its disk, and try again \
                 elsewhere",
                table.name, sum.rows
            )));
        }
    }
    Ok(())
}
