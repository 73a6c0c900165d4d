//! The differences between two schemas of an engine, in the direction up (to the desired schema) or down.

use std::collections::BTreeSet;

use super::decisions::{Decision, Decisions, is_shadow};
use crate::schema::{Column, Difference, ForeignKey, Index, Schema, SchemaPart, Table};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// The differences that lead from one schema to the other.
pub(super) struct SchemaDiff<'s> {
    pub(super) from: &'s Schema,
    pub(super) to: &'s Schema,
    pub(super) direction: Direction,
    /// The open questions of the up direction.
    pub(super) decisions: &'s Decisions,
    differences: Vec<Difference>,
}

impl<'s> SchemaDiff<'s> {
    pub(super) fn new(from: &'s Schema, to: &'s Schema, direction: Direction, decisions: &'s Decisions) -> Self {
        let differences = comparable(from, to);
        Self { from, to, direction, decisions, differences }
    }

    /// The differences in one kind of part, without those that are open questions.
    pub(super) fn in_part(&self, part: SchemaPart) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(move |one| one.part == part && !self.is_open(&one.table, &one.name))
    }

    /// The open questions, each once.
    pub(super) fn questions(&self) -> Vec<String> {
        let mut all: Vec<&Decision> = Vec::new();
        for decision in self.decisions.values() {
            if !all.contains(&decision) {
                all.push(decision);
            }
        }
        let text = |decision: &Decision| match self.direction {
            Direction::Up => decision.block(),
            Direction::Down => decision.back(),
        };
        all.into_iter().map(text).collect()
    }

    /// Whether there is an open question about this part.
    pub(super) fn is_open(&self, table: &str, name: &str) -> bool {
        self.decisions.contains_key(&(table.to_owned(), name.to_owned()))
            || self.decisions.contains_key(&(table.to_owned(), table.to_owned()))
    }

    /// New tables, referenced tables first.
    pub(super) fn new_tables(&self) -> Vec<(&'s String, &'s Table)> {
        in_order(
            self.to,
            self.in_part(SchemaPart::Table).filter(|one| one.found.is_none()).map(|one| one.name.as_str()).collect(),
        )
    }

    /// Dropped tables, referring tables first.
    pub(super) fn old_tables(&self) -> Vec<(&'s String, &'s Table)> {
        let names =
            self.in_part(SchemaPart::Table).filter(|one| one.expected.is_none()).map(|one| one.name.as_str()).collect();
        let mut tables = in_order(self.from, names);
        tables.reverse();
        tables
    }

    /// New columns with their tables.
    pub(super) fn new_columns(&self) -> impl Iterator<Item = (&str, &'s Column)> {
        let new = self.in_part(SchemaPart::Column).filter(|one| one.found.is_none());
        new.filter_map(|one| Some((one.table.as_str(), self.to.tables.get(&one.table)?.column(&one.name)?)))
    }

    /// Dropped columns: table and name.
    pub(super) fn old_columns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.in_part(SchemaPart::Column)
            .filter(|one| one.expected.is_none())
            .map(|one| (one.table.as_str(), one.name.as_str()))
    }

    /// Changed columns: table, old and new column.
    pub(super) fn changed_columns(&self) -> impl Iterator<Item = (&str, &'s Column, &'s Column)> {
        self.in_part(SchemaPart::Column).filter_map(|one| {
            let from = self.from.tables.get(&one.table)?.column(&one.name)?;
            Some((one.table.as_str(), from, self.to.tables.get(&one.table)?.column(&one.name)?))
        })
    }

    /// The dropped data: `table` or `table.column`, without data that the engine computes from other tables.
    pub(super) fn loses(&self) -> BTreeSet<String> {
        let tables = self.old_tables().into_iter().filter(|(name, table)| !is_index(self.from, name, table));
        let tables = tables.map(|(name, _)| name.clone());
        let computed = |table: &str, column: &str| {
            let column = self.from.tables.get(table).and_then(|table| table.column(column));
            column.is_some_and(|column| column.generated.is_some())
        };
        let columns = self.old_columns().filter(|(table, column)| !computed(table, column));
        tables.chain(columns.map(|(table, column)| format!("{table}.{column}"))).collect()
    }
}

/// Whether a table is a full-text index without a copy of its texts. A copy would be in a table `NAME_content`.
fn is_index(schema: &Schema, name: &str, table: &Table) -> bool {
    let full_text = table.module.as_ref().is_some_and(|module| module.to_ascii_lowercase().starts_with("fts"));
    full_text && !schema.tables.contains_key(&format!("{name}_content"))
}

/// Differences that statements can remove: not the order of columns, because `ALTER TABLE` can only append, and not the
/// tables that FTS5 creates by itself.
pub(super) fn comparable(from: &Schema, to: &Schema) -> Vec<Difference> {
    let mut differences = to.differences(from);
    differences
        .retain(|one| one.part != SchemaPart::Order && !is_shadow(from, &one.table) && !is_shadow(to, &one.table));
    differences
}

/// `how` is empty or `CONCURRENTLY `.
pub(super) fn create_index(table: &str, index: &Index, how: &str) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    format!("CREATE {unique}INDEX {how}{} ON {table} {};", index.name, index.definition)
}

/// The constraint of this name as it is written in a `CREATE TABLE` statement.
pub(super) fn constraint(table: &Table, part: SchemaPart, name: &str) -> Option<String> {
    let clause = match part {
        SchemaPart::PrimaryKey => table.primary_key.as_ref().map(|key| format!("PRIMARY KEY {key}")),
        SchemaPart::Unique => table.uniques.iter().find(|key| key.name == name).map(|key| format!("UNIQUE {key}")),
        SchemaPart::ForeignKey => {
            table.foreign_keys.iter().find(|key| key.name == name).map(|key| format!("FOREIGN KEY {key}"))
        }
        SchemaPart::Check => {
            table.checks.iter().find(|check| check.name == name).map(|check| format!("CHECK ({})", check.expression))
        }
        _ => None,
    };
    clause.map(|clause| format!("CONSTRAINT {name} {clause}"))
}

/// Tables of these names, each after those that it refers to; in a circle of references, by name.
fn in_order<'s>(schema: &'s Schema, mut names: Vec<&str>) -> Vec<(&'s String, &'s Table)> {
    let mut ordered = Vec::new();
    while !names.is_empty() {
        let waits = |name: &str| {
            let keys = schema.tables.get(name).map(|table| table.foreign_keys.as_slice()).unwrap_or_default();
            keys.iter().any(|key: &ForeignKey| key.table != name && names.contains(&key.table.as_str()))
        };
        let next = names.iter().position(|name| !waits(name)).unwrap_or(0);
        ordered.extend(schema.tables.get_key_value(names.remove(next)));
    }
    ordered
}
