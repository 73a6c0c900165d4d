//! An id for each request, for logs and support. `tower_http::request_id` would accept an id from any client.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::client_address::BehindTrustedProxy;
use crate::app::App;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, which is also in the `X-Request-Id` of its response.
#[derive(Clone)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Takes the id that a trusted proxy has assigned, or generates one.
pub(super) async fn assign_request_id(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let is_trusted = request.extensions().get::<BehindTrustedProxy>().is_some_and(|proxy| proxy.0);
    let given = if is_trusted { given_id(&request) } else { None };
    let id = given.unwrap_or_else(|| generate_id(&app));
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    response.headers_mut().insert(HEADER, id);
    response
}

fn given_id(request: &Request) -> Option<HeaderValue> {
    let id = request.headers().get(HEADER)?;
    let is_valid =
        (1..=64).contains(&id.len()) && id.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    is_valid.then(|| id.clone())
}

/// A random prefix makes ids unique across nodes and restarts; the counter saves a system call per request.
fn generate_id(app: &App) -> HeaderValue {
    static PREFIX: OnceLock<u32> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let prefix = PREFIX.get_or_init(|| {
        let mut bytes = [0; 4];
        app.random.fill(&mut bytes);
        u32::from_be_bytes(bytes)
    });
    let text = format!("{prefix:08x}-{:x}", COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("none"))
}
