//! Nothing is destroyed that nobody agreed to.

use super::{Folder, Target, assert_says, both, count, current, execute, sentence, target};
use crate::DatabaseUrl;

#[tokio::test]
async fn a_downgrade_that_loses_data_is_refused_with_the_counts() {
    let folder = Folder::of_three();
    for scratch in both().await {
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&Target::Head).await.unwrap();
        execute(&scratch, "UPDATE notes SET color = 'blue' WHERE id = 1").await;

        let refused = sentence(migrator.downgrade(&Target::Base, false).await);
        assert_says(&refused, &["1 value of notes.color, 2 rows of notes", "--allow-data-loss"]);
        match scratch.url {
            DatabaseUrl::Sqlite(_) => assert_says(&refused, &["a copy of the database is kept beside it"]),
            DatabaseUrl::Postgres(_) => assert_says(&refused, &["pg_dump first"]),
        }
        assert_eq!(current(&migrator).await, "0003_places");
        assert_eq!(count(&scratch, "notes").await, 2);

        migrator.downgrade(&Target::Base, true).await.unwrap();
        assert_eq!(current(&migrator).await, "base");
    }
}

#[tokio::test]
async fn without_rows_or_values_there_is_nothing_to_lose() {
    let folder = Folder::of_three();
    for scratch in both().await {
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&Target::Head).await.unwrap();
        assert_eq!(migrator.downgrade(&target("1"), false).await.unwrap().snapshot, None);
        execute(&scratch, "DELETE FROM notes").await;
        assert_eq!(migrator.downgrade(&Target::Base, false).await.unwrap().snapshot, None);
    }
}

/// The table that the second step drops is there only after the first.
#[tokio::test]
async fn what_a_step_down_makes_is_counted_before_the_next_drops_it() {
    let folder = Folder::empty();
    folder.step(
        "0001_old",
        "CREATE TABLE old (id INTEGER); INSERT INTO old VALUES (1);",
        "-- loses: old\nDROP TABLE old;",
    );
    folder.step("0002_new", "ALTER TABLE old RENAME TO new;", "-- loses: nothing\nALTER TABLE new RENAME TO old;");
    for scratch in both().await {
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&Target::Head).await.unwrap();
        let refused = sentence(migrator.downgrade(&Target::Base, false).await);
        assert_says(&refused, &["1 row of old"]);
    }
}
