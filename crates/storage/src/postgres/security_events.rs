//! Stores security events.

use async_trait::async_trait;
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::security_event::{KEPT_SECONDS, MAX_EVENTS, SecurityEvent};
use sotto_domain::storage::{Position, Result, SecurityEvents};
use sotto_domain::{Timestamp, UserId};

use super::Postgres;
use super::pool::Parameters;
use super::row::read_row;
use super::secret_tags::LOCK_USER;
use super::values::{Instant, read_rows};
use crate::rows::security_event_columns;

const RECORD: &str = "INSERT INTO security_events (user_id, id, kind, client, user_agent, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $6)";

const DELETE_OLDEST: &str = "DELETE FROM security_events WHERE user_id = $1 AND kind = $3 AND (created_at, id) <= (
        SELECT created_at, id FROM security_events WHERE user_id = $1 AND kind = $3
        ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET $2)";

const FIRST: &str = concat!(
    "SELECT ",
    security_event_columns!(),
    " FROM security_events WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2"
);

const NEXT: &str = concat!(
    "SELECT ",
    security_event_columns!(),
    " FROM security_events WHERE user_id = $1 AND (created_at, id) < ($3, $4)
    ORDER BY created_at DESC, id DESC LIMIT $2"
);

const DELETE_EXPIRED: &str = "DELETE FROM security_events WHERE created_at <= $1";

const CORRECT_DATES: &str = "UPDATE security_events SET created_at = $1, updated_at = $1 WHERE created_at > $2";

#[async_trait]
impl SecurityEvents for Postgres {
    async fn record(&self, event: &SecurityEvent) -> Result<()> {
        let lease = self.pool.lease().await?;
        let (lock, record) = (lease.prepare(LOCK_USER).await?, lease.prepare(RECORD).await?);
        let delete_oldest = lease.prepare(DELETE_OLDEST).await?;
        let client = lease.client()?;
        let owner: Parameters<'_> = &[&event.user_id.0];
        let parameters: Parameters<'_> = &[
            &event.user_id.0,
            &event.id.0,
            &event.kind.name(),
            &event.client,
            &event.user_agent,
            &Instant(event.created_at),
        ];
        let kept: Parameters<'_> = &[&event.user_id.0, &i64::from(MAX_EVENTS), &event.kind.name()];
        // The lock lets concurrent calls see each other's events.
        let all = Box::pin(async {
            tokio::try_join!(biased;
                client.execute(&lock, owner),
                client.execute(&record, parameters),
                client.execute(&delete_oldest, kept),
            )
        });
        lease.transaction(all).await.map(drop)
    }

    async fn list(&self, user: UserId, after: Option<Position>, limit: u32) -> Result<Vec<SecurityEvent>> {
        let limit = i64::from(limit);
        let rows = match after {
            None => self.pool.query(FIRST, &[&user.0, &limit]).await?,
            Some((at, id)) => self.pool.query(NEXT, &[&user.0, &limit, &Instant(at), &id]).await?,
        };
        read_rows(&rows, read_row)
    }

    async fn delete_expired(&self, now: Timestamp) -> Result<u64> {
        self.pool.execute(DELETE_EXPIRED, &[&Instant(now.plus_seconds(-KEPT_SECONDS))]).await
    }

    async fn correct_dates(&self, now: Timestamp) -> Result<u64> {
        let impossible = now.plus_seconds(CLOCK_TOLERANCE);
        self.pool.execute(CORRECT_DATES, &[&Instant(now), &Instant(impossible)]).await
    }
}
