//! The storage contract on PostgreSQL 15 or newer.
//!
//! Every query on a user's rows names the user as a plain parameter, nothing is kept in the session but prepared
//! statements, and time comes from the caller: so the same statements run on one server, behind `PgBouncer`
//! (transaction mode, 1.21 or newer) and on a database that Citus has distributed by `user_id`.

mod api_tokens;
mod attachments;
pub(crate) mod connect;
mod entries;
mod entry_list;
mod entry_row;
mod entry_tags;
pub(crate) mod error;
mod health;
mod identities;
mod opaque_sessions;
mod pool;
mod reminders;
mod sealed_entries;
mod secret_tags;
mod sessions;
mod tags;
mod users;
pub(crate) mod values;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod watch;

use async_trait::async_trait;
use sotto_domain::storage::{
    ApiTokens, Attachments, Entries, Health, Identities, OpaqueSessions, Reminders, Result, SealedEntries, SecretTags,
    Sessions, Storage, Tags, Users,
};

pub use pool::PoolOptions;

use pool::Pool;

/// A journal on a PostgreSQL server.
pub struct Postgres {
    pub(crate) pool: Pool,
}

impl Postgres {
    /// Connects with the usual [`PoolOptions`].
    ///
    /// # Errors
    /// `Unavailable` if the address is malformed or no server at it answers.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, PoolOptions::default()).await
    }

    /// Connects to `url`, a `postgres://` address with one host or several, which are tried in turn until one
    /// takes writes.
    ///
    /// `sslmode=require`, `verify-ca` and `verify-full` all mean TLS to a server whose certificate is valid for its
    /// name, as judged by the machine's trusted roots (or those in `SSL_CERT_FILE`). Without one of them the
    /// connection is not encrypted.
    ///
    /// # Errors
    /// `Unavailable` if the address is malformed or no server at it answers.
    pub async fn connect_with(url: &str, options: PoolOptions) -> Result<Self> {
        let storage = Self { pool: Pool::new(url, options)? };
        storage.ping().await?;
        Ok(storage)
    }
}

#[async_trait]
impl Storage for Postgres {
    fn users(&self) -> &dyn Users {
        self
    }

    fn sessions(&self) -> &dyn Sessions {
        self
    }

    fn identities(&self) -> &dyn Identities {
        self
    }

    fn api_tokens(&self) -> &dyn ApiTokens {
        self
    }

    fn entries(&self) -> &dyn Entries {
        self
    }

    fn tags(&self) -> &dyn Tags {
        self
    }

    fn reminders(&self) -> &dyn Reminders {
        self
    }

    fn secret_tags(&self) -> &dyn SecretTags {
        self
    }

    fn opaque_sessions(&self) -> &dyn OpaqueSessions {
        self
    }

    fn sealed_entries(&self) -> &dyn SealedEntries {
        self
    }

    fn attachments(&self) -> &dyn Attachments {
        self
    }

    fn health(&self) -> &dyn Health {
        self
    }

    async fn ping(&self) -> Result<()> {
        self.pool.execute("SELECT 1", &[]).await.map(drop)
    }

    fn engine(&self) -> &'static str {
        "postgres"
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}
