//! Secret tags: what is kept of them, how they are opened, and the entries under them. None of it can be read here: what
//! the bytes mean is up to `sotto-crypto` and `docs/protocol.md`.

use std::fmt;

use jiff::civil::Date;

use crate::clock::{Timestamp, Zone};
use crate::entry::{Entry, EntryBody};
use crate::ids::{AttachmentId, EntryId, OpaqueSessionId, SecretTagId, TagId, UserId};
use crate::tag::TagChoice;

/// Secret tags of one user, at most.
pub const MAX_SECRET_TAGS: u32 = 100;
/// How long a login may take from its start to its finish, in seconds.
pub const LOGIN_SECONDS: i64 = 120;
/// How long a secret tag stays open while nobody uses it, in seconds.
pub const IDLE_SECONDS: i64 = 15 * 60;
/// How long a secret tag stays open at most, in seconds.
pub const OPEN_SECONDS: i64 = 12 * 60 * 60;
/// Activity is noted when the last note is older than this, in seconds, so that reading does not mean writing.
pub const ACTIVITY_SECONDS: i64 = 60;
/// Secret tags that one user has open at once, at most; the next one closes the one that was opened first.
pub const MAX_OPEN: u32 = 16;
/// Wrong phrases for one secret tag before the next try has to wait.
pub const FREE_TRIES: u32 = 5;
/// The longest wait, in seconds.
pub const LONGEST_WAIT: i64 = 15 * 60;
/// How long a try that failed is remembered, in seconds.
pub const MEMORY_SECONDS: i64 = 24 * 60 * 60;
/// Tries of one user that failed, with whatever secret tag, before all of them have to wait.
pub const MAX_FAILURES: u32 = 200;

/// A secret tag of one user, as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretTag {
    /// The id, made by the client: it is part of the exchange from its first message on.
    pub id: SecretTagId,
    /// Whose it is.
    pub user_id: UserId,
    /// What opens it.
    pub lock: Lock,
    /// Its name and colour, sealed.
    pub metadata: Vec<u8>,
    /// The master key under the recovery key, sealed.
    pub recovery_wrap: Vec<u8>,
    /// What the server knows a recovery proof by.
    pub recovery_verifier: Vec<u8>,
    /// 1 at first, one more with each new phrase.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a phrase opens: it is replaced as a whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Lock {
    /// OPAQUE's registration record, 192 bytes.
    pub record: Vec<u8>,
    /// The master key under a key that the exchange gives, sealed, 61 bytes.
    pub wrapped_master_key: Vec<u8>,
    /// The fingerprint of the server's OPAQUE keys that the record was made with, 16 bytes.
    pub server_keys: [u8; 16],
}

/// A secret tag to be made.
#[derive(Clone, PartialEq, Eq)]
pub struct NewSecretTag {
    /// The id.
    pub id: SecretTagId,
    /// What opens it.
    pub lock: Lock,
    /// Its name and colour, sealed.
    pub metadata: Vec<u8>,
    /// The master key under the recovery key, sealed.
    pub recovery_wrap: Vec<u8>,
    /// What the server knows a recovery proof by.
    pub recovery_verifier: Vec<u8>,
}

/// What came of making a secret tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreatedSecretTag {
    /// It is stored.
    Created(SecretTag),
    /// The id is taken, be it by the same user; nothing was changed.
    IdTaken,
    /// The user has [`MAX_SECRET_TAGS`] already.
    TooMany,
}

/// What came of deleting a secret tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeletedSecretTag {
    /// It is gone.
    Deleted {
        /// How many entries went with it.
        entries: u64,
        /// The recordings that they had, in no order; their objects are the caller's to delete.
        recordings: Vec<AttachmentId>,
    },
    /// The user has no such secret tag.
    Missing,
    /// So many entries are under it, and nobody said that they shall go; nothing was changed.
    HasEntries(u64),
}

/// A login that is about to be started.
#[derive(Clone, PartialEq, Eq)]
pub struct NewLogin {
    /// The id.
    pub id: OpaqueSessionId,
    /// Who wants to open it.
    pub user_id: UserId,
    /// What they want to open; whether it exists does not matter.
    pub tag: SecretTagId,
    /// The server's half of the exchange, sealed.
    pub state: Vec<u8>,
    /// From when on it is worthless.
    pub expires_at: Timestamp,
}

/// What came of starting a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It may be finished.
    Started,
    /// There were too many wrong phrases; nothing is stored, and none may be tried before this instant.
    Slowed(Timestamp),
}

/// A login that was started, taken out for its one finish. Until [`crate::storage::OpaqueSessions::unlock`], it counts as
/// failed.
#[derive(Clone, PartialEq, Eq)]
pub struct TakenLogin {
    /// What is to be opened.
    pub tag: SecretTagId,
    /// The server's half of the exchange, sealed.
    pub state: Vec<u8>,
    /// From when on it is worthless.
    pub expires_at: Timestamp,
}

/// What an owner sees of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpaqueSession {
    /// The id.
    pub id: OpaqueSessionId,
    /// The secret tag that it is about.
    pub tag: SecretTagId,
    /// How far it has come.
    pub state: OpaqueState,
    /// When it ends by itself, unless it is used: then it moves, up to [`OPEN_SECONDS`] after it was opened.
    pub expires_at: Timestamp,
    /// When it was last used, to within [`ACTIVITY_SECONDS`].
    pub last_activity: Timestamp,
    /// When it was started.
    pub created_at: Timestamp,
}

/// How far an exchange has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpaqueState {
    /// Started: the client's proof is awaited.
    Initialized,
    /// The secret tag is open.
    Unlocked,
    /// The phrase was wrong, or the exchange was not finished.
    Failed,
}

/// What an unlock tells its owner about others who tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FailedTries {
    /// How many tries failed since the secret tag was last opened, within [`MEMORY_SECONDS`]. One that is under way counts: its
    /// answer is all that a guess takes, and it may never be finished.
    pub count: u32,
    /// The last of them.
    pub last: Option<Timestamp>,
}

/// What the columns of a sealed entry hold. Its lengths were checked by `sotto-crypto`.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Version ‖ ciphertext ‖ tag.
    pub encrypted_content: Vec<u8>,
    /// The iv of `encrypted_content`, 12 bytes.
    pub encryption_iv: Vec<u8>,
    /// The key of this save, sealed, 48 bytes.
    pub wrapped_key: Vec<u8>,
    /// The iv of `wrapped_key`, 12 bytes.
    pub wrap_iv: Vec<u8>,
}

/// An entry under a secret tag.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedEntry {
    /// The id.
    pub id: EntryId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is under.
    pub tag: SecretTagId,
    /// Its text.
    pub sealed: Sealed,
    /// The moment that it is about.
    pub entry_date: Timestamp,
    /// The zone that it was written in.
    pub entry_zone: Zone,
    /// 1 at first, one more with each change. It is bound into `sealed`, so every change seals anew.
    pub revision: u32,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A sealed entry to be stored, as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct SealedBody {
    /// What it is under.
    pub tag: SecretTagId,
    /// Its text, sealed for the revision that it is about to have.
    pub sealed: Sealed,
    /// The moment that it is about.
    pub entry_date: Timestamp,
    /// The zone that it was written in.
    pub entry_zone: Zone,
}

/// An entry of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyEntry {
    /// In plain.
    Plain(Entry),
    /// Under a secret tag.
    Sealed(SealedEntry),
}

/// A plain body that takes the place of a sealed one.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainBody {
    /// What was written.
    pub body: EntryBody,
    /// What it is tagged with.
    pub tags: Vec<TagChoice>,
}

/// An entry that came under a secret tag, or out of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved<T> {
    /// As it is now.
    pub entry: T,
    /// The recording that it had, which no entry has any more; its object is the caller's to delete.
    pub recording: Option<AttachmentId>,
}

/// What came of storing a sealed entry, or of moving an entry into or out of a secret tag.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored<T> {
    /// It is stored.
    Stored(T),
    /// For a create: the user has an entry with this id already; nothing was changed.
    Exists(AnyEntry),
    /// For a create: somebody else's entry has this id; nothing was changed.
    IdTaken,
    /// For a change: the user has no such entry.
    Missing,
    /// For a change: the entry is at another revision than the caller expected, or of the other kind; this is how it is
    /// now.
    Stale(AnyEntry),
    /// The user has no such secret tag; nothing was changed.
    UnknownSecretTag,
    /// A tag was named by an id that is not one of the user's tags; nothing was changed.
    UnknownTag(TagId),
}

/// How long the next try has to wait, in seconds, after so many that failed in a row: not at all up to
/// [`FREE_TRIES`], then twice as long each time, up to [`LONGEST_WAIT`].
pub fn wait_after(failures: u32) -> i64 {
    let beyond = failures.saturating_sub(FREE_TRIES);
    match beyond {
        0 => 0,
        1..=15 => (1_i64 << beyond).min(LONGEST_WAIT),
        _ => LONGEST_WAIT,
    }
}

/// From when on a secret tag may be tried: `of_tag` are the tries of it that failed since it was last opened, and
/// `limit` is when the oldest of the user's last [`MAX_FAILURES`] failed, if there were so many within
/// [`MEMORY_SECONDS`].
pub fn next_try(of_tag: FailedTries, limit: Option<Timestamp>) -> Timestamp {
    let wait = wait_after(of_tag.count);
    // Without a wait, a clock that is behind another server's does not matter.
    let of_tag = of_tag.last.filter(|_| wait > 0).map(|last| last.plus_seconds(wait));
    let of_user = limit.map(|oldest| oldest.plus_seconds(MEMORY_SECONDS));
    of_tag.max(of_user).unwrap_or(Timestamp::MIN)
}

impl OpaqueState {
    /// What this state has become by `now`: a login that was not finished in time has failed.
    #[must_use]
    pub fn by(self, now: Timestamp, expires_at: Timestamp) -> Self {
        if self == Self::Initialized && expires_at <= now { Self::Failed } else { self }
    }

    /// As in the API and in storage, at most 20 bytes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Initialized => "initialized",
            Self::Unlocked => "unlocked",
            Self::Failed => "failed",
        }
    }

    /// The state of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Initialized, Self::Unlocked, Self::Failed].into_iter().find(|state| state.name() == name)
    }
}

impl SealedBody {
    /// The calendar day that the entry belongs to.
    pub fn day(&self) -> Date {
        self.entry_date.day_in(&self.entry_zone)
    }

    /// The entry that has this body.
    pub fn of(
        self,
        user_id: UserId,
        id: EntryId,
        revision: u32,
        created_at: Timestamp,
        updated_at: Timestamp,
    ) -> SealedEntry {
        let Self { tag, sealed, entry_date, entry_zone } = self;
        SealedEntry { id, user_id, tag, sealed, entry_date, entry_zone, revision, created_at, updated_at }
    }
}

impl<T> Stored<T> {
    /// The same outcome; of what was stored, something else is told.
    pub fn map<U>(self, tell: impl FnOnce(T) -> U) -> Stored<U> {
        match self {
            Self::Stored(stored) => Stored::Stored(tell(stored)),
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
    /// One more with each change.
    pub fn revision(&self) -> u32 {
        match self {
            Self::Plain(entry) => entry.revision,
            Self::Sealed(entry) => entry.revision,
        }
    }
}

/// Ciphertext, keys and records tell nothing in a log, and have no place there.
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
    Lock { server_keys }
    NewLogin { id, user_id, tag }
    TakenLogin { tag }
    Sealed {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_ends_at_its_longest() {
        assert_eq!([0, 4, 5, 6, 7, 8].map(wait_after), [0, 0, 0, 2, 4, 8]);
        assert_eq!([15, 20, 1000, u32::MAX].map(wait_after), [LONGEST_WAIT; 4]);
    }

    #[test]
    fn the_next_try_waits_for_the_secret_tag_and_for_the_user() {
        let at = |seconds| Timestamp::MIN.plus_seconds(seconds);
        let tries = |count| FailedTries { count, last: Some(at(100)) };
        assert_eq!(next_try(FailedTries::default(), None), Timestamp::MIN);
        assert_eq!(next_try(tries(5), None), Timestamp::MIN);
        assert_eq!(next_try(tries(8), None), at(108));
        assert_eq!(next_try(tries(8), Some(at(50))), at(50 + MEMORY_SECONDS));
        assert_eq!(next_try(FailedTries::default(), Some(at(50))), at(50 + MEMORY_SECONDS));
    }

    #[test]
    fn a_login_that_is_not_finished_in_time_has_failed() {
        let (before, end) = (Timestamp::MIN, Timestamp::MIN.plus_seconds(1));
        assert_eq!(OpaqueState::Initialized.by(before, end), OpaqueState::Initialized);
        assert_eq!(OpaqueState::Initialized.by(end, end), OpaqueState::Failed);
        assert_eq!(OpaqueState::Unlocked.by(end, end), OpaqueState::Unlocked);
    }

    #[test]
    fn ciphertext_and_records_do_not_print() {
        let lock = Lock { record: vec![171; 192], wrapped_master_key: vec![171; 61], server_keys: [1; 16] };
        assert!(!format!("{lock:?}").contains("171"));
    }
}
