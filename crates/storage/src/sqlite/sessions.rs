//! Sessions on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::session::{MAX_SESSION_SECONDS, MAX_SESSIONS, Rotation, SESSION_SECONDS, Session, SessionWithUser};
use sotto_domain::storage::{Result, Sessions};
use sotto_domain::{SessionId, Timestamp, UserId};

use super::Sqlite;
use super::error::name_foreign_key;
use super::row::read_row;
use crate::rows::{session_columns, user_columns};

#[async_trait]
impl Sessions for Sqlite {
    async fn start(&self, session: &Session) -> Result<()> {
        let session = session.clone();
        self.write(move |connection| start(connection, &session)).await
    }

    async fn get_with_user(&self, user: UserId, id: SessionId) -> Result<Option<SessionWithUser>> {
        self.read(move |connection| get_with_user(connection, user, id)).await
    }

    async fn rotate(
        &self,
        user: UserId,
        id: SessionId,
        generation: u32,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Rotation> {
        self.write(move |connection| rotate(connection, user, id, generation, expires_at, now)).await
    }

    async fn confirm(&self, user: UserId, id: SessionId, now: Timestamp) -> Result<bool> {
        self.write(move |connection| {
            let sql = "UPDATE login_sessions SET confirmed_at = ?3, updated_at = ?3
                       WHERE id = ?2 AND user_id = ?1 AND expires_at > ?3 AND created_at > ?4";
            let parameters = params![user.0.as_bytes(), id.0.as_bytes(), now.as_micros(), oldest(now)];
            Ok(connection.prepare_cached(sql)?.execute(parameters)? == 1)
        })
        .await
    }

    async fn end(&self, user: UserId, id: SessionId) -> Result<bool> {
        self.write(move |connection| end(connection, user, id)).await
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        self.read(move |connection| {
            let sql = concat!(
                "SELECT ",
                session_columns!(),
                " FROM login_sessions WHERE user_id = ?1 AND expires_at > ?2 AND created_at > ?3
                 ORDER BY created_at DESC, id DESC LIMIT 1000"
            );
            let parameters = params![user.0.as_bytes(), now.as_micros(), oldest(now)];
            connection.prepare_cached(sql)?.query_map(parameters, read_row)?.collect()
        })
        .await
    }

    async fn delete_expired(&self, now: Timestamp) -> Result<u64> {
        self.write(move |connection| {
            let sql = "DELETE FROM login_sessions WHERE expires_at < ?1";
            connection.prepare_cached(sql)?.execute([now.as_micros()]).map(|count| count as u64)
        })
        .await
    }

    async fn correct_ends(&self, now: Timestamp) -> Result<u64> {
        self.write(move |connection| {
            let sql = "UPDATE login_sessions SET expires_at = min(?1, created_at + ?3) WHERE expires_at > ?2";
            let latest = now.plus_seconds(SESSION_SECONDS);
            let impossible = latest.plus_seconds(CLOCK_TOLERANCE);
            let parameters = [latest.as_micros(), impossible.as_micros(), MAX_SESSION_SECONDS * 1_000_000];
            connection.prepare_cached(sql)?.execute(parameters).map(|count| count as u64)
        })
        .await
    }
}

fn start(connection: &Connection, session: &Session) -> rusqlite::Result<()> {
    let sql = "INSERT INTO login_sessions
                   (id, user_id, generation, rotated_at, expires_at, user_agent, confirmed_at, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)";
    let parameters = params![
        session.id.0.as_bytes(),
        session.user_id.0.as_bytes(),
        session.generation,
        session.rotated_at.as_micros(),
        session.expires_at.min(Session::latest_end(session.created_at)).as_micros(),
        session.user_agent,
        session.confirmed_at.map(Timestamp::as_micros),
        session.created_at.as_micros(),
    ];
    connection.prepare_cached(sql)?.execute(parameters).map_err(name_foreign_key("fk_login_sessions_user"))?;
    let surplus = "DELETE FROM login_sessions WHERE user_id = ?1 AND id IN
                       (SELECT id FROM login_sessions WHERE user_id = ?1 AND id <> ?2
                        ORDER BY rotated_at DESC, id DESC LIMIT -1 OFFSET ?3)";
    let parameters = params![session.user_id.0.as_bytes(), session.id.0.as_bytes(), MAX_SESSIONS - 1];
    connection.prepare_cached(surplus)?.execute(parameters).map(drop)
}

/// Sessions that were started before this time have ended, in microseconds.
fn oldest(now: Timestamp) -> i64 {
    now.plus_seconds(-MAX_SESSION_SECONDS).as_micros()
}

fn get_with_user(connection: &Connection, user: UserId, id: SessionId) -> rusqlite::Result<Option<SessionWithUser>> {
    let sql = concat!(
        "SELECT ",
        user_columns!(),
        ", login_sessions.expires_at, login_sessions.confirmed_at, login_sessions.created_at
         FROM login_sessions JOIN users ON users.id = login_sessions.user_id
         WHERE login_sessions.id = ?2 AND login_sessions.user_id = ?1"
    );
    connection.prepare_cached(sql)?.query_row([user.0.as_bytes(), id.0.as_bytes()], read_row).optional()
}

fn rotate(
    connection: &Connection,
    user: UserId,
    id: SessionId,
    generation: u32,
    expires_at: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<Rotation> {
    let sql = concat!("SELECT ", session_columns!(), " FROM login_sessions WHERE id = ?2 AND user_id = ?1");
    let found = connection
        .prepare_cached(sql)?
        .query_row([user.0.as_bytes(), id.0.as_bytes()], read_row::<Session>)
        .optional()?;
    let Some(session) = found.filter(|session| session.expires_at > now) else {
        return Ok(Rotation::Missing);
    };
    if generation == session.generation {
        return raise(connection, session, expires_at, now).map(Rotation::Rotated);
    }
    if session.forgives(generation, now) {
        return Ok(Rotation::Rotated(session));
    }
    end(connection, user, id)?;
    Ok(Rotation::Reused)
}

fn raise(
    connection: &Connection,
    session: Session,
    expires_at: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<Session> {
    let raised = session.refreshed(expires_at, now);
    let sql = "UPDATE login_sessions
               SET generation = ?3, rotated_at = ?4, expires_at = ?5, confirmed_at = ?6, created_at = ?7,
                   updated_at = ?4
               WHERE id = ?2 AND user_id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        raised.user_id.0.as_bytes(),
        raised.id.0.as_bytes(),
        raised.generation,
        now.as_micros(),
        raised.expires_at.as_micros(),
        raised.confirmed_at.map(Timestamp::as_micros),
        raised.created_at.as_micros(),
    ])?;
    Ok(raised)
}

fn end(connection: &Connection, user: UserId, id: SessionId) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM login_sessions WHERE id = ?2 AND user_id = ?1";
    Ok(connection.prepare_cached(sql)?.execute([user.0.as_bytes(), id.0.as_bytes()])? == 1)
}
