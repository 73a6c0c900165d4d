//! Computes the steps from the applied migrations to a target, without accessing a database.

use std::fmt;
use std::str::FromStr;

use sotto_domain::Timestamp;

use super::error::{MigrateError, Result};
use super::source::{Migration, Source, revision};
use crate::DatabaseUrl;
use crate::transfer::purpose_and_source;

/// The direction of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To a newer revision.
    Up,
    /// To an older revision.
    Down,
}

/// The revision to migrate to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The newest revision.
    Head,
    /// Before the first revision: no tables.
    Base,
    /// This many steps up.
    Up(u32),
    /// This many steps down.
    Down(u32),
    /// A revision by its number or by the start of its name.
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

/// A row of `schema_migrations`: an applied migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub version: u32,
    pub name: String,
    /// The checksum of the up file that was run.
    pub up_checksum: String,
    /// The checksum of the matching down file.
    pub down_checksum: String,
    pub applied_at: Timestamp,
}

impl Applied {
    /// Number and name.
    pub fn revision(&self) -> String {
        revision(self.version, &self.name)
    }
}

/// The rows of a database to which these migrations were applied.
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

/// The state of a database, compared with this version of Sotto. Displayed as a sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There is no database.
    Missing,
    /// The database has no tables yet.
    Empty,
    /// The database has the revision of this version.
    Head,
    /// The database must be upgraded first.
    Behind {
        /// The revision of the database.
        current: String,
        /// The revision of this version.
        head: String,
    },
    /// A newer version has upgraded the database.
    Ahead {
        /// The revision of the database.
        current: String,
        /// The newest revision that this version knows.
        head: String,
        /// The newest revision that both know, or `base`.
        common: String,
    },
    /// A restore or a copy into the database has not ended.
    Unfinished {
        /// `restore` or `copy`.
        purpose: String,
        /// The source of the restore or copy.
        origin: String,
    },
}

/// Displays the purpose and the source of an unfinished restore or copy as a sentence.
pub(super) struct Unfinished<'s>(pub(super) &'s str, pub(super) &'s str);

impl fmt::Display for Unfinished<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(purpose, origin) = self;
        write!(
            f,
            "the database contains part of a {purpose} of {origin} that has not ended: run the same {purpose} again to \
             continue it"
        )
    }
}

impl State {
    /// The state as one word, for JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Empty => "empty",
            Self::Head => "up_to_date",
            Self::Behind { .. } => "behind",
            Self::Ahead { .. } => "ahead",
            Self::Unfinished { .. } => "unfinished",
        }
    }

    /// Fails if the database has no tables of Sotto's.
    ///
    /// # Errors
    /// [`MigrateError::Missing`] or [`MigrateError::Empty`].
    pub fn with_tables(self, url: &DatabaseUrl) -> Result<Self> {
        match self {
            Self::Missing => Err(MigrateError::missing(url)),
            Self::Empty => Err(MigrateError::empty(url)),
            state => Ok(state),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no database yet"),
            Self::Empty => f.write_str("the database is empty: `sotto db upgrade` creates its tables"),
            Self::Head => f.write_str("the database is up to date"),
            Self::Behind { current, head } => write!(
                f,
                "the database is at revision {current}, and this version of Sotto works with {head}: upgrade it with \
                 `sotto db upgrade`"
            ),
            Self::Ahead { current, head, common } => write!(
                f,
                "the database is at revision {current}, which this version of Sotto does not know (its newest is \
                 {head}): start the version that upgraded it, or run `sotto db downgrade {common}` with that version"
            ),
            Self::Unfinished { purpose, origin } => Unfinished(purpose, origin).fmt(f),
        }
    }
}

/// Compares the `applied` rows of a database with `source`.
///
/// # Errors
/// If the two contradict each other: edited files, revisions out of order.
pub fn state(source: &Source, applied: &[Applied]) -> Result<State> {
    let head = source.migrations().last().map_or_else(|| "base".into(), Migration::revision);
    match position(source, applied) {
        Err(MigrateError::Ahead { revision, common, .. }) => Ok(State::Ahead { current: revision, head, common }),
        Err(MigrateError::Unfinished { purpose, origin }) => Ok(State::Unfinished { purpose, origin }),
        Err(error) => Err(error),
        Ok(0) => Ok(State::Empty),
        Ok(at) if at == source.migrations().len() => Ok(State::Head),
        Ok(at) => Ok(State::Behind { current: source.migrations()[at - 1].revision(), head }),
    }
}

/// The migrations whose up files lead to `target`, in the order in which to run them.
///
/// # Errors
/// If `target` is unknown or below, or if `applied` and `source` contradict each other.
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
/// If `target` is unknown or above, or if `applied` and `source` contradict each other.
pub fn downgrade<'s>(source: &'s Source, applied: &[Applied], target: &Target) -> Result<Vec<&'s Migration>> {
    let at = position(source, applied)?;
    let goal = resolve(source, at, target)?;
    if goal > at {
        return Err(wrong_way(source, at, goal, "above", "upgrade"));
    }
    Ok(source.migrations()[goal..at].iter().rev().collect())
}

/// The migrations that count as applied at `target`. The `applied` rows only matter for counting steps.
///
/// # Errors
/// If `target` is unknown.
pub fn stamp<'s>(source: &'s Source, applied: &[Applied], target: &Target) -> Result<&'s [Migration]> {
    let at = applied.len().min(source.migrations().len());
    Ok(&source.migrations()[..resolve(source, at, target)?])
}

/// The steps to `target` in one direction.
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

/// The revision of a database with these rows, or `base`.
pub(super) fn revision_of(applied: &[Applied]) -> String {
    applied.last().map_or_else(|| "base".into(), Applied::revision)
}

/// The revision after the first `position` migrations, or `base`.
pub(super) fn revision_at(source: &Source, position: usize) -> String {
    position
        .checked_sub(1)
        .and_then(|at| source.migrations().get(at))
        .map_or_else(|| "base".into(), Migration::revision)
}

/// The number of applied migrations, after checking that they are the first ones of `source`, unchanged.
pub(super) fn position(source: &Source, applied: &[Applied]) -> Result<usize> {
    let known = source.migrations();
    let find = |row: &Applied| known.iter().find(|one| one.version == row.version && one.name == row.name);
    if let Some((purpose, origin)) = applied.iter().find_map(purpose_and_source) {
        return Err(MigrateError::Unfinished { purpose: purpose.to_owned(), origin: origin.to_owned() });
    }
    if let Some(row) = applied.iter().rev().find(|row| find(row).is_none()) {
        // Two versions may have diverged from a revision that both know.
        let same = |(row, one): &(&Applied, &Migration)| row.version == one.version && row.name == one.name;
        let common = revision_at(source, applied.iter().zip(known).take_while(same).count());
        let known = format!("it knows {} up to {}", known.len(), revision_at(source, known.len()));
        return Err(MigrateError::Ahead { revision: row.revision(), known, common });
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

/// The number of migrations that are applied at `target`.
fn resolve(source: &Source, at: usize, target: &Target) -> Result<usize> {
    let count = source.migrations().len();
    let too_few = |there_are: usize, direction: &str| {
        let (verb, revisions) = if there_are == 1 { ("is", "revision") } else { ("are", "revisions") };
        let present = revision_at(source, at);
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
            known: format!(
                "this version of Sotto knows {} up to {}",
                revision_at(source, 1),
                revision_at(source, known.len())
            ),
        }),
        several => Err(MigrateError::UnknownTarget {
            target: text.to_owned(),
            known: format!(
                "several match: {}",
                several.iter().map(|one| one.revision()).collect::<Vec<_>>().join(", ")
            ),
        }),
    }
}

fn wrong_way(source: &Source, at: usize, goal: usize, side: &str, command: &str) -> MigrateError {
    let (at, goal) = (revision_at(source, at), revision_at(source, goal));
    MigrateError::Unreachable(format!("{goal} is {side} the present revision, {at}: use `sotto db {command} {goal}`"))
}
