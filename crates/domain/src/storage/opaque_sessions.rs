//! The storage contract of OPAQUE sessions: attempts to unlock secret tags, and the unlocks that follow.

use async_trait::async_trait;

use super::Result;
use crate::clock::Timestamp;
use crate::ids::{OpaqueSessionId, SecretTagId, UserId};
use crate::secret_tag::{FailedTries, NewLogin, OpaqueSession, Started, StartedLogin};

/// OPAQUE sessions. All of them are rows of one table, so that a request can be served by any node.
///
/// A wrong clock leaves timestamps behind that are impossible by `now` (see [`Timestamp::is_impossible`]). Such a
/// timestamp never allows more attempts on a secret tag, keeps a tag unlocked, or locks a tag out, for longer than
/// usual: an attempt with an impossible date counts as made at `now`; an attempt or unlock that would end later than
/// any valid one has ended; and an impossible time of the last unlock is ignored.
#[async_trait]
pub trait OpaqueSessions: Send + Sync {
    /// Stores a started attempt, unless too many attempts have failed. Two limits apply:
    /// [`crate::secret_tag::wait_after`] for the attempts on one secret tag since its last unlock, whether the tag
    /// exists or not, and [`crate::secret_tag::MAX_FAILURES`] for all attempts of the user. The second one does not
    /// apply to a secret tag of the user that has no failed attempts since its last unlock or recovery. An attempt that
    /// was started and has not led to an unlock counts as failed. Concurrent calls never start more attempts than the
    /// same calls one after another.
    async fn start(&self, login: &NewLogin, now: Timestamp) -> Result<Started>;
    /// Takes a started attempt to finish it; of concurrent calls, one succeeds. From then on the attempt counts as
    /// failed, until it is unlocked. Returns `None` if there is no such attempt, it was taken before, or it has expired
    /// by `now`.
    async fn take(&self, user: UserId, id: OpaqueSessionId, now: Timestamp) -> Result<Option<StartedLogin>>;
    /// Unlocks the secret tag of an attempt that was taken. The unlock token is the one with this SHA-256. Ends the
    /// user's oldest unlocks beyond [`crate::secret_tag::MAX_OPEN`]. Returns `None` if there is no such attempt, or if
    /// the secret tag has been deleted or is at another version than `version`.
    async fn unlock(
        &self,
        user: UserId,
        id: OpaqueSessionId,
        version: u32,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<FailedTries>>;
    /// Returns the secret tag that this session has unlocked, if the session has this token. Records the activity,
    /// which extends the session as defined by [`crate::secret_tag::IDLE_SECONDS`], [`crate::secret_tag::OPEN_SECONDS`]
    /// and [`crate::secret_tag::ACTIVITY_SECONDS`].
    async fn open(
        &self,
        user: UserId,
        id: OpaqueSessionId,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<SecretTagId>>;
    /// Returns a user's sessions that have not expired by `now`, and those that failed within
    /// [`crate::secret_tag::MEMORY_SECONDS`], newest first, at most 1000.
    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<OpaqueSession>>;
    /// Ends a session that is started or unlocked. Returns false if there is none. A started session becomes a failed
    /// one. A failed session stays, because ending it would undo the wait that it causes.
    async fn end(&self, user: UserId, id: OpaqueSessionId) -> Result<bool>;
    /// Locks a secret tag: ends all unlocked sessions of the user for this tag, and returns their number. Started and
    /// failed sessions stay.
    async fn lock(&self, user: UserId, tag: SecretTagId) -> Result<u64>;
    /// Ends all unlocked sessions of a user, and returns their number.
    async fn end_all(&self, user: UserId) -> Result<u64>;
    /// Deletes the sessions of all users that have no further use at `now`, and returns their number.
    async fn delete_expired(&self, now: Timestamp) -> Result<u64>;
    /// Corrects sessions, of all users, with dates that are impossible by `now`: sets these dates to `now`, which ends
    /// the sessions that are started or unlocked. Returns the number of such sessions.
    async fn correct_dates(&self, now: Timestamp) -> Result<u64>;
}
