//! The caller of a request, and what the caller may do.
//!
//! A session (a bearer token, or the cookie of the web app) may do everything with the user's own data. An API token
//! may do what its scopes allow. The extractor in a handler's signature says who is accepted: [`SignedIn`] accepts
//! sessions, [`RecentlySignedIn`] only those whose user has just proved who they are, [`Authorized`] also accepts API
//! tokens with one scope, [`Superuser`] accepts sessions of superusers. So a route that does not mention API tokens
//! refuses them.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, header};
use sotto_domain::account::User;
use sotto_domain::api_token::{ApiTokenWithUser, Scope, USE_INTERVAL_SECONDS};
use sotto_domain::session::SessionWithUser;
use sotto_domain::{SessionId, UserId};

use crate::app::App;
use crate::auth::api_tokens::ApiSecret;
use crate::auth::cookies;
use crate::auth::session_tokens::{TokenError, TokenKind};
use crate::config::READ_TURN_TIMEOUT;
use crate::http::error::{ApiError, Code};
use crate::http::share::Held;
use crate::user_slots::UserSlot;

/// A caller of a `GET` or `HEAD` request holds one of the user's turns to read, until it is dropped.
pub struct Caller(Credential, #[allow(dead_code, reason = "it only has to live as long")] Option<UserSlot>);

enum Credential {
    Session(SessionId, Arc<SessionWithUser>),
    ApiToken(Arc<ApiTokenWithUser>),
}

impl Caller {
    /// The account, at most [`crate::config::CREDENTIAL_CACHE_SECONDS`] old.
    pub fn user(&self) -> &User {
        match &self.0 {
            Credential::Session(_, found) => &found.user,
            Credential::ApiToken(found) => &found.user,
        }
    }

    pub fn id(&self) -> UserId {
        self.user().id
    }

    /// The session. `None` with an API token, which cannot unlock a secret tag.
    pub fn session(&self) -> Option<SessionId> {
        match &self.0 {
            Credential::Session(session, _) => Some(*session),
            Credential::ApiToken(_) => None,
        }
    }

    fn may(&self, scope: Scope) -> bool {
        match &self.0 {
            Credential::Session(..) => true,
            Credential::ApiToken(found) => found.token.scopes.allow(scope),
        }
    }

    /// Identifies the caller, who takes one of the user's places for requests, and waits for a turn to read.
    ///
    /// The turns are taken here and not in storage, because here every route of a user passes and no job of the server
    /// does, on both engines alike.
    async fn authenticate(parts: &Parts, app: &App) -> Result<Self, ApiError> {
        let mut caller = Self::identify(parts, app).await?;
        if let Some(held) = parts.extensions.get::<Held>() {
            app.shares.enter(caller.id(), held).await?;
        }
        if parts.method.is_safe() {
            let turn = app.read_turns.wait(caller.id(), READ_TURN_TIMEOUT).await;
            caller.1 = Some(turn.ok_or(ApiError::Busy)?);
        }
        Ok(caller)
    }

    async fn identify(parts: &Parts, app: &App) -> Result<Self, ApiError> {
        const NOT_SIGNED_IN: ApiError = ApiError::Unauthorized(
            Code::NotSignedIn,
            "Sign in first: this request needs a bearer token or a session cookie.",
        );
        if let Some(token) = bearer(&parts.headers) {
            return if ApiSecret::looks_like(token) {
                Self::by_api_token(app, token).await
            } else {
                Self::by_session(app, token).await
            };
        }
        refuse_cross_site(parts)?;
        let token = cookies::access(&app.config, &parts.headers);
        Self::by_session(app, token.ok_or(NOT_SIGNED_IN)?).await
    }

    async fn by_session(app: &App, token: &str) -> Result<Self, ApiError> {
        const WRONG: ApiError = ApiError::Unauthorized(
            Code::InvalidToken,
            "The access token is invalid or expired; refresh it or sign in again.",
        );
        const AHEAD: ApiError = ApiError::Unauthorized(
            Code::InvalidToken,
            "The access token was signed by a clock that is far ahead of this server's; refresh it or sign in again.",
        );
        let claims = app.session_tokens.read(token, app.now()).map_err(|why| match why {
            TokenError::Invalid => WRONG,
            TokenError::Ahead(seconds) => {
                app.clock_monitor.note_token_ahead(seconds, app.clock.as_ref());
                AHEAD
            }
        })?;
        if claims.kind != TokenKind::Access {
            return Err(WRONG);
        }
        let session = valid_session(app, claims.sub, claims.sid).await?.ok_or(SESSION_ENDED)?;
        Ok(Self(Credential::Session(claims.sid, session), None))
    }

    async fn by_api_token(app: &App, token: &str) -> Result<Self, ApiError> {
        const WRONG: ApiError = ApiError::Unauthorized(
            Code::InvalidToken,
            "The API token is invalid or expired; create another one in the settings.",
        );
        let secret = ApiSecret::parse(token).ok_or(WRONG)?;
        let api_token = valid_api_token(app, &secret.hash()).await?.ok_or(WRONG)?;
        Ok(Self(Credential::ApiToken(api_token), None))
    }
}

/// A session that was valid has ended.
pub const SESSION_ENDED: ApiError = ApiError::Unauthorized(Code::LoginEnded, "This session has ended; sign in again.");

/// A user with a session. API tokens are refused.
pub struct SignedIn {
    caller: Caller,
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
        let caller = Caller::authenticate(parts, app).await?;
        let session = caller.session().ok_or(ApiError::Forbidden(
            Code::NoApiTokens,
            "API tokens cannot be used for this request; sign in instead.",
        ))?;
        Ok(Self { caller, session })
    }
}

impl SignedIn {
    /// Refuses a session whose user has not proved who they are within the last
    /// [`RECENT_SECONDS`](sotto_domain::session::RECENT_SECONDS). For actions that would make a stolen session
    /// permanent, or take everything at once.
    pub async fn require_recent(&self, app: &App) -> Result<(), ApiError> {
        const CONFIRM: ApiError = ApiError::Forbidden(
            Code::ConfirmSignIn,
            "Confirm that it is you first: send your password to /api/auth/confirm, or sign in again with your provider.",
        );
        // Read from storage: another node or the operator may have confirmed or ended the session a moment ago.
        let session = stored_session(app, self.id(), self.session).await?.ok_or(SESSION_ENDED)?;
        if session.is_recent(app.now()) { Ok(()) } else { Err(CONFIRM) }
    }
}

/// A user with a session who has proved a short time ago who they are; see [`SignedIn::require_recent`].
pub struct RecentlySignedIn(pub SignedIn);

impl Deref for RecentlySignedIn {
    type Target = SignedIn;

    fn deref(&self) -> &SignedIn {
        &self.0
    }
}

impl FromRequestParts<App> for RecentlySignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let signed_in = SignedIn::from_request_parts(parts, app).await?;
        signed_in.require_recent(app).await?;
        Ok(Self(signed_in))
    }
}

/// A user with a session, or an API token with the required scope: `Authorized<EntriesRead>`.
pub struct Authorized<N>(Caller, PhantomData<N>);

impl<N> Deref for Authorized<N> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl<N: RequiredScope> FromRequestParts<App> for Authorized<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::authenticate(parts, app).await?;
        if caller.may(N::SCOPE) {
            Ok(Self(caller, PhantomData))
        } else {
            Err(ApiError::Forbidden(Code::MissingScope, N::REFUSAL))
        }
    }
}

/// The scope that a handler requires of an API token.
pub trait RequiredScope: Send + Sync {
    const SCOPE: Scope;
    /// The sentence for API tokens without the scope.
    const REFUSAL: &'static str;
}

macro_rules! required_scopes {
    ($($need:ident $name:literal)+) => {$(
        #[doc = concat!("The scope `", $name, "`.")]
        pub struct $need;

        impl RequiredScope for $need {
            const SCOPE: Scope = Scope::$need;
            const REFUSAL: &'static str =
                concat!("This API token lacks a scope for this request: ", $name, ".");
        }
    )+};
}
required_scopes! {
    EntriesRead "entries:read"
    EntriesWrite "entries:write"
    TagsRead "tags:read"
    TagsWrite "tags:write"
    RemindersRead "reminders:read"
    RemindersWrite "reminders:write"
}

/// A signed-in superuser, who has recently proved who they are if the request is a change.
pub struct Superuser(pub SignedIn);

impl FromRequestParts<App> for Superuser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let signed_in = SignedIn::from_request_parts(parts, app).await?;
        if signed_in.user().is_superuser {
            // Otherwise an open browser would be enough to take over every account, the superuser's own included.
            if !parts.method.is_safe() {
                signed_in.require_recent(app).await?;
            }
            Ok(Self(signed_in))
        } else {
            Err(ApiError::Forbidden(
                Code::NotASuperuser,
                "Only superusers may do this; ask the operator of this server.",
            ))
        }
    }
}

/// A valid session, cached for a few seconds so that a busy client does not cost a read per request. `None` if the
/// session has ended or is not this user's, or if the user is deactivated.
pub async fn valid_session(app: &App, user: UserId, id: SessionId) -> Result<Option<Arc<SessionWithUser>>, ApiError> {
    let session = match app.session_cache.get(&id) {
        // The cache knows sessions by their id alone.
        Some(session) => Some(session).filter(|session| session.user.id == user),
        None => read_session(app, user, id).await?,
    };
    Ok(session.filter(|session| is_valid(session, app)))
}

/// The same for a change that outlives the session, without the cache.
pub async fn stored_session(app: &App, user: UserId, id: SessionId) -> Result<Option<Arc<SessionWithUser>>, ApiError> {
    Ok(read_session(app, user, id).await?.filter(|session| is_valid(session, app)))
}

fn is_valid(session: &SessionWithUser, app: &App) -> bool {
    session.user.is_active && session.expires_at > app.now()
}

/// A session as it is stored, active or not, which is cached from now on.
async fn read_session(app: &App, user: UserId, id: SessionId) -> Result<Option<Arc<SessionWithUser>>, ApiError> {
    let session = app.storage.sessions().get_with_user(user, id).await?.map(Arc::new);
    if let Some(session) = &session {
        app.session_cache.insert(id, session.clone());
    }
    Ok(session)
}

/// A valid API token, cached like a session. Reading it from storage also notes its use.
async fn valid_api_token(app: &App, hash: &[u8; 32]) -> Result<Option<Arc<ApiTokenWithUser>>, ApiError> {
    let now = app.now();
    let is_good =
        |it: &Arc<ApiTokenWithUser>| it.user.is_active && it.token.expires_at.is_none_or(|expires_at| expires_at > now);
    if let Some(found) = app.api_token_cache.get(hash) {
        return Ok(Some(found).filter(is_good));
    }
    let read = app.storage.api_tokens().find_with_user(hash).await?.map(Arc::new);
    let Some(found) = read.filter(is_good) else { return Ok(None) };
    app.api_token_cache.insert(*hash, found.clone());
    let api_token = &found.token;
    if api_token.last_used_at.is_none_or(|used| !used.is_within(USE_INTERVAL_SECONDS, now)) {
        // A failure to note the use does not fail the request.
        if let Err(error) = app.storage.api_tokens().note_use(api_token.user_id, api_token.id, now).await {
            app.monitor.note(&error);
            tracing::warn!(%error, token = %api_token.id, "the use of an API token could not be recorded");
        }
    }
    Ok(Some(found))
}

/// The token of `Authorization: Bearer …` (RFC 6750).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Refuses a request that another site has made the browser send. `SameSite=Strict` prevents that already; this check
/// is for browsers without it, and for sibling domains, which count as the same site.
pub fn refuse_cross_site(parts: &Parts) -> Result<(), ApiError> {
    const FOREIGN: ApiError =
        ApiError::Forbidden(Code::ForeignOrigin, "The request was refused because another site sent it.");
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
        fn check<N: RequiredScope>() {
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
