//! Secret tags: what the server keeps of them, and cannot read. `docs/secret-tags.md` shows the order of the requests.

mod attempt;
pub mod phrase;
pub mod recover;
pub mod register;
pub mod unlock;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sotto_domain::secret_tag::{DeletedSecretTag, SecretTag};
use sotto_domain::{SecretTagId, Timestamp};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Message, message};
use crate::app::App;
use crate::auth::SignedIn;
use crate::base64url;
use crate::error::{ApiError, Code};
use crate::extract::{self, Id, Query};
use crate::unlocks::{LOCKED, Unlocks};

/// A secret tag. Of a locked one, nothing sealed is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = SecretTag)]
pub struct SecretTagResponse {
    id: Uuid,
    /// Whether the request showed that it is open.
    open: bool,
    /// Name and colour, sealed; null while it is locked.
    metadata: Option<String>,
    /// One more with each new phrase; null while it is locked.
    version: Option<u32>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl SecretTagResponse {
    /// As it is shown to somebody who has it open, or has not.
    pub fn new(tag: &SecretTag, open: bool) -> Self {
        if open { Self::open(tag) } else { Self::locked(tag) }
    }

    /// As one that is open.
    pub fn open(tag: &SecretTag) -> Self {
        Self {
            open: true,
            metadata: Some(base64url::encode(&tag.metadata)),
            version: Some(tag.version),
            ..Self::locked(tag)
        }
    }

    /// As one that is locked.
    pub fn locked(tag: &SecretTag) -> Self {
        Self {
            id: tag.id.0,
            open: false,
            metadata: None,
            version: None,
            created_at: tag.created_at,
            updated_at: tag.updated_at,
        }
    }
}

/// What to change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretTagUpdate {
    /// The new name and colour, sealed, 61 to 157 bytes in base64url without padding.
    #[schema(min_length = 82, max_length = 210)]
    metadata: String,
}

/// What to delete.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteParams {
    /// The entries under it as well.
    #[serde(default)]
    #[param(required = false)]
    with_entries: bool,
}

/// Your secret tags, the one that was opened last first, and those that never were after, as they were made.
///
/// Of locked ones there is no more than that they exist. Try a phrase on them in this order: each that it does not open
/// counts a failed try, and so none collects more of them than you have other secret tags before it is opened again.
#[utoipa::path(get, path = "/api/secret-tags/", tag = "secret-tags",
    params(Unlocks),
    responses((status = 200, body = Vec<SecretTagResponse>))
)]
pub async fn list(
    State(app): State<App>,
    signed_in: SignedIn,
    unlocks: Unlocks,
) -> Result<Json<Vec<SecretTagResponse>>, ApiError> {
    let open = unlocks.tags(&app, &signed_in).await?;
    let tags = app.storage.secret_tags().list(signed_in.id()).await?;
    let show = |tag: &SecretTag| SecretTagResponse::new(tag, open.contains(&tag.id));
    Ok(Json(tags.iter().map(show).collect()))
}

/// Rename or recolour an open secret tag.
#[utoipa::path(put, path = "/api/secret-tags/{secret_tag_id}", tag = "secret-tags",
    params(("secret_tag_id" = Uuid, Path), Unlocks),
    request_body = SecretTagUpdate,
    responses(
        (status = 200, body = SecretTagResponse),
        (status = 403, description = "The secret tag is locked, or there is none."),
    )
)]
pub async fn update(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id,
    unlocks: Unlocks,
    extract::Json(request): extract::Json<SecretTagUpdate>,
) -> Result<Json<SecretTagResponse>, ApiError> {
    let metadata = register::read_metadata(&request.metadata)?;
    let (user, tag) = (signed_in.id(), SecretTagId(id));
    unlocks.require(&app, &signed_in, tag).await?;
    let secret_tags = app.storage.secret_tags();
    if !secret_tags.set_metadata(user, tag, &metadata, app.now()).await? {
        return Err(LOCKED);
    }
    let tag = secret_tags.get(user, tag).await?.ok_or(LOCKED)?;
    Ok(Json(SecretTagResponse::open(&tag)))
}

/// Delete an open secret tag.
#[utoipa::path(delete, path = "/api/secret-tags/{secret_tag_id}", tag = "secret-tags",
    params(("secret_tag_id" = Uuid, Path), DeleteParams, Unlocks),
    responses(
        (status = 200, body = Message),
        (status = 403, description = "The secret tag is locked, or there is none."),
        (status = 409, description = "There are entries under it; `current` says how many."),
    )
)]
pub async fn delete(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id,
    Query(params): Query<DeleteParams>,
    unlocks: Unlocks,
) -> Result<Json<Message>, ApiError> {
    let tag = SecretTagId(id);
    unlocks.require(&app, &signed_in, tag).await?;
    match app.storage.secret_tags().delete(signed_in.id(), tag, params.with_entries).await? {
        DeletedSecretTag::Deleted { recordings, .. } => {
            for recording in recordings {
                app.recordings.discard(signed_in.id(), recording).await;
            }
            Ok(message("Secret tag deleted successfully"))
        }
        DeletedSecretTag::Missing => Err(LOCKED),
        DeletedSecretTag::HasEntries(count) => {
            let detail = "There are entries under this secret tag, as many as `current` says; move them, or delete it \
                          with_entries=true.";
            Err(ApiError::Conflict(Code::SecretTagNotEmpty, detail, Some(Box::new(json!({"entries": count})))))
        }
    }
}

/// The id of a new secret tag is taken.
fn taken() -> ApiError {
    ApiError::Conflict(Code::IdTaken, "This id is taken; make a new one.", None)
}
