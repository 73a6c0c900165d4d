//! Connections that are killed, silent, rejected, exhausted, abandoned in the middle of a call, or turned read-only.

use std::time::Duration;

use sotto_domain::storage::{Entries, Storage, StorageError, Users};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Journal, new_entry, now, unavailable};
use crate::postgres::{PoolOptions, Postgres};
use crate::testing::wait_until;

/// One connection and short timeouts.
fn impatient() -> PoolOptions {
    let soon = Duration::from_secs(2);
    PoolOptions { connections: 1, connect_within: soon, answer_within: soon, ..PoolOptions::default() }
}

#[tokio::test]
async fn a_killed_connection_is_replaced() {
    let journal = Journal::with(PoolOptions { connections: 1, ..PoolOptions::default() }).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'sotto' AND datname = current_database()";
    assert_eq!(journal.admin.query(kill, &[]).await.unwrap().len(), 1);
    wait_until("the pool notices the lost connection", async || {
        let mut noticed = false;
        journal.storage.pool.connections.retain(|client, _| {
            noticed |= client.is_closed();
            true
        });
        noticed
    })
    .await;
    assert!(Users::get(&journal.storage, journal.user).await.unwrap().is_some());
}

#[tokio::test]
async fn a_silent_server_is_abandoned_for_the_next_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    let sentence = unavailable(Postgres::connect_with(&format!("postgres://ada@{silent}/sotto"), impatient()).await);
    assert!(sentence.contains("did not answer"), "{sentence}");

    let journal = Journal::new().await;
    let both = journal.url.replacen('@', &format!("@{silent},"), 1);
    let patient = PoolOptions { connect_within: Duration::from_secs(6), ..PoolOptions::default() };
    Postgres::connect_with(&both, patient).await.unwrap();
}

#[tokio::test]
async fn a_read_only_server_is_rejected() {
    let standby = Journal::new().await;
    let name = standby.url.rsplit('/').next().unwrap();
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    standby.admin.batch_execute(&read_only).await.unwrap();
    let sentence = unavailable(Postgres::connect(&standby.url).await);
    assert!(sentence.contains("does not allow writes"), "{sentence}");
}

#[tokio::test]
async fn a_connection_that_becomes_read_only_is_replaced() {
    let journal = Journal::with(PoolOptions { connections: 1, ..PoolOptions::default() }).await;
    let demote = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY";
    journal.storage.pool.lease().await.unwrap().client().unwrap().batch_execute(demote).await.unwrap();
    let write = || Users::set_active(&journal.storage, journal.user, true, now());
    unavailable(write().await);
    assert!(write().await.unwrap());
}

#[tokio::test]
async fn the_password_is_never_shown() {
    let journal = Journal::new().await;
    let (server, _) = journal.url.rsplit_once('/').unwrap();
    let url = format!("{}/nowhere", server.replacen('@', ":s3cret@", 1));
    let sentence = unavailable(Postgres::connect(&url).await);
    assert!(sentence.contains("\"nowhere\" does not exist"), "{sentence}");
    assert!(!sentence.contains("s3cret"), "{sentence}");

    let strict = refusing_every_password().await;
    let sentence = unavailable(Postgres::connect(&format!("postgres://ada:s3cret@{strict}/sotto")).await);
    assert!(sentence.contains("password authentication failed") && !sentence.contains("s3cret"), "{sentence}");
}

/// Starts a server that asks for a password in clear text and rejects it (manual, section 55.7). It serves one
/// connection.
async fn refusing_every_password() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut heard = [0; 1024];
        assert_ne!(socket.read(&mut heard).await.unwrap(), 0);
        socket.write_all(b"R\0\0\0\x08\0\0\0\x03").await.unwrap();
        assert_ne!(socket.read(&mut heard).await.unwrap(), 0);
        let fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"ada\"\0\0";
        let length = u32::try_from(fields.len() + 4).unwrap();
        let refusal = [b"E".as_slice(), &length.to_be_bytes(), fields].concat();
        socket.write_all(&refusal).await.unwrap();
    });
    address
}

impl Journal {
    /// The number of statements that wait for a lock.
    async fn waiting_statements(&self) -> i64 {
        let waiting = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
            WHERE NOT l.granted AND a.datname = current_database()";
        self.admin.query_one(waiting, &[]).await.unwrap().get(0)
    }
}

#[tokio::test]
async fn a_slow_statement_times_out_and_is_cancelled() {
    let journal = Journal::with(impatient()).await;
    journal.admin.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let sentence = unavailable(Users::get(&journal.storage, journal.user).await);
    assert!(sentence.contains("did not answer in time"), "{sentence}");
    wait_until("no statement waits for a lock", async || journal.waiting_statements().await == 0).await;
    // For a change, it is unknown whether the server has made it.
    let change = Users::set_active(&journal.storage, journal.user, true, now()).await;
    assert!(matches!(change, Err(StorageError::Unknown(_))), "{change:?}");
    journal.admin.batch_execute("ROLLBACK").await.unwrap();
    assert!(Users::get(&journal.storage, journal.user).await.unwrap().is_some());
}

#[tokio::test]
async fn a_full_disk_is_reported() {
    let journal = Journal::new().await;
    let full = "DO $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$";
    let refused = journal.storage.pool.execute(full, &[]).await;
    assert!(matches!(refused, Err(StorageError::Full(_))), "{refused:?}");
}

#[tokio::test]
async fn more_calls_than_connections_wait_or_fail_as_busy() {
    let journal = Journal::with(impatient()).await;
    let held = journal.storage.pool.lease().await.unwrap();
    assert!(matches!(journal.storage.ping().await, Err(StorageError::Busy)));
    drop(held);
    journal.storage.ping().await.unwrap();
}

#[tokio::test]
async fn an_abandoned_transaction_is_rolled_back() {
    let journal = Journal::with(PoolOptions { connections: 1, ..PoolOptions::default() }).await;
    let lease = journal.storage.pool.lease().await.unwrap();
    let rename = lease.prepare("UPDATE users SET full_name = 'Ada' WHERE id = $1").await.unwrap();
    let client = lease.client().unwrap();
    assert_eq!(lease.begin(client.execute(&rename, &[&journal.user.0])).await.unwrap(), 1);
    drop(lease);
    let user = Users::get(&journal.storage, journal.user).await.unwrap().unwrap();
    assert_eq!(user.full_name, None);

    // A caller that goes away while it waits for a lock leaves no lock behind either.
    journal.admin.batch_execute("BEGIN; LOCK TABLE journal_entries IN SHARE MODE").await.unwrap();
    let new = new_entry(1, "text");
    let create = Entries::create(&journal.storage, journal.user, &new, None, now());
    tokio::select! {
        outcome = create => panic!("the entry was created in spite of the lock: {outcome:?}"),
        () = wait_until("the statement waits for the lock", async || journal.waiting_statements().await > 0) => {}
    }
    journal.admin.batch_execute("ROLLBACK").await.unwrap();
    journal.storage.ping().await.unwrap();
}

#[tokio::test]
async fn closing_waits_for_running_calls() {
    let journal = Journal::new().await;
    let lease = journal.storage.pool.lease().await.unwrap();
    let work = async {
        tokio::task::yield_now().await;
        lease.query_opt("SELECT pg_sleep(0.1)", &[]).await.unwrap();
        drop(lease);
    };
    let ((), ()) = tokio::join!(biased; journal.storage.close(), work);
    let sentence = unavailable(journal.storage.ping().await);
    assert!(sentence.contains("closed"), "{sentence}");
}
