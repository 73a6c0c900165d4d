//! Writes rows to a database in batches, skipping rows that an earlier run has written, and compares the result.

use std::mem;

use super::error::{Result, TransferError};
use super::layout::{Layout, Table};
use super::manifest::Sum;
use super::progress::{Meter, Observer, Stage};
use super::snapshot::sums;
use super::target::Target;
use super::value::Row;

/// The approximate size of a batch, in rows and in bytes of their lines.
const BATCH_ROWS: usize = 2000;
const BATCH_BYTES: usize = 2 << 20;

/// Stores rows that arrive table by table, in the order of their keys.
pub struct BatchWriter<'f> {
    target: &'f mut dyn Target,
    table: Option<Table>,
    /// The key of the last row that an earlier run has stored.
    last: Option<Row>,
    key: Vec<usize>,
    rows: Vec<Row>,
    bytes: usize,
    meter: Meter<'f>,
}

impl<'f> BatchWriter<'f> {
    pub fn new(target: &'f mut dyn Target, observer: &'f Observer, total: Option<u64>) -> Self {
        let meter = Meter::new(observer, Stage::Writing, total);
        Self { target, table: None, last: None, key: Vec::new(), rows: Vec::new(), bytes: 0, meter }
    }

    /// Adds a row whose line has `length` bytes.
    pub fn row(&mut self, table: &Table, row: Row, length: usize) -> Result<()> {
        if self.table.as_ref().is_none_or(|present| present.name != table.name) {
            self.flush()?;
            self.last = self.target.last_key(table)?;
            self.key = table.key_places();
            self.table = Some(table.clone());
        }
        self.meter.row(&table.name)?;
        let there = self.last.as_ref().is_some_and(|last| self.key.iter().map(|place| &row[*place]).le(last));
        if there {
            return Ok(());
        }
        self.rows.push(row);
        self.bytes += length;
        if self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Stores the rows that are still buffered.
    pub fn flush(&mut self) -> Result<()> {
        if let Some(table) = self.table.as_ref().filter(|_| !self.rows.is_empty()) {
            self.target.store(table, mem::take(&mut self.rows))?;
            self.bytes = 0;
            self.meter.report(&table.name)?;
        }
        Ok(())
    }
}

/// Reads all rows back and compares them. The error names the tables and ends with `advice`.
pub fn compare(
    target: &mut dyn Target,
    layout: &Layout,
    expected: &[Sum],
    observer: &Observer,
    advice: &str,
) -> Result<()> {
    let mut meter = Meter::new(observer, Stage::Comparing, Some(expected.iter().map(|sum| sum.rows).sum()));
    let found = sums(target.snapshot()?.as_mut(), layout, &mut meter)?;
    let pairs = layout.tables.iter().zip(expected.iter().zip(&found));
    let unequal = pairs.filter(|(_, (expected, found))| expected != found).map(|(table, (expected, found))| {
        if expected.rows == found.rows {
            format!("{} (some of its {} rows)", table.name, found.rows)
        } else {
            format!("{} ({} rows instead of {})", table.name, found.rows, expected.rows)
        }
    });
    let unequal: Vec<_> = unequal.collect();
    if unequal.is_empty() {
        return Ok(());
    }
    Err(TransferError::Unequal(format!(
        "the written rows differ from the rows that were read: {}. {advice}",
        unequal.join(", ")
    )))
}
