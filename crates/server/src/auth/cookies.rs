//! Cookies: the tokens of the web app, which scripts cannot read, and the handshake of a sign-in with a provider.
//!
//! The crate `cookie` would replace [`Cookie::read`] and [`Cookie::write`], fifteen lines in all, and bring its own
//! types and `time`.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};

use sotto_domain::session::SESSION_SECONDS;

use crate::config::{ACCESS_SECONDS, Config, HANDSHAKE_SECONDS};
use crate::http::error::ApiError;

/// The access token, sent to the API only.
const ACCESS: Cookie = Cookie { name: "sotto_access", path: "/api", same_site: "Strict" };
/// The refresh token, sent to the sign-in routes only.
const REFRESH: Cookie = Cookie { name: "sotto_refresh", path: "/api/auth", same_site: "Strict" };
/// The handshake with a provider. `Lax`, because the browser must send it when the provider redirects back.
const HANDSHAKE: Cookie = Cookie { name: "sotto_oidc", path: "/api/auth/oidc", same_site: "Lax" };

struct Cookie {
    name: &'static str,
    path: &'static str,
    same_site: &'static str,
}

pub fn access(headers: &HeaderMap) -> Option<&str> {
    ACCESS.read(headers)
}

pub fn refresh(headers: &HeaderMap) -> Option<&str> {
    REFRESH.read(headers)
}

pub fn handshake(headers: &HeaderMap) -> Option<&str> {
    HANDSHAKE.read(headers)
}

/// The `Set-Cookie` headers that give the web app a pair of tokens.
pub fn set_tokens(config: &Config, access: &str, refresh: &str) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    headers.append(SET_COOKIE, ACCESS.write(config, access, ACCESS_SECONDS)?);
    headers.append(SET_COOKIE, REFRESH.write(config, refresh, SESSION_SECONDS)?);
    Ok(headers)
}

/// The `Set-Cookie` headers that delete every cookie: both tokens, and the handshake with a provider.
pub fn clear_all(config: &Config) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    for cookie in [ACCESS, REFRESH, HANDSHAKE] {
        headers.append(SET_COOKIE, cookie.write(config, "", 0)?);
    }
    Ok(headers)
}

/// The `Set-Cookie` value that stores the handshake with a provider, or deletes it if `sealed` is empty.
pub fn set_handshake(config: &Config, sealed: &str) -> Result<HeaderValue, ApiError> {
    HANDSHAKE.write(config, sealed, if sealed.is_empty() { 0 } else { HANDSHAKE_SECONDS })
}

impl Cookie {
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
