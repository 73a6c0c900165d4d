//! Which tables and columns a revision has, in the order in which rows can be carried over.
//!
//! A layout comes from the migrations themselves, run in memory, so that a table of a later migration is carried over
//! without a line of code here. It is the same for both engines.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::{Result, TransferError};
use crate::migrate::source::Source;
use crate::schema::{self, Schema};

/// The tables of a revision: a table comes after those that it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// The tables.
    pub tables: Vec<Table>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in the order of the values in a row.
    pub columns: Vec<Column>,
    /// The columns of its primary key; rows are in its order.
    pub key: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// What a column holds, and how a row shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A UUID: a string with hyphens, in lower case.
    Uuid,
    /// Text: a string.
    Text,
    /// A whole number of 64 bits, or an instant in microseconds since 1970-01-01T00:00:00Z: a number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A calendar day: a string, `YYYY-MM-DD`.
    Day,
    /// Bytes: a string in base64 (RFC 4648, section 4).
    Bytes,
}

impl Layout {
    /// The layout of the newest of the first `count` migrations of `source`, which are SQLite's.
    pub(super) fn after(source: &Source, count: usize) -> Result<Self> {
        let migrations = &source.migrations()[..count.min(source.migrations().len())];
        let schema = schema::in_memory(migrations).map_err(|error| TransferError::Refused(error.to_string()))?;
        Self::of(schema)
    }

    /// The layout of a schema.
    pub(super) fn of(schema: Schema) -> Result<Self> {
        let schema = schema.neutral();
        let mut tables = Vec::new();
        for name in in_foreign_key_order(&schema)? {
            let cannot = |what: String| TransferError::Refused(format!("{what}, which a backup cannot hold"));
            let table = &schema.tables[name];
            let columns = table.columns.iter().map(|column| {
                let kind = kind(&column.kind).ok_or_else(|| {
                    cannot(format!("the column {name}.{} is of the kind {:?}", column.name, column.kind))
                })?;
                Ok(Column { name: column.name.clone(), kind })
            });
            let key =
                table.primary_key.clone().ok_or_else(|| cannot(format!("the table {name} has no primary key")))?;
            tables.push(Table { name: name.to_owned(), columns: columns.collect::<Result<_>>()?, key: key.columns });
        }
        Ok(Self { tables })
    }

    /// What a live schema has that this layout does not, or the other way round; empty if rows can be carried over.
    pub(super) fn differences(&self, live: Schema) -> Vec<String> {
        let mut live = live.neutral().tables;
        let mut found = Vec::new();
        for table in &self.tables {
            let Some(there) = live.remove(&table.name) else {
                found.push(format!("the table {} is missing", table.name));
                continue;
            };
            for column in &table.columns {
                match there.columns.iter().find(|one| one.name == column.name) {
                    None => found.push(format!("the column {}.{} is missing", table.name, column.name)),
                    Some(one) if kind(&one.kind) != Some(column.kind) => {
                        found.push(format!("the column {}.{} is of the kind {:?}", table.name, column.name, one.kind));
                    }
                    Some(_) => {}
                }
            }
            let known = |name: &String| table.columns.iter().any(|column| column.name == *name);
            let extra = there.columns.iter().filter(|column| !known(&column.name));
            found.extend(extra.map(|column| format!("the column {}.{} is unknown", table.name, column.name)));
        }
        found.extend(live.keys().map(|name| format!("the table {name} is unknown")));
        found
    }
}

impl Table {
    /// The places of the key's columns in a row.
    pub(super) fn key_places(&self) -> Vec<usize> {
        let place = |name: &String| self.columns.iter().position(|column| column.name == *name);
        self.key.iter().filter_map(place).collect()
    }

    /// The names of the columns, quoted, for a statement.
    pub(super) fn column_list(&self) -> String {
        self.columns.iter().map(|column| format!("\"{}\"", column.name)).collect::<Vec<_>>().join(", ")
    }

    /// The columns of the key, quoted, each followed by `suffix`; text in the order of its bytes, on every engine.
    pub(super) fn key_order(&self, text_collation: &str, suffix: &str) -> String {
        let places = self.key_places().into_iter().map(|place| &self.columns[place]);
        let terms = places.map(|column| {
            let collation = if column.kind == Kind::Text { text_collation } else { "" };
            format!("\"{}\"{collation}{suffix}", column.name)
        });
        terms.collect::<Vec<_>>().join(", ")
    }
}

fn kind(kind: &schema::Kind) -> Option<Kind> {
    Some(match kind {
        schema::Kind::Uuid => Kind::Uuid,
        schema::Kind::Text => Kind::Text,
        schema::Kind::Integer | schema::Kind::Instant => Kind::Integer,
        schema::Kind::Boolean => Kind::Boolean,
        schema::Kind::Day => Kind::Day,
        schema::Kind::Bytes => Kind::Bytes,
        schema::Kind::Other(name) if ["bigint", "smallint"].contains(&name.as_str()) => Kind::Integer,
        schema::Kind::Other(_) => return None,
    })
}

/// Tables that refer to nothing come first; among equals, by name.
fn in_foreign_key_order(schema: &Schema) -> Result<Vec<&str>> {
    let mut left: BTreeSet<&str> = schema.tables.keys().map(String::as_str).collect();
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let waits = |name: &str| schema.tables[name].foreign_keys.iter().any(|key| left.contains(key.table.as_str()));
        let Some(next) = left.iter().copied().find(|name| !waits(name)) else {
            let names = left.into_iter().collect::<Vec<_>>().join(", ");
            return Err(TransferError::Refused(format!(
                "the foreign keys of {names} form a circle, so there is no order in which their rows can be stored"
            )));
        };
        left.remove(next);
        ordered.push(next);
    }
    Ok(ordered)
}
