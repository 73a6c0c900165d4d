//! The monitor: takes snapshots of the database's health, assesses the changes since the last one, and reports raised
//! and cleared alerts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use sotto_domain::Timestamp;
use sotto_domain::health::Snapshot;
use sotto_domain::storage::{self, StorageError};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::alerts::{Alert, AlertState, Change, DISK_FULL, Evidence, Verdict};
use super::disks::{DiskReader, DiskReading};
use super::raised_alerts::{Raised, RaisedFile};
use super::webhook::{MAX_WAITING_NOTICES, Notice};
use crate::app::App;
use crate::last_backup::LastBackup;

/// A reading is outdated after this many intervals without another one, …
const OUTDATED_INTERVALS: u32 = 3;
/// … but not before this, because a reading itself takes time.
const MIN_OUTDATED_AGE: Duration = Duration::from_secs(30);

/// The readings and alerts of this node. Each node assesses for itself.
pub struct Monitor {
    /// Held during a reading, because each one is compared with the one before.
    turn: Mutex<()>,
    state: std::sync::Mutex<MonitorState>,
    disk_reader: DiskReader,
    file: Option<Arc<RaisedFile>>,
    /// Constraint violations that the program should have prevented, and damage, since the start.
    faults: std::sync::Mutex<BTreeMap<String, u64>>,
    notices: Sender<Notice>,
    notices_receiver: std::sync::Mutex<Option<Receiver<Notice>>>,
}

pub struct MonitorState {
    /// `None` before the first successful reading.
    pub readings: Option<Readings>,
    /// The disks at the last reading, successful or not.
    pub disks: Option<DiskReading>,
    /// Since when readings fail; `None` if the last one succeeded.
    pub failing_since: Option<Timestamp>,
    /// Failed readings since the server started.
    pub failed: u64,
    pub alerts: [(Alert, AlertState); Alert::ALL.len()],
    faults: BTreeMap<String, u64>,
    /// The raised alerts in the file.
    saved: Vec<(Alert, Timestamp)>,
}

pub struct Readings {
    /// The first reading since the server started, from which the use of tables and indexes is counted.
    first: Snapshot,
    pub last: Snapshot,
    /// The uptime at the last reading.
    at: Duration,
}

impl Monitor {
    /// Alerts in the data folder that an earlier server has raised stay raised.
    pub fn new(data_dir: Option<&Path>) -> Self {
        let (notices, notices_receiver) = mpsc::channel(MAX_WAITING_NOTICES);
        let (file, raised) = data_dir.map_or((None, Vec::new()), RaisedFile::open);
        Self {
            turn: Mutex::default(),
            state: std::sync::Mutex::new(MonitorState::new(raised)),
            disk_reader: DiskReader::default(),
            file: file.map(Arc::new),
            faults: <_>::default(),
            notices,
            notices_receiver: std::sync::Mutex::new(Some(notices_receiver)),
        }
    }

    /// Counts a storage error if it is a fault: an unexpected constraint violation, or damage.
    pub fn note(&self, error: &StorageError) {
        let fault = match error {
            StorageError::Conflict { constraint } => constraint.clone(),
            StorageError::Corrupt(_) => "damaged data".to_owned(),
            StorageError::Busy
            | StorageError::Unavailable(_)
            | StorageError::Full(_)
            | StorageError::Unknown(_)
            | StorageError::Other(_) => return,
        };
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner).entry(fault).or_default() += 1;
    }

    /// The notices to send. The first caller gets them.
    pub fn take_notices(&self) -> Option<Receiver<Notice>> {
        self.notices_receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Callers hold the lock for a moment only.
    pub fn state(&self) -> MutexGuard<'_, MonitorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MonitorState {
    fn new(raised: Vec<Raised>) -> Self {
        let saved = raised.iter().map(|raised| (raised.alert, raised.since)).collect();
        let alert_state = |alert| {
            raised
                .iter()
                .find(|raised| raised.alert == alert)
                .cloned()
                .map_or_else(AlertState::new, AlertState::restored)
        };
        Self {
            readings: None,
            disks: None,
            failing_since: None,
            failed: 0,
            alerts: Alert::ALL.map(|alert| (alert, alert_state(alert))),
            faults: BTreeMap::new(),
            saved,
        }
    }

    /// The last reading, if it is not outdated.
    pub fn current(&self, app: &App) -> Option<&Readings> {
        let longest = (app.config.monitoring.every * OUTDATED_INTERVALS).max(MIN_OUTDATED_AGE);
        self.readings.as_ref().filter(|readings| app.clock.uptime().saturating_sub(readings.at) <= longest)
    }

    /// The current verdict of an alert: unknown if the last reading is outdated or failed.
    pub fn verdict(&self, app: &App, alert_state: &AlertState) -> Verdict {
        let is_present = self.failing_since.is_none() && self.current(app).is_some();
        if is_present { alert_state.verdict } else { Verdict::Unknown }
    }

    /// The alerts that are assessed. An alert that is switched off is included while it is still raised.
    pub fn assessed_alerts(&self, app: &App) -> impl Iterator<Item = (Alert, &AlertState)> {
        let is_on = |alert| alert != Alert::Backup || app.config.monitoring.backup_days.is_some();
        let alerts = self.alerts.iter().map(|(alert, alert_state)| (*alert, alert_state));
        alerts.filter(move |(alert, alert_state)| is_on(*alert) || alert_state.raised_at.is_some())
    }

    /// When the last backup was made, if that is known.
    pub fn last_backup(&self) -> Option<Timestamp> {
        match self.disks.as_ref()?.backup {
            LastBackup::At(moment) => Some(moment),
            LastBackup::Never | LastBackup::Unreadable(_) => None,
        }
    }

    fn raised(&self) -> Vec<Raised> {
        let raised = |(alert, alert_state): &(Alert, AlertState)| {
            let (figure, sentence) = (alert_state.reading.figure, alert_state.reading.sentence.clone());
            alert_state.raised_at.map(|since| Raised { alert: *alert, since, figure, sentence })
        };
        self.alerts.iter().filter_map(raised).collect()
    }
}

impl Readings {
    /// The changes since the server started.
    pub fn since_start(&self) -> Snapshot {
        self.last.since(&self.first)
    }
}

/// Takes a reading.
///
/// # Errors
/// If the database does not respond; then nothing is assessed.
pub async fn take_reading(app: &App) -> storage::Result<()> {
    let turn = app.monitor.turn.lock().await;
    take_locked_reading(app, &turn).await
}

/// Reads the state, after a first reading if there was none yet.
pub async fn with_latest<T>(app: &App, read: impl FnOnce(&MonitorState, &Readings) -> T) -> storage::Result<Option<T>> {
    if app.monitor.state().readings.is_none() {
        let turn = app.monitor.turn.lock().await;
        // Another reading may have finished in the meantime.
        if app.monitor.state().readings.is_none() {
            take_locked_reading(app, &turn).await?;
        }
    }
    let state = app.monitor.state();
    Ok(state.readings.as_ref().map(|readings| read(&state, readings)))
}

async fn take_locked_reading(app: &App, _: &tokio::sync::MutexGuard<'_, ()>) -> storage::Result<()> {
    let disks = app.monitor.disk_reader.read(app).await;
    app.monitor.state().disks = disks;
    let now = app.now();
    match app.storage.health().snapshot(now).await {
        Ok(snapshot) => {
            // Probed with each reading, so that the alert stays raised while the disk is full, even if nothing is
            // written.
            let is_full = app.disk_space.check(app).await.is_err();
            let refusals = app.disk_space.take_refusals() + u64::from(is_full);
            assess_snapshot(app, snapshot, refusals, now);
            save_raised(app).await;
            Ok(())
        }
        Err(error) => {
            let mut state = app.monitor.state();
            state.failed += 1;
            state.failing_since.get_or_insert(now);
            Err(error)
        }
    }
}

fn assess_snapshot(app: &App, snapshot: Snapshot, refusals: u64, now: Timestamp) {
    let faults = app.monitor.faults.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut state = app.monitor.state();
    let state = &mut *state;
    let readings = state.readings.get_or_insert_with(|| Readings {
        first: snapshot.clone(),
        last: snapshot.clone(),
        at: Duration::ZERO,
    });
    let period = snapshot.since(&readings.last);
    let mut fresh = increases(&faults, &state.faults);
    if refusals > 0 {
        fresh.insert(DISK_FULL.to_owned(), refusals);
    }
    let config = &app.config.monitoring;
    let (recordings, clock) = (app.attachments.trouble(), app.clock_health());
    let evidence = Evidence {
        period: &period,
        thresholds: &config.thresholds,
        faults: &fresh,
        recordings: recordings.as_deref(),
        clock: &clock,
        backup: state.disks.as_ref().map(|disks| &disks.backup),
        backup_days: config.backup_days,
    };
    for (alert, alert_state) in &mut state.alerts {
        let since = alert_state.raised_at.unwrap_or(now);
        let raise_after = alert.raise_after(config.raise_after);
        if let Some(change) = alert_state.update(alert.assess(&evidence), now, raise_after, config.clear_after) {
            announce(app, *alert, change, alert_state, now, since);
        }
    }
    (readings.last, readings.at, state.faults) = (snapshot, app.clock.uptime(), faults);
    state.failing_since = None;
}

/// Saves the raised alerts if they have changed. A failure is retried after the next reading.
async fn save_raised(app: &App) {
    let Some(file) = app.monitor.file.clone() else { return };
    let raised = app.monitor.state().raised();
    let names: Vec<_> = raised.iter().map(|raised| (raised.alert, raised.since)).collect();
    if names == app.monitor.state().saved {
        return;
    }
    match tokio::task::spawn_blocking(move || file.write(&raised)).await {
        Ok(Ok(())) => app.monitor.state().saved = names,
        Ok(Err(error)) => tracing::warn!(%error, "the raised alerts could not be saved"),
        Err(error) => tracing::warn!(%error, "the raised alerts could not be saved"),
    }
}

/// Logs a change of an alert, and queues a notice for the webhook.
fn announce(app: &App, alert: Alert, change: Change, alert_state: &AlertState, at: Timestamp, since: Timestamp) {
    let (alert, sentence) = (alert.name(), &alert_state.reading.sentence);
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
            figure: alert_state.reading.figure,
            sentence: sentence.clone(),
        };
        if app.monitor.notices.try_send(notice).is_err() {
            tracing::error!(alert, state, "an alert could not be sent: too many are waiting");
        }
    }
}

/// The counts since `before`.
fn increases(now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let added = now.iter().map(|(name, count)| (name.clone(), count - before.get(name).copied().unwrap_or(0)));
    added.filter(|(_, count)| *count > 0).collect()
}
