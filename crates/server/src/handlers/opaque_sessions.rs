//! Your OPAQUE sessions: logins to secret tags that are in progress, unlocked or failed.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sotto_domain::secret_tag::OpaqueSession;
use sotto_domain::{OpaqueSessionId, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Message, message};
use crate::app::App;
use crate::auth::SignedIn;
use crate::http::error::{ApiError, Code};
use crate::http::extract::Id;

/// A login to a secret tag.
#[derive(Serialize, ToSchema)]
#[schema(as = OpaqueSession)]
pub struct OpaqueSessionResponse {
    id: Uuid,
    secret_tag_id: Uuid,
    /// `initialized`, `unlocked` or `failed`.
    state: &'static str,
    /// When it expires, unless it is used.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// When it was last used, to the minute.
    #[schema(value_type = String, format = DateTime)]
    last_activity: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<OpaqueSession> for OpaqueSessionResponse {
    fn from(session: OpaqueSession) -> Self {
        Self {
            id: session.id.0,
            secret_tag_id: session.tag.0,
            state: session.state.name(),
            expires_at: session.expires_at,
            last_activity: session.last_activity,
            created_at: session.created_at,
        }
    }
}

/// Your logins to secret tags, newest first. Failed ones are listed for a day.
#[utoipa::path(get, path = "/api/opaque-sessions/", tag = "secret-tags", operation_id = "list_sessions", responses(
    (status = 200, body = Vec<OpaqueSessionResponse>),
))]
pub async fn list(State(app): State<App>, signed_in: SignedIn) -> Result<Json<Vec<OpaqueSessionResponse>>, ApiError> {
    let sessions = app.storage.opaque_sessions().list(signed_in.id(), app.now()).await?;
    Ok(Json(sessions.into_iter().map(OpaqueSessionResponse::from).collect()))
}

/// End a login that is in progress or unlocked.
///
/// Failed logins stay, because they count for the delay of the next one.
#[utoipa::path(delete, path = "/api/opaque-sessions/{opaque_session_id}", tag = "secret-tags", operation_id = "end_session",
    params(("opaque_session_id" = Uuid, Path)),
    responses(
        (status = 200, body = Message),
        (status = 404, description = "No such login of yours is in progress or unlocked."),
    )
)]
pub async fn delete(State(app): State<App>, signed_in: SignedIn, Id(id): Id) -> Result<Json<Message>, ApiError> {
    let ended = app.storage.opaque_sessions().end(signed_in.id(), OpaqueSessionId(id)).await?;
    if ended {
        Ok(message("Session ended successfully"))
    } else {
        Err(ApiError::NotFound(Code::NotFound, "No such login of yours is in progress or unlocked."))
    }
}
