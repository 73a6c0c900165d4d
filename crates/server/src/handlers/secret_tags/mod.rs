//! Your secret tags. `docs/secret-tags.md` shows the order of the requests.

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
use crate::auth::unlock_tokens::{LOCKED, Unlocks};
use crate::http::base64url;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{self, Id, Query};

/// A secret tag. Sealed fields are null while it is locked.
#[derive(Serialize, ToSchema)]
#[schema(as = SecretTag)]
pub struct SecretTagResponse {
    id: Uuid,
    /// Whether the request has unlocked it.
    open: bool,
    /// Name and colour, sealed; null while it is locked.
    metadata: Option<String>,
    /// Increases by one with each new passphrase; null while it is locked.
    version: Option<u32>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl SecretTagResponse {
    pub fn new(tag: &SecretTag, open: bool) -> Self {
        if open { Self::open(tag) } else { Self::locked(tag) }
    }

    pub fn open(tag: &SecretTag) -> Self {
        Self {
            open: true,
            metadata: Some(base64url::encode(&tag.metadata)),
            version: Some(tag.version),
            ..Self::locked(tag)
        }
    }

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

/// The fields to change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretTagUpdate {
    /// The new name and colour, sealed: 61 to 157 bytes in base64url without padding.
    #[schema(min_length = 82, max_length = 210)]
    metadata: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteParams {
    /// Delete the entries under it too.
    #[serde(default)]
    #[param(required = false)]
    with_entries: bool,
}

/// Your secret tags: the one that was unlocked last comes first, those that were never unlocked come last, oldest
/// first.
///
/// A locked secret tag shows nothing but its existence. To find the one that a passphrase unlocks, try them in this
/// order: each wrong one counts as a failed attempt, so none collects more failures than you have other secret tags
/// before it is unlocked again.
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

/// Change the name or colour of an unlocked secret tag.
#[utoipa::path(put, path = "/api/secret-tags/{secret_tag_id}", tag = "secret-tags",
    params(("secret_tag_id" = Uuid, Path), Unlocks),
    request_body = SecretTagUpdate,
    responses(
        (status = 200, body = SecretTagResponse),
        (status = 403, description = "The secret tag is locked or does not exist."),
    )
)]
pub async fn update(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id,
    unlocks: Unlocks,
    extract::Json(request): extract::Json<SecretTagUpdate>,
) -> Result<Json<SecretTagResponse>, ApiError> {
    let metadata = register::parse_metadata(&request.metadata)?;
    let (user, tag) = (signed_in.id(), SecretTagId(id));
    unlocks.require(&app, &signed_in, tag).await?;
    let secret_tags = app.storage.secret_tags();
    if !secret_tags.set_metadata(user, tag, &metadata, app.now()).await? {
        return Err(LOCKED);
    }
    let tag = secret_tags.get(user, tag).await?.ok_or(LOCKED)?;
    Ok(Json(SecretTagResponse::open(&tag)))
}

/// Delete an unlocked secret tag.
#[utoipa::path(delete, path = "/api/secret-tags/{secret_tag_id}", tag = "secret-tags",
    params(("secret_tag_id" = Uuid, Path), DeleteParams, Unlocks),
    responses(
        (status = 200, body = Message),
        (status = 403, description = "The secret tag is locked or does not exist."),
        (status = 409, description = "The secret tag has entries; `current` has their number."),
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
    match app.storage.secret_tags().delete(signed_in.id(), tag, params.with_entries, app.now()).await? {
        DeletedSecretTag::Deleted { freed, .. } => {
            app.attachments.free(signed_in.id(), &freed).await;
            Ok(message("Secret tag deleted successfully"))
        }
        DeletedSecretTag::Missing => Err(LOCKED),
        DeletedSecretTag::HasEntries(count) => {
            let detail = "This secret tag has entries, and `current` has their number; move them, or delete it with \
                with_entries=true.";
            Err(ApiError::Conflict(Code::SecretTagNotEmpty, detail, Some(Box::new(json!({"entries": count})))))
        }
    }
}

/// The id of a new secret tag is already used.
fn id_taken() -> ApiError {
    ApiError::Conflict(Code::IdTaken, "This id is already used; choose another one.", None)
}
