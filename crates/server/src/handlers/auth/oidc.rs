//! Sign-in with a provider: the redirect to the provider, and the callback.
//!
//! Browsers navigate to these routes, so even errors are redirects: to a page of the web app that explains them.

use std::convert::Infallible;

use axum::extract::{Extension, FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sotto_domain::account::{GivenAddress, NewUser, User};
use sotto_domain::identity::Identity;
use sotto_domain::security_event::SecurityEventKind;
use sotto_domain::storage::StorageError;
use sotto_domain::{Flaw, IdentityId, SessionId, UserId, Zone};
use utoipa::IntoParams;

use super::{open_session, session_cookies};
use crate::app::App;
use crate::audit::{self, Event, Origin, Unstored};
use crate::auth::addresses;
use crate::auth::cookies;
use crate::auth::oidc::{Failure, Handshake, Provider, ProviderUser, Purpose};
use crate::auth::registration;
use crate::auth::{SignedIn, stored_session};
use crate::config::Registration;
use crate::http::error::ApiError;
use crate::http::extract::Query;
use crate::http::middleware::ClientAddress;

/// The provider's id in the path. An invalid id matches no provider.
pub struct ProviderId(String);

impl<S: Send + Sync> FromRequestParts<S> for ProviderId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(path.map_or_else(|_| String::new(), |path| path.0)))
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StartParams {
    /// The path to go to afterwards; `/` by default.
    #[param(max_length = 1024, pattern = r"^/($|[^/\\\x00-\x20\x7f-\x9f][^\\\x00-\x20\x7f-\x9f]*$)")]
    next: Option<String>,
    /// Link the identity to the signed-in account. Fails without a valid session that is recent.
    #[serde(default)]
    link: bool,
    /// Sign in again to confirm that it is you, in the same session. Fails without a valid session, or with an identity
    /// of another account. Excludes `link`.
    #[serde(default)]
    confirm: bool,
}

/// Start to sign in with a provider.
///
/// For browsers. The browser comes back signed in, by cookies; with `link` or `confirm`, in the same session as before.
/// It has to come back before a user signs in or out in this browser. Failures redirect to `/login?error=<code>`;
/// docs/sign-in.md lists the codes.
#[utoipa::path(get, path = "/api/auth/oidc/{provider}/start", tag = "auth", operation_id = "start_oidc",
    params(("provider" = String, Path, description = "The id of a provider"), StartParams),
    responses(
        (status = 303, description = "To the provider, or to `/login?error=<code>`.", headers(("location" = String, description = "The address to go to"))),
    )
)]
pub async fn start(
    State(app): State<App>,
    ProviderId(id): ProviderId,
    Query(params): Query<StartParams>,
    signed_in: Result<SignedIn, ApiError>,
) -> Result<Response, ApiError> {
    if params.link && params.confirm {
        return Err(ApiError::invalid("query", "confirm", &Flaw::Malformed("cannot be combined with link".into())));
    }
    let next = params.next.map_or_else(|| Ok("/".to_owned()), local_path)?;
    let begin = async {
        let purpose = match signed_in {
            _ if !params.link && !params.confirm => Purpose::SignIn,
            Err(ApiError::Unauthorized(..)) => return Err(Failure::SignInFirst),
            Err(other) => return Err(other.into()),
            Ok(signed_in) if params.link => {
                signed_in.require_recent(&app).await?;
                Purpose::Link(signed_in.id(), signed_in.session)
            }
            Ok(signed_in) => Purpose::Confirm(signed_in.id(), signed_in.session),
        };
        start_handshake(&app, &id, next, purpose).await
    };
    match begin.await {
        Ok((address, sealed)) => redirect(&address, cookies::set_handshake(&app.config, &sealed)?, HeaderMap::new()),
        Err(failure) => redirect_with_error(&app, &id, &failure),
    }
}

/// The parameters of the provider's redirect (RFC 6749, section 4.1.2).
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CallbackParams {
    /// Shows that the redirect belongs to this browser.
    state: Option<String>,
    /// The authorization code.
    code: Option<String>,
    /// The error, if there is no code.
    error: Option<String>,
    /// The issuer (RFC 9207).
    iss: Option<String>,
}

/// Finish to sign in with a provider.
///
/// For browsers. Providers redirect to this address.
#[utoipa::path(get, path = "/api/auth/oidc/{provider}/callback", tag = "auth", operation_id = "finish_oidc",
    params(("provider" = String, Path, description = "The id of a provider"), CallbackParams),
    responses(
        (status = 303, description = "To the requested path, or to `/login?error=<code>`.", headers(("location" = String, description = "The address to go to"))),
    )
)]
pub async fn finish(
    State(app): State<App>,
    Extension(client): Extension<ClientAddress>,
    origin: Origin,
    ProviderId(id): ProviderId,
    params: Result<Query<CallbackParams>, ApiError>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let sign_in = async {
        let provider = app.providers.get(&id)?;
        let Query(params) = params.map_err(|_| Failure::StateMismatch)?;
        let handshake = read_handshake(&app, provider, &params, &headers).await?;
        let attempt = app.rate_limits.begin_provider_sign_in(client.0)?;
        let code = params.code.ok_or_else(|| Failure::ProviderError("its response has no code".into()))?;
        let provider_user = provider.authenticate(code, &handshake, app.now()).await?;
        attempt.succeeded();
        match handshake.purpose {
            Purpose::SignIn => {}
            Purpose::Link(user, session) => {
                link(&app, &origin, user, session, &provider_user).await?;
                return Ok::<_, Failure>((handshake.next, HeaderMap::new()));
            }
            Purpose::Confirm(user, session) => {
                confirm(&app, &origin, user, session, &provider_user).await?;
                return Ok((handshake.next, HeaderMap::new()));
            }
        }
        let user = find_account(&app, client, &origin, &provider_user).await?;
        let session = open_session(&app, user.id, &headers).await?;
        metrics::counter!("sotto_logins_total", "outcome" => "accepted").increment(1);
        let signed_in = Event::of(user.id, SecurityEventKind::SignedInWithProvider).session(session.id);
        audit::record(&app, &origin, signed_in).await;
        Ok((handshake.next, session_cookies(&app, &session)?))
    };
    match sign_in.await {
        Ok((next, tokens)) => redirect(&next, cookies::set_handshake(&app.config, "")?, tokens),
        Err(failure) => {
            let refused = Event::unstored(None, Unstored::SignInRefused).because(failure.code());
            audit::record(&app, &origin, refused).await;
            redirect_with_error(&app, &id, &failure)
        }
    }
}

/// The provider's address, and the sealed handshake for the cookie.
async fn start_handshake(app: &App, id: &str, next: String, purpose: Purpose) -> Result<(String, String), Failure> {
    let provider = app.providers.get(id)?;
    let handshake = Handshake::new(id, next, purpose, app.random.as_ref(), app.now());
    let address = provider.authorization_url(&handshake, app.now()).await?;
    Ok((address.into(), app.providers.sealer.seal(&handshake, app.random.as_ref())?))
}

/// The handshake of this browser with this provider. Fails if the response does not belong to it or is an error.
async fn read_handshake(
    app: &App,
    provider: &Provider,
    callback: &CallbackParams,
    headers: &HeaderMap,
) -> Result<Handshake, Failure> {
    let kept = cookies::handshake(&app.config, headers).and_then(|sealed| app.providers.sealer.open(sealed));
    let state = callback.state.as_deref().unwrap_or_default();
    let begun = kept.filter(|kept| kept.is_answered_by(&provider.settings.id, state)).ok_or(Failure::StateMismatch)?;
    if begun.has_expired(app.now()) {
        return Err(Failure::Expired);
    }
    provider.check_issuer(callback.iss.as_deref(), app.now()).await?;
    match callback.error.as_deref() {
        None => Ok(begun),
        Some("access_denied") => Err(Failure::AccessDenied),
        Some(other) => Err(Failure::ProviderError(other.chars().filter(char::is_ascii_graphic).take(100).collect())),
    }
}

/// The account of an identity: the linked one, or the one with the same address if both the provider and this server
/// know that it is the user's, or a new one.
async fn find_account(
    app: &App,
    client: ClientAddress,
    origin: &Origin,
    provider_user: &ProviderUser,
) -> Result<User, Failure> {
    // Of two tabs at once, the second finds the account that the first has created.
    for _ in 0..2 {
        let user = match find_or_create(app, client, origin, provider_user).await {
            Err(Failure::ServerError(ApiError::Conflict(..))) => continue,
            other => other?,
        };
        return if user.is_active { Ok(user) } else { Err(Failure::Deactivated) };
    }
    Err(Failure::ServerError(ApiError::Busy))
}

async fn find_or_create(
    app: &App,
    client: ClientAddress,
    origin: &Origin,
    provider_user: &ProviderUser,
) -> Result<User, Failure> {
    let (identities, users) = (app.storage.identities(), app.storage.users());
    if let Some(user) = identities.find(&provider_user.issuer, &provider_user.subject).await? {
        note_proven_email(app, origin, user.id, provider_user).await?;
        return Ok(user);
    }
    let email = provider_user.email.clone().ok_or(Failure::EmailMissing)?;
    if !provider_user.email_verified {
        return Err(Failure::EmailNotVerified);
    }
    let given = GivenAddress::parse(email.as_str()).ok_or(Failure::EmailMissing)?;
    if let Some(found) = addresses::find(users, &given).await? {
        // The person who signed up with this address may not be its owner, and would keep a password to the account.
        if found.user.email_verified_at.is_none() || provider_user.proven_email() != Some(&found.user.email) {
            return Err(Failure::AddressNotVerified);
        }
        if found.user.is_active {
            identities.link(&new_identity(app, found.user.id, provider_user)).await?;
            audit::record(app, origin, Event::of(found.user.id, SecurityEventKind::IdentityLinked)).await;
        }
        return Ok(found.user);
    }
    if !registration::is_possible(app).await? {
        return Err(Failure::RegistrationClosed);
    }
    app.rate_limits.check_sign_up(client.0)?;
    let new = NewUser {
        id: UserId::new(app.clock.as_ref(), app.random.as_ref()),
        email,
        email_verified: provider_user.email_is_ascii,
        password_hash: None,
        full_name: provider_user.full_name.clone(),
        is_superuser: app.config.registration == Registration::First,
        time_zone: provider_user.time_zone.clone().unwrap_or_else(Zone::utc),
    };
    let identity = new_identity(app, new.id, provider_user);
    let picture = provider_user.avatar_url.as_deref();
    let user = match app.config.registration {
        Registration::First => identities.sign_up_first(&new, picture, &identity, app.now()).await?,
        _ => Some(identities.sign_up(&new, picture, &identity, app.now()).await?),
    };
    let user = user.ok_or(Failure::RegistrationClosed)?;
    audit::record(app, origin, Event::unstored(Some(user.id), Unstored::AccountCreated)).await;
    Ok(user)
}

/// Links the identity to the account whose session requested it, if the session is still valid.
async fn link(
    app: &App,
    origin: &Origin,
    user: UserId,
    session: SessionId,
    provider_user: &ProviderUser,
) -> Result<(), Failure> {
    stored_session(app, user, session).await?.ok_or(Failure::SignInFirst)?;
    let identities = app.storage.identities();
    match identities.link(&new_identity(app, user, provider_user)).await {
        Ok(()) => {
            audit::record(app, origin, Event::of(user, SecurityEventKind::IdentityLinked).session(session)).await;
            note_proven_email(app, origin, user, provider_user).await
        }
        Err(StorageError::Conflict { constraint }) if constraint == "uq_identities_issuer_subject" => {
            let owner = identities.find(&provider_user.issuer, &provider_user.subject).await?;
            if owner.is_some_and(|owner| owner.id == user) { Ok(()) } else { Err(Failure::LinkedElsewhere) }
        }
        Err(error) => Err(error.into()),
    }
}

/// Confirms a session, if the identity belongs to its user and it is still valid.
async fn confirm(
    app: &App,
    origin: &Origin,
    user: UserId,
    session: SessionId,
    provider_user: &ProviderUser,
) -> Result<(), Failure> {
    stored_session(app, user, session).await?.ok_or(Failure::SignInFirst)?;
    let owner = app.storage.identities().find(&provider_user.issuer, &provider_user.subject).await?;
    if owner.is_none_or(|owner| owner.id != user) {
        return Err(Failure::WrongIdentity);
    }
    if !app.storage.sessions().confirm(user, session, app.now()).await? {
        return Err(Failure::SignInFirst);
    }
    app.session_cache.invalidate(&session);
    audit::record(app, origin, Event::of(user, SecurityEventKind::SignInConfirmed).session(session)).await;
    Ok(())
}

/// Marks the account's address as verified, if it is the one that the provider has verified.
async fn note_proven_email(
    app: &App,
    origin: &Origin,
    user: UserId,
    provider_user: &ProviderUser,
) -> Result<(), Failure> {
    if let Some(email) = provider_user.proven_email()
        && app.storage.users().verify_email(user, email, app.now()).await?
    {
        audit::record(app, origin, Event::of(user, SecurityEventKind::EmailVerified)).await;
    }
    Ok(())
}

fn new_identity(app: &App, user_id: UserId, provider_user: &ProviderUser) -> Identity {
    Identity {
        id: IdentityId::new(app.clock.as_ref(), app.random.as_ref()),
        user_id,
        issuer: provider_user.issuer.clone(),
        subject: provider_user.subject.clone(),
        email: provider_user.email.as_ref().map(|email| email.as_str().to_owned()),
        created_at: app.now(),
    }
}

/// Accepts a path on this server. Rejects what a browser could take for another site or would change.
fn local_path(text: String) -> Result<String, ApiError> {
    let is_plain = |letter: char| !letter.is_control() && !letter.is_whitespace() && letter != '\\';
    let is_path = text.starts_with('/') && !text.starts_with("//");
    if is_path && text.len() <= 1024 && text.chars().all(is_plain) {
        Ok(text)
    } else {
        Err(ApiError::invalid("query", "next", &Flaw::NotAPath { max: 1024 }))
    }
}

fn redirect_with_error(app: &App, provider: &str, failure: &Failure) -> Result<Response, ApiError> {
    failure.log(provider);
    metrics::counter!("sotto_logins_total", "outcome" => "provider_failed").increment(1);
    let address = format!("/login?error={}", failure.code());
    redirect(&address, cookies::set_handshake(&app.config, "")?, HeaderMap::new())
}

fn redirect(address: &str, handshake: HeaderValue, mut headers: HeaderMap) -> Result<Response, ApiError> {
    // Headers cannot contain non-ASCII characters, so they are percent-encoded (RFC 3986, section 2.1).
    let address: String = address
        .bytes()
        .map(|byte| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    headers.insert(header::LOCATION, HeaderValue::try_from(address).map_err(ApiError::internal)?);
    headers.append(header::SET_COOKIE, handshake);
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_this_server() {
        for good in ["/", "/entries", "/entries/2026?q=a&b=%20#top", "/ä", "/a//b"] {
            assert!(local_path(good.to_owned()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "entries",
            "//evil.example",
            "/\\evil.example",
            "/a\\b",
            "\\\\evil",
            "https://evil.example",
            " /a",
            "/a b",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a\u{85}",
            &format!("/{}", "a".repeat(1024)),
        ] {
            assert!(local_path(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_fits_into_a_header() {
        let response = redirect("/ä?error=none", HeaderValue::from_static("a=b"), HeaderMap::new()).unwrap();
        assert_eq!(response.headers()[header::LOCATION], "/%C3%A4?error=none");
    }
}
