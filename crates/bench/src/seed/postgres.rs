//! Writes journals to PostgreSQL.

use std::fmt::Write;
use std::ops::Range;
use std::pin::pin;

use axum::body::Bytes;
use futures_util::SinkExt;
use sotto_domain::tag::{TagChoice, TagName};
use tokio_postgres::Client;

use super::Author;
use crate::Result;
use crate::database;

/// Adds the journals of these authors with `COPY`, and vacuums and analyses the tables, so that autovacuum does not run
/// during the measurement.
pub async fn write(url: &str, authors: Range<u64>, entries: u64, template_email: &str) -> Result<()> {
    let client = database::connect(url).await?;
    client.batch_execute("SET synchronous_commit = off; SET maintenance_work_mem = '256MB'").await?;
    write_users(&client, authors.clone(), template_email).await?;
    // Building the full-text index at the end is many times faster than updating it with each entry.
    let index = "SELECT pg_get_indexdef('idx_journal_entries_search'::regclass)";
    let create_index: String = client.query_one(index, &[]).await?.get(0);
    client.batch_execute("DROP INDEX idx_journal_entries_search").await?;
    for n in 0..entries {
        write_day(&client, authors.clone(), n).await?;
    }
    client.batch_execute(&create_index).await?;
    client.batch_execute("VACUUM (ANALYZE)").await?;
    // Otherwise a checkpoint would write these pages during the measurement.
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

async fn write_users(client: &Client, authors: Range<u64>, template_email: &str) -> Result<()> {
    let hash = "SELECT hashed_password FROM users WHERE email = $1";
    let hash: String = client.query_one(hash, &[&template_email]).await?.get(0);
    let (mut users, mut tags) = (String::new(), String::new());
    for author in authors.map(Author) {
        let (id, moment) = (author.id(), author.moment(0));
        writeln!(users, "{id}\t{}\t{hash}\tUTC\t{moment}\t{moment}", author.email())?;
        for tag in author.tags() {
            let key = TagName::from_stored(tag.name.into()).key();
            writeln!(tags, "{}\t{}\t{key}\t{id}\t{moment}\t{moment}", tag.id, tag.name)?;
        }
    }
    copy(client, "users (id, email, hashed_password, time_zone, created_at, updated_at)", users).await?;
    copy(client, "tags (id, name, name_key, user_id, created_at, updated_at)", tags).await
}

async fn write_day(client: &Client, authors: Range<u64>, n: u64) -> Result<()> {
    let (mut entries, mut links) = (String::new(), String::new());
    for author in authors.map(Author) {
        let (user, entry) = (author.id(), author.entry(n));
        let (id, body, moment) = (entry.id, &entry.body, entry.body.date.moment);
        let title = body.title.as_deref().unwrap_or("\\N");
        let (content, zone, day, words) = (&body.content, body.date.zone.name(), body.date.day(), body.words());
        writeln!(entries, "{id}\t{title}\t{content}\t{moment}\t{zone}\t{day}\t{words}\t{user}\t{moment}\t{moment}")?;
        for tag in &entry.tags {
            if let TagChoice::Existing(tag) = tag {
                writeln!(links, "{id}\t{tag}\t{user}")?;
            }
        }
    }
    let columns = "id, title, content, entry_date, entry_zone, entry_day, word_count, user_id, created_at, updated_at";
    copy(client, &format!("journal_entries ({columns})"), entries).await?;
    copy(client, "journal_entry_tags (entry_id, tag_id, user_id)", links).await
}

/// `rows` in the text format of `COPY`. The words of the journals need no escapes.
async fn copy(client: &Client, table: &str, rows: String) -> Result<()> {
    let mut sink = pin!(client.copy_in(&format!("COPY {table} FROM STDIN")).await?);
    sink.send(Bytes::from(rows)).await?;
    sink.finish().await?;
    Ok(())
}
