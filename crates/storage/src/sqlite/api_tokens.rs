//! API tokens on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use sotto_domain::api_token::{ApiToken, ApiTokenWithUser, CreatedApiToken, MAX_TOKENS, USE_INTERVAL_SECONDS};
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::storage::{ApiTokens, Result};
use sotto_domain::{ApiTokenId, Timestamp, UserId};

use super::Sqlite;
use super::error::name_foreign_key;
use super::row::read_row;
use crate::rows::{api_token_columns, user_columns};

#[async_trait]
impl ApiTokens for Sqlite {
    async fn create(&self, token: &ApiToken, hash: &[u8; 32], key: Option<KeyedCreate>) -> Result<CreatedApiToken> {
        let (id, now) = (token.id.0, token.created_at);
        let (token, hash) = (token.clone(), *hash);
        let work = move |connection: &Connection| create(connection, &token, &hash);
        self.create_keyed(key, id, now, work, |outcome| *outcome == CreatedApiToken::Created).await
    }

    async fn find_with_user(&self, hash: &[u8; 32]) -> Result<Option<ApiTokenWithUser>> {
        let hash = *hash;
        self.read(move |connection| {
            let sql = concat!(
                "SELECT ",
                user_columns!(),
                ", ",
                api_token_columns!(),
                " FROM api_tokens JOIN users ON users.id = api_tokens.user_id WHERE api_tokens.token_hash = ?1"
            );
            connection.prepare_cached(sql)?.query_row([hash], read_row).optional()
        })
        .await
    }

    async fn note_use(&self, user: UserId, id: ApiTokenId, now: Timestamp) -> Result<()> {
        self.write(move |connection| {
            let sql = "UPDATE api_tokens SET last_used_at = ?3
                       WHERE id = ?2 AND user_id = ?1
                           AND (last_used_at IS NULL OR last_used_at <= ?4 OR last_used_at > ?5)";
            let before = now.plus_seconds(-USE_INTERVAL_SECONDS).as_micros();
            let impossible = now.plus_seconds(CLOCK_TOLERANCE).as_micros();
            let parameters = params![user.0.as_bytes(), id.0.as_bytes(), now.as_micros(), before, impossible];
            connection.prepare_cached(sql)?.execute(parameters).map(drop)
        })
        .await
    }

    async fn list(&self, user: UserId) -> Result<Vec<ApiToken>> {
        self.read(move |connection| {
            let sql =
                concat!("SELECT ", api_token_columns!(), " FROM api_tokens WHERE user_id = ?1 ORDER BY created_at, id");
            connection.prepare_cached(sql)?.query_map([user.0.as_bytes()], read_row)?.collect()
        })
        .await
    }

    async fn delete(&self, user: UserId, id: ApiTokenId) -> Result<bool> {
        self.write(move |connection| {
            let sql = "DELETE FROM api_tokens WHERE id = ?2 AND user_id = ?1";
            Ok(connection.prepare_cached(sql)?.execute([user.0.as_bytes(), id.0.as_bytes()])? == 1)
        })
        .await
    }
}

fn create(connection: &Connection, token: &ApiToken, hash: &[u8; 32]) -> rusqlite::Result<CreatedApiToken> {
    let user = token.user_id.0.as_bytes();
    let sql = "SELECT count(*) FROM api_tokens WHERE user_id = ?1";
    let count: u32 = connection.prepare_cached(sql)?.query_row([user], |row| row.get(0))?;
    if count >= MAX_TOKENS {
        return Ok(CreatedApiToken::TooMany);
    }
    let sql = "INSERT INTO api_tokens
                   (id, user_id, name, token_hash, scopes, expires_at, last_used_at, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)";
    let parameters = params![
        token.id.0.as_bytes(),
        user,
        token.name,
        hash,
        token.scopes.to_text(),
        token.expires_at.map(Timestamp::as_micros),
        token.last_used_at.map(Timestamp::as_micros),
        token.created_at.as_micros(),
    ];
    connection.prepare_cached(sql)?.execute(parameters).map_err(name_foreign_key("fk_api_tokens_user"))?;
    Ok(CreatedApiToken::Created)
}
