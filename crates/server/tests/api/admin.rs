//! The database's health over HTTP, and the alerts: each is raised by a real fault, and cleared by its repair.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sotto_domain::Clock;
use sotto_domain::health::Thresholds;
use sotto_server::last_backup::LastBackup;
use sotto_server::{Config, Monitoring, Webhook, take_reading};
use sotto_storage::testing::{Scratch, wait_for, wait_until, within_bound};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::server::{ApiResponse, PASSWORD, Person, Server, lenient};

/// Two bad readings raise, two good ones clear. Only the test takes readings.
fn watchful(thresholds: Thresholds) -> Config {
    let every = Duration::from_hours(24);
    let monitoring = Monitoring { every, thresholds, raise_after: 2, clear_after: 2, ..Monitoring::default() };
    Config { monitoring, ..lenient() }
}

async fn both(config: impl Fn() -> Config) -> [Server; 2] {
    [Server::start(Scratch::sqlite(), config()).await, Server::start(Scratch::postgres().await, config()).await]
}

async fn superuser(server: &Server) -> Person<'_> {
    let person = server.person("root").await;
    server.scratch.execute("UPDATE users SET is_superuser = TRUE").await.unwrap();
    // Servers cache sessions for some seconds; a new session is not cached yet.
    again(person).await
}

/// The same user in a new session.
async fn again(person: Person<'_>) -> Person<'_> {
    let tokens = person.server.login(&person.email, PASSWORD).await;
    Person { token: tokens["access_token"].as_str().unwrap().into(), ..person }
}

/// The state of an alert after one more reading.
async fn alert(root: &Person<'_>, name: &str) -> Value {
    take_reading(&root.server.app).await.unwrap();
    let database = root.get("/api/admin/database").await.expect(StatusCode::OK);
    database["alerts"].as_array().unwrap().iter().find(|alert| alert["alert"] == name).unwrap().clone()
}

async fn until(root: &Person<'_>, name: &str, raised: bool, meanwhile: &[String]) -> Value {
    until_alert(root, name, meanwhile, |alert| alert["raised"] == raised).await
}

async fn until_alert(
    root: &Person<'_>,
    name: &str,
    meanwhile: &[String],
    is_expected: impl Fn(&Value) -> bool,
) -> Value {
    // PostgreSQL's statistics take up to a second to arrive.
    wait_for(&format!("the alert {name} has the expected state"), async || {
        for path in meanwhile {
            // Enough rows and reads to judge a table.
            for _ in 0..30 {
                root.get(path).await.expect(StatusCode::OK);
            }
        }
        let alert = alert(root, name).await;
        assert_eq!(alert["since"].is_string(), alert["raised"] == true, "{alert}");
        is_expected(&alert).then_some(alert)
    })
    .await
}

async fn metrics(server: &Server) -> String {
    server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_superusers_see_the_database() {
    for server in both(lenient).await {
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
async fn a_slow_statement_raises_an_alert() {
    for server in both(|| watchful(Thresholds { statement_ms: 8.0, ..Thresholds::default() })).await {
        let root = superuser(&server).await;
        let entries = format!(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 60000)
             INSERT INTO journal_entries (id, content, entry_date, entry_day, word_count, user_id)
             SELECT {}, 'word', {}, {}, 1, id FROM users, numbers",
            by_engine(&server, "randomblob(16)", "gen_random_uuid()"),
            by_engine(&server, "n", "timestamptz '2025-01-01'"),
            by_engine(&server, "printf('2025-01-%02d', 1 + n % 30)", "date '2025-01-01' + n % 30"),
        );
        let drop_triggers = by_engine(&server, "DROP TRIGGER journal_entries_search_insert;", "");
        server.scratch.execute(&format!("{drop_triggers} {entries}")).await.unwrap();
        let slow = "/api/journals/calendar?from=2025-01-01&to=2025-12-31".to_owned();
        // On a busy machine any statement can be slow for a moment, but this one stays slow.
        let is_named = |alert: &Value| alert["sentence"].as_str().unwrap().contains("GROUP BY entry_day");
        let alert =
            until_alert(&root, "slow_statement", &[slow], |alert| alert["raised"] == true && is_named(alert)).await;
        assert!(alert["figure"].as_f64().unwrap() > 8.0, "{alert}");
        let alert = until(&root, "slow_statement", false, &["/api/tags/".to_owned()]).await;
        assert!(alert["figure"].as_f64().unwrap() < 8.0, "{alert}");
    }
}

fn by_engine<'a>(server: &Server, sqlite: &'a str, postgres: &'a str) -> &'a str {
    if server.app.storage.engine() == "sqlite" { sqlite } else { postgres }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_index_raises_an_alert() {
    for server in both(|| watchful(Thresholds { big_table_rows: 1000, ..Thresholds::default() })).await {
        let root = superuser(&server).await;
        let people = format!(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000)
             INSERT INTO users (id, email) SELECT {id}, n || '@example.net' FROM numbers;
             INSERT INTO login_sessions (id, user_id, expires_at)
             SELECT {id}, id, {never} FROM users WHERE email LIKE '%.net'; ANALYZE",
            id = by_engine(&server, "randomblob(16)", "gen_random_uuid()"),
            never = by_engine(&server, "4000000000000000", "timestamptz '2090-01-01'"),
        );
        server.scratch.execute(&people).await.unwrap();
        let sessions = ["/api/users/me/sessions".to_owned()];
        for _ in 0..3 {
            root.get(&sessions[0]).await.expect(StatusCode::OK);
            assert_eq!(alert(&root, "index_usage").await["raised"], false);
        }
        // The other index would find all sessions, because none has expired.
        let drop = "DROP INDEX idx_login_sessions_user_id; DROP INDEX idx_login_sessions_expires_at";
        server.scratch.execute(drop).await.unwrap();
        let alert = until(&root, "index_usage", true, &sessions).await;
        assert!(alert["sentence"].as_str().unwrap().contains("login_sessions"), "{alert}");
        let database = root.get("/api/admin/database").await.expect(StatusCode::OK);
        let advice = database["advice"].as_array().unwrap();
        let missing = advice.iter().find(|one| one["kind"] == "missing index").unwrap();
        // The advice fixes the problem.
        let command = missing["command"].as_str().unwrap().replace("CONCURRENTLY ", "");
        server.scratch.execute(&command).await.unwrap();
        until(&root, "index_usage", false, &sessions).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_migration_table_raises_an_alert() {
    for server in both(|| watchful(Thresholds::default())).await {
        let root = superuser(&server).await;
        assert_eq!(alert(&root, "migration").await["raised"], false);
        for (edit, undo, said) in [
            (
                "UPDATE schema_migrations SET up_checksum = 'x' || up_checksum",
                "UPDATE schema_migrations SET up_checksum = substr(up_checksum, 2)",
                "was changed after it had been applied",
            ),
            (
                "INSERT INTO schema_migrations (version, name, up_checksum, down_checksum) VALUES (9000, 'later', '', '')",
                "DELETE FROM schema_migrations WHERE version = 9000",
                "9000_later",
            ),
        ] {
            server.scratch.execute(edit).await.unwrap();
            let raised = alert(&root, "migration").await;
            assert_eq!(raised["raised"], true, "{raised}");
            assert!(raised["sentence"].as_str().unwrap().contains(said), "{raised}");
            wait_for_migration_alert(&server, "1").await;
            server.scratch.execute(undo).await.unwrap();
            assert_eq!(alert(&root, "migration").await["raised"], true, "one good reading is not enough");
            assert_eq!(alert(&root, "migration").await["raised"], false);
            wait_for_migration_alert(&server, "0").await;
        }
    }
}

/// Takes readings until the metrics have the value of the alert.
async fn wait_for_migration_alert(server: &Server, value: &str) {
    let line = format!("sotto_alert{{alert=\"migration\"}} {value}");
    wait_until(&format!("the metrics contain `{line}`"), async || {
        if metrics(server).await.contains(&line) {
            return true;
        }
        take_reading(&server.app).await.unwrap();
        false
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_index_raises_an_alert() {
    let server = Server::start(Scratch::postgres().await, watchful(Thresholds::default())).await;
    let root = superuser(&server).await;
    for _ in 0..2 {
        root.write("the same", "2025-01-22T10:00:00Z", &[]).await;
    }
    let broken = "CREATE UNIQUE INDEX CONCURRENTLY idx_planted ON journal_entries (content)";
    server.scratch.execute(broken).await.unwrap_err();
    let raised = until(&root, "migration", true, &[]).await;
    assert!(raised["sentence"].as_str().unwrap().contains("idx_planted"), "{raised}");
    server.scratch.execute("DROP INDEX CONCURRENTLY idx_planted").await.unwrap();
    until(&root, "migration", false, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_constraint_raises_an_alert() {
    for server in both(|| watchful(Thresholds::default())).await {
        let root = superuser(&server).await;
        let tag = |name: &str| json!({"name": name, "color": "#aabbcc"});
        root.post("/api/tags/", tag("one")).await.expect(StatusCode::CREATED);
        // What users can run into is no fault.
        root.post("/api/tags/", tag("ONE")).await.expect(StatusCode::CONFLICT);
        for _ in 0..2 {
            assert_eq!(alert(&root, "constraint_violation").await["raised"], false);
        }
        server.scratch.execute("CREATE UNIQUE INDEX idx_planted ON tags (color)").await.unwrap();
        root.post("/api/tags/", tag("two")).await.expect(StatusCode::INTERNAL_SERVER_ERROR);
        let raised = alert(&root, "constraint_violation").await;
        assert_eq!((&raised["raised"], raised["figure"].as_f64()), (&json!(true), Some(1.0)), "{raised}");
        let refused_by = by_engine(&server, "tags.color", "idx_planted");
        assert!(raised["sentence"].as_str().unwrap().contains(refused_by), "{raised}");
        // From now on nothing is refused.
        until(&root, "constraint_violation", false, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_violate_a_constraint_raise_an_alert_until_they_are_repaired() {
    let server = Server::start(Scratch::sqlite(), watchful(Thresholds::default())).await;
    let root = superuser(&server).await;
    assert_eq!(alert(&root, "constraint_violation").await["raised"], false);
    let orphan = "PRAGMA foreign_keys = off;
                  INSERT INTO tags (id, name, name_key, user_id) VALUES (zeroblob(16), 'x', 'x', randomblob(16))";
    server.scratch.execute(orphan).await.unwrap();
    // The inspection runs once an hour, which is longer than an access token is valid.
    server.clock.advance(3600);
    take_reading(&server.app).await.unwrap();
    let root = again(root).await;
    let raised = alert(&root, "constraint_violation").await;
    assert_eq!(raised["raised"], true, "{raised}");
    assert!(raised["sentence"].as_str().unwrap().contains("references to rows of users"), "{raised}");
    server.scratch.execute("DELETE FROM tags").await.unwrap();
    server.clock.advance(3600);
    let root = again(root).await;
    until(&root, "constraint_violation", false, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn size_metrics_disappear_with_the_object_they_measure() {
    for server in both(|| watchful(Thresholds::default())).await {
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
    for server in both(|| watchful(Thresholds { statement_ms: 0.0, ..Thresholds::default() })).await {
        let root = superuser(&server).await;
        let bad = wait_for("a reading judges the slow statement", async || {
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
    for server in both(|| watchful(Thresholds::default())).await {
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
        let root = again(root).await;
        let back = root.get("/api/admin/database").await.expect(StatusCode::OK);
        assert!(back["failing_since"].is_null() && back["taken_at"] != whole["taken_at"], "{back}");
        let after = metrics(&server).await;
        assert!(of_a_reading.iter().all(|name| value(&after, name).is_some()), "{after}");
        assert_eq!(value(&after, "sotto_monitor_failed_readings_total"), Some(2.0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_report_an_unavailable_database() {
    for server in both(|| watchful(Thresholds::default())).await {
        take_reading(&server.app).await.unwrap();
        server.app.storage.close().await;
        take_reading(&server.app).await.unwrap_err();
        let metrics = metrics(&server).await;
        assert_eq!(value(&metrics, "sotto_monitor_failed_readings_total"), Some(1.0), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_backup_raises_an_alert_if_backups_are_monitored() {
    let folder = tempfile::tempdir().unwrap();
    let config = || {
        let mut config = watchful(Thresholds::default());
        config.monitoring.data_dir = Some(folder.path().to_owned());
        config.monitoring.backup_days = Some(7);
        config
    };
    for server in both(config).await {
        let _ = std::fs::remove_file(folder.path().join("last-backup.json"));
        let root = superuser(&server).await;
        assert_eq!(alert(&root, "backup").await["raised"], true);
        let now = server.clock.now();
        LastBackup::write(folder.path(), now).unwrap();
        until(&root, "backup", false, &[]).await;
        let database = root.get("/api/admin/database").await.expect(StatusCode::OK);
        assert_eq!(database["last_backup_at"], json!(now), "{database}");
        server.clock.advance(7 * 86_400 + 60);
        let root = again(root).await;
        let raised = alert(&root, "backup").await;
        assert!(raised["raised"] == true && raised["figure"].as_f64().unwrap() > 7.0, "{raised}");
    }
    let server = Server::start(Scratch::sqlite(), watchful(Thresholds::default())).await;
    let root = superuser(&server).await;
    let database = root.get("/api/admin/database").await.expect(StatusCode::OK);
    assert!(!database["alerts"].to_string().contains("backup"), "{database}");
    assert!(!metrics(&server).await.contains("alert=\"backup\""));
}

/// Accepts posts. The first `bad` ones get status 500 or, with `hang`, no response at all.
async fn listener(bad: usize, hang: bool) -> (String, mpsc::UnboundedReceiver<(bool, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?token=s3cret", listener.local_addr().unwrap());
    let (posts, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut open = Vec::new();
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut bytes = [0; 4096];
                let read = stream.read(&mut bytes).await.unwrap();
                assert!(read > 0, "{request}");
                request.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
            let is_good = number >= bad;
            posts.send((is_good, request)).unwrap();
            if is_good || !hang {
                let status = if is_good { "204 No Content" } else { "500 Oh" };
                let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            } else {
                open.push(stream);
            }
        }
    });
    (url, received)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_webhook_call_is_repeated() {
    for (bad, hang) in [(0, false), (2, false), (2, true)] {
        let (url, mut posts) = listener(bad, hang).await;
        let mut config = watchful(Thresholds::default());
        let back_off = vec![Duration::from_millis(5); 3];
        config.monitoring.webhook = Some(Webhook { url, timeout: Duration::from_millis(300), back_off });
        assert!(!format!("{config:?}").contains("s3cret"));
        let server = Server::start(Scratch::sqlite(), config).await;
        let edit = "UPDATE schema_migrations SET up_checksum = 'x' || up_checksum";
        let undo = "UPDATE schema_migrations SET up_checksum = substr(up_checksum, 2)";
        take_reading(&server.app).await.unwrap();
        server.scratch.execute(edit).await.unwrap();
        // A webhook that hangs delays nothing else.
        take_reading(&server.app).await.unwrap();
        server.scratch.execute(undo).await.unwrap();
        take_reading(&server.app).await.unwrap();
        take_reading(&server.app).await.unwrap();
        let mut accepted = Vec::new();
        let mut tries = 0;
        while accepted.len() < 2 {
            let (is_good, request) = within_bound("a post to the webhook", posts.recv()).await.unwrap();
            tries += 1;
            assert!(request.starts_with("POST /hook?token=s3cret HTTP/1.1"), "{request}");
            if is_good {
                accepted.push(request);
            }
        }
        assert!(tries >= bad + 2);
        let bodies: Vec<Value> = accepted
            .iter()
            .map(|request| serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap())
            .collect();
        for (body, state) in bodies.iter().zip(["raised", "cleared"]) {
            assert_eq!(
                (&body["service"], &body["alert"], &body["state"]),
                (&json!("sotto"), &json!("migration"), &json!(state))
            );
            assert!(body["at"].as_str().unwrap().ends_with('Z') && body["since"] == bodies[0]["at"], "{body}");
            assert!(!body.to_string().contains("s3cret"));
        }
        assert!(bodies[0]["sentence"].as_str().unwrap().contains("was changed"), "{bodies:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_always_fails_delays_nothing() {
    let mut config = watchful(Thresholds::default());
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/");
    config.monitoring.webhook = Some(Webhook { url, timeout: Duration::from_millis(50), back_off: vec![] });
    let mut server = Server::start(Scratch::sqlite(), config).await;
    for _ in 0..100 {
        server.scratch.execute("UPDATE schema_migrations SET up_checksum = 'x' || up_checksum").await.unwrap();
        take_reading(&server.app).await.unwrap();
        server.scratch.execute("UPDATE schema_migrations SET up_checksum = substr(up_checksum, 2)").await.unwrap();
        take_reading(&server.app).await.unwrap();
        take_reading(&server.app).await.unwrap();
    }
    ApiResponse::receive(server.request(Method::GET, "/health/ready")).await.expect(StatusCode::OK);
    server.stop().await;
}
