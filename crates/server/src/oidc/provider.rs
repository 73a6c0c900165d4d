//! One provider: what it says about itself, where it is asked, and what its answer says of a person.

use std::sync::Arc;

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreIdTokenClaims, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreUserInfoClaims,
};
use openidconnect::url::Url;
use openidconnect::{
    AccessToken, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, LocalizedClaim, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError,
    SubjectIdentifier, TokenResponse, UserInfoError,
};
use sotto_domain::account::{self, Email};
use sotto_domain::{Timestamp, Zone, identity, text};
use tokio::sync::Mutex;

use super::http::HttpClient;
use super::{Failure, Handshake, ProviderSettings};

/// What a provider says about itself is asked for anew after this, in seconds: an hour.
const FRESH_SECONDS: i64 = 3600;
/// A token that no known key has signed makes us ask for new keys, but not more often than this, in seconds.
const KEYS_SECONDS: i64 = 60;
/// A provider that did not answer is left alone for this, in seconds, so that those who wait are told at once.
const PAUSE_SECONDS: i64 = 5;

/// How a provider may sign: with keys that are its own. `none`, and secrets that we share, are not among them.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// Somebody, as a provider has vouched for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The provider, as it calls itself.
    pub issuer: String,
    /// Its name for them.
    pub subject: String,
    /// Their address, if it told one.
    pub email: Option<Email>,
    /// Whether it has made sure that the address is theirs.
    pub email_verified: bool,
    /// How they want to be called.
    pub full_name: Option<String>,
    /// A picture.
    pub avatar_url: Option<String>,
    /// Where "today" is for them.
    pub time_zone: Option<Zone>,
}

/// What claims say of a person; those of an ID token and those told when asked are two types with the same methods.
macro_rules! person {
    ($issuer:expr, $subject:expr, $claims:expr) => {
        Person {
            issuer: $issuer,
            subject: $subject,
            email: $claims.email().and_then(|email| Email::parse(email).ok()),
            email_verified: $claims.email_verified() == Some(true),
            full_name: plain($claims.name()).and_then(|name| account::full_name(&name).ok()),
            avatar_url: plain($claims.picture())
                .filter(|url| url.starts_with("https://") && text::address(url).is_ok()),
            time_zone: $claims.zoneinfo().and_then(|name| Zone::named(name)),
        }
    };
}

/// A provider that is set up.
pub struct Provider {
    /// What the operator says of it.
    pub settings: ProviderSettings,
    redirect: RedirectUrl,
    discovery: Mutex<Discovery>,
}

/// What is known of a provider, and when it last did not answer.
#[derive(Default)]
struct Discovery {
    known: Option<Arc<Known>>,
    failed_at: Option<Timestamp>,
}

/// What a provider says about itself: addresses and keys.
struct Known {
    http: HttpClient,
    client: Client,
    at: Timestamp,
}

impl Provider {
    /// It is not spoken with yet.
    pub fn new(settings: ProviderSettings, redirect: RedirectUrl) -> Self {
        Self { settings, redirect, discovery: Mutex::default() }
    }

    /// Where to send the person.
    ///
    /// # Errors
    /// [`Failure::ProviderUnavailable`].
    pub async fn address(&self, handshake: &Handshake, now: Timestamp) -> Result<Url, Failure> {
        let known = self.known(now).await?;
        let verifier = PkceCodeVerifier::new(handshake.verifier.clone());
        let (state, nonce) = (CsrfToken::new(handshake.state.clone()), Nonce::new(handshake.nonce.clone()));
        let request = known.client.authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce);
        let scopes = self.settings.scopes.iter().cloned().map(Scope::new);
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let (address, _, _) = request.add_scopes(scopes).set_pkce_challenge(challenge).url();
        Ok(address)
    }

    /// Whether an answer that names its issuer (RFC 9207) is this provider's.
    pub fn is_issuer(&self, issuer: &str) -> bool {
        issuer.trim_end_matches('/') == self.settings.issuer.trim_end_matches('/')
    }

    /// Exchanges the code that the person came back with, and says who they are.
    ///
    /// # Errors
    /// Whatever the provider does wrong.
    pub async fn person(&self, code: String, handshake: &Handshake, now: Timestamp) -> Result<Person, Failure> {
        let mut known = self.known(now).await?;
        let exchange = known.client.exchange_code(AuthorizationCode::new(code));
        let exchange = exchange.map_err(|error| Failure::ProviderError(error.to_string()))?;
        let answer = exchange
            .set_pkce_verifier(PkceCodeVerifier::new(handshake.verifier.clone()))
            .request_async(&known.http)
            .await
            .map_err(|error| match error {
                RequestTokenError::Request(cause) => unavailable(cause),
                other => Failure::ProviderError(other.to_string()),
            })?;
        let token = answer.id_token().ok_or_else(|| Failure::InvalidToken("there is no ID token".into()))?;
        let nonce = Nonce::new(handshake.nonce.clone());
        let mut claims = verify(&known.client, token, &nonce, now);
        if claims.as_ref().is_err_and(is_about_keys) {
            known = self.newer(&known, now).await?;
            claims = verify(&known.client, token, &nonce, now);
        }
        let claims = claims.map_err(|error| Failure::InvalidToken(reason(&error)))?;
        if claims.authorized_party().is_some_and(|party| **party != self.settings.client_id) {
            return Err(Failure::InvalidToken("it was made for another program".into()));
        }
        let subject =
            identity::subject(claims.subject()).map_err(|why| Failure::InvalidToken(format!("the subject {why}")))?;
        let issuer = claims.issuer().to_string();
        if claims.email().is_some() {
            return Ok(person!(issuer, subject, claims));
        }
        // Some providers keep addresses out of ID tokens, and tell them when they are asked.
        match known.user_info(answer.access_token(), claims.subject()).await? {
            Some(info) => Ok(person!(issuer, subject, info)),
            None => Ok(person!(issuer, subject, claims)),
        }
    }

    /// What is known, if it is fresh; otherwise it is asked for. One asks, and the others wait for it.
    async fn known(&self, now: Timestamp) -> Result<Arc<Known>, Failure> {
        let mut discovery = self.discovery.lock().await;
        match &discovery.known {
            Some(known) if now < known.at.plus_seconds(FRESH_SECONDS) => Ok(known.clone()),
            Some(known) => {
                let known = known.clone();
                Ok(self.discover(&mut discovery, now).await.unwrap_or(known))
            }
            None => self.discover(&mut discovery, now).await,
        }
    }

    /// What is known now, for somebody to whom `old` was of no use.
    async fn newer(&self, old: &Known, now: Timestamp) -> Result<Arc<Known>, Failure> {
        let mut discovery = self.discovery.lock().await;
        match &discovery.known {
            Some(known) if known.at > old.at || now < known.at.plus_seconds(KEYS_SECONDS) => Ok(known.clone()),
            _ => self.discover(&mut discovery, now).await,
        }
    }

    async fn discover(&self, discovery: &mut Discovery, now: Timestamp) -> Result<Arc<Known>, Failure> {
        if discovery.failed_at.is_some_and(|failed| failed <= now && now < failed.plus_seconds(PAUSE_SECONDS)) {
            return Err(unavailable(std::io::Error::other("it did not answer a moment ago")));
        }
        match self.ask(now).await {
            Ok(known) => {
                let known = Arc::new(known);
                *discovery = Discovery { known: Some(known.clone()), failed_at: None };
                Ok(known)
            }
            Err(failure) => {
                failure.log(&self.settings.id);
                discovery.failed_at = Some(now);
                Err(failure)
            }
        }
    }

    async fn ask(&self, now: Timestamp) -> Result<Known, Failure> {
        let http = HttpClient::new().map_err(unavailable)?;
        let issuer = IssuerUrl::new(self.settings.issuer.clone()).map_err(unavailable)?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &http).await.map_err(unavailable)?;
        // Without a word on it, a provider takes the secret in a header (OpenID Connect Discovery 1.0, section 3).
        let methods = metadata.token_endpoint_auth_methods_supported();
        let takes = |method| methods.is_none_or(|methods| methods.contains(&method));
        let header = takes(CoreClientAuthMethod::ClientSecretBasic);
        let auth_type = if header { AuthType::BasicAuth } else { AuthType::RequestBody };
        let secret = ClientSecret::new(self.settings.client_secret.clone());
        let client =
            CoreClient::from_provider_metadata(metadata, ClientId::new(self.settings.client_id.clone()), Some(secret))
                .set_redirect_uri(self.redirect.clone())
                .set_auth_type(auth_type);
        Ok(Known { http, client, at: now })
    }
}

impl Known {
    /// What the provider tells of a person when it is asked; `None` if it cannot be asked.
    async fn user_info(
        &self,
        token: &AccessToken,
        subject: &SubjectIdentifier,
    ) -> Result<Option<CoreUserInfoClaims>, Failure> {
        let Ok(request) = self.client.user_info(token.clone(), Some(subject.clone())) else { return Ok(None) };
        let info = request.request_async(&self.http).await;
        info.map(Some).map_err(|error| match error {
            UserInfoError::Request(cause) => unavailable(cause),
            UserInfoError::ClaimsVerification(error) => Failure::InvalidToken(reason(&error)),
            other => Failure::ProviderError(other.to_string()),
        })
    }
}

fn verify<'t>(
    client: &Client,
    token: &'t CoreIdToken,
    nonce: &Nonce,
    now: Timestamp,
) -> Result<&'t CoreIdTokenClaims, ClaimsVerificationError> {
    let now =
        chrono::DateTime::from_timestamp_micros(now.as_micros()).unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC);
    let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS).set_time_fn(move || now);
    token.claims(&verifier, nonce)
}

/// Whether other keys might help.
fn is_about_keys(error: &ClaimsVerificationError) -> bool {
    use SignatureVerificationError::{AmbiguousKeyId, CryptoError, NoMatchingKey};
    matches!(error, ClaimsVerificationError::SignatureVerification(NoMatchingKey | CryptoError(_) | AmbiguousKeyId(_)))
}

/// A claim in no particular language.
fn plain<T: std::ops::Deref<Target = String> + Clone>(claim: Option<&LocalizedClaim<T>>) -> Option<String> {
    claim?.get(None).map(|text| text.to_string())
}

fn unavailable(cause: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::ProviderUnavailable(Arc::new(cause))
}

fn reason(error: &ClaimsVerificationError) -> String {
    crate::middleware::describe(error)
}
