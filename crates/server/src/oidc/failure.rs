//! Every way in which a sign-in with a provider can end badly.

use sotto_domain::storage::StorageError;

use crate::error::{ApiError, Cause};

/// Why somebody could not sign in. They come back to `/login?error=<code>`; whatever else is known is for the log.
#[derive(Debug)]
pub enum Failure {
    /// No provider of this id is set up here.
    UnknownProvider,
    /// It cannot be reached, or does not answer as a provider should.
    ProviderUnavailable(Cause),
    /// The person did not let the provider tell us who they are.
    AccessDenied,
    /// The provider refused, for a reason of its own.
    ProviderError(String),
    /// The answer belongs to no sign-in that this browser has begun, or to one that has ended.
    StateMismatch,
    /// It took longer than [`crate::config::HANDSHAKE_SECONDS`].
    Expired,
    /// What the provider says of the person cannot be believed.
    InvalidToken(String),
    /// The provider told no e-mail address, which a new account needs.
    EmailMissing,
    /// The provider does not vouch for the e-mail address.
    EmailNotVerified,
    /// There is no account for them, and sign-up is closed.
    RegistrationClosed,
    /// Their account is deactivated.
    Deactivated,
    /// What was to be linked to one account opens another.
    LinkedElsewhere,
    /// Somebody who is not signed in, or no longer, wanted to link.
    SignInFirst,
    /// Too often.
    TooManyAttempts,
    /// A fault of ours.
    ServerError(ApiError),
}

impl Failure {
    /// What the web app is told. These never change; `docs/sign-in.md` lists them.
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
            Self::RegistrationClosed => "registration_closed",
            Self::Deactivated => "deactivated",
            Self::LinkedElsewhere => "linked_elsewhere",
            Self::SignInFirst => "sign_in_first",
            Self::TooManyAttempts => "too_many_attempts",
            Self::ServerError(_) => "server_error",
        }
    }

    /// Writes down what an operator can do something about.
    pub fn log(&self, provider: &str) {
        let code = self.code();
        match self {
            Self::ProviderUnavailable(cause) => {
                let cause = crate::middleware::describe(cause.as_ref());
                tracing::warn!(provider, code, cause, "a provider cannot be reached: nobody can sign in with it");
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

    /// The web app and those who set up providers go by them.
    #[test]
    fn the_codes_are_those_that_are_documented() {
        let quoted = |line: &'static str| line.split('"').nth(1);
        let source = include_str!("failure.rs").split("fn code").nth(1).unwrap().split("fn log").next().unwrap();
        let codes: BTreeSet<&str> = source.lines().filter(|line| line.contains("=> \"")).filter_map(quoted).collect();
        let page = include_str!("../../../../docs/sign-in.md");
        let section = page.split("\n## ").find(|section| section.starts_with("What can go wrong")).unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        assert_eq!(codes, rows.collect());
        assert_eq!(codes.len(), 15);
    }
}
