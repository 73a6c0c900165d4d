//! Loops around `rusqlite`: threads that read, each with a separate connection, and one connection that commits each
//! entry and waits for the disk each time.
//!
//! The statements are those of `sotto-storage`'s `sqlite/entries.rs` and `sqlite/listing.rs`, and so are the settings
//! of the connections that affect speed.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Params, TransactionBehavior, params};
use sotto_domain::EntryId;
use sotto_domain::entry::NewEntry;
use sotto_domain::tag::TagName;
use sotto_server::system::{SystemClock, SystemRandom};

use super::DISTINCT_TEXTS;
use crate::Result;
use crate::random::Random;
use crate::scenarios::PAGE;
use crate::seed::{Author, ENTRIES};

const LIST: &str = "
    SELECT entry.id, entry.title, entry.content, entry.audio_url, entry.entry_date, entry.entry_zone, entry.revision,
        entry.created_at, entry.updated_at
    FROM journal_entries AS entry
    WHERE user_id = ?1 AND (entry_date, id) < (?2, ?3) AND secret_tag_id IS NULL
    ORDER BY entry_date DESC, id DESC LIMIT ?4";
const TAGS: &str = "
    SELECT tags.id, tags.name, tags.color
    FROM journal_entry_tags AS link CROSS JOIN tags ON tags.id = link.tag_id
    WHERE link.entry_id = ?2 AND tags.user_id = ?1
    ORDER BY tags.name_key";
const TAKEN: &str = "SELECT 1 FROM journal_entries WHERE id = ?1";
const INSERT: &str = "
    INSERT INTO journal_entries (id, user_id, title, content, audio_url, entry_date, entry_zone, entry_day,
        word_count, revision, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?10)";
const FIND_TAG: &str = "SELECT id FROM tags WHERE user_id = ?1 AND name_key = ?2";
const LINK: &str = "
    INSERT INTO journal_entry_tags (entry_id, tag_id, user_id) VALUES (?1, ?2, ?3)
    ON CONFLICT (entry_id, tag_id) DO NOTHING";

/// Lists per second, from as many threads as there are cores.
pub fn lists(path: &Path, authors: u64, duration: Duration) -> Result<f64> {
    let threads = thread::available_parallelism()?.get() as u64;
    thread::scope(|scope| {
        let readers: Vec<_> =
            (0..threads).map(|number| scope.spawn(move || read(path, number, authors, duration))).collect();
        let rates = readers.into_iter().map(|reader| reader.join().map_err(|_| "a reader broke")?);
        rates.sum::<Result<f64>>()
    })
}

/// Durable creates per second.
pub fn creates(path: &Path, authors: u64, duration: Duration) -> Result<f64> {
    let mut connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    connection.pragma_update(None, "cache_size", -16384)?;
    let entry = |number| (Author(number), Author(number).entry(ENTRIES + number % DISTINCT_TEXTS));
    let entries: Vec<_> = (0..authors).map(entry).collect();
    let mut random = Random::from_seed(&[1]);
    repeat(duration, || {
        let (author, entry) = random.pick(&entries);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        create(&transaction, *author, entry)?;
        Ok(transaction.commit()?)
    })
}

fn read(path: &Path, number: u64, authors: u64, duration: Duration) -> Result<f64> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "cache_size", -16384)?;
    let authors: Vec<_> = (0..authors).map(|number| Author(number).id()).collect();
    let mut random = Random::from_seed(&[number]);
    let mut seen = vec![];
    repeat(duration, || {
        let user = random.pick(&authors);
        let mut list = connection.prepare_cached(LIST)?;
        let mut rows = list.query(params![user.as_bytes(), i64::MAX, [0xff_u8; 16], PAGE])?;
        while let Some(row) = rows.next()? {
            seen.clear();
            for column in 0..9 {
                keep(&mut seen, row.get_ref(column)?);
            }
            let id: [u8; 16] = row.get(0)?;
            drain(&connection, TAGS, params![user.as_bytes(), id], &mut seen)?;
        }
        Ok(())
    })
}

fn create(connection: &Connection, author: Author, entry: &NewEntry) -> Result<()> {
    let (user, id) = (author.id(), EntryId::new(&SystemClock, &SystemRandom).0);
    let (body, mut seen) = (&entry.body, vec![]);
    connection.prepare_cached(TAKEN)?.exists([id.as_bytes()])?;
    connection.prepare_cached(INSERT)?.execute(params![
        id.as_bytes(),
        user.as_bytes(),
        body.title,
        body.content,
        body.audio_url,
        body.date.moment.as_micros(),
        body.date.zone.name(),
        body.date.day().to_string(),
        body.words(),
        body.date.moment.as_micros(),
    ])?;
    for name in author.tag_names(0) {
        let key = TagName::from_stored(name.into()).key();
        let tag: [u8; 16] =
            connection.prepare_cached(FIND_TAG)?.query_row(params![user.as_bytes(), key], |row| row.get(0))?;
        connection.prepare_cached(LINK)?.execute([id.as_bytes(), &tag, user.as_bytes()])?;
    }
    drain(connection, TAGS, [user.as_bytes(), id.as_bytes()], &mut seen)
}

fn open(path: &Path, access: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// Repeats an operation for a duration, and returns the operations per second.
fn repeat(duration: Duration, mut turn: impl FnMut() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    let mut turns = 0_u64;
    while began.elapsed() < duration {
        turn()?;
        turns += 1;
    }
    Ok(turns as f64 / began.elapsed().as_secs_f64())
}

/// Copies three columns of all rows out of the engine, as a caller must.
fn drain(connection: &Connection, sql: &str, parameters: impl Params, seen: &mut Vec<u8>) -> Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        for column in 0..3 {
            keep(seen, row.get_ref(column)?);
        }
    }
    Ok(())
}

fn keep(seen: &mut Vec<u8>, value: ValueRef) {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => seen.extend_from_slice(bytes),
        ValueRef::Integer(number) => seen.extend_from_slice(&number.to_ne_bytes()),
        ValueRef::Real(_) | ValueRef::Null => {}
    }
}
