//! Selects and reads an entry with its tags.

use sotto_domain::entry::{Entry, PAGE_BYTES};
use sotto_domain::storage::Result;
use sotto_domain::tag::TagRef;
use sotto_domain::{TagId, UserId};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::row::Columns;
use super::values::read;
use crate::rows::entry_without_tags;

/// The tags of the entry `e` of the user `$1`, ordered by the keys of their names: a JSON array of `[id, name, color]`,
/// or NULL if there are none. PostgreSQL computes it after the limit, so only for the rows of a page.
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

/// Of the entries that a statement returns newest first, selects those up to and including the entry that brings the
/// bytes in this column to `PAGE_BYTES`. PostgreSQL stores the length of a long value beside the pointer to it, so the
/// values of the other entries are not read.
macro_rules! page_of {
    ($column:literal, $($sql:tt)+) => {
        concat!(
            "SELECT * FROM (
                SELECT *, sum(octet_length(", $column, ")) OVER (ORDER BY entry_date DESC, id DESC ROWS UNBOUNDED PRECEDING)
                    - octet_length(", $column, ") AS bytes_before
                FROM (", $($sql)+, ") entries
            ) page WHERE bytes_before < 2097152 ORDER BY entry_date DESC, id DESC"
        )
    };
}
const _: () = assert!(PAGE_BYTES == 2_097_152, "it is a literal in `page_of`");

pub(super) use {body_columns, columns, page_of, tag_list};

/// Reads [`columns`].
pub fn entry(row: &Row, user: UserId) -> Result<Entry> {
    Ok(Entry { tags: tags(row, 9)?, ..untagged(row, user)? })
}

/// Reads [`body_columns`].
pub fn untagged(row: &Row, user: UserId) -> Result<Entry> {
    entry_without_tags(&mut Columns::starting_at(row, 0), user)
}

/// Reads [`tag_list`] from column number `index`.
pub fn tags(row: &Row, index: usize) -> Result<Vec<TagRef>> {
    let Some(Json(tags)) = read::<Option<Json<Vec<(Uuid, String, Option<String>)>>>>(row, index)? else {
        return Ok(vec![]);
    };
    Ok(tags.into_iter().map(|(id, name, color)| TagRef { id: TagId(id), name, color }).collect())
}
