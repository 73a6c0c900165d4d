//! Elects the server that inspects a database, and lets the others read its findings.
//!
//! The inspecting server, the lead, holds an advisory lock on a separate connection, so its lead ends with this
//! connection, however the server ends. For each foreign key that it has found broken it holds another lock: all
//! servers can see locks, and locks need no table. Behind a pooler a lock may stay with a connection that other clients
//! use, so there each server inspects for itself.

use std::time::Duration;

use sotto_domain::Timestamp;
use sotto_domain::storage::Result;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::{Instant, mark, read, read_rows};
use crate::postgres::pool::{DriverResult, Pool};
use crate::postgres::server::{RESERVED_CONNECTIONS, Session};

/// The first number of all these locks (`Sott` in ASCII). The second number is zero or the object id of a foreign key.
const LOCK_CLASS: i32 = 0x536f_7474;
/// How long the server may take to respond.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The lead uses its connection at the end of each inspection, so the last use of the connection is the time of that
/// inspection.
const HELD: &str = concat!(
    mark!(),
    "SELECT l.objid = 0, coalesce(host(a.client_addr), 'the machine of the database'), a.state_change, c.conname::text
     FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
     LEFT JOIN pg_constraint c ON c.oid = l.objid AND c.contype = 'f' AND l.objid <> 0
     WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = $1::int4::oid
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY c.conname"
);
const TAKE: &str = "SELECT pg_try_advisory_lock($1, 0)";
const FREE_OF: &str = "SELECT count(pg_advisory_unlock($1, c.oid::int4)) FROM pg_constraint c
    WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace AND c.conname = ANY ($2)";
const TAKE_FOR: &str = "SELECT count(pg_try_advisory_lock($1, c.oid::int4)) FROM pg_constraint c
    WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace AND c.conname = ANY ($2)";

/// The connection that holds the locks.
pub struct Lead {
    client: Client,
    /// The foreign keys for which a lock is held.
    published: Vec<String>,
}

/// The findings of the inspecting server, read from its locks.
pub struct Findings {
    /// The address of that server.
    pub place: String,
    /// When its last inspection ended, if this role may know.
    pub at: Option<Timestamp>,
    /// The foreign keys that some rows violate.
    pub broken: Vec<String>,
}

impl Lead {
    /// Acquires the lock. Returns `None` if another server holds it, if the address leads to a pooler, if the server
    /// can spare no connection, or if it does not respond.
    pub async fn try_acquire(pool: &Pool) -> Option<Self> {
        let taken = timeout(RESPONSE_TIMEOUT, async {
            let (client, _) = pool.servers.connect_to_any().await?;
            let session = Session::read(&client).await?;
            if !session.direct || session.room < RESERVED_CONNECTIONS {
                return Ok(None);
            }
            let taken: bool = client.query_one(TAKE, &[&LOCK_CLASS]).await?.try_get(0)?;
            DriverResult::Ok(taken.then_some(client))
        });
        let client = taken.await.ok()?.ok()??;
        Some(Self { client, published: Vec::new() })
    }

    /// Whether the connection, and with it the lock, still exists.
    pub fn is_held(&self) -> bool {
        !self.client.is_closed()
    }

    /// Publishes the broken foreign keys to the other servers. Returns false if the connection does not respond; the
    /// lead must be dropped then.
    pub async fn publish(&mut self, broken: Vec<String>) -> bool {
        let mended: Vec<_> = self.published.iter().filter(|name| !broken.contains(name)).collect();
        let fresh: Vec<_> = broken.iter().filter(|name| !self.published.contains(name)).collect();
        let published = timeout(RESPONSE_TIMEOUT, async {
            self.client.query_one(FREE_OF, &[&LOCK_CLASS, &mended]).await?;
            self.client.query_one(TAKE_FOR, &[&LOCK_CLASS, &fresh]).await
        });
        let is_published = matches!(published.await, Ok(Ok(_)));
        self.published = broken;
        is_published
    }
}

impl Findings {
    /// Reads the findings of the inspecting server. Returns `None` if no server inspects this database.
    pub async fn read(pool: &Pool) -> Result<Option<Self>> {
        let held = read_rows(&pool.query(HELD, &[&LOCK_CLASS]).await?, |row| {
            let at: Option<Instant> = read(row, 2)?;
            Ok((read::<bool>(row, 0)?, read::<String>(row, 1)?, at.map(|at| at.0), read::<Option<String>>(row, 3)?))
        })?;
        let broken = held.iter().filter_map(|(.., name)| name.clone()).collect();
        let lead = held.into_iter().find(|(is_lead, ..)| *is_lead);
        Ok(lead.map(|(_, place, at, _)| Self { place, at, broken }))
    }
}
