//! Unlock tokens, sent in the header `X-Sotto-Unlock`: they show that secret tags are unlocked.
//!
//! A token is base64url without padding of the id of the OPAQUE session (16 bytes) and 32 random bytes. Storage keeps a
//! SHA-256 over the token and the session's id, so a token is valid in one session only and ends with it.

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sotto_domain::secret_tag::MAX_OPEN;
use sotto_domain::{Flaw, OpaqueSessionId, Random, SecretTagId, SessionId};
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::http::error::{ApiError, Code};
use crate::sha256;

/// The header. Several tokens are separated by commas.
pub const UNLOCK: HeaderName = HeaderName::from_static("x-sotto-unlock");

/// For requests that need an unlocked secret tag. The same for a locked one and for none.
pub const LOCKED: ApiError = ApiError::Forbidden(
    Code::SecretTagLocked,
    "Unlock this secret tag first: it is locked, or you have none with this id.",
);

const SESSION_ID_BYTES: usize = 16;
const TOKEN_BYTES: usize = SESSION_ID_BYTES + 32;

/// A token. It has no `Debug`, so it cannot be logged.
pub struct UnlockToken([u8; TOKEN_BYTES]);

impl UnlockToken {
    pub fn new(session: OpaqueSessionId, random: &dyn Random) -> Self {
        let mut bytes = [0; TOKEN_BYTES];
        bytes[..SESSION_ID_BYTES].copy_from_slice(session.0.as_bytes());
        random.fill(&mut bytes[SESSION_ID_BYTES..]);
        Self(bytes)
    }

    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The hash by which storage knows the token.
    pub fn hash(&self, login: SessionId) -> [u8; 32] {
        sha256::digest(&[b"sotto/v1/unlock-token", &self.0, login.0.as_bytes()])
    }

    fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    fn session(&self) -> OpaqueSessionId {
        let mut id = [0; SESSION_ID_BYTES];
        id.copy_from_slice(&self.0[..SESSION_ID_BYTES]);
        OpaqueSessionId(Uuid::from_bytes(id))
    }
}

/// The unlock tokens of a request. Invalid and expired ones are ignored.
pub struct Unlocks(Vec<UnlockToken>);

impl IntoParams for Unlocks {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[A-Za-z0-9_-]{64}(, ?[A-Za-z0-9_-]{64}){0,15}$"))
            .build();
        let header = ParameterBuilder::new()
            .name(UNLOCK.as_str())
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("Unlock tokens, separated by commas"))
            .schema(Some(text));
        vec![header.build()]
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Unlocks {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let wrong = |flaw: Flaw| ApiError::invalid("header", UNLOCK.as_str(), &flaw);
        let malformed =
            || Flaw::Malformed("must be unlock tokens as the server returned them, separated by commas".into());
        let mut tokens = Vec::new();
        for value in parts.headers.get_all(&UNLOCK) {
            for text in value.to_str().unwrap_or("?").split(',') {
                tokens.push(UnlockToken::parse(text.trim()).ok_or_else(|| wrong(malformed()))?);
            }
        }
        let (max, count) = (MAX_OPEN as usize, tokens.len());
        if count > max {
            return Err(wrong(Flaw::TooManyTokens { max, count }));
        }
        Ok(Self(tokens))
    }
}

impl Unlocks {
    /// The OPAQUE session that has unlocked this secret tag, if one has.
    pub async fn session(
        &self,
        app: &App,
        caller: &Caller,
        tag: SecretTagId,
    ) -> Result<Option<OpaqueSessionId>, ApiError> {
        for token in &self.0 {
            if self.unlocked_tag(app, caller, token).await? == Some(tag) {
                return Ok(Some(token.session()));
            }
        }
        Ok(None)
    }

    /// The OPAQUE session that has unlocked this secret tag.
    ///
    /// # Errors
    /// [`LOCKED`] if the secret tag is locked or does not exist.
    pub async fn require(&self, app: &App, caller: &Caller, tag: SecretTagId) -> Result<OpaqueSessionId, ApiError> {
        self.session(app, caller, tag).await?.ok_or(LOCKED)
    }

    /// The unlocked secret tags.
    pub async fn tags(&self, app: &App, caller: &Caller) -> Result<Vec<SecretTagId>, ApiError> {
        let mut tags = Vec::new();
        for token in &self.0 {
            tags.extend(self.unlocked_tag(app, caller, token).await?);
        }
        Ok(tags)
    }

    async fn unlocked_tag(
        &self,
        app: &App,
        caller: &Caller,
        token: &UnlockToken,
    ) -> Result<Option<SecretTagId>, ApiError> {
        let Some(login) = caller.session() else { return Ok(None) };
        let hash = token.hash(login);
        Ok(app.storage.opaque_sessions().open(caller.id(), token.session(), &hash, app.now()).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemRandom;

    #[test]
    fn a_token_is_valid_for_one_session() {
        let session = OpaqueSessionId(Uuid::from_u128(7));
        let token = UnlockToken::new(session, &SystemRandom);
        let read = UnlockToken::parse(&token.to_text()).unwrap();
        let [one, other] = [1, 2].map(|login| SessionId(Uuid::from_u128(login)));
        assert_eq!((read.session(), read.hash(one)), (session, token.hash(one)));
        assert_ne!(token.hash(one), token.hash(other));
        let text = token.to_text();
        for bad in ["", &text[1..], &format!("{text}A"), &format!("{text}="), &text.replace(&text[..1], "+")] {
            assert!(UnlockToken::parse(bad).is_none(), "{bad}");
        }
    }
}
