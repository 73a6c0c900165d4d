//! A connection that is lent for one unit of work, with a deadline for every wait.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_postgres::Object;
use sotto_domain::storage::{Result, StorageError};
use tokio::sync::{RwLockReadGuard, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::{Row, Statement};

use super::doubt::Doubt;
use super::error;
use super::pool::{DriverResult, Parameters, Pool};

/// A connection that is lent for one unit of work.
///
/// If it is dropped in the middle of the work (the caller went away, a statement failed), an open transaction is rolled
/// back before the connection is lent again. A connection that did not respond in time is never lent again.
pub struct Lease<'a> {
    client: Option<Object>,
    pool: &'a Pool,
    since: Instant,
    deadline: Instant,
    /// When the server is asked to interrupt a read; not before the deadline, unless this lease is for one read.
    read_deadline: Instant,
    /// The first prepared statement. Statements that are sent together are timed under its text.
    first: OnceLock<Box<str>>,
    waiting: AtomicBool,
    in_transaction: AtomicBool,
    spoilt: AtomicBool,
    _slot: SemaphorePermit<'a>,
    _open: RwLockReadGuard<'a, bool>,
}

impl<'a> Lease<'a> {
    /// The deadline counts from this call.
    pub(super) fn new(
        pool: &'a Pool,
        client: Object,
        slot: SemaphorePermit<'a>,
        open: RwLockReadGuard<'a, bool>,
    ) -> Self {
        let since = Instant::now();
        let deadline = since + pool.answer_within;
        Self {
            client: Some(client),
            pool,
            since,
            deadline,
            read_deadline: deadline,
            first: OnceLock::new(),
            waiting: AtomicBool::new(false),
            in_transaction: AtomicBool::new(false),
            spoilt: AtomicBool::new(false),
            _slot: slot,
            _open: open,
        }
    }

    /// For one statement of its own: if it is a `SELECT`, it has to end within the pool's `read_within`. The health
    /// checks' statements begin with a mark, so they have as much time as a change.
    pub(super) fn ending_reads_early(mut self) -> Self {
        self.read_deadline = self.deadline.min(self.since + self.pool.read_within);
        self
    }

    /// Implements [`Pool::execute`].
    pub async fn execute(&self, sql: &str, parameters: Parameters<'_>) -> Result<u64> {
        let client = self.client()?;
        self.timed(sql, async {
            client.execute(&self.statement(client, sql, Some(parameters)).await?, parameters).await
        })
        .await
    }

    /// Implements [`Pool::query_opt`].
    pub async fn query_opt(&self, sql: &str, parameters: Parameters<'_>) -> Result<Option<Row>> {
        let client = self.client()?;
        self.timed(sql, async {
            client.query_opt(&self.statement(client, sql, Some(parameters)).await?, parameters).await
        })
        .await
    }

    /// Implements [`Pool::query`].
    pub async fn query(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        let client = self.client()?;
        self.timed(sql, async { client.query(&self.statement(client, sql, Some(parameters)).await?, parameters).await })
            .await
    }

    /// Prepares a statement, unless it has been prepared on this connection before.
    ///
    /// Statements that are sent together have to be prepared beforehand: they are sent in the order in which they are
    /// first polled, and a preparation in between would change this order.
    pub async fn prepare(&self, sql: &str) -> Result<Statement> {
        self.first.get_or_init(|| sql.into());
        let client = self.client()?;
        self.wait(self.statement(client, sql, None)).await.map_err(error::harmless)
    }

    async fn statement(
        &self,
        client: &Object,
        sql: &str,
        #[cfg_attr(not(test), expect(unused_variables, reason = "tests look at them"))] parameters: Option<
            Parameters<'_>,
        >,
    ) -> DriverResult<Statement> {
        #[cfg(test)]
        self.pool.statement_log.log(client, sql, parameters).await?;
        client.prepare_cached(sql).await
    }

    /// The connection, for statements that are sent together in [`Self::begin`], [`Self::commit`] or
    /// [`Self::transaction`].
    pub fn client(&self) -> Result<&Object> {
        self.client.as_ref().ok_or_else(|| StorageError::Unavailable("the connection was given back".into()))
    }

    /// Opens a transaction and sends `first` with the same round trip.
    pub async fn begin<T>(&self, first: impl Future<Output = DriverResult<T>>) -> Result<T> {
        let client = self.client()?;
        self.in_transaction.store(true, Ordering::Relaxed);
        let opened = self.wait(async { tokio::try_join!(biased; client.batch_execute(BEGIN), first) }).await;
        // Without a COMMIT the transaction is rolled back, so it cannot have changed anything.
        opened.map(|((), result)| result).map_err(error::harmless)
    }

    /// Commits the transaction that [`Self::begin`] opened, and sends `last` with the same round trip. If `last` fails,
    /// so does the commit.
    pub async fn commit<T>(&self, last: impl Future<Output = DriverResult<T>>) -> Result<T> {
        let client = self.client()?;
        // All responses are awaited, even after an error, because the transaction has ended only when the last one
        // arrives.
        let ended = self.wait(async { Ok(tokio::join!(biased; last, client.batch_execute("COMMIT"))) }).await;
        self.ended(ended.map(|(result, commit)| result.and_then(|result| commit.map(|()| result))))
    }

    /// Runs a whole transaction in one round trip.
    pub async fn transaction<T>(&self, statements: impl Future<Output = DriverResult<T>>) -> Result<T> {
        let client = self.client()?;
        self.in_transaction.store(true, Ordering::Relaxed);
        let all = async {
            let (begin, result, commit) =
                tokio::join!(biased; client.batch_execute(BEGIN), statements, client.batch_execute("COMMIT"));
            Ok(begin.and(result).and_then(|result| commit.map(|()| result)))
        };
        let ended = self.wait(all).await;
        self.ended(ended)
    }

    fn ended<T>(&self, result: Result<DriverResult<T>>) -> Result<T> {
        let result = result?;
        self.in_transaction.store(false, Ordering::Relaxed);
        // Statements that are sent together are timed as one, under the text of the first.
        if let Some(first) = self.first.get() {
            self.pool.timings.add(first, self.since.elapsed(), 0);
        }
        result.map_err(|error| self.classify(error))
    }

    /// Waits for the response to one statement and records the time.
    pub(super) async fn timed<T>(&self, sql: &str, call: impl Future<Output = DriverResult<T>>) -> Result<T> {
        let start = Instant::now();
        let is_read = sql.starts_with("SELECT");
        let result = if is_read { self.wait_for_read(call).await } else { self.wait(call).await };
        self.pool.timings.add(sql, start.elapsed(), 0);
        if is_read { result.map_err(error::harmless) } else { result }
    }

    /// Waits for the response to a statement that changes nothing. At the read deadline, the server is asked to
    /// interrupt the statement, which then fails with `Busy`.
    ///
    /// A `SET statement_timeout` before each read would cost every read another two statements, and would not work in a
    /// session behind a pooler.
    async fn wait_for_read<T>(&self, call: impl Future<Output = DriverResult<T>>) -> Result<T> {
        let mut call = pin!(call);
        if self.read_deadline < self.deadline {
            self.waiting.store(true, Ordering::Relaxed);
            if let Ok(result) = timeout_at(self.read_deadline, &mut call).await {
                self.waiting.store(false, Ordering::Relaxed);
                return result.map_err(|error| self.classify(error));
            }
            // If the request to cancel is late, it must not hit the next statement on this connection.
            self.spoilt.store(true, Ordering::Relaxed);
            self.cancel();
        }
        self.wait(call).await
    }

    pub(super) async fn wait<T>(&self, call: impl Future<Output = DriverResult<T>>) -> Result<T> {
        self.waiting.store(true, Ordering::Relaxed);
        let result = timeout_at(self.deadline, call).await;
        self.waiting.store(false, Ordering::Relaxed);
        let Ok(result) = result else {
            self.spoilt.store(true, Ordering::Relaxed);
            self.pool.doubt.raise();
            self.cancel();
            return Err(StorageError::Unknown("the server did not answer in time".into()));
        };
        result.map_err(|error| self.classify(error))
    }

    fn classify(&self, error: tokio_postgres::Error) -> StorageError {
        if error::spoils_connection(&error) {
            self.spoilt.store(true, Ordering::Relaxed);
            // The other connections lead to the same server, and each would make one more call fail.
            self.pool.connections.retain(|_, _| false);
        }
        error::from_driver(error)
    }

    /// Asks the server to cancel a statement for which no caller waits any longer, such as a wait for a lock. Otherwise
    /// the server would run it to the end before it noticed the closed connection.
    fn cancel(&self) {
        let Ok(client) = self.client() else { return };
        let (token, tls) = (client.cancel_token(), self.pool.tls.clone());
        tokio::spawn(timeout(END_TIMEOUT, async move { token.cancel_query(tls).await }));
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
                Ok(runtime) => drop(runtime.spawn(finish(client, in_transaction, self.pool.doubt.clone()))),
                Err(_) => drop(Object::take(client)),
            }
        }
        // In all other cases, dropping `client` has returned the connection to the pool.
    }
}

/// Overrides the database's default isolation level: each statement has to see the changes that were committed while
/// the previous statement waited.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

const END_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns a connection to the pool after the server has responded to everything that was sent.
async fn finish(client: Object, in_transaction: bool, doubt: Arc<Doubt>) {
    let last = if in_transaction { "ROLLBACK" } else { "" };
    match timeout(END_TIMEOUT, client.batch_execute(last)).await {
        Ok(Ok(())) => drop(client),
        Ok(Err(_)) => drop(Object::take(client)),
        Err(_) => {
            doubt.raise();
            drop(Object::take(client));
        }
    }
}
