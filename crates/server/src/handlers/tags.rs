//! Your tags.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use sotto_domain::tag::{NewTag, Tag, TagPatch};
use sotto_domain::{TagId, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Message, message};
use crate::app::App;
use crate::auth::{Authorized, TagsRead, TagsWrite};
use crate::http::error::{ApiError, Code};
use crate::http::extract::{self, Id, Query, present};
use crate::http::idempotency::{CreateResponse, IdempotencyKey, IdempotentJson};
use crate::http::page::{Page, PageParams};

/// A tag.
#[derive(Serialize, ToSchema)]
pub struct TagResponse {
    id: Uuid,
    user_id: Uuid,
    name: String,
    /// `#rrggbb`.
    color: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Tag> for TagResponse {
    fn from(tag: Tag) -> Self {
        Self {
            id: tag.id.0,
            user_id: tag.user_id.0,
            name: tag.name.as_str().to_owned(),
            color: tag.color.map(|color| color.as_str().to_owned()),
            created_at: tag.created_at,
            updated_at: tag.updated_at,
        }
    }
}

/// A new tag.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TagCreate {
    /// One line, at most 100 bytes. Names that differ only in case or Unicode form are the same.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$")]
    color: Option<String>,
}

/// The fields to change. An absent field stays as it is; null clears it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TagUpdate {
    #[serde(default, deserialize_with = "present")]
    #[schema(min_length = 1, max_length = 100, nullable = false)]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$")]
    color: Option<Option<String>>,
}

/// Your tags, oldest first.
#[utoipa::path(get, path = "/api/tags/", tag = "tags", security(("api_token" = ["tags:read"])), params(PageParams), responses(
    (status = 200, body = Vec<TagResponse>, headers(("link" = String, description = "The next page, if there is one: `<…>; rel=\"next\"`"))),
))]
pub async fn list(
    State(app): State<App>,
    caller: Authorized<TagsRead>,
    Query(params): Query<PageParams>,
) -> Result<(HeaderMap, Json<Vec<TagResponse>>), ApiError> {
    let user = caller.id();
    let page = Page::parse(&app, user, "/api/tags/", &[], params.limit, params.cursor.as_deref())?;
    let mut tags = app.storage.tags().list(user, page.after, page.rows()).await?;
    let headers = page.paginate(&app, user, &mut tags, |tag| (tag.created_at, tag.id.0));
    Ok((headers, Json(tags.into_iter().map(TagResponse::from).collect())))
}

/// Create a tag.
#[utoipa::path(post, path = "/api/tags/", tag = "tags", security(("api_token" = ["tags:write"])), params(IdempotencyKey), request_body = TagCreate, responses(
    (status = 201, body = TagResponse),
    (status = 409, description = "You already have a tag with this name."),
))]
pub async fn create(
    State(app): State<App>,
    caller: Authorized<TagsWrite>,
    IdempotentJson(request, idempotency): IdempotentJson<TagCreate>,
) -> Result<CreateResponse<(StatusCode, Json<TagResponse>)>, ApiError> {
    let (user, tags) = (caller.id(), app.storage.tags());
    let respond = |tag: Tag| (StatusCode::CREATED, Json(tag.into()));
    let make = async |key| {
        let id = TagId::new(app.clock.as_ref(), app.random.as_ref());
        let new = NewTag::parse(id, &request.name, request.color.as_deref())?;
        Ok(respond(tags.create(user, &new, key, app.now()).await?))
    };
    idempotency.create(&app, user, make, async |id| Ok(tags.get(user, TagId(id)).await?.map(respond))).await
}

/// One of your tags.
#[utoipa::path(get, path = "/api/tags/{tag_id}", tag = "tags", security(("api_token" = ["tags:read"])), params(("tag_id" = Uuid, Path)), responses(
    (status = 200, body = TagResponse),
    (status = 404, description = "No such tag of yours."),
))]
pub async fn get(
    State(app): State<App>,
    caller: Authorized<TagsRead>,
    Id(id): Id,
) -> Result<Json<TagResponse>, ApiError> {
    let tag = app.storage.tags().get(caller.id(), TagId(id)).await?;
    tag.map(|tag| Json(tag.into())).ok_or(NOT_FOUND)
}

/// Change the name or colour of a tag.
#[utoipa::path(put, path = "/api/tags/{tag_id}", tag = "tags", security(("api_token" = ["tags:write"])),
    params(("tag_id" = Uuid, Path)),
    request_body = TagUpdate,
    responses(
        (status = 200, body = TagResponse),
        (status = 404, description = "No such tag of yours."),
        (status = 409, description = "You have another tag with this name."),
    )
)]
pub async fn update(
    State(app): State<App>,
    caller: Authorized<TagsWrite>,
    Id(id): Id,
    extract::Json(request): extract::Json<TagUpdate>,
) -> Result<Json<TagResponse>, ApiError> {
    let color = request.color.as_ref().map(Option::as_deref);
    let patch = TagPatch::parse(request.name.as_deref(), color)?;
    let tag = app.storage.tags().update(caller.id(), TagId(id), &patch, app.now()).await?;
    tag.map(|tag| Json(tag.into())).ok_or(NOT_FOUND)
}

/// Delete a tag.
///
/// Its entries stay.
#[utoipa::path(delete, path = "/api/tags/{tag_id}", tag = "tags", security(("api_token" = ["tags:write"])), params(("tag_id" = Uuid, Path)), responses(
    (status = 200, body = Message),
    (status = 404, description = "No such tag of yours."),
))]
pub async fn delete(
    State(app): State<App>,
    caller: Authorized<TagsWrite>,
    Id(id): Id,
) -> Result<Json<Message>, ApiError> {
    let deleted = app.storage.tags().delete(caller.id(), TagId(id)).await?;
    if deleted { Ok(message("Tag deleted successfully")) } else { Err(NOT_FOUND) }
}

const NOT_FOUND: ApiError = ApiError::NotFound(Code::NotFound, "Tag not found");
