//! The contents of new migrations.

use std::collections::BTreeSet;

use super::constraints::Additions;
use super::decisions::{Decisions, decisions};
use super::diff::{Direction, SchemaDiff, comparable, create_index};
use super::types::Cuts;
use super::{postgres, sqlite};
use crate::schema::{Engine, Index, Schema, SchemaPart};

/// A migration that is not written yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewMigration {
    /// The name, without its number.
    pub(super) name: String,
    pub(super) sqlite: SqlPair,
    pub(super) postgres: SqlPair,
}

/// The up and down files of one engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SqlPair {
    pub(super) up: String,
    pub(super) down: String,
}

/// The current schema of an engine, which its migrations create, and the desired one.
pub(super) struct EngineSchemas {
    pub(super) engine: Engine,
    pub(super) current: Schema,
    pub(super) desired: Schema,
}

impl NewMigration {
    pub(super) fn pair(&self, engine: Engine) -> &SqlPair {
        match engine {
            Engine::Sqlite => &self.sqlite,
            Engine::Postgres => &self.postgres,
        }
    }
}

/// A migration that is refused until a person has completed it.
pub(super) fn skeleton(name: &str, message: &str) -> NewMigration {
    let pair = SqlPair {
        up: format!("{}\n-- decide: how to go there\n", head(message)),
        down: format!(
            "-- loses: nothing\n{}\n-- decide: how to go back, and what that loses (see the first line)\n",
            head(message)
        ),
    };
    NewMigration { name: name.to_owned(), sqlite: pair.clone(), postgres: pair }
}

/// The migrations that lead from the current to the desired schemas. One contains everything that can run in a
/// transaction. Each index of an existing table gets its own migration, because PostgreSQL builds it outside of a
/// transaction: dropped indexes come before the main migration, new ones after it. The last migration validates
/// constraints that PostgreSQL has added without reading the tables. Both engines get the same migrations.
pub(super) fn new_migrations(
    name: &str,
    message: &str,
    schemas: &[EngineSchemas; 2],
    cuts: &Cuts,
) -> Vec<NewMigration> {
    let decisions =
        schemas.each_ref().map(|schemas| decisions(schemas.engine, &schemas.current, &schemas.desired, cuts));
    let indexes = changed_indexes(schemas);
    let of_index = |change: &[Change<'_>; 2]| {
        let (index, drops) = change.iter().find_map(Change::index)?;
        let verb = if drops { "drop" } else { "create" };
        let [sqlite, postgres] = [0, 1].map(|at| change[at].pair(schemas[at].engine, message));
        Some((drops, NewMigration { name: format!("{name}_{verb}_{index}"), sqlite, postgres }))
    };
    let (drops, creates): (Vec<_>, Vec<_>) = indexes.iter().filter_map(of_index).partition(|(drops, _)| *drops);
    let main = main(name, message, schemas, &decisions);
    let [_, postgres] = schemas;
    let additions =
        Additions::new(&SchemaDiff::new(&postgres.current, &postgres.desired, Direction::Up, &decisions[1]));
    let taken_over = additions.indexes();
    let taken_over =
        taken_over.iter().filter_map(|(table, index)| of_index(&[Change::Nothing, Change::Create(table, index)]));
    let creates = creates.into_iter().chain(taken_over);
    let finish = additions.finish(message).map(|[sqlite, postgres]| NewMigration {
        name: format!("{name}_validate"),
        sqlite,
        postgres,
    });
    let drops = drops.into_iter().map(|(_, draft)| draft);
    let mut new_migrations: Vec<NewMigration> =
        drops.chain(main).chain(creates.map(|(_, draft)| draft)).chain(finish).collect();
    // A single migration does not need a suffix in its name.
    if let [only] = new_migrations.as_mut_slice() {
        name.clone_into(&mut only.name);
    }
    new_migrations
}

fn main(name: &str, message: &str, schemas: &[EngineSchemas; 2], decisions: &[Decisions; 2]) -> Option<NewMigration> {
    let diffs = [0, 1].map(|at| {
        let EngineSchemas { current, desired, .. } = &schemas[at];
        let up = SchemaDiff::new(current, desired, Direction::Up, &decisions[at]);
        (up, SchemaDiff::new(desired, current, Direction::Down, &decisions[at]))
    });
    let statements = |at: usize, diff: &SchemaDiff<'_>| match schemas[at].engine {
        Engine::Sqlite => sqlite::statements(diff),
        Engine::Postgres => postgres::statements(diff),
    };
    let statements = [0, 1].map(|at| (statements(at, &diffs[at].0), statements(at, &diffs[at].1)));
    if statements.iter().all(|(up, _)| up.is_empty()) {
        return None;
    }
    let [sqlite, postgres] = [0, 1].map(|at| {
        let body = |statements: &[String]| match statements {
            [] => nothing_to_do(schemas[at].engine),
            some => some.join("\n\n"),
        };
        let (up, down) = &statements[at];
        // Each engine declares only its own losses, because declaring a loss that does not exist is an error.
        let loses: Vec<String> = diffs[at].1.loses().into_iter().collect();
        let loses = if loses.is_empty() { "nothing".to_owned() } else { loses.join(", ") };
        SqlPair {
            up: format!("{}\n\n{}\n", head(message), body(up)),
            down: format!("-- loses: {loses}\n{}\n\n{}\n", head(message), body(down)),
        }
    });
    Some(NewMigration { name: name.to_owned(), sqlite, postgres })
}

pub(super) fn head(message: &str) -> String {
    format!("-- What it does: {}", message.trim())
}

/// A placeholder, because a migration file must contain a statement.
pub(super) fn nothing_to_do(engine: Engine) -> String {
    format!("-- Nothing is to be done on {engine}.\nSELECT 1;")
}

/// The change of an index of an existing table, on one engine.
#[derive(Clone, Copy)]
enum Change<'s> {
    Nothing,
    Create(&'s str, &'s Index),
    Drop(&'s str, &'s Index),
}

/// A changed index is dropped and created again.
fn changed_indexes(schemas: &[EngineSchemas; 2]) -> Vec<[Change<'_>; 2]> {
    let mut names = BTreeSet::new();
    for schemas in schemas {
        let differences = comparable(&schemas.current, &schemas.desired);
        names.extend(
            differences.into_iter().filter(|one| one.part == SchemaPart::Index).map(|one| (one.table, one.name)),
        );
    }
    let mut changes = Vec::new();
    for (table, name) in names {
        let [drops, creates] = [true, false].map(|drop| {
            schemas.each_ref().map(|schemas| {
                let (Some((table, current)), Some(desired)) =
                    (schemas.current.tables.get_key_value(&table), schemas.desired.tables.get(&table))
                else {
                    return Change::Nothing;
                };
                let old = current.indexes.iter().find(|index| index.name == name);
                let new = desired.indexes.iter().find(|index| index.name == name);
                match (old, new) {
                    (old, new) if old == new => Change::Nothing,
                    (Some(old), _) if drop => Change::Drop(table, old),
                    (_, Some(new)) if !drop => Change::Create(table, new),
                    _ => Change::Nothing,
                }
            })
        });
        changes.extend([drops, creates].into_iter().filter(|both| both.iter().any(|one| one.index().is_some())));
    }
    changes
}

impl Change<'_> {
    /// The index's name, and whether it is dropped.
    fn index(&self) -> Option<(&str, bool)> {
        match self {
            Self::Nothing => None,
            Self::Create(_, index) => Some((&index.name, false)),
            Self::Drop(_, index) => Some((&index.name, true)),
        }
    }

    fn pair(&self, engine: Engine, message: &str) -> SqlPair {
        let (mark, concurrently) = match (engine, self) {
            (_, Self::Nothing) | (Engine::Sqlite, _) => ("", ""),
            (Engine::Postgres, _) => ("-- no-transaction\n", "CONCURRENTLY "),
        };
        let make = |table: &str, index: &Index| create_index(table, index, concurrently);
        let drop = |index: &Index| match engine {
            Engine::Sqlite => format!("DROP INDEX {};", index.name),
            Engine::Postgres => format!("DROP INDEX CONCURRENTLY IF EXISTS {};", index.name),
        };
        let (up, down) = match self {
            Self::Nothing => (nothing_to_do(engine), nothing_to_do(engine)),
            Self::Create(table, index) => (make(table, index), drop(index)),
            Self::Drop(table, index) => (drop(index), make(table, index)),
        };
        let head = head(message);
        SqlPair { up: format!("{mark}{head}\n\n{up}\n"), down: format!("-- loses: nothing\n{mark}{head}\n\n{down}\n") }
    }
}
