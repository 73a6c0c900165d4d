//! What a run would do, found out without doing it.

use super::error::{Counted, Losses};
use super::plan::{Direction, Target};
use super::source::Migration;
use super::{Migrator, Result, postgres, sqlite};
use crate::DatabaseUrl;

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// The revision that the database is at, or `base`.
    pub from: String,
    /// The revision that it would be at, or `base`.
    pub to: String,
    /// What would be run, in this order.
    pub steps: Vec<RehearsedStep>,
    /// Whether the database would be copied first.
    pub snapshot: bool,
}

/// What a step would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RehearsedStep {
    /// Its revision.
    pub revision: String,
    /// The file that would be run.
    pub file: String,
    /// What it would destroy, as things are now. `None` for what is not there: an earlier step may be about to make it.
    pub losses: Counted,
    /// What others would have to wait for.
    pub locks: Locks,
}

/// The locks that a step takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locks {
    /// These, on what exists before the step.
    Known(Vec<Lock>),
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// A lock that a step holds until it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The table, or the file.
    pub on: String,
    /// Its mode, as the engine's manual calls it.
    pub mode: String,
    /// What it means for everybody else.
    pub effect: &'static str,
    /// Whether the table is written anew, which takes time and room; `None` if that cannot be told.
    pub rewritten: Option<bool>,
}

impl Rehearsal {
    /// Everything that would be lost, as things are now.
    pub fn losses(&self) -> Losses {
        Losses::of(&self.steps.iter().flat_map(|step| step.losses.clone()).collect())
    }
}

impl Migrator {
    /// What [`Migrator::upgrade`] would do. The database is read, and left as it is; the steps are tried on tables that are
    /// empty and nobody else's.
    ///
    /// # Errors
    /// As [`Migrator::upgrade`]; a step that fails on empty tables is such an error.
    pub async fn rehearse_upgrade(&self, target: &Target) -> Result<Rehearsal> {
        self.rehearse(Direction::Up, target).await
    }

    /// What [`Migrator::downgrade`] would do if it were allowed to lose data.
    ///
    /// # Errors
    /// As [`Self::rehearse_upgrade`].
    pub async fn rehearse_downgrade(&self, target: &Target) -> Result<Rehearsal> {
        self.rehearse(Direction::Down, target).await
    }

    async fn rehearse(&self, direction: Direction, target: &Target) -> Result<Rehearsal> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let (path, source, target) = (path.clone(), self.source.clone(), target.clone());
                self.blocking(move || sqlite::rehearsal::rehearse(&path, &source, direction, &target)).await
            }
            DatabaseUrl::Postgres(_) => {
                let backs_up = self.before_loss.is_some();
                postgres::rehearsal::rehearse(&self.url, &self.source, direction, target, backs_up).await
            }
        }
    }
}

impl Rehearsal {
    /// Puts together what was found out of each step.
    pub(super) fn of(
        (from, to): (String, String),
        direction: Direction,
        steps: &[&Migration],
        found: Vec<(Counted, Locks)>,
        snapshot: bool,
    ) -> Self {
        let steps = steps.iter().zip(found).map(|(step, (losses, locks))| RehearsedStep {
            revision: step.revision(),
            file: step.script(direction).file.clone(),
            losses,
            locks,
        });
        Self { from, to, steps: steps.collect(), snapshot }
    }
}

/// Where a run ends that goes these steps.
pub(super) fn end_of(from: &str, direction: Direction, steps: &[&Migration], known: &[Migration]) -> String {
    let Some(last) = steps.last() else { return from.to_owned() };
    match direction {
        Direction::Up => last.revision(),
        Direction::Down => {
            let below = known.iter().rfind(|one| one.version < last.version);
            below.map_or_else(|| "base".into(), Migration::revision)
        }
    }
}
