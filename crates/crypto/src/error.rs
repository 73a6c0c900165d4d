//! What can go wrong.

/// Why a step was refused. None of these says anything about a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A message is of the wrong length or alphabet, or holds no valid point, or the identity element.
    #[error("the {name} is malformed: it must be {length} bytes as OPAQUE makes them, in base64url without padding")]
    Message {
        /// Such as `login request`.
        name: &'static str,
        /// Bytes that it must have.
        length: usize,
    },
    /// Something sealed has a length that it cannot have.
    #[error("{name} must be {min} to {max} bytes long")]
    Length {
        /// The field's name, as in the API.
        name: &'static str,
        /// Bytes, at least.
        min: usize,
        /// Bytes, at most.
        max: usize,
    },
    /// The server's OPAQUE keys cannot be read.
    #[error("the OPAQUE keys are malformed: restore them from a backup")]
    ServerKeys,
    /// A fingerprint cannot be read.
    #[error("a fingerprint must be 32 lower-case hexadecimal digits")]
    Fingerprint,
    /// The exchange failed. With an unknown secret tag it always does.
    #[error("the phrase is wrong")]
    WrongPhrase,
    /// The time between start and finish of a login is over.
    #[error("this took too long: start again")]
    Expired,
    /// What is sealed was changed, or belongs to another place, or the key is another.
    #[error("the {0} cannot be opened: it was changed, or does not belong here")]
    Refused(&'static str),
    /// What was opened is genuine, but not laid out as this version does.
    #[error("the {0} was written by a newer version")]
    Layout(&'static str),
    /// A phrase is empty or too long.
    #[error("a phrase must be 1 to 1024 bytes long")]
    Phrase,
    /// A recovery key is mistyped.
    #[error("this is not a recovery key: it has 14 groups of 4 letters and digits, and one of them is mistyped")]
    RecoveryKey,
    /// Text to be sealed is too long.
    #[error("the {name} must be at most {max} long")]
    TooLong {
        /// Such as `title`.
        name: &'static str,
        /// Bytes, or number of tags, at most.
        max: usize,
    },
    /// A library refused what it always accepts.
    #[error("the cryptographic library failed")]
    Library,
}
