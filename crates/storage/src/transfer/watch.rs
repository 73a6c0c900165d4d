//! How a caller follows what is going on, and stops it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::{Result, TransferError};

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Rows are read from a database into a backup.
    Reading,
    /// A backup is checked from end to end.
    Checking,
    /// Rows are written to a database.
    Writing,
    /// What was written is read again and compared.
    Comparing,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// What is being done.
    pub stage: Stage,
    /// With which table or file.
    pub what: &'a str,
    /// Rows so far, of all tables.
    pub done: u64,
    /// Rows in all, where that is known.
    pub total: Option<u64>,
}

type Report = dyn Fn(Progress<'_>) + Send + Sync;

/// Is told how far things are, and says whether to go on.
#[derive(Clone, Default)]
pub struct Watch {
    report: Option<Arc<Report>>,
    stop: Arc<AtomicBool>,
}

impl Watch {
    /// Calls `report` about once for each thousand rows, on the thread that does the work.
    pub fn new(report: impl Fn(Progress<'_>) + Send + Sync + 'static) -> Self {
        Self { report: Some(Arc::new(report)), stop: Arc::default() }
    }

    /// Asks for a stop; the work ends soon with [`TransferError::Stopped`], as if it had failed.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn tell(&self, progress: Progress<'_>) -> Result<()> {
        if let Some(report) = &self.report {
            report(progress);
        }
        if self.stop.load(Ordering::Relaxed) { Err(TransferError::Stopped) } else { Ok(()) }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("stop", &self.stop).finish_non_exhaustive()
    }
}

/// Counts rows through a stage.
pub(super) struct Meter<'w> {
    watch: &'w Watch,
    stage: Stage,
    done: u64,
    total: Option<u64>,
}

impl<'w> Meter<'w> {
    /// How many rows pass between two reports.
    const STEP: u64 = 1000;

    pub fn new(watch: &'w Watch, stage: Stage, total: Option<u64>) -> Self {
        Self { watch, stage, done: 0, total }
    }

    /// Notes that a row has passed.
    pub fn row(&mut self, table: &str) -> Result<()> {
        self.done += 1;
        if self.done.is_multiple_of(Self::STEP) { self.tell(table) } else { Ok(()) }
    }

    /// Reports where things are.
    pub fn tell(&self, what: &str) -> Result<()> {
        self.watch.tell(Progress { stage: self.stage, what, done: self.done, total: self.total })
    }
}
