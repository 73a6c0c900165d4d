//! The storage contract of security events.

use async_trait::async_trait;

use super::{Position, Result};
use crate::clock::Timestamp;
use crate::ids::UserId;
use crate::security_event::SecurityEvent;

/// Security events.
#[async_trait]
pub trait SecurityEvents: Send + Sync {
    /// Stores an event, and deletes the user's oldest events of the same kind beyond
    /// [`crate::security_event::MAX_EVENTS`]. Concurrent calls never leave more events than the same calls one after
    /// another. Returns `Conflict{fk_security_events_user}` if the user does not exist.
    async fn record(&self, event: &SecurityEvent) -> Result<()>;
    /// Returns a page of a user's events, newest first, by `created_at` and then by id.
    async fn list(&self, user: UserId, after: Option<Position>, limit: u32) -> Result<Vec<SecurityEvent>>;
    /// Deletes the events of all users that are [`crate::security_event::KEPT_SECONDS`] old at `now`, and returns their
    /// number.
    async fn delete_expired(&self, now: Timestamp) -> Result<u64>;
    /// Corrects events, of all users, that a wrong clock has dated: an event with a date that is impossible by `now`
    /// (see [`Timestamp::is_impossible`]) gets the date `now`, so that it neither stays longer than others nor crowds
    /// them out. Returns the number of such events.
    async fn correct_dates(&self, now: Timestamp) -> Result<u64>;
}
