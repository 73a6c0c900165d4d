//! Metrics and the log line of each request.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::request_id::RequestId;
use super::route_name;
use crate::http::error::{Cause, with_sources};

/// Counts, times and logs a request. The causes of server errors are in the log only.
pub(super) async fn log_request(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request.extensions().get::<RequestId>().cloned();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;

    let cause = response.extensions_mut().remove::<Cause>();
    let (status, elapsed) = (response.status(), started.elapsed());
    let route = route_name(matched.as_ref(), &response);
    count_request(&method, route, status, elapsed);
    let request_id = id.as_ref().map_or("", RequestId::as_str);
    if status.is_server_error() {
        let cause = cause.map(|cause| with_sources(cause.as_ref())).unwrap_or_default();
        tracing::error!(request_id, %method, route, status = status.as_u16(), cause, "request failed");
    } else {
        tracing::debug!(request_id, %method, route, status = status.as_u16(), ?elapsed, "request");
    }
    response
}

fn count_request(method: &Method, route: &str, status: StatusCode, elapsed: Duration) {
    let method = match method.as_str() {
        known @ ("GET" | "POST" | "PUT" | "DELETE" | "HEAD" | "OPTIONS" | "PATCH") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let labels = [("method", method.clone()), ("route", route.to_owned()), ("status", status.as_str().to_owned())];
    metrics::counter!("sotto_http_requests_total", &labels).increment(1);
    let labels = [("method", method), ("route", route.to_owned())];
    metrics::histogram!("sotto_http_request_duration_seconds", &labels).record(elapsed);
}
