//! No data is destroyed without permission.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::postgres::LOCK;
use super::{Folder, Target, assert_contains, both, connect, count, current, execute, sentence, target};
use crate::DatabaseUrl;
use crate::migrate::BeforeLoss;
use crate::testing::Scratch;

#[tokio::test]
async fn a_downgrade_that_loses_data_is_refused_with_counts() {
    let folder = Folder::with_three_revisions();
    for scratch in both().await {
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&Target::Head).await.unwrap();
        execute(&scratch, "UPDATE notes SET color = 'blue' WHERE id = 1").await;

        let refused = sentence(migrator.downgrade(&Target::Base, false).await);
        assert_contains(&refused, &["1 value of notes.color, 2 rows of notes", "--allow-data-loss"]);
        match scratch.url {
            DatabaseUrl::Sqlite(_) => assert_contains(&refused, &["a copy is then kept next to the database"]),
            DatabaseUrl::Postgres(_) => assert_contains(&refused, &["`sotto backup` first"]),
        }
        assert_eq!(current(&migrator).await, "0003_places");
        assert_eq!(count(&scratch, "notes").await, 2);

        migrator.downgrade(&Target::Base, true).await.unwrap();
        assert_eq!(current(&migrator).await, "base");
    }
}

#[tokio::test]
async fn a_downgrade_of_empty_tables_loses_nothing() {
    let folder = Folder::with_three_revisions();
    for scratch in both().await {
        let migrator = folder.migrator(&scratch);
        migrator.upgrade(&Target::Head).await.unwrap();
        assert_eq!(migrator.downgrade(&target("1"), false).await.unwrap().snapshot, None);
        execute(&scratch, "DELETE FROM notes").await;
        assert_eq!(migrator.downgrade(&Target::Base, false).await.unwrap().snapshot, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_downgrade_under_a_running_server_is_refused() {
    for scratch in both().await {
        let migrator = crate::migrate::Migrator::new(&scratch.url).unwrap();
        migrator.upgrade(&Target::Head).await.unwrap();
        let claim = scratch.url.claim_for_server().await.unwrap();
        let server = scratch.url.open().await.unwrap();
        server.ping().await.unwrap();
        let refused = sentence(migrator.downgrade(&Target::Base, true).await);
        assert_contains(&refused, &["is in use by", "Stop it first"]);
        server.users().get(sotto_domain::UserId(uuid::Uuid::nil())).await.unwrap();
        // An upgrade only adds what an older server ignores.
        migrator.upgrade(&Target::Head).await.unwrap();
        server.close().await;
        drop(claim);
        migrator.downgrade(&Target::Base, true).await.unwrap();
    }
}

/// A server is detected even if its address sets an application name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_custom_application_name_is_detected() {
    let scratch = Scratch::postgres().await;
    let DatabaseUrl::Postgres(address) = &scratch.url else { panic!("it is a server") };
    let separator = if address.contains('?') { '&' } else { '?' };
    let named = DatabaseUrl::Postgres(format!("{address}{separator}application_name=journal"));
    let migrator = crate::migrate::Migrator::new(&named).unwrap();
    migrator.upgrade(&Target::Head).await.unwrap();
    let server = named.open().await.unwrap();
    let refused = sentence(crate::migrate::Migrator::new(&scratch.url).unwrap().downgrade(&target("1"), true).await);
    assert_contains(&refused, &["1 connection from"]);
    server.close().await;
    migrator.downgrade(&target("1"), true).await.unwrap();
}

/// The table that the second step drops exists only after the first step.
#[tokio::test]
async fn rows_that_a_downgrade_step_creates_are_counted_before_the_next_step() {
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
        assert_contains(&refused, &["1 row of old"]);
    }
}

/// Counts the backups, and checks during each that the migrator's lock is held and the table still exists.
fn recording(scratch: &Scratch) -> (BeforeLoss, Arc<AtomicU32>) {
    let (runs, url) = (Arc::new(AtomicU32::new(0)), scratch.url.clone());
    let counter = runs.clone();
    let back_up = move || {
        let (counter, url) = (counter.clone(), url.clone());
        async move {
            let other = connect(&url).await?;
            let free = other.query_one("SELECT pg_try_advisory_lock($1), (SELECT count(*) FROM notes) > 0", &[&LOCK]);
            let row = free.await.map_err(|error| error.to_string())?;
            assert_eq!((row.get(0), row.get(1)), (false, true));
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(PathBuf::from("/backups/1"))
        }
    };
    (BeforeLoss::new(back_up), runs)
}

#[tokio::test]
async fn a_server_is_backed_up_before_data_is_lost() {
    let scratch = Scratch::postgres().await;
    let (before_loss, runs) = recording(&scratch);
    let migrator = Folder::with_three_revisions().migrator(&scratch).backing_up(before_loss);
    migrator.upgrade(&Target::Head).await.unwrap();
    assert_eq!(migrator.downgrade(&target("1"), false).await.unwrap().snapshot, None, "there was nothing to lose");

    assert_contains(
        &sentence(migrator.downgrade(&Target::Base, false).await),
        &["2 rows of notes", "a backup is made first"],
    );
    assert_eq!(runs.load(Ordering::Relaxed), 0);
    assert!(migrator.rehearse_downgrade(&Target::Base).await.unwrap().snapshot);

    let report = migrator.downgrade(&Target::Base, true).await.unwrap();
    assert_eq!((report.snapshot, report.to), (Some("/backups/1".into()), "base".to_owned()));
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn without_a_backup_nothing_is_lost() {
    let scratch = Scratch::postgres().await;
    let full = BeforeLoss::new(|| async { Err("the disk is full".to_owned()) });
    let migrator = Folder::with_three_revisions().migrator(&scratch).backing_up(full);
    migrator.upgrade(&Target::Head).await.unwrap();
    let refused = sentence(migrator.downgrade(&Target::Base, true).await);
    assert_contains(&refused, &["no backup could be taken: the disk is full. Nothing was changed"]);
    assert_eq!(current(&migrator).await, "0003_places");
    assert_eq!(count(&scratch, "notes").await, 2);
}

/// The table was empty when everything was counted, so there was nothing to back up.
#[tokio::test]
async fn rows_that_arrive_after_the_count_are_not_lost() {
    let scratch = Scratch::postgres().await;
    let folder = Folder::with_three_revisions();
    folder.file("0003_places.down.sql", "-- loses: places\nDROP TABLE places; INSERT INTO notes VALUES (9, 'late');");
    let (before_loss, runs) = recording(&scratch);
    let migrator = folder.migrator(&scratch).backing_up(before_loss);
    migrator.upgrade(&Target::Head).await.unwrap();
    execute(&scratch, "DELETE FROM notes").await;
    let refused = sentence(migrator.downgrade(&Target::Base, true).await);
    assert_contains(&refused, &["1 row of notes", "in no backup", "stop the servers"]);
    assert_eq!((runs.load(Ordering::Relaxed), count(&scratch, "notes").await), (0, 1));
    assert_eq!(migrator.downgrade(&Target::Base, true).await.unwrap().snapshot, Some("/backups/1".into()));
}
