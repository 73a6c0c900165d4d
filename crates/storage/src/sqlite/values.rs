//! Converts columns into domain values. A value that does not fit is reported as damage.

use jiff::civil::Date;
use rusqlite::types::Type;
use rusqlite::{Error, Row};
use sotto_domain::Timestamp;
use uuid::Uuid;

/// Reads a UUID of 16 bytes.
pub fn uuid(row: &Row, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

/// Reads an instant in microseconds.
pub fn timestamp(row: &Row, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_micros(row.get(column)?).ok_or_else(|| damaged(column, "an instant out of range"))
}

/// Reads a day, YYYY-MM-DD.
pub fn date(row: &Row, column: usize) -> rusqlite::Result<Date> {
    row.get_ref(column)?.as_str()?.parse().map_err(|_| damaged(column, "not a day"))
}

/// The error for an invalid value.
pub fn damaged(column: usize, what: &str) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, what.into())
}

/// Reads a number that should not be negative. A negative one is read as zero.
pub fn count(row: &Row, index: usize) -> rusqlite::Result<u64> {
    row.get(index).map(|count: i64| count.try_into().unwrap_or(0))
}
