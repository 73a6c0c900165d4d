//! Reads a schema from SQLite: from its pragmas, and from the SQL in `sqlite_schema` where these keep silent, which is
//! about the names of constraints, the checks, and the predicates of partial indexes.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, Result};

use super::{Check, Column, ForeignKey, Index, Key, Kind, Schema, Table, Trigger};
use crate::migrate::sql;

pub(super) fn read(path: &Path) -> Result<Schema> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    // One transaction, so that all answers are about one moment.
    let transaction = connection.unchecked_transaction()?;
    read_from(&transaction)
}

pub(super) fn read_from(connection: &Connection) -> Result<Schema> {
    let mut tables = connection.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )?;
    let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let tables = tables.map(|row| {
        let (name, sql): (String, String) = row?;
        read_table(connection, &name, &sql).map(|table| (name, table))
    });
    Ok(Schema { tables: tables.collect::<Result<_>>()? })
}

fn read_table(connection: &Connection, table: &str, sql: &str) -> Result<Table> {
    let items = sql::split(sql::in_parentheses(sql).unwrap_or_default(), ',');
    let constraints: Vec<Constraint> = items.iter().filter_map(|item| Constraint::parse(item)).collect();
    let (primary_key, columns) = columns(connection, table, &items)?;
    Ok(Table {
        primary_key: (!primary_key.is_empty()).then(|| key(&constraints, "PRIMARY KEY", primary_key)),
        uniques: uniques(connection, table, &constraints)?,
        foreign_keys: foreign_keys(connection, table, &constraints)?,
        checks: checks(&constraints),
        indexes: indexes(connection, table)?,
        triggers: triggers(connection, table)?,
        columns,
    })
}

/// The columns of the primary key, in its order, and all columns.
fn columns(connection: &Connection, table: &str, items: &[String]) -> Result<(Vec<String>, Vec<Column>)> {
    let mut rows =
        connection.prepare("SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?1) ORDER BY cid")?;
    let rows = rows.query_map([table], |row| {
        let name: String = row.get(0)?;
        let declared: String = row.get(1)?;
        let kind = kind(&name, &declared, items);
        let column = Column { name, kind, nullable: !row.get::<_, bool>(2)?, default: row.get(3)? };
        Ok((row.get::<_, u32>(4)?, column))
    })?;
    let rows: Vec<(u32, Column)> = rows.collect::<Result<_>>()?;
    let mut key: Vec<_> = rows.iter().filter(|(place, _)| *place > 0).collect();
    key.sort_by_key(|(place, _)| *place);
    let key = key.into_iter().map(|(_, column)| column.name.clone()).collect();
    Ok((key, rows.into_iter().map(|(_, column)| column).collect()))
}

/// STRICT tables know five types; the check in a column's own definition tells what it is used for.
fn kind(column: &str, declared: &str, items: &[String]) -> Kind {
    let definition = items.iter().find(|item| item.split_whitespace().next() == Some(column));
    let definition = definition.map(|item| squeeze(item)).unwrap_or_default();
    let checked = |check: &str| definition.contains(&format!("CHECK ({check})"));
    match declared {
        "BLOB" if checked(&format!("length({column}) = 16")) => Kind::Uuid,
        "BLOB" => Kind::Bytes,
        "INTEGER" if checked(&format!("{column} IN (0, 1)")) => Kind::Boolean,
        "INTEGER" => Kind::Integer,
        "TEXT" if checked(&format!("length({column}) = 10")) => Kind::Day,
        "TEXT" => Kind::Text,
        other => Kind::Other(other.to_owned()),
    }
}

/// SQLite keeps a unique constraint as an index without a name of its own.
fn uniques(connection: &Connection, table: &str, constraints: &[Constraint]) -> Result<Vec<Key>> {
    let mut names = connection.prepare("SELECT name FROM pragma_index_list(?1) WHERE origin = 'u'")?;
    let names = names.query_map([table], |row| row.get::<_, String>(0))?;
    let uniques = names.map(|name| Ok(key(constraints, "UNIQUE", index_columns(connection, &name?)?)));
    sorted(uniques.collect())
}

fn foreign_keys(connection: &Connection, table: &str, constraints: &[Constraint]) -> Result<Vec<ForeignKey>> {
    let mut rows = connection.prepare(
        "SELECT id, \"table\", \"from\", \"to\", on_delete FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
    )?;
    let mut rows = rows.query([table])?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let (table, on_delete) = (row.get(1)?, row.get(4)?);
            let (name, columns, references) = (String::new(), Vec::new(), Vec::new());
            keys.push((id, ForeignKey { name, columns, table, references, on_delete }));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push(row.get(2)?);
            key.references.push(row.get(3)?);
        }
    }
    let named = keys.into_iter().map(|(_, key)| {
        let name = name_of(constraints, "FOREIGN KEY", &key.columns);
        Ok(ForeignKey { name, ..key })
    });
    sorted(named.collect())
}

fn checks(constraints: &[Constraint]) -> Vec<Check> {
    let checks = constraints.iter().filter(|one| one.rule == "CHECK");
    let mut checks: Vec<Check> =
        checks.map(|one| Check { name: one.name.clone(), expression: one.inside.clone() }).collect();
    checks.sort();
    checks
}

fn indexes(connection: &Connection, table: &str) -> Result<Vec<Index>> {
    let mut rows = connection.prepare(
        "SELECT l.name, l.\"unique\", s.sql FROM pragma_index_list(?1) l JOIN sqlite_schema s ON s.name = l.name \
         WHERE l.origin = 'c' AND s.type = 'index'",
    )?;
    let rows = rows.query_map([table], |row| {
        let (name, sql): (String, String) = (row.get(0)?, row.get(2)?);
        let predicate = sql::split(&sql, ';').first().and_then(|sql| predicate(sql));
        Ok(Index { columns: index_columns(connection, &name)?, name, unique: row.get(1)?, predicate })
    })?;
    sorted(rows.collect())
}

/// An expression has no name in the pragma; it is shown as `<expression>`.
fn index_columns(connection: &Connection, index: &str) -> Result<Vec<String>> {
    let mut rows =
        connection.prepare("SELECT coalesce(name, '<expression>') FROM pragma_index_info(?1) ORDER BY seqno")?;
    let rows = rows.query_map([index], |row| row.get(0))?;
    rows.collect()
}

fn triggers(connection: &Connection, table: &str) -> Result<Vec<Trigger>> {
    let mut rows = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 ORDER BY name")?;
    let rows = rows.query_map([table], |row| Ok(Trigger { name: row.get(0)?, definition: row.get(1)? }))?;
    rows.collect()
}

/// What stands behind WHERE, which follows the list of columns.
fn predicate(sql: &str) -> Option<String> {
    let list = sql.find('(')?..;
    let length = sql::in_parentheses(sql)?.len() + 2;
    let behind = squeeze(&sql[list][length..]);
    behind.strip_prefix("WHERE ").map(|predicate| {
        predicate.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(predicate).to_owned()
    })
}

/// A named constraint of a table, as it is written.
struct Constraint {
    name: String,
    /// `PRIMARY KEY`, `UNIQUE`, `FOREIGN KEY` or `CHECK`.
    rule: &'static str,
    /// What its first parentheses hold.
    inside: String,
}

impl Constraint {
    fn parse(item: &str) -> Option<Self> {
        let (name, rest) = item.strip_prefix("CONSTRAINT ")?.trim_start().split_once(char::is_whitespace)?;
        let rule = ["PRIMARY KEY", "UNIQUE", "FOREIGN KEY", "CHECK"]
            .into_iter()
            .find(|rule| rest.trim_start().starts_with(rule))?;
        Some(Self { name: name.to_owned(), rule, inside: squeeze(sql::in_parentheses(rest)?) })
    }
}

fn key(constraints: &[Constraint], rule: &str, columns: Vec<String>) -> Key {
    Key { name: name_of(constraints, rule, &columns), columns }
}

fn name_of(constraints: &[Constraint], rule: &str, columns: &[String]) -> String {
    let found = constraints.iter().find(|one| one.rule == rule && sql::split(&one.inside, ',') == columns);
    found.map(|one| one.name.clone()).unwrap_or_default()
}

/// With single blanks between words.
fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sorted<T: Ord>(list: Result<Vec<T>>) -> Result<Vec<T>> {
    list.map(|mut list| {
        list.sort();
        list
    })
}
