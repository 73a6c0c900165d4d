//! Connections, lent out for one unit of work at a time, with a deadline around every wait.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, QueueMode, RecyclingMethod, Runtime};
use sotto_domain::storage::{Result, StorageError};
use tokio::sync::{RwLock, RwLockReadGuard};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connect::Servers;
use super::error;
use crate::statements::Timings;

/// How many connections are kept, and how long is waited for them.
#[derive(Debug, Clone, Copy)]
pub struct PoolOptions {
    /// Connections at most; 16 by default. More calls at once than this wait for each other.
    pub connections: usize,
    /// How long a call waits for a connection to be free, and again for one to be made; 5 seconds by default.
    pub connect_within: Duration,
    /// How long a call may take once it has a connection; 15 seconds by default.
    pub answer_within: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self { connections: 16, connect_within: Duration::from_secs(5), answer_within: Duration::from_secs(15) }
    }
}

/// The parameters of a statement, `$1` first.
pub type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The parameters of a statement that is not prepared, with their types.
pub type TypedParameters<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// What the driver answers.
pub type Answer<T> = std::result::Result<T, tokio_postgres::Error>;

/// The connections to one database.
pub struct Pool {
    pub(super) connections: deadpool_postgres::Pool,
    /// How long this process has waited for each statement.
    pub(super) timings: Timings,
    tls: MakeRustlsConnect,
    answer_within: Duration,
    /// Held for reading by every lease, so that closing waits until all have been given back.
    open: RwLock<bool>,
    /// What tests about plans look at.
    #[cfg(test)]
    pub(crate) watch: super::watch::Watch,
}

impl Pool {
    /// A pool that connects when it is first used.
    pub fn new(url: &str, options: PoolOptions) -> Result<Self> {
        let servers = Servers::parse(url, options.connect_within)?;
        let tls = servers.tls();
        let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let connections = deadpool_postgres::Pool::builder(Manager::from_connect(servers.first(), servers, fast))
            .max_size(options.connections.max(1))
            .wait_timeout(Some(options.connect_within))
            .create_timeout(Some(options.connect_within))
            .runtime(Runtime::Tokio1)
            // The connection used last has the warmest caches, on the server as well.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| StorageError::Other(Box::new(error)))?;
        Ok(Self {
            connections,
            timings: Timings::default(),
            tls,
            answer_within: options.answer_within,
            open: RwLock::new(true),
            #[cfg(test)]
            watch: <_>::default(),
        })
    }

    /// A connection for one unit of work, which must be done before the deadline that begins now. Whoever holds a
    /// lease must not ask for another: with all connections lent, both would wait.
    pub async fn lease(&self) -> Result<Lease<'_>> {
        let open = self.open.read().await;
        if !*open {
            return Err(StorageError::Unavailable("it was closed".into()));
        }
        let client = self.connections.get().await.map_err(error::from_pool)?;
        Ok(Lease {
            client: Some(client),
            pool: self,
            since: Instant::now(),
            deadline: Instant::now() + self.answer_within,
            first: OnceLock::new(),
            waiting: AtomicBool::new(false),
            in_transaction: AtomicBool::new(false),
            spoilt: AtomicBool::new(false),
            _open: open,
        })
    }

    /// Runs one statement and says how many rows it touched.
    pub async fn execute(&self, sql: &str, parameters: Parameters<'_>) -> Result<u64> {
        self.lease().await?.execute(sql, parameters).await
    }

    /// Runs one statement that answers one row at most.
    pub async fn query_opt(&self, sql: &str, parameters: Parameters<'_>) -> Result<Option<Row>> {
        self.lease().await?.query_opt(sql, parameters).await
    }

    /// Runs one statement.
    pub async fn query(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        self.lease().await?.query(sql, parameters).await
    }

    /// Runs one statement that is planned for the values of its parameters.
    pub async fn query_planned_anew(&self, sql: &str, parameters: TypedParameters<'_>) -> Result<Vec<Row>> {
        let lease = self.lease().await?;
        #[cfg(test)]
        lease.wait(self.watch.note_planned_anew(lease.client()?, sql, parameters)).await?;
        lease.timed(sql, lease.client()?.query_typed(sql, parameters)).await
    }

    /// Waits for the leases that are out, and closes all connections.
    pub async fn close(&self) {
        *self.open.write().await = false;
        self.connections.close();
    }
}

/// A connection, lent for one unit of work.
///
/// When it is dropped in the middle of one (the caller went away, a statement failed), what is open is rolled back
/// before the connection is lent again; one that did not answer in time is never lent again.
pub struct Lease<'a> {
    client: Option<Object>,
    pool: &'a Pool,
    since: Instant,
    deadline: Instant,
    /// The first statement that was prepared to travel with others.
    first: OnceLock<Box<str>>,
    waiting: AtomicBool,
    in_transaction: AtomicBool,
    spoilt: AtomicBool,
    _open: RwLockReadGuard<'a, bool>,
}

impl Lease<'_> {
    /// See [`Pool::execute`].
    pub async fn execute(&self, sql: &str, parameters: Parameters<'_>) -> Result<u64> {
        let client = self.client()?;
        self.timed(sql, async {
            client.execute(&self.statement(client, sql, Some(parameters)).await?, parameters).await
        })
        .await
    }

    /// See [`Pool::query_opt`].
    pub async fn query_opt(&self, sql: &str, parameters: Parameters<'_>) -> Result<Option<Row>> {
        let client = self.client()?;
        self.timed(sql, async {
            client.query_opt(&self.statement(client, sql, Some(parameters)).await?, parameters).await
        })
        .await
    }

    /// See [`Pool::query`].
    pub async fn query(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        let client = self.client()?;
        self.timed(sql, async { client.query(&self.statement(client, sql, Some(parameters)).await?, parameters).await })
            .await
    }

    /// Prepares a statement, if that was not done on this connection before.
    ///
    /// Statements that are to travel together have to be prepared before: their order on the wire is the order in
    /// which they are first polled.
    pub async fn prepare(&self, sql: &str) -> Result<Statement> {
        self.first.get_or_init(|| sql.into());
        let client = self.client()?;
        self.wait(self.statement(client, sql, None)).await
    }

    async fn statement(
        &self,
        client: &Object,
        sql: &str,
        #[cfg_attr(not(test), expect(unused_variables, reason = "tests look at them"))] parameters: Option<
            Parameters<'_>,
        >,
    ) -> Answer<Statement> {
        #[cfg(test)]
        self.pool.watch.note(client, sql, parameters).await?;
        client.prepare_cached(sql).await
    }

    /// The connection, for statements that travel together in [`Self::begin`], [`Self::commit`] or
    /// [`Self::transaction`].
    pub fn client(&self) -> Result<&Object> {
        self.client.as_ref().ok_or_else(|| StorageError::Unavailable("the connection was given back".into()))
    }

    /// Opens a transaction; `first` travels along.
    pub async fn begin<T>(&self, first: impl Future<Output = Answer<T>>) -> Result<T> {
        let client = self.client()?;
        self.in_transaction.store(true, Ordering::Relaxed);
        let ((), answer) = self.wait(async { tokio::try_join!(biased; client.batch_execute(BEGIN), first) }).await?;
        Ok(answer)
    }

    /// Commits the transaction that [`Self::begin`] opened; `last` travels along. If it fails, so does the commit.
    pub async fn commit<T>(&self, last: impl Future<Output = Answer<T>>) -> Result<T> {
        let client = self.client()?;
        // All answers are awaited, also after an error: the transaction has ended when the last one is there.
        let ended = self.wait(async { Ok(tokio::join!(biased; last, client.batch_execute("COMMIT"))) }).await;
        self.ended(ended.map(|(answer, commit)| answer.and_then(|answer| commit.map(|()| answer))))
    }

    /// Runs a whole transaction in one round trip.
    pub async fn transaction<T>(&self, statements: impl Future<Output = Answer<T>>) -> Result<T> {
        let client = self.client()?;
        self.in_transaction.store(true, Ordering::Relaxed);
        let all = async {
            let (begin, answer, commit) =
                tokio::join!(biased; client.batch_execute(BEGIN), statements, client.batch_execute("COMMIT"));
            Ok(begin.and(answer).and_then(|answer| commit.map(|()| answer)))
        };
        let ended = self.wait(all).await;
        self.ended(ended)
    }

    fn ended<T>(&self, answer: Result<Answer<T>>) -> Result<T> {
        let answer = answer?;
        self.in_transaction.store(false, Ordering::Relaxed);
        // Statements that travel together are timed as one, under the text of the first.
        if let Some(first) = self.first.get() {
            self.pool.timings.add(first, self.since.elapsed(), 0);
        }
        answer.map_err(|error| self.judge(error))
    }

    /// Waits for the answer to one statement, and notes how long that took.
    async fn timed<T>(&self, sql: &str, answer: impl Future<Output = Answer<T>>) -> Result<T> {
        let start = Instant::now();
        let answer = self.wait(answer).await;
        self.pool.timings.add(sql, start.elapsed(), 0);
        answer
    }

    async fn wait<T>(&self, answer: impl Future<Output = Answer<T>>) -> Result<T> {
        self.waiting.store(true, Ordering::Relaxed);
        let answer = timeout_at(self.deadline, answer).await;
        self.waiting.store(false, Ordering::Relaxed);
        let Ok(answer) = answer else {
            self.spoilt.store(true, Ordering::Relaxed);
            self.cancel();
            return Err(StorageError::Unavailable("the server did not answer in time".into()));
        };
        answer.map_err(|error| self.judge(error))
    }

    fn judge(&self, error: tokio_postgres::Error) -> StorageError {
        if error::spoils_connection(&error) {
            self.spoilt.store(true, Ordering::Relaxed);
            // The others lead to the same server, and would fail one call each.
            self.pool.connections.retain(|_, _| false);
        }
        error::from_driver(error)
    }

    /// Asks the server to stop what nobody waits for any longer, such as a wait for a lock: it would notice only at
    /// the end that the connection is gone.
    fn cancel(&self) {
        let Ok(client) = self.client() else { return };
        let (token, tls) = (client.cancel_token(), self.pool.tls.clone());
        tokio::spawn(timeout(FINISH_WITHIN, async move { token.cancel_query(tls).await }));
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let in_transaction = *self.in_transaction.get_mut();
        if *self.spoilt.get_mut() {
            drop(Object::take(client));
        } else if in_transaction || *self.waiting.get_mut() {
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(finish(client, in_transaction))),
                Err(_) => drop(Object::take(client)),
            }
        }
        // In all other cases dropping it has given it back.
    }
}

/// `READ COMMITTED` whatever the database's default is: a statement has to see what was committed while the one
/// before it waited.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// Gives a connection back once it has answered all that it was asked.
async fn finish(client: Object, in_transaction: bool) {
    let last = if in_transaction { "ROLLBACK" } else { "" };
    match timeout(FINISH_WITHIN, client.batch_execute(last)).await {
        Ok(Ok(())) => drop(client),
        _ => drop(Object::take(client)),
    }
}
