//! The secret of a personal API token: `sotto_` and 32 random bytes in base64url without padding.
//!
//! It is shown once, when it is made. Storage knows its SHA-256: with 256 random bits there is nothing to guess, so it needs
//! no slow hash. The beginning lets scanners recognise one that was published by mistake.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sotto_domain::Random;

use crate::sha256;

const PREFIX: &str = "sotto_";

/// The secret. It never prints.
pub struct ApiSecret([u8; 32]);

impl ApiSecret {
    /// A new one.
    pub fn new(random: &dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// Whether a bearer token is meant to be one; no access token is.
    pub fn looks_like(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Reads what [`Self::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?.try_into().ok().map(Self)
    }

    /// As it is shown and sent: 49 characters.
    pub fn to_text(&self) -> String {
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }

    /// What storage knows it by: the SHA-256 of its text.
    pub fn hash(&self) -> [u8; 32] {
        sha256::of(&[self.to_text().as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemRandom;

    #[test]
    fn a_secret_reads_as_it_was_written() {
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
