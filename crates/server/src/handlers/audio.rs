//! The recording of an entry: streamed in and out, never as a whole in memory.

use std::ops::Range;
use std::time::Duration;

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

use super::journals::{self, Holder};
use super::{Message, message};
use crate::app::App;
use crate::auth::{Authorized, Caller, EntriesRead, EntriesWrite};
use crate::error::{ApiError, Code};
use crate::etag;
use crate::extract::{self, BODY_TIMEOUT, Id};
use crate::recordings::Upload;
use crate::unlocks::Unlocks;

pub(super) mod format;
mod range;

use format::Format;
use range::Part;

/// The address, as the router knows it.
pub const PATH: &str = "/api/journals/{entry_id}/audio";
/// How much of a recording that was refused is taken in all the same, in bytes.
const DRAINED: usize = 1 << 20;

/// What is known of a recording.
#[derive(Serialize, ToSchema)]
#[schema(as = Recording)]
pub struct RecordingResponse {
    entry_id: Uuid,
    /// What it is; of one that you have encrypted, `application/octet-stream`.
    media_type: String,
    byte_length: u32,
    /// Where it is, as in the entry; null for one that you have encrypted.
    audio_url: Option<String>,
    /// When it was stored.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// The recording of an entry.
///
/// `Range` gives a part of it. One of an entry under a secret tag is as you have encrypted it, and there while that is open.
#[utoipa::path(get, path = PATH, tag = "journals", security(("api_token" = ["entries:read"])),
    params(
        ("entry_id" = Uuid, Path),
        ("range" = Option<String>, Header, description = "One range of bytes, such as `bytes=0-1023`"),
        ("if-range" = Option<String>, Header, description = "The ETag that the part has to belong to"),
        ("if-none-match" = Option<String>, Header, description = "The ETag that you have"),
        Unlocks,
    ),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>, headers(
            ("etag" = String, description = "For `If-Range`"), ("accept-ranges" = String, description = "`bytes`"))),
        (status = 206, description = "The part.", content_type = "application/octet-stream", body = Vec<u8>, headers(
            ("content-range" = String, description = "Which bytes, of how many"))),
        (status = 304, description = "You have it."),
        (status = 404, description = "No such recording of yours."),
        (status = 416, description = "The range is beyond its end."),
    )
)]
pub async fn get_audio(
    State(app): State<App>,
    caller: Authorized<EntriesRead>,
    Id(id): Id,
    unlocks: Unlocks,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let holder = Holder { app: &app, caller: &caller, unlocks: &unlocks };
    let recording = find(&holder, EntryId(id)).await?;
    let (status, part, head) = head_of(&recording, &headers)?;
    if status == StatusCode::NOT_MODIFIED {
        return Ok((status, head).into_response());
    }
    let stream = app.recordings.read(recording.user_id, recording.id, part).await?;
    // Somebody has replaced or deleted it since, or it was lost.
    let stream = stream.ok_or(NOT_FOUND)?;
    Ok((status, head, Body::from_stream(stream)).into_response())
}

/// What `GET` would answer, without the recording.
#[utoipa::path(head, path = PATH, tag = "journals", security(("api_token" = ["entries:read"])),
    params(
        ("entry_id" = Uuid, Path),
        ("range" = Option<String>, Header, description = "One range of bytes, such as `bytes=0-1023`"),
        ("if-range" = Option<String>, Header, description = "The ETag that the part has to belong to"),
        ("if-none-match" = Option<String>, Header, description = "The ETag that you have"),
        Unlocks,
    ),
    responses(
        (status = 200, headers(("etag" = String, description = "For `If-Range`"))),
        (status = 206, description = "There is such a part."),
        (status = 304, description = "You have it."),
        (status = 404, description = "No such recording of yours."),
        (status = 416, description = "The range is beyond its end."),
    )
)]
pub async fn head_audio(
    State(app): State<App>,
    caller: Authorized<EntriesRead>,
    Id(id): Id,
    unlocks: Unlocks,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let holder = Holder { app: &app, caller: &caller, unlocks: &unlocks };
    let (status, _, head) = head_of(&find(&holder, EntryId(id)).await?, &headers)?;
    Ok((status, head).into_response())
}

/// Record an entry.
///
/// The body is the recording itself, in place of the one before. Of an entry in plain it is `audio/webm`, `audio/ogg`,
/// `audio/mp4`, `audio/mpeg`, `audio/wav` or `audio/flac`, as its content shows; of one under an open secret tag,
/// `application/octet-stream`, encrypted as docs/protocol.md says.
#[utoipa::path(put, path = PATH, tag = "journals", security(("api_token" = ["entries:write"])), params(("entry_id" = Uuid, Path), Unlocks),
    request_body(description = "The recording", content(
        (Vec<u8> = "audio/webm"), (Vec<u8> = "audio/ogg"), (Vec<u8> = "audio/mp4"), (Vec<u8> = "audio/mpeg"),
        (Vec<u8> = "audio/wav"), (Vec<u8> = "audio/flac"), (Vec<u8> = "application/octet-stream"),
    )),
    responses(
        (status = 201, body = RecordingResponse, headers(("etag" = String, description = "For `If-Range`"))),
        (status = 200, description = "It has taken the place of another one.", body = RecordingResponse,
            headers(("etag" = String, description = "For `If-Range`"))),
        (status = 404, description = "No such entry of yours."),
        (status = 413, description = "It is longer than `audio_limit_bytes` of `/api/server`."),
        (status = 415, description = "It is no recording, or another kind of recording than it says."),
        (status = 507, description = "Your recordings would be too many bytes together."),
    )
)]
pub async fn put_audio(
    State(app): State<App>,
    caller: Authorized<EntriesWrite>,
    Id(id): Id,
    unlocks: Unlocks,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let mut body = body.into_data_stream();
    let answer = store(&app, &caller, EntryId(id), &unlocks, &parts.headers, &mut body).await;
    if answer.is_err() {
        drain(body).await;
    }
    answer
}

async fn store(
    app: &App,
    caller: &Caller,
    entry: EntryId,
    unlocks: &Unlocks,
    headers: &HeaderMap,
    body: &mut BodyDataStream,
) -> Result<Response, ApiError> {
    let holder = Holder { app, caller, unlocks };
    let sealed = holder.is_sealed(entry).await?.ok_or(journals::NOT_FOUND)?;
    let limit =
        if sealed { recording::sealed_length(app.config.audio_limit.into()) } else { app.config.audio_limit.into() };
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
    if announced > limit {
        return Err(ApiError::TooLarge(limit));
    }
    refuse_over_quota(app, caller, entry, announced).await?;

    let declared = extract::media_type(headers).map(str::to_ascii_lowercase);
    let mut body = Arrival { body, limit, arrived: 0 };
    let beginning = body.beginning().await?;
    let format = Format::of(&beginning, declared.as_deref(), sealed)?;
    let attachment = AttachmentId::new(app.clock.as_ref(), app.random.as_ref());
    let mut upload = app.recordings.upload(caller.id(), attachment).await?;
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
        audio_url: (!sealed).then(|| address(entry)),
    };
    // From here on it is finished, whether or not the client waits for the answer.
    let finished = tokio::spawn(finish(app.clone(), caller.id(), upload, new)).await;
    let (status, recording) = finished.map_err(ApiError::internal)??;
    let mut head = HeaderMap::new();
    head.insert(header::ETAG, etag(&recording)?);
    Ok((status, head, Json(RecordingResponse::from(recording))).into_response())
}

/// Takes in a little of what a refused client is still sending: one that is cut off while it sends never reads why.
async fn drain(mut body: BodyDataStream) {
    let mut left = DRAINED;
    let reading = async {
        while let Some(Ok(bytes)) = body.next().await {
            left = left.saturating_sub(bytes.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whoever sends no more has had time to read the answer.
    let _ = tokio::time::timeout(Duration::from_secs(1), reading).await;
}

/// Delete the recording of an entry.
#[utoipa::path(delete, path = PATH, tag = "journals", security(("api_token" = ["entries:write"])), params(("entry_id" = Uuid, Path), Unlocks), responses(
    (status = 200, body = Message),
    (status = 404, description = "No such recording of yours."),
))]
pub async fn delete_audio(
    State(app): State<App>,
    caller: Authorized<EntriesWrite>,
    Id(id): Id,
    unlocks: Unlocks,
) -> Result<Json<Message>, ApiError> {
    let entry = EntryId(id);
    find(&Holder { app: &app, caller: &caller, unlocks: &unlocks }, entry).await?;
    let user = caller.id();
    let removed = app.storage.attachments().remove(user, entry, &address(entry), app.now()).await?.ok_or(NOT_FOUND)?;
    app.recordings.discard(user, removed).await;
    Ok(message("Recording deleted successfully"))
}

const NOT_FOUND: ApiError = ApiError::NotFound(Code::NotFound, "Recording not found");

/// A recording that its holder may have.
async fn find(holder: &Holder<'_>, entry: EntryId) -> Result<Attachment, ApiError> {
    let recording = holder.app.storage.attachments().get(holder.caller.id(), entry).await?;
    match recording {
        Some(recording) if !recording.sealed => Ok(recording),
        // One under a locked secret tag takes as long to be denied as one that is not there.
        other => holder.find(entry).await?.and(other).ok_or(NOT_FOUND),
    }
}

/// Stores what was uploaded. If that fails, nothing of it is left.
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
        Ok(Attached::Attached(recording, None)) => return Ok((StatusCode::CREATED, recording)),
        Ok(Attached::Attached(recording, Some(replaced))) => {
            app.recordings.discard(user, replaced).await;
            return Ok((StatusCode::OK, recording));
        }
        // Deleted, sealed or unsealed meanwhile.
        Ok(Attached::Missing) => journals::NOT_FOUND,
        Ok(Attached::OverQuota(others)) => over_quota(&app, others),
        // Whether storage knows of it is not known, so it stays until a sweep has asked.
        Err(error @ StorageError::Unavailable(_)) => return Err(error.into()),
        Err(error) => error.into(),
    };
    app.recordings.discard(user, id).await;
    Err(refusal)
}

/// Before anything is sent, as far as one can tell.
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

/// What a request that asks for a recording is answered, but for the bytes, and which bytes these are.
fn head_of(recording: &Attachment, asked: &HeaderMap) -> Result<(StatusCode, Range<u64>, HeaderMap), ApiError> {
    let (etag, length) = (etag(recording)?, u64::from(recording.byte_length));
    let mut head = HeaderMap::new();
    if etag::is_known(asked, &etag::of(&recording.sha256)) {
        head.insert(header::ETAG, etag);
        return Ok((StatusCode::NOT_MODIFIED, 0..0, head));
    }
    let is_current = asked.get(header::IF_RANGE).is_none_or(|condition| condition == etag);
    let part = asked.get(header::RANGE).filter(|_| is_current).map_or(Part::Whole, |range| Part::parse(range, length));
    let (status, range) = match part {
        Part::Whole => (StatusCode::OK, 0..length),
        Part::Bytes(range) => {
            let text = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            head.insert(header::CONTENT_RANGE, HeaderValue::try_from(text).map_err(ApiError::internal)?);
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Part::Beyond => return Err(ApiError::RangeNotSatisfiable(length)),
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
    HeaderValue::try_from(etag::of(&recording.sha256)).map_err(ApiError::internal)
}

fn address(entry: EntryId) -> String {
    PATH.replace("{entry_id}", &entry.to_string())
}

impl From<Attachment> for RecordingResponse {
    fn from(recording: Attachment) -> Self {
        Self {
            entry_id: recording.entry_id.0,
            media_type: recording.media_type,
            byte_length: recording.byte_length,
            audio_url: (!recording.sealed).then(|| address(recording.entry_id)),
            updated_at: recording.updated_at,
        }
    }
}

/// A body that arrives.
struct Arrival<'a> {
    body: &'a mut BodyDataStream,
    limit: u64,
    arrived: u64,
}

impl Arrival<'_> {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        const BROKEN: ApiError =
            ApiError::BadRequest(Code::BrokeOff, "The recording broke off before its end; send it again.");
        let piece = tokio::time::timeout(BODY_TIMEOUT, self.body.next()).await.map_err(|_| ApiError::Timeout)?;
        let Some(piece) = piece.transpose().map_err(|_| BROKEN)? else { return Ok(None) };
        self.arrived += piece.len() as u64;
        if self.arrived > self.limit { Err(ApiError::TooLarge(self.limit)) } else { Ok(Some(piece)) }
    }

    /// As much as it takes to see what it is, or all of it.
    async fn beginning(&mut self) -> Result<Bytes, ApiError> {
        let mut beginning = BytesMut::new();
        while beginning.len() < format::TELLING {
            let Some(piece) = self.next().await? else { break };
            beginning.extend_from_slice(&piece);
        }
        Ok(beginning.freeze())
    }
}
