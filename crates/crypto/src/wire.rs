//! Base64url without padding (RFC 4648, section 5), read strictly: one text for each value.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Exactly `N` bytes; `None` for another length or alphabet, padding, or stray bits at the end.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // First the length: nobody has to look at a long text to know that it is too long.
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    bytes.try_into().ok()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Keeps secrets out of logs.
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

/// Makes a type of exactly `$length` bytes that reads and prints as base64url and is told to nobody by `Debug`.
macro_rules! fixed {
    ($(#[$doc:meta])* $name:ident, $length:literal, $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Bytes.
            pub const LENGTH: usize = $length;

            /// # Errors
            /// [`Error::Length`](crate::Error::Length).
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, crate::Error> {
                bytes.try_into().map(Self).map_err(|_| Self::malformed())
            }

            /// The bytes, as they are stored.
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
