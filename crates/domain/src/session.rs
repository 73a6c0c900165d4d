//! Sessions: one sign-in of one user, how long it lasts, and what its refresh tokens are worth.

use crate::account::User;
use crate::clock::Timestamp;
use crate::ids::{SessionId, UserId};

/// One session of one user.
///
/// A refresh token names its session and a generation of it. Each refresh raises the generation, so a token of an
/// earlier generation that is used again shows that it was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The id.
    pub id: SessionId,
    /// The owner.
    pub user_id: UserId,
    /// The generation of the one valid refresh token.
    pub generation: u32,
    /// When that token was issued.
    pub rotated_at: Timestamp,
    /// When the session ends unless it is refreshed.
    pub expires_at: Timestamp,
    /// The client's `User-Agent`, at most 200 bytes.
    pub user_agent: Option<String>,
    /// When the user last confirmed in this session that it is them.
    pub confirmed_at: Option<Timestamp>,
    /// When the user signed in.
    pub created_at: Timestamp,
}

impl Session {
    /// When a session that was started at `created_at` ends, however often it is refreshed.
    pub fn latest_end(created_at: Timestamp) -> Timestamp {
        created_at.plus_seconds(MAX_SESSION_SECONDS)
    }

    /// The session after its refresh token was exchanged: of the next generation, and with the end `expires_at` or
    /// [`Self::latest_end`], whichever is earlier.
    ///
    /// What a wrong clock has dated in the future is corrected, so that it neither lengthens the session nor becomes
    /// recent when the clock gets there: a start is moved to just before the time that counts as recent, and a
    /// confirmation is forgotten.
    #[must_use]
    pub fn refreshed(self, expires_at: Timestamp, now: Timestamp) -> Self {
        let created_at = if self.created_at.is_impossible(now) { Self::not_recent(now) } else { self.created_at };
        Self {
            generation: self.generation + 1,
            rotated_at: now,
            expires_at: expires_at.min(Self::latest_end(created_at)),
            confirmed_at: self.confirmed_at.filter(|confirmed| !confirmed.is_impossible(now)),
            created_at,
            ..self
        }
    }

    /// The last instant that is not recent at `now`, to the second.
    pub fn not_recent(now: Timestamp) -> Timestamp {
        now.plus_seconds(-RECENT_SECONDS - 1)
    }

    /// Whether `generation` is the one before the current one and its refresh token is still accepted at `now`.
    pub fn forgives(&self, generation: u32, now: Timestamp) -> bool {
        generation.checked_add(1) == Some(self.generation) && self.rotated_at.is_within(REFRESH_GRACE_SECONDS, now)
    }
}

/// The stored facts that decide whether an access token is still valid.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionWithUser {
    /// The account.
    pub user: User,
    /// When the session ends unless it is refreshed.
    pub expires_at: Timestamp,
    /// When the user last confirmed in this session that it is them.
    pub confirmed_at: Option<Timestamp>,
    /// When the user signed in.
    pub created_at: Timestamp,
}

impl SessionWithUser {
    /// Whether the user has proved who they are, by signing in or by a confirmation, within the last
    /// [`RECENT_SECONDS`]. A proof that a wrong clock has dated in the future is not recent.
    pub fn is_recent(&self, now: Timestamp) -> bool {
        [Some(self.created_at), self.confirmed_at]
            .into_iter()
            .flatten()
            .any(|proof| proof.is_within(RECENT_SECONDS, now))
    }
}

/// How long a session lasts without use, in seconds: 30 days.
pub const SESSION_SECONDS: i64 = 30 * 24 * 3600;
/// How long a session lasts from the sign-in, however often it is refreshed, in seconds: 90 days.
pub const MAX_SESSION_SECONDS: i64 = 90 * 24 * 3600;
/// The largest number of sessions of a user. A further sign-in ends the session that was refreshed the longest ago.
pub const MAX_SESSIONS: u32 = 100;
/// How long a sign-in or a confirmation counts as recent, in seconds: 15 minutes. Sensitive actions need a recent one.
pub const RECENT_SECONDS: i64 = 15 * 60;
/// How long the previous refresh token is accepted after a rotation, in seconds. Without this grace, a client that lost
/// a response, or that refreshes in two tabs at once, would be signed out.
pub const REFRESH_GRACE_SECONDS: i64 = 10;

/// The outcome of presenting a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The session with its current generation, for which the caller issues a token.
    Rotated(Session),
    /// The token is of an outdated generation, so it was copied. The session has been ended.
    Reused,
    /// There is no such session, or it has expired.
    Missing,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Email, NewUser};
    use crate::zone::Zone;

    #[test]
    fn a_refresh_neither_outlasts_the_limit_nor_keeps_dates_of_a_wrong_clock() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000).unwrap();
        let session = |created_at, confirmed_at| Session {
            id: SessionId(uuid::Uuid::nil()),
            user_id: UserId(uuid::Uuid::nil()),
            generation: 1,
            rotated_at: at(0),
            expires_at: at(1000),
            user_agent: None,
            confirmed_at,
            created_at,
        };
        let limit = at(MAX_SESSION_SECONDS);
        let refreshed = session(at(0), Some(at(5))).refreshed(limit.plus_seconds(1), at(10));
        assert_eq!((refreshed.generation, refreshed.rotated_at, refreshed.expires_at), (2, at(10), limit));
        assert_eq!((refreshed.created_at, refreshed.confirmed_at), (at(0), Some(at(5))));
        assert_eq!(session(at(0), None).refreshed(at(2000), at(10)).expires_at, at(2000));
        let ahead = at(3650 * 24 * 3600);
        let refreshed = session(ahead, Some(ahead)).refreshed(ahead, at(10));
        assert!(!refreshed.created_at.is_within(RECENT_SECONDS, at(10)), "{refreshed:?}");
        assert_eq!(refreshed.confirmed_at, None);
        assert_eq!(refreshed.expires_at, Session::latest_end(refreshed.created_at));
    }

    #[test]
    fn a_proof_of_identity_is_recent_for_15_minutes() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000).unwrap();
        let new = NewUser {
            id: UserId(uuid::Uuid::nil()),
            email: Email::parse("ada@example.org").unwrap(),
            email_verified: false,
            password_hash: None,
            full_name: None,
            is_superuser: false,
            time_zone: Zone::utc(),
        };
        let user = new.created(at(0));
        let recent = |created_at, confirmed_at: Option<i64>, now| {
            let (created_at, confirmed_at) = (at(created_at), confirmed_at.map(at));
            SessionWithUser { user: user.clone(), expires_at: at(0), confirmed_at, created_at }.is_recent(at(now))
        };
        assert!(recent(0, None, 900) && !recent(0, None, 901));
        assert!(recent(0, Some(900), 1800) && !recent(0, Some(900), 1801));
        // Dates of a wrong clock, which has been set back.
        assert!(!recent(10_000, None, 0) && !recent(10_000, Some(10_000), 0) && recent(10_000, Some(0), 0));
    }
}
