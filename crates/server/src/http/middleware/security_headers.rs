//! Response headers that protect users: what a browser may run, frame, keep and disclose.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::{WEB_APP, route_name};
use crate::app::App;
use crate::config::Config;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Responses of the API are never rendered.
const API_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// A user chose the bytes of a recording. In a tab of its own, it is of no origin and runs nothing.
const RECORDING_POLICY: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'");
/// Swagger UI sets inline styles and uses `data:` images.
const DOCS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
);
/// `blob:` is for recordings that are not uploaded yet, or that the app has decrypted.
const WEB_APP_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; media-src 'self' blob:; frame-ancestors 'none'; \
     base-uri 'none'; form-action 'self'; object-src 'none'",
);
/// The app asks for the microphone and for no other feature of the device.
const WEB_APP_FEATURES: HeaderValue = HeaderValue::from_static(
    "microphone=(self), accelerometer=(), browsing-topics=(), camera=(), clipboard-read=(), display-capture=(), \
     encrypted-media=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), \
     magnetometer=(), midi=(), payment=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), \
     storage-access=(), usb=(), window-management=(), xr-spatial-tracking=()",
);

/// Adds the headers. `Cache-Control` stays if the handler has set it.
pub(super) async fn add_security_headers(State(app): State<App>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let route = route_name(matched.as_ref(), &response);
    add_headers(&mut response, route, &app.config);
    response
}

fn add_headers(response: &mut Response, route: &str, config: &Config) {
    let headers = response.headers_mut();
    let policy = match route {
        WEB_APP => WEB_APP_POLICY,
        docs if docs.starts_with("/api/docs") => DOCS_POLICY,
        recording if recording.ends_with("/audio") => RECORDING_POLICY,
        _ => API_POLICY,
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    if route == WEB_APP {
        headers.insert(PERMISSIONS_POLICY, WEB_APP_FEATURES);
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    }
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if config.is_https() {
        let year = if config.hsts_subdomains { "max-age=31536000; includeSubDomains" } else { "max-age=31536000" };
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(year));
    }
}
