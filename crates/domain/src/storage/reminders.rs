//! The storage contract of reminders.

use async_trait::async_trait;

use super::{Position, Result};
use crate::clock::Timestamp;
use crate::idempotency::KeyedCreate;
use crate::ids::{ReminderId, UserId};
use crate::reminder::{Reminder, ReminderPlan};

/// Reminders.
#[async_trait]
pub trait Reminders: Send + Sync {
    /// Creates a reminder. Its next due time is the plan's first one after `now`.
    async fn create(
        &self,
        user: UserId,
        id: ReminderId,
        plan: &ReminderPlan,
        key: Option<KeyedCreate>,
        now: Timestamp,
    ) -> Result<Reminder>;
    /// Returns the reminder.
    async fn get(&self, user: UserId, id: ReminderId) -> Result<Option<Reminder>>;
    /// Replaces the plan of a reminder that was last changed at `seen`, and returns the reminder. Its next due time is
    /// the new plan's first one after `now`. Returns `None` if there is no such reminder or it has changed since
    /// `seen`.
    async fn replace(
        &self,
        user: UserId,
        id: ReminderId,
        plan: &ReminderPlan,
        seen: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Reminder>>;
    /// Deletes a reminder. Returns false if there is no such reminder.
    async fn delete(&self, user: UserId, id: ReminderId) -> Result<bool>;
    /// Returns a user's reminders in the order of their creation, after `after`, at most `limit`.
    async fn list(&self, user: UserId, after: Option<Position>, limit: u32) -> Result<Vec<Reminder>>;
}
