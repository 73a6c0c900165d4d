//! Who is asking, and what they may do.
//!
//! Somebody asks by a login (a bearer token, or the cookie of the web app), which is good for everything that is theirs, or
//! by an API token, which is good for what its scopes name. A handler says in its signature whom it answers: [`SignedIn`]
//! takes logins alone, [`Authorized`] takes API tokens of one scope besides, [`Superuser`] takes few. So a route that says
//! nothing of API tokens refuses them.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, header};
use sotto_domain::account::{Standing, User};
use sotto_domain::api_token::{ApiTokenStanding, Scope, USE_SECONDS};
use sotto_domain::{SessionId, UserId};

use crate::api_token::ApiSecret;
use crate::app::App;
use crate::cookies;
use crate::error::{ApiError, Code};
use crate::tokens::Kind;

/// Who is asking.
pub struct Caller(Pass);

/// By what they ask.
enum Pass {
    Login(SessionId, Arc<Standing>),
    Token(Arc<ApiTokenStanding>),
}

impl Caller {
    /// The account, as of at most [`crate::config::STANDING_SECONDS`] ago.
    pub fn user(&self) -> &User {
        match &self.0 {
            Pass::Login(_, standing) => &standing.user,
            Pass::Token(standing) => &standing.user,
        }
    }

    /// Whose rows the request is about.
    pub fn id(&self) -> UserId {
        self.user().id
    }

    /// The login that they came by; none with an API token, which opens no secret tag.
    pub fn login(&self) -> Option<SessionId> {
        match &self.0 {
            Pass::Login(session, _) => Some(*session),
            Pass::Token(_) => None,
        }
    }

    fn may(&self, scope: Scope) -> bool {
        match &self.0 {
            Pass::Login(..) => true,
            Pass::Token(standing) => standing.token.scopes.allow(scope),
        }
    }

    async fn of(parts: &Parts, app: &App) -> Result<Self, ApiError> {
        const NOBODY: ApiError =
            ApiError::Unauthorized(Code::NotSignedIn, "Sign in first: this needs a bearer token or a session cookie.");
        if let Some(token) = bearer(&parts.headers) {
            return if ApiSecret::looks_like(token) {
                Self::by_token(app, token).await
            } else {
                Self::by_login(app, token).await
            };
        }
        refuse_cross_site(parts)?;
        let token = cookies::access(&parts.headers);
        Self::by_login(app, token.ok_or(NOBODY)?).await
    }

    async fn by_login(app: &App, token: &str) -> Result<Self, ApiError> {
        const WRONG: ApiError = ApiError::Unauthorized(
            Code::InvalidToken,
            "The access token is not valid, or no longer; refresh it or sign in again.",
        );
        let claims = app.tokens.read(token, app.now()).filter(|claims| claims.kind == Kind::Access).ok_or(WRONG)?;
        let standing = standing(app, claims.sub, claims.sid).await?.ok_or(LOGIN_ENDED)?;
        Ok(Self(Pass::Login(claims.sid, standing)))
    }

    async fn by_token(app: &App, token: &str) -> Result<Self, ApiError> {
        const WRONG: ApiError = ApiError::Unauthorized(
            Code::InvalidToken,
            "The API token is not valid, or no longer; make another one in the settings.",
        );
        let secret = ApiSecret::parse(token).ok_or(WRONG)?;
        let standing = token_standing(app, &secret.hash()).await?.ok_or(WRONG)?;
        Ok(Self(Pass::Token(standing)))
    }
}

/// A login that was good has ended.
pub const LOGIN_ENDED: ApiError = ApiError::Unauthorized(Code::LoginEnded, "This login has ended; sign in again.");

/// A user who is signed in. API tokens are refused.
pub struct SignedIn {
    caller: Caller,
    /// The login.
    pub session: SessionId,
}

impl Deref for SignedIn {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::of(parts, app).await?;
        let session = caller.login().ok_or(ApiError::Forbidden(
            Code::NoApiTokens,
            "No API token is good for this, whatever its scopes: it takes somebody who is signed in.",
        ))?;
        Ok(Self { caller, session })
    }
}

/// Somebody who is signed in, or an API token of the scope that is needed: `Authorized<EntriesRead>`.
pub struct Authorized<N>(Caller, PhantomData<N>);

impl<N> Deref for Authorized<N> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl<N: Need> FromRequestParts<App> for Authorized<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::of(parts, app).await?;
        if caller.may(N::SCOPE) {
            Ok(Self(caller, PhantomData))
        } else {
            Err(ApiError::Forbidden(Code::MissingScope, N::REFUSAL))
        }
    }
}

/// What a handler needs an API token to be good for.
pub trait Need: Send + Sync {
    /// The scope.
    const SCOPE: Scope;
    /// What those without it are told.
    const REFUSAL: &'static str;
}

macro_rules! needs {
    ($($need:ident $name:literal)+) => {$(
        #[doc = concat!("The scope `", $name, "`.")]
        pub struct $need;

        impl Need for $need {
            const SCOPE: Scope = Scope::$need;
            const REFUSAL: &'static str =
                concat!("This API token is not good for this: it needs the scope ", $name, ".");
        }
    )+};
}
needs! {
    EntriesRead "entries:read"
    EntriesWrite "entries:write"
    TagsRead "tags:read"
    TagsWrite "tags:write"
    RemindersRead "reminders:read"
    RemindersWrite "reminders:write"
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
            Err(ApiError::Forbidden(Code::NotASuperuser, "This is for superusers: ask whoever runs the server."))
        }
    }
}

/// A login that stands, as of at most a few seconds ago, so that a busy client does not cost a read per request. `None` if
/// it has ended, or its user is deactivated.
///
/// # Errors
/// Those of storage.
pub async fn standing(app: &App, user: UserId, session: SessionId) -> Result<Option<Arc<Standing>>, ApiError> {
    let standing = match app.standings.get(&session) {
        Some(standing) => Some(standing),
        None => app.storage.sessions().standing(user, session).await?.map(|read| {
            let standing = Arc::new(read);
            app.standings.insert(session, standing.clone());
            standing
        }),
    };
    Ok(standing.filter(|standing| standing.user.is_active && standing.expires_at > app.now()))
}

/// What storage says of an API token that is good for something, as fresh as that of a login. Its use is noted when it is
/// read.
async fn token_standing(app: &App, hash: &[u8; 32]) -> Result<Option<Arc<ApiTokenStanding>>, ApiError> {
    let now = app.now();
    let is_good =
        |it: &Arc<ApiTokenStanding>| it.user.is_active && it.token.expires_at.is_none_or(|expires_at| expires_at > now);
    if let Some(standing) = app.token_standings.get(hash) {
        return Ok(Some(standing).filter(is_good));
    }
    let read = app.storage.api_tokens().standing(hash).await?.map(Arc::new);
    let Some(standing) = read.filter(is_good) else { return Ok(None) };
    app.token_standings.insert(*hash, standing.clone());
    let token = &standing.token;
    if token.last_used_at.is_none_or(|used| used.plus_seconds(USE_SECONDS) <= now) {
        // Nobody is turned away because this could not be written.
        if let Err(error) = app.storage.api_tokens().note_use(token.user_id, token.id, now).await {
            app.monitor.note(&error);
            tracing::warn!(%error, token = %token.id, "the use of an API token could not be noted");
        }
    }
    Ok(Some(standing))
}

/// The token of `Authorization: Bearer …` (RFC 6750).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Refuses a request that another site made a browser send. `SameSite=Strict` does so already; this is for browsers
/// that do not know it, and for a sibling domain that counts as the same site.
pub fn refuse_cross_site(parts: &Parts) -> Result<(), ApiError> {
    const FOREIGN: ApiError =
        ApiError::Forbidden(Code::ForeignOrigin, "Another site sent this request; it was refused.");
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
    if foreign { Err(FOREIGN) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_scope() {
        fn check<N: Need>() {
            assert!(N::REFUSAL.ends_with(&format!(" {}.", N::SCOPE.name())), "{}", N::REFUSAL);
        }
        check::<EntriesRead>();
        check::<EntriesWrite>();
        check::<TagsRead>();
        check::<TagsWrite>();
        check::<RemindersRead>();
        check::<RemindersWrite>();
    }
}
