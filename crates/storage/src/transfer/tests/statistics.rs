//! What the planner of PostgreSQL knows about rows that were loaded at once.

use tokio_postgres::NoTls;

use super::data::Populated;
use super::{Migrations, Observer, Scratch, Workspace};
use crate::DatabaseUrl;
use crate::transfer::copy;

/// The tables with rows and without statistics.
async fn unknown_tables(scratch: &Scratch) -> Vec<String> {
    const SQL: &str = "SELECT relname::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND relname NOT IN ('schema_migrations', 'attachment_store')
            AND (reltuples < 0 OR reltuples > 0
                AND NOT EXISTS (SELECT 1 FROM pg_stats WHERE schemaname = 'public' AND tablename = relname))";
    let DatabaseUrl::Postgres(url) = &scratch.url else { panic!("a PostgreSQL database was asked for") };
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.query(SQL, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_exist_after_a_restore_and_a_copy() {
    let (workspace, populated) = (Workspace::new(), Populated::sqlite().await);
    let (restored, copied) = (Scratch::postgres().await, Scratch::postgres().await);
    workspace.backup(populated.url(), "rows.tar").await;
    workspace.restore("rows.tar", &restored.url).await.unwrap();
    assert_eq!(unknown_tables(&restored).await, [""; 0]);
    copy(populated.url(), &copied.url, false, &Migrations::default(), &Observer::default()).await.unwrap();
    assert_eq!(unknown_tables(&copied).await, [""; 0]);
}
