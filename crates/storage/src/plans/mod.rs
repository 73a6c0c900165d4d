//! Tests which statements use an index, on both engines. The matrix has a cell for every statement that the contract
//! runs, and for the look-ups of every foreign key.
//!
//! The matrix cannot go stale: the statements are recorded from the engines while each method of the contract is
//! called, and the foreign keys are read from the database. A method without a cell fails the test.
#![allow(clippy::print_stdout, reason = "the matrix is there to be read")]

mod calls;
mod population;
mod postgres;
mod sqlite;

use std::collections::BTreeSet;
use std::fmt;

use crate::conformance::isolation::contract_methods;
use crate::schema::Schema;

/// The minimum share of cells that use an index, from the founding document.
const MIN_SHARE: f64 = 0.95;

/// The methods (an empty name means any), the table or index that they may read in full, and the reason.
const EXCEPTIONS: [(&str, &str, &str); 7] = [
    ("", "main.journal_entries_fts_config", "FTS5 itself reads its settings, which are two rows, once per connection"),
    ("SecretTags.server_keys", "secret_tags", KEYS),
    ("SecretTags.server_keys", "idx_secret_tags_server_keys", KEYS),
    ("Users.create_first", "users", FIRST),
    ("Identities.sign_up_first", "users", FIRST),
    ("Users.administer", "users", SUPERUSERS),
    ("Users.delete", "users", SUPERUSERS),
];
const SUPERUSERS: &str =
    "it is looked for another superuser only when one goes, which hardly ever happens, and up to the first";
const FIRST: &str = "it reads up to the first account, to see whether there is one";
const KEYS: &str = "a server asks once, when it starts, and is told each different value of one narrow index";

/// This table has at most one row, so reading it in full is as good as an index.
const ONE_ROW: &str = "attachment_store";

/// The methods of this trait query the engine's catalogue and none of Sotto's tables. Their statements are not timed
/// either.
const NOT_ON_ROWS: &str = "Health.";

/// One statement of one method, or one look-up of a foreign key.
struct Cell {
    engine: &'static str,
    /// `Entries.list`, or `fk_tags_user: children`.
    who: String,
    statement: String,
    reads: Reads,
}

/// What a statement reads to find its rows.
#[derive(Debug, Default)]
struct Reads {
    /// Indexes that are searched.
    indexes: BTreeSet<String>,
    /// Tables or indexes that are read in full.
    in_full: BTreeSet<String>,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let reads = match (self.reads.indexes.is_empty(), self.reads.in_full.is_empty()) {
            (true, true) => "–".to_owned(),
            (_, true) => list(&self.reads.indexes),
            _ => format!("IN FULL: {}", list(&self.reads.in_full)),
        };
        let statement: String = self.statement.split_whitespace().collect::<Vec<_>>().join(" ");
        let statement: String = statement.chars().take(60).collect();
        write!(f, "| {:<8} | {:<44} | {statement:<60} | {reads} |", self.engine, self.who)
    }
}

/// The look-ups of each foreign key: finding the referring rows when the row that they refer to is deleted, and
/// deleting that row. `parameter` returns the engine's spelling of a parameter, counted from 1.
fn foreign_keys(schema: &Schema, parameter: impl Fn(usize) -> String) -> Vec<(String, String)> {
    let equal = |columns: &[String]| {
        let terms = columns.iter().enumerate().map(|(at, column)| format!("\"{column}\" = {}", parameter(at + 1)));
        terms.collect::<Vec<_>>().join(" AND ")
    };
    let mut all = Vec::new();
    for (child, table) in &schema.tables {
        for key in &table.foreign_keys {
            let children = match key.on_delete.as_str() {
                "CASCADE" => format!("DELETE FROM \"{child}\" WHERE {}", equal(&key.columns)),
                _ => format!("SELECT 1 FROM \"{child}\" WHERE {}", equal(&key.columns)),
            };
            all.push((format!("{}: children", key.name), children));
            let parent = format!("DELETE FROM \"{}\" WHERE {}", key.table, equal(&key.references));
            all.push((format!("{}: parent", key.name), parent));
        }
    }
    all
}

/// The indexes that the contract and the foreign keys use, first on SQLite, then on PostgreSQL.
pub async fn indexes_used() -> [BTreeSet<String>; 2] {
    let sqlite = sqlite::matrices().await.into_iter().flatten();
    let of = |cell: Cell| cell.reads.indexes;
    [sqlite.flat_map(of).collect(), postgres::matrix().await.into_iter().flat_map(of).collect()]
}

/// Prints the matrix of one engine, and checks it against [`MIN_SHARE`] and [`EXCEPTIONS`].
fn check_cells(cells: &[Cell]) {
    let called: BTreeSet<String> = cells.iter().map(|cell| cell.who.clone()).filter(|who| !who.contains(':')).collect();
    let on_rows = contract_methods().into_iter().filter(|method| !method.starts_with(NOT_ON_ROWS)).collect();
    assert_eq!(called, on_rows, "every method of the contract has a cell");

    for cell in cells {
        println!("{cell}");
    }
    // A cell that reads nothing, such as an INSERT of one row, is printed but does not affect the share.
    let reading = cells.iter().filter(|cell| !(cell.reads.indexes.is_empty() && cell.reads.in_full.is_empty()));
    let (good, bad): (Vec<_>, Vec<_>) =
        reading.partition(|cell| cell.reads.in_full.iter().all(|table| table == ONE_ROW));
    #[expect(clippy::cast_precision_loss, reason = "there are a few hundred")]
    let share = good.len() as f64 / (good.len() + bad.len()) as f64;
    println!("{} of {} cells that read something use an index.", good.len(), good.len() + bad.len());
    for cell in bad {
        for table in &cell.reads.in_full {
            let excused = |(who, what, _): &&(&str, &str, &str)| what == table && cell.who.starts_with(who);
            let reason = EXCEPTIONS.iter().find(excused).map(|(_, _, reason)| reason);
            let reason = reason.unwrap_or_else(|| panic!("{table} is read in full:\n{cell}\n{}", cell.statement));
            println!("{} reads {table} in full: {reason}.", cell.who);
        }
    }
    assert!(good.len() > 50 && share > MIN_SHARE, "{share}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_uses_indexes_on_sqlite() {
    for cells in sqlite::matrices().await {
        check_cells(&cells);
        // An index by date would not do: it would read the whole journal.
        let by_day = |cell: &Cell| cell.reads.indexes.contains("idx_journal_entries_user_day");
        assert!(cells.iter().any(|cell| cell.who == "Entries.on_days" && by_day(cell)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_uses_indexes_on_postgresql() {
    check_cells(&postgres::matrix().await);
}
