//! Servers with few connections, and connections that are idle.

use std::time::Duration;

use futures_util::future::join_all;
use sotto_domain::storage::Storage;
use tokio_postgres::NoTls;

use super::Journal;
use crate::postgres::server::RESERVED_CONNECTIONS;
use crate::postgres::{PoolOptions, Postgres};
use crate::testing::wait_until;

impl Journal {
    /// The number of connections that a role has to this database, without the administrator's.
    async fn sessions(&self, role: &str) -> i64 {
        let count = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND usename = $1::text AND pid <> pg_backend_pid()";
        self.admin.query_one(count, &[&role]).await.unwrap().get(0)
    }
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let idle = PoolOptions { close_idle_after: Duration::from_millis(500), ..PoolOptions::default() };
    let journal = Journal::with(idle).await;
    let calls = (0..4).map(|_| journal.storage.pool.query("SELECT pg_sleep(0.1)", &[]));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let user = "SELECT current_user::text";
    let role: String = journal.admin.query_one(user, &[]).await.unwrap().get(0);
    wait_until("idle connections are closed", async || journal.sessions(&role).await == 0).await;
    journal.storage.ping().await.unwrap();
}

#[tokio::test]
async fn a_pool_leaves_connections_to_other_clients() {
    let journal = Journal::new().await;
    let role = format!("sotto_few_{}", journal.url.rsplit('_').next().unwrap());
    let limit = 6;
    let make = format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT {limit}");
    journal.admin.batch_execute(&make).await.unwrap();
    let url = journal.url.replace("sotto@", &format!("{role}@"));
    let first = Postgres::connect(&url).await.unwrap();
    let second = Postgres::connect(&url).await.unwrap();
    for storage in [&first, &second] {
        let calls = (0..24).map(|_| storage.pool.query("SELECT pg_sleep(0.05)", &[]));
        for result in join_all(calls).await {
            result.unwrap();
        }
    }
    // A server needs a moment to close a connection.
    wait_until("some connections are left", async || journal.sessions(&role).await <= limit - RESERVED_CONNECTIONS)
        .await;
    let (operator, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    operator.batch_execute("SELECT 1").await.unwrap();
    // When other clients have taken all remaining connections, the calls of a pool share those that it has.
    let others = (0..2).map(|_| tokio_postgres::connect(&url, NoTls));
    let others = join_all(others).await.into_iter().map(Result::unwrap).collect::<Vec<_>>();
    let calls = (0..24).map(|_| first.pool.query("SELECT pg_sleep(0.02)", &[]));
    for result in join_all(calls).await {
        result.unwrap();
    }
    drop((others, operator));
    for storage in [first, second] {
        storage.close().await;
    }
    wait_until("the role is not used", async || journal.sessions(&role).await == 0).await;
    journal.admin.batch_execute(&format!("DROP ROLE {role}")).await.unwrap();
}
