//! The recovery key, which opens a secret tag when its phrase is lost.

use std::str::FromStr;

use aws_lc_rs::digest;
use sotto_domain::Random;
use zeroize::Zeroizing;

use crate::cipher::{KEY, Key};
use crate::error::Error;
use crate::sealed::RecoveryProof;
use crate::wire::hidden;

/// Crockford's base32 (<https://www.crockford.com/base32.html>).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Bytes of checksum that detect a mistyped key: one mistake in 16 million passes.
const CHECKSUM: usize = 3;
/// 35 bytes are exactly 56 symbols of 5 bits.
const SYMBOLS: usize = (KEY + CHECKSUM) * 8 / 5;
const GROUP_SYMBOLS: usize = 4;

/// 32 random bytes that open a secret tag without its phrase and without the server's OPAQUE keys. Shown once.
#[derive(Clone)]
pub struct RecoveryKey(Key);

impl RecoveryKey {
    /// Generates a random key.
    pub fn generate(random: &dyn Random) -> Self {
        Self(Key::generate(random))
    }

    /// The written form: 14 groups of 4 symbols, such as `7K2M-…`.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(SYMBOLS + SYMBOLS / GROUP_SYMBOLS));
        let bytes = self.with_check();
        for symbol in 0..SYMBOLS {
            if symbol > 0 && symbol % GROUP_SYMBOLS == 0 {
                text.push('-');
            }
            let value = (0..5).fold(0, |value, bit| {
                let place = symbol * 5 + bit;
                value << 1 | usize::from(bytes[place / 8] >> (7 - place % 8) & 1)
            });
            text.push(char::from(ALPHABET[value]));
        }
        text
    }

    /// Proves to the server that its user has the key, without revealing the key.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn proof(&self) -> Result<RecoveryProof, Error> {
        let key = Key::derive(self.0.as_bytes(), "sotto/v1/secret-tag/recovery-proof")?;
        Ok(RecoveryProof::new(*key.as_bytes()))
    }

    /// The key that wraps the master key.
    pub(crate) fn wrapping(&self) -> Result<Key, Error> {
        Key::derive(self.0.as_bytes(), "sotto/v1/secret-tag/recovery")
    }

    fn with_check(&self) -> Zeroizing<[u8; KEY + CHECKSUM]> {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"sotto/v1/recovery-key");
        context.update(self.0.as_bytes());
        let mut bytes = Zeroizing::new([0; KEY + CHECKSUM]);
        bytes[..KEY].copy_from_slice(self.0.as_bytes());
        bytes[KEY..].copy_from_slice(&context.finish().as_ref()[..CHECKSUM]);
        bytes
    }
}

impl FromStr for RecoveryKey {
    type Err = Error;

    /// Reads a typed key: in any case, with dashes and spaces anywhere, O for 0, I or L for 1.
    fn from_str(typed: &str) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0_u8; KEY + CHECKSUM]);
        let mut bits = 0;
        for symbol in typed.chars().filter(|symbol| *symbol != '-' && !symbol.is_whitespace()) {
            let value = value(symbol).ok_or(Error::RecoveryKey)?;
            for bit in (0..5).rev() {
                let byte = bytes.get_mut(bits / 8).ok_or(Error::RecoveryKey)?;
                *byte = *byte << 1 | value >> bit & 1;
                bits += 1;
            }
        }
        let key = Key::from_bytes(&bytes[..KEY]).map(Self).ok_or(Error::RecoveryKey)?;
        if bits != SYMBOLS * 5
            || aws_lc_rs::constant_time::verify_slices_are_equal(&*bytes, &*key.with_check()).is_err()
        {
            return Err(Error::RecoveryKey);
        }
        Ok(key)
    }
}

hidden!(RecoveryKey);

fn value(symbol: char) -> Option<u8> {
    let symbol = match symbol.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let place = ALPHABET.iter().position(|known| char::from(*known) == symbol)?;
    u8::try_from(place).ok()
}
