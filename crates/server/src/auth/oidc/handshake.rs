//! The state of a sign-in while the user is at the provider. It is kept in an encrypted cookie for 10 minutes, so any
//! node can finish the sign-in and the server stores nothing.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::{Random, SessionId, Timestamp, UserId};

use crate::config::HANDSHAKE_SECONDS;
use crate::http::error::ApiError;

/// What a user goes to a provider for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To sign in.
    SignIn,
    /// To link the identity to this account, as requested in this session.
    Link(UserId, SessionId),
    /// To confirm in this session that it is its user.
    Confirm(UserId, SessionId),
}

/// A sign-in that has started.
///
/// The browser keeps it as long as the same user is signed in: every sign-in and sign-out also deletes its
/// cookie. So what one user has begun, another one cannot finish in the same browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshake {
    pub provider: String,
    /// Comes back in the callback address, and shows that the response belongs to this browser (RFC 6749, section
    /// 10.12).
    pub state: String,
    /// Comes back in the ID token, and shows that the token was issued for this sign-in (OpenID Connect Core 1.0,
    /// section 3.1.2.1).
    pub nonce: String,
    /// The PKCE code verifier, which shows the provider that the code is redeemed by the party that requested it (RFC
    /// 7636).
    pub verifier: String,
    /// The path to go to afterwards.
    pub next: String,
    pub purpose: Purpose,
    /// In microseconds since 1970.
    expires_at: i64,
}

impl Handshake {
    pub fn new(provider: &str, next: String, purpose: Purpose, random: &dyn Random, now: Timestamp) -> Self {
        let secret = || {
            let mut bytes = [0; 32];
            random.fill(&mut bytes);
            URL_SAFE_NO_PAD.encode(bytes)
        };
        Self {
            provider: provider.to_owned(),
            state: secret(),
            nonce: secret(),
            verifier: secret(),
            next,
            purpose,
            expires_at: now.plus_seconds(HANDSHAKE_SECONDS).as_micros(),
        }
    }

    /// When it was started.
    pub fn started_at(&self) -> Timestamp {
        Timestamp::from_micros(self.expires_at).unwrap_or(Timestamp::MAX).plus_seconds(-HANDSHAKE_SECONDS)
    }

    pub fn has_expired(&self, now: Timestamp) -> bool {
        let end = Timestamp::from_micros(self.expires_at).unwrap_or(Timestamp::MIN);
        // A later end than any handshake can have was set by a wrong clock.
        end <= now || end > now.plus_seconds(HANDSHAKE_SECONDS + CLOCK_TOLERANCE)
    }

    /// Whether a response with this state belongs to this handshake.
    pub fn is_answered_by(&self, provider: &str, state: &str) -> bool {
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(self.state.as_bytes(), state.as_bytes());
        self.provider == provider && same.is_ok()
    }
}

/// Encrypts and decrypts handshakes with AES-256-GCM.
pub struct Sealer(Option<LessSafeKey>);

const PURPOSE: &[u8] = b"sotto/v1/oidc-handshake";

impl Sealer {
    /// Derived from the token key, so that a handshake can never be used as a token.
    pub fn new(key: &[u8; 32]) -> Self {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), PURPOSE);
        // An HMAC-SHA-256 is exactly as long as the key.
        Self(UnboundKey::new(&AES_256_GCM, derived.as_ref()).ok().map(LessSafeKey::new))
    }

    /// The text for the cookie.
    pub fn seal(&self, handshake: &Handshake, random: &dyn Random) -> Result<String, ApiError> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let mut text = serde_json::to_vec(handshake).map_err(ApiError::internal)?;
        let key = self.0.as_ref().ok_or_else(|| ApiError::internal(Unspecified))?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(PURPOSE), &mut text)
            .map_err(ApiError::internal)?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat()))
    }

    /// The handshake, or `None` if this server has not sealed the text.
    pub fn open(&self, text: &str) -> Option<Handshake> {
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.0.as_ref()?.open_in_place(nonce, Aad::from(PURPOSE), sealed).ok()?;
        serde_json::from_slice(opened).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemRandom;
    use uuid::Uuid;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    #[test]
    fn a_handshake_is_opaque_and_opens_only_with_its_key() {
        let purpose = Purpose::Link(UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
        let handshake = Handshake::new("google", "/settings".into(), purpose, &SystemRandom, at(0));
        let sealer = Sealer::new(&[7; 32]);
        let text = sealer.seal(&handshake, &SystemRandom).unwrap();
        assert_eq!(sealer.open(&text), Some(handshake.clone()));
        assert_ne!(sealer.seal(&handshake, &SystemRandom).unwrap(), text);
        assert!(Sealer::new(&[8; 32]).open(&text).is_none());
        let plain = URL_SAFE_NO_PAD.decode(&text).unwrap();
        assert!(!plain.windows(6).any(|bytes| bytes == b"google"));
        for damaged in ["", "AAAA", "?", &text[1..], &text[..text.len() - 2]] {
            assert!(sealer.open(damaged).is_none(), "{damaged}");
        }
    }

    #[test]
    fn a_response_is_valid_for_one_handshake_for_ten_minutes() {
        let [one, other] = [0, 1].map(|_| Handshake::new("google", "/".into(), Purpose::SignIn, &SystemRandom, at(0)));
        assert_eq!(one.started_at(), at(0));
        assert!(one.is_answered_by("google", &one.state));
        assert!(!one.is_answered_by("google", &other.state));
        assert!(!one.is_answered_by("keycloak", &one.state));
        assert!(!one.is_answered_by("google", ""));
        assert!(!one.has_expired(at(599)) && one.has_expired(at(600)));
        // Clocks of servers may differ a little; a larger difference means that one of them is wrong.
        assert!(!one.has_expired(at(-CLOCK_TOLERANCE)) && one.has_expired(at(-CLOCK_TOLERANCE - 1)));
        // RFC 7636, section 4.1: at least 43 characters.
        assert_eq!(one.verifier.len(), 43);
    }
}
