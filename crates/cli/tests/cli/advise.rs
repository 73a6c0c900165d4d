//! `sotto db advise`, and the alerts of a running server.

use reqwest::Method;
use serde_json::Value;
use sotto_storage::testing::wait_until;

use crate::program::{Home, RunningServer};

on_both_engines!(
    unnecessary_and_invalid_indexes_are_named,
    invalid_requests_for_advice_are_rejected,
    an_older_revision_gets_no_advice,
    a_running_server_raises_an_alert,
);

/// The advice of a kind about a subject.
fn find<'a>(report: &'a Value, kind: &str, subject: &str) -> Option<&'a Value> {
    let advice = report["advice"].as_array().unwrap();
    advice.iter().find(|one| one["kind"] == kind && one["subject"].as_str().unwrap().contains(subject))
}

async fn unnecessary_and_invalid_indexes_are_named(home: Home) {
    home.run(&["db", "upgrade"]).ok();
    let before = home.run(&["db", "advise", "--json"]).json();
    for kind in ["missing_index", "duplicate_index", "invalid_index", "table_scan"] {
        assert_eq!(find(&before, kind, ""), None, "{before}");
    }
    let redundant = find(&before, "redundant_index", "idx_journal_entries_user_id").unwrap();
    assert!(redundant["leave"].as_str().unwrap().contains("roadmap"), "{redundant}");
    assert!(redundant["write_cost"]["ratio"].as_f64().unwrap() > 0.0, "{redundant}");
    assert!(before["remarks"][0].as_str().unwrap().contains(if home.database.starts_with("sqlite") {
        "Little is known yet"
    } else {
        "The counters cover"
    }));

    home.execute(
        "CREATE INDEX idx_planted_duplicate ON tags (user_id, created_at);
         CREATE INDEX idx_planted_redundant ON journal_entries (user_id, entry_date);
         CREATE INDEX idx_planted_unused ON users (avatar_url);
         DROP INDEX idx_login_sessions_user_id",
    )
    .await
    .unwrap();
    let report = home.run(&["db", "advise", "--json", "--seconds", "1"]).json();
    assert!(report["counting_since"].is_string(), "{report}");
    for (kind, subject) in [
        ("duplicate_index", "idx_planted_duplicate"),
        ("redundant_index", "idx_planted_redundant"),
        ("unused_index", "idx_planted_unused"),
        ("missing_index", "login_sessions"),
    ] {
        let advice = find(&report, kind, subject).unwrap_or_else(|| panic!("{kind} {subject}: {report:#}"));
        // One second is too short to judge that an index is unused.
        assert_eq!(advice["leave"].is_string(), kind == "unused_index", "{advice}");
        // Running the command follows the advice.
        home.execute(advice["command"].as_str().unwrap()).await.unwrap();
    }
    let text = home.run(&["db", "advise"]).ok();
    assert!(!text.contains("planted") && !text.contains("MISSING"), "{text}");
    assert!(text.contains("REDUNDANT INDEX\n  The index idx_tags_user_id is the beginning of"), "{text}");
    assert!(text.contains("times as long") && text.contains("Leave it: The roadmap names this index"), "{text}");
    if home.database.starts_with("postgres") {
        assert!(text.contains("CREATE EXTENSION pg_stat_statements"), "{text}");
    }
}

async fn invalid_requests_for_advice_are_rejected(home: Home) {
    for seconds in ["0", "soon", "99999"] {
        assert_eq!(home.run(&["db", "advise", "--seconds", seconds]).code, Some(2), "{seconds}");
    }
    home.execute_foreign().await;
    assert!(home.run(&["db", "advise"]).ended_with(7).contains("not Sotto's"));
}

async fn an_older_revision_gets_no_advice(home: Home) {
    home.run(&["db", "upgrade", "0001"]).ok();
    let refused = home.run(&["db", "advise"]).refused();
    assert!(refused.contains("sotto db upgrade") && !refused.contains("column"), "{refused}");
}

impl Home {
    /// Makes the database look like another program's.
    async fn execute_foreign(&self) {
        std::fs::create_dir_all(self.path("data")).unwrap();
        self.execute("CREATE TABLE shopping (item TEXT)").await.unwrap();
    }
}

async fn a_running_server_raises_an_alert(home: Home) {
    let server = RunningServer::start(&home, &["--alert-interval", "1", "--alert-clear-after", "1"]);
    let shows = async |text: &str| {
        wait_until(&format!("the metrics contain `{text}`"), async || {
            server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap().contains(text)
        })
        .await;
    };
    shows("sotto_alert{alert=\"migration\"} 0").await;
    home.execute("UPDATE schema_migrations SET up_checksum = 'x' || up_checksum").await.unwrap();
    shows("sotto_alert{alert=\"migration\"} 1").await;
    home.execute("UPDATE schema_migrations SET up_checksum = substr(up_checksum, 2)").await.unwrap();
    shows("sotto_alert{alert=\"migration\"} 0").await;
    let log = server.stop();
    let notices: Vec<_> = log.lines().filter(|line| line.contains("an alert was")).collect();
    assert_eq!(notices.len(), 2, "{log}");
    assert!(
        notices[0].contains("raised") && notices[0].contains("was changed after it had been applied"),
        "{notices:?}"
    );
    assert!(notices[1].contains("cleared"), "{notices:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_index_is_named() {
    let home = Home::postgres().await;
    home.run(&["db", "upgrade"]).ok();
    home.execute("INSERT INTO users (id, email) VALUES (gen_random_uuid(), 'a'), (gen_random_uuid(), 'b')")
        .await
        .unwrap();
    let broken = "CREATE UNIQUE INDEX CONCURRENTLY idx_planted ON users (time_zone)";
    home.execute(broken).await.unwrap_err();
    let report = home.run(&["db", "advise", "--json"]).json();
    assert!(find(&report, "invalid_index", "idx_planted").is_some(), "{report:#}");
    assert_eq!(report["advice"][0]["kind"], "invalid_index", "the most pressing comes first");
}
