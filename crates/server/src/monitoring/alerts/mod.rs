//! The alerts: which readings are bad. Pure functions without clock or database.

use std::collections::BTreeMap;

use serde::Serialize;
use sotto_domain::Timestamp;
use sotto_domain::health::advice::slowest;
use sotto_domain::health::{SchemaState, Snapshot, Thresholds};
use utoipa::ToSchema;

use super::raised_alerts::Raised;
use crate::last_backup::LastBackup;
use crate::monitoring::clock::ClockHealth;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alert {
    /// A statement is too slow on average.
    SlowStatement,
    /// A big table is scanned too often.
    IndexUsage,
    /// A statement violated a constraint that the program should have kept, or stored rows violate one.
    ConstraintViolation,
    /// A write failed for lack of disk space.
    DiskFull,
    /// The schema does not fit this program, or a migration is incomplete.
    Migration,
    /// Recordings are missing from the store, or the store cannot be swept because it belongs to another database or
    /// too many objects are unknown.
    Recordings,
    /// The clock was set, or differs from the clock of the database or of other servers.
    Clock,
    /// There was no backup for too long.
    Backup,
}

/// What a verdict is based on.
pub struct Evidence<'a> {
    /// The changes since the last reading.
    pub period: &'a Snapshot,
    pub thresholds: &'a Thresholds,
    /// Faults since the last reading, with their number.
    pub faults: &'a BTreeMap<String, u64>,
    /// The problem of the attachment store, if it has one.
    pub recordings: Option<&'a str>,
    pub clock: &'a ClockHealth,
    /// `None` if the data folder does not respond.
    pub backup: Option<&'a LastBackup>,
    /// Days without a backup after which the alert is raised. `None` if backups are not watched.
    pub backup_days: Option<u32>,
}

/// The result of a reading for one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub verdict: Verdict,
    /// The measurement, in the unit of its threshold.
    pub figure: f64,
    /// The measurement in a sentence.
    pub sentence: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Above the threshold.
    Bad,
    /// Near the threshold. A raised alert stays raised, and others do not change either.
    Between,
    /// Clearly below the threshold.
    Good,
    /// Too little happened to assess.
    Unknown,
}

/// The state of an alert over time. Several bad readings in a row raise it and several good ones clear it, so that it
/// does not flap.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertState {
    pub raised_at: Option<Timestamp>,
    /// While the alert is raised, the last bad reading. Otherwise the last reading.
    pub reading: Reading,
    /// The verdict of the last reading.
    pub verdict: Verdict,
    bad: u32,
    good: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Raised,
    Cleared,
}

/// The name of faults for lack of disk space.
pub const DISK_FULL: &str = "disk full";

/// An average below this fraction of the threshold is good.
const CLEAR_SLOW_FACTOR: f64 = 0.8;
/// Index usage this many points above the threshold is good.
const CLEAR_SCANS_POINTS: f64 = 2.0;
/// Tables with fewer reads in a period are not assessed.
const MIN_READS: u64 = 20;

impl Alert {
    pub const ALL: [Self; 8] = [
        Self::SlowStatement,
        Self::IndexUsage,
        Self::ConstraintViolation,
        Self::DiskFull,
        Self::Migration,
        Self::Recordings,
        Self::Clock,
        Self::Backup,
    ];

    /// The name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::SlowStatement => "slow_statement",
            Self::IndexUsage => "index_usage",
            Self::ConstraintViolation => "constraint_violation",
            Self::DiskFull => "disk_full",
            Self::Migration => "migration",
            Self::Recordings => "recordings",
            Self::Clock => "clock",
            Self::Backup => "backup",
        }
    }

    /// Bad readings that raise the alert. Speed varies, so it takes several; the others take one.
    pub fn raise_after(self, configured: u32) -> u32 {
        match self {
            Self::SlowStatement | Self::IndexUsage => configured,
            Self::ConstraintViolation
            | Self::DiskFull
            | Self::Migration
            | Self::Recordings
            | Self::Clock
            | Self::Backup => 1,
        }
    }

    pub fn assess(self, evidence: &Evidence<'_>) -> Reading {
        let Evidence { period, thresholds, faults, .. } = *evidence;
        match self {
            Self::SlowStatement => slow_statement(period, thresholds),
            Self::IndexUsage => index_usage(period, thresholds),
            Self::ConstraintViolation => constraint_violation(period, faults),
            Self::DiskFull => disk_full(faults),
            Self::Migration => migration(period),
            Self::Recordings => attachment_store(evidence.recordings),
            Self::Clock => clock(evidence.clock),
            Self::Backup => backup(evidence.backup, evidence.backup_days, period.taken_at),
        }
    }
}

impl AlertState {
    pub fn new() -> Self {
        let reading = Reading { verdict: Verdict::Unknown, figure: 0.0, sentence: "Nothing is known yet.".into() };
        Self { raised_at: None, verdict: reading.verdict, reading, bad: 0, good: 0 }
    }

    /// An alert that was raised before this server was started.
    pub fn restored(raised: Raised) -> Self {
        let Raised { since, figure, sentence, .. } = raised;
        let reading = Reading { verdict: Verdict::Bad, figure, sentence };
        Self { raised_at: Some(since), reading, ..Self::new() }
    }

    /// Applies a reading, and returns whether it raised or cleared the alert.
    pub fn update(&mut self, reading: Reading, now: Timestamp, raise_after: u32, clear_after: u32) -> Option<Change> {
        self.verdict = reading.verdict;
        match reading.verdict {
            Verdict::Unknown => {}
            Verdict::Bad => (self.bad, self.good) = (self.bad.saturating_add(1), 0),
            Verdict::Good => (self.bad, self.good) = (0, self.good.saturating_add(1)),
            Verdict::Between => (self.bad, self.good) = (0, 0),
        }
        let is_known = reading.verdict != Verdict::Unknown;
        // A raised alert keeps the reading that explains it.
        let is_over = is_known && self.good >= clear_after;
        if self.raised_at.is_none() || reading.verdict == Verdict::Bad || is_over {
            self.reading = reading;
        }
        if !is_known {
            return None;
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
        let verdict = if mean > limit * CLEAR_SLOW_FACTOR { Verdict::Between } else { Verdict::Good };
        (verdict, format!("The slowest statement took {mean:.1} ms on average."))
    };
    Reading { verdict, figure: mean, sentence }
}

fn index_usage(period: &Snapshot, thresholds: &Thresholds) -> Reading {
    let limit = thresholds.index_usage_percent;
    let worst = period
        .tables
        .iter()
        .filter(|table| table.rows > thresholds.big_table_rows && table.scans + table.look_ups >= MIN_READS)
        .filter_map(|table| Some((table.index_usage_percent()?, table)))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((usage, table)) = worst else {
        let sentence = "No big table was read often enough to tell.".into();
        return Reading { verdict: Verdict::Unknown, figure: 100.0, sentence };
    };
    let sentence = format!(
        "Of {} reads of {}, which has {} rows, {usage:.0} % used an index.",
        table.scans + table.look_ups,
        table.name,
        table.rows
    );
    let verdict = if usage < limit {
        Verdict::Bad
    } else if usage < (limit + CLEAR_SCANS_POINTS).min(100.0) {
        Verdict::Between
    } else {
        Verdict::Good
    };
    Reading { verdict, figure: usage, sentence }
}

/// Damage that the engine found lasts until it is repaired. A refused statement counts in one period only.
#[expect(clippy::cast_precision_loss, reason = "nobody counts so many")]
fn constraint_violation(period: &Snapshot, faults: &BTreeMap<String, u64>) -> Reading {
    let broken = || faults.iter().filter(|(fault, _)| *fault != DISK_FULL);
    let count = broken().map(|(_, count)| count).sum::<u64>() + period.damage.len() as u64;
    let mut sentences: Vec<_> = broken()
        .map(|(fault, count)| format!("Refused by {fault}, which the program should have kept: {count}."))
        .collect();
    sentences.extend(period.damage.iter().cloned());
    if sentences.is_empty() {
        sentences.push("No constraint was broken.".into());
    }
    let verdict = if count > 0 { Verdict::Bad } else { Verdict::Good };
    Reading { verdict, figure: count as f64, sentence: sentences.join(" ") }
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts so many")]
fn disk_full(faults: &BTreeMap<String, u64>) -> Reading {
    let count = faults.get(DISK_FULL).copied().unwrap_or(0);
    let (verdict, sentence) = match count {
        0 => (Verdict::Good, "The disk has space for all writes."),
        _ => (Verdict::Bad, "The disk of the database or of the recordings is full, so changes are refused."),
    };
    Reading { verdict, figure: count as f64, sentence: sentence.into() }
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
            "A migration is incomplete: the index {} on {} is invalid and must be created again.",
            index.name, index.table
        )
    }));
    let figure = sentences.len() as f64;
    if sentences.is_empty() {
        return Reading { verdict: Verdict::Good, figure, sentence: "The schema fits this program.".into() };
    }
    Reading { verdict: Verdict::Bad, figure, sentence: sentences.join(" ") }
}

fn attachment_store(trouble: Option<&str>) -> Reading {
    match trouble {
        Some(trouble) => Reading { verdict: Verdict::Bad, figure: 1.0, sentence: trouble.to_owned() },
        None => {
            Reading { verdict: Verdict::Good, figure: 0.0, sentence: "The store of recordings is in order.".into() }
        }
    }
}

fn clock(health: &ClockHealth) -> Reading {
    let problems = health.problems();
    let verdict = if problems.is_empty() { Verdict::Good } else { Verdict::Bad };
    let sentence = if problems.is_empty() { "The clock is in order.".to_owned() } else { problems.join(" ") };
    Reading { verdict, figure: health.seconds(), sentence }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of days")]
fn backup(last: Option<&LastBackup>, days: Option<u32>, now: Timestamp) -> Reading {
    let Some(days) = days else {
        return Reading { verdict: Verdict::Good, figure: 0.0, sentence: "Backups are not watched.".into() };
    };
    let (verdict, age, sentence) = match last {
        None => (Verdict::Unknown, 0.0, "The data folder does not answer.".to_owned()),
        Some(LastBackup::At(moment)) => {
            let age = (now.seconds_since(*moment) / 86_400.0).max(0.0);
            let ago = match age as u64 {
                0 => "less than a day ago".to_owned(),
                1 => "1 day ago".to_owned(),
                more => format!("{more} days ago"),
            };
            let moment = to_the_second(*moment);
            if age > f64::from(days) {
                (Verdict::Bad, age, format!("The last backup was made {ago}, which is too long: at {moment}."))
            } else {
                (Verdict::Good, age, format!("The last backup was made {ago}, at {moment}."))
            }
        }
        Some(never_or_unreadable) => (Verdict::Bad, 0.0, never_or_unreadable.to_string()),
    };
    Reading { verdict, figure: age, sentence }
}

/// Fractions of a second do not help a reader.
fn to_the_second(moment: Timestamp) -> Timestamp {
    Timestamp::from_micros(moment.as_micros() - moment.as_micros().rem_euclid(1_000_000)).unwrap_or(moment)
}

#[cfg(test)]
mod tests;
