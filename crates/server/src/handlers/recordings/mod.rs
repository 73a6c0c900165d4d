//! The recording of an entry. It is streamed in both directions and never in memory as a whole.

use std::ops::Range;

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::Serialize;
use sotto_crypto::recording;
use sotto_domain::attachment::{Attached, Attachment, NewAttachment};
use sotto_domain::storage::StorageError;
use sotto_domain::{AttachmentId, EntryId, Timestamp, UserId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::journals::{self, EntryAccess};
use super::{Message, message};
use crate::app::App;
use crate::attachments::Upload;
use crate::auth::unlock_tokens::Unlocks;
use crate::auth::{Authorized, Caller, EntriesRead, EntriesWrite};
use crate::http::body::{BODY_TIMEOUT, drain, interrupted};
use crate::http::error::{ApiError, Code};
use crate::http::etag;
use crate::http::extract::{self, Id};
use crate::http::range::ByteRange;

pub(super) mod format;

use format::Format;

/// The route, for all methods.
pub const PATH: &str = "/api/journals/{entry_id}/audio";

/// The description of a recording.
#[derive(Serialize, ToSchema)]
#[schema(as = Recording)]
pub struct RecordingResponse {
    entry_id: Uuid,
    /// The format; `application/octet-stream` if you have encrypted it.
    media_type: String,
    byte_length: u32,
    /// The address, as in the entry; null if you have encrypted it.
    audio_url: Option<String>,
    /// When the recording was stored.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// The recording of an entry.
///
/// `Range` selects a part of it. The recording of a sealed entry is encrypted, and requires the secret tag to be
/// unlocked.
#[utoipa::path(get, path = PATH, tag = "journals", operation_id = "get_audio", security(("api_token" = ["entries:read"])),
    params(
        ("entry_id" = Uuid, Path),
        ("range" = Option<String>, Header, description = "One range of bytes, such as `bytes=0-1023`"),
        ("if-range" = Option<String>, Header, description = "The ETag of the version that you have a part of"),
        ("if-none-match" = Option<String>, Header, description = "The ETag that you have"),
        Unlocks,
    ),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>, headers(
            ("etag" = String, description = "For `If-Range`"), ("accept-ranges" = String, description = "`bytes`"))),
        (status = 206, description = "The part.", content_type = "application/octet-stream", body = Vec<u8>, headers(
            ("content-range" = String, description = "The range, and the total length"))),
        (status = 304, description = "Your version is up to date."),
        (status = 404, description = "No such recording of yours."),
        (status = 416, description = "The range is beyond the end."),
    )
)]
pub async fn get(
    State(app): State<App>,
    caller: Authorized<EntriesRead>,
    Id(id): Id,
    unlocks: Unlocks,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let access = EntryAccess { app: &app, caller: &caller, unlocks: &unlocks };
    let recording = find_recording(&access, EntryId(id)).await?;
    let (status, part, head) = response_head(&recording, &headers)?;
    if status == StatusCode::NOT_MODIFIED {
        return Ok((status, head).into_response());
    }
    // The store is not the database, and may be slow: it does not count as a read.
    drop(caller);
    let stream = app.attachments.read(recording.user_id, recording.id, part).await?;
    // It was replaced, deleted or lost since the row was read.
    let stream = stream.ok_or(NOT_FOUND)?;
    Ok((status, head, Body::from_stream(stream)).into_response())
}

/// The response of `GET` without the recording.
#[utoipa::path(head, path = PATH, tag = "journals", operation_id = "head_audio", security(("api_token" = ["entries:read"])),
    params(
        ("entry_id" = Uuid, Path),
        ("range" = Option<String>, Header, description = "One range of bytes, such as `bytes=0-1023`"),
        ("if-range" = Option<String>, Header, description = "The ETag of the version that you have a part of"),
        ("if-none-match" = Option<String>, Header, description = "The ETag that you have"),
        Unlocks,
    ),
    responses(
        (status = 200, headers(("etag" = String, description = "For `If-Range`"))),
        (status = 206, description = "The range exists."),
        (status = 304, description = "Your version is up to date."),
        (status = 404, description = "No such recording of yours."),
        (status = 416, description = "The range is beyond the end."),
    )
)]
pub async fn head(
    State(app): State<App>,
    caller: Authorized<EntriesRead>,
    Id(id): Id,
    unlocks: Unlocks,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let access = EntryAccess { app: &app, caller: &caller, unlocks: &unlocks };
    let (status, _, head) = response_head(&find_recording(&access, EntryId(id)).await?, &headers)?;
    Ok((status, head).into_response())
}

/// Add a recording to an entry.
///
/// The body is the recording; it replaces an existing one. For a plain entry the content must be `audio/webm`,
/// `audio/ogg`, `audio/mp4`, `audio/mpeg`, `audio/wav` or `audio/flac`. For a sealed entry, whose secret tag must be
/// unlocked, it is `application/octet-stream`, encrypted as described in docs/protocol.md.
#[utoipa::path(put, path = PATH, tag = "journals", operation_id = "put_audio", security(("api_token" = ["entries:write"])), params(("entry_id" = Uuid, Path), Unlocks),
    request_body(description = "The recording", content(
        (Vec<u8> = "audio/webm"), (Vec<u8> = "audio/ogg"), (Vec<u8> = "audio/mp4"), (Vec<u8> = "audio/mpeg"),
        (Vec<u8> = "audio/wav"), (Vec<u8> = "audio/flac"), (Vec<u8> = "application/octet-stream"),
    )),
    responses(
        (status = 201, body = RecordingResponse, headers(("etag" = String, description = "For `If-Range`"))),
        (status = 200, description = "The recording replaces another one.", body = RecordingResponse,
            headers(("etag" = String, description = "For `If-Range`"))),
        (status = 404, description = "No such entry of yours."),
        (status = 413, description = "The recording is longer than `audio_limit_bytes` of `/api/server`."),
        (status = 415, description = "The body is no recording, or does not match its Content-Type."),
        (status = 507, description = "Your recordings would exceed your quota."),
    )
)]
pub async fn put(
    State(app): State<App>,
    caller: Authorized<EntriesWrite>,
    Id(id): Id,
    unlocks: Unlocks,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let mut body = body.into_data_stream();
    let result = store(&app, &caller, EntryId(id), &unlocks, &parts.headers, &mut body).await;
    if result.is_err() {
        drain(body).await;
    }
    result
}

async fn store(
    app: &App,
    caller: &Caller,
    entry: EntryId,
    unlocks: &Unlocks,
    headers: &HeaderMap,
    body: &mut BodyDataStream,
) -> Result<Response, ApiError> {
    let _place = app.shares.upload(caller.id()).await?;
    let access = EntryAccess { app, caller, unlocks };
    let sealed = access.is_sealed(entry).await?.ok_or(journals::NOT_FOUND)?;
    let limit =
        if sealed { recording::sealed_length(app.config.audio_limit.into()) } else { app.config.audio_limit.into() };
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
    if announced > limit {
        return Err(ApiError::TooLarge(limit));
    }
    refuse_over_quota(app, caller, entry, announced).await?;

    let declared = extract::media_type(headers).map(str::to_ascii_lowercase);
    let mut body = UploadBody { body, limit, arrived: 0 };
    let beginning = body.first_bytes().await?;
    let format = Format::detect(&beginning, declared.as_deref(), sealed)?;
    let attachment = AttachmentId::new(app.clock.as_ref(), app.random.as_ref());
    let mut upload = app.attachments.upload(caller.id(), attachment).await?;
    upload.write(beginning).await?;
    while let Some(bytes) = body.next().await? {
        upload.write(bytes).await?;
    }
    let new = NewAttachment {
        id: attachment,
        entry_id: entry,
        media_type: format.media_type().to_owned(),
        byte_length: format.checked_length(upload.length())?,
        sha256: [0; 32],
        audio_url: (!sealed).then(|| audio_url(entry)),
    };
    // From here on the upload is finished even if the client disconnects.
    let finished = tokio::spawn(finish(app.clone(), caller.id(), upload, new)).await;
    let (status, recording) = finished.map_err(ApiError::internal)??;
    let mut head = HeaderMap::new();
    head.insert(header::ETAG, etag(&recording)?);
    Ok((status, head, Json(RecordingResponse::from(recording))).into_response())
}

/// Delete the recording of an entry.
#[utoipa::path(delete, path = PATH, tag = "journals", operation_id = "delete_audio", security(("api_token" = ["entries:write"])), params(("entry_id" = Uuid, Path), Unlocks), responses(
    (status = 200, body = Message),
    (status = 404, description = "No such recording of yours."),
))]
pub async fn delete(
    State(app): State<App>,
    caller: Authorized<EntriesWrite>,
    Id(id): Id,
    unlocks: Unlocks,
) -> Result<Json<Message>, ApiError> {
    let entry = EntryId(id);
    find_recording(&EntryAccess { app: &app, caller: &caller, unlocks: &unlocks }, entry).await?;
    let user = caller.id();
    let freed = app.storage.attachments().remove(user, entry, &audio_url(entry), app.now()).await?;
    if freed.is_empty() {
        return Err(NOT_FOUND);
    }
    app.attachments.free(user, &freed).await;
    Ok(message("Recording deleted successfully"))
}

const NOT_FOUND: ApiError = ApiError::NotFound(Code::NotFound, "Recording not found");

/// The recording of an entry that the caller may read.
async fn find_recording(access: &EntryAccess<'_>, entry: EntryId) -> Result<Attachment, ApiError> {
    let recording = access.app.storage.attachments().get(access.caller.id(), entry).await?;
    match recording {
        Some(recording) if !recording.sealed => Ok(recording),
        // A locked secret tag and a missing recording take equally long.
        other => access.find(entry).await?.and(other).ok_or(NOT_FOUND),
    }
}

/// Stores the row of an upload. If that fails, the object is deleted.
async fn finish(
    app: App,
    user: UserId,
    upload: Upload,
    new: NewAttachment,
) -> Result<(StatusCode, Attachment), ApiError> {
    let id = new.id;
    let new = NewAttachment { sha256: upload.finish().await?, ..new };
    let stored = app.storage.attachments().put(user, &new, app.config.audio_quota, app.now()).await;
    let refusal = match stored {
        Ok(Attached::Attached(recording, freed)) => {
            app.attachments.free(user, &freed).await;
            return Ok((if freed.is_empty() { StatusCode::CREATED } else { StatusCode::OK }, recording));
        }
        // The entry was deleted, sealed or unsealed during the upload.
        Ok(Attached::Missing) => journals::NOT_FOUND,
        Ok(Attached::OverQuota(others)) => over_quota(&app, others),
        // It is unknown whether the row was stored, so the object stays until a sweep.
        Err(error @ StorageError::Unknown(_)) => return Err(error.into()),
        Err(error) => error.into(),
    };
    app.attachments.free(user, &[id]).await;
    Err(refusal)
}

/// Checks the quota before the upload, as far as the length is known.
async fn refuse_over_quota(app: &App, caller: &Caller, entry: EntryId, length: u64) -> Result<(), ApiError> {
    let Some(quota) = app.config.audio_quota else { return Ok(()) };
    let attachments = app.storage.attachments();
    let replaced = attachments.get(caller.id(), entry).await?.map_or(0, |old| u64::from(old.byte_length));
    let used = attachments.usage(caller.id()).await?.saturating_sub(replaced);
    if used + length > quota { Err(over_quota(app, used)) } else { Ok(()) }
}

fn over_quota(app: &App, used: u64) -> ApiError {
    ApiError::OverQuota { quota: app.config.audio_quota.unwrap_or(u64::MAX), used }
}

/// Status and headers of a response, and the bytes to send.
fn response_head(recording: &Attachment, asked: &HeaderMap) -> Result<(StatusCode, Range<u64>, HeaderMap), ApiError> {
    let (etag, length) = (etag(recording)?, u64::from(recording.byte_length));
    let mut head = HeaderMap::new();
    if etag::is_known(asked, &etag::from_hash(&recording.sha256)) {
        head.insert(header::ETAG, etag);
        return Ok((StatusCode::NOT_MODIFIED, 0..0, head));
    }
    let is_current = asked.get(header::IF_RANGE).is_none_or(|condition| condition == etag);
    let part = asked
        .get(header::RANGE)
        .filter(|_| is_current)
        .map_or(ByteRange::Whole, |range| ByteRange::parse(range, length));
    let (status, range) = match part {
        ByteRange::Whole => (StatusCode::OK, 0..length),
        ByteRange::Part(range) => {
            let text = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            head.insert(header::CONTENT_RANGE, HeaderValue::try_from(text).map_err(ApiError::internal)?);
            (StatusCode::PARTIAL_CONTENT, range)
        }
        ByteRange::Unsatisfiable => return Err(ApiError::RangeNotSatisfiable(length)),
    };
    let media_type = HeaderValue::try_from(&recording.media_type).map_err(ApiError::internal)?;
    head.insert(header::CONTENT_TYPE, media_type);
    head.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    head.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
    head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    head.insert(header::ETAG, etag);
    Ok((status, range, head))
}

fn etag(recording: &Attachment) -> Result<HeaderValue, ApiError> {
    HeaderValue::try_from(etag::from_hash(&recording.sha256)).map_err(ApiError::internal)
}

fn audio_url(entry: EntryId) -> String {
    PATH.replace("{entry_id}", &entry.to_string())
}

impl From<Attachment> for RecordingResponse {
    fn from(recording: Attachment) -> Self {
        Self {
            entry_id: recording.entry_id.0,
            media_type: recording.media_type,
            byte_length: recording.byte_length,
            audio_url: (!recording.sealed).then(|| audio_url(recording.entry_id)),
            updated_at: recording.updated_at,
        }
    }
}

/// The body of an upload, chunk by chunk.
struct UploadBody<'a> {
    body: &'a mut BodyDataStream,
    limit: u64,
    arrived: u64,
}

impl UploadBody<'_> {
    /// The next chunk, or `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        const BROKEN: &str = "The recording broke off before its end; send it again.";
        let piece = tokio::time::timeout(BODY_TIMEOUT, self.body.next()).await.map_err(|_| ApiError::Timeout)?;
        let Some(piece) = piece.transpose().map_err(|error| interrupted(&error, BROKEN))? else { return Ok(None) };
        self.arrived += piece.len() as u64;
        if self.arrived > self.limit { Err(ApiError::TooLarge(self.limit)) } else { Ok(Some(piece)) }
    }

    /// Enough bytes to detect the format, or the whole body if it is shorter.
    async fn first_bytes(&mut self) -> Result<Bytes, ApiError> {
        let mut beginning = BytesMut::new();
        while beginning.len() < format::DETECTION_BYTES {
            let Some(piece) = self.next().await? else { break };
            beginning.extend_from_slice(&piece);
        }
        Ok(beginning.freeze())
    }
}
