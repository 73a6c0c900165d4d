//! Tests full-text search.

use sotto_domain::entry::{Deleted, EntryPatch, EntryQuery, search_words};
use sotto_domain::entry_date::EntryDatePatch;

use super::listing::all_pages;
use super::world::{World, at, up_to};

/// The query for a text that a user has typed.
fn search(text: &str) -> EntryQuery {
    EntryQuery { words: search_words(text).unwrap(), ..up_to(100) }
}

pub async fn words_match_by_prefix_in_any_case(world: &World) {
    let user = world.user().await;
    let mut new = world.new_entry("We climbed the Mountain.");
    new.body.title = Some("SATURDAY walk".into());
    let entry = world.store(user, &new).await;
    for found in ["mountain", "MOUNT", "m", "Saturday", "satur", "climb", "walk"] {
        assert_eq!(world.entries().list(user, &search(found)).await.unwrap(), vec![entry.clone()], "{found}");
    }
    // The last two are how owners may be distinguished, in case an engine stores that among the words.
    for missing in ["ountain", "mountains", "sea", "u", &user.0.simple().to_string(), &format!("u{}", user.0.simple())]
    {
        assert_eq!(world.contents(user, &search(missing)).await, [""; 0], "{missing}");
    }
}

pub async fn all_words_have_to_match(world: &World) {
    let user = world.user().await;
    world.write_at(user, at(1), "UTC", "mountains and lakes").await;
    world.write_at(user, at(2), "UTC", "mountains alone").await;
    let mut new = world.new_entry("lakes below");
    new.body.date.moment = at(3);
    new.body.title = Some("The mountains".into());
    world.store(user, &new).await;
    assert_eq!(world.contents(user, &search("moun lak")).await, ["lakes below", "mountains and lakes"]);
    assert_eq!(world.contents(user, &search("lakes mountains and")).await, ["mountains and lakes"]);
    assert_eq!(world.contents(user, &search("mountains sea")).await, [""; 0]);
    // Operators of query languages are ordinary words.
    assert_eq!(world.contents(user, &search("alone OR lakes")).await, [""; 0]);
    assert_eq!(world.contents(user, &search("mountains NOT alone")).await, [""; 0]);
    assert_eq!(world.contents(user, &search("AND")).await, ["mountains and lakes"]);
}

pub async fn punctuation_separates_words(world: &World) {
    let user = world.user().await;
    let text = "Don't write to ada.lovelace@example.org, see <b>https://example.org/path?q=value</b> (e-mail: 3.14; snake_case)";
    world.write(user, text).await;
    for found in [
        "don", "t", "ada", "lovelace", "example", "org", "path", "value", "b", "mail", "e-mail", "14", "case",
        "\"ada\"*",
    ] {
        assert_eq!(world.contents(user, &search(found)).await.len(), 1, "{found}");
    }
}

pub async fn words_of_every_script_are_found(world: &World) {
    let user = world.user().await;
    let texts = [
        ("Ein schöner Tag in Zürich", "ZÜR"),
        ("Прогулка по Неве", "прогул"),
        ("Περίπατος στη θάλασσα", "θάλ"),
        ("שלום עולם", "עול"),
        ("مرحبا بالعالم", "مرح"),
        ("東京の朝", "東京"),
        ("हिन्दी में लिखा", "हिन्दी"),
        ("cafe\u{301} crème", "CAFE\u{301}"),
        ("🌸 blossom🌸", "blossom"),
        ("2025 was the year", "2025"),
    ];
    for (text, _) in texts {
        world.write(user, text).await;
    }
    for (text, query) in texts {
        assert_eq!(world.contents(user, &search(query)).await, [text], "{query}");
    }
    assert_eq!(world.contents(user, &search("Zur")).await, [""; 0], "an accent makes another letter");
}

pub async fn unusual_search_words_are_no_error(world: &World) {
    let user = world.user().await;
    world.write(user, "ordinary text").await;
    for odd in ["\u{24b6}\u{24b7}", "a\u{24b6}b", "½", "\u{e000}", "\u{301}", "\u{10ffff}", "ﬁ", "İ", "٣"] {
        let query = EntryQuery { words: vec![odd.to_owned()], ..up_to(10) };
        assert!(world.entries().list(user, &query).await.is_ok(), "{odd:?}");
    }
    for odd in ["\"", "a\"b", "a* OR b", "title:x", "^a", "-a", "{a}", "(", "a:*", "!a", "a & b", "'", "\\"] {
        let query = EntryQuery { words: vec![odd.to_owned()], ..up_to(10) };
        assert_eq!(world.entries().list(user, &query).await.unwrap(), vec![], "{odd:?}");
    }
    let many = EntryQuery { words: vec!["ordinary".into(); 16], ..up_to(10) };
    assert_eq!(world.contents(user, &many).await, ["ordinary text"]);
}

pub async fn update_replaces_the_words(world: &World) {
    let user = world.user().await;
    let mut new = world.new_entry("mountains");
    new.body.title = Some("Before".into());
    let id = world.store(user, &new).await.id;
    let patch = EntryPatch { content: Some("lakes".into()), ..EntryPatch::default() };
    world.entries().update(user, id, &patch, None, at(1)).await.unwrap();
    assert_eq!(world.contents(user, &search("mountains")).await, [""; 0]);
    assert_eq!(world.contents(user, &search("lakes before")).await, ["lakes"]);
    let patch = EntryPatch { title: Some(None), ..EntryPatch::default() };
    world.entries().update(user, id, &patch, None, at(2)).await.unwrap();
    assert_eq!(world.contents(user, &search("before")).await, [""; 0]);
    assert_eq!(world.contents(user, &search("lakes")).await, ["lakes"]);
    // A change of another field leaves the search index as it was.
    let patch = EntryDatePatch { moment: Some(at(9)), ..EntryDatePatch::default() };
    let patch = EntryPatch { date: patch, ..EntryPatch::default() };
    world.entries().update(user, id, &patch, None, at(3)).await.unwrap();
    assert_eq!(world.contents(user, &search("lakes")).await, ["lakes"]);
}

pub async fn deleted_entries_are_not_found(world: &World) {
    let user = world.user().await;
    let deleted = world.write(user, "mountains gone").await.id;
    world.write(user, "mountains kept").await;
    assert_eq!(world.entries().delete(user, deleted, None).await.unwrap(), Deleted::Deleted(vec![]));
    assert_eq!(world.contents(user, &search("mountains")).await, ["mountains kept"]);
    assert_eq!(world.contents(user, &search("gone")).await, [""; 0]);
}

pub async fn entries_of_other_users_are_not_found(world: &World) {
    let (one, two) = (world.user().await, world.user().await);
    world.write(one, "mountains of one").await;
    world.write(two, "mountains of two").await;
    assert_eq!(world.contents(one, &search("mountains")).await, ["mountains of one"]);
    assert_eq!(world.contents(two, &search("mountains")).await, ["mountains of two"]);
    assert_eq!(world.contents(one, &search("two")).await, [""; 0]);
}

pub async fn pages_of_a_search_show_each_entry_once(world: &World) {
    let user = world.user().await;
    for number in 0..20 {
        let text = if number % 2 == 0 { "mountains" } else { "lakes" };
        world.write_at(user, at(number / 5), "UTC", text).await;
    }
    let whole = world.entries().list(user, &search("mount")).await.unwrap();
    assert_eq!(whole.len(), 10);
    assert!(whole.is_sorted_by_key(|entry| std::cmp::Reverse((entry.body.date.moment, entry.id))));
    assert_eq!(all_pages(world, user, EntryQuery { limit: 3, ..search("mount") }).await, whole);
}
