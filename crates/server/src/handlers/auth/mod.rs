//! Signing up, signing in, exchanging tokens and signing out.

pub mod confirm;
pub mod oidc;

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Extension, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sotto_domain::account::{self, Email, GivenAddress, NewUser, Owner, Password, Preferences};
use sotto_domain::security_event::SecurityEventKind;
use sotto_domain::session::{Rotation, SESSION_SECONDS, Session};
use sotto_domain::text::Check;
use sotto_domain::{Flaw, SessionId, UserId, Zone};
use utoipa::ToSchema;

use super::users::account::UserResponse;
use super::{Message, message};

use crate::app::App;
use crate::audit::{self, Event, Origin, Unstored, user_agent};
use crate::auth::addresses::{self, expect_no_earlier_form};
use crate::auth::cookies;
use crate::auth::registration;
use crate::auth::session_tokens::TokenKind;
use crate::auth::{SESSION_ENDED, bearer, refuse_cross_site};
use crate::config::{ACCESS_SECONDS, Registration};
use crate::http::body::body;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{self, media_type, parse_form, parse_json};
use crate::http::middleware::ClientAddress;

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// The address to sign in with.
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// At least 8 characters and at most 1,024 bytes; not one that is easy to guess, nor the address or the name.
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    password: String,
    /// The name to address you by.
    #[schema(min_length = 1, max_length = 200)]
    full_name: Option<String>,
    /// An IANA time zone, such as `Europe/Berlin`; `UTC` by default.
    time_zone: Option<String>,
}

/// Sign up.
///
/// On a new server, the first account is a superuser's, and sign-up is closed from then on, unless the operator opens it.
#[utoipa::path(post, path = "/api/auth/register", tag = "auth", request_body = RegisterRequest, responses(
    (status = 201, body = UserResponse),
    (status = 403, description = "Sign-up is closed on this server."),
    (status = 409, description = "The address already has an account."),
    (status = 429, description = "Too many sign-ups; wait `Retry-After` seconds."),
))]
pub async fn register(
    State(app): State<App>,
    Extension(client): Extension<ClientAddress>,
    origin: Origin,
    extract::Json(request): extract::Json<RegisterRequest>,
) -> Result<(StatusCode, Json<UserResponse>), ApiError> {
    if !registration::is_possible(&app).await? {
        return Err(SIGN_UP_CLOSED);
    }
    let mut check = Check::default();
    let email = check.accept("email", Email::parse(&request.email));
    let owner = Owner { email: &request.email, full_name: request.full_name.as_deref() };
    let password = check.accept("password", Password::parse(&request.password, owner));
    let full_name = request.full_name.and_then(|name| check.accept("full_name", account::full_name(&name)));
    let time_zone = request.time_zone.map_or(Some(Zone::utc()), |name| check.accept("time_zone", account::zone(&name)));
    let ((email, password), time_zone) = check.finish(email.zip(password).zip(time_zone))?;
    app.rate_limits.check_sign_up(client.0)?;
    expect_no_earlier_form(app.storage.users(), &email, None).await?;

    let password_hash = Some(app.hasher.for_client(client.0, false).hash(password).await?);
    let id = UserId::new(app.clock.as_ref(), app.random.as_ref());
    let is_superuser = app.config.registration == Registration::First;
    let new = NewUser { id, email, email_verified: false, password_hash, full_name, is_superuser, time_zone };
    let users = app.storage.users();
    let user = match app.config.registration {
        Registration::First => users.create_first(&new, app.now()).await?.ok_or(SIGN_UP_CLOSED)?,
        _ => users.create(&new, None, app.now()).await?,
    };
    audit::record(&app, &origin, Event::unstored(Some(user.id), Unstored::AccountCreated)).await;
    Ok((StatusCode::CREATED, Json(UserResponse::new(user, Preferences::default()))))
}

const SIGN_UP_CLOSED: ApiError =
    ApiError::Forbidden(Code::SignUpClosed, "Sign-up is closed on this server; ask its operator for an account.");

/// E-mail address and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The address of your account.
    email: String,
    /// Your password.
    #[schema(format = Password)]
    password: String,
    /// For the web app: return the tokens in cookies that scripts cannot read, and not in the body.
    #[serde(default)]
    cookie: bool,
}

/// The OAuth 2.0 password form (RFC 6749, section 4.3.2). Other fields are ignored.
#[derive(Deserialize, ToSchema)]
pub struct PasswordForm {
    /// The e-mail address of your account.
    username: String,
    /// Your password.
    #[schema(format = Password)]
    password: String,
}

impl FromRequest<App> for LoginRequest {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        match media_type(request.headers()) {
            Some("application/json") => parse_json(&body(request, app).await?),
            Some("application/x-www-form-urlencoded") => {
                let form: PasswordForm = parse_form(&body(request, app).await?, "body")?;
                Ok(Self { email: form.username, password: form.password, cookie: false })
            }
            _ => Err(ApiError::UnsupportedMediaType(
                "Send the body as application/json or application/x-www-form-urlencoded.",
            )),
        }
    }
}

/// A pair of tokens. They are absent if they are in cookies.
#[derive(Serialize, ToSchema)]
pub struct TokenResponse {
    /// For requests: `Authorization: Bearer …`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    access_token: Option<String>,
    /// For the next pair, once: `POST /api/auth/refresh`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// `bearer` or `cookie`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: i64,
}

/// Sign in.
#[utoipa::path(post, path = "/api/auth/login", tag = "auth",
    request_body(content((LoginRequest = "application/json"), (PasswordForm = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, body = TokenResponse),
        (status = 401, description = "Wrong address or password."),
        (status = 403, description = "The account is deactivated."),
        (status = 429, description = "Too many attempts; wait `Retry-After` seconds."),
    ))]
pub async fn login(
    State(app): State<App>,
    Extension(client): Extension<ClientAddress>,
    origin: Origin,
    headers: HeaderMap,
    request: LoginRequest,
) -> Result<Response, ApiError> {
    const WRONG: ApiError = ApiError::Unauthorized(Code::WrongLogin, "The e-mail address or the password is wrong.");
    // An invalid address has no account, and must look the same as one without an account.
    let address = GivenAddress::parse(&request.email).ok_or(WRONG)?;
    if request.password.len() > 1024 {
        return Err(WRONG);
    }
    let email = &address.email;
    let attempt = app.rate_limits.begin_login(client.0, email)?;
    let hasher = app.hasher.for_client(client.0, app.rate_limits.knows(client.0, email));
    let credentials = addresses::find(app.storage.users(), &address).await.map_err(ApiError::from);
    let (attempt, credentials) = attempt.checked(credentials)?;
    let (user, hash) = credentials.map_or((None, None), |found| (Some(found.user), found.password_hash));
    let refused = Event::unstored(user.as_ref().map(|user| user.id), Unstored::SignInRefused).with_address(email);
    let (attempt, matches) = attempt.checked(hasher.verify(request.password, hash.clone()).await)?;
    let Some(user) = user.filter(|_| matches) else {
        metrics::counter!("sotto_logins_total", "outcome" => "refused").increment(1);
        audit::record(&app, &origin, refused.because("wrong_login")).await;
        return Err(WRONG);
    };
    attempt.succeeded();
    if !user.is_active {
        metrics::counter!("sotto_logins_total", "outcome" => "deactivated").increment(1);
        audit::record(&app, &origin, refused.because("deactivated")).await;
        return Err(ApiError::Forbidden(
            Code::AccountDeactivated,
            "This account is deactivated; ask the operator of this server.",
        ));
    }
    let session = open_session(&app, user.id, &headers).await?;
    // While the password was being checked, it may have been changed, which ended the sessions that there were.
    let stored = app.storage.users().credentials(&user.email).await?;
    if !stored.is_some_and(|stored| stored.user.id == user.id && stored.password_hash == hash) {
        app.storage.sessions().end(user.id, session.id).await?;
        return Err(WRONG);
    }
    metrics::counter!("sotto_logins_total", "outcome" => "accepted").increment(1);
    audit::record(&app, &origin, Event::of(user.id, SecurityEventKind::SignedIn).session(session.id)).await;
    let mut response = token_response(&app, &session, request.cookie)?;
    if request.cookie {
        // Another user may have gone to a provider in this browser, and must not come back into this session.
        response.headers_mut().append(header::SET_COOKIE, cookies::set_handshake(&app.config, "")?);
    }
    Ok(response)
}

/// A refresh token, unless it is in a cookie.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The refresh token of the last pair.
    refresh_token: Option<String>,
}

/// Exchange a refresh token for the next pair.
///
/// Each refresh token works once. A token that is used again after 10 seconds must have been copied, so it ends the
/// session.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "auth", request_body = RefreshRequest, responses(
    (status = 200, body = TokenResponse),
    (status = 401, description = "The token is invalid or expired."),
    (status = 403, description = "Another site sent the request with a cookie."),
))]
pub async fn refresh(State(app): State<App>, origin: Origin, request: Request) -> Result<Response, ApiError> {
    let (parts, content) = request.into_parts();
    let cookie = cookies::refresh(&app.config, &parts.headers).map(str::to_owned);
    let old_cookie = cookies::old_refresh(&app.config, &parts.headers).filter(|_| cookie.is_none()).map(str::to_owned);
    if cookie.is_some() || old_cookie.is_some() {
        refuse_cross_site(&parts)?;
    }
    // The web app sends no body.
    let request: RefreshRequest = if media_type(&parts.headers).is_none() && (cookie.is_some() || old_cookie.is_some())
    {
        RefreshRequest::default()
    } else {
        extract::Json::from_request(Request::from_parts(parts, content), &app).await?.0
    };
    let by_cookie = request.refresh_token.is_none();
    let by_old_cookie = by_cookie && old_cookie.is_some();
    let token = request.refresh_token.or(cookie).or(old_cookie);
    let token = token.ok_or_else(|| ApiError::invalid("body", "refresh_token", &Flaw::Missing("must be given")))?;

    let now = app.now();
    let claims = app.session_tokens.read(&token, now).map_err(|_| SESSION_ENDED)?;
    let TokenKind::Refresh { generation, knows_prefix } = claims.kind else { return Err(SESSION_ENDED) };
    if by_old_cookie && knows_prefix {
        return Err(SESSION_ENDED);
    }
    let expires_at = now.plus_seconds(SESSION_SECONDS);
    match app.storage.sessions().rotate(claims.sub, claims.sid, generation, expires_at, now).await? {
        Rotation::Rotated(session) => {
            let mut response = token_response(&app, &session, by_cookie)?;
            if by_old_cookie {
                for deleted in cookies::clear_old(&app.config)? {
                    response.headers_mut().append(header::SET_COOKIE, deleted);
                }
            }
            Ok(response)
        }
        Rotation::Reused => {
            app.session_cache.invalidate(&claims.sid);
            let reused = Event::of(claims.sub, SecurityEventKind::RefreshTokenReused).session(claims.sid);
            audit::record(&app, &origin, reused).await;
            Err(SESSION_ENDED)
        }
        Rotation::Missing => Err(SESSION_ENDED),
    }
}

/// Sign out.
///
/// The sessions that the request has tokens of end: a bearer token, the cookies, and `refresh_token` in the body. Any
/// one of them is enough, so a client whose access token has expired can sign out too. A refresh token that was
/// exchanged before still ends its session. Without a valid token there is nothing to end, and the response is the
/// same. It deletes all cookies.
#[utoipa::path(post, path = "/api/auth/logout", tag = "auth", request_body = Option<RefreshRequest>, responses(
    (status = 200, body = Message),
    (status = 403, description = "Another site sent the request."),
))]
pub async fn logout(State(app): State<App>, origin: Origin, request: Request) -> Result<Response, ApiError> {
    let (parts, content) = request.into_parts();
    // The response deletes cookies even if the request has none, so another site may not send it at all. A browser lets
    // no other site set the header `Authorization`.
    if bearer(&parts.headers).is_none() {
        refuse_cross_site(&parts)?;
    }
    let is_json = media_type(&parts.headers) == Some("application/json");
    let tokens = bearer(&parts.headers).into_iter().chain(cookies::all_tokens(&app.config, &parts.headers));
    let mut tokens: Vec<String> = tokens.map(str::to_owned).collect();
    if is_json {
        let content = body(Request::from_parts(parts, content), &app).await?;
        let request = if content.is_empty() { None } else { parse_json::<Option<RefreshRequest>>(&content)? };
        tokens.extend(request.and_then(|request| request.refresh_token));
    }
    for (user, session) in sessions_of(&app, &tokens) {
        if app.storage.sessions().end(user, session).await? {
            audit::record(&app, &origin, Event::of(user, SecurityEventKind::SignedOut).session(session)).await;
        }
        app.session_cache.invalidate(&session);
    }
    Ok((cookies::clear_all(&app.config)?, message("Signed out successfully")).into_response())
}

/// The sessions of these tokens, each once. Expired and forged tokens name none. The generation of a refresh token does
/// not matter here: the holder of an older one can end the session anyway, by using it.
fn sessions_of(app: &App, tokens: &[String]) -> BTreeSet<(UserId, SessionId)> {
    let claims = tokens.iter().filter_map(|token| app.session_tokens.read(token, app.now()).ok());
    claims.map(|claims| (claims.sub, claims.sid)).collect()
}

/// Starts a session for a user who has proved their identity.
pub(super) async fn open_session(app: &App, user: UserId, headers: &HeaderMap) -> Result<Session, ApiError> {
    let now = app.now();
    let session = Session {
        id: SessionId::new(app.clock.as_ref(), app.random.as_ref()),
        user_id: user,
        generation: 1,
        rotated_at: now,
        expires_at: now.plus_seconds(SESSION_SECONDS),
        confirmed_at: None,
        user_agent: user_agent(headers),
        created_at: now,
    };
    app.storage.sessions().start(&session).await?;
    Ok(session)
}

/// The `Set-Cookie` headers with the tokens of a session.
pub(super) fn session_cookies(app: &App, session: &Session) -> Result<HeaderMap, ApiError> {
    let (access, refresh) = issue_tokens(app, session)?;
    cookies::set_tokens(&app.config, &access, &refresh)
}

fn issue_tokens(app: &App, session: &Session) -> Result<(String, String), ApiError> {
    let access = app.session_tokens.access(session.user_id, session.id, app.now())?;
    let refresh = app.session_tokens.refresh(session.user_id, session.id, session.generation, session.expires_at)?;
    Ok((access, refresh))
}

fn token_response(app: &App, session: &Session, by_cookie: bool) -> Result<Response, ApiError> {
    if by_cookie {
        let body =
            TokenResponse { access_token: None, refresh_token: None, token_type: "cookie", expires_in: ACCESS_SECONDS };
        return Ok((session_cookies(app, session)?, Json(body)).into_response());
    }
    let (access, refresh) = issue_tokens(app, session)?;
    let body = TokenResponse {
        access_token: Some(access),
        refresh_token: Some(refresh),
        token_type: "bearer",
        expires_in: ACCESS_SECONDS,
    };
    Ok(Json(body).into_response())
}
