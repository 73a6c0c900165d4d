//! Making a secret tag.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sotto_crypto::message::{RegistrationRecord, RegistrationRequest};
use sotto_crypto::sealed::{RecoveryVerifier, RecoveryWrap, SealedMetadata, WrappedMasterKey};
use sotto_crypto::{Fingerprint, Scope};
use sotto_domain::secret_tag::{CreatedSecretTag, Lock, MAX_SECRET_TAGS, NewSecretTag};
use sotto_domain::{Flaw, SecretTagId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{SecretTagResponse, taken};
use crate::app::App;
use crate::auth::SignedIn;
use crate::base64url;
use crate::error::{ApiError, Code};
use crate::extract;

/// The first message of a registration.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterStart {
    /// A UUID of your own, version 4 or 7.
    tag_id: Uuid,
    /// OPAQUE's registration request, 32 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    registration_request: String,
}

/// The answer to it.
#[derive(Serialize, ToSchema)]
pub struct RegistrationAnswer {
    /// OPAQUE's registration response, 64 bytes.
    pub registration_response: String,
    /// The fingerprint of the keys that it was made with: send it back with the record.
    pub server_keys: String,
}

/// A secret tag as it will be stored. All bytes are base64url without padding.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterFinish {
    /// As in the first message.
    tag_id: Uuid,
    /// OPAQUE's registration record, 192 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{256}$")]
    registration_record: String,
    /// As it came with the registration response. If it is absent, the server's current keys are taken to be the ones.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    server_keys: Option<String>,
    /// The master key under the phrase's key, 61 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{82}$")]
    wrapped_master_key: String,
    /// Name and colour, sealed, 61 to 157 bytes.
    #[schema(min_length = 82, max_length = 210)]
    metadata: String,
    /// The master key under the recovery key, 61 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{82}$")]
    recovery_wrap: String,
    /// What a recovery proof is known by, 32 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    recovery_verifier: String,
}

/// Begin to make a secret tag.
#[utoipa::path(post, path = "/api/secret-tags/register/start", tag = "secret-tags", request_body = RegisterStart, responses(
    (status = 200, body = RegistrationAnswer),
    (status = 409, description = "You have a secret tag with this id."),
))]
pub async fn register_start(
    State(app): State<App>,
    signed_in: SignedIn,
    extract::Json(request): extract::Json<RegisterStart>,
) -> Result<Json<RegistrationAnswer>, ApiError> {
    let tag = tag_id(request.tag_id)?;
    let message = base64url::read("registration_request", &request.registration_request)?;
    // For a tag that exists, this would be a way to try phrases without being counted.
    if app.storage.secret_tags().get(signed_in.id(), tag).await?.is_some() {
        return Err(taken());
    }
    RegistrationAnswer::to(&app, Scope { user: signed_in.id(), tag }, &message).map(Json)
}

/// Make a secret tag.
///
/// It is locked at first: unlock it to write in it.
#[utoipa::path(post, path = "/api/secret-tags/register/finish", tag = "secret-tags", request_body = RegisterFinish, responses(
    (status = 201, body = SecretTagResponse),
    (status = 409, description = "The id is taken, you have as many secret tags as one can have, or the server's keys have changed."),
))]
pub async fn register_finish(
    State(app): State<App>,
    signed_in: SignedIn,
    extract::Json(request): extract::Json<RegisterFinish>,
) -> Result<(StatusCode, Json<SecretTagResponse>), ApiError> {
    const _: () = assert!(MAX_SECRET_TAGS == 100);
    let id = tag_id(request.tag_id)?;
    let metadata = read_metadata(&request.metadata)?;
    let recovery_wrap: RecoveryWrap = base64url::read("recovery_wrap", &request.recovery_wrap)?;
    let recovery_verifier: RecoveryVerifier = base64url::read("recovery_verifier", &request.recovery_verifier)?;
    let (record, keys) = (&request.registration_record, request.server_keys.as_deref());
    let new = NewSecretTag {
        id,
        lock: read_lock(&app, record, keys, &request.wrapped_master_key)?,
        metadata,
        recovery_wrap: recovery_wrap.as_bytes().to_vec(),
        recovery_verifier: recovery_verifier.as_bytes().to_vec(),
    };
    match app.storage.secret_tags().create(signed_in.id(), &new, app.now()).await? {
        CreatedSecretTag::Created(tag) => Ok((StatusCode::CREATED, Json(SecretTagResponse::locked(&tag)))),
        CreatedSecretTag::IdTaken => Err(taken()),
        CreatedSecretTag::TooMany => Err(ApiError::Conflict(
            Code::TooManySecretTags,
            "You have 100 secret tags, and nobody can have more; delete one first.",
            None,
        )),
    }
}

impl RegistrationAnswer {
    /// Answers with the current keys.
    pub fn to(app: &App, scope: Scope, request: &RegistrationRequest) -> Result<Self, ApiError> {
        let keys = &app.secret_tag_keys.current;
        let response = keys.register(scope, request).map_err(ApiError::internal)?;
        Ok(Self { registration_response: response.to_string(), server_keys: keys.fingerprint().to_string() })
    }
}

/// What a phrase opens, as a client sent it.
///
/// # Errors
/// A refusal that names the field; 409 if this server does not know the keys any more, or not yet.
pub fn read_lock(
    app: &App,
    record: &str,
    server_keys: Option<&str>,
    wrapped_master_key: &str,
) -> Result<Lock, ApiError> {
    let record: RegistrationRecord = base64url::read("registration_record", record)?;
    let wrapped: WrappedMasterKey = base64url::read("wrapped_master_key", wrapped_master_key)?;
    let keys = match server_keys {
        None => app.secret_tag_keys.current.fingerprint(),
        Some(text) => {
            let keys: Fingerprint = base64url::read("server_keys", text)?;
            // Kept with other keys than its own, the record would open nothing.
            app.secret_tag_keys.find(keys).map(|_| keys).ok_or(KEYS_CHANGED)?
        }
    };
    Ok(Lock {
        record: record.to_bytes().to_vec(),
        wrapped_master_key: wrapped.as_bytes().to_vec(),
        server_keys: *keys.as_bytes(),
    })
}

/// Name and colour, as a client sealed them.
///
/// # Errors
/// A refusal that names the field.
pub fn read_metadata(text: &str) -> Result<Vec<u8>, ApiError> {
    let metadata = SealedMetadata::from_bytes(base64url::decode("metadata", text)?);
    metadata.map(|metadata| metadata.as_bytes().to_vec()).map_err(|error| base64url::refused("metadata", error))
}

const KEYS_CHANGED: ApiError =
    ApiError::Conflict(Code::KeysChanged, "The server's keys have changed meanwhile; start again.", None);

fn tag_id(id: Uuid) -> Result<SecretTagId, ApiError> {
    if id.is_nil() || id.is_max() {
        return Err(ApiError::invalid("body", "tag_id", &Flaw::CommonUuid));
    }
    Ok(SecretTagId(id))
}
