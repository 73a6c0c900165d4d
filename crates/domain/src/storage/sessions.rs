//! The storage contract of sessions.

use async_trait::async_trait;

use super::Result;
use crate::clock::Timestamp;
use crate::ids::{SessionId, UserId};
use crate::session::{Rotation, Session, SessionWithUser};

/// Sessions. However often a session is refreshed, it ends at [`Session::latest_end`]: no method stores a later end,
/// and a session that an earlier version has stored with a later one ends at that time too.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Starts a session. If the user then has more than [`MAX_SESSIONS`](crate::session::MAX_SESSIONS) sessions, ends
    /// the others that were refreshed the longest ago; this holds for concurrent calls too. Returns
    /// `Conflict{fk_login_sessions_user}` if the user does not exist.
    async fn start(&self, session: &Session) -> Result<()>;
    /// Returns one of the user's sessions with the user, or `None` if the session has ended. The caller checks
    /// `is_active` and `expires_at`.
    async fn get_with_user(&self, user: UserId, id: SessionId) -> Result<Option<SessionWithUser>>;
    /// Exchanges the refresh token of `generation` for the next one. The current generation becomes what
    /// [`Session::refreshed`] returns for `expires_at` and `now`. The previous one, while [`Session::forgives`] accepts
    /// it, returns the session unchanged. Any other generation ends the session. Of concurrent calls with the same
    /// generation, one raises it.
    async fn rotate(
        &self,
        user: UserId,
        id: SessionId,
        generation: u32,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Rotation>;
    /// Records that the user has confirmed in this session, at `now`, that it is them. Returns false if there is no
    /// such session, or if it has expired by `now`.
    async fn confirm(&self, user: UserId, id: SessionId, now: Timestamp) -> Result<bool>;
    /// Ends a session. Returns false if there is no such session.
    async fn end(&self, user: UserId, id: SessionId) -> Result<bool>;
    /// Returns a user's sessions that have not expired by `now`, newest first, at most 1000.
    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>>;
    /// Deletes the sessions of all users that expired before `now`, and returns their number.
    async fn delete_expired(&self, now: Timestamp) -> Result<u64>;
    /// Corrects sessions that a wrong clock has dated: a session, of any user, that would last longer than
    /// [`crate::session::SESSION_SECONDS`] from `now` ends at that time. Returns the number of such sessions.
    async fn correct_ends(&self, now: Timestamp) -> Result<u64>;
}
