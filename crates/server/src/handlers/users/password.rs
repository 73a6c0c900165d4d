//! Changing your password, and checking it before other changes.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use sotto_domain::Flaw;
use sotto_domain::account::{Owner, Password};
use sotto_domain::security_event::SecurityEventKind;
use sotto_domain::text::Check;
use utoipa::ToSchema;

use super::account::GONE;
use crate::app::App;
use crate::audit::{self, Event, Origin, Unstored};
use crate::auth::{SESSION_ENDED, SignedIn};
use crate::handlers::{Message, message};
use crate::http::error::ApiError;
use crate::http::extract;

/// The current password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordUpdate {
    /// Absent if you have no password because you sign in with a provider.
    #[schema(format = Password)]
    current_password: Option<String>,
    /// At least 8 characters and at most 1,024 bytes; not one that is easy to guess, nor the address or the name.
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    new_password: String,
    /// Whether to delete all of your API tokens too.
    #[serde(default = "yes")]
    #[schema(default = true)]
    delete_api_tokens: bool,
}

fn yes() -> bool {
    true
}

/// Change your password, or set one.
///
/// All of your other sessions end. Your API tokens are deleted, unless `delete_api_tokens` is false. A first password
/// requires a recent sign-in (see `POST /api/auth/confirm`).
#[utoipa::path(put, path = "/api/users/me/password", tag = "users", operation_id = "set_password", request_body = PasswordUpdate, responses(
    (status = 200, body = Message),
    (status = 429, description = "Too many attempts; wait `Retry-After` seconds."),
))]
pub async fn update(
    State(app): State<App>,
    origin: Origin,
    signed_in: SignedIn,
    extract::Json(request): extract::Json<PasswordUpdate>,
) -> Result<Json<Message>, ApiError> {
    let users = app.storage.users();
    // Read from storage: the cached account may still have an old address.
    let user = users.get(signed_in.id()).await?.ok_or(GONE)?;
    let mut check = Check::default();
    let password = check.accept("new_password", Password::parse(&request.new_password, Owner::of(&user)));
    let password = check.finish(password)?;
    if user.has_password {
        check_current_password(&app, &origin, &signed_in, request.current_password).await?;
    } else {
        signed_in.require_recent(&app).await?;
    }
    let hash = app.hasher.for_user(user.id).hash(password).await?;
    let (keep, delete_api_tokens) = (Some(signed_in.session), request.delete_api_tokens);
    if users.set_password(signed_in.id(), &hash, keep, delete_api_tokens, app.now()).await? {
        // The caches do not know which entries belong to the user, so they are cleared.
        app.session_cache.invalidate_all();
        app.api_token_cache.invalidate_all();
        let kind = if user.has_password { SecurityEventKind::PasswordChanged } else { SecurityEventKind::PasswordSet };
        audit::record(&app, &origin, Event::of_owner(&signed_in, kind)).await;
        Ok(message("Password changed successfully"))
    } else {
        Err(SESSION_ENDED)
    }
}

/// Checks the current password before a change that could lock the owner out.
pub async fn check_current_password(
    app: &App,
    origin: &Origin,
    signed_in: &SignedIn,
    given: Option<String>,
) -> Result<(), ApiError> {
    const FIELD: &str = "current_password";
    let given =
        given.ok_or_else(|| ApiError::invalid("body", FIELD, &Flaw::Missing("must be given for this change")))?;
    verify(app, origin, signed_in, FIELD, given).await
}

/// Refuses a wrong password of a user who is signed in, and counts it for this session. `field` is its place in the
/// body.
pub async fn verify(
    app: &App,
    origin: &Origin,
    signed_in: &SignedIn,
    field: &str,
    given: String,
) -> Result<(), ApiError> {
    let id = signed_in.id();
    let attempt = app.rate_limits.begin_confirmation(signed_in.session)?;
    let credentials = async {
        // Read from storage: the cached account may still have an old address.
        let user = app.storage.users().get(id).await?.ok_or(GONE)?;
        let found = app.storage.users().credentials(&user.email).await?;
        found.filter(|found| found.user.id == id).ok_or(GONE)
    };
    let (attempt, found) = attempt.checked(credentials.await)?;
    let matches =
        if given.len() > 1024 { Ok(false) } else { app.hasher.for_user(id).verify(given, found.password_hash).await };
    let (attempt, matches) = attempt.checked(matches)?;
    if !matches {
        let refused = Event::unstored(Some(id), Unstored::SignInRefused).session(signed_in.session);
        audit::record(app, origin, refused.because("wrong_password")).await;
        return Err(ApiError::invalid("body", field, &Flaw::WrongPassword));
    }
    attempt.succeeded();
    Ok(())
}
