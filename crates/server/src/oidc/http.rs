//! How we speak with a provider: HTTPS, no redirects, and an end to patience and to memory.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use openidconnect::url::{Host, Url};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::Client;
use reqwest::redirect::Policy;

/// How long a provider may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes in an answer, at most; a set of keys has a few thousand.
const ANSWER_LIMIT: usize = 1 << 20;

/// Whether nobody on the way can listen: HTTPS, or the machine itself.
pub fn is_private(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.host().is_some() && (url.scheme() == "https" || url.scheme() == "http" && is_here)
}

/// A client of providers.
#[derive(Clone)]
pub struct HttpClient(Client);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The request could not be sent, or the answer did not arrive.
    #[error("it does not answer")]
    Request(#[from] reqwest::Error),
    /// The provider names an address that is not private.
    #[error("it asks to be spoken with at {0}, where others can listen")]
    NotPrivate(String),
    /// The answer is too long.
    #[error("its answer is longer than {ANSWER_LIMIT} bytes")]
    TooLong,
    /// The answer cannot be put together, which would be a fault of the library.
    #[error("its answer cannot be read")]
    Malformed(#[from] openidconnect::http::Error),
}

impl HttpClient {
    /// A new one.
    ///
    /// # Errors
    /// If the TLS library does not start.
    pub fn new() -> Result<Self, HttpError> {
        // A redirect would hand the secret, or the answer, to whoever the provider points at.
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .user_agent(concat!("sotto/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        if !is_private(request.url()) {
            return Err(HttpError::NotPrivate(request.url().to_string()));
        }
        let mut answer = self.0.execute(request).await?;
        let mut head = openidconnect::http::Response::builder().status(answer.status());
        if let Some(headers) = head.headers_mut() {
            *headers = std::mem::take(answer.headers_mut());
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await? {
            if body.len() + part.len() > ANSWER_LIMIT {
                return Err(HttpError::TooLong);
            }
            body.extend_from_slice(&part);
        }
        Ok(head.body(body)?)
    }
}

impl<'c> AsyncHttpClient<'c> for HttpClient {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}
