//! Who is asking: bearer tokens and, for the web app, cookies.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use sotto_domain::account::{Standing, User};
use sotto_domain::{SessionId, UserId};

use crate::app::App;
use crate::config::{ACCESS_SECONDS, Config, SESSION_SECONDS};
use crate::error::ApiError;
use crate::tokens::Kind;

/// The cookie with the access token, sent to the API only.
const ACCESS_COOKIE: &str = "sotto_access";
/// The cookie with the refresh token, sent to the sign-in addresses only.
const REFRESH_COOKIE: &str = "sotto_refresh";

/// A signed-in user and the login that they came by.
pub struct SignedIn {
    standing: Arc<Standing>,
    /// The login.
    pub session: SessionId,
}

impl SignedIn {
    /// The account, as of at most [`crate::config::STANDING_SECONDS`] ago.
    pub fn user(&self) -> &User {
        &self.standing.user
    }

    /// Whose rows the request is about.
    pub fn id(&self) -> UserId {
        self.standing.user.id
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let token = if let Some(token) = bearer(&parts.headers) {
            token
        } else {
            refuse_cross_site(parts)?;
            cookie(&parts.headers, ACCESS_COOKIE)
                .ok_or(ApiError::Unauthorized("Sign in first: this needs a bearer token or a session cookie."))?
        };
        let now = app.now();
        let claims = app.tokens.read(token, now).filter(|claims| claims.kind == Kind::Access).ok_or(
            ApiError::Unauthorized("The access token is not valid, or no longer; refresh it or sign in again."),
        )?;
        let standing = standing(app, claims.sub, claims.sid).await?;
        let standing = standing
            .filter(|standing| standing.user.is_active && standing.expires_at > now)
            .ok_or(ApiError::Unauthorized("This login has ended; sign in again."))?;
        Ok(Self { standing, session: claims.sid })
    }
}

/// A signed-in user who administers this server.
pub struct Superuser(pub SignedIn);

impl FromRequestParts<App> for Superuser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let signed_in = SignedIn::from_request_parts(parts, app).await?;
        if signed_in.user().is_superuser {
            Ok(Self(signed_in))
        } else {
            Err(ApiError::Forbidden("This is for superusers: ask whoever runs the server."))
        }
    }
}

/// What storage says of a login, at most a few seconds old, so that a busy client does not cost a read per request.
async fn standing(app: &App, user: UserId, session: SessionId) -> Result<Option<Arc<Standing>>, ApiError> {
    if let Some(standing) = app.standings.get(&session) {
        return Ok(Some(standing));
    }
    let standing = app.storage.sessions().standing(user, session).await?.map(Arc::new);
    if let Some(standing) = &standing {
        app.standings.insert(session, standing.clone());
    }
    Ok(standing)
}

/// The token of `Authorization: Bearer …` (RFC 6750).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The refresh token of the web app.
pub fn refresh_cookie(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, REFRESH_COOKIE)
}

/// Refuses a request that another site made a browser send. `SameSite=Strict` does so already; this is for browsers
/// that do not know it, and for a sibling domain that counts as the same site.
pub fn refuse_cross_site(parts: &Parts) -> Result<(), ApiError> {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(&parts.method) {
        return Ok(());
    }
    let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let foreign = match text(HeaderName::from_static("sec-fetch-site")) {
        Some(site) => !["same-origin", "none"].contains(&site),
        None => match (text(header::ORIGIN), text(header::HOST)) {
            (Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, origin)| origin != host),
            (Some(_), None) => true,
            (None, _) => false,
        },
    };
    if foreign { Err(ApiError::Forbidden("Another site sent this request; it was refused.")) } else { Ok(()) }
}

/// The `Set-Cookie` headers that hand a pair of tokens to the web app, out of reach of scripts.
pub fn set_cookies(config: &Config, access: &str, refresh: &str) -> Result<HeaderMap, ApiError> {
    cookies(config, [(access, ACCESS_SECONDS), (refresh, SESSION_SECONDS)])
}

/// The `Set-Cookie` headers that take them away.
pub fn clear_cookies(config: &Config) -> Result<HeaderMap, ApiError> {
    cookies(config, [("", 0), ("", 0)])
}

fn cookies(config: &Config, values: [(&str, i64); 2]) -> Result<HeaderMap, ApiError> {
    let secure = if config.is_https() { "; Secure" } else { "" };
    let mut headers = HeaderMap::new();
    let places = [(ACCESS_COOKIE, "/api"), (REFRESH_COOKIE, "/api/auth")];
    for ((name, path), (value, seconds)) in places.into_iter().zip(values) {
        let text = format!("{name}={value}; HttpOnly; SameSite=Strict; Path={path}; Max-Age={seconds}{secure}");
        headers.append(header::SET_COOKIE, HeaderValue::try_from(text).map_err(ApiError::internal)?);
    }
    Ok(headers)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
}
