//! Tests sessions: sign-in, rotation of refresh tokens, and the end of a session.

use sotto_domain::session::{
    MAX_SESSION_SECONDS, MAX_SESSIONS, REFRESH_GRACE_SECONDS, Rotation, SESSION_SECONDS, Session, SessionWithUser,
};
use sotto_domain::{SessionId, UserId};

use super::world::{World, assert_conflict, at, at_once};

pub async fn start_and_standing(world: &World) {
    let user = world.user().await;
    let session = world.session(user).await;
    let account = world.users().get(user).await.unwrap().unwrap();
    let with_user = world.sessions().get_with_user(user, session.id).await.unwrap();
    let expected = SessionWithUser { user: account, expires_at: at(1000), confirmed_at: None, created_at: at(0) };
    assert_eq!(with_user, Some(expected));
    assert_eq!(world.sessions().list(user, at(0)).await.unwrap(), vec![session.clone()]);
    assert_conflict(world.sessions().start(&session).await, "pk_login_sessions");

    let silent = Session {
        id: SessionId(world.id()),
        user_agent: None,
        generation: 7,
        rotated_at: at(3),
        confirmed_at: Some(at(4)),
        ..session
    };
    world.sessions().start(&silent).await.unwrap();
    assert!(world.sessions().list(user, at(0)).await.unwrap().contains(&silent));
}

pub async fn start_rejects_a_deleted_user(world: &World) {
    let user = world.user().await;
    let session = world.session(user).await;
    world.users().delete(user).await.unwrap();
    assert_conflict(world.sessions().start(&session).await, "fk_login_sessions_user");
}

pub async fn rotate_raises_the_generation(world: &World) {
    let user = world.user().await;
    let session = world.session(user).await;
    let raised = Session { generation: 2, rotated_at: at(5), expires_at: at(2000), ..session.clone() };
    let rotation = world.sessions().rotate(user, session.id, 1, at(2000), at(5)).await.unwrap();
    assert_eq!(rotation, Rotation::Rotated(raised.clone()));
    assert_eq!(world.sessions().list(user, at(5)).await.unwrap(), vec![raised]);
    assert_eq!(world.sessions().get_with_user(user, session.id).await.unwrap().unwrap().expires_at, at(2000));
}

pub async fn rotate_accepts_the_previous_generation_for_a_moment(world: &World) {
    let user = world.user().await;
    let session = world.session(user).await;
    let Rotation::Rotated(raised) = world.sessions().rotate(user, session.id, 1, at(2000), at(5)).await.unwrap() else {
        panic!("the current generation rotates");
    };
    let last_moment = at(5 + REFRESH_GRACE_SECONDS);
    for now in [at(5), at(6), last_moment] {
        let again = world.sessions().rotate(user, session.id, 1, at(3000), now).await.unwrap();
        assert_eq!(again, Rotation::Rotated(raised.clone()), "the session stays as it is");
    }
    let late = world.sessions().rotate(user, session.id, 1, at(3000), last_moment.plus_seconds(1)).await.unwrap();
    assert_eq!(late, Rotation::Reused);
    assert_eq!(world.sessions().get_with_user(user, session.id).await.unwrap(), None);
}

pub async fn rotate_ends_a_session_after_token_reuse(world: &World) {
    for generation in [0, 1, 4, u32::MAX] {
        let user = world.user().await;
        let (session, other) = (world.session(user).await, world.session(user).await);
        for (generation, now) in [(1, 1), (2, 2)] {
            world.sessions().rotate(user, session.id, generation, at(2000), at(now)).await.unwrap();
        }
        let rotation = world.sessions().rotate(user, session.id, generation, at(2000), at(3)).await.unwrap();
        assert_eq!(rotation, Rotation::Reused, "generation {generation}");
        assert_eq!(world.sessions().list(user, at(3)).await.unwrap(), vec![other]);
        let after = world.sessions().rotate(user, session.id, 3, at(2000), at(3)).await.unwrap();
        assert_eq!(after, Rotation::Missing);
    }
}

pub async fn rotate_finds_no_session_that_has_ended_or_expired(world: &World) {
    let user = world.user().await;
    let session = world.session(user).await;
    for now in [at(1000), at(1001)] {
        let rotation = world.sessions().rotate(user, session.id, 1, at(5000), now).await.unwrap();
        assert_eq!(rotation, Rotation::Missing);
    }
    let unknown = SessionId(world.id());
    assert_eq!(world.sessions().rotate(user, unknown, 1, at(5000), at(1)).await.unwrap(), Rotation::Missing);
    let rotation = world.sessions().rotate(user, session.id, 1, at(5000), at(999)).await.unwrap();
    assert!(matches!(rotation, Rotation::Rotated(_)), "the tries above changed nothing");
}

pub async fn one_of_many_concurrent_rotations_raises_the_generation(world: &World) {
    let user = world.user().await;
    let session = world.session(user).await.id;
    let rotations = at_once(16, |number| {
        let storage = world.storage.clone();
        // Each call sets another end, so that a second raise of the generation would be visible.
        let expires_at = at(2000 + i64::try_from(number).unwrap());
        async move { storage.sessions().rotate(user, session, 1, expires_at, at(5)).await.unwrap() }
    });
    let rotations = rotations.await;
    let Rotation::Rotated(raised) = &rotations[0] else { panic!("not rotated") };
    assert_eq!(raised.generation, 2);
    assert!(rotations.iter().all(|rotation| *rotation == rotations[0]), "{rotations:?}");
    assert_eq!(world.sessions().list(user, at(5)).await.unwrap(), vec![raised.clone()]);
}

pub async fn no_session_outlasts_its_limit(world: &World) {
    let user = world.user().await;
    let limit = at(MAX_SESSION_SECONDS);
    let template = world.session(user).await;
    let long = Session { id: SessionId(world.id()), expires_at: limit.plus_seconds(5), ..template.clone() };
    world.sessions().start(&long).await.unwrap();
    let end_of = async |id| world.sessions().get_with_user(user, id).await.unwrap().unwrap().expires_at;
    assert_eq!(end_of(long.id).await, limit);
    // Refreshed every 20 days, it ends after 90.
    for (generation, day) in [(1, 20), (2, 40), (3, 60), (4, 80)] {
        let now = at(day * 24 * 3600);
        let wanted = now.plus_seconds(SESSION_SECONDS);
        let Rotation::Rotated(raised) = world.sessions().rotate(user, long.id, generation, wanted, now).await.unwrap()
        else {
            panic!("the current generation rotates");
        };
        assert_eq!((raised.expires_at, raised.created_at), (wanted.min(limit), at(0)), "day {day}");
        assert_eq!(end_of(long.id).await, raised.expires_at);
    }
    let after = world.sessions().rotate(user, long.id, 5, limit.plus_seconds(5), limit).await.unwrap();
    assert_eq!(after, Rotation::Missing);

    // An earlier version has stored a later end.
    let old = world.session(user).await;
    let later = limit.plus_seconds(24 * 3600);
    let stored = match world.storage.engine() {
        "sqlite" => later.as_micros().to_string(),
        _ => format!("'{later}'"),
    };
    world.execute(&format!("UPDATE login_sessions SET expires_at = {stored}")).await;
    assert_eq!(end_of(old.id).await, limit);
    assert!(world.sessions().list(user, limit.plus_seconds(-1)).await.unwrap().iter().all(|it| it.expires_at == limit));
    assert_eq!(world.sessions().list(user, limit).await.unwrap(), []);
    for generation in [1, 7] {
        let rotation = world.sessions().rotate(user, old.id, generation, later, limit).await.unwrap();
        assert_eq!(rotation, Rotation::Missing, "it has ended, so a token is not reported as copied");
    }
    assert!(!world.sessions().confirm(user, old.id, limit).await.unwrap());
    assert_eq!(world.sessions().correct_ends(at(0)).await.unwrap(), 3);
}

pub async fn start_ends_the_sessions_beyond_the_limit(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let elsewhere = world.session(other).await;
    let template = world.session(user).await;
    world.sessions().end(user, template.id).await.unwrap();
    let start = async |rotated_at: i64| {
        let id = SessionId(world.id());
        let session = Session { id, rotated_at: at(rotated_at), created_at: at(rotated_at % 10), ..template.clone() };
        world.sessions().start(&session).await.unwrap();
        id
    };
    let mut ids = Vec::new();
    for number in 0..i64::from(MAX_SESSIONS) {
        ids.push(start(100 + number).await);
    }
    let standing = async || {
        let list = world.sessions().list(user, at(0)).await.unwrap();
        list.into_iter().map(|session| session.id).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(standing().await.len(), MAX_SESSIONS as usize);
    // What was refreshed the longest ago ends, whenever it was started.
    world.sessions().rotate(user, ids[0], 1, at(1000), at(500)).await.unwrap();
    let new = start(501).await;
    let now = standing().await;
    assert_eq!(now.len(), MAX_SESSIONS as usize);
    assert!(now.contains(&ids[0]) && !now.contains(&ids[1]) && now.contains(&ids[2]) && now.contains(&new));
    // The new one stays, even beside sessions that a wrong clock has dated in the future.
    let behind = start(1).await;
    assert!(standing().await.contains(&behind));
    assert_eq!(world.sessions().list(other, at(0)).await.unwrap(), [elsewhere]);
}

pub async fn concurrent_starts_respect_the_limit(world: &World) {
    let user = world.user().await;
    let template = world.session(user).await;
    for number in 1..i64::from(MAX_SESSIONS) - 4 {
        let session = Session { id: SessionId(world.id()), rotated_at: at(number), ..template.clone() };
        world.sessions().start(&session).await.unwrap();
    }
    let ids: Vec<_> = (0..16).map(|_| SessionId(world.id())).collect();
    let started = at_once(16, |number| {
        let (storage, session) =
            (world.storage.clone(), Session { id: ids[number], rotated_at: at(500), ..template.clone() });
        async move { storage.sessions().start(&session).await }
    });
    assert!(started.await.into_iter().all(|started| started.is_ok()));
    let list = world.sessions().list(user, at(0)).await.unwrap();
    assert_eq!(list.len(), MAX_SESSIONS as usize);
    assert!(ids.iter().all(|id| list.iter().any(|session| session.id == *id)));
}

pub async fn confirm_is_recorded_for_one_session(world: &World) {
    let user = world.user().await;
    let (session, other) = (world.session(user).await, world.session(user).await);
    let confirmed = async |id| world.sessions().get_with_user(user, id).await.unwrap().unwrap().confirmed_at;
    for now in [at(5), at(7), at(6)] {
        assert!(world.sessions().confirm(user, session.id, now).await.unwrap());
        assert_eq!(confirmed(session.id).await, Some(now));
    }
    assert_eq!(confirmed(other.id).await, None);
    let Rotation::Rotated(raised) = world.sessions().rotate(user, session.id, 1, at(2000), at(8)).await.unwrap() else {
        panic!("the current generation rotates");
    };
    assert_eq!(raised.confirmed_at, Some(at(6)));
    assert!(!world.sessions().confirm(user, session.id, at(2000)).await.unwrap(), "it has expired");
    assert!(!world.sessions().confirm(user, SessionId(world.id()), at(5)).await.unwrap());
    world.sessions().end(user, other.id).await.unwrap();
    assert!(!world.sessions().confirm(user, other.id, at(5)).await.unwrap());
}

pub async fn end_succeeds_once(world: &World) {
    let user = world.user().await;
    let (session, other) = (world.session(user).await.id, world.session(user).await);
    assert!(world.sessions().end(user, session).await.unwrap());
    assert!(!world.sessions().end(user, session).await.unwrap());
    assert_eq!(world.sessions().get_with_user(user, session).await.unwrap(), None);
    assert_eq!(world.sessions().list(user, at(0)).await.unwrap(), vec![other]);
}

pub async fn list_contains_unexpired_sessions_newest_first(world: &World) {
    let user = world.user().await;
    let template = world.session(user).await;
    let mut expected = vec![template.id];
    for (created, expires) in [(1, 500), (2, 1000), (3, 100)] {
        let session =
            Session { id: SessionId(world.id()), created_at: at(created), expires_at: at(expires), ..template.clone() };
        world.sessions().start(&session).await.unwrap();
        if expires > 100 {
            expected.insert(0, session.id);
        }
    }
    let listed = world.sessions().list(user, at(100)).await.unwrap();
    assert_eq!(listed.iter().map(|session| session.id).collect::<Vec<_>>(), expected);
    assert_eq!(world.sessions().list(UserId(world.id()), at(0)).await.unwrap(), vec![]);
}

pub async fn delete_expired_counts_what_it_deletes(world: &World) {
    let (one, two) = (world.user().await, world.user().await);
    for user in [one, one, two] {
        world.session(user).await;
    }
    let template = world.session(two).await;
    let longer = Session { id: SessionId(world.id()), expires_at: at(3000), ..template };
    world.sessions().start(&longer).await.unwrap();
    assert_eq!(world.sessions().delete_expired(at(999)).await.unwrap(), 0);
    assert_eq!(world.sessions().delete_expired(at(1001)).await.unwrap(), 4);
    assert_eq!(world.sessions().delete_expired(at(1001)).await.unwrap(), 0);
    assert_eq!(world.sessions().list(one, at(0)).await.unwrap(), vec![]);
    assert_eq!(world.sessions().list(two, at(0)).await.unwrap(), vec![longer]);
}
