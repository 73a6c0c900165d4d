//! The record of the attachment store on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use sotto_domain::attachment_store::Store;
use sotto_domain::storage::{AttachmentStore, Result};
use sotto_domain::{AttachmentId, StoreId, Timestamp, UserId};
use uuid::Uuid;

use super::Sqlite;
use super::row::read_row;
use crate::rows::store_columns;

#[async_trait]
impl AttachmentStore for Sqlite {
    async fn get(&self) -> Result<Option<Store>> {
        self.read(get).await
    }

    async fn identify(&self, fresh: StoreId, next_sweep_at: Timestamp, now: Timestamp) -> Result<Store> {
        self.write(move |connection| match get(connection)? {
            Some(store) => Ok(store),
            None => create(connection, fresh, next_sweep_at, now),
        })
        .await
    }

    async fn replace(&self, fresh: StoreId, next_sweep_at: Timestamp, now: Timestamp) -> Result<Store> {
        self.write(move |connection| {
            connection.prepare_cached("DELETE FROM attachment_store WHERE name = 'attachments'")?.execute([])?;
            create(connection, fresh, next_sweep_at, now)
        })
        .await
    }

    async fn begin_sweep(&self, seen: &Store, next_sweep_at: Timestamp, now: Timestamp) -> Result<bool> {
        let (id, sweeps) = (seen.id, seen.sweeps);
        self.write(move |connection| {
            let sql = "UPDATE attachment_store SET sweeps = sweeps + 1, next_sweep_at = ?3, updated_at = ?4
                       WHERE id = ?1 AND sweeps = ?2";
            let parameters = params![id.0.as_bytes(), sweeps, next_sweep_at.as_micros(), now.as_micros()];
            Ok(connection.prepare_cached(sql)?.execute(parameters)? == 1)
        })
        .await
    }

    async fn end_sweep(
        &self,
        id: StoreId,
        sweeps: u32,
        trouble: Option<&str>,
        next_sweep_at: Timestamp,
        now: Timestamp,
    ) -> Result<()> {
        let trouble = trouble.map(str::to_owned);
        self.write(move |connection| {
            let sql = "UPDATE attachment_store SET trouble = ?3, next_sweep_at = ?4, updated_at = ?5
                       WHERE id = ?1 AND sweeps = ?2";
            let parameters = params![id.0.as_bytes(), sweeps, trouble, next_sweep_at.as_micros(), now.as_micros()];
            connection.prepare_cached(sql)?.execute(parameters).map(drop)
        })
        .await
    }

    async fn freed(&self, after: Option<AttachmentId>, limit: u32) -> Result<Vec<(UserId, AttachmentId)>> {
        self.read(move |connection| {
            let sql = "SELECT user_id, id FROM freed_attachments WHERE id > ?1 ORDER BY id LIMIT ?2";
            page(connection, sql, after, limit)
        })
        .await
    }

    async fn remove_freed(&self, user: UserId, ids: &[AttachmentId]) -> Result<()> {
        let ids = ids.to_vec();
        self.write(move |connection| {
            let sql = "DELETE FROM freed_attachments WHERE id = ?2 AND user_id = ?1";
            let mut forget = connection.prepare_cached(sql)?;
            for id in ids {
                forget.execute([user.0.as_bytes(), id.0.as_bytes()])?;
            }
            Ok(())
        })
        .await
    }

    async fn recordings(&self, after: Option<AttachmentId>, limit: u32) -> Result<Vec<(UserId, AttachmentId)>> {
        self.read(move |connection| {
            let sql = "SELECT user_id, id FROM attachments WHERE id > ?1 ORDER BY id LIMIT ?2";
            page(connection, sql, after, limit)
        })
        .await
    }
}

fn get(connection: &Connection) -> rusqlite::Result<Option<Store>> {
    let sql = concat!("SELECT ", store_columns!(), " FROM attachment_store WHERE name = 'attachments'");
    connection.prepare_cached(sql)?.query_row([], read_row).optional()
}

fn create(connection: &Connection, id: StoreId, next_sweep_at: Timestamp, now: Timestamp) -> rusqlite::Result<Store> {
    let sql = "INSERT INTO attachment_store (id, name, sweeps, next_sweep_at, created_at, updated_at)
               VALUES (?1, 'attachments', 0, ?2, ?3, ?3)";
    let parameters = params![id.0.as_bytes(), next_sweep_at.as_micros(), now.as_micros()];
    connection.prepare_cached(sql)?.execute(parameters)?;
    Ok(Store { id, sweeps: 0, next_sweep_at, trouble: None })
}

/// Reads a page of ids. The parameters of `sql` are the id before the page and the page's length.
fn page(
    connection: &Connection,
    sql: &str,
    after: Option<AttachmentId>,
    limit: u32,
) -> rusqlite::Result<Vec<(UserId, AttachmentId)>> {
    // The nil id sorts before that of every recording.
    let after = after.map_or(Uuid::nil(), |after| after.0);
    connection.prepare_cached(sql)?.query_map(params![after.as_bytes(), limit], read_row)?.collect()
}
