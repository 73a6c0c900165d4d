//! Watches the database: takes a snapshot now and then, judges what happened since the last one, and tells of it in metrics,
//! in the log, through the webhook and to superusers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use metrics::gauge;
use sotto_domain::Timestamp;
use sotto_domain::health::Snapshot;
use sotto_domain::storage::{self, StorageError};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{Mutex, MutexGuard};

use super::alerts::{Alert, Change, Lamp};
use super::webhook::{Notice, WAITING};
use crate::app::App;

/// Tables, and indexes, that have a metric of their own, at most: the largest.
const MEASURED: usize = 100;

/// What a server remembers of its database's health. Each node judges by itself.
pub struct Monitor {
    state: Mutex<Option<State>>,
    /// What the database refused though the program should have kept it, and what it found damaged.
    faults: std::sync::Mutex<BTreeMap<String, u64>>,
    notices: Sender<Notice>,
    outbox: std::sync::Mutex<Option<Receiver<Notice>>>,
}

/// After the first reading.
pub struct State {
    /// The first reading since the server started: what is told of the use of tables and indexes begins with it.
    first: Snapshot,
    /// The last one.
    pub last: Snapshot,
    /// Each alert.
    pub lamps: [(Alert, Lamp); 4],
    faults: BTreeMap<String, u64>,
    measured: BTreeSet<Measured>,
}

/// A table or an index that has a metric: the name of the metric, the table, the index.
type Measured = (&'static str, String, String);

impl Monitor {
    /// Before the first reading.
    pub fn new() -> Self {
        let (notices, outbox) = mpsc::channel(WAITING);
        Self { state: Mutex::default(), faults: <_>::default(), notices, outbox: std::sync::Mutex::new(Some(outbox)) }
    }

    /// Counts an error of the database if it tells of a fault: a constraint that nobody meant to meet, or damage.
    pub fn note(&self, error: &StorageError) {
        let fault = match error {
            StorageError::Conflict { constraint } => constraint.clone(),
            StorageError::Corrupt(_) => "damaged data".to_owned(),
            StorageError::Busy | StorageError::Unavailable(_) | StorageError::Other(_) => return,
        };
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner).entry(fault).or_default() += 1;
    }

    /// The notices that are to be sent; whoever asks first gets them.
    pub fn outbox(&self) -> Option<Receiver<Notice>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl State {
    fn new(first: Snapshot) -> Self {
        let lamps = Alert::ALL.map(|alert| (alert, Lamp::new()));
        Self { last: first.clone(), first, lamps, faults: BTreeMap::new(), measured: BTreeSet::new() }
    }

    /// What happened since the server started.
    pub fn since_start(&self) -> Snapshot {
        self.last.since(&self.first)
    }
}

/// Takes a reading, as the job does every minute.
///
/// # Errors
/// If the database does not answer; then nothing is judged.
pub async fn take_reading(app: &App) -> storage::Result<()> {
    read(app, app.monitor.state.lock().await).await
}

/// What is known, after a first reading if there was none yet.
pub async fn known<T>(app: &App, tell: impl FnOnce(&State) -> T) -> storage::Result<Option<T>> {
    let mut state = app.monitor.state.lock().await;
    if state.is_none() {
        read(app, state).await?;
        state = app.monitor.state.lock().await;
    }
    Ok(state.as_ref().map(tell))
}

/// The state is locked from before the snapshot: two readings at once would compare with the same one before.
async fn read(app: &App, mut state: MutexGuard<'_, Option<State>>) -> storage::Result<()> {
    let now = app.now();
    let snapshot = app.storage.health().snapshot(now).await?;
    let faults = app.monitor.faults.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let state = state.get_or_insert_with(|| State::new(snapshot.clone()));
    let period = snapshot.since(&state.last);
    let fresh = added(&faults, &state.faults);
    let config = &app.config.monitoring;
    for (alert, lamp) in &mut state.lamps {
        let reading = alert.judge(&period, &config.thresholds, &fresh);
        gauge!("sotto_alert_figure", "alert" => alert.name()).set(reading.figure);
        let since = lamp.raised_at.unwrap_or(now);
        if let Some(change) = lamp.see(reading, now, alert.raise_after(config.raise_after), config.clear_after) {
            tell(app, *alert, change, lamp, now, since);
        }
        gauge!("sotto_alert", "alert" => alert.name()).set(f64::from(u8::from(lamp.raised_at.is_some())));
    }
    measure(&snapshot, &mut state.measured);
    (state.last, state.faults) = (snapshot, faults);
    Ok(())
}

/// In the log, and to whoever is to be told.
fn tell(app: &App, alert: Alert, change: Change, lamp: &Lamp, at: Timestamp, since: Timestamp) {
    let (alert, sentence) = (alert.name(), &lamp.reading.sentence);
    let state = match change {
        Change::Raised => {
            tracing::warn!(alert, sentence, "an alert was raised");
            "raised"
        }
        Change::Cleared => {
            tracing::info!(alert, sentence, %since, "an alert was cleared");
            "cleared"
        }
    };
    if app.config.monitoring.webhook.is_some() {
        let notice = Notice {
            service: "sotto",
            version: env!("CARGO_PKG_VERSION"),
            alert,
            state,
            at,
            since,
            figure: lamp.reading.figure,
            sentence: sentence.clone(),
        };
        if app.monitor.notices.try_send(notice).is_err() {
            tracing::error!(alert, state, "an alert could not be sent: too many wait already");
        }
    }
}

/// What was counted since `before`.
fn added(now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let added = now.iter().map(|(name, count)| (name.clone(), count - before.get(name).copied().unwrap_or(0)));
    added.filter(|(_, count)| *count > 0).collect()
}

/// Sizes, as metrics. Those of what is gone go to zero: Prometheus would show the last value for good.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
fn measure(snapshot: &Snapshot, measured: &mut BTreeSet<Measured>) {
    gauge!("sotto_database_size_bytes").set(snapshot.bytes as f64);
    gauge!("sotto_database_free_bytes").set(snapshot.free_bytes as f64);
    let mut tables: Vec<_> = snapshot.tables.iter().collect();
    tables.sort_by_key(|table| std::cmp::Reverse(table.bytes));
    let mut indexes: Vec<_> = snapshot.indexes.iter().collect();
    indexes.sort_by_key(|index| std::cmp::Reverse(index.bytes));
    let mut values: BTreeMap<Measured, f64> = std::mem::take(measured).into_iter().map(|key| (key, 0.0)).collect();
    for table in tables.into_iter().take(MEASURED) {
        for (metric, value) in [("sotto_database_table_bytes", table.bytes), ("sotto_database_table_rows", table.rows)]
        {
            values.insert((metric, table.name.clone(), String::new()), value as f64);
            measured.insert((metric, table.name.clone(), String::new()));
        }
    }
    for index in indexes.into_iter().take(MEASURED) {
        let key = ("sotto_database_index_bytes", index.table.clone(), index.name.clone());
        values.insert(key.clone(), index.bytes as f64);
        measured.insert(key);
    }
    for ((metric, table, index), value) in values {
        if index.is_empty() {
            gauge!(metric, "table" => table).set(value);
        } else {
            gauge!(metric, "table" => table, "index" => index).set(value);
        }
    }
}
