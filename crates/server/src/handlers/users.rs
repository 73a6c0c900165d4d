//! One's own account.

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sotto_domain::account::{DraftKey, Email, Password, Preferences, Session, User, UserPatch};
use sotto_domain::text::Check;
use sotto_domain::{Flaw, SessionId, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Message, message};
use crate::app::App;
use crate::auth::SignedIn;
use crate::base64url;
use crate::cookies::clear_tokens;
use crate::error::{ApiError, Code};
use crate::extract::{self, Id, present};
use crate::handlers::admin::users::settled;
use crate::handlers::reminders;
use crate::middleware::ClientAddress;

/// An account, as its owner and superusers see it.
#[derive(Serialize, ToSchema)]
pub struct AccountResponse {
    id: Uuid,
    #[schema(format = Email)]
    email: String,
    full_name: Option<String>,
    is_active: bool,
    is_superuser: bool,
    /// Whether one can sign in by password; if not, through an identity provider.
    has_password: bool,
    avatar_url: Option<String>,
    /// An IANA time zone.
    time_zone: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// An account, as its owner sees it.
#[derive(Serialize, ToSchema)]
pub struct UserResponse {
    #[serde(flatten)]
    account: AccountResponse,
    /// What clients keep here, such as a theme; the server does not read it.
    #[schema(value_type = HashMap<String, Value>)]
    preferences: Map<String, Value>,
}

impl UserResponse {
    /// A user and what clients keep with them.
    pub fn new(user: User, preferences: Preferences) -> Self {
        Self { account: user.into(), preferences: preferences.into_object() }
    }
}

impl From<User> for AccountResponse {
    fn from(user: User) -> Self {
        Self {
            id: user.id.0,
            email: user.email.as_str().to_owned(),
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

/// What to change; a field that is absent stays, null clears it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserUpdate {
    /// A new address; needs `current_password`.
    #[serde(default, deserialize_with = "present")]
    #[schema(format = Email, max_length = 254, nullable = false)]
    email: Option<String>,
    /// The password, to change the address.
    #[schema(format = Password)]
    current_password: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 200)]
    full_name: Option<Option<String>>,
    /// An http(s) address, or a path on this server.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 2048)]
    avatar_url: Option<Option<String>>,
    /// An IANA time zone. Reminders that were set in the old one move along: they keep their time of day.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    time_zone: Option<String>,
    /// All of them: what is absent goes. At most 16 KiB of JSON.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = HashMap<String, Value>, required = false)]
    preferences: Option<Map<String, Value>>,
}

/// Your account.
#[utoipa::path(get, path = "/api/users/me", tag = "users", responses(
    (status = 200, body = UserResponse),
))]
pub async fn get_me(State(app): State<App>, signed_in: SignedIn) -> Result<Json<UserResponse>, ApiError> {
    let user = app.storage.users().get(signed_in.id()).await?.ok_or(GONE)?;
    profile(&app, user).await.map(Json)
}

/// Change your account.
#[utoipa::path(put, path = "/api/users/me", tag = "users", request_body = UserUpdate, responses(
    (status = 200, body = UserResponse),
    (status = 409, description = "The address has an account."),
    (status = 429, description = "Too many attempts; wait `Retry-After` seconds."),
))]
pub async fn update_me(
    State(app): State<App>,
    signed_in: SignedIn,
    extract::Json(request): extract::Json<UserUpdate>,
) -> Result<Json<UserResponse>, ApiError> {
    let patch = UserPatch::parse(
        request.email.as_deref(),
        request.full_name,
        request.avatar_url,
        request.time_zone.as_deref(),
        request.preferences,
    )?;
    let user = app.storage.users().get(signed_in.id()).await?.ok_or(GONE)?;
    if patch.email.as_ref().is_some_and(|email| *email != user.email) {
        check_password(&app, &user.email, request.current_password).await?;
    }
    let changed = app.storage.users().update(signed_in.id(), &patch, app.now()).await?.ok_or(GONE)?;
    if changed.time_zone != user.time_zone {
        reminders::move_all(&app, changed.id, &user.time_zone, &changed.time_zone).await?;
    }
    app.standings.invalidate(&signed_in.session);
    profile(&app, changed).await.map(Json)
}

/// What a client encrypts the drafts with that it keeps on a device.
#[derive(Serialize, ToSchema)]
pub struct DraftKeyResponse {
    /// 32 bytes, in base64url without padding.
    key: String,
}

/// The key of your drafts.
///
/// It is made when it is first asked for, and is the same ever after: what was encrypted with it before a logout can be read
/// after the next login, and by nobody who is not signed in.
#[utoipa::path(get, path = "/api/users/me/draft-key", tag = "users", responses(
    (status = 200, body = DraftKeyResponse),
))]
pub async fn draft_key(State(app): State<App>, signed_in: SignedIn) -> Result<Json<DraftKeyResponse>, ApiError> {
    let mut fresh = DraftKey([0; 32]);
    app.random.fill(&mut fresh.0);
    let key = app.storage.users().draft_key(signed_in.id(), &fresh, app.now()).await?.ok_or(GONE)?;
    Ok(Json(DraftKeyResponse { key: base64url::encode(&key.0) }))
}

/// The old password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordUpdate {
    /// Not for those who have none, because they sign in with a provider.
    #[schema(format = Password)]
    current_password: Option<String>,
    /// At least 8 characters.
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    new_password: String,
}

/// Change your password, or set one.
///
/// Every other login of yours ends.
#[utoipa::path(put, path = "/api/users/me/password", tag = "users", request_body = PasswordUpdate, responses(
    (status = 200, body = Message),
    (status = 429, description = "Too many attempts; wait `Retry-After` seconds."),
))]
pub async fn set_password(
    State(app): State<App>,
    signed_in: SignedIn,
    extract::Json(request): extract::Json<PasswordUpdate>,
) -> Result<Json<Message>, ApiError> {
    let mut check = Check::default();
    let password = check.take("new_password", Password::parse(request.new_password));
    let password = check.finish(password)?;
    let users = app.storage.users();
    // Read anew: whether there is a password must not be asked of an address that they have given up.
    let user = users.get(signed_in.id()).await?.ok_or(GONE)?;
    if user.has_password {
        check_password(&app, &user.email, request.current_password).await?;
    }
    let hash = app.hasher.hash(password).await?;
    if users.set_password(signed_in.id(), &hash, Some(signed_in.session), app.now()).await? {
        // The other logins are in this cache under ids that only storage knows; forget all.
        app.standings.invalidate_all();
        Ok(message("Password changed successfully"))
    } else {
        Err(GONE)
    }
}

/// What shows that it is you who wants this.
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
/// All that is yours goes with it, at once and for good: export it first.
#[utoipa::path(delete, path = "/api/users/me", tag = "users", request_body = AccountDeletion, responses(
    (status = 200, body = Message),
    (status = 409, description = "You are the only active superuser."),
    (status = 429, description = "Too many attempts; wait `Retry-After` seconds."),
))]
pub async fn delete_me(
    State(app): State<App>,
    Extension(client): Extension<ClientAddress>,
    signed_in: SignedIn,
    extract::Json(request): extract::Json<AccountDeletion>,
) -> Result<Response, ApiError> {
    let user = app.storage.users().get(signed_in.id()).await?.ok_or(GONE)?;
    if user.has_password {
        let given =
            request.password.ok_or_else(|| ApiError::invalid("body", "password", &Flaw::Missing("must be given")))?;
        app.limits.login(client.0, &user.email)?;
        verify(&app, &user.email, "password", given).await?;
    } else if !request.email.is_some_and(|email| Email::parse(&email).is_ok_and(|email| email == user.email)) {
        return Err(ApiError::invalid("body", "email", &Flaw::WrongEmail));
    }
    settled(&app, app.storage.users().delete(user.id).await?, GONE)?;
    app.recordings.forget(user.id).await;
    tracing::info!(user = %user.id, "an account was deleted by its owner");
    Ok((clear_tokens(&app.config)?, message("Account deleted successfully")).into_response())
}

/// A login of yours.
#[derive(Serialize, ToSchema)]
pub struct SessionResponse {
    id: Uuid,
    /// Whether it is the one that asks.
    is_current: bool,
    /// What the client called itself.
    user_agent: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its tokens were last exchanged.
    #[schema(value_type = String, format = DateTime)]
    refreshed_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl SessionResponse {
    fn new(session: Session, current: SessionId) -> Self {
        Self {
            id: session.id.0,
            is_current: session.id == current,
            user_agent: session.user_agent,
            created_at: session.created_at,
            refreshed_at: session.rotated_at,
            expires_at: session.expires_at,
        }
    }
}

/// Your logins, newest first.
#[utoipa::path(get, path = "/api/users/me/sessions", tag = "users", responses(
    (status = 200, body = Vec<SessionResponse>),
))]
pub async fn list_sessions(
    State(app): State<App>,
    signed_in: SignedIn,
) -> Result<Json<Vec<SessionResponse>>, ApiError> {
    let sessions = app.storage.sessions().list(signed_in.id(), app.now()).await?;
    Ok(Json(sessions.into_iter().map(|session| SessionResponse::new(session, signed_in.session)).collect()))
}

/// End one of your logins.
#[utoipa::path(delete, path = "/api/users/me/sessions/{session_id}", tag = "users",
    params(("session_id" = Uuid, Path)),
    responses(
        (status = 200, body = Message),
        (status = 404, description = "No such login of yours."),
    )
)]
pub async fn end_session(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(session): Id,
) -> Result<Json<Message>, ApiError> {
    let session = SessionId(session);
    if !app.storage.sessions().end(signed_in.id(), session).await? {
        return Err(ApiError::NotFound(Code::NotFound, "Session not found"));
    }
    app.standings.invalidate(&session);
    Ok(message("Session ended successfully"))
}

const GONE: ApiError = ApiError::Unauthorized(Code::AccountGone, "This account no longer exists.");

async fn profile(app: &App, user: User) -> Result<UserResponse, ApiError> {
    let preferences = app.storage.users().preferences(user.id).await?.ok_or(GONE)?;
    Ok(UserResponse::new(user, preferences))
}

/// Asks for the password again before a change that could lock its owner out.
async fn check_password(app: &App, email: &Email, given: Option<String>) -> Result<(), ApiError> {
    const FIELD: &str = "current_password";
    let given =
        given.ok_or_else(|| ApiError::invalid("body", FIELD, &Flaw::Missing("must be given for this change")))?;
    app.limits.account(email)?;
    verify(app, email, FIELD, given).await
}

/// Refuses a password in this field of the body that is not the account's. The attempt is counted before.
async fn verify(app: &App, email: &Email, field: &str, given: String) -> Result<(), ApiError> {
    let hash = app.storage.users().credentials(email).await?.and_then(|found| found.password_hash);
    let matches = given.len() <= 1024 && app.hasher.verify(given, hash).await?;
    if matches { Ok(()) } else { Err(ApiError::invalid("body", field, &Flaw::WrongPassword)) }
}
