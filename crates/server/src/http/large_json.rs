//! Responses that may be large: how many of them wait in memory for clients that do not read.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use sotto_domain::UserId;

use crate::app::App;
use crate::http::error::ApiError;
use crate::user_slots::UserSlot;

/// Responses up to this size, 256 KiB, are about as large as the buffers of a connection, and do not count.
const SMALL: usize = 256 << 10;
/// How long a large response waits until another one of its user has been read.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What is given to the connection at a time.
const PIECE: usize = 64 << 10;

/// `rows` as a JSON response. `capacity` is the expected length, so that the buffer is not copied while it grows.
///
/// A large one takes one of its user's slots ([`crate::config::LARGE_RESPONSES_PER_USER`]) until its client has read
/// it. With the reads that run at the same time, a user who reads nothing holds six pages: about 15 MB, and at most
/// 80 MB with entries of control characters, which JSON writes as six bytes each.
///
/// # Errors
/// `Busy` if no slot was free in time.
pub async fn large_json<T: Serialize>(
    app: &App,
    user: UserId,
    headers: HeaderMap,
    capacity: usize,
    rows: Vec<T>,
) -> Result<Response, ApiError> {
    let mut json = Vec::with_capacity(capacity);
    serde_json::to_writer(&mut json, &rows).map_err(ApiError::internal)?;
    drop(rows);
    let length = json.len();
    let body = if length <= SMALL {
        Body::from(json)
    } else {
        let slot = app.large_responses.wait(user, TIMEOUT).await.ok_or(ApiError::Busy)?;
        in_pieces(Bytes::from_owner(Unread { json, _slot: slot }))
    };
    let mut response = (headers, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, length.into());
    Ok(response)
}

/// The connection copies little of the body into buffers of its own, so that the slot is free only when most of it was
/// sent.
fn in_pieces(mut rest: Bytes) -> Body {
    Body::from_stream(stream::iter(std::iter::from_fn(move || {
        let piece = rest.split_to(rest.len().min(PIECE));
        (!piece.is_empty()).then_some(Ok::<_, std::convert::Infallible>(piece))
    })))
}

/// Keeps the slot as long as any piece is in memory.
struct Unread {
    json: Vec<u8>,
    _slot: UserSlot,
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.json
    }
}
