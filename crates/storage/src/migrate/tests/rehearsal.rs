//! A rehearsal reports what a run would do, and changes nothing.

use super::{Folder, Target, assert_contains, both, connect, current, execute, sentence, target};
use crate::migrate::{Locks, Rehearsal, RehearsedStep};
use crate::testing::{Scratch, dump, wait_for};
use crate::{DatabaseUrl, schema};

/// `table: MODE`, with a star if the table is rewritten.
fn locks(step: &RehearsedStep) -> Vec<String> {
    let Locks::Known(locks) = &step.locks else { panic!("{step:?}") };
    let star = |rewritten| if rewritten == Some(true) { "*" } else { "" };
    locks.iter().map(|lock| format!("{}: {}{}", lock.on, lock.mode, star(lock.rewritten))).collect()
}

fn all_locks(rehearsal: &Rehearsal) -> Vec<Vec<String>> {
    rehearsal.steps.iter().map(locks).collect()
}

fn losses(rehearsal: &Rehearsal) -> Vec<(String, Option<u64>)> {
    let all = rehearsal.steps.iter().flat_map(|step| &step.losses);
    all.map(|(loss, count)| (loss.to_string(), *count)).collect()
}

#[tokio::test]
async fn a_rehearsal_changes_nothing() {
    let folder = Folder::with_three_revisions();
    for scratch in both().await {
        let migrator = folder.migrator(&scratch);
        let rehearsal = migrator.rehearse_upgrade(&Target::Head).await.unwrap();
        assert_eq!((rehearsal.from.as_str(), rehearsal.to.as_str()), ("base", "0003_places"));
        assert_eq!((rehearsal.steps.len(), rehearsal.snapshot), (3, false));
        match &scratch.url {
            DatabaseUrl::Sqlite(path) => assert!(!path.exists()),
            url @ DatabaseUrl::Postgres(_) => assert!(schema::read(url).await.unwrap().tables.is_empty()),
        }

        migrator.upgrade(&target("2")).await.unwrap();
        execute(&scratch, "UPDATE notes SET color = 'blue' WHERE id = 1").await;
        let (tables, rows) = (schema::read(&scratch.url).await.unwrap(), dump(&scratch.url));
        let up = migrator.rehearse_upgrade(&Target::Head).await.unwrap();
        assert_eq!((up.from.as_str(), up.to.as_str()), ("0002_colors", "0003_places"));
        let down = migrator.rehearse_downgrade(&Target::Base).await.unwrap();
        assert_eq!((down.from.as_str(), down.to.as_str()), ("0002_colors", "base"));
        assert_eq!(schema::read(&scratch.url).await.unwrap(), tables);
        assert_eq!(dump(&scratch.url), rows);
        assert_eq!(current(&migrator).await, "0002_colors");
        // A SQLite file would be copied; a rehearsal leaves nothing behind on a server.
        assert_eq!(up.snapshot, matches!(scratch.url, DatabaseUrl::Sqlite(_)));
        if matches!(scratch.url, DatabaseUrl::Postgres(_)) {
            let sql = "SELECT count(*) FROM pg_class WHERE relpersistence = 't'";
            let left: i64 = connect(&scratch.url).await.unwrap().query_one(sql, &[]).await.unwrap().get(0);
            assert_eq!(left, 0);
        }
    }
}

#[tokio::test]
async fn losses_are_counted_at_the_state_of_each_step() {
    let folder = Folder::with_three_revisions();
    folder.step(
        "0004_more",
        "ALTER TABLE places RENAME TO sites;",
        "-- loses: nothing\nALTER TABLE sites RENAME TO places;",
    );
    for scratch in both().await {
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&Target::Head).await.unwrap();
        execute(&scratch, "UPDATE notes SET color = 'blue' WHERE id = 1").await;
        let rehearsal = migrator.rehearse_downgrade(&Target::Base).await.unwrap();
        let expected = [("places", None), ("notes.color", Some(1)), ("notes", Some(2))];
        assert_eq!(losses(&rehearsal), expected.map(|(what, count)| (what.to_owned(), count)));
        assert_eq!(rehearsal.losses().to_string(), "1 value of notes.color, 2 rows of notes");
        assert_eq!(rehearsal.snapshot, matches!(scratch.url, DatabaseUrl::Sqlite(_)));
    }
}

#[tokio::test]
async fn the_reported_locks_of_a_server_match_those_of_the_step() {
    let scratch = Scratch::postgres().await;
    let folder = Folder::with_three_revisions();
    let down = "-- loses: nothing\nSELECT 1;";
    for (revision, up) in [
        ("0004_wider", "ALTER TABLE notes ALTER COLUMN id TYPE BIGINT;"),
        ("0005_index", "CREATE INDEX idx_notes_text ON notes (text);"),
        ("0006_concurrent", "-- no-transaction\nCREATE INDEX CONCURRENTLY idx_places_id ON places (id);"),
        ("0007_link", "ALTER TABLE places ADD CONSTRAINT fk_places_note FOREIGN KEY (id) REFERENCES notes (id);"),
        ("0008_rows", "UPDATE places SET id = 1 WHERE id = 2;"),
    ] {
        folder.step(revision, up, down);
    }
    let migrator = folder.migrator(&scratch);
    migrator.upgrade(&target("1")).await.unwrap();
    let rehearsal = migrator.rehearse_upgrade(&Target::Head).await.unwrap();
    let expected: [&[&str]; 7] = [
        &["notes: ACCESS EXCLUSIVE"],
        &[],
        &["notes: ACCESS EXCLUSIVE*"],
        &["notes: SHARE"],
        &["places: SHARE UPDATE EXCLUSIVE"],
        &["notes: SHARE ROW EXCLUSIVE", "places: SHARE ROW EXCLUSIVE"],
        &["places: ROW EXCLUSIVE"],
    ];
    assert_eq!(all_locks(&rehearsal), expected);

    migrator.upgrade(&target("3")).await.unwrap();
    let rehearsal = migrator.rehearse_downgrade(&target("1")).await.unwrap();
    assert_eq!(all_locks(&rehearsal), [["places: ACCESS EXCLUSIVE"], ["notes: ACCESS EXCLUSIVE"]]);
}

/// The reported locks are real: sessions that would have to wait do wait.
#[tokio::test]
async fn the_reported_locks_match_the_acquired_locks() {
    let scratch = Scratch::postgres().await;
    let folder = Folder::with_three_revisions();
    folder.step(
        "0004_sleep",
        "ALTER TABLE notes ADD COLUMN x INTEGER; SELECT pg_advisory_xact_lock(42);",
        "-- loses: nothing\nSELECT 1;",
    );
    let migrator = folder.migrator(&scratch);
    migrator.upgrade(&target("3")).await.unwrap();
    let locks = all_locks(&migrator.rehearse_upgrade(&Target::Head).await.unwrap());
    assert_eq!(locks, [["notes: ACCESS EXCLUSIVE"]]);

    let admin = connect(&scratch.url).await.unwrap();
    admin.execute("SELECT pg_advisory_lock(42)", &[]).await.unwrap();
    let run = tokio::spawn(async move { migrator.upgrade(&Target::Head).await });
    let held = "SELECT relation::regclass::text || ': ' || mode FROM pg_locks
        WHERE relation = 'notes'::regclass AND mode <> 'AccessShareLock'";
    let taken = wait_for("the step holds a lock on the table", async || {
        let rows = admin.query(held, &[]).await.unwrap();
        if let [row] = rows.as_slice() { Some(row.get::<_, String>(0)) } else { None }
    })
    .await;
    assert_eq!(taken, "notes: AccessExclusiveLock");
    admin.execute("SELECT pg_advisory_unlock(42)", &[]).await.unwrap();
    run.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_sqlite_file_has_one_lock() {
    let scratch = Scratch::sqlite();
    let migrator = Folder::with_three_revisions().migrator(&scratch);
    migrator.upgrade(&target("1")).await.unwrap();
    for (journal, readers) in [("DELETE", "and readers while it commits"), ("WAL", "readers go on")] {
        execute(&scratch, &format!("PRAGMA journal_mode = {journal}")).await;
        let rehearsal = migrator.rehearse_upgrade(&Target::Head).await.unwrap();
        assert_eq!(all_locks(&rehearsal), [["the file: RESERVED"], ["the file: RESERVED"]]);
        let Locks::Known(locks) = &rehearsal.steps[0].locks else { unreachable!() };
        assert_contains(locks[0].effect, &["writers wait", readers]);
    }
}

#[tokio::test]
async fn a_failing_step_is_reported() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        folder.file("0003_places.up.sql", "CREATE TABLE half (id INTEGER);\nINSERT INTO nowhere VALUES (1);");
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&target("2")).await.unwrap();
        let refused = sentence(migrator.rehearse_upgrade(&Target::Head).await);
        assert_contains(&refused, &["0003_places.up.sql", "nowhere", "at revision 0002_colors"]);
        assert_contains(&sentence(migrator.rehearse_upgrade(&target("1")).await), &["sotto db downgrade 0001_notes"]);
    }
}

#[tokio::test]
async fn a_rehearsed_step_does_not_change_tables_that_it_names_with_a_schema() {
    let scratch = Scratch::postgres().await;
    let folder = Folder::with_three_revisions();
    folder.step("0004_real", "ALTER TABLE public.notes ADD COLUMN x INTEGER;", "-- loses: nothing\nSELECT 1;");
    let migrator = folder.migrator(&scratch);
    migrator.upgrade(&target("2")).await.unwrap();
    let before = dump(&scratch.url);
    let rehearsal = migrator.rehearse_upgrade(&Target::Head).await.unwrap();
    let Locks::Unknown(reason) = &rehearsal.steps[1].locks else { panic!("{rehearsal:?}") };
    assert_contains(reason, &["beyond the search path, to notes"]);
    assert_eq!(dump(&scratch.url), before);
}
