//! The key of your drafts.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sotto_domain::account::DraftKey;
use utoipa::ToSchema;

use super::account::GONE;
use crate::app::App;
use crate::auth::SignedIn;
use crate::http::base64url;
use crate::http::error::ApiError;

/// The key for drafts that a client keeps on a device.
#[derive(Serialize, ToSchema)]
pub struct DraftKeyResponse {
    /// 32 bytes, in base64url without padding.
    key: String,
}

/// The key for your drafts.
///
/// It is created by the first request and never changes. So drafts that were encrypted before signing out can be read
/// after signing in again, and by nobody without a session.
#[utoipa::path(get, path = "/api/users/me/draft-key", tag = "users", operation_id = "draft_key", responses(
    (status = 200, body = DraftKeyResponse),
))]
pub async fn get(State(app): State<App>, signed_in: SignedIn) -> Result<Json<DraftKeyResponse>, ApiError> {
    let mut fresh = DraftKey([0; 32]);
    app.random.fill(&mut fresh.0);
    let key = app.storage.users().draft_key(signed_in.id(), &fresh, app.now()).await?.ok_or(GONE)?;
    Ok(Json(DraftKeyResponse { key: base64url::encode(&key.0) }))
}
