//! Accounts: who may sign in, and the logins they have open.

use std::fmt;

use crate::clock::{Timestamp, Zone};
use crate::flaw::Flaw;
use crate::ids::{SessionId, UserId};
use crate::text::{self, Check, Violations};

/// A person with a journal. The password hash is not part of it (see [`Credentials`]), and what is asked for rarely is read on
/// its own: preferences and the key of drafts.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// What they sign in with.
    pub email: Email,
    /// How they want to be called.
    pub full_name: Option<String>,
    /// False once deactivated: no sign-in, and every open login has ended.
    pub is_active: bool,
    /// Whether they administer this server.
    pub is_superuser: bool,
    /// Whether they can sign in by password; those who cannot do so through an identity provider.
    pub has_password: bool,
    /// The subject at the identity provider, when linked.
    pub google_id: Option<String>,
    /// A picture.
    pub avatar_url: Option<String>,
    /// Where "today" is for them.
    pub time_zone: Zone,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A user together with what their password is checked against.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account.
    pub user: User,
    /// `None` for those who only sign in through an identity provider.
    pub password_hash: Option<PasswordHash>,
}

/// An e-mail address, trimmed and lower-cased, at most 254 bytes (RFC 5321, section 4.5.3.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Accepts what has one `@` with something on each side and no white space; whether mail arrives
    /// there only mail can tell.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let lower = text::line(text, 254)?.to_lowercase();
        match lower.split_once('@') {
            Some((local, domain))
                if !local.is_empty()
                    && !domain.is_empty()
                    && !domain.contains('@')
                    && !lower.contains(char::is_whitespace)
                    && lower.len() <= 254 =>
            {
                Ok(Self(lower))
            }
            _ => Err(Flaw::NotAnEmail),
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A password as typed: 8 to 1024 bytes. It never prints.
pub struct Password(String);

impl Password {
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: String) -> Result<Self, Flaw> {
        match text.len() {
            0..8 => Err(Flaw::TooShort { min: 8 }),
            8..=1024 => Ok(Self(text)),
            _ => Err(Flaw::Longer { max: 1024 }),
        }
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A password hash in PHC string format (`$argon2id$v=19$…`). It never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// What a client keeps with an account, such as a theme: a JSON object that nobody else reads. As text it has at most
/// [`MAX_PREFERENCES`] bytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preferences(serde_json::Map<String, serde_json::Value>);

/// Bytes in preferences, at most: 16 KiB.
pub const MAX_PREFERENCES: usize = 16 << 10;

impl Preferences {
    /// # Errors
    /// What is wrong with it.
    pub fn parse(object: serde_json::Map<String, serde_json::Value>) -> Result<Self, Flaw> {
        let preferences = Self(object);
        match preferences.to_text().len() {
            0..=MAX_PREFERENCES => Ok(preferences),
            length => Err(Flaw::TooMuchJson { max: MAX_PREFERENCES, length }),
        }
    }

    /// What [`Self::to_text`] has written; `None` if it has not.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// As it is stored: JSON without white space.
    pub fn to_text(&self) -> String {
        serde_json::Value::Object(self.0.clone()).to_string()
    }

    /// The object.
    pub fn into_object(self) -> serde_json::Map<String, serde_json::Value> {
        self.0
    }
}

/// What a client encrypts drafts with that it keeps on a device: they can be read again after signing in, and not before. It
/// never prints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DraftKey(pub [u8; 32]);

impl fmt::Debug for DraftKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DraftKey(…)")
    }
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The id, made by the caller.
    pub id: UserId,
    /// The address.
    pub email: Email,
    /// The hash, if they sign in by password.
    pub password_hash: Option<PasswordHash>,
    /// How they want to be called.
    pub full_name: Option<String>,
    /// Whether they administer this server.
    pub is_superuser: bool,
    /// Where "today" is for them.
    pub time_zone: Zone,
}

impl NewUser {
    /// The account as it is kept at first.
    pub fn of(self, now: Timestamp) -> User {
        let Self { id, email, password_hash, full_name, is_superuser, time_zone } = self;
        User {
            id,
            email,
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

/// What a user changes about themselves; `None` leaves a field as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct UserPatch {
    /// A new address.
    pub email: Option<Email>,
    /// A new name.
    pub full_name: Option<Option<String>>,
    /// A new picture.
    pub avatar_url: Option<Option<String>>,
    /// A new zone.
    pub time_zone: Option<Zone>,
    /// All of the preferences.
    pub preferences: Option<Preferences>,
}

impl UserPatch {
    /// Checks what was sent.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(
        email: Option<&str>,
        full_name: Option<Option<String>>,
        avatar_url: Option<Option<String>>,
        time_zone: Option<&str>,
        preferences: Option<serde_json::Map<String, serde_json::Value>>,
    ) -> Result<Self, Violations> {
        let mut check = Check::default();
        let email = email.and_then(|text| check.take("email", Email::parse(text)));
        let full_name = full_name.map(|name| name.and_then(|name| check.take("full_name", self::full_name(&name))));
        let avatar_url = avatar_url.map(|url| url.and_then(|url| check.take("avatar_url", text::address(&url))));
        let time_zone = time_zone.and_then(|name| check.take("time_zone", zone(name)));
        let preferences = preferences.and_then(|object| check.take("preferences", Preferences::parse(object)));
        check.finish(Some(Self { email, full_name, avatar_url, time_zone, preferences }))
    }
}

/// What an administrator changes about an account; `None` leaves a field as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct AccountPatch {
    /// Whether they may sign in.
    pub is_active: Option<bool>,
    /// Whether they administer this server.
    pub is_superuser: Option<bool>,
    /// A new name.
    pub full_name: Option<Option<String>>,
    /// A new password.
    pub password_hash: Option<PasswordHash>,
}

impl AccountPatch {
    /// Whether every login of theirs has to end.
    pub fn ends_sessions(&self) -> bool {
        self.is_active == Some(false) || self.password_hash.is_some()
    }

    /// Whether an active superuser is one no longer.
    pub fn takes_superuser_away(&self) -> bool {
        self.is_active == Some(false) || self.is_superuser == Some(false)
    }
}

/// What came of changing or deleting an account.
#[derive(Debug, Clone, PartialEq)]
pub enum Administered<T> {
    /// It is done.
    Done(T),
    /// There is no such user.
    Missing,
    /// They are the only active superuser; nothing was changed, or nobody could administer this server.
    LastSuperuser,
}

/// Which accounts are asked for, in the order of their addresses as the engine sorts text.
#[derive(Debug, Clone, Default)]
pub struct UserQuery {
    /// Only those whose address has this in it, or whose name has, see [`Self::needles`].
    pub search: Option<String>,
    /// Only what comes after this address.
    pub after: Option<Email>,
    /// At most so many.
    pub limit: u32,
}

impl UserQuery {
    /// What an address has to have in it, and what a name in which `A` to `Z` are in lower case; one of both is enough.
    /// Addresses are in lower case throughout; of names, both engines know these letters only.
    pub fn needles(&self) -> (Option<String>, Option<String>) {
        let search = self.search.as_deref();
        (search.map(str::to_lowercase), search.map(str::to_ascii_lowercase))
    }
}

/// Accepts a name of one line, at most 200 bytes.
///
/// # Errors
/// What is wrong with it.
pub fn full_name(text: &str) -> Result<String, Flaw> {
    text::line(text, 200)
}

/// Accepts the name of an IANA time zone.
///
/// # Errors
/// What is wrong with it.
pub fn zone(name: &str) -> Result<Zone, Flaw> {
    Zone::named(name).ok_or(Flaw::UnknownZone)
}

/// One login of one user.
///
/// Refresh tokens name their session and its generation at the time. Each refresh raises the generation,
/// so a token that is used again later betrays that it was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The generation of the one refresh token that is good now.
    pub generation: u32,
    /// When that token was handed out.
    pub rotated_at: Timestamp,
    /// When the login ends unless it is refreshed.
    pub expires_at: Timestamp,
    /// What the client called itself, at most 200 bytes.
    pub user_agent: Option<String>,
    /// When they signed in.
    pub created_at: Timestamp,
}

/// What a bearer of an access token may still do, as far as storage knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The account.
    pub user: User,
    /// When the login ends unless it is refreshed.
    pub expires_at: Timestamp,
}

/// How long the previous refresh token still works after a rotation, in seconds: a client whose answer
/// got lost, or whose two tabs refresh at once, is not thrown out.
pub const REFRESH_GRACE_SECONDS: i64 = 10;

/// What came of presenting a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The session as it is now; its generation is the one to hand out.
    Rotated(Session),
    /// An outlived token came back: it was copied, so the session has been ended.
    Reused,
    /// No such session, or it has expired.
    Missing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_are_normalized() {
        assert_eq!(Email::parse("  Ada@Example.ORG ").unwrap().as_str(), "ada@example.org");
        for bad in ["", "ada", "@x", "ada@", "a@b@c", "a b@c", "a\n@c"] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
        assert!(Email::parse(&format!("{}@example.org", "a".repeat(250))).is_err());
    }

    #[test]
    fn preferences_have_a_bound_and_keep_what_is_in_them() {
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
    fn secrets_do_not_print() {
        let password = Password::parse("correct horse".into()).unwrap();
        assert_eq!(format!("{password:?}"), "Password(…)");
        assert!(!format!("{:?}", PasswordHash("$argon2id$x".into())).contains("argon2"));
        assert_eq!(format!("{:?}", DraftKey([7; 32])), "DraftKey(…)");
    }
}
