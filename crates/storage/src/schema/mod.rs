//! The schema of a database as it is, read into one model that both engines share.
//!
//! [`read`] asks the engine's catalogue. Two schemas of one engine are equal if the values are; [`Schema::neutral`]
//! leaves out what only one engine has or can tell, so that what remains must be equal on both.

mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::DatabaseUrl;

/// What only one engine has, and what belongs to the migration runner: `(table, index)`; without an index, all of the
/// table.
///
/// Full text is an inverted index on an expression on PostgreSQL, and a table of documents with an FTS5 table (which
/// SQLite keeps in three tables of its own) on SQLite.
const NOT_COMPARED: [(&str, Option<&str>); 7] = [
    ("schema_migrations", None),
    ("journal_entries", Some("idx_journal_entries_search")),
    ("search_documents", None),
    ("journal_entries_fts", None),
    ("journal_entries_fts_config", None),
    ("journal_entries_fts_data", None),
    ("journal_entries_fts_idx", None),
];

/// All tables, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// The tables.
    pub tables: BTreeMap<String, Table>,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// Its primary key.
    pub primary_key: Option<Key>,
    /// Its unique constraints, by name.
    pub uniques: Vec<Key>,
    /// Its foreign keys, by name.
    pub foreign_keys: Vec<ForeignKey>,
    /// Its named check constraints, by name.
    pub checks: Vec<Check>,
    /// Its indexes, by name; those under constraints are left out.
    pub indexes: Vec<Index>,
    /// Its triggers, by name.
    pub triggers: Vec<Trigger>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// What it holds when nothing is said, in the engine's words.
    pub default: Option<String>,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A UUID; on SQLite a `BLOB` that an unnamed check holds to 16 bytes.
    Uuid,
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// True or false; on SQLite an `INTEGER` that an unnamed check holds to 0 and 1.
    Boolean,
    /// A UTC instant; on SQLite an [`Kind::Integer`].
    Instant,
    /// A calendar day; on SQLite a `TEXT` that an unnamed check holds to 10 characters.
    Day,
    /// Bytes.
    Bytes,
    /// Anything else, as the engine calls it.
    Other(String),
}

/// A primary key or a unique constraint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its name; empty for one without.
    pub name: String,
    /// Its columns, in their order.
    pub columns: Vec<String>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignKey {
    /// Its name; empty for one without.
    pub name: String,
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The table referred to.
    pub table: String,
    /// The columns referred to.
    pub references: Vec<String>,
    /// What happens when the row referred to is deleted, in SQL's words: `CASCADE`, `NO ACTION`.
    pub on_delete: String,
}

/// A named check constraint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What must hold, in the engine's words.
    pub expression: String,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its columns, in their order; for an expression, its SQL.
    pub columns: Vec<String>,
    /// Whether no two rows may be equal in it.
    pub unique: bool,
    /// For a partial index, which rows are in it, without parentheses around it.
    pub predicate: Option<String>,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// How it was made, in the engine's words.
    pub definition: String,
}

/// Why a schema could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the schema of {database} cannot be read: {reason}")]
pub struct SchemaError {
    database: String,
    reason: String,
}

/// Reads the schema of a database.
///
/// # Errors
/// If the database cannot be opened or does not answer.
pub async fn read(url: &DatabaseUrl) -> Result<Schema, SchemaError> {
    let failed = |reason: String| SchemaError { database: url.to_string(), reason };
    match url {
        DatabaseUrl::Sqlite(path) => {
            let path = path.clone();
            let read = tokio::task::spawn_blocking(move || sqlite::read(&path)).await;
            read.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
        }
        DatabaseUrl::Postgres(_) => postgres::read(url).await.map_err(failed),
    }
}

/// Reads the schema that a connection to SQLite sees, such as one to a database in memory.
pub(crate) fn of_connection(connection: &rusqlite::Connection) -> rusqlite::Result<Schema> {
    sqlite::read_from(connection)
}

impl Schema {
    /// What must be equal on both engines. Left out are what is listed as an engine's own, triggers, the SQL of checks
    /// and defaults, and the difference between kinds that are one type on SQLite.
    #[must_use]
    pub fn neutral(mut self) -> Self {
        for (table, index) in NOT_COMPARED {
            match (index, self.tables.get_mut(table)) {
                (Some(index), Some(table)) => table.indexes.retain(|one| one.name != index),
                (Some(_), None) => {}
                (None, _) => drop(self.tables.remove(table)),
            }
        }
        for table in self.tables.values_mut() {
            table.triggers.clear();
            for check in &mut table.checks {
                check.expression.clear();
            }
            for column in &mut table.columns {
                column.default = column.default.take().map(|_| "some".to_owned());
                if column.kind == Kind::Instant {
                    column.kind = Kind::Integer;
                }
            }
        }
        self
    }

    /// What sets this schema apart from `other`, one line each; empty if they are equal.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        compare("table", &self.tables, &other.tables, &mut found);
        found
    }
}

/// Lines for what is only on one side, and for what is different; a table is compared part by part.
fn compare(what: &str, left: &BTreeMap<String, Table>, right: &BTreeMap<String, Table>, found: &mut Vec<String>) {
    for name in left.keys().chain(right.keys().filter(|name| !left.contains_key(*name))) {
        match (left.get(name), right.get(name)) {
            (Some(left), Some(right)) => {
                list(name, &left.columns, &right.columns, found);
                list(name, left.primary_key.as_slice(), right.primary_key.as_slice(), found);
                list(name, &left.uniques, &right.uniques, found);
                list(name, &left.foreign_keys, &right.foreign_keys, found);
                list(name, &left.checks, &right.checks, found);
                list(name, &left.indexes, &right.indexes, found);
                list(name, &left.triggers, &right.triggers, found);
            }
            (Some(_), None) => found.push(format!("only the first has the {what} {name}")),
            _ => found.push(format!("only the second has the {what} {name}")),
        }
    }
}

fn list<T: PartialEq + std::fmt::Debug>(table: &str, left: &[T], right: &[T], found: &mut Vec<String>) {
    found.extend(
        left.iter().filter(|one| !right.contains(one)).map(|one| format!("{table}: only the first has {one:?}")),
    );
    found.extend(
        right.iter().filter(|one| !left.contains(one)).map(|one| format!("{table}: only the second has {one:?}")),
    );
    let same = left.len() == right.len() && left.iter().all(|one| right.contains(one));
    if same && left != right {
        found.push(format!("{table}: the order differs: {left:?} and {right:?}"));
    }
}
