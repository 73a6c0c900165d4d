//! Prometheus metrics.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Bounds of the request durations, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// The process's recorder, set up on first use.
pub fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            // Of several recorders the first stays; there is no other in this program. The bounds are not empty.
            let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).unwrap_or_else(|_| PrometheusBuilder::new());
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            let _ = metrics::set_global_recorder(recorder);
            describe();
            handle
        })
        .clone()
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!("sotto_http_requests_total", "Requests answered, by method, route and status.");
    describe_histogram!(
        "sotto_http_request_duration_seconds",
        Unit::Seconds,
        "Time from the request's head to the answer's, by method and route."
    );
    describe_counter!("sotto_logins_total", "Login attempts, by outcome.");
    describe_counter!("sotto_unlocks_total", "Tries to open secret tags, by outcome.");
    describe_counter!("sotto_storage_errors_total", "Refusals and failures of the database, by kind.");
    describe_gauge!("sotto_alert", "1 while an alert is raised, else 0.");
    describe_gauge!("sotto_alert_figure", "What an alert was last judged by: milliseconds, per cent, or how many.");
    describe_gauge!("sotto_database_size_bytes", Unit::Bytes, "The database on disk.");
    describe_gauge!("sotto_database_free_bytes", Unit::Bytes, "Of that, what is free for new rows (SQLite).");
    describe_gauge!("sotto_database_table_bytes", Unit::Bytes, "A table without its indexes.");
    describe_gauge!("sotto_database_table_rows", "About how many rows a table has.");
    describe_gauge!("sotto_database_index_bytes", Unit::Bytes, "An index.");
}
