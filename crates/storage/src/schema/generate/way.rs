//! One way between two schemas of an engine: up to the desired one, or back.

use super::decisions::{Decision, Decisions, is_shadow};
use crate::schema::{Column, Difference, ForeignKey, Index, Part, Schema, Table};

/// Which way to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// From here to there.
pub(super) struct Way<'s> {
    pub(super) from: &'s Schema,
    pub(super) to: &'s Schema,
    pub(super) direction: Direction,
    /// What is to be decided on the way up.
    pub(super) decisions: &'s Decisions,
    differences: Vec<Difference>,
}

impl<'s> Way<'s> {
    pub(super) fn new(from: &'s Schema, to: &'s Schema, direction: Direction, decisions: &'s Decisions) -> Self {
        let differences = comparable(from, to);
        Self { from, to, direction, decisions, differences }
    }

    /// The differences in such a part, where nothing is to be decided.
    pub(super) fn of(&self, part: Part) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(move |one| one.part == part && !self.is_open(&one.table, &one.name))
    }

    /// What is to be decided, each question once.
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

    /// Whether a person has to decide about it.
    pub(super) fn is_open(&self, table: &str, name: &str) -> bool {
        self.decisions.contains_key(&(table.to_owned(), name.to_owned()))
            || self.decisions.contains_key(&(table.to_owned(), table.to_owned()))
    }

    /// The tables that appear, those that are referred to first.
    pub(super) fn new_tables(&self) -> Vec<(&'s String, &'s Table)> {
        in_order(self.to, self.of(Part::Table).filter(|one| one.found.is_none()).map(|one| one.name.as_str()).collect())
    }

    /// The tables that go, those that refer to others first.
    pub(super) fn old_tables(&self) -> Vec<(&'s String, &'s Table)> {
        let names = self.of(Part::Table).filter(|one| one.expected.is_none()).map(|one| one.name.as_str()).collect();
        let mut tables = in_order(self.from, names);
        tables.reverse();
        tables
    }

    /// The columns that appear, and their tables.
    pub(super) fn new_columns(&self) -> impl Iterator<Item = (&str, &'s Column)> {
        let new = self.of(Part::Column).filter(|one| one.found.is_none());
        new.filter_map(|one| Some((one.table.as_str(), self.to.tables.get(&one.table)?.column(&one.name)?)))
    }

    /// The columns that go: table and name.
    pub(super) fn old_columns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.of(Part::Column).filter(|one| one.expected.is_none()).map(|one| (one.table.as_str(), one.name.as_str()))
    }

    /// The columns that change: table, from, to.
    pub(super) fn changed_columns(&self) -> impl Iterator<Item = (&str, &'s Column, &'s Column)> {
        self.of(Part::Column).filter_map(|one| {
            let from = self.from.tables.get(&one.table)?.column(&one.name)?;
            Some((one.table.as_str(), from, self.to.tables.get(&one.table)?.column(&one.name)?))
        })
    }

    /// What goes for good: `table` or `table.column`.
    pub(super) fn loses(&self) -> Vec<String> {
        let tables = self.old_tables().into_iter().map(|(name, _)| name.clone());
        tables.chain(self.old_columns().map(|(table, column)| format!("{table}.{column}"))).collect()
    }
}

/// What sets two schemas apart and can be made equal: not the order of columns, for `ALTER TABLE` can only append, and not
/// the tables that FTS5 makes by itself.
pub(super) fn comparable(from: &Schema, to: &Schema) -> Vec<Difference> {
    let mut differences = to.differences(from);
    differences.retain(|one| one.part != Part::Order && !is_shadow(from, &one.table) && !is_shadow(to, &one.table));
    differences
}

/// The statement that makes an index.
pub(super) fn create_index(table: &str, index: &Index, how: &str) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    format!("CREATE {unique}INDEX {how}{} ON {table} {};", index.name, index.definition)
}

/// The constraint of that name as it is written in a table.
pub(super) fn constraint(table: &Table, part: Part, name: &str) -> Option<String> {
    let clause = match part {
        Part::PrimaryKey => table.primary_key.as_ref().map(|key| format!("PRIMARY KEY {key}")),
        Part::Unique => table.uniques.iter().find(|key| key.name == name).map(|key| format!("UNIQUE {key}")),
        Part::ForeignKey => {
            table.foreign_keys.iter().find(|key| key.name == name).map(|key| format!("FOREIGN KEY {key}"))
        }
        Part::Check => {
            table.checks.iter().find(|check| check.name == name).map(|check| format!("CHECK ({})", check.expression))
        }
        _ => None,
    };
    clause.map(|clause| format!("CONSTRAINT {name} {clause}"))
}

/// Tables of these names, each behind those that it refers to; where they refer to each other in a circle, by name.
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
