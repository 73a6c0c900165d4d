//! Cookies: the tokens of the web app, which scripts cannot read, and the handshake of a sign-in with a provider.
//!
//! With HTTPS their names begin with `__Host-`, so browsers accept them from this very host only, over HTTPS, and for
//! all paths (RFC 6265bis, section 4.1.3.2): a server of another subdomain cannot replace them. Earlier versions had no
//! prefix. For 30 days after an upgrade, an old refresh cookie is exchanged for new cookies, so that nobody is signed
//! out.
//!
//! The crate `cookie` would replace [`read`] and [`Cookie::write`], fifteen lines in all, and bring its own types and
//! `time`.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};

use sotto_domain::session::SESSION_SECONDS;

use crate::config::{ACCESS_SECONDS, Config, HANDSHAKE_SECONDS};
use crate::http::error::ApiError;

/// The access token. Without HTTPS it is sent to the API only.
const ACCESS: Cookie = Cookie { name: "sotto_access", path: "/api", same_site: "Strict" };
/// The refresh token. Without HTTPS it is sent to the sign-in routes only.
const REFRESH: Cookie = Cookie { name: "sotto_refresh", path: "/api/auth", same_site: "Strict" };
/// The handshake with a provider. `Lax`, because the browser must send it when the provider redirects back.
const HANDSHAKE: Cookie = Cookie { name: "sotto_oidc", path: "/api/auth/oidc", same_site: "Lax" };

const ALL: [Cookie; 3] = [ACCESS, REFRESH, HANDSHAKE];

struct Cookie {
    /// Without the prefix.
    name: &'static str,
    /// The path of the cookie without the prefix.
    path: &'static str,
    same_site: &'static str,
}

pub fn access<'a>(config: &Config, headers: &'a HeaderMap) -> Option<&'a str> {
    ACCESS.current(config, headers)
}

pub fn refresh<'a>(config: &Config, headers: &'a HeaderMap) -> Option<&'a str> {
    REFRESH.current(config, headers)
}

/// With HTTPS: the refresh token in the cookie of an earlier version. A server of another subdomain could have set it,
/// so it is accepted only if an earlier version has issued it.
pub fn old_refresh<'a>(config: &Config, headers: &'a HeaderMap) -> Option<&'a str> {
    REFRESH.old(config, headers)
}

pub fn handshake<'a>(config: &Config, headers: &'a HeaderMap) -> Option<&'a str> {
    HANDSHAKE.current(config, headers)
}

/// Every token, also in cookies of earlier versions. For ending sessions, never for signing in.
pub fn all_tokens<'a>(config: &Config, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
    let tokens = [&ACCESS, &REFRESH].map(|cookie| [cookie.current(config, headers), cookie.old(config, headers)]);
    tokens.into_iter().flatten().flatten()
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
    for cookie in ALL {
        headers.append(SET_COOKIE, cookie.write(config, "", 0)?);
    }
    for old in clear_old(config)? {
        headers.append(SET_COOKIE, old);
    }
    Ok(headers)
}

/// With HTTPS: the `Set-Cookie` values that delete the cookies of earlier versions.
pub fn clear_old(config: &Config) -> Result<Vec<HeaderValue>, ApiError> {
    let old = ALL.into_iter().filter(|_| config.is_https());
    old.map(|Cookie { name, path, same_site }| value(name, "", path, same_site, 0, true)).collect()
}

/// The `Set-Cookie` value that stores the handshake with a provider, or deletes it if `sealed` is empty.
pub fn set_handshake(config: &Config, sealed: &str) -> Result<HeaderValue, ApiError> {
    HANDSHAKE.write(config, sealed, if sealed.is_empty() { 0 } else { HANDSHAKE_SECONDS })
}

impl Cookie {
    fn current<'a>(&self, config: &Config, headers: &'a HeaderMap) -> Option<&'a str> {
        read(headers, &self.full_name(config))
    }

    fn old<'a>(&self, config: &Config, headers: &'a HeaderMap) -> Option<&'a str> {
        config.is_https().then(|| read(headers, self.name)).flatten()
    }

    fn full_name(&self, config: &Config) -> String {
        let prefix = if config.is_https() { "__Host-" } else { "" };
        format!("{prefix}{}", self.name)
    }

    fn write(&self, config: &Config, text: &str, seconds: i64) -> Result<HeaderValue, ApiError> {
        let path = if config.is_https() { "/" } else { self.path };
        value(&self.full_name(config), text, path, self.same_site, seconds, config.is_https())
    }
}

fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
}

fn value(
    name: &str,
    text: &str,
    path: &str,
    same_site: &str,
    seconds: i64,
    is_secure: bool,
) -> Result<HeaderValue, ApiError> {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{name}={text}; HttpOnly; SameSite={same_site}; Path={path}; Max-Age={seconds}{secure}");
    HeaderValue::try_from(text).map_err(ApiError::internal)
}
