//! Tests OPAQUE sessions: attempts and unlocks of secret tags.

use std::ops::Range;

use sotto_domain::secret_tag::{
    FREE_TRIES, FailedTries, IDLE_SECONDS, LOGIN_SECONDS, MAX_FAILURES, MAX_OPEN, MEMORY_SECONDS, OPEN_SECONDS,
    OpaqueSession, OpaqueState, Started, StartedLogin,
};
use sotto_domain::{OpaqueSessionId, SecretTagId, Timestamp, UserId};

use super::world::{TOKEN, World, assert_conflict, at, at_once, lock};

impl World {
    async fn start(&self, user: UserId, tag: SecretTagId, now: Timestamp) -> Started {
        self.opaque_sessions().start(&self.new_login(user, tag, now), now).await.unwrap()
    }

    async fn states(&self, user: UserId, now: Timestamp) -> Vec<(OpaqueSessionId, OpaqueState)> {
        let sessions = self.opaque_sessions().list(user, now).await.unwrap();
        sessions.into_iter().map(|session| (session.id, session.state)).collect()
    }
}

pub async fn a_started_login_is_taken_once(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let login = world.new_login(user, tag, at(0));
    let sessions = world.opaque_sessions();
    assert_eq!(sessions.start(&login, at(0)).await.unwrap(), Started::Started);
    let session = OpaqueSession {
        id: login.id,
        tag,
        state: OpaqueState::Initialized,
        expires_at: at(LOGIN_SECONDS),
        last_activity: at(0),
        created_at: at(0),
    };
    assert_eq!(sessions.list(user, at(1)).await.unwrap(), vec![session.clone()]);
    assert_conflict(sessions.start(&login, at(1)).await, "pk_opaque_sessions");

    let taken = sessions.take(user, login.id, at(5)).await.unwrap();
    assert!(taken == Some(StartedLogin { tag, state: login.state, expires_at: at(LOGIN_SECONDS) }));
    let failed = OpaqueSession { state: OpaqueState::Failed, last_activity: at(5), ..session };
    assert_eq!(sessions.list(user, at(5)).await.unwrap(), [failed]);
    assert_eq!(sessions.take(user, login.id, at(5)).await.unwrap(), None);
    assert_eq!(sessions.take(user, OpaqueSessionId(world.id()), at(5)).await.unwrap(), None);
}

pub async fn start_rejects_a_deleted_user(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    world.users().delete(user).await.unwrap();
    let refused = world.opaque_sessions().start(&world.new_login(user, tag, at(0)), at(0)).await;
    assert_conflict(refused, "fk_opaque_sessions_user");
}

pub async fn one_of_many_concurrent_takes_succeeds(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    for _ in 0..5 {
        let login = world.login(user, tag, at(0)).await;
        let taken = at_once(8, |_| {
            let storage = world.storage.clone();
            async move { storage.opaque_sessions().take(user, login, at(1)).await.unwrap() }
        });
        let taken: Vec<_> = taken.await.into_iter().flatten().collect();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].state, [7; 157]);
    }
}

pub async fn take_finds_no_expired_login(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let login = world.login(user, tag, at(0)).await;
    for now in [at(LOGIN_SECONDS), at(LOGIN_SECONDS + 1)] {
        assert_eq!(world.opaque_sessions().take(user, login, now).await.unwrap(), None);
    }
    assert!(world.opaque_sessions().take(user, login, at(LOGIN_SECONDS - 1)).await.unwrap().is_some());
}

pub async fn wrong_passphrases_are_delayed(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let tag = world.secret_tag(user).await.id;
    slow_down(world, user, tag).await;
    // No other user and no other secret tag is slowed down.
    world.fail(user, world.secret_tag(user).await.id, at(8)).await;
    world.fail(other, tag, at(8)).await;
    // Old attempts no longer count.
    let later = at(7 + MEMORY_SECONDS);
    world.fail(user, tag, later).await;
    // The right passphrase resets the count.
    let (user, tag) = (other, world.secret_tag(other).await.id);
    for _ in 0..=FREE_TRIES {
        world.fail(user, tag, at(0)).await;
    }
    world.unlock(user, tag, at(2)).await;
    for _ in 0..=FREE_TRIES {
        world.fail(user, tag, at(3)).await;
    }
    assert_eq!(world.start(user, tag, at(4)).await, Started::Slowed(at(5)));
}

pub async fn unknown_secret_tags_are_delayed_like_known_ones(world: &World) {
    let user = world.user().await;
    slow_down(world, user, SecretTagId(world.id())).await;
}

/// Fails as often as allowed from second 0 to 7.
async fn slow_down(world: &World, user: UserId, tag: SecretTagId) {
    for second in 0..=i64::from(FREE_TRIES) {
        world.fail(user, tag, at(second)).await;
    }
    for now in [at(5), at(6)] {
        assert_eq!(world.start(user, tag, now).await, Started::Slowed(at(7)));
    }
    assert_eq!(world.states(user, at(6)).await.len(), 6, "a try that was slowed down is not kept");
    world.fail(user, tag, at(7)).await;
    assert_eq!(world.start(user, tag, at(8)).await, Started::Slowed(at(11)));
}

pub async fn an_unfinished_login_counts_as_failed(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    for second in 0..=i64::from(FREE_TRIES) {
        world.login(user, tag, at(second)).await;
    }
    assert_eq!(world.start(user, tag, at(6)).await, Started::Slowed(at(7)), "as long as it may be finished");
    let login = world.login(user, tag, at(LOGIN_SECONDS + 10)).await;
    let now = at(LOGIN_SECONDS + 11);
    assert_eq!(world.start(user, tag, now).await, Started::Slowed(at(LOGIN_SECONDS + 14)), "and after that");
    assert!(world.opaque_sessions().end(user, login).await.unwrap());
    assert_eq!(world.start(user, tag, now).await, Started::Slowed(at(LOGIN_SECONDS + 14)), "and when it was ended");
}

pub async fn concurrent_starts_respect_the_limit(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let started = at_once(16, |_| {
        let (storage, login) = (world.storage.clone(), world.new_login(user, tag, at(0)));
        async move { storage.opaque_sessions().start(&login, at(0)).await.unwrap() }
    });
    let started = started.await;
    let through = started.iter().filter(|one| **one == Started::Started).count();
    assert_eq!(through, FREE_TRIES as usize + 1, "{started:?}");
    assert!(started.iter().all(|one| [Started::Started, Started::Slowed(at(2))].contains(one)), "{started:?}");
}

pub async fn attempts_with_many_secret_tags_are_delayed(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    fail_with_unknown_tags(world, user, 0..MAX_FAILURES).await;
    let (unknown, now) = (SecretTagId(world.id()), at(MAX_FAILURES.into()));
    for tag in [unknown, world.secret_tag(other).await.id] {
        assert_eq!(world.start(user, tag, now).await, Started::Slowed(at(MEMORY_SECONDS)));
    }
    world.fail(other, unknown, now).await;
    world.fail(user, unknown, at(MEMORY_SECONDS)).await;
    assert_eq!(world.start(user, unknown, at(MEMORY_SECONDS)).await, Started::Slowed(at(1 + MEMORY_SECONDS)));
}

pub async fn a_recovered_secret_tag_can_be_unlocked_in_spite_of_the_limit(world: &World) {
    let user = world.user().await;
    let (tag, other) = (world.secret_tag(user).await.id, world.secret_tag(user).await.id);
    for second in 0..FREE_TRIES {
        world.fail(user, tag, at(second.into())).await;
    }
    fail_with_unknown_tags(world, user, FREE_TRIES..MAX_FAILURES).await;
    assert_eq!(world.start(user, tag, at(MAX_FAILURES.into())).await, Started::Slowed(at(MEMORY_SECONDS)));

    let recovered = world.secret_tags().set_lock(user, tag, &lock(8), 1, None, at(MAX_FAILURES.into())).await.unwrap();
    assert_eq!(recovered.unwrap().version, 2);
    let failures = MAX_FAILURES - FREE_TRIES;
    assert_eq!(world.states(user, at(MAX_FAILURES.into())).await.len(), failures as usize, "those of others stay");
    // Without the attempts on the recovered secret tag there is room for others.
    fail_with_unknown_tags(world, user, MAX_FAILURES..MAX_FAILURES + FREE_TRIES).await;
    let (now, oldest) = (at((MAX_FAILURES + FREE_TRIES).into()), i64::from(FREE_TRIES));
    let unknown = SecretTagId(world.id());
    assert_eq!(world.start(user, unknown, now).await, Started::Slowed(at(oldest + MEMORY_SECONDS)));
    let login = world.login(user, tag, now).await;
    assert_eq!(world.start(user, tag, now).await, Started::Slowed(at(oldest + 1 + MEMORY_SECONDS)), "one attempt only");
    let sessions = world.opaque_sessions();
    assert!(sessions.take(user, login, now).await.unwrap().is_some());
    assert_eq!(sessions.unlock(user, login, 2, &TOKEN, now).await.unwrap(), Some(FailedTries::default()));
    for tag in [tag, other] {
        assert_eq!(world.start(user, tag, now).await, Started::Started, "it has no failed attempts");
    }
}

/// Fails once in each of these seconds, with new secret tags that do not exist, and with none of them too often.
async fn fail_with_unknown_tags(world: &World, user: UserId, seconds: Range<u32>) {
    let mut tag = SecretTagId(world.id());
    for second in seconds {
        if second % FREE_TRIES == 0 {
            tag = SecretTagId(world.id());
        }
        world.fail(user, tag, at(second.into())).await;
    }
}

pub async fn unlock_returns_the_failed_attempts(world: &World) {
    let user = world.user().await;
    let (tag, other) = (world.secret_tag(user).await.id, world.secret_tag(user).await.id);
    assert_eq!(world.unlock(user, tag, at(0)).await.1, FailedTries::default());
    for second in [1, 2] {
        world.fail(user, tag, at(second)).await;
    }
    world.fail(user, other, at(3)).await;
    world.login(user, tag, at(4)).await;
    let (open, tries) = world.unlock(user, tag, at(4 + LOGIN_SECONDS)).await;
    assert_eq!(tries, FailedTries { count: 3, last: Some(at(4)) }, "with one that was not finished");
    assert_eq!(world.opaque_sessions().open(user, open, &TOKEN, at(200)).await.unwrap(), Some(tag));

    assert_eq!(world.unlock(user, tag, at(200)).await.1, FailedTries::default(), "each failure is reported once");
    world.login(user, tag, at(201)).await;
    let tries = world.unlock(user, tag, at(202)).await.1;
    assert_eq!(tries, FailedTries { count: 1, last: Some(at(201)) }, "with one that is under way, and may stay so");
    world.fail(user, tag, at(300)).await;
    let tries = world.unlock(user, tag, at(299 + MEMORY_SECONDS)).await.1;
    assert_eq!(tries, FailedTries { count: 1, last: Some(at(300)) });
    world.fail(user, tag, at(300 + MEMORY_SECONDS)).await;
    assert_eq!(world.unlock(user, tag, at(300 + 2 * MEMORY_SECONDS)).await.1, FailedTries::default());
}

pub async fn unlock_requires_a_taken_login(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let sessions = world.opaque_sessions();
    let login = world.login(user, tag, at(0)).await;
    let unlock = async |id, now| sessions.unlock(user, id, 1, &TOKEN, now).await.unwrap();
    assert_eq!(unlock(login, at(1)).await, None, "it was not taken");
    assert_eq!(unlock(OpaqueSessionId(world.id()), at(1)).await, None);
    sessions.take(user, login, at(1)).await.unwrap().unwrap();
    assert_eq!(unlock(login, at(LOGIN_SECONDS)).await, None, "it has expired");
    assert_eq!(sessions.open(user, login, &TOKEN, at(2)).await.unwrap(), None);
    assert_eq!(unlock(login, at(2)).await, Some(FailedTries::default()));
    assert_eq!(unlock(login, at(2)).await, None, "it is open");

    let unknown = world.fail(user, SecretTagId(world.id()), at(3)).await;
    assert_eq!(unlock(unknown, at(3)).await, None);
    let deleted = world.fail(user, tag, at(3)).await;
    world.secret_tags().delete(user, tag, false, at(9)).await.unwrap();
    assert_eq!(unlock(deleted, at(3)).await, None);
}

pub async fn unlock_requires_the_attempted_version(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let sessions = world.opaque_sessions();
    let login = world.fail(user, tag, at(0)).await;
    for version in [0, 2, u32::MAX] {
        assert_eq!(sessions.unlock(user, login, version, &TOKEN, at(1)).await.unwrap(), None);
    }
    // As `login` is kept, this is a change of the passphrase and no recovery, so the failed attempt stays.
    world.secret_tags().set_lock(user, tag, &lock(8), 1, Some(login), at(1)).await.unwrap().unwrap();
    assert_eq!(
        sessions.unlock(user, login, 1, &TOKEN, at(1)).await.unwrap(),
        None,
        "the passphrase has changed in the meantime"
    );
    assert!(sessions.unlock(user, login, 2, &TOKEN, at(1)).await.unwrap().is_some());
}

pub async fn unlock_ends_the_oldest_unlock(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let tag = world.secret_tag(user).await.id;
    let theirs = world.unlock(other, world.secret_tag(other).await.id, at(0)).await.0;
    let mut open = vec![];
    for second in 0..i64::from(MAX_OPEN) + 2 {
        open.push(world.unlock(user, tag, at(second)).await.0);
    }
    let sessions = world.opaque_sessions();
    for (number, id) in open.iter().enumerate() {
        let is_open = sessions.open(user, *id, &TOKEN, at(20)).await.unwrap().is_some();
        assert_eq!(is_open, number >= 2, "number {number}");
    }
    assert!(sessions.open(other, theirs, &TOKEN, at(20)).await.unwrap().is_some());
    // Expired sessions do not count.
    let later = at(IDLE_SECONDS + 10);
    sessions.open(user, open[2], &TOKEN, at(100)).await.unwrap().unwrap();
    world.unlock(user, tag, later).await;
    assert!(sessions.open(user, open[2], &TOKEN, later).await.unwrap().is_some());
}

pub async fn concurrent_unlocks_respect_the_limit(world: &World) {
    let user = world.user().await;
    let tags = [world.secret_tag(user).await.id, world.secret_tag(user).await.id];
    for second in 0..i64::from(MAX_OPEN) - 1 {
        world.unlock(user, tags[0], at(second)).await;
    }
    let mut logins = vec![];
    for number in 0..8 {
        logins.push(world.fail(user, tags[number % 2], at(20)).await);
    }
    let unlocked = at_once(8, |number| {
        let (storage, login) = (world.storage.clone(), logins[number]);
        async move { storage.opaque_sessions().unlock(user, login, 1, &TOKEN, at(21)).await.unwrap() }
    });
    assert!(unlocked.await.iter().all(Option::is_some));
    let states = world.states(user, at(21)).await;
    assert_eq!(states.len(), MAX_OPEN as usize);
    assert!(logins.iter().all(|login| states.contains(&(*login, OpaqueState::Unlocked))), "the oldest were closed");
}

pub async fn open_requires_the_token(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let open = world.unlock(user, tag, at(0)).await.0;
    let failed = world.fail(user, tag, at(0)).await;
    let sessions = world.opaque_sessions();
    let mut near = TOKEN;
    near[31] ^= 1;
    for (id, token) in [(open, near), (open, [0; 32]), (failed, TOKEN), (failed, [0; 32])] {
        assert_eq!(sessions.open(user, id, &token, at(100)).await.unwrap(), None);
    }
    assert_eq!(sessions.open(user, open, &TOKEN, at(1)).await.unwrap(), Some(tag));
}

pub async fn activity_extends_an_unlock_up_to_a_limit(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let (id, sessions) = (world.unlock(user, tag, at(0)).await.0, world.opaque_sessions());
    let open = async |second| sessions.open(user, id, &TOKEN, at(second)).await.unwrap() == Some(tag);
    let noted = async |second| {
        let session = sessions.list(user, at(second)).await.unwrap().remove(0);
        (session.last_activity, session.expires_at)
    };
    assert!(open(60).await);
    assert_eq!(noted(60).await, (at(0), at(IDLE_SECONDS)), "that was a moment ago");
    assert!(open(61).await);
    assert_eq!(noted(61).await, (at(61), at(61 + IDLE_SECONDS)));
    assert!(!open(61 + IDLE_SECONDS).await);
    let mut now = 61;
    while now + IDLE_SECONDS < OPEN_SECONDS {
        now += IDLE_SECONDS - 1;
        assert!(open(now).await, "second {now}");
    }
    assert_eq!(noted(now).await, (at(now), at(OPEN_SECONDS)));
    assert!(open(OPEN_SECONDS - 1).await);
    assert!(!open(OPEN_SECONDS).await);
}

pub async fn list_contains_recent_attempts_and_unlocks(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let failed = world.fail(user, tag, at(0)).await;
    let unfinished = world.login(user, tag, at(1)).await;
    let open = world.unlock(user, tag, at(2)).await.0;
    let started = world.login(user, tag, at(500)).await;
    let (failed, open) = ((failed, OpaqueState::Failed), (open, OpaqueState::Unlocked));
    let unfinished = (unfinished, OpaqueState::Failed);
    assert_eq!(world.states(user, at(500)).await, [(started, OpaqueState::Initialized), open, unfinished, failed]);
    let started = (started, OpaqueState::Failed);
    assert_eq!(world.states(user, at(2 + IDLE_SECONDS)).await, [started, unfinished, failed]);
    assert_eq!(world.states(user, at(MEMORY_SECONDS)).await, [started, unfinished]);
    assert_eq!(world.states(user, at(500 + MEMORY_SECONDS)).await, []);
}

pub async fn end_does_not_reset_the_delay(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let sessions = world.opaque_sessions();
    let open = world.unlock(user, tag, at(0)).await.0;
    for second in 1..=6 {
        let login = world.login(user, tag, at(second)).await;
        assert!(sessions.end(user, login).await.unwrap());
        assert!(!sessions.end(user, login).await.unwrap(), "it has failed");
        assert_eq!(sessions.take(user, login, at(second)).await.unwrap(), None);
    }
    assert_eq!(world.start(user, tag, at(7)).await, Started::Slowed(at(8)));
    assert!(sessions.end(user, open).await.unwrap());
    assert!(!sessions.end(user, open).await.unwrap());
    assert_eq!(sessions.open(user, open, &TOKEN, at(7)).await.unwrap(), None);
    assert_eq!(world.start(user, tag, at(7)).await, Started::Slowed(at(8)));
}

pub async fn lock_ends_the_unlocks_of_one_secret_tag(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let (tag, another) = (world.secret_tag(user).await.id, world.secret_tag(user).await.id);
    let theirs = world.secret_tag(other).await.id;
    let open = [world.unlock(user, tag, at(0)).await.0, world.unlock(user, tag, at(0)).await.0];
    let kept = world.unlock(user, another, at(0)).await.0;
    let (failed, started) = (world.fail(user, tag, at(1)).await, world.login(user, tag, at(2)).await);
    let of_other = world.unlock(other, theirs, at(0)).await.0;
    let sessions = world.opaque_sessions();
    assert_eq!(sessions.lock(user, theirs).await.unwrap(), 0);
    assert_eq!(sessions.lock(user, tag).await.unwrap(), 2);
    assert_eq!(sessions.lock(user, tag).await.unwrap(), 0);
    for id in open {
        assert_eq!(sessions.open(user, id, &TOKEN, at(3)).await.unwrap(), None);
    }
    let left = [(started, OpaqueState::Initialized), (failed, OpaqueState::Failed), (kept, OpaqueState::Unlocked)];
    assert_eq!(world.states(user, at(3)).await, left);
    assert_eq!(sessions.open(other, of_other, &TOKEN, at(3)).await.unwrap(), Some(theirs));
}

pub async fn end_all_ends_every_unlock(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let (tag, theirs) = (world.secret_tag(user).await.id, world.secret_tag(other).await.id);
    let mine = [world.unlock(user, tag, at(0)).await.0, world.unlock(user, tag, at(0)).await.0];
    let (failed, started) = (world.fail(user, tag, at(1)).await, world.login(user, tag, at(2)).await);
    let kept = world.unlock(other, theirs, at(0)).await.0;
    let sessions = world.opaque_sessions();
    assert_eq!(sessions.end_all(user).await.unwrap(), 2);
    assert_eq!(sessions.end_all(user).await.unwrap(), 0);
    for id in mine {
        assert_eq!(sessions.open(user, id, &TOKEN, at(3)).await.unwrap(), None);
    }
    let left = [(started, OpaqueState::Initialized), (failed, OpaqueState::Failed)];
    assert_eq!(world.states(user, at(3)).await, left);
    assert_eq!(sessions.open(other, kept, &TOKEN, at(3)).await.unwrap(), Some(theirs));
}

pub async fn delete_expired_keeps_rows_that_still_count(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let tag = world.secret_tag(user).await.id;
    world.unlock(user, tag, at(0)).await;
    for second in 1..=i64::from(FREE_TRIES) {
        world.login(user, tag, at(second)).await;
    }
    world.fail(user, tag, at(6)).await;
    world.fail(other, tag, at(7)).await;
    let sessions = world.opaque_sessions();
    let delete = async |second| sessions.delete_expired(at(second)).await.unwrap();
    assert_eq!(delete(IDLE_SECONDS).await, 0);
    assert_eq!(delete(IDLE_SECONDS + 1).await, 1, "what is closed");
    assert_eq!(world.start(user, tag, at(7)).await, Started::Slowed(at(8)), "the others count");
    assert_eq!(delete(1 + MEMORY_SECONDS).await, 0);
    assert_eq!(delete(7 + MEMORY_SECONDS).await, 6);
    assert_eq!(delete(8 + MEMORY_SECONDS).await, 1);
}
