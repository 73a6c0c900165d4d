//! Servers that freeze, do not accept connections yet, or come back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use sotto_domain::storage::Storage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{Journal, unavailable};
use crate::postgres::{PoolOptions, Postgres, wait_until_reachable};

/// A relay in front of the test server. A frozen relay still accepts connections, but sends nothing on any of them.
struct Relay {
    address: SocketAddr,
    frozen: watch::Sender<bool>,
    /// The number of connections that were accepted.
    accepted: Arc<AtomicUsize>,
}

impl Relay {
    /// Closes the first `refused` connections at once, and relays the others.
    async fn to(journal: &Journal, refused: usize) -> Self {
        let config: tokio_postgres::Config = journal.url.parse().unwrap();
        let server = (hostname(&config), config.get_ports()[0]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (frozen, watching) = watch::channel(false);
        let accepted: Arc<AtomicUsize> = Arc::default();
        let counter = accepted.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if counter.fetch_add(1, Ordering::Relaxed) < refused {
                    continue;
                }
                let server = TcpStream::connect(server.clone()).await.unwrap();
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(hand_on(from_client, to_server, watching.clone()));
                tokio::spawn(hand_on(from_server, to_client, watching.clone()));
            }
        });
        Self { address, frozen, accepted }
    }

    fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }
}

async fn hand_on(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut frozen: watch::Receiver<bool>,
) {
    let mut piece = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if frozen.wait_for(|frozen| !frozen).await.is_err() || to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

fn hostname(config: &tokio_postgres::Config) -> String {
    match &config.get_hosts()[0] {
        tokio_postgres::config::Host::Tcp(name) => name.clone(),
        tokio_postgres::config::Host::Unix(path) => panic!("the test server is at the socket {}", path.display()),
    }
}

/// Makes as many concurrent calls as there are connections, so that all of them are opened.
async fn use_all(storage: &Postgres, connections: usize) {
    let calls = (0..connections).map(|_| storage.pool.query("SELECT pg_sleep(0.3)", &[]));
    for result in join_all(calls).await {
        result.unwrap();
    }
}

#[tokio::test]
async fn only_the_first_connection_of_a_frozen_server_delays_a_call() {
    const CONNECTIONS: usize = 13;
    let journal = Journal::new().await;
    let relay = Relay::to(&journal, 0).await;
    let both = journal.url.replacen('@', &format!("@{},", relay.address), 1);
    let options = PoolOptions {
        connections: CONNECTIONS,
        connect_within: Duration::from_secs(8),
        answer_within: Duration::from_secs(3),
        ..PoolOptions::default()
    };
    let storage = Postgres::connect_with(&both, options).await.unwrap();
    use_all(&storage, CONNECTIONS).await;
    assert_eq!(storage.pool.connections.status().size, CONNECTIONS);
    assert!(relay.accepted.load(Ordering::Relaxed) >= CONNECTIONS);

    relay.freeze(true);
    let sentence = unavailable(storage.ping().await);
    assert!(sentence.contains("did not answer in time"), "{sentence}");
    storage.ping().await.unwrap();
    // From now on the other host is tried first.
    let before = relay.accepted.load(Ordering::Relaxed);
    use_all(&storage, CONNECTIONS).await;
    assert_eq!(relay.accepted.load(Ordering::Relaxed), before);
}

#[tokio::test]
async fn connections_that_still_answer_after_a_timeout_are_kept() {
    let journal =
        Journal::with(PoolOptions { connections: 4, answer_within: Duration::from_secs(2), ..PoolOptions::default() })
            .await;
    use_all(&journal.storage, 4).await;
    let processes = "SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity
        WHERE application_name = 'sotto' AND datname = current_database()";
    let before: Vec<i32> = journal.admin.query_one(processes, &[]).await.unwrap().get(0);
    assert_eq!(before.len(), 4);
    // A slow statement does not cast doubt on the other connections.
    unavailable(journal.storage.pool.query("SELECT pg_sleep(60)", &[]).await);
    for _ in 0..3 {
        journal.storage.ping().await.unwrap();
    }
    use_all(&journal.storage, 3).await;
    let after: Vec<i32> = journal.admin.query_one(processes, &[]).await.unwrap().get(0);
    let kept = before.iter().filter(|process| after.contains(process)).count();
    assert_eq!(kept, 3, "{before:?} and {after:?}");
}

#[tokio::test]
async fn a_server_that_starts_later_is_waited_for() {
    let journal = Journal::new().await;
    let relay = Relay::to(&journal, 3).await;
    let (server, database) = journal.url.rsplit_once('/').unwrap();
    let (user, _) = server.rsplit_once('@').unwrap();
    let url = format!("{user}@{}/{database}", relay.address);
    wait_until_reachable(&url, Duration::from_mins(2)).await.unwrap();
    assert_eq!(relay.accepted.load(Ordering::Relaxed), 4);

    let late = Relay::to(&journal, usize::MAX).await;
    let url = format!("{user}@{}/{database}", late.address);
    unavailable(wait_until_reachable(&url, Duration::from_secs(1)).await);
    let attempts = late.accepted.load(Ordering::Relaxed);
    assert!((2..=5).contains(&attempts), "{attempts}");
    unavailable(wait_until_reachable(&url, Duration::ZERO).await);
    assert_eq!(late.accepted.load(Ordering::Relaxed), attempts + 1);
}

#[tokio::test]
async fn permanent_errors_are_not_waited_for() {
    let journal = Journal::new().await;
    let (server, _) = journal.url.rsplit_once('/').unwrap();
    let url = format!("{server}/nowhere");
    let waiting = wait_until_reachable(&url, Duration::from_hours(1));
    let outcome = tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("it does not wait");
    let sentence = unavailable(outcome);
    assert!(sentence.contains("\"nowhere\" does not exist"), "{sentence}");
}
