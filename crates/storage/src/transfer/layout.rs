//! The tables and columns of a revision, in an order in which their rows can be transferred.
//!
//! A layout is computed from the migrations, run in memory, so a table of a later migration is transferred without
//! changes here. It is the same for both engines.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::{Result, TransferError};
use crate::migrate::source::Source;
use crate::schema::{self, Schema};

/// The tables of a revision. Each table comes after the tables that it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    pub tables: Vec<Table>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub name: String,
    /// Columns in the order of the values in a row.
    pub columns: Vec<Column>,
    /// The columns of the primary key; rows are in its order.
    pub key: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub name: String,
    pub kind: ValueKind,
}

/// The kind of values in a column, and their form in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueKind {
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
    /// The layout after the first `count` migrations of `source`, which must be those for SQLite.
    pub(super) fn after_migrations(source: &Source, count: usize) -> Result<Self> {
        let migrations = &source.migrations()[..count.min(source.migrations().len())];
        let schema = schema::in_memory(migrations).map_err(|error| TransferError::Refused(error.to_string()))?;
        Self::from_schema(schema)
    }

    pub(super) fn from_schema(schema: Schema) -> Result<Self> {
        let schema = carried_over(schema);
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

    /// The differences between a live schema and this layout; empty if rows can be transferred.
    pub(super) fn differences(&self, live: Schema) -> Vec<String> {
        let mut live = carried_over(live).tables;
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
    /// The positions of the key's columns in a row.
    pub(super) fn key_places(&self) -> Vec<usize> {
        let place = |name: &String| self.columns.iter().position(|column| column.name == *name);
        self.key.iter().filter_map(place).collect()
    }

    /// The quoted names of the columns, for a statement.
    pub(super) fn column_list(&self) -> String {
        self.columns.iter().map(|column| format!("\"{}\"", column.name)).collect::<Vec<_>>().join(", ")
    }

    /// The quoted columns of the key, each followed by `suffix`. Text sorts by its bytes on every engine.
    pub(super) fn key_order(&self, text_collation: &str, suffix: &str) -> String {
        let places = self.key_places().into_iter().map(|place| &self.columns[place]);
        let terms = places.map(|column| {
            let collation = if column.kind == ValueKind::Text { text_collation } else { "" };
            format!("\"{}\"{collation}{suffix}", column.name)
        });
        terms.collect::<Vec<_>>().join(", ")
    }
}

/// Tables that describe one database and its environment, and would be wrong in a copy: the identity of the attachment
/// store.
const NOT_TRANSFERRED: [&str; 1] = ["attachment_store"];

fn carried_over(schema: Schema) -> Schema {
    let mut schema = schema.neutral();
    for name in NOT_TRANSFERRED {
        schema.tables.remove(name);
    }
    schema
}

fn kind(kind: &schema::ColumnKind) -> Option<ValueKind> {
    Some(match kind {
        schema::ColumnKind::Uuid => ValueKind::Uuid,
        schema::ColumnKind::Text => ValueKind::Text,
        schema::ColumnKind::Integer | schema::ColumnKind::Instant => ValueKind::Integer,
        schema::ColumnKind::Boolean => ValueKind::Boolean,
        schema::ColumnKind::Day => ValueKind::Day,
        schema::ColumnKind::Bytes => ValueKind::Bytes,
        schema::ColumnKind::Other(name) if ["bigint", "smallint"].contains(&name.as_str()) => ValueKind::Integer,
        schema::ColumnKind::Other(_) => return None,
    })
}

/// Tables without references come first; among equals, by name.
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
