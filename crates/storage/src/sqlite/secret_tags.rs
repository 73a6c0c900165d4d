//! Secret tags on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, named_params, params};
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::secret_tag::{
    CreatedSecretTag, DeletedSecretTag, MAX_SECRET_TAGS, NewSecretTag, PhraseLock, SecretTag,
};
use sotto_domain::storage::{Result, SecretTags};
use sotto_domain::{AttachmentId, OpaqueSessionId, SecretTagId, Timestamp, UserId};

use super::error::name_foreign_key;
use super::row::read_row;
use super::values::uuid;
use super::{Sqlite, attachments};
use crate::rows::secret_tag_columns;

const DELETE_SESSIONS: &str = "DELETE FROM opaque_sessions WHERE user_id = ?1 AND binary_tag_id = ?2";

#[async_trait]
impl SecretTags for Sqlite {
    async fn create(
        &self,
        user: UserId,
        new: &NewSecretTag,
        key: Option<KeyedCreate>,
        now: Timestamp,
    ) -> Result<CreatedSecretTag> {
        let (id, new) = (new.id.0, new.clone());
        let work = move |connection: &Connection| create(connection, user, new, now);
        self.create_keyed(key, id, now, work, |outcome| matches!(outcome, CreatedSecretTag::Created(_))).await
    }

    async fn is_taken(&self, user: UserId, id: SecretTagId) -> Result<bool> {
        self.read(move |connection| Ok(exists(connection, user, id)? || is_deleted(connection, user, id)?)).await
    }

    async fn get(&self, user: UserId, id: SecretTagId) -> Result<Option<SecretTag>> {
        self.read(move |connection| get(connection, user, id)).await
    }

    async fn list(&self, user: UserId) -> Result<Vec<SecretTag>> {
        self.read(move |connection| {
            let sql = concat!(
                "SELECT ",
                secret_tag_columns!(),
                " FROM secret_tags WHERE user_id = ?1 ORDER BY opened_at DESC NULLS LAST, created_at, tag_id"
            );
            connection.prepare_cached(sql)?.query_map([user.0.as_bytes()], read_row)?.collect()
        })
        .await
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
        let lock = lock.clone();
        self.write(move |connection| set_lock(connection, user, id, lock, version, keep, now)).await
    }

    async fn set_metadata(&self, user: UserId, id: SecretTagId, metadata: &[u8], now: Timestamp) -> Result<bool> {
        let metadata = metadata.to_vec();
        self.write(move |connection| {
            let sql = "UPDATE secret_tags SET metadata = ?3, updated_at = ?4 WHERE tag_id = ?2 AND user_id = ?1";
            let parameters = params![user.0.as_bytes(), id.0.as_bytes(), metadata, now.as_micros()];
            Ok(connection.prepare_cached(sql)?.execute(parameters)? == 1)
        })
        .await
    }

    async fn delete(
        &self,
        user: UserId,
        id: SecretTagId,
        with_entries: bool,
        now: Timestamp,
    ) -> Result<DeletedSecretTag> {
        self.write(move |connection| delete(connection, user, id, with_entries, now)).await
    }

    async fn server_keys(&self) -> Result<Vec<[u8; 16]>> {
        self.survey(|connection| {
            let sql = "SELECT DISTINCT server_keys FROM secret_tags ORDER BY server_keys";
            connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
        })
        .await
    }
}

/// Whether the user has this secret tag.
pub fn exists(connection: &Connection, user: UserId, id: SecretTagId) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM secret_tags WHERE tag_id = ?2 AND user_id = ?1";
    connection.prepare_cached(sql)?.exists([user.0.as_bytes(), id.0.as_bytes()])
}

/// Whether the user has deleted a secret tag with this id.
fn is_deleted(connection: &Connection, user: UserId, id: SecretTagId) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM deleted_secret_tags WHERE user_id = ?1 AND tag_id = ?2";
    connection.prepare_cached(sql)?.exists([user.0.as_bytes(), id.0.as_bytes()])
}

fn create(
    connection: &Connection,
    user: UserId,
    new: NewSecretTag,
    now: Timestamp,
) -> rusqlite::Result<CreatedSecretTag> {
    let of_anybody = "SELECT 1 FROM secret_tags WHERE tag_id = ?1";
    if connection.prepare_cached(of_anybody)?.exists([new.id.0.as_bytes()])? || is_deleted(connection, user, new.id)? {
        return Ok(CreatedSecretTag::IdTaken);
    }
    let sql = "SELECT count(*) FROM secret_tags WHERE user_id = ?1";
    let count: u32 = connection.prepare_cached(sql)?.query_row([user.0.as_bytes()], |row| row.get(0))?;
    if count >= MAX_SECRET_TAGS {
        return Ok(CreatedSecretTag::TooMany);
    }
    let sql =
        "INSERT INTO secret_tags (tag_id, user_id, registration_record, wrapped_master_key, server_keys, metadata,
                                        recovery_wrap, recovery_verifier, version, created_at, updated_at)
               VALUES (:id, :user, :record, :wrapped, :keys, :metadata, :recovery_wrap, :verifier, 1, :now, :now)";
    let mut insert = connection.prepare_cached(sql)?;
    insert
        .execute(named_params! {
            ":id": new.id.0.as_bytes(),
            ":user": user.0.as_bytes(),
            ":record": new.lock.record,
            ":wrapped": new.lock.wrapped_master_key,
            ":keys": new.lock.server_keys,
            ":metadata": new.metadata,
            ":recovery_wrap": new.recovery_wrap,
            ":verifier": new.recovery_verifier,
            ":now": now.as_micros(),
        })
        .map_err(name_foreign_key("fk_secret_tags_user"))?;
    end_sessions(connection, user, new.id, None)?;
    let NewSecretTag { id, lock, metadata, recovery_wrap, recovery_verifier } = new;
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

fn get(connection: &Connection, user: UserId, id: SecretTagId) -> rusqlite::Result<Option<SecretTag>> {
    let sql = concat!("SELECT ", secret_tag_columns!(), " FROM secret_tags WHERE tag_id = ?2 AND user_id = ?1");
    connection.prepare_cached(sql)?.query_row([user.0.as_bytes(), id.0.as_bytes()], read_row).optional()
}

fn set_lock(
    connection: &Connection,
    user: UserId,
    id: SecretTagId,
    lock: PhraseLock,
    version: u32,
    keep: Option<OpaqueSessionId>,
    now: Timestamp,
) -> rusqlite::Result<Option<SecretTag>> {
    let Some(old) = get(connection, user, id)?.filter(|old| old.version == version) else { return Ok(None) };
    let new = SecretTag { lock, version: version + 1, updated_at: now, ..old };
    let sql = "UPDATE secret_tags
               SET registration_record = ?3, wrapped_master_key = ?4, server_keys = ?5, version = ?6, updated_at = ?7
               WHERE tag_id = ?2 AND user_id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        user.0.as_bytes(),
        id.0.as_bytes(),
        new.lock.record,
        new.lock.wrapped_master_key,
        new.lock.server_keys,
        new.version,
        now.as_micros(),
    ])?;
    if keep.is_some() {
        end_sessions(connection, user, id, keep)?;
    } else {
        connection.prepare_cached(DELETE_SESSIONS)?.execute([user.0.as_bytes(), id.0.as_bytes()])?;
    }
    Ok(Some(new))
}

/// Ends the sessions of a secret tag except `keep`. Failed sessions stay, because they count towards the limits.
fn end_sessions(
    connection: &Connection,
    user: UserId,
    id: SecretTagId,
    keep: Option<OpaqueSessionId>,
) -> rusqlite::Result<()> {
    let sql = "DELETE FROM opaque_sessions
               WHERE user_id = ?1 AND binary_tag_id = ?2 AND session_state <> 'failed' AND session_id IS NOT ?3";
    let keep = keep.map(|keep| *keep.0.as_bytes());
    connection.prepare_cached(sql)?.execute(params![user.0.as_bytes(), id.0.as_bytes(), keep]).map(drop)
}

fn delete(
    connection: &Connection,
    user: UserId,
    id: SecretTagId,
    with_entries: bool,
    now: Timestamp,
) -> rusqlite::Result<DeletedSecretTag> {
    if !exists(connection, user, id)? {
        return Ok(DeletedSecretTag::Missing);
    }
    let key = [user.0.as_bytes(), id.0.as_bytes()];
    let sql = "SELECT count(*) FROM journal_entries WHERE user_id = ?1 AND secret_tag_id = ?2";
    let entries: u32 = connection.prepare_cached(sql)?.query_row(key, |row| row.get(0))?;
    if entries > 0 && !with_entries {
        return Ok(DeletedSecretTag::HasEntries(entries.into()));
    }
    let sql = "SELECT id FROM attachments
               WHERE user_id = ?1 AND entry_id IN (
                   SELECT id FROM journal_entries WHERE user_id = ?1 AND secret_tag_id = ?2)";
    let freed = connection
        .prepare_cached(sql)?
        .query_map(key, |row| uuid(row, 0).map(AttachmentId))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    attachments::note_freed(connection, user, &freed)?;
    for sql in [
        "DELETE FROM journal_entries WHERE user_id = ?1 AND secret_tag_id = ?2",
        DELETE_SESSIONS,
        "DELETE FROM secret_tags WHERE user_id = ?1 AND tag_id = ?2",
    ] {
        connection.prepare_cached(sql)?.execute(key)?;
    }
    let sql = "INSERT INTO deleted_secret_tags (user_id, tag_id, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)
               ON CONFLICT DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![user.0.as_bytes(), id.0.as_bytes(), now.as_micros()])?;
    Ok(DeletedSecretTag::Deleted { entries: entries.into(), freed })
}
