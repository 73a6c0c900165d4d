//! Error codes for programs. A code never changes its meaning.
//!
//! A code reveals no more than the sentence beside it. Where one sentence covers two cases so that nobody can tell them
//! apart, one code covers both.

use std::collections::BTreeMap;

use serde::Serialize;
use sotto_domain::Flaw;
use utoipa::openapi::RefOr;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The kind of a problem, where the status alone does not identify it. Treat an unknown code like the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// 400: the body ended too early.
    BrokeOff,
    /// 401: the request has no credentials.
    NotSignedIn,
    /// 401: a token is invalid or expired.
    InvalidToken,
    /// 401: the session has ended.
    LoginEnded,
    /// 401: the account was deleted.
    AccountGone,
    /// 401: no account has this address and password.
    WrongLogin,
    /// 403: sign-up is closed.
    SignUpClosed,
    /// 403: the account is deactivated.
    AccountDeactivated,
    /// 403: another site sent the request.
    ForeignOrigin,
    /// 403: this needs a session; API tokens are refused.
    NoApiTokens,
    /// 403: this needs a recent sign-in, or a confirmation with `POST /api/auth/confirm`.
    ConfirmSignIn,
    /// 403: the API token lacks the scope.
    MissingScope,
    /// 403: this needs a superuser.
    NotASuperuser,
    /// 403: the server has no metrics token, and the request comes from another machine.
    MetricsAreLocal,
    /// 403 and 404: the secret tag is locked or does not exist.
    SecretTagLocked,
    /// 403: the passphrase is wrong, or the secret tag does not exist.
    WrongPhrase,
    /// 403: the recovery key is wrong, or the secret tag does not exist.
    WrongRecoveryKey,
    /// 404: it does not exist, or belongs to another user.
    NotFound,
    /// 404: the login to a secret tag has ended or expired.
    UnlockEnded,
    /// 408: the body did not arrive in time.
    TimedOut,
    /// 409: the e-mail address already has an account.
    EmailTaken,
    /// 409: a tag with this name exists.
    TagNameTaken,
    /// 409: the identity is linked to another account.
    IdentityTaken,
    /// 409: the id is already used.
    IdTaken,
    /// 409: the server would have no active superuser.
    LastSuperuser,
    /// 409: the account would have no way to sign in.
    LastWayIn,
    /// 409: the maximum number of secret tags is reached.
    TooManySecretTags,
    /// 409: the maximum number of API tokens is reached.
    TooManyApiTokens,
    /// 409: the secret tag has entries.
    SecretTagNotEmpty,
    /// 409: the secret tag has changed since it was read.
    SecretTagChanged,
    /// 409: the server's keys have changed since the first request.
    KeysChanged,
    /// 410: the row that an earlier request with this key created no longer exists.
    Gone,
    /// 412: the entry has changed since it was read.
    EntryChanged,
    /// 413: the body is too large.
    TooLarge,
    /// 415: the media type of the body is not accepted.
    UnsupportedMediaType,
    /// 428: the request needs a precondition.
    MissingCondition,
    /// 429: too many attempts.
    TooManyAttempts,
    /// 429: too many requests of one user at the same time; nothing was changed.
    TooManyAtOnce,
    /// 429: another export of the user is running.
    ExportRunning,
    /// 503: the server is busy; nothing was changed.
    Busy,
    /// 503: the server is about to stop.
    Stopping,
    /// 503: the database cannot be reached; nothing was changed.
    Unavailable,
    /// 503: the attachment store cannot be reached; the recording was not changed.
    StoreUnavailable,
    /// 503: the server's disk is full; nothing was changed.
    DiskFull,
    /// 503: the change may or may not have been made.
    OutcomeUnknown,
    /// 507: the quota for recordings is exceeded.
    OverQuota,
}

/// The error of a field. The domain defines the codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FieldCode(&'static str);

impl From<&Flaw> for FieldCode {
    fn from(flaw: &Flaw) -> Self {
        Self(flaw.code())
    }
}

impl ToSchema for FieldCode {}

impl PartialSchema for FieldCode {
    fn schema() -> RefOr<Schema> {
        let codes: BTreeMap<_, _> = Flaw::CODES.iter().copied().collect();
        let params: BTreeMap<_, _> = codes.iter().filter(|(_, params)| !params.is_empty()).collect();
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(codes.keys().copied()))
            .description(Some(
                "The error of a field. Treat an unknown code as `malformed`. `x-params` names the `params` of each \
                 code.",
            ))
            .extensions(Some(ExtensionsBuilder::new().add("x-params", serde_json::json!(params)).build()))
            .into()
    }
}
