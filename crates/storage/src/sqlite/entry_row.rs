//! Selects and reads plain entries with their tags.

use rusqlite::{Connection, Params};
use sotto_domain::UserId;
use sotto_domain::entry::{Entry, PAGE_BYTES};

use super::entry_tags::TagReader;
use super::row::Columns;
use crate::rows::entry_without_tags;

/// The columns that [`read_all`] reads, in its order.
macro_rules! columns {
    () => {
        "entry.id, entry.title, entry.content, entry.audio_url, entry.entry_date, entry.entry_zone, entry.revision, \
         entry.created_at, entry.updated_at"
    };
}
pub(super) use columns;

/// Reads the entries that `sql` selects as `columns!()`, up to the one that brings the texts to [`PAGE_BYTES`]. Reads
/// their tags while the statement is still active, so that both come from the same snapshot.
pub fn read_all<P: Params>(
    connection: &Connection,
    sql: &str,
    parameters: P,
    user: UserId,
) -> rusqlite::Result<Vec<Entry>> {
    let (mut entries, mut bytes) = (Vec::new(), 0);
    let mut tags = TagReader::new(connection, user)?;
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    while bytes < PAGE_BYTES
        && let Some(row) = rows.next()?
    {
        let mut entry = entry_without_tags(&mut Columns::new(row), user)?;
        entry.tags = tags.read(entry.id)?;
        bytes += entry.body.content.len();
        entries.push(entry);
    }
    Ok(entries)
}
