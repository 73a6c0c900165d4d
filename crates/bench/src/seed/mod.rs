//! The measured journals, which are the same in every run, on both engines, and for any number of authors.
//!
//! Rows are written directly into the tables, because two million entries through the API would take hours. They are
//! the rows that the API would store: the domain computes the day and counts the words, and triggers and indexes do
//! their part. Entries of different authors are interleaved, as when many people write day by day.

mod postgres;
mod sqlite;
mod words;

use std::ops::Range;

use sotto_domain::entry::{EntryBody, NewEntry};
use sotto_domain::tag::TagChoice;
use sotto_domain::{EntryDate, EntryId, TagId, Timestamp, Zone};
use uuid::{Builder, Uuid};

use crate::Result;
use crate::database::{Database, Location};
use crate::random::Random;

/// Entries per author, unless given otherwise.
pub const ENTRIES: u64 = 500;
/// Tags on each entry.
const TAGS_PER_ENTRY: usize = 2;
/// 2024-01-01T00:00:00Z in microseconds: the day of each author's first entry. One entry a day follows.
const FIRST_DAY: i64 = 1_704_067_200_000_000;
const DAY: i64 = 86_400_000_000;

/// An author with a journal of [`ENTRIES`] entries.
#[derive(Clone, Copy)]
pub struct Author(pub u64);

/// A tag of one author.
struct TagRow {
    id: Uuid,
    name: &'static str,
}

impl Author {
    /// The user's id.
    pub fn id(self) -> Uuid {
        uuid(self.moment(0), &[self.0, 1])
    }

    /// The email address to sign in with.
    pub fn email(self) -> String {
        format!("author{}@example.org", self.0)
    }

    /// The id of entry number `n`, counted from the oldest.
    pub fn entry_id(self, n: u64) -> Uuid {
        uuid(self.moment(n), &[self.0, 2, n])
    }

    /// About 500 bytes of text, different for each `n`.
    pub fn text(self, n: u64) -> String {
        let mut random = Random::from_seed(&[self.0, 3, n]);
        let mut text = String::with_capacity(520);
        while text.len() < 490 {
            let sentence = text.len();
            for position in 0..5 + random.below(9) {
                if position > 0 {
                    text.push(' ');
                }
                words::push(&mut text, &mut random);
            }
            text[sentence..=sentence].make_ascii_uppercase();
            text.push_str(". ");
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// Two tag names of the author.
    pub fn tag_names(self, n: u64) -> [&'static str; TAGS_PER_ENTRY] {
        self.tag_numbers(n).map(|number| words::TAGS[number])
    }

    /// Entry number `n`, with two of the author's tags.
    pub fn entry(self, n: u64) -> NewEntry {
        let mut random = Random::from_seed(&[self.0, 4, n]);
        let mut title = String::new();
        words::push(&mut title, &mut random);
        let body = EntryBody {
            title: Some(title),
            content: self.text(n),
            audio_url: None,
            date: EntryDate { moment: self.moment(n), zone: Zone::utc() },
        };
        let tags = self.tag_numbers(n).map(|number| TagChoice::Existing(TagId(self.tag_id(number)))).to_vec();
        NewEntry { id: EntryId(self.entry_id(n)), body, tags }
    }

    fn tags(self) -> impl Iterator<Item = TagRow> {
        words::TAGS.iter().enumerate().map(move |(number, name)| TagRow { id: self.tag_id(number), name })
    }

    fn tag_numbers(self, n: u64) -> [usize; TAGS_PER_ENTRY] {
        let mut random = Random::from_seed(&[self.0, 5, n]);
        let first = random.below(words::TAGS.len());
        [first, (first + 1 + random.below(words::TAGS.len() - 1)) % words::TAGS.len()]
    }

    fn tag_id(self, number: usize) -> Uuid {
        uuid(self.moment(0), &[self.0, 6, number as u64])
    }

    /// The time of entry `n`. Authors write one after another, 10 ms apart, so ids ascend in the order of writing.
    fn moment(self, n: u64) -> Timestamp {
        let micros = i64::try_from(n).unwrap_or(0) * DAY + i64::try_from(self.0).unwrap_or(0) * 10_000;
        Timestamp::from_micros(FIRST_DAY + micros).unwrap_or(Timestamp::MIN)
    }
}

/// Adds the journals of these authors, with this many entries each, to a database with a schema. All authors sign in
/// with the password of `template_email`, the address of an existing account.
///
/// # Errors
/// The database's error.
pub async fn write(database: &Database, authors: Range<u64>, entries: u64, template_email: &str) -> Result<()> {
    match database.location() {
        Location::Sqlite(path) => {
            let (path, template_email) = (path.clone(), template_email.to_owned());
            tokio::task::spawn_blocking(move || sqlite::write(&path, authors, entries, &template_email)).await??;
        }
        Location::Postgres(url) => postgres::write(url, authors, entries, template_email).await?,
    }
    Ok(())
}

/// A deterministic UUID of version 7.
fn uuid(moment: Timestamp, path: &[u64]) -> Uuid {
    let mut random = Random::from_seed(path);
    let mut tail = [0; 10];
    tail[..8].copy_from_slice(&random.next().to_be_bytes());
    tail[8..].copy_from_slice(&random.next().to_be_bytes()[..2]);
    let millis = u64::try_from(moment.as_micros() / 1000).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::database::Engine;
    use crate::engine::Statements;
    use crate::scenarios::Scenario;

    #[test]
    fn generated_entries_have_the_documented_sizes() {
        let sizes: Vec<_> = (0..ENTRIES).map(|n| Author(7).entry(n).body.content.len()).collect();
        let mean = sizes.iter().sum::<usize>() / sizes.len();
        assert!((480..560).contains(&mean), "{mean}");
        assert!(Author(7).entry(3).body.words() > 40);
        assert_eq!(Author(7).entry(3).body.date.day().to_string(), "2024-01-04");
        assert_eq!(Author(7).entry(3).body, Author(7).entry(3).body);
        assert_ne!(Author(7).text(3), Author(8).text(3));
    }

    #[test]
    fn ids_are_unique_and_ascending() {
        let in_order: Vec<_> = (0..5).flat_map(|n| (0..4000).map(move |author| Author(author).entry_id(n))).collect();
        assert!(in_order.is_sorted());
        let tags = (0..100).flat_map(|author| Author(author).tags().map(|tag| tag.id));
        let users = (0..100).map(|author| Author(author).id());
        let all: BTreeSet<_> = in_order.iter().copied().chain(tags).chain(users).collect();
        assert_eq!(all.len(), 20_000 + 100 * words::TAGS.len() + 100);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn generated_journals_are_complete_on_sqlite() {
        let database = Database::create(Engine::Sqlite).await.unwrap();
        let Location::Sqlite(path) = database.location() else { unreachable!() };
        let connection = rusqlite::Connection::open(path).unwrap();
        let schema = include_str!("../../../storage/migrations/sqlite/0001_create_standardized_schema.up.sql");
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL; {schema} {}",
                insert_template_user("x'00112233445566778899aabbccddeeff'")
            ))
            .unwrap();
        write(&database, 0..3, ENTRIES, "template@example.org").await.unwrap();

        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(COUNTS.map(count), EXPECTED);
        assert_eq!(count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
        assert_eq!(count("SELECT count(*) FROM search_documents"), 1500);
        let found = format!("SELECT count(*) FROM journal_entries_fts WHERE journal_entries_fts MATCH '{}'", word());
        assert!(count(&found) > 0);
        measure_alone(&database).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn generated_journals_are_complete_on_postgresql() {
        let database = Database::create(Engine::Postgres).await.unwrap();
        let Location::Postgres(url) = database.location() else { unreachable!() };
        let client = crate::database::connect(url).await.unwrap();
        let schema = include_str!("../../../storage/migrations/postgres/0001_create_standardized_schema.up.sql");
        client.batch_execute(&format!("{schema} {}", insert_template_user("gen_random_uuid()"))).await.unwrap();
        write(&database, 0..3, ENTRIES, "template@example.org").await.unwrap();

        for (sql, expected) in COUNTS.iter().zip(EXPECTED) {
            assert_eq!(client.query_one(*sql, &[]).await.unwrap().get::<_, i64>(0), expected, "{sql}");
        }
        let index = "SELECT count(*) FROM pg_indexes WHERE indexname = 'idx_journal_entries_search'";
        assert_eq!(client.query_one(index, &[]).await.unwrap().get::<_, i64>(0), 1);
        measure_alone(&database).await;
    }

    fn insert_template_user(id: &str) -> String {
        format!("INSERT INTO users (id, email, hashed_password) VALUES ({id}, 'template@example.org', '$argon2id$x');")
    }

    const COUNTS: [&str; 4] = [
        "SELECT count(*) FROM users WHERE hashed_password = '$argon2id$x'",
        "SELECT count(*) FROM tags",
        "SELECT count(*) FROM journal_entries WHERE word_count > 40",
        "SELECT count(*) FROM journal_entry_tags",
    ];
    const EXPECTED: [i64; 4] = [4, 24, 1500, 3000];

    /// A word of an entry.
    fn word() -> String {
        Author(1).text(7).split(' ').next().unwrap_or_default().to_lowercase()
    }

    /// The statements that measure the engine work on these journals.
    async fn measure_alone(database: &Database) {
        for scenario in [Scenario::List, Scenario::Create] {
            let statements = Statements::for_scenario(scenario, database.location(), 3).unwrap();
            assert!(statements.rate(Duration::from_millis(100)).await.unwrap() > 0.0);
        }
    }

    #[test]
    fn an_entry_has_two_different_tags() {
        for n in 0..200 {
            let [first, second] = Author(1).tag_names(n);
            assert_ne!(first, second);
        }
    }
}
