//! The passphrase of a secret tag.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::wire::hidden;

/// Longest phrase as typed, in bytes.
const MAX_TYPED_BYTES: usize = 1024;
/// The largest factor by which NFKC lengthens UTF-8 text (that of U+FDFA).
const NFKC_GROWTH: usize = 11;

/// A phrase in Unicode form NFKC (UAX #15), so that every keyboard gives the same bytes. Nothing is trimmed.
#[derive(Clone)]
pub struct Phrase(Zeroizing<String>);

impl Phrase {
    /// Normalizes a typed phrase of 1 to 1024 bytes.
    ///
    /// # Errors
    /// [`Error::Phrase`].
    pub fn new(typed: &str) -> Result<Self, Error> {
        if typed.is_empty() || typed.len() > MAX_TYPED_BYTES {
            return Err(Error::Phrase);
        }
        // Allocating all room at once avoids a move to a larger allocation, which would leave a part of the phrase in
        // memory.
        let mut phrase = Zeroizing::new(String::with_capacity(typed.len() * NFKC_GROWTH));
        phrase.extend(typed.nfkc());
        Ok(Self(phrase))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

hidden!(Phrase);
