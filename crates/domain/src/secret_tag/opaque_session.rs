//! OPAQUE sessions: attempts to unlock a secret tag, and the unlocks that follow them.

use crate::clock::{CLOCK_TOLERANCE, Timestamp};
use crate::ids::{OpaqueSessionId, SecretTagId, UserId};

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
/// The number of failed attempts of one user, on any secret tags, after which all attempts have to wait, except one on
/// each secret tag of the user that has no failed attempts itself.
pub const MAX_FAILURES: u32 = 200;

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
pub struct StartedLogin {
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
/// its last unlock, and `exists` says whether the user has the tag. `limit` is the time of the oldest of the user's
/// last [`MAX_FAILURES`] failed attempts, if there were that many within [`MEMORY_SECONDS`]. It does not apply to an
/// existing tag without failed attempts: otherwise someone with a stolen session could lock the owner out of a tag that
/// the owner has just recovered.
pub fn next_try(of_tag: FailedTries, exists: bool, limit: Option<Timestamp>) -> Timestamp {
    let wait = wait_after(of_tag.count);
    let is_limited = of_tag.count > 0 || !exists;
    // Without a wait, it does not matter if this clock is behind the clock of another server.
    let of_tag = of_tag.last.filter(|_| wait > 0).map(|last| last.plus_seconds(wait));
    let of_user = limit.filter(|_| is_limited).map(|oldest| oldest.plus_seconds(MEMORY_SECONDS));
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
        for exists in [true, false] {
            assert_eq!(next_try(FailedTries::default(), exists, None), Timestamp::MIN);
            assert_eq!(next_try(tries(5), exists, None), Timestamp::MIN);
            assert_eq!(next_try(tries(8), exists, None), at(108));
            assert_eq!(next_try(tries(8), exists, Some(at(50))), at(50 + MEMORY_SECONDS));
        }
        assert_eq!(next_try(FailedTries::default(), false, Some(at(50))), at(50 + MEMORY_SECONDS));
        assert_eq!(next_try(FailedTries::default(), true, Some(at(50))), Timestamp::MIN);
        assert_eq!(next_try(tries(1), true, Some(at(50))), at(50 + MEMORY_SECONDS));
    }

    #[test]
    fn an_unfinished_login_counts_as_failed_after_its_time() {
        let (before, end) = (Timestamp::MIN, Timestamp::MIN.plus_seconds(1));
        assert_eq!(OpaqueState::Initialized.by(before, end), OpaqueState::Initialized);
        assert_eq!(OpaqueState::Initialized.by(end, end), OpaqueState::Failed);
        assert_eq!(OpaqueState::Unlocked.by(end, end), OpaqueState::Unlocked);
    }
}
