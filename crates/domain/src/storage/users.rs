//! The storage contract of accounts.

use async_trait::async_trait;

use super::Result;
use crate::account::{
    AccountPatch, Administered, Credentials, DraftKey, Email, NewUser, PasswordHash, Preferences, Revoked, User,
    UserPatch, UserQuery,
};
use crate::clock::Timestamp;
use crate::idempotency::KeyedCreate;
use crate::ids::{SessionId, UserId};

/// Accounts.
#[async_trait]
pub trait Users: Send + Sync {
    /// Creates an account. Returns `Conflict{idx_users_email}` if another account has the address. The user of `key`
    /// is the superuser who creates the account.
    async fn create(&self, new: &NewUser, key: Option<KeyedCreate>, now: Timestamp) -> Result<User>;
    /// Creates the first account: as [`Self::create`], but returns `None` and changes nothing if there is an account. Of
    /// concurrent calls of this method and of [`Identities::sign_up_first`](super::Identities::sign_up_first), one
    /// creates an account.
    async fn create_first(&self, new: &NewUser, now: Timestamp) -> Result<Option<User>>;
    /// Returns the account, active or not.
    async fn get(&self, id: UserId) -> Result<Option<User>>;
    /// Returns the account with this address, and its password hash.
    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>>;
    /// Changes an account and returns it. Returns `Conflict{idx_users_email}` if another account has the address. An
    /// address that differs from the old one is not verified.
    ///
    /// A new time zone also moves, in the same unit, the user's reminders that are in the old one: each gets the plan
    /// that [`ReminderPlan::moved_to`](crate::reminder::ReminderPlan::moved_to) returns, that plan's first due time
    /// after `now`, and `now` as the time of its last change. Reminders in other zones stay as they are.
    async fn update(&self, id: UserId, patch: &UserPatch, now: Timestamp) -> Result<Option<User>>;
    /// Returns the preferences, which are empty until a client stores some.
    async fn preferences(&self, id: UserId) -> Result<Option<Preferences>>;
    /// Returns the key of the user's drafts. If none is stored, first stores `fresh`. Concurrent calls all return the
    /// same key.
    async fn draft_key(&self, id: UserId, fresh: &DraftKey, now: Timestamp) -> Result<Option<DraftKey>>;
    /// Sets the password and ends every session except `keep`, which is the session that asks for it. With
    /// `delete_api_tokens`, also deletes the user's API tokens. Returns false if there is no such user, or if `keep` is
    /// given and has ended. Then nothing changes. Of concurrent calls with different `keep`, one succeeds, because it
    /// ends the sessions of the others.
    async fn set_password(
        &self,
        id: UserId,
        hash: &PasswordHash,
        keep: Option<SessionId>,
        delete_api_tokens: bool,
        now: Timestamp,
    ) -> Result<bool>;
    /// Gives an account back to its owner: sets the password, and deletes every other way into the account, which are
    /// its sessions, API tokens and identities. Returns what was deleted, or `None` if there is no such user.
    async fn reset_credentials(&self, id: UserId, hash: &PasswordHash, now: Timestamp) -> Result<Option<Revoked>>;
    /// Marks the address of an account as verified at `now`, if it is still `email` and is not verified yet. Returns
    /// whether it was marked.
    async fn verify_email(&self, id: UserId, email: &Email, now: Timestamp) -> Result<bool>;
    /// Activates or deactivates an account, for the command line. Unlike [`Self::administer`], this can deactivate the
    /// last superuser. Deactivating ends every session. Returns false if there is no such user.
    async fn set_active(&self, id: UserId, active: bool, now: Timestamp) -> Result<bool>;
    /// Changes an account on behalf of a superuser. Deactivating it or setting its password ends every session. The
    /// address is verified afterwards as [`AccountPatch::email_verified_at`] says. Returns `Conflict{idx_users_email}`
    /// if another account has the address. Neither single nor concurrent calls leave the server without an active
    /// superuser.
    async fn administer(&self, id: UserId, patch: &AccountPatch, now: Timestamp) -> Result<Administered<User>>;
    /// Deletes the user and all of their data. Neither single nor concurrent calls leave the server without an active
    /// superuser.
    async fn delete(&self, id: UserId) -> Result<Administered<()>>;
    /// Returns a page of accounts.
    async fn list(&self, query: &UserQuery) -> Result<Vec<User>>;
}
