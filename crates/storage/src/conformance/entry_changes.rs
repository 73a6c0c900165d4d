//! Tests updates and deletions of entries.

use sotto_domain::entry::{Deleted, Entry, EntryBody, EntryPatch, Updated};
use sotto_domain::entry_date::EntryDatePatch;
use sotto_domain::tag::TagChoice;
use sotto_domain::{EntryDate, EntryId, TagId, Timestamp, Zone};

use super::world::{World, at, at_once, up_to};

fn rewrite(content: &str) -> EntryPatch {
    EntryPatch { content: Some(content.into()), ..EntryPatch::default() }
}

fn updated(outcome: Updated) -> Entry {
    match outcome {
        Updated::Updated(entry) => entry,
        other => panic!("not updated: {other:?}"),
    }
}

pub async fn update_changes_only_the_given_fields(world: &World) {
    let user = world.user().await;
    let mut new = world.new_entry("before");
    new.body.title = Some("Title".into());
    new.tags = vec![world.named("kept")];
    let old = world.store(user, &new).await;

    let changed = updated(world.entries().update(user, old.id, &rewrite("after 🌙"), None, at(1)).await.unwrap());
    let body = EntryBody { content: "after 🌙".into(), ..old.body.clone() };
    assert_eq!(changed, Entry { body, revision: 2, updated_at: at(1), ..old.clone() });
    assert_eq!(world.entries().get(user, old.id).await.unwrap(), Some(changed.clone()));

    let patch = EntryPatch {
        title: Some(None),
        audio_url: Some(Some("https://example.org/a.ogg".into())),
        date: EntryDatePatch { moment: Some(at(500)), zone: Zone::named("Asia/Tokyo") },
        ..EntryPatch::default()
    };
    let moved = updated(world.entries().update(user, old.id, &patch, None, at(2)).await.unwrap());
    let body = EntryBody {
        title: None,
        audio_url: Some("https://example.org/a.ogg".into()),
        date: EntryDate { moment: at(500), zone: Zone::named("Asia/Tokyo").unwrap() },
        ..changed.body.clone()
    };
    let expected = Entry { body, revision: 3, updated_at: at(2), ..changed };
    assert_eq!(moved, expected);

    let empty = updated(world.entries().update(user, old.id, &EntryPatch::default(), None, at(3)).await.unwrap());
    assert_eq!(empty, Entry { revision: 4, updated_at: at(3), ..expected }, "every change raises the revision");
}

pub async fn update_checks_the_expected_revision(world: &World) {
    let user = world.user().await;
    let old = world.write(user, "one").await;
    let two = updated(world.entries().update(user, old.id, &rewrite("two"), Some(1), at(1)).await.unwrap());
    for expected in [0, 1, 3, u32::MAX] {
        let stale = world.entries().update(user, old.id, &rewrite("three"), Some(expected), at(2)).await.unwrap();
        assert_eq!(stale, Updated::Stale(two.clone()), "expected {expected}");
    }
    // A stale update is rejected before its tags are looked up or created.
    let patch =
        EntryPatch { tags: Some(vec![world.named("new"), TagChoice::Existing(TagId(world.id()))]), ..rewrite("") };
    assert_eq!(
        world.entries().update(user, old.id, &patch, Some(1), at(2)).await.unwrap(),
        Updated::Stale(two.clone())
    );
    assert_eq!(world.tags().list(user, None, 10).await.unwrap(), vec![]);
    assert_eq!(world.entries().get(user, old.id).await.unwrap(), Some(two));
}

pub async fn update_replaces_the_tags(world: &World) {
    let user = world.user().await;
    let mut new = world.new_entry("text");
    new.tags = vec![world.named("one"), world.named("two")];
    let old = world.store(user, &new).await;
    let two = old.tags[1].id;
    let patch = EntryPatch {
        tags: Some(vec![TagChoice::Existing(two), world.named("Three"), world.named("TWO")]),
        ..EntryPatch::default()
    };
    let changed = updated(world.entries().update(user, old.id, &patch, None, at(1)).await.unwrap());
    assert_eq!(changed.tags.iter().map(|tag| tag.name.as_str()).collect::<Vec<_>>(), ["Three", "two"]);
    assert_eq!(changed.tags[1].id, two);
    assert_eq!(world.entries().get(user, old.id).await.unwrap(), Some(changed));
    assert_eq!(world.tags().list(user, None, 10).await.unwrap().len(), 3, "tags outlive their links");

    let none = EntryPatch { tags: Some(vec![]), ..EntryPatch::default() };
    assert_eq!(updated(world.entries().update(user, old.id, &none, None, at(2)).await.unwrap()).tags, []);
    assert_eq!(world.entries().get(user, old.id).await.unwrap().unwrap().tags, []);
}

pub async fn update_with_an_unknown_tag_changes_nothing(world: &World) {
    let user = world.user().await;
    let old = world.write(user, "text").await;
    let unknown = TagId(world.id());
    let patch = EntryPatch {
        tags: Some(vec![world.named("new"), TagChoice::Existing(unknown)]),
        ..rewrite("not to be stored")
    };
    let outcome = world.entries().update(user, old.id, &patch, Some(1), at(1)).await.unwrap();
    assert_eq!(outcome, Updated::UnknownTag(unknown));
    assert_eq!(world.entries().get(user, old.id).await.unwrap(), Some(old));
    assert_eq!(world.tags().list(user, None, 10).await.unwrap(), vec![]);
}

pub async fn update_moves_the_entry_to_its_new_day(world: &World) {
    let user = world.user().await;
    let entry = world.write_at(user, Timestamp::parse("2025-01-22T23:30:00Z").unwrap(), "UTC", "late").await;
    let zone = EntryDatePatch { zone: Zone::named("Europe/Berlin"), ..EntryDatePatch::default() };
    let zone = EntryPatch { date: zone, ..rewrite("late at night") };
    world.entries().update(user, entry.id, &zone, None, at(1)).await.unwrap();
    let (old, new) = ("2025-01-22".parse().unwrap(), "2025-01-23".parse().unwrap());
    assert_eq!(world.entries().days(user, old, old).await.unwrap(), vec![]);
    let days = world.entries().days(user, old, new).await.unwrap();
    assert_eq!(days.iter().map(|day| (day.day, day.entries, day.words)).collect::<Vec<_>>(), [(new, 1, 3)]);
    assert_eq!(world.entries().on_days(user, &[new], 10).await.unwrap().len(), 1);
}

pub async fn an_unknown_zone_is_kept_and_treated_as_utc(world: &World) {
    let user = world.user().await;
    let entry = world.write_at(user, at(0), "Asia/Tokyo", "odd").await;
    let reminder = world.reminder(user, "odd").await;
    world.execute("UPDATE users SET time_zone = 'Mars/Olympus'").await;
    world.execute("UPDATE journal_entries SET entry_zone = 'localtime'").await;
    world.execute("UPDATE reminders SET time_zone = 'posixrules'").await;

    assert_eq!(world.users().get(user).await.unwrap().unwrap().time_zone, Zone::stored("Mars/Olympus"));
    let read = world.entries().get(user, entry.id).await.unwrap().unwrap();
    let date = EntryDate { zone: Zone::stored("localtime"), ..entry.body.date.clone() };
    assert_eq!(read, Entry { body: EntryBody { date, ..entry.body.clone() }, ..entry });
    assert_eq!(world.entries().list(user, &up_to(10)).await.unwrap(), [read]);
    let changed = updated(world.entries().update(user, entry.id, &rewrite("new"), None, at(1)).await.unwrap());
    assert_eq!((changed.body.date.zone.name(), changed.body.content.as_str()), ("localtime", "new"));

    let mut plan = world.reminders().get(user, reminder.id).await.unwrap().unwrap().plan;
    assert_eq!(plan.schedule.time_zone, Zone::stored("posixrules"));
    plan.title = "new".to_owned();
    let replaced = world.reminders().replace(user, reminder.id, &plan, reminder.updated_at, at(1)).await.unwrap();
    let replaced = replaced.unwrap();
    assert_eq!((replaced.plan.schedule.time_zone.name(), replaced.next_due_at), ("posixrules", plan.next_due(at(1))));
    assert!(replaced.next_due_at.is_some());
}

pub async fn one_of_two_updates_with_one_expected_revision_is_stale(world: &World) {
    let user = world.user().await;
    let id = world.write(user, "start").await.id;
    for revision in 1..=8 {
        let outcomes = at_once(2, |number| {
            let (storage, patch) = (world.storage.clone(), rewrite(&format!("try {number}")));
            async move { storage.entries().update(user, id, &patch, Some(revision), at(1)).await.unwrap() }
        });
        match &outcomes.await[..] {
            [Updated::Updated(one), Updated::Stale(two)] | [Updated::Stale(two), Updated::Updated(one)] => {
                assert_eq!((one, one.revision), (two, revision + 1));
            }
            other => panic!("{other:?}"),
        }
    }
}

pub async fn updates_without_an_expected_revision_all_succeed(world: &World) {
    let user = world.user().await;
    let id = world.write(user, "start").await.id;
    let outcomes = at_once(16, |number| {
        let (storage, patch) = (world.storage.clone(), rewrite(&format!("try {number}")));
        async move { updated(storage.entries().update(user, id, &patch, None, at(1)).await.unwrap()).revision }
    });
    let mut revisions = outcomes.await;
    revisions.sort_unstable();
    assert_eq!(revisions, (2..=17).collect::<Vec<_>>());
}

pub async fn delete_checks_the_expected_revision(world: &World) {
    let user = world.user().await;
    let old = world.write(user, "one").await;
    let two = updated(world.entries().update(user, old.id, &rewrite("two"), None, at(1)).await.unwrap());
    for expected in [0, 1, 3, u32::MAX] {
        let outcome = world.entries().delete(user, old.id, Some(expected)).await.unwrap();
        assert_eq!(outcome, Deleted::Stale(two.clone()), "expected {expected}");
    }
    assert_eq!(world.entries().delete(user, old.id, Some(2)).await.unwrap(), Deleted::Deleted(vec![]));
    assert_eq!(world.entries().get(user, old.id).await.unwrap(), None);
    assert_eq!(world.entries().delete(user, old.id, Some(2)).await.unwrap(), Deleted::Missing);
}

pub async fn delete_leaves_the_tags(world: &World) {
    let user = world.user().await;
    let mut new = world.new_entry("text");
    new.tags = vec![world.named("kept")];
    let (entry, other) = (world.store(user, &new).await, world.write(user, "other").await);
    assert_eq!(world.entries().delete(user, entry.id, None).await.unwrap(), Deleted::Deleted(vec![]));
    assert_eq!(world.entries().list(user, &up_to(10)).await.unwrap(), vec![other]);
    assert_eq!(world.tags().list(user, None, 10).await.unwrap().len(), 1);
    // The id is free again, and has no links left.
    new.tags = vec![];
    assert_eq!(world.store(user, &new).await.tags, []);
    assert_eq!(world.entries().get(user, new.id).await.unwrap().unwrap().tags, []);
}

pub async fn a_nonexistent_entry_is_missing(world: &World) {
    let user = world.user().await;
    let id = EntryId(world.id());
    assert_eq!(world.entries().get(user, id).await.unwrap(), None);
    for expected in [None, Some(1)] {
        let outcome = world.entries().update(user, id, &rewrite("x"), expected, at(0)).await.unwrap();
        assert_eq!(outcome, Updated::Missing);
        assert_eq!(world.entries().delete(user, id, expected).await.unwrap(), Deleted::Missing);
    }
}
