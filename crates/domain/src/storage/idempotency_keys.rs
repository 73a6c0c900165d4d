//! The storage contract of idempotency keys.

use async_trait::async_trait;

use super::Result;
use crate::clock::Timestamp;
use crate::idempotency::RecordedCreate;
use crate::ids::UserId;

/// Idempotency keys. The creates themselves write the records.
#[async_trait]
pub trait IdempotencyKeys: Send + Sync {
    /// Returns the record of the user's create with this key.
    async fn find(&self, user: UserId, key_hash: &[u8; 32]) -> Result<Option<RecordedCreate>>;
    /// Deletes the records of all users that are [`crate::idempotency::KEPT_SECONDS`] old by `now`, and returns their
    /// number.
    async fn delete_expired(&self, now: Timestamp) -> Result<u64>;
    /// Corrects records, of all users, that a wrong clock has dated: a date that is impossible by `now` (see
    /// [`Timestamp::is_impossible`]) becomes `now`. Returns the number of such records.
    async fn correct_dates(&self, now: Timestamp) -> Result<u64>;
}
