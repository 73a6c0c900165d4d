//! What a backup may claim. A backup may come from anyone, so everything in it is bounded before it is kept in memory,
//! printed, or used.

use sotto_domain::attachment::is_media_type;

use super::KEYS;
use crate::transfer::layout::{Layout, Table};
use crate::transfer::manifest::{Header, Manifest};
use crate::transfer::restore::KeyCheck;
use crate::transfer::value::{Row, Value};

/// The longest header in bytes: 1 MiB. That of the current schema has 10 KB.
pub const LONGEST_HEADER: u64 = 1 << 20;
/// The longest key file in bytes: 1 MiB, thousands of former keys.
pub const LONGEST_KEYS: u64 = 1 << 20;
/// The longest checksum of a manifest in bytes.
pub const LONGEST_SUM: u64 = 1 << 10;
/// What a manifest may have beside its lists.
const REST_OF_MANIFEST: u64 = 2 * LONGEST_HEADER;
/// What a manifest may have for each file or attachment beside its name: size, checksum, punctuation and white space.
const MANIFEST_ITEM: u64 = 512;
/// The most bytes of JSON for one byte of text.
const JSON_ESCAPE: u64 = 6;
/// Tables of a layout, and columns of a table.
const MOST_TABLES: usize = 500;
const MOST_COLUMNS: usize = 500;
/// The longest name of a table or a column in bytes, as in PostgreSQL.
const LONGEST_NAME: usize = 63;
/// The longest version, revision and time in bytes.
const LONGEST_FIELD: usize = 200;

/// The longest manifest in bytes, after these contents were read: in proportion to what it has to list.
pub fn longest_manifest(found: &Manifest) -> u64 {
    let files = found.tables.iter().flat_map(|table| &table.files).chain(&found.attachments).chain(&found.keys);
    let listed: u64 = files.map(|file| MANIFEST_ITEM + JSON_ESCAPE * file.name.len() as u64).sum();
    // It may also list attachments that rows name and that were deleted during the backup.
    let named = found.tables.iter().find(|table| table.name == "attachments").map_or(0, |table| table.sum.rows);
    REST_OF_MANIFEST + listed + named * MANIFEST_ITEM
}

/// Checks what the header says, before it is printed or used.
///
/// # Errors
/// A clause that names the limit.
pub fn check_header(header: &Header) -> Result<(), String> {
    let fields = [
        ("version", &header.sotto),
        ("engine", &header.engine),
        ("revision", &header.revision),
        ("time", &header.created_at),
    ];
    for (name, field) in fields {
        if field.len() > LONGEST_FIELD || field.chars().any(char::is_control) {
            return Err(format!("its {name} is not a line of at most {LONGEST_FIELD} bytes"));
        }
    }
    check_layout(&header.layout)
}

fn check_layout(layout: &Layout) -> Result<(), String> {
    if layout.tables.len() > MOST_TABLES {
        return Err(format!("it has {} tables, and at most {MOST_TABLES} are possible", layout.tables.len()));
    }
    for table in &layout.tables {
        check_name(&table.name)?;
        if table.columns.len().max(table.key.len()) > MOST_COLUMNS {
            return Err(format!("the table {} has more than {MOST_COLUMNS} columns", table.name));
        }
        table.columns.iter().map(|column| &column.name).chain(&table.key).try_for_each(|name| check_name(name))?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_plain) {
        Ok(())
    } else {
        Err(format!("a name of a table or a column is not one of 1 to {LONGEST_NAME} letters, digits and underscores"))
    }
}

/// Checks the name of a file, before it is printed.
///
/// # Errors
/// A clause.
pub fn check_file_name(name: &str) -> Result<(), String> {
    if name.chars().any(char::is_control) {
        return Err(format!("the name {name:?} has control characters"));
    }
    Ok(())
}

/// Checks values that a server would pass on to browsers without checking them again: the media type of a recording.
///
/// # Errors
/// A clause that names the value.
pub fn check_row(table: &Table, row: &Row) -> Result<(), String> {
    if table.name != "attachments" {
        return Ok(());
    }
    let place = table.columns.iter().position(|column| column.name == "media_type");
    match place.and_then(|place| row.get(place)) {
        Some(Value::Text(text)) if !is_media_type(text) => {
            let beginning: String = text.chars().take(100).collect();
            Err(format!("{beginning:?} is not the media type of a recording"))
        }
        _ => Ok(()),
    }
}

/// Checks the key file.
///
/// # Errors
/// A clause, without the keys.
pub fn check_keys(keys: &[u8], check: Option<KeyCheck>) -> Result<(), String> {
    let checked = check.map_or(Ok(()), |check| check(keys));
    checked.map_err(|reason| format!("the file {KEYS} has no keys of a server: {reason}"))
}
