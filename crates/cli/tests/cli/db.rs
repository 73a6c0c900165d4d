//! `sotto db`, by real processes that start at once or are killed.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::program::{Finished, Home, Serving};

macro_rules! on_both_engines {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::program::Home::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::program::Home::postgres().await).await;
            })+
        }
    };
}

on_both_engines!(
    up_and_down_and_up_again,
    eight_at_once_apply_each_step_once,
    a_killed_step_leaves_nothing_half_done,
    data_is_not_lost_unless_that_is_allowed,
    a_server_refuses_a_schema_that_it_does_not_know,
    wrong_targets_and_files_are_refused,
);

const NEXT: [(&str, &str); 2] = [
    ("0003_add_moods.up.sql", "CREATE TABLE moods (id INTEGER NOT NULL, CONSTRAINT pk_moods PRIMARY KEY (id));\n"),
    ("0003_add_moods.down.sql", "-- loses: moods\nDROP TABLE moods;\n"),
];

async fn up_and_down_and_up_again(home: Home) {
    assert!(home.run(&["db", "current"]).ok().starts_with("base"));
    let report = home.run(&["db", "upgrade", "--json"]).json();
    assert_eq!((&report["from"], report["steps"].as_array().unwrap().len()), (&Value::from("base"), 2));
    assert!(home.run(&["db", "current"]).ok().starts_with("0002_secret_tags: the database is up to date"));
    assert!(home.run(&["db", "upgrade"]).ok().contains("already"));
    let history = home.run(&["db", "history", "--json"]).json();
    assert!(history[0]["applied_at"].is_string());
    assert!(home.run(&["db", "downgrade", "-2"]).ok().contains("to base"));
    assert!(home.run(&["db", "history"]).ok().contains("not applied"));
    home.run(&["db", "upgrade", "+1"]).ok();
    home.run(&["db", "downgrade", "base"]).ok();
    home.run(&["db", "upgrade", "0002"]).ok();
}

async fn eight_at_once_apply_each_step_once(home: Home) {
    let migrations = home.migrations(&NEXT);
    std::fs::create_dir_all(home.path("data")).unwrap();
    let arguments = ["db", "upgrade", "--json", "--migrations", &migrations];
    let children: Vec<_> = (0..8).map(|_| home.command(&arguments).spawn().unwrap()).collect();
    let reports: Vec<_> =
        children.into_iter().map(|child| Finished::of(child.wait_with_output().unwrap()).json()).collect();
    let steps: usize = reports.iter().map(|report| report["steps"].as_array().unwrap().len()).sum();
    assert_eq!(steps, 3, "{reports:?}");
    assert!(reports.iter().all(|report| report["to"] == "0003_add_moods"), "{reports:?}");
}

async fn a_killed_step_leaves_nothing_half_done(home: Home) {
    home.run(&["db", "upgrade"]).ok();
    let slow = if home.database.starts_with("sqlite:") {
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000)
         INSERT INTO moods SELECT count(*) FROM n;"
    } else {
        "SELECT pg_sleep(600);"
    };
    let up = format!("{}\n{slow}\n", NEXT[0].1);
    let migrations = home.migrations(&[(NEXT[0].0, &up), NEXT[1]]);
    let mut child =
        home.command(&["db", "upgrade", "--migrations", &migrations]).stdout(Stdio::null()).spawn().unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(child.try_wait().unwrap().is_none(), "it is in the middle of the step");
    child.kill().unwrap();
    child.wait().unwrap();

    // Not a trace of it: the same revision, and the same table can be made.
    assert!(home.run(&["db", "current"]).ok().starts_with("0002_secret_tags"));
    let migrations = home.migrations(&NEXT);
    home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
    let current = home.run(&["db", "current", "--migrations", &migrations]).ok();
    assert!(current.starts_with("0003_add_moods"), "{current}");
}

async fn data_is_not_lost_unless_that_is_allowed(home: Home) {
    home.run(&["db", "upgrade"]).ok();
    home.run_with_input(&["user", "create", "ada@example.org", "--password-stdin"], "correct horse battery\n").ok();
    let refusal = home.run(&["db", "downgrade", "base"]).refused();
    assert!(refusal.contains("1 row of users"), "{refusal}");
    assert!(refusal.contains("--allow-data-loss"), "{refusal}");
    assert!(home.run(&["user", "list"]).ok().contains("ada@example.org"));
    let report = home.run(&["db", "downgrade", "base", "--allow-data-loss", "--json"]).json();
    if let Some(snapshot) = report["snapshot"].as_str() {
        let list =
            home.command(&["user", "list"]).env("SOTTO_DATABASE", format!("sqlite:{snapshot}")).output().unwrap();
        assert!(Finished::of(list).ok().contains("ada@example.org"), "the copy has what was lost");
    } else {
        assert!(home.database.starts_with("postgres"));
    }
    assert!(home.run(&["user", "list"]).ok().contains("no accounts"));
}

async fn a_server_refuses_a_schema_that_it_does_not_know(home: Home) {
    // Newer than this program.
    let migrations = home.migrations(&NEXT);
    home.run(&["db", "upgrade", "--migrations", &migrations]).ok();
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["user", "list"]] {
        let refusal = home.run(arguments).refused();
        assert!(refusal.contains("0003_add_moods") && refusal.contains("does not know"), "{refusal}");
    }
    home.run(&["db", "downgrade", "-1", "--migrations", &migrations]).ok();
    Serving::start(&home, &[]).stop();
}

async fn wrong_targets_and_files_are_refused(home: Home) {
    home.run(&["db", "upgrade"]).ok();
    for (arguments, said) in [
        (&["db", "upgrade", "0009"][..], "0009"),
        (&["db", "downgrade", "nothing"], "nothing"),
        (&["db", "downgrade", "-5"], "only 2 revisions below"),
        (&["db", "stamp", "0009"], "0009"),
    ] {
        let refusal = home.run(arguments).refused();
        assert!(refusal.contains(said), "{refusal}");
    }
    assert_eq!(home.run(&["db", "upgrade", "!"]).code, Some(2));
    let migrations = home.migrations(&NEXT[..1]);
    let refusal = home.run(&["db", "upgrade", "--migrations", &migrations]).refused();
    assert!(refusal.contains("0003_add_moods"), "{refusal}");
    let migrations = home.migrations(&[
        NEXT[0],
        NEXT[1],
        ("0001_create_standardized_schema.up.sql", "CREATE TABLE x (id INTEGER);"),
    ]);
    let refusal = home.run(&["db", "upgrade", "--migrations", &migrations]).refused();
    assert!(refusal.contains("was changed after it had been applied"), "{refusal}");
}
