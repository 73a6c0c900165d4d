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

use crate::account::{
    AccountPatch, Administered, Credentials, DraftKey, Email, NewUser, PasswordHash, Preferences, Rotation, Session,
    Standing, User, UserPatch, UserQuery,
};
use crate::api_token::{ApiToken, ApiTokenStanding, CreatedApiToken};
use crate::attachment::{Attached, Attachment, NewAttachment};
use crate::clock::Timestamp;
use crate::entry::{Created, Deleted, Entry, EntryPatch, EntryQuery, NewEntry, Updated};
use crate::health::{Snapshot, WriteCost};
use crate::identity::{Identity, Unlinked};
use crate::ids::{
    ApiTokenId, AttachmentId, EntryId, IdentityId, OpaqueSessionId, ReminderId, SecretTagId, SessionId, TagId, UserId,
};
use crate::reminder::{Reminder, ReminderPlan};
use crate::secret_tag::{
    CreatedSecretTag, DeletedSecretTag, FailedTries, Lock, Moved, NewLogin, NewSecretTag, OpaqueSession, PlainBody,
    SealedBody, SealedEntry, SecretTag, Started, Stored, TakenLogin,
};
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
    /// Identities at providers, by which users sign in.
    fn identities(&self) -> &dyn Identities;
    /// Personal API tokens.
    fn api_tokens(&self) -> &dyn ApiTokens;
    /// Journal entries.
    fn entries(&self) -> &dyn Entries;
    /// Tags.
    fn tags(&self) -> &dyn Tags;
    /// Reminders.
    fn reminders(&self) -> &dyn Reminders;
    /// Secret tags.
    fn secret_tags(&self) -> &dyn SecretTags;
    /// Logins to secret tags, and those that are open.
    fn opaque_sessions(&self) -> &dyn OpaqueSessions;
    /// Entries under secret tags.
    fn sealed_entries(&self) -> &dyn SealedEntries;
    /// Recordings of entries.
    fn attachments(&self) -> &dyn Attachments;
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
    /// What clients keep with the account; empty until they do.
    async fn preferences(&self, id: UserId) -> Result<Option<Preferences>>;
    /// The key of the user's drafts: the one that is kept, or else `fresh`, which is kept from then on. Of many calls at once,
    /// all return the same.
    async fn draft_key(&self, id: UserId, fresh: &DraftKey, now: Timestamp) -> Result<Option<DraftKey>>;
    /// Sets the password and ends every session but `keep`. False if there is no such user.
    async fn set_password(
        &self,
        id: UserId,
        hash: &PasswordHash,
        keep: Option<SessionId>,
        now: Timestamp,
    ) -> Result<bool>;
    /// Activates or deactivates, as whoever runs the machine may: anybody, the last superuser too. Deactivating ends every
    /// session. False if there is no such user.
    async fn set_active(&self, id: UserId, active: bool, now: Timestamp) -> Result<bool>;
    /// Changes an account as superusers may; deactivating it or setting its password ends every session. Of many
    /// calls at once, none takes the last active superuser away.
    async fn administer(&self, id: UserId, patch: &AccountPatch, now: Timestamp) -> Result<Administered<User>>;
    /// Deletes the user and all that is theirs. Of many calls at once, none takes the last active superuser away.
    async fn delete(&self, id: UserId) -> Result<Administered<()>>;
    /// A page of accounts.
    async fn list(&self, query: &UserQuery) -> Result<Vec<User>>;
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

/// Identities at providers, by which users sign in. `google_id` of the account follows those whose issuer is
/// [`crate::identity::GOOGLE`].
#[async_trait]
pub trait Identities: Send + Sync {
    /// The account that an identity opens, active or not.
    async fn find(&self, issuer: &str, subject: &str) -> Result<Option<User>>;
    /// Links an identity to its user. `Conflict{uq_identities_issuer_subject}` if it opens an account already, this one
    /// or another; `Conflict{fk_identities_user}` if the user is gone.
    async fn link(&self, identity: &Identity) -> Result<()>;
    /// Makes an account, and links the identity to it. `Conflict` as [`Users::create`] and [`Self::link`].
    async fn sign_up(
        &self,
        new: &NewUser,
        avatar_url: Option<&str>,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<User>;
    /// A user's identities in the order in which they were linked, at most 1000.
    async fn list(&self, user: UserId) -> Result<Vec<Identity>>;
    /// Unlinks an identity, unless the user has neither another nor a password. Of many calls at once, one leaves the last.
    async fn unlink(&self, user: UserId, id: IdentityId, now: Timestamp) -> Result<Unlinked>;
}

/// Personal API tokens.
#[async_trait]
pub trait ApiTokens: Send + Sync {
    /// Stores a token, of which `hash` is the SHA-256, unless its user has [`crate::api_token::MAX_TOKENS`]: of many calls
    /// at once, no more get through than one after the other would have. `Conflict{fk_api_tokens_user}` if the user is gone.
    async fn create(&self, token: &ApiToken, hash: &[u8; 32]) -> Result<CreatedApiToken>;
    /// The token with this SHA-256, and its user. The caller judges `is_active` and `expires_at`.
    async fn standing(&self, hash: &[u8; 32]) -> Result<Option<ApiTokenStanding>>;
    /// Notes that a token is used, unless that was noted within [`crate::api_token::USE_SECONDS`] before `now`.
    async fn note_use(&self, user: UserId, id: ApiTokenId, now: Timestamp) -> Result<()>;
    /// A user's tokens in the order in which they were made.
    async fn list(&self, user: UserId) -> Result<Vec<ApiToken>>;
    /// Deletes a token. False if there is no such token.
    async fn delete(&self, user: UserId, id: ApiTokenId) -> Result<bool>;
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
    /// The entries of each of these days, newest first, at most `limit` in all, and fewer once their texts reach
    /// [`crate::entry::PAGE_BYTES`].
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

/// Secret tags.
#[async_trait]
pub trait SecretTags: Send + Sync {
    /// Makes a secret tag. `Conflict{fk_secret_tags_user}` if the user is gone.
    async fn create(&self, user: UserId, new: &NewSecretTag, now: Timestamp) -> Result<CreatedSecretTag>;
    /// The secret tag.
    async fn get(&self, user: UserId, id: SecretTagId) -> Result<Option<SecretTag>>;
    /// A user's secret tags, the one that was opened last first; those that never were come after, in the order of their
    /// creation. Whoever tries one phrase on all of them in this order makes each of them fail once for every other one, at
    /// most, between two times that it is opened.
    async fn list(&self, user: UserId) -> Result<Vec<SecretTag>>;
    /// Replaces what opens a secret tag that is at `version`, raises the version, and ends every session about it but
    /// `keep`; those that failed stay. `None` if there is no such secret tag or it is at another version.
    async fn set_lock(
        &self,
        user: UserId,
        id: SecretTagId,
        lock: &Lock,
        version: u32,
        keep: Option<OpaqueSessionId>,
        now: Timestamp,
    ) -> Result<Option<SecretTag>>;
    /// Replaces name and colour. False if there is no such secret tag.
    async fn set_metadata(&self, user: UserId, id: SecretTagId, metadata: &[u8], now: Timestamp) -> Result<bool>;
    /// Deletes a secret tag and the sessions about it; the entries under it, and their recordings, only `with_entries`.
    async fn delete(&self, user: UserId, id: SecretTagId, with_entries: bool) -> Result<DeletedSecretTag>;
    /// The fingerprints of server keys that secret tags of any user were made with, each once.
    async fn server_keys(&self) -> Result<Vec<[u8; 16]>>;
}

/// Logins to secret tags, and those that are open. They live in one table, whatever server a request reaches.
#[async_trait]
pub trait OpaqueSessions: Send + Sync {
    /// Keeps a login that was started, unless too many failed: see [`crate::secret_tag::wait_after`] for those with one
    /// secret tag since it was last opened, whether it exists or not, and [`crate::secret_tag::MAX_FAILURES`] for those of
    /// the user. A login that was started and neither finished nor unlocked counts as failed. Of many calls at once, no
    /// more get through than one after the other would have.
    async fn start(&self, login: &NewLogin, now: Timestamp) -> Result<Started>;
    /// Takes a login out for its one finish: of many calls at once, one gets it. It counts as failed from then on, until it
    /// is unlocked. `None` if there is none, it was taken, or it has expired by `now`.
    async fn take(&self, user: UserId, id: OpaqueSessionId, now: Timestamp) -> Result<Option<TakenLogin>>;
    /// Opens the secret tag of a login that was taken: whoever shows the token with this SHA-256 has it open. Closes the
    /// user's oldest ones beyond [`crate::secret_tag::MAX_OPEN`]. `None` if there is no such login, or the secret tag is
    /// gone or at another version than `version` by now.
    async fn unlock(
        &self,
        user: UserId,
        id: OpaqueSessionId,
        version: u32,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<FailedTries>>;
    /// The secret tag that this session has open, if it is the one with this token. Notes the activity, which moves the end, as
    /// [`crate::secret_tag::IDLE_SECONDS`], [`crate::secret_tag::OPEN_SECONDS`] and
    /// [`crate::secret_tag::ACTIVITY_SECONDS`] say.
    async fn open(
        &self,
        user: UserId,
        id: OpaqueSessionId,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<SecretTagId>>;
    /// A user's sessions that have not expired by `now`, and those that failed within
    /// [`crate::secret_tag::MEMORY_SECONDS`], newest first, at most 1000.
    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<OpaqueSession>>;
    /// Ends a session that is under way or open. False if there is none. One that was under way has failed then, and one
    /// that failed stays, or ending it would undo the wait.
    async fn end(&self, user: UserId, id: OpaqueSessionId) -> Result<bool>;
    /// Ends all of a user's open sessions, and says how many.
    async fn end_all(&self, user: UserId) -> Result<u64>;
    /// Deletes sessions of every user that are of no use any more by `now`, and says how many.
    async fn delete_expired(&self, now: Timestamp) -> Result<u64>;
}

/// Entries under secret tags. Whether a secret tag is open is the caller's to know. None of these methods shows an entry that
/// is not under one, except where it stands in the way.
#[async_trait]
pub trait SealedEntries: Send + Sync {
    /// Stores a new entry at revision 1.
    async fn create(&self, user: UserId, id: EntryId, body: &SealedBody, now: Timestamp)
    -> Result<Stored<SealedEntry>>;
    /// The entry.
    async fn get(&self, user: UserId, id: EntryId) -> Result<Option<SealedEntry>>;
    /// A page of the entries under one secret tag, newest first, after `after`, at most `limit`, and fewer once what is sealed
    /// in them reaches [`crate::entry::PAGE_BYTES`].
    async fn list(
        &self,
        user: UserId,
        tag: SecretTagId,
        after: Option<(Timestamp, EntryId)>,
        limit: u32,
    ) -> Result<Vec<SealedEntry>>;
    /// Replaces an entry that is sealed, and at revision `expected`; it may come under another secret tag.
    async fn replace(
        &self,
        user: UserId,
        id: EntryId,
        body: &SealedBody,
        expected: u32,
        now: Timestamp,
    ) -> Result<Stored<SealedEntry>>;
    /// Seals an entry that is in plain, and at revision `expected`: in the same unit, its title, text, recording, tags and
    /// words leave every table and index that the engine lets us clear. What they were cannot be searched when this returns.
    /// Tags that were on it stay among the user's tags, where their names can be read.
    async fn seal(
        &self,
        user: UserId,
        id: EntryId,
        body: &SealedBody,
        expected: u32,
        now: Timestamp,
    ) -> Result<Stored<Moved<SealedEntry>>>;
    /// Takes an entry that is sealed, and at revision `expected`, out of its secret tag. Its recording, which was encrypted
    /// for that, goes in the same unit.
    async fn unseal(
        &self,
        user: UserId,
        id: EntryId,
        body: &PlainBody,
        expected: u32,
        now: Timestamp,
    ) -> Result<Stored<Moved<Entry>>>;
    /// Deletes an entry that is sealed; with `expected`, only if it is at that revision. Returns the recording that it had.
    async fn delete(&self, user: UserId, id: EntryId, expected: Option<u32>) -> Result<Stored<Option<AttachmentId>>>;
}

/// Recordings of entries, of either kind. What was recorded is in a store of objects, which these methods never touch: its
/// object is there before a recording is put here, and goes after it was taken from here. Deleting an entry deletes its
/// recording.
#[async_trait]
pub trait Attachments: Send + Sync {
    /// The recording of an entry.
    async fn get(&self, user: UserId, entry: EntryId) -> Result<Option<Attachment>>;
    /// Makes it the recording of its entry, in place of the one before; that of an entry in plain fills `audio_url`. The
    /// revision stays, so that nobody who is writing meanwhile is in the way. With `quota`, only if the user's recordings
    /// are no more bytes together; of many calls at once, no more get through than one after the other would have.
    /// `Conflict{pk_attachments}` if the id is taken.
    async fn put(&self, user: UserId, new: &NewAttachment, quota: Option<u64>, now: Timestamp) -> Result<Attached>;
    /// Takes the recording from its entry, and `audio_url` if it is this one. Returns the recording that is gone.
    async fn remove(
        &self,
        user: UserId,
        entry: EntryId,
        audio_url: &str,
        now: Timestamp,
    ) -> Result<Option<AttachmentId>>;
    /// How many bytes the user's recordings are together.
    async fn usage(&self, user: UserId) -> Result<u64>;
    /// Those of these recordings that are the user's, in the order of their ids.
    async fn known(&self, user: UserId, ids: &[AttachmentId]) -> Result<Vec<AttachmentId>>;
}
