//! What is stored of a secret tag and of the entries under it. The server checks lengths; only a client can open it.

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use sotto_domain::entry::{MAX_CONTENT, MAX_TITLE};
use sotto_domain::tag::MAX_TAGS_PER_ENTRY;

use crate::cipher::{BOX, IV, KEY, TAG};
use crate::error::Error;
use crate::wire::fixed;

/// Bytes of `encryption_iv` and of `wrap_iv`.
pub const IV_LENGTH: usize = IV;
/// Bytes of `wrapped_key`: a key and its tag.
pub const WRAPPED_KEY_LENGTH: usize = KEY + TAG;
/// Bytes of `encrypted_content`, at least: version, one block of padded text, tag.
pub const MIN_ENCRYPTED_CONTENT: usize = 1 + PADDING + TAG;
/// Bytes of `encrypted_content`, at most: the longest title and text, the most and longest tags, and two audio keys.
pub const MAX_ENCRYPTED_CONTENT: usize = 1
    + padded(FIELD + MAX_TITLE + FIELD + MAX_CONTENT + MAX_TAGS_PER_ENTRY * (FIELD + MAX_TAG_NAME) + 2 * (FIELD + KEY))
    + TAG;
/// Bytes of sealed metadata, at least.
pub const MIN_METADATA: usize = BOX + PADDING;
/// Bytes of sealed metadata, at most.
pub const MAX_METADATA: usize = BOX + padded(FIELD + MAX_TAG_NAME + FIELD + COLOR);

/// A plaintext is filled up to a multiple of this many bytes.
pub(crate) const PADDING: usize = 32;
/// Bytes before a field of a plaintext: its type and its length.
pub(crate) const FIELD: usize = 1 + 4;
/// Bytes in the name of a tag, at most.
pub(crate) const MAX_TAG_NAME: usize = 100;
/// Bytes of a colour, `#rrggbb`.
pub(crate) const COLOR: usize = 7;

pub(crate) const fn padded(length: usize) -> usize {
    length.next_multiple_of(PADDING)
}

/// What the columns of a sealed entry hold.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedEntry {
    /// Version ‖ ciphertext ‖ tag, of title, text, tags and audio key, under a key that is made for each save.
    pub encrypted_content: Vec<u8>,
    /// The iv of `encrypted_content`.
    pub encryption_iv: [u8; IV_LENGTH],
    /// That key, sealed.
    pub wrapped_key: [u8; WRAPPED_KEY_LENGTH],
    /// The iv of `wrapped_key`.
    pub wrap_iv: [u8; IV_LENGTH],
}

impl SealedEntry {
    /// # Errors
    /// [`Error::Length`] of the first field that cannot be what it should be.
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
    /// The master key of a secret tag under a key that the phrase gives.
    WrappedMasterKey, 61, "wrapped_master_key"
);
fixed!(
    /// The master key of a secret tag under its recovery key.
    RecoveryWrap, 61, "recovery_wrap"
);
fixed!(
    /// What only who has the recovery key can show.
    RecoveryProof, 32, "recovery_proof"
);
fixed!(
    /// What the server keeps to know a [`RecoveryProof`]. It gives neither the proof nor the key away.
    RecoveryVerifier, 32, "recovery_verifier"
);

impl RecoveryVerifier {
    /// Whether this is the proof, in the same time for any.
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

/// The name and the colour of a secret tag, sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedMetadata(Vec<u8>);

impl SealedMetadata {
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
