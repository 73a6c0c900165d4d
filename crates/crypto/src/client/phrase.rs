//! The phrase that opens a secret tag.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::wire::hidden;

/// Bytes of a phrase as it is typed, at most.
const MAX: usize = 1024;
/// How much longer NFKC can make UTF-8 text (U+FDFA does).
const GROWTH: usize = 11;

/// A phrase in Unicode form NFKC (UAX #15), so that it is the same on every keyboard. Nothing is trimmed.
#[derive(Clone)]
pub struct Phrase(Zeroizing<String>);

impl Phrase {
    /// From what was typed, 1 to 1024 bytes.
    ///
    /// # Errors
    /// [`Error::Phrase`].
    pub fn new(typed: &str) -> Result<Self, Error> {
        if typed.is_empty() || typed.len() > MAX {
            return Err(Error::Phrase);
        }
        // With room from the start, no piece of it is left behind by a move to a larger allocation.
        let mut phrase = Zeroizing::new(String::with_capacity(typed.len() * GROWTH));
        phrase.extend(typed.nfkc());
        Ok(Self(phrase))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

hidden!(Phrase);
