//! Sign in with a provider: the way there, and the way back.
//!
//! A browser walks through these, so they answer with an address to go to: also when something is wrong, because then it
//! is the web app that tells the person.

use std::convert::Infallible;

use axum::extract::{Extension, FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sotto_domain::account::{NewUser, User};
use sotto_domain::identity::Identity;
use sotto_domain::storage::StorageError;
use sotto_domain::{Flaw, IdentityId, SessionId, UserId, Zone};
use utoipa::IntoParams;

use super::auth::{cookies_of, open_session};
use crate::app::App;
use crate::auth::{SignedIn, standing};
use crate::config::Registration;
use crate::cookies;
use crate::error::ApiError;
use crate::extract::Query;
use crate::middleware::ClientAddress;
use crate::oidc::{Failure, Handshake, Person, Provider};

/// The id in the path; what cannot be one is nobody's.
pub struct ProviderId(String);

impl<S: Send + Sync> FromRequestParts<S> for ProviderId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(path.map_or_else(|_| String::new(), |path| path.0)))
    }
}

/// Where to go.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StartParams {
    /// Where to go afterwards: a path on this server. `/` if absent.
    #[param(max_length = 1024, pattern = r"^/($|[^/\\\x00-\x20\x7f-\x9f][^\\\x00-\x20\x7f-\x9f]*$)")]
    next: Option<String>,
    /// Go there to link the identity to the account that is signed in, and fail if none is, or no longer.
    #[serde(default)]
    link: bool,
}

/// Go to a provider to sign in.
///
/// For browsers. Whoever is signed in already comes back with the identity linked to their account; everybody else comes back
/// signed in, by cookies. What goes wrong is told as `/login?error=<code>`; docs/sign-in.md lists the codes.
#[utoipa::path(get, path = "/api/auth/oidc/{provider}/start", tag = "auth",
    params(("provider" = String, Path, description = "The id of a provider"), StartParams),
    responses(
        (status = 303, description = "To the provider, or to `/login?error=<code>`.", headers(("location" = String, description = "Where to go"))),
    )
)]
pub async fn start_oidc(
    State(app): State<App>,
    ProviderId(id): ProviderId,
    Query(params): Query<StartParams>,
    signed_in: Result<SignedIn, ApiError>,
) -> Result<Response, ApiError> {
    let next = params.next.map_or_else(|| Ok("/".to_owned()), local_path)?;
    let link = signed_in.ok().map(|signed_in| (signed_in.id(), signed_in.session));
    let begun =
        if params.link && link.is_none() { Err(Failure::SignInFirst) } else { begin(&app, &id, next, link).await };
    match begun {
        Ok((address, sealed)) => go_to(&address, cookies::keep_handshake(&app.config, &sealed)?, HeaderMap::new()),
        Err(failure) => fail(&app, &id, &failure),
    }
}

/// What a provider sends a person back with (RFC 6749, section 4.1.2).
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CallbackParams {
    /// What shows that the answer belongs to this browser.
    state: Option<String>,
    /// What is exchanged for a token.
    code: Option<String>,
    /// Why there is no code.
    error: Option<String>,
    /// The provider (RFC 9207).
    iss: Option<String>,
}

/// Come back from a provider.
///
/// For browsers: providers send them here.
#[utoipa::path(get, path = "/api/auth/oidc/{provider}/callback", tag = "auth",
    params(("provider" = String, Path, description = "The id of a provider"), CallbackParams),
    responses(
        (status = 303, description = "To where the person wanted to go, or to `/login?error=<code>`.", headers(("location" = String, description = "Where to go"))),
    )
)]
pub async fn finish_oidc(
    State(app): State<App>,
    Extension(client): Extension<ClientAddress>,
    ProviderId(id): ProviderId,
    params: Result<Query<CallbackParams>, ApiError>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let answer = async {
        let provider = app.providers.get(&id)?;
        let Query(params) = params.map_err(|_| Failure::StateMismatch)?;
        let handshake = handshake(&app, provider, &params, &headers)?;
        app.limits.provider(client.0)?;
        let code = params.code.ok_or_else(|| Failure::ProviderError("there is no code in its answer".into()))?;
        let person = provider.person(code, &handshake, app.now()).await?;
        if let Some((user, session)) = handshake.link {
            link(&app, user, session, &person).await?;
            return Ok((handshake.next, HeaderMap::new()));
        }
        let user = account(&app, client, &person).await?;
        let session = open_session(&app, user.id, &headers).await?;
        metrics::counter!("sotto_logins_total", "outcome" => "accepted").increment(1);
        Ok((handshake.next, cookies_of(&app, &session)?))
    };
    match answer.await {
        Ok((next, tokens)) => go_to(&next, cookies::keep_handshake(&app.config, "")?, tokens),
        Err(failure) => fail(&app, &id, &failure),
    }
}

/// The provider's address, and what the browser is to keep.
async fn begin(
    app: &App,
    id: &str,
    next: String,
    link: Option<(UserId, SessionId)>,
) -> Result<(String, String), Failure> {
    let provider = app.providers.get(id)?;
    let handshake = Handshake::new(id, next, link, app.random.as_ref(), app.now());
    let address = provider.address(&handshake, app.now()).await?;
    Ok((address.into(), app.providers.sealer.seal(&handshake, app.random.as_ref())?))
}

/// What this browser began with this provider, if the answer belongs to it and is no refusal.
fn handshake(
    app: &App,
    provider: &Provider,
    answer: &CallbackParams,
    headers: &HeaderMap,
) -> Result<Handshake, Failure> {
    let kept = cookies::handshake(headers).and_then(|sealed| app.providers.sealer.open(sealed));
    let state = answer.state.as_deref().unwrap_or_default();
    let begun = kept.filter(|kept| kept.is_answered_by(&provider.settings.id, state)).ok_or(Failure::StateMismatch)?;
    if begun.has_expired(app.now()) {
        return Err(Failure::Expired);
    }
    if answer.iss.as_deref().is_some_and(|issuer| !provider.is_issuer(issuer)) {
        return Err(Failure::ProviderError("another provider answers in its name".into()));
    }
    match answer.error.as_deref() {
        None => Ok(begun),
        Some("access_denied") => Err(Failure::AccessDenied),
        Some(other) => Err(Failure::ProviderError(other.chars().filter(char::is_ascii_graphic).take(100).collect())),
    }
}

/// The account that an identity opens: the one that it is linked to, else the one with its verified address, else a new one.
async fn account(app: &App, client: ClientAddress, person: &Person) -> Result<User, Failure> {
    // Of two tabs at once, the second finds what the first has made.
    for _ in 0..2 {
        let user = match find_or_make(app, client, person).await {
            Err(Failure::ServerError(ApiError::Conflict(..))) => continue,
            other => other?,
        };
        return if user.is_active { Ok(user) } else { Err(Failure::Deactivated) };
    }
    Err(Failure::ServerError(ApiError::Busy))
}

async fn find_or_make(app: &App, client: ClientAddress, person: &Person) -> Result<User, Failure> {
    let identities = app.storage.identities();
    if let Some(user) = identities.find(&person.issuer, &person.subject).await? {
        return Ok(user);
    }
    let email = person.email.clone().ok_or(Failure::EmailMissing)?;
    if !person.email_verified {
        return Err(Failure::EmailNotVerified);
    }
    if let Some(found) = app.storage.users().credentials(&email).await? {
        if found.user.is_active {
            identities.link(&identity(app, found.user.id, person)).await?;
            tracing::info!(user = %found.user.id, issuer = person.issuer, "an identity was linked by its verified e-mail address");
        }
        return Ok(found.user);
    }
    if app.config.registration == Registration::Closed {
        return Err(Failure::RegistrationClosed);
    }
    app.limits.sign_up(client.0)?;
    let new = NewUser {
        id: UserId::new(app.clock.as_ref(), app.random.as_ref()),
        email,
        password_hash: None,
        full_name: person.full_name.clone(),
        is_superuser: false,
        time_zone: person.time_zone.clone().unwrap_or_else(Zone::utc),
    };
    let identity = identity(app, new.id, person);
    let user = identities.sign_up(&new, person.avatar_url.as_deref(), &identity, app.now()).await?;
    tracing::info!(user = %user.id, issuer = person.issuer, "an account was made by signing in with a provider");
    Ok(user)
}

/// Links the identity to the account whose login asked for it, if that still stands.
async fn link(app: &App, user: UserId, session: SessionId, person: &Person) -> Result<(), Failure> {
    standing(app, user, session).await?.ok_or(Failure::SignInFirst)?;
    let identities = app.storage.identities();
    match identities.link(&identity(app, user, person)).await {
        Ok(()) => {
            tracing::info!(%user, issuer = person.issuer, "an identity was linked");
            Ok(())
        }
        Err(StorageError::Conflict { constraint }) if constraint == "uq_identities_issuer_subject" => {
            let owner = identities.find(&person.issuer, &person.subject).await?;
            if owner.is_some_and(|owner| owner.id == user) { Ok(()) } else { Err(Failure::LinkedElsewhere) }
        }
        Err(error) => Err(error.into()),
    }
}

fn identity(app: &App, user_id: UserId, person: &Person) -> Identity {
    Identity {
        id: IdentityId::new(app.clock.as_ref(), app.random.as_ref()),
        user_id,
        issuer: person.issuer.clone(),
        subject: person.subject.clone(),
        email: person.email.as_ref().map(|email| email.as_str().to_owned()),
        created_at: app.now(),
    }
}

/// Accepts a path here. What a browser would take for another site, or would change on the way, is none.
fn local_path(text: String) -> Result<String, ApiError> {
    let is_plain = |letter: char| !letter.is_control() && !letter.is_whitespace() && letter != '\\';
    let is_path = text.starts_with('/') && !text.starts_with("//");
    if is_path && text.len() <= 1024 && text.chars().all(is_plain) {
        Ok(text)
    } else {
        Err(ApiError::invalid("query", "next", &Flaw::NotAPath { max: 1024 }))
    }
}

fn fail(app: &App, provider: &str, failure: &Failure) -> Result<Response, ApiError> {
    failure.log(provider);
    metrics::counter!("sotto_logins_total", "outcome" => "provider_failed").increment(1);
    let address = format!("/login?error={}", failure.code());
    go_to(&address, cookies::keep_handshake(&app.config, "")?, HeaderMap::new())
}

fn go_to(address: &str, handshake: HeaderValue, mut headers: HeaderMap) -> Result<Response, ApiError> {
    // Whatever is not ASCII is written as RFC 3986, section 2.1 has it, because a header cannot hold it.
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
    fn only_paths_here_are_gone_to() {
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
        let answer = go_to("/ä?error=none", HeaderValue::from_static("a=b"), HeaderMap::new()).unwrap();
        assert_eq!(answer.headers()[header::LOCATION], "/%C3%A4?error=none");
    }
}
