//! What takes reading all of the file: the sizes of tables and indexes, and whether all is sound.

use std::collections::HashMap;

use rusqlite::Connection;
use sotto_domain::Timestamp;

use crate::sqlite::values::count;
use crate::statements::mark;

/// After so many seconds it is looked at anew: one hour.
const GOOD_FOR: i64 = 3600;
/// A file with more bytes than this would keep a reader busy for long, and is not read as a whole: 2 GiB.
const AT_MOST: u64 = 2 << 30;
/// Faults told, at most.
const FAULTS: u32 = 10;

/// <https://www.sqlite.org/dbstat.html>
const SIZES: &str = concat!(mark!(), "SELECT name, pgsize, unused FROM dbstat WHERE aggregate = TRUE");
const SCHEMA_VERSION: &str = concat!(mark!(), "SELECT schema_version FROM pragma_schema_version");
const QUICK_CHECK: &str =
    concat!(mark!(), "SELECT quick_check FROM pragma_quick_check WHERE quick_check <> 'ok' LIMIT ?1");
const FOREIGN_KEY_CHECK: &str = concat!(
    mark!(),
    "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY \"table\", parent LIMIT ?1"
);

/// What was found.
pub struct Inspection {
    at: Timestamp,
    schema_version: i64,
    sizes: HashMap<String, Size>,
    /// What is damaged, a sentence each.
    pub damage: Vec<String>,
    /// What was left out, a sentence each.
    pub notes: Vec<String>,
}

/// Of a table or an index, in bytes.
#[derive(Clone, Copy, Default)]
pub struct Size {
    /// All of its pages.
    pub bytes: u64,
    /// What is empty in them.
    pub unused: u64,
}

impl Inspection {
    /// The last inspection, if it is still good; else a new one.
    pub fn renew<'a>(
        last: &'a mut Option<Self>,
        connection: &Connection,
        bytes: u64,
        now: Timestamp,
    ) -> rusqlite::Result<&'a Self> {
        let schema_version = connection.query_row(SCHEMA_VERSION, [], |row| row.get(0))?;
        let still_good = |one: &Self| one.at.plus_seconds(GOOD_FOR) > now && one.schema_version == schema_version;
        if let Some(inspection) = last.take().filter(still_good) {
            return Ok(last.insert(inspection));
        }
        let inspection = Self::new(connection, bytes, now, schema_version)?;
        // All of the file has passed through the page cache; it need not stay as large as that.
        connection.execute_batch("PRAGMA shrink_memory")?;
        Ok(last.insert(inspection))
    }

    /// The size of a table or an index; zero if it is not known.
    pub fn size(&self, name: &str) -> Size {
        self.sizes.get(name).copied().unwrap_or_default()
    }

    fn new(connection: &Connection, bytes: u64, now: Timestamp, schema_version: i64) -> rusqlite::Result<Self> {
        let mut inspection = Self { at: now, schema_version, sizes: HashMap::new(), damage: vec![], notes: vec![] };
        if bytes > AT_MOST {
            let note = "The file is larger than 2 GiB, so the sizes of its tables are not measured and it is not checked \
                        for damage while it is in use. `sqlite3 FILE 'PRAGMA quick_check'` does that.";
            inspection.notes.push(note.into());
            return Ok(inspection);
        }
        let mut sizes = connection.prepare(SIZES)?;
        let sizes =
            sizes.query_map([], |row| Ok((row.get(0)?, Size { bytes: count(row, 1)?, unused: count(row, 2)? })))?;
        inspection.sizes = sizes.collect::<rusqlite::Result<_>>()?;
        let mut faults = connection.prepare(QUICK_CHECK)?;
        let faults = faults.query_map([FAULTS], |row| row.get::<_, String>(0))?;
        // Of a damaged value SQLite says where it is, and never what it is.
        for fault in faults {
            inspection.damage.push(format!("The file is damaged: {}.", fault?.replace('\n', "; ")));
        }
        let mut orphans = connection.prepare(FOREIGN_KEY_CHECK)?;
        let orphans = orphans.query_map([FAULTS], |row| {
            let (table, parent, count): (String, String, u64) = (row.get(0)?, row.get(1)?, count(row, 2)?);
            Ok(format!("In {table}, references to rows of {parent} that do not exist: {count}."))
        })?;
        inspection.damage.extend(orphans.collect::<rusqlite::Result<Vec<_>>>()?);
        Ok(inspection)
    }
}
