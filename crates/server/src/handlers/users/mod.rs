//! Your account.

pub mod account;
pub mod draft_key;
pub mod password;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use sotto_domain::Flaw;
use sotto_domain::account::{GivenAddress, User, UserPatch};
use sotto_domain::security_event::SecurityEventKind;
use utoipa::ToSchema;

use self::account::{GONE, UserResponse, finish_change};
use super::{Message, message};
use crate::app::App;
use crate::audit::{self, Event, Origin, Unstored};
use crate::auth::SignedIn;
use crate::auth::addresses::expect_no_earlier_form;
use crate::auth::cookies;
use crate::http::error::ApiError;
use crate::http::extract::{self, present};

/// The fields to change. An absent field stays as it is; null clears it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserUpdate {
    /// A new address. It requires `current_password` and a recent sign-in (see `POST /api/auth/confirm`). Sign-in with a
    /// provider does not find the account by it until it is verified.
    #[serde(default, deserialize_with = "present")]
    #[schema(format = Email, max_length = 254, nullable = false)]
    email: Option<String>,
    /// Your password, to change the address.
    #[schema(format = Password)]
    current_password: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 200)]
    full_name: Option<Option<String>>,
    /// An http(s) address, or a path on this server.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 2048)]
    avatar_url: Option<Option<String>>,
    /// An IANA time zone. Reminders in the old time zone move to the new one and keep their time of day.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    time_zone: Option<String>,
    /// All preferences; the ones that are absent are deleted. At most 16 KiB of JSON.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = HashMap<String, Value>, required = false)]
    preferences: Option<Map<String, Value>>,
}

/// Your account.
#[utoipa::path(get, path = "/api/users/me", tag = "users", operation_id = "get_me", responses(
    (status = 200, body = UserResponse),
))]
pub async fn get(State(app): State<App>, signed_in: SignedIn) -> Result<Json<UserResponse>, ApiError> {
    let user = app.storage.users().get(signed_in.id()).await?.ok_or(GONE)?;
    profile(&app, user).await.map(Json)
}

/// Change your account.
#[utoipa::path(put, path = "/api/users/me", tag = "users", operation_id = "update_me", request_body = UserUpdate, responses(
    (status = 200, body = UserResponse),
    (status = 409, description = "The address already has an account."),
    (status = 429, description = "Too many attempts; wait `Retry-After` seconds."),
))]
pub async fn update(
    State(app): State<App>,
    origin: Origin,
    signed_in: SignedIn,
    extract::Json(request): extract::Json<UserUpdate>,
) -> Result<Json<UserResponse>, ApiError> {
    let user = app.storage.users().get(signed_in.id()).await?.ok_or(GONE)?;
    let patch = UserPatch::parse(
        // An address that an earlier version stored in another form can be sent back, and so can an unknown time zone.
        request.email.as_deref().filter(|email| email.trim() != user.email.as_str()),
        request.full_name,
        request.avatar_url,
        request.time_zone.as_deref().filter(|name| *name != user.time_zone.name()),
        request.preferences,
    )?;
    if let Some(email) = patch.email.as_ref().filter(|email| **email != user.email) {
        signed_in.require_recent(&app).await?;
        password::check_current_password(&app, &origin, &signed_in, request.current_password).await?;
        expect_no_earlier_form(app.storage.users(), email, Some(user.id)).await?;
    }
    let changed = app.storage.users().update(signed_in.id(), &patch, app.now()).await?.ok_or(GONE)?;
    app.session_cache.invalidate(&signed_in.session);
    if changed.email != user.email {
        audit::record(&app, &origin, Event::of_owner(&signed_in, SecurityEventKind::EmailChanged)).await;
    }
    profile(&app, changed).await.map(Json)
}

/// A confirmation that the request comes from you.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountDeletion {
    /// Your password.
    #[schema(format = Password)]
    password: Option<String>,
    /// Your address, if your account has no password.
    email: Option<String>,
}

/// Delete your account.
///
/// All of your data is deleted at once and for good. Export it first.
#[utoipa::path(delete, path = "/api/users/me", tag = "users", operation_id = "delete_me", request_body = AccountDeletion, responses(
    (status = 200, body = Message),
    (status = 409, description = "You are the only active superuser."),
    (status = 429, description = "Too many attempts; wait `Retry-After` seconds."),
))]
pub async fn delete(
    State(app): State<App>,
    origin: Origin,
    signed_in: SignedIn,
    extract::Json(request): extract::Json<AccountDeletion>,
) -> Result<Response, ApiError> {
    let user = app.storage.users().get(signed_in.id()).await?.ok_or(GONE)?;
    if user.has_password {
        let given =
            request.password.ok_or_else(|| ApiError::invalid("body", "password", &Flaw::Missing("must be given")))?;
        password::verify(&app, &origin, &signed_in, "password", given).await?;
    } else {
        signed_in.require_recent(&app).await?;
        if !request.email.is_some_and(|email| is_address_of(&user, &email)) {
            return Err(ApiError::invalid("body", "email", &Flaw::WrongEmail));
        }
    }
    finish_change(&app, app.storage.users().delete(user.id).await?, GONE)?;
    app.attachments.delete_all(user.id).await;
    let deleted = Event::unstored(Some(user.id), Unstored::AccountDeleted).session(signed_in.session);
    audit::record(&app, &origin, deleted.with_address(&user.email)).await;
    Ok((cookies::clear_all(&app.config)?, message("Account deleted successfully")).into_response())
}

fn is_address_of(user: &User, given: &str) -> bool {
    GivenAddress::parse(given).is_some_and(|given| given.forms.contains(&user.email))
}

async fn profile(app: &App, user: User) -> Result<UserResponse, ApiError> {
    let preferences = app.storage.users().preferences(user.id).await?.ok_or(GONE)?;
    Ok(UserResponse::new(user, preferences))
}
