//! The storage contract of sessions.

use async_trait::async_trait;

use super::Result;
use crate::account::{Rotation, Session, SessionWithUser};
use crate::clock::Timestamp;
use crate::ids::{SessionId, UserId};

/// Sessions.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Starts a session. Returns `Conflict{fk_login_sessions_user}` if the user does not exist.
    async fn start(&self, session: &Session) -> Result<()>;
    /// Returns the user and the end of one of their sessions, or `None` if the session has ended. The caller checks
    /// `is_active` and `expires_at`.
    async fn get_with_user(&self, user: UserId, id: SessionId) -> Result<Option<SessionWithUser>>;
    /// Exchanges the refresh token of `generation` for the next one. The current generation is raised. The previous
    /// one, while [`Session::forgives`] accepts it, returns the session unchanged. Any other generation ends the
    /// session. Of concurrent calls with the same generation, one raises it.
    async fn rotate(
        &self,
        user: UserId,
        id: SessionId,
        generation: u32,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Rotation>;
    /// Ends a session. Returns false if there is no such session.
    async fn end(&self, user: UserId, id: SessionId) -> Result<bool>;
    /// Returns a user's sessions that have not expired by `now`, newest first, at most 1000.
    async fn list(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>>;
    /// Deletes the sessions of all users that expired before `now`, and returns their number.
    async fn delete_expired(&self, now: Timestamp) -> Result<u64>;
    /// Corrects sessions that a wrong clock has dated: a session, of any user, that would last longer than
    /// [`crate::account::SESSION_SECONDS`] from `now` ends at that time. Returns the number of such sessions.
    async fn correct_ends(&self, now: Timestamp) -> Result<u64>;
}
