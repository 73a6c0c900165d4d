//! Reads a schema from SQLite: from pragmas, and by parsing the SQL in `sqlite_schema` for what pragmas do not report,
//! such as names of constraints, checks, conflict clauses and conditions of partial indexes.

mod table;
mod tokens;

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Result};

use super::{Column, ColumnKind, Index, KeyConstraint, Schema, Table, Trigger};
use table::Definition;
use tokens::{normalized, split_at_parentheses, text, tokens};

pub(super) fn read(path: &Path) -> Result<Schema> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    // One transaction, so that all queries see the same moment.
    let transaction = connection.unchecked_transaction()?;
    read_from(&transaction)
}

/// Reads the schema of an open database.
pub(super) fn read_from(connection: &Connection) -> Result<Schema> {
    let of = |kind: &str| -> Result<Vec<(String, String)>> {
        let mut rows = connection.prepare(
            "SELECT name, sql FROM sqlite_schema WHERE type = ?1 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        )?;
        rows.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    let tables = of("table")?.into_iter().map(|(name, sql)| {
        let table = read_table(connection, &name, sql)?;
        Ok((name, table))
    });
    let tables = tables.collect::<Result<_>>()?;
    let views = of("view")?.into_iter().map(|(name, sql)| (name, normalized(&sql))).collect();
    Ok(Schema { tables, views, ..Schema::default() })
}

fn read_table(connection: &Connection, table: &str, statement: String) -> Result<Table> {
    let definition = Definition::parse(&statement);
    let (primary_key, columns) = columns(connection, table, &definition)?;
    let (strict, without_rowid) = connection.query_row(
        "SELECT strict, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
        [table],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let primary_key = definition.primary_key.clone().or_else(|| {
        let definition = format!("({})", primary_key.join(", "));
        (!primary_key.is_empty()).then(|| KeyConstraint { name: String::new(), columns: primary_key, definition })
    });
    Ok(Table {
        primary_key,
        indexes: indexes(connection, table)?,
        triggers: triggers(connection, table)?,
        columns,
        strict,
        without_rowid,
        module: module(&statement),
        uniques: definition.uniques,
        foreign_keys: definition.foreign_keys,
        checks: definition.checks,
        statement: Some(statement),
        ..Table::default()
    })
}

/// For a virtual table, the text after USING.
fn module(statement: &str) -> Option<String> {
    let tokens = tokens(statement);
    let is_virtual = tokens.get(1).is_some_and(|token| token.is("VIRTUAL"));
    let at = tokens.iter().position(|token| token.is("USING")).filter(|_| is_virtual)?;
    text(&tokens[at..]).strip_prefix("USING ").map(str::to_owned)
}

/// The columns of the primary key in its order, and all columns except those that a virtual table hides.
fn columns(connection: &Connection, table: &str, written: &Definition) -> Result<(Vec<String>, Vec<Column>)> {
    let mut rows = connection.prepare(
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid",
    )?;
    let rows = rows.query_map([table], |row| {
        let name: String = row.get(0)?;
        let declared: String = row.get(1)?;
        let definition = written.column(&name).map_or_else(|| declared.clone(), str::to_owned);
        let computed = row.get::<_, u32>(5)? != 0;
        let generated = definition.split_once("AS (").filter(|_| computed);
        let column = Column {
            kind: column_kind(&name, &declared, &definition),
            nullable: !row.get::<_, bool>(2)?,
            default: row.get::<_, Option<String>>(3)?.map(|sql| normalized(&sql)),
            generated: generated.and_then(|(before, _)| {
                let tokens = tokens(&definition[before.len()..]);
                split_at_parentheses(&tokens).map(|(_, inside, _)| text(inside))
            }),
            definition,
            name,
        };
        Ok((row.get::<_, u32>(4)?, column))
    })?;
    let rows: Vec<(u32, Column)> = rows.collect::<Result<_>>()?;
    let mut key: Vec<_> = rows.iter().filter(|(place, _)| *place > 0).collect();
    key.sort_by_key(|(place, _)| *place);
    let key = key.into_iter().map(|(_, column)| column.name.clone()).collect();
    Ok((key, rows.into_iter().map(|(_, column)| column).collect()))
}

/// STRICT tables have five types. The check in a column's own definition shows which kind of value it holds.
fn column_kind(column: &str, declared: &str, definition: &str) -> ColumnKind {
    let checked = |check: &str| definition.contains(&format!("CHECK ({check})"));
    match declared.to_ascii_uppercase().as_str() {
        "BLOB" if checked(&format!("length({column}) = 16")) => ColumnKind::Uuid,
        "BLOB" => ColumnKind::Bytes,
        "INTEGER" if checked(&format!("{column} IN (0, 1)")) => ColumnKind::Boolean,
        "INTEGER" => ColumnKind::Integer,
        "TEXT" if checked(&format!("length({column}) = 10")) => ColumnKind::Day,
        "TEXT" => ColumnKind::Text,
        _ => ColumnKind::Other(declared.to_owned()),
    }
}

fn indexes(connection: &Connection, table: &str) -> Result<Vec<Index>> {
    let mut rows = connection.prepare(
        "SELECT l.name, l.\"unique\", s.sql FROM pragma_index_list(?1) l JOIN sqlite_schema s ON s.name = l.name WHERE \
         l.origin = 'c' AND s.type = 'index' ORDER BY l.name",
    )?;
    let rows = rows.query_map([table], |row| {
        let (name, sql): (String, String) = (row.get(0)?, row.get(2)?);
        let statement = tokens(&sql);
        let list = statement.iter().position(|token| token.is("(")).unwrap_or(statement.len());
        Ok(Index {
            columns: index_columns(connection, &name)?,
            name,
            unique: row.get(1)?,
            predicate: predicate(&sql),
            method: "btree".to_owned(),
            valid: true,
            definition: text(&statement[list..]),
        })
    })?;
    rows.collect()
}

/// The pragma has no name for an expression; it is shown as `<expression>`.
fn index_columns(connection: &Connection, index: &str) -> Result<Vec<String>> {
    let mut rows =
        connection.prepare("SELECT coalesce(name, '<expression>') FROM pragma_index_info(?1) ORDER BY seqno")?;
    let rows = rows.query_map([index], |row| row.get(0))?;
    rows.collect()
}

fn triggers(connection: &Connection, table: &str) -> Result<Vec<Trigger>> {
    let mut rows = connection.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?1) ORDER BY name",
    )?;
    let rows = rows.query_map([table], |row| {
        let definition: String = row.get(1)?;
        Ok(Trigger { name: row.get(0)?, meaning: normalized(&definition), definition, state: "" })
    })?;
    rows.collect()
}

/// The condition after WHERE, which follows the list of columns, without outer parentheses.
fn predicate(sql: &str) -> Option<String> {
    let tokens = tokens(sql);
    let (_, _, behind) = split_at_parentheses(&tokens)?;
    let [first, predicate @ ..] = behind else { return None };
    let inside = match split_at_parentheses(predicate) {
        Some(([], inside, [])) => inside,
        _ => predicate,
    };
    first.is("WHERE").then(|| text(inside))
}
