//! The storage contract of identities at providers.

use async_trait::async_trait;

use super::Result;
use crate::account::{NewUser, User};
use crate::clock::Timestamp;
use crate::identity::{Identity, Unlinked};
use crate::ids::{IdentityId, UserId};

/// Identities at providers. The account's `google_id` mirrors the identity that has the issuer
/// [`crate::identity::GOOGLE`].
#[async_trait]
pub trait Identities: Send + Sync {
    /// Returns the account of an identity, active or not.
    async fn find(&self, issuer: &str, subject: &str) -> Result<Option<User>>;
    /// Links an identity to its user. Returns `Conflict{uq_identities_issuer_subject}` if the identity is already
    /// linked to an account, this one or another; `Conflict{fk_identities_user}` if the user does not exist.
    async fn link(&self, identity: &Identity) -> Result<()>;
    /// Creates an account and links the identity to it. Returns `Conflict` as [`Users::create`](super::Users::create)
    /// and [`Self::link`] do.
    async fn sign_up(
        &self,
        new: &NewUser,
        avatar_url: Option<&str>,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<User>;
    /// Creates the first account: as [`Self::sign_up`], but returns `None` and changes nothing if there is an account,
    /// as [`Users::create_first`](super::Users::create_first) does.
    async fn sign_up_first(
        &self,
        new: &NewUser,
        avatar_url: Option<&str>,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<Option<User>>;
    /// Returns a user's identities in the order in which they were linked, at most 1000.
    async fn list(&self, user: UserId) -> Result<Vec<Identity>>;
    /// Unlinks an identity, unless the user has neither another identity nor a password; this holds for concurrent
    /// calls too.
    async fn unlink(&self, user: UserId, id: IdentityId, now: Timestamp) -> Result<Unlinked>;
}
