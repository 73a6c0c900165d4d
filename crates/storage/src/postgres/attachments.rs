//! Recordings of entries.

use async_trait::async_trait;
use sotto_domain::attachment::{Attached, Attachment, NewAttachment};
use sotto_domain::storage::{Attachments, Result};
use sotto_domain::{AttachmentId, EntryId, Timestamp, UserId};
use tokio_postgres::Row;

use super::pool::Parameters;
use super::secret_tags::LOCK_USER;
use super::values::{Instant, all, count, instant, integer, read};
use super::{Postgres, error};

const GET: &str = "SELECT id, entry_id, media_type, byte_length, sha256, sealed, created_at, updated_at
    FROM attachments WHERE user_id = $1 AND entry_id = $2";

// As long as it is held, the entry comes under no secret tag, nor out of one.
const LOCK_ENTRY: &str = "SELECT secret_tag_id IS NOT NULL FROM journal_entries WHERE user_id = $1 AND id = $2
    FOR NO KEY UPDATE";

const OTHERS: &str = "SELECT coalesce(sum(byte_length), 0)::bigint FROM attachments
    WHERE user_id = $1 AND entry_id <> $2";

const PUT: &str = "INSERT INTO attachments (user_id, entry_id, id, kind, media_type, byte_length, sha256, sealed,
        created_at, updated_at)
    VALUES ($1, $2, $3, 'audio', $4, $5, $6, $7, $8, $8)
    ON CONFLICT (user_id, entry_id) DO UPDATE
    SET id = excluded.id, media_type = excluded.media_type, byte_length = excluded.byte_length,
        sha256 = excluded.sha256, sealed = excluded.sealed, updated_at = excluded.updated_at";

const POINT: &str = "UPDATE journal_entries SET audio_url = $3, updated_at = $4
    WHERE user_id = $1 AND id = $2 AND secret_tag_id IS NULL";

/// Deletes what is known of an entry's recording.
pub(super) const DETACH: &str = "DELETE FROM attachments WHERE user_id = $1 AND entry_id = $2 RETURNING id";

const UNPOINT: &str = "UPDATE journal_entries SET audio_url = NULL, updated_at = $4
    WHERE user_id = $1 AND id = $2 AND audio_url = $3";

const USAGE: &str = "SELECT coalesce(sum(byte_length), 0)::bigint FROM attachments WHERE user_id = $1";

const KNOWN: &str = "SELECT id FROM attachments WHERE user_id = $1 AND id = ANY ($2) ORDER BY id";

#[async_trait]
impl Attachments for Postgres {
    async fn get(&self, user: UserId, entry: EntryId) -> Result<Option<Attachment>> {
        let row = self.pool.query_opt(GET, &[&user.0, &entry.0]).await?;
        row.map(|row| attachment(&row, user)).transpose()
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
        let old = old.map(|row| attachment(&row, user)).transpose()?;
        let (length, now_there) = (integer(new.byte_length)?, Instant(now));
        let (hash, is_sealed) = (new.sha256.as_slice(), new.audio_url.is_none());
        let row: Parameters<'_> =
            &[&user.0, &new.entry_id.0, &new.id.0, &new.media_type, &length, &hash, &is_sealed, &now_there];
        let pointed: Parameters<'_> = &[&user.0, &new.entry_id.0, &new.audio_url, &now_there];
        let write =
            Box::pin(async { tokio::try_join!(biased; client.execute(&put, row), client.execute(&point, pointed)) });
        lease.commit(write).await?;
        let created_at = old.as_ref().map_or(now, |old| old.created_at);
        Ok(Attached::Attached(new.clone().of(user, created_at, now), old.map(|old| old.id)))
    }

    async fn remove(
        &self,
        user: UserId,
        entry: EntryId,
        audio_url: &str,
        now: Timestamp,
    ) -> Result<Option<AttachmentId>> {
        let lease = self.pool.lease().await?;
        let (detach, unpoint) = (lease.prepare(DETACH).await?, lease.prepare(UNPOINT).await?);
        let (lock, client) = (lease.prepare(LOCK_ENTRY).await?, lease.client()?);
        let found: Parameters<'_> = &[&user.0, &entry.0];
        // The entry first, as `put` does, so that the two cannot wait for each other.
        let taken = Box::pin(async {
            tokio::try_join!(biased; client.query_opt(&lock, found), client.query_opt(&detach, found))
        });
        let (_, row) = lease.begin(taken).await?;
        let Some(row) = row else { return Ok(None) };
        lease.commit(client.execute(&unpoint, &[&user.0, &entry.0, &audio_url, &Instant(now)])).await?;
        read(&row, 0).map(AttachmentId).map(Some)
    }

    async fn usage(&self, user: UserId) -> Result<u64> {
        let row = self.pool.query_opt(USAGE, &[&user.0]).await?;
        row.map_or(Ok(0), |row| count::<i64, _>(&row, 0))
    }

    async fn known(&self, user: UserId, ids: &[AttachmentId]) -> Result<Vec<AttachmentId>> {
        let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
        let rows = self.pool.query(KNOWN, &[&user.0, &ids]).await?;
        all(&rows, |row| read(row, 0).map(AttachmentId))
    }
}

impl Postgres {
    /// Deletes an entry by this statement, which takes user, entry and revision, and returns the id of its recording. `None`
    /// if there is no such entry.
    pub(super) async fn delete_entry(
        &self,
        delete: &'static str,
        user: UserId,
        entry: EntryId,
        expected: Option<u32>,
    ) -> Result<Option<Option<AttachmentId>>> {
        let lease = self.pool.lease().await?;
        let (lock, delete) = (lease.prepare(LOCK_ENTRY).await?, lease.prepare(delete).await?);
        let client = lease.client()?;
        // It waits for a recording that is being put, so that the next statement sees that.
        if lease.begin(client.query_opt(&lock, &[&user.0, &entry.0])).await?.is_none() {
            return Ok(None);
        }
        let expected = expected.map(i64::from);
        let row = lease.commit(client.query_opt(&delete, &[&user.0, &entry.0, &expected])).await?;
        row.map(|row| Ok(read::<Option<uuid::Uuid>>(&row, 0)?.map(AttachmentId))).transpose()
    }
}

fn attachment(row: &Row, user: UserId) -> Result<Attachment> {
    let hash: &[u8] = read(row, 4)?;
    Ok(Attachment {
        id: AttachmentId(read(row, 0)?),
        user_id: user,
        entry_id: EntryId(read(row, 1)?),
        media_type: read(row, 2)?,
        byte_length: count::<i32, _>(row, 3)?,
        sha256: hash.try_into().map_err(|_| error::corrupt("sha256", "a hash that is not 32 bytes"))?,
        sealed: read(row, 5)?,
        created_at: instant(row, 6)?,
        updated_at: instant(row, 7)?,
    })
}
