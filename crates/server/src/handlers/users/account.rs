//! What the handlers of your own account and those for superusers share.

use serde::Serialize;
use serde_json::{Map, Value};
use sotto_domain::Timestamp;
use sotto_domain::account::{Administered, Preferences, User};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::http::error::{ApiError, Code};

/// An account, for its owner and for superusers.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "these are independent properties of an account")]
pub struct AccountResponse {
    id: Uuid,
    #[schema(format = Email)]
    email: String,
    /// Whether a provider or a superuser has verified that the address is the user's.
    email_verified: bool,
    full_name: Option<String>,
    is_active: bool,
    is_superuser: bool,
    /// Whether the user can sign in by password. If not, an identity provider is the only way.
    has_password: bool,
    avatar_url: Option<String>,
    /// An IANA time zone.
    time_zone: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// An account, for its owner.
#[derive(Serialize, ToSchema)]
pub struct UserResponse {
    #[serde(flatten)]
    account: AccountResponse,
    /// Settings that clients keep, such as a theme. The server does not read them.
    #[schema(value_type = HashMap<String, Value>)]
    preferences: Map<String, Value>,
}

impl UserResponse {
    pub fn new(user: User, preferences: Preferences) -> Self {
        Self { account: user.into(), preferences: preferences.into_object() }
    }
}

impl From<User> for AccountResponse {
    fn from(user: User) -> Self {
        Self {
            id: user.id.0,
            email: user.email.as_str().to_owned(),
            email_verified: user.email_verified_at.is_some(),
            full_name: user.full_name,
            is_active: user.is_active,
            is_superuser: user.is_superuser,
            has_password: user.has_password,
            avatar_url: user.avatar_url,
            time_zone: user.time_zone.name().to_owned(),
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// The result of a change or deletion of an account. After a change, this node reads all permissions again; other nodes
/// do so within [`crate::config::CREDENTIAL_CACHE_SECONDS`].
pub fn finish_change<T>(app: &App, outcome: Administered<T>, missing: ApiError) -> Result<T, ApiError> {
    match outcome {
        Administered::Done(done) => {
            // The caches do not know which entries belong to the user, so both are cleared.
            app.session_cache.invalidate_all();
            app.api_token_cache.invalidate_all();
            Ok(done)
        }
        Administered::Missing => Err(missing),
        Administered::LastSuperuser => Err(LAST_SUPERUSER),
    }
}

pub const GONE: ApiError = ApiError::Unauthorized(Code::AccountGone, "This account no longer exists.");

const LAST_SUPERUSER: ApiError = ApiError::Conflict(
    Code::LastSuperuser,
    "This is the only active superuser of this server; make another account a superuser first.",
    None,
);
