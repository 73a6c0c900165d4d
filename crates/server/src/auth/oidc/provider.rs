//! One provider: its metadata, the address to send users to, and the identity that it vouches for.

use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient,
    CoreClientAuthMethod, CoreGrantType, CoreIdToken, CoreIdTokenClaims, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType, CoreUserInfoClaims,
};
use openidconnect::url::Url;
use openidconnect::{
    AccessToken, AdditionalProviderMetadata, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId,
    ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, LocalizedClaim, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata, RedirectUrl, RequestTokenError, Scope,
    SignatureVerificationError, SubjectIdentifier, TokenResponse, UserInfoError,
};
use serde::{Deserialize, Serialize};
use sotto_domain::account::{self, Email};
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::{Timestamp, Zone, identity, text};
use tokio::sync::Mutex;

use super::http_client::HttpClient;
use super::{Failure, Handshake, ProviderSettings, Purpose};

/// Seconds until metadata is fetched again: one hour.
const METADATA_SECONDS: i64 = 3600;
/// Seconds between two fetches because of a token signed with an unknown key.
const KEY_REFRESH_INTERVAL_SECONDS: i64 = 60;
/// Seconds without a new attempt after a failed fetch, so that waiting users get a response at once.
const RETRY_SECONDS: i64 = 5;

/// Signatures with the provider's own keys. `none` and shared secrets are not accepted.
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

/// The metadata of a provider (OpenID Connect Discovery 1.0, section 3).
type DiscoveredMetadata = ProviderMetadata<
    Rfc9207Metadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The addition of RFC 9207, section 3.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rfc9207Metadata {
    /// Whether every response to the browser names the issuer.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Rfc9207Metadata {}

/// A user as the provider describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderUser {
    /// The provider's own name for itself.
    pub issuer: String,
    /// The provider's id of the user.
    pub subject: String,
    pub email: Option<Email>,
    /// Whether the provider has verified the address.
    pub email_verified: bool,
    /// Whether the provider sent the address in ASCII.
    pub email_is_ascii: bool,
    pub full_name: Option<String>,
    pub avatar_url: Option<String>,
    pub time_zone: Option<Zone>,
}

impl ProviderUser {
    /// The address, if the provider proves that it is the user's. An address outside ASCII proves nothing, because
    /// others may read it as another one.
    pub fn proven_email(&self) -> Option<&Email> {
        self.email.as_ref().filter(|_| self.email_verified && self.email_is_ascii)
    }
}

/// Reads the claims of a user. Those of an ID token and those of the user info endpoint are two types with the same
/// methods.
macro_rules! provider_user {
    ($issuer:expr, $subject:expr, $claims:expr) => {
        ProviderUser {
            issuer: $issuer,
            subject: $subject,
            email: $claims.email().and_then(|email| Email::parse(email).ok()),
            email_verified: $claims.email_verified() == Some(true),
            email_is_ascii: $claims.email().is_some_and(|email| email.is_ascii()),
            full_name: without_language($claims.name()).and_then(|name| account::full_name(&name).ok()),
            avatar_url: without_language($claims.picture())
                .filter(|url| url.starts_with("https://") && text::address(url).is_ok()),
            time_zone: $claims.zoneinfo().and_then(|name| Zone::named(name)),
        }
    };
}

pub struct Provider {
    pub settings: ProviderSettings,
    redirect: RedirectUrl,
    discovery: Mutex<Discovery>,
}

/// The metadata, and the time of the last failed fetch.
#[derive(Default)]
struct Discovery {
    metadata: Option<Arc<Metadata>>,
    failed_at: Option<Timestamp>,
}

/// Endpoints and keys of a provider.
struct Metadata {
    http: HttpClient,
    client: Client,
    /// Whether every response to the browser names the issuer (RFC 9207).
    names_issuer: bool,
    at: Timestamp,
}

impl Provider {
    pub fn new(settings: ProviderSettings, redirect: RedirectUrl) -> Self {
        Self { settings, redirect, discovery: Mutex::default() }
    }

    /// The address to send the user to.
    ///
    /// # Errors
    /// [`Failure::ProviderUnavailable`].
    pub async fn authorization_url(&self, handshake: &Handshake, now: Timestamp) -> Result<Url, Failure> {
        let metadata = self.metadata(now).await?;
        let verifier = PkceCodeVerifier::new(handshake.verifier.clone());
        let (state, nonce) = (CsrfToken::new(handshake.state.clone()), Nonce::new(handshake.nonce.clone()));
        let request = metadata.client.authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce);
        let scopes = self.settings.scopes.iter().cloned().map(Scope::new);
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let mut request = request.add_scopes(scopes).set_pkce_challenge(challenge);
        if matches!(handshake.purpose, Purpose::Confirm(..)) {
            // Google documents no prompt that makes the user sign in again, only one to choose an account.
            let is_google = self.settings.issuer == identity::GOOGLE;
            let prompt = if is_google { CoreAuthPrompt::SelectAccount } else { CoreAuthPrompt::Login };
            request = request.add_prompt(prompt).set_max_age(Duration::ZERO);
        }
        let (address, _, _) = request.url();
        Ok(address)
    }

    /// Refuses a response to the browser that names another issuer, or none although the provider announces that it
    /// always names one (RFC 9207). Otherwise the response of one provider could be passed off as that of another.
    ///
    /// # Errors
    /// [`Failure::ProviderError`], and [`Failure::ProviderUnavailable`] if there is no metadata.
    pub async fn check_issuer(&self, issuer: Option<&str>, now: Timestamp) -> Result<(), Failure> {
        match issuer {
            Some(issuer) if self.is_issuer(issuer) => Ok(()),
            Some(_) => Err(Failure::ProviderError("the response names another issuer".into())),
            None if self.metadata(now).await?.names_issuer => {
                Err(Failure::ProviderError("the response does not name its issuer".into()))
            }
            None => Ok(()),
        }
    }

    /// Whether an issuer (RFC 9207) is this provider.
    pub fn is_issuer(&self, issuer: &str) -> bool {
        issuer.trim_end_matches('/') == self.settings.issuer.trim_end_matches('/')
    }

    /// Exchanges the authorization code and returns the user.
    ///
    /// # Errors
    /// If the provider cannot be reached, breaks the protocol or sends an invalid token.
    pub async fn authenticate(
        &self,
        code: String,
        handshake: &Handshake,
        now: Timestamp,
    ) -> Result<ProviderUser, Failure> {
        let mut metadata = self.metadata(now).await?;
        let exchange = metadata.client.exchange_code(AuthorizationCode::new(code));
        let exchange = exchange.map_err(|error| Failure::ProviderError(error.to_string()))?;
        let token_response = exchange
            .set_pkce_verifier(PkceCodeVerifier::new(handshake.verifier.clone()))
            .request_async(&metadata.http)
            .await
            .map_err(|error| match error {
                RequestTokenError::Request(cause) => unavailable(cause),
                other => Failure::ProviderError(other.to_string()),
            })?;
        let token = token_response.id_token().ok_or_else(|| Failure::InvalidToken("there is no ID token".into()))?;
        let nonce = Nonce::new(handshake.nonce.clone());
        let mut claims = verify(&metadata.client, token, &nonce, now);
        if claims.as_ref().is_err_and(may_need_newer_keys) {
            metadata = self.refresh(&metadata, now).await?;
            claims = verify(&metadata.client, token, &nonce, now);
        }
        let claims = claims.map_err(|error| Failure::InvalidToken(reason(&error)))?;
        if claims.authorized_party().is_some_and(|party| **party != self.settings.client_id) {
            return Err(Failure::InvalidToken("it was issued to another client".into()));
        }
        if matches!(handshake.purpose, Purpose::Confirm(..))
            && claims.auth_time().is_some_and(|time| is_before(time, handshake.started_at()))
        {
            return Err(Failure::InvalidToken("the user has not signed in again".into()));
        }
        let subject =
            identity::subject(claims.subject()).map_err(|why| Failure::InvalidToken(format!("the subject {why}")))?;
        let issuer = claims.issuer().to_string();
        if claims.email().is_some() {
            return Ok(provider_user!(issuer, subject, claims));
        }
        // Some providers leave the address out of ID tokens and serve it at the user info endpoint.
        match metadata.user_info(token_response.access_token(), claims.subject()).await? {
            Some(info) => Ok(provider_user!(issuer, subject, info)),
            None => Ok(provider_user!(issuer, subject, claims)),
        }
    }

    /// The metadata, fetched if it is too old. One caller fetches while the others wait.
    async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, Failure> {
        let mut discovery = self.discovery.lock().await;
        match &discovery.metadata {
            Some(metadata) if metadata.at.is_within(METADATA_SECONDS, now) => Ok(metadata.clone()),
            Some(metadata) => {
                let metadata = metadata.clone();
                Ok(self.discover(&mut discovery, now).await.unwrap_or(metadata))
            }
            None => self.discover(&mut discovery, now).await,
        }
    }

    /// Newer metadata than `old`, whose keys did not verify a token.
    async fn refresh(&self, old: &Metadata, now: Timestamp) -> Result<Arc<Metadata>, Failure> {
        let mut discovery = self.discovery.lock().await;
        match &discovery.metadata {
            Some(metadata)
                if !std::ptr::eq(&raw const **metadata, old)
                    || metadata.at.is_within(KEY_REFRESH_INTERVAL_SECONDS, now) =>
            {
                Ok(metadata.clone())
            }
            _ => self.discover(&mut discovery, now).await,
        }
    }

    async fn discover(&self, discovery: &mut Discovery, now: Timestamp) -> Result<Arc<Metadata>, Failure> {
        if discovery.failed_at.is_some_and(|failed| failed <= now && now < failed.plus_seconds(RETRY_SECONDS)) {
            return Err(unavailable(std::io::Error::other("it did not respond a moment ago")));
        }
        match self.fetch(now).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *discovery = Discovery { metadata: Some(metadata.clone()), failed_at: None };
                Ok(metadata)
            }
            Err(failure) => {
                failure.log(&self.settings.id);
                discovery.failed_at = Some(now);
                Err(failure)
            }
        }
    }

    async fn fetch(&self, now: Timestamp) -> Result<Metadata, Failure> {
        let http = HttpClient::new().map_err(unavailable)?;
        let issuer = IssuerUrl::new(self.settings.issuer.clone()).map_err(unavailable)?;
        let metadata = DiscoveredMetadata::discover_async(issuer, &http).await.map_err(unavailable)?;
        let names_issuer = metadata.additional_metadata().authorization_response_iss_parameter_supported;
        // By default a provider expects the secret in a header (OpenID Connect Discovery 1.0, section 3).
        let methods = metadata.token_endpoint_auth_methods_supported();
        let takes = |method| methods.is_none_or(|methods| methods.contains(&method));
        let header = takes(CoreClientAuthMethod::ClientSecretBasic);
        let auth_type = if header { AuthType::BasicAuth } else { AuthType::RequestBody };
        let secret = ClientSecret::new(self.settings.client_secret.clone());
        let client =
            CoreClient::from_provider_metadata(metadata, ClientId::new(self.settings.client_id.clone()), Some(secret))
                .set_redirect_uri(self.redirect.clone())
                .set_auth_type(auth_type);
        Ok(Metadata { http, client, names_issuer, at: now })
    }
}

impl Metadata {
    /// The claims of the user info endpoint, or `None` if the provider has none.
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
    // The clocks of the provider and of this server may differ a little (RFC 7519, section 4.1.4).
    let now = now.plus_seconds(-CLOCK_TOLERANCE);
    let now =
        chrono::DateTime::from_timestamp_micros(now.as_micros()).unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC);
    let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS).set_time_fn(move || now);
    token.claims(&verifier, nonce)
}

/// Whether a provider's time, which is in whole seconds, is before `start`. Its clock may be behind a little.
fn is_before(time: chrono::DateTime<chrono::Utc>, start: Timestamp) -> bool {
    time.timestamp() < start.plus_seconds(-CLOCK_TOLERANCE).as_micros() / 1_000_000
}

/// Whether newer keys could verify the token.
fn may_need_newer_keys(error: &ClaimsVerificationError) -> bool {
    use SignatureVerificationError::{AmbiguousKeyId, CryptoError, NoMatchingKey};
    matches!(error, ClaimsVerificationError::SignatureVerification(NoMatchingKey | CryptoError(_) | AmbiguousKeyId(_)))
}

/// A claim without a language tag.
fn without_language<T: std::ops::Deref<Target = String> + Clone>(claim: Option<&LocalizedClaim<T>>) -> Option<String> {
    claim?.get(None).map(|text| text.to_string())
}

fn unavailable(cause: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::ProviderUnavailable(Arc::new(cause))
}

fn reason(error: &ClaimsVerificationError) -> String {
    crate::http::error::with_sources(error)
}
