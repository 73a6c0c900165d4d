//! The storage contract. The doc comments of these traits are normative: callers rely on them, and the conformance
//! suite of `sotto-storage` proves them for each engine.
//!
//! * **Each method is one atomic, durable unit.** When it returns `Ok`, the change survives `kill -9` and a power cut;
//!   when it returns `Err`, nothing has changed, except after [`StorageError::Unknown`]. The contract exposes no
//!   transaction object, so no transaction stays open across an await.
//! * **The owner comes first.** A method with a [`UserId`] as its first parameter reads and changes only rows of that
//!   user. It treats rows of other users as if they did not exist.
//! * **Outcomes are values.** The outcomes that a caller can expect (missing, stale, taken) are in the return type. A
//!   look-up returns `Option`. Errors are for unexpected failures, except [`StorageError::Conflict`], which names the
//!   constraint that rejected the change.
//! * **A create can be repeated.** With a [`KeyedCreate`], a create stores the key in the same unit as the row. If
//!   several calls have the same key, the first creates the row; the others change nothing and return
//!   `Conflict{pk_idempotency_keys}`, whatever else is wrong with them, and [`IdempotencyKeys::find`] returns the id of
//!   that row. A create that stores no row does not use up its key. If the user of the key does not exist, a create
//!   returns `Conflict{fk_idempotency_keys_user}`.
//! * **Time comes from the caller.** `now` becomes `created_at` and `updated_at`.
//! * **A dropped future is not cancelled.** Its change may still be carried out.
//! * **Every wait has a deadline.** A read of a user's rows that takes longer than 5 seconds is interrupted and returns
//!   [`StorageError::Busy`].
//!
//! [`UserId`]: crate::ids::UserId
//! [`KeyedCreate`]: crate::idempotency::KeyedCreate

mod api_tokens;
mod attachment_store;
mod attachments;
mod entries;
mod health;
mod idempotency_keys;
mod identities;
mod opaque_sessions;
mod reminders;
mod sealed_entries;
mod secret_tags;
mod security_events;
mod sessions;
mod tags;
mod users;

use std::error::Error;

use async_trait::async_trait;

use crate::clock::Timestamp;

pub use api_tokens::ApiTokens;
pub use attachment_store::AttachmentStore;
pub use attachments::Attachments;
pub use entries::Entries;
pub use health::Health;
pub use idempotency_keys::IdempotencyKeys;
pub use identities::Identities;
pub use opaque_sessions::OpaqueSessions;
pub use reminders::Reminders;
pub use sealed_entries::SealedEntries;
pub use secret_tags::SecretTags;
pub use security_events::SecurityEvents;
pub use sessions::Sessions;
pub use tags::Tags;
pub use users::Users;

/// Why an engine could not carry out a call.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A constraint rejected the change.
    #[error("the constraint {constraint} refused the change")]
    Conflict {
        /// The constraint's name in the schema, such as `idx_users_email`, without the suffix of a shard.
        constraint: String,
    },
    /// Too many calls are waiting, or the call took too long and was interrupted. Nothing was changed; a later retry
    /// may succeed.
    #[error("the database is busy")]
    Busy,
    /// A stored value violates the schema, or the file is damaged.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The database cannot be reached. Nothing was changed.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// The disk is full. Nothing was changed.
    #[error("there is no room for the change: {0}")]
    Full(String),
    /// The database did not confirm the change in time: the change may have been made, or may still be made.
    #[error("it is not known whether the change was made: {0}")]
    Unknown(String),
    /// Any other failure.
    #[error("the database refused: {0}")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}

/// The result of every contract method.
pub type Result<T> = std::result::Result<T, StorageError>;

/// A position in a list that is ordered by creation. The next page starts after it.
pub type Position = (Timestamp, uuid::Uuid);

/// A database that keeps the storage contract.
#[async_trait]
pub trait Storage:
    Users
    + Sessions
    + Identities
    + ApiTokens
    + Entries
    + Tags
    + Reminders
    + SecretTags
    + OpaqueSessions
    + SealedEntries
    + Attachments
    + AttachmentStore
    + IdempotencyKeys
    + SecurityEvents
    + Health
{
    /// Returns `Ok` if the database responds.
    async fn ping(&self) -> Result<()>;
    /// Returns `Ok` if the database can store about 1 MiB, by writing that much and removing it again. Meant for
    /// finding out whether there is space again after [`StorageError::Full`]; too costly to call often.
    async fn probe_room(&self) -> Result<()>;
    /// `sqlite` or `postgres`, for logs and metrics.
    fn engine(&self) -> &'static str;
    /// Completes the accepted calls and closes the database. Later calls return [`StorageError::Unavailable`].
    async fn close(&self);
}

/// The parts of the contract, by resource. Methods of different parts share names such as `create` and `get`.
impl<'a> dyn Storage + 'a {
    /// Accounts.
    pub fn users(&self) -> &(dyn Users + 'a) {
        self
    }

    /// Sessions.
    pub fn sessions(&self) -> &(dyn Sessions + 'a) {
        self
    }

    /// Identities at providers.
    pub fn identities(&self) -> &(dyn Identities + 'a) {
        self
    }

    /// API tokens.
    pub fn api_tokens(&self) -> &(dyn ApiTokens + 'a) {
        self
    }

    /// Plain entries.
    pub fn entries(&self) -> &(dyn Entries + 'a) {
        self
    }

    /// Tags.
    pub fn tags(&self) -> &(dyn Tags + 'a) {
        self
    }

    /// Reminders.
    pub fn reminders(&self) -> &(dyn Reminders + 'a) {
        self
    }

    /// Secret tags.
    pub fn secret_tags(&self) -> &(dyn SecretTags + 'a) {
        self
    }

    /// OPAQUE sessions.
    pub fn opaque_sessions(&self) -> &(dyn OpaqueSessions + 'a) {
        self
    }

    /// Entries under secret tags.
    pub fn sealed_entries(&self) -> &(dyn SealedEntries + 'a) {
        self
    }

    /// Attachments of entries.
    pub fn attachments(&self) -> &(dyn Attachments + 'a) {
        self
    }

    /// The database's record of its attachment store.
    pub fn attachment_store(&self) -> &(dyn AttachmentStore + 'a) {
        self
    }

    /// Idempotency keys.
    pub fn idempotency_keys(&self) -> &(dyn IdempotencyKeys + 'a) {
        self
    }

    /// Security events.
    pub fn security_events(&self) -> &(dyn SecurityEvents + 'a) {
        self
    }

    /// The database's own health.
    pub fn health(&self) -> &(dyn Health + 'a) {
        self
    }
}
