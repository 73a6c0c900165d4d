//! The schema model. The catalogues of both engines are read into it.

use std::collections::BTreeMap;
use std::fmt;

use super::SchemaPart;
use crate::DatabaseUrl;

/// The database engine of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A schema: its tables and views, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    pub tables: BTreeMap<String, Table>,
    /// Views with their queries, in the engine's syntax.
    pub views: BTreeMap<String, String>,
    /// On PostgreSQL, all other named objects with their definitions: types, sequences that belong to no column,
    /// functions, materialized views and foreign tables.
    pub objects: BTreeMap<(SchemaPart, String), String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Columns in their order.
    pub columns: Vec<Column>,
    pub primary_key: Option<KeyConstraint>,
    /// Unique constraints, by name.
    pub uniques: Vec<KeyConstraint>,
    /// Foreign keys, by name.
    pub foreign_keys: Vec<ForeignKey>,
    /// Check constraints, by name. On SQLite, checks of a single column are part of [`Column::definition`] instead.
    pub checks: Vec<Check>,
    /// Indexes, by name, without those of constraints.
    pub indexes: Vec<Index>,
    /// Triggers, by name.
    pub triggers: Vec<Trigger>,
    /// On PostgreSQL, exclusion constraints by name, each with the text after `EXCLUDE`.
    pub exclusions: Vec<Clause>,
    /// On PostgreSQL, rewrite rules by name, each with its statement.
    pub rules: Vec<Clause>,
    /// On PostgreSQL, row-level security policies by name.
    pub policies: Vec<Clause>,
    /// On PostgreSQL, special properties: `UNLOGGED`, `ROW LEVEL SECURITY`, `INHERITS (other)`, ….
    pub marks: Vec<String>,
    /// Whether the engine enforces column types: always on PostgreSQL, in a `STRICT` table on SQLite.
    pub strict: bool,
    /// Whether this is a `WITHOUT ROWID` table of SQLite.
    pub without_rowid: bool,
    /// For a virtual table of SQLite, the module with its arguments: `fts5 (title, content)`.
    pub module: Option<String>,
    /// On SQLite, the original `CREATE` statement. Comparisons ignore it.
    pub statement: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
    pub nullable: bool,
    /// The default value, in the engine's syntax.
    pub default: Option<String>,
    /// For a generated column, its expression in the engine's syntax.
    pub generated: Option<String>,
    /// The definition after the column's name, in the engine's syntax.
    pub definition: String,
}

/// The kind of values in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnKind {
    /// A UUID; on SQLite a `BLOB` with an unnamed check for 16 bytes.
    Uuid,
    Text,
    /// A whole number.
    Integer,
    /// A boolean; on SQLite an `INTEGER` with an unnamed check for 0 and 1.
    Boolean,
    /// A UTC instant; on SQLite a [`ColumnKind::Integer`].
    Instant,
    /// A calendar day; on SQLite a `TEXT` with an unnamed check for 10 characters.
    Day,
    Bytes,
    /// Any other type, by the engine's name.
    Other(String),
}

/// A primary key or a unique constraint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyConstraint {
    /// The name; empty for an unnamed constraint.
    pub name: String,
    /// Columns in their order.
    pub columns: Vec<String>,
    /// The text after `PRIMARY KEY` or `UNIQUE`, in the engine's syntax: `NULLS NOT DISTINCT (a, b) INCLUDE (c)`.
    pub definition: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignKey {
    /// The name; empty for an unnamed constraint.
    pub name: String,
    /// The referring columns.
    pub columns: Vec<String>,
    /// The referenced table.
    pub table: String,
    /// The referenced columns.
    pub references: Vec<String>,
    /// The action when the referenced row is deleted, in SQL: `CASCADE`, `NO ACTION`.
    pub on_delete: String,
    /// The action when the referenced key changes, in SQL.
    pub on_update: String,
    /// When the check may be deferred: empty for never, `DEFERRABLE` or `DEFERRABLE INITIALLY DEFERRED`.
    pub deferrable: String,
    /// The text after `FOREIGN KEY`, in the engine's syntax, with `MATCH FULL` or `SET NULL (column)`.
    pub definition: String,
    /// Whether older rows have been checked (PostgreSQL: false while the constraint is `NOT VALID`).
    pub validated: bool,
    /// Whether the triggers that enforce the key are enabled (PostgreSQL: `DISABLE TRIGGER ALL` disables them).
    pub enforced: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Check {
    /// The name; empty for an unnamed constraint.
    pub name: String,
    /// The condition, in the engine's syntax.
    pub expression: String,
    /// The text after `CHECK`, in the engine's syntax, with `NO INHERIT`.
    pub definition: String,
    /// Whether older rows have been checked (PostgreSQL: false while the constraint is `NOT VALID`).
    pub validated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Index {
    pub name: String,
    /// Columns in their order; for an expression, its SQL.
    pub columns: Vec<String>,
    pub unique: bool,
    /// For a partial index, its condition without outer parentheses.
    pub predicate: Option<String>,
    /// The index method: `btree`, `gin`, ….
    pub method: String,
    /// Whether queries can use the index (PostgreSQL: a failed `CREATE INDEX CONCURRENTLY` leaves an INVALID index).
    pub valid: bool,
    /// The text after the table's name in the `CREATE INDEX` statement, in the engine's syntax.
    pub definition: String,
}

/// A trigger. Two triggers are equal if their normalized statements are.
#[derive(Debug, Clone, Eq)]
pub struct Trigger {
    pub name: String,
    /// The original statement.
    pub definition: String,
    /// The normalized statement.
    pub meaning: String,
    /// When the trigger fires: empty for always, else `DISABLED`, `ENABLED REPLICA` or `ENABLED ALWAYS` (PostgreSQL).
    pub state: &'static str,
}

/// A named part of a table of which only the definition matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    pub name: String,
    /// The definition in the engine's syntax.
    pub definition: String,
}

impl PartialEq for Trigger {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.meaning, self.state) == (&other.name, &other.meaning, other.state)
    }
}

impl From<&DatabaseUrl> for Engine {
    fn from(url: &DatabaseUrl) -> Self {
        match url {
            DatabaseUrl::Sqlite(_) => Self::Sqlite,
            DatabaseUrl::Postgres(_) => Self::Postgres,
        }
    }
}

impl Engine {
    /// Both engines.
    pub const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// The name of the engine's migrations folder.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column lists that a valid index returns in order: keys, and indexes that contain all rows that are not NULL.
    pub fn indexed(&self) -> impl Iterator<Item = &[String]> {
        let keys = self.primary_key.iter().chain(&self.uniques).map(|key| key.columns.as_slice());
        let indexes = self.indexes.iter().filter(|index| index.valid && index.leads());
        keys.chain(indexes.map(|index| index.columns.as_slice()))
    }
}

impl Index {
    /// Whether the index contains every row with a value in the first column, in order.
    fn leads(&self) -> bool {
        let everything = self.columns.first().map(|first| format!("{first} IS NOT NULL"));
        self.method == "btree" && (self.predicate.is_none() || self.predicate == everything)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uuid => "uuid",
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Instant => "instant",
            Self::Day => "day",
            Self::Bytes => "bytes",
            Self::Other(name) => name,
        })
    }
}

impl fmt::Display for KeyConstraint {
    /// `(user_id, name)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.definition)
    }
}

impl fmt::Display for ForeignKey {
    /// `(user_id) REFERENCES users (id) ON DELETE CASCADE`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.definition)
    }
}
