//! The HTTP client for providers: HTTPS only, no redirects, bounded in time and memory.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use openidconnect::url::{Host, Url};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::Client;
use reqwest::redirect::Policy;

/// Deadline for a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest response, in bytes. A set of keys has a few thousand.
const MAX_RESPONSE_BYTES: usize = 1 << 20;

/// Whether nobody on the network can read the connection: HTTPS, or a loopback address.
pub fn is_confidential(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.host().is_some() && (url.scheme() == "https" || url.scheme() == "http" && is_here)
}

#[derive(Clone)]
pub struct HttpClient(Client);

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("it does not respond")]
    Request(#[from] reqwest::Error),
    /// The provider names an address without HTTPS.
    #[error("it names the address {0}, which is not encrypted")]
    NotConfidential(String),
    #[error("its response is longer than {MAX_RESPONSE_BYTES} bytes")]
    TooLong,
    /// The response cannot be converted, which would be a bug.
    #[error("its response cannot be read")]
    Malformed(#[from] openidconnect::http::Error),
}

impl HttpClient {
    pub fn new() -> Result<Self, HttpError> {
        // A redirect could send the client secret to another server.
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(RESPONSE_TIMEOUT)
            .user_agent(concat!("sotto/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        if !is_confidential(request.url()) {
            return Err(HttpError::NotConfidential(request.url().to_string()));
        }
        let mut response = self.0.execute(request).await?;
        let mut head = openidconnect::http::Response::builder().status(response.status());
        if let Some(headers) = head.headers_mut() {
            *headers = std::mem::take(response.headers_mut());
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await? {
            if body.len() + part.len() > MAX_RESPONSE_BYTES {
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
