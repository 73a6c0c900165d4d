//! Tests the creation of entries.

use sotto_domain::entry::{Created, Entry, EntryBody, MAX_CONTENT, NewEntry};
use sotto_domain::tag::{Color, TagChoice, TagRef};
use sotto_domain::{EntryDate, EntryId, TagId, Zone};

use super::world::{World, assert_conflict, at, at_once, up_to};

pub async fn create_and_get(world: &World) {
    let user = world.user().await;
    let mut new = world.new_entry("The *text*.");
    new.body.title = Some("A day".into());
    new.body.audio_url = Some("/api/journals/x/audio".into());
    new.body.date.moment = at(-3600);
    new.body.date.zone = Zone::named("America/St_Johns").unwrap();
    let created = world.entries().create(user, &new, None, at(7)).await.unwrap();
    let entry = Entry {
        id: new.id,
        user_id: user,
        body: EntryBody {
            title: Some("A day".into()),
            content: "The *text*.".into(),
            audio_url: Some("/api/journals/x/audio".into()),
            date: EntryDate { moment: at(-3600), zone: Zone::named("America/St_Johns").unwrap() },
        },
        tags: vec![],
        revision: 1,
        created_at: at(7),
        updated_at: at(7),
    };
    assert_eq!(created, Created::Created(entry.clone()));
    assert_eq!(world.entries().get(user, new.id).await.unwrap(), Some(entry));
}

pub async fn create_keeps_every_kind_of_text(world: &World) {
    let user = world.user().await;
    let long = "Größe 🌍 ".repeat(MAX_CONTENT / 13);
    let texts = [
        "",
        " \t\r\n ",
        "👩‍👩‍👧‍👦 and ❤️",
        "שלום \u{202e}עולם\u{202c} مرحبا",
        "Robert'); DROP TABLE journal_entries;-- \\ % _ ? $1 :x",
        "e\u{301} is not \u{e9}",
        "\u{1}\u{7f}\u{feff}\u{fffd}\u{10ffff}",
        &long,
    ];
    for text in texts {
        let mut new = world.new_entry(text);
        new.body.title = (!text.is_empty() && text.len() < 500).then(|| text.to_owned());
        let entry = world.store(user, &new).await;
        let found = world.entries().get(user, entry.id).await.unwrap().unwrap();
        assert_eq!((&found.body, &found), (&new.body, &entry));
    }
}

pub async fn create_twice_finds_the_first(world: &World) {
    let user = world.user().await;
    let mut new = world.new_entry("once");
    new.tags = vec![world.named("first")];
    let first = world.store(user, &new).await;
    let second = NewEntry { tags: vec![world.named("second"), TagChoice::Existing(TagId(world.id()))], ..new.clone() };
    for again in [&new, &second] {
        let outcome = world.entries().create(user, again, None, at(9)).await.unwrap();
        assert_eq!(outcome, Created::Exists(first.clone()));
    }
    assert_eq!(world.tags().list(user, None, 10).await.unwrap().len(), 1);
    assert_eq!(world.entries().list(user, &up_to(10)).await.unwrap(), vec![first]);
}

pub async fn create_rejects_an_id_of_another_user(world: &World) {
    let (one, two) = (world.user().await, world.user().await);
    let entry = world.write(one, "mine").await;
    let mut new = world.new_entry("also mine");
    new.id = entry.id;
    new.tags = vec![world.named("stray")];
    assert_eq!(world.entries().create(two, &new, None, at(1)).await.unwrap(), Created::IdTaken);
    assert_eq!(world.entries().get(one, entry.id).await.unwrap(), Some(entry));
    assert_eq!(world.entries().list(two, &up_to(10)).await.unwrap(), vec![]);
    assert_eq!(world.tags().list(two, None, 10).await.unwrap(), vec![]);
}

pub async fn create_rejects_a_deleted_user(world: &World) {
    let user = world.user().await;
    world.users().delete(user).await.unwrap();
    let new = world.new_entry("too late");
    assert_conflict(world.entries().create(user, &new, None, at(1)).await, "fk_journal_entries_user");
}

pub async fn create_attaches_existing_and_new_tags(world: &World) {
    let user = world.user().await;
    let zoo = world.tag(user, "Zoo").await;
    let cafe = world.tag(user, "Caf\u{e9}").await;
    let mut blue = world.new_tag("blue");
    blue.color = Some(Color::parse("#0000ff").unwrap());
    let mut new = world.new_entry("tagged");
    new.tags = vec![TagChoice::Existing(zoo.id), TagChoice::Named(blue.clone()), world.named("CAFE\u{301}")];
    let entry = world.store(user, &new).await;
    let expected = [
        TagRef { id: blue.id, name: "blue".into(), color: Some("#0000ff".into()) },
        TagRef { id: cafe.id, name: "Caf\u{e9}".into(), color: None },
        TagRef { id: zoo.id, name: "Zoo".into(), color: None },
    ];
    assert_eq!(entry.tags, expected, "in order of their names' keys, and under the names that they had");
    assert_eq!(world.entries().get(user, entry.id).await.unwrap(), Some(entry));
    let created = world.tags().get(user, blue.id).await.unwrap().unwrap();
    assert_eq!((created.name, created.color, created.created_at), (blue.name, blue.color, at(0)));
    assert_eq!(world.tags().list(user, None, 10).await.unwrap().len(), 3);
}

pub async fn create_counts_a_tag_once(world: &World) {
    let user = world.user().await;
    let tag = world.tag(user, "one").await;
    let mut new = world.new_entry("tagged twice over");
    new.tags = vec![
        TagChoice::Existing(tag.id),
        TagChoice::Existing(tag.id),
        world.named("ONE"),
        world.named("two"),
        world.named("Two"),
    ];
    let names: Vec<_> = world.store(user, &new).await.tags.into_iter().map(|tag| tag.name).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(world.tags().list(user, None, 10).await.unwrap().len(), 2);
}

pub async fn create_with_an_unknown_tag_stores_nothing(world: &World) {
    let user = world.user().await;
    let mut new = world.new_entry("not to be stored");
    let unknown = TagId(world.id());
    new.tags = vec![world.named("new"), TagChoice::Existing(unknown), TagChoice::Existing(TagId(world.id()))];
    assert_eq!(world.entries().create(user, &new, None, at(0)).await.unwrap(), Created::UnknownTag(unknown));
    assert_eq!(world.entries().get(user, new.id).await.unwrap(), None);
    assert_eq!(world.tags().list(user, None, 10).await.unwrap(), vec![]);
}

pub async fn one_of_two_creates_with_one_id_succeeds(world: &World) {
    let user = world.user().await;
    for _ in 0..8 {
        let id = EntryId(world.id());
        let outcomes = at_once(2, |number| {
            let storage = world.storage.clone();
            let new = NewEntry { id, ..world.new_entry(&format!("try {number}")) };
            async move { storage.entries().create(user, &new, None, at(0)).await.unwrap() }
        });
        let stored = world.entries();
        match &outcomes.await[..] {
            [Created::Created(one), Created::Exists(two)] | [Created::Exists(one), Created::Created(two)] => {
                assert_eq!(one, two);
                assert_eq!(stored.get(user, id).await.unwrap().as_ref(), Some(one));
            }
            other => panic!("{other:?}"),
        }
    }
}

pub async fn concurrent_creates_with_one_new_tag_share_it(world: &World) {
    let user = world.user().await;
    let entries = at_once(8, |number| {
        let storage = world.storage.clone();
        let mut new = world.new_entry("tagged");
        // The tags come in both orders, so that engines with row locks could deadlock.
        let mut tags = vec![world.named("Sun"), world.named("moon")];
        tags.rotate_left(number % 2);
        new.tags = tags;
        async move { storage.entries().create(user, &new, None, at(0)).await.unwrap() }
    });
    let tags = world.tags();
    for entry in entries.await {
        let Created::Created(entry) = entry else { panic!("{entry:?}") };
        assert_eq!(entry.tags.len(), 2);
    }
    assert_eq!(tags.list(user, None, 10).await.unwrap().len(), 2);
}

pub async fn an_entry_under_a_secret_tag_is_never_shown(world: &World) {
    use sotto_domain::entry::{Deleted, EntryPatch, EntryQuery, TagFilter, Updated};
    let user = world.user().await;
    let tag = world.tag(user, "plain").await;
    let mut new = world.new_entry("whispered");
    new.tags = vec![TagChoice::Existing(tag.id)];
    let (entry, shown) = (world.store(user, &new).await, world.write(user, "said").await);
    world.seal(user, entry.id).await;

    let day = entry.body.date.day();
    let entries = world.entries();
    assert_eq!(entries.get(user, entry.id).await.unwrap(), None);
    assert_eq!(entries.list(user, &up_to(10)).await.unwrap(), vec![shown.clone()]);
    let by_tag = EntryQuery { tag: Some(TagFilter::Id(tag.id)), ..up_to(10) };
    let by_word = EntryQuery { words: vec!["whispered".into()], ..up_to(10) };
    let by_day = EntryQuery { from: Some(day), to: Some(day), ..up_to(10) };
    assert_eq!(entries.list(user, &by_tag).await.unwrap(), vec![]);
    assert_eq!(entries.list(user, &by_word).await.unwrap(), vec![]);
    assert_eq!(entries.list(user, &by_day).await.unwrap(), vec![shown.clone()]);
    assert_eq!(entries.days(user, day, day).await.unwrap()[0].entries, 1);
    assert_eq!(entries.on_days(user, &[day], 10).await.unwrap(), vec![shown]);
    assert_eq!(entries.create(user, &new, None, at(1)).await.unwrap(), Created::IdTaken);
    let patch = EntryPatch { content: Some("overwritten".into()), ..EntryPatch::default() };
    assert_eq!(entries.update(user, entry.id, &patch, None, at(1)).await.unwrap(), Updated::Missing);
    assert_eq!(entries.delete(user, entry.id, None).await.unwrap(), Deleted::Missing);
    assert_eq!(entries.create(user, &new, None, at(1)).await.unwrap(), Created::IdTaken, "it is still there");
}
