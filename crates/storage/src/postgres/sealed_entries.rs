//! Stores sealed entries, and moves entries in and out of secret tags.

use async_trait::async_trait;
use sotto_domain::entry::Entry;
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::secret_tag::{AnyEntry, Moved, PlainBody, SealedBody, SealedEntry, Stored};
use sotto_domain::storage::{Result, SealedEntries, StorageError};
use sotto_domain::{AttachmentId, EntryId, SecretTagId, Timestamp, UserId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Postgres;
use super::attachments::{DETACH, freed};
use super::entries::{ATTEMPTS, BodyValues, WriteAttempt};
use super::entry_row::{columns, entry, page_of};
use super::entry_tags::{Choices, FoundTags, TagStatements};
use super::pool::Parameters;
use super::row::Columns;
use super::values::{Day, Instant, instant, read, read_rows};
use crate::rows::sealed_entry;

/// The columns of the sealed entry `e`.
macro_rules! sealed_columns {
    () => {
        "e.id, e.secret_tag_id, e.encrypted_content, e.encryption_iv, e.wrapped_key, e.wrap_iv, e.entry_date,
        e.entry_zone, e.revision, e.created_at, e.updated_at"
    };
}

/// The number of columns that [`GET_ANY`] selects with [`columns`] before [`sealed_columns`].
const PLAIN_COLUMNS: usize = 10;

// A conflict with any unique key counts: on a distributed database the primary key includes the user.
const CREATE: &str = "INSERT INTO journal_entries
    (user_id, id, secret_tag_id, encrypted_content, encryption_iv, wrapped_key, wrap_iv, entry_date, entry_zone,
        entry_day, created_at, updated_at, content)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, '') ON CONFLICT DO NOTHING";

macro_rules! replace {
    ($kind:literal) => {
        concat!(
            "UPDATE journal_entries SET title = NULL, content = '', audio_url = NULL, word_count = 0,
                secret_tag_id = $3, encrypted_content = $4, encryption_iv = $5, wrapped_key = $6, wrap_iv = $7,
                entry_date = $8, entry_zone = $9, entry_day = $10, updated_at = $11, revision = revision + 1
            WHERE user_id = $1 AND id = $2 AND secret_tag_id ",
            $kind,
            " AND revision = $12::bigint RETURNING created_at"
        )
    };
}

const REPLACE: &str = replace!("IS NOT NULL");

const SEAL: &str = replace!("IS NULL");

const UNLINK: &str = "DELETE FROM journal_entry_tags WHERE user_id = $1 AND entry_id = $2";

const UNSEAL: &str = "UPDATE journal_entries SET
        title = $3, content = $4, audio_url = $5, entry_date = $6, entry_zone = $7, entry_day = $8, word_count = $9,
        updated_at = $10, revision = revision + 1, secret_tag_id = NULL, encrypted_content = NULL,
        encryption_iv = NULL, wrapped_key = NULL, wrap_iv = NULL
    WHERE user_id = $1 AND id = $2 AND secret_tag_id IS NOT NULL AND revision = $11::bigint RETURNING created_at";

pub(super) const GET: &str = concat!(
    "SELECT ",
    sealed_columns!(),
    " FROM journal_entries e WHERE e.user_id = $1 AND e.id = $2 AND e.secret_tag_id IS NOT NULL"
);

const GET_ANY: &str = concat!(
    "SELECT ",
    columns!(),
    ", ",
    sealed_columns!(),
    " FROM journal_entries e WHERE e.user_id = $1 AND e.id = $2"
);

pub(super) const FIRST: &str = page_of!(
    "encrypted_content",
    concat!(
        "SELECT ",
        sealed_columns!(),
        " FROM journal_entries e WHERE e.user_id = $1 AND e.secret_tag_id = $2
        ORDER BY e.entry_date DESC, e.id DESC LIMIT $3"
    )
);

pub(super) const NEXT: &str = page_of!(
    "encrypted_content",
    concat!(
        "SELECT ",
        sealed_columns!(),
        " FROM journal_entries e WHERE e.user_id = $1 AND e.secret_tag_id = $2 AND (e.entry_date, e.id) < ($4, $5)
        ORDER BY e.entry_date DESC, e.id DESC LIMIT $3"
    )
);

// The rows of attachments are deleted with their entries at the end of the statement, so this statement still sees
// them.
const DELETE: &str = "WITH gone AS (
        DELETE FROM journal_entries
        WHERE user_id = $1 AND id = $2 AND secret_tag_id IS NOT NULL AND revision = coalesce($3::bigint, revision)
        RETURNING id),
    recording AS (
        SELECT a.id, a.user_id FROM attachments a JOIN gone ON a.user_id = $1 AND a.entry_id = gone.id),
    freed AS (
        INSERT INTO freed_attachments (id, user_id) SELECT id, user_id FROM recording ON CONFLICT (id) DO NOTHING)
    SELECT (SELECT id FROM recording) FROM gone";

#[async_trait]
impl SealedEntries for Postgres {
    async fn create(
        &self,
        user: UserId,
        id: EntryId,
        body: &SealedBody,
        key: Option<KeyedCreate>,
        now: Timestamp,
    ) -> Result<Stored<SealedEntry>> {
        let values = SealedValues::new(user, id, body, now);
        match self.create_keyed(CREATE, &values.parameters(), key, id.0, now).await {
            Ok(0) => Ok(self.any(user, id).await?.map_or(Stored::IdTaken, Stored::Exists)),
            Ok(_) => Ok(Stored::Stored(body.clone().stored(user, id, 1, now, now))),
            Err(error) => unknown_secret_tag(error),
        }
    }

    async fn get(&self, user: UserId, id: EntryId) -> Result<Option<SealedEntry>> {
        let row = self.pool.query_opt(GET, &[&user.0, &id.0]).await?;
        row.map(|row| read_sealed(&row, user, 0)).transpose()
    }

    async fn list(
        &self,
        user: UserId,
        tag: SecretTagId,
        after: Option<(Timestamp, EntryId)>,
        limit: u32,
    ) -> Result<Vec<SealedEntry>> {
        let limit = i64::from(limit);
        let rows = match after {
            None => self.pool.query(FIRST, &[&user.0, &tag.0, &limit]).await?,
            Some((date, id)) => self.pool.query(NEXT, &[&user.0, &tag.0, &limit, &Instant(date), &id.0]).await?,
        };
        read_rows(&rows, |row| read_sealed(row, user, 0))
    }

    async fn replace(
        &self,
        user: UserId,
        id: EntryId,
        body: &SealedBody,
        expected: u32,
        now: Timestamp,
    ) -> Result<Stored<SealedEntry>> {
        let values = SealedValues::new(user, id, body, now);
        let revision = i64::from(expected);
        let mut parameters = values.parameters().to_vec();
        parameters.push(&revision);
        match self.pool.query_opt(REPLACE, &parameters).await {
            Ok(Some(row)) => Ok(Stored::Stored(body.clone().stored(user, id, expected + 1, instant(&row, 0)?, now))),
            Ok(None) => self.refused(user, id).await,
            Err(error) => unknown_secret_tag(error),
        }
    }

    /// `docs/threat-model.md` describes which data of a changed entry PostgreSQL keeps.
    async fn seal(
        &self,
        user: UserId,
        id: EntryId,
        body: &SealedBody,
        expected: u32,
        now: Timestamp,
    ) -> Result<Stored<Moved<SealedEntry>>> {
        match self.try_seal(user, id, body, expected, now).await {
            Ok(Some(moved)) => Ok(Stored::Stored(moved)),
            Ok(None) => self.refused(user, id).await,
            Err(error) => unknown_secret_tag(error),
        }
    }

    async fn unseal(
        &self,
        user: UserId,
        id: EntryId,
        body: &PlainBody,
        expected: u32,
        now: Timestamp,
    ) -> Result<Stored<Moved<Entry>>> {
        let choices = Choices::new(&body.tags);
        for _ in 0..ATTEMPTS {
            match self.try_unseal(user, id, body, &choices, expected, now).await? {
                WriteAttempt::Done(moved) => return Ok(Stored::Stored(moved)),
                WriteAttempt::Unknown(tag) => return Ok(Stored::UnknownTag(tag)),
                WriteAttempt::Again => {}
                WriteAttempt::Refused => return self.refused(user, id).await,
            }
        }
        Err(StorageError::Busy)
    }

    async fn delete(&self, user: UserId, id: EntryId, expected: Option<u32>) -> Result<Stored<Vec<AttachmentId>>> {
        if let Some(freed) = self.delete_entry(DELETE, user, id, expected).await? {
            return Ok(Stored::Stored(freed));
        }
        let found = SealedEntries::get(self, user, id).await?;
        Ok(found.map_or(Stored::Missing, |now| Stored::Stale(AnyEntry::Sealed(now))))
    }
}

impl Postgres {
    /// Returns `None` if there is no plain entry at this revision.
    async fn try_seal(
        &self,
        user: UserId,
        id: EntryId,
        body: &SealedBody,
        expected: u32,
        now: Timestamp,
    ) -> Result<Option<Moved<SealedEntry>>> {
        let lease = self.pool.lease().await?;
        let (seal, unlink) = (lease.prepare(SEAL).await?, lease.prepare(UNLINK).await?);
        let detach = lease.prepare(DETACH).await?;
        let client = lease.client()?;
        let values = SealedValues::new(user, id, body, now);
        let revision = i64::from(expected);
        let mut parameters = values.parameters().to_vec();
        parameters.push(&revision);
        // The statement locks the entry. A concurrent `put` of a recording has therefore ended and is visible by now,
        // or will be rejected, because the entry is no longer plain.
        let Some(row) = lease.begin(client.query_opt(&seal, &parameters)).await? else { return Ok(None) };
        let key: Parameters<'_> = &[&user.0, &id.0];
        let clear =
            Box::pin(async { tokio::try_join!(biased; client.execute(&unlink, key), client.query_opt(&detach, key)) });
        let (_, detached) = lease.commit(clear).await?;
        let entry = body.clone().stored(user, id, expected + 1, instant(&row, 0)?, now);
        Ok(Some(Moved { entry, freed: freed(detached.as_ref())? }))
    }

    async fn try_unseal(
        &self,
        user: UserId,
        id: EntryId,
        plain: &PlainBody,
        choices: &Choices<'_>,
        expected: u32,
        now: Timestamp,
    ) -> Result<WriteAttempt<Moved<Entry>>> {
        let lease = self.pool.lease().await?;
        let (unseal, statements) = (lease.prepare(UNSEAL).await?, TagStatements::prepare(&lease).await?);
        let detach = lease.prepare(DETACH).await?;
        let client = lease.client()?;
        let values = BodyValues::new(user, id, &plain.body, now)?;
        let revision = i64::from(expected);
        let mut parameters = values.parameters().to_vec();
        parameters.push(&revision);
        let write = Box::pin(async {
            tokio::try_join!(biased;
                client.query_opt(&unseal, &parameters),
                statements.find(client, user, choices, now),
            )
        });
        let (unsealed, found) = lease.begin(write).await?;
        let Some(row) = unsealed else { return Ok(WriteAttempt::Refused) };
        let tags = match choices.among(&found)? {
            FoundTags::Tags(tags) => tags,
            FoundTags::Unknown(tag) => return Ok(WriteAttempt::Unknown(tag)),
            FoundTags::Vanished => return Ok(WriteAttempt::Again),
        };
        let key: Parameters<'_> = &[&user.0, &id.0];
        let finish = Box::pin(async {
            tokio::try_join!(biased; client.query_opt(&detach, key), statements.link(client, user, id, &tags))
        });
        let (detached, ()) = lease.commit(finish).await?;
        let (body, revision, created_at) = (plain.body.clone(), expected + 1, instant(&row, 0)?);
        let entry = Entry { id, user_id: user, body, tags, revision, created_at, updated_at: now };
        Ok(WriteAttempt::Done(Moved { entry, freed: freed(detached.as_ref())? }))
    }

    /// The response to a change that found no entry of this kind at this revision.
    async fn refused<T>(&self, user: UserId, id: EntryId) -> Result<Stored<T>> {
        Ok(self.any(user, id).await?.map_or(Stored::Missing, Stored::Stale))
    }

    /// Finds the user's entry with this id, plain or sealed.
    async fn any(&self, user: UserId, id: EntryId) -> Result<Option<AnyEntry>> {
        let Some(row) = self.pool.query_opt(GET_ANY, &[&user.0, &id.0]).await? else { return Ok(None) };
        let is_sealed = read::<Option<uuid::Uuid>>(&row, PLAIN_COLUMNS + 1)?.is_some();
        Ok(Some(if is_sealed {
            AnyEntry::Sealed(read_sealed(&row, user, PLAIN_COLUMNS)?)
        } else {
            AnyEntry::Plain(entry(&row, user)?)
        }))
    }
}

/// The parameters that [`CREATE`], [`REPLACE`] and [`SEAL`] share.
struct SealedValues<'a> {
    user: UserId,
    id: EntryId,
    body: &'a SealedBody,
    zone: &'a str,
    date: Instant,
    day: Day,
    now: Instant,
}

impl<'a> SealedValues<'a> {
    fn new(user: UserId, id: EntryId, body: &'a SealedBody, now: Timestamp) -> Self {
        let (zone, date, day) = (body.date.zone.name(), Instant(body.date.moment), Day(body.date.day()));
        Self { user, id, body, zone, date, day, now: Instant(now) }
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 11] {
        let sealed = &self.body.sealed;
        [
            &self.user.0,
            &self.id.0,
            &self.body.tag.0,
            &sealed.encrypted_content,
            &sealed.encryption_iv,
            &sealed.wrapped_key,
            &sealed.wrap_iv,
            &self.date,
            &self.zone,
            &self.day,
            &self.now,
        ]
    }
}

fn unknown_secret_tag<T>(error: StorageError) -> Result<Stored<T>> {
    match error {
        StorageError::Conflict { constraint } if constraint == "fk_journal_entries_secret_tag" => {
            Ok(Stored::UnknownSecretTag)
        }
        other => Err(other),
    }
}

/// Reads [`sealed_columns`], which begin at column number `first`.
fn read_sealed(row: &Row, user: UserId, first: usize) -> Result<SealedEntry> {
    sealed_entry(&mut Columns::starting_at(row, first), user)
}
