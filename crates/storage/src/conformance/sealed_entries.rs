//! Tests sealed entries, and moving entries in and out of secret tags.

use jiff::civil::Date;
use sotto_domain::account::Administered;
use sotto_domain::entry::{
    Created, Entry, EntryBody, EntryPatch, EntryQuery, NewEntry, PAGE_BYTES, TagFilter, Updated,
};
use sotto_domain::secret_tag::{AnyEntry, Moved, PlainBody, SealedBody, SealedEntry, Stored};
use sotto_domain::tag::TagChoice;
use sotto_domain::{EntryDate, EntryId, SecretTagId, TagId, Timestamp, UserId, Zone};

use super::world::{World, at, at_once, date, sealed, up_to};

impl World {
    /// An entry with all optional fields.
    async fn full_entry(&self, user: UserId) -> Entry {
        let new = self.new_entry("whispered");
        let body = EntryBody { title: Some("secretly".into()), audio_url: Some("/audio".into()), ..new.body };
        self.store(user, &NewEntry { body, tags: vec![self.named("dark"), self.named("late")], ..new }).await
    }

    /// The body of a plain entry, with one tag that is created with it.
    pub fn plain(&self, content: &str) -> PlainBody {
        PlainBody { body: self.new_entry(content).body, tags: vec![self.named("open")] }
    }
}

fn replaced(entry: &SealedEntry, body: SealedBody, revision: u32, updated_at: Timestamp) -> SealedEntry {
    body.stored(entry.user_id, entry.id, revision, entry.created_at, updated_at)
}

pub async fn create_and_get(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let (id, mut body) = (EntryId(world.id()), sealed(tag, 1));
    body.sealed.encrypted_content = (0..=255).cycle().take(100_000).collect();
    body.date.moment = at(-12345);
    body.date.zone = Zone::named("Asia/Tokyo").unwrap();
    let expected = SealedEntry {
        id,
        user_id: user,
        tag,
        sealed: body.sealed.clone(),
        date: EntryDate { moment: at(-12345), zone: Zone::named("Asia/Tokyo").unwrap() },
        revision: 1,
        created_at: at(7),
        updated_at: at(7),
    };
    let entries = world.sealed_entries();
    assert_eq!(entries.create(user, id, &body, None, at(7)).await.unwrap(), Stored::Stored(expected.clone()));
    assert_eq!(entries.get(user, id).await.unwrap(), Some(expected));
    assert_eq!(world.entries().get(user, id).await.unwrap(), None);
    let plain = world.write(user, "said").await;
    assert_eq!(entries.get(user, plain.id).await.unwrap(), None);
}

pub async fn create_rejects_a_taken_id(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let (tag, theirs) = (world.secret_tag(user).await.id, world.secret_tag(other).await.id);
    let (first, plain) = (world.write_sealed(user, tag).await, world.full_entry(user).await);
    let create =
        async |user, id, tag| world.sealed_entries().create(user, id, &sealed(tag, 9), None, at(1)).await.unwrap();
    assert_eq!(create(user, first.id, tag).await, Stored::Exists(AnyEntry::Sealed(first.clone())));
    assert_eq!(create(user, plain.id, tag).await, Stored::Exists(AnyEntry::Plain(plain.clone())));
    for id in [first.id, plain.id] {
        assert_eq!(create(other, id, theirs).await, Stored::IdTaken);
    }
    let new = NewEntry { id: first.id, ..world.new_entry("said") };
    for owner in [user, other] {
        assert_eq!(world.entries().create(owner, &new, None, at(1)).await.unwrap(), Created::IdTaken);
    }
    assert_eq!(world.sealed_entries().get(user, first.id).await.unwrap(), Some(first));
    assert_eq!(world.entries().get(user, plain.id).await.unwrap(), Some(plain));
}

pub async fn create_requires_a_secret_tag_of_the_user(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let theirs = world.secret_tag(other).await.id;
    for tag in [theirs, SecretTagId(world.id())] {
        let id = EntryId(world.id());
        let created = world.sealed_entries().create(user, id, &sealed(tag, 1), None, at(1)).await.unwrap();
        assert_eq!(created, Stored::UnknownSecretTag);
        assert_eq!(world.sealed_entries().get(user, id).await.unwrap(), None);
    }
}

pub async fn one_of_two_creates_with_one_id_succeeds(world: &World) {
    let user = world.user().await;
    let (tag, id) = (world.secret_tag(user).await.id, EntryId(world.id()));
    let created = at_once(8, |number| {
        let (storage, body) = (world.storage.clone(), sealed(tag, u8::try_from(number).unwrap()));
        async move { storage.sealed_entries().create(user, id, &body, None, at(1)).await.unwrap() }
    });
    let created = created.await;
    let stored = world.sealed_entries().get(user, id).await.unwrap().unwrap();
    let won = created.iter().filter(|one| **one == Stored::Stored(stored.clone())).count();
    let lost = created.iter().filter(|one| **one == Stored::Exists(AnyEntry::Sealed(stored.clone()))).count();
    assert_eq!((won, lost), (1, 7), "{created:?}");
}

pub async fn list_pages_through_one_secret_tag_newest_first(world: &World) {
    let user = world.user().await;
    let (tag, other) = (world.secret_tag(user).await.id, world.secret_tag(user).await.id);
    let mut expected = vec![];
    for second in [3, 1, 2, 2, 2, 9, 8] {
        let (id, body) = (EntryId(world.id()), SealedBody { date: date(second), ..sealed(tag, 1) });
        match world.sealed_entries().create(user, id, &body, None, at(0)).await.unwrap() {
            Stored::Stored(entry) => expected.push(entry),
            other => panic!("{other:?}"),
        }
    }
    world.write_sealed(user, other).await;
    world.write(user, "said").await;
    expected.sort_by_key(|entry| (entry.date.moment, entry.id));
    expected.reverse();

    let list = async |after, limit| world.sealed_entries().list(user, tag, after, limit).await.unwrap();
    assert_eq!(list(None, 100).await, expected);
    assert_eq!(list(None, 0).await, []);
    let (mut found, mut after) = (vec![], None);
    loop {
        let page = list(after, 2).await;
        after = page.last().map(|last| (last.date.moment, last.id));
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, expected);
    assert_eq!(world.sealed_entries().list(user, SecretTagId(world.id()), None, 10).await.unwrap(), []);
}

pub async fn replace_checks_the_expected_revision(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let entry = world.write_sealed(user, tag).await;
    let entries = world.sealed_entries();
    let body = SealedBody {
        date: EntryDate { moment: at(86_400), zone: Zone::named("Asia/Tokyo").unwrap() },
        ..sealed(tag, 2)
    };
    let expected = replaced(&entry, body.clone(), 2, at(5));
    assert_eq!(entries.replace(user, entry.id, &body, 1, at(5)).await.unwrap(), Stored::Stored(expected.clone()));
    assert_eq!(entries.get(user, entry.id).await.unwrap(), Some(expected.clone()));
    for stale in [0, 1, 3, u32::MAX] {
        let outcome = entries.replace(user, entry.id, &sealed(tag, 3), stale, at(6)).await.unwrap();
        assert_eq!(outcome, Stored::Stale(AnyEntry::Sealed(expected.clone())), "revision {stale}");
    }
    let nobody = entries.replace(user, EntryId(world.id()), &sealed(tag, 3), 1, at(6)).await.unwrap();
    assert_eq!(nobody, Stored::Missing);
    let plain = world.full_entry(user).await;
    let outcome = entries.replace(user, plain.id, &sealed(tag, 3), 1, at(6)).await.unwrap();
    assert_eq!(outcome, Stored::Stale(AnyEntry::Plain(plain)), "it is not sealed");
}

pub async fn replace_moves_an_entry_to_another_secret_tag(world: &World) {
    let user = world.user().await;
    let (from, to) = (world.secret_tag(user).await.id, world.secret_tag(user).await.id);
    let entry = world.write_sealed(user, from).await;
    let entries = world.sealed_entries();
    let unknown = sealed(SecretTagId(world.id()), 2);
    assert_eq!(entries.replace(user, entry.id, &unknown, 1, at(5)).await.unwrap(), Stored::UnknownSecretTag);
    assert_eq!(entries.get(user, entry.id).await.unwrap(), Some(entry.clone()));
    let moved = replaced(&entry, sealed(to, 2), 2, at(5));
    let outcome = entries.replace(user, entry.id, &sealed(to, 2), 1, at(5)).await.unwrap();
    assert_eq!(outcome, Stored::Stored(moved.clone()));
    assert_eq!(entries.list(user, from, None, 10).await.unwrap(), []);
    assert_eq!(entries.list(user, to, None, 10).await.unwrap(), [moved]);
}

pub async fn one_of_two_concurrent_replacements_is_stale(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let id = world.write_sealed(user, tag).await.id;
    let outcomes = at_once(8, |number| {
        let (storage, body) = (world.storage.clone(), sealed(tag, 10 + u8::try_from(number).unwrap()));
        async move { storage.sealed_entries().replace(user, id, &body, 1, at(1)).await.unwrap() }
    });
    let outcomes = outcomes.await;
    let stored = world.sealed_entries().get(user, id).await.unwrap().unwrap();
    assert_eq!(stored.revision, 2);
    let won = outcomes.iter().filter(|one| **one == Stored::Stored(stored.clone())).count();
    let lost = outcomes.iter().filter(|one| **one == Stored::Stale(AnyEntry::Sealed(stored.clone()))).count();
    assert_eq!((won, lost), (1, 7), "{outcomes:?}");
}

pub async fn seal_removes_all_plain_text(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let (entry, kept) = (world.full_entry(user).await, world.write(user, "said aloud").await);
    let expected = sealed(tag, 1).stored(user, entry.id, 2, entry.created_at, at(5));
    let outcome = world.sealed_entries().seal(user, entry.id, &sealed(tag, 1), 1, at(5)).await.unwrap();
    assert_eq!(outcome, Stored::Stored(Moved { entry: expected.clone(), freed: vec![] }));
    assert_eq!(world.sealed_entries().get(user, entry.id).await.unwrap(), Some(expected));

    let (entries, day) = (world.entries(), entry.body.date.day());
    assert_eq!(entries.get(user, entry.id).await.unwrap(), None);
    assert_eq!(entries.list(user, &up_to(10)).await.unwrap(), vec![kept.clone()]);
    for word in ["whispered", "secretly"] {
        let query = EntryQuery { words: vec![word.into()], ..up_to(10) };
        assert_eq!(entries.list(user, &query).await.unwrap(), [], "{word}");
    }
    let by_tag = EntryQuery { tag: Some(TagFilter::Id(entry.tags[0].id)), ..up_to(10) };
    assert_eq!(entries.list(user, &by_tag).await.unwrap(), []);
    let counted = entries.days(user, Date::MIN, Date::MAX).await.unwrap();
    assert_eq!(counted.iter().map(|day| (day.entries, day.words)).collect::<Vec<_>>(), [(1, 2)]);
    assert_eq!(entries.on_days(user, &[day], 10).await.unwrap(), [kept]);
    let names: Vec<_> = world.tags().list(user, None, 10).await.unwrap().into_iter().map(|tag| tag.id).collect();
    assert!(entry.tags.iter().all(|tag| names.contains(&tag.id)), "the tags are the user's");
}

pub async fn seal_requires_a_plain_entry_at_the_expected_revision(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let (entry, already) = (world.full_entry(user).await, world.write_sealed(user, tag).await);
    let seal = async |id, tag, revision| {
        world.sealed_entries().seal(user, id, &sealed(tag, 9), revision, at(5)).await.unwrap()
    };
    for stale in [0, 2, u32::MAX] {
        assert_eq!(seal(entry.id, tag, stale).await, Stored::Stale(AnyEntry::Plain(entry.clone())));
    }
    assert_eq!(seal(entry.id, SecretTagId(world.id()), 1).await, Stored::UnknownSecretTag);
    assert_eq!(seal(EntryId(world.id()), tag, 1).await, Stored::Missing);
    assert_eq!(seal(already.id, tag, 1).await, Stored::Stale(AnyEntry::Sealed(already.clone())));
    assert_eq!(world.entries().get(user, entry.id).await.unwrap(), Some(entry), "it is as it was, with its tags");
    assert_eq!(world.sealed_entries().get(user, already.id).await.unwrap(), Some(already));
}

pub async fn unseal_restores_everything(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let known = world.tag(user, "known").await;
    let entry = world.write_sealed(user, tag).await;
    let mut plain = world.plain("come to light");
    plain.body.title = Some("title".into());
    plain.body.audio_url = Some("/audio".into());
    plain.body.date.moment = at(86_400);
    plain.body.date.zone = Zone::named("Europe/Berlin").unwrap();
    plain.tags.push(TagChoice::Existing(known.id));
    let Stored::Stored(Moved { entry: back, .. }) =
        world.sealed_entries().unseal(user, entry.id, &plain, 1, at(5)).await.unwrap()
    else {
        panic!("not unsealed");
    };
    assert_eq!((&back.body, back.revision), (&plain.body, 2));
    assert_eq!((back.created_at, back.updated_at), (entry.created_at, at(5)));
    assert_eq!(back.tags.iter().map(|tag| tag.name.as_str()).collect::<Vec<_>>(), ["known", "open"]);
    assert_eq!(world.entries().get(user, entry.id).await.unwrap(), Some(back.clone()));
    let query = EntryQuery { words: vec!["light".into()], ..up_to(10) };
    assert_eq!(world.entries().list(user, &query).await.unwrap(), vec![back.clone()]);
    let counted = world.entries().days(user, Date::MIN, Date::MAX).await.unwrap();
    assert_eq!(counted.iter().map(|day| (day.day, day.words)).collect::<Vec<_>>(), [(back.body.date.day(), 4)]);
    assert_eq!(world.sealed_entries().get(user, entry.id).await.unwrap(), None);
    assert_eq!(world.sealed_entries().list(user, tag, None, 10).await.unwrap(), []);

    // The entry moves in again.
    let again = world.sealed_entries().seal(user, entry.id, &sealed(tag, 4), 2, at(6)).await.unwrap();
    assert_eq!(again.map(|moved| moved.entry), Stored::Stored(replaced(&entry, sealed(tag, 4), 3, at(6))));
    assert_eq!(world.entries().list(user, &query).await.unwrap(), []);
}

pub async fn unseal_requires_a_sealed_entry_at_the_expected_revision(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let (entry, already) = (world.write_sealed(user, tag).await, world.full_entry(user).await);
    let unseal = async |id, revision| {
        world.sealed_entries().unseal(user, id, &world.plain("revealed"), revision, at(5)).await.unwrap()
    };
    for stale in [0, 2, u32::MAX] {
        assert_eq!(unseal(entry.id, stale).await, Stored::Stale(AnyEntry::Sealed(entry.clone())));
    }
    assert_eq!(unseal(EntryId(world.id()), 1).await, Stored::Missing);
    assert_eq!(unseal(already.id, 1).await, Stored::Stale(AnyEntry::Plain(already.clone())));
    assert_eq!(world.entries().list(user, &up_to(10)).await.unwrap(), [already]);
    assert_eq!(world.sealed_entries().get(user, entry.id).await.unwrap(), Some(entry));
    assert_eq!(world.tags().list(user, None, 10).await.unwrap().len(), 2, "no tag was made");
}

pub async fn unseal_with_an_unknown_tag_changes_nothing(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let entry = world.write_sealed(user, tag).await;
    let unknown = TagId(world.id());
    let mut plain = world.plain("revealed");
    plain.tags.push(TagChoice::Existing(unknown));
    let outcome = world.sealed_entries().unseal(user, entry.id, &plain, 1, at(5)).await.unwrap();
    assert_eq!(outcome, Stored::UnknownTag(unknown));
    assert_eq!(world.sealed_entries().get(user, entry.id).await.unwrap(), Some(entry));
    assert_eq!(world.tags().list(user, None, 10).await.unwrap(), []);
}

pub async fn one_of_many_concurrent_moves_and_updates_succeeds(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    for _ in 0..3 {
        let id = world.full_entry(user).await.id;
        let won = at_once(8, |number| {
            let storage = world.storage.clone();
            let patch = EntryPatch {
                content: Some("again".into()),
                tags: Some(vec![world.named("again")]),
                ..EntryPatch::default()
            };
            async move {
                if number % 2 == 0 {
                    let sealed = storage.sealed_entries().seal(user, id, &sealed(tag, 1), 1, at(1)).await.unwrap();
                    assert!(matches!(sealed, Stored::Stored(_) | Stored::Stale(_)), "{sealed:?}");
                    matches!(sealed, Stored::Stored(_))
                } else {
                    let updated = storage.entries().update(user, id, &patch, Some(1), at(1)).await.unwrap();
                    matches!(updated, Updated::Updated(_))
                }
            }
        });
        assert_eq!(won.await.into_iter().filter(|won| *won).count(), 1);

        let entry = world.write_sealed(user, tag).await;
        let won = at_once(8, |number| {
            let (storage, plain) = (world.storage.clone(), world.plain("revealed"));
            async move {
                let entries = storage.sealed_entries();
                match number % 3 {
                    0 => matches!(entries.unseal(user, entry.id, &plain, 1, at(1)).await.unwrap(), Stored::Stored(_)),
                    1 => {
                        let replaced = entries.replace(user, entry.id, &sealed(tag, 2), 1, at(1)).await.unwrap();
                        matches!(replaced, Stored::Stored(_))
                    }
                    _ => matches!(entries.delete(user, entry.id, Some(1)).await.unwrap(), Stored::Stored(_)),
                }
            }
        });
        assert_eq!(won.await.into_iter().filter(|won| *won).count(), 1);
    }
}

pub async fn delete_checks_the_expected_revision(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    let (entry, other) = (world.write_sealed(user, tag).await, world.write_sealed(user, tag).await);
    let plain = world.write(user, "said").await;
    let delete = async |id, expected| world.sealed_entries().delete(user, id, expected).await.unwrap();
    for stale in [0, 2, u32::MAX] {
        assert_eq!(delete(entry.id, Some(stale)).await, Stored::Stale(AnyEntry::Sealed(entry.clone())));
    }
    assert_eq!(delete(entry.id, Some(1)).await, Stored::Stored(vec![]));
    assert_eq!(delete(entry.id, Some(1)).await, Stored::Missing);
    assert_eq!(delete(other.id, None).await, Stored::Stored(vec![]));
    assert_eq!(delete(other.id, None).await, Stored::Missing);
    for expected in [None, Some(1), Some(2)] {
        assert_eq!(delete(plain.id, expected).await, Stored::Missing, "it is not sealed");
    }
    assert_eq!(world.entries().get(user, plain.id).await.unwrap(), Some(plain));
}

pub async fn deleting_a_user_deletes_everything_sealed(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let (tag, theirs) = (world.secret_tag(user).await.id, world.secret_tag(other).await.id);
    let (entry, kept) = (world.write_sealed(user, tag).await, world.write_sealed(other, theirs).await);
    world.unlock(user, tag, at(0)).await;
    assert_eq!(world.users().delete(user).await.unwrap(), Administered::Done(()));
    assert_eq!(world.sealed_entries().get(user, entry.id).await.unwrap(), None);
    assert_eq!(world.secret_tags().list(user).await.unwrap(), []);
    assert_eq!(world.opaque_sessions().list(user, at(1)).await.unwrap(), []);
    assert_eq!(world.sealed_entries().get(other, kept.id).await.unwrap(), Some(kept));
}

pub async fn pages_of_long_sealed_entries_end_early(world: &World) {
    let user = world.user().await;
    let tag = world.secret_tag(user).await.id;
    for n in 0..5_u8 {
        let mut body = sealed(tag, n);
        body.sealed.encrypted_content = vec![n; PAGE_BYTES / 4];
        body.date.moment = at(-i64::from(n));
        assert!(matches!(
            world.sealed_entries().create(user, EntryId(world.id()), &body, None, at(0)).await.unwrap(),
            Stored::Stored(_)
        ));
    }
    let first = world.sealed_entries().list(user, tag, None, 100).await.unwrap();
    let last = first.last().unwrap();
    let next = world.sealed_entries().list(user, tag, Some((last.date.moment, last.id)), 100).await.unwrap();
    assert_eq!((first.len(), next.len()), (4, 1));
    assert_eq!(next[0].sealed.encrypted_content[0], 4);
    assert_eq!(world.sealed_entries().list(user, tag, None, 2).await.unwrap(), first[..2]);
}
