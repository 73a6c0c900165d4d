//! Stores sessions: which devices a user has signed in on.

use async_trait::async_trait;
use sotto_domain::account::{Rotation, SESSION_SECONDS, Session, SessionWithUser};
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::storage::{Result, Sessions};
use sotto_domain::{SessionId, Timestamp, UserId};

use super::Postgres;
use super::row::read_row;
use super::values::{Instant, integer, read_rows};
use crate::rows::{session_columns, user_columns};

const START: &str = "INSERT INTO login_sessions
    (id, user_id, generation, rotated_at, expires_at, user_agent, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";

const GET_WITH_USER: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", s.expires_at FROM login_sessions s JOIN users ON users.id = s.user_id
    WHERE s.user_id = $1 AND users.id = $1 AND s.id = $2"
);

// The generation is compared as a BIGINT, because the generation in a token may exceed an INTEGER.
const RAISE: &str = concat!(
    "UPDATE login_sessions SET generation = generation + 1, rotated_at = $5, expires_at = $4, updated_at = $5
    WHERE user_id = $1 AND id = $2 AND generation = $3::bigint AND expires_at > $5 RETURNING ",
    session_columns!()
);

const GET: &str =
    concat!("SELECT ", session_columns!(), " FROM login_sessions WHERE user_id = $1 AND id = $2 AND expires_at > $3");

const END: &str = "DELETE FROM login_sessions WHERE user_id = $1 AND id = $2";

const LIST: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM login_sessions WHERE user_id = $1 AND expires_at > $2 ORDER BY created_at DESC, id DESC LIMIT 1000"
);

const DELETE_EXPIRED: &str = "DELETE FROM login_sessions WHERE expires_at < $1";

const CORRECT_ENDS: &str = "UPDATE login_sessions SET expires_at = $1 WHERE expires_at > $2";

#[async_trait]
impl Sessions for Postgres {
    async fn start(&self, session: &Session) -> Result<()> {
        self.pool
            .execute(
                START,
                &[
                    &session.id.0,
                    &session.user_id.0,
                    &integer(session.generation)?,
                    &Instant(session.rotated_at),
                    &Instant(session.expires_at),
                    &session.user_agent,
                    &Instant(session.created_at),
                ],
            )
            .await
            .map(drop)
    }

    async fn get_with_user(&self, user_id: UserId, id: SessionId) -> Result<Option<SessionWithUser>> {
        let row = self.pool.query_opt(GET_WITH_USER, &[&user_id.0, &id.0]).await?;
        row.as_ref().map(read_row).transpose()
    }

    /// A single conditional update decides which caller raises the generation. The code after it runs only for the
    /// others.
    async fn rotate(
        &self,
        user: UserId,
        id: SessionId,
        generation: u32,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Rotation> {
        let lease = self.pool.lease().await?;
        let raised = lease
            .query_opt(RAISE, &[&user.0, &id.0, &i64::from(generation), &Instant(expires_at), &Instant(now)])
            .await?;
        if let Some(row) = raised {
            return read_row(&row).map(Rotation::Rotated);
        }
        let Some(row) = lease.query_opt(GET, &[&user.0, &id.0, &Instant(now)]).await? else {
            return Ok(Rotation::Missing);
        };
        let current: Session = read_row(&row)?;
        if current.forgives(generation, now) {
            return Ok(Rotation::Rotated(current));
        }
        lease.execute(END, &[&user.0, &id.0]).await?;
        Ok(Rotation::Reused)
    }

    async fn end(&self, user: UserId, id: SessionId) -> Result<bool> {
        Ok(self.pool.execute(END, &[&user.0, &id.0]).await? > 0)
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        read_rows(&self.pool.query(LIST, &[&user.0, &Instant(now)]).await?, read_row)
    }

    async fn delete_expired(&self, now: Timestamp) -> Result<u64> {
        self.pool.execute(DELETE_EXPIRED, &[&Instant(now)]).await
    }

    async fn correct_ends(&self, now: Timestamp) -> Result<u64> {
        let latest = now.plus_seconds(SESSION_SECONDS);
        let impossible = latest.plus_seconds(CLOCK_TOLERANCE);
        self.pool.execute(CORRECT_ENDS, &[&Instant(latest), &Instant(impossible)]).await
    }
}
