//! Copies of a database file that migrations take before a change: `NAME-at-REVISION-TIME.db`, next to it.
//!
//! A copy gets its final name when it is complete and has been compared with the database.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use sotto_files::{Draft, FileError, folder_of, remove_abandoned, remove_if_there};

use super::super::error::{MigrateError, Result};
use super::super::plan::Applied;
use super::super::{COPIES_KEPT, COPIES_KEPT_DAYS};
use super::{READ_TIMEOUT, applied, open, sentence, unusable};
use crate::sqlite::files::beside;

/// Copies the database to a new file next to it, durably. The caller's connection holds the write lock, so only one
/// process at a time does this; another connection can still read.
pub(super) fn create(path: &Path, before: &[Applied]) -> Result<PathBuf> {
    clear(path)?;
    let connection = open(path, READ_TIMEOUT)?;
    let stamp = moment(&connection, "+0 days").map_err(|error| unusable(path, &error))?;
    let version = before.last().map_or(0, |row| row.version);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut number = 1_u32;
    let (target, draft) = loop {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let target = path.with_file_name(format!("{stem}-at-{version:04}-{stamp}{suffix}.db"));
        match Draft::create(&target) {
            Ok(draft) => break (target, draft),
            Err(FileError::Taken(_) | FileError::BeingWritten(_)) => number += 1,
            Err(error) => return Err(failed(&target, error.to_string())),
        }
    };
    // VACUUM INTO accepts an empty file.
    connection
        .execute("VACUUM INTO ?1", [draft.path().to_string_lossy()])
        .map_err(|error| failed(&target, sentence(&error)))?;
    verify(&connection, draft.path(), before).map_err(|reason| failed(&target, reason))?;
    draft.publish().map_err(|error| failed(&target, error.to_string()))?;
    Ok(target)
}

/// Opens the copy as a later reader would, and compares revisions and numbers of rows.
fn verify(original: &Connection, copy: &Path, before: &[Applied]) -> std::result::Result<(), String> {
    let compare = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let copy = Connection::open_with_flags(copy, flags)?;
        Ok(applied(&copy)? == before && counts(original)? == counts(&copy)?)
    };
    match compare() {
        Ok(true) => Ok(()),
        Ok(false) => Err("the copy differs from the database".into()),
        Err(error) => Err(sentence(&error)),
    }
}

/// The number of rows of each table.
fn counts(connection: &Connection) -> rusqlite::Result<Vec<(String, i64)>> {
    let mut names = connection.prepare(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         ORDER BY name",
    )?;
    let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let count = |name: String| {
        let sql = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
        Ok((name, connection.query_row(&sql, [], |row| row.get(0))?))
    };
    names.into_iter().map(count).collect()
}

/// Deletes copies for which there are enough newer ones, and returns their names. A copy that cannot be deleted is
/// kept, because the migration has succeeded.
pub(super) fn prune(path: &Path, connection: &Connection) -> Vec<PathBuf> {
    let oldest = moment(connection, &format!("-{COPIES_KEPT_DAYS} days"));
    let (Ok(mut copies), Ok(oldest)) = (copies(path), oldest) else { return Vec::new() };
    copies.sort_by(|a, b| b.cmp(a));
    let surplus = copies.into_iter().skip(COPIES_KEPT).filter(|copy| copy.taken_at < oldest);
    let deleted = surplus.filter(|copy| {
        let with_logs = ["-wal", "-shm", "-journal", ""].map(|end| beside(&copy.path, end));
        with_logs.iter().all(|file| remove_if_there(file).is_ok())
    });
    deleted.map(|copy| copy.path).collect()
}

/// Deletes what killed migrations have left: drafts, and incomplete files that older versions wrote under final names.
fn clear(path: &Path) -> Result<()> {
    let failed = |error: FileError| failed(path, error.to_string());
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    remove_abandoned(folder_of(path), |name| SnapshotFile::parse(&stem, name).is_some()).map_err(failed)?;
    for copy in copies(path).map_err(|error| self::failed(path, error.to_string()))? {
        if !begins_as_database(&copy.path) {
            remove_if_there(&copy.path).map_err(failed)?;
        }
    }
    Ok(())
}

/// A copy, parsed from its name. Sorts oldest first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SnapshotFile {
    /// The time in the name: `20250122T100000Z`.
    taken_at: String,
    /// Distinguishes copies of the same second.
    number: u32,
    path: PathBuf,
}

impl SnapshotFile {
    /// Reads `journal-at-0003-20250122T100000Z-2.db`.
    fn parse(stem: &str, name: &str) -> Option<(String, u32)> {
        let rest = name.strip_prefix(stem)?.strip_prefix("-at-")?.strip_suffix(".db")?;
        let (version, rest) = rest.split_once('-')?;
        let (taken_at, number) = rest.split_once('-').unwrap_or((rest, "1"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (day, time) = taken_at.strip_suffix('Z')?.split_once('T')?;
        let well_formed = digits(version) && digits(day) && day.len() == 8 && digits(time) && time.len() == 6;
        if well_formed { Some((taken_at.to_owned(), number.parse().ok()?)) } else { None }
    }
}

fn copies(path: &Path) -> std::io::Result<Vec<SnapshotFile>> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut copies = Vec::new();
    for item in fs::read_dir(folder_of(path))? {
        let item = item?;
        let parsed = SnapshotFile::parse(&stem, &item.file_name().to_string_lossy());
        // A link was not created by Sotto.
        if let Some((taken_at, number)) = parsed.filter(|_| item.file_type().is_ok_and(|kind| kind.is_file())) {
            copies.push(SnapshotFile { taken_at, number, path: item.path() });
        }
    }
    Ok(copies)
}

fn begins_as_database(path: &Path) -> bool {
    let mut header = [0; 16];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Ok(()) => &header == b"SQLite format 3\0",
        // An unreadable file is kept.
        Err(error) => error.kind() != std::io::ErrorKind::UnexpectedEof,
    }
}

/// The present time plus `modifier`, in the form of a name.
fn moment(connection: &Connection, modifier: &str) -> rusqlite::Result<String> {
    connection.query_row("SELECT strftime('%Y%m%dT%H%M%SZ', 'now', ?1)", [modifier], |row| row.get(0))
}

fn failed(target: &Path, reason: String) -> MigrateError {
    MigrateError::Snapshot { path: target.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_generated_copy_names_are_recognised() {
        let parse = |name| SnapshotFile::parse("journal", name);
        assert_eq!(parse("journal-at-0003-20250122T100000Z.db"), Some(("20250122T100000Z".into(), 1)));
        assert_eq!(parse("journal-at-0003-20250122T100000Z-12.db"), Some(("20250122T100000Z".into(), 12)));
        for other in [
            "journal.db",
            "journal-at-0003.db",
            "journal-at-home-20250122T100000Z.db",
            "journal-at-0003-20250122T100000Z.db-wal",
            "journal-at-0003-20250122T1000Z.db",
            "journal-at-0003-20250122T100000Z-mine.db",
            "letters-at-0003-20250122T100000Z.db",
            "journal-at-0003-2025-22T100000Z.db",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
