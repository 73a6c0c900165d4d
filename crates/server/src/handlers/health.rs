//! Health checks and metrics, for operators.

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
#[utoipa::path(get, path = "/metrics", tag = "operation", responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 401, description = "The metrics token is missing or wrong."),
))]
pub async fn metrics(State(app): State<App>, headers: HeaderMap) -> Result<impl IntoResponse, ApiError> {
    if let Some(expected) = &app.config.metrics_token {
        let given = bearer(&headers).unwrap_or_default();
        aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), expected.as_bytes())
            .map_err(|_| ApiError::Unauthorized(Code::InvalidToken, "Send the metrics token as a bearer token."))?;
    }
    app.metrics.run_upkeep();
    let text = app.metrics.render() + &gauges::render(&app);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
