//! Health checks and metrics, for operators.

use std::net::SocketAddr;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::Serialize;
use sotto_domain::health::SchemaState;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::bearer;
use crate::http::error::{ApiError, Code};
use crate::http::listen::Stage;
use crate::metrics::gauges;

/// The state of the server.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    status: &'static str,
    /// The program's version.
    version: &'static str,
}

/// Headers that show that a proxy has forwarded a request.
const FORWARDED: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

const OK: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

/// Whether the process responds.
#[utoipa::path(get, path = "/health/live", tag = "operation", responses((status = 200, body = Health)))]
pub async fn live() -> Json<Health> {
    Json(OK)
}

/// Whether the server can take requests: the database responds and has the schema of this program, the disk has space,
/// and the server is not about to stop.
#[utoipa::path(get, path = "/health/ready", tag = "operation", responses(
    (status = 200, body = Health),
    (status = 503, description = "The database does not respond, its schema does not fit this program, the disk is full, or the server is about to stop; `detail` says which."),
))]
pub async fn ready(State(app): State<App>, stage: Option<Extension<Stage>>) -> Result<Json<Health>, ApiError> {
    if stage.is_some_and(|Extension(stage)| stage > Stage::Serving) {
        return Err(ApiError::Stopping);
    }
    let schema = app.storage.health().schema().await?;
    if schema.state != SchemaState::UpToDate {
        return Err(ApiError::WrongSchema(schema.sentence));
    }
    app.disk_space.check(&app).await?;
    Ok(Json(OK))
}

/// Metrics for Prometheus.
///
/// With a metrics token, for clients that send it. Without one, for clients on the same machine.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 401, description = "The metrics token is missing or wrong."),
    (status = 403, description = "The server has no metrics token, and the request comes from another machine."),
))]
pub async fn metrics(
    State(app): State<App>,
    Extension(peer): Extension<SocketAddr>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    match &app.config.metrics_token {
        Some(expected) => {
            let given = bearer(&headers).unwrap_or_default();
            aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), expected.as_bytes())
                .map_err(|_| ApiError::Unauthorized(Code::InvalidToken, "Send the metrics token as a bearer token."))?;
        }
        None if is_local(peer, &headers) => {}
        None => {
            return Err(ApiError::Forbidden(
                Code::MetricsAreLocal,
                "Metrics are for this machine only until the operator sets a metrics token.",
            ));
        }
    }
    app.metrics.run_upkeep();
    let text = app.metrics.render() + &gauges::render(&app);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}

/// Whether a request was sent on this machine and has not been forwarded by a proxy on it.
fn is_local(peer: SocketAddr, headers: &HeaderMap) -> bool {
    peer.ip().to_canonical().is_loopback() && !FORWARDED.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_direct_request_from_this_machine_is_local() {
        let is_local = |peer: &str, header: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(name) = header {
                headers.insert(name, HeaderValue::from_static("192.0.2.1"));
            }
            is_local(format!("{peer}:40000").parse().unwrap(), &headers)
        };
        assert!(["127.0.0.1", "127.8.0.1", "[::1]", "[::ffff:127.0.0.1]"].iter().all(|peer| is_local(peer, None)));
        assert!(!["192.168.1.5", "203.0.113.9", "[fe80::1]", "[2001:db8::1]"].iter().any(|peer| is_local(peer, None)));
        assert!(!FORWARDED.iter().any(|name| is_local("127.0.0.1", Some(name))));
    }
}
