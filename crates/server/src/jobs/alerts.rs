//! The roadmap's alerts: what counts as a bad reading, and when one raises or clears an alert. Nothing here reads a clock
//! or a database.

use std::collections::BTreeMap;

use sotto_domain::Timestamp;
use sotto_domain::health::advice::slowest;
use sotto_domain::health::{SchemaState, Snapshot, Thresholds};

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alert {
    /// A statement takes too long on average.
    SlowStatement,
    /// A big table is read from beginning to end too often.
    IndexUsage,
    /// A constraint was broken that the program should have kept, or what is stored breaks one.
    ConstraintViolation,
    /// The schema is not what this program works with, or a migration is half done.
    Migration,
}

/// What a reading says of one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Whether it is bad.
    pub verdict: Verdict,
    /// What was measured, in the unit of its threshold.
    pub figure: f64,
    /// What it means, in a sentence.
    pub sentence: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Over the threshold.
    Bad,
    /// Not over it, but not clear of it: what is raised stays raised, what is not stays so.
    Between,
    /// Clear of it.
    Good,
    /// Too little happened to tell.
    Unknown,
}

/// An alert over time. It is raised by so many bad readings in a row and cleared by so many good ones, so that it does not
/// flap.
#[derive(Debug, Clone, PartialEq)]
pub struct Lamp {
    /// Since when it is raised.
    pub raised_at: Option<Timestamp>,
    /// The last reading that told anything.
    pub reading: Reading,
    bad: u32,
    good: u32,
}

/// What a reading has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is raised from now on.
    Raised,
    /// It no longer is.
    Cleared,
}

/// An average clears the alert below this part of the threshold.
const CLEAR_OF_SLOW: f64 = 0.8;
/// And index usage so many points above it.
const CLEAR_OF_SCANS: f64 = 2.0;
/// Of a table that was read less often in a period, index usage says nothing.
const READS: u64 = 20;

impl Alert {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::SlowStatement, Self::IndexUsage, Self::ConstraintViolation, Self::Migration];

    /// What programs call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SlowStatement => "slow_statement",
            Self::IndexUsage => "index_usage",
            Self::ConstraintViolation => "constraint_violation",
            Self::Migration => "migration",
        }
    }

    /// How many bad readings raise it. What can happen by chance has to last; a broken promise does not.
    pub fn raise_after(self, configured: u32) -> u32 {
        match self {
            Self::SlowStatement | Self::IndexUsage => configured,
            Self::ConstraintViolation | Self::Migration => 1,
        }
    }

    /// Judges a period and what went wrong in it.
    pub fn judge(self, period: &Snapshot, thresholds: &Thresholds, faults: &BTreeMap<String, u64>) -> Reading {
        match self {
            Self::SlowStatement => slow_statement(period, thresholds),
            Self::IndexUsage => index_usage(period, thresholds),
            Self::ConstraintViolation => constraint_violation(period, faults),
            Self::Migration => migration(period),
        }
    }
}

impl Lamp {
    /// Nothing is known yet.
    pub fn new() -> Self {
        let reading = Reading { verdict: Verdict::Unknown, figure: 0.0, sentence: "Nothing is known yet.".into() };
        Self { raised_at: None, reading, bad: 0, good: 0 }
    }

    /// Takes a reading into account.
    pub fn see(&mut self, reading: Reading, now: Timestamp, raise_after: u32, clear_after: u32) -> Option<Change> {
        match reading.verdict {
            Verdict::Unknown => return None,
            Verdict::Bad => (self.bad, self.good) = (self.bad.saturating_add(1), 0),
            Verdict::Good => (self.bad, self.good) = (0, self.good.saturating_add(1)),
            Verdict::Between => (self.bad, self.good) = (0, 0),
        }
        // As long as it is raised, it goes on saying why.
        if self.raised_at.is_none() || reading.verdict == Verdict::Bad || self.good >= clear_after {
            self.reading = reading;
        }
        match self.raised_at {
            None if self.bad >= raise_after => {
                self.raised_at = Some(now);
                Some(Change::Raised)
            }
            Some(_) if self.good >= clear_after => {
                self.raised_at = None;
                Some(Change::Cleared)
            }
            _ => None,
        }
    }
}

fn slow_statement(period: &Snapshot, thresholds: &Thresholds) -> Reading {
    let limit = thresholds.statement_ms;
    let Some(worst) = slowest(period).first().copied() else {
        return Reading { verdict: Verdict::Unknown, figure: 0.0, sentence: "No statement was run.".into() };
    };
    let mean = worst.mean_ms();
    let (verdict, sentence) = if mean > limit {
        let text = &worst.text;
        (Verdict::Bad, format!("A statement took {mean:.1} ms on average, more than {limit} ms: {text}"))
    } else {
        let verdict = if mean > limit * CLEAR_OF_SLOW { Verdict::Between } else { Verdict::Good };
        (verdict, format!("The slowest statement took {mean:.1} ms on average."))
    };
    Reading { verdict, figure: mean, sentence }
}

fn index_usage(period: &Snapshot, thresholds: &Thresholds) -> Reading {
    let limit = thresholds.index_usage_percent;
    let worst = period
        .tables
        .iter()
        .filter(|table| table.rows > thresholds.big_table_rows && table.scans + table.look_ups >= READS)
        .filter_map(|table| Some((table.index_usage_percent()?, table)))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((usage, table)) = worst else {
        let sentence = "No big table was read often enough to tell.".into();
        return Reading { verdict: Verdict::Unknown, figure: 100.0, sentence };
    };
    let sentence = format!(
        "Of {} reads of {}, which has {} rows, {usage:.0} % were by an index.",
        table.scans + table.look_ups,
        table.name,
        table.rows
    );
    let verdict = if usage < limit {
        Verdict::Bad
    } else if usage < (limit + CLEAR_OF_SCANS).min(100.0) {
        Verdict::Between
    } else {
        Verdict::Good
    };
    Reading { verdict, figure: usage, sentence }
}

/// What the engine found lasts until it is put right; what was refused is over in the next period.
#[expect(clippy::cast_precision_loss, reason = "nobody counts so many")]
fn constraint_violation(period: &Snapshot, faults: &BTreeMap<String, u64>) -> Reading {
    let count = faults.values().sum::<u64>() + period.damage.len() as u64;
    let mut sentences: Vec<_> = faults
        .iter()
        .map(|(fault, count)| format!("Refused by {fault}, which the program should have kept: {count}."))
        .collect();
    sentences.extend(period.damage.iter().cloned());
    if sentences.is_empty() {
        sentences.push("No constraint was broken.".into());
    }
    let verdict = if count > 0 { Verdict::Bad } else { Verdict::Good };
    Reading { verdict, figure: count as f64, sentence: sentences.join(" ") }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has so many indexes")]
fn migration(period: &Snapshot) -> Reading {
    let mut sentences = Vec::new();
    match period.schema.state {
        SchemaState::UpToDate => {}
        SchemaState::Behind => {
            sentences.push(format!("The schema is older than this program: {}.", period.schema.sentence));
        }
        SchemaState::Unknown | SchemaState::Contradictory => {
            sentences.push(format!("Migrate or roll back: {}.", period.schema.sentence));
        }
    }
    sentences.extend(period.indexes.iter().filter(|index| !index.valid).map(|index| {
        format!(
            "A migration is half done: the index {} on {} is invalid, and has to be made again.",
            index.name, index.table
        )
    }));
    let figure = sentences.len() as f64;
    if sentences.is_empty() {
        return Reading {
            verdict: Verdict::Good,
            figure,
            sentence: "The schema is what this program works with.".into(),
        };
    }
    Reading { verdict: Verdict::Bad, figure, sentence: sentences.join(" ") }
}

#[cfg(test)]
mod tests;
