//! Migration scripts, run by `psql` and the `sqlite3` shell.

use std::process::Output;

use super::super::postgres::LOCK;
use super::{Folder, Migrator, Target, assert_contains, both, connect, count, current, execute, sentence, target};
use crate::migrate::State;
use crate::testing::{Scratch, run_script};
use crate::{DatabaseUrl, schema};

#[track_caller]
fn run(scratch: &Scratch, script: &str) {
    let Output { status, stderr, .. } = run_script(&scratch.url, script);
    assert!(status.success() && stderr.is_empty(), "{}\n{script}", String::from_utf8_lossy(&stderr));
}

/// Runs a script that must fail, and returns the shell's message.
#[track_caller]
fn run_and_fail(scratch: &Scratch, script: &str) -> String {
    let Output { status, stderr, .. } = run_script(&scratch.url, script);
    assert!(!status.success(), "accepted:\n{script}");
    String::from_utf8(stderr).unwrap()
}

/// The three revisions, and a fourth that runs outside of a transaction on PostgreSQL.
fn with_four_revisions() -> Folder {
    let folder = Folder::with_three_revisions();
    let (up, down) = ("CREATE INDEX idx_notes_text ON notes (text)", "DROP INDEX idx_notes_text");
    folder.step_on("sqlite", "0004_index", up, &format!("-- loses: nothing\n{down} -- and no semicolon"));
    folder.step_on(
        "postgres",
        "0004_index",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY idx_notes_text ON notes (text)",
        "-- loses: nothing\n-- no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS idx_notes_text",
    );
    folder
}

async fn assert_equals_reference(scratch: &Scratch, migrator: &Migrator, reference: &Migrator, to: &str) {
    assert_eq!(current(migrator).await, to, "{}", scratch.url);
    assert_eq!(current(reference).await, to, "{}", scratch.url);
    let expected = schema::read(&reference.url).await.unwrap();
    assert_eq!(schema::read(&scratch.url).await.unwrap().differences(&expected), []);
}

#[tokio::test]
async fn a_script_has_the_same_result_as_the_runner() {
    let folder = with_four_revisions();
    for (scratch, other) in both().await.iter().zip(&both().await) {
        let (migrator, reference) = (folder.migrator(scratch), folder.migrator(other));
        // On an empty database.
        run(scratch, &migrator.upgrade_script(&target("2"), None).await.unwrap());
        reference.upgrade(&target("2")).await.unwrap();
        assert_equals_reference(scratch, &migrator, &reference, "0002_colors").await;

        // Continuing on a populated database, from a given revision.
        execute(
            scratch,
            "UPDATE notes SET color = 'blue' WHERE id = 1; INSERT INTO notes (id, text) VALUES (3, 'mine')",
        )
        .await;
        run(scratch, &migrator.upgrade_script(&Target::Head, Some(&target("2"))).await.unwrap());
        reference.upgrade(&Target::Head).await.unwrap();
        assert_equals_reference(scratch, &migrator, &reference, "0004_index").await;
        assert_eq!(migrator.state().await.unwrap(), State::Head);
        assert_eq!(count(scratch, "notes").await, 3);

        // The runner continues after the script, and the script after the runner.
        migrator.downgrade(&target("-1"), false).await.unwrap();
        migrator.upgrade(&Target::Head).await.unwrap();
        run(scratch, &migrator.downgrade_script(&target("1"), None, true).await.unwrap());
        reference.downgrade(&target("1"), true).await.unwrap();
        assert_equals_reference(scratch, &migrator, &reference, "0001_notes").await;
        run(scratch, &migrator.downgrade_script(&Target::Base, None, true).await.unwrap());
        assert_eq!(migrator.state().await.unwrap(), State::Empty);
        migrator.upgrade(&Target::Head).await.unwrap();
    }
}

#[tokio::test]
async fn a_script_creates_the_shipped_schema() {
    for (scratch, other) in both().await.iter().zip(&both().await) {
        let (migrator, reference) = (Migrator::new(&scratch.url).unwrap(), Migrator::new(&other.url).unwrap());
        run(scratch, &migrator.upgrade_script(&Target::Head, Some(&Target::Base)).await.unwrap());
        reference.upgrade(&Target::Head).await.unwrap();
        let head = current(&reference).await;
        assert_equals_reference(scratch, &migrator, &reference, &head).await;
        run(scratch, &migrator.downgrade_script(&Target::Base, None, false).await.unwrap());
        migrator.upgrade(&Target::Head).await.unwrap();
        assert_equals_reference(scratch, &migrator, &reference, &head).await;
    }
}

#[tokio::test]
async fn a_database_at_another_revision_is_unchanged() {
    let folder = with_four_revisions();
    for scratch in both().await {
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&target("2")).await.unwrap();
        let before = schema::read(&scratch.url).await.unwrap();
        for from in [Target::Base, target("1"), target("3")] {
            let script = migrator.upgrade_script(&Target::Head, Some(&from)).await.unwrap();
            assert_contains(
                &run_and_fail(&scratch, &script),
                &["this script starts at ", "is at another revision", "sotto db current"],
            );
        }
        let edited = with_four_revisions();
        edited.file("0001_notes.up.sql", "CREATE TABLE notes (id INTEGER); -- another file than the applied one");
        let script = edited.migrator(&scratch).upgrade_script(&Target::Head, Some(&target("2"))).await.unwrap();
        assert_contains(&run_and_fail(&scratch, &script), &["is at another revision"]);
        assert_eq!(schema::read(&scratch.url).await.unwrap(), before);
        assert_eq!(current(&migrator).await, "0002_colors");
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_unchanged() {
    for scratch in both().await {
        execute(&scratch, "CREATE TABLE recipes (id INTEGER)").await;
        let before = schema::read(&scratch.url).await.unwrap();
        let migrator = with_four_revisions().migrator(&scratch);
        let script = migrator.upgrade_script(&Target::Head, Some(&Target::Base)).await.unwrap();
        assert_contains(&run_and_fail(&scratch, &script), &["contains tables of another program", "give Sotto"]);
        assert_eq!(schema::read(&scratch.url).await.unwrap(), before);
    }
}

#[tokio::test]
async fn a_script_stops_before_a_loss_that_is_not_allowed() {
    let folder = with_four_revisions();
    for scratch in both().await {
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&Target::Head).await.unwrap();
        execute(&scratch, "UPDATE notes SET color = 'blue' WHERE id = 1").await;
        let script = migrator.downgrade_script(&target("1"), None, false).await.unwrap();
        assert_contains(
            &run_and_fail(&scratch, &script),
            &["this step would destroy notes.color", "--allow-data-loss"],
        );
        assert_eq!(current(&migrator).await, "0004_index", "no step was started");
        run(&scratch, &migrator.downgrade_script(&target("1"), None, true).await.unwrap());
        assert_eq!(current(&migrator).await, "0001_notes");
    }
}

#[tokio::test]
async fn a_failed_step_is_rolled_back() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        folder.file("0003_places.up.sql", "CREATE TABLE half (id INTEGER);\nINSERT INTO nowhere VALUES (1)");
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&target("2")).await.unwrap();
        let before = schema::read(&scratch.url).await.unwrap();
        let script = migrator.upgrade_script(&Target::Head, None).await.unwrap();
        assert_contains(&run_and_fail(&scratch, &script), &["nowhere"]);
        assert_eq!(schema::read(&scratch.url).await.unwrap(), before);
        assert_eq!(current(&migrator).await, "0002_colors");
    }
}

#[tokio::test]
async fn a_script_does_not_wait_for_another_migration() {
    let scratch = Scratch::postgres().await;
    let migrator = Folder::with_three_revisions().migrator(&scratch);
    let other = connect(&scratch.url).await.unwrap();
    other.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.unwrap();
    let script = migrator.upgrade_script(&Target::Head, None).await.unwrap();
    assert_contains(&run_and_fail(&scratch, &script), &["another migration is running"]);
    assert_eq!(migrator.state().await.unwrap(), State::Empty);
}

#[tokio::test]
async fn without_a_database_a_script_needs_its_start() {
    let file = Scratch::sqlite();
    let DatabaseUrl::Sqlite(path) = &file.url else { unreachable!("it is SQLite") };
    std::fs::write(path, "Dear diary, this is not a database at all.".repeat(40)).unwrap();
    let unreachable: DatabaseUrl = "postgres://ada:s3cret@127.0.0.1:1/sotto".parse().unwrap();
    for url in [&file.url, &unreachable] {
        let migrator = Migrator::new(url).unwrap();
        let refused = sentence(migrator.upgrade_script(&Target::Head, None).await);
        assert_contains(&refused, &["the start of the script is unknown", "--from base"]);
        assert!(!refused.contains("s3cret"), "{refused}");
        let script = migrator.upgrade_script(&Target::Head, Some(&Target::Base)).await.unwrap();
        assert_contains(&script, &["upgrade from base to 00", "CREATE TABLE users"]);
        assert_contains(
            &sentence(migrator.downgrade_script(&target("-1"), Some(&Target::Base), true).await),
            &["only 0 revisions below"],
        );
        let nothing = migrator.upgrade_script(&Target::Head, Some(&Target::Head)).await.unwrap();
        assert!(nothing.lines().all(|line| line.starts_with("--")), "{nothing}");
    }
}
