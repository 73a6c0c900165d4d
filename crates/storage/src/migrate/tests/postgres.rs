//! Behaviour that only PostgreSQL needs.

use tokio_postgres::Client;

use super::{Folder, Target, assert_contains, current, execute, sentence, target};
use crate::schema;
use crate::testing::{Scratch, wait_for};

fn with_an_index() -> Folder {
    let folder = Folder::with_three_revisions();
    folder.step(
        "0004_index",
        "-- Unique, so that it can fail half-way.\n-- no-transaction\n\
         CREATE UNIQUE INDEX CONCURRENTLY idx_notes_text ON notes (text);",
        "-- loses: nothing\n-- no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS idx_notes_text;",
    );
    folder
}

/// The number of indexes with that name, and how many of them are valid.
async fn indexes(scratch: &Scratch) -> (i64, i64) {
    let client = super::connect(&scratch.url).await.unwrap();
    let sql = "SELECT count(*), count(*) FILTER (WHERE indisvalid) FROM pg_index WHERE indexrelid = \
               to_regclass('idx_notes_text')";
    let row = client.query_one(sql, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn an_invalid_index_is_rebuilt() {
    let scratch = Scratch::postgres().await;
    let migrator = with_an_index().migrator(&scratch);
    migrator.upgrade(&target("3")).await.unwrap();
    execute(&scratch, "INSERT INTO notes (id, text) VALUES (3, 'one')").await;

    let refused = sentence(migrator.upgrade(&Target::Head).await);
    assert_contains(
        &refused,
        &["0004_index.up.sql", "could not create unique index", "left an INVALID index", "at revision 0003_places"],
    );
    assert_eq!(indexes(&scratch).await, (1, 0));
    assert_eq!(current(&migrator).await, "0003_places");
    // The schema model shows the index as invalid.
    assert!(!schema::read(&scratch.url).await.unwrap().tables["notes"].indexes[0].valid);

    execute(&scratch, "DELETE FROM notes WHERE id = 3").await;
    migrator.upgrade(&Target::Head).await.unwrap();
    assert_eq!(indexes(&scratch).await, (1, 1));

    migrator.downgrade(&target("-1"), false).await.unwrap();
    assert_eq!(indexes(&scratch).await, (0, 0));
}

/// The connection is cut during the build, while it waits for a transaction that uses the table.
#[tokio::test]
async fn an_interrupted_index_is_rebuilt() {
    let scratch = Scratch::postgres().await;
    let migrator = with_an_index().migrator(&scratch);
    migrator.upgrade(&target("3")).await.unwrap();
    let (admin, user) = (super::connect(&scratch.url).await.unwrap(), super::connect(&scratch.url).await.unwrap());
    user.batch_execute("BEGIN; UPDATE notes SET text = 'three' WHERE id = 1").await.unwrap();
    let run = tokio::spawn({
        let migrator = migrator.clone();
        async move { migrator.upgrade(&Target::Head).await }
    });
    let builder = waiting_builder(&admin).await;
    admin.execute("SELECT pg_terminate_backend($1)", &[&builder]).await.unwrap();
    let refused = sentence(run.await.unwrap());
    assert_contains(&refused, &["0004_index.up.sql failed", "left an INVALID index", "at revision 0003_places"]);
    assert_eq!(indexes(&scratch).await, (1, 0));
    // Users of the table are not disturbed.
    user.batch_execute("COMMIT").await.unwrap();
    assert_eq!(migrator.upgrade(&Target::Head).await.unwrap().steps, ["0004_index"]);
    assert_eq!(indexes(&scratch).await, (1, 1));
}

/// A row that the index forbids is inserted during the build.
#[tokio::test]
async fn an_index_is_rebuilt_after_a_row_violated_it() {
    let scratch = Scratch::postgres().await;
    let migrator = with_an_index().migrator(&scratch);
    migrator.upgrade(&target("3")).await.unwrap();
    let (admin, user) = (super::connect(&scratch.url).await.unwrap(), super::connect(&scratch.url).await.unwrap());
    user.batch_execute("BEGIN; INSERT INTO notes (id, text) VALUES (3, 'two')").await.unwrap();
    let run = tokio::spawn({
        let migrator = migrator.clone();
        async move { migrator.upgrade(&Target::Head).await }
    });
    waiting_builder(&admin).await;
    user.batch_execute("COMMIT").await.unwrap();
    let refused = sentence(run.await.unwrap());
    assert_contains(&refused, &["could not create unique index", "left an INVALID index", "at revision 0003_places"]);
    assert_eq!(indexes(&scratch).await, (1, 0));
    execute(&scratch, "DELETE FROM notes WHERE id = 3").await;
    assert_eq!(migrator.upgrade(&Target::Head).await.unwrap().steps, ["0004_index"]);
    assert_eq!(indexes(&scratch).await, (1, 1));
}

/// The process that builds an index, once it waits for a transaction.
async fn waiting_builder(admin: &Client) -> i32 {
    let waiting = "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database() AND phase LIKE \
                   'waiting for %'";
    let row = wait_for("an index is built and waits", async || admin.query_opt(waiting, &[]).await.unwrap());
    row.await.get(0)
}

/// As if the migrator had been killed before it wrote its row.
#[tokio::test]
async fn an_unrecorded_step_is_repeated() {
    let scratch = Scratch::postgres().await;
    let migrator = with_an_index().migrator(&scratch);
    migrator.upgrade(&Target::Head).await.unwrap();
    execute(&scratch, "DELETE FROM schema_migrations WHERE version = 4").await;
    assert_eq!(migrator.upgrade(&Target::Head).await.unwrap().steps, ["0004_index"]);
    execute(&scratch, "DROP INDEX idx_notes_text").await;
    assert_eq!(migrator.downgrade(&target("-1"), false).await.unwrap().steps, ["0004_index"]);
}

#[tokio::test]
async fn steps_before_a_failed_one_stay_applied() {
    let scratch = Scratch::postgres().await;
    let folder = Folder::with_three_revisions();
    folder.file("0002_colors.up.sql", "ALTER TABLE nowhere ADD COLUMN color TEXT;");
    let migrator = folder.migrator(&scratch);
    assert_contains(
        &sentence(migrator.upgrade(&Target::Head).await),
        &["0002_colors.up.sql", "at revision 0001_notes"],
    );
    assert_eq!(current(&migrator).await, "0001_notes");
}

#[tokio::test]
async fn a_missing_server_is_reported_without_its_password() {
    let url = "postgres://ada:s3cret@127.0.0.1:1/sotto".parse().unwrap();
    let refused = sentence(crate::migrate::upgrade(&url).await);
    assert_contains(&refused, &["postgres://ada@127.0.0.1:1/sotto cannot be used"]);
    assert!(!refused.contains("s3cret"), "{refused}");
}
