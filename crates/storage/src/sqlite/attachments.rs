//! Attachments on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, named_params, params};
use sotto_domain::attachment::{Attached, Attachment, NewAttachment};
use sotto_domain::storage::{Attachments, Result};
use sotto_domain::{AttachmentId, EntryId, Timestamp, UserId};

use super::Sqlite;
use super::row::read_row;
use super::values::{count, uuid};
use crate::rows::attachment_columns;

#[async_trait]
impl Attachments for Sqlite {
    async fn get(&self, user: UserId, entry: EntryId) -> Result<Option<Attachment>> {
        self.read(move |connection| get(connection, user, entry)).await
    }

    async fn put(&self, user: UserId, new: &NewAttachment, quota: Option<u64>, now: Timestamp) -> Result<Attached> {
        let new = new.clone();
        self.write(move |connection| put(connection, user, new, quota, now)).await
    }

    async fn remove(&self, user: UserId, entry: EntryId, audio_url: &str, now: Timestamp) -> Result<Vec<AttachmentId>> {
        let audio_url = audio_url.to_owned();
        self.write(move |connection| {
            let freed = detach(connection, user, entry)?;
            if freed.is_empty() {
                return Ok(freed);
            }
            let sql = "UPDATE journal_entries SET audio_url = NULL, updated_at = ?4
                       WHERE id = ?2 AND user_id = ?1 AND audio_url = ?3";
            let parameters = params![user.0.as_bytes(), entry.0.as_bytes(), audio_url, now.as_micros()];
            connection.prepare_cached(sql)?.execute(parameters)?;
            Ok(freed)
        })
        .await
    }

    async fn usage(&self, user: UserId) -> Result<u64> {
        self.read(move |connection| {
            let sql = "SELECT coalesce(sum(byte_length), 0) FROM attachments WHERE user_id = ?1";
            connection.prepare_cached(sql)?.query_row([user.0.as_bytes()], |row| count(row, 0))
        })
        .await
    }

    async fn known(&self, user: UserId, ids: &[AttachmentId]) -> Result<Vec<AttachmentId>> {
        let mut ids = ids.to_vec();
        ids.sort();
        self.read(move |connection| {
            let mut known = connection.prepare_cached("SELECT 1 FROM attachments WHERE id = ?2 AND user_id = ?1")?;
            let mut found = Vec::new();
            for id in ids {
                if known.exists([user.0.as_bytes(), id.0.as_bytes()])? {
                    found.push(id);
                }
            }
            Ok(found)
        })
        .await
    }
}

/// Deletes the attachment of an entry, and returns the freed attachments.
pub fn detach(connection: &Connection, user: UserId, entry: EntryId) -> rusqlite::Result<Vec<AttachmentId>> {
    let sql = "DELETE FROM attachments WHERE user_id = ?1 AND entry_id = ?2 RETURNING id";
    let parameters = [user.0.as_bytes(), entry.0.as_bytes()];
    let mut delete = connection.prepare_cached(sql)?;
    let freed = delete.query_map(parameters, |row| uuid(row, 0).map(AttachmentId))?;
    let freed = freed.collect::<rusqlite::Result<Vec<_>>>()?;
    note_freed(connection, user, &freed)?;
    Ok(freed)
}

/// Records that the objects of these attachments are to be deleted. Their rows have been deleted, or are deleted in the
/// same unit.
pub fn note_freed(connection: &Connection, user: UserId, freed: &[AttachmentId]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO freed_attachments (id, user_id) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
    let mut note = connection.prepare_cached(sql)?;
    for id in freed {
        note.execute([id.0.as_bytes(), user.0.as_bytes()])?;
    }
    Ok(())
}

/// Returns the recording of an entry.
pub fn get(connection: &Connection, user: UserId, entry: EntryId) -> rusqlite::Result<Option<Attachment>> {
    let sql = concat!("SELECT ", attachment_columns!(), " FROM attachments WHERE user_id = ?1 AND entry_id = ?2");
    connection.prepare_cached(sql)?.query_row([user.0.as_bytes(), entry.0.as_bytes()], read_row).optional()
}

fn put(
    connection: &Connection,
    user: UserId,
    new: NewAttachment,
    quota: Option<u64>,
    now: Timestamp,
) -> rusqlite::Result<Attached> {
    let entry = [user.0.as_bytes(), new.entry_id.0.as_bytes()];
    let sql = "SELECT secret_tag_id IS NOT NULL FROM journal_entries WHERE id = ?2 AND user_id = ?1";
    let sealed: Option<bool> = connection.prepare_cached(sql)?.query_row(entry, |row| row.get(0)).optional()?;
    if sealed != Some(new.audio_url.is_none()) {
        return Ok(Attached::Missing);
    }
    let sql = "SELECT coalesce(sum(byte_length), 0) FROM attachments WHERE user_id = ?1 AND entry_id <> ?2";
    let others = connection.prepare_cached(sql)?.query_row(entry, |row| count(row, 0))?;
    if quota.is_some_and(|quota| others + u64::from(new.byte_length) > quota) {
        return Ok(Attached::OverQuota(others));
    }
    let old = get(connection, user, new.entry_id)?;
    let created_at = old.as_ref().map_or(now, |old| old.created_at);
    let sql =
        "INSERT INTO attachments (id, user_id, entry_id, kind, media_type, byte_length, sha256, sealed, created_at,
                                        updated_at)
               VALUES (:id, :user, :entry, 'audio', :media_type, :byte_length, :sha256, :sealed, :created_at, :now)
               ON CONFLICT (user_id, entry_id) DO UPDATE
               SET id = excluded.id, media_type = excluded.media_type, byte_length = excluded.byte_length,
                   sha256 = excluded.sha256, sealed = excluded.sealed, updated_at = excluded.updated_at";
    connection.prepare_cached(sql)?.execute(named_params! {
        ":id": new.id.0.as_bytes(),
        ":user": user.0.as_bytes(),
        ":entry": new.entry_id.0.as_bytes(),
        ":media_type": new.media_type,
        ":byte_length": new.byte_length,
        ":sha256": new.sha256,
        ":sealed": new.audio_url.is_none(),
        ":created_at": created_at.as_micros(),
        ":now": now.as_micros(),
    })?;
    if let Some(audio_url) = &new.audio_url {
        let sql = "UPDATE journal_entries SET audio_url = ?3, updated_at = ?4 WHERE id = ?2 AND user_id = ?1";
        let parameters = params![user.0.as_bytes(), new.entry_id.0.as_bytes(), audio_url, now.as_micros()];
        connection.prepare_cached(sql)?.execute(parameters)?;
    }
    let freed: Vec<_> = old.into_iter().map(|old| old.id).collect();
    note_freed(connection, user, &freed)?;
    Ok(Attached::Attached(new.attached_to(user, created_at, now), freed))
}
