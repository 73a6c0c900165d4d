//! How an entry, with its tags, is selected and read.

use sotto_domain::entry::{Entry, EntryBody, PAGE_BYTES};
use sotto_domain::storage::Result;
use sotto_domain::tag::TagRef;
use sotto_domain::{EntryId, TagId, UserId};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::values::{count, instant, read, zone};

/// The tags of the entry `e` of the user `$1`, in order of their names' keys: a JSON array of `[id, name, color]`, or
/// NULL when there are none. It is worked out for the rows of a page only, after the limit.
macro_rules! tag_list {
    () => {
        r#"(SELECT json_agg(json_build_array(t.id, t.name, t.color) ORDER BY t.name_key COLLATE "C")
            FROM journal_entry_tags l JOIN tags t ON t.user_id = l.user_id AND t.id = l.tag_id
            WHERE l.user_id = $1 AND l.entry_id = e.id)"#
    };
}

/// The columns of the entry `e` without its tags.
macro_rules! body_columns {
    () => {
        "e.id, e.title, e.content, e.audio_url, e.entry_date, e.entry_zone, e.revision, e.created_at, e.updated_at"
    };
}

/// The columns of the entry `e` of the user `$1`.
macro_rules! columns {
    () => {
        concat!(
            $crate::postgres::entry_row::body_columns!(),
            ", ",
            $crate::postgres::entry_row::tag_list!(),
            " AS tags"
        )
    };
}

/// Of the entries that a statement gives newest first, those up to the one that makes the bytes in this column `PAGE_BYTES`. How
/// long a value is stands beside the pointer to it: those that are left out are not read.
macro_rules! page_of {
    ($column:literal, $($sql:tt)+) => {
        concat!(
            "SELECT * FROM (
                SELECT *, sum(octet_length(", $column, ")) OVER (ORDER BY entry_date DESC, id DESC ROWS UNBOUNDED PRECEDING)
                    - octet_length(", $column, ") AS bytes_before
                FROM (", $($sql)+, ") entries
            ) page WHERE bytes_before < 8388608 ORDER BY entry_date DESC, id DESC"
        )
    };
}
const _: () = assert!(PAGE_BYTES == 8_388_608, "it is a literal in `page_of`");

pub(super) use {body_columns, columns, page_of, tag_list};

/// Reads [`columns`].
pub fn entry(row: &Row, user: UserId) -> Result<Entry> {
    Ok(Entry { tags: tags(row, 9)?, ..untagged(row, user)? })
}

/// Reads [`body_columns`].
pub fn untagged(row: &Row, user: UserId) -> Result<Entry> {
    Ok(Entry {
        id: EntryId(read(row, 0)?),
        user_id: user,
        title: read(row, 1)?,
        content: read(row, 2)?,
        audio_url: read(row, 3)?,
        entry_date: instant(row, 4)?,
        entry_zone: zone(row, 5)?,
        tags: vec![],
        revision: count::<i32, _>(row, 6)?,
        created_at: instant(row, 7)?,
        updated_at: instant(row, 8)?,
    })
}

/// Reads [`tag_list`] from column number `index`.
pub fn tags(row: &Row, index: usize) -> Result<Vec<TagRef>> {
    let Some(Json(tags)) = read::<Option<Json<Vec<(Uuid, String, Option<String>)>>>>(row, index)? else {
        return Ok(vec![]);
    };
    Ok(tags.into_iter().map(|(id, name, color)| TagRef { id: TagId(id), name, color }).collect())
}

/// `entry` with the fields of `body`.
pub fn with_body(entry: Entry, body: EntryBody) -> Entry {
    let EntryBody { title, content, audio_url, entry_date, entry_zone } = body;
    Entry { title, content, audio_url, entry_date, entry_zone, ..entry }
}
