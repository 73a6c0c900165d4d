//! Request bodies that are read as a whole: each route has a limit, and all bodies together have one.

use std::error::Error;
use std::io;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request};
use bytes::BytesMut;
use futures_util::StreamExt;

use super::error::{ApiError, Code};
use super::share::{Held, SMALL_BODY};
use crate::app::App;
use crate::config::BODY_LIMIT;

/// Deadline for a body, or for each chunk of a recording.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The body of a change of your account, with up to 16 KiB of preferences in whatever spelling of JSON.
const ACCOUNT_BODY: usize = 128 << 10;
/// Bytes that are read from a refused client.
const MAX_DRAINED_BYTES: usize = 1 << 20;

/// The longest body of a route, in bytes.
pub fn limit_of(route: &str) -> usize {
    match route {
        "/api/journals/" | "/api/journals/{entry_id}" => BODY_LIMIT,
        "/api/users/me" => ACCOUNT_BODY,
        _ => SMALL_BODY,
    }
}

/// Reads the whole body. It must arrive in time and fit the limit of its route, and the server must have room for it.
/// Handlers with a caller have authenticated it by now, because extractors of the body come last.
pub async fn body(request: Request, app: &App) -> Result<Bytes, ApiError> {
    let limit = request.extensions().get::<MatchedPath>().map_or(SMALL_BODY, |route| limit_of(route.as_str()));
    let held = request.extensions().get::<Held>().cloned().unwrap_or_default();
    let body = request.into_body();
    let announced = body.size_hint().exact();
    let announced = announced.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|length| length > limit) {
        drain(body.into_data_stream()).await;
        return Err(ApiError::TooLarge(limit as u64));
    }
    app.shares.reserve(announced.unwrap_or(limit), &held).await?;
    let arrival = tokio::time::timeout(BODY_TIMEOUT, read(body, limit, announced));
    arrival.await.map_err(|_| ApiError::Timeout)?
}

async fn read(body: Body, limit: usize, announced: Option<usize>) -> Result<Bytes, ApiError> {
    let mut body = body.into_data_stream();
    let mut read = BytesMut::with_capacity(announced.unwrap_or_default());
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| interrupted(&error, "The body broke off before its end; send it again."))?;
        if read.len() + piece.len() > limit {
            drain(body).await;
            return Err(ApiError::TooLarge(limit as u64));
        }
        read.extend_from_slice(&piece);
    }
    Ok(read.freeze())
}

/// The error of a body that did not arrive: the client has stopped sending, or the connection has ended.
pub fn interrupted(error: &(dyn Error + 'static), broke_off: &'static str) -> ApiError {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return ApiError::Timeout;
        }
        next = error.source();
    }
    ApiError::BadRequest(Code::BrokeOff, broke_off)
}

/// Reads a part of what a refused client is still sending. A client that is cut off while it sends would never read the
/// error.
pub async fn drain(mut body: BodyDataStream) {
    let mut left = MAX_DRAINED_BYTES;
    let reading = async {
        while let Some(Ok(bytes)) = body.next().await {
            left = left.saturating_sub(bytes.len());
            if left == 0 {
                break;
            }
        }
    };
    // A client that has stopped sending has had time to read the response.
    let _ = tokio::time::timeout(Duration::from_secs(1), reading).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_entries_may_be_large() {
        assert_eq!(limit_of("/api/journals/{entry_id}"), BODY_LIMIT);
        for small in ["/api/auth/login", "/api/auth/register", "/api/secret-tags/{secret_tag_id}/unlock/start"] {
            assert_eq!(limit_of(small), 16 << 10, "{small}");
        }
    }
}
