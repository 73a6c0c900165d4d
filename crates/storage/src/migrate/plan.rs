//! Which steps lead from what is applied to a target. Nothing here touches a database.

use std::fmt;
use std::str::FromStr;

use sotto_domain::Timestamp;

use super::error::{MigrateError, Result};
use super::source::{Migration, Source, revision};

/// Which way to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To a newer revision.
    Up,
    /// Back to an older one.
    Down,
}

/// Where to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The newest revision.
    Head,
    /// Before the first revision: no tables.
    Base,
    /// So many steps up.
    Up(u32),
    /// So many steps down.
    Down(u32),
    /// The revision with this number, or whose name begins like this.
    Revision(String),
}

impl FromStr for Target {
    type Err = MigrateError;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || MigrateError::BadTarget(text.to_owned());
        let steps = |digits: &str| digits.parse().ok().filter(|steps| *steps > 0).ok_or_else(bad);
        match text {
            "head" => Ok(Self::Head),
            "base" => Ok(Self::Base),
            _ => match (text.strip_prefix('+'), text.strip_prefix('-')) {
                (Some(digits), _) => steps(digits).map(Self::Up),
                (_, Some(digits)) => steps(digits).map(Self::Down),
                _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
                    Ok(Self::Revision(text.to_owned()))
                }
                _ => Err(bad()),
            },
        }
    }
}

/// A row of `schema_migrations`: a revision that the database has been brought to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its number.
    pub version: u32,
    /// Its name.
    pub name: String,
    /// The checksum of the up file that was run.
    pub up_checksum: String,
    /// The checksum of the down file that came with it.
    pub down_checksum: String,
    /// When it was run.
    pub applied_at: Timestamp,
}

impl Applied {
    /// Number and name.
    pub fn revision(&self) -> String {
        revision(self.version, &self.name)
    }
}

/// The rows of a database that these migrations have brought to where it is.
pub fn as_applied(migrations: &[Migration]) -> Vec<Applied> {
    let row = |one: &Migration| Applied {
        version: one.version,
        name: one.name.clone(),
        up_checksum: one.up.checksum.clone(),
        down_checksum: one.down.checksum.clone(),
        applied_at: Timestamp::MIN,
    };
    migrations.iter().map(row).collect()
}

/// How a database stands to this version of Sotto. Its text is a sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It has no tables yet.
    Empty,
    /// It is what this version works with.
    Head,
    /// It has to be upgraded first.
    Behind {
        /// Where it is.
        current: String,
        /// What this version works with.
        head: String,
    },
    /// A newer version has upgraded it.
    Ahead {
        /// Where it is.
        current: String,
        /// The newest revision that this version knows.
        head: String,
    },
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the database is empty: `sotto db upgrade` makes its tables"),
            Self::Head => f.write_str("the database is up to date"),
            Self::Behind { current, head } => write!(
                f,
                "the database is at revision {current}, and this version of Sotto works with {head}: \
                 `sotto db upgrade` brings it there"
            ),
            Self::Ahead { current, head } => write!(
                f,
                "the database is at revision {current}, which this version of Sotto does not know (its newest is \
                 {head}): start the version that upgraded it, or go back with that version's `sotto db downgrade {head}`"
            ),
        }
    }
}

/// How a database with these `applied` rows stands to `source`.
///
/// # Errors
/// If the two contradict each other: edited files, revisions out of order.
pub fn state(source: &Source, applied: &[Applied]) -> Result<State> {
    let head = source.migrations().last().map_or_else(|| "base".into(), Migration::revision);
    match position(source, applied) {
        Err(MigrateError::Ahead { revision, .. }) => Ok(State::Ahead { current: revision, head }),
        Err(error) => Err(error),
        Ok(0) => Ok(State::Empty),
        Ok(at) if at == source.migrations().len() => Ok(State::Head),
        Ok(at) => Ok(State::Behind { current: source.migrations()[at - 1].revision(), head }),
    }
}

/// The migrations whose up files lead to `target`, in the order in which to run them.
///
/// # Errors
/// If `target` is unknown or lies below, or if `applied` and `source` contradict each other.
pub fn upgrade<'s>(source: &'s Source, applied: &[Applied], target: &Target) -> Result<Vec<&'s Migration>> {
    let at = position(source, applied)?;
    let goal = resolve(source, at, target)?;
    if goal < at {
        return Err(wrong_way(source, at, goal, "below", "downgrade"));
    }
    Ok(source.migrations()[at..goal].iter().collect())
}

/// The migrations whose down files lead to `target`, in the order in which to run them.
///
/// # Errors
/// If `target` is unknown or lies above, or if `applied` and `source` contradict each other.
pub fn downgrade<'s>(source: &'s Source, applied: &[Applied], target: &Target) -> Result<Vec<&'s Migration>> {
    let at = position(source, applied)?;
    let goal = resolve(source, at, target)?;
    if goal > at {
        return Err(wrong_way(source, at, goal, "above", "upgrade"));
    }
    Ok(source.migrations()[goal..at].iter().rev().collect())
}

/// The migrations that count as applied at `target`. What is applied now does not matter, except for counting steps.
///
/// # Errors
/// If `target` is unknown.
pub fn stamp<'s>(source: &'s Source, applied: &[Applied], target: &Target) -> Result<&'s [Migration]> {
    let at = applied.len().min(source.migrations().len());
    Ok(&source.migrations()[..resolve(source, at, target)?])
}

/// The steps to `target`, this way or that.
///
/// # Errors
/// As [`upgrade`] and [`downgrade`].
pub fn steps<'s>(
    source: &'s Source,
    applied: &[Applied],
    direction: Direction,
    target: &Target,
) -> Result<Vec<&'s Migration>> {
    match direction {
        Direction::Up => upgrade(source, applied, target),
        Direction::Down => downgrade(source, applied, target),
    }
}

/// Where a database with these rows is: a revision, or `base`.
pub(super) fn at(applied: &[Applied]) -> String {
    applied.last().map_or_else(|| "base".into(), Applied::revision)
}

/// How a place in the source is shown: a revision, or `base`.
pub(super) fn place(source: &Source, position: usize) -> String {
    position
        .checked_sub(1)
        .and_then(|at| source.migrations().get(at))
        .map_or_else(|| "base".into(), Migration::revision)
}

/// How many migrations are applied, once it is certain that they are the first ones of `source`, unchanged.
pub(super) fn position(source: &Source, applied: &[Applied]) -> Result<usize> {
    let known = source.migrations();
    let find = |row: &Applied| known.iter().find(|one| one.version == row.version && one.name == row.name);
    if let Some(row) = applied.iter().rev().find(|row| find(row).is_none()) {
        let known = format!("it knows {} up to {}", known.len(), place(source, known.len()));
        return Err(MigrateError::Ahead { revision: row.revision(), known });
    }
    let current = applied.last().map(Applied::revision).unwrap_or_default();
    for (row, expected) in applied.iter().zip(known) {
        if row.version != expected.version {
            return Err(MigrateError::OutOfOrder { missing: expected.revision(), newer: current });
        }
        for (recorded, script) in [(&row.up_checksum, &expected.up), (&row.down_checksum, &expected.down)] {
            if *recorded != script.checksum {
                return Err(MigrateError::Edited { file: script.file.clone(), current });
            }
        }
    }
    Ok(applied.len())
}

/// How many migrations are applied at `target`.
fn resolve(source: &Source, at: usize, target: &Target) -> Result<usize> {
    let count = source.migrations().len();
    let too_few = |there_are: usize, direction: &str| {
        let (verb, revisions) = if there_are == 1 { ("is", "revision") } else { ("are", "revisions") };
        let present = place(source, at);
        MigrateError::Unreachable(format!(
            "there {verb} only {there_are} {revisions} {direction} the present one, {present}"
        ))
    };
    match target {
        Target::Head => Ok(count),
        Target::Base => Ok(0),
        Target::Up(steps) => {
            let goal = at.saturating_add(*steps as usize);
            if goal > count { Err(too_few(count - at, "above")) } else { Ok(goal) }
        }
        Target::Down(steps) => at.checked_sub(*steps as usize).ok_or_else(|| too_few(at, "below")),
        Target::Revision(text) => find(source, text),
    }
}

fn find(source: &Source, text: &str) -> Result<usize> {
    let known = source.migrations();
    let number: Option<u32> = text.parse().ok();
    let matches = |one: &&Migration| match number {
        Some(number) => one.version == number,
        None => one.revision().starts_with(text) || one.name.starts_with(text),
    };
    let exact = |one: &&Migration| one.revision() == text || one.name == text;
    let found: Vec<&Migration> = known.iter().filter(matches).collect();
    if let Some(one) = found.iter().find(|one| exact(one)) {
        return Ok(one.version as usize);
    }
    match found.as_slice() {
        [one] => Ok(one.version as usize),
        [] => Err(MigrateError::UnknownTarget {
            target: text.to_owned(),
            known: format!("this version of Sotto knows {} up to {}", place(source, 1), place(source, known.len())),
        }),
        several => Err(MigrateError::UnknownTarget {
            target: text.to_owned(),
            known: format!(
                "several begin like that: {}",
                several.iter().map(|one| one.revision()).collect::<Vec<_>>().join(", ")
            ),
        }),
    }
}

fn wrong_way(source: &Source, at: usize, goal: usize, side: &str, command: &str) -> MigrateError {
    let (at, goal) = (place(source, at), place(source, goal));
    MigrateError::Unreachable(format!("{goal} is {side} the present revision, {at}: use `sotto db {command} {goal}`"))
}
