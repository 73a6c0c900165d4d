//! Accounts, and the checks on what users enter about themselves.

use std::fmt;

pub use crate::email::{Email, GivenAddress};
pub use crate::password::{Owner, Password};

use crate::clock::Timestamp;
use crate::flaw::Flaw;
use crate::ids::UserId;
use crate::text::{self, Check, Violations};
use crate::zone::Zone;

/// A person with an account. Data that few requests need is read separately: the password hash (see [`Credentials`]),
/// preferences and the key of drafts.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The address that the user signs in with.
    pub email: Email,
    /// When it was proven that the address is the user's: by a provider or by a superuser. `None` if nobody has proven
    /// it, so that the address may be another person's.
    pub email_verified_at: Option<Timestamp>,
    /// The name that the user wants to be called by.
    pub full_name: Option<String>,
    /// False for a deactivated account, which has no sessions and cannot sign in.
    pub is_active: bool,
    /// Whether the user can manage other accounts.
    pub is_superuser: bool,
    /// Whether the user can sign in with a password. A user without one signs in through a provider.
    pub has_password: bool,
    /// The subject of the user's identity at Google, if one is linked.
    pub google_id: Option<String>,
    /// The address of a picture of the user.
    pub avatar_url: Option<String>,
    /// The time zone that decides which day "today" is for the user.
    pub time_zone: Zone,
    /// When the account was created.
    pub created_at: Timestamp,
    /// When the account was last changed.
    pub updated_at: Timestamp,
}

/// A user together with their password hash.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account.
    pub user: User,
    /// `None` for users who sign in only through a provider.
    pub password_hash: Option<PasswordHash>,
}

/// A password hash in PHC string format (`$argon2id$v=19$…`). `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Settings that clients store with an account, such as a theme: a JSON object that the server does not interpret. As
/// text it has at most [`MAX_PREFERENCES`] bytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preferences(serde_json::Map<String, serde_json::Value>);

/// The longest preferences in bytes: 16 KiB.
pub const MAX_PREFERENCES: usize = 16 << 10;

impl Preferences {
    /// Accepts an object with a text of at most [`MAX_PREFERENCES`] bytes.
    pub fn parse(object: serde_json::Map<String, serde_json::Value>) -> Result<Self, Flaw> {
        let preferences = Self(object);
        match preferences.to_text().len() {
            0..=MAX_PREFERENCES => Ok(preferences),
            length => Err(Flaw::TooMuchJson { max: MAX_PREFERENCES, length }),
        }
    }

    /// Parses the text that [`Self::to_text`] returns; `None` for any other text.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// The stored form: JSON without white space.
    pub fn to_text(&self) -> String {
        serde_json::Value::Object(self.0.clone()).to_string()
    }

    /// The JSON object.
    pub fn into_object(self) -> serde_json::Map<String, serde_json::Value> {
        self.0
    }
}

/// The key with which a client encrypts the drafts that it keeps on a device, so that they can be read only after
/// signing in. `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DraftKey(pub [u8; 32]);

impl fmt::Debug for DraftKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DraftKey(…)")
    }
}

/// An account to create.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The id, chosen by the caller.
    pub id: UserId,
    /// The address.
    pub email: Email,
    /// Whether the address is known to be the user's.
    pub email_verified: bool,
    /// The password hash, if the user signs in with a password.
    pub password_hash: Option<PasswordHash>,
    /// The name that the user wants to be called by.
    pub full_name: Option<String>,
    /// Whether the user can manage other accounts.
    pub is_superuser: bool,
    /// The time zone that decides which day "today" is for the user.
    pub time_zone: Zone,
}

impl NewUser {
    /// The account as it is first stored.
    pub fn created(self, now: Timestamp) -> User {
        let Self { id, email, email_verified, password_hash, full_name, is_superuser, time_zone } = self;
        User {
            id,
            email,
            email_verified_at: email_verified.then_some(now),
            full_name,
            is_active: true,
            is_superuser,
            has_password: password_hash.is_some(),
            google_id: None,
            avatar_url: None,
            time_zone,
            created_at: now,
            updated_at: now,
        }
    }
}

/// A change that users make to their own account; `None` leaves a field unchanged, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct UserPatch {
    /// A new address.
    pub email: Option<Email>,
    /// A new name.
    pub full_name: Option<Option<String>>,
    /// The address of a new picture.
    pub avatar_url: Option<Option<String>>,
    /// A new time zone.
    pub time_zone: Option<Zone>,
    /// New preferences, which replace the old ones entirely.
    pub preferences: Option<Preferences>,
}

impl UserPatch {
    /// Checks the fields of a request.
    pub fn parse(
        email: Option<&str>,
        full_name: Option<Option<String>>,
        avatar_url: Option<Option<String>>,
        time_zone: Option<&str>,
        preferences: Option<serde_json::Map<String, serde_json::Value>>,
    ) -> Result<Self, Violations> {
        let mut check = Check::default();
        let email = email.and_then(|text| check.accept("email", Email::parse(text)));
        let full_name = full_name.map(|name| name.and_then(|name| check.accept("full_name", self::full_name(&name))));
        let avatar_url = avatar_url.map(|url| url.and_then(|url| check.accept("avatar_url", text::address(&url))));
        let time_zone = time_zone.and_then(|name| check.accept("time_zone", zone(name)));
        let preferences = preferences.and_then(|object| check.accept("preferences", Preferences::parse(object)));
        check.finish(Some(Self { email, full_name, avatar_url, time_zone, preferences }))
    }
}

/// A change that a superuser makes to an account; `None` leaves a field unchanged, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct AccountPatch {
    /// Whether the account is active.
    pub is_active: Option<bool>,
    /// Whether the user can manage other accounts.
    pub is_superuser: Option<bool>,
    /// A new address. It is not verified unless `email_verified` says so.
    pub email: Option<Email>,
    /// Whether the address is known to be the user's.
    pub email_verified: Option<bool>,
    /// A new name.
    pub full_name: Option<Option<String>>,
    /// The hash of a new password.
    pub password_hash: Option<PasswordHash>,
}

impl AccountPatch {
    /// Whether the change ends all sessions of the account.
    pub fn ends_sessions(&self) -> bool {
        self.is_active == Some(false) || self.password_hash.is_some()
    }

    /// Whether an active superuser is no longer one after the change.
    pub fn takes_superuser_away(&self) -> bool {
        self.is_active == Some(false) || self.is_superuser == Some(false)
    }
}

impl AccountPatch {
    /// When the address after the change was verified, if it is.
    pub fn email_verified_at(&self, old: &User, now: Timestamp) -> Option<Timestamp> {
        let stays = self.email.as_ref().is_none_or(|email| *email == old.email);
        let before = old.email_verified_at.filter(|_| stays);
        match self.email_verified {
            Some(true) => before.or(Some(now)),
            Some(false) => None,
            None => before,
        }
    }
}

/// What was deleted when an operator gave an account back to its owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revoked {
    /// Sessions.
    pub sessions: u64,
    /// API tokens.
    pub api_tokens: u64,
    /// Identities at providers.
    pub identities: u64,
}

/// The outcome of changing or deleting an account.
#[derive(Debug, Clone, PartialEq)]
pub enum Administered<T> {
    /// The account was changed or deleted.
    Done(T),
    /// There is no such user.
    Missing,
    /// The user is the only active superuser. Nothing was changed, so that the server keeps one.
    LastSuperuser,
}

/// A query for accounts, which are sorted by address as the engine sorts text.
#[derive(Debug, Clone, Default)]
pub struct UserQuery {
    /// Only accounts with this text in their address or name; see [`Self::needles`].
    pub search: Option<String>,
    /// Only accounts after this address.
    pub after: Option<Email>,
    /// At most this many accounts.
    pub limit: u32,
}

impl UserQuery {
    /// The text to look for in addresses, and the text to look for in names with `A` to `Z` lower-cased; one match is
    /// enough. Addresses are stored in lower case. In names both engines lower-case only these letters.
    pub fn needles(&self) -> (Option<String>, Option<String>) {
        let search = self.search.as_deref();
        (search.map(str::to_lowercase), search.map(str::to_ascii_lowercase))
    }
}

/// Accepts a name: one line without hidden characters, at most 200 bytes.
pub fn full_name(text: &str) -> Result<String, Flaw> {
    text::visible_line(text, 200)
}

/// Accepts the name of an IANA time zone.
pub fn zone(name: &str) -> Result<Zone, Flaw> {
    Zone::named(name).ok_or(Flaw::UnknownZone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_limited_in_size_and_stored_unchanged() {
        let object = |text: &str| serde_json::from_str::<serde_json::Map<_, _>>(text).unwrap();
        let kept = Preferences::parse(object(r#"{"theme": "dark", "nul": "\u0000", "deep": [[1.5, null]], "日": {}}"#));
        let kept = kept.unwrap();
        assert_eq!(Preferences::from_text(&kept.to_text()).as_ref(), Some(&kept));
        assert!(!kept.to_text().contains('\0'));
        assert_eq!(Preferences::default().to_text(), "{}");
        let long = |length: usize| Preferences::parse(object(&format!(r#"{{"a":"{}"}}"#, "x".repeat(length - 8))));
        assert_eq!(long(MAX_PREFERENCES).unwrap().to_text().len(), MAX_PREFERENCES);
        assert!(long(MAX_PREFERENCES + 1).is_err());
        assert_eq!(Preferences::from_text("[]"), None);
    }

    #[test]
    fn names_have_no_hidden_characters() {
        for good in ["Ada Lovelace 🌸", "Ödön", "日本 太郎", "नमस्ते", "محمد"] {
            assert_eq!(full_name(good).as_deref(), Ok(good));
        }
        for bad in ["Ada\u{200b}", "\u{202e}adA", "\u{2060}", "A\u{3164}da", "\u{2800}", "Ada\u{2028}Lovelace"] {
            assert_eq!(full_name(bad), Err(Flaw::HiddenCharacters), "{bad:?}");
        }
    }

    #[test]
    fn secrets_are_redacted_in_debug_output() {
        assert!(!format!("{:?}", PasswordHash("$argon2id$x".into())).contains("argon2"));
        assert_eq!(format!("{:?}", DraftKey([7; 32])), "DraftKey(…)");
    }
}
