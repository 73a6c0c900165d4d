//! The storage contract of tags.

use async_trait::async_trait;

use super::{Position, Result};
use crate::clock::Timestamp;
use crate::idempotency::KeyedCreate;
use crate::ids::{TagId, UserId};
use crate::tag::{NewTag, Tag, TagPatch};

/// Tags.
#[async_trait]
pub trait Tags: Send + Sync {
    /// Creates a tag. Returns `Conflict{uq_tags_user_name_key}` if the user has a tag with the same name key.
    async fn create(&self, user: UserId, new: &NewTag, key: Option<KeyedCreate>, now: Timestamp) -> Result<Tag>;
    /// Returns the tag.
    async fn get(&self, user: UserId, id: TagId) -> Result<Option<Tag>>;
    /// Changes a tag and returns it. Returns `Conflict{uq_tags_user_name_key}` as [`Self::create`] does.
    async fn update(&self, user: UserId, id: TagId, patch: &TagPatch, now: Timestamp) -> Result<Option<Tag>>;
    /// Deletes a tag, and removes it from its entries. Returns false if there is no such tag.
    async fn delete(&self, user: UserId, id: TagId) -> Result<bool>;
    /// Returns a user's tags in the order of their creation, after `after`, at most `limit`.
    async fn list(&self, user: UserId, after: Option<Position>, limit: u32) -> Result<Vec<Tag>>;
}
