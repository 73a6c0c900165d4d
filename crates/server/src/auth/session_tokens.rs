//! Access and refresh tokens: JSON Web Tokens (RFC 7519), signed with HMAC-SHA-256.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::{SessionId, Timestamp, UserId};

use crate::config::ACCESS_SECONDS;
use crate::http::error::ApiError;

pub struct SessionTokens {
    sign: EncodingKey,
    verify: DecodingKey,
    validation: Validation,
}

/// The content of a token. `typ` keeps a token of one kind from being used as the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: UserId,
    /// The session.
    pub sid: SessionId,
    #[serde(flatten)]
    pub kind: TokenKind,
    /// Expiry, in seconds since 1970.
    exp: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "typ", rename_all = "lowercase")]
pub enum TokenKind {
    /// For requests.
    Access,
    /// For one exchange for the next pair of tokens.
    Refresh {
        /// The session's generation when the token was issued.
        generation: u32,
        /// Whether the version that issued it knows cookies with the prefix `__Host-`. See [`crate::auth::cookies`].
        #[serde(default)]
        knows_prefix: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TokenError {
    /// Forged, damaged or expired.
    Invalid,
    /// An access token that expires later than any that could be signed now. The clock of the signing server is, or
    /// was, ahead by this many seconds.
    Ahead(f64),
}

impl SessionTokens {
    /// From a key of 32 bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        // The algorithm is fixed, so a token that names another one, or `none`, is rejected. Expiry is checked in
        // `read` against the server's clock; the library would read its own.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        Self { sign: EncodingKey::from_secret(key), verify: DecodingKey::from_secret(key), validation }
    }

    /// An access token, valid for [`ACCESS_SECONDS`].
    pub fn access(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<String, ApiError> {
        self.sign(user, session, TokenKind::Access, now.plus_seconds(ACCESS_SECONDS))
    }

    /// A refresh token for a generation of a session, valid until `expires_at`.
    pub fn refresh(
        &self,
        user: UserId,
        session: SessionId,
        generation: u32,
        expires_at: Timestamp,
    ) -> Result<String, ApiError> {
        self.sign(user, session, TokenKind::Refresh { generation, knows_prefix: true }, expires_at)
    }

    /// Verifies a token. The clock of the server that signed an access token may be ahead by [`CLOCK_TOLERANCE`]. For
    /// refresh tokens, storage knows the expiry.
    ///
    /// # Errors
    /// If the token is not valid at `now`.
    pub fn read(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let claims = decode::<Claims>(token, &self.verify, &self.validation).map_err(|_| TokenError::Invalid)?.claims;
        let end = claims.exp.checked_mul(1_000_000).and_then(Timestamp::from_micros).unwrap_or(Timestamp::MAX);
        if end <= now {
            return Err(TokenError::Invalid);
        }
        let latest = now.plus_seconds(ACCESS_SECONDS);
        if claims.kind == TokenKind::Access && end > latest.plus_seconds(CLOCK_TOLERANCE) {
            return Err(TokenError::Ahead(end.seconds_since(latest)));
        }
        Ok(claims)
    }

    fn sign(&self, sub: UserId, sid: SessionId, kind: TokenKind, end: Timestamp) -> Result<String, ApiError> {
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
    fn only_own_unexpired_tokens_are_accepted() {
        let tokens = SessionTokens::new(&[7; 32]);
        let (user, session) = (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        let token = tokens.access(user, session, at(1000)).unwrap();
        let claims = tokens.read(&token, at(1001)).unwrap();
        assert_eq!((claims.sub, claims.sid, claims.kind), (user, session, TokenKind::Access));
        assert_eq!(tokens.read(&token, at(1000 + ACCESS_SECONDS)), Err(TokenError::Invalid));
        assert_eq!(SessionTokens::new(&[8; 32]).read(&token, at(1001)), Err(TokenError::Invalid));

        let (_, rest) = token.split_once('.').unwrap();
        let (body, signature) = rest.split_once('.').unwrap();
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"HS512"}"#, r#"{"alg":"RS256"}"#]
        {
            let header = URL_SAFE_NO_PAD.encode(header);
            for forged in
                [format!("{header}.{body}."), format!("{header}.{body}.{signature}"), format!("{header}.{body}")]
            {
                assert_eq!(tokens.read(&forged, at(1001)), Err(TokenError::Invalid), "{forged}");
            }
        }
        for damaged in ["", ".", "..", &token[1..], &token[..token.len() - 1]] {
            assert_eq!(tokens.read(damaged, at(1001)), Err(TokenError::Invalid), "{damaged}");
        }
    }

    #[test]
    fn an_access_token_from_a_fast_clock_is_accepted_within_the_tolerance() {
        let tokens = SessionTokens::new(&[7; 32]);
        let (user, session) = (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        for (ahead, accepted) in [(CLOCK_TOLERANCE, true), (CLOCK_TOLERANCE + 1, false), (315_360_000, false)] {
            let token = tokens.access(user, session, at(1000 + ahead)).unwrap();
            match tokens.read(&token, at(1000)) {
                Ok(_) => assert!(accepted, "{ahead}"),
                Err(TokenError::Ahead(seconds)) => {
                    assert!(!accepted && (seconds - f64::from(i32::try_from(ahead).unwrap())).abs() < 1.0, "{seconds}");
                }
                Err(TokenError::Invalid) => panic!("it is ours, and has not ended"),
            }
        }
        // Storage corrects the expiry of refresh tokens.
        let token = tokens.refresh(user, session, 1, at(315_360_000)).unwrap();
        assert!(tokens.read(&token, at(1000)).is_ok());
    }

    #[test]
    fn a_refresh_token_of_an_earlier_version_is_known_as_such() {
        let tokens = SessionTokens::new(&[7; 32]);
        let (user, session) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let old = serde_json::json!({"sub": user, "sid": session, "typ": "refresh", "generation": 3, "exp": 2000});
        let old = encode(&Header::new(Algorithm::HS256), &old, &tokens.sign).unwrap();
        let kind = TokenKind::Refresh { generation: 3, knows_prefix: false };
        assert_eq!(tokens.read(&old, at(1000)).unwrap().kind, kind);
    }

    #[test]
    fn a_refresh_token_contains_its_generation() {
        let tokens = SessionTokens::new(&[7; 32]);
        let token = tokens.refresh(UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)), 5, at(2000)).unwrap();
        assert_eq!(
            tokens.read(&token, at(1000)).unwrap().kind,
            TokenKind::Refresh { generation: 5, knows_prefix: true }
        );
    }
}
