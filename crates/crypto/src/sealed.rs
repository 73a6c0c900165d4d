//! The stored, sealed values of a secret tag and its entries. The server checks their lengths; only a client can open
//! them.

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use sotto_domain::entry::{MAX_CONTENT, MAX_TITLE};
use sotto_domain::tag::MAX_TAGS_PER_ENTRY;

use crate::cipher::{BOX, IV, KEY, TAG};
use crate::error::Error;
use crate::wire::fixed;

/// Length of `encryption_iv` and of `wrap_iv` in bytes.
pub const IV_LENGTH: usize = IV;
/// Length of `wrapped_key` in bytes: a key and its tag.
pub const WRAPPED_KEY_LENGTH: usize = KEY + TAG;
/// Shortest `encrypted_content` in bytes: version, one block of padded text, tag.
pub const MIN_ENCRYPTED_CONTENT: usize = 1 + PADDING + TAG;
/// Longest `encrypted_content` in bytes: the longest title and text, the most and longest tags, and two audio keys.
pub const MAX_ENCRYPTED_CONTENT: usize = 1
    + padded(FIELD + MAX_TITLE + FIELD + MAX_CONTENT + MAX_TAGS_PER_ENTRY * (FIELD + MAX_TAG_NAME) + 2 * (FIELD + KEY))
    + TAG;
/// Shortest sealed metadata in bytes.
pub const MIN_METADATA: usize = BOX + PADDING;
/// Longest sealed metadata in bytes.
pub const MAX_METADATA: usize = BOX + padded(FIELD + MAX_TAG_NAME + FIELD + COLOR);

/// A plaintext is padded to a multiple of this many bytes.
pub(crate) const PADDING: usize = 32;
/// Bytes before the value of a field: its type and its length.
pub(crate) const FIELD: usize = 1 + 4;
/// Longest name of a tag in bytes.
pub(crate) const MAX_TAG_NAME: usize = 100;
/// Length of a colour, `#rrggbb`, in bytes.
pub(crate) const COLOR: usize = 7;

pub(crate) const fn padded(length: usize) -> usize {
    length.next_multiple_of(PADDING)
}

/// The columns of a sealed entry.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedEntry {
    /// Version ‖ ciphertext ‖ tag, of title, text, tags and audio keys, under a key that is new for each save.
    pub encrypted_content: Vec<u8>,
    /// The iv of `encrypted_content`.
    pub encryption_iv: [u8; IV_LENGTH],
    /// The key of `encrypted_content`, sealed.
    pub wrapped_key: [u8; WRAPPED_KEY_LENGTH],
    /// The iv of `wrapped_key`.
    pub wrap_iv: [u8; IV_LENGTH],
}

impl SealedEntry {
    /// Checks the lengths of all fields.
    ///
    /// # Errors
    /// [`Error::Length`] of the first field with an invalid length.
    pub fn from_parts(
        encrypted_content: Vec<u8>,
        encryption_iv: &[u8],
        wrapped_key: &[u8],
        wrap_iv: &[u8],
    ) -> Result<Self, Error> {
        let (min, max) = (MIN_ENCRYPTED_CONTENT, MAX_ENCRYPTED_CONTENT);
        if !(min..=max).contains(&encrypted_content.len()) {
            return Err(Error::Length { name: "encrypted_content", min, max });
        }
        Ok(Self {
            encrypted_content,
            encryption_iv: exactly("encryption_iv", encryption_iv)?,
            wrapped_key: exactly("wrapped_key", wrapped_key)?,
            wrap_iv: exactly("wrap_iv", wrap_iv)?,
        })
    }
}

impl fmt::Debug for SealedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedEntry({} bytes)", self.encrypted_content.len())
    }
}

fn exactly<const N: usize>(name: &'static str, bytes: &[u8]) -> Result<[u8; N], Error> {
    bytes.try_into().map_err(|_| Error::Length { name, min: N, max: N })
}

fixed!(
    /// The master key of a secret tag, wrapped with a key that follows from the phrase.
    WrappedMasterKey, 61, "wrapped_master_key"
);
fixed!(
    /// The master key of a secret tag, wrapped with its recovery key.
    RecoveryWrap, 61, "recovery_wrap"
);
fixed!(
    /// The proof that a client has the recovery key.
    RecoveryProof, 32, "recovery_proof"
);
fixed!(
    /// The value by which the server verifies a [`RecoveryProof`]. It reveals neither the proof nor the key.
    RecoveryVerifier, 32, "recovery_verifier"
);

impl RecoveryVerifier {
    /// Whether the proof is right, in constant time.
    pub fn accepts(&self, proof: &RecoveryProof) -> bool {
        constant_time::verify_slices_are_equal(self.as_bytes(), proof.verifier().as_bytes()).is_ok()
    }
}

impl RecoveryProof {
    /// SHA-256 over `sotto/v1/recovery-verifier` and the proof. The proof is a random key, so no salt or stretching is
    /// needed.
    pub fn verifier(&self) -> RecoveryVerifier {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"sotto/v1/recovery-verifier");
        context.update(self.as_bytes());
        let mut bytes = [0; RecoveryVerifier::LENGTH];
        bytes.copy_from_slice(context.finish().as_ref());
        RecoveryVerifier(bytes)
    }

    #[cfg(feature = "client")]
    pub(crate) fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }
}

/// The sealed name and colour of a secret tag.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedMetadata(Vec<u8>);

impl SealedMetadata {
    /// Checks the length.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        let (min, max) = (MIN_METADATA, MAX_METADATA);
        if !(min..=max).contains(&bytes.len()) {
            return Err(Error::Length { name: "metadata", min, max });
        }
        Ok(Self(bytes))
    }

    /// Version ‖ iv ‖ ciphertext ‖ tag.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SealedMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedMetadata({} bytes)", self.0.len())
    }
}
