//! Stores the rows of attachments, which are recordings of entries.

use async_trait::async_trait;
use sotto_domain::attachment::{Attached, Attachment, NewAttachment};
use sotto_domain::storage::{Attachments, Result};
use sotto_domain::{AttachmentId, EntryId, Timestamp, UserId};
use tokio_postgres::Row;

use super::Postgres;
use super::pool::Parameters;
use super::row::read_row;
use super::secret_tags::LOCK_USER;
use super::values::{Instant, count, integer, read, read_rows};
use crate::rows::attachment_columns;

const GET: &str = concat!("SELECT ", attachment_columns!(), " FROM attachments WHERE user_id = $1 AND entry_id = $2");

// While this lock is held, the entry can neither move in nor out.
const LOCK_ENTRY: &str = "SELECT secret_tag_id IS NOT NULL FROM journal_entries WHERE user_id = $1 AND id = $2
    FOR NO KEY UPDATE";

const OTHERS: &str = "SELECT coalesce(sum(byte_length), 0)::bigint FROM attachments
    WHERE user_id = $1 AND entry_id <> $2";

// All parts of the statement see the rows as they were before it, so the recording that is replaced is still found and
// recorded as freed.
const PUT: &str = "WITH freed AS (
        INSERT INTO freed_attachments (id, user_id)
        SELECT id, user_id FROM attachments WHERE user_id = $1 AND entry_id = $2 ON CONFLICT (id) DO NOTHING)
    INSERT INTO attachments (user_id, entry_id, id, kind, media_type, byte_length, sha256, sealed,
        created_at, updated_at)
    VALUES ($1, $2, $3, 'audio', $4, $5, $6, $7, $8, $8)
    ON CONFLICT (user_id, entry_id) DO UPDATE
    SET id = excluded.id, media_type = excluded.media_type, byte_length = excluded.byte_length,
        sha256 = excluded.sha256, sealed = excluded.sealed, updated_at = excluded.updated_at";

const POINT: &str = "UPDATE journal_entries SET audio_url = $3, updated_at = $4
    WHERE user_id = $1 AND id = $2 AND secret_tag_id IS NULL";

/// Deletes the attachment of an entry and returns the id of the freed attachment.
pub(super) const DETACH: &str = "WITH gone AS (
        DELETE FROM attachments WHERE user_id = $1 AND entry_id = $2 RETURNING id, user_id),
    freed AS (
        INSERT INTO freed_attachments (id, user_id) SELECT id, user_id FROM gone ON CONFLICT (id) DO NOTHING)
    SELECT id FROM gone";

const UNPOINT: &str = "UPDATE journal_entries SET audio_url = NULL, updated_at = $4
    WHERE user_id = $1 AND id = $2 AND audio_url = $3";

const USAGE: &str = "SELECT coalesce(sum(byte_length), 0)::bigint FROM attachments WHERE user_id = $1";

const KNOWN: &str = "SELECT id FROM attachments WHERE user_id = $1 AND id = ANY ($2) ORDER BY id";

#[async_trait]
impl Attachments for Postgres {
    async fn get(&self, user: UserId, entry: EntryId) -> Result<Option<Attachment>> {
        let row = self.pool.query_opt(GET, &[&user.0, &entry.0]).await?;
        row.as_ref().map(read_row).transpose()
    }

    async fn put(&self, user: UserId, new: &NewAttachment, quota: Option<u64>, now: Timestamp) -> Result<Attached> {
        let lease = self.pool.lease().await?;
        let (lock_user, lock_entry) = (lease.prepare(LOCK_USER).await?, lease.prepare(LOCK_ENTRY).await?);
        let (others, get) = (lease.prepare(OTHERS).await?, lease.prepare(GET).await?);
        let (put, point) = (lease.prepare(PUT).await?, lease.prepare(POINT).await?);
        let client = lease.client()?;
        let owner: Parameters<'_> = &[&user.0];
        let entry: Parameters<'_> = &[&user.0, &new.entry_id.0];
        let look = Box::pin(async {
            tokio::try_join!(biased;
                client.execute(&lock_user, owner),
                client.query_opt(&lock_entry, entry),
                client.query_one(&others, entry),
                client.query_opt(&get, entry),
            )
        });
        let (_, found, others, old) = lease.begin(look).await?;
        let sealed = found.map(|row| read::<bool>(&row, 0)).transpose()?;
        if sealed != Some(new.audio_url.is_none()) {
            return Ok(Attached::Missing);
        }
        let others: u64 = count::<i64, _>(&others, 0)?;
        if quota.is_some_and(|quota| others + u64::from(new.byte_length) > quota) {
            return Ok(Attached::OverQuota(others));
        }
        let old = old.as_ref().map(read_row::<Attachment>).transpose()?;
        let (length, now_there) = (integer(new.byte_length)?, Instant(now));
        let (hash, is_sealed) = (new.sha256.as_slice(), new.audio_url.is_none());
        let row: Parameters<'_> =
            &[&user.0, &new.entry_id.0, &new.id.0, &new.media_type, &length, &hash, &is_sealed, &now_there];
        let pointed: Parameters<'_> = &[&user.0, &new.entry_id.0, &new.audio_url, &now_there];
        let write =
            Box::pin(async { tokio::try_join!(biased; client.execute(&put, row), client.execute(&point, pointed)) });
        lease.commit(write).await?;
        let created_at = old.as_ref().map_or(now, |old| old.created_at);
        let freed = old.into_iter().map(|old| old.id).collect();
        Ok(Attached::Attached(new.clone().attached_to(user, created_at, now), freed))
    }

    async fn remove(&self, user: UserId, entry: EntryId, audio_url: &str, now: Timestamp) -> Result<Vec<AttachmentId>> {
        let lease = self.pool.lease().await?;
        let (detach, unpoint) = (lease.prepare(DETACH).await?, lease.prepare(UNPOINT).await?);
        let (lock, client) = (lease.prepare(LOCK_ENTRY).await?, lease.client()?);
        let found: Parameters<'_> = &[&user.0, &entry.0];
        // Locks the entry first, as `put` does, so that the two calls cannot deadlock.
        let taken = Box::pin(async {
            tokio::try_join!(biased; client.query_opt(&lock, found), client.query_opt(&detach, found))
        });
        let (_, row) = lease.begin(taken).await?;
        let freed = freed(row.as_ref())?;
        if freed.is_empty() {
            return Ok(freed);
        }
        lease.commit(client.execute(&unpoint, &[&user.0, &entry.0, &audio_url, &Instant(now)])).await?;
        Ok(freed)
    }

    async fn usage(&self, user: UserId) -> Result<u64> {
        let row = self.pool.query_opt(USAGE, &[&user.0]).await?;
        row.map_or(Ok(0), |row| count::<i64, _>(&row, 0))
    }

    async fn known(&self, user: UserId, ids: &[AttachmentId]) -> Result<Vec<AttachmentId>> {
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        let rows = self.pool.query(KNOWN, &[&user.0, &ids]).await?;
        read_rows(&rows, |row| read(row, 0).map(AttachmentId))
    }
}

impl Postgres {
    /// Deletes an entry with the statement `delete` (its parameters are user, entry and revision). Returns the freed
    /// attachments, or `None` if there is no such entry.
    pub(super) async fn delete_entry(
        &self,
        delete: &'static str,
        user: UserId,
        entry: EntryId,
        expected: Option<u32>,
    ) -> Result<Option<Vec<AttachmentId>>> {
        let lease = self.pool.lease().await?;
        let (lock, delete) = (lease.prepare(LOCK_ENTRY).await?, lease.prepare(delete).await?);
        let client = lease.client()?;
        // Waits for a `put` that is in progress, so that the next statement sees its recording.
        if lease.begin(client.query_opt(&lock, &[&user.0, &entry.0])).await?.is_none() {
            return Ok(None);
        }
        let expected = expected.map(i64::from);
        let row = lease.commit(client.query_opt(&delete, &[&user.0, &entry.0, &expected])).await?;
        row.map(|row| freed(Some(&row))).transpose()
    }
}

/// Reads the id of the attachment, if any, that [`DETACH`] or the deletion of an entry has freed.
pub(super) fn freed(row: Option<&Row>) -> Result<Vec<AttachmentId>> {
    let id = row.map_or(Ok(None), |row| read::<Option<uuid::Uuid>>(row, 0))?;
    Ok(id.into_iter().map(AttachmentId).collect())
}
