//! Checks the file and rows of a SQLite database. <https://www.sqlite.org/pragma.html#pragma_integrity_check> reads the
//! whole file: pages, indexes, NOT NULL and UNIQUE, the types of STRICT tables, and the structure of the full-text
//! index. CHECK constraints are evaluated one by one.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Result};

use super::{FindingKind, Integrity, orphans, quoted, rows, search};
use crate::schema;

/// The most faults that are listed.
const MAX_FAULTS: u32 = 100;
const INTEGRITY_CHECK: &str =
    "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok' LIMIT ?1";

pub(super) fn check(path: &Path) -> Result<Integrity> {
    let connection = open(path)?;
    let mut found = Integrity::default();
    if let Err(error) = integrity(&connection, &mut found) {
        damaged(&mut found, &error.to_string());
        // The other checks would report the same damage again.
        return Ok(found);
    }
    let schema = schema::read_connection(&connection)?;
    for key in orphans(&schema) {
        match connection.query_row(&key.count, [], |row| row.get::<_, i64>(0)) {
            Ok(count) => key.report(count.unsigned_abs(), &mut found),
            Err(error) => damaged(&mut found, &format!("{} cannot be checked: {error}", key.name)),
        }
    }
    for (name, table) in &schema.tables {
        for check in &table.checks {
            let broken = format!("SELECT count(*) FROM {} WHERE NOT ({})", quoted(name), check.expression);
            match connection.query_row(&broken, [], |row| row.get::<_, i64>(0)) {
                Ok(count) => found.add_broken_check(name, check, count.unsigned_abs()),
                Err(error) => damaged(&mut found, &format!("{} cannot be checked: {error}", check.name)),
            }
        }
    }
    search::check(&connection, &schema, &mut found);
    Ok(found)
}

/// Opens a connection that cannot write.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

fn integrity(connection: &Connection, found: &mut Integrity) -> Result<()> {
    let mut statement = connection.prepare(INTEGRITY_CHECK)?;
    let mut faults: Vec<String> = Vec::new();
    for fault in statement.query_map([MAX_FAULTS], |row| row.get::<_, String>(0))? {
        // One message can have several lines, one for each page.
        faults.extend(fault?.lines().map(str::to_owned));
    }
    // A fault of many rows is reported once, with the number of rows.
    let mut kinds: Vec<(String, u64)> = Vec::new();
    for fault in &faults {
        let kind =
            fault.strip_prefix("row ").and_then(|rest| rest.split_once(' ')).map_or(fault.as_str(), |(_, rest)| rest);
        match kinds.iter_mut().find(|(known, _)| known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind.to_owned(), 1)),
        }
    }
    for (fault, count) in kinds {
        report(&fault, count, found);
    }
    Ok(())
}

/// SQLite's message says where a value is, but never contains the value.
fn report(fault: &str, count: u64, found: &mut Integrity) {
    let behind = |words: &str| fault.split_once(words).map(|(_, rest)| rest.trim().to_owned());
    if let Some(index) = behind("missing from index ").or_else(|| behind("wrong # of entries in index ")) {
        found
            .add(FindingKind::Damage, "", &index)
            .differs(
                "an index with an entry for each row",
                format!("another number of entries ({fault}, {count} times)"),
            )
            .mended_by(format!("REINDEX {};", quoted(&index)));
    } else if let Some(index) = behind("non-unique entry in index ") {
        found
            .add(FindingKind::Duplicate, "", &index)
            .differs("no two rows that are equal in it", format!("{} that are", rows(count)));
    } else if fault.starts_with("CHECK constraint failed in ") {
        // The later evaluation of each check constraint reports its name.
    } else if fault.contains("journal_entries_fts") {
        search::add_finding(found, fault);
    } else {
        damaged(found, &format!("{fault} ({count} times)"));
    }
}

fn damaged(found: &mut Integrity, what: &str) {
    found.add(FindingKind::Damage, "", "").differs("a file that can be read as a whole", what.replace('\n', "; "));
}
