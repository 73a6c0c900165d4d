//! The identities at providers by which somebody signs in.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sotto_domain::identity::{Identity, Unlinked};
use sotto_domain::{IdentityId, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Message, message};
use crate::app::App;
use crate::auth::SignedIn;
use crate::error::{ApiError, Code};
use crate::extract::Id;

/// An identity at a provider.
#[derive(Serialize, ToSchema)]
pub struct IdentityResponse {
    id: Uuid,
    /// The id of the provider; null if it is not set up here any more.
    provider: Option<String>,
    /// The provider's address.
    issuer: String,
    /// The e-mail address that it told when the two were linked.
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

/// The identities that open your account, in the order in which they were linked.
#[utoipa::path(get, path = "/api/users/me/identities", tag = "users", responses(
    (status = 200, body = Vec<IdentityResponse>),
))]
pub async fn list_identities(
    State(app): State<App>,
    signed_in: SignedIn,
) -> Result<Json<Vec<IdentityResponse>>, ApiError> {
    let identities = app.storage.identities().list(signed_in.id()).await?;
    Ok(Json(identities.into_iter().map(|identity| IdentityResponse::new(&app, identity)).collect()))
}

/// Unlink an identity.
///
/// The last one stays as long as you have no password.
#[utoipa::path(delete, path = "/api/users/me/identities/{identity_id}", tag = "users",
    params(("identity_id" = Uuid, Path)),
    responses(
        (status = 200, body = Message),
        (status = 404, description = "No such identity of yours."),
        (status = 409, description = "Without it you could not sign in any more."),
    )
)]
pub async fn unlink_identity(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id,
) -> Result<Json<Message>, ApiError> {
    match app.storage.identities().unlink(signed_in.id(), IdentityId(id), app.now()).await? {
        Unlinked::Unlinked => Ok(message("Identity unlinked successfully")),
        Unlinked::Missing => Err(ApiError::NotFound(Code::NotFound, "Identity not found")),
        Unlinked::LastWayIn => Err(ApiError::Conflict(
            Code::LastWayIn,
            "This is your only way to sign in; set a password or link another identity first.",
            None,
        )),
    }
}
