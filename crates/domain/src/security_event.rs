//! Security events: what happened to an account and its credentials, for its owner to read. They let an owner notice
//! that another person uses the account.

use crate::clock::Timestamp;
use crate::ids::{SecurityEventId, UserId};

/// How long an event is kept, in seconds: 90 days. The first clean-up after that deletes it.
pub const KEPT_SECONDS: i64 = 90 * 24 * 3600;

/// The most events of one kind that are kept for a user. A further event replaces the oldest one of its kind. With one
/// bound for all kinds, a thief could sign in until the change of the address is no longer listed.
pub const MAX_EVENTS: u32 = 200;

/// An event of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityEvent {
    /// The id.
    pub id: SecurityEventId,
    /// The owner of the account.
    pub user_id: UserId,
    /// What happened.
    pub kind: SecurityEventKind,
    /// The IP address of the client. `None` for what an operator did on the command line.
    pub client: Option<String>,
    /// The client's `User-Agent`, at most 200 bytes.
    pub user_agent: Option<String>,
    /// When it happened.
    pub created_at: Timestamp,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal)+) => {
        /// What happened to an account.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum SecurityEventKind {
            $($(#[$doc])* $kind,)+
        }

        impl SecurityEventKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The name in the API, in storage and in the audit log.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

kinds! {
    /// A sign-in with the password.
    SignedIn "signed_in"
    /// A sign-in with a provider.
    SignedInWithProvider "signed_in_with_provider"
    /// The user signed out.
    SignedOut "signed_out"
    /// The user ended one of their sessions.
    SessionEnded "session_ended"
    /// A refresh token was used twice, which ended its session.
    RefreshTokenReused "refresh_token_reused"
    /// The user proved again who they are.
    SignInConfirmed "sign_in_confirmed"
    /// The account got its first password.
    PasswordSet "password_set"
    /// The user replaced the password.
    PasswordChanged "password_changed"
    /// The user changed the address of the account.
    EmailChanged "email_changed"
    /// An API token was created.
    ApiTokenCreated "api_token_created"
    /// An API token was deleted.
    ApiTokenDeleted "api_token_deleted"
    /// An identity was linked.
    IdentityLinked "identity_linked"
    /// An identity was unlinked.
    IdentityUnlinked "identity_unlinked"
    /// All data of the account was exported.
    Exported "exported"
    /// A secret tag got a new passphrase by its recovery key.
    SecretTagRecovered "secret_tag_recovered"
    /// An unlocked secret tag got a new passphrase.
    PassphraseChanged "passphrase_changed"
    /// A superuser or the operator deactivated the account.
    AccountDeactivated "account_deactivated"
    /// A superuser or the operator activated the account again.
    AccountActivated "account_activated"
    /// The account became a superuser's.
    SuperuserGranted "superuser_granted"
    /// The account is no longer a superuser's.
    SuperuserRevoked "superuser_revoked"
    /// A superuser or the operator set a new password.
    PasswordResetByOperator "password_reset_by_operator"
    /// The address of the account was verified.
    EmailVerified "email_verified"
    /// A kind that this version does not know: a newer version has recorded it.
    Other "other"
}

impl SecurityEventKind {
    /// The kind with this name; [`Self::Other`] for an unknown name.
    pub fn from_stored(name: &str) -> Self {
        Self::ALL.iter().copied().find(|kind| kind.name() == name).unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_round_trip_by_their_names() {
        for kind in SecurityEventKind::ALL {
            assert_eq!(SecurityEventKind::from_stored(kind.name()), *kind);
        }
        assert_eq!(SecurityEventKind::from_stored("of a newer version"), SecurityEventKind::Other);
    }
}
