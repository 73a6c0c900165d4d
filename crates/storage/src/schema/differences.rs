//! Compares two schemas part by part.

use std::collections::BTreeMap;
use std::fmt;

use super::model::{Check, Clause, Column, ForeignKey, Index, KeyConstraint, Schema, Table, Trigger};

/// A part of a schema that is missing, surplus, or not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table or view that contains the part.
    pub table: String,
    pub part: SchemaPart,
    /// The name; for a part without a name, its definition.
    pub name: String,
    /// The expected definition in short SQL; `None` if the part should not exist.
    pub expected: Option<String>,
    /// The actual definition in short SQL; `None` if the part does not exist.
    pub found: Option<String>,
}

/// The parts of a schema and of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SchemaPart {
    Table,
    View,
    Column,
    /// The order of the columns.
    Order,
    PrimaryKey,
    Unique,
    ForeignKey,
    Check,
    Index,
    Trigger,
    Exclusion,
    /// A rewrite rule.
    Rule,
    /// A row-level security policy.
    Policy,
    /// An enumeration, domain, range or composite type.
    Type,
    /// A sequence that belongs to no column.
    Sequence,
    /// A function or a procedure.
    Function,
    MaterializedView,
    ForeignTable,
}

impl Schema {
    /// Compares this schema, the expected one, with the schema `found`; empty if they are equal.
    pub fn differences(&self, found: &Self) -> Vec<Difference> {
        let mut list = Vec::new();
        for (name, expected, found) in pairs(&self.tables, &found.tables) {
            match (expected, found) {
                (Some(expected), Some(found)) => compare_tables(name, expected, found, &mut list),
                _ => list.push(Difference::new(name, SchemaPart::Table, name, expected.map(size), found.map(size))),
            }
        }
        for (name, expected, found) in pairs(&self.views, &found.views) {
            if expected != found {
                list.push(Difference::new(name, SchemaPart::View, name, expected.cloned(), found.cloned()));
            }
        }
        for ((part, name), expected, found) in pairs(&self.objects, &found.objects) {
            if expected != found {
                list.push(Difference::new(name, *part, name, expected.cloned(), found.cloned()));
            }
        }
        list
    }
}

impl SchemaPart {
    /// Whether the part belongs to a table.
    pub fn is_of_table(self) -> bool {
        !matches!(
            self,
            Self::Table
                | Self::View
                | Self::Type
                | Self::Sequence
                | Self::Function
                | Self::MaterializedView
                | Self::ForeignTable
        )
    }
}

impl Difference {
    fn new(table: &str, part: SchemaPart, name: &str, expected: Option<String>, found: Option<String>) -> Self {
        Self { table: table.to_owned(), part, name: name.to_owned(), expected, found }
    }
}

impl fmt::Display for Difference {
    /// `index idx_tags_user_id of tags: expected (user_id), found nothing`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part)?;
        if self.part != SchemaPart::Order {
            write!(f, " {}", self.name)?;
        }
        if self.part.is_of_table() {
            write!(f, " of {}", self.table)?;
        }
        let or_nothing = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, ": expected {}, found {}", or_nothing(&self.expected), or_nothing(&self.found))
    }
}

impl fmt::Display for SchemaPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Pads the name, so that it aligns in a table.
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
            Self::Exclusion => "exclusion constraint",
            Self::Rule => "rule",
            Self::Policy => "policy",
            Self::Type => "type",
            Self::Sequence => "sequence",
            Self::Function => "function",
            Self::MaterializedView => "materialized view",
            Self::ForeignTable => "foreign table",
        })
    }
}

/// Pairs items of the same name; an item that only one side has comes alone.
fn pairs<'m, K: Ord, T>(
    left: &'m BTreeMap<K, T>,
    right: &'m BTreeMap<K, T>,
) -> impl Iterator<Item = (&'m K, Option<&'m T>, Option<&'m T>)> {
    let names = left.keys().chain(right.keys().filter(|name| !left.contains_key(*name)));
    names.map(|name| (name, left.get(name), right.get(name)))
}

fn compare_tables(name: &str, expected: &Table, found: &Table, list: &mut Vec<Difference>) {
    if expected.options(true) != found.options(true) {
        // All tables of PostgreSQL are strict, and SQL has no word for it there.
        let options = |table: &Table| Some(table.options(expected.strict != found.strict));
        list.push(Difference::new(name, SchemaPart::Table, name, options(expected), options(found)));
    }
    compare_parts(name, SchemaPart::Column, &expected.columns, &found.columns, list);
    compare_order(name, &expected.columns, &found.columns, list);
    compare_parts(name, SchemaPart::PrimaryKey, expected.primary_key.as_slice(), found.primary_key.as_slice(), list);
    compare_parts(name, SchemaPart::Unique, &expected.uniques, &found.uniques, list);
    compare_parts(name, SchemaPart::ForeignKey, &expected.foreign_keys, &found.foreign_keys, list);
    compare_parts(name, SchemaPart::Check, &expected.checks, &found.checks, list);
    compare_parts(name, SchemaPart::Index, &expected.indexes, &found.indexes, list);
    compare_parts(name, SchemaPart::Trigger, &expected.triggers, &found.triggers, list);
    compare_parts(name, SchemaPart::Exclusion, &expected.exclusions, &found.exclusions, list);
    compare_parts(name, SchemaPart::Rule, &expected.rules, &found.rules, list);
    compare_parts(name, SchemaPart::Policy, &expected.policies, &found.policies, list);
}

fn compare_parts<T: Named>(table: &str, part: SchemaPart, expected: &[T], found: &[T], list: &mut Vec<Difference>) {
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

/// Compares the order of the columns that both tables have.
fn compare_order(table: &str, expected: &[Column], found: &[Column], list: &mut Vec<Difference>) {
    let common = |these: &[Column], those: &[Column]| -> Vec<String> {
        let both = these.iter().filter(|one| those.iter().any(|other| other.name == one.name));
        both.map(|one| one.name.clone()).collect()
    };
    let (expected, found) = (common(expected, found), common(found, expected));
    if expected != found {
        let (expected, found) = (Some(expected.join(", ")), Some(found.join(", ")));
        list.push(Difference::new(table, SchemaPart::Order, table, expected, found));
    }
}

fn size(table: &Table) -> String {
    match table.columns.len() {
        1 => "a table of 1 column".to_owned(),
        columns => format!("a table of {columns} columns"),
    }
}

impl Table {
    /// The options of the table; `strict` says whether to mention that it is strict.
    fn options(&self, strict: bool) -> String {
        let module = self.module.as_ref().map(|module| format!("USING {module}"));
        let marks = [(strict && self.strict, "STRICT"), (self.without_rowid, "WITHOUT ROWID")];
        let marks = marks.into_iter().filter(|(holds, _)| *holds).map(|(_, mark)| mark.to_owned());
        let all: Vec<String> = module.into_iter().chain(marks).chain(self.marks.iter().cloned()).collect();
        if all.is_empty() { "a plain table".to_owned() } else { all.join(", ") }
    }
}

/// A part that can be found on the other side by its identity.
trait Named: PartialEq {
    fn name(&self) -> &str;
    /// The definition in short SQL.
    fn text(&self) -> String;
    /// The name; for a part without a name, its definition.
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

impl Named for KeyConstraint {
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
        format!("{self}{}", if self.enforced { "" } else { " (not enforced: its triggers are disabled)" })
    }
}

impl Named for Check {
    fn name(&self) -> &str {
        &self.name
    }

    fn text(&self) -> String {
        self.definition.clone()
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
        format!("{}{}{}", self.meaning, if self.state.is_empty() { "" } else { " " }, self.state)
    }
}

impl Named for Clause {
    fn name(&self) -> &str {
        &self.name
    }

    fn text(&self) -> String {
        self.definition.clone()
    }
}
