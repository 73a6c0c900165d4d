//! What sets two schemas apart, part by part.

use std::collections::BTreeMap;
use std::fmt;

use super::model::{Check, Column, ForeignKey, Index, Key, Schema, Table, Trigger};

/// A part of a schema that is not as expected, missing, or too much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table (or view) that it is in.
    pub table: String,
    /// What it is.
    pub part: Part,
    /// Its name; for a part without one, what it says.
    pub name: String,
    /// What it should be, in short SQL; `None` if it should not be there.
    pub expected: Option<String>,
    /// What it is, in short SQL; `None` if it is not there.
    pub found: Option<String>,
}

/// What a table is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The table itself.
    Table,
    /// A view.
    View,
    /// A column.
    Column,
    /// The order of the columns.
    Order,
    /// The primary key.
    PrimaryKey,
    /// A unique constraint.
    Unique,
    /// A foreign key.
    ForeignKey,
    /// A check constraint.
    Check,
    /// An index.
    Index,
    /// A trigger.
    Trigger,
}

impl Schema {
    /// What sets the schema `found` apart from this one, which is the one expected; empty if they are equal.
    pub fn differences(&self, found: &Self) -> Vec<Difference> {
        let mut list = Vec::new();
        for (name, expected, found) in pairs(&self.tables, &found.tables) {
            match (expected, found) {
                (Some(expected), Some(found)) => table(name, expected, found, &mut list),
                _ => list.push(Difference::new(name, Part::Table, name, expected.map(size), found.map(size))),
            }
        }
        for (name, expected, found) in pairs(&self.views, &found.views) {
            if expected != found {
                list.push(Difference::new(name, Part::View, name, expected.cloned(), found.cloned()));
            }
        }
        list
    }
}

impl Difference {
    fn new(table: &str, part: Part, name: &str, expected: Option<String>, found: Option<String>) -> Self {
        Self { table: table.to_owned(), part, name: name.to_owned(), expected, found }
    }
}

impl fmt::Display for Difference {
    /// `index idx_tags_user_id of tags: expected (user_id), found nothing`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part)?;
        if self.part != Part::Order {
            write!(f, " {}", self.name)?;
        }
        if self.name != self.table || !matches!(self.part, Part::Table | Part::View) {
            write!(f, " of {}", self.table)?;
        }
        let or_nothing = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, ": expected {}, found {}", or_nothing(&self.expected), or_nothing(&self.found))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Padded, so that it can stand in a table.
        f.pad(match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Column => "column",
            Self::Order => "order of columns",
            Self::PrimaryKey => "primary key",
            Self::Unique => "unique constraint",
            Self::ForeignKey => "foreign key",
            Self::Check => "check",
            Self::Index => "index",
            Self::Trigger => "trigger",
        })
    }
}

/// What is of the same name on both sides, and what is on one side alone.
fn pairs<'m, T>(
    left: &'m BTreeMap<String, T>,
    right: &'m BTreeMap<String, T>,
) -> impl Iterator<Item = (&'m String, Option<&'m T>, Option<&'m T>)> {
    let names = left.keys().chain(right.keys().filter(|name| !left.contains_key(*name)));
    names.map(|name| (name, left.get(name), right.get(name)))
}

fn table(name: &str, expected: &Table, found: &Table, list: &mut Vec<Difference>) {
    if expected.options() != found.options() {
        let (expected, found) = (Some(expected.options()), Some(found.options()));
        list.push(Difference::new(name, Part::Table, name, expected, found));
    }
    parts(name, Part::Column, &expected.columns, &found.columns, list);
    order(name, &expected.columns, &found.columns, list);
    parts(name, Part::PrimaryKey, expected.primary_key.as_slice(), found.primary_key.as_slice(), list);
    parts(name, Part::Unique, &expected.uniques, &found.uniques, list);
    parts(name, Part::ForeignKey, &expected.foreign_keys, &found.foreign_keys, list);
    parts(name, Part::Check, &expected.checks, &found.checks, list);
    parts(name, Part::Index, &expected.indexes, &found.indexes, list);
    parts(name, Part::Trigger, &expected.triggers, &found.triggers, list);
}

fn parts<T: Named>(table: &str, part: Part, expected: &[T], found: &[T], list: &mut Vec<Difference>) {
    let find = |list: &[T], one: &T| list.iter().position(|other| other.identity() == one.identity());
    for one in expected {
        let other = find(found, one).map(|at| &found[at]);
        if other != Some(one) {
            let texts = (Some(one.text()), other.map(Named::text));
            list.push(Difference::new(table, part, &one.identity(), texts.0, texts.1));
        }
    }
    for one in found.iter().filter(|one| find(expected, one).is_none()) {
        list.push(Difference::new(table, part, &one.identity(), None, Some(one.text())));
    }
}

/// The columns that both have, where they are not in the same order.
fn order(table: &str, expected: &[Column], found: &[Column], list: &mut Vec<Difference>) {
    let common = |these: &[Column], those: &[Column]| -> Vec<String> {
        let both = these.iter().filter(|one| those.iter().any(|other| other.name == one.name));
        both.map(|one| one.name.clone()).collect()
    };
    let (expected, found) = (common(expected, found), common(found, expected));
    if expected != found {
        let (expected, found) = (Some(expected.join(", ")), Some(found.join(", ")));
        list.push(Difference::new(table, Part::Order, table, expected, found));
    }
}

fn size(table: &Table) -> String {
    match table.columns.len() {
        1 => "a table of 1 column".to_owned(),
        columns => format!("a table of {columns} columns"),
    }
}

impl Table {
    fn options(&self) -> String {
        let module = self.module.as_ref().map(|module| format!("USING {module}"));
        let marks = [(self.strict, "STRICT"), (self.without_rowid, "WITHOUT ROWID")];
        let marks = marks.into_iter().filter(|(holds, _)| *holds).map(|(_, mark)| mark.to_owned());
        let all: Vec<String> = module.into_iter().chain(marks).collect();
        if all.is_empty() { "a plain table".to_owned() } else { all.join(", ") }
    }
}

/// What can be found again on the other side.
trait Named: PartialEq {
    fn name(&self) -> &str;
    /// What it says, in short SQL.
    fn text(&self) -> String;
    /// Its name; for one without, what it says.
    fn identity(&self) -> String {
        if self.name().is_empty() { self.text() } else { self.name().to_owned() }
    }
}

impl Named for Column {
    fn name(&self) -> &str {
        &self.name
    }

    fn text(&self) -> String {
        if !self.definition.is_empty() {
            return self.definition.clone();
        }
        let null = if self.nullable { "" } else { " NOT NULL" };
        let default = self.default.as_ref().map(|default| format!(" DEFAULT {default}")).unwrap_or_default();
        format!("{}{null}{default}", self.kind)
    }
}

impl Named for Key {
    fn name(&self) -> &str {
        &self.name
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Named for ForeignKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Named for Check {
    fn name(&self) -> &str {
        &self.name
    }

    fn text(&self) -> String {
        format!("({}){}", self.expression, if self.validated { "" } else { " NOT VALID" })
    }
}

impl Named for Index {
    fn name(&self) -> &str {
        &self.name
    }

    fn text(&self) -> String {
        let unique = if self.unique { "UNIQUE " } else { "" };
        let invalid = if self.valid { "" } else { " INVALID" };
        if !self.definition.is_empty() {
            return format!("{unique}{}{invalid}", self.definition);
        }
        let predicate = self.predicate.as_ref().map(|predicate| format!(" WHERE {predicate}")).unwrap_or_default();
        format!("{unique}({}){predicate}{invalid}", self.columns.join(", "))
    }
}

impl Named for Trigger {
    fn name(&self) -> &str {
        &self.name
    }

    fn text(&self) -> String {
        self.definition.clone()
    }
}
