//! Writes journals to SQLite.

use std::ops::Range;
use std::path::Path;

use rusqlite::{Connection, params};
use sotto_domain::tag::{TagChoice, TagName};

use super::Author;
use crate::Result;

/// Adds the journals of these authors, one transaction per day.
pub fn write(path: &Path, authors: Range<u64>, entries: u64, template_email: &str) -> Result<()> {
    let mut connection = Connection::open(path)?;
    // All data can be generated again, so nothing waits for the disk. Foreign keys are correct by construction, and
    // checking four million of them would double the time.
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -400000;")?;
    connection.set_prepared_statement_cache_capacity(16);
    let day = connection.transaction()?;
    for author in authors.clone().map(Author) {
        write_user(&day, author, template_email)?;
    }
    day.commit()?;
    for n in 0..entries {
        let day = connection.transaction()?;
        for author in authors.clone().map(Author) {
            write_entry(&day, author, n)?;
        }
        day.commit()?;
    }
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

fn write_user(connection: &Connection, author: Author, template_email: &str) -> rusqlite::Result<()> {
    let (id, moment) = (author.id(), author.moment(0).as_micros());
    connection
        .prepare_cached(
            "INSERT INTO users (id, email, hashed_password, time_zone, created_at, updated_at)
             SELECT ?1, ?2, hashed_password, 'UTC', ?3, ?3 FROM users WHERE email = ?4",
        )?
        .execute(params![id.as_bytes(), author.email(), moment, template_email])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO tags (id, name, name_key, user_id, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
    )?;
    for tag in author.tags() {
        let key = TagName::from_stored(tag.name.into()).key();
        insert.execute(params![tag.id.as_bytes(), tag.name, key, id.as_bytes(), moment])?;
    }
    Ok(())
}

fn write_entry(connection: &Connection, author: Author, n: u64) -> rusqlite::Result<()> {
    let (user, entry) = (author.id(), author.entry(n));
    let moment = entry.body.date.moment.as_micros();
    connection
        .prepare_cached(
            "INSERT INTO journal_entries (id, title, content, entry_date, entry_zone, entry_day, word_count, user_id,
                 created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?4, ?4)",
        )?
        .execute(params![
            entry.id.0.as_bytes(),
            entry.body.title,
            entry.body.content,
            moment,
            entry.body.date.zone.name(),
            entry.body.date.day().to_string(),
            entry.body.words(),
            user.as_bytes(),
        ])?;
    let mut link =
        connection.prepare_cached("INSERT INTO journal_entry_tags (entry_id, tag_id, user_id) VALUES (?1, ?2, ?3)")?;
    for tag in &entry.tags {
        if let TagChoice::Existing(tag) = tag {
            link.execute(params![entry.id.0.as_bytes(), tag.0.as_bytes(), user.as_bytes()])?;
        }
    }
    Ok(())
}
