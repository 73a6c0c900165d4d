//! Values on their way from one engine to another, and the one way to write each of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::layout::{Kind, Table};

/// A value. Two values of one column are in the order in which the engines sort them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// None.
    Null,
    /// A UUID.
    Uuid(Uuid),
    /// Text, possibly empty.
    Text(String),
    /// A whole number, or an instant in microseconds since 1970-01-01T00:00:00Z.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// A calendar day, `YYYY-MM-DD`.
    Day(String),
    /// Bytes, possibly none.
    Bytes(Vec<u8>),
}

/// A row: a value for each column of its table.
pub type Row = Vec<Value>;

/// The longest line that a row may be, in bytes. It bounds what a reader has to hold in memory.
pub const LONGEST_LINE: usize = 64 << 20;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Uuid(uuid) => serializer.collect_str(uuid),
            Self::Text(text) | Self::Day(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Boolean(truth) => serializer.serialize_bool(*truth),
            Self::Bytes(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
        }
    }
}

/// Writes a row as a line of JSON, an array, with its line feed. The same row is the same line on every engine.
///
/// # Errors
/// A clause, if the row is too long.
pub fn write_line(row: &Row, line: &mut Vec<u8>) -> Result<(), String> {
    let start = line.len();
    serde_json::to_writer(&mut *line, row).map_err(|error| error.to_string())?;
    line.push(b'\n');
    if line.len() - start > LONGEST_LINE {
        return Err(format!("a row is longer than {} MiB", LONGEST_LINE >> 20));
    }
    Ok(())
}

/// Reads what [`write_line`] has written.
///
/// # Errors
/// A clause, if the line is no row of the table.
pub fn read_line(line: &[u8], table: &Table) -> Result<Row, String> {
    let values: Vec<serde_json::Value> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if values.len() != table.columns.len() {
        return Err(format!("a row has {} values instead of {}", values.len(), table.columns.len()));
    }
    let values = values.into_iter().zip(&table.columns);
    let row = values.map(|(value, column)| {
        read_value(value, column.kind).ok_or_else(|| format!("a value of {} is not of its kind", column.name))
    });
    row.collect()
}

fn read_value(value: serde_json::Value, kind: Kind) -> Option<Value> {
    use serde_json::Value as Json;
    Some(match (value, kind) {
        (Json::Null, _) => Value::Null,
        (Json::String(text), Kind::Uuid) => Value::Uuid(text.parse().ok()?),
        (Json::String(text), Kind::Text) => Value::Text(text),
        (Json::String(text), Kind::Day) => Value::Day(text),
        (Json::String(text), Kind::Bytes) => Value::Bytes(STANDARD.decode(text).ok()?),
        (Json::Number(number), Kind::Integer) => Value::Integer(number.as_i64()?),
        (Json::Bool(truth), Kind::Boolean) => Value::Boolean(truth),
        _ => return None,
    })
}
