//! The storage contract on PostgreSQL 15 or newer.
//!
//! The same statements run on one server, behind `PgBouncer` (transaction mode, 1.21 or newer) and on a database that
//! Citus has distributed by `user_id`. For this, every query on a user's rows names the user as a plain parameter, the
//! time comes from the caller, and a session keeps no state except prepared statements.

pub(crate) mod address;
mod api_tokens;
mod attachment_store;
mod attachments;
pub(crate) mod connect;
mod doubt;
mod entries;
mod entry_list;
mod entry_row;
mod entry_tags;
pub(crate) mod error;
mod health;
mod idempotency;
mod identities;
mod lease;
mod opaque_sessions;
mod pool;
mod pooler;
mod reminders;
mod room;
mod row;
mod sealed_entries;
mod secret_tags;
mod security_events;
pub(crate) mod server;
mod sessions;
mod slots;
mod tags;
mod users;
pub(crate) mod values;
mod wait;

#[cfg(test)]
pub(crate) mod statement_log;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use sotto_domain::storage::{Result, Storage};

pub use pool::PoolOptions;
pub use wait::wait_until_reachable;

use pool::Pool;

/// A journal on a PostgreSQL server.
pub struct Postgres {
    pub(crate) pool: Pool,
    inspection: tokio::sync::Mutex<health::Inspection>,
}

impl Postgres {
    /// Connects with the default [`PoolOptions`].
    ///
    /// # Errors
    /// `Unavailable` if the address is malformed or if no server at this address responds.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, PoolOptions::default()).await
    }

    /// Connects to `url`, a `postgres://` address with one or more hosts. The hosts are tried in turn until one accepts
    /// writes.
    ///
    /// With `sslmode=require`, `verify-ca` or `verify-full` (which all mean the same here), the connection uses TLS,
    /// and the server's certificate must be valid for the host name according to the machine's trusted roots (or those
    /// in `SSL_CERT_FILE`). Without one of these, the connection is not encrypted.
    ///
    /// # Errors
    /// `Unavailable` if the address is malformed or if no server at this address responds.
    pub async fn connect_with(url: &str, options: PoolOptions) -> Result<Self> {
        let storage = Self { pool: Pool::new(url, options)?, inspection: <_>::default() };
        storage.ping().await?;
        storage.pool.check_server(options.connections).await?;
        Ok(storage)
    }
}

#[async_trait]
impl Storage for Postgres {
    async fn ping(&self) -> Result<()> {
        self.pool.execute("SELECT 1", &[]).await.map(drop)
    }

    async fn probe_room(&self) -> Result<()> {
        room::fill_table(&self.pool).await
    }

    fn engine(&self) -> &'static str {
        "postgres"
    }

    async fn close(&self) {
        self.pool.close().await;
        *self.inspection.lock().await = health::Inspection::default();
    }
}
