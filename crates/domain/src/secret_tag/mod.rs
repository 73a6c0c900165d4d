//! Secret tags: their stored form, the sessions that unlock them, and the entries under them. The server cannot read
//! the encrypted bytes; `docs/protocol.md` and `sotto-crypto` define them.

mod opaque_session;
mod sealed_entry;

use std::fmt;

use crate::clock::Timestamp;
use crate::ids::{AttachmentId, SecretTagId, UserId};

pub use opaque_session::{
    ACTIVITY_SECONDS, FREE_TRIES, FailedTries, IDLE_SECONDS, LOGIN_SECONDS, LONGEST_WAIT, MAX_FAILURES, MAX_OPEN,
    MEMORY_SECONDS, NewLogin, OPEN_SECONDS, OpaqueSession, OpaqueState, Started, StartedLogin, latest_end, next_try,
    wait_after,
};
pub use sealed_entry::{AnyEntry, Moved, PlainBody, Sealed, SealedBody, SealedEntry, Stored};

/// The most secret tags that a user can have.
pub const MAX_SECRET_TAGS: u32 = 100;

/// A secret tag of one user, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretTag {
    /// The id. The client chooses it, because the first message of the registration depends on it.
    pub id: SecretTagId,
    /// The owner.
    pub user_id: UserId,
    /// The lock.
    pub lock: PhraseLock,
    /// Name and colour, sealed.
    pub metadata: Vec<u8>,
    /// The master key, wrapped with the recovery key.
    pub recovery_wrap: Vec<u8>,
    /// The verifier with which the server checks a recovery proof.
    pub recovery_verifier: Vec<u8>,
    /// 1 at first; each new passphrase raises it by one.
    pub version: u32,
    /// When the secret tag was created.
    pub created_at: Timestamp,
    /// When the secret tag was last changed.
    pub updated_at: Timestamp,
}

/// The data that a passphrase unlocks. A new passphrase replaces all of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PhraseLock {
    /// The OPAQUE registration record, 192 bytes.
    pub record: Vec<u8>,
    /// The master key, wrapped with a key derived from the OPAQUE export key, 61 bytes.
    pub wrapped_master_key: Vec<u8>,
    /// The fingerprint of the server's OPAQUE keys with which the record was made, 16 bytes.
    pub server_keys: [u8; 16],
}

/// A secret tag to create.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSecretTag {
    /// The id.
    pub id: SecretTagId,
    /// The lock.
    pub lock: PhraseLock,
    /// Name and colour, sealed.
    pub metadata: Vec<u8>,
    /// The master key, wrapped with the recovery key.
    pub recovery_wrap: Vec<u8>,
    /// The verifier with which the server checks a recovery proof.
    pub recovery_verifier: Vec<u8>,
}

/// The outcome of creating a secret tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreatedSecretTag {
    /// The secret tag is stored.
    Created(SecretTag),
    /// This user or another one has a secret tag with this id, or this user has deleted one. Nothing was changed.
    IdTaken,
    /// The user already has [`MAX_SECRET_TAGS`].
    TooMany,
}

/// The outcome of deleting a secret tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletedSecretTag {
    /// The secret tag is deleted.
    Deleted {
        /// The number of entries that were deleted with the tag.
        entries: u64,
        /// The freed attachments, in no particular order.
        freed: Vec<AttachmentId>,
    },
    /// The user has no such secret tag.
    Missing,
    /// This many entries are under the tag, and the caller did not ask to delete them. Nothing was changed.
    HasEntries(u64),
}

/// Ciphertext, keys and records are useless in logs and do not belong there.
macro_rules! hide {
    ($($name:ident { $($shown:ident),* })+) => { $(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($shown), &self.$shown))*.finish_non_exhaustive()
            }
        }
    )+ };
}

hide! {
    SecretTag { id, user_id, version }
    NewSecretTag { id }
    PhraseLock { server_keys }
    NewLogin { id, user_id, tag }
    StartedLogin { tag }
    Sealed {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ciphertext_and_records_are_redacted_in_debug_output() {
        let lock = PhraseLock { record: vec![171; 192], wrapped_master_key: vec![171; 61], server_keys: [1; 16] };
        assert!(!format!("{lock:?}").contains("171"));
    }
}
