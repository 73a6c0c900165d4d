//! Idempotency keys on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::idempotency::{KEPT_SECONDS, KeyedCreate, RecordedCreate};
use sotto_domain::storage::{self, IdempotencyKeys, Result};
use sotto_domain::{Timestamp, UserId};
use uuid::Uuid;

use super::Sqlite;
use super::error::name_foreign_key;
use super::row::read_row;

#[async_trait]
impl IdempotencyKeys for Sqlite {
    async fn find(&self, user: UserId, key_hash: &[u8; 32]) -> Result<Option<RecordedCreate>> {
        let key_hash = *key_hash;
        self.read(move |connection| {
            let sql = "SELECT request_hash, created_id FROM idempotency_keys WHERE user_id = ?1 AND key_hash = ?2";
            connection.prepare_cached(sql)?.query_row(params![user.0.as_bytes(), key_hash], read_row).optional()
        })
        .await
    }

    async fn delete_expired(&self, now: Timestamp) -> Result<u64> {
        self.write(move |connection| {
            let sql = "DELETE FROM idempotency_keys WHERE created_at <= ?1";
            Ok(connection.prepare_cached(sql)?.execute([now.plus_seconds(-KEPT_SECONDS).as_micros()])? as u64)
        })
        .await
    }

    async fn correct_dates(&self, now: Timestamp) -> Result<u64> {
        self.write(move |connection| {
            let sql = "UPDATE idempotency_keys SET created_at = ?1, updated_at = ?1 WHERE created_at > ?2";
            let impossible = now.plus_seconds(CLOCK_TOLERANCE);
            Ok(connection.prepare_cached(sql)?.execute([now.as_micros(), impossible.as_micros()])? as u64)
        })
        .await
    }
}

impl Sqlite {
    /// Like [`Self::write`], for a create. With a key, runs `work` only if the key is unused, and uses up the key only
    /// if `was_created` says that `work` created the row with this id.
    pub(super) async fn create_keyed<T, W>(
        &self,
        key: Option<KeyedCreate>,
        id: Uuid,
        now: Timestamp,
        work: W,
        was_created: fn(&T) -> bool,
    ) -> storage::Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.write(move |connection| {
            let Some(key) = key else { return work(connection) };
            // The key is recorded first, so that a used key takes precedence over every other reason to reject the
            // create.
            record(connection, &key, id, now)?;
            let outcome = work(connection)?;
            if !was_created(&outcome) {
                let sql = "DELETE FROM idempotency_keys WHERE user_id = ?1 AND key_hash = ?2";
                connection.prepare_cached(sql)?.execute(params![key.user.0.as_bytes(), key.key_hash])?;
            }
            Ok(outcome)
        })
        .await
    }
}

fn record(connection: &Connection, key: &KeyedCreate, id: Uuid, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT INTO idempotency_keys (user_id, key_hash, request_hash, created_id, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
    let parameters = params![key.user.0.as_bytes(), key.key_hash, key.request_hash, id.as_bytes(), now.as_micros()];
    connection.prepare_cached(sql)?.execute(parameters).map_err(name_foreign_key("fk_idempotency_keys_user")).map(drop)
}
