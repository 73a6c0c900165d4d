//! The storage contract of entries under secret tags.

use async_trait::async_trait;

use super::Result;
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::idempotency::KeyedCreate;
use crate::ids::{AttachmentId, EntryId, SecretTagId, UserId};
use crate::secret_tag::{Moved, PlainBody, SealedBody, SealedEntry, Stored};

/// Sealed entries. The caller checks that the secret tag is unlocked. None of these methods returns a plain entry,
/// except one that conflicts with the call.
#[async_trait]
pub trait SealedEntries: Send + Sync {
    /// Stores a new entry at revision 1.
    async fn create(
        &self,
        user: UserId,
        id: EntryId,
        body: &SealedBody,
        key: Option<KeyedCreate>,
        now: Timestamp,
    ) -> Result<Stored<SealedEntry>>;
    /// Returns the entry.
    async fn get(&self, user: UserId, id: EntryId) -> Result<Option<SealedEntry>>;
    /// Returns a page of the entries under one secret tag, newest first, after `after`, at most `limit`. The page ends
    /// early with the entry that brings the sealed texts to [`crate::entry::PAGE_BYTES`].
    async fn list(
        &self,
        user: UserId,
        tag: SecretTagId,
        after: Option<(Timestamp, EntryId)>,
        limit: u32,
    ) -> Result<Vec<SealedEntry>>;
    /// Replaces a sealed entry that is at revision `expected`. The new body may be under another secret tag.
    async fn replace(
        &self,
        user: UserId,
        id: EntryId,
        body: &SealedBody,
        expected: u32,
        now: Timestamp,
    ) -> Result<Stored<SealedEntry>>;
    /// Seals a plain entry that is at revision `expected`. The same unit removes its title, text, recording, tags and
    /// words from every table, and from every index that the engine allows to clear; when the method returns, a search
    /// finds none of them. The tags themselves stay among the user's tags, where their names are readable.
    async fn seal(
        &self,
        user: UserId,
        id: EntryId,
        body: &SealedBody,
        expected: u32,
        now: Timestamp,
    ) -> Result<Stored<Moved<SealedEntry>>>;
    /// Moves a sealed entry that is at revision `expected` out of its secret tag. The same unit deletes its recording,
    /// which was encrypted for that tag.
    async fn unseal(
        &self,
        user: UserId,
        id: EntryId,
        body: &PlainBody,
        expected: u32,
        now: Timestamp,
    ) -> Result<Stored<Moved<Entry>>>;
    /// Deletes a sealed entry; with `expected`, only if the entry is at that revision. Returns the freed attachments.
    async fn delete(&self, user: UserId, id: EntryId, expected: Option<u32>) -> Result<Stored<Vec<AttachmentId>>>;
}
