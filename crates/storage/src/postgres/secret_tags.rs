//! Stores secret tags.

use async_trait::async_trait;
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::secret_tag::{
    CreatedSecretTag, DeletedSecretTag, MAX_SECRET_TAGS, NewSecretTag, PhraseLock, SecretTag,
};
use sotto_domain::storage::{Result, SecretTags};
use sotto_domain::{AttachmentId, OpaqueSessionId, SecretTagId, Timestamp, UserId};
use uuid::Uuid;

use super::Postgres;
use super::idempotency::Record;
use super::pool::Parameters;
use super::row::{Columns, read_row};
use super::values::{Instant, bytes, count, read, read_rows};
use crate::rows::{RowReader, secret_tag_columns};

/// Serialises a user's units that count or change several of their secret tags or OPAQUE sessions, so that each sees
/// the changes of the previous one and none of them deadlock.
pub(super) const LOCK_USER: &str = "SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE";

// A conflict with any unique key counts: on a distributed database the primary key includes the user.
const CREATE: &str = "INSERT INTO secret_tags (user_id, tag_id, registration_record, wrapped_master_key, server_keys,
        metadata, recovery_wrap, recovery_verifier, version, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9) ON CONFLICT DO NOTHING";

const IS_DELETED: &str = "SELECT 1 FROM deleted_secret_tags WHERE user_id = $1 AND tag_id = $2";

const IS_TAKEN: &str = "SELECT 1 FROM secret_tags WHERE user_id = $1 AND tag_id = $2
    UNION ALL SELECT 1 FROM deleted_secret_tags WHERE user_id = $1 AND tag_id = $2 LIMIT 1";

const COUNT: &str = "SELECT count(*) FROM secret_tags WHERE user_id = $1";

const GET: &str = concat!("SELECT ", secret_tag_columns!(), " FROM secret_tags WHERE user_id = $1 AND tag_id = $2");

const LIST: &str = concat!(
    "SELECT ",
    secret_tag_columns!(),
    " FROM secret_tags WHERE user_id = $1 ORDER BY opened_at DESC NULLS LAST, created_at, tag_id"
);

// The version is compared as a BIGINT, because the version in a request may exceed an INTEGER.
const SET_LOCK: &str = concat!(
    "UPDATE secret_tags SET registration_record = $4, wrapped_master_key = $5, server_keys = $6,
        version = version + 1, updated_at = $7
    WHERE user_id = $1 AND tag_id = $2 AND version = $3::bigint RETURNING ",
    secret_tag_columns!()
);

// Failed attempts are kept, because they count.
const END_OTHERS: &str = "DELETE FROM opaque_sessions
    WHERE user_id = $1 AND binary_tag_id = $2 AND session_state <> 'failed' AND session_id IS DISTINCT FROM $3";

const SET_METADATA: &str = "UPDATE secret_tags SET metadata = $3, updated_at = $4 WHERE user_id = $1 AND tag_id = $2";

// While this lock is held, no entry can move in.
const LOCK: &str = "SELECT 1 FROM secret_tags WHERE user_id = $1 AND tag_id = $2 FOR UPDATE";

const COUNT_ENTRIES: &str = "SELECT count(*) FROM journal_entries WHERE user_id = $1 AND secret_tag_id = $2";

// While these locks are held, the entries with recordings cannot move out. No entry can get another recording either,
// because `put` waits for the lock on the user.
const LOCK_RECORDINGS: &str =
    "SELECT a.id FROM journal_entries e JOIN attachments a ON a.user_id = $1 AND a.entry_id = e.id
    WHERE e.user_id = $1 AND e.secret_tag_id = $2 FOR UPDATE OF e";

const DELETE_ENTRIES: &str = "WITH freed AS (
        INSERT INTO freed_attachments (id, user_id)
        SELECT a.id, a.user_id FROM journal_entries e JOIN attachments a ON a.user_id = $1 AND a.entry_id = e.id
        WHERE e.user_id = $1 AND e.secret_tag_id = $2 ON CONFLICT (id) DO NOTHING)
    DELETE FROM journal_entries WHERE user_id = $1 AND secret_tag_id = $2";

const DELETE_SESSIONS: &str = "DELETE FROM opaque_sessions WHERE user_id = $1 AND binary_tag_id = $2";

const DELETE: &str = "DELETE FROM secret_tags WHERE user_id = $1 AND tag_id = $2";

const NOTE_DELETED: &str = "INSERT INTO deleted_secret_tags (user_id, tag_id, created_at, updated_at)
    VALUES ($1, $2, $3, $3) ON CONFLICT DO NOTHING";

const SERVER_KEYS: &str = "SELECT DISTINCT server_keys FROM secret_tags ORDER BY server_keys";

#[async_trait]
impl SecretTags for Postgres {
    async fn create(
        &self,
        user: UserId,
        new: &NewSecretTag,
        key: Option<KeyedCreate>,
        now: Timestamp,
    ) -> Result<CreatedSecretTag> {
        let lease = self.pool.lease().await?;
        let (lock, create) = (lease.prepare(LOCK_USER).await?, lease.prepare(CREATE).await?);
        let (counting, deleted) = (lease.prepare(COUNT).await?, lease.prepare(IS_DELETED).await?);
        let end_attempts = lease.prepare(END_OTHERS).await?;
        let record = Record::prepare(&lease, key, new.id.0, now).await?;
        let client = lease.client()?;
        let parameters: Parameters<'_> = &[
            &user.0,
            &new.id.0,
            &new.lock.record,
            &new.lock.wrapped_master_key,
            &new.lock.server_keys.as_slice(),
            &new.metadata,
            &new.recovery_wrap,
            &new.recovery_verifier,
            &Instant(now),
        ];
        let owner: Parameters<'_> = &[&user.0];
        let tag: Parameters<'_> = &[&user.0, &new.id.0];
        let write = Box::pin(async {
            tokio::try_join!(biased;
                client.execute(&lock, owner),
                Record::write(record.as_ref(), client),
                client.execute(&create, parameters),
                client.query_one(&counting, owner),
                client.query_opt(&deleted, tag),
            )
        });
        let (_, (), created, counted, deleted) = lease.begin(write).await?;
        if created == 0 || deleted.is_some() {
            return Ok(CreatedSecretTag::IdTaken);
        }
        if count::<i64, u32>(&counted, 0)? > MAX_SECRET_TAGS {
            return Ok(CreatedSecretTag::TooMany);
        }
        let attempts: Parameters<'_> = &[&user.0, &bytes(&new.id.0), &None::<Uuid>];
        lease.commit(client.execute(&end_attempts, attempts)).await?;
        let NewSecretTag { id, lock, metadata, recovery_wrap, recovery_verifier } = new.clone();
        Ok(CreatedSecretTag::Created(SecretTag {
            id,
            user_id: user,
            lock,
            metadata,
            recovery_wrap,
            recovery_verifier,
            version: 1,
            created_at: now,
            updated_at: now,
        }))
    }

    async fn is_taken(&self, user: UserId, id: SecretTagId) -> Result<bool> {
        Ok(self.pool.query_opt(IS_TAKEN, &[&user.0, &id.0]).await?.is_some())
    }

    async fn get(&self, user: UserId, id: SecretTagId) -> Result<Option<SecretTag>> {
        self.pool.query_opt(GET, &[&user.0, &id.0]).await?.as_ref().map(read_row).transpose()
    }

    async fn list(&self, user: UserId) -> Result<Vec<SecretTag>> {
        read_rows(&self.pool.query(LIST, &[&user.0]).await?, read_row)
    }

    async fn set_lock(
        &self,
        user: UserId,
        id: SecretTagId,
        lock: &PhraseLock,
        version: u32,
        keep: Option<OpaqueSessionId>,
        now: Timestamp,
    ) -> Result<Option<SecretTag>> {
        let lease = self.pool.lease().await?;
        let (lock_user, set) = (lease.prepare(LOCK_USER).await?, lease.prepare(SET_LOCK).await?);
        let (end_others, delete_sessions) = (lease.prepare(END_OTHERS).await?, lease.prepare(DELETE_SESSIONS).await?);
        let client = lease.client()?;
        let owner: Parameters<'_> = &[&user.0];
        let parameters: Parameters<'_> = &[
            &user.0,
            &id.0,
            &i64::from(version),
            &lock.record,
            &lock.wrapped_master_key,
            &lock.server_keys.as_slice(),
            &Instant(now),
        ];
        let write = Box::pin(async {
            tokio::try_join!(biased; client.execute(&lock_user, owner), client.query_opt(&set, parameters))
        });
        let (_, row) = lease.begin(write).await?;
        let Some(new) = row.as_ref().map(read_row::<SecretTag>).transpose()? else { return Ok(None) };
        let (tag, keep) = (bytes(&id.0), keep.map(|keep| keep.0));
        let (all, others): (Parameters<'_>, Parameters<'_>) = (&[&user.0, &tag], &[&user.0, &tag, &keep]);
        if keep.is_some() {
            lease.commit(client.execute(&end_others, others)).await?;
        } else {
            lease.commit(client.execute(&delete_sessions, all)).await?;
        }
        Ok(Some(new))
    }

    async fn set_metadata(&self, user: UserId, id: SecretTagId, metadata: &[u8], now: Timestamp) -> Result<bool> {
        Ok(self.pool.execute(SET_METADATA, &[&user.0, &id.0, &metadata, &Instant(now)]).await? > 0)
    }

    async fn delete(
        &self,
        user: UserId,
        id: SecretTagId,
        with_entries: bool,
        now: Timestamp,
    ) -> Result<DeletedSecretTag> {
        let lease = self.pool.lease().await?;
        let (lock_user, lock) = (lease.prepare(LOCK_USER).await?, lease.prepare(LOCK).await?);
        let (counting, delete_entries) = (lease.prepare(COUNT_ENTRIES).await?, lease.prepare(DELETE_ENTRIES).await?);
        let (delete_sessions, delete) = (lease.prepare(DELETE_SESSIONS).await?, lease.prepare(DELETE).await?);
        let (lock_recordings, note) = (lease.prepare(LOCK_RECORDINGS).await?, lease.prepare(NOTE_DELETED).await?);
        let client = lease.client()?;
        let owner: Parameters<'_> = &[&user.0];
        let key: Parameters<'_> = &[&user.0, &id.0];
        let first = Box::pin(async {
            tokio::try_join!(biased;
                client.execute(&lock_user, owner),
                client.query_opt(&lock, key),
                client.query_one(&counting, key),
                client.query(&lock_recordings, key),
            )
        });
        let (_, locked, counted, recordings) = lease.begin(first).await?;
        let entries = count::<i64, u64>(&counted, 0)?;
        if locked.is_none() {
            return Ok(DeletedSecretTag::Missing);
        }
        if entries > 0 && !with_entries {
            return Ok(DeletedSecretTag::HasEntries(entries));
        }
        let sessions: Parameters<'_> = &[&user.0, &bytes(&id.0)];
        let noted: Parameters<'_> = &[&user.0, &id.0, &Instant(now)];
        let write = Box::pin(async {
            tokio::try_join!(biased;
                client.execute(&delete_entries, key),
                client.execute(&delete_sessions, sessions),
                client.execute(&delete, key),
                client.execute(&note, noted),
            )
        });
        let (deleted, ..) = lease.commit(write).await?;
        let freed = read_rows(&recordings, |row| read(row, 0).map(AttachmentId))?;
        Ok(DeletedSecretTag::Deleted { entries: deleted, freed })
    }

    async fn server_keys(&self) -> Result<Vec<[u8; 16]>> {
        let rows = self.pool.lease().await?.query(SERVER_KEYS, &[]).await?;
        read_rows(&rows, |row| Columns::starting_at(row, 0).array())
    }
}
