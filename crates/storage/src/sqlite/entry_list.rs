//! Queries for plain entries on SQLite: pages, full text, days.

use std::borrow::Cow;
use std::iter;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::types::Value;
use rusqlite::{Connection, Error, OptionalExtension, Row, params, params_from_iter};
use sotto_domain::UserId;
use sotto_domain::entry::{Entry, EntryQuery, TagFilter};
use sotto_domain::statistics::DayCount;
use uuid::Uuid;

use super::entry_row::{columns, read_all};
use super::values::{date, uuid};

/// A tag with fewer entries is read from its own index. For other tags, the newest entries are searched.
const RARE_TAG_ENTRIES: u32 = 500;

/// The prefix of the word that marks the owner in the full-text index. The index treats the character as a letter, but
/// [`sotto_domain::entry::search_words`] does not, so no search can contain it.
const OWNER_MARK: char = '\u{e000}';

/// In microseconds. The offset of every zone is smaller; the largest one was Manila's, 15 h 56 min until 1844.
const DAY: i64 = 24 * 3_600_000_000;

pub fn list(connection: &Connection, user: UserId, query: &EntryQuery) -> rusqlite::Result<Vec<Entry>> {
    if query.from.is_none() && query.to.is_none() && query.tag.is_none() && query.words.is_empty() {
        return newest(connection, user, query);
    }
    match filtered(connection, user, query) {
        // The index would have split that word in two, so no entry contains it as one word.
        Err(Error::SqliteFailure(_, Some(message))) if message.contains("phrase queries are not supported") => {
            Ok(Vec::new())
        }
        outcome => outcome,
    }
}

pub fn days(connection: &Connection, user: UserId, from: Date, to: Date) -> rusqlite::Result<Vec<DayCount>> {
    let sql = "SELECT entry_day, count(*), sum(word_count) FROM journal_entries
               WHERE user_id = ?1 AND entry_day BETWEEN ?2 AND ?3 AND secret_tag_id IS NULL
               GROUP BY entry_day ORDER BY entry_day";
    let count = |row: &Row| {
        let (entries, words): (u32, i64) = (row.get(1)?, row.get(2)?);
        Ok(DayCount { day: date(row, 0)?, entries: entries.into(), words: words.unsigned_abs() })
    };
    let parameters = params![user.0.as_bytes(), from.to_string(), to.to_string()];
    connection.prepare_cached(sql)?.query_map(parameters, count)?.collect()
}

pub fn on_days(connection: &Connection, user: UserId, days: &[Date], limit: u32) -> rusqlite::Result<Vec<Entry>> {
    // The plus signs keep the planner from reading the whole journal in the order of the date index.
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM journal_entries AS entry
         WHERE user_id = ?1 AND entry_day IN (SELECT value FROM json_each(?2)) AND secret_tag_id IS NULL
         ORDER BY +entry_date DESC, +id DESC LIMIT ?3"
    );
    let days: Vec<_> = days.iter().map(Date::to_string).collect();
    let days = serde_json::Value::from(days).to_string();
    read_all(connection, sql, params![user.0.as_bytes(), days, limit], user)
}

/// The most frequent query, answered from one index.
fn newest(connection: &Connection, user: UserId, query: &EntryQuery) -> rusqlite::Result<Vec<Entry>> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM journal_entries AS entry
         WHERE user_id = ?1 AND (entry_date, id) < (?2, ?3) AND secret_tag_id IS NULL
         ORDER BY entry_date DESC, id DESC LIMIT ?4"
    );
    let (instant, id) = start_position(query);
    let parameters = params![user.0.as_bytes(), instant, id, query.limit];
    read_all(connection, &cut(sql, query.characters), parameters, user)
}

/// First finds the rows of the page, and then reads only their texts.
fn filtered(connection: &Connection, user: UserId, query: &EntryQuery) -> rusqlite::Result<Vec<Entry>> {
    // A day limits the instants in it, so a range of days also is a range of the index on instants.
    let earliest = query.from.and_then(midnight).map_or(i64::MIN, |from| from - DAY);
    let latest = query.to.and_then(midnight).map_or(i64::MAX, |to| to + 2 * DAY);
    let (instant, id) = start_position(query).min((latest, [0xff; 16]));
    let mut parameters: Vec<Value> = vec![
        user.0.as_bytes().to_vec().into(),
        instant.into(),
        id.to_vec().into(),
        earliest.into(),
        query.from.map_or_else(|| "0000".to_owned(), |day| day.to_string()).into(),
        query.to.map_or_else(|| "9999-99".to_owned(), |day| day.to_string()).into(),
        query.limit.into(),
    ];
    // The transaction gives all statements the same snapshot.
    let _snapshot = connection.unchecked_transaction()?;
    let mut source = "journal_entries AS entry";
    let mut conditions = "";
    if let Some(tag) = &query.tag {
        let Some(tag) = tag_id(connection, user, tag)? else { return Ok(Vec::new()) };
        if query.words.is_empty() && is_rare(connection, tag)? {
            source = "journal_entry_tags AS link CROSS JOIN journal_entries AS entry ON entry.id = link.entry_id";
            conditions = "AND link.tag_id = ?8";
        } else {
            conditions = "AND EXISTS (SELECT 1 FROM journal_entry_tags WHERE entry_id = entry.id AND tag_id = ?8)";
        }
        parameters.push(tag.as_bytes().to_vec().into());
    }
    let mut matching = String::new();
    if !query.words.is_empty() {
        parameters.push(words(user, &query.words).into());
        source = "journal_entries_fts CROSS JOIN search_documents ON document = journal_entries_fts.rowid
                  CROSS JOIN journal_entries AS entry ON entry.id = search_documents.entry_id";
        matching = format!("AND journal_entries_fts MATCH ?{}", parameters.len());
    }
    let columns = columns!();
    let sql = format!(
        "SELECT {columns} FROM (
             SELECT entry.rowid AS row_id FROM {source}
             WHERE entry.user_id = ?1 AND (entry.entry_date, entry.id) < (?2, ?3) AND entry.entry_date >= ?4
                 AND entry.entry_day BETWEEN ?5 AND ?6 AND entry.secret_tag_id IS NULL {conditions} {matching}
             ORDER BY entry.entry_date DESC, entry.id DESC LIMIT ?7
         ) CROSS JOIN journal_entries AS entry ON entry.rowid = row_id
         ORDER BY entry.entry_date DESC, entry.id DESC"
    );
    read_all(connection, &cut(&sql, query.characters), params_from_iter(parameters), user)
}

/// Limits the text in a statement that selects `columns!()` to this many characters.
fn cut(sql: &str, characters: Option<u32>) -> Cow<'_, str> {
    let beginning = |count| sql.replacen("entry.content", &format!("substr(entry.content, 1, {count})"), 1);
    characters.map_or(Cow::Borrowed(sql), |count| Cow::Owned(beginning(count)))
}

/// The position just above the page.
fn start_position(query: &EntryQuery) -> (i64, [u8; 16]) {
    query.after.map_or((i64::MAX, [0xff; 16]), |(instant, id)| (instant.as_micros(), *id.0.as_bytes()))
}

/// The start of a day in UTC, in microseconds; `None` beyond the range of instants.
fn midnight(day: Date) -> Option<i64> {
    day.to_zoned_datetime(TimeZone::UTC).ok().map(|start| start.timestamp().as_microsecond())
}

fn tag_id(connection: &Connection, user: UserId, tag: &TagFilter) -> rusqlite::Result<Option<Uuid>> {
    match tag {
        TagFilter::Id(id) => Ok(Some(id.0)),
        TagFilter::Key(key) => connection
            .prepare_cached("SELECT id FROM tags WHERE user_id = ?1 AND name_key = ?2")?
            .query_row(params![user.0.as_bytes(), key], |row| uuid(row, 0))
            .optional(),
    }
}

fn is_rare(connection: &Connection, tag: Uuid) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) < ?2 FROM (SELECT 1 FROM journal_entry_tags WHERE tag_id = ?1 LIMIT ?2)";
    connection.prepare_cached(sql)?.query_row(params![tag.as_bytes(), RARE_TAG_ENTRIES], |row| row.get(0))
}

/// The full-text query for entries of this user that have, for each of `words`, a word that begins with it.
fn words(user: UserId, words: &[String]) -> String {
    let owner = format!("\"{OWNER_MARK}{:X}\"", user.0.as_simple());
    let begins = |word: &String| format!("\"{}\"*", word.replace('"', "\"\""));
    iter::once(owner).chain(words.iter().map(begins)).collect::<Vec<_>>().join(" AND ")
}
