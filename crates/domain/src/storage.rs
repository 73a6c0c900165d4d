//! The storage contract. Its words are normative: what they say is what callers rely on, and what the
//! conformance suite of `sotto-storage` proves of each engine.
//!
//! * **Each method is one atomic, durable unit.** When it returns `Ok`, the change survives `kill -9` and a power
//!   cut; when it returns `Err`, nothing has changed ([`StorageError::Unavailable`] excepted: there the
//!   outcome may be unknown). No transaction object escapes, so none stays open across an await.
//! * **Owner first.** A method that takes a [`UserId`] first reads and changes rows of that user only; another
//!   user's row is the same as no row.
//! * **Outcomes are values.** What a caller can expect to happen (missing, stale, taken) is in the return type.
//!   A look-up returns `Option`. Errors are for what nobody asked for, except [`StorageError::Conflict`], which
//!   names the constraint that refused the change.
//! * **Time comes from the caller.** `now` becomes `created_at` and `updated_at`.
//! * Dropping a future does not undo its work: it may still be carried out.

use std::error::Error;

use async_trait::async_trait;
use jiff::civil::Date;

use crate::account::{Credentials, Email, NewUser, PasswordHash, Rotation, Session, Standing, User, UserPatch};
use crate::clock::Timestamp;
use crate::entry::{Created, Deleted, Entry, EntryPatch, EntryQuery, NewEntry, Updated};
use crate::health::{Snapshot, WriteCost};
use crate::ids::{EntryId, ReminderId, SessionId, TagId, UserId};
use crate::reminder::{Reminder, ReminderPlan};
use crate::statistics::DayCount;
use crate::tag::{NewTag, Tag, TagPatch};

/// Why an engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A constraint refused the change. Named as in the schema, without a shard's suffix.
    #[error("the constraint {constraint} refused the change")]
    Conflict {
        /// Such as `idx_users_email`.
        constraint: String,
    },
    /// Too much is waiting already; nothing was changed, and trying again later may work.
    #[error("the database is busy")]
    Busy,
    /// What is stored is not what was stored: a value breaks the schema's promises, or the file is damaged.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The database cannot be reached, or did not answer in time; whether a change was made is unknown.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// Anything else.
    #[error("the database refused: {0}")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}

/// What every method returns.
pub type Result<T> = std::result::Result<T, StorageError>;

/// A place in a list that is ordered by creation: what comes after it is next.
pub type Position = (Timestamp, uuid::Uuid);

/// All that is stored.
#[async_trait]
pub trait Storage: Send + Sync {
    /// Accounts.
    fn users(&self) -> &dyn Users;
    /// Logins.
    fn sessions(&self) -> &dyn Sessions;
    /// Journal entries.
    fn entries(&self) -> &dyn Entries;
    /// Tags.
    fn tags(&self) -> &dyn Tags;
    /// Reminders.
    fn reminders(&self) -> &dyn Reminders;
    /// The database's own health.
    fn health(&self) -> &dyn Health;

    /// Answers `Ok` if the database answers.
    async fn ping(&self) -> Result<()>;
    /// `sqlite` or `postgres`, for logs and metrics.
    fn engine(&self) -> &'static str;
    /// Finishes what was accepted and closes; later calls return [`StorageError::Unavailable`].
    async fn close(&self);
}

/// Accounts.
#[async_trait]
pub trait Users: Send + Sync {
    /// Makes an account. `Conflict{idx_users_email}` if the address has one.
    async fn create(&self, new: &NewUser, now: Timestamp) -> Result<User>;
    /// The account, active or not.
    async fn get(&self, id: UserId) -> Result<Option<User>>;
    /// The account with this address, and its password hash.
    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>>;
    /// Changes an account and returns it. `Conflict{idx_users_email}` if the address is another's.
    async fn update(&self, id: UserId, patch: &UserPatch, now: Timestamp) -> Result<Option<User>>;
    /// Sets the password and ends every session but `keep`. False if there is no such user.
    async fn set_password(
        &self,
        id: UserId,
        hash: &PasswordHash,
        keep: Option<SessionId>,
        now: Timestamp,
    ) -> Result<bool>;
    /// Activates or deactivates; deactivating ends every session. False if there is no such user.
    async fn set_active(&self, id: UserId, active: bool, now: Timestamp) -> Result<bool>;
    /// Deletes the user and all that is theirs. False if there is no such user.
    async fn delete(&self, id: UserId) -> Result<bool>;
    /// Accounts in order of their ids, after `after`, at most `limit`.
    async fn list(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>>;
}

/// Logins.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Opens a session. `Conflict{fk_login_sessions_user}` if the user is gone.
    async fn start(&self, session: &Session) -> Result<()>;
    /// The user and the end of one of their sessions; `None` if it has ended. The caller judges
    /// `is_active` and `expires_at`.
    async fn standing(&self, user: UserId, id: SessionId) -> Result<Option<Standing>>;
    /// Exchanges the refresh token of `generation` for the next. The current generation is raised; the one before
    /// it, within [`crate::account::REFRESH_GRACE_SECONDS`] of the last raise, returns the session as it is; any
    /// other ends the session. Of many calls at once with one generation, one raises it.
    async fn rotate(
        &self,
        user: UserId,
        id: SessionId,
        generation: u32,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Rotation>;
    /// Ends a session. False if there is no such session.
    async fn end(&self, user: UserId, id: SessionId) -> Result<bool>;
    /// A user's sessions that have not expired by `now`, newest first, at most 1000.
    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>>;
    /// Deletes sessions of every user that expired before `now`, and says how many.
    async fn delete_expired(&self, now: Timestamp) -> Result<u64>;
}

/// Journal entries. None of these methods shows an entry under a secret tag.
#[async_trait]
pub trait Entries: Send + Sync {
    /// Stores a new entry with its tags, making those that are named and missing, all or nothing.
    async fn create(&self, user: UserId, new: &NewEntry, now: Timestamp) -> Result<Created>;
    /// The entry with its tags, which are in order of their names' keys.
    async fn get(&self, user: UserId, id: EntryId) -> Result<Option<Entry>>;
    /// Makes the change and raises the revision, all or nothing; with `expected`, only if the entry is at that
    /// revision. Of two calls at once that expect the same revision, one gets [`Updated::Stale`].
    async fn update(
        &self,
        user: UserId,
        id: EntryId,
        patch: &EntryPatch,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Updated>;
    /// Deletes the entry and its links to tags; with `expected`, only if it is at that revision.
    async fn delete(&self, user: UserId, id: EntryId, expected: Option<u32>) -> Result<Deleted>;
    /// A page of entries, newest first. Words match from their beginning, whatever their case.
    async fn list(&self, user: UserId, query: &EntryQuery) -> Result<Vec<Entry>>;
    /// The days from `from` to `to`, both included, that have entries, ascending.
    async fn days(&self, user: UserId, from: Date, to: Date) -> Result<Vec<DayCount>>;
    /// The entries of each of these days, newest first, at most `limit` in all.
    async fn on_days(&self, user: UserId, days: &[Date], limit: u32) -> Result<Vec<Entry>>;
}

/// Tags.
#[async_trait]
pub trait Tags: Send + Sync {
    /// Makes a tag. `Conflict{uq_tags_user_name_key}` if the user has one whose name has the same key.
    async fn create(&self, user: UserId, new: &NewTag, now: Timestamp) -> Result<Tag>;
    /// The tag.
    async fn get(&self, user: UserId, id: TagId) -> Result<Option<Tag>>;
    /// Changes a tag and returns it. `Conflict{uq_tags_user_name_key}` as in [`Self::create`].
    async fn update(&self, user: UserId, id: TagId, patch: &TagPatch, now: Timestamp) -> Result<Option<Tag>>;
    /// Deletes a tag; entries lose it and stay. False if there is no such tag.
    async fn delete(&self, user: UserId, id: TagId) -> Result<bool>;
    /// A user's tags in the order of their creation, after `after`, at most `limit`.
    async fn list(&self, user: UserId, after: Option<Position>, limit: u32) -> Result<Vec<Tag>>;
}

/// Reminders.
#[async_trait]
pub trait Reminders: Send + Sync {
    /// Makes a reminder; it is due next as its plan says, after `now`.
    async fn create(&self, user: UserId, id: ReminderId, plan: &ReminderPlan, now: Timestamp) -> Result<Reminder>;
    /// The reminder.
    async fn get(&self, user: UserId, id: ReminderId) -> Result<Option<Reminder>>;
    /// Replaces the plan of a reminder that was last changed at `seen`, and returns it; it is due next as its new plan
    /// says, after `now`. `None` if there is no such reminder or it has changed since.
    async fn replace(
        &self,
        user: UserId,
        id: ReminderId,
        plan: &ReminderPlan,
        seen: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Reminder>>;
    /// Deletes a reminder. False if there is no such reminder.
    async fn delete(&self, user: UserId, id: ReminderId) -> Result<bool>;
    /// A user's reminders in the order of their creation, after `after`, at most `limit`.
    async fn list(&self, user: UserId, after: Option<Position>, limit: u32) -> Result<Vec<Reminder>>;
}

/// The database's own health, for those who run it. Nothing that it tells holds what anybody has stored.
#[async_trait]
pub trait Health: Send + Sync {
    /// What the engine knows about itself now, with counters since it began to count. Cheap enough for every minute;
    /// what is not (the sizes and the soundness of a SQLite file) is looked at anew after an hour.
    async fn snapshot(&self, now: Timestamp) -> Result<Snapshot>;
    /// What an index costs those who write, measured on a scratch copy of its empty table with made-up rows: nobody waits
    /// for it, and nothing is changed. `None` if there is no such index, or the table cannot do without it.
    async fn write_cost(&self, index: &str) -> Result<Option<WriteCost>>;
}
