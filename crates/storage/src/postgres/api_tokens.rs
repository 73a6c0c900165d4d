//! Stores API tokens.

use async_trait::async_trait;
use sotto_domain::api_token::{ApiToken, ApiTokenWithUser, CreatedApiToken, MAX_TOKENS, USE_INTERVAL_SECONDS};
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::storage::{ApiTokens, Result};
use sotto_domain::{ApiTokenId, Timestamp, UserId};

use super::Postgres;
use super::idempotency::Record;
use super::pool::Parameters;
use super::row::read_row;
use super::secret_tags::LOCK_USER;
use super::values::{Instant, count, read_rows};
use crate::rows::{api_token_columns, user_columns};

const CREATE: &str = "INSERT INTO api_tokens
    (user_id, id, name, token_hash, scopes, expires_at, last_used_at, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";

const COUNT: &str = "SELECT count(*) FROM api_tokens WHERE user_id = $1";

const FIND_WITH_USER: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", ",
    api_token_columns!(),
    " FROM api_tokens JOIN users ON users.id = api_tokens.user_id WHERE api_tokens.token_hash = $1"
);

const NOTE_USE: &str = "UPDATE api_tokens SET last_used_at = $3
    WHERE user_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at <= $4 OR last_used_at > $5)";

const LIST: &str =
    concat!("SELECT ", api_token_columns!(), " FROM api_tokens WHERE user_id = $1 ORDER BY created_at, id");

const DELETE: &str = "DELETE FROM api_tokens WHERE user_id = $1 AND id = $2";

#[async_trait]
impl ApiTokens for Postgres {
    async fn create(&self, token: &ApiToken, hash: &[u8; 32], key: Option<KeyedCreate>) -> Result<CreatedApiToken> {
        let lease = self.pool.lease().await?;
        let (lock, create) = (lease.prepare(LOCK_USER).await?, lease.prepare(CREATE).await?);
        let counting = lease.prepare(COUNT).await?;
        let record = Record::prepare(&lease, key, token.id.0, token.created_at).await?;
        let client = lease.client()?;
        let owner: Parameters<'_> = &[&token.user_id.0];
        let parameters: Parameters<'_> = &[
            &token.user_id.0,
            &token.id.0,
            &token.name,
            &hash.as_slice(),
            &token.scopes.to_text(),
            &token.expires_at.map(Instant),
            &token.last_used_at.map(Instant),
            &Instant(token.created_at),
        ];
        let write = Box::pin(async {
            tokio::try_join!(biased;
                client.execute(&lock, owner),
                Record::write(record.as_ref(), client),
                client.execute(&create, parameters),
                client.query_one(&counting, owner),
            )
        });
        let (_, (), _, counted) = lease.begin(write).await?;
        if count::<i64, u32>(&counted, 0)? > MAX_TOKENS {
            return Ok(CreatedApiToken::TooMany);
        }
        lease.commit(async { Ok(()) }).await?;
        Ok(CreatedApiToken::Created)
    }

    async fn find_with_user(&self, hash: &[u8; 32]) -> Result<Option<ApiTokenWithUser>> {
        let row = self.pool.query_opt(FIND_WITH_USER, &[&hash.as_slice()]).await?;
        row.as_ref().map(read_row).transpose()
    }

    async fn note_use(&self, user: UserId, id: ApiTokenId, now: Timestamp) -> Result<()> {
        let (before, impossible) = (now.plus_seconds(-USE_INTERVAL_SECONDS), now.plus_seconds(CLOCK_TOLERANCE));
        let parameters: Parameters<'_> = &[&user.0, &id.0, &Instant(now), &Instant(before), &Instant(impossible)];
        self.pool.execute(NOTE_USE, parameters).await.map(drop)
    }

    async fn list(&self, user: UserId) -> Result<Vec<ApiToken>> {
        read_rows(&self.pool.query(LIST, &[&user.0]).await?, read_row)
    }

    async fn delete(&self, user: UserId, id: ApiTokenId) -> Result<bool> {
        Ok(self.pool.execute(DELETE, &[&user.0, &id.0]).await? > 0)
    }
}
