//! The methods of entries and what belongs to them.

use jiff::civil::date;
use sotto_domain::attachment::{Attached, NewAttachment};
use sotto_domain::entry::{EntryPatch, EntryQuery, NewEntry, TagFilter};
use sotto_domain::idempotency::KEPT_SECONDS;
use sotto_domain::storage::Storage;
use sotto_domain::tag::{NewTag, TagChoice, TagPatch};
use sotto_domain::{AttachmentId, ReminderId, StoreId, Zone};

use super::{entry, me, tag};
use crate::conformance::idempotency::keyed;
use crate::conformance::world::{at, plan, up_to};
use crate::plans::population::{RowKind, id};

pub(super) async fn entries(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let entries = storage.entries();
    let new = |n: u32, tags: Vec<TagChoice>| {
        let when = "2025-01-22T10:00:00Z";
        NewEntry::parse(entry(n), None, "text".into(), None, when, Ok(Zone::utc()), tags).unwrap()
    };
    let named = |name: &str, n: u32| TagChoice::Named(NewTag::parse(tag(n), name, None).unwrap());
    let choices = vec![TagChoice::Existing(tag(2)), named("tag3", 90), named("unheard of", 91)];
    entries.create(me(), &new(5001, vec![]), None, at(0)).await.unwrap();
    entries.create(me(), &new(5002, choices.clone()), None, at(0)).await.unwrap();
    entries.create(me(), &new(5002, vec![]), None, at(0)).await.unwrap();
    entries.create(me(), &new(5003, vec![]), keyed(me(), 1), at(0)).await.unwrap();
    entries.create(me(), &new(5003, vec![]), keyed(me(), 2), at(0)).await.unwrap();
    after("Entries.create");

    entries.get(me(), entry(7)).await.unwrap().unwrap();
    after("Entries.get");

    let patch = EntryPatch { content: Some("other".into()), ..EntryPatch::default() };
    entries.update(me(), entry(7), &patch, None, at(1)).await.unwrap();
    entries.update(me(), entry(7), &patch, Some(1), at(1)).await.unwrap();
    let patch = EntryPatch { tags: Some(choices), ..EntryPatch::default() };
    entries.update(me(), entry(7), &patch, Some(2), at(1)).await.unwrap();
    after("Entries.update");

    entries.delete(me(), entry(8), None).await.unwrap();
    entries.delete(me(), entry(9), Some(1)).await.unwrap();
    entries.delete(me(), entry(7), Some(1)).await.unwrap();
    after("Entries.delete");

    let (rare, common) = (TagFilter::Id(tag(3)), TagFilter::Key("tag1".into()));
    let page = up_to(20);
    for query in [
        page.clone(),
        EntryQuery { after: Some((at(-100 * 3600), entry(100))), ..page.clone() },
        EntryQuery { characters: Some(281), ..page.clone() },
        EntryQuery { limit: 8, ..page.clone() },
        EntryQuery { from: Some(date(2025, 1, 1)), to: Some(date(2025, 1, 7)), ..page.clone() },
        EntryQuery { from: Some(date(2025, 1, 1)), ..page.clone() },
        EntryQuery { to: Some(date(2025, 1, 7)), ..page.clone() },
        EntryQuery { tag: Some(rare.clone()), ..page.clone() },
        EntryQuery { tag: Some(common.clone()), ..page.clone() },
        EntryQuery { words: vec!["word77".into()], ..page.clone() },
        EntryQuery { words: vec!["common".into()], ..page.clone() },
        EntryQuery { words: vec!["common".into(), "word7".into()], tag: Some(common), ..page.clone() },
        EntryQuery {
            words: vec!["common".into()],
            tag: Some(rare),
            from: Some(date(2024, 12, 1)),
            to: Some(date(2025, 1, 7)),
            after: Some((at(-100 * 3600), entry(100))),
            ..page
        },
    ] {
        assert!(!entries.list(me(), &query).await.unwrap().is_empty(), "{query:?}");
    }
    after("Entries.list");

    assert!(!entries.days(me(), date(2025, 1, 1), date(2025, 1, 31)).await.unwrap().is_empty());
    after("Entries.days");
    assert!(!entries.on_days(me(), &[date(2025, 1, 1), date(2025, 1, 5)], 100).await.unwrap().is_empty());
    after("Entries.on_days");
}

/// A create with an idempotency key runs the same extra statements for every kind of row.
pub(super) async fn idempotency_keys(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let keys = storage.idempotency_keys();
    assert_eq!(keys.find(me(), &[1; 32]).await.unwrap().unwrap().id, entry(5003).0);
    after("IdempotencyKeys.find");
    keys.correct_dates(at(0)).await.unwrap();
    after("IdempotencyKeys.correct_dates");
    assert!(keys.delete_expired(at(KEPT_SECONDS - 4 * 3600)).await.unwrap() > 0);
    after("IdempotencyKeys.delete_expired");
}

pub(super) async fn tags(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let tags = storage.tags();
    tags.create(me(), &NewTag::parse(tag(92), "new", None).unwrap(), None, at(0)).await.unwrap();
    after("Tags.create");
    tags.get(me(), tag(1)).await.unwrap().unwrap();
    after("Tags.get");
    tags.update(me(), tag(1), &TagPatch::parse(Some("first"), None).unwrap(), at(1)).await.unwrap().unwrap();
    after("Tags.update");
    assert!(tags.delete(me(), tag(5)).await.unwrap());
    after("Tags.delete");
    for place in [None, Some((at(-4 * 3600), id(RowKind::Tag, 1, 4)))] {
        assert!(!tags.list(me(), place, 100).await.unwrap().is_empty());
    }
    after("Tags.list");
}

pub(super) async fn reminders(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let reminders = storage.reminders();
    let reminder = |n: u32| ReminderId(id(RowKind::Reminder, 1, n));
    let created = reminders.create(me(), reminder(90), &plan("new", "daily", None), None, at(0)).await.unwrap();
    after("Reminders.create");
    reminders.get(me(), reminder(1)).await.unwrap().unwrap();
    after("Reminders.get");
    let other = plan("other", "weekly", None);
    reminders.replace(me(), reminder(90), &other, created.updated_at, at(1)).await.unwrap().unwrap();
    after("Reminders.replace");
    assert!(reminders.delete(me(), reminder(90)).await.unwrap());
    after("Reminders.delete");
    for place in [None, Some((at(-2 * 3600), id(RowKind::Reminder, 1, 2)))] {
        assert!(!reminders.list(me(), place, 100).await.unwrap().is_empty());
    }
    after("Reminders.list");
}

pub(super) async fn attachments(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let attachments = storage.attachments();
    let recording = |n: u32| AttachmentId(id(RowKind::Attachment, 1, n));
    attachments.get(me(), entry(30)).await.unwrap().unwrap();
    after("Attachments.get");
    for (n, entry) in [(9001, entry(31)), (9002, entry(1000))] {
        let (media_type, audio_url) = ("audio/ogg".to_owned(), Some("/audio".to_owned()));
        let new =
            NewAttachment { id: recording(n), entry_id: entry, media_type, byte_length: 9, sha256: [0; 32], audio_url };
        let put = attachments.put(me(), &new, Some(1 << 40), at(1)).await.unwrap();
        assert!(matches!(put, Attached::Attached(..)), "{put:?}");
    }
    after("Attachments.put");
    assert_eq!(attachments.remove(me(), entry(1000), "/audio", at(1)).await.unwrap(), [recording(9002)]);
    after("Attachments.remove");
    assert!(attachments.usage(me()).await.unwrap() > 9);
    after("Attachments.usage");
    assert_eq!(attachments.known(me(), &[recording(30), recording(9002)]).await.unwrap(), [recording(30)]);
    after("Attachments.known");
}

pub(super) async fn attachment_store(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let stores = storage.attachment_store();
    assert_eq!(stores.get().await.unwrap(), None);
    after("AttachmentStore.get");
    let store = stores.identify(StoreId(id(RowKind::Attachment, 0, 1)), at(1), at(1)).await.unwrap();
    after("AttachmentStore.identify");
    assert!(stores.begin_sweep(&store, at(2), at(2)).await.unwrap());
    after("AttachmentStore.begin_sweep");
    stores.end_sweep(store.id, 1, Some("trouble"), at(3), at(3)).await.unwrap();
    after("AttachmentStore.end_sweep");
    stores.replace(StoreId(id(RowKind::Attachment, 0, 2)), at(4), at(4)).await.unwrap();
    after("AttachmentStore.replace");
    assert_eq!(stores.recordings(Some(AttachmentId(id(RowKind::Attachment, 1, 10))), 100).await.unwrap().len(), 100);
    after("AttachmentStore.recordings");
    let freed = stores.freed(None, 100).await.unwrap();
    assert!(!freed.is_empty());
    after("AttachmentStore.freed");
    stores.remove_freed(freed[0].0, &[freed[0].1]).await.unwrap();
    after("AttachmentStore.remove_freed");
}
