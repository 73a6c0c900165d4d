//! The storage contract of the attachment store's identity, its sweeps, and freed attachments.

use async_trait::async_trait;

use super::Result;
use crate::attachment_store::Store;
use crate::clock::Timestamp;
use crate::ids::{AttachmentId, StoreId, UserId};

/// The database's record of its attachment store. Most of these methods concern all users.
#[async_trait]
pub trait AttachmentStore: Send + Sync {
    /// Returns the record, or `None` while the database has no store identity, as after a restore or a copy.
    async fn get(&self) -> Result<Option<Store>>;
    /// Returns the record. If the database has no store identity, first stores `fresh` and the time of the first sweep.
    /// Concurrent calls all return the same record.
    async fn identify(&self, fresh: StoreId, next_sweep_at: Timestamp, now: Timestamp) -> Result<Store>;
    /// Replaces the store identity, if there is one, and resets the record.
    async fn replace(&self, fresh: StoreId, next_sweep_at: Timestamp, now: Timestamp) -> Result<Store>;
    /// Counts a sweep that is about to begin, and postpones the next one until `next_sweep_at`. Returns false and
    /// changes nothing if, since `seen`, the store identity was replaced or another sweep has begun: of concurrent
    /// calls, one returns true.
    async fn begin_sweep(&self, seen: &Store, next_sweep_at: Timestamp, now: Timestamp) -> Result<bool>;
    /// Records the result of a sweep and the time of the next one, unless another sweep has begun or the store identity
    /// was replaced.
    async fn end_sweep(
        &self,
        id: StoreId,
        sweeps: u32,
        trouble: Option<&str>,
        next_sweep_at: Timestamp,
        now: Timestamp,
    ) -> Result<()>;
    /// Returns freed attachments of all users, in the order of their ids, after `after`, at most `limit`. None of them
    /// has a row in the attachments table.
    async fn freed(&self, after: Option<AttachmentId>, limit: u32) -> Result<Vec<(UserId, AttachmentId)>>;
    /// Records that the objects of these freed attachments were deleted.
    async fn remove_freed(&self, user: UserId, ids: &[AttachmentId]) -> Result<()>;
    /// Returns the attachments of all users, in the order of their ids, after `after`, at most `limit`.
    async fn recordings(&self, after: Option<AttachmentId>, limit: u32) -> Result<Vec<(UserId, AttachmentId)>>;
}
