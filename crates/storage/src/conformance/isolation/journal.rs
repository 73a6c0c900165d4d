//! Entries and what belongs to them, and the methods that are for the server itself.

use sotto_domain::attachment::{Attached, NewAttachment};
use sotto_domain::entry::{Created, Deleted, EntryPatch, EntryQuery, TagFilter, Updated};
use sotto_domain::tag::{TagChoice, TagPatch};
use sotto_domain::{StoreId, Timestamp};

use super::{Belongings, belongings};
use crate::conformance::attachments::AUDIO;
use crate::conformance::world::{World, assert_conflict, at, plan, up_to};

pub(super) async fn try_entries(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let entries = world.entries();
    let (theirs, their_tag, day) = (bob.entries[0].id, bob.tags[0].id, bob.entries[0].body.date.day());
    on("Entries.create");
    let mut new = world.new_entry("stolen");
    new.id = theirs;
    assert_eq!(entries.create(me, &new, None, at(1)).await.unwrap(), Created::IdTaken);
    let mut new = world.new_entry("tagged with another's tag");
    new.tags = vec![TagChoice::Existing(their_tag)];
    assert_eq!(entries.create(me, &new, None, at(1)).await.unwrap(), Created::UnknownTag(their_tag));
    on("Entries.get");
    assert_eq!(entries.get(me, theirs).await.unwrap(), None);
    on("Entries.update");
    let patch = EntryPatch { content: Some("overwritten".into()), ..EntryPatch::default() };
    for expected in [None, Some(1)] {
        assert_eq!(entries.update(me, theirs, &patch, expected, at(1)).await.unwrap(), Updated::Missing);
    }
    let patch = EntryPatch { tags: Some(vec![TagChoice::Existing(their_tag)]), ..EntryPatch::default() };
    assert_eq!(
        entries.update(me, ada.entries[0].id, &patch, None, at(1)).await.unwrap(),
        Updated::UnknownTag(their_tag)
    );
    on("Entries.delete");
    for expected in [None, Some(1), Some(2)] {
        assert_eq!(entries.delete(me, theirs, expected).await.unwrap(), Deleted::Missing);
    }
    on("Entries.list");
    for query in [
        up_to(100),
        EntryQuery { words: vec!["mountains".into()], ..up_to(100) },
        EntryQuery { tag: Some(TagFilter::Key("hills".into())), ..up_to(100) },
        EntryQuery { from: Some(day), to: Some(day), ..up_to(100) },
        EntryQuery { after: Some((Timestamp::MAX, theirs)), ..up_to(100) },
    ] {
        assert_eq!(entries.list(me, &query).await.unwrap(), ada.entries, "{query:?}");
    }
    let by_their_tag = EntryQuery { tag: Some(TagFilter::Id(their_tag)), ..up_to(100) };
    assert_eq!(entries.list(me, &by_their_tag).await.unwrap(), vec![]);
    on("Entries.days");
    assert_eq!(entries.days(me, day, day).await.unwrap()[0].entries, 1);
    on("Entries.on_days");
    assert_eq!(entries.on_days(me, &[day], 100).await.unwrap(), ada.entries);
}

pub(super) async fn try_tags(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let tags = world.tags();
    let theirs = bob.tags[0].id;
    on("Tags.create");
    let mut new = world.new_tag("stolen");
    new.id = theirs;
    assert_conflict(tags.create(me, &new, None, at(1)).await, "pk_tags");
    on("Tags.get");
    assert_eq!(tags.get(me, theirs).await.unwrap(), None);
    on("Tags.update");
    let patch = TagPatch::parse(Some("renamed"), None).unwrap();
    assert_eq!(tags.update(me, theirs, &patch, at(1)).await.unwrap(), None);
    on("Tags.delete");
    assert!(!tags.delete(me, theirs).await.unwrap());
    on("Tags.list");
    assert_eq!(tags.list(me, None, 100).await.unwrap(), ada.tags);
}

pub(super) async fn try_reminders(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let reminders = world.reminders();
    let theirs = bob.reminders[0].id;
    let other = plan("Other", "daily", None);
    on("Reminders.create");
    assert_conflict(reminders.create(me, theirs, &other, None, at(1)).await, "pk_reminders");
    on("Reminders.get");
    assert_eq!(reminders.get(me, theirs).await.unwrap(), None);
    on("Reminders.replace");
    assert_eq!(reminders.replace(me, theirs, &other, bob.reminders[0].updated_at, at(1)).await.unwrap(), None);
    on("Reminders.delete");
    assert!(!reminders.delete(me, theirs).await.unwrap());
    on("Reminders.list");
    assert_eq!(reminders.list(me, None, 100).await.unwrap(), ada.reminders);
}

pub(super) async fn try_attachments(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let attachments = world.attachments();
    let (theirs, their_recording) = (bob.entries[0].id, bob.recordings[0].id);
    on("Attachments.get");
    assert_eq!(attachments.get(me, theirs).await.unwrap(), None);
    on("Attachments.put");
    assert_eq!(attachments.put(me, &world.new_recording(theirs), None, at(1)).await.unwrap(), Attached::Missing);
    let stolen = NewAttachment { id: their_recording, ..world.new_recording(ada.entries[0].id) };
    assert_conflict(attachments.put(me, &stolen, None, at(1)).await, "pk_attachments");
    on("Attachments.remove");
    assert_eq!(attachments.remove(me, theirs, AUDIO, at(1)).await.unwrap(), []);
    on("Attachments.usage");
    assert_eq!(attachments.usage(me).await.unwrap(), 1000);
    on("Attachments.known");
    let both = [their_recording, ada.recordings[0].id];
    assert_eq!(attachments.known(me, &both).await.unwrap(), [ada.recordings[0].id]);
}

/// These methods are for the server itself. They are about the database, or about ids.
pub(super) async fn try_attachment_store(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let stores = world.attachment_store();
    let (mine, theirs) = (ada.recordings[0].id, bob.recordings[0].id);
    on("AttachmentStore.get");
    assert_eq!(stores.get().await.unwrap(), None);
    on("AttachmentStore.identify");
    let store = stores.identify(StoreId(world.id()), at(1), at(1)).await.unwrap();
    on("AttachmentStore.begin_sweep");
    assert!(stores.begin_sweep(&store, at(1), at(1)).await.unwrap());
    on("AttachmentStore.end_sweep");
    stores.end_sweep(store.id, 1, None, at(1), at(1)).await.unwrap();
    on("AttachmentStore.replace");
    stores.replace(StoreId(world.id()), at(1), at(1)).await.unwrap();
    on("AttachmentStore.recordings");
    let both = stores.recordings(None, 10).await.unwrap();
    assert_eq!(both, [(ada.user.id, mine), (bob.user.id, theirs)]);
    on("AttachmentStore.freed");
    assert_eq!(stores.freed(None, 10).await.unwrap(), []);
    on("AttachmentStore.remove_freed");
    stores.remove_freed(ada.user.id, &[theirs]).await.unwrap();
    assert_eq!(belongings(world, bob.user.id).await, *bob);
}

/// These methods take no user. They are about the database and return no user's rows.
pub(super) async fn try_health(world: &World, bob: &Belongings, mut on: impl FnMut(&str)) {
    let health = world.health();
    on("Health.snapshot");
    let snapshot = format!("{:?}", health.snapshot(at(1)).await.unwrap());
    for private in ["mountains", "hills", bob.user.email.as_str(), &bob.entries[0].id.0.to_string()] {
        assert!(!snapshot.contains(private), "{private}: {snapshot}");
    }
    on("Health.schema");
    health.schema().await.unwrap();
    on("Health.write_cost");
    health.write_cost("idx_tags_user_id").await.unwrap().unwrap();
    on("Health.clock");
    health.clock().await.unwrap();
    assert_eq!(belongings(world, bob.user.id).await, *bob);
}
