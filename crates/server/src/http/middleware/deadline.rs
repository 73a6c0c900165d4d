//! How long a request may take. `tower_http::timeout` would respond without a problem document, and could not tell a
//! read from a change whose outcome is unknown.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::error::ApiError;

/// For every request except uploads.
pub const DEADLINE: Duration = Duration::from_mins(1);
/// For the upload of a recording.
pub const UPLOAD_DEADLINE: Duration = Duration::from_mins(30);

/// Stops waiting for the handler after `limit`.
pub async fn enforce_deadline(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let response = tokio::time::timeout(limit, next.run(request)).await;
    response.unwrap_or_else(|_| timed_out(&method).into_response())
}

/// A handler that was interrupted may already have changed something.
fn timed_out(method: &Method) -> ApiError {
    let cause = Arc::new(io::Error::from(io::ErrorKind::TimedOut));
    if method.is_safe() { ApiError::Unavailable(cause) } else { ApiError::OutcomeUnknown(cause) }
}
