//! Stores the database's record of its attachment store: identity, sweeps and freed attachments.

use async_trait::async_trait;
use sotto_domain::attachment_store::Store;
use sotto_domain::storage::{AttachmentStore, Result};
use sotto_domain::{AttachmentId, StoreId, Timestamp, UserId};
use uuid::Uuid;

use super::row::read_row;
use super::values::{Instant, integer, read_rows};
use super::{Postgres, error};
use crate::rows::store_columns;

const GET: &str = concat!("SELECT ", store_columns!(), " FROM attachment_store WHERE name = 'attachments'");

const IDENTIFY: &str = "INSERT INTO attachment_store (id, name, sweeps, next_sweep_at, created_at, updated_at)
    VALUES ($1, 'attachments', 0, $2, $3, $3) ON CONFLICT (name) DO NOTHING";

const REPLACE: &str = "INSERT INTO attachment_store (id, name, sweeps, next_sweep_at, created_at, updated_at)
    VALUES ($1, 'attachments', 0, $2, $3, $3)
    ON CONFLICT (name) DO UPDATE
    SET id = excluded.id, sweeps = excluded.sweeps, next_sweep_at = excluded.next_sweep_at, trouble = NULL,
        created_at = excluded.created_at, updated_at = excluded.updated_at";

const BEGIN_SWEEP: &str = "UPDATE attachment_store SET sweeps = sweeps + 1, next_sweep_at = $3, updated_at = $4
    WHERE id = $1 AND sweeps = $2";

const END_SWEEP: &str = "UPDATE attachment_store SET trouble = $3, next_sweep_at = $4, updated_at = $5
    WHERE id = $1 AND sweeps = $2";

const FREED: &str = "SELECT user_id, id FROM freed_attachments WHERE id > $1 ORDER BY id LIMIT $2";

const FORGET_FREED: &str = "DELETE FROM freed_attachments WHERE user_id = $1 AND id = ANY ($2)";

const RECORDINGS: &str = "SELECT user_id, id FROM attachments WHERE id > $1 ORDER BY id LIMIT $2";

#[async_trait]
impl AttachmentStore for Postgres {
    async fn get(&self) -> Result<Option<Store>> {
        self.pool.query_opt(GET, &[]).await?.as_ref().map(read_row).transpose()
    }

    async fn identify(&self, fresh: StoreId, next_sweep_at: Timestamp, now: Timestamp) -> Result<Store> {
        self.pool.execute(IDENTIFY, &[&fresh.0, &Instant(next_sweep_at), &Instant(now)]).await?;
        let found = AttachmentStore::get(self).await?;
        found.ok_or_else(|| error::corrupt("attachment_store", "the row is missing after its insert"))
    }

    async fn replace(&self, fresh: StoreId, next_sweep_at: Timestamp, now: Timestamp) -> Result<Store> {
        self.pool.execute(REPLACE, &[&fresh.0, &Instant(next_sweep_at), &Instant(now)]).await?;
        Ok(Store { id: fresh, sweeps: 0, next_sweep_at, trouble: None })
    }

    async fn begin_sweep(&self, seen: &Store, next_sweep_at: Timestamp, now: Timestamp) -> Result<bool> {
        let sweeps = integer(seen.sweeps)?;
        let changed =
            self.pool.execute(BEGIN_SWEEP, &[&seen.id.0, &sweeps, &Instant(next_sweep_at), &Instant(now)]).await?;
        Ok(changed == 1)
    }

    async fn end_sweep(
        &self,
        id: StoreId,
        sweeps: u32,
        trouble: Option<&str>,
        next_sweep_at: Timestamp,
        now: Timestamp,
    ) -> Result<()> {
        let sweeps = integer(sweeps)?;
        let (next, now) = (Instant(next_sweep_at), Instant(now));
        self.pool.execute(END_SWEEP, &[&id.0, &sweeps, &trouble, &next, &now]).await.map(drop)
    }

    async fn freed(&self, after: Option<AttachmentId>, limit: u32) -> Result<Vec<(UserId, AttachmentId)>> {
        read_rows(&self.pool.query(FREED, &[&start_after(after), &i64::from(limit)]).await?, read_row)
    }

    async fn remove_freed(&self, user: UserId, ids: &[AttachmentId]) -> Result<()> {
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        self.pool.execute(FORGET_FREED, &[&user.0, &ids]).await.map(drop)
    }

    async fn recordings(&self, after: Option<AttachmentId>, limit: u32) -> Result<Vec<(UserId, AttachmentId)>> {
        read_rows(&self.pool.query(RECORDINGS, &[&start_after(after), &i64::from(limit)]).await?, read_row)
    }
}

/// The id after which a page starts: for the first page the nil id, which no attachment has.
fn start_after(after: Option<AttachmentId>) -> Uuid {
    after.map_or(Uuid::nil(), |after| after.0)
}
