//! Stores entries.

use async_trait::async_trait;
use jiff::civil::Date;
use sotto_domain::entry::{Created, Deleted, Entry, EntryBody, EntryPatch, EntryQuery, NewEntry, Updated};
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::statistics::DayCount;
use sotto_domain::storage::{Entries, Result, StorageError};
use sotto_domain::{EntryId, Timestamp, UserId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Postgres;
use super::entry_list::ListQuery;
use super::entry_row::{body_columns, columns, entry, page_of, tag_list, tags, untagged};
use super::entry_tags::{Choices, FoundTags, TagStatements};
use super::idempotency::Record;
use super::pool::Parameters;
use super::values::{self, Day, Instant, count, integer, read_rows};

// A conflict with any unique key counts: on a distributed database the primary key includes the user.
const CREATE: &str = "INSERT INTO journal_entries
    (user_id, id, title, content, audio_url, entry_date, entry_zone, entry_day, word_count, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) ON CONFLICT DO NOTHING";

const GET: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM journal_entries e WHERE e.user_id = $1 AND e.id = $2 AND e.secret_tag_id IS NULL"
);

// Selects no tags: they may change while the statement waits for the lock, and it would return their old state.
const LOCK: &str = concat!(
    "SELECT ",
    body_columns!(),
    " FROM journal_entries e WHERE e.user_id = $1 AND e.id = $2 AND e.secret_tag_id IS NULL FOR NO KEY UPDATE"
);

const UPDATE: &str = concat!(
    "UPDATE journal_entries e SET
        title = $3, content = $4, audio_url = $5, entry_date = $6, entry_zone = $7, entry_day = $8, word_count = $9,
        updated_at = $10, revision = revision + 1
    WHERE e.user_id = $1 AND e.id = $2 RETURNING ",
    tag_list!()
);

// The rows of attachments are deleted with their entries at the end of the statement, so this statement still sees
// them.
const DELETE: &str = "WITH gone AS (
        DELETE FROM journal_entries
        WHERE user_id = $1 AND id = $2 AND secret_tag_id IS NULL AND revision = coalesce($3::bigint, revision)
        RETURNING id),
    recording AS (
        SELECT a.id, a.user_id FROM attachments a JOIN gone ON a.user_id = $1 AND a.entry_id = gone.id),
    freed AS (
        INSERT INTO freed_attachments (id, user_id) SELECT id, user_id FROM recording ON CONFLICT (id) DO NOTHING)
    SELECT (SELECT id FROM recording) FROM gone";

const DAYS: &str = "SELECT entry_day, count(*), sum(word_count) FROM journal_entries
    WHERE user_id = $1 AND entry_day BETWEEN $2 AND $3 AND secret_tag_id IS NULL
    GROUP BY entry_day ORDER BY entry_day";

const ON_DAYS: &str = page_of!(
    "content",
    concat!(
        "SELECT ",
        columns!(),
        " FROM journal_entries e WHERE e.user_id = $1 AND e.entry_day = ANY ($2) AND e.secret_tag_id IS NULL
        ORDER BY e.entry_date DESC, e.id DESC LIMIT $3"
    )
);

/// How often a write is tried while other requests delete the tags that it names.
pub(super) const ATTEMPTS: usize = 5;

#[async_trait]
impl Entries for Postgres {
    async fn create(&self, user: UserId, new: &NewEntry, key: Option<KeyedCreate>, now: Timestamp) -> Result<Created> {
        let choices = Choices::new(&new.tags);
        for _ in 0..ATTEMPTS {
            match self.try_create(user, new, &choices, key, now).await? {
                WriteAttempt::Done(created) => return Ok(Created::Created(created)),
                WriteAttempt::Unknown(tag) => return Ok(Created::UnknownTag(tag)),
                WriteAttempt::Again => {}
                WriteAttempt::Refused => {
                    return Ok(Entries::get(self, user, new.id).await?.map_or(Created::IdTaken, Created::Exists));
                }
            }
        }
        Err(StorageError::Busy)
    }

    async fn get(&self, user: UserId, id: EntryId) -> Result<Option<Entry>> {
        let row = self.pool.query_opt(GET, &[&user.0, &id.0]).await?;
        row.map(|row| entry(&row, user)).transpose()
    }

    async fn update(
        &self,
        user: UserId,
        id: EntryId,
        patch: &EntryPatch,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Updated> {
        let choices = patch.tags.as_deref().map(Choices::new);
        for _ in 0..ATTEMPTS {
            match self.try_update(user, id, patch, choices.as_ref(), expected, now).await? {
                WriteAttempt::Done(updated) => return Ok(Updated::Updated(updated)),
                WriteAttempt::Unknown(tag) => return Ok(Updated::UnknownTag(tag)),
                WriteAttempt::Again => {}
                WriteAttempt::Refused => {
                    return Ok(Entries::get(self, user, id).await?.map_or(Updated::Missing, Updated::Stale));
                }
            }
        }
        Err(StorageError::Busy)
    }

    /// The foreign key deletes the links to tags.
    async fn delete(&self, user: UserId, id: EntryId, expected: Option<u32>) -> Result<Deleted> {
        if let Some(freed) = self.delete_entry(DELETE, user, id, expected).await? {
            return Ok(Deleted::Deleted(freed));
        }
        match expected {
            None => Ok(Deleted::Missing),
            Some(_) => Ok(Entries::get(self, user, id).await?.map_or(Deleted::Missing, Deleted::Stale)),
        }
    }

    async fn list(&self, user: UserId, query: &EntryQuery) -> Result<Vec<Entry>> {
        let query = ListQuery::new(user, query);
        let (sql, values) = query.statement();
        let rows = if query.is_filtered() {
            self.pool.query_with_custom_plan(&sql, &values).await?
        } else {
            let values: Vec<_> = values.into_iter().map(|(value, _)| value).collect();
            self.pool.query(&sql, &values).await?
        };
        read_rows(&rows, |row| entry(row, user))
    }

    async fn days(&self, user: UserId, from: Date, to: Date) -> Result<Vec<DayCount>> {
        let day = |row: &Row| {
            Ok(DayCount {
                day: values::read::<Day>(row, 0)?.0,
                entries: count::<i64, _>(row, 1)?,
                words: count::<i64, _>(row, 2)?,
            })
        };
        read_rows(&self.pool.query(DAYS, &[&user.0, &Day(from), &Day(to)]).await?, day)
    }

    async fn on_days(&self, user: UserId, days: &[Date], limit: u32) -> Result<Vec<Entry>> {
        let days: Vec<_> = days.iter().copied().map(Day).collect();
        let rows = self.pool.query(ON_DAYS, &[&user.0, &days, &i64::from(limit)]).await?;
        read_rows(&rows, |row| entry(row, user))
    }
}

/// The outcome of one try to write an entry.
pub(super) enum WriteAttempt<T = Entry> {
    Done(T),
    /// On create: the id is in use. On update: the entry does not exist or is at another revision.
    Refused,
    Unknown(sotto_domain::TagId),
    Again,
}

impl Postgres {
    async fn try_create(
        &self,
        user: UserId,
        new: &NewEntry,
        choices: &Choices<'_>,
        key: Option<KeyedCreate>,
        now: Timestamp,
    ) -> Result<WriteAttempt> {
        let values = BodyValues::new(user, new.id, &new.body, now)?;
        let tags = if new.tags.is_empty() {
            if self.create_keyed(CREATE, &values.parameters(), key, new.id.0, now).await? == 0 {
                return Ok(WriteAttempt::Refused);
            }
            vec![]
        } else {
            let lease = self.pool.lease().await?;
            let (create, statements) = (lease.prepare(CREATE).await?, TagStatements::prepare(&lease).await?);
            let record = Record::prepare(&lease, key, new.id.0, now).await?;
            let (client, parameters) = (lease.client()?, values.parameters());
            let write = Box::pin(async {
                tokio::try_join!(biased;
                    Record::write(record.as_ref(), client),
                    client.execute(&create, &parameters),
                    statements.find(client, user, choices, now),
                )
            });
            let ((), created, found) = lease.begin(write).await?;
            if created == 0 {
                return Ok(WriteAttempt::Refused);
            }
            let tags = match choices.among(&found)? {
                FoundTags::Tags(tags) => tags,
                FoundTags::Unknown(tag) => return Ok(WriteAttempt::Unknown(tag)),
                FoundTags::Vanished => return Ok(WriteAttempt::Again),
            };
            lease.commit(Box::pin(statements.link(client, user, new.id, &tags))).await?;
            tags
        };
        let (id, body) = (new.id, new.body.clone());
        Ok(WriteAttempt::Done(Entry { id, user_id: user, body, tags, revision: 1, created_at: now, updated_at: now }))
    }

    async fn try_update(
        &self,
        user: UserId,
        id: EntryId,
        patch: &EntryPatch,
        choices: Option<&Choices<'_>>,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<WriteAttempt> {
        let lease = self.pool.lease().await?;
        let (lock, update) = (lease.prepare(LOCK).await?, lease.prepare(UPDATE).await?);
        let choices = match choices {
            Some(choices) => Some((TagStatements::prepare(&lease).await?, choices)),
            None => None,
        };
        let client = lease.client()?;
        let key: Parameters<'_> = &[&user.0, &id.0];
        let read = Box::pin(async {
            let find = async {
                match &choices {
                    Some((statements, choices)) => statements.find(client, user, choices, now).await,
                    None => Ok(vec![]),
                }
            };
            tokio::try_join!(biased; client.query_opt(&lock, key), find)
        });
        let (locked, found) = lease.begin(read).await?;
        let before = match locked.map(|row| untagged(&row, user)).transpose()? {
            Some(before) if expected.is_none_or(|expected| before.revision == expected) => before,
            _ => return Ok(WriteAttempt::Refused),
        };
        let chosen = match &choices {
            None => None,
            Some((statements, choices)) => match choices.among(&found)? {
                FoundTags::Tags(tags) => Some((statements, tags)),
                FoundTags::Unknown(tag) => return Ok(WriteAttempt::Unknown(tag)),
                FoundTags::Vanished => return Ok(WriteAttempt::Again),
            },
        };
        let body = patch.apply(before.body.clone());
        let values = BodyValues::new(user, id, &body, now)?;
        let parameters = values.parameters();
        let write = Box::pin(async {
            let relink = async {
                match &chosen {
                    Some((statements, tags)) => statements.relink(client, user, id, tags).await,
                    None => Ok(()),
                }
            };
            tokio::try_join!(biased; client.query_one(&update, &parameters), relink)
        });
        let (row, ()) = lease.commit(write).await?;
        let tags = match chosen {
            Some((_, tags)) => tags,
            None => tags(&row, 0)?,
        };
        let revision = before.revision + 1;
        Ok(WriteAttempt::Done(Entry { body, tags, revision, updated_at: now, ..before }))
    }
}

/// The parameters that [`CREATE`] and [`UPDATE`] share.
pub(super) struct BodyValues<'a> {
    user: UserId,
    id: EntryId,
    body: &'a EntryBody,
    zone: &'a str,
    date: Instant,
    day: Day,
    words: i32,
    now: Instant,
}

impl<'a> BodyValues<'a> {
    pub(super) fn new(user: UserId, id: EntryId, body: &'a EntryBody, now: Timestamp) -> Result<Self> {
        Ok(Self {
            user,
            id,
            body,
            zone: body.date.zone.name(),
            date: Instant(body.date.moment),
            day: Day(body.date.day()),
            words: integer(body.words())?,
            now: Instant(now),
        })
    }

    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 10] {
        let body = self.body;
        let (user, id) = (&self.user.0, &self.id.0);
        [
            user,
            id,
            &body.title,
            &body.content,
            &body.audio_url,
            &self.date,
            &self.zone,
            &self.day,
            &self.words,
            &self.now,
        ]
    }
}
