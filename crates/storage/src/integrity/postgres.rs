//! Checks the rows and indexes of a PostgreSQL database. Each statement runs in a separate read-only transaction with
//! a time limit, so that no snapshot is held for long and no other session waits for a lock.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::{FindingKind, Integrity, IntegrityError, orphans, quoted};
use crate::DatabaseUrl;
use crate::migrate::postgres::connect;
use crate::postgres::error::sentence;
use crate::schema::{self, Schema, Table};

const INDEX: &str = "idx_journal_entries_search";
/// The time limit of a statement in minutes.
const STATEMENT_TIMEOUT_MINUTES: u32 = 10;
const SESSION: &str =
    "SET default_transaction_read_only = on; SET statement_timeout = '10min'; SET lock_timeout = '10s'";
/// The functions of the extension amcheck (manual, appendix F) that exist and that this role may call.
const AMCHECK: &str = "
    SELECT p.oid::regproc::text, p.proname::text FROM pg_proc p JOIN pg_extension e ON e.extname = 'amcheck'
    JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refobjid = e.oid AND d.deptype = 'e'
    WHERE has_function_privilege(p.oid, 'EXECUTE')
    AND (p.proname = 'gin_index_check' OR p.proname = 'bt_index_check' AND p.pronargs = 2)";
const INDEXES: &str = "
    SELECT i.relname::text, t.relname::text, m.amname::text, i.oid::regclass::text
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
    JOIN pg_am m ON m.oid = i.relam
    WHERE t.relnamespace = current_schema()::regnamespace AND i.relkind = 'i' AND x.indisvalid AND x.indisready
    AND i.relpersistence <> 't' ORDER BY i.relname";
/// A new version of the C library or of ICU can sort differently from existing indexes.
const COLLATIONS: &str = "
    SELECT 'the database''s own', datcollversion, pg_database_collation_actual_version(oid),
        format('REINDEX DATABASE CONCURRENTLY %I; ALTER DATABASE %I REFRESH COLLATION VERSION;', datname, datname)
    FROM pg_database WHERE datname = current_database() AND datcollversion <> pg_database_collation_actual_version(oid)";
/// The number of entries with words that are looked up in the full-text index.
const SAMPLED_ENTRIES: u32 = 100;

pub(super) async fn check(url: &DatabaseUrl) -> Result<Integrity, IntegrityError> {
    let unreadable = |reason: String| IntegrityError::Unreadable { database: url.to_string(), reason };
    let client = connect(url).await.map_err(unreadable)?;
    client.batch_execute(SESSION).await.map_err(|error| unreadable(sentence(&error)))?;
    let schema = schema::read(url).await?;
    let mut found = Integrity::default();
    collations(&client, &mut found).await;
    for (name, table) in &schema.tables {
        read_rows(&client, name, table, &mut found).await;
        duplicates(&client, name, table, &mut found).await;
    }
    for key in orphans(&schema) {
        match count(&client, &key.count).await {
            Ok(orphans) => key.report(orphans, &mut found),
            Err(error) => failed(&key.table, &key.name, &error, &mut found),
        }
    }
    indexes(&client, &mut found).await;
    search(&client, &schema, &mut found).await;
    Ok(found)
}

/// Reads every value of every row, and evaluates each check constraint.
async fn read_rows(client: &Client, name: &str, table: &Table, found: &mut Integrity) {
    let broken = table.checks.iter().map(|check| format!(", count(*) FILTER (WHERE NOT ({}))", check.expression));
    let sql = format!("SELECT count(t::text){} FROM {} AS t", broken.collect::<String>(), quoted(name));
    let row = match client.query_one(&sql, &[]).await {
        Ok(row) => row,
        Err(error) => return failed(name, "", &error, found),
    };
    for (at, check) in table.checks.iter().enumerate() {
        found.add_broken_check(name, check, row.try_get::<_, i64>(at + 1).unwrap_or_default().unsigned_abs());
    }
}

/// Finds rows that violate a key, without using the key's own index, which may be the damaged part.
async fn duplicates(client: &Client, name: &str, table: &Table, found: &mut Integrity) {
    let keys = table.primary_key.iter().chain(&table.uniques).map(|key| (&key.name, &key.columns));
    let indexes = table.indexes.iter().filter(|index| {
        index.unique && index.predicate.is_none() && index.columns.iter().all(|column| table.column(column).is_some())
    });
    for (key, columns) in keys.chain(indexes.map(|index| (&index.name, &index.columns))) {
        let columns: Vec<_> = columns.iter().map(|column| quoted(column)).collect();
        let set: Vec<_> = columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
        let sql = format!(
            "BEGIN; SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off; \
             SELECT count(*) FROM (SELECT 1 FROM {} WHERE {} GROUP BY {} HAVING count(*) > 1) AS twice; COMMIT",
            quoted(name),
            set.join(" AND "),
            columns.join(", ")
        );
        match simple_count(client, &sql).await {
            Ok(0) => {}
            Ok(twice) => {
                found
                    .add(FindingKind::Duplicate, name, key)
                    .differs("no two rows that are equal in it", format!("values that several rows have: {twice}"));
            }
            Err(error) => {
                let _ = client.batch_execute("ROLLBACK").await;
                failed(name, key, &error, found);
            }
        }
    }
}

/// Compares each index with its table, if the extension amcheck can be used.
async fn indexes(client: &Client, found: &mut Integrity) {
    let without = "The indexes were not compared with their tables: `CREATE EXTENSION amcheck`, and for a role that is no \
                   superuser `GRANT EXECUTE` on its functions, allow that.";
    let (functions, indexes) = match (client.query(AMCHECK, &[]).await, client.query(INDEXES, &[]).await) {
        (Ok(functions), Ok(indexes)) => (functions, indexes),
        (Err(error), _) | (_, Err(error)) => return failed("", "", &error, found),
    };
    let function =
        |name: &str| functions.iter().find(|row| row.get::<_, &str>(1) == name).map(|row| row.get::<_, String>(0));
    let Some(btree) = function("bt_index_check") else { return found.notes.push(without.to_owned()) };
    let gin = function("gin_index_check");
    for row in &indexes {
        let (name, table, method, index): (&str, &str, &str, &str) = (row.get(0), row.get(1), row.get(2), row.get(3));
        let sql = match (method, &gin) {
            ("btree", _) => format!("SELECT {btree}('{}'::regclass, true)", index.replace('\'', "''")),
            ("gin", Some(gin)) => format!("SELECT {gin}('{}'::regclass)", index.replace('\'', "''")),
            _ => continue,
        };
        if let Err(error) = client.batch_execute(&sql).await {
            if is_damage(&error) {
                found
                    .add(FindingKind::Damage, table, name)
                    .differs("an index that fits its table", sentence(&error))
                    .mended_by(format!("REINDEX INDEX CONCURRENTLY {index};"));
            } else {
                failed(table, name, &error, found);
            }
        }
    }
}

/// Looks up a word of some entries in the full-text index.
async fn search(client: &Client, schema: &Schema, found: &mut Integrity) {
    let Some(entries) = schema.tables.get("journal_entries") else { return };
    let Some(index) = entries.indexes.iter().find(|index| index.name == INDEX && index.valid) else { return };
    let [words] = index.columns.as_slice() else { return };
    // OFFSET 0 is an optimization fence. Without it, the planner would find the entry by its id.
    let sql = format!(
        "BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off;
         SELECT count(*) FROM (
             SELECT id, (tsvector_to_array({words}))[1] AS word FROM journal_entries WHERE content <> ''
             ORDER BY id DESC LIMIT {SAMPLED_ENTRIES}
         ) AS sample
         WHERE word ~ '^\\w+$' AND NOT coalesce((
             SELECT bool_or(found.id = sample.id)
             FROM (SELECT id FROM journal_entries WHERE {words} @@ quote_literal(sample.word)::tsquery OFFSET 0) AS found
         ), false);
         COMMIT"
    );
    match simple_count(client, &sql).await {
        Ok(0) => {}
        Ok(lost) => {
            found
                .add(FindingKind::SearchIndex, "journal_entries", INDEX)
                .differs("the words of all entries", format!("none of {lost} of the newest {SAMPLED_ENTRIES} entries"))
                .mended_by("sotto db reindex");
        }
        Err(error) => {
            let _ = client.batch_execute("ROLLBACK").await;
            failed("journal_entries", INDEX, &error, found);
        }
    }
}

async fn collations(client: &Client, found: &mut Integrity) {
    let rows = match client.query(COLLATIONS, &[]).await {
        Ok(rows) => rows,
        Err(error) => return failed("", "", &error, found),
    };
    for row in rows {
        found
            .add(FindingKind::Collation, "", row.get(0))
            .differs(
                format!("version {}, which the indexes were built with", row.get::<_, &str>(1)),
                format!("version {}: indexes on text may miss rows", row.get::<_, &str>(2)),
            )
            .mended_by(row.get::<_, String>(3));
    }
}

/// Rebuilds the full-text index without blocking reads and writes.
pub(super) async fn reindex(url: &DatabaseUrl) -> Result<u64, IntegrityError> {
    let unreadable = |error: Error| IntegrityError::Unreadable { database: url.to_string(), reason: sentence(&error) };
    let schema = schema::read(url).await?;
    let exists =
        schema.tables.get("journal_entries").is_some_and(|table| table.indexes.iter().any(|one| one.name == INDEX));
    if !exists {
        return Err(IntegrityError::NoIndex(INDEX));
    }
    let connected = connect(url).await;
    let client = connected.map_err(|reason| IntegrityError::Unreadable { database: url.to_string(), reason })?;
    client.batch_execute(&format!("REINDEX INDEX CONCURRENTLY {INDEX}")).await.map_err(unreadable)?;
    let mut found = Integrity::default();
    search(&client, &schema::read(url).await?, &mut found).await;
    match found.findings.pop() {
        Some(wrong) => Err(IntegrityError::StillWrong(wrong.found)),
        None => {
            count(&client, "SELECT count(*) FROM journal_entries WHERE secret_tag_id IS NULL").await.map_err(unreadable)
        }
    }
}

async fn count(client: &Client, sql: &str) -> Result<u64, Error> {
    client.query_one(sql, &[]).await?.try_get::<_, i64>(0).map(i64::unsigned_abs)
}

/// Runs several statements as one and returns the one number that they select.
async fn simple_count(client: &Client, sql: &str) -> Result<u64, Error> {
    let messages = client.simple_query(sql).await?;
    let number = messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    Ok(number.unwrap_or_default())
}

fn is_damage(error: &Error) -> bool {
    let damage = [&SqlState::DATA_CORRUPTED, &SqlState::INDEX_CORRUPTED];
    error.code().is_some_and(|code| damage.contains(&code))
}

/// Reports a statement that failed, either because of damage or for a reason that leaves the check undone.
fn failed(table: &str, name: &str, error: &Error, found: &mut Integrity) {
    if is_damage(error) {
        found.add(FindingKind::Damage, table, name).differs("rows that can be read", sentence(error));
        return;
    }
    let reason = match error.code() {
        Some(&SqlState::QUERY_CANCELED) => {
            format!("a statement that takes longer than {STATEMENT_TIMEOUT_MINUTES} minutes")
        }
        _ => sentence(error),
    };
    found.add(FindingKind::Unchecked, table, name).differs("to be read to the end", reason);
}
