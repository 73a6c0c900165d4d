//! Changing the passphrase of an unlocked secret tag.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use sotto_crypto::Scope;
use sotto_domain::SecretTagId;
use sotto_domain::security_event::SecurityEventKind;
use utoipa::ToSchema;

use super::SecretTagResponse;
use super::attempt::Attempt;
use super::register::{RegistrationAnswer, parse_lock};
use crate::app::App;
use crate::audit::{self, Event, Origin};
use crate::auth::SignedIn;
use crate::auth::unlock_tokens::Unlocks;
use crate::http::base64url;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{self, Id};

/// The first message of a registration.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhraseStart {
    /// OPAQUE's registration request, 32 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    registration_request: String,
}

/// The registration of the new passphrase.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhraseFinish {
    /// OPAQUE's registration record, 192 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{256}$")]
    registration_record: String,
    /// The fingerprint from the registration response. The server's current keys by default.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    server_keys: Option<String>,
    /// The master key, wrapped with the new passphrase's key, 61 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{82}$")]
    wrapped_master_key: String,
    /// The version that is replaced.
    #[schema(minimum = 1)]
    version: u32,
}

/// Start to change the passphrase.
///
/// It counts as a failed attempt until it is finished.
#[utoipa::path(post, path = "/api/secret-tags/{secret_tag_id}/phrase/start", tag = "secret-tags", operation_id = "phrase_start",
    params(("secret_tag_id" = Uuid, Path), Unlocks),
    request_body = PhraseStart,
    responses(
        (status = 200, body = RegistrationAnswer),
        (status = 403, description = "The secret tag is locked or does not exist."),
        (status = 429, description = "Too many failed attempts; wait `Retry-After` seconds."),
    )
)]
pub async fn start(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id,
    unlocks: Unlocks,
    extract::Json(request): extract::Json<PhraseStart>,
) -> Result<Json<RegistrationAnswer>, ApiError> {
    let message = base64url::read("registration_request", &request.registration_request)?;
    let tag = SecretTagId(id);
    unlocks.require(&app, &signed_in, tag).await?;
    // A stolen unlock token must not allow guessing the passphrase. Finishing the change ends the attempt.
    Attempt::begin(&app, &signed_in, tag).await?;
    RegistrationAnswer::respond(&app, Scope { user: signed_in.id(), tag }, &message).map(Json)
}

/// Change the passphrase.
///
/// The secret tag stays unlocked in this session and is locked in all others.
#[utoipa::path(post, path = "/api/secret-tags/{secret_tag_id}/phrase/finish", tag = "secret-tags", operation_id = "phrase_finish",
    params(("secret_tag_id" = Uuid, Path), Unlocks),
    request_body = PhraseFinish,
    responses(
        (status = 200, body = SecretTagResponse),
        (status = 403, description = "The secret tag is locked or does not exist."),
        (status = 409, description = "The secret tag has another version, or the server's keys have changed."),
    )
)]
pub async fn finish(
    State(app): State<App>,
    origin: Origin,
    signed_in: SignedIn,
    Id(id): Id,
    unlocks: Unlocks,
    extract::Json(request): extract::Json<PhraseFinish>,
) -> Result<Json<SecretTagResponse>, ApiError> {
    let PhraseFinish { registration_record, server_keys, wrapped_master_key, version } = request;
    let lock = parse_lock(&app, &registration_record, server_keys.as_deref(), &wrapped_master_key)?;
    let tag = SecretTagId(id);
    let session = unlocks.require(&app, &signed_in, tag).await?;
    let secret_tags = app.storage.secret_tags();
    let changed = secret_tags.set_lock(signed_in.id(), tag, &lock, version, Some(session), app.now()).await?;
    let tag = changed.ok_or(OTHER_VERSION)?;
    audit::record(&app, &origin, Event::of_owner(&signed_in, SecurityEventKind::PassphraseChanged)).await;
    Ok(Json(SecretTagResponse::open(&tag)))
}

/// Another change was faster.
pub const OTHER_VERSION: ApiError = ApiError::Conflict(
    Code::SecretTagChanged,
    "The secret tag has changed in the meantime; read it and start again.",
    None,
);
