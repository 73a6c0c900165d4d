//! Cookies: the tokens of the web app, out of reach of scripts, and what is kept while somebody is away at a provider.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};

use crate::config::{ACCESS_SECONDS, Config, HANDSHAKE_SECONDS, SESSION_SECONDS};
use crate::error::ApiError;

/// The access token, sent to the API only.
const ACCESS: Place = Place { name: "sotto_access", path: "/api", same_site: "Strict" };
/// The refresh token, sent to the sign-in addresses only.
const REFRESH: Place = Place { name: "sotto_refresh", path: "/api/auth", same_site: "Strict" };
/// What began a sign-in with a provider. `Lax`, because it has to come along when the provider sends the person back.
const HANDSHAKE: Place = Place { name: "sotto_oidc", path: "/api/auth/oidc", same_site: "Lax" };

/// A cookie's name, and where it is sent.
struct Place {
    name: &'static str,
    path: &'static str,
    same_site: &'static str,
}

/// The access token of the web app.
pub fn access(headers: &HeaderMap) -> Option<&str> {
    ACCESS.read(headers)
}

/// The refresh token of the web app.
pub fn refresh(headers: &HeaderMap) -> Option<&str> {
    REFRESH.read(headers)
}

/// What began a sign-in with a provider.
pub fn handshake(headers: &HeaderMap) -> Option<&str> {
    HANDSHAKE.read(headers)
}

/// The `Set-Cookie` headers that hand a pair of tokens to the web app.
///
/// # Errors
/// If a value cannot stand in a header, which would be a fault of ours.
pub fn set_tokens(config: &Config, access: &str, refresh: &str) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    headers.append(SET_COOKIE, ACCESS.write(config, access, ACCESS_SECONDS)?);
    headers.append(SET_COOKIE, REFRESH.write(config, refresh, SESSION_SECONDS)?);
    Ok(headers)
}

/// The `Set-Cookie` headers that take them away.
///
/// # Errors
/// As [`set_tokens`].
pub fn clear_tokens(config: &Config) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    headers.append(SET_COOKIE, ACCESS.write(config, "", 0)?);
    headers.append(SET_COOKIE, REFRESH.write(config, "", 0)?);
    Ok(headers)
}

/// The value of a `Set-Cookie` header that keeps what began a sign-in with a provider; with nothing, takes it away.
///
/// # Errors
/// As [`set_tokens`].
pub fn keep_handshake(config: &Config, sealed: &str) -> Result<HeaderValue, ApiError> {
    HANDSHAKE.write(config, sealed, if sealed.is_empty() { 0 } else { HANDSHAKE_SECONDS })
}

impl Place {
    fn read<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        all.flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(key, value)| (key == self.name && !value.is_empty()).then_some(value))
    }

    fn write(&self, config: &Config, value: &str, seconds: i64) -> Result<HeaderValue, ApiError> {
        let Self { name, path, same_site } = self;
        let secure = if config.is_https() { "; Secure" } else { "" };
        let text = format!("{name}={value}; HttpOnly; SameSite={same_site}; Path={path}; Max-Age={seconds}{secure}");
        HeaderValue::try_from(text).map_err(ApiError::internal)
    }
}
