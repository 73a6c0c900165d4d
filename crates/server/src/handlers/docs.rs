//! The specification, and Swagger UI from the binary itself.

use std::sync::{Arc, LazyLock};

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_swagger_ui::Config;

use crate::error::{ApiError, Code};
use crate::openapi;

/// `openapi.json`.
pub async fn specification() -> Result<Response, ApiError> {
    static JSON: LazyLock<Result<String, serde_json::Error>> = LazyLock::new(openapi::to_json);
    let json = JSON.as_ref().map_err(|error| ApiError::internal(std::io::Error::other(error.to_string())))?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], json.as_str()).into_response())
}

/// The page's relative addresses need the slash.
pub async fn to_index() -> Redirect {
    Redirect::permanent("/api/docs/")
}

/// The page.
pub async fn index() -> Result<Response, ApiError> {
    serve("")
}

/// What the page loads.
pub async fn file(Path(file): Path<String>) -> Result<Response, ApiError> {
    serve(&file)
}

fn serve(path: &str) -> Result<Response, ApiError> {
    // No validator: it would tell a public site that this server exists.
    let config = Config::new(["/api/openapi.json"])
        .validator_url("none")
        .use_base_layout()
        .try_it_out_enabled(true)
        .doc_expansion("list");
    match utoipa_swagger_ui::serve(path, Arc::new(config)) {
        Ok(Some(file)) => {
            let kind = HeaderValue::try_from(&file.content_type).map_err(ApiError::internal)?;
            Ok(([(header::CONTENT_TYPE, kind)], file.bytes.into_owned()).into_response())
        }
        Ok(None) => Err(ApiError::NotFound(Code::NotFound, "The documentation has no such file.")),
        Err(error) => Err(ApiError::internal(std::io::Error::other(error.to_string()))),
    }
}
