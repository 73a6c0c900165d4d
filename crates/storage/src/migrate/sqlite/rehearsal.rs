//! Rehearses a run on a SQLite file: runs the steps on an empty in-memory database, and counts losses in the file.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::super::plan::{self, Applied, Direction, Target};
use super::super::rehearsal::{Lock, Locks, Rehearsal, StepFindings, end_of};
use super::super::source::{Migration, Source};
use super::super::{Counted, MigrateError, Result};
use super::inventory::SchemaTracker;
use super::{
    READ_TIMEOUT, applied, count, execute, execute_down, exists, open, refuse_foreign, refuse_stale_logs, unusable,
};
use crate::DatabaseUrl;

pub(in super::super) fn rehearse(
    path: &Path,
    source: &Source,
    direction: Direction,
    target: &Target,
) -> Result<Rehearsal> {
    let failed = |error: rusqlite::Error| unusable(path, &error);
    refuse_stale_logs(path).map_err(MigrateError::Refused)?;
    let file = match (exists(path)?, direction) {
        (true, _) => Some(open(path, READ_TIMEOUT)?),
        (false, Direction::Up) => None,
        (false, Direction::Down) => return Err(MigrateError::missing(&DatabaseUrl::Sqlite(path.to_owned()))),
    };
    let mut before = Vec::new();
    if let Some(file) = &file {
        refuse_foreign(path, file)?;
        before = applied(file).map_err(failed)?;
    }
    let steps = plan::steps(source, &before, direction, target)?;

    try_out(path, source, &before, direction, &steps)?;
    let lock = lock(file.as_ref()).map_err(failed)?;
    let mut found = Vec::new();
    for step in &steps {
        let losses = match (direction, &file) {
            (Direction::Down, Some(file)) => count(path, file, &[step])?,
            _ => Counted::new(),
        };
        found.push(StepFindings { losses, cuts: Vec::new(), locks: Locks::Known(lock.clone().into_iter().collect()) });
    }
    let may_lose = found.iter().flat_map(|found| &found.losses).any(|(_, count)| *count != Some(0));
    let snapshot = match direction {
        Direction::Up => !before.is_empty() && !steps.is_empty(),
        Direction::Down => may_lose,
    };
    let from = plan::revision_of(&before);
    let to = end_of(&from, direction, &steps, source.migrations());
    Ok(Rehearsal::new((from, to), direction, &steps, found, snapshot))
}

/// Fails if a down file does not declare what the step destroys, as far as empty tables show it.
pub(in super::super) fn refuse_wrong_declarations(
    path: &Path,
    source: &Source,
    before: &[Applied],
    steps: &[&Migration],
) -> Result<()> {
    match try_out(path, source, before, Direction::Down, steps) {
        Err(error @ MigrateError::WrongDeclaration { .. }) => Err(error),
        // Another failure on empty tables may not occur on the real ones; if it does, the step is undone.
        _ => Ok(()),
    }
}

/// Runs the steps on an empty in-memory database with the schema of the `before` revisions. Fails if a step fails, or
/// does not declare which tables and columns it destroys.
fn try_out(path: &Path, source: &Source, before: &[Applied], direction: Direction, steps: &[&Migration]) -> Result<()> {
    let failed = |error: rusqlite::Error| unusable(path, &error);
    let mut scratch = Connection::open_in_memory().map_err(failed)?;
    let stage = scratch.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    for one in source.migrations().iter().take(before.len()) {
        execute(&stage, &one.up, before)?;
    }
    let mut tracker = SchemaTracker::new(&stage).map_err(failed)?;
    let mut held = tracker.inventory(&stage).map_err(failed)?;
    for step in steps {
        match direction {
            Direction::Up => execute(&stage, &step.up, before)?,
            Direction::Down => held = execute_down(path, &stage, step, before, &mut tracker, &held)?,
        }
    }
    Ok(())
}

/// An in-memory database with the schema of these migrations.
pub(super) fn schema_after(migrations: &[Migration]) -> Result<Connection> {
    let failed = |error: rusqlite::Error| unusable(Path::new(":memory:"), &error);
    let mut scratch = Connection::open_in_memory().map_err(failed)?;
    let stage = scratch.transaction().map_err(failed)?;
    for one in migrations {
        execute(&stage, &one.up, &[])?;
    }
    stage.commit().map_err(failed)?;
    Ok(scratch)
}

/// SQLite has one lock for the whole file (<https://www.sqlite.org/lockingv3.html>). A run takes it at its start.
fn lock(file: Option<&Connection>) -> rusqlite::Result<Option<Lock>> {
    let Some(file) = file else { return Ok(None) };
    let journal: String = file.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let effect = if journal == "wal" {
        "writers wait until the run is done; readers go on"
    } else {
        "writers wait until the run is done, and readers while it commits"
    };
    Ok(Some(Lock { on: "the file".into(), mode: "RESERVED".into(), effect, rewritten: None }))
}
