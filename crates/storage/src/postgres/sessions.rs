//! Logins.

use async_trait::async_trait;
use sotto_domain::account::{REFRESH_GRACE_SECONDS, Rotation, Session, Standing};
use sotto_domain::storage::{Result, Sessions};
use sotto_domain::{SessionId, Timestamp, UserId};
use tokio_postgres::Row;

use super::Postgres;
use super::users;
use super::values::{Instant, all, count, instant, integer, read};

macro_rules! columns {
    () => {
        "id, user_id, generation, rotated_at, expires_at, user_agent, created_at"
    };
}

const START: &str = "INSERT INTO login_sessions
    (id, user_id, generation, rotated_at, expires_at, user_agent, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";

const STANDING: &str = concat!(
    "SELECT ",
    users::columns!(),
    ", s.expires_at FROM login_sessions s JOIN users ON users.id = s.user_id
    WHERE s.user_id = $1 AND users.id = $1 AND s.id = $2"
);

// The generation is compared as a BIGINT: what a token claims may be beyond an INTEGER.
const RAISE: &str = concat!(
    "UPDATE login_sessions SET generation = generation + 1, rotated_at = $5, expires_at = $4, updated_at = $5
    WHERE user_id = $1 AND id = $2 AND generation = $3::bigint AND expires_at > $5 RETURNING ",
    columns!()
);

const GET: &str =
    concat!("SELECT ", columns!(), " FROM login_sessions WHERE user_id = $1 AND id = $2 AND expires_at > $3");

const END: &str = "DELETE FROM login_sessions WHERE user_id = $1 AND id = $2";

const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM login_sessions WHERE user_id = $1 AND expires_at > $2 ORDER BY created_at DESC, id DESC LIMIT 1000"
);

const DELETE_EXPIRED: &str = "DELETE FROM login_sessions WHERE expires_at < $1";

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

    async fn standing(&self, user_id: UserId, id: SessionId) -> Result<Option<Standing>> {
        let row = self.pool.query_opt(STANDING, &[&user_id.0, &id.0]).await?;
        let standing = |row: &Row| Ok(Standing { user: users::user(row)?, expires_at: instant(row, users::COLUMNS)? });
        row.as_ref().map(standing).transpose()
    }

    /// One conditional update decides who raises the generation. What follows only happens to those who did not.
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
            return session(&row).map(Rotation::Rotated);
        }
        let Some(row) = lease.query_opt(GET, &[&user.0, &id.0, &Instant(now)]).await? else {
            return Ok(Rotation::Missing);
        };
        let current = session(&row)?;
        let previous = generation.checked_add(1) == Some(current.generation);
        if previous && now <= current.rotated_at.plus_seconds(REFRESH_GRACE_SECONDS) {
            return Ok(Rotation::Rotated(current));
        }
        lease.execute(END, &[&user.0, &id.0]).await?;
        Ok(Rotation::Reused)
    }

    async fn end(&self, user: UserId, id: SessionId) -> Result<bool> {
        Ok(self.pool.execute(END, &[&user.0, &id.0]).await? > 0)
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        all(&self.pool.query(LIST, &[&user.0, &Instant(now)]).await?, session)
    }

    async fn delete_expired(&self, now: Timestamp) -> Result<u64> {
        self.pool.execute(DELETE_EXPIRED, &[&Instant(now)]).await
    }
}

fn session(row: &Row) -> Result<Session> {
    Ok(Session {
        id: SessionId(read(row, 0)?),
        user_id: UserId(read(row, 1)?),
        generation: count::<i32, _>(row, 2)?,
        rotated_at: instant(row, 3)?,
        expires_at: instant(row, 4)?,
        user_agent: read(row, 5)?,
        created_at: instant(row, 6)?,
    })
}
