//! The declared losses of down files are compared with the actual ones.

use super::{Folder, Migrator, Target, assert_contains, both, connect, count, current, execute, sentence, target};
use crate::DatabaseUrl;
use crate::migrate::source::Source;
use crate::testing::{Scratch, dump, wait_until};

/// A database at a revision `0002_more` with this down file. Its note 1 has a colour, and a child refers to the note.
async fn with_way_down(scratch: &Scratch, down: &str) -> Migrator {
    let folder = Folder::empty();
    folder.step(
        "0001_notes",
        "CREATE TABLE notes (id INTEGER NOT NULL PRIMARY KEY, text TEXT, color TEXT);
         CREATE TABLE children (id INTEGER NOT NULL PRIMARY KEY,
            note INTEGER REFERENCES notes (id) ON DELETE CASCADE, friend INTEGER REFERENCES notes (id) ON DELETE SET NULL);
         CREATE TABLE places (id INTEGER NOT NULL);",
        "-- loses: children, notes, places\nDROP TABLE children; DROP TABLE notes; DROP TABLE places;",
    );
    folder.step("0002_more", "SELECT 1;", down);
    let migrator = folder.migrator(scratch);
    migrator.upgrade(&Target::Head).await.unwrap();
    execute(
        scratch,
        "INSERT INTO notes VALUES (1, 'one', 'blue'), (2, 'two', NULL), (3, 'three', NULL);
         INSERT INTO children VALUES (1, 1, 2), (2, 2, 1), (3, 3, NULL);",
    )
    .await;
    migrator
}

#[tokio::test]
async fn a_wrong_declaration_is_rejected() {
    // The down file, the expected error, and whether empty tables show it.
    let cases: [(&str, &[&str], bool); 12] = [
        ("-- loses: nothing\nALTER TABLE notes DROP COLUMN color;", &["it drops notes.color (1 value)"], true),
        (
            "-- loses: notes.colour\nALTER TABLE notes DROP COLUMN color;",
            &["it drops notes.color (1 value)", "declares the loss of notes.colour, which does not exist"],
            true,
        ),
        (
            "-- loses: notes.color, moods\nALTER TABLE notes DROP COLUMN color;",
            &["the loss of moods, which does"],
            true,
        ),
        ("-- loses: notes\nDROP TABLE children;", &["it drops children (3 rows)"], true),
        // This looks like a rename, and is none.
        (
            "-- loses: nothing\nDROP TABLE places; CREATE TABLE spots (id INTEGER NOT NULL);",
            &["it drops places (0 rows)"],
            true,
        ),
        (
            "-- loses: nothing\nALTER TABLE notes DROP COLUMN color; ALTER TABLE notes ADD COLUMN hue TEXT;",
            &["it drops notes.color (1 value)"],
            true,
        ),
        ("-- loses: places\nDELETE FROM children WHERE id = 3;", &["it deletes 1 row of children"], false),
        ("-- loses: nothing\nUPDATE notes SET color = NULL;", &["it deletes 1 value of notes.color"], false),
        ("-- loses: notes.color\nUPDATE notes SET text = '';", &["it changes values of notes.text"], false),
        // Rebuilt tables.
        (
            "-- loses: nothing
             CREATE TABLE notes_new (id INTEGER NOT NULL PRIMARY KEY, text TEXT);
             INSERT INTO notes_new SELECT id, text FROM notes;
             ALTER TABLE notes RENAME TO notes_old; ALTER TABLE notes_new RENAME TO notes; DELETE FROM children;
             DROP TABLE children; DROP TABLE notes_old;",
            &["it drops children (3 rows), drops notes.color (1 value)"],
            true,
        ),
        (
            "-- loses: nothing
             CREATE TABLE places_new (id INTEGER NOT NULL); DROP TABLE places; ALTER TABLE places_new RENAME TO places;
             UPDATE notes SET text = substr(text, 1, 2);",
            &["it changes values of notes.text"],
            false,
        ),
        // As many values are lost as are declared, but rows as well.
        (
            "-- loses: notes.color\nDELETE FROM children; DELETE FROM notes WHERE id > 1;",
            &["deletes 2 rows of notes", "deletes 3 rows of children"],
            false,
        ),
    ];
    for (down, message, on_empty_tables) in cases {
        for scratch in both().await {
            let migrator = with_way_down(&scratch, down).await;
            let before = dump(&scratch.url);
            for allowed in [true, false] {
                let refused = sentence(migrator.downgrade(&target("-1"), allowed).await);
                // The declared loss is asked about first, unless it is obvious that the declaration is incomplete.
                if !allowed && !on_empty_tables && refused.contains("--allow-data-loss") {
                    continue;
                }
                assert_contains(&refused, &["0002_more.down.sql", "`-- loses:`", "at revision 0002_more"]);
                // Empty tables contain no values to count.
                let counted =
                    refused.replace("(0 values)", "(1 value)").replace("children (0 rows)", "children (3 rows)");
                assert_contains(&counted, message);
                assert_eq!(dump(&scratch.url), before, "{down}");
                assert_eq!(current(&migrator).await, "0002_more");
            }
            assert_eq!(migrator.rehearse_downgrade(&target("-1")).await.is_err(), on_empty_tables, "{down}");
            assert_eq!(migrator.downgrade_script(&target("-1"), None, true).await.is_err(), on_empty_tables, "{down}");
        }
    }
}

#[tokio::test]
async fn a_correct_declaration_is_accepted() {
    for down in [
        "-- loses: notes.color\nALTER TABLE notes DROP COLUMN color;",
        // A rename keeps everything.
        "-- loses: nothing\nALTER TABLE notes RENAME TO pages; ALTER TABLE pages RENAME COLUMN color TO hue;",
        "-- loses: nothing\nALTER TABLE notes RENAME TO pages; ALTER TABLE pages RENAME TO notes;",
        // A declared table, with all of its columns.
        "-- loses: children\nDROP TABLE children; CREATE TABLE children (id INTEGER);",
        // Rows that belong to a deleted row: as many rows as declared values.
        "-- loses: notes.color\nDELETE FROM children WHERE note = 1; UPDATE children SET friend = NULL WHERE friend = 1;
         DELETE FROM notes WHERE color IS NOT NULL;",
        "-- loses: notes\nUPDATE children SET friend = NULL; DELETE FROM children; DELETE FROM notes;",
        "-- loses: nothing\nINSERT INTO notes (id, text) VALUES (9, 'nine'); CREATE TABLE more (id INTEGER);",
        // A rebuilt table that keeps everything.
        "-- loses: nothing
         CREATE TABLE places_new (id INTEGER NOT NULL, name TEXT); INSERT INTO places_new (id) SELECT id FROM places;
         DROP TABLE places; ALTER TABLE places_new RENAME TO places;",
    ] {
        for scratch in both().await {
            let migrator = with_way_down(&scratch, down).await;
            let loses = !down.starts_with("-- loses: nothing");
            assert_eq!(migrator.rehearse_downgrade(&target("-1")).await.unwrap().losses().0.is_empty(), !loses, "{down}");
            if loses {
                assert_contains(&sentence(migrator.downgrade(&target("-1"), false).await), &["--allow-data-loss"]);
            }
            let report = migrator.downgrade(&target("-1"), loses).await;
            assert_eq!(report.unwrap_or_else(|error| panic!("{down}: {error}")).to, "0001_notes");
        }
    }
}

/// On a server, earlier steps are committed. A step with a wrong declaration is not run, and neither are the steps
/// before it if empty tables show the error.
#[tokio::test]
async fn a_wrong_declaration_of_a_later_step_stops_the_first() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        folder.file("0002_colors.down.sql", "-- loses: nothing\nALTER TABLE notes DROP COLUMN color;");
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&Target::Head).await.unwrap();
        let refused = sentence(migrator.downgrade(&target("1"), true).await);
        assert_contains(&refused, &["0002_colors.down.sql", "it drops notes.color", "at revision 0003_places"]);
        assert_eq!(current(&migrator).await, "0003_places");
        assert_eq!(migrator.downgrade(&target("2"), false).await.unwrap().to, "0002_colors");
    }
}

/// Generated columns and full-text indexes contain only derived data: they may be declared, and are not counted.
#[tokio::test]
async fn generated_columns_do_not_count_as_lost() {
    for declared in ["-- loses: nothing", "-- loses: sizes.double"] {
        for scratch in both().await {
            let folder = Folder::with_three_revisions();
            let up = "CREATE TABLE sizes (id INTEGER, double INTEGER GENERATED ALWAYS AS (id * 2) STORED);";
            let (down, declared) =
                if declared.ends_with("double") {
                    ("DROP TABLE sizes;", "-- loses: sizes, sizes.double")
                } else {
                    // SQLite cannot drop a stored column.
                    ("CREATE TABLE sizes_new (id INTEGER); INSERT INTO sizes_new SELECT id FROM sizes; DROP TABLE sizes;
                  ALTER TABLE sizes_new RENAME TO sizes;", declared)
                };
            folder.step("0004_sizes", up, &format!("{declared}\n{down}"));
            let fts = if declared.ends_with("nothing") { "-- loses: nothing" } else { "-- loses: words" };
            folder.step_on("postgres", "0005_words", "SELECT 1;", "-- loses: nothing\nSELECT 1;");
            folder.step_on(
                "sqlite",
                "0005_words",
                "CREATE VIRTUAL TABLE words USING fts5 (text, content = '', columnsize = 0);
                 INSERT INTO words (rowid, text) VALUES (1, 'one');",
                &format!("{fts}\nDROP TABLE words;"),
            );
            let migrator = folder.migrator(&scratch);
            migrator.upgrade(&Target::Head).await.unwrap();
            assert_eq!(migrator.rehearse_downgrade(&target("3")).await.unwrap().losses().0, []);
            let script = migrator.downgrade_script(&target("3"), None, false).await.unwrap();
            assert!(!script.contains("FROM \"words\""), "{script}");
            assert_eq!(migrator.downgrade(&target("3"), false).await.unwrap().to, "0003_places");
        }
    }
}

/// Dropping a full-text table that keeps its texts loses them.
#[tokio::test]
async fn a_full_text_table_with_its_own_content_is_counted() {
    let scratch = Scratch::sqlite();
    let folder = Folder::empty();
    let up = "CREATE VIRTUAL TABLE words USING fts5 (text); INSERT INTO words (text) VALUES ('one'), ('two');";
    folder.step("0001_words", up, "-- loses: nothing\nDROP TABLE words;");
    let migrator = folder.migrator(&scratch);
    migrator.upgrade(&Target::Head).await.unwrap();
    assert_contains(&sentence(migrator.downgrade(&Target::Base, true).await), &["it drops words (2 rows)"]);
    folder.file("0001_words.down.sql", "-- loses: words\nDROP TABLE words;");
    let migrator = folder.migrator(&scratch);
    migrator.stamp(&Target::Head).await.unwrap();
    assert_contains(&sentence(migrator.downgrade(&Target::Base, false).await), &["2 rows of words"]);
    migrator.downgrade(&Target::Base, true).await.unwrap();
}

/// Changes of type in place, which only PostgreSQL has.
#[tokio::test]
async fn values_that_a_new_type_cuts_count_as_lost() {
    for (from, value, to, says) in [
        ("TEXT", "'abcdef'", "VARCHAR(3)", Some("cuts 1 value of things.it")),
        ("TEXT", "'abc'", "VARCHAR(3)", None),
        ("TEXT", "NULL", "VARCHAR(3)", None),
        ("NUMERIC(8, 4)", "1.2345", "NUMERIC(8, 2)", Some("cuts 1 value of things.it")),
        ("NUMERIC(8, 4)", "1.25", "NUMERIC(8, 2)", None),
        ("NUMERIC(8, 2)", "1.25", "NUMERIC(12, 6)", None),
        ("INTEGER", "7", "BIGINT", None),
        ("BIT VARYING(8)", "B'10101010'", "BIT VARYING(4)", Some("cuts 1 value of things.it")),
        ("TIMESTAMP WITH TIME ZONE", "'2025-01-22T10:11:12.345Z'", "TIMESTAMP(0) WITH TIME ZONE", Some("cuts 1 value")),
        ("TEXT[]", "'{abcdef}'", "VARCHAR(3)[]", Some("cuts 1 value of things.it")),
    ] {
        let scratch = Scratch::postgres().await;
        let folder = Folder::empty();
        let make = format!("CREATE TABLE things (it {from});");
        folder.step("0001_things", &make, "-- loses: things\nDROP TABLE things;");
        let down = format!("ALTER TABLE things ALTER COLUMN it TYPE {to} USING it::{to};");
        folder.step("0002_other", "SELECT 1;", &format!("-- loses: nothing\n{down}"));
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&Target::Head).await.unwrap();
        execute(&scratch, &format!("INSERT INTO things VALUES ({value})")).await;
        let before = dump(&scratch.url);
        if let Some(says) = says {
            assert_contains(&sentence(migrator.rehearse_downgrade(&target("1")).await), &[says]);
            assert_contains(&sentence(migrator.downgrade(&target("1"), true).await), &[says]);
            assert_eq!(dump(&scratch.url), before);
            folder.file("0002_other.down.sql", format!("-- loses: things.it\n{down}"));
            let migrator = folder.migrator(&scratch);
            migrator.stamp(&Target::Head).await.unwrap();
            let rehearsal = migrator.rehearse_downgrade(&target("1")).await.unwrap();
            assert_eq!(rehearsal.steps[0].cuts.len(), 1, "{from} to {to}");
            migrator.downgrade(&target("1"), true).await.unwrap();
        } else {
            assert_eq!(migrator.rehearse_downgrade(&target("1")).await.unwrap().steps[0].cuts, []);
            migrator.downgrade(&target("1"), false).await.unwrap_or_else(|error| panic!("{from} to {to}: {error}"));
        }
    }
}

/// An upgrade is not refused, but its rehearsal reports how many values it would cut.
#[tokio::test]
async fn the_rehearsal_of_an_upgrade_counts_values_that_a_new_type_cuts() {
    let scratch = Scratch::postgres().await;
    let folder = Folder::with_three_revisions();
    let up = "ALTER TABLE notes ALTER COLUMN text TYPE VARCHAR(2) USING text::VARCHAR(2);";
    folder.step("0004_short", up, "-- loses: nothing\nALTER TABLE notes ALTER COLUMN text TYPE TEXT;");
    let migrator = folder.migrator(&scratch);
    migrator.upgrade(&target("3")).await.unwrap();
    execute(&scratch, "INSERT INTO notes VALUES (3, 'ab')").await;
    let cuts = &migrator.rehearse_upgrade(&Target::Head).await.unwrap().steps[0].cuts;
    let cuts: Vec<_> = cuts.iter().map(|(what, kind, count)| (what.to_string(), kind.as_str(), *count)).collect();
    assert_eq!(cuts, [("notes.text".to_owned(), "character varying(2)", 2)]);
}

/// Concurrent deletions of others do not count as losses of the step.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_others_delete_during_the_run_do_not_count() {
    let scratch = Scratch::postgres().await;
    let folder = Folder::with_three_revisions();
    folder.file("0003_places.down.sql", "-- loses: places\nDROP TABLE places; SELECT pg_advisory_xact_lock(42);");
    let migrator = folder.migrator(&scratch);
    migrator.upgrade(&Target::Head).await.unwrap();
    let admin = connect(&scratch.url).await.unwrap();
    admin.execute("SELECT pg_advisory_lock(42)", &[]).await.unwrap();
    let run = tokio::spawn(async move { migrator.downgrade(&target("2"), true).await });
    // The rehearsal on temporary tables waits for the lock before the step does.
    let waiting = "SELECT EXISTS (SELECT 1 FROM pg_locks l WHERE l.pid = w.pid AND l.relation = 'places'::regclass AND \
                   l.mode = 'AccessExclusiveLock') FROM pg_locks w WHERE w.locktype = 'advisory' AND w.objid = 42 AND \
                   NOT w.granted";
    wait_until("the step waits for the lock", async || {
        match admin.query_opt(waiting, &[]).await.unwrap().map(|row| row.get(0)) {
            Some(true) => return true,
            Some(false) => {
                admin.execute("SELECT pg_advisory_unlock(42)", &[]).await.unwrap();
                admin.execute("SELECT pg_advisory_lock(42)", &[]).await.unwrap();
            }
            None => {}
        }
        false
    })
    .await;
    admin.execute("DELETE FROM notes", &[]).await.unwrap();
    admin.execute("SELECT pg_advisory_unlock(42)", &[]).await.unwrap();
    assert_eq!(run.await.unwrap().unwrap().to, "0002_colors");
    assert_eq!(count(&scratch, "notes").await, 0);
}

/// The built-in migrations declare existing tables and columns on both engines.
#[tokio::test]
async fn the_shipped_declarations_are_correct() {
    for scratch in both().await {
        let migrator = Migrator::new(&scratch.url).unwrap();
        migrator.upgrade(&Target::Head).await.unwrap();
        migrator.rehearse_downgrade(&Target::Base).await.unwrap();
        let steps = Source::embedded(&scratch.url).unwrap().migrations().len();
        let report = migrator.downgrade(&Target::Base, false).await.unwrap();
        assert_eq!((report.steps.len(), report.to.as_str()), (steps, "base"));
        if let DatabaseUrl::Sqlite(_) = scratch.url {
            assert_eq!(report.snapshot, None);
        }
    }
}
