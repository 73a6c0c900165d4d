//! The storage contract of secret tags.

use async_trait::async_trait;

use super::Result;
use crate::clock::Timestamp;
use crate::idempotency::KeyedCreate;
use crate::ids::{OpaqueSessionId, SecretTagId, UserId};
use crate::secret_tag::{CreatedSecretTag, DeletedSecretTag, NewSecretTag, PhraseLock, SecretTag};

/// Secret tags.
#[async_trait]
pub trait SecretTags: Send + Sync {
    /// Creates a secret tag, and deletes the attempts that were started with its id, which are those of its
    /// registration; failed ones stay. Returns `Conflict{fk_secret_tags_user}` if the user does not exist.
    async fn create(
        &self,
        user: UserId,
        new: &NewSecretTag,
        key: Option<KeyedCreate>,
        now: Timestamp,
    ) -> Result<CreatedSecretTag>;
    /// Whether the user has, or has deleted, a secret tag with this id. Such an id cannot be used for a new one.
    async fn is_taken(&self, user: UserId, id: SecretTagId) -> Result<bool>;
    /// Returns the secret tag.
    async fn get(&self, user: UserId, id: SecretTagId) -> Result<Option<SecretTag>>;
    /// Returns a user's secret tags: first those that have been unlocked, the most recent unlock first, then the others
    /// in the order of their creation. A client that tries one passphrase on all of them in this order makes each of
    /// them fail at most once for every other one between two of its unlocks.
    async fn list(&self, user: UserId) -> Result<Vec<SecretTag>>;
    /// Replaces the lock of a secret tag that is at `version`, raises the version, and ends every session of the tag
    /// except `keep`; failed sessions stay. Without `keep`, which means that the recovery key was used, failed sessions
    /// are deleted too, so that the owner need not wait for attempts of others. Returns `None` if there is no such
    /// secret tag or it is at another version.
    async fn set_lock(
        &self,
        user: UserId,
        id: SecretTagId,
        lock: &PhraseLock,
        version: u32,
        keep: Option<OpaqueSessionId>,
        now: Timestamp,
    ) -> Result<Option<SecretTag>>;
    /// Replaces name and colour. Returns false if there is no such secret tag.
    async fn set_metadata(&self, user: UserId, id: SecretTagId, metadata: &[u8], now: Timestamp) -> Result<bool>;
    /// Deletes a secret tag and its sessions. Deletes its entries and their recordings only if `with_entries` is set.
    /// The id stays taken for as long as the user exists: it determines the key that passphrases are tested with, and
    /// an attacker may have a copy of what that key opens.
    async fn delete(
        &self,
        user: UserId,
        id: SecretTagId,
        with_entries: bool,
        now: Timestamp,
    ) -> Result<DeletedSecretTag>;
    /// Returns the fingerprints of the server keys that secret tags of all users were made with, without duplicates.
    async fn server_keys(&self) -> Result<Vec<[u8; 16]>>;
}
