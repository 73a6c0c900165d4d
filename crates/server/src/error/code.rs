//! The names by which programs tell errors apart. A client may hold on to them: none is ever given to something else.
//!
//! A name says no more than the sentence beside it. Where one sentence stands for two cases, so that nobody learns which it
//! was, one name does too.

use std::collections::BTreeMap;

use serde::Serialize;
use sotto_domain::Flaw;
use utoipa::openapi::RefOr;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// What kind of problem it is, where the status alone does not say it. Take one that you do not know as that of its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// 400: the body ended too early.
    BrokeOff,
    /// 401: the request says nothing of who is asking.
    NotSignedIn,
    /// 401: a token is not good, or no longer.
    InvalidToken,
    /// 401: the login has ended.
    LoginEnded,
    /// 401: the account was deleted.
    AccountGone,
    /// 401: no account has this address and this password.
    WrongLogin,
    /// 403: nobody can make an account here.
    SignUpClosed,
    /// 403: the account may not sign in.
    AccountDeactivated,
    /// 403: another site sent the request.
    ForeignOrigin,
    /// 403: no API token is good for this.
    NoApiTokens,
    /// 403: this API token is not good for this.
    MissingScope,
    /// 403: somebody else may do this.
    NotASuperuser,
    /// 403 and 404: the secret tag is locked, or there is none.
    SecretTagLocked,
    /// 403: the phrase does not open the secret tag, or there is none.
    WrongPhrase,
    /// 403: the recovery key is not the secret tag's, or there is none.
    WrongRecoveryKey,
    /// 404: there is none, or it is somebody else's.
    NotFound,
    /// 404: the login to a secret tag is over before it was finished.
    UnlockEnded,
    /// 408: the body did not arrive in time.
    TimedOut,
    /// 409: the e-mail address has an account.
    EmailTaken,
    /// 409: there is a tag of this name.
    TagNameTaken,
    /// 409: the identity opens another account.
    IdentityTaken,
    /// 409: the id is in use.
    IdTaken,
    /// 409: nobody else could administer the server.
    LastSuperuser,
    /// 409: the account would have no way in.
    LastWayIn,
    /// 409: nobody can have more secret tags.
    TooManySecretTags,
    /// 409: nobody can have more API tokens.
    TooManyApiTokens,
    /// 409: there are entries under the secret tag.
    SecretTagNotEmpty,
    /// 409: the secret tag was changed meanwhile.
    SecretTagChanged,
    /// 409: the server's keys were changed meanwhile.
    KeysChanged,
    /// 412: the entry was changed meanwhile.
    EntryChanged,
    /// 413: the body is too long.
    TooLarge,
    /// 415: the body is of the wrong kind.
    UnsupportedMediaType,
    /// 428: the request needs a condition.
    MissingCondition,
    /// 429: too often.
    TooManyAttempts,
    /// 507: there is no room for the recording.
    OverQuota,
}

/// What is wrong with a field. Which codes there are is the domain's to know.
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
                "What is wrong with a field. Take one that you do not know as `malformed`. `x-params` names the `params` that \
                 come with a code.",
            ))
            .extensions(Some(ExtensionsBuilder::new().add("x-params", serde_json::json!(params)).build()))
            .into()
    }
}
