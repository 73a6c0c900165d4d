//! Tests the database's record of its attachment store.

use std::collections::BTreeSet;

use sotto_domain::account::Administered;
use sotto_domain::attachment::{Attached, NewAttachment};
use sotto_domain::attachment_store::Store;
use sotto_domain::entry::Deleted;
use sotto_domain::secret_tag::{DeletedSecretTag, PlainBody, Stored};
use sotto_domain::{AttachmentId, EntryId, StoreId, UserId};

use super::attachments::AUDIO;
use super::world::{World, at, at_once, sealed};

fn store(id: StoreId) -> Store {
    Store { id, sweeps: 0, next_sweep_at: at(100), trouble: None }
}

impl World {
    /// The freed attachments. Their objects are still to be deleted.
    async fn freed(&self) -> BTreeSet<(UserId, AttachmentId)> {
        self.attachment_store().freed(None, 1000).await.unwrap().into_iter().collect()
    }

    /// A plain entry with a recording.
    async fn recorded(&self, user: UserId) -> (EntryId, AttachmentId) {
        let entry = self.write(user, "spoken").await.id;
        (entry, self.attach(user, &self.new_recording(entry)).await.0.id)
    }

    /// A sealed entry with a recording.
    async fn recorded_under(&self, user: UserId, tag: sotto_domain::SecretTagId) -> (EntryId, AttachmentId) {
        let entry = self.write_sealed(user, tag).await.id;
        let new = NewAttachment { audio_url: None, ..self.new_recording(entry) };
        (entry, self.attach(user, &new).await.0.id)
    }
}

pub async fn a_database_gets_one_identity(world: &World) {
    let stores = world.attachment_store();
    assert_eq!(stores.get().await.unwrap(), None);
    let (first, second) = (StoreId(world.id()), StoreId(world.id()));
    assert_eq!(stores.identify(first, at(100), at(1)).await.unwrap(), store(first));
    assert_eq!(stores.identify(second, at(200), at(2)).await.unwrap(), store(first));
    assert_eq!(stores.get().await.unwrap(), Some(store(first)));
}

pub async fn many_first_calls_get_the_same_identity(world: &World) {
    let all = at_once(8, |_| {
        let (storage, fresh) = (world.storage.clone(), StoreId(world.id()));
        async move { storage.attachment_store().identify(fresh, at(100), at(1)).await.unwrap().id }
    });
    let all: BTreeSet<_> = all.await.into_iter().collect();
    assert_eq!(all.len(), 1, "{all:?}");
}

pub async fn replace_resets_identity_and_sweeps(world: &World) {
    let stores = world.attachment_store();
    for fresh in [StoreId(world.id()), StoreId(world.id())] {
        assert_eq!(stores.replace(fresh, at(100), at(1)).await.unwrap(), store(fresh));
        assert_eq!(stores.get().await.unwrap(), Some(store(fresh)));
        assert!(stores.begin_sweep(&store(fresh), at(200), at(2)).await.unwrap());
        stores.end_sweep(fresh, 1, Some("Trouble."), at(300), at(3)).await.unwrap();
    }
}

pub async fn one_of_many_concurrent_sweeps_begins(world: &World) {
    let seen = world.attachment_store().identify(StoreId(world.id()), at(100), at(1)).await.unwrap();
    let begun = at_once(8, |_| {
        let (storage, seen) = (world.storage.clone(), seen.clone());
        async move { storage.attachment_store().begin_sweep(&seen, at(200), at(2)).await.unwrap() }
    });
    assert_eq!(begun.await.into_iter().filter(|begun| *begun).count(), 1);
    let now = world.attachment_store().get().await.unwrap().unwrap();
    assert_eq!(now, Store { sweeps: 1, next_sweep_at: at(200), ..seen.clone() });
    let other = Store { id: StoreId(world.id()), ..now.clone() };
    assert!(!world.attachment_store().begin_sweep(&other, at(300), at(3)).await.unwrap());
    assert!(world.attachment_store().begin_sweep(&now, at(300), at(3)).await.unwrap());
}

pub async fn end_sweep_stores_the_result(world: &World) {
    let stores = world.attachment_store();
    let seen = stores.identify(StoreId(world.id()), at(100), at(1)).await.unwrap();
    assert!(stores.begin_sweep(&seen, at(200), at(2)).await.unwrap());
    let begun = stores.get().await.unwrap();
    // The end of a sweep is not recorded if a later sweep has begun or if the store has another identity.
    stores.end_sweep(seen.id, 0, Some("Late."), at(900), at(3)).await.unwrap();
    stores.end_sweep(StoreId(world.id()), 1, Some("Another's."), at(900), at(3)).await.unwrap();
    assert_eq!(stores.get().await.unwrap(), begun);
    for trouble in [Some("Too many."), None] {
        stores.end_sweep(seen.id, 1, trouble, at(300), at(3)).await.unwrap();
        let expected = Store { sweeps: 1, next_sweep_at: at(300), trouble: trouble.map(str::to_owned), ..seen.clone() };
        assert_eq!(stores.get().await.unwrap(), Some(expected));
    }
}

pub async fn deletes_record_freed_attachments(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let tag = world.secret_tag(user).await.id;
    let kept = world.recorded(other).await.1;
    let mut expected = BTreeSet::new();

    let (entry, replaced) = world.recorded(user).await;
    let (second, freed) = world.attach(user, &world.new_recording(entry)).await;
    assert_eq!(freed, [replaced]);
    expected.insert((user, replaced));
    assert_eq!(world.freed().await, expected, "one that is replaced");

    assert_eq!(world.attachments().remove(user, entry, AUDIO, at(6)).await.unwrap(), [second.id]);
    expected.insert((user, second.id));
    assert_eq!(world.freed().await, expected, "one that is removed");

    let (entry, recording) = world.recorded(user).await;
    assert_eq!(world.entries().delete(user, entry, None).await.unwrap(), Deleted::Deleted(vec![recording]));
    expected.insert((user, recording));
    assert_eq!(world.freed().await, expected, "one of an entry that is deleted");

    let (entry, recording) = world.recorded_under(user, tag).await;
    assert_eq!(world.sealed_entries().delete(user, entry, None).await.unwrap(), Stored::Stored(vec![recording]));
    expected.insert((user, recording));
    assert_eq!(world.freed().await, expected, "one of a sealed entry that is deleted");

    let (entry, recording) = world.recorded(user).await;
    let moved = world.sealed_entries().seal(user, entry, &sealed(tag, 1), 1, at(7)).await.unwrap();
    assert_eq!(moved.map(|moved| moved.freed), Stored::Stored(vec![recording]));
    expected.insert((user, recording));
    assert_eq!(world.freed().await, expected, "one of an entry that is sealed");

    let (entry, recording) = world.recorded_under(user, tag).await;
    let plain = PlainBody { body: world.new_entry("plain").body, tags: vec![] };
    let moved = world.sealed_entries().unseal(user, entry, &plain, 1, at(8)).await.unwrap();
    assert_eq!(moved.map(|moved| moved.freed), Stored::Stored(vec![recording]));
    expected.insert((user, recording));
    assert_eq!(world.freed().await, expected, "one of an entry that is unsealed");

    let both = [world.recorded_under(user, tag).await.1, world.recorded_under(user, tag).await.1];
    let deleted = world.secret_tags().delete(user, tag, true, at(9)).await.unwrap();
    assert!(matches!(deleted, DeletedSecretTag::Deleted { .. }));
    expected.extend(both.map(|recording| (user, recording)));
    assert_eq!(world.freed().await, expected, "those under a secret tag that is deleted");

    let last = world.recorded(user).await.1;
    assert_eq!(world.users().delete(user).await.unwrap(), Administered::Done(()));
    expected.insert((user, last));
    assert_eq!(world.freed().await, expected, "those of an account that is deleted");

    // A freed attachment outlives the account until its object is deleted.
    assert!(!expected.contains(&(other, kept)));
    for (user, id) in expected {
        world.attachment_store().remove_freed(other, &[id]).await.unwrap();
        assert!(world.freed().await.contains(&(user, id)), "another's is not forgotten");
        world.attachment_store().remove_freed(user, &[id]).await.unwrap();
    }
    assert_eq!(world.freed().await, BTreeSet::new());
    assert_eq!(world.attachment_store().recordings(None, 10).await.unwrap(), [(other, kept)]);
}

pub async fn rejected_changes_record_no_freed_attachments(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let (entry, _) = world.recorded(user).await;
    let (hidden, _) = world.recorded_under(user, tag).await;
    assert!(matches!(world.entries().delete(user, entry, Some(9)).await.unwrap(), Deleted::Stale(_)));
    assert!(matches!(world.sealed_entries().delete(user, hidden, Some(9)).await.unwrap(), Stored::Stale(_)));
    let seal = world.sealed_entries().seal(user, entry, &sealed(tag, 1), 9, at(7)).await.unwrap();
    assert!(matches!(seal, Stored::Stale(_)));
    let deleted = world.secret_tags().delete(user, tag, false, at(9)).await.unwrap();
    assert!(matches!(deleted, DeletedSecretTag::HasEntries(1)));
    let quota = world.attachments().put(user, &world.new_recording(entry), Some(1), at(7)).await.unwrap();
    assert!(matches!(quota, Attached::OverQuota(_)));
    let taken = NewAttachment { id: world.recorded(user).await.1, ..world.new_recording(entry) };
    world.attachments().put(user, &taken, None, at(7)).await.unwrap_err();
    assert_eq!(world.freed().await, BTreeSet::new());
}

pub async fn freed_and_recordings_are_read_page_by_page(world: &World) {
    let stores = world.attachment_store();
    let mut expected = vec![];
    for _ in 0..5 {
        let user = world.user().await;
        expected.push((user, world.recorded(user).await.1));
    }
    let pages = async |freed: bool| {
        let (mut all, mut after) = (vec![], None);
        loop {
            let page =
                if freed { stores.freed(after, 2).await.unwrap() } else { stores.recordings(after, 2).await.unwrap() };
            let Some((_, last)) = page.last() else { return all };
            assert!(page.len() <= 2);
            after = Some(*last);
            all.extend(page);
        }
    };
    assert_eq!(pages(false).await, expected);
    for (user, _) in &expected {
        assert_eq!(world.users().delete(*user).await.unwrap(), Administered::Done(()));
    }
    assert_eq!(pages(false).await, []);
    assert_eq!(pages(true).await, expected);
}
