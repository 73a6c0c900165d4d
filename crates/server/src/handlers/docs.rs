//! The specification, and the Swagger UI that is embedded in the binary.

use std::sync::{Arc, LazyLock};

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_swagger_ui::Config;

use crate::http::error::{ApiError, Code};
use crate::openapi;

pub async fn specification() -> Result<Response, ApiError> {
    static JSON: LazyLock<Result<String, serde_json::Error>> = LazyLock::new(openapi::to_json);
    let json = JSON.as_ref().map_err(|error| ApiError::internal(std::io::Error::other(error.to_string())))?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], json.as_str()).into_response())
}

/// The page's relative addresses need the trailing slash.
pub async fn to_index() -> Redirect {
    Redirect::permanent("/api/docs/")
}

pub async fn index() -> Result<Response, ApiError> {
    swagger_file("")
}

pub async fn file(Path(file): Path<String>) -> Result<Response, ApiError> {
    swagger_file(&file)
}

fn swagger_file(path: &str) -> Result<Response, ApiError> {
    // Without a validator: it would reveal this server to a public site.
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
