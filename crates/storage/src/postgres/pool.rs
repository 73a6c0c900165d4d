//! The pool of connections to a database: how many it has, when it opens and closes them, and how it lends them.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, PoolError, QueueMode, RecyclingMethod, Runtime,
};
use sotto_domain::storage::{Result, StorageError};
use tokio::sync::{RwLock, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connect::{Connector, Servers};
use super::doubt::Doubt;
use super::lease::Lease;
use super::server::{self, Session};
use super::slots::Slots;
use super::{error, pooler};
use crate::statements::Timings;

/// How many connections the pool has, and how long calls wait.
#[derive(Debug, Clone, Copy)]
pub struct PoolOptions {
    /// The maximum number of connections; 16 by default. Further concurrent calls wait. If the server has fewer to
    /// spare, the pool has fewer.
    pub connections: usize,
    /// How long a call waits for a free connection, and then again for a new one to be opened; 5 seconds by default.
    pub connect_within: Duration,
    /// How long a call may take once it has a connection; 15 seconds by default.
    pub answer_within: Duration,
    /// How long a read of a user's rows may take once it has a connection; 5 seconds by default. After that, the server
    /// is asked to interrupt it.
    pub read_within: Duration,
    /// How long a connection may be idle before it is closed; 5 minutes by default.
    pub close_idle_after: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            connections: 16,
            connect_within: Duration::from_secs(5),
            answer_within: Duration::from_secs(15),
            read_within: Duration::from_secs(5),
            close_idle_after: Duration::from_mins(5),
        }
    }
}

/// The parameters of a statement, beginning with `$1`.
pub type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The parameters of a statement that is not prepared, each with its type.
pub type TypedParameters<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// The driver's result.
pub type DriverResult<T> = std::result::Result<T, tokio_postgres::Error>;

/// The connections to one database.
pub struct Pool {
    pub(super) connections: deadpool_postgres::Pool,
    /// How long this process has waited for each statement.
    pub(super) timings: Timings,
    pub(super) tls: MakeRustlsConnect,
    /// The hosts, also used for connections outside of the pool.
    pub(super) servers: Arc<Servers>,
    connect_within: Duration,
    pub(super) answer_within: Duration,
    pub(super) read_within: Duration,
    slots: Arc<Slots>,
    pub(super) doubt: Arc<Doubt>,
    /// Each lease holds a read lock, so that `close` waits until all leases have been returned.
    open: RwLock<bool>,
    /// The log that tests of query plans read.
    #[cfg(test)]
    pub(crate) statement_log: super::statement_log::StatementLog,
}

impl Pool {
    /// Creates a pool, which connects when it is first used.
    pub fn new(url: &str, options: PoolOptions) -> Result<Self> {
        let mut servers = Servers::parse(url, options.connect_within)?;
        // If this process stops, the server does not run its statements much longer than it would have waited for them.
        servers.limit_statements(options.answer_within * 2);
        let servers = Arc::new(servers);
        let (tls, doubt, slots) = (servers.tls(), Arc::<Doubt>::default(), Arc::new(Slots::new(options.connections)));
        let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(servers.first(), Connector(servers.clone()), fast);
        let connections = deadpool_postgres::Pool::builder(manager)
            .max_size(slots.most())
            .wait_timeout(Some(options.connect_within))
            .create_timeout(Some(options.connect_within))
            .runtime(Runtime::Tokio1)
            // The most recently used connection has the warmest caches, on the server too.
            .queue_mode(QueueMode::Lifo)
            .post_create(admitting(servers.clone(), slots.clone()))
            .pre_recycle(trusting(doubt.clone()))
            .build()
            .map_err(|error| StorageError::Other(Box::new(error)))?;
        slots.keep(&connections, options.close_idle_after);
        Ok(Self {
            connections,
            timings: Timings::default(),
            tls,
            servers,
            connect_within: options.connect_within,
            answer_within: options.answer_within,
            read_within: options.read_within,
            slots,
            doubt,
            open: RwLock::new(true),
            #[cfg(test)]
            statement_log: <_>::default(),
        })
    }

    /// Lends a connection for one unit of work, which has to end before the deadline that starts now. A caller that
    /// holds a lease must not ask for another one: if all connections are lent, it would wait for itself.
    pub async fn lease(&self) -> Result<Lease<'_>> {
        let open = self.open.read().await;
        if !*open {
            return Err(StorageError::Unavailable("it was closed".into()));
        }
        let (client, slot) = self.connection().await?;
        Ok(Lease::new(self, client, slot, open))
    }

    /// Returns a free connection or opens a new one. If the server has none to spare, waits until one is free.
    async fn connection(&self) -> Result<(Object, SemaphorePermit<'_>)> {
        let until = Instant::now() + self.connect_within;
        loop {
            let slot = timeout_at(until, self.slots.acquire()).await.map_err(|_| StorageError::Busy)??;
            match self.connections.get().await {
                Ok(client) => return Ok((client, slot)),
                Err(error) if is_full(&error) && Instant::now() < until => self.slots.surrender(slot).await,
                Err(error) => return Err(error::from_pool(error)),
            }
        }
    }

    /// Rejects a database that cannot be used, and logs warnings that an operator should know about.
    pub async fn check_server(&self, connections: usize) -> Result<()> {
        let lease = self.lease().await?;
        let checked = timeout(self.answer_within, server::check(lease.client()?, connections)).await;
        checked.unwrap_or_else(|_| Err(StorageError::Unavailable("the server did not answer in time".into())))
    }

    /// Runs one statement and returns the number of affected rows.
    pub async fn execute(&self, sql: &str, parameters: Parameters<'_>) -> Result<u64> {
        self.lease().await?.execute(sql, parameters).await
    }

    /// Runs one statement that returns at most one row. A `SELECT` is interrupted after `read_within`, and returns
    /// `Busy`.
    pub async fn query_opt(&self, sql: &str, parameters: Parameters<'_>) -> Result<Option<Row>> {
        self.lease().await?.ending_reads_early().query_opt(sql, parameters).await
    }

    /// Runs one statement and returns its rows. A `SELECT` is interrupted after `read_within`, and returns `Busy`.
    pub async fn query(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        self.lease().await?.ending_reads_early().query(sql, parameters).await
    }

    /// Like [`Self::query`], with a plan that is made for the values of the parameters.
    pub async fn query_with_custom_plan(&self, sql: &str, parameters: TypedParameters<'_>) -> Result<Vec<Row>> {
        let lease = self.lease().await?.ending_reads_early();
        #[cfg(test)]
        lease.wait(self.statement_log.log_with_custom_plan(lease.client()?, sql, parameters)).await?;
        lease.timed(sql, lease.client()?.query_typed(sql, parameters)).await.map_err(error::harmless)
    }

    /// Waits until all leases have been returned, and closes all connections.
    pub async fn close(&self) {
        *self.open.write().await = false;
        self.connections.close();
    }
}

/// The message of a new connection that has to be closed again.
pub(super) const NO_ROOM: &str = "the server has no connection to spare";

fn is_full(error: &PoolError) -> bool {
    match error {
        PoolError::PostCreateHook(HookError::Message(text)) => text == NO_ROOM,
        PoolError::Backend(error) => error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS),
        _ => false,
    }
}

/// Checks each new connection. A connection through an unsafe pooler is rejected. One of the server's last connections
/// is closed again, unless this pool has no other.
fn admitting(servers: Arc<Servers>, slots: Arc<Slots>) -> Hook {
    Hook::async_fn(move |client: &mut ClientWrapper, _| {
        let (servers, slots) = (servers.clone(), slots.clone());
        Box::pin(async move {
            let checked = timeout(server::RESPONSE_TIMEOUT, async {
                let session = Session::read(client).await.map_err(HookError::Backend)?;
                if !session.direct {
                    let safe = pooler::check(client, &servers).await;
                    return safe.map_err(|error| HookError::message(error.to_string()));
                }
                if session.room < server::RESERVED_CONNECTIONS && slots.has_others() {
                    return Err(HookError::message(NO_ROOM));
                }
                Ok(())
            });
            checked.await.unwrap_or_else(|_| Err(HookError::message("the server did not answer in time")))
        })
    })
}

/// Checks a connection before it is lent again.
fn trusting(doubt: Arc<Doubt>) -> Hook {
    Hook::async_fn(move |client: &mut ClientWrapper, metrics| {
        let doubt = doubt.clone();
        Box::pin(async move {
            if doubt.clears(client, metrics).await { Ok(()) } else { Err(HookError::message("it does not answer")) }
        })
    })
}
