//! Extractors for bodies, queries and ids. Their errors name the field.

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use sotto_domain::Flaw;
use uuid::Uuid;

use crate::app::App;
use crate::http::body::body;
use crate::http::bounded;
use crate::http::error::{ApiError, FieldError};

pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        expect_json(request.headers())?;
        let body = body(request, app).await?;
        parse_json(&body).map(Self)
    }
}

/// Refuses a request whose content type is not JSON.
pub fn expect_json(headers: &HeaderMap) -> Result<(), ApiError> {
    match media_type(headers) {
        Some("application/json") => Ok(()),
        _ => Err(ApiError::UnsupportedMediaType("Send the body as application/json.")),
    }
}

pub fn parse_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| refused("body", &error))?;
    let malformed = |error| Flaw::Malformed(format!("is not JSON: {error}"));
    deserializer.end().map_err(|error| ApiError::invalid("body", "", &malformed(error)))?;
    Ok(value)
}

/// The content type without parameters.
pub fn media_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').next().map(str::trim)
}

pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parse_form(parts.uri.query().unwrap_or_default().as_bytes(), "query").map(Self)
    }
}

/// Parses a query string or an HTML form.
pub fn parse_form<T: DeserializeOwned>(text: &[u8], place: &str) -> Result<T, ApiError> {
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text));
    serde_path_to_error::deserialize(pairs).map_err(|error| refused(place, &error))
}

pub struct Id(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = Path::<String>::from_request_parts(parts, state).await.map_or_else(|_| String::new(), |path| path.0);
        // The hyphenated form only; the library also accepts others, such as `urn:uuid:…`.
        let id = Uuid::try_parse(&text).ok().filter(|_| text.len() == 36);
        id.map(Self).ok_or_else(|| ApiError::invalid("path", "id", &Flaw::NotAUuid))
    }
}

/// For a field that may be absent (`None`), null (`Some(None)`) or given.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn refused<E: std::fmt::Display>(place: &str, error: &serde_path_to_error::Error<E>) -> ApiError {
    let message = error.inner().to_string();
    let flaw = bounded::flaw(&message).unwrap_or(Flaw::Malformed(message));
    let mut field = FieldError::new(place, "", &flaw);
    let path = error.path().to_string();
    if path != "." {
        field.loc.extend(path.split('.').map(str::to_owned));
    }
    ApiError::Invalid(vec![field])
}
