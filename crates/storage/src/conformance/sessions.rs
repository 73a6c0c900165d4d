//! Tests sessions: sign-in, rotation of refresh tokens, and the end of a session.

use sotto_domain::account::{REFRESH_GRACE_SECONDS, Rotation, Session, SessionWithUser};
use sotto_domain::{SessionId, UserId};

use super::world::{World, assert_conflict, at, at_once};

pub async fn start_and_standing(world: &World) {
    let user = world.user().await;
    let session = world.session(user).await;
    let account = world.users().get(user).await.unwrap().unwrap();
    let with_user = world.sessions().get_with_user(user, session.id).await.unwrap();
    assert_eq!(with_user, Some(SessionWithUser { user: account, expires_at: at(1000) }));
    assert_eq!(world.sessions().list(user, at(0)).await.unwrap(), vec![session.clone()]);
    assert_conflict(world.sessions().start(&session).await, "pk_login_sessions");

    let silent = Session { id: SessionId(world.id()), user_agent: None, generation: 7, rotated_at: at(3), ..session };
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
