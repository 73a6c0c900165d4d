//! Changing the phrase of an open secret tag.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use sotto_crypto::Scope;
use sotto_domain::SecretTagId;
use utoipa::ToSchema;

use super::SecretTagResponse;
use super::attempt::Attempt;
use super::register::{RegistrationAnswer, read_lock};
use crate::app::App;
use crate::auth::SignedIn;
use crate::base64url;
use crate::error::{ApiError, Code};
use crate::extract::{self, Id};
use crate::unlocks::Unlocks;

/// The first message of a registration.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhraseStart {
    /// OPAQUE's registration request, 32 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    registration_request: String,
}

/// What shall open the secret tag from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhraseFinish {
    /// OPAQUE's registration record, 192 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{256}$")]
    registration_record: String,
    /// As it came with the registration response. If it is absent, the server's current keys are taken to be the ones.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    server_keys: Option<String>,
    /// The master key under the new phrase's key, 61 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{82}$")]
    wrapped_master_key: String,
    /// The version that this replaces.
    #[schema(minimum = 1)]
    version: u32,
}

/// Begin to change the phrase.
///
/// It counts as a try that failed until it is finished.
#[utoipa::path(post, path = "/api/secret-tags/{secret_tag_id}/phrase/start", tag = "secret-tags",
    params(("secret_tag_id" = Uuid, Path), Unlocks),
    request_body = PhraseStart,
    responses(
        (status = 200, body = RegistrationAnswer),
        (status = 403, description = "The secret tag is locked, or there is none."),
        (status = 429, description = "Too many tries failed; wait `Retry-After` seconds."),
    )
)]
pub async fn phrase_start(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id,
    unlocks: Unlocks,
    extract::Json(request): extract::Json<PhraseStart>,
) -> Result<Json<RegistrationAnswer>, ApiError> {
    let message = base64url::read("registration_request", &request.registration_request)?;
    let tag = SecretTagId(id);
    unlocks.require(&app, &signed_in, tag).await?;
    // Whoever stole an unlock token does not get to try phrases at leisure. The change ends it.
    Attempt::begin(&app, &signed_in, tag).await?;
    RegistrationAnswer::to(&app, Scope { user: signed_in.id(), tag }, &message).map(Json)
}

/// Change the phrase.
///
/// The secret tag stays open here, and is locked everywhere else.
#[utoipa::path(post, path = "/api/secret-tags/{secret_tag_id}/phrase/finish", tag = "secret-tags",
    params(("secret_tag_id" = Uuid, Path), Unlocks),
    request_body = PhraseFinish,
    responses(
        (status = 200, body = SecretTagResponse),
        (status = 403, description = "The secret tag is locked, or there is none."),
        (status = 409, description = "It is at another version, or the server's keys have changed."),
    )
)]
pub async fn phrase_finish(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id,
    unlocks: Unlocks,
    extract::Json(request): extract::Json<PhraseFinish>,
) -> Result<Json<SecretTagResponse>, ApiError> {
    let PhraseFinish { registration_record, server_keys, wrapped_master_key, version } = request;
    let lock = read_lock(&app, &registration_record, server_keys.as_deref(), &wrapped_master_key)?;
    let tag = SecretTagId(id);
    let session = unlocks.require(&app, &signed_in, tag).await?;
    let secret_tags = app.storage.secret_tags();
    let changed = secret_tags.set_lock(signed_in.id(), tag, &lock, version, Some(session), app.now()).await?;
    changed.map(|tag| Json(SecretTagResponse::open(&tag))).ok_or(OTHER_VERSION)
}

/// Somebody was faster.
pub const OTHER_VERSION: ApiError = ApiError::Conflict(
    Code::SecretTagChanged,
    "The secret tag is at another version by now; start again from how it is.",
    None,
);
