//! Creating a secret tag.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sotto_crypto::message::{RegistrationRecord, RegistrationRequest};
use sotto_crypto::sealed::{RecoveryVerifier, RecoveryWrap, SealedMetadata, WrappedMasterKey};
use sotto_crypto::{Fingerprint, Scope};
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::secret_tag::{CreatedSecretTag, MAX_SECRET_TAGS, NewSecretTag, PhraseLock, SecretTag};
use sotto_domain::{Flaw, SecretTagId, UserId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::attempt::Attempt;
use super::{SecretTagResponse, id_taken};
use crate::app::App;
use crate::auth::SignedIn;
use crate::auth::unlock_tokens::Unlocks;
use crate::http::base64url;
use crate::http::error::{ApiError, Code};
use crate::http::extract;
use crate::http::idempotency::{CreateResponse, IdempotencyKey, IdempotentJson};

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

/// The response to the first message.
#[derive(Serialize, ToSchema)]
pub struct RegistrationAnswer {
    /// OPAQUE's registration response, 64 bytes.
    pub registration_response: String,
    /// The fingerprint of the server's keys. Send it back with the record.
    pub server_keys: String,
}

/// A new secret tag. All bytes are in base64url without padding.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterFinish {
    /// As in the first message.
    tag_id: Uuid,
    /// OPAQUE's registration record, 192 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{256}$")]
    registration_record: String,
    /// The fingerprint from the registration response. The server's current keys by default.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    server_keys: Option<String>,
    /// The master key, wrapped with the passphrase's key, 61 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{82}$")]
    wrapped_master_key: String,
    /// Name and colour, sealed, 61 to 157 bytes.
    #[schema(min_length = 82, max_length = 210)]
    metadata: String,
    /// The master key, wrapped with the recovery key, 61 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{82}$")]
    recovery_wrap: String,
    /// Verifies recovery proofs, 32 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    recovery_verifier: String,
}

/// Start to create a secret tag.
///
/// It counts as a failed attempt until it is finished.
#[utoipa::path(post, path = "/api/secret-tags/register/start", tag = "secret-tags", operation_id = "register_start", request_body = RegisterStart, responses(
    (status = 200, body = RegistrationAnswer),
    (status = 409, description = "You have, or have deleted, a secret tag with this id."),
    (status = 429, description = "Too many failed attempts; wait `Retry-After` seconds."),
))]
pub async fn start(
    State(app): State<App>,
    signed_in: SignedIn,
    extract::Json(request): extract::Json<RegisterStart>,
) -> Result<Json<RegistrationAnswer>, ApiError> {
    let tag = tag_id(request.tag_id)?;
    let message = base64url::read("registration_request", &request.registration_request)?;
    // An attacker may have a copy of what the passphrase of an existing or deleted secret tag opens.
    if app.storage.secret_tags().is_taken(signed_in.id(), tag).await? {
        return Err(id_taken());
    }
    // The response lets the caller test a passphrase on a secret tag that this database does not know: one that was
    // created after the backup that it was restored from. Finishing the registration ends the attempt.
    Attempt::begin(&app, &signed_in, tag).await?;
    RegistrationAnswer::respond(&app, Scope { user: signed_in.id(), tag }, &message).map(Json)
}

/// Create a secret tag.
///
/// It is locked at first; unlock it to write entries.
#[utoipa::path(post, path = "/api/secret-tags/register/finish", tag = "secret-tags", operation_id = "register_finish", params(IdempotencyKey, Unlocks), request_body = RegisterFinish, responses(
    (status = 201, body = SecretTagResponse),
    (status = 409, description = "The id is already used, you have the maximum number of secret tags, or the server's keys have changed."),
))]
pub async fn finish(
    State(app): State<App>,
    signed_in: SignedIn,
    unlocks: Unlocks,
    IdempotentJson(request, idempotency): IdempotentJson<RegisterFinish>,
) -> Result<CreateResponse<(StatusCode, Json<SecretTagResponse>)>, ApiError> {
    let user = signed_in.id();
    let respond = |tag, open| (StatusCode::CREATED, Json(SecretTagResponse::new(&tag, open)));
    let make = async |key| Ok(respond(create_secret_tag(&app, user, &request, key).await?, false));
    let find = async |id| {
        let Some(tag) = app.storage.secret_tags().get(user, SecretTagId(id)).await? else { return Ok(None) };
        let open = unlocks.session(&app, &signed_in, tag.id).await?.is_some();
        Ok(Some(respond(tag, open)))
    };
    idempotency.create(&app, user, make, find).await
}

async fn create_secret_tag(
    app: &App,
    user: UserId,
    request: &RegisterFinish,
    key: Option<KeyedCreate>,
) -> Result<SecretTag, ApiError> {
    const _: () = assert!(MAX_SECRET_TAGS == 100);
    let id = tag_id(request.tag_id)?;
    let metadata = parse_metadata(&request.metadata)?;
    let recovery_wrap: RecoveryWrap = base64url::read("recovery_wrap", &request.recovery_wrap)?;
    let recovery_verifier: RecoveryVerifier = base64url::read("recovery_verifier", &request.recovery_verifier)?;
    let (record, keys) = (&request.registration_record, request.server_keys.as_deref());
    let new = NewSecretTag {
        id,
        lock: parse_lock(app, record, keys, &request.wrapped_master_key)?,
        metadata,
        recovery_wrap: recovery_wrap.as_bytes().to_vec(),
        recovery_verifier: recovery_verifier.as_bytes().to_vec(),
    };
    match app.storage.secret_tags().create(user, &new, key, app.now()).await? {
        CreatedSecretTag::Created(tag) => Ok(tag),
        CreatedSecretTag::IdTaken => Err(id_taken()),
        CreatedSecretTag::TooMany => Err(ApiError::Conflict(
            Code::TooManySecretTags,
            "You already have 100 secret tags, the maximum; delete one first.",
            None,
        )),
    }
}

impl RegistrationAnswer {
    /// Answers a registration with the current keys.
    pub fn respond(app: &App, scope: Scope, request: &RegistrationRequest) -> Result<Self, ApiError> {
        let keys = &app.secret_tag_keys.current;
        let response = keys.register(scope, request).map_err(ApiError::internal)?;
        Ok(Self { registration_response: response.to_string(), server_keys: keys.fingerprint().to_string() })
    }
}

/// Parses what a passphrase unlocks.
///
/// # Errors
/// [`ApiError::Invalid`] for the field; 409 if this server does not know the keys.
pub fn parse_lock(
    app: &App,
    record: &str,
    server_keys: Option<&str>,
    wrapped_master_key: &str,
) -> Result<PhraseLock, ApiError> {
    let record: RegistrationRecord = base64url::read("registration_record", record)?;
    let wrapped: WrappedMasterKey = base64url::read("wrapped_master_key", wrapped_master_key)?;
    let keys = match server_keys {
        None => app.secret_tag_keys.current.fingerprint(),
        Some(text) => {
            let keys: Fingerprint = base64url::read("server_keys", text)?;
            // With the wrong keys, the record would be useless.
            app.secret_tag_keys.find(keys).map(|_| keys).ok_or(KEYS_CHANGED)?
        }
    };
    Ok(PhraseLock {
        record: record.to_bytes().to_vec(),
        wrapped_master_key: wrapped.as_bytes().to_vec(),
        server_keys: *keys.as_bytes(),
    })
}

/// Parses the sealed name and colour.
///
/// # Errors
/// [`ApiError::Invalid`] for the field.
pub fn parse_metadata(text: &str) -> Result<Vec<u8>, ApiError> {
    let metadata = SealedMetadata::from_bytes(base64url::decode("metadata", text)?);
    metadata.map(|metadata| metadata.as_bytes().to_vec()).map_err(|error| base64url::refused("metadata", error))
}

const KEYS_CHANGED: ApiError =
    ApiError::Conflict(Code::KeysChanged, "The server's keys have changed in the meantime; start again.", None);

fn tag_id(id: Uuid) -> Result<SecretTagId, ApiError> {
    if id.is_nil() || id.is_max() {
        return Err(ApiError::invalid("body", "tag_id", &Flaw::CommonUuid));
    }
    Ok(SecretTagId(id))
}
