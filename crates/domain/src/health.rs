//! What an engine knows about its own health: a snapshot of its counters, and what happened between two of them.
//!
//! Counters grow from when the engine began to count, which may be months ago, so nothing is judged by them as they are:
//! [`Snapshot::since`] makes of two snapshots one of the period between them, and all rules take such a period.

pub mod advice;
mod indexes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Timestamp;

/// How a database is, and what it has done so far. No text in it holds a value that anybody stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// When it was taken.
    pub taken_at: Timestamp,
    /// Since when the counters count, if that is known; for a period, its beginning.
    pub counting_since: Option<Timestamp>,
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
    /// The engine's version, such as `15.8`.
    pub version: String,
    /// The database on disk, in bytes.
    pub bytes: u64,
    /// Of those, what is free for new rows and would go back to the disk if the file were rewritten, in bytes. Zero where
    /// the engine does not know.
    pub free_bytes: u64,
    /// Where the schema stands.
    pub schema: SchemaHealth,
    /// The journal's tables, by name.
    pub tables: Vec<TableHealth>,
    /// Their indexes, by name, those under constraints included.
    pub indexes: Vec<IndexHealth>,
    /// Their foreign keys, by table and name.
    pub foreign_keys: Vec<ForeignKey>,
    /// The statements seen, in no order.
    pub statements: Vec<StatementHealth>,
    /// Who timed them.
    pub timed_by: TimedBy,
    /// What contradicts the schema's promises or is damaged, a sentence each. Looked for now and then, since it takes
    /// reading all of a SQLite file.
    pub damage: Vec<String>,
    /// What could not be looked at and why, a sentence each.
    pub notes: Vec<String>,
}

/// Where the schema stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaHealth {
    /// The newest revision that the database records, or `base`.
    pub revision: String,
    /// What that means to this program.
    pub state: SchemaState,
    /// The same as a sentence.
    pub sentence: String,
}

/// What the recorded revisions mean to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaState {
    /// They are those that it works with.
    UpToDate,
    /// Some are missing, or all.
    Behind,
    /// There is one that it does not know.
    Unknown,
    /// They contradict the migrations: edited, or out of order.
    Contradictory,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableHealth {
    /// Its name.
    pub name: String,
    /// About how many rows it has.
    pub rows: u64,
    /// About how many rows are dead and still take room. Zero on SQLite, which has none.
    pub dead_rows: u64,
    /// Without its indexes, in bytes.
    pub bytes: u64,
    /// How often it was read from beginning to end.
    pub scans: u64,
    /// Rows read by that.
    pub scanned_rows: u64,
    /// How often rows were looked up by an index.
    pub look_ups: u64,
}

/// An index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexHealth {
    /// Its name.
    pub name: String,
    /// Its table.
    pub table: String,
    /// What it is sorted by, in order: columns or expressions, with what is unusual about their order.
    pub columns: Vec<String>,
    /// How it is made, `btree` for all but full text.
    pub method: String,
    /// For a partial index, which rows are in it.
    pub predicate: Option<String>,
    /// Whether no two rows may be equal in it.
    pub unique: bool,
    /// Whether a key or a unique constraint rests on it.
    pub constraint: bool,
    /// Whether it can be used; false for one whose making failed. One that is being made counts as valid.
    pub valid: bool,
    /// In bytes.
    pub bytes: u64,
    /// How large it would be if it were made anew, in bytes, if that can be estimated.
    pub packed_bytes: Option<u64>,
    /// How often it was read.
    pub scans: u64,
    /// Entries that those reads returned. Zero on SQLite, which does not count them.
    pub tuples: u64,
    /// The statement that makes it; empty for one under a constraint.
    pub definition: String,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// The table that refers.
    pub table: String,
    /// Its columns that do.
    pub columns: Vec<String>,
}

/// A statement, as often as it was run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatementHealth {
    /// Its text on one line, with every value taken out.
    pub text: String,
    /// How often it was run.
    pub calls: u64,
    /// How long that took in all, in milliseconds.
    pub total_ms: f64,
    /// Rows returned or changed, where that is counted.
    pub rows: Option<u64>,
    /// Tables that it reads from beginning to end, if its plan is known.
    pub scans: Vec<String>,
}

/// Who timed the statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimedBy {
    /// This process, and only its own statements.
    Sotto,
    /// PostgreSQL's extension, for every process.
    PgStatStatements,
}

/// What an index costs those who write.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WriteCost {
    /// Rows that were inserted.
    pub rows: u32,
    /// How long that took with the index, in milliseconds.
    pub with_ms: f64,
    /// And without.
    pub without_ms: f64,
}

impl WriteCost {
    /// How many times as long an insert takes because of the index.
    pub fn ratio(&self) -> f64 {
        if self.without_ms > 0.0 { self.with_ms / self.without_ms } else { 1.0 }
    }
}

/// From when on a figure is worth talking about. The defaults are the roadmap's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// A statement that takes longer than this on average, in milliseconds, is slow.
    pub statement_ms: f64,
    /// Of the reads of a big table, so many per cent should be by an index.
    pub index_usage_percent: f64,
    /// A table with more rows than this is big.
    pub big_table_rows: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { statement_ms: 100.0, index_usage_percent: 90.0, big_table_rows: 10_000 }
    }
}

impl StatementHealth {
    /// How long one run took on average, in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "of so many calls the last digit does not matter")]
    pub fn mean_ms(&self) -> f64 {
        if self.calls == 0 { 0.0 } else { self.total_ms / self.calls as f64 }
    }
}

impl TableHealth {
    /// How many of its reads, in per cent, were by an index; `None` if it was not read.
    #[expect(clippy::cast_precision_loss, reason = "of so many reads the last digit does not matter")]
    pub fn index_usage_percent(&self) -> Option<f64> {
        let reads = self.scans + self.look_ups;
        (reads > 0).then(|| 100.0 * self.look_ups as f64 / reads as f64)
    }
}

impl Snapshot {
    /// The period from `before` to this snapshot: things are as they are now, counters have what was added.
    ///
    /// A counter that is lower than before has begun anew (a restart, a reset), so all that it shows was added since. What
    /// was not there before has begun at zero.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let tables: BTreeMap<_, _> = before.tables.iter().map(|table| (&table.name, table)).collect();
        let indexes: BTreeMap<_, _> = before.indexes.iter().map(|index| (&index.name, index)).collect();
        let mut period = self.clone();
        period.counting_since = Some(before.taken_at);
        for table in &mut period.tables {
            let Some(old) = tables.get(&table.name) else { continue };
            if table.scans < old.scans || table.look_ups < old.look_ups {
                continue;
            }
            table.scans -= old.scans;
            table.look_ups -= old.look_ups;
            table.scanned_rows = added(table.scanned_rows, old.scanned_rows);
        }
        for index in &mut period.indexes {
            let Some(old) = indexes.get(&index.name) else { continue };
            index.scans = added(index.scans, old.scans);
            index.tuples = added(index.tuples, old.tuples);
        }
        if self.timed_by == before.timed_by {
            period.statements = statements_since(&self.statements, &before.statements);
        } else {
            // The two count different things; the next period will tell.
            period.statements.clear();
        }
        period
    }

    /// How long the counters have counted, in seconds, if that is known.
    pub fn seconds(&self) -> Option<i64> {
        let since = self.counting_since?;
        Some((self.taken_at.as_micros() - since.as_micros()) / 1_000_000)
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&TableHealth> {
        self.tables.iter().find(|table| table.name == name)
    }
}

fn statements_since(now: &[StatementHealth], before: &[StatementHealth]) -> Vec<StatementHealth> {
    let before: BTreeMap<_, _> = before.iter().map(|one| (&one.text, one)).collect();
    let mut period = Vec::new();
    for statement in now {
        let mut statement = statement.clone();
        if let Some(old) = before.get(&statement.text).filter(|old| old.calls <= statement.calls) {
            statement.calls -= old.calls;
            statement.total_ms = (statement.total_ms - old.total_ms).max(0.0);
            statement.rows = statement.rows.map(|rows| added(rows, old.rows.unwrap_or(0)));
        }
        if statement.calls > 0 {
            period.push(statement);
        }
    }
    period
}

fn added(now: u64, before: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}
