//! Progress reports of a transfer, and the request to stop it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::{Result, TransferError};

/// The phases of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reads rows from a database into a backup.
    Reading,
    /// Checks a backup from start to end.
    Checking,
    /// Writes rows to a database.
    Writing,
    /// Reads the written rows back and compares them.
    Comparing,
}

/// A progress report.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    pub stage: Stage,
    /// The current table or file.
    pub what: &'a str,
    /// Rows so far, of all tables.
    pub done: u64,
    /// Total number of rows, if known.
    pub total: Option<u64>,
}

type Report = dyn Fn(Progress<'_>) + Send + Sync;

/// Receives progress reports, and can stop the transfer.
#[derive(Clone, Default)]
pub struct Observer {
    report: Option<Arc<Report>>,
    stop: Arc<AtomicBool>,
}

impl Observer {
    /// Calls `report` about once per thousand rows, on the thread of the transfer.
    pub fn new(report: impl Fn(Progress<'_>) + Send + Sync + 'static) -> Self {
        Self { report: Some(Arc::new(report)), stop: Arc::default() }
    }

    /// Requests a stop. The transfer ends soon with [`TransferError::Stopped`], as after any other error.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn report(&self, progress: Progress<'_>) -> Result<()> {
        if let Some(report) = &self.report {
            report(progress);
        }
        if self.stop.load(Ordering::Relaxed) { Err(TransferError::Stopped) } else { Ok(()) }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("stop", &self.stop).finish_non_exhaustive()
    }
}

/// Counts the rows of a stage.
pub(super) struct Meter<'w> {
    observer: &'w Observer,
    stage: Stage,
    done: u64,
    total: Option<u64>,
}

impl<'w> Meter<'w> {
    /// The number of rows between two reports.
    const ROWS_PER_REPORT: u64 = 1000;

    pub fn new(observer: &'w Observer, stage: Stage, total: Option<u64>) -> Self {
        Self { observer, stage, done: 0, total }
    }

    /// Counts a row.
    pub fn row(&mut self, table: &str) -> Result<()> {
        self.done += 1;
        if self.done.is_multiple_of(Self::ROWS_PER_REPORT) { self.report(table) } else { Ok(()) }
    }

    /// Sends a report.
    pub fn report(&self, what: &str) -> Result<()> {
        self.observer.report(Progress { stage: self.stage, what, done: self.done, total: self.total })
    }
}
