//! Access and refresh tokens: JSON Web Tokens (RFC 7519), signed with HMAC-SHA-256.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use sotto_domain::{SessionId, Timestamp, UserId};

use crate::config::ACCESS_SECONDS;
use crate::error::ApiError;

/// Signs and reads tokens.
pub struct Tokens {
    sign: EncodingKey,
    verify: DecodingKey,
    validation: Validation,
}

/// What a token says. `typ` keeps one kind from being used as the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Whose it is.
    pub sub: UserId,
    /// The login that it belongs to.
    pub sid: SessionId,
    /// What it is good for.
    #[serde(flatten)]
    pub kind: Kind,
    /// When it ends, in seconds since 1970.
    exp: i64,
}

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "typ", rename_all = "lowercase")]
pub enum Kind {
    /// Requests.
    Access,
    /// One exchange for the next pair of tokens.
    Refresh {
        /// The session's generation when it was handed out.
        generation: u32,
    },
}

impl Tokens {
    /// From a key of 32 bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        // The algorithm is fixed here, so a token that names another, or `none`, fails. Expiry is checked in `read`
        // against the server's clock; the library would read its own.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        Self { sign: EncodingKey::from_secret(key), verify: DecodingKey::from_secret(key), validation }
    }

    /// An access token, good for [`ACCESS_SECONDS`].
    pub fn access(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<String, ApiError> {
        self.sign(user, session, Kind::Access, now.plus_seconds(ACCESS_SECONDS))
    }

    /// A refresh token of a session's generation, good until `expires_at`.
    pub fn refresh(
        &self,
        user: UserId,
        session: SessionId,
        generation: u32,
        expires_at: Timestamp,
    ) -> Result<String, ApiError> {
        self.sign(user, session, Kind::Refresh { generation }, expires_at)
    }

    /// What a token says; `None` if it is forged, damaged or past its end.
    pub fn read(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let claims = decode::<Claims>(token, &self.verify, &self.validation).ok()?.claims;
        (claims.exp > now.as_micros() / 1_000_000).then_some(claims)
    }

    fn sign(&self, sub: UserId, sid: SessionId, kind: Kind, end: Timestamp) -> Result<String, ApiError> {
        let claims = Claims { sub, sid, kind, exp: end.as_micros() / 1_000_000 };
        encode(&Header::new(Algorithm::HS256), &claims, &self.sign).map_err(ApiError::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use uuid::Uuid;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    #[test]
    fn only_our_own_unexpired_tokens_are_read() {
        let tokens = Tokens::new(&[7; 32]);
        let (user, session) = (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        let token = tokens.access(user, session, at(1000)).unwrap();
        let claims = tokens.read(&token, at(1001)).unwrap();
        assert_eq!((claims.sub, claims.sid, claims.kind), (user, session, Kind::Access));
        assert!(tokens.read(&token, at(1000 + ACCESS_SECONDS)).is_none());
        assert!(Tokens::new(&[8; 32]).read(&token, at(1001)).is_none());

        let (_, rest) = token.split_once('.').unwrap();
        let (body, signature) = rest.split_once('.').unwrap();
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"HS512"}"#, r#"{"alg":"RS256"}"#]
        {
            let header = URL_SAFE_NO_PAD.encode(header);
            for forged in
                [format!("{header}.{body}."), format!("{header}.{body}.{signature}"), format!("{header}.{body}")]
            {
                assert!(tokens.read(&forged, at(1001)).is_none(), "{forged}");
            }
        }
        for damaged in ["", ".", "..", &token[1..], &token[..token.len() - 1]] {
            assert!(tokens.read(damaged, at(1001)).is_none(), "{damaged}");
        }
    }

    #[test]
    fn a_refresh_token_says_its_generation() {
        let tokens = Tokens::new(&[7; 32]);
        let token = tokens.refresh(UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)), 5, at(2000)).unwrap();
        assert_eq!(tokens.read(&token, at(1000)).unwrap().kind, Kind::Refresh { generation: 5 });
    }
}
