//! Columns as domain values. What does not fit means that the file is damaged.

use jiff::civil::Date;
use rusqlite::types::Type;
use rusqlite::{Error, Row};
use sotto_domain::{Timestamp, Zone};
use uuid::Uuid;

/// A UUID from its 16 bytes.
pub fn uuid(row: &Row, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

/// An instant from its microseconds.
pub fn timestamp(row: &Row, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_micros(row.get(column)?).ok_or_else(|| damaged(column, "an instant out of range"))
}

/// A zone from its name.
pub fn zone(row: &Row, column: usize) -> rusqlite::Result<Zone> {
    let name = row.get_ref(column)?.as_str()?;
    Zone::named(name).ok_or_else(|| damaged(column, "not a time zone"))
}

/// A day from YYYY-MM-DD.
pub fn date(row: &Row, column: usize) -> rusqlite::Result<Date> {
    row.get_ref(column)?.as_str()?.parse().map_err(|_| damaged(column, "not a day"))
}

/// The error for a value that is not what it should be.
pub fn damaged(column: usize, what: &str) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, what.into())
}

/// Reads a number that is never negative; one that is counts as none.
pub fn count(row: &Row, index: usize) -> rusqlite::Result<u64> {
    row.get(index).map(|count: i64| count.try_into().unwrap_or(0))
}
