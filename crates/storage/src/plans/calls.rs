//! Every method of the contract, called on a populated database in each way that runs other statements.

use jiff::civil::date;
use sotto_domain::account::{Email, NewUser, PasswordHash, Session, UserPatch};
use sotto_domain::entry::{EntryPatch, EntryQuery, NewEntry, TagFilter};
use sotto_domain::storage::Storage;
use sotto_domain::tag::{NewTag, TagChoice, TagPatch};
use sotto_domain::{EntryId, ReminderId, SessionId, TagId, UserId, Zone};

use super::population::{Kind, id};
use crate::conformance::world::{at, plan, up_to};

/// Calls all of them; `after` is told each method's name when it is done.
pub async fn all(storage: &dyn Storage, mut after: impl FnMut(&str)) {
    entries(storage, &mut after).await;
    tags(storage, &mut after).await;
    reminders(storage, &mut after).await;
    sessions(storage, &mut after).await;
    users(storage, &mut after).await;
}

/// The person who writes most.
fn me() -> UserId {
    UserId(id(Kind::User, 1, 0))
}

fn somebody(person: u32) -> UserId {
    UserId(id(Kind::User, person, 0))
}

fn tag(n: u32) -> TagId {
    TagId(id(Kind::Tag, 1, n))
}

fn entry(n: u32) -> EntryId {
    EntryId(id(Kind::Entry, 1, n))
}

async fn entries(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let entries = storage.entries();
    let new = |n: u32, tags: Vec<TagChoice>| {
        let when = "2025-01-22T10:00:00Z";
        NewEntry::parse(entry(n), None, "text".into(), None, when, Ok(Zone::utc()), tags).unwrap()
    };
    let named = |name: &str, n: u32| TagChoice::Named(NewTag::parse(tag(n), name, None).unwrap());
    let choices = vec![TagChoice::Existing(tag(2)), named("tag3", 90), named("unheard of", 91)];
    entries.create(me(), &new(5001, vec![]), at(0)).await.unwrap();
    entries.create(me(), &new(5002, choices.clone()), at(0)).await.unwrap();
    entries.create(me(), &new(5002, vec![]), at(0)).await.unwrap();
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

async fn tags(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let tags = storage.tags();
    tags.create(me(), &NewTag::parse(tag(92), "new", None).unwrap(), at(0)).await.unwrap();
    after("Tags.create");
    tags.get(me(), tag(1)).await.unwrap().unwrap();
    after("Tags.get");
    tags.update(me(), tag(1), &TagPatch::parse(Some("first"), None).unwrap(), at(1)).await.unwrap().unwrap();
    after("Tags.update");
    assert!(tags.delete(me(), tag(5)).await.unwrap());
    after("Tags.delete");
    for place in [None, Some((at(-4 * 3600), id(Kind::Tag, 1, 4)))] {
        assert!(!tags.list(me(), place, 100).await.unwrap().is_empty());
    }
    after("Tags.list");
}

async fn reminders(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let reminders = storage.reminders();
    let reminder = |n: u32| ReminderId(id(Kind::Reminder, 1, n));
    let made = reminders.create(me(), reminder(90), &plan("new", "daily", None), at(0)).await.unwrap();
    after("Reminders.create");
    reminders.get(me(), reminder(1)).await.unwrap().unwrap();
    after("Reminders.get");
    let other = plan("other", "weekly", None);
    reminders.replace(me(), reminder(90), &other, made.updated_at, at(1)).await.unwrap().unwrap();
    after("Reminders.replace");
    assert!(reminders.delete(me(), reminder(90)).await.unwrap());
    after("Reminders.delete");
    for place in [None, Some((at(-2 * 3600), id(Kind::Reminder, 1, 2)))] {
        assert!(!reminders.list(me(), place, 100).await.unwrap().is_empty());
    }
    after("Reminders.list");
}

async fn sessions(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let sessions = storage.sessions();
    let session = |n: u32| SessionId(id(Kind::Session, 1, n));
    let new = Session {
        id: session(90),
        user_id: me(),
        generation: 1,
        rotated_at: at(0),
        expires_at: at(1000),
        user_agent: None,
        created_at: at(0),
    };
    sessions.start(&new).await.unwrap();
    after("Sessions.start");
    sessions.standing(me(), session(90)).await.unwrap().unwrap();
    after("Sessions.standing");
    for generation in [1, 7] {
        sessions.rotate(me(), session(90), generation, at(2000), at(1)).await.unwrap();
    }
    after("Sessions.rotate");
    assert!(sessions.end(me(), session(1)).await.unwrap());
    after("Sessions.end");
    assert!(!sessions.list(me(), at(0)).await.unwrap().is_empty());
    after("Sessions.list");
    // Those of the last person but a few: as many as there are after a day, not after years.
    assert!(sessions.delete_expired(at(20 * 3600)).await.unwrap() > 0);
    after("Sessions.delete_expired");
}

async fn users(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let users = storage.users();
    let new = NewUser {
        id: somebody(9001),
        email: Email::parse("new@example.org").unwrap(),
        password_hash: None,
        full_name: None,
        is_superuser: false,
        time_zone: Zone::utc(),
    };
    users.create(&new, at(0)).await.unwrap();
    after("Users.create");
    users.get(me()).await.unwrap().unwrap();
    after("Users.get");
    users.credentials(&Email::parse("person77@example.org").unwrap()).await.unwrap().unwrap();
    after("Users.credentials");
    let patch = UserPatch { full_name: Some(Some("Ada".into())), ..UserPatch::default() };
    users.update(me(), &patch, at(1)).await.unwrap().unwrap();
    after("Users.update");
    let keep = Some(SessionId(id(Kind::Session, 1, 2)));
    assert!(users.set_password(me(), &PasswordHash("new".into()), keep, at(1)).await.unwrap());
    after("Users.set_password");
    for active in [false, true] {
        assert!(users.set_active(somebody(2), active, at(1)).await.unwrap());
    }
    after("Users.set_active");
    for place in [None, Some(somebody(1000))] {
        assert_eq!(users.list(place, 10).await.unwrap().len(), 10);
    }
    after("Users.list");
    assert!(users.delete(somebody(3)).await.unwrap());
    after("Users.delete");
}
