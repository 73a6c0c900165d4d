//! The performance aims of the project, compared with the figures of a run.

use super::Report;
use super::format::{MEGABYTE, megabytes, milliseconds, percent, ratio, times};
use crate::database::Engine;
use crate::indexes::OperationClass;
use crate::scenarios::{Cell, Scenario};
use crate::secret_tags::SecretTags;
use crate::suite::{Figures, Growth, PARALLEL_CLIENTS};

/// The number of entries at which growth is judged.
const FULL_GROWTH: u64 = 2_000_000;

/// A performance aim of the project, and whether it is met.
pub struct Aim {
    pub what: &'static str,
    pub wanted: String,
    pub measured: String,
    /// `None` if this run did not measure it.
    pub met: Option<bool>,
}

impl Report {
    /// All aims that this run can judge, and those that it did not measure.
    pub(super) fn aims(&self) -> Vec<Aim> {
        let mut aims = vec![];
        for figures in &self.figures {
            match figures.engine {
                Engine::Sqlite => aims.extend(sqlite_aims(figures)),
                Engine::Postgres => {
                    let what = "PostgreSQL: lists at 32 clients, to pgbench with the same statement";
                    let share = figures.cell(Scenario::List, PARALLEL_CLIENTS).and_then(Cell::share_of_engine);
                    aims.push(at_least(what, 0.7, share, percent));
                }
            }
            let what = match figures.engine {
                Engine::Sqlite => "SQLite: time of a list out of 2 million entries, to one out of 10 thousand",
                Engine::Postgres => "PostgreSQL: time of a list out of 2 million entries, to one out of 10 thousand",
            };
            let growth = Some(&figures.growth).filter(|growth| growth.large_entries >= FULL_GROWTH);
            aims.push(at_most(what, 1.2, growth.and_then(Growth::factor), times));
            aims.extend(secret_aims(&figures.secret_tags));
        }
        for worth in &self.indexes {
            let [common, complex] = match worth.engine {
                Engine::Sqlite => ["SQLite: time that indexes save, common", "SQLite: time that indexes save, complex"],
                Engine::Postgres => {
                    ["PostgreSQL: time that indexes save, common", "PostgreSQL: time that indexes save, complex"]
                }
            };
            aims.push(at_least(common, 0.5, Some(worth.saved(OperationClass::Common)), percent));
            aims.push(at_least(complex, 0.3, Some(worth.saved(OperationClass::Complex)), percent));
        }
        aims
    }
}

fn sqlite_aims(figures: &Figures) -> [Aim; 4] {
    let group_commit = || {
        let [one, many] =
            [1, PARALLEL_CLIENTS].map(|clients| figures.cell(Scenario::Create, clients).map(|cell| cell.sotto.rate()));
        ratio(many?, one?)
    };
    [
        at_least(
            "SQLite: lists at 32 clients, to the same bytes with no database",
            0.5,
            figures.cell(Scenario::List, PARALLEL_CLIENTS).and_then(Cell::share_of_ceiling),
            percent,
        ),
        at_least("SQLite: durable creates at 32 clients, to 1 client", 3.0, group_commit(), times),
        at_most("SQLite: idle memory", 30.0 * MEGABYTE, Some(figures.idle.resident as f64), megabytes),
        at_most("SQLite: start to first response", 0.1, Some(figures.start_time.as_secs_f64()), milliseconds),
    ]
}

fn secret_aims(secret: &SecretTags) -> [Aim; 4] {
    let micros = |micros: f64| format!("{micros:.0} µs");
    let bytes = |bytes: f64| format!("{bytes:.0} bytes");
    [
        at_most("Secret tags: computation of an unlock's start", 300.0, Some(secret.start.as_secs_f64() * 1e6), micros),
        at_most(
            "Secret tags: computation of an unlock's finish",
            20.0,
            Some(secret.finish.as_secs_f64() * 1e6),
            micros,
        ),
        at_most("Secret tags: a sealed entry beyond its text, at most", 150.0, Some(secret.overhead_max), bytes),
        at_least(
            "Secret tags: lists of 20 sealed entries at 32 clients, to lists of 20 plain ones",
            0.8,
            ratio(secret.sealed.rate(), secret.plain.rate()),
            percent,
        ),
    ]
}

fn at_least(what: &'static str, bound: f64, measured: Option<f64>, show: fn(f64) -> String) -> Aim {
    let met = measured.map(|measured| measured >= bound);
    Aim { what, wanted: format!("≥ {}", show(bound)), measured: measured.map_or("not measured".into(), show), met }
}

fn at_most(what: &'static str, bound: f64, measured: Option<f64>, show: fn(f64) -> String) -> Aim {
    let met = measured.map(|measured| measured <= bound);
    Aim { what, wanted: format!("≤ {}", show(bound)), measured: measured.map_or("not measured".into(), show), met }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_met_missed_or_open() {
        assert_eq!(at_least("", 0.5, Some(0.49), percent).met, Some(false));
        assert_eq!(at_least("", 0.5, Some(0.5), percent).met, Some(true));
        assert_eq!(at_most("", 0.1, Some(0.2), milliseconds).met, Some(false));
        assert_eq!(at_most("", 0.1, None, milliseconds).met, None);
        assert_eq!(ratio(1.0, 0.0), None);
    }
}
