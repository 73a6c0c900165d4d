//! Unlocking and locking a secret tag.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sotto_crypto::message::{LoginFinish, LoginRequest, RegistrationRecord};
use sotto_crypto::server::{LoginSession, PendingLogin};
use sotto_crypto::{Fingerprint, Scope};
use sotto_domain::secret_tag::{FailedTries, IDLE_SECONDS, LOGIN_SECONDS, NewLogin, SecretTag};
use sotto_domain::{OpaqueSessionId, SecretTagId, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use super::attempt;
use crate::app::App;
use crate::auth::SignedIn;
use crate::auth::unlock_tokens::UnlockToken;
use crate::handlers::{Message, message};
use crate::http::base64url;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{self, Id};

/// The first message of a login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlockStart {
    /// OPAQUE's KE1, 96 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{128}$")]
    login_request: String,
}

/// The response to the first message.
#[derive(Serialize, ToSchema)]
pub struct UnlockStarted {
    /// For the second message.
    session_id: Uuid,
    /// OPAQUE's KE2, 320 bytes. A missing secret tag gets the same kind of response.
    login_response: String,
    /// When the second message must have arrived.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// The second message of a login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnlockFinish {
    /// From the response to the first message. It works once.
    session_id: Uuid,
    /// OPAQUE's KE3, 64 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{86}$")]
    login_finish: String,
}

/// An unlocked secret tag.
#[derive(Serialize, ToSchema)]
pub struct UnlockResponse {
    /// For requests that need it unlocked: the header `X-Sotto-Unlock`. It is valid in this session only.
    unlock_token: String,
    /// The master key, wrapped with the passphrase's key.
    wrapped_master_key: String,
    /// Name and colour, sealed.
    metadata: String,
    /// Increases by one with each new passphrase.
    version: u32,
    /// Failed attempts since it was last unlocked, within a day. They may reveal that another person tries.
    failed_tries: FailedTriesResponse,
    /// The server has newer keys: register the same passphrase again, with `…/phrase/start` and `…/phrase/finish`.
    reregister: bool,
    /// When it locks itself, unless it is used.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Failed attempts.
#[derive(Serialize, ToSchema)]
pub struct FailedTriesResponse {
    count: u32,
    /// When the last one failed.
    #[schema(value_type = Option<String>, format = DateTime)]
    last: Option<Timestamp>,
}

impl From<FailedTries> for FailedTriesResponse {
    fn from(tries: FailedTries) -> Self {
        Self { count: tries.count, last: tries.last }
    }
}

/// Start to unlock a secret tag.
///
/// A missing secret tag gets the response of an existing one.
#[utoipa::path(post, path = "/api/secret-tags/{secret_tag_id}/unlock/start", tag = "secret-tags", operation_id = "unlock_start",
    params(("secret_tag_id" = Uuid, Path)),
    request_body = UnlockStart,
    responses(
        (status = 200, body = UnlockStarted),
        (status = 429, description = "Too many failed attempts; wait `Retry-After` seconds."),
    )
)]
pub async fn start(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id,
    extract::Json(request): extract::Json<UnlockStart>,
) -> Result<Json<UnlockStarted>, ApiError> {
    let request: LoginRequest = base64url::read("login_request", &request.login_request)?;
    let scope = Scope { user: signed_in.id(), tag: SecretTagId(id) };
    let now = app.now();
    let session = LoginSession {
        id: OpaqueSessionId::new(app.clock.as_ref(), app.random.as_ref()),
        scope,
        expires_at: now.plus_seconds(LOGIN_SECONDS),
    };

    let keys = &app.secret_tag_keys;
    let tag = app.storage.secret_tags().get(scope.user, scope.tag).await?;
    // A record without its keys is as useless as no record.
    let known = tag.and_then(|tag| Some((keys.find(Fingerprint::from(tag.lock.server_keys))?, tag)));
    let (keys, record) = match &known {
        Some((keys, tag)) => (*keys, Some(parse_record(tag)?)),
        None => (&keys.current, None),
    };
    let (response, pending) =
        keys.start_login(scope, record.as_ref(), &request, app.random.as_ref()).map_err(ApiError::internal)?;
    let sealing = &app.secret_tag_keys.session_sealing;
    let state = pending.seal(sealing, &session, app.random.as_ref()).map_err(ApiError::internal)?;

    let LoginSession { id, expires_at, .. } = session;
    attempt::start(&app, &NewLogin { id, user_id: scope.user, tag: scope.tag, state, expires_at }, now).await?;
    Ok(Json(UnlockStarted { session_id: id.0, login_response: response.to_string(), expires_at }))
}

/// Unlock a secret tag.
///
/// With the returned token, this session can read and write entries under the secret tag until it is locked: by you,
/// after 15 minutes without use, or after 12 hours.
#[utoipa::path(post, path = "/api/secret-tags/{secret_tag_id}/unlock/finish", tag = "secret-tags", operation_id = "unlock_finish",
    params(("secret_tag_id" = Uuid, Path)),
    request_body = UnlockFinish,
    responses(
        (status = 200, body = UnlockResponse),
        (status = 403, description = "The passphrase is wrong, or the secret tag does not exist."),
        (status = 404, description = "The login does not exist or has ended; start again."),
    )
)]
pub async fn finish(
    State(app): State<App>,
    signed_in: SignedIn,
    Id(id): Id,
    extract::Json(request): extract::Json<UnlockFinish>,
) -> Result<Json<UnlockResponse>, ApiError> {
    let finish: LoginFinish = base64url::read("login_finish", &request.login_finish)?;
    let scope = Scope { user: signed_in.id(), tag: SecretTagId(id) };
    let session = OpaqueSessionId(request.session_id);
    let now = app.now();

    // The secret tag is read before the login is taken. A passphrase that changed before has ended the login; one that
    // changes from here on has another version.
    let tag = app.storage.secret_tags().get(scope.user, scope.tag).await?;
    let sessions = app.storage.opaque_sessions();
    let started =
        sessions.take(scope.user, session, now).await?.filter(|started| started.tag == scope.tag).ok_or(OVER)?;
    let login = LoginSession { id: session, scope, expires_at: started.expires_at };
    let pending =
        PendingLogin::open(&app.secret_tag_keys.session_sealing, &login, &started.state, now).map_err(|_| OVER)?;
    if pending.finish(&finish).is_err() {
        metrics::counter!("sotto_unlocks_total", "outcome" => "refused").increment(1);
        return Err(WRONG);
    }
    let tag = tag.ok_or(WRONG)?;

    let token = UnlockToken::new(session, app.random.as_ref());
    let hash = token.hash(signed_in.session);
    let failed = sessions.unlock(scope.user, session, tag.version, &hash, now).await?.ok_or(OVER)?;
    metrics::counter!("sotto_unlocks_total", "outcome" => "accepted").increment(1);
    Ok(Json(UnlockResponse {
        unlock_token: token.to_text(),
        wrapped_master_key: base64url::encode(&tag.lock.wrapped_master_key),
        metadata: base64url::encode(&tag.metadata),
        version: tag.version,
        failed_tries: failed.into(),
        reregister: tag.lock.server_keys != *app.secret_tag_keys.current.fingerprint().as_bytes(),
        expires_at: now.plus_seconds(IDLE_SECONDS),
    }))
}

/// Lock a secret tag.
///
/// It is locked in all of your sessions.
#[utoipa::path(post, path = "/api/secret-tags/{secret_tag_id}/lock", tag = "secret-tags",
    params(("secret_tag_id" = Uuid, Path)),
    responses((status = 200, body = Message))
)]
pub async fn lock(State(app): State<App>, signed_in: SignedIn, Id(id): Id) -> Result<Json<Message>, ApiError> {
    app.storage.opaque_sessions().lock(signed_in.id(), SecretTagId(id)).await?;
    Ok(message("Secret tag locked successfully"))
}

/// Lock all of your secret tags.
#[utoipa::path(post, path = "/api/secret-tags/lock", tag = "secret-tags", responses(
    (status = 200, body = Message),
))]
pub async fn lock_all(State(app): State<App>, signed_in: SignedIn) -> Result<Json<Message>, ApiError> {
    app.storage.opaque_sessions().end_all(signed_in.id()).await?;
    Ok(message("All secret tags locked successfully"))
}

const WRONG: ApiError =
    ApiError::Forbidden(Code::WrongPhrase, "The passphrase is wrong, or you have no such secret tag.");
const OVER: ApiError = ApiError::NotFound(
    Code::UnlockEnded,
    "This login does not exist, was already used, or took too long; start again.",
);

fn parse_record(tag: &SecretTag) -> Result<RegistrationRecord, ApiError> {
    RegistrationRecord::from_bytes(&tag.lock.record).map_err(ApiError::internal)
}
