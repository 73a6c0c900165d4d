//! Several migrators at the same time.

use std::time::Duration;

use super::super::postgres::{LOCK, connect};
use super::{Folder, Target, assert_contains, both, count, sentence};
use crate::DatabaseUrl;
use crate::migrate::{Migrator, State};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_concurrent_runs_succeed_and_run_each_step_once() {
    for scratch in both().await {
        let folder = Folder::with_three_revisions();
        let migrator = folder.migrator(&scratch);
        let runs: Vec<_> = (0..8)
            .map(|_| {
                let migrator = migrator.clone();
                tokio::spawn(async move { migrator.upgrade(&Target::Head).await })
            })
            .collect();
        let mut steps = Vec::new();
        for run in runs {
            let report = run.await.unwrap().unwrap();
            assert_eq!(report.to, "0003_places");
            steps.extend(report.steps);
        }
        assert_eq!(steps, ["0001_notes", "0002_colors", "0003_places"], "{}", scratch.url);
        assert_eq!(count(&scratch, "notes").await, 2);
        assert_eq!(count(&scratch, "schema_migrations").await, 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_concurrent_upgrades_create_the_shipped_schema() {
    for scratch in both().await {
        let runs: Vec<_> = (0..8)
            .map(|_| {
                let url = scratch.url.clone();
                tokio::spawn(async move { crate::migrate::upgrade(&url).await })
            })
            .collect();
        for run in runs {
            run.await.unwrap().unwrap();
        }
        assert_eq!(Migrator::new(&scratch.url).unwrap().state().await.unwrap(), State::Head);
    }
}

#[tokio::test]
async fn a_run_that_waits_too_long_fails_with_an_explanation() {
    let folder = Folder::with_three_revisions();
    for scratch in both().await {
        let migrator = folder.migrator(&scratch).with_lock_timeout(Duration::ZERO);
        let refused = match &scratch.url {
            DatabaseUrl::Sqlite(path) => {
                let other = rusqlite::Connection::open(path).unwrap();
                other.execute_batch("BEGIN IMMEDIATE").unwrap();
                let refused = migrator.upgrade(&Target::Head).await;
                other.execute_batch("ROLLBACK").unwrap();
                refused
            }
            url @ DatabaseUrl::Postgres(_) => {
                let other = connect(url).await.unwrap();
                other.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.unwrap();
                let refused = migrator.upgrade(&Target::Head).await;
                other.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await.unwrap();
                refused
            }
        };
        assert_contains(&sentence(refused), &["another migration", "try again"]);
        migrator.upgrade(&Target::Head).await.unwrap();
    }
}
