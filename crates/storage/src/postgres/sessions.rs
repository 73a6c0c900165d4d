//! Stores sessions: which devices a user has signed in on.

use async_trait::async_trait;
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::session::{MAX_SESSION_SECONDS, MAX_SESSIONS, Rotation, SESSION_SECONDS, Session, SessionWithUser};
use sotto_domain::storage::{Result, Sessions};
use sotto_domain::{SessionId, Timestamp, UserId};

use super::Postgres;
use super::pool::Parameters;
use super::row::read_row;
use super::secret_tags::LOCK_USER;
use super::values::{Instant, integer, read_rows};
use crate::rows::{session_columns, user_columns};

const START: &str = "INSERT INTO login_sessions
    (id, user_id, generation, rotated_at, expires_at, user_agent, confirmed_at, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";

const END_SURPLUS: &str = "DELETE FROM login_sessions WHERE user_id = $1 AND id IN
    (SELECT id FROM login_sessions WHERE user_id = $1 AND id <> $2 ORDER BY rotated_at DESC, id DESC OFFSET $3)";

const GET_WITH_USER: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", s.expires_at, s.confirmed_at, s.created_at FROM login_sessions s JOIN users ON users.id = s.user_id
    WHERE s.user_id = $1 AND users.id = $1 AND s.id = $2"
);

// What `Session::refreshed` computes; $6 is the oldest start of a session that has not ended, $7 the greatest instant
// that is not impossible. The generation is compared as a BIGINT, because the generation in a token may exceed an
// INTEGER.
const RAISE: &str = concat!(
    "UPDATE login_sessions SET
        generation = generation + 1,
        rotated_at = $5,
        expires_at = least($4, CASE WHEN created_at > $7 THEN $8 ELSE created_at END + make_interval(secs => $9)),
        confirmed_at = CASE WHEN confirmed_at > $7 THEN NULL ELSE confirmed_at END,
        created_at = CASE WHEN created_at > $7 THEN $8 ELSE created_at END,
        updated_at = $5
    WHERE user_id = $1 AND id = $2 AND generation = $3::bigint AND expires_at > $5 AND created_at > $6 RETURNING ",
    session_columns!()
);

const GET: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM login_sessions WHERE user_id = $1 AND id = $2 AND expires_at > $3 AND created_at > $4"
);

const CONFIRM: &str = "UPDATE login_sessions SET confirmed_at = $3, updated_at = $3
    WHERE user_id = $1 AND id = $2 AND expires_at > $3 AND created_at > $4";

const END: &str = "DELETE FROM login_sessions WHERE user_id = $1 AND id = $2";

const LIST: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM login_sessions WHERE user_id = $1 AND expires_at > $2 AND created_at > $3
    ORDER BY created_at DESC, id DESC LIMIT 1000"
);

const DELETE_EXPIRED: &str = "DELETE FROM login_sessions WHERE expires_at < $1";

const CORRECT_ENDS: &str = "UPDATE login_sessions SET expires_at = least($1, created_at + make_interval(secs => $3))
    WHERE expires_at > $2";

/// [`MAX_SESSION_SECONDS`] as the seconds of an interval.
#[expect(clippy::cast_precision_loss, reason = "it is far below 2^53")]
const LIFETIME: f64 = MAX_SESSION_SECONDS as f64;

#[async_trait]
impl Sessions for Postgres {
    async fn start(&self, session: &Session) -> Result<()> {
        let lease = self.pool.lease().await?;
        let (lock, start) = (lease.prepare(LOCK_USER).await?, lease.prepare(START).await?);
        let end_surplus = lease.prepare(END_SURPLUS).await?;
        let client = lease.client()?;
        let end = session.expires_at.min(Session::latest_end(session.created_at));
        let (owner, others) = (&session.user_id.0, i64::from(MAX_SESSIONS - 1));
        let parameters: Parameters<'_> = &[
            &session.id.0,
            owner,
            &integer(session.generation)?,
            &Instant(session.rotated_at),
            &Instant(end),
            &session.user_agent,
            &session.confirmed_at.map(Instant),
            &Instant(session.created_at),
        ];
        let (user, surplus): (Parameters<'_>, Parameters<'_>) = (&[owner], &[owner, &session.id.0, &others]);
        let all = Box::pin(async {
            tokio::try_join!(biased;
                client.execute(&lock, user),
                client.execute(&start, parameters),
                client.execute(&end_surplus, surplus),
            )
        });
        lease.transaction(all).await.map(drop)
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
        let raise: Parameters<'_> = &[
            &user.0,
            &id.0,
            &i64::from(generation),
            &Instant(expires_at),
            &Instant(now),
            &oldest(now),
            &Instant(now.plus_seconds(CLOCK_TOLERANCE)),
            &Instant(Session::not_recent(now)),
            &LIFETIME,
        ];
        let raised = lease.query_opt(RAISE, raise).await?;
        if let Some(row) = raised {
            return read_row(&row).map(Rotation::Rotated);
        }
        let Some(row) = lease.query_opt(GET, &[&user.0, &id.0, &Instant(now), &oldest(now)]).await? else {
            return Ok(Rotation::Missing);
        };
        let current: Session = read_row(&row)?;
        if current.forgives(generation, now) {
            return Ok(Rotation::Rotated(current));
        }
        lease.execute(END, &[&user.0, &id.0]).await?;
        Ok(Rotation::Reused)
    }

    async fn confirm(&self, user: UserId, id: SessionId, now: Timestamp) -> Result<bool> {
        Ok(self.pool.execute(CONFIRM, &[&user.0, &id.0, &Instant(now), &oldest(now)]).await? > 0)
    }

    async fn end(&self, user: UserId, id: SessionId) -> Result<bool> {
        Ok(self.pool.execute(END, &[&user.0, &id.0]).await? > 0)
    }

    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        read_rows(&self.pool.query(LIST, &[&user.0, &Instant(now), &oldest(now)]).await?, read_row)
    }

    async fn delete_expired(&self, now: Timestamp) -> Result<u64> {
        self.pool.execute(DELETE_EXPIRED, &[&Instant(now)]).await
    }

    async fn correct_ends(&self, now: Timestamp) -> Result<u64> {
        let latest = now.plus_seconds(SESSION_SECONDS);
        let impossible = latest.plus_seconds(CLOCK_TOLERANCE);
        self.pool.execute(CORRECT_ENDS, &[&Instant(latest), &Instant(impossible), &LIFETIME]).await
    }
}

/// Sessions that were started before this time have ended.
fn oldest(now: Timestamp) -> Instant {
    Instant(now.plus_seconds(-MAX_SESSION_SECONDS))
}
