//! Confirming that it is still you, before a sensitive action.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use sotto_domain::security_event::SecurityEventKind;
use utoipa::ToSchema;

use crate::app::App;
use crate::audit::{self, Event, Origin};
use crate::auth::{SESSION_ENDED, SignedIn};
use crate::handlers::users::password;
use crate::handlers::{Message, message};
use crate::http::error::ApiError;
use crate::http::extract;

/// A confirmation that it is you.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// Your password.
    #[schema(format = Password)]
    password: String,
}

/// Confirm that it is you.
///
/// For 15 minutes after a sign-in or a confirmation, a session may do what is sensitive: create an API token, link or
/// unlink an identity, set a first password, change the e-mail address, and export everything. Other sessions get
/// status 403 and the code `confirm_sign_in`. Without a password, sign in with your provider again:
/// `GET /api/auth/oidc/{provider}/start?confirm=true`.
#[utoipa::path(post, path = "/api/auth/confirm", tag = "auth", request_body = Confirmation, responses(
    (status = 200, body = Message),
    (status = 429, description = "Too many attempts; wait `Retry-After` seconds."),
))]
pub async fn confirm(
    State(app): State<App>,
    origin: Origin,
    signed_in: SignedIn,
    extract::Json(request): extract::Json<Confirmation>,
) -> Result<Json<Message>, ApiError> {
    password::verify(&app, &origin, &signed_in, "password", request.password).await?;
    if !app.storage.sessions().confirm(signed_in.id(), signed_in.session, app.now()).await? {
        return Err(SESSION_ENDED);
    }
    app.session_cache.invalidate(&signed_in.session);
    audit::record(&app, &origin, Event::of_owner(&signed_in, SecurityEventKind::SignInConfirmed)).await;
    Ok(message("Confirmed successfully"))
}
