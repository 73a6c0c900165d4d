//! What a run on a file would do: tried on an empty database in memory, and counted in the file.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::super::plan::{self, Direction, Target};
use super::super::rehearsal::{Lock, Locks, Rehearsal, end_of};
use super::super::source::Source;
use super::super::{Counted, Result};
use super::{READ_PATIENCE, applied, count, execute, open, refuse_foreign, unusable};

pub(in super::super) fn rehearse(
    path: &Path,
    source: &Source,
    direction: Direction,
    target: &Target,
) -> Result<Rehearsal> {
    let failed = |error: rusqlite::Error| unusable(path, &error);
    let file = if path.exists() { Some(open(path, READ_PATIENCE)?) } else { None };
    let mut before = Vec::new();
    if let Some(file) = &file {
        refuse_foreign(path, file)?;
        before = applied(file).map_err(failed)?;
    }
    let steps = plan::steps(source, &before, direction, target)?;

    let mut scratch = Connection::open_in_memory().map_err(failed)?;
    let stage = scratch.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let present = source.migrations().iter().take(before.len()).map(|one| &one.up);
    for script in present.chain(steps.iter().map(|step| step.script(direction))) {
        execute(&stage, script, &before)?;
    }

    let lock = lock(file.as_ref()).map_err(failed)?;
    let mut found: Vec<(Counted, Locks)> = Vec::new();
    for step in &steps {
        let losses = match (direction, &file) {
            (Direction::Down, Some(file)) => count(path, file, &[step])?,
            _ => Counted::new(),
        };
        found.push((losses, Locks::Known(lock.clone().into_iter().collect())));
    }
    let may_lose = found.iter().flat_map(|(losses, _)| losses).any(|(_, count)| *count != Some(0));
    let snapshot = match direction {
        Direction::Up => !before.is_empty() && !steps.is_empty(),
        Direction::Down => may_lose,
    };
    let from = plan::at(&before);
    let to = end_of(&from, direction, &steps, source.migrations());
    Ok(Rehearsal::of((from, to), direction, &steps, found, snapshot))
}

/// SQLite has one lock for all of the file (<https://www.sqlite.org/lockingv3.html>). A run takes it at its start.
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
