//! Reads the plans of SQLite, from `EXPLAIN QUERY PLAN` (<https://www.sqlite.org/eqp.html>).

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use sotto_domain::storage::Storage;

use super::population::{Spelling, statements};
use super::{Cell, Reads, calls, foreign_keys};
use crate::sqlite::Sqlite;
use crate::statements::Timing;
use crate::testing::Scratch;
use crate::{DatabaseUrl, migrate, schema};

const SPELLING: Spelling = Spelling {
    numbers: "CREATE TABLE numbers (n INTEGER PRIMARY KEY);
        INSERT INTO numbers WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 3000) SELECT n FROM i",
    uuid: |digits| format!("unhex({digits})"),
    instant: |hours| format!("1737540000000000 + ({hours}) * 3600000000"),
    day: |hours| format!("date(1737540000 + ({hours}) * 3600, 'unixepoch')"),
    hex: |number| format!("printf('%08x', {number})"),
    id_bytes: str::to_owned,
    bytes: |length| format!("zeroblob({length})"),
    unhex: |digits| format!("unhex({digits})"),
};

/// Returns one matrix without the statistics of `ANALYZE`, as the server runs, and one with them.
pub async fn matrices() -> Vec<Vec<Cell>> {
    let scratch = Scratch::sqlite();
    let DatabaseUrl::Sqlite(path) = &scratch.url else { unreachable!("it is SQLite") };
    migrate::upgrade(&scratch.url).await.unwrap();
    let connection = open(path);
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    connection.execute_batch(&statements(&SPELLING)).unwrap();
    connection.execute_batch("COMMIT").unwrap();
    let entries: u32 = connection.query_row("SELECT count(*) FROM journal_entries", [], |row| row.get(0)).unwrap();
    assert!(entries >= 20_000, "{entries}");

    let storage = Arc::new(Sqlite::open(path).await.unwrap());
    let mut seen: Vec<(String, String)> = Vec::new();
    let mut before = storage.timer.seen();
    calls::all(&*storage, |method| {
        let now = storage.timer.seen();
        let calls = |seen: &HashMap<Box<str>, Timing>, sql: &str| seen.get(sql).map_or(0, |timing| timing.calls);
        let mut of_this: Vec<&str> =
            now.keys().map(AsRef::as_ref).filter(|sql| calls(&now, sql) > calls(&before, sql)).collect();
        of_this.sort_unstable();
        for sql in of_this {
            // Statements that begin and end transactions have no plan.
            let word = sql.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            if ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(&word.as_str()) {
                seen.push((method.to_owned(), sql.to_owned()));
            }
        }
        before = now;
    })
    .await;
    storage.close().await;
    seen.extend(foreign_keys(&schema::read(&scratch.url).await.unwrap(), |n| format!("?{n}")));

    let mut matrices = vec![cells("sqlite", &connection, &seen)];
    connection.execute_batch("ANALYZE").unwrap();
    // The planner reads the statistics when the schema is loaded.
    matrices.push(cells("ANALYZEd", &open(path), &seen));
    matrices
}

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
    // The plan includes the statements of triggers and foreign keys.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRIGGER_EQP, true).unwrap();
    connection
}

fn cells(engine: &'static str, connection: &Connection, seen: &[(String, String)]) -> Vec<Cell> {
    let cell = |(who, sql): &(String, String)| Cell {
        engine,
        who: who.clone(),
        statement: sql.clone(),
        reads: reads(connection, sql),
    };
    seen.iter().map(cell).collect()
}

fn reads(connection: &Connection, sql: &str) -> Reads {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    // The plan of a trigger starts with a line without details.
    let lines =
        explain.raw_query().mapped(|row| row.get::<_, Option<String>>(3)).collect::<Result<Vec<_>, _>>().unwrap();
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    let made_here: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("CO-ROUTINE ").or(line.strip_prefix("MATERIALIZE ")))
        .collect();
    let mut reads = Reads::default();
    for line in &lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let index = words.iter().position(|word| *word == "INDEX").and_then(|at| words.get(at + 1));
        match words.as_slice() {
            ["SEARCH", table, ..] => {
                let name = index.map_or_else(|| format!("{table}'s rowid"), |name| (*name).to_owned());
                reads.indexes.insert(name);
            }
            // A virtual table finds its rows itself: FTS5 with its index, `json_each` in its argument.
            ["SCAN", table, "VIRTUAL", "TABLE", ..] => drop(reads.indexes.insert((*table).to_owned())),
            ["SCAN", "CONSTANT", ..] | ["SCAN", _, "CONSTANT", ..] => {}
            ["SCAN", table, ..] if made_here.contains(table) => {}
            ["SCAN", table, ..] => drop(reads.in_full.insert((*table).to_owned())),
            _ => {}
        }
    }
    reads
}
