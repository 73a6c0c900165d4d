//! Stores OPAQUE sessions: attempts and unlocks of secret tags.
//!
//! `session_data` holds the sealed login state while the session is `initialized`, the SHA-256 of the unlock token
//! while it is `unlocked`, and NULL once it is `failed`. `updated_at` is the time of the last change of state;
//! `last_activity` is the time by which an attempt is counted.

use async_trait::async_trait;
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::secret_tag::{
    self, ACTIVITY_SECONDS, FailedTries, IDLE_SECONDS, LOGIN_SECONDS, MAX_FAILURES, MAX_OPEN, MEMORY_SECONDS, NewLogin,
    OPEN_SECONDS, OpaqueSession, OpaqueState, Started, StartedLogin,
};
use sotto_domain::storage::{OpaqueSessions, Result};
use sotto_domain::{OpaqueSessionId, SecretTagId, Timestamp, UserId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::pool::Parameters;
use super::row::read_row;
use super::secret_tags::LOCK_USER;
use super::values::{Instant, bytes, count, instant, read, read_rows};
use super::{Postgres, error};

const CORRECT_OF_USER: &str = "UPDATE opaque_sessions SET last_activity = $2, expires_at = $2
    WHERE user_id = $1 AND last_activity > $3 AND session_state <> 'unlocked'";

pub(super) const TRIES_OF_TAG: &str = "SELECT count(*), max(last_activity),
        EXISTS (SELECT 1 FROM secret_tags WHERE user_id = $1 AND tag_id = $3)
    FROM opaque_sessions
    WHERE user_id = $1 AND binary_tag_id = $2 AND session_state <> 'unlocked' AND last_activity >
        greatest($4, (SELECT opened_at FROM secret_tags WHERE user_id = $1 AND tag_id = $3 AND opened_at <= $5))";

const LIMIT_OF_USER: &str = "SELECT last_activity FROM opaque_sessions
    WHERE user_id = $1 AND session_state <> 'unlocked' AND last_activity > $2
    ORDER BY last_activity DESC LIMIT 1 OFFSET $3";

const START: &str = "INSERT INTO opaque_sessions (user_id, session_id, binary_tag_id, session_state, session_data,
        expires_at, last_activity, created_at, updated_at)
    VALUES ($1, $2, $3, 'initialized', $4, $5, $6, $6, $6)";

// The statement returns the data that it erases. A concurrent call waits for the first one, and then finds no row.
pub(super) const TAKE: &str = "UPDATE opaque_sessions s
    SET session_state = 'failed', session_data = NULL, last_activity = $3, updated_at = $3
    FROM (
        SELECT session_id, session_data FROM opaque_sessions
        WHERE user_id = $1 AND session_id = $2 AND session_state = 'initialized'
            AND expires_at > $3 AND expires_at <= $4 FOR UPDATE
    ) AS before
    WHERE s.user_id = $1 AND s.session_id = before.session_id AND s.session_state = 'initialized'
    RETURNING s.binary_tag_id, before.session_data, s.expires_at";

pub(super) const TAKEN: &str = "SELECT t.tag_id, t.opened_at FROM opaque_sessions s
    JOIN secret_tags t ON t.user_id = s.user_id AND uuid_send(t.tag_id) = s.binary_tag_id
    WHERE s.user_id = $1 AND t.user_id = $1 AND s.session_id = $2 AND s.session_state = 'failed'
        AND s.expires_at > $3 AND t.version = $4::bigint";

const FAILED_TRIES: &str = "SELECT count(*), max(last_activity) FROM opaque_sessions
    WHERE user_id = $1 AND binary_tag_id = $2 AND session_id <> $3
        AND session_state <> 'unlocked' AND last_activity > $4";

const OPENED: &str = "UPDATE secret_tags SET opened_at = $3 WHERE user_id = $1 AND tag_id = $2";

const UNLOCK: &str = "UPDATE opaque_sessions
    SET session_state = 'unlocked', session_data = $3, last_activity = $4, updated_at = $4, expires_at = $5
    WHERE user_id = $1 AND session_id = $2";

const CLOSE_OLDEST: &str = "DELETE FROM opaque_sessions WHERE user_id = $1 AND session_id IN (
        SELECT session_id FROM opaque_sessions
        WHERE user_id = $1 AND session_state = 'unlocked' AND expires_at > $2 AND expires_at <= $4
        ORDER BY updated_at DESC, created_at DESC, session_id DESC OFFSET $3)";

const OPEN: &str = "SELECT binary_tag_id, last_activity, updated_at FROM opaque_sessions
    WHERE user_id = $1 AND session_id = $2 AND session_state = 'unlocked' AND session_data = $3
        AND expires_at > $4 AND expires_at <= $5";

const NOTE: &str = "UPDATE opaque_sessions SET last_activity = $4, expires_at = $5
    WHERE user_id = $1 AND session_id = $2 AND session_state = 'unlocked' AND session_data = $3";

const LIST: &str = "SELECT session_id, binary_tag_id, session_state, expires_at, last_activity, created_at
    FROM opaque_sessions
    WHERE user_id = $1 AND CASE session_state
        WHEN 'unlocked' THEN expires_at > $2 AND expires_at <= $4 ELSE last_activity > $3 END
    ORDER BY created_at DESC, session_id DESC LIMIT 1000";

// The server's response to a started attempt lets the client test one passphrase, so the attempt continues to count.
const FAIL: &str = "UPDATE opaque_sessions SET session_state = 'failed', session_data = NULL
    WHERE user_id = $1 AND session_id = $2 AND session_state = 'initialized'";

const END: &str = "DELETE FROM opaque_sessions WHERE user_id = $1 AND session_id = $2 AND session_state = 'unlocked'";

const LOCK: &str = "DELETE FROM opaque_sessions
    WHERE user_id = $1 AND binary_tag_id = $2 AND session_state = 'unlocked'";

const END_ALL: &str = "DELETE FROM opaque_sessions WHERE user_id = $1 AND session_state = 'unlocked'";

const DELETE_EXPIRED: &str =
    "DELETE FROM opaque_sessions WHERE expires_at < $1 AND (session_state = 'unlocked' OR last_activity < $2)";

// A session ends after its last activity, so the condition on `expires_at` excludes no row and lets the query use an
// index.
const CORRECT_DATES: &str = "UPDATE opaque_sessions SET last_activity = $1, expires_at = $1
    WHERE expires_at > $2 AND last_activity > $2";

#[async_trait]
impl OpaqueSessions for Postgres {
    async fn start(&self, login: &NewLogin, now: Timestamp) -> Result<Started> {
        let lease = self.pool.lease().await?;
        let (lock, start) = (lease.prepare(LOCK_USER).await?, lease.prepare(START).await?);
        let (tries, limit) = (lease.prepare(TRIES_OF_TAG).await?, lease.prepare(LIMIT_OF_USER).await?);
        let correct = lease.prepare(CORRECT_OF_USER).await?;
        let client = lease.client()?;
        let (user, tag, since) = (login.user_id.0, bytes(&login.tag.0), Instant(now.plus_seconds(-MEMORY_SECONDS)));
        let owner: Parameters<'_> = &[&user];
        let (now_sent, possible) = (Instant(now), Instant(now.plus_seconds(CLOCK_TOLERANCE)));
        let to_correct: Parameters<'_> = &[&user, &now_sent, &possible];
        let of_tag: Parameters<'_> = &[&user, &tag, &login.tag.0, &since, &possible];
        let of_user: Parameters<'_> = &[&user, &since, &i64::from(MAX_FAILURES - 1)];
        let first = Box::pin(async {
            tokio::try_join!(biased;
                client.execute(&lock, owner),
                client.execute(&correct, to_correct),
                client.query_one(&tries, of_tag),
                client.query_opt(&limit, of_user),
            )
        });
        let (_, corrected, tries, limit) = lease.begin(first).await?;
        let limit = limit.map(|row| instant(&row, 0)).transpose()?;
        let allowed = secret_tag::next_try(failed_tries(&tries)?, read(&tries, 2)?, limit);
        if now < allowed {
            // The corrections are committed, because otherwise each attempt would extend the wait.
            if corrected > 0 {
                lease.commit(std::future::ready(Ok(()))).await?;
            }
            return Ok(Started::Slowed(allowed));
        }
        let parameters: Parameters<'_> =
            &[&user, &login.id.0, &tag, &login.state, &Instant(login.expires_at), &now_sent];
        lease.commit(client.execute(&start, parameters)).await?;
        Ok(Started::Started)
    }

    async fn take(&self, user: UserId, id: OpaqueSessionId, now: Timestamp) -> Result<Option<StartedLogin>> {
        let latest = secret_tag::latest_end(now, LOGIN_SECONDS);
        let row = self.pool.query_opt(TAKE, &[&user.0, &id.0, &Instant(now), &Instant(latest)]).await?;
        row.as_ref().map(read_row).transpose()
    }

    async fn unlock(
        &self,
        user: UserId,
        id: OpaqueSessionId,
        version: u32,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<FailedTries>> {
        let lease = self.pool.lease().await?;
        let (lock, taken) = (lease.prepare(LOCK_USER).await?, lease.prepare(TAKEN).await?);
        let (tries, opened) = (lease.prepare(FAILED_TRIES).await?, lease.prepare(OPENED).await?);
        let (unlock, close) = (lease.prepare(UNLOCK).await?, lease.prepare(CLOSE_OLDEST).await?);
        let client = lease.client()?;
        let (user, now_sent) = (user.0, Instant(now));
        let owner: Parameters<'_> = &[&user];
        let login: Parameters<'_> = &[&user, &id.0, &now_sent, &i64::from(version)];
        let first =
            Box::pin(async { tokio::try_join!(biased; client.execute(&lock, owner), client.query_opt(&taken, login)) });
        let (_, Some(row)) = lease.begin(first).await? else { return Ok(None) };
        let tag = read::<Uuid>(&row, 0)?;
        let remembered = now.plus_seconds(-MEMORY_SECONDS);
        let opened_at = read::<Option<Instant>>(&row, 1)?.map(|opened_at| opened_at.0);
        let opened_at = opened_at.filter(|opened_at| !opened_at.is_impossible(now));
        let since = Instant(opened_at.map_or(remembered, |opened_at| opened_at.max(remembered)));

        let of_tag: Parameters<'_> = &[&user, &bytes(&tag), &id.0, &since];
        let opening: Parameters<'_> = &[&user, &tag, &now_sent];
        let end = Instant(now.plus_seconds(IDLE_SECONDS));
        let to_open: Parameters<'_> = &[&user, &id.0, &token_hash.as_slice(), &now_sent, &end];
        let latest = Instant(secret_tag::latest_end(now, IDLE_SECONDS));
        let most: Parameters<'_> = &[&user, &now_sent, &i64::from(MAX_OPEN), &latest];
        let write = Box::pin(async {
            tokio::try_join!(biased;
                client.query_one(&tries, of_tag),
                client.execute(&opened, opening),
                client.execute(&unlock, to_open),
                client.execute(&close, most),
            )
        });
        let (tries, ..) = lease.commit(write).await?;
        failed_tries(&tries).map(Some)
    }

    async fn open(
        &self,
        user: UserId,
        id: OpaqueSessionId,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<SecretTagId>> {
        let lease = self.pool.lease().await?;
        let token = token_hash.as_slice();
        let latest = Instant(secret_tag::latest_end(now, IDLE_SECONDS));
        let Some(row) = lease.query_opt(OPEN, &[&user.0, &id.0, &token, &Instant(now), &latest]).await? else {
            return Ok(None);
        };
        let (tag, last_activity, opened_at) = (tag(&row, 0)?, instant(&row, 1)?, instant(&row, 2)?);
        if last_activity.is_within(ACTIVITY_SECONDS, now) {
            return Ok(Some(tag));
        }
        let end = now.plus_seconds(IDLE_SECONDS).min(opened_at.plus_seconds(OPEN_SECONDS));
        let noted = lease.execute(NOTE, &[&user.0, &id.0, &token, &Instant(now), &Instant(end)]).await?;
        // The session may have ended in the meantime.
        Ok((noted > 0).then_some(tag))
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<OpaqueSession>> {
        let since = Instant(now.plus_seconds(-MEMORY_SECONDS));
        let latest = Instant(secret_tag::latest_end(now, IDLE_SECONDS));
        read_rows(&self.pool.query(LIST, &[&user.0, &Instant(now), &since, &latest]).await?, |row| session(row, now))
    }

    async fn end(&self, user: UserId, id: OpaqueSessionId) -> Result<bool> {
        let lease = self.pool.lease().await?;
        let (fail, delete) = (lease.prepare(FAIL).await?, lease.prepare(END).await?);
        let client = lease.client()?;
        let key: Parameters<'_> = &[&user.0, &id.0];
        let both = async { tokio::try_join!(biased; client.execute(&fail, key), client.execute(&delete, key)) };
        let (failed, deleted) = lease.transaction(both).await?;
        Ok(failed + deleted > 0)
    }

    async fn lock(&self, user: UserId, tag: SecretTagId) -> Result<u64> {
        self.delete_several(user, LOCK, &[&user.0, &bytes(&tag.0)]).await
    }

    async fn end_all(&self, user: UserId) -> Result<u64> {
        self.delete_several(user, END_ALL, &[&user.0]).await
    }

    async fn delete_expired(&self, now: Timestamp) -> Result<u64> {
        let since = Instant(now.plus_seconds(-MEMORY_SECONDS));
        self.pool.execute(DELETE_EXPIRED, &[&Instant(now), &since]).await
    }

    async fn correct_dates(&self, now: Timestamp) -> Result<u64> {
        let possible = now.plus_seconds(CLOCK_TOLERANCE);
        self.pool.execute(CORRECT_DATES, &[&Instant(now), &Instant(possible)]).await
    }
}

impl Postgres {
    /// Deletes several OPAQUE sessions of a user with one statement and returns their number.
    async fn delete_several(&self, user: UserId, delete: &'static str, parameters: Parameters<'_>) -> Result<u64> {
        let lease = self.pool.lease().await?;
        let (lock, delete) = (lease.prepare(LOCK_USER).await?, lease.prepare(delete).await?);
        let client = lease.client()?;
        let owner: Parameters<'_> = &[&user.0];
        let both =
            async { tokio::try_join!(biased; client.execute(&lock, owner), client.execute(&delete, parameters)) };
        lease.transaction(both).await.map(|(_, deleted)| deleted)
    }
}

fn session(row: &Row, now: Timestamp) -> Result<OpaqueSession> {
    let state = read::<&str>(row, 2)?;
    let state = OpaqueState::named(state)
        .ok_or_else(|| error::corrupt("session_state", format!("{state:?} is not a state")))?;
    let expires_at = instant(row, 3)?;
    Ok(OpaqueSession {
        id: OpaqueSessionId(read(row, 0)?),
        tag: tag(row, 1)?,
        state: state.by(now, expires_at),
        expires_at,
        last_activity: instant(row, 4)?,
        created_at: instant(row, 5)?,
    })
}

fn failed_tries(row: &Row) -> Result<FailedTries> {
    let last = read::<Option<Instant>>(row, 1)?.map(|last| last.0);
    Ok(FailedTries { count: count::<i64, _>(row, 0)?, last })
}

/// Reads a secret tag from the 16 bytes of its id. There is no foreign key, because an attempt may be about a secret
/// tag that does not exist.
fn tag(row: &Row, index: usize) -> Result<SecretTagId> {
    let id = Uuid::from_slice(read(row, index)?);
    id.map(SecretTagId).map_err(|reason| error::corrupt("binary_tag_id", reason))
}
