//! AES-256-GCM and HKDF-SHA512 in the layout of `WebCrypto`: the tag of 16 bytes follows the ciphertext.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
#[cfg(feature = "client")]
use aws_lc_rs::hkdf;
use sotto_domain::Random;
use zeroize::Zeroizing;

use crate::error::Error;

/// Length of a key in bytes.
pub(crate) const KEY: usize = 32;
/// Length of an initialization vector in bytes. Each is random and used once.
pub(crate) const IV: usize = 12;
/// Length of the authentication tag in bytes.
pub(crate) const TAG: usize = 16;
/// The version of every layout in this crate; the first byte of everything sealed.
pub(crate) const VERSION: u8 = 1;
/// Bytes that a box adds to a plaintext: version, iv and tag.
pub(crate) const BOX: usize = 1 + IV + TAG;

/// A key of AES-256-GCM.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<[u8; KEY]>);

impl Key {
    pub fn generate(random: &dyn Random) -> Self {
        let mut key = Zeroizing::new([0; KEY]);
        random.fill(&mut *key);
        Self(key)
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; KEY]);
        if bytes.len() != KEY {
            return None;
        }
        key.copy_from_slice(bytes);
        Some(Self(key))
    }

    /// Derives a key with HKDF-SHA512 (RFC 5869) from a uniformly random secret, without salt; `label` is the info.
    #[cfg(feature = "client")]
    pub fn derive(secret: &[u8], label: &str) -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; KEY]);
        hkdf::Salt::new(hkdf::HKDF_SHA512, b"")
            .extract(secret)
            .expand(&[label.as_bytes()], KeyLength)
            .and_then(|okm| okm.fill(&mut *key))
            .map_err(|_| Error::Library)?;
        Ok(Self(key))
    }

    pub fn as_bytes(&self) -> &[u8; KEY] {
        &self.0
    }

    /// Returns `prefix`, which is not encrypted, then ciphertext and tag.
    pub fn seal(&self, iv: [u8; IV], aad: &[u8], prefix: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let mut sealed = Vec::with_capacity(prefix.len() + plaintext.len() + TAG);
        sealed.extend_from_slice(prefix);
        sealed.extend_from_slice(plaintext);
        let nonce = Nonce::assume_unique_for_key(iv);
        let tag = self
            .cipher()?
            .seal_in_place_separate_tag(nonce, Aad::from(aad), &mut sealed[prefix.len()..])
            .map_err(|_| Error::Library)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Returns the plaintext; `None` if ciphertext, tag, `iv` or `aad` differ from what was sealed.
    pub fn open(&self, iv: [u8; IV], aad: &[u8], ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let length = ciphertext.len().checked_sub(TAG)?;
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        let nonce = Nonce::assume_unique_for_key(iv);
        self.cipher().ok()?.open_in_place(nonce, Aad::from(aad), &mut plaintext).ok()?;
        plaintext.truncate(length);
        Some(plaintext)
    }

    /// Returns version ‖ iv ‖ ciphertext ‖ tag. The version is also the last byte of the additional data.
    pub fn seal_box(&self, aad: &[u8], plaintext: &[u8], random: &dyn Random) -> Result<Vec<u8>, Error> {
        let mut iv = [0; IV];
        random.fill(&mut iv);
        let mut prefix = [VERSION; 1 + IV];
        prefix[1..].copy_from_slice(&iv);
        self.seal(iv, &[aad, &[VERSION]].concat(), &prefix, plaintext)
    }

    /// Opens the output of [`Self::seal_box`].
    pub fn open_box(&self, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (version, rest) = sealed.split_first()?;
        let (iv, ciphertext) = rest.split_first_chunk()?;
        if *version != VERSION {
            return None;
        }
        self.open(*iv, &[aad, &[VERSION]].concat(), ciphertext)
    }

    fn cipher(&self) -> Result<LessSafeKey, Error> {
        UnboundKey::new(&AES_256_GCM, &*self.0).map(LessSafeKey::new).map_err(|_| Error::Library)
    }
}

#[cfg(feature = "client")]
struct KeyLength;

#[cfg(feature = "client")]
impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY
    }
}
