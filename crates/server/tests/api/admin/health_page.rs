//! The page of the database's health, and the metrics of the same readings.

use reqwest::{Method, StatusCode};
use serde_json::json;
use sotto_domain::health::Thresholds;
use sotto_server::take_reading;
use sotto_storage::testing::{Scratch, wait_for};

use super::{both_servers, metrics, sign_in_again, superuser, watchful};
use crate::server::{ApiResponse, Server, lenient};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_superusers_see_the_database() {
    for server in both_servers(lenient).await {
        let path = "/api/admin/database";
        ApiResponse::receive(server.request(Method::GET, path)).await.expect(StatusCode::UNAUTHORIZED);
        let ada = server.person("ada").await;
        let refusal = ada.get(path).await.expect(StatusCode::FORBIDDEN);
        assert!(refusal["detail"].as_str().unwrap().contains("superusers"), "{refusal}");

        let root = superuser(&server).await;
        ada.write("zanzibar", "2025-01-22T10:00:00Z", &["quetzal"]).await;
        take_reading(&server.app).await.unwrap();
        let database = root.get(path).await.expect(StatusCode::OK);
        assert_eq!(database["engine"], server.app.storage.engine());
        assert!(database["revision"].as_str().unwrap().starts_with("00"), "{database}");
        assert!(database["size_bytes"].as_u64().unwrap() > 0);
        let named = |list: &str, key: &str, name: &str| {
            let list = database[list].as_array().unwrap();
            list.iter().find(|one| one[key] == name).unwrap_or_else(|| panic!("{name}: {list:#?}")).clone()
        };
        assert!(named("tables", "name", "users")["bytes"].as_u64().unwrap() > 0);
        assert_eq!(named("indexes", "name", "idx_users_email")["columns"], json!(["email"]));
        assert!(named("advice", "subject", "idx_tags_user_id")["leave"].as_str().unwrap().contains("roadmap"));
        for alert in ["slow_statement", "index_usage", "constraint_violation", "disk_full", "migration", "recordings"] {
            assert_eq!(named("alerts", "alert", alert)["raised"], false, "{alert}");
        }
        let slowest = database["slowest_statements"].as_array().unwrap();
        assert!(slowest.iter().any(|one| one["text"].as_str().unwrap().contains("journal_entries")), "{slowest:?}");
        let response = database.to_string();
        for private in ["zanzibar", "quetzal", "ada@", &ada.id] {
            assert!(!response.contains(private), "{private}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_request_takes_a_missing_reading() {
    let server = Server::start(Scratch::sqlite(), watchful(Thresholds::default())).await;
    let root = superuser(&server).await;
    let database = root.get("/api/admin/database").await.expect(StatusCode::OK);
    assert!(database["remarks"][0].as_str().unwrap().contains("The counters cover"), "{database}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn size_metrics_disappear_with_the_object_they_measure() {
    for server in both_servers(|| watchful(Thresholds::default())).await {
        server.scratch.execute("CREATE INDEX idx_planted_size ON users (avatar_url)").await.unwrap();
        let size = async || {
            take_reading(&server.app).await.unwrap();
            let metrics = metrics(&server).await;
            let line = metrics
                .lines()
                .find(|line| line.starts_with("sotto_database_index_bytes") && line.contains("idx_planted_size"));
            line.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        };
        assert!(size().await.unwrap() > 0.0);
        server.scratch.execute("DROP INDEX idx_planted_size").await.unwrap();
        assert_eq!(size().await, None);
        let metrics = metrics(&server).await;
        for metric in ["sotto_database_size_bytes", "sotto_database_table_rows{table=\"users\"}", "sotto_alert_figure"]
        {
            assert!(metrics.contains(metric), "{metric}");
        }
    }
}

/// A value of a metric, by its name and labels.
fn value(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

/// Several bad readings raise an alert, so a verdict shows more than whether it is raised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_listed_with_the_verdict_of_the_last_reading() {
    for server in both_servers(|| watchful(Thresholds { statement_ms: 0.0, ..Thresholds::default() })).await {
        let root = superuser(&server).await;
        let bad = wait_for("a reading has a verdict on the slow statement", async || {
            for _ in 0..30 {
                root.get("/api/journals/").await.expect(StatusCode::OK);
            }
            take_reading(&server.app).await.unwrap();
            let database = root.get("/api/admin/database").await.expect(StatusCode::OK);
            let alerts = database["alerts"].as_array().unwrap();
            let named = |name: &str| alerts.iter().find(|alert| alert["alert"] == name).unwrap().clone();
            assert_eq!(named("migration")["verdict"], "good");
            let alert = named("slow_statement");
            assert_eq!(alert["raised"], false, "the first bad one does not raise: {alert}");
            (alert["verdict"] == "bad").then_some(alert)
        })
        .await;
        assert!(bad["sentence"].as_str().unwrap().contains("more than 0 ms"), "{bad}");
    }
}

/// A failed reading says nothing about the present: no alert is fine, and no figure is shown for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_reading_is_reported_and_removes_old_figures() {
    for server in both_servers(|| watchful(Thresholds::default())).await {
        let root = superuser(&server).await;
        take_reading(&server.app).await.unwrap();
        let whole = root.get("/api/admin/database").await.expect(StatusCode::OK);
        assert!(whole["failing_since"].is_null() && whole["sized_at"].is_string(), "{whole}");
        assert!(whole["inspected_at"].is_string(), "{whole}");
        let before = metrics(&server).await;
        assert_eq!(value(&before, "sotto_monitor_failed_readings_total"), Some(0.0));
        let last = value(&before, "sotto_monitor_last_reading_timestamp_seconds").unwrap();

        server.scratch.execute("ALTER TABLE schema_migrations RENAME COLUMN up_checksum TO lost").await.unwrap();
        for _ in 0..2 {
            take_reading(&server.app).await.unwrap_err();
        }
        let failing = root.get("/api/admin/database").await.expect(StatusCode::OK);
        assert_eq!(failing["taken_at"], whole["taken_at"]);
        assert!(failing["failing_since"].is_string(), "{failing}");
        for alert in failing["alerts"].as_array().unwrap() {
            assert_eq!(alert["verdict"], "unknown", "{alert}");
        }
        let during = metrics(&server).await;
        assert_eq!(value(&during, "sotto_monitor_failed_readings_total"), Some(2.0));
        assert_eq!(value(&during, "sotto_monitor_last_reading_timestamp_seconds"), Some(last));
        let of_a_reading = ["sotto_database_size_bytes", "sotto_alert_figure{alert=\"migration\"}"];
        assert!(of_a_reading.iter().all(|name| value(&during, name).is_some()), "{during}");

        // Readings are a day apart here.
        server.clock.advance(3 * 86_400 + 60);
        let later = metrics(&server).await;
        assert!(of_a_reading.iter().all(|name| value(&later, name).is_none()), "{later}");
        assert_eq!(value(&later, "sotto_monitor_last_reading_timestamp_seconds"), Some(last));
        assert_eq!(value(&later, "sotto_alert{alert=\"migration\"}"), Some(0.0));

        server.scratch.execute("ALTER TABLE schema_migrations RENAME COLUMN lost TO up_checksum").await.unwrap();
        take_reading(&server.app).await.unwrap();
        let root = sign_in_again(root).await;
        let back = root.get("/api/admin/database").await.expect(StatusCode::OK);
        assert!(back["failing_since"].is_null() && back["taken_at"] != whole["taken_at"], "{back}");
        let after = metrics(&server).await;
        assert!(of_a_reading.iter().all(|name| value(&after, name).is_some()), "{after}");
        assert_eq!(value(&after, "sotto_monitor_failed_readings_total"), Some(2.0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_report_an_unavailable_database() {
    for server in both_servers(|| watchful(Thresholds::default())).await {
        take_reading(&server.app).await.unwrap();
        server.app.storage.close().await;
        take_reading(&server.app).await.unwrap_err();
        let metrics = metrics(&server).await;
        assert_eq!(value(&metrics, "sotto_monitor_failed_readings_total"), Some(1.0), "{metrics}");
    }
}
