//! The figures, for people: Markdown that reads as well on a terminal.

use std::fmt::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::database::Engine;
use crate::indexes::{Kind, Worth};
use crate::load::Outcome;
use crate::machine::Machine;
use crate::scenarios::{Cell, ROUNDS, Scenario};
use crate::secret_tags::SecretTags;
use crate::suite::{BUSY, Figures, Growth};

const BEGIN: &str = "<!-- begin: make bench -->";
const END: &str = "<!-- end: make bench -->";
/// The size at which growth is judged.
const FULL_GROWTH: u64 = 2_000_000;

/// All that was measured in one run.
pub struct Report {
    /// On what.
    pub machine: Machine,
    /// How long each side of a cell was measured.
    pub duration: Duration,
    /// Of each engine.
    pub figures: Vec<Figures>,
    /// What the indexes of each engine are worth.
    pub indexes: Vec<Worth>,
}

/// What the project wants to reach, and whether it does.
struct Aim {
    what: &'static str,
    wanted: String,
    measured: String,
    /// `None` if this run could not tell.
    met: Option<bool>,
}

impl Report {
    /// Requests that went wrong, of all.
    pub fn errors(&self) -> u64 {
        let growth = |growth: &Growth| growth.small.error_count() + growth.large.error_count();
        let cell = |cell: &Cell| cell.ours.error_count() + cell.ceiling.error_count();
        let lists = |secret: &SecretTags| secret.plain.error_count() + secret.sealed.error_count();
        let all =
            |all: &Figures| all.cells.iter().map(cell).sum::<u64>() + growth(&all.growth) + lists(&all.secret_tags);
        self.figures.iter().map(all).sum()
    }

    /// Writes the report into a file: between its markers, or as the whole of a new file.
    ///
    /// # Errors
    /// If the file cannot be written, or has no markers.
    pub fn write(&self, file: &Path) -> Result<()> {
        let report = format!("{BEGIN}\n\n{self}\n{END}");
        let text = match std::fs::read_to_string(file) {
            Ok(text) => {
                let (before, after) = around(&text).ok_or("the file has lost its markers")?;
                format!("{before}{report}{after}")
            }
            Err(_) => format!("{report}\n"),
        };
        Ok(std::fs::write(file, text)?)
    }

    fn aims(&self) -> Vec<Aim> {
        let mut aims = vec![];
        for figures in &self.figures {
            match figures.engine {
                Engine::Sqlite => aims.extend(sqlite_aims(figures)),
                Engine::Postgres => {
                    let what = "PostgreSQL: lists at 32 clients, to pgbench with the same statement";
                    let share = figures.cell(Scenario::List, BUSY).and_then(Cell::of_engine);
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
            aims.push(at_least(common, 0.5, Some(worth.saved(Kind::Common)), percent));
            aims.push(at_least(complex, 0.3, Some(worth.saved(Kind::Complex)), percent));
        }
        aims
    }
}

fn sqlite_aims(figures: &Figures) -> [Aim; 4] {
    let group_commit = || {
        let [one, many] = [1, BUSY].map(|clients| figures.cell(Scenario::Create, clients).map(|cell| cell.ours.rate()));
        ratio(many?, one?)
    };
    [
        at_least(
            "SQLite: lists at 32 clients, to the same bytes with no database",
            0.5,
            figures.cell(Scenario::List, BUSY).and_then(Cell::of_ceiling),
            percent,
        ),
        at_least("SQLite: durable creates at 32 clients, to 1 client", 3.0, group_commit(), times),
        at_most("SQLite: idle memory", 30.0 * MEGABYTE, Some(figures.idle.resident as f64), megabytes),
        at_most("SQLite: start to first answer", 0.1, Some(figures.start_time.as_secs_f64()), milliseconds),
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

impl Figures {
    fn cell(&self, scenario: Scenario, clients: usize) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.scenario == scenario && cell.clients == clients)
    }
}

impl Cell {
    fn of_ceiling(&self) -> Option<f64> {
        ratio(self.ours.rate(), self.ceiling.rate())
    }

    fn of_engine(&self) -> Option<f64> {
        ratio(self.ours.rate(), self.engine?)
    }
}

impl Growth {
    /// How many times as long a list takes out of the large database.
    fn factor(&self) -> Option<f64> {
        ratio(self.small.rate(), self.large.rate())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = (self.duration / ROUNDS).as_secs_f64();
        writeln!(f, "Sotto {}. {}.", env!("CARGO_PKG_VERSION"), self.machine)?;
        writeln!(f, "Each side of each cell: {ROUNDS} rounds of {side} s, in turns.\n")?;
        if self.machine.forgets() {
            writeln!(f, "**This file system lives in memory: durable writes cost nothing here, and say nothing.**\n")?;
        }
        let aims = self.aims().into_iter().map(|aim| {
            let met = aim.met.map_or("–", |met| if met { "met" } else { "**not met**" });
            vec![aim.what.into(), aim.wanted, aim.measured, met.into()]
        });
        f.write_str(&table(&["Aim", "wanted", "measured", ""], aims))?;
        for figures in &self.figures {
            write!(f, "\n### {}\n\n{figures}", figures.engine)?;
        }
        for worth in &self.indexes {
            write!(f, "\n### What the indexes are worth: {worth}")?;
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
            "ours to it",
            "engine alone",
            "ours to it",
            "generator",
        ];
        f.write_str(&table(&header, self.cells.iter().map(row)))?;
        let growth = &self.growth;
        let figures = [
            ("Start to first answer, median of 10".into(), milliseconds(self.start_time.as_secs_f64())),
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
        let outcomes = self.cells.iter().flat_map(|cell| [&cell.ours, &cell.ceiling]);
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
        thousands(cell.ours.rate()),
        format!("{:.2}", cell.ours.latency(0.5)),
        format!("{:.2}", cell.ours.latency(0.95)),
        format!("{:.2}", cell.ours.latency(0.99)),
        (cell.ours.error_count() + cell.ceiling.error_count()).to_string(),
        thousands(cell.ceiling.rate()),
        share(cell.of_ceiling()),
        cell.engine.map_or("–".into(), thousands),
        share(cell.of_engine()),
        percent(cell.ours.generator_share()),
    ]
}

fn side(outcome: &Outcome) -> String {
    format!("{} (p99 {:.2} ms)", thousands(outcome.rate()), outcome.latency(0.99))
}

const MEGABYTE: f64 = 1e6;

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / MEGABYTE)
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.0} ms", seconds * 1e3)
}

/// A share of one.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn times(factor: f64) -> String {
    format!("{factor:.2} ×")
}

fn ratio(measured: f64, limit: f64) -> Option<f64> {
    (limit > 0.0).then(|| measured / limit)
}

/// A rounded number with its thousands apart.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A Markdown table with its columns in line: the first to the left, the others to the right.
pub fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let header = header.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(2);
    let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if column == 0 { write!(text, "| {cell:<width$} ") } else { write!(text, "| {cell:>width$} ") };
        }
        text.push_str("|\n");
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                let _ =
                    if column == 0 { write!(text, "|:{:-<width$}-", "") } else { write!(text, "|-{:-<width$}:", "") };
            }
            text.push_str("|\n");
        }
    }
    text
}

/// Fails early if the report could not be written at the end.
///
/// # Errors
/// If the file has no markers to write between.
pub fn check(file: &Path) -> Result<()> {
    match std::fs::read_to_string(file) {
        Ok(text) if around(&text).is_none() => {
            Err(format!("{} has no lines {BEGIN} and {END} to write between", file.display()).into())
        }
        _ => Ok(()),
    }
}

/// What stands before and after the report.
fn around(text: &str) -> Option<(&str, &str)> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some((before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(1_234_567.4), "1,234,567");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(
            (percent(0.526), times(3.0), milliseconds(0.0214)),
            ("53 %".into(), "3.00 ×".into(), "21 ms".into())
        );
    }

    #[test]
    fn columns_are_in_line() {
        let rows = [vec!["lists ≥".to_owned(), "5".to_owned()]];
        assert_eq!(
            table(&["", "req/s"], rows.into_iter()),
            "|         | req/s |\n|:--------|------:|\n| lists ≥ |     5 |\n"
        );
    }

    #[test]
    fn an_aim_is_met_missed_or_open() {
        assert_eq!(at_least("", 0.5, Some(0.49), percent).met, Some(false));
        assert_eq!(at_least("", 0.5, Some(0.5), percent).met, Some(true));
        assert_eq!(at_most("", 0.1, Some(0.2), milliseconds).met, Some(false));
        assert_eq!(at_most("", 0.1, None, milliseconds).met, None);
        assert_eq!(ratio(1.0, 0.0), None);
    }

    #[test]
    fn a_file_keeps_what_is_around_the_report() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("benchmarks.md");
        let report = Report {
            machine: Machine::describe(folder.path()),
            duration: Duration::from_secs(5),
            figures: vec![],
            indexes: vec![],
        };
        assert!(check(&file).is_ok());
        report.write(&file).unwrap();
        let alone = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("# Before\n{alone}after\n")).unwrap();
        report.write(&file).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("# Before\n{alone}after\n"));
        std::fs::write(&file, "no markers").unwrap();
        assert!(check(&file).is_err());
        assert!(report.write(&file).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "no markers");
    }
}
