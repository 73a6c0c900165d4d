//! Takes an inventory of a SQLite file, and tracks tables and columns while statements run.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use super::super::inventory::{Column, ForeignKey, Inventory, Table};
use super::super::source::Loss;
use crate::schema;

/// Tracks the tables and columns of a connection from statement to statement. SQLite gives them no identity, but the
/// effect of a single statement is unambiguous: if one table is gone and another appeared, it was renamed.
pub(super) struct SchemaTracker {
    shape: Inventory,
    version: i64,
    next: i64,
}

impl SchemaTracker {
    /// Starts with the present schema.
    pub(super) fn new(connection: &Connection) -> Result<Self> {
        let mut shape = shape(connection)?;
        let mut next = 0;
        shape.0.iter_mut().for_each(|table| table.number(&mut next));
        Ok(Self { shape, version: version(connection)?, next })
    }

    /// Must be called after each statement.
    pub(super) fn observe(&mut self, connection: &Connection) -> Result<()> {
        let version = version(connection)?;
        if version == self.version {
            return Ok(());
        }
        let mut now = shape(connection)?;
        let dropped: Vec<&Table> = self.shape.0.iter().filter(|table| now.table(&table.name).is_none()).collect();
        let new = now.0.iter().filter(|table| self.shape.table(&table.name).is_none()).count();
        for table in &mut now.0 {
            let was = self.shape.table(&table.name).or(match dropped.as_slice() {
                [renamed] if new == 1 => Some(*renamed),
                _ => None,
            });
            table.number(&mut self.next);
            if let Some(was) = was {
                table.id = was.id;
                carry_columns(was, &mut table.columns);
            }
        }
        (self.shape, self.version) = (now, version);
        Ok(())
    }

    /// The present contents of the tables.
    pub(super) fn inventory(&self, connection: &Connection) -> Result<Inventory> {
        let mut inventory = self.shape.clone();
        inventory.0.iter_mut().filter(|table| !table.derived).try_for_each(|table| fill(connection, table))?;
        Ok(inventory)
    }
}

/// Whether a table or column is computed from others; `None` if it does not exist.
pub(super) fn is_derived(connection: &Connection, loss: &Loss) -> Result<Option<bool>> {
    let shape = shape(connection)?;
    let Some(table) = shape.table(&loss.table) else { return Ok(None) };
    let column = loss.column.as_ref().map(|name| table.columns.iter().find(|column| column.name == *name));
    Ok(match column {
        None => Some(table.derived),
        Some(column) => column.map(|column| column.derived || table.derived),
    })
}

impl Table {
    fn number(&mut self, next: &mut i64) {
        for id in std::iter::once(&mut self.id).chain(self.columns.iter_mut().map(|column| &mut column.id)) {
            *next += 1;
            *id = *next;
        }
    }
}

fn carry_columns(was: &Table, columns: &mut [Column]) {
    let has = |columns: &[Column], name: &str| columns.iter().any(|column| column.name == name);
    let dropped: Vec<&Column> = was.columns.iter().filter(|column| !has(columns, &column.name)).collect();
    let new = columns.iter().filter(|column| !has(&was.columns, &column.name)).count();
    for column in columns {
        let same = was.columns.iter().find(|one| one.name == column.name).or(match dropped.as_slice() {
            [renamed] if new == 1 => Some(*renamed),
            _ => None,
        });
        column.id = same.map_or(column.id, |same| same.id);
    }
}

/// A number that every change of the schema increments (<https://www.sqlite.org/pragma.html#pragma_schema_version>).
fn version(connection: &Connection) -> Result<i64> {
    connection.pragma_query_value(None, "schema_version", |row| row.get(0))
}

/// All tables but those of the migration runner, without counts.
fn shape(connection: &Connection) -> Result<Inventory> {
    // A full-text table without a copy of its texts is an index of another table. A copy would be in a table
    // `NAME_content` (<https://www.sqlite.org/fts5.html>, section 9).
    let mut rows = connection.prepare(
        "SELECT t.name, c.name, c.type, c.hidden > 1,
            t.type = 'virtual' AND s.sql LIKE '%USING fts%'
                AND NOT EXISTS (SELECT 1 FROM sqlite_schema x WHERE x.name = t.name || '_content')
         FROM pragma_table_list t JOIN pragma_table_xinfo(t.name) c JOIN sqlite_schema s ON s.name = t.name
         WHERE t.schema = 'main' AND t.type IN ('table', 'virtual') AND c.hidden <> 1
         ORDER BY t.name, c.cid",
    )?;
    let mut rows = rows.query([])?;
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        if name == "schema_migrations" {
            continue;
        }
        let derived = row.get::<_, bool>(4)? || schema::is_derived(&name);
        let empty = || Table { id: 0, name: name.clone(), derived, columns: Vec::new(), keys: Vec::new(), rows: 0 };
        let table = tables.entry(name.clone()).or_insert_with(empty);
        table.columns.push(Column {
            id: 0,
            name: row.get(1)?,
            kind: row.get(2)?,
            derived: row.get(3)?,
            values: 0,
            digest: String::new(),
        });
    }
    for table in tables.values_mut() {
        table.keys = keys(connection, &table.name)?;
    }
    Ok(Inventory(tables.into_values().collect()))
}

fn keys(connection: &Connection, table: &str) -> Result<Vec<ForeignKey>> {
    let mut rows =
        connection.prepare("SELECT \"table\", \"from\" FROM pragma_foreign_key_list(?1) ORDER BY id, seq")?;
    let rows = rows.query_map([table], |row| Ok(ForeignKey { table: row.get(0)?, columns: vec![row.get(1)?] }))?;
    rows.collect()
}

/// Counts the rows and values of a table in one pass. Values are compared as text, so that a number that becomes text
/// is not lost.
fn fill(connection: &Connection, table: &mut Table) -> Result<()> {
    let names: Vec<String> = table.columns.iter().map(|column| quoted(&column.name)).collect();
    let mut rows = connection.prepare(&format!("SELECT {} FROM {}", names.join(", "), quoted(&table.name)))?;
    let mut rows = rows.query([])?;
    let mut sums = vec![0_u128; table.columns.len()];
    table.rows = 0;
    table.columns.iter_mut().for_each(|column| column.values = 0);
    while let Some(row) = rows.next()? {
        table.rows += 1;
        for (at, column) in table.columns.iter_mut().enumerate() {
            let mut hasher = DefaultHasher::new();
            match row.get_ref(at)? {
                ValueRef::Null => continue,
                ValueRef::Integer(number) => number.to_string().as_bytes().hash(&mut hasher),
                ValueRef::Real(number) => number.to_string().as_bytes().hash(&mut hasher),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.hash(&mut hasher),
            }
            column.values += 1;
            sums[at] = sums[at].wrapping_add(hasher.finish().into());
        }
    }
    table.columns.iter_mut().zip(sums).for_each(|(column, sum)| column.digest = sum.to_string());
    Ok(())
}

/// A quoted name for a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
