//! Tests tags.

use sotto_domain::TagId;
use sotto_domain::tag::{Color, Tag, TagChoice, TagPatch};

use super::world::{World, assert_conflict, at, at_once, up_to};

pub async fn create_and_get(world: &World) {
    let user = world.user().await;
    let mut new = world.new_tag("Été 🌞");
    new.color = Some(Color::parse("#ffcc00").unwrap());
    let tag = world.tags().create(user, &new, None, at(5)).await.unwrap();
    let expected =
        Tag { id: new.id, user_id: user, name: new.name, color: new.color, created_at: at(5), updated_at: at(5) };
    assert_eq!(tag, expected);
    assert_eq!(world.tags().get(user, tag.id).await.unwrap(), Some(tag));
    let plain = world.tag(user, "plain").await;
    assert_eq!(world.tags().get(user, plain.id).await.unwrap(), Some(plain));
}

pub async fn create_rejects_an_equivalent_name(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    world.tag(user, "Caf\u{e9}").await;
    for taken in ["Caf\u{e9}", "CAF\u{c9}", "cafe\u{301}"] {
        assert_conflict(world.tags().create(user, &world.new_tag(taken), None, at(1)).await, "uq_tags_user_name_key");
    }
    assert_eq!(world.tags().list(user, None, 10).await.unwrap().len(), 1);
    world.tag(user, "cafe").await;
    world.tag(other, "Caf\u{e9}").await;
}

pub async fn create_rejects_a_taken_id(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let tag = world.tag(user, "one").await;
    let mut new = world.new_tag("two");
    new.id = tag.id;
    for user in [user, other] {
        assert_conflict(world.tags().create(user, &new, None, at(1)).await, "pk_tags");
    }
    assert_eq!(world.tags().list(user, None, 10).await.unwrap(), vec![tag]);
    assert_eq!(world.tags().list(other, None, 10).await.unwrap(), vec![]);
}

pub async fn create_rejects_a_deleted_user(world: &World) {
    let user = world.user().await;
    world.users().delete(user).await.unwrap();
    assert_conflict(world.tags().create(user, &world.new_tag("late"), None, at(1)).await, "fk_tags_user");
}

pub async fn one_of_many_creates_with_one_name_succeeds(world: &World) {
    let user = world.user().await;
    let outcomes = at_once(8, |number| {
        let (storage, new) = (world.storage.clone(), world.new_tag(["sun", "SUN"][number % 2]));
        async move { storage.tags().create(user, &new, None, at(0)).await }
    });
    let (created, refused): (Vec<_>, Vec<_>) = outcomes.await.into_iter().partition(Result::is_ok);
    assert_eq!(created.len(), 1);
    for outcome in refused {
        assert_conflict(outcome, "uq_tags_user_name_key");
    }
}

pub async fn update_changes_only_the_given_fields(world: &World) {
    let user = world.user().await;
    let old = world.tag(user, "old").await;
    let patch = TagPatch::parse(Some("New"), Some(Some("#010203"))).unwrap();
    let changed = world.tags().update(user, old.id, &patch, at(1)).await.unwrap().unwrap();
    assert_eq!((changed.name.as_str(), changed.color.as_ref().map(Color::as_str)), ("New", Some("#010203")));
    assert_eq!((changed.created_at, changed.updated_at), (at(0), at(1)));
    assert_eq!(world.tags().get(user, old.id).await.unwrap(), Some(changed.clone()));
    let plain = TagPatch::parse(None, Some(None)).unwrap();
    let plain = world.tags().update(user, old.id, &plain, at(2)).await.unwrap().unwrap();
    assert_eq!(plain, Tag { color: None, updated_at: at(2), ..changed });
    // The old name is free, and the new name is now taken.
    world.tag(user, "OLD").await;
    assert_conflict(world.tags().create(user, &world.new_tag("NEW"), None, at(3)).await, "uq_tags_user_name_key");
}

pub async fn update_rejects_an_equivalent_name(world: &World) {
    let user = world.user().await;
    let (one, two) = (world.tag(user, "one").await, world.tag(user, "two").await);
    for taken in ["one", "ONE"] {
        let patch = TagPatch::parse(Some(taken), Some(Some("#010203"))).unwrap();
        assert_conflict(world.tags().update(user, two.id, &patch, at(1)).await, "uq_tags_user_name_key");
    }
    assert_eq!(world.tags().get(user, two.id).await.unwrap(), Some(two));
    // A tag may change the letter case of its own name.
    let patch = TagPatch::parse(Some("One"), None).unwrap();
    assert_eq!(world.tags().update(user, one.id, &patch, at(1)).await.unwrap().unwrap().name.as_str(), "One");
}

pub async fn delete_unlinks_and_keeps_the_entries(world: &World) {
    let user = world.user().await;
    let (deleted, kept) = (world.tag(user, "gone").await, world.tag(user, "kept").await);
    let mut new = world.new_entry("text");
    new.tags = vec![TagChoice::Existing(deleted.id), TagChoice::Existing(kept.id)];
    let entry = world.store(user, &new).await;
    assert!(world.tags().delete(user, deleted.id).await.unwrap());
    assert!(!world.tags().delete(user, deleted.id).await.unwrap());
    assert_eq!(world.tags().get(user, deleted.id).await.unwrap(), None);
    let found = world.entries().list(user, &up_to(10)).await.unwrap();
    assert_eq!(found[0].tags, entry.tags[1..]);
    assert_eq!((found[0].revision, &found[0].body.content), (1, &entry.body.content));
    world.tag(user, "gone").await;
    assert_eq!(world.entries().get(user, entry.id).await.unwrap().unwrap().tags.len(), 1);
}

pub async fn list_pages_in_order_of_creation(world: &World) {
    let user = world.user().await;
    let mut created = vec![];
    for number in 0..7 {
        let new = world.new_tag(&format!("{}", 9 - number));
        created.push(world.tags().create(user, &new, None, at(number / 3)).await.unwrap());
    }
    let mut seen: Vec<Tag> = vec![];
    loop {
        let after = seen.last().map(|tag| (tag.created_at, tag.id.0));
        let page = world.tags().list(user, after, 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, created);
}

pub async fn a_nonexistent_tag_is_missing(world: &World) {
    let user = world.user().await;
    let id = TagId(world.id());
    let patch = TagPatch::parse(Some("x"), None).unwrap();
    assert_eq!(world.tags().get(user, id).await.unwrap(), None);
    assert_eq!(world.tags().update(user, id, &patch, at(0)).await.unwrap(), None);
    assert!(!world.tags().delete(user, id).await.unwrap());
    assert_eq!(world.tags().list(user, None, 10).await.unwrap(), vec![]);
}
