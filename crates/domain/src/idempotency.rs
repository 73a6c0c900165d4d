//! Idempotency keys: a key that the client chooses, so that a create request that is sent twice creates one row.

use uuid::Uuid;

use crate::ids::UserId;

/// The shortest time that a key is remembered, in seconds: 24 hours. The first clean-up after that deletes its record.
pub const KEPT_SECONDS: i64 = 24 * 3600;

/// A create request with an idempotency key. Storage keeps both hashes with the id of the created row, and
/// nothing else of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyedCreate {
    /// The user who sent the request. Keys of different users are independent.
    pub user: UserId,
    /// A 32-byte hash of the key.
    pub key_hash: [u8; 32],
    /// A 32-byte hash of the path and the body of the request.
    pub request_hash: [u8; 32],
}

/// What storage remembers of a create with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedCreate {
    /// See [`KeyedCreate::request_hash`].
    pub request_hash: [u8; 32],
    /// The id of the created row, which may have been deleted since.
    pub id: Uuid,
}
