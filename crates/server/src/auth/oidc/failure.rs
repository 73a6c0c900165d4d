//! The ways in which a sign-in with a provider can fail.

use sotto_domain::storage::StorageError;

use crate::http::error::{ApiError, Cause, Code};

/// Why a sign-in failed. The browser is sent to `/login?error=<code>`; details are in the log only.
#[derive(Debug)]
pub enum Failure {
    /// No provider with this id is set up.
    UnknownProvider,
    /// The provider cannot be reached, or breaks the protocol.
    ProviderUnavailable(Cause),
    /// The user has not allowed the provider to identify them.
    AccessDenied,
    /// The provider refused for another reason.
    ProviderError(String),
    /// The response belongs to no sign-in of this browser, or to one that is already finished.
    StateMismatch,
    /// The sign-in took longer than [`crate::config::HANDSHAKE_SECONDS`].
    Expired,
    /// The ID token is not valid.
    InvalidToken(String),
    /// The provider sent no e-mail address, which a new account needs.
    EmailMissing,
    /// The provider has not verified the e-mail address.
    EmailNotVerified,
    /// An account has this address, but nobody has proven that it is its owner's. Or the address is not ASCII.
    AddressNotVerified,
    /// The user has no account, and sign-up is closed.
    RegistrationClosed,
    Deactivated,
    /// The identity to be linked belongs to another account.
    LinkedElsewhere,
    /// A link or a confirmation was requested without a valid session.
    SignInFirst,
    /// A link was requested without a recent sign-in.
    ConfirmSignIn,
    /// The identity that was to confirm a session does not belong to its account.
    WrongIdentity,
    TooManyAttempts,
    ServerError(ApiError),
}

impl Failure {
    /// The code in the address. Codes never change; `docs/sign-in.md` lists them.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownProvider => "unknown_provider",
            Self::ProviderUnavailable(_) => "provider_unavailable",
            Self::AccessDenied => "access_denied",
            Self::ProviderError(_) => "provider_error",
            Self::StateMismatch => "state_mismatch",
            Self::Expired => "expired",
            Self::InvalidToken(_) => "invalid_token",
            Self::EmailMissing => "email_missing",
            Self::EmailNotVerified => "email_not_verified",
            Self::AddressNotVerified => "address_not_verified",
            Self::RegistrationClosed => "registration_closed",
            Self::Deactivated => "deactivated",
            Self::LinkedElsewhere => "linked_elsewhere",
            Self::SignInFirst => "sign_in_first",
            Self::ConfirmSignIn => "confirm_sign_in",
            Self::WrongIdentity => "wrong_identity",
            Self::TooManyAttempts => "too_many_attempts",
            Self::ServerError(_) => "server_error",
        }
    }

    /// Logs what an operator can act on.
    pub fn log(&self, provider: &str) {
        let code = self.code();
        match self {
            Self::ProviderUnavailable(cause) => {
                let cause = crate::http::error::with_sources(cause.as_ref());
                tracing::warn!(provider, code, cause, "a provider cannot be reached, so nobody can sign in with it");
            }
            Self::ProviderError(reason) | Self::InvalidToken(reason) => {
                tracing::warn!(provider, code, reason, "a sign-in with a provider was refused");
            }
            Self::ServerError(error) => tracing::error!(provider, code, ?error, "a sign-in with a provider failed"),
            _ => tracing::info!(code, "a sign-in with a provider was refused"),
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::TooManyRequests { .. } => Self::TooManyAttempts,
            ApiError::Forbidden(Code::ConfirmSignIn, _) => Self::ConfirmSignIn,
            other => Self::ServerError(other),
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::ServerError(error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// The web app and operators rely on the documented codes.
    #[test]
    fn the_codes_match_the_documentation() {
        let quoted = |line: &'static str| line.split('"').nth(1);
        let source = include_str!("failure.rs").split("fn code").nth(1).unwrap().split("fn log").next().unwrap();
        let codes: BTreeSet<&str> = source.lines().filter(|line| line.contains("=> \"")).filter_map(quoted).collect();
        let page = include_str!("../../../../../docs/sign-in.md");
        let section = page.split("\n## ").find(|section| section.starts_with("What can go wrong")).unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        assert_eq!(codes, rows.collect());
        assert_eq!(codes.len(), 18);
    }
}
