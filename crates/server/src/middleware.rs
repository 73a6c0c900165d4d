//! What surrounds every request: its id, the log line, metrics, headers that protect, and a deadline.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use sotto_domain::storage::StorageError;
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::config::{BODY_LIMIT, Config};
use crate::error::{ApiError, Cause};
use crate::handlers::audio;
use crate::handlers::web::OfTheApp;
use crate::unlocks::UNLOCK;

/// How long a handler may take.
const DEADLINE: Duration = Duration::from_mins(1);
/// How long it may take to send a recording.
const UPLOAD_DEADLINE: Duration = Duration::from_mins(30);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// Nothing of an answer is to be framed, run or kept.
const API_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// Swagger UI sets styles from its script and draws with data: images.
const DOCS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
);

/// `blob:` is for a recording that was just made or deciphered.
const APP_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; media-src 'self' blob:; frame-ancestors 'none'; \
     base-uri 'none'; form-action 'self'; object-src 'none'",
);
/// The app hears, if it is allowed to, and uses nothing else of the device.
const APP_FEATURES: HeaderValue = HeaderValue::from_static(
    "microphone=(self), accelerometer=(), browsing-topics=(), camera=(), clipboard-read=(), display-capture=(), \
     encrypted-media=(), gamepad=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), \
     magnetometer=(), midi=(), payment=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), \
     storage-access=(), usb=(), window-management=(), xr-spatial-tracking=()",
);
/// What the app's answers are called in metrics and logs; they have no route.
const APP: &str = "app";

/// Where a request came from, as far as it can be believed.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Puts a router behind everything that a request passes on its way in and out.
pub fn layered(router: Router, app: &App) -> Router {
    router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(app.clone(), surround))
}

/// Handlers see one spelling of each address: collections end in a slash, everything else does not. This runs before
/// routing, so it takes the whole router as its inner service; see [`crate::listen`].
pub fn one_spelling(uri: &mut Uri) {
    const COLLECTIONS: [&str; 5] =
        ["/api/journals", "/api/tags", "/api/reminders", "/api/secret-tags", "/api/opaque-sessions"];
    let path = uri.path();
    let spelled = if COLLECTIONS.contains(&path) {
        format!("{path}/")
    } else {
        match path.strip_suffix('/') {
            Some(shorter) if !shorter.is_empty() && !COLLECTIONS.contains(&shorter) && shorter != "/api/docs" => {
                shorter.to_owned()
            }
            _ => return,
        }
    };
    let spelled = uri.query().map_or(spelled.clone(), |query| format!("{spelled}?{query}"));
    let mut parts = uri.clone().into_parts();
    if let Ok(path) = spelled.parse() {
        parts.path_and_query = Some(path);
        if let Ok(changed) = Uri::from_parts(parts) {
            *uri = changed;
        }
    }
}

async fn surround(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let peer = request.extensions().get::<SocketAddr>().map_or(IpAddr::from([0, 0, 0, 0]), SocketAddr::ip);
    let proxied = app.config.trusted_proxies.iter().any(|net| net.contains(&peer.to_canonical()));
    let client = if proxied { forwarded_for(&request, &app.config).unwrap_or(peer) } else { peer };
    request.extensions_mut().insert(ClientAddress(client));
    hide_secrets(&mut request);
    let id = if proxied { given_id(&request) } else { None }.unwrap_or_else(|| fresh_id(&app));
    let method = request.method().clone();
    // The route, not the address: ids would make a metric of each.
    let route = request.extensions().get::<MatchedPath>().cloned();

    let is_upload = method == Method::PUT && route.as_ref().is_some_and(|route| route.as_str() == audio::PATH);
    let deadline = if is_upload { UPLOAD_DEADLINE } else { DEADLINE };

    let answer = tokio::time::timeout(deadline, next.run(request)).await;
    let mut response = answer.unwrap_or_else(|_| ApiError::Busy.into_response());

    let of_the_app = response.extensions_mut().remove::<OfTheApp>().is_some();
    let route = if of_the_app { APP } else { route.as_ref().map_or("unmatched", MatchedPath::as_str) };
    protect(&mut response, route, &app.config);
    let status = response.status();
    let elapsed = started.elapsed();
    record(&method, route, status, elapsed);
    let cause = response.extensions_mut().remove::<Cause>();
    if let Some(error) = cause.as_ref().and_then(|cause| cause.downcast_ref::<StorageError>()) {
        app.monitor.note(error);
    }
    if status.is_server_error() {
        let cause = cause.map(|cause| describe(cause.as_ref())).unwrap_or_default();
        tracing::error!(request_id = id.to_str().unwrap_or_default(), %method, route, status = status.as_u16(), cause, "request failed");
    } else {
        tracing::debug!(request_id = id.to_str().unwrap_or_default(), %method, route, status = status.as_u16(), ?elapsed, "request");
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Whatever prints the headers shows that these were there, and no more.
fn hide_secrets(request: &mut Request) {
    for name in [header::AUTHORIZATION, header::COOKIE, UNLOCK] {
        if let header::Entry::Occupied(mut values) = request.headers_mut().entry(name) {
            values.iter_mut().for_each(|value| value.set_sensitive(true));
        }
    }
}

fn protect(response: &mut Response, route: &str, config: &Config) {
    let headers = response.headers_mut();
    let policy = match route {
        APP => APP_POLICY,
        docs if docs.starts_with("/api/docs") => DOCS_POLICY,
        _ => API_POLICY,
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    if route == APP {
        headers.insert(PERMISSIONS_POLICY, APP_FEATURES);
        headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if config.is_https() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

fn record(method: &Method, route: &str, status: StatusCode, elapsed: Duration) {
    let method = match method.as_str() {
        known @ ("GET" | "POST" | "PUT" | "DELETE" | "HEAD" | "OPTIONS" | "PATCH") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let labels = [("method", method.clone()), ("route", route.to_owned()), ("status", status.as_str().to_owned())];
    metrics::counter!("sotto_http_requests_total", &labels).increment(1);
    let labels = [("method", method), ("route", route.to_owned())];
    metrics::histogram!("sotto_http_request_duration_seconds", &labels).record(elapsed);
}

/// The last address that is not a trusted proxy's: what stands before it may have been made up by the client.
fn forwarded_for(request: &Request, config: &Config) -> Option<IpAddr> {
    let values = request.headers().get_all("x-forwarded-for").into_iter().filter_map(|value| value.to_str().ok());
    let chain: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let trusted = |address: &IpAddr| config.trusted_proxies.iter().any(|net| net.contains(&address.to_canonical()));
    chain.iter().rev().map_while(|text| text.parse::<IpAddr>().ok()).find(|address| !trusted(address))
}

fn given_id(request: &Request) -> Option<HeaderValue> {
    let id = request.headers().get(REQUEST_ID)?;
    let sane =
        (1..=64).contains(&id.len()) && id.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    sane.then(|| id.clone())
}

/// Unique among nodes and restarts by a random prefix, and cheap: no system call per request.
fn fresh_id(app: &App) -> HeaderValue {
    static PREFIX: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let prefix = PREFIX.get_or_init(|| {
        let mut bytes = [0; 4];
        app.random.fill(&mut bytes);
        u32::from_be_bytes(bytes)
    });
    let text = format!("{prefix:08x}-{:x}", COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("none"))
}

/// An error and what caused it, for the log.
pub fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    ApiError::internal(std::io::Error::other(format!("a handler panicked: {message}"))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_spelling() {
        for (given, seen) in [
            ("/api/journals", "/api/journals/"),
            ("/api/journals?limit=2", "/api/journals/?limit=2"),
            ("/api/journals/", "/api/journals/"),
            ("/api/journals/stats/", "/api/journals/stats"),
            ("/api/users/me/?a=b", "/api/users/me?a=b"),
            ("/", "/"),
            ("/api/docs/", "/api/docs/"),
        ] {
            let mut uri: Uri = given.parse().unwrap();
            one_spelling(&mut uri);
            assert_eq!(uri.to_string(), seen);
        }
    }

    #[test]
    fn a_made_up_forwarding_chain_is_not_believed() {
        let config = Config { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Config::default() };
        let request = |chain: &str| Request::builder().header("x-forwarded-for", chain).body(axum::body::Body::empty());
        let seen = |chain| forwarded_for(&request(chain).unwrap(), &config).map(|address| address.to_string());
        assert_eq!(seen("6.6.6.6, 203.0.113.9, 10.1.1.1").as_deref(), Some("203.0.113.9"));
        assert_eq!(seen("nonsense, 10.1.1.1"), None);
    }
}
