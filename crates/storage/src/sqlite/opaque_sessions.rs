//! OPAQUE sessions on SQLite.
//!
//! `session_data` holds the sealed login state while a session is `initialized`, the SHA-256 of the unlock token while
//! it is `unlocked`, and NULL once it `failed`. `updated_at` is the time of the last change of state. `last_activity`
//! is the date of an attempt.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::secret_tag::{
    self, ACTIVITY_SECONDS, FailedTries, IDLE_SECONDS, LOGIN_SECONDS, MAX_FAILURES, MAX_OPEN, MEMORY_SECONDS, NewLogin,
    OPEN_SECONDS, OpaqueSession, OpaqueState, Started, StartedLogin,
};
use sotto_domain::storage::{OpaqueSessions, Result};
use sotto_domain::{OpaqueSessionId, SecretTagId, Timestamp, UserId};

use super::Sqlite;
use super::error::name_foreign_key;
use super::row::read_row;
use super::values::{damaged, timestamp, uuid};

#[async_trait]
impl OpaqueSessions for Sqlite {
    async fn start(&self, login: &NewLogin, now: Timestamp) -> Result<Started> {
        let login = login.clone();
        self.write(move |connection| start(connection, &login, now)).await
    }

    async fn take(&self, user: UserId, id: OpaqueSessionId, now: Timestamp) -> Result<Option<StartedLogin>> {
        self.write(move |connection| take(connection, user, id, now)).await
    }

    async fn unlock(
        &self,
        user: UserId,
        id: OpaqueSessionId,
        version: u32,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<FailedTries>> {
        let token_hash = *token_hash;
        self.write(move |connection| unlock(connection, user, id, version, &token_hash, now)).await
    }

    async fn open(
        &self,
        user: UserId,
        id: OpaqueSessionId,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<SecretTagId>> {
        let token_hash = *token_hash;
        let Some(open) = self.read(move |connection| find(connection, user, id, &token_hash, now)).await? else {
            return Ok(None);
        };
        if open.last_activity.is_within(ACTIVITY_SECONDS, now) {
            return Ok(Some(open.tag));
        }
        let end = now.plus_seconds(IDLE_SECONDS).min(open.opened_at.plus_seconds(OPEN_SECONDS));
        let noted = self.write(move |connection| {
            let sql = "UPDATE opaque_sessions SET last_activity = ?4, expires_at = ?5
                       WHERE session_id = ?2 AND user_id = ?1 AND session_state = 'unlocked' AND session_data = ?3";
            let parameters = params![user.0.as_bytes(), id.0.as_bytes(), token_hash, now.as_micros(), end.as_micros()];
            connection.prepare_cached(sql)?.execute(parameters)
        });
        // The session may have ended in the meantime.
        Ok((noted.await? == 1).then_some(open.tag))
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<OpaqueSession>> {
        self.read(move |connection| list(connection, user, now)).await
    }

    async fn end(&self, user: UserId, id: OpaqueSessionId) -> Result<bool> {
        self.write(move |connection| {
            let key = [user.0.as_bytes(), id.0.as_bytes()];
            // The server's response to a started attempt is enough for a guess, so an abandoned attempt still counts as
            // failed.
            let fail = "UPDATE opaque_sessions SET session_state = 'failed', session_data = NULL
                        WHERE session_id = ?2 AND user_id = ?1 AND session_state = 'initialized'";
            let delete = "DELETE FROM opaque_sessions
                          WHERE session_id = ?2 AND user_id = ?1 AND session_state = 'unlocked'";
            let ended =
                connection.prepare_cached(fail)?.execute(key)? + connection.prepare_cached(delete)?.execute(key)?;
            Ok(ended == 1)
        })
        .await
    }

    async fn lock(&self, user: UserId, tag: SecretTagId) -> Result<u64> {
        self.write(move |connection| {
            let sql = "DELETE FROM opaque_sessions
                       WHERE user_id = ?1 AND binary_tag_id = ?2 AND session_state = 'unlocked'";
            connection.prepare_cached(sql)?.execute([user.0.as_bytes(), tag.0.as_bytes()]).map(|count| count as u64)
        })
        .await
    }

    async fn end_all(&self, user: UserId) -> Result<u64> {
        self.write(move |connection| {
            let sql = "DELETE FROM opaque_sessions WHERE user_id = ?1 AND session_state = 'unlocked'";
            connection.prepare_cached(sql)?.execute([user.0.as_bytes()]).map(|count| count as u64)
        })
        .await
    }

    async fn delete_expired(&self, now: Timestamp) -> Result<u64> {
        self.write(move |connection| {
            let sql = "DELETE FROM opaque_sessions
                       WHERE expires_at < ?1 AND (session_state = 'unlocked' OR last_activity < ?2)";
            let parameters = [now.as_micros(), now.plus_seconds(-MEMORY_SECONDS).as_micros()];
            connection.prepare_cached(sql)?.execute(parameters).map(|count| count as u64)
        })
        .await
    }

    async fn correct_dates(&self, now: Timestamp) -> Result<u64> {
        self.write(move |connection| {
            // `expires_at` is later than `last_activity`, so its index finds every such session.
            let sql = "UPDATE opaque_sessions SET last_activity = ?1, expires_at = ?1
                       WHERE expires_at > ?2 AND last_activity > ?2";
            let parameters = [now, now.plus_seconds(CLOCK_TOLERANCE)].map(Timestamp::as_micros);
            connection.prepare_cached(sql)?.execute(parameters).map(|count| count as u64)
        })
        .await
    }
}

fn start(connection: &Connection, login: &NewLogin, now: Timestamp) -> rusqlite::Result<Started> {
    let sql = "UPDATE opaque_sessions SET last_activity = ?2, expires_at = ?2
               WHERE user_id = ?1 AND last_activity > ?3 AND session_state <> 'unlocked'";
    let impossible = now.plus_seconds(CLOCK_TOLERANCE).as_micros();
    let parameters = params![login.user_id.0.as_bytes(), now.as_micros(), impossible];
    connection.prepare_cached(sql)?.execute(parameters)?;
    let allowed = next_try(connection, login, now)?;
    if now < allowed {
        return Ok(Started::Slowed(allowed));
    }
    let sql =
        "INSERT INTO opaque_sessions (session_id, user_id, binary_tag_id, session_state, session_data, expires_at,
                                            last_activity, created_at, updated_at)
               VALUES (?2, ?1, ?3, 'initialized', ?4, ?5, ?6, ?6, ?6)";
    let parameters = params![
        login.user_id.0.as_bytes(),
        login.id.0.as_bytes(),
        login.tag.0.as_bytes(),
        login.state,
        login.expires_at.as_micros(),
        now.as_micros(),
    ];
    connection.prepare_cached(sql)?.execute(parameters).map_err(name_foreign_key("fk_opaque_sessions_user"))?;
    Ok(Started::Started)
}

/// The time from which the next attempt is possible.
fn next_try(connection: &Connection, login: &NewLogin, now: Timestamp) -> rusqlite::Result<Timestamp> {
    let since = now.plus_seconds(-MEMORY_SECONDS);
    let sql = "SELECT count(*), max(last_activity),
                   EXISTS (SELECT 1 FROM secret_tags WHERE user_id = ?1 AND tag_id = ?2)
               FROM opaque_sessions
               WHERE user_id = ?1 AND binary_tag_id = ?2 AND session_state <> 'unlocked' AND last_activity > max(?3,
                   coalesce((SELECT opened_at FROM secret_tags
                             WHERE user_id = ?1 AND tag_id = ?2 AND opened_at <= ?4), ?3))";
    let possible = now.plus_seconds(CLOCK_TOLERANCE);
    let parameters =
        params![login.user_id.0.as_bytes(), login.tag.0.as_bytes(), since.as_micros(), possible.as_micros()];
    let (of_tag, exists) =
        connection.prepare_cached(sql)?.query_row(parameters, |row| Ok((failed_tries(row)?, row.get(2)?)))?;
    let sql = "SELECT last_activity FROM opaque_sessions
               WHERE user_id = ?1 AND session_state <> 'unlocked' AND last_activity > ?2
               ORDER BY last_activity DESC LIMIT 1 OFFSET ?3";
    let parameters = params![login.user_id.0.as_bytes(), since.as_micros(), MAX_FAILURES - 1];
    let limit = connection.prepare_cached(sql)?.query_row(parameters, |row| timestamp(row, 0)).optional()?;
    Ok(secret_tag::next_try(of_tag, exists, limit))
}

fn take(
    connection: &Connection,
    user: UserId,
    id: OpaqueSessionId,
    now: Timestamp,
) -> rusqlite::Result<Option<StartedLogin>> {
    let sql = "SELECT binary_tag_id, session_data, expires_at FROM opaque_sessions
               WHERE session_id = ?2 AND user_id = ?1 AND session_state = 'initialized'
                   AND expires_at > ?3 AND expires_at <= ?4";
    let latest = secret_tag::latest_end(now, LOGIN_SECONDS).as_micros();
    let parameters = params![user.0.as_bytes(), id.0.as_bytes(), now.as_micros(), latest];
    let Some(taken) = connection.prepare_cached(sql)?.query_row(parameters, read_row).optional()? else {
        return Ok(None);
    };
    let sql = "UPDATE opaque_sessions
               SET session_state = 'failed', session_data = NULL, last_activity = ?3, updated_at = ?3
               WHERE session_id = ?2 AND user_id = ?1";
    connection.prepare_cached(sql)?.execute(params![user.0.as_bytes(), id.0.as_bytes(), now.as_micros()])?;
    Ok(Some(taken))
}

fn unlock(
    connection: &Connection,
    user: UserId,
    id: OpaqueSessionId,
    version: u32,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> rusqlite::Result<Option<FailedTries>> {
    let sql = "SELECT tag.tag_id, tag.opened_at FROM opaque_sessions AS session
               JOIN secret_tags AS tag ON tag.user_id = session.user_id AND tag.tag_id = session.binary_tag_id
               WHERE session.session_id = ?2 AND session.user_id = ?1 AND session.session_state = 'failed'
                   AND session.expires_at > ?3 AND tag.version = ?4";
    let parameters = params![user.0.as_bytes(), id.0.as_bytes(), now.as_micros(), version];
    let found = connection
        .prepare_cached(sql)?
        .query_row(parameters, |row| Ok((SecretTagId(uuid(row, 0)?), row.get::<_, Option<i64>>(1)?)))
        .optional()?;
    let possible = |opened_at: &i64| *opened_at <= now.plus_seconds(CLOCK_TOLERANCE).as_micros();
    let Some((tag, opened_at)) = found else { return Ok(None) };

    let sql = "SELECT count(*), max(last_activity) FROM opaque_sessions
               WHERE user_id = ?1 AND binary_tag_id = ?2 AND session_id <> ?3
                   AND session_state <> 'unlocked' AND last_activity > ?4";
    let remembered = now.plus_seconds(-MEMORY_SECONDS).as_micros();
    let since = opened_at.filter(possible).map_or(remembered, |opened_at| opened_at.max(remembered));
    let parameters = params![user.0.as_bytes(), tag.0.as_bytes(), id.0.as_bytes(), since];
    let tries = connection.prepare_cached(sql)?.query_row(parameters, failed_tries)?;

    let sql = "UPDATE secret_tags SET opened_at = ?3 WHERE tag_id = ?2 AND user_id = ?1";
    connection.prepare_cached(sql)?.execute(params![user.0.as_bytes(), tag.0.as_bytes(), now.as_micros()])?;
    let sql = "UPDATE opaque_sessions
               SET session_state = 'unlocked', session_data = ?3, last_activity = ?4, updated_at = ?4, expires_at = ?5
               WHERE session_id = ?2 AND user_id = ?1";
    let end = now.plus_seconds(IDLE_SECONDS).as_micros();
    let parameters = params![user.0.as_bytes(), id.0.as_bytes(), token_hash, now.as_micros(), end];
    connection.prepare_cached(sql)?.execute(parameters)?;
    let sql = "DELETE FROM opaque_sessions WHERE session_id IN (
                   SELECT session_id FROM opaque_sessions
                   WHERE user_id = ?1 AND session_state = 'unlocked' AND expires_at > ?2 AND expires_at <= ?4
                   ORDER BY updated_at DESC, created_at DESC, session_id DESC LIMIT -1 OFFSET ?3)";
    let latest = secret_tag::latest_end(now, IDLE_SECONDS).as_micros();
    connection.prepare_cached(sql)?.execute(params![user.0.as_bytes(), now.as_micros(), MAX_OPEN, latest])?;
    Ok(Some(tries))
}

/// The stored data of an unlocked session.
struct Open {
    tag: SecretTagId,
    last_activity: Timestamp,
    opened_at: Timestamp,
}

fn find(
    connection: &Connection,
    user: UserId,
    id: OpaqueSessionId,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> rusqlite::Result<Option<Open>> {
    let sql = "SELECT binary_tag_id, last_activity, updated_at FROM opaque_sessions
               WHERE session_id = ?2 AND user_id = ?1 AND session_state = 'unlocked' AND session_data = ?3
                   AND expires_at > ?4 AND expires_at <= ?5";
    let open = |row: &Row| {
        Ok(Open { tag: SecretTagId(uuid(row, 0)?), last_activity: timestamp(row, 1)?, opened_at: timestamp(row, 2)? })
    };
    let latest = secret_tag::latest_end(now, IDLE_SECONDS).as_micros();
    let parameters = params![user.0.as_bytes(), id.0.as_bytes(), token_hash, now.as_micros(), latest];
    connection.prepare_cached(sql)?.query_row(parameters, open).optional()
}

fn list(connection: &Connection, user: UserId, now: Timestamp) -> rusqlite::Result<Vec<OpaqueSession>> {
    let sql = "SELECT session_id, binary_tag_id, session_state, expires_at, last_activity, created_at
               FROM opaque_sessions
               WHERE user_id = ?1 AND CASE session_state
                   WHEN 'unlocked' THEN expires_at > ?2 AND expires_at <= ?4 ELSE last_activity > ?3 END
               ORDER BY created_at DESC, session_id DESC LIMIT 1000";
    let (since, latest) = (now.plus_seconds(-MEMORY_SECONDS), secret_tag::latest_end(now, IDLE_SECONDS));
    let parameters = params![user.0.as_bytes(), now.as_micros(), since.as_micros(), latest.as_micros()];
    connection.prepare_cached(sql)?.query_map(parameters, |row| session(row, now))?.collect()
}

fn session(row: &Row, now: Timestamp) -> rusqlite::Result<OpaqueSession> {
    let state = OpaqueState::named(row.get_ref(2)?.as_str()?).ok_or_else(|| damaged(2, "not a state"))?;
    let expires_at = timestamp(row, 3)?;
    Ok(OpaqueSession {
        id: OpaqueSessionId(uuid(row, 0)?),
        tag: SecretTagId(uuid(row, 1)?),
        state: state.by(now, expires_at),
        expires_at,
        last_activity: timestamp(row, 4)?,
        created_at: timestamp(row, 5)?,
    })
}

fn failed_tries(row: &Row) -> rusqlite::Result<FailedTries> {
    let last = row.get::<_, Option<i64>>(1)?.map(|_| timestamp(row, 1)).transpose()?;
    Ok(FailedTries { count: row.get(0)?, last })
}
