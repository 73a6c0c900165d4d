//! What the files of a revision say.

use std::collections::BTreeSet;

use super::decisions::{Decisions, decisions};
use super::way::{Direction, Way, comparable, create_index};
use super::{postgres, sqlite};
use crate::schema::{Engine, Index, Part, Schema};

/// A revision that is not written yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    /// Its name, without its number.
    pub(super) name: String,
    pub(super) sqlite: Pair,
    pub(super) postgres: Pair,
}

/// The way there and back on one engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) up: String,
    pub(super) down: String,
}

/// An engine's schemas: what its migrations make, and what is desired.
pub(super) struct Sides {
    pub(super) engine: Engine,
    pub(super) current: Schema,
    pub(super) desired: Schema,
}

impl Draft {
    pub(super) fn pair(&self, engine: Engine) -> &Pair {
        match engine {
            Engine::Sqlite => &self.sqlite,
            Engine::Postgres => &self.postgres,
        }
    }
}

/// Files that are refused until a person has written them.
pub(super) fn skeleton(name: &str, message: &str) -> Draft {
    let pair = Pair {
        up: format!("{}\n-- decide: how to go there\n", head(message)),
        down: format!(
            "-- loses: nothing\n{}\n-- decide: how to go back, and what that loses (see the first line)\n",
            head(message)
        ),
    };
    Draft { name: name.to_owned(), sqlite: pair.clone(), postgres: pair }
}

/// The revisions that lead from the current to the desired schemas: one for all that can be done inside of a transaction,
/// and one for each index of a table that is there already, which PostgreSQL builds outside of one. Indexes that go are
/// out of the way before the rest, and those that come find it done. Both engines go through the same revisions.
pub(super) fn drafts(name: &str, message: &str, sides: &[Sides; 2]) -> Vec<Draft> {
    let decisions = sides.each_ref().map(|sides| decisions(sides.engine, &sides.current, &sides.desired));
    let indexes = changed_indexes(sides);
    let of_index = |change: &[Change<'_>; 2]| {
        let (index, drops) = change.iter().find_map(Change::index)?;
        let verb = if drops { "drop" } else { "create" };
        let [sqlite, postgres] = [0, 1].map(|at| change[at].pair(sides[at].engine, message));
        Some((drops, Draft { name: format!("{name}_{verb}_{index}"), sqlite, postgres }))
    };
    let (drops, creates): (Vec<_>, Vec<_>) = indexes.iter().filter_map(of_index).partition(|(drops, _)| *drops);
    let main = main(name, message, sides, &decisions);
    let [drops, creates] = [drops, creates].map(|list| list.into_iter().map(|(_, draft)| draft));
    let mut drafts: Vec<Draft> = drops.chain(main).chain(creates).collect();
    // One revision needs no second name.
    if let [only] = drafts.as_mut_slice() {
        name.clone_into(&mut only.name);
    }
    drafts
}

fn main(name: &str, message: &str, sides: &[Sides; 2], decisions: &[Decisions; 2]) -> Option<Draft> {
    let ways = [0, 1].map(|at| {
        let Sides { current, desired, .. } = &sides[at];
        let up = Way::new(current, desired, Direction::Up, &decisions[at]);
        (up, Way::new(desired, current, Direction::Down, &decisions[at]))
    });
    let statements = |at: usize, way: &Way<'_>| match sides[at].engine {
        Engine::Sqlite => sqlite::statements(way),
        Engine::Postgres => postgres::statements(way),
    };
    let statements = [0, 1].map(|at| (statements(at, &ways[at].0), statements(at, &ways[at].1)));
    if statements.iter().all(|(up, _)| up.is_empty()) {
        return None;
    }
    // Both say the same: what an engine does not have counts as nothing.
    let loses: BTreeSet<String> = ways.iter().flat_map(|(_, down)| down.loses()).collect();
    let loses = if loses.is_empty() { "nothing".to_owned() } else { loses.into_iter().collect::<Vec<_>>().join(", ") };
    let [sqlite, postgres] = [0, 1].map(|at| {
        let body = |statements: &[String]| match statements {
            [] => nothing_to_do(sides[at].engine),
            some => some.join("\n\n"),
        };
        let (up, down) = &statements[at];
        Pair {
            up: format!("{}\n\n{}\n", head(message), body(up)),
            down: format!("-- loses: {loses}\n{}\n\n{}\n", head(message), body(down)),
        }
    });
    Some(Draft { name: name.to_owned(), sqlite, postgres })
}

fn head(message: &str) -> String {
    format!("-- What it does: {}", message.trim())
}

/// A file has to say something.
fn nothing_to_do(engine: Engine) -> String {
    format!("-- Nothing is to be done on {engine}.\nSELECT 1;")
}

/// What happens to an index of a table that is there, on one engine.
#[derive(Clone, Copy)]
enum Change<'s> {
    Nothing,
    Create(&'s str, &'s Index),
    Drop(&'s str, &'s Index),
}

/// An index that changes goes first and then comes again.
fn changed_indexes(sides: &[Sides; 2]) -> Vec<[Change<'_>; 2]> {
    let mut names = BTreeSet::new();
    for sides in sides {
        let differences = comparable(&sides.current, &sides.desired);
        names.extend(differences.into_iter().filter(|one| one.part == Part::Index).map(|one| (one.table, one.name)));
    }
    let mut changes = Vec::new();
    for (table, name) in names {
        let [drops, creates] = [true, false].map(|drop| {
            sides.each_ref().map(|sides| {
                let (Some((table, current)), Some(desired)) =
                    (sides.current.tables.get_key_value(&table), sides.desired.tables.get(&table))
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
    /// Its name, and whether it goes.
    fn index(&self) -> Option<(&str, bool)> {
        match self {
            Self::Nothing => None,
            Self::Create(_, index) => Some((&index.name, false)),
            Self::Drop(_, index) => Some((&index.name, true)),
        }
    }

    fn pair(&self, engine: Engine, message: &str) -> Pair {
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
        Pair { up: format!("{mark}{head}\n\n{up}\n"), down: format!("-- loses: nothing\n{mark}{head}\n\n{down}\n") }
    }
}
