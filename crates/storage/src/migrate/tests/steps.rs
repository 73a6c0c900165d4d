//! Steps are applied completely or not at all, from unchanged files.

use super::{Folder, Target, assert_contains, both, count, current, execute, sentence, target};
use crate::{DatabaseUrl, schema};

#[tokio::test]
async fn a_failed_step_is_rolled_back() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        folder.step(
            "0004_broken",
            "CREATE TABLE half (id INTEGER);\nINSERT INTO notes (id, text) VALUES (3, 'three');\nCREATE TABLE places (id INTEGER);",
            "-- loses: half\nDROP TABLE half;",
        );
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&target("3")).await.unwrap();
        let before = schema::read(&scratch.url).await.unwrap();

        let refused = sentence(migrator.upgrade(&Target::Head).await);
        assert_contains(
            &refused,
            &["0004_broken.up.sql", "failed and was undone", "places", "at revision 0003_places"],
        );
        assert_eq!(schema::read(&scratch.url).await.unwrap().differences(&before), []);
        assert_eq!(count(&scratch, "notes").await, 2);
        assert_eq!(current(&migrator).await, "0003_places");

        // The corrected file succeeds, because it was never applied.
        folder.file("0004_broken.up.sql", "CREATE TABLE half (id INTEGER);");
        assert_eq!(folder.migrator(&scratch).upgrade(&Target::Head).await.unwrap().steps, ["0004_broken"]);
    }
}

#[tokio::test]
async fn the_line_of_an_sql_error_is_reported() {
    for scratch in both().await {
        let folder = Folder::empty();
        folder.step("0001_x", "-- ä\nCREATE TABLE x (id INTEGER);\n\nCREATE TABEL y;\n", "-- loses: x\nDROP TABLE x;");
        let refused = sentence(folder.migrator(&scratch).upgrade(&Target::Head).await);
        assert_contains(&refused, &["0001_x.up.sql, line 4, failed", "TABEL", "at revision base"]);
    }
}

#[tokio::test]
async fn a_failed_downgrade_step_is_rolled_back() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        folder.file("0003_places.down.sql", "-- loses: places\nDROP TABLE places;\nDROP TABLE nowhere;");
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&Target::Head).await.unwrap();
        let refused = sentence(migrator.downgrade(&target("-1"), true).await);
        assert_contains(&refused, &["0003_places.down.sql", "was undone", "nowhere", "at revision 0003_places"]);
        assert_eq!(count(&scratch, "places").await, 0);
        assert_eq!(current(&migrator).await, "0003_places");
    }
}

#[tokio::test]
async fn an_edited_applied_file_is_rejected_up_and_down() {
    for scratch in both().await {
        for edited in ["0001_notes.up.sql", "0001_notes.down.sql"] {
            let folder = Folder::with_three_revisions();
            folder.migrator(&scratch).upgrade(&target("2")).await.unwrap();
            folder.file(edited, folder.read(edited) + "\n-- and one word more");
            let migrator = folder.migrator(&scratch);
            for refused in [migrator.upgrade(&Target::Head).await, migrator.downgrade(&Target::Base, true).await] {
                assert_contains(
                    &sentence(refused),
                    &[edited, "was changed after it had been applied", "`sotto db stamp 0002_colors`"],
                );
            }
            assert_contains(&migrator.state().await.unwrap_err().to_string(), &[edited]);
            assert_eq!(current(&migrator).await, "0002_colors");

            migrator.stamp(&target("0002_colors")).await.unwrap();
            migrator.downgrade(&Target::Base, true).await.unwrap();
        }
    }
}

#[tokio::test]
async fn other_line_endings_do_not_change_the_checksum() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        folder.migrator(&scratch).upgrade(&target("2")).await.unwrap();
        for file in ["0001_notes.up.sql", "0001_notes.down.sql", "0003_places.up.sql", "0003_places.down.sql"] {
            folder.file(file, folder.read(file).replace('\n', "\r\n"));
        }
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&Target::Head).await.unwrap();
        migrator.downgrade(&Target::Base, true).await.unwrap();
    }
}

#[tokio::test]
async fn a_skipped_older_revision_is_rejected() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&Target::Head).await.unwrap();
        execute(&scratch, "DELETE FROM schema_migrations WHERE version = 2").await;
        for refused in [migrator.upgrade(&Target::Head).await, migrator.downgrade(&target("-1"), true).await] {
            assert_contains(
                &sentence(refused),
                &["0002_colors was never applied", "0003_places was", "sotto db stamp 0003_places"],
            );
        }
    }
}

#[tokio::test]
async fn a_stamp_records_and_runs_nothing() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        let migrator = folder.migrator(&scratch);
        assert_contains(&sentence(migrator.stamp(&Target::Head).await), &["`sotto db upgrade`"]);
        if let DatabaseUrl::Sqlite(path) = &scratch.url {
            assert!(!path.exists());
        }
        migrator.upgrade(&target("1")).await.unwrap();
        let before = schema::read(&scratch.url).await.unwrap();
        let report = migrator.stamp(&Target::Head).await.unwrap();
        assert_eq!((report.from.as_str(), report.to.as_str()), ("0001_notes", "0003_places"));
        assert_eq!(migrator.stamp(&target("-2")).await.unwrap().to, "0001_notes");
        assert_eq!(migrator.stamp(&Target::Base).await.unwrap().to, "base");
        assert_eq!(schema::read(&scratch.url).await.unwrap(), before);
        assert_eq!(count(&scratch, "notes").await, 2);
    }
}

#[tokio::test]
async fn a_migration_to_the_current_revision_changes_nothing() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&Target::Head).await.unwrap();
        let history = migrator.history().await.unwrap();
        for report in [migrator.upgrade(&Target::Head).await, migrator.downgrade(&Target::Head, false).await] {
            let report = report.unwrap();
            assert_eq!((report.steps.len(), &report.snapshot), (0, &None));
        }
        assert_eq!(migrator.history().await.unwrap(), history);
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_unchanged() {
    for scratch in both().await {
        execute(&scratch, "CREATE TABLE recipes (id INTEGER)").await;
        let migrator = Folder::with_three_revisions().migrator(&scratch);
        assert_contains(
            &sentence(migrator.upgrade(&Target::Head).await),
            &["not Sotto's", "recipes", "a separate database"],
        );
        assert_contains(&migrator.state().await.unwrap_err().to_string(), &["not Sotto's"]);
        assert_contains(&sentence(migrator.downgrade(&Target::Base, true).await), &["not Sotto's"]);
        assert_contains(&sentence(migrator.rehearse_upgrade(&Target::Head).await), &["not Sotto's"]);
        execute(&scratch, "CREATE TABLE schema_migrations (version INTEGER)").await;
        assert_contains(&sentence(migrator.upgrade(&Target::Head).await), &["not Sotto's"]);
        assert_eq!(schema::read(&scratch.url).await.unwrap().tables.len(), 2);
    }
}
