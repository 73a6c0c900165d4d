//! Tests recordings of entries, and which attachments are freed.

use sotto_domain::attachment::{Attached, Attachment, MAX_BYTES, NewAttachment};
use sotto_domain::entry::Deleted;
use sotto_domain::secret_tag::{PlainBody, Stored};
use sotto_domain::{AttachmentId, EntryId, SecretTagId, UserId};

use super::world::{World, assert_conflict, at, at_once, sealed};

/// The address of a recording in a plain entry.
pub const AUDIO: &str = "/audio";

impl World {
    /// A recording for a plain entry.
    pub fn new_recording(&self, entry: EntryId) -> NewAttachment {
        NewAttachment {
            id: AttachmentId(self.id()),
            entry_id: entry,
            media_type: "audio/webm".into(),
            byte_length: 1000,
            sha256: [7; 32],
            audio_url: Some(AUDIO.into()),
        }
    }

    /// Attaches a recording and fails if it is rejected. Returns the attachment and the freed attachments.
    pub async fn attach(&self, user: UserId, new: &NewAttachment) -> (Attachment, Vec<AttachmentId>) {
        match self.attachments().put(user, new, None, at(5)).await.unwrap() {
            Attached::Attached(attachment, replaced) => (attachment, replaced),
            other => panic!("not attached: {other:?}"),
        }
    }

    async fn audio_url(&self, user: UserId, entry: EntryId) -> Option<String> {
        self.entries().get(user, entry).await.unwrap().unwrap().body.audio_url
    }
}

pub async fn put_and_get(world: &World) {
    let user = world.user().await;
    let entry = world.write(user, "spoken").await;
    assert_eq!(world.attachments().get(user, entry.id).await.unwrap(), None);
    let new = NewAttachment { byte_length: MAX_BYTES, ..world.new_recording(entry.id) };
    let expected = Attachment {
        id: new.id,
        user_id: user,
        entry_id: entry.id,
        media_type: "audio/webm".into(),
        byte_length: MAX_BYTES,
        sha256: [7; 32],
        sealed: false,
        created_at: at(5),
        updated_at: at(5),
    };
    assert_eq!(world.attach(user, &new).await, (expected.clone(), vec![]));
    assert_eq!(world.attachments().get(user, entry.id).await.unwrap(), Some(expected));
    let now = world.entries().get(user, entry.id).await.unwrap().unwrap();
    assert_eq!((now.body.audio_url.as_deref(), now.revision, now.updated_at), (Some(AUDIO), 1, at(5)));
}

pub async fn put_replaces_the_previous_recording(world: &World) {
    let user = world.user().await;
    let entry = world.write(user, "spoken").await;
    let (first, _) = world.attach(user, &world.new_recording(entry.id)).await;
    let second = NewAttachment { byte_length: 0, sha256: [8; 32], ..world.new_recording(entry.id) };
    let put = world.attachments().put(user, &second, None, at(9)).await.unwrap();
    let expected = second.attached_to(user, at(5), at(9));
    assert_eq!(put, Attached::Attached(expected.clone(), vec![first.id]));
    assert_eq!(world.attachments().get(user, entry.id).await.unwrap(), Some(expected));
    assert_eq!(world.attachments().usage(user).await.unwrap(), 0);
}

pub async fn put_requires_a_matching_entry(world: &World) {
    let user = world.user().await;
    let plain = world.write(user, "spoken").await.id;
    let tag = world.secret_tag(user).await.id;
    let hidden = world.write_sealed(user, tag).await.id;
    for (entry, audio_url) in [(EntryId(world.id()), Some(AUDIO)), (plain, None), (hidden, Some(AUDIO))] {
        let new = NewAttachment { audio_url: audio_url.map(str::to_owned), ..world.new_recording(entry) };
        assert_eq!(world.attachments().put(user, &new, None, at(1)).await.unwrap(), Attached::Missing);
        assert_eq!(world.attachments().get(user, entry).await.unwrap(), None);
    }
    let new = NewAttachment { audio_url: None, ..world.new_recording(hidden) };
    assert!(world.attach(user, &new).await.0.sealed);
    assert_eq!(world.sealed_entries().get(user, hidden).await.unwrap().unwrap().revision, 1);
}

pub async fn put_rejects_a_taken_id(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let (first, _) = world.attach(user, &world.new_recording(world.write(user, "spoken").await.id)).await;
    for owner in [user, other] {
        let entry = world.write(owner, "spoken").await.id;
        let new = NewAttachment { id: first.id, ..world.new_recording(entry) };
        assert_conflict(world.attachments().put(owner, &new, None, at(1)).await, "pk_attachments");
        assert_eq!(world.audio_url(owner, entry).await, None);
    }
}

pub async fn put_respects_the_quota(world: &World) {
    let user = world.user().await;
    let (one, two) = (world.write(user, "one").await.id, world.write(user, "two").await.id);
    world.attach(user, &world.new_recording(one)).await;
    let put = async |entry, quota| {
        let new = world.new_recording(entry);
        world.attachments().put(user, &new, Some(quota), at(6)).await.unwrap()
    };
    assert_eq!(put(two, 1999).await, Attached::OverQuota(1000));
    assert_eq!(world.audio_url(user, two).await, None);
    assert!(matches!(put(two, 2000).await, Attached::Attached(..)));
    // A replaced recording does not count, and neither do the recordings of other users.
    assert!(matches!(put(two, 2000).await, Attached::Attached(..)));
    assert_eq!(world.attachments().usage(user).await.unwrap(), 2000);
    assert_eq!(world.attachments().usage(world.user().await).await.unwrap(), 0);
}

pub async fn concurrent_puts_respect_the_quota(world: &World) {
    let user = world.user().await;
    let mut entries = vec![];
    for _ in 0..8 {
        entries.push(world.write(user, "spoken").await.id);
    }
    let put = at_once(entries.len(), |number| {
        let (storage, new) = (world.storage.clone(), world.new_recording(entries[number]));
        async move { storage.attachments().put(user, &new, Some(3000), at(1)).await.unwrap() }
    });
    let attached = put.await.iter().filter(|one| matches!(one, Attached::Attached(..))).count();
    assert_eq!((attached, world.attachments().usage(user).await.unwrap()), (3, 3000));
}

pub async fn concurrent_puts_for_one_entry_replace_each_other(world: &World) {
    let user = world.user().await;
    let entry = world.write(user, "spoken").await.id;
    let put = at_once(8, |_| {
        let (storage, new) = (world.storage.clone(), world.new_recording(entry));
        async move { (new.id, storage.attachments().put(user, &new, None, at(1)).await.unwrap()) }
    });
    let (mut all, mut replaced_or_last) = (vec![], vec![]);
    for (id, put) in put.await {
        let Attached::Attached(_, replaced) = put else { panic!("{put:?}") };
        all.push(id);
        replaced_or_last.extend(replaced);
    }
    let left = world.attachments().get(user, entry).await.unwrap().unwrap().id;
    replaced_or_last.push(left);
    all.sort();
    replaced_or_last.sort();
    assert_eq!(replaced_or_last, all, "each attachment is replaced once, except for the last one");
}

pub async fn remove_clears_the_audio_url(world: &World) {
    let user = world.user().await;
    let entry = world.write(user, "spoken").await.id;
    let (attachment, _) = world.attach(user, &world.new_recording(entry)).await;
    let remove = async || world.attachments().remove(user, entry, AUDIO, at(9)).await.unwrap();
    assert_eq!(remove().await, [attachment.id]);
    assert_eq!((world.audio_url(user, entry).await, remove().await), (None, vec![]));
    assert_eq!(world.attachments().get(user, entry).await.unwrap(), None);
    // An `audio_url` other than the given one stays.
    world.attach(user, &NewAttachment { audio_url: Some("/other".into()), ..world.new_recording(entry) }).await;
    assert_eq!(remove().await.len(), 1);
    assert_eq!(world.audio_url(user, entry).await.as_deref(), Some("/other"));
}

pub async fn a_recording_is_deleted_with_its_entry(world: &World) {
    let user = world.user().await;
    let plain = world.write(user, "spoken").await.id;
    let (attachment, _) = world.attach(user, &world.new_recording(plain)).await;
    assert!(matches!(world.entries().delete(user, plain, Some(7)).await.unwrap(), Deleted::Stale(_)));
    assert_eq!(world.attachments().get(user, plain).await.unwrap().as_ref(), Some(&attachment));
    assert_eq!(world.entries().delete(user, plain, None).await.unwrap(), Deleted::Deleted(vec![attachment.id]));
    let tag = world.secret_tag(user).await.id;
    let sealed =
        async |entry| world.attach(user, &NewAttachment { audio_url: None, ..world.new_recording(entry) }).await.0;
    let hidden = world.write_sealed(user, tag).await.id;
    let attachment = sealed(hidden).await;
    let delete = async |expected| world.sealed_entries().delete(user, hidden, expected).await.unwrap();
    assert!(matches!(delete(Some(7)).await, Stored::Stale(_)));
    assert_eq!(delete(Some(1)).await, Stored::Stored(vec![attachment.id]));
    sealed(world.write_sealed(user, tag).await.id).await;
    world.secret_tags().delete(user, tag, true, at(9)).await.unwrap();
    assert_eq!(world.attachments().usage(user).await.unwrap(), 0);
}

/// In either order, each recording is returned as freed or was rejected.
pub async fn a_recording_attached_during_deletion_is_freed_or_rejected(world: &World) {
    let user = world.user().await;
    for _ in 0..20 {
        let entry = world.write(user, "spoken").await.id;
        let new = world.new_recording(entry);
        let put = world.attachments().put(user, &new, None, at(5));
        let (put, deleted) = tokio::join!(put, world.entries().delete(user, entry, None));
        let kept = matches!(put.unwrap(), Attached::Attached(..));
        assert_eq!(deleted.unwrap(), Deleted::Deleted(kept.then_some(new.id).into_iter().collect()));
    }
    assert_eq!(world.attachments().usage(user).await.unwrap(), 0);
}

pub async fn sealing_and_unsealing_return_the_freed_recording(world: &World) {
    let user = world.user().await;
    let (entry, tag) = (world.write(user, "spoken").await.id, world.secret_tag(user).await.id);
    let entries = world.sealed_entries();
    let (in_plain, _) = world.attach(user, &world.new_recording(entry)).await;
    // A rejected change frees nothing.
    for (tag, expected) in [(tag, 7), (SecretTagId(world.id()), 1)] {
        let refused = entries.seal(user, entry, &sealed(tag, 1), expected, at(5)).await.unwrap();
        assert!(!matches!(refused, Stored::Stored(_)), "{refused:?}");
    }
    assert!(world.attachments().get(user, entry).await.unwrap().is_some());
    let Stored::Stored(moved) = entries.seal(user, entry, &sealed(tag, 1), 1, at(5)).await.unwrap() else {
        panic!("not sealed")
    };
    assert_eq!(moved.freed, [in_plain.id]);
    assert_eq!(world.attachments().get(user, entry).await.unwrap(), None);

    let encrypted = NewAttachment { audio_url: None, ..world.new_recording(entry) };
    world.attach(user, &encrypted).await;
    // Replacing the sealed text keeps the recording.
    let again = entries.replace(user, entry, &sealed(tag, 2), 2, at(6)).await.unwrap();
    assert!(matches!(again, Stored::Stored(_)));
    assert!(world.attachments().get(user, entry).await.unwrap().is_some());
    let plain = PlainBody { body: world.new_entry("spoken").body, tags: vec![] };
    let Stored::Stored(moved) = entries.unseal(user, entry, &plain, 3, at(7)).await.unwrap() else {
        panic!("not unsealed")
    };
    assert_eq!(moved.freed, [encrypted.id]);
    assert_eq!(world.attachments().get(user, entry).await.unwrap(), None);
}

/// Recordings are put while their entry moves in or out: each is replaced, returned as freed, or rejected.
pub async fn a_move_during_concurrent_puts_leaves_no_recording(world: &World) {
    // One task in the middle moves the entry, the others put recordings.
    const MOVING_TASK: usize = 3;

    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    for round in 0..6 {
        let moves_in = round % 2 == 0;
        let entry =
            if moves_in { world.write(user, "spoken").await.id } else { world.write_sealed(user, tag).await.id };
        let outcomes = at_once(7, |number| {
            let (storage, plain) = (world.storage.clone(), world.plain("revealed"));
            let audio_url = moves_in.then(|| AUDIO.to_owned());
            let new = NewAttachment { audio_url, ..world.new_recording(entry) };
            async move {
                let entries = storage.sealed_entries();
                if number != MOVING_TASK {
                    return match storage.attachments().put(user, &new, None, at(1)).await.unwrap() {
                        Attached::Attached(put, replaced) => (vec![put.id], replaced),
                        Attached::Missing => (vec![], vec![]),
                        other @ Attached::OverQuota(_) => panic!("{other:?}"),
                    };
                }
                let freed = if moves_in {
                    entries.seal(user, entry, &sealed(tag, 1), 1, at(1)).await.unwrap().map(|moved| moved.freed)
                } else {
                    entries.unseal(user, entry, &plain, 1, at(1)).await.unwrap().map(|moved| moved.freed)
                };
                let Stored::Stored(freed) = freed else { panic!("not moved: {freed:?}") };
                (vec![], freed)
            }
        });
        let (put, freed): (Vec<_>, Vec<_>) = outcomes.await.into_iter().unzip();
        let (mut put, mut freed) = (put.concat(), freed.concat());
        put.sort();
        freed.sort();
        assert_eq!(put, freed, "each recording is returned as freed");
        assert_eq!(world.attachments().get(user, entry).await.unwrap(), None);
    }
}

pub async fn known_returns_the_existing_ids(world: &World) {
    let user = world.user().await;
    let mut ids = vec![];
    for _ in 0..3 {
        ids.push(world.attach(user, &world.new_recording(world.write(user, "spoken").await.id)).await.0.id);
    }
    let requested = [ids[2], AttachmentId(world.id()), ids[0]];
    assert_eq!(world.attachments().known(user, &requested).await.unwrap(), [ids[0], ids[2]]);
    assert_eq!(world.attachments().known(user, &[]).await.unwrap(), []);
}
