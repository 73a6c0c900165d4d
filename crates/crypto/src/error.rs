//! The errors of this crate.

/// Why a step was refused. No error reveals anything about a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A message has the wrong length or alphabet, or contains an invalid point or the identity element.
    #[error("the {name} is malformed: it must be {length} bytes as OPAQUE makes them, in base64url without padding")]
    Message {
        /// The message, such as `login request`.
        name: &'static str,
        /// The expected length in bytes.
        length: usize,
    },
    /// A sealed value has an impossible length.
    #[error("{name} must be {min} to {max} bytes long")]
    Length {
        /// The field's name in the API.
        name: &'static str,
        /// Shortest valid length in bytes.
        min: usize,
        /// Longest valid length in bytes.
        max: usize,
    },
    /// The server's OPAQUE keys cannot be read.
    #[error("the OPAQUE keys are malformed: restore them from a backup")]
    ServerKeys,
    /// A fingerprint cannot be read.
    #[error("a fingerprint must be 32 lower-case hexadecimal digits")]
    Fingerprint,
    /// The exchange failed. It always fails for an unknown secret tag.
    #[error("the phrase is wrong")]
    WrongPhrase,
    /// The time between start and finish of a login is over.
    #[error("this took too long: start again")]
    Expired,
    /// A sealed value was changed, belongs somewhere else, or was sealed with another key.
    #[error("the {0} cannot be opened: it was changed, or does not belong here")]
    Refused(&'static str),
    /// A sealed value is genuine, but its layout is unknown to this version.
    #[error("the {0} was written by a newer version")]
    Layout(&'static str),
    /// A phrase is empty or too long.
    #[error("a phrase must be 1 to 1024 bytes long")]
    Phrase,
    /// A recovery key is mistyped.
    #[error("this is not a recovery key: it has 14 groups of 4 letters and digits, and one of them is mistyped")]
    RecoveryKey,
    /// A plaintext is too long.
    #[error("the {name} must be at most {max} long")]
    TooLong {
        /// The field, such as `title`.
        name: &'static str,
        /// Longest valid length in bytes, or number of tags.
        max: usize,
    },
    /// A library refused an input that it always accepts.
    #[error("the cryptographic library failed")]
    Library,
}
