//! Derives from query plans (<https://www.sqlite.org/eqp.html>) which tables and indexes statements have read.

use std::collections::HashMap;

use rusqlite::Connection;
use sotto_domain::health::{IndexHealth, TableHealth};

use crate::statements::{Timing, mark};

/// The reads so far.
#[derive(Default)]
pub struct Reads {
    tables: HashMap<String, TableReads>,
    indexes: HashMap<String, u64>,
}

#[derive(Default)]
struct TableReads {
    scans: u64,
    scanned_rows: u64,
    look_ups: u64,
}

/// One line of a plan: a loop over one table.
#[derive(Debug, PartialEq, Eq)]
struct Loop<'a> {
    /// The table, or its alias in the statement.
    table: &'a str,
    /// Whether the loop starts at the first row and has no condition for its end.
    is_scan: bool,
    index: Option<&'a str>,
}

impl Reads {
    /// Adds the runs since `before`. Uses the current query plans and the engine's counts of scanned rows. Returns, for
    /// each statement, the tables that it reads from beginning to end.
    pub fn count<'a>(
        &mut self,
        connection: &Connection,
        timings: &'a HashMap<Box<str>, Timing>,
        before: &HashMap<Box<str>, Timing>,
        tables: &[TableHealth],
        indexes: &[IndexHealth],
    ) -> HashMap<&'a str, Vec<String>> {
        let mut scans = HashMap::new();
        for (sql, timing) in timings {
            // Not every statement has a plan: its table may have been dropped, or it may be a BEGIN.
            let Ok(plan) = plan(connection, sql) else { continue };
            let old = before.get(sql).copied().unwrap_or_default();
            let (calls, scanned) = (timing.calls - old.calls, timing.scanned - old.scanned);
            for line in plan.iter().filter_map(|line| Loop::parse(line)) {
                if let Some(index) = line.index.filter(|name| indexes.iter().any(|index| index.name == *name)) {
                    *self.indexes.entry(index.to_owned()).or_default() += calls;
                }
                let of_index = indexes.iter().find(|index| Some(index.name.as_str()) == line.index);
                let name = of_index.map_or_else(|| table_called(line.table, sql), |index| &index.table);
                let Some(table) = tables.iter().find(|table| table.name == name) else { continue };
                let reads = self.tables.entry(table.name.clone()).or_default();
                // A page at the start of an index has no end condition either, but stops early.
                let of_all = |rows: u64, runs: u64| 2 * rows >= table.rows.saturating_mul(runs) && rows > 0;
                if line.is_scan && of_all(timing.scanned, timing.calls) {
                    scans.entry(&**sql).or_insert_with(Vec::new).push(table.name.clone());
                }
                if line.is_scan && of_all(scanned, calls) {
                    reads.scans += calls;
                    reads.scanned_rows += scanned;
                } else {
                    reads.look_ups += calls;
                }
            }
        }
        scans
    }

    /// Sets the counters of tables and indexes.
    pub fn write_to(&self, tables: &mut [TableHealth], indexes: &mut [IndexHealth]) {
        for table in tables {
            if let Some(reads) = self.tables.get(&table.name) {
                (table.scans, table.scanned_rows, table.look_ups) = (reads.scans, reads.scanned_rows, reads.look_ups);
            }
        }
        for index in indexes {
            index.scans = self.indexes.get(&index.name).copied().unwrap_or_default();
        }
    }
}

fn plan(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("{}EXPLAIN QUERY PLAN {sql}", mark!()))?;
    let mut rows = statement.raw_query();
    let mut plan = Vec::new();
    while let Some(row) = rows.next()? {
        plan.push(row.get(3)?);
    }
    Ok(plan)
}

impl<'a> Loop<'a> {
    /// Parses lines such as `SEARCH entry USING COVERING INDEX idx_… (user_id=?)` and `SCAN tags`.
    fn parse(line: &'a str) -> Option<Self> {
        let (is_scan, rest) = match line.split_once(' ')? {
            ("SCAN", rest) => (true, rest),
            ("SEARCH", rest) => (false, rest),
            _ => return None,
        };
        let mut words = rest.split(' ');
        let table = words.next()?;
        if words.clone().next() == Some("VIRTUAL") {
            return None;
        }
        let index = words.skip_while(|word| *word != "INDEX").nth(1).filter(|name| !name.starts_with('('));
        Some(Self { table, is_scan, index })
    }
}

/// The table with this alias: the word before the alias, or before an AS that precedes it.
fn table_called<'a>(alias: &'a str, sql: &'a str) -> &'a str {
    let mut words = sql.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let (mut last, mut table) = ("", "");
    words
        .find_map(|word| {
            if word == alias && ["AS", "as"].contains(&last) {
                return Some(table);
            }
            if !["AS", "as"].contains(&word) {
                table = word;
            }
            last = word;
            None
        })
        .unwrap_or(alias)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_parsed() {
        for (line, table, is_scan, index) in [
            ("SEARCH entry USING INDEX idx_a (user_id=? AND x>?)", "entry", false, Some("idx_a")),
            (
                "SEARCH tags USING COVERING INDEX sqlite_autoindex_tags_1 (id=?)",
                "tags",
                false,
                Some("sqlite_autoindex_tags_1"),
            ),
            ("SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)", "entry", false, None),
            ("SEARCH t USING AUTOMATIC COVERING INDEX (a=?)", "t", false, None),
            ("SCAN users", "users", true, None),
            ("SCAN users USING INDEX idx_users_email", "users", true, Some("idx_users_email")),
        ] {
            assert_eq!(Loop::parse(line), Some(Loop { table, is_scan, index }), "{line}");
        }
        for line in ["USE TEMP B-TREE FOR ORDER BY", "SCAN json_each VIRTUAL TABLE INDEX 1:", "MATERIALIZE x"] {
            assert_eq!(Loop::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_table_is_recognised_by_its_alias() {
        let sql =
            "SELECT x FROM journal_entry_tags AS link CROSS JOIN journal_entries AS entry ON entry.id = link.entry_id";
        assert_eq!(table_called("link", sql), "journal_entry_tags");
        assert_eq!(table_called("entry", sql), "journal_entries");
        assert_eq!(table_called("tags", "SELECT 1 FROM tags"), "tags");
    }
}
