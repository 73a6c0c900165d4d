//! `sotto db` with processes that start at the same time or are killed.

use std::process::Stdio;

use serde_json::Value;
use sotto_storage::testing::{dump, run_script};

use crate::interruptions::wait_while_running;
use crate::program::{Finished, Home, RunningServer};

on_both_engines!(
    upgrade_downgrade_and_upgrade_again,
    eight_concurrent_upgrades_apply_each_step_once,
    a_killed_step_leaves_no_partial_result,
    a_dry_run_reports_and_changes_nothing,
    a_script_has_the_result_of_the_command,
    data_is_lost_only_if_allowed,
    a_server_refuses_an_unknown_schema,
    wrong_targets_and_files_are_refused,
);

const NEXT: [(&str, &str); 2] = [
    ("0007_add_moods.up.sql", "CREATE TABLE moods (id INTEGER NOT NULL, CONSTRAINT pk_moods PRIMARY KEY (id));\n"),
    ("0007_add_moods.down.sql", "-- loses: moods\nDROP TABLE moods;\n"),
];

async fn upgrade_downgrade_and_upgrade_again(home: Home) {
    assert!(home.run(&["db", "current"]).ok().starts_with("base"));
    let report = home.run(&["db", "upgrade", "--json"]).json();
    assert_eq!((&report["from"], report["steps"].as_array().unwrap().len()), (&Value::from("base"), 6));
    assert!(home.run(&["db", "current"]).ok().starts_with("0006_account_safety: the database is up to date"));
    assert!(home.run(&["db", "upgrade"]).ok().contains("already"));
    let history = home.run(&["db", "history", "--json"]).json();
    assert!(history[0]["applied_at"].is_string());
    assert!(home.run(&["db", "downgrade", "-6"]).ok().contains("to base"));
    assert!(home.run(&["db", "history"]).ok().contains("not applied"));
    home.run(&["db", "upgrade", "+1"]).ok();
    home.run(&["db", "downgrade", "base"]).ok();
    home.run(&["db", "upgrade", "0006"]).ok();
}

async fn eight_concurrent_upgrades_apply_each_step_once(home: Home) {
    let migrations = home.migrations(&NEXT);
    std::fs::create_dir_all(home.path("data")).unwrap();
    let arguments = ["db", "upgrade", "--json", "--migrations", &migrations];
    let children: Vec<_> = (0..8).map(|_| home.command(&arguments).spawn().unwrap()).collect();
    let reports: Vec<_> =
        children.into_iter().map(|child| Finished::from_output(child.wait_with_output().unwrap()).json()).collect();
    let steps: usize = reports.iter().map(|report| report["steps"].as_array().unwrap().len()).sum();
    assert_eq!(steps, 7, "{reports:?}");
    assert!(reports.iter().all(|report| report["to"] == "0007_add_moods"), "{reports:?}");
}

async fn a_killed_step_leaves_no_partial_result(home: Home) {
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], "correct horse battery\n").ok();
    // Slow only with an account, because a down migration first runs on empty tables.
    let slow = if home.file().is_some() {
        // More than fits into the cache, so that a part of the step reaches the write-ahead log.
        "WITH RECURSIVE n (i) AS (SELECT 1 FROM users UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000)
         INSERT INTO moods SELECT i FROM n;"
    } else {
        "SELECT pg_advisory_xact_lock(42) FROM users;"
    };
    let up = format!("{}\n{slow}\n", NEXT[0].1);
    let migrations = home.migrations(&[(NEXT[0].0, &up), NEXT[1]]);
    kill_in_the_middle(&home, &["db", "upgrade", "--migrations", &migrations]).await;
    assert!(home.run(&["db", "current"]).ok().starts_with("0006_account_safety"));

    // The corrected file succeeds, because it was never applied. The down migration is just as safe.
    let down = format!(
        "-- loses: nothing\nALTER TABLE moods ADD COLUMN half INTEGER;\n{}\n",
        slow.replace("SELECT i FROM", "SELECT i, i FROM")
    );
    let migrations = home.migrations(&[NEXT[0], (NEXT[1].0, &down)]);
    home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
    kill_in_the_middle(&home, &["db", "downgrade", "-1", "--migrations", &migrations]).await;
    let current = home.run(&["db", "current", "--migrations", &migrations]).ok();
    assert!(current.starts_with("0007_add_moods"), "{current}");
}

/// Kills the program in the middle of a step, and asserts that no trace of the step is left.
async fn kill_in_the_middle(home: &Home, arguments: &[&str]) {
    let before = dump(&home.url());
    let held = home.hold_lock(42).await;
    let mut child = home.command(arguments).stdout(Stdio::null()).spawn().unwrap();
    let file = home.file().unwrap_or_default();
    let size = |name: &str| std::fs::metadata(file.with_file_name(name)).map_or(0, |file| file.len());
    wait_while_running(&mut child, "the step is under way", async || match &held {
        Some(held) => held.is_waited_for().await,
        None => size("journal.db-wal") > 1_000_000,
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    drop(held);
    assert_eq!(dump(&home.url()), before);
}

async fn data_is_lost_only_if_allowed(home: Home) {
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], "correct horse battery\n").ok();
    let refusal = home.run(&["db", "downgrade", "base"]).refused();
    assert!(refusal.contains("1 row of users"), "{refusal}");
    assert!(refusal.contains("--allow-data-loss"), "{refusal}");
    assert!(home.run(&["user", "list"]).ok().contains("ada@example.org"));
    let report = home.run(&["db", "downgrade", "base", "--allow-data-loss", "--json"]).json();
    // A SQLite file is copied. A PostgreSQL database is backed up, and the backup restores to either engine.
    let snapshot = report["snapshot"].as_str().unwrap();
    let kept = if home.file().is_some() {
        format!("sqlite:{snapshot}")
    } else {
        let restored = format!("sqlite:{}", home.path("restored.db").display());
        home.run(&["restore", snapshot, "--database", &restored]).ok();
        restored
    };
    let list = home.run(&["user", "list", "--database", &kept]).ok();
    assert!(list.contains("ada@example.org"), "what was lost is kept: {list}");
    assert!(home.run(&["user", "list"]).ended_with(5).contains("is empty"));
}

async fn a_server_refuses_an_unknown_schema(home: Home) {
    // Newer than this program.
    let migrations = home.migrations(&NEXT);
    home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["user", "list"]] {
        let refusal = home.run(arguments).refused();
        assert!(refusal.contains("0007_add_moods") && refusal.contains("does not know"), "{refusal}");
    }
    home.run(&["db", "downgrade", "-1", "--migrations", &migrations]).ok();
    RunningServer::start(&home, &[]).stop();
}

async fn wrong_targets_and_files_are_refused(home: Home) {
    home.run(&["db", "upgrade"]).ok();
    for (arguments, message) in [
        (&["db", "upgrade", "0009"][..], "0009"),
        (&["db", "downgrade", "nothing"], "nothing"),
        (&["db", "downgrade", "-7"], "only 6 revisions below"),
        (&["db", "stamp", "0009"], "0009"),
    ] {
        let refusal = home.run(arguments).refused();
        assert!(refusal.contains(message), "{refusal}");
    }
    assert_eq!(home.run(&["db", "upgrade", "!"]).code, Some(2));
    let migrations = home.migrations(&NEXT[..1]);
    let refusal = home.run(&["db", "upgrade", "--migrations", &migrations]).refused();
    assert!(refusal.contains("0007_add_moods"), "{refusal}");
    let migrations = home.migrations(&[
        NEXT[0],
        NEXT[1],
        ("0001_create_standardized_schema.up.sql", "CREATE TABLE x (id INTEGER);"),
    ]);
    let refusal = home.run(&["db", "upgrade", "--migrations", &migrations]).refused();
    assert!(refusal.contains("was changed after it had been applied"), "{refusal}");
}

async fn a_dry_run_reports_and_changes_nothing(home: Home) {
    let sqlite = home.file().is_some();
    home.run(&["db", "upgrade", "--dry-run"]).ok();
    assert!(!home.path("data").exists(), "not even the folder was made");
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], "correct horse battery\n").ok();
    let migrations = home.migrations(&NEXT);
    let before = dump(&home.url());

    let up = home.run(&["db", "upgrade", "--dry-run", "--migrations", &migrations]).ok();
    assert!(up.contains("from 0006_account_safety to 0007_add_moods; nothing was changed"), "{up}");
    let locks = if sqlite { "locks the file: RESERVED, writers wait" } else { "locks no existing table" };
    assert!(up.contains(locks), "{up}");

    let down = home.run(&["db", "downgrade", "base", "--dry-run"]).ok();
    assert!(down.contains("deletes 1 row of users"), "{down}");
    assert!(down.contains("refused without --allow-data-loss") && down.contains("1 row of users"), "{down}");
    let down = home.run(&["db", "downgrade", "base", "--dry-run", "--allow-data-loss", "--json"]).json();
    assert_eq!((&down["to"], &down["refused"], &down["snapshot"]), (&"base".into(), &false.into(), &true.into()));
    let first = down["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(first["losses"][0], serde_json::json!({"what": "users", "count": 1}));
    let on = if sqlite { "the file" } else { "journal_entries" };
    assert!(first["locks"].as_array().unwrap().iter().any(|lock| lock["on"] == on), "{down}");
    let down = home.run(&["db", "downgrade", "base", "--dry-run", "--json"]).json();
    assert_eq!((&down["refused"], &down["snapshot"]), (&true.into(), &false.into()));

    assert_eq!(dump(&home.url()), before);
    assert!(home.run(&["db", "upgrade", "--dry-run"]).ok().contains("nothing would be done"));
}

async fn a_script_has_the_result_of_the_command(home: Home) {
    let run = |script: String| {
        let output = run_script(&home.url(), &script);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    // The `sqlite3` shell creates an empty file.
    std::fs::create_dir(home.path("data")).unwrap();
    run(home.run(&["db", "upgrade", "--sql"]).ok());
    assert!(home.run(&["db", "current"]).ok().contains("the database is up to date"));
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], "correct horse battery\n").ok();
    let refused = home.run(&["db", "downgrade", "base", "--sql"]).ok();
    let output = run_script(&home.url(), &refused);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("this step would destroy users"));
    assert!(home.run(&["user", "list"]).ok().contains("ada@example.org"));
    run(home.run(&["db", "downgrade", "base", "--sql", "--allow-data-loss"]).ok());
    assert!(home.run(&["db", "current"]).ok().starts_with("base"));
    home.run(&["db", "upgrade"]).ok();

    let nowhere =
        if home.file().is_some() { "sqlite:/dev/null/x".to_owned() } else { "postgres://127.0.0.1:1/x".into() };
    if home.file().is_none() {
        let refused = home.run(&["db", "upgrade", "--sql", "--database", &nowhere]).refused();
        assert!(refused.contains("--from base"), "{refused}");
    }
    let script = home.run(&["db", "upgrade", "--sql", "--from", "base", "--database", &nowhere]).ok();
    assert!(script.contains("CREATE TABLE journal_entries"), "{script}");
    assert_eq!(home.run(&["db", "upgrade", "--from", "base"]).code, Some(2));
    assert_eq!(home.run(&["db", "upgrade", "--sql", "--dry-run"]).code, Some(2));
}
