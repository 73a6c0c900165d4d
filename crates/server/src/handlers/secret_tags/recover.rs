//! A new passphrase by recovery key, when the old one is lost.

use axum::Json;
use axum::extract::{Extension, State};
use serde::{Deserialize, Serialize};
use sotto_crypto::Scope;
use sotto_crypto::sealed::{RecoveryProof, RecoveryVerifier};
use sotto_domain::SecretTagId;
use sotto_domain::secret_tag::SecretTag;
use sotto_domain::security_event::SecurityEventKind;
use utoipa::ToSchema;

use super::SecretTagResponse;
use super::attempt;
use super::phrase::OTHER_VERSION;
use super::register::{RegistrationAnswer, parse_lock};
use crate::app::App;
use crate::audit::{self, Event, Origin};
use crate::auth::SignedIn;
use crate::http::base64url;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{self, Id};
use crate::http::middleware::ClientAddress;

/// The proof of the recovery key, and the first message of a registration.
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

/// The data for a new registration.
#[derive(Serialize, ToSchema)]
pub struct RecoverStarted {
    /// OPAQUE's registration response, 64 bytes.
    registration_response: String,
    /// The fingerprint of the server's keys. Send it back with the record.
    server_keys: String,
    /// The master key, wrapped with the recovery key.
    recovery_wrap: String,
    /// Name and colour, sealed.
    metadata: String,
    /// The version that the new passphrase replaces.
    version: u32,
}

/// The proof again, and the registration of the new passphrase.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverFinish {
    /// 32 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    recovery_proof: String,
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

/// Start to set a new passphrase with the recovery key.
#[utoipa::path(post, path = "/api/secret-tags/{secret_tag_id}/recover/start", tag = "secret-tags", operation_id = "recover_start",
    params(("secret_tag_id" = Uuid, Path)),
    request_body = RecoverStart,
    responses(
        (status = 200, body = RecoverStarted),
        (status = 403, description = "The recovery key is wrong, or the secret tag does not exist."),
        (status = 429, description = "Too many failed attempts; wait `Retry-After` seconds."),
    )
)]
pub async fn start(
    State(app): State<App>,
    Extension(client): Extension<ClientAddress>,
    signed_in: SignedIn,
    Id(id): Id,
    extract::Json(request): extract::Json<RecoverStart>,
) -> Result<Json<RecoverStarted>, ApiError> {
    let proof = base64url::read("recovery_proof", &request.recovery_proof)?;
    let message = base64url::read("registration_request", &request.registration_request)?;
    let tag = verify_proof(&app, &signed_in, client, SecretTagId(id), &proof).await?;
    app.rate_limits.check_recovery(signed_in.id())?;
    let RegistrationAnswer { registration_response, server_keys } =
        RegistrationAnswer::respond(&app, Scope { user: signed_in.id(), tag: tag.id }, &message)?;
    Ok(Json(RecoverStarted {
        registration_response,
        server_keys,
        recovery_wrap: base64url::encode(&tag.recovery_wrap),
        metadata: base64url::encode(&tag.metadata),
        version: tag.version,
    }))
}

/// Set a new passphrase with the recovery key.
///
/// The secret tag is locked in all sessions; unlock it with the new passphrase. The recovery key stays the same.
#[utoipa::path(post, path = "/api/secret-tags/{secret_tag_id}/recover/finish", tag = "secret-tags", operation_id = "recover_finish",
    params(("secret_tag_id" = Uuid, Path)),
    request_body = RecoverFinish,
    responses(
        (status = 200, body = SecretTagResponse),
        (status = 403, description = "The recovery key is wrong, or the secret tag does not exist."),
        (status = 409, description = "The secret tag has another version, or the server's keys have changed."),
        (status = 429, description = "Too many failed attempts; wait `Retry-After` seconds."),
    )
)]
pub async fn finish(
    State(app): State<App>,
    origin: Origin,
    Extension(client): Extension<ClientAddress>,
    signed_in: SignedIn,
    Id(id): Id,
    extract::Json(request): extract::Json<RecoverFinish>,
) -> Result<Json<SecretTagResponse>, ApiError> {
    let RecoverFinish { recovery_proof, registration_record, server_keys, wrapped_master_key, version } = request;
    let proof = base64url::read("recovery_proof", &recovery_proof)?;
    let lock = parse_lock(&app, &registration_record, server_keys.as_deref(), &wrapped_master_key)?;
    let tag = verify_proof(&app, &signed_in, client, SecretTagId(id), &proof).await?;
    let changed = app.storage.secret_tags().set_lock(signed_in.id(), tag.id, &lock, version, None, app.now()).await?;
    let tag = changed.ok_or(OTHER_VERSION)?;
    audit::record(&app, &origin, Event::of_owner(&signed_in, SecurityEventKind::SecretTagRecovered)).await;
    Ok(Json(SecretTagResponse::locked(&tag)))
}

/// The secret tag, if the proof is right. A missing secret tag takes the same steps and fails.
async fn verify_proof(
    app: &App,
    signed_in: &SignedIn,
    client: ClientAddress,
    id: SecretTagId,
    proof: &RecoveryProof,
) -> Result<SecretTag, ApiError> {
    let attempt = app.rate_limits.begin_recovery(signed_in.id(), client.0)?;
    let tag = app.storage.secret_tags().get(signed_in.id(), id).await.map_err(ApiError::from);
    let (attempt, tag) = attempt.checked(tag)?;
    let stored = tag.as_ref().map_or(&[0; RecoveryVerifier::LENGTH][..], |tag| &tag.recovery_verifier);
    let accepted = RecoveryVerifier::from_bytes(stored).map_err(ApiError::internal)?.accepts(proof);
    if let Some(tag) = tag.filter(|_| accepted) {
        attempt.succeeded();
        return Ok(tag);
    }
    attempt::note_failure(app, signed_in, id).await?;
    Err(ApiError::Forbidden(Code::WrongRecoveryKey, "The recovery key is wrong, or you have no such secret tag."))
}
