//! Personal API tokens.

use async_trait::async_trait;
use sotto_domain::api_token::{ApiToken, ApiTokenStanding, CreatedApiToken, MAX_TOKENS, Scopes, USE_SECONDS};
use sotto_domain::storage::{ApiTokens, Result};
use sotto_domain::{ApiTokenId, Timestamp, UserId};
use tokio_postgres::Row;

use super::pool::Parameters;
use super::secret_tags::LOCK_USER;
use super::users;
use super::values::{Instant, all, count, instant, read};
use super::{Postgres, error};

const CREATE: &str = "INSERT INTO api_tokens
    (user_id, id, name, token_hash, scopes, expires_at, last_used_at, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";

const COUNT: &str = "SELECT count(*) FROM api_tokens WHERE user_id = $1";

const STANDING: &str = concat!(
    "SELECT ",
    users::columns!(),
    ", t.id, t.user_id, t.name, t.scopes, t.expires_at, t.last_used_at, t.created_at
    FROM api_tokens t JOIN users ON users.id = t.user_id WHERE t.token_hash = $1"
);

const NOTE_USE: &str = "UPDATE api_tokens SET last_used_at = $3
    WHERE user_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at <= $4)";

const LIST: &str = "SELECT id, user_id, name, scopes, expires_at, last_used_at, created_at FROM api_tokens
    WHERE user_id = $1 ORDER BY created_at, id";

const DELETE: &str = "DELETE FROM api_tokens WHERE user_id = $1 AND id = $2";

#[async_trait]
impl ApiTokens for Postgres {
    async fn create(&self, token: &ApiToken, hash: &[u8; 32]) -> Result<CreatedApiToken> {
        let lease = self.pool.lease().await?;
        let (lock, create) = (lease.prepare(LOCK_USER).await?, lease.prepare(CREATE).await?);
        let counting = lease.prepare(COUNT).await?;
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
                client.execute(&create, parameters),
                client.query_one(&counting, owner),
            )
        });
        let (_, _, counted) = lease.begin(write).await?;
        if count::<i64, u32>(&counted, 0)? > MAX_TOKENS {
            return Ok(CreatedApiToken::TooMany);
        }
        lease.commit(async { Ok(()) }).await?;
        Ok(CreatedApiToken::Created)
    }

    async fn standing(&self, hash: &[u8; 32]) -> Result<Option<ApiTokenStanding>> {
        let row = self.pool.query_opt(STANDING, &[&hash.as_slice()]).await?;
        let standing = |row: &Row| Ok(ApiTokenStanding { user: users::user(row)?, token: token(row, users::COLUMNS)? });
        row.as_ref().map(standing).transpose()
    }

    async fn note_use(&self, user: UserId, id: ApiTokenId, now: Timestamp) -> Result<()> {
        let before = Instant(now.plus_seconds(-USE_SECONDS));
        self.pool.execute(NOTE_USE, &[&user.0, &id.0, &Instant(now), &before]).await.map(drop)
    }

    async fn list(&self, user: UserId) -> Result<Vec<ApiToken>> {
        all(&self.pool.query(LIST, &[&user.0]).await?, |row| token(row, 0))
    }

    async fn delete(&self, user: UserId, id: ApiTokenId) -> Result<bool> {
        Ok(self.pool.execute(DELETE, &[&user.0, &id.0]).await? > 0)
    }
}

/// Reads a token from the columns that begin with `first`.
fn token(row: &Row, first: usize) -> Result<ApiToken> {
    let maybe = |column| read::<Option<Instant>>(row, column).map(|instant| instant.map(|instant| instant.0));
    Ok(ApiToken {
        id: ApiTokenId(read(row, first)?),
        user_id: UserId(read(row, first + 1)?),
        name: read(row, first + 2)?,
        scopes: Scopes::from_text(read(row, first + 3)?).map_err(|message| error::corrupt("scopes", message))?,
        expires_at: maybe(first + 4)?,
        last_used_at: maybe(first + 5)?,
        created_at: instant(row, first + 6)?,
    })
}
