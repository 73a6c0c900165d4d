//! Stores the idempotency keys of create requests.

use async_trait::async_trait;
use deadpool_postgres::Object;
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::idempotency::{KEPT_SECONDS, KeyedCreate, RecordedCreate};
use sotto_domain::storage::{IdempotencyKeys, Result};
use sotto_domain::{Timestamp, UserId};
use tokio_postgres::Statement;
use uuid::Uuid;

use super::Postgres;
use super::lease::Lease;
use super::pool::{DriverResult, Parameters};
use super::row::read_row;
use super::values::Instant;

const RECORD: &str = "INSERT INTO idempotency_keys
    (user_id, key_hash, request_hash, created_id, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)";

const FIND: &str = "SELECT request_hash, created_id FROM idempotency_keys WHERE user_id = $1 AND key_hash = $2";

const DELETE_EXPIRED: &str = "DELETE FROM idempotency_keys WHERE created_at <= $1";

const CORRECT_DATES: &str = "UPDATE idempotency_keys SET created_at = $1, updated_at = $1 WHERE created_at > $2";

#[async_trait]
impl IdempotencyKeys for Postgres {
    async fn find(&self, user: UserId, key_hash: &[u8; 32]) -> Result<Option<RecordedCreate>> {
        let row = self.pool.query_opt(FIND, &[&user.0, &key_hash.as_slice()]).await?;
        row.as_ref().map(read_row).transpose()
    }

    async fn delete_expired(&self, now: Timestamp) -> Result<u64> {
        self.pool.execute(DELETE_EXPIRED, &[&Instant(now.plus_seconds(-KEPT_SECONDS))]).await
    }

    async fn correct_dates(&self, now: Timestamp) -> Result<u64> {
        let impossible = now.plus_seconds(CLOCK_TOLERANCE);
        self.pool.execute(CORRECT_DATES, &[&Instant(now), &Instant(impossible)]).await
    }
}

/// The record of a create with an idempotency key. It is written in the transaction of the create, before the row
/// itself: so a used key takes precedence over any other reason to reject the create, and the second of two concurrent
/// creates waits here for the first.
pub struct Record {
    statement: Statement,
    key: KeyedCreate,
    id: Uuid,
    now: Instant,
}

impl Record {
    /// Prepares the statement. Returns `None` if the create has no key.
    pub async fn prepare(
        lease: &Lease<'_>,
        key: Option<KeyedCreate>,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        let Some(key) = key else { return Ok(None) };
        Ok(Some(Self { statement: lease.prepare(RECORD).await?, key, id, now: Instant(now) }))
    }

    /// Writes the record, if there is one. Only a commit makes it permanent.
    pub async fn write(record: Option<&Self>, client: &Object) -> DriverResult<()> {
        let Some(Self { statement, key, id, now }) = record else { return Ok(()) };
        let (key_hash, request_hash) = (key.key_hash.as_slice(), key.request_hash.as_slice());
        client.execute(statement, &[&key.user.0, &key_hash, &request_hash, id, now]).await.map(drop)
    }
}

impl Postgres {
    /// Runs a create that consists of one statement, and returns the number of rows that were created. With a key, the
    /// statement runs in one transaction with the record, which is kept only if a row was created.
    pub(super) async fn create_keyed(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
        key: Option<KeyedCreate>,
        id: Uuid,
        now: Timestamp,
    ) -> Result<u64> {
        if key.is_none() {
            return self.pool.execute(sql, parameters).await;
        }
        let lease = self.pool.lease().await?;
        let (create, record) = (lease.prepare(sql).await?, Record::prepare(&lease, key, id, now).await?);
        let client = lease.client()?;
        let write = Box::pin(async {
            tokio::try_join!(biased; Record::write(record.as_ref(), client), client.execute(&create, parameters))
        });
        let ((), rows) = lease.begin(write).await?;
        if rows > 0 {
            lease.commit(async { Ok(()) }).await?;
        }
        Ok(rows)
    }
}
