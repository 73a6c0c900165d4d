//! Behaviour that only SQLite needs.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Folder, Migrator, Target, assert_contains, count, count_in, current, execute, sentence, target};
use crate::DatabaseUrl;
use crate::migrate::State;
use crate::testing::Scratch;

fn path(scratch: &Scratch) -> &Path {
    match &scratch.url {
        DatabaseUrl::Sqlite(path) => path,
        DatabaseUrl::Postgres(_) => unreachable!("the tests in this file use SQLite"),
    }
}

/// The copies next to the database.
fn copies(scratch: &Scratch) -> Vec<PathBuf> {
    let files = fs::read_dir(path(scratch).parent().unwrap()).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.to_string_lossy().contains("-at-")).collect()
}

#[tokio::test]
async fn a_copy_is_made_before_a_schema_changes() {
    let scratch = Scratch::sqlite();
    let migrator = Folder::with_three_revisions().migrator(&scratch);
    assert_eq!(migrator.upgrade(&target("1")).await.unwrap().snapshot, None, "there was nothing to copy");
    execute(&scratch, "INSERT INTO notes VALUES (3, 'mine')").await;

    let copy = migrator.upgrade(&target("2")).await.unwrap().snapshot.unwrap();
    assert!(copy.file_name().unwrap().to_string_lossy().starts_with("journal-at-0001-"), "{}", copy.display());
    assert_eq!(copy.parent(), path(&scratch).parent());
    assert_eq!(count_in(&copy, "notes"), 3);
    // A copy is a complete database of Sotto.
    let folder = Folder::with_three_revisions();
    let old = Migrator::with_directory(&DatabaseUrl::Sqlite(copy), folder.0.path()).unwrap();
    assert_eq!(current(&old).await, "0001_notes");
    old.upgrade(&target("2")).await.unwrap();
}

#[tokio::test]
async fn a_copy_never_replaces_another() {
    let scratch = Scratch::sqlite();
    let migrator = Folder::with_three_revisions().migrator(&scratch);
    let mut taken = Vec::new();
    for _ in 0..3 {
        migrator.upgrade(&target("1")).await.unwrap();
        taken.extend(migrator.downgrade(&Target::Base, true).await.unwrap().snapshot);
    }
    assert_eq!((taken.len(), copies(&scratch).len()), (3, 3));
    assert!(taken.iter().all(|copy| count_in(copy, "notes") == 2));
}

#[tokio::test]
async fn the_newest_and_the_recent_copies_are_kept() {
    let scratch = Scratch::sqlite();
    let migrator = Folder::with_three_revisions().migrator(&scratch);
    migrator.upgrade(&target("1")).await.unwrap();
    let folder = path(&scratch).parent().unwrap().to_owned();
    let old = |name: &str| {
        let old = folder.join(name);
        rusqlite::Connection::open(&old).unwrap().execute_batch("CREATE TABLE t (id INTEGER)").unwrap();
        old
    };
    let oldest = old("journal-at-0001-20200101T000000Z.db");
    fs::write(folder.join("journal-at-0001-20200101T000000Z.db-wal"), "").unwrap();
    let old_ones = [old("journal-at-0001-20210101T000000Z.db"), old("journal-at-0001-20220101T000000Z.db")];
    let others = [old("journal-at-home.db"), old("letters-at-0001-20200101T000000Z.db")];

    let report = migrator.upgrade(&target("2")).await.unwrap();
    assert_eq!(report.deleted, std::slice::from_ref(&oldest), "with the new one, there are three newer ones");
    assert!(!oldest.exists() && !folder.join("journal-at-0001-20200101T000000Z.db-wal").exists());
    assert!(old_ones.iter().chain(&others).all(|copy| copy.exists()));

    let mut taken = vec![report.snapshot.unwrap()];
    for _ in 0..2 {
        taken.extend(migrator.upgrade(&target("3")).await.unwrap().snapshot);
        execute(&scratch, "INSERT INTO places VALUES (1)").await;
        taken.extend(migrator.downgrade(&target("2"), true).await.unwrap().snapshot);
    }
    assert_eq!(taken.len(), 5);
    assert!(taken.iter().all(|copy| copy.exists()), "they are young");
    assert!(!old_ones.iter().any(|copy| copy.exists()));
    assert!(others.iter().all(|other| other.exists()));
}

#[tokio::test]
async fn drafts_of_killed_runs_are_removed() {
    let scratch = Scratch::sqlite();
    let migrator = Folder::with_three_revisions().migrator(&scratch);
    migrator.upgrade(&target("1")).await.unwrap();
    let folder = path(&scratch).parent().unwrap();
    let draft = ".journal-at-0001-20200101T000000Z.db.unfinished";
    for left in [draft, &format!("{draft}-journal"), "journal-at-0001-20200202T000000Z.db"] {
        fs::write(folder.join(left), [0; 5000]).unwrap();
    }
    for other in [".letter.db.unfinished", ".journal.db.unfinished"] {
        fs::write(folder.join(other), "to be continued").unwrap();
    }
    let copy = migrator.upgrade(&target("2")).await.unwrap().snapshot.unwrap();
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    let copy = copy.file_name().unwrap().to_str().unwrap();
    assert_eq!(names, [".journal.db.unfinished", ".letter.db.unfinished", copy, "journal.db"]);
}

#[tokio::test]
async fn a_failed_run_leaves_no_copy() {
    let scratch = Scratch::sqlite();
    let folder = Folder::with_three_revisions();
    folder.file("0002_colors.up.sql", "ALTER TABLE nowhere ADD COLUMN color TEXT;");
    let migrator = folder.migrator(&scratch);
    migrator.upgrade(&target("1")).await.unwrap();
    for _ in 0..3 {
        assert_contains(&sentence(migrator.upgrade(&Target::Head).await), &["at revision 0001_notes"]);
    }
    assert!(copies(&scratch).is_empty());
}

/// All steps of a run are one transaction.
#[tokio::test]
async fn a_failed_later_step_rolls_back_the_earlier_ones() {
    let scratch = Scratch::sqlite();
    let folder = Folder::with_three_revisions();
    folder.file("0003_places.up.sql", "CREATE TABLE notes (id INTEGER);");
    let migrator = folder.migrator(&scratch);
    assert_contains(&sentence(migrator.upgrade(&Target::Head).await), &["0003_places.up.sql", "at revision base"]);
    assert_eq!(current(&migrator).await, "base");
}

#[tokio::test]
async fn a_rebuilt_table_keeps_the_rows_that_refer_to_it() {
    let scratch = Scratch::sqlite();
    let folder = Folder::empty();
    folder.step(
        "0001_family",
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);
         CREATE TABLE child (parent INTEGER REFERENCES parent (id) ON DELETE CASCADE);
         INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1);",
        "-- loses: parent, child\nDROP TABLE child; DROP TABLE parent;",
    );
    folder.step(
        "0002_rebuild",
        "CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT);
         INSERT INTO parent_new (id) SELECT id FROM parent;
         DROP TABLE parent; ALTER TABLE parent_new RENAME TO parent;",
        "-- loses: parent.name\nALTER TABLE parent DROP COLUMN name;",
    );
    folder.step("0003_orphans", "DELETE FROM parent;", "-- loses: nothing\nSELECT 1;");
    let migrator = folder.migrator(&scratch);
    migrator.upgrade(&target("2")).await.unwrap();
    assert_eq!((count(&scratch, "parent").await, count(&scratch, "child").await), (1, 1));

    assert_contains(
        &sentence(migrator.upgrade(&Target::Head).await),
        &["rows of child (1 in all)", "everything was undone"],
    );
    assert_eq!(count(&scratch, "parent").await, 1);
    assert_eq!(current(&migrator).await, "0002_rebuild");
}

#[tokio::test]
async fn reading_the_state_creates_no_file() {
    let scratch = Scratch::sqlite();
    let migrator = Folder::with_three_revisions().migrator(&scratch);
    assert_eq!(migrator.state().await.unwrap(), State::Missing);
    assert_eq!(migrator.current().await.unwrap(), None);
    assert_contains(&sentence(migrator.history().await), &["there is no database sqlite:/"]);
    assert_contains(&sentence(migrator.stamp(&Target::Head).await), &["there is no database"]);
    assert_contains(&sentence(migrator.rehearse_downgrade(&Target::Base).await), &["there is no database"]);
    assert!(migrator.downgrade(&Target::Base, true).await.is_err());
    assert!(!path(&scratch).exists());
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_rejected() {
    let scratch = Scratch::sqlite();
    fs::write(path(&scratch), "Dear diary, this is not a database at all.".repeat(40)).unwrap();
    let migrator = Folder::with_three_revisions().migrator(&scratch);
    assert_contains(&sentence(migrator.upgrade(&Target::Head).await), &["journal.db cannot be used", "not a database"]);
}

#[tokio::test]
async fn statements_for_postgresql_alone_are_rejected() {
    let scratch = Scratch::sqlite();
    let folder = Folder::with_three_revisions();
    folder.step(
        "0004_index",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY idx ON notes (text);",
        "-- loses: nothing\nDROP INDEX idx;",
    );
    let refused = sentence(folder.migrator(&scratch).upgrade(&Target::Head).await);
    assert_contains(&refused, &["0004_index.up.sql", "only PostgreSQL needs"]);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_and_its_copies_are_private() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = Scratch::sqlite();
    let migrator = Folder::with_three_revisions().migrator(&scratch);
    migrator.upgrade(&target("1")).await.unwrap();
    let copy = migrator.upgrade(&target("2")).await.unwrap().snapshot.unwrap();
    for file in [path(&scratch), copy.as_path()] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}
