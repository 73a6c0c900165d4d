//! Rows that make a step fail are shown to the operator, and are not part of the error message, which may be logged.

use super::{Folder, Target, both, current, execute, target};
use crate::testing::Scratch;

/// The rows that the operator sees after a failed upgrade, after checking that the message contains no value.
async fn rows(folder: &Folder, scratch: &Scratch) -> String {
    let migrator = folder.migrator(scratch);
    let before = current(&migrator).await;
    let error = migrator.upgrade(&Target::Head).await.unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(current(&migrator).await, before);
    error.rows().unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[tokio::test]
async fn duplicates_under_a_new_unique_index_are_named() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        folder.step_on(
            "postgres",
            "0004_unique",
            "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY idx_notes ON notes (text, color);",
            "-- loses: nothing\n-- no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS idx_notes;",
        );
        folder.step_on(
            "sqlite",
            "0004_unique",
            "CREATE UNIQUE INDEX idx_notes ON notes (text, color);",
            "-- loses: nothing\nDROP INDEX idx_notes;",
        );
        folder.migrator(&scratch).upgrade(&target("3")).await.unwrap();
        execute(&scratch, "INSERT INTO notes VALUES (3, 'secret', 'blue'), (4, 'secret', 'blue'), (5, 'secret', NULL)")
            .await;
        let rows = rows(&folder, &scratch).await;
        assert!(rows.starts_with("in the table notes: ") && rows.contains("(text, color)=("), "{rows}");
        assert!(rows.contains("secret") && rows.contains("blue"), "{rows}");
        execute(&scratch, "DELETE FROM notes WHERE id = 4").await;
        folder.migrator(&scratch).upgrade(&Target::Head).await.unwrap();
    }
}

/// On SQLite, a new constraint requires rebuilding the table.
#[tokio::test]
async fn duplicates_under_a_new_constraint_are_named() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        let back = "-- loses: nothing\nSELECT 1;";
        folder.step_on("postgres", "0004_unique", "ALTER TABLE notes ADD CONSTRAINT uq_notes UNIQUE (text);", back);
        folder.step_on(
            "sqlite",
            "0004_unique",
            "CREATE TABLE new_notes (id INTEGER NOT NULL PRIMARY KEY, text TEXT, color TEXT, CONSTRAINT uq UNIQUE (text));
             INSERT INTO new_notes SELECT * FROM notes; DROP TABLE notes; ALTER TABLE new_notes RENAME TO notes;",
            back,
        );
        folder.migrator(&scratch).upgrade(&target("3")).await.unwrap();
        execute(&scratch, "INSERT INTO notes (id, text) VALUES (3, 'secret'), (4, 'secret')").await;
        let rows = rows(&folder, &scratch).await;
        assert!(
            rows.starts_with("in the table notes: ") && rows.contains("(text)=(") && rows.contains("secret"),
            "{rows}"
        );
    }
}

#[tokio::test]
async fn orphans_under_a_new_foreign_key_are_named() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        let back = "-- loses: nothing\nSELECT 1;";
        let make = "CREATE TABLE authors (name TEXT NOT NULL PRIMARY KEY);";
        folder.step_on(
            "postgres",
            "0004_authors",
            &format!("{make} ALTER TABLE notes ADD CONSTRAINT fk_notes FOREIGN KEY (text) REFERENCES authors (name);"),
            "-- loses: authors\nALTER TABLE notes DROP CONSTRAINT fk_notes; DROP TABLE authors;",
        );
        folder.step_on(
            "sqlite",
            "0004_authors",
            &format!(
                "{make}
                 CREATE TABLE new_notes (id INTEGER NOT NULL PRIMARY KEY, text TEXT REFERENCES authors (name), color TEXT);
                 INSERT INTO new_notes SELECT * FROM notes; DROP TABLE notes; ALTER TABLE new_notes RENAME TO notes;"
            ),
            back,
        );
        folder.migrator(&scratch).upgrade(&target("3")).await.unwrap();
        execute(&scratch, "DELETE FROM notes; INSERT INTO notes (id, text) VALUES (3, 'secret')").await;
        let rows = rows(&folder, &scratch).await;
        assert!(rows.starts_with("in the table notes: ") && rows.contains("(text)=("), "{rows}");
        assert!(rows.contains("secret") && rows.contains("authors"), "{rows}");
    }
}

/// For a check, PostgreSQL would show the whole row, which is not needed to find it.
#[tokio::test]
async fn complete_rows_are_not_shown() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        folder.step(
            "0004_rows",
            "INSERT INTO notes (id, text) VALUES (NULL, 'secret');",
            "-- loses: notes\nDELETE FROM notes;",
        );
        if matches!(scratch.url, crate::DatabaseUrl::Sqlite(_)) {
            // There, NULL in an INTEGER PRIMARY KEY becomes the next number.
            folder.file("0004_rows.up.sql", "INSERT INTO places (id) VALUES (NULL);");
        }
        let error = folder.migrator(&scratch).upgrade(&Target::Head).await.unwrap_err();
        assert_eq!(error.rows(), None);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
