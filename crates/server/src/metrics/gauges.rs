//! Gauges, which are rebuilt for each scrape.
//!
//! A recorder cannot remove a gauge, so a gauge that is no longer set would show its last value for ever. Here a value
//! that is unknown or too old is absent.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_process::Collector;
use sotto_domain::Timestamp;
use sotto_domain::health::Snapshot;

use crate::app::App;
use crate::monitoring::alerts::Verdict;
use crate::monitoring::monitor::MonitorState;

/// Tables and indexes with their own metric, at most: the largest ones.
const MAX_RELATIONS: usize = 100;

/// The gauges in Prometheus' text format.
pub fn render(app: &App) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        describe();
        set_build_gauges(app);
        set_process_gauges();
        set_monitor_gauges(app, &app.monitor.state());
    });
    recorder.handle().render()
}

fn describe() {
    describe_gauge!(
        "sotto_build_info",
        "1, labelled with the program's version and the newest migration that it knows."
    );
    describe_gauge!(
        "sotto_monitor_last_reading_timestamp_seconds",
        Unit::Seconds,
        "When the database's health was last read, in seconds since 1970."
    );
    describe_counter!("sotto_monitor_failed_readings_total", "How often the database's health could not be read.");
    describe_gauge!("sotto_alert", "1 while an alert is raised, otherwise 0.");
    describe_gauge!(
        "sotto_alert_figure",
        "The last measurement of an alert: milliseconds, per cent, days, or a count."
    );
    describe_gauge!(
        "sotto_last_backup_timestamp_seconds",
        Unit::Seconds,
        "When the last backup was made with this data folder, in seconds since 1970."
    );
    describe_gauge!(
        "sotto_filesystem_free_bytes",
        Unit::Bytes,
        "Space that this program may use on the file system of a folder."
    );
    describe_gauge!("sotto_database_size_bytes", Unit::Bytes, "Size of the database on disk.");
    describe_gauge!("sotto_database_free_bytes", Unit::Bytes, "Part of the size that is free for new rows (SQLite).");
    describe_gauge!("sotto_database_table_bytes", Unit::Bytes, "Size of a table without its indexes.");
    describe_gauge!("sotto_database_table_rows", "Estimated number of rows of a table.");
    describe_gauge!("sotto_database_index_bytes", Unit::Bytes, "An index.");
    describe_gauge!(
        "sotto_clock_ahead_of_database_seconds",
        Unit::Seconds,
        "How far the clock is ahead of the database's clock."
    );
}

fn set_build_gauges(app: &App) {
    let schema = app.storage.health().newest_revision();
    gauge!("sotto_build_info", "version" => env!("CARGO_PKG_VERSION"), "schema" => schema).set(1);
}

/// The usual process metrics of Prometheus clients.
fn set_process_gauges() {
    let collector = Collector::default();
    collector.describe();
    collector.collect();
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
fn set_monitor_gauges(app: &App, state: &MonitorState) {
    counter!("sotto_monitor_failed_readings_total").absolute(state.failed);
    if let Some(readings) = &state.readings {
        gauge!("sotto_monitor_last_reading_timestamp_seconds").set(seconds(readings.last.taken_at));
    }
    let current = state.current(app);
    for (alert, alert_state) in state.assessed_alerts(app) {
        // A raised alert stays even while readings fail: if its metric went, Alertmanager would report it as resolved.
        if state.readings.is_some() || alert_state.raised_at.is_some() {
            gauge!("sotto_alert", "alert" => alert.name()).set(f64::from(u8::from(alert_state.raised_at.is_some())));
        }
        if current.is_some() && alert_state.verdict != Verdict::Unknown {
            gauge!("sotto_alert_figure", "alert" => alert.name()).set(alert_state.reading.figure);
        }
    }
    if let Some(moment) = state.last_backup() {
        gauge!("sotto_last_backup_timestamp_seconds").set(seconds(moment));
    }
    for (folder, bytes) in state.disks.iter().flat_map(|disks| &disks.free) {
        gauge!("sotto_filesystem_free_bytes", "folder" => *folder).set(*bytes as f64);
    }
    if let Some(readings) = current {
        set_database_gauges(&readings.last);
        if let Some(ahead) = app.clock_health().ahead_of_database {
            gauge!("sotto_clock_ahead_of_database_seconds").set(ahead);
        }
    }
}

/// Sizes of the database and of its largest tables and indexes.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
fn set_database_gauges(snapshot: &Snapshot) {
    gauge!("sotto_database_size_bytes").set(snapshot.bytes as f64);
    gauge!("sotto_database_free_bytes").set(snapshot.free_bytes as f64);
    let mut tables: Vec<_> = snapshot.tables.iter().collect();
    tables.sort_by_key(|table| std::cmp::Reverse(table.bytes));
    for table in tables.into_iter().take(MAX_RELATIONS) {
        gauge!("sotto_database_table_bytes", "table" => table.name.clone()).set(table.bytes as f64);
        gauge!("sotto_database_table_rows", "table" => table.name.clone()).set(table.rows as f64);
    }
    let mut indexes: Vec<_> = snapshot.indexes.iter().collect();
    indexes.sort_by_key(|index| std::cmp::Reverse(index.bytes));
    for index in indexes.into_iter().take(MAX_RELATIONS) {
        let (table, name) = (index.table.clone(), index.name.clone());
        gauge!("sotto_database_index_bytes", "table" => table, "index" => name).set(index.bytes as f64);
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact to the microsecond for 285 years")]
fn seconds(moment: Timestamp) -> f64 {
    moment.as_micros() as f64 / 1e6
}
