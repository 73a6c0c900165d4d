//! The secret of an API token: `sotto_` and 32 random bytes in base64url without padding.
//!
//! It is shown once, when the token is created. Storage keeps only its SHA-256; 256 random bits need no slow hash. The
//! prefix lets scanners recognise a token that was published by mistake.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sotto_domain::Random;

use crate::sha256;

const PREFIX: &str = "sotto_";

/// The secret. It has no `Debug`, so it cannot be logged.
pub struct ApiSecret([u8; 32]);

impl ApiSecret {
    pub fn new(random: &dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// For a secret that is derived from an idempotency key.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Whether a bearer token is an API token. Access tokens never start like one.
    pub fn looks_like(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?.try_into().ok().map(Self)
    }

    /// The text that is shown and sent: 49 characters.
    pub fn to_text(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }

    /// SHA-256 of the text, by which storage finds the token.
    pub fn hash(&self) -> [u8; 32] {
        sha256::digest(&[self.to_text().as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemRandom;

    #[test]
    fn a_secret_round_trips_as_text() {
        let secret = ApiSecret::new(&SystemRandom);
        let text = secret.to_text();
        assert!(ApiSecret::looks_like(&text) && text.len() == 49);
        assert_eq!(ApiSecret::parse(&text).unwrap().hash(), secret.hash());
        assert_ne!(ApiSecret::new(&SystemRandom).hash(), secret.hash());
        for bad in ["", "sotto_", &text[..48], &text[1..], &format!("{text}A"), &text.replace("sotto_", "other_")] {
            assert!(ApiSecret::parse(bad).is_none(), "{bad}");
        }
    }
}
