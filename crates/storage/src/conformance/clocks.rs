//! Tests that a clock that was wrong for a while does no lasting harm. Each test stores an instant that is a day or ten
//! years in the future, and then continues with the right time.

use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::secret_tag::{
    FREE_TRIES, IDLE_SECONDS, LOGIN_SECONDS, LONGEST_WAIT, MAX_FAILURES, MAX_OPEN, MEMORY_SECONDS, OpaqueSession,
    OpaqueState, Started, StartedLogin,
};
use sotto_domain::session::{REFRESH_GRACE_SECONDS, Rotation, SESSION_SECONDS, Session};
use sotto_domain::{OpaqueSessionId, SecretTagId, SessionId, Timestamp, UserId};

use super::world::{TOKEN, World, at};

const DAY: i64 = 24 * 3600;
const AHEAD: [i64; 2] = [DAY, 3650 * DAY];

impl World {
    async fn try_to_start(&self, user: UserId, tag: SecretTagId, now: Timestamp) -> Started {
        self.opaque_sessions().start(&self.new_login(user, tag, now), now).await.unwrap()
    }
}

pub async fn token_reuse_is_detected_after_a_clock_jump_and_back(world: &World) {
    for ahead in AHEAD {
        let user = world.user().await;
        let session = world.session(user).await;
        let end = at(ahead + SESSION_SECONDS);
        let session = Session { id: SessionId(world.id()), created_at: at(ahead), expires_at: end, ..session };
        world.sessions().start(&session).await.unwrap();
        let refreshed = world.sessions().rotate(user, session.id, 1, end, at(ahead)).await.unwrap();
        assert!(matches!(refreshed, Rotation::Rotated(_)));
        let reused = world.sessions().rotate(user, session.id, 1, at(5000), at(10)).await.unwrap();
        assert_eq!(reused, Rotation::Reused, "{ahead}");
        assert_eq!(world.sessions().get_with_user(user, session.id).await.unwrap(), None);
    }
}

pub async fn session_expiry_from_a_wrong_clock_is_corrected(world: &World) {
    let user = world.user().await;
    let [usual, wrong] = [world.session(user).await, world.session(user).await];
    let end = at(3650 * DAY);
    world.sessions().rotate(user, wrong.id, 1, end, at(5)).await.unwrap();
    let end_of = async |id| world.sessions().get_with_user(user, id).await.unwrap().unwrap().expires_at;
    assert_eq!(world.sessions().correct_ends(at(10)).await.unwrap(), 1);
    assert_eq!(end_of(wrong.id).await, at(10 + SESSION_SECONDS));
    assert_eq!(end_of(usual.id).await, usual.expires_at);
    for now in [at(10), at(10 - CLOCK_TOLERANCE), at(DAY)] {
        assert_eq!(world.sessions().correct_ends(now).await.unwrap(), 0, "another server's clock may be behind");
    }
}

pub async fn a_session_from_a_wrong_clock_is_neither_recent_nor_longer(world: &World) {
    for ahead in AHEAD {
        let user = world.user().await;
        let session = Session {
            id: SessionId(world.id()),
            created_at: at(ahead),
            rotated_at: at(ahead),
            expires_at: at(ahead + SESSION_SECONDS),
            ..world.session(user).await
        };
        world.sessions().start(&session).await.unwrap();
        assert!(world.sessions().confirm(user, session.id, at(ahead)).await.unwrap());
        let stored = async || world.sessions().get_with_user(user, session.id).await.unwrap().unwrap();
        assert!(stored().await.is_recent(at(ahead)) && !stored().await.is_recent(at(0)));
        let end = at(10 + SESSION_SECONDS);
        let refreshed = world.sessions().rotate(user, session.id, 1, end, at(10)).await.unwrap();
        let Rotation::Rotated(refreshed) = refreshed else { panic!("the current generation rotates") };
        let found = stored().await;
        assert_eq!((found.created_at, found.confirmed_at), (refreshed.created_at, refreshed.confirmed_at));
        assert_eq!((found.created_at, found.confirmed_at), (Session::not_recent(at(10)), None));
        for now in [10, ahead] {
            assert!(!found.is_recent(at(now)), "not even when the clock gets there");
        }
        assert!(world.sessions().confirm(user, session.id, at(20)).await.unwrap());
        assert!(stored().await.is_recent(at(20)));
    }
}

pub async fn a_secret_tag_is_not_blocked_after_a_clock_jump_and_back(world: &World) {
    for ahead in AHEAD {
        let user = world.user().await;
        let tag = world.secret_tag(user).await.id;
        // The distance exceeds the longest wait, so that no attempt is slowed down.
        for number in 0..20 {
            world.fail(user, tag, at(ahead + number * (LONGEST_WAIT + 1))).await;
        }
        let Started::Slowed(until) = world.try_to_start(user, tag, at(0)).await else { panic!("tries are counted") };
        assert!(until > at(0) && until <= at(LONGEST_WAIT), "{until}");
        // The wait counts from the first attempt. Later attempts do not extend it.
        for second in [1, LONGEST_WAIT - 1] {
            assert_eq!(world.try_to_start(user, tag, at(second)).await, Started::Slowed(until));
        }
        assert_eq!(world.try_to_start(user, tag, until).await, Started::Started);
    }
}

pub async fn failed_attempts_are_counted_after_a_clock_jump_and_back(world: &World) {
    for ahead in AHEAD {
        let user = world.user().await;
        let tag = world.secret_tag(user).await.id;
        world.unlock(user, tag, at(ahead)).await;
        for second in 0..=i64::from(FREE_TRIES) {
            world.fail(user, tag, at(second)).await;
        }
        let slowed = world.try_to_start(user, tag, at(6)).await;
        assert_eq!(slowed, Started::Slowed(at(7)), "what was opened {ahead} seconds ahead forgives nothing");
        // An unlock at the right time resets the count and returns the number of failed attempts.
        let (_, tries) = world.unlock(user, tag, at(7)).await;
        assert_eq!(tries.count, FREE_TRIES + 1);
        world.fail(user, tag, at(8)).await;
        assert_eq!(world.unlock(user, tag, at(9)).await.1.count, 1);
    }
}

pub async fn the_failure_limit_of_a_user_ends_after_a_day(world: &World) {
    let user = world.user().await;
    let mut tag = SecretTagId(world.id());
    for number in 0..MAX_FAILURES {
        if number % FREE_TRIES == 0 {
            tag = SecretTagId(world.id());
        }
        world.fail(user, tag, at(3650 * DAY + i64::from(number))).await;
    }
    let fresh = SecretTagId(world.id());
    assert_eq!(world.try_to_start(user, fresh, at(0)).await, Started::Slowed(at(MEMORY_SECONDS)));
    assert_eq!(world.try_to_start(user, fresh, at(MEMORY_SECONDS)).await, Started::Started);
}

fn open(sessions: Vec<OpaqueSession>) -> Vec<OpaqueSessionId> {
    let open = sessions.into_iter().filter(|session| session.state == OpaqueState::Unlocked);
    open.map(|session| session.id).collect()
}

pub async fn no_unlock_survives_a_clock_jump_ahead_and_back(world: &World) {
    for ahead in AHEAD {
        let user = world.user().await;
        let tag = world.secret_tag(user).await.id;
        let (before, _) = world.unlock(user, tag, at(0)).await;
        let (during, _) = world.unlock(user, tag, at(ahead)).await;
        let sessions = world.opaque_sessions();
        assert_eq!(sessions.open(user, during, &TOKEN, at(10)).await.unwrap(), None);
        assert_eq!(
            sessions.open(user, before, &TOKEN, at(10)).await.unwrap(),
            Some(tag),
            "the other one is open still"
        );
        assert_eq!(open(sessions.list(user, at(10)).await.unwrap()), [before]);
        // Expired unlocks do not count towards the limit.
        for number in 1..MAX_OPEN {
            world.unlock(user, tag, at(10 + i64::from(number))).await;
        }
        assert_eq!(open(sessions.list(user, at(100)).await.unwrap()).len(), MAX_OPEN as usize);
        assert_eq!(sessions.correct_dates(at(100)).await.unwrap(), 1);
        assert_eq!(sessions.delete_expired(at(101)).await.unwrap(), 1);
        assert!(
            open(sessions.list(user, at(ahead + 1)).await.unwrap()).is_empty(),
            "not even when the clock gets there"
        );
    }
}

pub async fn no_unlock_survives_a_clock_jump_back(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let (open, _) = world.unlock(user, tag, at(0)).await;
    let sessions = world.opaque_sessions();
    assert_eq!(sessions.open(user, open, &TOKEN, at(-CLOCK_TOLERANCE)).await.unwrap(), Some(tag));
    for back in AHEAD {
        assert_eq!(sessions.open(user, open, &TOKEN, at(-back)).await.unwrap(), None);
    }
    assert_eq!(sessions.open(user, open, &TOKEN, at(IDLE_SECONDS - 1)).await.unwrap(), Some(tag));
}

pub async fn a_login_cannot_be_finished_years_later(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    for ahead in AHEAD {
        let login = world.login(user, tag, at(ahead)).await;
        let taken = world.opaque_sessions().take(user, login, at(LOGIN_SECONDS)).await.unwrap();
        assert!(taken.is_none(), "{ahead}");
    }
}

pub async fn attempts_from_a_wrong_clock_are_redated(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    for (user, seconds) in [(user, 3650 * DAY), (other, 0), (other, DAY)] {
        let tag = world.secret_tag(user).await.id;
        world.fail(user, tag, at(seconds)).await;
        world.login(user, tag, at(seconds + 1)).await;
    }
    let sessions = world.opaque_sessions();
    assert_eq!(sessions.correct_dates(at(10)).await.unwrap(), 4);
    assert_eq!(sessions.correct_dates(at(10)).await.unwrap(), 0);
    for user in [user, other] {
        assert!(sessions.list(user, at(10)).await.unwrap().iter().all(|session| session.last_activity <= at(10)));
    }
    // After the correction they expire like all others.
    assert_eq!(sessions.delete_expired(at(11 + MEMORY_SECONDS)).await.unwrap(), 6);
}

pub async fn the_use_of_an_api_token_is_recorded_again(world: &World) {
    let user = world.user().await;
    let token = world.api_token(user, [1; 32]).await;
    let last_use = async || world.api_tokens().find_with_user(&[1; 32]).await.unwrap().unwrap().token.last_used_at;
    for ahead in AHEAD {
        world.api_tokens().note_use(user, token.id, at(ahead)).await.unwrap();
        world.api_tokens().note_use(user, token.id, at(10)).await.unwrap();
        assert_eq!(last_use().await, Some(at(10)));
    }
}

pub async fn small_clock_differences_between_servers_are_tolerated(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let (sessions, now) = (world.opaque_sessions(), at(0));
    let ahead = now.plus_seconds(CLOCK_TOLERANCE);
    // A server with a clock that is ahead starts the attempt and unlocks the tag.
    let login = world.login(user, tag, ahead).await;
    let taken = sessions.take(user, login, now).await.unwrap();
    assert!(taken.is_some_and(|taken: StartedLogin| taken.tag == tag));
    let (open, _) = world.unlock(user, tag, ahead).await;
    assert_eq!(sessions.open(user, open, &TOKEN, now).await.unwrap(), Some(tag));
    let session = world.session(user).await;
    let Rotation::Rotated(raised) = world.sessions().rotate(user, session.id, 1, at(5000), ahead).await.unwrap() else {
        panic!("the current generation rotates");
    };
    for now in [now, ahead.plus_seconds(REFRESH_GRACE_SECONDS)] {
        let again = world.sessions().rotate(user, session.id, 1, at(5000), now).await.unwrap();
        assert_eq!(again, Rotation::Rotated(raised.clone()));
    }
}
