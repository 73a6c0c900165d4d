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

/// The schema of an open database.
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
    let views = of("view")?.into_iter().map(|(name, sql)| (name, squeeze(&sql))).collect();
    Ok(Schema { tables, views })
}

fn read_table(connection: &Connection, table: &str, statement: String) -> Result<Table> {
    let inside = sql::in_parentheses(&statement).unwrap_or_default();
    let items = sql::split(inside, ',');
    let constraints: Vec<Constraint> = items.iter().filter_map(|item| Constraint::parse(item)).collect();
    let (primary_key, columns) = columns(connection, table, &items)?;
    let (strict, without_rowid) = connection.query_row(
        "SELECT strict, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
        [table],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let words = squeeze(&statement);
    let module = words.starts_with("CREATE VIRTUAL TABLE").then(|| words.split_once(" USING "));
    Ok(Table {
        primary_key: (!primary_key.is_empty()).then(|| key(&constraints, "PRIMARY KEY", primary_key)),
        uniques: uniques(connection, table, &constraints)?,
        foreign_keys: foreign_keys(connection, table, &constraints)?,
        checks: checks(&constraints),
        indexes: indexes(connection, table)?,
        triggers: triggers(connection, table)?,
        columns,
        strict,
        without_rowid,
        module: module.flatten().map(|(_, module)| module.to_owned()),
        statement: Some(statement),
    })
}

/// The columns of the primary key, in its order, and all columns; those that a virtual table hides are left out.
fn columns(connection: &Connection, table: &str, items: &[String]) -> Result<(Vec<String>, Vec<Column>)> {
    let mut rows = connection.prepare(
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid",
    )?;
    let rows = rows.query_map([table], |row| {
        let name: String = row.get(0)?;
        let declared: String = row.get(1)?;
        let definition = definition(&name, items).unwrap_or_else(|| declared.clone());
        let computed = row.get::<_, u32>(5)? != 0;
        let generated = definition.split_once("AS (").filter(|_| computed);
        let column = Column {
            kind: kind(&name, &declared, &definition),
            nullable: !row.get::<_, bool>(2)?,
            default: row.get(3)?,
            generated: generated
                .and_then(|(before, _)| sql::in_parentheses(&definition[before.len()..]))
                .map(Into::into),
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

/// What stands behind a column's name among the items of a table.
fn definition(column: &str, items: &[String]) -> Option<String> {
    let rest = items.iter().find_map(|item| {
        let (name, rest) = item.split_once(char::is_whitespace)?;
        (name.trim_matches('"') == column).then_some(rest)
    });
    rest.map(squeeze)
}

/// STRICT tables know five types; the check in a column's own definition tells what it is used for.
fn kind(column: &str, declared: &str, definition: &str) -> Kind {
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
        "SELECT id, \"table\", \"from\", \"to\", on_delete, on_update FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
    )?;
    let mut rows = rows.query([table])?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let (name, columns, references) = (String::new(), Vec::new(), Vec::new());
            let (table, on_delete, on_update) = (row.get(1)?, row.get(4)?, row.get(5)?);
            let (deferrable, validated) = (String::new(), true);
            let key = ForeignKey { name, columns, table, references, on_delete, on_update, deferrable, validated };
            keys.push((id, key));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push(row.get(2)?);
            // Without a list of columns, the other table's primary key is meant.
            key.references.extend(row.get::<_, Option<String>>(3)?);
        }
    }
    let named = keys.into_iter().map(|(_, key)| {
        let constraint = find(constraints, "FOREIGN KEY", &key.columns);
        let name = constraint.map(|one| one.name.clone()).unwrap_or_default();
        let deferrable = constraint.map(Constraint::deferrable).unwrap_or_default().to_owned();
        Ok(ForeignKey { name, deferrable, ..key })
    });
    sorted(named.collect())
}

fn checks(constraints: &[Constraint]) -> Vec<Check> {
    let checks = constraints.iter().filter(|one| one.rule == "CHECK");
    let checks = checks.map(|one| Check { name: one.name.clone(), expression: one.inside.clone(), validated: true });
    let mut checks: Vec<Check> = checks.collect();
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
        let statement = sql::split(&sql, ';').into_iter().next().unwrap_or_default();
        Ok(Index {
            columns: index_columns(connection, &name)?,
            name,
            unique: row.get(1)?,
            predicate: predicate(&statement),
            method: "btree".to_owned(),
            valid: true,
            definition: statement.find('(').map(|at| squeeze(&statement[at..])).unwrap_or_default(),
        })
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

/// A constraint of a table, as it is written.
struct Constraint {
    /// Empty if it has none.
    name: String,
    /// `PRIMARY KEY`, `UNIQUE`, `FOREIGN KEY` or `CHECK`.
    rule: &'static str,
    /// What its first parentheses hold.
    inside: String,
    /// What stands behind these.
    behind: String,
}

impl Constraint {
    fn parse(item: &str) -> Option<Self> {
        let (name, rest) = match item.strip_prefix("CONSTRAINT ") {
            Some(named) => named.trim_start().split_once(char::is_whitespace)?,
            None => ("", item),
        };
        let rule = ["PRIMARY KEY", "UNIQUE", "FOREIGN KEY", "CHECK"]
            .into_iter()
            .find(|rule| rest.trim_start().strip_prefix(rule).is_some_and(|rest| rest.trim_start().starts_with('(')))?;
        let inside = sql::in_parentheses(rest)?;
        let behind = rest.find('(').map(|at| squeeze(&rest[at + inside.len() + 2..])).unwrap_or_default();
        Some(Self { name: name.to_owned(), rule, inside: squeeze(inside), behind })
    }

    fn deferrable(&self) -> &'static str {
        let behind = self.behind.to_ascii_uppercase();
        match behind.split_once("DEFERRABLE") {
            Some((before, _)) if before.ends_with("NOT ") => "",
            Some((_, after)) if after.contains("INITIALLY DEFERRED") => "DEFERRABLE INITIALLY DEFERRED",
            Some(_) => "DEFERRABLE",
            None => "",
        }
    }
}

fn key(constraints: &[Constraint], rule: &str, columns: Vec<String>) -> Key {
    let name = find(constraints, rule, &columns).map(|one| one.name.clone()).unwrap_or_default();
    Key { name, columns }
}

fn find<'c>(constraints: &'c [Constraint], rule: &str, columns: &[String]) -> Option<&'c Constraint> {
    constraints.iter().find(|one| one.rule == rule && sql::split(&one.inside, ',') == columns)
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
