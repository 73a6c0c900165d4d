//! Tests pages, filters and days of the entry list.

use sotto_domain::entry::{Entry, EntryQuery, MAX_CONTENT, PAGE_BYTES, TagFilter};
use sotto_domain::statistics::DayCount;
use sotto_domain::tag::TagChoice;
use sotto_domain::{EntryId, TagId, Timestamp, UserId, Zone};

use super::world::{World, at, up_to};

/// Reads all pages of a query, with up to `limit` entries each.
pub async fn all_pages(world: &World, user: UserId, query: EntryQuery) -> Vec<Entry> {
    let mut query = query;
    let mut all: Vec<Entry> = vec![];
    loop {
        let page = world.entries().list(user, &query).await.unwrap();
        assert!(page.len() <= query.limit as usize);
        let Some(last) = page.last() else { return all };
        query.after = Some((last.body.date.moment, last.id));
        all.extend(page);
        assert!(all.len() < 10_000, "the pages never end");
    }
}

fn moment(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn day(text: &str) -> jiff::civil::Date {
    text.parse().unwrap()
}

pub async fn list_is_newest_first_with_tags(world: &World) {
    let user = world.user().await;
    assert_eq!(world.entries().list(user, &up_to(10)).await.unwrap(), vec![]);
    let middle = world.write_at(user, at(5), "UTC", "middle").await;
    let newest = world.write_at(user, at(9), "Asia/Tokyo", "newest").await;
    let mut new = world.new_entry("oldest");
    new.body.date.moment = moment("0001-01-02T00:00:00Z");
    new.tags = vec![world.named("zeta"), world.named("Alpha")];
    let oldest = world.store(user, &new).await;
    assert_eq!(oldest.tags.len(), 2);
    let all = vec![newest, middle, oldest];
    assert_eq!(world.entries().list(user, &up_to(10)).await.unwrap(), all);
    assert_eq!(world.entries().list(user, &up_to(2)).await.unwrap(), all[..2]);
    assert_eq!(world.entries().list(user, &up_to(0)).await.unwrap(), vec![]);
}

pub async fn pages_show_each_entry_once(world: &World) {
    let user = world.user().await;
    let mut expected = vec![];
    // Many entries have the same date, so their ids decide the order.
    for number in 0..23 {
        let entry = world.write_at(user, at(number / 10), "UTC", "text").await;
        expected.push((entry.body.date.moment, entry.id));
    }
    expected.sort_by(|a, b| b.cmp(a));
    for limit in [1, 3, 7, 23, 100] {
        let seen = all_pages(world, user, up_to(limit)).await;
        let seen: Vec<_> = seen.into_iter().map(|entry| (entry.body.date.moment, entry.id)).collect();
        assert_eq!(seen, expected, "in pages of {limit}");
    }
}

pub async fn pages_are_stable_while_rows_are_written(world: &World) {
    let user = world.user().await;
    let old: Vec<_> =
        [world.write_at(user, at(1), "UTC", "1").await, world.write_at(user, at(2), "UTC", "2").await].into();
    let first = world.entries().list(user, &up_to(1)).await.unwrap();
    assert_eq!(first, old[1..]);
    world.write_at(user, at(3), "UTC", "3").await;
    let after = Some((first[0].body.date.moment, first[0].id));
    assert_eq!(world.entries().list(user, &EntryQuery { after, ..up_to(9) }).await.unwrap(), old[..1]);
    // A page may start after an entry that does not exist (any more).
    let nowhere = Some((at(2), EntryId(world.id())));
    assert_eq!(world.entries().list(user, &EntryQuery { after: nowhere, ..up_to(9) }).await.unwrap().len(), 2);
    let end = Some((Timestamp::MIN, EntryId(uuid::Uuid::nil())));
    assert_eq!(world.entries().list(user, &EntryQuery { after: end, ..up_to(9) }).await.unwrap(), vec![]);
}

pub async fn from_and_to_are_days_in_the_entries_zones(world: &World) {
    let user = world.user().await;
    // Two moments half an hour apart with local dates two days apart, and the limits of the range.
    world.write_at(user, moment("2025-01-22T10:15:00Z"), "Pacific/Kiritimati", "the 23rd").await;
    world.write_at(user, moment("2025-01-22T10:45:00Z"), "Pacific/Pago_Pago", "the 21st").await;
    world.write_at(user, moment("2025-01-22T10:30:00Z"), "UTC", "the 22nd").await;
    world.write_at(user, Timestamp::MIN, "UTC", "first").await;
    world.write_at(user, Timestamp::MAX, "UTC", "last").await;
    let list = async |from: Option<&str>, to: Option<&str>| {
        let query = EntryQuery { from: from.map(day), to: to.map(day), ..up_to(10) };
        let whole = world.contents(user, &query).await;
        let paged = all_pages(world, user, EntryQuery { limit: 1, ..query }).await;
        assert_eq!(paged.into_iter().map(|entry| entry.body.content).collect::<Vec<_>>(), whole);
        whole
    };
    assert_eq!(list(Some("2025-01-21"), Some("2025-01-21")).await, ["the 21st"]);
    assert_eq!(list(Some("2025-01-22"), Some("2025-01-22")).await, ["the 22nd"]);
    assert_eq!(list(Some("2025-01-23"), Some("2025-01-23")).await, ["the 23rd"]);
    assert_eq!(list(Some("2025-01-22"), None).await, ["last", "the 22nd", "the 23rd"]);
    assert_eq!(list(None, Some("2025-01-22")).await, ["the 21st", "the 22nd", "first"]);
    assert_eq!(list(Some("2025-01-23"), Some("2025-01-21")).await, [""; 0]);
    assert_eq!(list(Some("0001-01-02"), Some("0001-01-02")).await, ["first"]);
    assert_eq!(list(Some("9999-12-30"), Some("9999-12-31")).await, ["last"]);
    assert_eq!(list(Some("0001-01-01"), Some("9999-12-31")).await.len(), 5);
}

pub async fn list_filters_by_tag(world: &World) {
    let user = world.user().await;
    let tag = world.tag(user, "Caf\u{e9}").await;
    let unused = world.tag(user, "unused").await;
    for number in 0..4 {
        let mut new = world.new_entry(&format!("{number}"));
        new.body.date.moment = at(number);
        if number % 2 == 0 {
            new.tags = vec![world.named("other"), TagChoice::Existing(tag.id)];
        }
        world.store(user, &new).await;
    }
    for (filter, expected) in [
        (TagFilter::Id(tag.id), &["2", "0"][..]),
        (TagFilter::Key(tag.name.key()), &["2", "0"]),
        (TagFilter::Id(unused.id), &[]),
        (TagFilter::Id(TagId(world.id())), &[]),
        (TagFilter::Key("caf".into()), &[]),
        (TagFilter::Key("Caf\u{e9}".into()), &[]),
    ] {
        let query = EntryQuery { tag: Some(filter), ..up_to(10) };
        assert_eq!(world.contents(user, &query).await, expected, "{query:?}");
        assert_eq!(all_pages(world, user, EntryQuery { limit: 1, ..query }).await.len(), expected.len());
    }
}

pub async fn list_filters_by_a_tag_on_many_entries(world: &World) {
    // An engine might avoid sorting this many entries for one page.
    let user = world.user().await;
    let tag = world.tag(user, "often").await;
    let mut expected = vec![];
    for number in 0..600 {
        let mut new = world.new_entry("text");
        new.body.date.moment = at(number / 3);
        new.tags = vec![TagChoice::Existing(tag.id)];
        expected.insert(0, world.store(user, &new).await.id);
    }
    world.write_at(user, at(1000), "UTC", "without").await;
    let query = EntryQuery { tag: Some(TagFilter::Id(tag.id)), ..up_to(250) };
    let seen: Vec<_> = all_pages(world, user, query).await.into_iter().map(|entry| entry.id).collect();
    assert_eq!(seen, expected);
}

pub async fn list_combines_all_filters(world: &World) {
    let user = world.user().await;
    let days = ["2025-01-20", "2025-01-21", "2025-01-22", "2025-01-23"];
    for date in days {
        for (tagged, word) in [(true, "mountain"), (true, "lake"), (false, "mountain")] {
            let mut new = world.new_entry(&format!("{word} on {date}"));
            new.body.date.moment = moment(&format!("{date}T12:00:00Z"));
            new.tags = if tagged { vec![world.named("trip")] } else { vec![] };
            world.store(user, &new).await;
        }
    }
    let query = EntryQuery {
        from: Some(day(days[1])),
        to: Some(day(days[2])),
        tag: Some(TagFilter::Key("trip".into())),
        words: vec!["moun".into()],
        ..up_to(10)
    };
    let expected = ["mountain on 2025-01-22", "mountain on 2025-01-21"];
    assert_eq!(world.contents(user, &query).await, expected);
    let paged = all_pages(world, user, EntryQuery { limit: 1, ..query.clone() }).await;
    assert_eq!(paged.into_iter().map(|entry| entry.body.content).collect::<Vec<_>>(), expected);
    assert_eq!(world.contents(user, &EntryQuery { words: vec![], ..query.clone() }).await.len(), 4);
    assert_eq!(world.contents(user, &EntryQuery { tag: None, ..query }).await.len(), 4);
}

pub async fn days_counts_entries_and_words(world: &World) {
    let user = world.user().await;
    let mut new = world.new_entry("three more words");
    new.body.title = Some("Two words".into());
    world.store(user, &new).await;
    world.write_at(user, at(60), "UTC", "again").await;
    world.write_at(user, at(86_400 * 2), "UTC", "").await;
    world.write_at(user, moment("2025-01-24T23:30:00Z"), "Europe/Berlin", "one").await;
    let count = |text: &str, entries, words| DayCount { day: day(text), entries, words };
    let all = [count("2025-01-22", 2, 6), count("2025-01-24", 1, 0), count("2025-01-25", 1, 1)];
    let days = async |from, to| world.entries().days(user, day(from), day(to)).await.unwrap();
    assert_eq!(days("2025-01-01", "2025-12-31").await, all);
    assert_eq!(days("2025-01-22", "2025-01-24").await, all[..2]);
    assert_eq!(days("2025-01-23", "2025-01-23").await, []);
    assert_eq!(days("2025-12-31", "2025-01-01").await, []);
}

pub async fn on_days_lists_the_entries_of_given_days(world: &World) {
    let user = world.user().await;
    for date in ["2022-01-22", "2023-01-22", "2023-01-23", "2024-01-22"] {
        world.write_at(user, moment(&format!("{date}T08:00:00Z")), "UTC", &format!("{date}, early")).await;
        world.write_at(user, moment(&format!("{date}T20:00:00Z")), "UTC", &format!("{date}, late")).await;
    }
    let days = [day("2022-01-22"), day("2024-01-22"), day("2023-01-22"), day("2022-01-22"), day("2021-01-22")];
    let on_days = async |days: &[_], limit| {
        let found = world.entries().on_days(user, days, limit).await.unwrap();
        found.into_iter().map(|entry| entry.body.content).collect::<Vec<_>>()
    };
    let all = [
        "2024-01-22, late",
        "2024-01-22, early",
        "2023-01-22, late",
        "2023-01-22, early",
        "2022-01-22, late",
        "2022-01-22, early",
    ];
    assert_eq!(on_days(&days, 100).await, all);
    assert_eq!(on_days(&days, 3).await, all[..3]);
    assert_eq!(on_days(&[], 100).await, [""; 0]);
}

pub async fn pages_of_long_texts_end_early(world: &World) {
    const FULL: u8 = 2;
    let (user, other) = (world.user().await, world.user().await);
    let day = |n: i64| at(-86_400 * n);
    // `FULL` of these texts reach the size limit of a page.
    let long = format!("längst {}", "x".repeat(MAX_CONTENT - 8));
    for n in 0..=i64::from(FULL) {
        let mut new = world.new_entry(&long);
        new.body.date.moment = day(n);
        new.tags = vec![world.named("long")];
        world.store(user, &new).await;
    }
    world.write_at(user, day(i64::from(FULL) + 1), "UTC", "längst short").await;
    world.write(other, "another's").await;
    let tagged = EntryQuery { tag: Some(TagFilter::Key("long".into())), ..up_to(100) };
    let search = EntryQuery { words: vec!["längst".into()], ..up_to(100) };
    let range = EntryQuery { from: Some(at(-86_400 * 100).day_in(&Zone::utc())), ..up_to(100) };
    for (query, rest) in [(up_to(100), 2), (tagged, 1), (search, 2), (range, 2)] {
        let first = world.entries().list(user, &query).await.unwrap();
        assert_eq!(first.iter().map(|entry| entry.body.content.len()).sum::<usize>(), PAGE_BYTES, "{query:?}");
        let last = first.last().unwrap();
        let next = EntryQuery { after: Some((last.body.date.moment, last.id)), ..query.clone() };
        let next = world.entries().list(user, &next).await.unwrap();
        assert_eq!((first.len(), next.len()), (usize::from(FULL), rest), "{query:?}");
        assert!(next.iter().all(|entry| entry.body.date.moment < last.body.date.moment));
        // With this limit, no page has to end early.
        let few = world.entries().list(user, &EntryQuery { limit: FULL.into(), ..query.clone() }).await.unwrap();
        assert_eq!(few, first);

        let cut = world.entries().list(user, &EntryQuery { characters: Some(5), ..query.clone() }).await.unwrap();
        assert_eq!(cut.len(), usize::from(FULL) + rest, "{query:?}");
        assert!(cut.iter().all(|entry| entry.body.content == "längs" && entry.user_id == user), "{query:?}");
        assert_eq!(cut.last().map(|entry| entry.id), next.last().map(|entry| entry.id));
        assert_eq!(cut[0].tags, first[0].tags);
    }
    let days: Vec<_> = (0..10).map(|n| day(n).day_in(&Zone::utc())).collect();
    assert_eq!(world.entries().on_days(user, &days, 100).await.unwrap().len(), usize::from(FULL));
}
