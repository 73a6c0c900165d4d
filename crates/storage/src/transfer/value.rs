//! The values of rows in a transfer, and their encoding in a backup.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::layout::{Column, Table, ValueKind};

/// A value. The values of a column sort as on the engines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Null,
    Uuid(Uuid),
    Text(String),
    /// A whole number, or an instant in microseconds since 1970-01-01T00:00:00Z.
    Integer(i64),
    Boolean(bool),
    /// A calendar day, `YYYY-MM-DD`.
    Day(String),
    Bytes(Vec<u8>),
}

/// A value for each column of the table.
pub type Row = Vec<Value>;

/// The longest line of a row in bytes: 16 MiB. It limits the memory that a reader needs. The longest entry, 1 MiB of
/// control characters, makes a line of 6 MiB.
pub const LONGEST_LINE: usize = 16 << 20;

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

/// Writes a row as one line: a JSON array with a line feed. The same row gives the same line on every engine.
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

/// Reads a line of [`write_line`].
///
/// # Errors
/// A clause, if the line is no row of the table.
pub fn read_line(line: &[u8], table: &Table) -> Result<Row, String> {
    let mut json = serde_json::Deserializer::from_slice(line);
    let row = RowOf(table).deserialize(&mut json).and_then(|row| json.end().map(|()| row));
    row.map_err(|error| error.to_string())
}

/// Deserializes values directly into their kinds: an intermediate JSON tree would double the time.
struct RowOf<'t>(&'t Table);

impl<'de> DeserializeSeed<'de> for RowOf<'_> {
    type Value = Row;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Row, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowOf<'_> {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of {}", self.0.name)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Row, A::Error> {
        let columns = &self.0.columns;
        let mut row = Vec::with_capacity(columns.len());
        while let Some(column) = columns.get(row.len()) {
            let Some(value) = values.next_element_seed(ValueOf(column))? else {
                let (found, wanted) = (row.len(), columns.len());
                return Err(A::Error::custom(format!("a row has {found} values instead of {wanted}")));
            };
            row.push(value);
        }
        match values.next_element::<IgnoredAny>()? {
            None => Ok(row),
            Some(_) => Err(A::Error::custom(format!("a row has more than {} values", columns.len()))),
        }
    }
}

/// A value of this column.
struct ValueOf<'c>(&'c Column);

impl ValueOf<'_> {
    fn wrong_type<E: Error>(&self) -> E {
        E::custom(format!("a value of {} is not of its kind", self.0.name))
    }
}

impl<'de> DeserializeSeed<'de> for ValueOf<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl Visitor<'_> for ValueOf<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of {}", self.0.name)
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Value, E> {
        if self.0.kind == ValueKind::Boolean { Ok(Value::Boolean(truth)) } else { Err(self.wrong_type()) }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        if self.0.kind == ValueKind::Integer { Ok(Value::Integer(number)) } else { Err(self.wrong_type()) }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => Err(self.wrong_type()),
        }
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        Err(self.wrong_type())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        let value = match self.0.kind {
            ValueKind::Text => Some(Value::Text(text.to_owned())),
            ValueKind::Day => Some(Value::Day(text.to_owned())),
            ValueKind::Uuid => text.parse().ok().map(Value::Uuid),
            ValueKind::Bytes => STANDARD.decode(text).ok().map(Value::Bytes),
            ValueKind::Integer | ValueKind::Boolean => None,
        };
        value.ok_or_else(|| self.wrong_type())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let kinds = [
            ValueKind::Uuid,
            ValueKind::Text,
            ValueKind::Integer,
            ValueKind::Boolean,
            ValueKind::Day,
            ValueKind::Bytes,
        ];
        let columns = kinds.map(|kind| Column { name: format!("{kind:?}"), kind }).to_vec();
        Table { name: "kinds".into(), columns, key: vec!["Uuid".into()] }
    }

    #[test]
    fn a_row_round_trips_as_a_line() {
        let full = vec![
            Value::Uuid(Uuid::from_u128(7)),
            Value::Text("\"a\"\n\u{1f30a}".into()),
            Value::Integer(i64::MIN),
            Value::Boolean(true),
            Value::Day("2026-01-22".into()),
            Value::Bytes(vec![0, 255]),
        ];
        for row in [full, vec![Value::Null; 6]] {
            let mut line = vec![];
            write_line(&row, &mut line).unwrap();
            assert_eq!(read_line(&line, &table()), Ok(row));
        }
    }

    #[test]
    fn invalid_lines_are_rejected() {
        for (line, reason) in [
            ("[null,null,null,null,null]", "5 values instead of 6"),
            ("[null,null,null,null,null,null,null]", "more than 6 values"),
            ("[null,null,null,null,null,null] 7", "trailing"),
            ("{}", "expected a row of kinds"),
            ("[7,null,null,null,null,null]", "a value of Uuid is not of its kind"),
            (r#"["x",null,null,null,null,null]"#, "a value of Uuid is not of its kind"),
            ("[null,true,null,null,null,null]", "a value of Text is not of its kind"),
            (r#"[null,null,"7",null,null,null]"#, "a value of Integer is not of its kind"),
            ("[null,null,7.5,null,null,null]", "a value of Integer is not of its kind"),
            ("[null,null,9223372036854775808,null,null,null]", "a value of Integer is not of its kind"),
            ("[null,null,null,1,null,null]", "a value of Boolean is not of its kind"),
            ("[null,null,null,null,[],null]", "expected a value of Day"),
            (r#"[null,null,null,null,null,"?"]"#, "a value of Bytes is not of its kind"),
        ] {
            let refused = read_line(line.as_bytes(), &table()).unwrap_err();
            assert!(refused.contains(reason), "{line}: {refused}");
        }
    }
}
