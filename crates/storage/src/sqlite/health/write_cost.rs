//! Measures the time that an index adds to inserts, in a scratch database.

use std::fmt::Write;
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension};
use sotto_domain::health::WriteCost;

use crate::statements::mark;

/// The number of rows in one run.
const ROWS_PER_RUN: u32 = 2000;
/// The number of runs. The fastest one counts, because other load on the machine only makes runs slower.
const RUNS: usize = 3;

const TABLE_OF: &str = concat!(
    mark!(),
    "SELECT tbl_name, sql IS NOT NULL AND sql NOT LIKE 'CREATE UNIQUE%' FROM sqlite_schema
     WHERE type = 'index' AND name = ?1"
);
const PARTS: &str = concat!(
    mark!(),
    "SELECT name, sql FROM sqlite_schema
     WHERE tbl_name = ?1 AND type IN ('table', 'index') AND sql IS NOT NULL ORDER BY type DESC"
);
const COLUMNS: &str = concat!(mark!(), "SELECT name, type FROM pragma_table_info(?1)");

/// A table with its indexes, to be created in a scratch database.
pub struct Bench {
    table: String,
    index: String,
    parts: Vec<(String, String)>,
    columns: Vec<(String, String)>,
}

impl Bench {
    /// Returns `None` if there is no such index or the table requires the index.
    pub fn find(connection: &Connection, index: &str) -> rusqlite::Result<Option<Self>> {
        let table = connection.query_row(TABLE_OF, [index], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((table, true)) = table else { return Ok(None) };
        let pairs = |sql: &str| -> rusqlite::Result<Vec<(String, String)>> {
            connection.prepare(sql)?.query_map([&table], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let (parts, columns) = (pairs(PARTS)?, pairs(COLUMNS)?);
        Ok(Some(Self { table, index: index.to_owned(), parts, columns }))
    }

    /// Takes about half a second.
    pub fn measure(&self) -> rusqlite::Result<WriteCost> {
        let (mut with_ms, mut without_ms) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..RUNS {
            with_ms = with_ms.min(self.insert_ms(true)?);
            without_ms = without_ms.min(self.insert_ms(false)?);
        }
        Ok(WriteCost { rows: ROWS_PER_RUN, with_ms, without_ms })
    }

    fn insert_ms(&self, with_index: bool) -> rusqlite::Result<f64> {
        // A database without a name is a temporary file that no other connection sees
        // (https://www.sqlite.org/inmemorydb.html).
        let scratch = Connection::open("")?;
        scratch.pragma_update(None, "foreign_keys", false)?;
        scratch.pragma_update(None, "ignore_check_constraints", true)?;
        for (name, sql) in &self.parts {
            if with_index || *name != self.index {
                scratch.execute_batch(sql)?;
            }
        }
        let insert = self.insert();
        let start = Instant::now();
        scratch.execute(&insert, [ROWS_PER_RUN])?;
        Ok(start.elapsed().as_secs_f64() * 1000.0)
    }

    /// Inserts rows of a hundred users. All other values are distinct.
    fn insert(&self) -> String {
        let (mut names, mut values) = (String::new(), String::new());
        for (name, kind) in &self.columns {
            let value = match (name.as_str(), kind.as_str()) {
                ("user_id", _) => "CAST(printf('%016d', n % 100) AS BLOB)",
                (_, "BLOB") => "randomblob(16)",
                (_, "TEXT") => "hex(randomblob(8))",
                _ => "n",
            };
            let comma = if names.is_empty() { "" } else { ", " };
            let _ = write!(names, "{comma}\"{name}\"");
            let _ = write!(values, "{comma}{value}");
        }
        format!(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
             INSERT INTO \"{}\" ({names}) SELECT {values} FROM numbers",
            self.table
        )
    }
}
