//! Secret tags, the sessions that unlock them, and the entries under them.

use sotto_domain::secret_tag::{CreatedSecretTag, DeletedSecretTag, NewLogin, PlainBody, Started, Stored};
use sotto_domain::tag::TagChoice;

use super::Belongings;
use crate::conformance::world::{TOKEN, World, assert_conflict, at, lock, sealed};

pub(super) async fn try_secret_tags(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let secret_tags = world.secret_tags();
    let theirs = bob.secret_tags[0].id;
    on("SecretTags.create");
    let mut new = world.new_secret_tag();
    new.id = theirs;
    assert_eq!(secret_tags.create(me, &new, None, at(1)).await.unwrap(), CreatedSecretTag::IdTaken);
    on("SecretTags.is_taken");
    assert!(!secret_tags.is_taken(me, theirs).await.unwrap());
    on("SecretTags.get");
    assert_eq!(secret_tags.get(me, theirs).await.unwrap(), None);
    on("SecretTags.list");
    assert_eq!(secret_tags.list(me).await.unwrap(), ada.secret_tags);
    on("SecretTags.set_lock");
    assert_eq!(secret_tags.set_lock(me, theirs, &lock(5), 1, None, at(1)).await.unwrap(), None);
    on("SecretTags.set_metadata");
    assert!(!secret_tags.set_metadata(me, theirs, &[5; 93], at(1)).await.unwrap());
    on("SecretTags.delete");
    for with_entries in [false, true] {
        assert_eq!(secret_tags.delete(me, theirs, with_entries, at(1)).await.unwrap(), DeletedSecretTag::Missing);
    }
    // This method is about the server's keys and involves no user.
    on("SecretTags.server_keys");
    assert_eq!(secret_tags.server_keys().await.unwrap(), [lock(1).server_keys]);
}

pub(super) async fn try_opaque_sessions(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let sessions = world.opaque_sessions();
    let their_tag = bob.secret_tags[0].id;
    let of_theirs = |state: &str| bob.opaque_sessions.iter().find(|one| one.state.name() == state).unwrap().id;
    let (their_login, their_open) = (of_theirs("initialized"), of_theirs("unlocked"));
    on("OpaqueSessions.start");
    let taken_id = NewLogin { id: their_login, ..world.new_login(me, their_tag, at(1)) };
    assert_conflict(sessions.start(&taken_id, at(1)).await, "pk_opaque_sessions");
    // Another user's secret tag is treated like one that does not exist.
    let login = world.new_login(me, their_tag, at(1));
    assert_eq!(sessions.start(&login, at(1)).await.unwrap(), Started::Started);
    on("OpaqueSessions.take");
    assert_eq!(sessions.take(me, their_login, at(1)).await.unwrap(), None);
    assert!(sessions.take(me, login.id, at(1)).await.unwrap().is_some());
    on("OpaqueSessions.unlock");
    for id in [login.id, their_login, their_open] {
        assert_eq!(sessions.unlock(me, id, 1, &TOKEN, at(1)).await.unwrap(), None);
    }
    on("OpaqueSessions.open");
    assert_eq!(sessions.open(me, their_open, &TOKEN, at(100)).await.unwrap(), None);
    on("OpaqueSessions.list");
    let mine: Vec<_> = sessions.list(me, at(1)).await.unwrap().into_iter().map(|session| session.id).collect();
    let expected: Vec<_> = [login.id].into_iter().chain(ada.opaque_sessions.iter().map(|session| session.id)).collect();
    assert_eq!(mine, expected);
    on("OpaqueSessions.end");
    for id in [their_login, their_open] {
        assert!(!sessions.end(me, id).await.unwrap());
    }
    on("OpaqueSessions.lock");
    assert_eq!(sessions.lock(me, their_tag).await.unwrap(), 0);
    on("OpaqueSessions.end_all");
    assert_eq!(sessions.end_all(me).await.unwrap(), 1);
}

pub(super) async fn try_sealed_entries(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let entries = world.sealed_entries();
    let (theirs, their_plain, their_tag) = (bob.sealed_entries[0].id, bob.entries[0].id, bob.secret_tags[0].id);
    let my_tag = ada.secret_tags[0].id;
    on("SealedEntries.create");
    for id in [theirs, their_plain] {
        assert_eq!(entries.create(me, id, &sealed(my_tag, 5), None, at(1)).await.unwrap(), Stored::IdTaken);
    }
    let new = world.new_entry("").id;
    assert_eq!(entries.create(me, new, &sealed(their_tag, 5), None, at(1)).await.unwrap(), Stored::UnknownSecretTag);
    on("SealedEntries.get");
    assert_eq!(entries.get(me, theirs).await.unwrap(), None);
    on("SealedEntries.list");
    assert_eq!(entries.list(me, their_tag, None, 100).await.unwrap(), vec![]);
    on("SealedEntries.replace");
    assert_eq!(entries.replace(me, theirs, &sealed(my_tag, 5), 1, at(1)).await.unwrap(), Stored::Missing);
    let mine = ada.sealed_entries[0].id;
    assert_eq!(entries.replace(me, mine, &sealed(their_tag, 5), 1, at(1)).await.unwrap(), Stored::UnknownSecretTag);
    on("SealedEntries.seal");
    assert_eq!(entries.seal(me, their_plain, &sealed(my_tag, 5), 1, at(1)).await.unwrap(), Stored::Missing);
    let my_plain = ada.entries[0].id;
    assert_eq!(entries.seal(me, my_plain, &sealed(their_tag, 5), 1, at(1)).await.unwrap(), Stored::UnknownSecretTag);
    on("SealedEntries.unseal");
    let mut plain = PlainBody { body: world.new_entry("stolen").body, tags: vec![] };
    assert_eq!(entries.unseal(me, theirs, &plain, 1, at(1)).await.unwrap(), Stored::Missing);
    plain.tags = vec![TagChoice::Existing(bob.tags[0].id)];
    assert_eq!(entries.unseal(me, mine, &plain, 1, at(1)).await.unwrap(), Stored::UnknownTag(bob.tags[0].id));
    on("SealedEntries.delete");
    for expected in [None, Some(1), Some(2)] {
        assert_eq!(entries.delete(me, theirs, expected).await.unwrap(), Stored::Missing);
    }
}
