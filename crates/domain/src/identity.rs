//! Identities at providers of OpenID Connect, by which people sign in instead of, or besides, a password.

use crate::clock::Timestamp;
use crate::flaw::Flaw;
use crate::ids::{IdentityId, UserId};
use crate::text;

/// Google, as it calls itself in ID tokens. What it is told apart for: `users.google_id` holds the subject.
pub const GOOGLE: &str = "https://accounts.google.com";

/// Somebody as a provider knows them (OpenID Connect Core 1.0, section 2), and whose account that opens.
///
/// Issuer and subject together never mean somebody else later; an e-mail address may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The id.
    pub id: IdentityId,
    /// Whose account it opens.
    pub user_id: UserId,
    /// The provider, an https address, as it calls itself.
    pub issuer: String,
    /// Their name for the person, at most 255 bytes; see [`subject`].
    pub subject: String,
    /// The address that the provider told when the two were linked, to tell one identity from another.
    pub email: Option<String>,
    /// When the two were linked.
    pub created_at: Timestamp,
}

/// Accepts a subject: 1 to 255 characters of ASCII (OpenID Connect Core 1.0, section 2), none of them a control.
///
/// # Errors
/// What is wrong with it.
pub fn subject(text: &str) -> Result<String, Flaw> {
    if text.is_ascii() && text.trim() == text {
        text::line(text, 255)
    } else {
        Err(Flaw::Malformed("must be plain ASCII".into()))
    }
}

/// What came of unlinking an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlinked {
    /// It is gone.
    Unlinked,
    /// The user has no such identity.
    Missing,
    /// Without it and without a password, the user could never sign in again; nothing was changed.
    LastWayIn,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_short_lines_of_ascii() {
        assert_eq!(subject("110248495921238986420").unwrap(), "110248495921238986420");
        for bad in ["", " padded ", "ünlike", "two\nlines", "nul\0", &"x".repeat(256)] {
            assert!(subject(bad).is_err(), "{bad:?}");
        }
    }
}
