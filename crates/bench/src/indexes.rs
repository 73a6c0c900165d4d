//! Measures the benefit of the indexes: the same calls of the storage contract on two databases with the same journals,
//! one with all indexes and one with only those of keys.
//!
//! Each journal has an entry a day for ten years, because some costs only show in a long journal.
//!
//! The founding document requires common operations to be more than 50 % faster and complex ones more than 30 %: this
//! share of the time without the indexes must be saved. SQLite's full-text index is a table, and exists on both sides.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::{Date, date};
use sotto_domain::account::{Email, NewUser, PasswordHash};
use sotto_domain::entry::{EntryQuery, TagFilter};
use sotto_domain::storage::Storage;
use sotto_domain::tag::NewTag;
use sotto_domain::{EntryId, TagId, Timestamp, UserId, Zone};
use sotto_storage::{DatabaseUrl, migrate, schema};
use uuid::Uuid;

use crate::Result;
use crate::database::{Database, Engine, Location, connect};
use crate::random::Random;
use crate::report::{percent, table, thousands};
use crate::scenarios::{PAGE, ROUNDS};
use crate::seed::{self, Author};

/// The account whose password hash all authors share.
const TEMPLATE_EMAIL: &str = "pattern@example.org";

/// The size of the journals.
#[derive(Clone, Copy)]
pub struct Journals {
    pub authors: u64,
    /// Entries per author, one a day.
    pub entries: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Newest,
    Further,
    Get,
    Tags,
    Week,
    Tagged,
    Search,
    Calendar,
    OnThisDay,
    Tag,
}

/// How often an operation occurs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OperationClass {
    /// At every visit of the journal.
    Common,
    /// Occasionally, with more work.
    Complex,
}

/// The figures of one engine.
pub struct IndexBenefit {
    pub engine: Engine,
    /// Entries on each side.
    entries: u64,
    rows: Vec<Row>,
}

/// Mean durations of one operation.
struct Row {
    operation: Operation,
    with_indexes: Duration,
    keys_only: Duration,
}

/// Measures one engine with these journals.
///
/// # Errors
/// If a database cannot be created, or an operation fails.
pub async fn measure(engine: Engine, journals: Journals, duration: Duration) -> Result<IndexBenefit> {
    let (full, bare) = (prepare(engine, journals).await?, prepare(engine, journals).await?);
    drop_indexes(&bare).await?;
    let sides = [open(&full).await?, open(&bare).await?];
    let mut rows = vec![];
    for operation in Operation::ALL {
        let mut times = [Timing::default(), Timing::default()];
        for round in 0..2 * ROUNDS {
            // Both sides go first in turn, because the second finds the machine warm.
            for turn in [round % 2, 1 - round % 2] {
                let (storage, side) = (&sides[turn as usize], &mut times[turn as usize]);
                side.add(&**storage, operation, journals, duration / ROUNDS / 2).await?;
            }
        }
        let [with_indexes, keys_only] = times.map(|side| side.mean());
        rows.push(Row { operation, with_indexes, keys_only });
    }
    for storage in sides {
        storage.close().await;
    }
    Ok(IndexBenefit { engine, entries: journals.authors * journals.entries, rows })
}

impl IndexBenefit {
    /// The share of the time without indexes that the indexes save, over one run of each operation in this class.
    pub fn saved(&self, class: OperationClass) -> f64 {
        let rows = || self.rows.iter().filter(|row| row.operation.class() == class);
        saved(rows().map(|row| row.with_indexes).sum(), rows().map(|row| row.keys_only).sum())
    }
}

impl fmt::Display for IndexBenefit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n{} entries, one client.\n", self.engine, thousands(self.entries as f64))?;
        let milliseconds = |time: Duration| format!("{:.3}", time.as_secs_f64() * 1e3);
        let rows = self.rows.iter().map(|row| {
            let class = if row.operation.class() == OperationClass::Common { "common" } else { "complex" };
            vec![
                row.operation.to_string(),
                class.into(),
                milliseconds(row.with_indexes),
                milliseconds(row.keys_only),
                format!("{:.1} ×", row.keys_only.as_secs_f64() / row.with_indexes.as_secs_f64().max(1e-9)),
                percent(saved(row.with_indexes, row.keys_only)),
            ]
        });
        f.write_str(&table(&["", "", "with indexes, ms", "only keys, ms", "times as long", "time saved"], rows))
    }
}

fn saved(with_indexes: Duration, keys_only: Duration) -> f64 {
    1.0 - with_indexes.as_secs_f64() / keys_only.as_secs_f64().max(1e-9)
}

/// A database with the schema and the journals.
async fn prepare(engine: Engine, journals: Journals) -> Result<Database> {
    let database = Database::create(engine).await?;
    let url: DatabaseUrl = database.url().parse()?;
    migrate::upgrade(&url).await?;
    let storage = url.open().await?;
    let template = NewUser {
        id: UserId(Uuid::nil()),
        email: Email::parse(TEMPLATE_EMAIL)?,
        password_hash: Some(PasswordHash("nobody signs in".into())),
        full_name: None,
        is_superuser: false,
        email_verified: false,
        time_zone: Zone::utc(),
    };
    storage.users().create(&template, None, Timestamp::MIN).await?;
    storage.close().await;
    seed::write(&database, 0..journals.authors, journals.entries, TEMPLATE_EMAIL).await?;
    Ok(database)
}

/// Keeps only the indexes of keys, unique constraints and unique indexes.
async fn drop_indexes(database: &Database) -> Result<()> {
    let url: DatabaseUrl = database.url().parse()?;
    let tables = schema::read(&url).await?.tables;
    let secondary = tables.values().flat_map(|table| &table.indexes).filter(|index| !index.unique);
    let drops: Vec<_> = secondary.map(|index| format!("DROP INDEX \"{}\";", index.name)).collect();
    let drops = drops.concat();
    match database.location() {
        Location::Sqlite(path) => rusqlite::Connection::open(path)?.execute_batch(&drops)?,
        Location::Postgres(url) => {
            let client = connect(url).await?;
            client.batch_execute(&drops).await?;
            client.batch_execute("VACUUM (ANALYZE)").await?;
        }
    }
    Ok(())
}

async fn open(database: &Database) -> Result<Arc<dyn Storage>> {
    Ok(database.url().parse::<DatabaseUrl>()?.open().await?)
}

/// The measurements of one operation on one database.
#[derive(Default)]
struct Timing {
    count: u32,
    time: Duration,
}

impl Timing {
    /// Measures with the same authors in the same order, after a warm-up.
    async fn add(
        &mut self,
        storage: &dyn Storage,
        operation: Operation,
        journals: Journals,
        duration: Duration,
    ) -> Result<()> {
        let mut random = Random::from_seed(&[7]);
        let mut author = || Author(random.next() % journals.authors);
        let warm = Instant::now();
        while warm.elapsed() < duration / 4 {
            operation.run(storage, author(), journals.entries).await?;
        }
        let began = Instant::now();
        while began.elapsed() < duration {
            operation.run(storage, author(), journals.entries).await?;
            self.count += 1;
        }
        self.time += began.elapsed();
        Ok(())
    }

    fn mean(&self) -> Duration {
        self.time / self.count.max(1)
    }
}

impl Operation {
    const ALL: [Self; 10] = [
        Self::Newest,
        Self::Further,
        Self::Get,
        Self::Tags,
        Self::Week,
        Self::Tagged,
        Self::Search,
        Self::Calendar,
        Self::OnThisDay,
        Self::Tag,
    ];

    fn class(self) -> OperationClass {
        match self {
            Self::Newest | Self::Further | Self::Get | Self::Tags => OperationClass::Common,
            Self::Week | Self::Tagged | Self::Search | Self::Calendar | Self::OnThisDay | Self::Tag => {
                OperationClass::Complex
            }
        }
    }

    /// Runs the operation once. Fails if it finds nothing, because then nothing was measured.
    async fn run(self, storage: &dyn Storage, author: Author, entries: u64) -> Result<()> {
        let user = UserId(author.id());
        let found = match self {
            Self::Get => {
                usize::from(storage.entries().get(user, EntryId(author.entry_id(entries / 3))).await?.is_some())
            }
            Self::Tags => storage.tags().list(user, None, 100).await?.len(),
            Self::Calendar => storage.entries().days(user, date(2024, 3, 1), date(2024, 3, 31)).await?.len(),
            Self::OnThisDay => {
                let days: Vec<Date> = (2024..2034).map(|year| date(year, 2, 10)).collect();
                storage.entries().on_days(user, &days, 100).await?.len()
            }
            Self::Tag => {
                let new = NewTag::parse(TagId(Uuid::from_u128(1)), "for a moment", None).map_err(|_| "a tag")?;
                storage.tags().create(user, &new, None, Timestamp::MIN).await?;
                usize::from(storage.tags().delete(user, new.id).await?)
            }
            Self::Newest | Self::Further | Self::Week | Self::Tagged | Self::Search => {
                storage.entries().list(user, &self.query(author, entries)).await?.len()
            }
        };
        if found == 0 { Err(format!("{self}: nothing was found").into()) } else { Ok(()) }
    }

    fn query(self, author: Author, entries: u64) -> EntryQuery {
        let page = EntryQuery { limit: PAGE, ..EntryQuery::default() };
        match self {
            Self::Further => {
                let entry = author.entry(entries / 2);
                EntryQuery { after: Some((entry.body.date.moment, entry.id)), ..page }
            }
            Self::Week => EntryQuery { from: Some(date(2024, 3, 4)), to: Some(date(2024, 3, 10)), ..page },
            Self::Tagged => EntryQuery { tag: Some(TagFilter::Key(author.tag_names(0)[0].into())), ..page },
            // A word from one of the author's entries.
            Self::Search => EntryQuery { words: author.entry(entries / 4).body.title.into_iter().collect(), ..page },
            _ => page,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Newest => "list 20 newest",
            Self::Further => "list 20 from the middle",
            Self::Get => "get by id",
            Self::Tags => "list tags",
            Self::Week => "list a week",
            Self::Tagged => "list 20 with a tag",
            Self::Search => "search for a word",
            Self::Calendar => "calendar of a month",
            Self::OnThisDay => "on this day",
            Self::Tag => "make and delete a tag",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn every_operation_is_measured_on_both_sides() {
        for engine in [Engine::Sqlite, Engine::Postgres] {
            let benefit =
                measure(engine, Journals { authors: 1, entries: 120 }, Duration::from_millis(4)).await.unwrap();
            assert_eq!(benefit.rows.len(), Operation::ALL.len());
            assert!(benefit.rows.iter().all(|row| row.with_indexes > Duration::ZERO && row.keys_only > Duration::ZERO));
            assert!(benefit.to_string().contains("make and delete a tag"));
        }
    }

    #[test]
    fn half_the_time_is_a_saving_of_half() {
        assert!((saved(Duration::from_millis(5), Duration::from_millis(10)) - 0.5).abs() < 1e-9);
    }
}
