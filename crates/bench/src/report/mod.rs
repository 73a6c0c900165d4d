//! The report of a run, in Markdown that is also readable on a terminal.

use std::fmt;
use std::time::Duration;

mod aims;
mod format;
mod markers;

use crate::indexes::IndexBenefit;
use crate::load::Outcome;
use crate::machine::Machine;
use crate::restore::{RestoreFigures, RestoreTable};
use crate::scenarios::{Cell, ROUNDS, Scenario};
use crate::secret_tags::SecretTags;
use crate::suite::{Figures, Growth};
use format::{megabytes, milliseconds, ratio, times};

pub use format::{percent, table, thousands};
pub use markers::Markers;

/// Where the report is in docs/benchmarks.md.
pub const MARKERS: Markers = Markers { begin: "<!-- begin: make bench -->", end: "<!-- end: make bench -->" };

/// All measurements of a run.
pub struct Report {
    pub machine: Machine,
    /// How long each side of a cell was measured.
    pub duration: Duration,
    /// The figures of each engine.
    pub figures: Vec<Figures>,
    /// The benefit of the indexes on each engine.
    pub indexes: Vec<IndexBenefit>,
    /// The speed of a restore on each engine.
    pub restores: Vec<RestoreFigures>,
}

impl Report {
    /// The number of failed requests.
    pub fn errors(&self) -> u64 {
        let growth = |growth: &Growth| growth.small.error_count() + growth.large.error_count();
        let cell = |cell: &Cell| cell.sotto.error_count() + cell.ceiling.error_count();
        let lists = |secret: &SecretTags| secret.plain.error_count() + secret.sealed.error_count();
        let engine = |figures: &Figures| {
            figures.cells.iter().map(cell).sum::<u64>() + growth(&figures.growth) + lists(&figures.secret_tags)
        };
        self.figures.iter().map(engine).sum()
    }
}

impl Figures {
    fn cell(&self, scenario: Scenario, clients: usize) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.scenario == scenario && cell.clients == clients)
    }
}

impl Cell {
    fn share_of_ceiling(&self) -> Option<f64> {
        ratio(self.sotto.rate(), self.ceiling.rate())
    }

    fn share_of_engine(&self) -> Option<f64> {
        ratio(self.sotto.rate(), self.engine?)
    }
}

impl Growth {
    /// The duration of a list in the large database, divided by that in the small one.
    fn factor(&self) -> Option<f64> {
        ratio(self.small.rate(), self.large.rate())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = (self.duration / ROUNDS).as_secs_f64();
        writeln!(f, "Sotto {}. {}.", env!("CARGO_PKG_VERSION"), self.machine)?;
        writeln!(f, "Each side of each cell: {ROUNDS} rounds of {side} s, in turns.\n")?;
        if self.machine.writes_to_memory() {
            writeln!(
                f,
                "**This file system is in memory: durable writes cost nothing, so their figures are meaningless.**\n"
            )?;
        }
        let aims = self.aims().into_iter().map(|aim| {
            let met = aim.met.map_or("–", |met| if met { "met" } else { "**not met**" });
            vec![aim.what.into(), aim.wanted, aim.measured, met.into()]
        });
        let aims: Vec<_> = aims.collect();
        if !aims.is_empty() {
            f.write_str(&table(&["Aim", "wanted", "measured", ""], aims.into_iter()))?;
        }
        for figures in &self.figures {
            write!(f, "\n### {}\n\n{figures}", figures.engine)?;
        }
        for benefit in &self.indexes {
            write!(f, "\n### The benefit of the indexes: {benefit}")?;
        }
        if !self.restores.is_empty() {
            write!(f, "\n### Restoring a backup\n\n{}", RestoreTable(&self.restores))?;
        }
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}.\n", self.description)?;
        let header = [
            "",
            "clients",
            "req/s",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "errors",
            "no database",
            "% of limit",
            "engine alone",
            "% of limit",
            "generator",
        ];
        f.write_str(&table(&header, self.cells.iter().map(row)))?;
        let growth = &self.growth;
        let figures = [
            ("Start to first response, median of 10".into(), milliseconds(self.start_time.as_secs_f64())),
            ("Memory before any load".into(), megabytes(self.idle.resident as f64)),
            ("Memory after all load, without pages of files".into(), megabytes(self.loaded.private as f64)),
            ("Memory at most, with pages of files".into(), megabytes(self.loaded.peak as f64)),
            (format!("On disk with {} entries", thousands(self.entries as f64)), megabytes(self.bytes as f64)),
            (
                format!("On disk with {} entries", thousands(growth.large_entries as f64)),
                megabytes(growth.large_bytes as f64),
            ),
            (format!("Lists/s out of {} entries", thousands(growth.small_entries as f64)), side(&growth.small)),
            (format!("Lists/s out of {} entries", thousands(growth.large_entries as f64)), side(&growth.large)),
            ("Time of a list, large to small".into(), growth.factor().map_or("–".into(), times)),
        ];
        let secret = &self.secret_tags;
        let figures = figures.into_iter().chain([
            ("Unlocks/s at 32 clients that do not stretch".into(), thousands(secret.unlocks)),
            (
                "Processor time of the server for an unlock, both requests".into(),
                format!("{:.0} µs", secret.processor_time.as_secs_f64() * 1e6),
            ),
            (
                "A sealed entry beyond its text, mean and at most".into(),
                format!("{:.0} and {:.0} bytes", secret.overhead, secret.overhead_max),
            ),
            ("Lists/s of 20 plain entries at 32 clients".into(), side(&secret.plain)),
            ("Lists/s of 20 sealed entries at 32 clients".into(), side(&secret.sealed)),
            ("A start for an unknown tag, slower than for a known one by".into(), secret.timing.to_string()),
        ]);
        write!(f, "\n{}", table(&["", ""], figures.map(|(what, figure)| vec![what, figure])))?;
        let outcomes = self.cells.iter().flat_map(|cell| [&cell.sotto, &cell.ceiling]);
        for outcome in outcomes.chain([&growth.small, &growth.large, &secret.plain, &secret.sealed]) {
            for (error, count) in &outcome.errors {
                writeln!(f, "\n**{count} times: {error}**")?;
            }
        }
        Ok(())
    }
}

fn row(cell: &Cell) -> Vec<String> {
    let share = |share: Option<f64>| share.map_or("–".into(), percent);
    vec![
        cell.scenario.to_string(),
        cell.clients.to_string(),
        thousands(cell.sotto.rate()),
        format!("{:.2}", cell.sotto.latency(0.5)),
        format!("{:.2}", cell.sotto.latency(0.95)),
        format!("{:.2}", cell.sotto.latency(0.99)),
        (cell.sotto.error_count() + cell.ceiling.error_count()).to_string(),
        thousands(cell.ceiling.rate()),
        share(cell.share_of_ceiling()),
        cell.engine.map_or("–".into(), thousands),
        share(cell.share_of_engine()),
        percent(cell.sotto.generator_share()),
    ]
}

fn side(outcome: &Outcome) -> String {
    format!("{} (p99 {:.2} ms)", thousands(outcome.rate()), outcome.latency(0.99))
}
