//! A new phrase for a secret tag whose phrase is lost, by its recovery key.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sotto_crypto::Scope;
use sotto_crypto::sealed::{RecoveryProof, RecoveryVerifier};
use sotto_domain::SecretTagId;
use sotto_domain::secret_tag::SecretTag;
use utoipa::ToSchema;

use super::SecretTagResponse;
use super::attempt::Attempt;
use super::phrase::OTHER_VERSION;
use super::register::{RegistrationAnswer, read_lock};
use crate::app::App;
use crate::auth::SignedIn;
use crate::base64url;
use crate::error::{ApiError, Code};
use crate::extract::{self, Id};

/// The proof that one has the recovery key, and the first message of a registration.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverStart {
    /// 32 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    recovery_proof: String,
    /// OPAQUE's registration request, 32 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    registration_request: String,
}

/// What it takes to get back in.
#[derive(Serialize, ToSchema)]
pub struct RecoverStarted {
    /// OPAQUE's registration response, 64 bytes.
    registration_response: String,
    /// The fingerprint of the keys that it was made with: send it back with the record.
    server_keys: String,
    /// The master key under the recovery key.
    recovery_wrap: String,
    /// Name and colour, sealed.
    metadata: String,
    /// The version that the new phrase will replace.
    version: u32,
}

/// The proof again, and what shall open the secret tag from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverFinish {
    /// 32 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    recovery_proof: String,
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

/// Begin to set a new phrase with the recovery key.
#[utoipa::path(post, path = "/api/secret-tags/{secret_tag_id}/recover/start", tag = "secret-tags",
    params(("secret_tag_id" = Uuid, Path)),
    request_body = RecoverStart,
    responses(
        (status = 200, body = RecoverStarted),
        (status = 403, description = "It is not the recovery key of this secret tag, or there is none."),
        (status = 429, description = "Too many tries failed; wait `Retry-After` seconds."),
    )
)]
pub async fn recover_start(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id,
    extract::Json(request): extract::Json<RecoverStart>,
) -> Result<Json<RecoverStarted>, ApiError> {
    let proof = base64url::read("recovery_proof", &request.recovery_proof)?;
    let message = base64url::read("registration_request", &request.registration_request)?;
    let tag = prove(&app, &signed_in, SecretTagId(id), &proof).await?;
    let RegistrationAnswer { registration_response, server_keys } =
        RegistrationAnswer::to(&app, Scope { user: signed_in.id(), tag: tag.id }, &message)?;
    Ok(Json(RecoverStarted {
        registration_response,
        server_keys,
        recovery_wrap: base64url::encode(&tag.recovery_wrap),
        metadata: base64url::encode(&tag.metadata),
        version: tag.version,
    }))
}

/// Set a new phrase with the recovery key.
///
/// The secret tag is locked everywhere; unlock it with the new phrase. The recovery key stays as it is.
#[utoipa::path(post, path = "/api/secret-tags/{secret_tag_id}/recover/finish", tag = "secret-tags",
    params(("secret_tag_id" = Uuid, Path)),
    request_body = RecoverFinish,
    responses(
        (status = 200, body = SecretTagResponse),
        (status = 403, description = "It is not the recovery key of this secret tag, or there is none."),
        (status = 409, description = "It is at another version, or the server's keys have changed."),
        (status = 429, description = "Too many tries failed; wait `Retry-After` seconds."),
    )
)]
pub async fn recover_finish(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id,
    extract::Json(request): extract::Json<RecoverFinish>,
) -> Result<Json<SecretTagResponse>, ApiError> {
    let RecoverFinish { recovery_proof, registration_record, server_keys, wrapped_master_key, version } = request;
    let proof = base64url::read("recovery_proof", &recovery_proof)?;
    let lock = read_lock(&app, &registration_record, server_keys.as_deref(), &wrapped_master_key)?;
    let tag = prove(&app, &signed_in, SecretTagId(id), &proof).await?;
    let changed = app.storage.secret_tags().set_lock(signed_in.id(), tag.id, &lock, version, None, app.now()).await?;
    changed.map(|tag| Json(SecretTagResponse::locked(&tag))).ok_or(OTHER_VERSION)
}

/// The secret tag, if the proof is its own. Without one, the same is done, and comes to nothing.
async fn prove(app: &App, signed_in: &SignedIn, id: SecretTagId, proof: &RecoveryProof) -> Result<SecretTag, ApiError> {
    let tag = app.storage.secret_tags().get(signed_in.id(), id).await?;
    let attempt = Attempt::begin(app, signed_in, id).await?;
    let stored = tag.as_ref().map_or(&[0; RecoveryVerifier::LENGTH][..], |tag| &tag.recovery_verifier);
    let accepted = RecoveryVerifier::from_bytes(stored).map_err(ApiError::internal)?.accepts(proof);
    if let Some(tag) = tag.filter(|_| accepted) {
        return Ok(tag);
    }
    attempt.failed().await?;
    Err(ApiError::Forbidden(
        Code::WrongRecoveryKey,
        "This is not the recovery key of this secret tag, or you have no such secret tag.",
    ))
}
