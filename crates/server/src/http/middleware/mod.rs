//! The layers around every request, outermost last in [`with_middleware`].

mod client_address;
mod deadline;
mod faults;
mod log;
mod request_id;
mod security_headers;

use std::any::Any;
use std::io;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath};
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;

use crate::app::App;
use crate::auth::unlock_tokens::UNLOCK;
use crate::config::BODY_LIMIT;
use crate::http::error::ApiError;
use crate::http::idempotency;
use crate::http::share::release_shares;

pub use client_address::ClientAddress;
pub use deadline::{DEADLINE, UPLOAD_DEADLINE, enforce_deadline};

/// Marks a response as a part of the web app, which a browser renders. It has no separate route.
#[derive(Clone, Copy)]
pub struct WebAppMarker;

/// The route of the web app's responses, in metrics and logs.
const WEB_APP: &str = "app";

/// Wraps a router in the layers that all routes share. Deadlines differ by route, so the router sets those.
pub fn with_middleware(router: Router, app: &App) -> Router {
    let secrets = [header::AUTHORIZATION, header::COOKIE, UNLOCK, idempotency::KEY];
    router
        .layer(CatchPanicLayer::custom(panic_response))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(release_shares))
        .layer(from_fn_with_state(app.clone(), faults::note_faults))
        .layer(from_fn_with_state(app.clone(), security_headers::add_security_headers))
        .layer(from_fn(log::log_request))
        .layer(from_fn_with_state(app.clone(), request_id::assign_request_id))
        .layer(SetSensitiveRequestHeadersLayer::new(secrets))
        .layer(from_fn_with_state(app.clone(), client_address::find_client_address))
}

/// The pattern of the route, since metrics by address would multiply with every id.
fn route_name<'a>(matched: Option<&'a MatchedPath>, response: &Response) -> &'a str {
    if response.extensions().get::<WebAppMarker>().is_some() {
        return WEB_APP;
    }
    matched.map_or("unmatched", MatchedPath::as_str)
}

fn panic_response(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    ApiError::internal(io::Error::other(format!("a handler panicked: {message}"))).into_response()
}
