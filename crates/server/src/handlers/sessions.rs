//! Your sessions.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sotto_domain::security_event::SecurityEventKind;
use sotto_domain::session::Session;
use sotto_domain::{SessionId, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Message, message};
use crate::app::App;
use crate::audit::{self, Event, Origin};
use crate::auth::SignedIn;
use crate::http::error::{ApiError, Code};
use crate::http::extract::Id;

/// One of your sessions.
#[derive(Serialize, ToSchema)]
pub struct SessionResponse {
    id: Uuid,
    /// Whether it is the session of this request.
    is_current: bool,
    /// The `User-Agent` of the client.
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

/// Your sessions, newest first.
#[utoipa::path(get, path = "/api/users/me/sessions", tag = "users", operation_id = "list_sessions", responses(
    (status = 200, body = Vec<SessionResponse>),
))]
pub async fn list(State(app): State<App>, signed_in: SignedIn) -> Result<Json<Vec<SessionResponse>>, ApiError> {
    let sessions = app.storage.sessions().list(signed_in.id(), app.now()).await?;
    Ok(Json(sessions.into_iter().map(|session| SessionResponse::new(session, signed_in.session)).collect()))
}

/// End one of your sessions.
#[utoipa::path(delete, path = "/api/users/me/sessions/{session_id}", tag = "users", operation_id = "end_session",
    params(("session_id" = Uuid, Path)),
    responses(
        (status = 200, body = Message),
        (status = 404, description = "No such session of yours."),
    )
)]
pub async fn delete(
    State(app): State<App>,
    origin: Origin,
    signed_in: SignedIn,
    Id(session): Id,
) -> Result<Json<Message>, ApiError> {
    let session = SessionId(session);
    if !app.storage.sessions().end(signed_in.id(), session).await? {
        return Err(ApiError::NotFound(Code::NotFound, "Session not found"));
    }
    app.session_cache.invalidate(&session);
    audit::record(&app, &origin, Event::of(signed_in.id(), SecurityEventKind::SessionEnded).session(session)).await;
    Ok(message("Session ended successfully"))
}
