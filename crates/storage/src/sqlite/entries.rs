//! Creating, changing and deleting plain entries on SQLite. Queries are in [`super::entry_list`].

use async_trait::async_trait;
use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, named_params, params};
use sotto_domain::entry::{Created, Deleted, Entry, EntryPatch, EntryQuery, NewEntry, Updated};
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::statistics::DayCount;
use sotto_domain::storage::{Entries, Result};
use sotto_domain::tag::{TagChoice, TagRef};
use sotto_domain::{EntryId, TagId, Timestamp, UserId};

use super::entry_row::{columns, read_all};
use super::entry_tags::TagReader;
use super::error::name_foreign_key;
use super::values::uuid;
use super::{Sqlite, attachments, entry_list, tags};

#[async_trait]
impl Entries for Sqlite {
    async fn create(&self, user: UserId, new: &NewEntry, key: Option<KeyedCreate>, now: Timestamp) -> Result<Created> {
        let (id, new) = (new.id.0, new.clone());
        let work = move |connection: &Connection| create(connection, user, new, now);
        self.create_keyed(key, id, now, work, |outcome| matches!(outcome, Created::Created(_))).await
    }

    async fn get(&self, user: UserId, id: EntryId) -> Result<Option<Entry>> {
        self.read(move |connection| get(connection, user, id)).await
    }

    async fn update(
        &self,
        user: UserId,
        id: EntryId,
        patch: &EntryPatch,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Updated> {
        let patch = patch.clone();
        self.write(move |connection| update(connection, user, id, patch, expected, now)).await
    }

    async fn delete(&self, user: UserId, id: EntryId, expected: Option<u32>) -> Result<Deleted> {
        self.write(move |connection| delete(connection, user, id, expected)).await
    }

    async fn list(&self, user: UserId, query: &EntryQuery) -> Result<Vec<Entry>> {
        let query = query.clone();
        self.read(move |connection| entry_list::list(connection, user, &query)).await
    }

    async fn days(&self, user: UserId, from: Date, to: Date) -> Result<Vec<DayCount>> {
        self.read(move |connection| entry_list::days(connection, user, from, to)).await
    }

    async fn on_days(&self, user: UserId, days: &[Date], limit: u32) -> Result<Vec<Entry>> {
        let days = days.to_vec();
        self.read(move |connection| entry_list::on_days(connection, user, &days, limit)).await
    }
}

/// Returns the entry if it is a plain one.
pub fn get(connection: &Connection, user: UserId, id: EntryId) -> rusqlite::Result<Option<Entry>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM journal_entries AS entry WHERE id = ?2 AND user_id = ?1 AND secret_tag_id IS NULL"
    );
    read_all(connection, sql, [user.0.as_bytes(), id.0.as_bytes()], user).map(|mut found| found.pop())
}

fn create(connection: &Connection, user: UserId, new: NewEntry, now: Timestamp) -> rusqlite::Result<Created> {
    let taken =
        connection.prepare_cached("SELECT 1 FROM journal_entries WHERE id = ?1")?.exists([new.id.0.as_bytes()])?;
    if taken {
        return Ok(get(connection, user, new.id)?.map_or(Created::IdTaken, Created::Exists));
    }
    if let Some(unknown) = unknown_tag(connection, user, &new.tags)? {
        return Ok(Created::UnknownTag(unknown));
    }
    let sql = "INSERT INTO journal_entries (id, user_id, title, content, audio_url, entry_date, entry_zone, entry_day,
                                            word_count, revision, created_at, updated_at)
               VALUES (:id, :user, :title, :content, :audio_url, :entry_date, :entry_zone, :entry_day,
                       :word_count, 1, :now, :now)";
    let mut insert = connection.prepare_cached(sql)?;
    insert
        .execute(named_params! {
            ":id": new.id.0.as_bytes(),
            ":user": user.0.as_bytes(),
            ":title": new.body.title,
            ":content": new.body.content,
            ":audio_url": new.body.audio_url,
            ":entry_date": new.body.date.moment.as_micros(),
            ":entry_zone": new.body.date.zone.name(),
            ":entry_day": new.body.date.day().to_string(),
            ":word_count": new.body.words(),
            ":now": now.as_micros(),
        })
        .map_err(name_foreign_key("fk_journal_entries_user"))?;
    let tags = link_tags(connection, user, new.id, new.tags, now)?;
    let entry =
        Entry { id: new.id, user_id: user, body: new.body, tags, revision: 1, created_at: now, updated_at: now };
    Ok(Created::Created(entry))
}

fn update(
    connection: &Connection,
    user: UserId,
    id: EntryId,
    patch: EntryPatch,
    expected: Option<u32>,
    now: Timestamp,
) -> rusqlite::Result<Updated> {
    let Some(old) = get(connection, user, id)? else { return Ok(Updated::Missing) };
    if expected.is_some_and(|expected| expected != old.revision) {
        return Ok(Updated::Stale(old));
    }
    if let Some(unknown) = unknown_tag(connection, user, patch.tags.as_deref().unwrap_or_default())? {
        return Ok(Updated::UnknownTag(unknown));
    }
    let body = patch.apply(old.body.clone());
    let revision = old.revision + 1;
    let sql = "UPDATE journal_entries
               SET title = :title, content = :content, audio_url = :audio_url, entry_date = :entry_date,
                   entry_zone = :entry_zone, entry_day = :entry_day, word_count = :word_count, revision = :revision,
                   updated_at = :now
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
        ":revision": revision,
        ":now": now.as_micros(),
    })?;
    let tags = match patch.tags {
        None => old.tags,
        Some(choices) => {
            let sql = "DELETE FROM journal_entry_tags WHERE entry_id = ?2 AND user_id = ?1";
            connection.prepare_cached(sql)?.execute([user.0.as_bytes(), id.0.as_bytes()])?;
            link_tags(connection, user, id, choices, now)?
        }
    };
    Ok(Updated::Updated(Entry { body, tags, revision, updated_at: now, ..old }))
}

fn delete(connection: &Connection, user: UserId, id: EntryId, expected: Option<u32>) -> rusqlite::Result<Deleted> {
    let sql = "DELETE FROM journal_entries
               WHERE id = ?2 AND user_id = ?1 AND secret_tag_id IS NULL AND revision = coalesce(?3, revision)";
    let parameters = params![user.0.as_bytes(), id.0.as_bytes(), expected];
    let freed: Vec<_> = attachments::get(connection, user, id)?.into_iter().map(|one| one.id).collect();
    if connection.prepare_cached(sql)?.execute(parameters)? == 1 {
        attachments::note_freed(connection, user, &freed)?;
        return Ok(Deleted::Deleted(freed));
    }
    Ok(get(connection, user, id)?.map_or(Deleted::Missing, Deleted::Stale))
}

/// Returns the first chosen id that is not one of the user's tags.
pub fn unknown_tag(connection: &Connection, user: UserId, choices: &[TagChoice]) -> rusqlite::Result<Option<TagId>> {
    let mut find = connection.prepare_cached("SELECT 1 FROM tags WHERE id = ?2 AND user_id = ?1")?;
    for choice in choices {
        if let TagChoice::Existing(id) = choice
            && !find.exists([user.0.as_bytes(), id.0.as_bytes()])?
        {
            return Ok(Some(*id));
        }
    }
    Ok(None)
}

/// Links the chosen tags to an entry without tags, and creates missing ones. A tag that is chosen twice counts once.
pub fn link_tags(
    connection: &Connection,
    user: UserId,
    entry: EntryId,
    choices: Vec<TagChoice>,
    now: Timestamp,
) -> rusqlite::Result<Vec<TagRef>> {
    if choices.is_empty() {
        return Ok(Vec::new());
    }
    let mut find = connection.prepare_cached("SELECT id FROM tags WHERE user_id = ?1 AND name_key = ?2")?;
    let mut link = connection.prepare_cached(
        "INSERT INTO journal_entry_tags (entry_id, tag_id, user_id) VALUES (?1, ?2, ?3)
         ON CONFLICT (entry_id, tag_id) DO NOTHING",
    )?;
    for choice in choices {
        let tag = match choice {
            TagChoice::Existing(id) => id,
            TagChoice::Named(new) => {
                let found =
                    find.query_row(params![user.0.as_bytes(), new.name.key()], |row| uuid(row, 0)).optional()?;
                match found {
                    Some(id) => TagId(id),
                    None => tags::create(connection, user, new, now)?.id,
                }
            }
        };
        link.execute([entry.0.as_bytes(), tag.0.as_bytes(), user.0.as_bytes()])?;
    }
    TagReader::new(connection, user)?.read(entry)
}
