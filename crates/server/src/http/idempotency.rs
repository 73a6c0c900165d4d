//! `Idempotency-Key`: a client that does not know whether its create succeeded repeats the request with the same key
//! and gets the row that the first request created (draft-ietf-httpapi-idempotency-key-header; ADR 16).
//!
//! Storage keeps two hashes and the id of the row, and no copy of a request or response. So a repeated request returns
//! the row in its current state.

use std::future::Future;

use aws_lc_rs::hmac;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use sotto_domain::idempotency::KeyedCreate;
use sotto_domain::{ApiTokenId, Flaw, UserId};
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use uuid::Uuid;

use crate::app::App;
use crate::auth::api_tokens::ApiSecret;
use crate::http::body::body;
use crate::http::error::ApiError;
use crate::http::extract::{expect_json, parse_json};

/// The header's name in documents.
pub const HEADER: &str = "Idempotency-Key";
/// The response header that marks a replayed response.
pub const REPLAYED: &str = "Idempotency-Replayed";

/// The header's name for look-ups. Its value is never logged, because the secret of an API token can be derived from
/// it.
pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Characters of a key without quotes, at most.
const MAX_KEY_CHARACTERS: usize = 255;

/// A JSON body, and the idempotency key of the request if it has one.
pub struct IdempotentJson<T>(pub T, pub IdempotencyKey);

impl<T: DeserializeOwned> FromRequest<App> for IdempotentJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        expect_json(request.headers())?;
        let text = read(request.headers())?.map(str::to_owned);
        let path = request.uri().path().to_owned();
        let body = body(request, app).await?;
        let given = text.map(|text| KeyedRequest { request_hash: app.idempotency.request(&text, &path, &body), text });
        Ok(Self(parse_json(&body)?, IdempotencyKey(given)))
    }
}

pub struct IdempotencyKey(Option<KeyedRequest>);

struct KeyedRequest {
    text: String,
    request_hash: [u8; 32],
}

impl IdempotencyKey {
    /// Carries out a create at most once. If the key was used before, `find` reads the row of the earlier request.
    /// Otherwise `make` creates the row and passes the key to storage.
    ///
    /// # Errors
    /// 422 if the key came with another request before, 410 if the row no longer exists, and the errors of `make` and
    /// `find`.
    pub async fn create<T, M, F>(
        &self,
        app: &App,
        user: UserId,
        make: impl FnOnce(Option<KeyedCreate>) -> M,
        find: impl FnOnce(Uuid) -> F,
    ) -> Result<CreateResponse<T>, ApiError>
    where
        M: Future<Output = Result<T, ApiError>>,
        F: Future<Output = Result<Option<T>, ApiError>>,
    {
        let Some(given) = &self.0 else { return make(None).await.map(CreateResponse::Created) };
        let key = app.idempotency.hashed(user, given);
        let id = match find_earlier(app, &key).await? {
            Some(id) => id,
            None => match make(Some(key)).await {
                // Another request with the same key was faster; see `From<StorageError>`.
                Err(ApiError::Busy) => find_earlier(app, &key).await?.ok_or(ApiError::Busy)?,
                outcome => return outcome.map(CreateResponse::Created),
            },
        };
        find(id).await?.map(CreateResponse::Replayed).ok_or(ApiError::Gone)
    }

    /// The secret of an API token that is created with this key. A repeated request derives the same secret, although
    /// none is stored. `None` without a key.
    pub fn api_secret(&self, app: &App, user: UserId, token: ApiTokenId) -> Option<ApiSecret> {
        self.0.as_ref().map(|given| app.idempotency.api_secret(user, &given.text, token))
    }
}

/// The id of the row that an earlier request with this key created.
async fn find_earlier(app: &App, key: &KeyedCreate) -> Result<Option<Uuid>, ApiError> {
    match app.storage.idempotency_keys().find(key.user, &key.key_hash).await? {
        Some(earlier) if earlier.request_hash != key.request_hash => {
            Err(ApiError::invalid("header", HEADER, &Flaw::IdempotencyKeyReused))
        }
        earlier => Ok(earlier.map(|earlier| earlier.id)),
    }
}

pub enum CreateResponse<T> {
    /// By this request.
    Created(T),
    /// By an earlier request with the same key.
    Replayed(T),
}

impl<T: IntoResponse> IntoResponse for CreateResponse<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Created(response) => response.into_response(),
            Self::Replayed(response) => ([(REPLAYED, HeaderValue::from_static("true"))], response).into_response(),
        }
    }
}

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r#"^("[!#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255})$"#));
        let header = ParameterBuilder::new()
            .name(HEADER)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "A value that you choose for this request, such as a UUID: 1 to 255 visible ASCII characters. Within \
                 24 hours, the same request with the same key creates nothing again. It returns what the first request created, in its current state, or 410 if that no longer exists. Another request with the same key is refused with 422.",
            ))
            .schema(Some(text.build()));
        vec![header.build()]
    }
}

/// The key that hashes idempotency keys and requests.
pub struct IdempotencySecret(hmac::Key);

impl IdempotencySecret {
    /// Derived from the token key, so that all nodes use the same.
    pub fn new(key: &[u8; 32]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = hmac::sign(&root, b"sotto/v1/idempotency");
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// The idempotency key is part of the hash. Since it is not stored, nobody can test guesses about a request, not
    /// even with the server's keys.
    fn request(&self, key: &str, path: &str, body: &[u8]) -> [u8; 32] {
        self.hash(&[b"request", key.as_bytes(), path.as_bytes(), body])
    }

    fn hashed(&self, user: UserId, given: &KeyedRequest) -> KeyedCreate {
        let key_hash = self.hash(&[b"key", user.0.as_bytes(), given.text.as_bytes()]);
        KeyedCreate { user, key_hash, request_hash: given.request_hash }
    }

    fn api_secret(&self, user: UserId, key: &str, token: ApiTokenId) -> ApiSecret {
        ApiSecret::from_bytes(self.hash(&[b"api token", user.0.as_bytes(), key.as_bytes(), token.0.as_bytes()]))
    }

    /// A length precedes each part, so that different parts never concatenate to the same bytes.
    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }
}

/// Reads the key: a string of RFC 9651 without escapes, or the same without quotes.
fn read(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut values = headers.get_all(&KEY).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_good = (1..=MAX_KEY_CHARACTERS).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
        && values.next().is_none();
    let flaw = Flaw::NotAnIdempotencyKey { max: MAX_KEY_CHARACTERS };
    if is_good { Ok(Some(key)) } else { Err(ApiError::invalid("header", HEADER, &flaw)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_parsed_with_and_without_quotes() {
        let with = |values: &[&str]| {
            let value = |text: &&str| (KEY, HeaderValue::from_bytes(text.as_bytes()).unwrap());
            let headers: HeaderMap = values.iter().map(value).collect();
            read(&headers).map(|key| key.map(str::to_owned)).map_err(drop)
        };
        assert_eq!(with(&[]), Ok(None));
        for text in ["8e03978e-40d5", "\"8e03978e-40d5\""] {
            assert_eq!(with(&[text]), Ok(Some("8e03978e-40d5".into())));
        }
        let long = "x".repeat(MAX_KEY_CHARACTERS + 1);
        for bad in [&[""][..], &["\"\""], &["two words"], &["a\"b"], &["\"a"], &["a\\b"], &["ä"], &["a", "a"], &[&long]]
        {
            assert_eq!(with(bad), Err(()), "{bad:?}");
        }
        assert_eq!(with(&[&long[1..]]), Ok(Some(long[1..].into())));
    }

    #[test]
    fn every_part_changes_the_hash() {
        let secret = IdempotencySecret::new(&[7; 32]);
        let hash = secret.request("key", "/api/tags/", b"{}");
        for other in [
            secret.request("Key", "/api/tags/", b"{}"),
            secret.request("key", "/api/tags", b"/{}"),
            secret.request("key", "/api/tags/", b"{ }"),
            IdempotencySecret::new(&[8; 32]).request("key", "/api/tags/", b"{}"),
        ] {
            assert_ne!(hash, other);
        }
        let [user, other] = [1, 2].map(|user| UserId(Uuid::from_u128(user)));
        let given = KeyedRequest { text: "key".into(), request_hash: hash };
        assert_ne!(secret.hashed(user, &given).key_hash, secret.hashed(other, &given).key_hash);
        let [one, two] = [1, 2].map(|token| secret.api_secret(user, "key", ApiTokenId(Uuid::from_u128(token))));
        assert_ne!(one.to_text(), two.to_text());
        assert_ne!(one.to_text(), secret.api_secret(user, "Key", ApiTokenId(Uuid::from_u128(1))).to_text());
    }
}
