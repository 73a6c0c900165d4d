//! Prometheus metrics. The process's recorder has counters and histograms; [`gauges`] has measurements.

pub mod gauges;

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Upper bounds of request durations, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// The process's recorder, installed on first use.
pub fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            // If there are several recorders, the first one stays; this program has no other. The bounds are not empty.
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
    use metrics::{Unit, describe_counter, describe_histogram};
    describe_counter!("sotto_http_requests_total", "Requests, by method, route and status.");
    describe_histogram!(
        "sotto_http_request_duration_seconds",
        Unit::Seconds,
        "Time from the head of a request to the head of its response, by method and route."
    );
    describe_counter!("sotto_connections_total", "Connections, by outcome: accepted, refused or failed.");
    describe_counter!("sotto_logins_total", "Sign-in attempts, by outcome.");
    describe_counter!("sotto_unlocks_total", "Attempts to unlock secret tags, by outcome.");
    describe_counter!("sotto_storage_errors_total", "Errors of the database, by kind.");
}
