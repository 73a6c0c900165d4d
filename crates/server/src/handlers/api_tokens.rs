//! Your API tokens.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sotto_domain::api_token::{ApiToken, ApiTokenDraft, CreatedApiToken, Scope};
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::security_event::SecurityEventKind;
use sotto_domain::{ApiTokenId, Timestamp, UserId};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};
use uuid::Uuid;

use super::{Message, message};
use crate::app::App;
use crate::audit::{self, Event, Origin};
use crate::auth::api_tokens::ApiSecret;
use crate::auth::{RecentlySignedIn, SignedIn};
use crate::http::bounded::Bounded;
use crate::http::error::{ApiError, Code};
use crate::http::extract::Id;
use crate::http::idempotency::{CreateResponse, IdempotencyKey, IdempotentJson};

/// An API token without its secret.
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

/// A new API token with its secret.
#[derive(Serialize, ToSchema)]
pub struct ApiTokenMade {
    #[serde(flatten)]
    token: ApiTokenResponse,
    /// For requests: `Authorization: Bearer sotto_…`. It is shown once, because the server does not store it. Only the
    /// same request with the same `Idempotency-Key` shows it again.
    #[serde(rename = "token")]
    secret: String,
}

/// Scopes in a request, at most. A scope may be repeated.
const MAX_SCOPES: usize = 32;
const _: () = assert!(Scope::ALL.len() <= MAX_SCOPES);

/// A new token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiTokenCreate {
    /// The purpose: one line, at most 100 bytes.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    #[schema(schema_with = scopes)]
    scopes: Bounded<String, MAX_SCOPES>,
    /// The expiry. Without one, the token does not expire.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// Your API tokens, oldest first.
///
/// Expired tokens stay until you delete them.
#[utoipa::path(get, path = "/api/users/me/tokens", tag = "users", operation_id = "list_tokens", responses(
    (status = 200, body = Vec<ApiTokenResponse>),
))]
pub async fn list(State(app): State<App>, signed_in: SignedIn) -> Result<Json<Vec<ApiTokenResponse>>, ApiError> {
    let tokens = app.storage.api_tokens().list(signed_in.id()).await?;
    Ok(Json(tokens.into_iter().map(ApiTokenResponse::from).collect()))
}

/// Create an API token.
///
/// A script or another program can use it for what its scopes allow. It never gives access to your account, to secret
/// tags and their entries, or to other tokens. It requires a recent sign-in (see `POST /api/auth/confirm`).
#[utoipa::path(post, path = "/api/users/me/tokens", tag = "users", operation_id = "create_token", params(IdempotencyKey), request_body = ApiTokenCreate, responses(
    (status = 201, body = ApiTokenMade),
    (status = 409, description = "You already have 50 tokens."),
))]
pub async fn create(
    State(app): State<App>,
    origin: Origin,
    signed_in: RecentlySignedIn,
    IdempotentJson(request, idempotency): IdempotentJson<ApiTokenCreate>,
) -> Result<CreateResponse<(StatusCode, Json<ApiTokenMade>)>, ApiError> {
    let user = signed_in.id();
    let respond = |token: ApiToken, secret: ApiSecret| {
        (StatusCode::CREATED, Json(ApiTokenMade { token: token.into(), secret: secret.to_text() }))
    };
    let make = async |key| {
        let id = ApiTokenId::new(app.clock.as_ref(), app.random.as_ref());
        let secret = idempotency.api_secret(&app, user, id).unwrap_or_else(|| ApiSecret::new(app.random.as_ref()));
        let token = create_api_token(&app, user, id, &secret, &request, key).await?;
        let created = Event::of_owner(&signed_in, SecurityEventKind::ApiTokenCreated).token(id);
        audit::record(&app, &origin, created).await;
        Ok(respond(token, secret))
    };
    let find = async |id| {
        let token = app.storage.api_tokens().list(user).await?.into_iter().find(|token| token.id.0 == id);
        Ok(token.and_then(|token| idempotency.api_secret(&app, user, token.id).map(|secret| respond(token, secret))))
    };
    idempotency.create(&app, user, make, find).await
}

async fn create_api_token(
    app: &App,
    user: UserId,
    id: ApiTokenId,
    secret: &ApiSecret,
    request: &ApiTokenCreate,
    key: Option<KeyedCreate>,
) -> Result<ApiToken, ApiError> {
    let now = app.now();
    let draft = ApiTokenDraft::parse(&request.name, &request.scopes.0, request.expires_at.as_deref(), now)?;
    let token = ApiToken {
        id,
        user_id: user,
        name: draft.name,
        scopes: draft.scopes,
        expires_at: draft.expires_at,
        last_used_at: None,
        created_at: now,
    };
    match app.storage.api_tokens().create(&token, &secret.hash(), key).await? {
        CreatedApiToken::Created => Ok(token),
        CreatedApiToken::TooMany => Err(ApiError::Conflict(
            Code::TooManyApiTokens,
            "You already have 50 API tokens; delete one that you do not use.",
            None,
        )),
    }
}

/// Delete an API token.
///
/// It stops working within 5 seconds.
#[utoipa::path(delete, path = "/api/users/me/tokens/{token_id}", tag = "users", operation_id = "delete_token",
    params(("token_id" = Uuid, Path)),
    responses(
        (status = 200, body = Message),
        (status = 404, description = "No such token of yours."),
    )
)]
pub async fn delete(
    State(app): State<App>,
    origin: Origin,
    signed_in: SignedIn,
    Id(id): Id,
) -> Result<Json<Message>, ApiError> {
    if !app.storage.api_tokens().delete(signed_in.id(), ApiTokenId(id)).await? {
        return Err(ApiError::NotFound(Code::NotFound, "Token not found"));
    }
    // The cache has tokens by their hash, which only storage knows, so it is cleared.
    app.api_token_cache.invalidate_all();
    let deleted = Event::of_owner(&signed_in, SecurityEventKind::ApiTokenDeleted).token(ApiTokenId(id));
    audit::record(&app, &origin, deleted).await;
    Ok(message("Token deleted successfully"))
}

/// Scopes in the specification: a list of their names.
fn scopes() -> Array {
    let scope = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Scope::ALL.map(Scope::name)));
    let list = ArrayBuilder::new().items(scope).min_items(Some(1)).max_items(Some(MAX_SCOPES));
    list.description(Some("What the token may be used for.")).build()
}
