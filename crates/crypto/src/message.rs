//! The six messages of OPAQUE (RFC 9807, sections 5.1 and 6.1). Each has one fixed length and is written in base64url
//! without padding. A value of one of these types contains valid points: they are checked when a message is parsed, and
//! only there.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::suite::Suite;
use crate::wire;

macro_rules! message {
    ($(#[$doc:meta])* $name:ident, $inner:ident, $length:literal, $called:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(pub(crate) opaque_ke::$inner<Suite>);

        impl $name {
            /// Length in bytes.
            pub const LENGTH: usize = $length;

            const MALFORMED: Error = Error::Message { name: $called, length: $length };

            /// Parses a message.
            ///
            /// # Errors
            /// [`Error::Message`].
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
                // The library would ignore bytes after the message.
                if bytes.len() != Self::LENGTH {
                    return Err(Self::MALFORMED);
                }
                opaque_ke::$inner::deserialize(bytes).map(Self).map_err(|_| Self::MALFORMED)
            }

            /// The encoding of the RFC.
            pub fn to_bytes(&self) -> [u8; $length] {
                let mut bytes = [0; $length];
                bytes.copy_from_slice(&self.0.serialize());
                bytes
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                let bytes = wire::decode::<$length>(text).ok_or(Self::MALFORMED)?;
                Self::from_bytes(&bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&wire::encode(&self.to_bytes()))
            }
        }

        wire::hidden!($name);
    };
}

message!(
    /// Client to server: the blinded phrase.
    RegistrationRequest, RegistrationRequest, 32, "registration request"
);
message!(
    /// Server to client: the blinded phrase evaluated with the tag's OPRF key, and the server's public key.
    RegistrationResponse, RegistrationResponse, 64, "registration response"
);
message!(
    /// Client to server, which stores it: public key, masking key and envelope. With this record and the server's keys
    /// one can guess phrases offline.
    RegistrationRecord, RegistrationUpload, 192, "registration record"
);
message!(
    /// Client to server, KE1.
    LoginRequest, CredentialRequest, 96, "login request"
);
message!(
    /// Server to client, KE2.
    LoginResponse, CredentialResponse, 320, "login response"
);
message!(
    /// Client to server, KE3: the proof that the phrase was right.
    LoginFinish, CredentialFinalization, 64, "login finish"
);
