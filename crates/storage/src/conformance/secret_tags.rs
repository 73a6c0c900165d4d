//! Tests secret tags.

use std::collections::BTreeSet;

use sotto_domain::attachment::{Attached, NewAttachment};
use sotto_domain::secret_tag::{
    CreatedSecretTag, DeletedSecretTag, MAX_SECRET_TAGS, NewSecretTag, OpaqueState, SecretTag, Stored,
};
use sotto_domain::{EntryId, SecretTagId};

use super::world::{TOKEN, World, assert_conflict, at, at_once, lock, sealed};

pub async fn create_get_and_list(world: &World) {
    let user = world.user().await;
    let new = world.new_secret_tag();
    let expected = SecretTag {
        id: new.id,
        user_id: user,
        lock: new.lock.clone(),
        metadata: new.metadata.clone(),
        recovery_wrap: new.recovery_wrap.clone(),
        recovery_verifier: new.recovery_verifier.clone(),
        version: 1,
        created_at: at(5),
        updated_at: at(5),
    };
    let created = world.secret_tags().create(user, &new, None, at(5)).await.unwrap();
    assert!(created == CreatedSecretTag::Created(expected.clone()));
    assert!(world.secret_tags().get(user, new.id).await.unwrap() == Some(expected.clone()));
    let earlier = world.secret_tag(user).await;
    assert!(world.secret_tags().list(user).await.unwrap() == [earlier, expected], "in the order of their creation");
}

pub async fn list_starts_with_the_last_unlocked(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let (mut never, mut opened) = (vec![], vec![]);
    for _ in 0..2 {
        never.push(world.secret_tag(user).await.id);
        opened.push(world.secret_tag(user).await.id);
    }
    let listed = async || {
        let tags = world.secret_tags().list(user).await.unwrap();
        tags.into_iter().map(|tag| tag.id).collect::<Vec<_>>()
    };
    // All were created at the same moment, so their ids decide the order.
    assert_eq!(listed().await, [never[0], opened[0], never[1], opened[1]]);
    world.unlock(user, opened[1], at(1)).await;
    world.unlock(user, opened[0], at(2)).await;
    world.fail(user, never[1], at(3)).await;
    assert_eq!(listed().await, [opened[0], opened[1], never[0], never[1]]);
    world.unlock(user, opened[1], at(4)).await;
    world.opaque_sessions().end_all(user).await.unwrap();
    // A new name and a new passphrase do not count as an unlock.
    world.secret_tags().set_metadata(user, opened[0], &[6; 93], at(5)).await.unwrap();
    world.secret_tags().set_lock(user, never[1], &lock(2), 1, None, at(6)).await.unwrap().unwrap();
    let of_other = world.secret_tag(other).await.id;
    world.unlock(other, of_other, at(7)).await;
    assert_eq!(listed().await, [opened[1], opened[0], never[0], never[1]]);
}

pub async fn create_rejects_a_taken_id(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let tag = world.secret_tag(user).await;
    for owner in [user, other] {
        let again = NewSecretTag { id: tag.id, lock: lock(8), ..world.new_secret_tag() };
        assert_eq!(world.secret_tags().create(owner, &again, None, at(1)).await.unwrap(), CreatedSecretTag::IdTaken);
    }
    assert!(world.secret_tags().list(user).await.unwrap() == [tag]);
    assert_eq!(world.secret_tags().list(other).await.unwrap(), []);
}

pub async fn create_rejects_a_deleted_user(world: &World) {
    let user = world.user().await;
    world.users().delete(user).await.unwrap();
    let refused = world.secret_tags().create(user, &world.new_secret_tag(), None, at(1)).await;
    assert_conflict(refused, "fk_secret_tags_user");
}

pub async fn secret_tags_per_user_are_limited(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let mut last = None;
    for _ in 0..MAX_SECRET_TAGS {
        last = Some(world.secret_tag(user).await);
    }
    let create = async |new: &NewSecretTag| world.secret_tags().create(user, new, None, at(1)).await.unwrap();
    assert_eq!(create(&world.new_secret_tag()).await, CreatedSecretTag::TooMany);
    let last = last.unwrap().id;
    let taken = NewSecretTag { id: last, ..world.new_secret_tag() };
    assert_eq!(create(&taken).await, CreatedSecretTag::IdTaken);
    world.secret_tag(other).await;

    world.secret_tags().delete(user, last, false, at(9)).await.unwrap();
    assert!(matches!(create(&world.new_secret_tag()).await, CreatedSecretTag::Created(_)));
}

pub async fn concurrent_creates_respect_the_limit(world: &World) {
    let user = world.user().await;
    for _ in 0..MAX_SECRET_TAGS - 3 {
        world.secret_tag(user).await;
    }
    let created = at_once(8, |_| {
        let (storage, new) = (world.storage.clone(), world.new_secret_tag());
        async move { storage.secret_tags().create(user, &new, None, at(1)).await.unwrap() }
    });
    let created = created.await;
    assert_eq!(created.iter().filter(|one| matches!(one, CreatedSecretTag::Created(_))).count(), 3, "{created:?}");
    assert_eq!(world.secret_tags().list(user).await.unwrap().len(), MAX_SECRET_TAGS as usize);
}

pub async fn set_lock_replaces_the_lock_and_ends_the_other_sessions(world: &World) {
    let user = world.user().await;
    let (tag, other) = (world.secret_tag(user).await, world.secret_tag(user).await.id);
    let failed = world.fail(user, tag.id, at(0)).await;
    let (mine, elsewhere) = (world.unlock(user, tag.id, at(1)).await.0, world.unlock(user, tag.id, at(2)).await.0);
    let started = world.login(user, tag.id, at(3)).await;
    let of_other = world.unlock(user, other, at(4)).await.0;

    let set = world.secret_tags().set_lock(user, tag.id, &lock(8), 1, Some(mine), at(5)).await.unwrap().unwrap();
    assert!(set == SecretTag { lock: lock(8), version: 2, updated_at: at(5), ..tag.clone() });
    assert!(world.secret_tags().get(user, tag.id).await.unwrap() == Some(set.clone()));
    let sessions = world.opaque_sessions();
    assert_eq!(sessions.open(user, mine, &TOKEN, at(6)).await.unwrap(), Some(tag.id));
    assert_eq!(sessions.open(user, elsewhere, &TOKEN, at(6)).await.unwrap(), None);
    assert_eq!(sessions.open(user, of_other, &TOKEN, at(6)).await.unwrap(), Some(other));
    assert_eq!(sessions.take(user, started, at(6)).await.unwrap(), None);
    let left = async |now| {
        let left = sessions.list(user, now).await.unwrap();
        left.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(left(at(6)).await, [of_other, mine, failed]);

    for version in [0, 1, 3, u32::MAX] {
        let set = world.secret_tags().set_lock(user, tag.id, &lock(9), version, None, at(7)).await.unwrap();
        assert_eq!(set, None, "version {version}");
    }
    assert!(world.secret_tags().get(user, tag.id).await.unwrap() == Some(set));
    world.secret_tags().set_lock(user, tag.id, &lock(9), 2, None, at(8)).await.unwrap().unwrap();
    assert_eq!(sessions.open(user, mine, &TOKEN, at(8)).await.unwrap(), None, "none is kept");
    assert_eq!(left(at(8)).await, [of_other], "not even a failed one");
}

pub async fn one_of_two_passphrase_changes_for_one_version_succeeds(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let set = at_once(8, |number| {
        let (storage, lock) = (world.storage.clone(), lock(u8::try_from(number).unwrap() + 10));
        async move { storage.secret_tags().set_lock(user, tag, &lock, 1, None, at(1)).await.unwrap() }
    });
    let set: Vec<_> = set.await.into_iter().flatten().collect();
    assert_eq!(set.len(), 1);
    assert!(world.secret_tags().list(user).await.unwrap() == set);
}

pub async fn set_metadata_changes_nothing_else(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await;
    assert!(world.secret_tags().set_metadata(user, tag.id, &[6; 157], at(3)).await.unwrap());
    let expected = SecretTag { metadata: vec![6; 157], updated_at: at(3), ..tag };
    assert!(world.secret_tags().list(user).await.unwrap() == [expected]);
}

pub async fn delete_removes_entries_only_if_requested(world: &World) {
    let user = world.user().await;
    let (tag, other) = (world.secret_tag(user).await.id, world.secret_tag(user).await.id);
    let plain = world.write(user, "said").await;
    let (first, second) = (world.write_sealed(user, tag).await, world.write_sealed(user, tag).await);
    let kept = world.write_sealed(user, other).await;

    let delete = async |tag, with| world.secret_tags().delete(user, tag, with, at(9)).await.unwrap();
    assert_eq!(delete(tag, false).await, DeletedSecretTag::HasEntries(2));
    assert!(world.secret_tags().get(user, tag).await.unwrap().is_some());
    assert_eq!(world.sealed_entries().list(user, tag, None, 10).await.unwrap().len(), 2);
    assert_eq!(delete(tag, true).await, DeletedSecretTag::Deleted { entries: 2, freed: vec![] });
    assert_eq!(delete(tag, true).await, DeletedSecretTag::Missing);
    for id in [first.id, second.id] {
        assert_eq!(world.sealed_entries().get(user, id).await.unwrap(), None);
    }
    assert_eq!(world.sealed_entries().get(user, kept.id).await.unwrap(), Some(kept.clone()));
    assert_eq!(world.entries().get(user, plain.id).await.unwrap(), Some(plain));
    world.sealed_entries().delete(user, kept.id, None).await.unwrap();
    assert_eq!(delete(other, false).await, removed());
    assert_eq!(world.secret_tags().list(user).await.unwrap(), []);
}

pub async fn delete_returns_the_freed_recordings(world: &World) {
    let user = world.user().await;
    let (tag, other) = (world.secret_tag(user).await.id, world.secret_tag(user).await.id);
    let encrypted = |entry| NewAttachment { audio_url: None, ..world.new_recording(entry) };
    let mut recordings = Vec::new();
    for _ in 0..3 {
        let (recording, _) = world.attach(user, &encrypted(world.write_sealed(user, tag).await.id)).await;
        recordings.push(recording.id);
    }
    world.write_sealed(user, tag).await;
    let kept = world.attach(user, &encrypted(world.write_sealed(user, other).await.id)).await.0;
    let plain = world.attach(user, &world.new_recording(world.write(user, "said").await.id)).await.0;

    let refused = world.secret_tags().delete(user, tag, false, at(9)).await.unwrap();
    assert_eq!(refused, DeletedSecretTag::HasEntries(4));
    let deleted = world.secret_tags().delete(user, tag, true, at(9)).await.unwrap();
    let DeletedSecretTag::Deleted { entries: 4, mut freed } = deleted else { panic!("{deleted:?}") };
    freed.sort();
    assert_eq!(freed, recordings);
    let mut all = recordings;
    all.extend([kept.id, plain.id]);
    assert_eq!(world.attachments().known(user, &all).await.unwrap(), [kept.id, plain.id]);
}

/// At the same time, entries move to another secret tag and recordings are put: each recording is either returned as
/// freed or still attached.
pub async fn concurrent_deletes_and_changes_leave_and_lose_no_recording(world: &World) {
    for _ in 0..4 {
        let user = world.user().await;
        let (tag, other) = (world.secret_tag(user).await.id, world.secret_tag(user).await.id);
        let mut entries = Vec::new();
        for _ in 0..4 {
            entries.push(world.write_sealed(user, tag).await.id);
        }
        let outcomes = at_once(9, |number| {
            let storage = world.storage.clone();
            let entry = entries[number % 4];
            let new = NewAttachment { audio_url: None, ..world.new_recording(entry) };
            async move {
                match number {
                    4 => match storage.secret_tags().delete(user, tag, true, at(9)).await.unwrap() {
                        DeletedSecretTag::Deleted { freed, .. } => (vec![], freed),
                        other => panic!("{other:?}"),
                    },
                    5 | 6 => {
                        let moved = storage.sealed_entries().replace(user, entry, &sealed(other, 1), 1, at(1)).await;
                        assert!(matches!(moved.unwrap(), Stored::Stored(_) | Stored::Missing));
                        (vec![], vec![])
                    }
                    _ => match storage.attachments().put(user, &new, None, at(1)).await.unwrap() {
                        Attached::Attached(put, replaced) => (vec![put.id], replaced),
                        Attached::Missing => (vec![], vec![]),
                        other @ Attached::OverQuota(_) => panic!("{other:?}"),
                    },
                }
            }
        });
        let (put, removed): (Vec<_>, Vec<_>) = outcomes.await.into_iter().unzip();
        let (mut put, mut removed) = (put.concat(), removed.concat());
        for entry in entries {
            // The recording of an entry that moved out in time is still attached.
            removed.extend(world.attachments().get(user, entry).await.unwrap().map(|left| left.id));
        }
        put.sort();
        removed.sort();
        assert_eq!(put, removed);
    }
}

pub async fn delete_removes_the_sessions_of_the_tag(world: &World) {
    let user = world.user().await;
    let (tag, other) = (world.secret_tag(user).await.id, world.secret_tag(user).await.id);
    world.fail(user, tag, at(0)).await;
    world.login(user, tag, at(1)).await;
    let open = world.unlock(user, tag, at(2)).await.0;
    world.secret_tags().set_lock(user, other, &lock(8), 1, None, at(3)).await.unwrap();
    let kept = world.fail(user, other, at(4)).await;
    assert_eq!(world.secret_tags().delete(user, tag, false, at(9)).await.unwrap(), removed());
    assert_eq!(world.opaque_sessions().open(user, open, &TOKEN, at(5)).await.unwrap(), None);
    let left: Vec<_> = world.opaque_sessions().list(user, at(5)).await.unwrap();
    assert_eq!(left.iter().map(|one| (one.id, one.state)).collect::<Vec<_>>(), [(kept, OpaqueState::Failed)]);
}

pub async fn an_entry_never_outlives_its_secret_tag(world: &World) {
    for _ in 0..5 {
        let user = world.user().await;
        let tag = world.secret_tag(user).await.id;
        let outcomes = at_once(9, |number| {
            let (storage, id) = (world.storage.clone(), EntryId(world.id()));
            async move {
                if number == 4 {
                    storage.secret_tags().delete(user, tag, true, at(9)).await.unwrap();
                    return None;
                }
                Some(storage.sealed_entries().create(user, id, &sealed(tag, 1), None, at(1)).await.unwrap())
            }
        });
        for outcome in outcomes.await.into_iter().flatten() {
            match outcome {
                Stored::Stored(entry) => {
                    assert_eq!(world.sealed_entries().get(user, entry.id).await.unwrap(), None);
                }
                other => assert_eq!(other, Stored::UnknownSecretTag),
            }
        }
    }
}

pub async fn the_id_of_a_deleted_secret_tag_stays_taken(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let (tag, kept, nobody) =
        (world.secret_tag(user).await.id, world.secret_tag(user).await.id, world.new_secret_tag().id);
    let taken = async |user| {
        let mut taken = vec![];
        for id in [tag, kept, nobody] {
            taken.push(world.secret_tags().is_taken(user, id).await.unwrap());
        }
        taken
    };
    assert_eq!((taken(user).await, taken(other).await), (vec![true, true, false], vec![false; 3]));
    let sealed = world.write_sealed(user, tag).await;
    assert_eq!(world.secret_tags().delete(user, tag, false, at(1)).await.unwrap(), DeletedSecretTag::HasEntries(1));
    world.sealed_entries().delete(user, sealed.id, None).await.unwrap();
    assert_eq!(world.secret_tags().delete(user, tag, false, at(2)).await.unwrap(), removed());
    assert_eq!((taken(user).await, taken(other).await), (vec![true, true, false], vec![false; 3]));

    let again = NewSecretTag { id: tag, ..world.new_secret_tag() };
    assert_eq!(world.secret_tags().create(user, &again, None, at(3)).await.unwrap(), CreatedSecretTag::IdTaken);
    assert_eq!(world.secret_tags().get(user, tag).await.unwrap(), None);
    // With another user the id has another key.
    let created = world.secret_tags().create(other, &again, None, at(3)).await.unwrap();
    assert!(matches!(created, CreatedSecretTag::Created(_)), "{created:?}");
    world.users().delete(user).await.unwrap();
    assert_eq!((taken(user).await, taken(other).await), (vec![false; 3], vec![true, false, false]));
}

pub async fn create_and_delete_of_one_id_at_once_leave_it_taken(world: &World) {
    for _ in 0..4 {
        let user = world.user().await;
        let tag = world.secret_tag(user).await.id;
        let again = NewSecretTag { id: tag, ..world.new_secret_tag() };
        at_once(8, |number| {
            let (storage, again) = (world.storage.clone(), again.clone());
            async move {
                if number == 4 {
                    assert_eq!(storage.secret_tags().delete(user, tag, false, at(1)).await.unwrap(), removed());
                } else {
                    let created = storage.secret_tags().create(user, &again, None, at(1)).await.unwrap();
                    assert_eq!(created, CreatedSecretTag::IdTaken);
                }
            }
        })
        .await;
        assert_eq!(world.secret_tags().list(user).await.unwrap(), []);
    }
}

pub async fn create_ends_the_attempts_of_its_registration(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let new = world.new_secret_tag();
    let failed = world.fail(user, new.id, at(0)).await;
    world.login(user, new.id, at(1)).await;
    let elsewhere = world.secret_tag(user).await.id;
    let kept = world.login(user, elsewhere, at(2)).await;
    let of_other = world.login(other, new.id, at(3)).await;
    // A rejected create changes nothing.
    let taken = NewSecretTag { id: elsewhere, ..world.new_secret_tag() };
    assert_eq!(world.secret_tags().create(user, &taken, None, at(4)).await.unwrap(), CreatedSecretTag::IdTaken);
    world.secret_tags().create(user, &new, None, at(4)).await.unwrap();
    let left = async |user| {
        let sessions = world.opaque_sessions().list(user, at(5)).await.unwrap();
        sessions.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(left(user).await, [kept, failed]);
    assert_eq!(left(other).await, [of_other]);
}

pub async fn server_keys_returns_each_key_once(world: &World) {
    let (one, two) = (world.user().await, world.user().await);
    let server_keys = async || world.secret_tags().server_keys().await.unwrap().into_iter().collect::<BTreeSet<_>>();
    assert_eq!(server_keys().await, BTreeSet::new());
    let tag = world.secret_tag(one).await.id;
    world.secret_tag(two).await;
    assert_eq!(world.secret_tags().server_keys().await.unwrap(), [[1; 16]]);
    world.secret_tags().set_lock(one, tag, &lock(2), 1, None, at(1)).await.unwrap();
    assert_eq!(server_keys().await, BTreeSet::from([[1; 16], [2; 16]]));
}

pub async fn a_nonexistent_secret_tag_is_missing(world: &World) {
    let (user, nobody) = (world.user().await, SecretTagId(world.id()));
    let secret_tags = world.secret_tags();
    assert_eq!(secret_tags.get(user, nobody).await.unwrap(), None);
    assert_eq!(secret_tags.list(user).await.unwrap(), []);
    assert_eq!(secret_tags.set_lock(user, nobody, &lock(2), 1, None, at(1)).await.unwrap(), None);
    assert!(!secret_tags.set_metadata(user, nobody, &[2; 93], at(1)).await.unwrap());
    assert_eq!(secret_tags.delete(user, nobody, true, at(9)).await.unwrap(), DeletedSecretTag::Missing);
}

/// The deletion of a secret tag without entries.
fn removed() -> DeletedSecretTag {
    DeletedSecretTag::Deleted { entries: 0, freed: vec![] }
}
