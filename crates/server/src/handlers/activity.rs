//! What happened to your account lately.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use sotto_domain::Timestamp;
use sotto_domain::security_event::{SecurityEvent, SecurityEventKind};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use uuid::Uuid;

use crate::app::App;
use crate::auth::SignedIn;
use crate::http::error::ApiError;
use crate::http::extract::Query;
use crate::http::page::{Page, PageParams};

/// A security event of your account.
#[derive(Serialize, ToSchema)]
pub struct SecurityEventResponse {
    id: Uuid,
    #[schema(schema_with = kinds)]
    kind: &'static str,
    /// The IP address of the client; null for what a superuser or the operator did.
    client: Option<String>,
    /// The `User-Agent` of the client.
    user_agent: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<SecurityEvent> for SecurityEventResponse {
    fn from(event: SecurityEvent) -> Self {
        Self {
            id: event.id.0,
            kind: event.kind.name(),
            client: event.client,
            user_agent: event.user_agent,
            created_at: event.created_at,
        }
    }
}

/// The sign-ins of your account and the changes of its credentials, newest first.
///
/// Events are kept for 90 days, and at most 200 of each kind.
#[utoipa::path(get, path = "/api/users/me/activity", tag = "users", operation_id = "list_activity", params(PageParams), responses(
    (status = 200, body = Vec<SecurityEventResponse>, headers(("link" = String, description = "The next page, if there is one: `<…>; rel=\"next\"`"))),
))]
pub async fn list(
    State(app): State<App>,
    signed_in: SignedIn,
    Query(params): Query<PageParams>,
) -> Result<(HeaderMap, Json<Vec<SecurityEventResponse>>), ApiError> {
    let user = signed_in.id();
    let page = Page::parse(&app, user, "/api/users/me/activity", &[], params.limit, params.cursor.as_deref())?;
    let mut events = app.storage.security_events().list(user, page.after, page.rows()).await?;
    let headers = page.paginate(&app, user, &mut events, |event| (event.created_at, event.id.0));
    Ok((headers, Json(events.into_iter().map(SecurityEventResponse::from).collect())))
}

/// Kinds in the specification: their names.
fn kinds() -> Object {
    let names = SecurityEventKind::ALL.iter().map(|kind| kind.name());
    let text = "What happened. A version may add kinds; `other` is a kind that the server does not know.";
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).description(Some(text)).build()
}
