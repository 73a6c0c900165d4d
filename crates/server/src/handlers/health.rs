//! For those who run the server.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::bearer;
use crate::error::{ApiError, Code};

/// How the server is.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    status: &'static str,
    /// The program's version.
    version: &'static str,
}

const OK: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

/// Whether the process answers.
#[utoipa::path(get, path = "/health/live", tag = "operation", responses((status = 200, body = Health)))]
pub async fn live() -> Json<Health> {
    Json(OK)
}

/// Whether the database answers, too.
#[utoipa::path(get, path = "/health/ready", tag = "operation", responses(
    (status = 200, body = Health),
    (status = 503, description = "The database does not answer."),
))]
pub async fn ready(State(app): State<App>) -> Result<Json<Health>, ApiError> {
    app.storage.ping().await?;
    Ok(Json(OK))
}

/// Metrics for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 401, description = "The server was given a metrics token, and this request does not carry it."),
))]
pub async fn metrics(State(app): State<App>, headers: HeaderMap) -> Result<impl IntoResponse, ApiError> {
    if let Some(expected) = &app.config.metrics_token {
        let given = bearer(&headers).unwrap_or_default();
        aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), expected.as_bytes()).map_err(|_| {
            ApiError::Unauthorized(Code::InvalidToken, "The metrics need the token that the server was given.")
        })?;
    }
    app.metrics.run_upkeep();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render()))
}
