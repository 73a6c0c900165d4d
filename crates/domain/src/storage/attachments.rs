//! The storage contract of attachments.

use async_trait::async_trait;

use super::Result;
use crate::attachment::{Attached, Attachment, NewAttachment};
use crate::clock::Timestamp;
use crate::ids::{AttachmentId, EntryId, UserId};

/// Attachments of plain and sealed entries. Their bytes are objects in the attachment store, which these methods never
/// touch: the caller writes the object before it calls [`Self::put`], and deletes an object after its row. Deleting an
/// entry deletes its attachment. Every method that deletes an attachment's row (these methods, and those that delete or
/// move entries, delete secret tags or delete accounts) records in the same unit that the object is to be deleted: see
/// [`AttachmentStore::freed`](super::AttachmentStore::freed).
#[async_trait]
pub trait Attachments: Send + Sync {
    /// Returns the attachment of an entry.
    async fn get(&self, user: UserId, entry: EntryId) -> Result<Option<Attachment>>;
    /// Attaches a recording to its entry, in place of the previous one. For a plain entry, also sets `audio_url`. The
    /// entry's revision stays the same, so that an edit in progress does not become stale. With `quota`, attaches only
    /// if the user's recordings then have at most `quota` bytes in total; concurrent calls never attach more than the
    /// same calls one after another. Returns `Conflict{pk_attachments}` if the id is taken.
    async fn put(&self, user: UserId, new: &NewAttachment, quota: Option<u64>, now: Timestamp) -> Result<Attached>;
    /// Removes the attachment of an entry, and the entry's `audio_url` if it equals the given one. Returns the freed
    /// attachments: one, or none if the entry has no attachment.
    async fn remove(&self, user: UserId, entry: EntryId, audio_url: &str, now: Timestamp) -> Result<Vec<AttachmentId>>;
    /// Returns the total size of the user's recordings in bytes.
    async fn usage(&self, user: UserId) -> Result<u64>;
    /// Returns those of these ids that are attachments of the user, in the order of their ids.
    async fn known(&self, user: UserId, ids: &[AttachmentId]) -> Result<Vec<AttachmentId>>;
}
