//! Base64url without padding (RFC 4648, section 5), parsed strictly: each value has one text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Decodes exactly `N` bytes; `None` for another length or alphabet, padding, or stray bits at the end.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Checking the length first rejects long texts without decoding them.
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    bytes.try_into().ok()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Implements `Debug` without revealing the secret.
macro_rules! hidden {
    ($($name:ident),+) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        })+
    };
}
pub(crate) use hidden;

/// Defines a type of exactly `$length` bytes that is parsed from and printed as base64url, and hidden in `Debug`.
macro_rules! fixed {
    ($(#[$doc:meta])* $name:ident, $length:literal, $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Length in bytes.
            pub const LENGTH: usize = $length;

            /// Checks the length.
            ///
            /// # Errors
            /// [`Error::Length`](crate::Error::Length).
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, crate::Error> {
                bytes.try_into().map(Self).map_err(|_| Self::malformed())
            }

            /// The stored form.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            const fn malformed() -> crate::Error {
                crate::Error::Length { name: $field, min: $length, max: $length }
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::Error;

            fn from_str(text: &str) -> Result<Self, crate::Error> {
                crate::wire::decode(text).map(Self).ok_or(Self::malformed())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&crate::wire::encode(&self.0))
            }
        }

        crate::wire::hidden!($name);
    };
}
pub(crate) use fixed;
