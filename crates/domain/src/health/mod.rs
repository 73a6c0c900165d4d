//! The health of a database: snapshots of an engine's counters, and the differences between snapshots.
//!
//! An engine may have counted for months, so rules do not assess its counters directly: [`Snapshot::since`] turns two
//! snapshots into one of the period between them, and all rules take such a period.

pub mod advice;
mod indexes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Timestamp;

/// The state of a database and its counters. No text in it contains data of users.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// When the snapshot was taken.
    pub taken_at: Timestamp,
    /// When the engine began to count, if known; for a period, its start.
    pub counting_since: Option<Timestamp>,
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
    /// The engine's version, such as `15.8`.
    pub version: String,
    /// The size of the database on disk, in bytes.
    pub bytes: u64,
    /// The part of `bytes` that is free for new rows, and that rewriting the file would return to the disk. Zero if the
    /// engine does not know it.
    pub free_bytes: u64,
    /// The state of the schema.
    pub schema: SchemaHealth,
    /// The journal's tables, sorted by name.
    pub tables: Vec<TableHealth>,
    /// Their indexes, sorted by name, including those of constraints.
    pub indexes: Vec<IndexHealth>,
    /// Their foreign keys, sorted by table and name.
    pub foreign_keys: Vec<ForeignKey>,
    /// The statements that were run, in no particular order.
    pub statements: Vec<StatementHealth>,
    /// The component that timed the statements.
    pub timed_by: TimedBy,
    /// When the sizes of tables and indexes were measured; `None` if not yet.
    pub sized_at: Option<Timestamp>,
    /// When the stored rows were last checked for damage; `None` if not yet.
    pub inspected_at: Option<Timestamp>,
    /// Damage and violations of the schema, a sentence each. Checked at intervals, because the check reads all of a
    /// SQLite file.
    pub damage: Vec<String>,
    /// What could not be examined and why, a sentence each.
    pub notes: Vec<String>,
}

/// The state of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaHealth {
    /// The newest revision that the database records, or `base`.
    pub revision: String,
    /// The meaning of the recorded revisions for this program.
    pub state: SchemaState,
    /// The state as a sentence.
    pub sentence: String,
}

/// The meaning of the recorded revisions for this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaState {
    /// The database has exactly the revisions that this program works with.
    UpToDate,
    /// Some or all revisions are missing.
    Behind,
    /// At least one revision is unknown to this program.
    Unknown,
    /// The revisions contradict the migrations: a migration was edited, or applied out of order.
    Contradictory,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableHealth {
    /// The name.
    pub name: String,
    /// The approximate number of rows.
    pub rows: u64,
    /// The approximate number of dead rows, which still use space. Zero on SQLite, which has none.
    pub dead_rows: u64,
    /// The size without indexes, in bytes.
    pub bytes: u64,
    /// How often the table was read from beginning to end.
    pub scans: u64,
    /// The number of rows that those scans read.
    pub scanned_rows: u64,
    /// How often rows were looked up with an index.
    pub look_ups: u64,
}

/// An index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexHealth {
    /// The name.
    pub name: String,
    /// The table.
    pub table: String,
    /// The columns or expressions of the sort key, in order, with any unusual sort order.
    pub columns: Vec<String>,
    /// The access method: `btree` for all but full text.
    pub method: String,
    /// The condition of a partial index.
    pub predicate: Option<String>,
    /// Whether the index is unique.
    pub unique: bool,
    /// Whether the index backs a primary key or a unique constraint.
    pub constraint: bool,
    /// Whether queries can use the index; false if its creation failed. An index that is being created counts as valid.
    pub valid: bool,
    /// The size in bytes.
    pub bytes: u64,
    /// The estimated size after a rebuild in bytes, if known.
    pub packed_bytes: Option<u64>,
    /// How often the index was read.
    pub scans: u64,
    /// The number of entries that those reads returned. Zero on SQLite, which does not count them.
    pub tuples: u64,
    /// The statement that creates the index; empty for the index of a constraint.
    pub definition: String,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The name.
    pub name: String,
    /// The referencing table.
    pub table: String,
    /// The referencing columns.
    pub columns: Vec<String>,
}

/// A statement, with totals over all its runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatementHealth {
    /// The text on one line, without values.
    pub text: String,
    /// The number of runs.
    pub calls: u64,
    /// The total time of the runs in milliseconds.
    pub total_ms: f64,
    /// The number of rows returned or changed, if counted.
    pub rows: Option<u64>,
    /// The tables that the statement reads from beginning to end, if its plan is known.
    pub scans: Vec<String>,
}

/// The component that timed the statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimedBy {
    /// This process, which times only its own statements.
    Sotto,
    /// The PostgreSQL extension, which times the statements of all processes.
    PgStatStatements,
}

/// The time that an index adds to inserts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WriteCost {
    /// The number of inserted rows.
    pub rows: u32,
    /// The time with the index in milliseconds.
    pub with_ms: f64,
    /// The time without the index in milliseconds.
    pub without_ms: f64,
}

impl WriteCost {
    /// The time with the index divided by the time without.
    pub fn ratio(&self) -> f64 {
        if self.without_ms > 0.0 { self.with_ms / self.without_ms } else { 1.0 }
    }
}

/// The limits above or below which a figure leads to advice. The defaults come from the roadmap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// A statement with a longer mean time than this, in milliseconds, is slow.
    pub statement_ms: f64,
    /// At least this share of the reads of a big table, in per cent, should use an index.
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
    /// The mean time of a run in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "of so many calls the last digit does not matter")]
    pub fn mean_ms(&self) -> f64 {
        if self.calls == 0 { 0.0 } else { self.total_ms / self.calls as f64 }
    }
}

impl TableHealth {
    /// The share of reads that used an index, in per cent; `None` if the table was not read.
    #[expect(clippy::cast_precision_loss, reason = "of so many reads the last digit does not matter")]
    pub fn index_usage_percent(&self) -> Option<f64> {
        let reads = self.scans + self.look_ups;
        (reads > 0).then(|| 100.0 * self.look_ups as f64 / reads as f64)
    }
}

impl Snapshot {
    /// The period from `before` to this snapshot. The state is this snapshot's; the counters are the differences.
    ///
    /// A counter that is lower than before was reset, for example by a restart, so its whole value belongs to the
    /// period. A counter that did not exist before started at zero.
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
            // The two snapshots count different statements. The next period has comparable ones.
            period.statements.clear();
        }
        period
    }

    /// How long the counters have counted in seconds, if known.
    pub fn seconds(&self) -> Option<i64> {
        let since = self.counting_since?;
        Some((self.taken_at.as_micros() - since.as_micros()) / 1_000_000)
    }

    /// The table with this name.
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
