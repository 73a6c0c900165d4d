//! Which migration files are accepted.

use super::super::source::Source;
use super::{Folder, assert_contains};
use crate::testing::Scratch;

const UP: &str = "CREATE TABLE x (id INTEGER);";
const DOWN: &str = "-- loses: x\nDROP TABLE x;";

#[test]
fn a_migration_without_its_counterpart_is_rejected() {
    let folder = Folder::empty();
    folder.file("0001_x.up.sql", UP);
    assert_contains(&folder.refusal(), &["0001_x.down.sql is missing", "0001_x.up.sql has no counterpart"]);
    let folder = Folder::empty();
    folder.file("0001_x.down.sql", DOWN);
    assert_contains(&folder.refusal(), &["0001_x.up.sql is missing"]);
}

#[test]
fn an_empty_file_is_refused() {
    for nothing in ["", "\n \n", "-- loses: nothing\n", "-- loses: nothing\n/* DROP TABLE x; */ ;"] {
        let folder = Folder::empty();
        folder.step("0001_x", UP, &format!("-- loses: nothing\n{nothing}"));
        assert_contains(&folder.refusal(), &["0001_x.down.sql is empty"]);
    }
    let folder = Folder::empty();
    folder.step("0001_x", "-- later", DOWN);
    assert_contains(&folder.refusal(), &["0001_x.up.sql is empty"]);
}

#[test]
fn versions_start_at_one_without_gaps_or_duplicates() {
    let folder = Folder::empty();
    folder.step("0001_x", UP, DOWN);
    folder.step("0003_y", UP, DOWN);
    assert_contains(&folder.refusal(), &["0003_y.up.sql leaves a gap", "no migration 0002"]);
    folder.step("0002_z", UP, DOWN);
    folder.step("0002_a", UP, DOWN);
    assert_contains(&folder.refusal(), &["0002_z.up.sql has the same number as 0002_a.up.sql"]);
}

#[test]
fn odd_names_are_refused() {
    for name in [
        "1_x.up.sql",
        "0001-x.up.sql",
        "0001_X.up.sql",
        "0001_.up.sql",
        "0001_x.sql",
        "0000_x.up.sql",
        "notes.txt",
        "0001_x.up.sql.orig",
    ] {
        let folder = Folder::empty();
        folder.step("0001_x", UP, DOWN);
        folder.file(name, UP);
        assert_contains(&folder.refusal(), &[name, "is not named like"]);
    }
}

#[test]
fn a_down_file_declares_what_it_destroys() {
    for down in [
        "DROP TABLE x;",
        "-- lose: x\nDROP TABLE x;",
        "DROP TABLE x;\n-- loses: x",
        "-- loses:\nDROP TABLE x;",
        "-- loses: a; b\nDROP TABLE x;",
    ] {
        let folder = Folder::empty();
        folder.step("0001_x", UP, down);
        assert_contains(&folder.refusal(), &["0001_x.down.sql must declare what it destroys", "-- loses: nothing"]);
    }
}

#[test]
fn undecided_questions_are_rejected() {
    let folder = Folder::empty();
    folder.step("0001_x", &format!("{UP}\n  -- decide: was it renamed?\n"), DOWN);
    assert_contains(&folder.refusal(), &["0001_x.up.sql waits for a decision in line 2: was it renamed?"]);
    folder.step("0001_x", UP, "-- loses: nothing\n-- decide: how to go back");
    assert_contains(&folder.refusal(), &["0001_x.down.sql waits for a decision in line 2: how to go back"]);
}

#[test]
fn transaction_statements_are_rejected() {
    for word in ["BEGIN", "commit", "ROLLBACK", "Savepoint a"] {
        let folder = Folder::empty();
        folder.step("0001_x", &format!("{UP} {word}; {UP}"), DOWN);
        assert_contains(
            &folder.refusal(),
            &["0001_x.up.sql must not contain", "the migration runner begins and commits"],
        );
    }
}

#[test]
fn a_file_outside_of_a_transaction_contains_one_index_statement() {
    for sql in [
        "CREATE INDEX CONCURRENTLY idx ON x (id); CREATE INDEX CONCURRENTLY idy ON x (id);",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx ON x (id);",
        "CREATE INDEX CONCURRENTLY ON x (id);",
        "DROP INDEX CONCURRENTLY idx;",
        "CREATE TABLE x (id INTEGER);",
    ] {
        let folder = Folder::empty();
        folder.step("0001_x", &format!("-- no-transaction\n{sql}"), DOWN);
        assert_contains(&folder.refusal(), &["0001_x.up.sql is marked `-- no-transaction`", "exactly one statement"]);
    }
}

#[test]
fn files_that_are_not_text_are_rejected() {
    let folder = Folder::empty();
    folder.step("0001_x", UP, DOWN);
    folder.file("0001_x.up.sql", b"CREATE TABLE x (id INTEGER); -- \xff");
    assert_contains(&folder.refusal(), &["0001_x.up.sql is not UTF-8"]);
}

#[test]
fn line_endings_do_not_change_a_checksum() {
    let sqlite = Scratch::sqlite();
    let checksums = |end: &str, mark: &str| {
        let folder = Folder::empty();
        let text = |sql: &str| format!("{mark}{}", sql.replace('\n', end));
        folder.step("0001_x", &text("CREATE TABLE x (\nid INTEGER\n);\n"), &text(DOWN));
        let source = Source::directory(&sqlite.url, folder.0.path()).unwrap();
        let one = &source.migrations()[0];
        assert_eq!(one.loses.len(), 1);
        (one.up.checksum.clone(), one.down.checksum.clone())
    };
    let plain = checksums("\n", "");
    assert_eq!(plain.0.len(), 64);
    assert_eq!(plain, checksums("\r\n", ""));
    assert_eq!(plain, checksums("\r", ""));
    assert_eq!(plain, checksums("\n", "\u{feff}"));
}

#[test]
fn the_shipped_files_are_accepted() {
    assert!(!Source::embedded(&Scratch::sqlite().url).unwrap().migrations().is_empty());
    assert!(!Source::embedded(&"postgres://nowhere/x".parse().unwrap()).unwrap().migrations().is_empty());
}
