//! Health, metrics and alerts of a running server, also across restarts and without its database.

use std::fs;

use reqwest::Method;
use serde_json::Value;
use sotto_storage::DatabaseUrl;
use sotto_storage::testing::{run_sql, wait_until, within_bound};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::program::{Home, RunningServer};

on_both_engines!(
    an_alert_from_before_a_restart_is_reported_as_cleared_once,
    a_server_starts_despite_an_unusable_file_of_raised_alerts,
    a_backup_is_reported_in_the_metrics,
);

/// A receiver that accepts all notices.
async fn receiver() -> (String, UnboundedReceiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (notices, received) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut bytes = [0; 4096];
                let read = stream.read(&mut bytes).await.unwrap();
                assert!(read > 0, "{request}");
                request.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
            let (_, body) = request.split_once("\r\n\r\n").unwrap();
            let response = "HTTP/1.1 204 No Content\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(response.as_bytes()).await.unwrap();
            if notices.send(serde_json::from_str(body).unwrap()).is_err() {
                return;
            }
        }
    });
    (url, received)
}

async fn metrics(server: &RunningServer) -> String {
    server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap()
}

fn value(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().unwrap())
}

/// Waits for this many successful readings.
async fn readings(server: &RunningServer, count: u32) {
    let last = async || value(&metrics(server).await, "sotto_monitor_last_reading_timestamp_seconds");
    for _ in 0..count {
        let before = last().await;
        wait_until("the next reading is done", async || last().await != before).await;
    }
}

async fn an_alert_from_before_a_restart_is_reported_as_cleared_once(home: Home) {
    let (url, mut notices) = receiver().await;
    let arguments = ["--alert-interval", "1", "--alert-clear-after", "2", "--alert-webhook", &url];
    let file = home.path("data/raised-alerts.json");
    let is_kept = || fs::read_to_string(&file).is_ok_and(|text| text.contains("\"migration\""));

    let server = RunningServer::start(&home, &arguments);
    readings(&server, 1).await;
    home.execute("UPDATE schema_migrations SET up_checksum = 'x' || up_checksum").await.unwrap();
    let raised = within_bound("a notice to the webhook", notices.recv()).await.unwrap();
    assert_eq!((&raised["alert"], &raised["state"]), (&"migration".into(), &"raised".into()), "{raised}");
    wait_until("the raised alert is in the file", async || is_kept()).await;
    // Killed, as by a power cut.
    drop(server);

    home.execute("UPDATE schema_migrations SET up_checksum = substr(up_checksum, 2)").await.unwrap();
    let server = RunningServer::start(&home, &arguments);
    assert_eq!(value(&metrics(&server).await, "sotto_alert{alert=\"migration\"}"), Some(1.0));
    let cleared = within_bound("a notice to the webhook", notices.recv()).await.unwrap();
    assert_eq!((&cleared["alert"], &cleared["state"]), (&"migration".into(), &"cleared".into()), "{cleared}");
    assert_eq!(cleared["since"], raised["since"], "it is the same alert");
    wait_until("the cleared alert is no longer in the file", async || !is_kept()).await;
    server.stop();

    let server = RunningServer::start(&home, &arguments);
    readings(&server, 4).await;
    assert_eq!(value(&metrics(&server).await, "sotto_alert{alert=\"migration\"}"), Some(0.0));
    server.stop();
    assert!(notices.try_recv().is_err(), "no other notice was sent");
}

async fn a_server_starts_despite_an_unusable_file_of_raised_alerts(home: Home) {
    home.run(&["db", "upgrade"]).ok();
    fs::create_dir_all(home.path("data")).unwrap();
    for content in ["", "{\"format\": \"sotto-raised-al", "{\"format\": \"shopping\", \"version\": 1, \"alerts\": []}"]
    {
        fs::write(home.path("data/raised-alerts.json"), content).unwrap();
        let server = RunningServer::start(&home, &["--alert-interval", "1"]);
        readings(&server, 1).await;
        assert_eq!(value(&metrics(&server).await, "sotto_alert{alert=\"migration\"}"), Some(0.0));
        let log = server.stop();
        assert!(log.contains("the file of raised alerts is not used"), "{content}: {log}");
    }
}

async fn a_backup_is_reported_in_the_metrics(home: Home) {
    let server =
        RunningServer::start(&home, &["--alert-interval", "1", "--alert-clear-after", "1", "--alert-backup-days", "1"]);
    readings(&server, 1).await;
    let before = metrics(&server).await;
    assert_eq!(value(&before, "sotto_last_backup_timestamp_seconds"), None, "{before}");
    assert_eq!(value(&before, "sotto_alert{alert=\"backup\"}"), Some(1.0), "{before}");
    for folder in ["data", "recordings"] {
        let free = value(&before, &format!("sotto_filesystem_free_bytes{{folder=\"{folder}\"}}"));
        assert!(free.is_some_and(|free| free > 0.0), "{before}");
    }
    let backup = home.run(&["backup", "--json"]).json();
    let made_at: f64 = {
        let text = backup["created_at"].as_str().unwrap();
        let moment = sotto_domain::Timestamp::parse(text).unwrap();
        moment.seconds_since(sotto_domain::Timestamp::from_micros(0).unwrap())
    };
    wait_until("the backup alert is cleared", async || {
        value(&metrics(&server).await, "sotto_alert{alert=\"backup\"}") == Some(0.0)
    })
    .await;
    let reported = value(&metrics(&server).await, "sotto_last_backup_timestamp_seconds").unwrap();
    assert!((reported - made_at).abs() < 0.001, "{reported} {made_at}");
    server.stop();

    // A backup without its recordings does not count.
    fs::remove_file(home.path("data/last-backup.json")).unwrap();
    let place = home.path("other");
    let to_output = home.command(&["backup", "-"]).env("SOTTO_DATA_DIR", &place).output().unwrap();
    assert!(to_output.status.success(), "{}", String::from_utf8_lossy(&to_output.stderr));
    assert!(!place.exists(), "a backup makes no data folder");
    home.run(&["backup", home.path("one.tar").to_str().unwrap()]).ok();
    assert!(home.path("data/last-backup.json").exists());
}

/// Readings fail while no connection is possible, and continue afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_database_is_reported_in_the_metrics() {
    let home = Home::postgres().await;
    let server = RunningServer::start(&home, &["--alert-interval", "1"]);
    readings(&server, 1).await;
    let failed = async || value(&metrics(&server).await, "sotto_monitor_failed_readings_total");
    assert_eq!(failed().await, Some(0.0));

    let cluster = DatabaseUrl::Postgres(std::env::var("SOTTO_TEST_POSTGRES").unwrap());
    let name = home.database.rsplit('/').next().unwrap().to_owned();
    let close = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
    run_sql(&cluster, &close).await.unwrap();
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    run_sql(&cluster, &end).await.unwrap();
    wait_until("two readings have failed", async || failed().await >= Some(2.0)).await;
    let during = metrics(&server).await;
    // Alerts and the time of the last reading are still reported.
    assert!(value(&during, "sotto_monitor_last_reading_timestamp_seconds").is_some(), "{during}");
    assert_eq!(value(&during, "sotto_alert{alert=\"migration\"}"), Some(0.0), "{during}");

    run_sql(&cluster, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await.unwrap();
    readings(&server, 2).await;
    let log = server.stop();
    assert_eq!(log.matches("the database's health could not be read").count(), 1, "{log}");
}
