//! Reads that take too long.

use std::time::Duration;

use sotto_domain::storage::{Entries, Storage, StorageError};

use super::{Journal, new_entry, now};
use crate::postgres::{PoolOptions, Postgres};
use crate::testing::wait_until;

const SLOW: &str = "SELECT pg_sleep(600)";

fn hurried() -> PoolOptions {
    PoolOptions {
        connections: 2,
        read_within: Duration::from_millis(300),
        answer_within: Duration::from_mins(5),
        ..PoolOptions::default()
    }
}

#[tokio::test]
async fn a_slow_read_is_interrupted_on_the_server() {
    let journal = Journal::with(hurried()).await;
    let pool = &journal.storage.pool;
    // More than there are connections.
    for _ in 0..4 {
        let outcome = pool.query(SLOW, &[]).await;
        assert!(matches!(outcome, Err(StorageError::Busy)), "{outcome:?}");
    }
    let outcome = pool.query_with_custom_plan(SLOW, &[]).await;
    assert!(matches!(outcome, Err(StorageError::Busy)), "{outcome:?}");
    let running = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND state = 'active' AND query = $1";
    wait_until("the server runs none of them", async || {
        journal.admin.query_one(running, &[&SLOW]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    journal.storage.ping().await.unwrap();
}

#[tokio::test]
async fn only_reads_of_their_own_are_interrupted() {
    const LONGER: &str = "SELECT 1 FROM pg_sleep(0.8)";
    let journal = Journal::with(hurried()).await;
    let pool = &journal.storage.pool;
    // A statement within a unit of work, one of a health check, and a change.
    pool.lease().await.unwrap().query(LONGER, &[]).await.unwrap();
    pool.query(&format!("/* health */ {LONGER}"), &[]).await.unwrap();
    pool.execute(&format!("CREATE TEMPORARY TABLE slow AS {LONGER}"), &[]).await.unwrap();
    Entries::create(&journal.storage, journal.user, &new_entry(1, "Beans"), None, now()).await.unwrap();
}

/// So that a server does not go on with the statements of a process that has stopped.
#[tokio::test]
async fn the_server_itself_limits_statements() {
    let setting = async |url: &str| {
        let storage = Postgres::connect(url).await.unwrap();
        let row = storage.pool.query_opt("SELECT current_setting('statement_timeout')", &[]).await.unwrap();
        row.unwrap().get::<_, String>(0)
    };
    let journal = Journal::new().await;
    assert_eq!(setting(&journal.url).await, "30s");
    let separator = if journal.url.contains('?') { '&' } else { '?' };
    let chosen = format!("{}{separator}options=-c%20statement_timeout%3D7000", journal.url);
    assert_eq!(setting(&chosen).await, "7s");
}
