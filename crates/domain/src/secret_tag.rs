//! Secret tags: their stored form, the sessions that unlock them, and the entries under them. The server cannot read
//! the encrypted bytes; `docs/protocol.md` and `sotto-crypto` define them.

use std::fmt;

use crate::clock::{CLOCK_TOLERANCE, Timestamp};
use crate::entry::{Entry, EntryBody, check_id};
use crate::entry_date::EntryDate;
use crate::ids::{AttachmentId, EntryId, OpaqueSessionId, SecretTagId, TagId, UserId};
use crate::tag::TagChoice;
use crate::text::{Check, Violations};
use crate::zone::Zone;

/// The most secret tags that a user can have.
pub const MAX_SECRET_TAGS: u32 = 100;
/// The longest time from the start to the finish of an attempt, in seconds.
pub const LOGIN_SECONDS: i64 = 120;
/// How long a secret tag stays unlocked without activity, in seconds.
pub const IDLE_SECONDS: i64 = 15 * 60;
/// The longest time that a secret tag stays unlocked, in seconds.
pub const OPEN_SECONDS: i64 = 12 * 60 * 60;
/// Activity is recorded only if the last record is older than this, in seconds, so that not every read causes a write.
pub const ACTIVITY_SECONDS: i64 = 60;
/// The most secret tags that a user can have unlocked at once. The next unlock ends the oldest one.
pub const MAX_OPEN: u32 = 16;
/// The number of failed attempts on one secret tag after which the next attempt has to wait.
pub const FREE_TRIES: u32 = 5;
/// The longest wait, in seconds.
pub const LONGEST_WAIT: i64 = 15 * 60;
/// How long a failed attempt is remembered, in seconds.
pub const MEMORY_SECONDS: i64 = 24 * 60 * 60;
/// The number of failed attempts of one user, on any secret tags, after which all attempts have to wait.
pub const MAX_FAILURES: u32 = 200;

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
    /// This user or another one has a secret tag with this id. Nothing was changed.
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

/// An attempt that is about to be started.
#[derive(Clone, PartialEq, Eq)]
pub struct NewLogin {
    /// The id.
    pub id: OpaqueSessionId,
    /// The user who makes the attempt.
    pub user_id: UserId,
    /// The secret tag to unlock, which need not exist.
    pub tag: SecretTagId,
    /// The server's state of the OPAQUE login, sealed.
    pub state: Vec<u8>,
    /// The time after which the attempt cannot be finished.
    pub expires_at: Timestamp,
}

/// The outcome of starting an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// The attempt is stored and can be finished.
    Started,
    /// There were too many failed attempts. Nothing is stored, and the next attempt is possible from this time on.
    Slowed(Timestamp),
}

/// A started attempt that was taken to be finished. It counts as failed until
/// [`crate::storage::OpaqueSessions::unlock`].
#[derive(Clone, PartialEq, Eq)]
pub struct TakenLogin {
    /// The secret tag to unlock.
    pub tag: SecretTagId,
    /// The server's state of the OPAQUE login, sealed.
    pub state: Vec<u8>,
    /// The time after which the attempt cannot be finished.
    pub expires_at: Timestamp,
}

/// The part of an OPAQUE session that its user can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpaqueSession {
    /// The id.
    pub id: OpaqueSessionId,
    /// The secret tag of the session.
    pub tag: SecretTagId,
    /// The state of the session.
    pub state: OpaqueState,
    /// When the session ends without activity. Activity postpones the end, up to [`OPEN_SECONDS`] after the unlock.
    pub expires_at: Timestamp,
    /// The time of the last activity, to within [`ACTIVITY_SECONDS`].
    pub last_activity: Timestamp,
    /// When the attempt was started.
    pub created_at: Timestamp,
}

/// The state of an OPAQUE session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpaqueState {
    /// Started: the server waits for the client's proof.
    Initialized,
    /// The secret tag is unlocked.
    Unlocked,
    /// The passphrase was wrong, or the attempt was not finished.
    Failed,
}

/// The failed attempts that the next unlock reports to the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FailedTries {
    /// The number of attempts that failed since the last unlock of the secret tag, within [`MEMORY_SECONDS`]. Includes
    /// unfinished attempts: the server's response is all that a guess needs, so an attacker may never finish.
    pub count: u32,
    /// The time of the last one.
    pub last: Option<Timestamp>,
}

/// The encrypted columns of a sealed entry. `sotto-crypto` has checked their lengths.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Version ‖ ciphertext ‖ tag.
    pub encrypted_content: Vec<u8>,
    /// The IV of `encrypted_content`, 12 bytes.
    pub encryption_iv: Vec<u8>,
    /// The key that encrypts this save, wrapped, 48 bytes.
    pub wrapped_key: Vec<u8>,
    /// The IV of `wrapped_key`, 12 bytes.
    pub wrap_iv: Vec<u8>,
}

/// An entry under a secret tag.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedEntry {
    /// The id.
    pub id: EntryId,
    /// The owner.
    pub user_id: UserId,
    /// The secret tag of the entry.
    pub tag: SecretTagId,
    /// The sealed title and text.
    pub sealed: Sealed,
    /// The date of the entry.
    pub date: EntryDate,
    /// 1 at first; each change raises it by one. The revision is authenticated data of `sealed`, so every change
    /// encrypts the text again.
    pub revision: u32,
    /// When the entry was created.
    pub created_at: Timestamp,
    /// When the entry was last changed.
    pub updated_at: Timestamp,
}

/// All stored fields of a sealed entry.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedBody {
    /// The secret tag of the entry.
    pub tag: SecretTagId,
    /// The title and text, sealed for the entry's next revision.
    pub sealed: Sealed,
    /// The date of the entry.
    pub date: EntryDate,
}

/// A plain or sealed entry.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyEntry {
    /// A plain entry.
    Plain(Entry),
    /// An entry under a secret tag.
    Sealed(SealedEntry),
}

/// A plain body that replaces a sealed one.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainBody {
    /// The fields that the user sets.
    pub body: EntryBody,
    /// The tags of the entry.
    pub tags: Vec<TagChoice>,
}

/// An entry that was moved into or out of a secret tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved<T> {
    /// The entry after the move.
    pub entry: T,
    /// The freed attachments.
    pub freed: Vec<AttachmentId>,
}

/// The outcome of storing a sealed entry, or of moving an entry into or out of a secret tag.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored<T> {
    /// The change is stored.
    Stored(T),
    /// For a create: the user already has an entry with this id. Nothing was changed.
    Exists(AnyEntry),
    /// For a create: another user has an entry with this id. Nothing was changed.
    IdTaken,
    /// For a change: the user has no such entry.
    Missing,
    /// For a change: the entry is at another revision than the caller expected, or of the other kind. Contains the
    /// current entry.
    Stale(AnyEntry),
    /// The user has no such secret tag. Nothing was changed.
    UnknownSecretTag,
    /// The request names a tag by an id that is not one of the user's tags. Nothing was changed.
    UnknownTag(TagId),
}

/// How long the next attempt has to wait, in seconds, after this many failed attempts: zero up to [`FREE_TRIES`], then
/// doubling with each failure, up to [`LONGEST_WAIT`].
pub fn wait_after(failures: u32) -> i64 {
    let beyond = failures.saturating_sub(FREE_TRIES);
    match beyond {
        0 => 0,
        1..=15 => (1_i64 << beyond).min(LONGEST_WAIT),
        _ => LONGEST_WAIT,
    }
}

/// The time from which the next attempt on a secret tag is possible. `of_tag` are the failed attempts on the tag since
/// its last unlock. `limit` is the time of the oldest of the user's last [`MAX_FAILURES`] failed attempts, if there
/// were that many within [`MEMORY_SECONDS`].
pub fn next_try(of_tag: FailedTries, limit: Option<Timestamp>) -> Timestamp {
    let wait = wait_after(of_tag.count);
    // Without a wait, it does not matter if this clock is behind the clock of another server.
    let of_tag = of_tag.last.filter(|_| wait > 0).map(|last| last.plus_seconds(wait));
    let of_user = limit.map(|oldest| oldest.plus_seconds(MEMORY_SECONDS));
    of_tag.max(of_user).unwrap_or(Timestamp::MIN)
}

/// The latest end that a session can have at `now` if it lasts this many seconds and was written with a correct clock.
/// A session with a later end has ended.
pub fn latest_end(now: Timestamp, seconds: i64) -> Timestamp {
    now.plus_seconds(seconds + CLOCK_TOLERANCE)
}

impl OpaqueState {
    /// This state at `now`: an attempt that was not finished in time has failed.
    #[must_use]
    pub fn by(self, now: Timestamp, expires_at: Timestamp) -> Self {
        if self == Self::Initialized && expires_at <= now { Self::Failed } else { self }
    }

    /// The name in the API and in storage, at most 20 bytes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::Unlocked => "unlocked",
            Self::Failed => "failed",
        }
    }

    /// The state with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Initialized, Self::Unlocked, Self::Failed].into_iter().find(|state| state.name() == name)
    }
}

impl SealedBody {
    /// Checks the id and the date of a sealed entry; `zone` is the result of [`Zone::chosen`].
    ///
    /// # Errors
    /// The flaws of both.
    pub fn check(id: EntryId, moment: &str, zone: Result<Zone, &str>) -> Result<(EntryId, EntryDate), Violations> {
        let mut check = Check::default();
        check_id(&mut check, id);
        let date = EntryDate::check(&mut check, moment, zone);
        check.finish(date.map(|date| (id, date)))
    }

    /// The sealed entry that results from storing this body.
    pub fn stored(
        self,
        user_id: UserId,
        id: EntryId,
        revision: u32,
        created_at: Timestamp,
        updated_at: Timestamp,
    ) -> SealedEntry {
        let Self { tag, sealed, date } = self;
        SealedEntry { id, user_id, tag, sealed, date, revision, created_at, updated_at }
    }
}

impl<T> Stored<T> {
    /// Maps the stored value, like [`Option::map`].
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Stored<U> {
        match self {
            Self::Stored(stored) => Stored::Stored(change(stored)),
            Self::Exists(entry) => Stored::Exists(entry),
            Self::IdTaken => Stored::IdTaken,
            Self::Missing => Stored::Missing,
            Self::Stale(entry) => Stored::Stale(entry),
            Self::UnknownSecretTag => Stored::UnknownSecretTag,
            Self::UnknownTag(tag) => Stored::UnknownTag(tag),
        }
    }
}

impl AnyEntry {
    /// The date, which is never sealed.
    pub fn date(&self) -> &EntryDate {
        match self {
            Self::Plain(entry) => &entry.body.date,
            Self::Sealed(entry) => &entry.date,
        }
    }

    /// The revision; each change raises it by one.
    pub fn revision(&self) -> u32 {
        match self {
            Self::Plain(entry) => entry.revision,
            Self::Sealed(entry) => entry.revision,
        }
    }
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
    TakenLogin { tag }
    Sealed {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_maximum() {
        assert_eq!([0, 4, 5, 6, 7, 8].map(wait_after), [0, 0, 0, 2, 4, 8]);
        assert_eq!([15, 20, 1000, u32::MAX].map(wait_after), [LONGEST_WAIT; 4]);
    }

    #[test]
    fn the_next_attempt_waits_for_the_secret_tag_and_for_the_user() {
        let at = |seconds| Timestamp::MIN.plus_seconds(seconds);
        let tries = |count| FailedTries { count, last: Some(at(100)) };
        assert_eq!(next_try(FailedTries::default(), None), Timestamp::MIN);
        assert_eq!(next_try(tries(5), None), Timestamp::MIN);
        assert_eq!(next_try(tries(8), None), at(108));
        assert_eq!(next_try(tries(8), Some(at(50))), at(50 + MEMORY_SECONDS));
        assert_eq!(next_try(FailedTries::default(), Some(at(50))), at(50 + MEMORY_SECONDS));
    }

    #[test]
    fn an_unfinished_login_counts_as_failed_after_its_time() {
        let (before, end) = (Timestamp::MIN, Timestamp::MIN.plus_seconds(1));
        assert_eq!(OpaqueState::Initialized.by(before, end), OpaqueState::Initialized);
        assert_eq!(OpaqueState::Initialized.by(end, end), OpaqueState::Failed);
        assert_eq!(OpaqueState::Unlocked.by(end, end), OpaqueState::Unlocked);
    }

    #[test]
    fn ciphertext_and_records_are_redacted_in_debug_output() {
        let lock = PhraseLock { record: vec![171; 192], wrapped_master_key: vec![171; 61], server_keys: [1; 16] };
        assert!(!format!("{lock:?}").contains("171"));
    }
}
