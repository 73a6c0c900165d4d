//! API tokens: credentials that users create for scripts and other programs, limited to their scopes.

use std::collections::BTreeSet;

use crate::account::User;
use crate::clock::Timestamp;
use crate::flaw::Flaw;
use crate::ids::{ApiTokenId, UserId};
use crate::text::{self, Check, Violations};

/// The most tokens that a user can have, expired ones included.
pub const MAX_TOKENS: u32 = 50;

/// The shortest time between two updates of `last_used_at`, in seconds, so that a busy script does not cost a write per
/// request.
pub const USE_INTERVAL_SECONDS: i64 = 60;

/// A token without its secret. Storage has only the secret's SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// The id.
    pub id: ApiTokenId,
    /// The owner.
    pub user_id: UserId,
    /// The owner's description of the token: one line, at most 100 bytes.
    pub name: String,
    /// The permissions of the token.
    pub scopes: Scopes,
    /// When the token expires, if ever.
    pub expires_at: Option<Timestamp>,
    /// When the token was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When the token was created.
    pub created_at: Timestamp,
}

/// A permission of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Reading plain entries.
    EntriesRead,
    /// Creating, changing and deleting plain entries, and creating tags by naming them on an entry.
    EntriesWrite,
    /// Reading tags.
    TagsRead,
    /// Creating, changing and deleting tags.
    TagsWrite,
    /// Reading reminders.
    RemindersRead,
    /// Creating, changing and deleting reminders.
    RemindersWrite,
}

impl Scope {
    /// All scopes in their listing order.
    pub const ALL: [Self; 6] = [
        Self::EntriesRead,
        Self::EntriesWrite,
        Self::TagsRead,
        Self::TagsWrite,
        Self::RemindersRead,
        Self::RemindersWrite,
    ];

    /// The scope's name, such as `entries:read`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EntriesRead => "entries:read",
            Self::EntriesWrite => "entries:write",
            Self::TagsRead => "tags:read",
            Self::TagsWrite => "tags:write",
            Self::RemindersRead => "reminders:read",
            Self::RemindersWrite => "reminders:write",
        }
    }

    /// The scope with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// The scopes of a token; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Accepts names of scopes in any order.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, Flaw> {
        let scope = |name| Scope::named(name).ok_or(Flaw::UnknownScope);
        let scopes: BTreeSet<Scope> = names.into_iter().map(scope).collect::<Result<_, _>>()?;
        if scopes.is_empty() { Err(Flaw::NoScope) } else { Ok(Self(scopes)) }
    }

    /// Parses the text that [`Self::to_text`] returns.
    pub fn from_text(text: &str) -> Result<Self, Flaw> {
        Self::parse(text.split_whitespace())
    }

    /// The names, separated by spaces, as in OAuth 2.0 (RFC 6749, section 3.3).
    pub fn to_text(&self) -> String {
        self.names().collect::<Vec<_>>().join(" ")
    }

    /// The names of the scopes.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|scope| scope.name())
    }

    /// Whether `scope` is one of these scopes.
    pub fn allow(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }
}

/// The fields that a user chooses for a new token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenDraft {
    /// See [`ApiToken::name`].
    pub name: String,
    /// See [`ApiToken::scopes`].
    pub scopes: Scopes,
    /// See [`ApiToken::expires_at`].
    pub expires_at: Option<Timestamp>,
}

impl ApiTokenDraft {
    /// Checks the fields of a request. The expiry, in RFC 3339 with a zone, must be after `now`.
    pub fn parse(name: &str, scopes: &[String], expires_at: Option<&str>, now: Timestamp) -> Result<Self, Violations> {
        let mut check = Check::default();
        let name = check.accept("name", text::line(name, 100));
        let scopes = check.accept("scopes", Scopes::parse(scopes.iter().map(String::as_str)));
        let expires_at = expires_at.and_then(|text| {
            let end = Timestamp::parse(text).and_then(|end| if end > now { Ok(end) } else { Err(Flaw::Past) });
            check.accept("expires_at", end)
        });
        check.finish(name.zip(scopes).map(|(name, scopes)| Self { name, scopes, expires_at }))
    }
}

/// The outcome of creating a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreatedApiToken {
    /// The token is stored.
    Created,
    /// The user already has [`MAX_TOKENS`]. Nothing was stored.
    TooMany,
}

/// The stored facts that decide whether an API token is still valid.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiTokenWithUser {
    /// The account.
    pub user: User,
    /// The token.
    pub token: ApiToken,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_round_trip_as_text() {
        let scopes = Scopes::parse(["tags:write", "entries:read", "tags:write"]).unwrap();
        assert_eq!(scopes.to_text(), "entries:read tags:write");
        assert_eq!(Scopes::from_text(&scopes.to_text()).unwrap(), scopes);
        assert!(scopes.allow(Scope::TagsWrite) && !scopes.allow(Scope::TagsRead));
        for bad in [&[][..], &["entries"], &["entries:read", "admin"], &[""]] {
            assert!(Scopes::parse(bad.iter().copied()).is_err(), "{bad:?}");
        }
        for scope in Scope::ALL {
            assert_eq!(Scope::named(scope.name()), Some(scope));
        }
    }

    #[test]
    fn a_new_token_expires_in_the_future_or_never() {
        let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let scopes = ["entries:read".to_owned()];
        let draft = |end| ApiTokenDraft::parse(" backup script ", &scopes, end, now);
        assert_eq!(draft(None).unwrap().name, "backup script");
        assert!(draft(Some("2026-01-01T00:00:01Z")).unwrap().expires_at.is_some());
        for bad in ["2026-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "tomorrow", ""] {
            assert_eq!(draft(Some(bad)).unwrap_err().0[0].field, "expires_at", "{bad}");
        }
        let all = ApiTokenDraft::parse("", &[], Some(""), now).unwrap_err();
        assert_eq!(all.0.iter().map(|one| one.field).collect::<Vec<_>>(), ["name", "scopes", "expires_at"]);
    }
}
