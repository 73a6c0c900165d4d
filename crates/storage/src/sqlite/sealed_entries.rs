//! Sealed entries on SQLite, including moves into and out of secret tags.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Params, Row, named_params, params};
use sotto_domain::entry::{Entry, PAGE_BYTES};
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::secret_tag::{AnyEntry, Moved, PlainBody, SealedBody, SealedEntry, Stored};
use sotto_domain::storage::{Result, SealedEntries};
use sotto_domain::{AttachmentId, EntryId, SecretTagId, Timestamp, UserId};

use super::attachments::{self, detach};
use super::entries::{link_tags, unknown_tag};
use super::row::Columns;
use super::{Sqlite, entries, secret_tags};
use crate::rows::sealed_entry;

/// The columns that [`read`] reads, in its order.
macro_rules! columns {
    () => {
        "id, secret_tag_id, encrypted_content, encryption_iv, wrapped_key, wrap_iv, entry_date, entry_zone, \
         revision, created_at, updated_at"
    };
}

/// The update that `seal` and [`replace`] share.
const REPLACE: &str = "UPDATE journal_entries
    SET title = NULL, content = '', audio_url = NULL, word_count = 0, secret_tag_id = :tag,
        encrypted_content = :content, encryption_iv = :content_iv, wrapped_key = :key, wrap_iv = :key_iv,
        entry_date = :entry_date, entry_zone = :entry_zone, entry_day = :entry_day, revision = :revision,
        updated_at = :now
    WHERE id = :id AND user_id = :user";

#[async_trait]
impl SealedEntries for Sqlite {
    async fn create(
        &self,
        user: UserId,
        id: EntryId,
        body: &SealedBody,
        key: Option<KeyedCreate>,
        now: Timestamp,
    ) -> Result<Stored<SealedEntry>> {
        let body = body.clone();
        let work = move |connection: &Connection| create(connection, user, id, body, now);
        self.create_keyed(key, id.0, now, work, |outcome| matches!(outcome, Stored::Stored(_))).await
    }

    async fn get(&self, user: UserId, id: EntryId) -> Result<Option<SealedEntry>> {
        self.read(move |connection| get(connection, user, id)).await
    }

    async fn list(
        &self,
        user: UserId,
        tag: SecretTagId,
        after: Option<(Timestamp, EntryId)>,
        limit: u32,
    ) -> Result<Vec<SealedEntry>> {
        self.read(move |connection| {
            let sql = concat!(
                "SELECT ",
                columns!(),
                " FROM journal_entries WHERE user_id = ?1 AND secret_tag_id = ?2 AND (entry_date, id) < (?3, ?4)
                 ORDER BY entry_date DESC, id DESC LIMIT ?5"
            );
            let (date, id) = after.map_or((i64::MAX, [0xff; 16]), |(date, id)| (date.as_micros(), *id.0.as_bytes()));
            read_all(connection, sql, params![user.0.as_bytes(), tag.0.as_bytes(), date, id, limit], user)
        })
        .await
    }

    async fn replace(
        &self,
        user: UserId,
        id: EntryId,
        body: &SealedBody,
        expected: u32,
        now: Timestamp,
    ) -> Result<Stored<SealedEntry>> {
        let body = body.clone();
        self.write(move |connection| {
            let created_at = match any(connection, user, id)? {
                None => return Ok(Stored::Missing),
                Some(AnyEntry::Sealed(old)) if old.revision == expected => old.created_at,
                Some(other) => return Ok(Stored::Stale(other)),
            };
            let replaced = replace(connection, user, id, body, expected, created_at, now)?;
            Ok(replaced.map_or(Stored::UnknownSecretTag, Stored::Stored))
        })
        .await
    }

    /// Returns only when the files contain none of the plain text; see [`super::upkeep`].
    async fn seal(
        &self,
        user: UserId,
        id: EntryId,
        body: &SealedBody,
        expected: u32,
        now: Timestamp,
    ) -> Result<Stored<Moved<SealedEntry>>> {
        let body = body.clone();
        let work = move |connection: &Connection| {
            let created_at = match any(connection, user, id)? {
                None => return Ok(Stored::Missing),
                Some(AnyEntry::Plain(old)) if old.revision == expected => old.created_at,
                Some(other) => return Ok(Stored::Stale(other)),
            };
            let Some(entry) = replace(connection, user, id, body, expected, created_at, now)? else {
                return Ok(Stored::UnknownSecretTag);
            };
            let sql = "DELETE FROM journal_entry_tags WHERE entry_id = ?2 AND user_id = ?1";
            connection.prepare_cached(sql)?.execute([user.0.as_bytes(), id.0.as_bytes()])?;
            Ok(Stored::Stored(Moved { entry, freed: detach(connection, user, id)? }))
        };
        self.write_and_erase(work, |sealed| matches!(sealed, Stored::Stored(_))).await
    }

    async fn unseal(
        &self,
        user: UserId,
        id: EntryId,
        body: &PlainBody,
        expected: u32,
        now: Timestamp,
    ) -> Result<Stored<Moved<Entry>>> {
        let body = body.clone();
        self.write(move |connection| unseal(connection, user, id, body, expected, now)).await
    }

    async fn delete(&self, user: UserId, id: EntryId, expected: Option<u32>) -> Result<Stored<Vec<AttachmentId>>> {
        self.write(move |connection| {
            let sql = "DELETE FROM journal_entries
                       WHERE id = ?2 AND user_id = ?1 AND secret_tag_id IS NOT NULL AND revision = coalesce(?3, revision)";
            let parameters = params![user.0.as_bytes(), id.0.as_bytes(), expected];
            let freed: Vec<_> = attachments::get(connection, user, id)?.into_iter().map(|one| one.id).collect();
            if connection.prepare_cached(sql)?.execute(parameters)? == 1 {
                attachments::note_freed(connection, user, &freed)?;
                return Ok(Stored::Stored(freed));
            }
            Ok(get(connection, user, id)?.map_or(Stored::Missing, |now| Stored::Stale(AnyEntry::Sealed(now))))
        })
        .await
    }
}

fn create(
    connection: &Connection,
    user: UserId,
    id: EntryId,
    body: SealedBody,
    now: Timestamp,
) -> rusqlite::Result<Stored<SealedEntry>> {
    if connection.prepare_cached("SELECT 1 FROM journal_entries WHERE id = ?1")?.exists([id.0.as_bytes()])? {
        return Ok(any(connection, user, id)?.map_or(Stored::IdTaken, Stored::Exists));
    }
    if !secret_tags::exists(connection, user, body.tag)? {
        return Ok(Stored::UnknownSecretTag);
    }
    let sql = "INSERT INTO journal_entries (id, user_id, content, secret_tag_id, encrypted_content, encryption_iv,
                                            wrapped_key, wrap_iv, entry_date, entry_zone, entry_day, revision,
                                            created_at, updated_at)
               VALUES (:id, :user, '', :tag, :content, :content_iv, :key, :key_iv, :entry_date, :entry_zone,
                       :entry_day, :revision, :now, :now)";
    write(connection, sql, user, id, &body, 1, now)?;
    Ok(Stored::Stored(body.stored(user, id, 1, now, now)))
}

/// The part that `seal` and [`replace`] share, after the check of the entry's state. Returns `None` if the user has
/// no such secret tag.
fn replace(
    connection: &Connection,
    user: UserId,
    id: EntryId,
    body: SealedBody,
    expected: u32,
    created_at: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<Option<SealedEntry>> {
    if !secret_tags::exists(connection, user, body.tag)? {
        return Ok(None);
    }
    write(connection, REPLACE, user, id, &body, expected + 1, now)?;
    Ok(Some(body.stored(user, id, expected + 1, created_at, now)))
}

fn write(
    connection: &Connection,
    sql: &str,
    user: UserId,
    id: EntryId,
    body: &SealedBody,
    revision: u32,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let parameters = named_params! {
        ":id": id.0.as_bytes(),
        ":user": user.0.as_bytes(),
        ":tag": body.tag.0.as_bytes(),
        ":content": body.sealed.encrypted_content,
        ":content_iv": body.sealed.encryption_iv,
        ":key": body.sealed.wrapped_key,
        ":key_iv": body.sealed.wrap_iv,
        ":entry_date": body.date.moment.as_micros(),
        ":entry_zone": body.date.zone.name(),
        ":entry_day": body.date.day().to_string(),
        ":revision": revision,
        ":now": now.as_micros(),
    };
    connection.prepare_cached(sql)?.execute(parameters).map(drop)
}

fn unseal(
    connection: &Connection,
    user: UserId,
    id: EntryId,
    plain: PlainBody,
    expected: u32,
    now: Timestamp,
) -> rusqlite::Result<Stored<Moved<Entry>>> {
    let old = match any(connection, user, id)? {
        None => return Ok(Stored::Missing),
        Some(AnyEntry::Sealed(old)) if old.revision == expected => old,
        Some(other) => return Ok(Stored::Stale(other)),
    };
    if let Some(unknown) = unknown_tag(connection, user, &plain.tags)? {
        return Ok(Stored::UnknownTag(unknown));
    }
    let PlainBody { body, tags } = plain;
    let sql = "UPDATE journal_entries
               SET secret_tag_id = NULL, encrypted_content = NULL, encryption_iv = NULL, wrapped_key = NULL,
                   wrap_iv = NULL, title = :title, content = :content, audio_url = :audio_url,
                   entry_date = :entry_date, entry_zone = :entry_zone, entry_day = :entry_day,
                   word_count = :word_count, revision = :revision, updated_at = :now
               WHERE id = :id AND user_id = :user";
    connection.prepare_cached(sql)?.execute(named_params! {
        ":id": id.0.as_bytes(),
        ":user": user.0.as_bytes(),
        ":title": body.title,
        ":content": body.content,
        ":audio_url": body.audio_url,
        ":entry_date": body.date.moment.as_micros(),
        ":entry_zone": body.date.zone.name(),
        ":entry_day": body.date.day().to_string(),
        ":word_count": body.words(),
        ":revision": expected + 1,
        ":now": now.as_micros(),
    })?;
    let freed = detach(connection, user, id)?;
    let tags = link_tags(connection, user, id, tags, now)?;
    let (revision, created_at) = (expected + 1, old.created_at);
    let entry = Entry { id, user_id: user, body, tags, revision, created_at, updated_at: now };
    Ok(Stored::Stored(Moved { entry, freed }))
}

/// Returns the user's entry with this id, plain or sealed.
fn any(connection: &Connection, user: UserId, id: EntryId) -> rusqlite::Result<Option<AnyEntry>> {
    if let Some(sealed) = get(connection, user, id)? {
        return Ok(Some(AnyEntry::Sealed(sealed)));
    }
    Ok(entries::get(connection, user, id)?.map(AnyEntry::Plain))
}

fn get(connection: &Connection, user: UserId, id: EntryId) -> rusqlite::Result<Option<SealedEntry>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM journal_entries WHERE id = ?2 AND user_id = ?1 AND secret_tag_id IS NOT NULL"
    );
    connection.prepare_cached(sql)?.query_row([user.0.as_bytes(), id.0.as_bytes()], |row| read(row, user)).optional()
}

fn read_all<P: Params>(
    connection: &Connection,
    sql: &str,
    parameters: P,
    user: UserId,
) -> rusqlite::Result<Vec<SealedEntry>> {
    let (mut entries, mut bytes) = (Vec::new(), 0);
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    while bytes < PAGE_BYTES
        && let Some(row) = rows.next()?
    {
        let entry = read(row, user)?;
        bytes += entry.sealed.encrypted_content.len();
        entries.push(entry);
    }
    Ok(entries)
}

fn read(row: &Row, user: UserId) -> rusqlite::Result<SealedEntry> {
    sealed_entry(&mut Columns::new(row), user)
}
