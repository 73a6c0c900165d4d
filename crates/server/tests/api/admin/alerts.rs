//! Alerts: each is raised by a real fault, and cleared by its repair.

use reqwest::StatusCode;
use serde_json::{Value, json};
use sotto_domain::Clock;
use sotto_domain::health::Thresholds;
use sotto_server::last_backup::LastBackup;
use sotto_server::take_reading;
use sotto_storage::testing::{Scratch, wait_until};

use super::{
    alert_after_reading, both_servers, by_engine, metrics, sign_in_again, superuser, wait_for_alert, wait_for_state,
    watchful,
};
use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_statement_raises_an_alert() {
    for server in both_servers(|| watchful(Thresholds { statement_ms: 8.0, ..Thresholds::default() })).await {
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
            wait_for_alert(&root, "slow_statement", &[slow], |alert| alert["raised"] == true && is_named(alert)).await;
        assert!(alert["figure"].as_f64().unwrap() > 8.0, "{alert}");
        let alert = wait_for_state(&root, "slow_statement", false, &["/api/tags/".to_owned()]).await;
        assert!(alert["figure"].as_f64().unwrap() < 8.0, "{alert}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_index_raises_an_alert() {
    for server in both_servers(|| watchful(Thresholds { big_table_rows: 1000, ..Thresholds::default() })).await {
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
            assert_eq!(alert_after_reading(&root, "index_usage").await["raised"], false);
        }
        // The other index would find all sessions, because none has expired.
        let drop = "DROP INDEX idx_login_sessions_user_id; DROP INDEX idx_login_sessions_expires_at";
        server.scratch.execute(drop).await.unwrap();
        let alert = wait_for_state(&root, "index_usage", true, &sessions).await;
        assert!(alert["sentence"].as_str().unwrap().contains("login_sessions"), "{alert}");
        let database = root.get("/api/admin/database").await.expect(StatusCode::OK);
        let advice = database["advice"].as_array().unwrap();
        let missing = advice.iter().find(|one| one["kind"] == "missing index").unwrap();
        // The advice fixes the problem.
        let command = missing["command"].as_str().unwrap().replace("CONCURRENTLY ", "");
        server.scratch.execute(&command).await.unwrap();
        wait_for_state(&root, "index_usage", false, &sessions).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_migration_table_raises_an_alert() {
    for server in both_servers(|| watchful(Thresholds::default())).await {
        let root = superuser(&server).await;
        assert_eq!(alert_after_reading(&root, "migration").await["raised"], false);
        for (edit, undo, message) in [
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
            let raised = alert_after_reading(&root, "migration").await;
            assert_eq!(raised["raised"], true, "{raised}");
            assert!(raised["sentence"].as_str().unwrap().contains(message), "{raised}");
            wait_for_migration_alert(&server, "1").await;
            server.scratch.execute(undo).await.unwrap();
            assert_eq!(alert_after_reading(&root, "migration").await["raised"], true, "one good reading is not enough");
            assert_eq!(alert_after_reading(&root, "migration").await["raised"], false);
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
    let raised = wait_for_state(&root, "migration", true, &[]).await;
    assert!(raised["sentence"].as_str().unwrap().contains("idx_planted"), "{raised}");
    server.scratch.execute("DROP INDEX CONCURRENTLY idx_planted").await.unwrap();
    wait_for_state(&root, "migration", false, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_constraint_raises_an_alert() {
    for server in both_servers(|| watchful(Thresholds::default())).await {
        let root = superuser(&server).await;
        let tag = |name: &str| json!({"name": name, "color": "#aabbcc"});
        root.post("/api/tags/", tag("one")).await.expect(StatusCode::CREATED);
        // What users can run into is no fault.
        root.post("/api/tags/", tag("ONE")).await.expect(StatusCode::CONFLICT);
        for _ in 0..2 {
            assert_eq!(alert_after_reading(&root, "constraint_violation").await["raised"], false);
        }
        server.scratch.execute("CREATE UNIQUE INDEX idx_planted ON tags (color)").await.unwrap();
        root.post("/api/tags/", tag("two")).await.expect(StatusCode::INTERNAL_SERVER_ERROR);
        let raised = alert_after_reading(&root, "constraint_violation").await;
        assert_eq!((&raised["raised"], raised["figure"].as_f64()), (&json!(true), Some(1.0)), "{raised}");
        let refused_by = by_engine(&server, "tags.color", "idx_planted");
        assert!(raised["sentence"].as_str().unwrap().contains(refused_by), "{raised}");
        // From now on nothing is refused.
        wait_for_state(&root, "constraint_violation", false, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_violate_a_constraint_raise_an_alert_until_they_are_repaired() {
    let server = Server::start(Scratch::sqlite(), watchful(Thresholds::default())).await;
    let root = superuser(&server).await;
    assert_eq!(alert_after_reading(&root, "constraint_violation").await["raised"], false);
    let orphan = "PRAGMA foreign_keys = off;
                  INSERT INTO tags (id, name, name_key, user_id) VALUES (zeroblob(16), 'x', 'x', randomblob(16))";
    server.scratch.execute(orphan).await.unwrap();
    // The inspection runs once an hour, which is longer than an access token is valid.
    server.clock.advance(3600);
    take_reading(&server.app).await.unwrap();
    let root = sign_in_again(root).await;
    let raised = alert_after_reading(&root, "constraint_violation").await;
    assert_eq!(raised["raised"], true, "{raised}");
    assert!(raised["sentence"].as_str().unwrap().contains("references to rows of users"), "{raised}");
    server.scratch.execute("DELETE FROM tags").await.unwrap();
    server.clock.advance(3600);
    let root = sign_in_again(root).await;
    wait_for_state(&root, "constraint_violation", false, &[]).await;
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
    for server in both_servers(config).await {
        let _ = std::fs::remove_file(folder.path().join("last-backup.json"));
        let root = superuser(&server).await;
        assert_eq!(alert_after_reading(&root, "backup").await["raised"], true);
        let now = server.clock.now();
        LastBackup::write(folder.path(), now).unwrap();
        wait_for_state(&root, "backup", false, &[]).await;
        let database = root.get("/api/admin/database").await.expect(StatusCode::OK);
        assert_eq!(database["last_backup_at"], json!(now), "{database}");
        server.clock.advance(7 * 86_400 + 60);
        let root = sign_in_again(root).await;
        let raised = alert_after_reading(&root, "backup").await;
        assert!(raised["raised"] == true && raised["figure"].as_f64().unwrap() > 7.0, "{raised}");
    }
    let server = Server::start(Scratch::sqlite(), watchful(Thresholds::default())).await;
    let root = superuser(&server).await;
    let database = root.get("/api/admin/database").await.expect(StatusCode::OK);
    assert!(!database["alerts"].to_string().contains("backup"), "{database}");
    assert!(!metrics(&server).await.contains("alert=\"backup\""));
}
