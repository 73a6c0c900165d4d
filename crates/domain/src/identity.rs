//! Identities at OpenID Connect providers, with which users sign in instead of, or in addition to, a password.

use crate::clock::Timestamp;
use crate::flaw::Flaw;
use crate::ids::{IdentityId, UserId};
use crate::text;

/// Google's issuer in ID tokens. `users.google_id` holds the subject of an identity with this issuer.
pub const GOOGLE: &str = "https://accounts.google.com";

/// The link between an account and a subject at a provider (OpenID Connect Core 1.0, section 2).
///
/// The pair of issuer and subject never identifies another person later, whereas an e-mail address may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The id.
    pub id: IdentityId,
    /// The owner of the account.
    pub user_id: UserId,
    /// The provider's issuer identifier, an https address.
    pub issuer: String,
    /// The provider's identifier of the person, at most 255 bytes; see [`subject`].
    pub subject: String,
    /// The e-mail address that the provider reported when the identity was linked. It helps users to distinguish
    /// identities.
    pub email: Option<String>,
    /// When the identity was linked.
    pub created_at: Timestamp,
}

/// Accepts a subject: 1 to 255 ASCII characters (OpenID Connect Core 1.0, section 2) without control characters.
pub fn subject(text: &str) -> Result<String, Flaw> {
    if text.is_ascii() && text.trim() == text {
        text::line(text, 255)
    } else {
        Err(Flaw::Malformed("must be plain ASCII".into()))
    }
}

/// The outcome of unlinking an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlinked {
    /// The identity is unlinked.
    Unlinked,
    /// The user has no such identity.
    Missing,
    /// The user has no password and no other identity, and could never sign in again. Nothing was changed.
    LastWayIn,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_limited_to_short_ascii() {
        assert_eq!(subject("110248495921238986420").unwrap(), "110248495921238986420");
        for bad in ["", " padded ", "ünlike", "two\nlines", "nul\0", &"x".repeat(256)] {
            assert!(subject(bad).is_err(), "{bad:?}");
        }
    }
}
