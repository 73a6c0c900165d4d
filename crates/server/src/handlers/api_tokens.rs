//! Personal API tokens.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sotto_domain::api_token::{ApiToken, ApiTokenDraft, CreatedApiToken, Scope};
use sotto_domain::{ApiTokenId, Timestamp};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};
use uuid::Uuid;

use super::{Message, message};
use crate::api_token::ApiSecret;
use crate::app::App;
use crate::auth::SignedIn;
use crate::error::{ApiError, Code};
use crate::extract::{self, Id};

/// A token, without its secret.
#[derive(Serialize, ToSchema)]
pub struct ApiTokenResponse {
    id: Uuid,
    name: String,
    #[schema(schema_with = scopes)]
    scopes: Vec<&'static str>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// To the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<ApiToken> for ApiTokenResponse {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.0,
            name: token.name,
            scopes: token.scopes.names().collect(),
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            created_at: token.created_at,
        }
    }
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub struct ApiTokenMade {
    #[serde(flatten)]
    token: ApiTokenResponse,
    /// For requests: `Authorization: Bearer sotto_…`. It is shown this once; the server does not know it any more.
    #[serde(rename = "token")]
    secret: String,
}

/// A new token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiTokenCreate {
    /// What it is for: one line, at most 100 bytes.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    #[schema(schema_with = scopes)]
    scopes: Vec<String>,
    /// When it ends; never if absent.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// Your API tokens, in the order in which they were made.
///
/// Those that have expired stay until you delete them.
#[utoipa::path(get, path = "/api/users/me/tokens", tag = "users", responses(
    (status = 200, body = Vec<ApiTokenResponse>),
))]
pub async fn list_tokens(State(app): State<App>, signed_in: SignedIn) -> Result<Json<Vec<ApiTokenResponse>>, ApiError> {
    let tokens = app.storage.api_tokens().list(signed_in.id()).await?;
    Ok(Json(tokens.into_iter().map(ApiTokenResponse::from).collect()))
}

/// Make an API token.
///
/// It lets a script or another program in, for what its scopes name: never to your account, to secret tags and what is under
/// them, or to other tokens.
#[utoipa::path(post, path = "/api/users/me/tokens", tag = "users", request_body = ApiTokenCreate, responses(
    (status = 201, body = ApiTokenMade),
    (status = 409, description = "You have 50 tokens already."),
))]
pub async fn create_token(
    State(app): State<App>,
    signed_in: SignedIn,
    extract::Json(request): extract::Json<ApiTokenCreate>,
) -> Result<(StatusCode, Json<ApiTokenMade>), ApiError> {
    let now = app.now();
    let draft = ApiTokenDraft::parse(&request.name, &request.scopes, request.expires_at.as_deref(), now)?;
    let secret = ApiSecret::new(app.random.as_ref());
    let token = ApiToken {
        id: ApiTokenId::new(app.clock.as_ref(), app.random.as_ref()),
        user_id: signed_in.id(),
        name: draft.name,
        scopes: draft.scopes,
        expires_at: draft.expires_at,
        last_used_at: None,
        created_at: now,
    };
    match app.storage.api_tokens().create(&token, &secret.hash()).await? {
        CreatedApiToken::Created => {
            tracing::info!(user = %token.user_id, token = %token.id, "an API token was made");
            Ok((StatusCode::CREATED, Json(ApiTokenMade { token: token.into(), secret: secret.to_text() })))
        }
        CreatedApiToken::TooMany => Err(ApiError::Conflict(
            Code::TooManyApiTokens,
            "You have 50 API tokens already; delete one that you do not use.",
            None,
        )),
    }
}

/// Delete an API token.
///
/// Whoever uses it is out within 5 seconds.
#[utoipa::path(delete, path = "/api/users/me/tokens/{token_id}", tag = "users",
    params(("token_id" = Uuid, Path)),
    responses(
        (status = 200, body = Message),
        (status = 404, description = "No such token of yours."),
    )
)]
pub async fn delete_token(State(app): State<App>, signed_in: SignedIn, Id(id): Id) -> Result<Json<Message>, ApiError> {
    if !app.storage.api_tokens().delete(signed_in.id(), ApiTokenId(id)).await? {
        return Err(ApiError::NotFound(Code::NotFound, "Token not found"));
    }
    // It is in this cache under a hash that only storage knows; forget all.
    app.token_standings.invalidate_all();
    Ok(message("Token deleted successfully"))
}

/// How the specification lists scopes: by name.
fn scopes() -> Array {
    let scope = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Scope::ALL.map(Scope::name)));
    ArrayBuilder::new().items(scope).min_items(Some(1)).description(Some("What it is good for.")).build()
}
