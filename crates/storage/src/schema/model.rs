//! What a schema is made of. Both engines' catalogues are read into this.

use std::collections::BTreeMap;
use std::fmt;

use crate::DatabaseUrl;

/// Which engine a schema belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// All tables and views, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// The tables.
    pub tables: BTreeMap<String, Table>,
    /// The views, each with its query in the engine's words.
    pub views: BTreeMap<String, String>,
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
    /// Its check constraints, by name; on SQLite, those in a column's own definition are left to
    /// [`Column::definition`].
    pub checks: Vec<Check>,
    /// Its indexes, by name; those under constraints are left out.
    pub indexes: Vec<Index>,
    /// Its triggers, by name.
    pub triggers: Vec<Trigger>,
    /// Whether the engine holds values to the types of their columns: always on PostgreSQL, in a `STRICT` table on
    /// SQLite.
    pub strict: bool,
    /// Whether it is a `WITHOUT ROWID` table of SQLite.
    pub without_rowid: bool,
    /// For a virtual table of SQLite, its module and what that is told: `fts5 (title, content)`.
    pub module: Option<String>,
    /// On SQLite, the statement that made it, as it was written. It is no part of a comparison.
    pub statement: Option<String>,
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
    /// For a column that the engine computes, from what, in the engine's words.
    pub generated: Option<String>,
    /// All that stands behind its name when it is made, in the engine's words.
    pub definition: String,
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
    /// What happens when the key referred to changes, in the same words.
    pub on_update: String,
    /// Until when a check may wait: nothing, `DEFERRABLE` or `DEFERRABLE INITIALLY DEFERRED`.
    pub deferrable: String,
    /// Whether the rows that were there before it have been checked (PostgreSQL: not so while it is `NOT VALID`).
    pub validated: bool,
}

/// A check constraint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Check {
    /// Its name; empty for one without.
    pub name: String,
    /// What must hold, in the engine's words.
    pub expression: String,
    /// Whether the rows that were there before it have been checked (PostgreSQL: not so while it is `NOT VALID`).
    pub validated: bool,
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
    /// How it finds rows: `btree`, `gin`, ….
    pub method: String,
    /// Whether it can be relied on (PostgreSQL: one that `CREATE INDEX CONCURRENTLY` left half built is INVALID).
    pub valid: bool,
    /// All that stands behind its table when it is made, in the engine's words.
    pub definition: String,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// How it was made, in the engine's words.
    pub definition: String,
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
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// What its folder of migrations is called.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

impl Table {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The lists of columns that a valid index of some kind holds in order: keys, and indexes on all rows that are not
    /// NULL there.
    pub fn indexed(&self) -> impl Iterator<Item = &[String]> {
        let keys = self.primary_key.iter().chain(&self.uniques).map(|key| key.columns.as_slice());
        let indexes = self.indexes.iter().filter(|index| index.valid && index.leads());
        keys.chain(indexes.map(|index| index.columns.as_slice()))
    }
}

impl Index {
    /// Whether every row with a value in its first column is in it, in order.
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

impl fmt::Display for Kind {
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

impl fmt::Display for Key {
    /// `(user_id, name)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({})", self.columns.join(", "))
    }
}

impl fmt::Display for ForeignKey {
    /// `(user_id) REFERENCES users (id) ON DELETE CASCADE`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}) REFERENCES {} ({})", self.columns.join(", "), self.table, self.references.join(", "))?;
        for (event, action) in [("UPDATE", &self.on_update), ("DELETE", &self.on_delete)] {
            if action != "NO ACTION" {
                write!(f, " ON {event} {action}")?;
            }
        }
        if !self.deferrable.is_empty() {
            write!(f, " {}", self.deferrable)?;
        }
        f.write_str(if self.validated { "" } else { " NOT VALID" })
    }
}
