//! The identities that your account is linked to.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sotto_domain::identity::{Identity, Unlinked};
use sotto_domain::security_event::SecurityEventKind;
use sotto_domain::{IdentityId, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Message, message};
use crate::app::App;
use crate::audit::{self, Event, Origin};
use crate::auth::{RecentlySignedIn, SignedIn};
use crate::http::error::{ApiError, Code};
use crate::http::extract::Id;

/// An identity at a provider.
#[derive(Serialize, ToSchema)]
pub struct IdentityResponse {
    id: Uuid,
    /// The id of the provider; null if it is no longer set up on this server.
    provider: Option<String>,
    /// The provider's issuer address.
    issuer: String,
    /// The e-mail address at the time of linking.
    email: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl IdentityResponse {
    fn new(app: &App, identity: Identity) -> Self {
        let provider = app.providers.all().find(|provider| provider.is_issuer(&identity.issuer));
        Self {
            id: identity.id.0,
            provider: provider.map(|provider| provider.settings.id.clone()),
            issuer: identity.issuer,
            email: identity.email,
            created_at: identity.created_at,
        }
    }
}

/// The identities linked to your account, in the order of linking.
#[utoipa::path(get, path = "/api/users/me/identities", tag = "users", operation_id = "list_identities", responses(
    (status = 200, body = Vec<IdentityResponse>),
))]
pub async fn list(State(app): State<App>, signed_in: SignedIn) -> Result<Json<Vec<IdentityResponse>>, ApiError> {
    let identities = app.storage.identities().list(signed_in.id()).await?;
    Ok(Json(identities.into_iter().map(|identity| IdentityResponse::new(&app, identity)).collect()))
}

/// Unlink an identity.
///
/// Without a password, the last identity cannot be unlinked. It requires a recent sign-in (see `POST
/// /api/auth/confirm`).
#[utoipa::path(delete, path = "/api/users/me/identities/{identity_id}", tag = "users", operation_id = "unlink_identity",
    params(("identity_id" = Uuid, Path)),
    responses(
        (status = 200, body = Message),
        (status = 404, description = "No such identity of yours."),
        (status = 409, description = "Without it you could not sign in."),
    )
)]
pub async fn delete(
    State(app): State<App>,
    origin: Origin,
    signed_in: RecentlySignedIn,
    Id(id): Id,
) -> Result<Json<Message>, ApiError> {
    match app.storage.identities().unlink(signed_in.id(), IdentityId(id), app.now()).await? {
        Unlinked::Unlinked => {
            audit::record(&app, &origin, Event::of_owner(&signed_in, SecurityEventKind::IdentityUnlinked)).await;
            Ok(message("Identity unlinked successfully"))
        }
        Unlinked::Missing => Err(ApiError::NotFound(Code::NotFound, "Identity not found")),
        Unlinked::LastWayIn => Err(ApiError::Conflict(
            Code::LastWayIn,
            "This is your only way to sign in; set a password or link another identity first.",
            None,
        )),
    }
}
