//! The storage contract of API tokens.

use async_trait::async_trait;

use super::Result;
use crate::api_token::{ApiToken, ApiTokenWithUser, CreatedApiToken};
use crate::clock::Timestamp;
use crate::idempotency::KeyedCreate;
use crate::ids::{ApiTokenId, UserId};

/// API tokens.
#[async_trait]
pub trait ApiTokens: Send + Sync {
    /// Stores a token under `hash`, the SHA-256 of its secret, unless the user has [`crate::api_token::MAX_TOKENS`]
    /// tokens. Concurrent calls never store more tokens than the same calls one after another. Returns
    /// `Conflict{fk_api_tokens_user}` if the user does not exist.
    async fn create(&self, token: &ApiToken, hash: &[u8; 32], key: Option<KeyedCreate>) -> Result<CreatedApiToken>;
    /// Returns the token with this SHA-256, and its user. The caller checks `is_active` and `expires_at`.
    async fn find_with_user(&self, hash: &[u8; 32]) -> Result<Option<ApiTokenWithUser>>;
    /// Records that a token is used, unless a use was recorded within [`crate::api_token::USE_INTERVAL_SECONDS`] before
    /// `now`. A recorded time that is impossible by `now` (see [`Timestamp::is_impossible`]) is replaced.
    async fn note_use(&self, user: UserId, id: ApiTokenId, now: Timestamp) -> Result<()>;
    /// Returns a user's tokens in the order of their creation.
    async fn list(&self, user: UserId) -> Result<Vec<ApiToken>>;
    /// Deletes a token. Returns false if there is no such token.
    async fn delete(&self, user: UserId, id: ApiTokenId) -> Result<bool>;
}
