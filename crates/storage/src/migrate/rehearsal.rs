//! Rehearses a run: determines what it would do without doing it.

use super::error::{Counted, Losses};
use super::plan::{Direction, Target};
use super::source::{Loss, Migration};
use super::{Migrator, Result, postgres, sqlite};
use crate::DatabaseUrl;

/// The result of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// The revision of the database, or `base`.
    pub from: String,
    /// The revision after the run, or `base`.
    pub to: String,
    /// The steps in their order.
    pub steps: Vec<RehearsedStep>,
    /// Whether the database would be copied first.
    pub snapshot: bool,
}

/// What a step would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RehearsedStep {
    pub revision: String,
    /// The file that would be run.
    pub file: String,
    /// The data that the step would destroy at present. `None` for a table or column that does not exist yet, because
    /// an earlier step may create it.
    pub losses: Counted,
    /// Values that a change of type would alter at present: the column, its new type and the number of values. Only
    /// PostgreSQL changes types in place.
    pub cuts: Vec<Cut>,
    /// The locks that other sessions would wait for.
    pub locks: Locks,
}

/// A column, its new type, and the number of values that do not fit it.
pub type Cut = (Loss, String, u64);

/// The locks of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locks {
    /// Locks on tables that exist before the step.
    Known(Vec<Lock>),
    /// The locks cannot be determined, for this reason.
    Unknown(String),
}

/// A lock that a step holds until it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The table, or the file.
    pub on: String,
    /// The lock mode, in the terms of the engine's manual.
    pub mode: String,
    /// The effect on other sessions.
    pub effect: &'static str,
    /// Whether the table is rewritten, which takes time and space; `None` if that is unknown.
    pub rewritten: Option<bool>,
}

impl Rehearsal {
    /// All data that would be lost at present.
    pub fn losses(&self) -> Losses {
        Losses::from_counted(&self.steps.iter().flat_map(|step| step.losses.clone()).collect())
    }
}

impl Migrator {
    /// Determines what [`Migrator::upgrade`] would do. Reads the database without changing it, and runs the steps on
    /// empty, private tables.
    ///
    /// # Errors
    /// As [`Migrator::upgrade`], also if a step fails on empty tables.
    pub async fn rehearse_upgrade(&self, target: &Target) -> Result<Rehearsal> {
        self.rehearse(Direction::Up, target).await
    }

    /// Determines what [`Migrator::downgrade`] would do if it were allowed to lose data.
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
    /// Combines the findings of all steps.
    pub(super) fn new(
        (from, to): (String, String),
        direction: Direction,
        steps: &[&Migration],
        found: Vec<StepFindings>,
        snapshot: bool,
    ) -> Self {
        let steps = steps.iter().zip(found).map(|(step, found)| RehearsedStep {
            revision: step.revision(),
            file: step.script(direction).file.clone(),
            losses: found.losses,
            cuts: found.cuts,
            locks: found.locks,
        });
        Self { from, to, steps: steps.collect(), snapshot }
    }
}

/// The findings about a step.
pub(super) struct StepFindings {
    pub(super) losses: Counted,
    pub(super) cuts: Vec<Cut>,
    pub(super) locks: Locks,
}

/// The revision after these steps.
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
