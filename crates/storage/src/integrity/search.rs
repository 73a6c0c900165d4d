//! Checks and rebuilds SQLite's full-text index, which must contain the words of all plain entries and no others. The
//! index keeps no copy of the text, so the check compares its words with those of a second index over the same text, a
//! few entries at a time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Result};

use super::{FindingKind, Integrity, IntegrityError, sqlite};
use crate::schema::{self, Schema};
use crate::sqlite::files::share_mode;

const INDEX: &str = "journal_entries_fts";
const REPAIR_COMMAND: &str = "sotto db reindex";
/// The number of entries that are read or written at once.
const ENTRIES_PER_BATCH: u32 = 200;

/// These queries find entries without a document, documents without an entry, and users with documents that the index
/// lacks.
const WITHOUT_DOCUMENT: &str = "
    SELECT count(*) FROM journal_entries e
    WHERE secret_tag_id IS NULL AND NOT EXISTS (SELECT 1 FROM search_documents d WHERE d.entry_id = e.id)";
const WITHOUT_ENTRY: &str = "
    SELECT count(*) FROM search_documents d
    WHERE NOT EXISTS (SELECT 1 FROM journal_entries e WHERE e.id = d.entry_id AND e.secret_tag_id IS NULL)";
const OWNERS: &str = "
    SELECT hex(e.user_id), count(*) FROM search_documents d JOIN journal_entries e ON e.id = d.entry_id
    WHERE e.secret_tag_id IS NULL GROUP BY e.user_id";
const INDEXED_OF_OWNER: &str =
    "SELECT count(*) FROM journal_entries_fts WHERE journal_entries_fts MATCH char(34, 57344) || ?1 || char(34)";

/// Adds the words of the documents with numbers after ?1, up to ?2.
const INSERT_EXPECTED: &str = "
    INSERT INTO temp.expected (rowid, owner, title, content)
    SELECT document, char(57344) || hex(e.user_id), e.title, e.content
    FROM search_documents d JOIN journal_entries e ON e.id = d.entry_id
    WHERE d.document > ?1 AND d.document <= ?2 AND e.secret_tag_id IS NULL";
const END_OF_BATCH: &str =
    "SELECT max(document) FROM (SELECT document FROM search_documents WHERE document > ?1 ORDER BY document LIMIT ?2)";

const DELETE_INDEX: &str = "
    INSERT INTO journal_entries_fts (journal_entries_fts) VALUES ('delete-all');
    DELETE FROM search_documents;";
/// Does for a batch of entries what the triggers do for one.
const ADD_DOCUMENTS: &str = "
    INSERT INTO search_documents (entry_id)
    SELECT id FROM journal_entries e
    WHERE secret_tag_id IS NULL AND NOT EXISTS (SELECT 1 FROM search_documents d WHERE d.entry_id = e.id)
    LIMIT ?1";
const INDEX_ADDED_DOCUMENTS: &str = "
    INSERT INTO journal_entries_fts (rowid, owner, title, content)
    SELECT document, char(57344) || hex(e.user_id), e.title, e.content
    FROM search_documents d JOIN journal_entries e ON e.id = d.entry_id
    WHERE d.document > ?1";

/// The result of a quick check: the numbers of missing entries and of surplus documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SearchIndexFaults {
    pub missing: u64,
    pub surplus: u64,
}

impl SearchIndexFaults {
    /// Counts missing and surplus documents. Reads keys but no text.
    pub fn count(connection: &Connection) -> Result<Self> {
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
        let mut faults = Self { missing: count(WITHOUT_DOCUMENT)?, surplus: count(WITHOUT_ENTRY)? };
        let mut owners = connection.prepare(OWNERS)?;
        let mut of_owner = connection.prepare(INDEXED_OF_OWNER)?;
        let owners = owners.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
        for owner in owners {
            let (owner, documents) = owner?;
            let indexed: i64 = of_owner.query_row([owner], |row| row.get(0))?;
            faults.missing += (documents - indexed).max(0).unsigned_abs();
            faults.surplus += (indexed - documents).max(0).unsigned_abs();
        }
        Ok(faults)
    }

    /// Describes the fault as a clause.
    pub fn fault(self) -> Option<String> {
        let parts = [
            (self.missing, "entries that are not in it"),
            (self.surplus, "entries in it that do not exist or are sealed"),
        ];
        let parts: Vec<_> =
            parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{what}: {count}")).collect();
        (!parts.is_empty()).then(|| parts.join(", and "))
    }
}

/// Compares all words of the index with the entries.
pub(super) fn check(connection: &Connection, schema: &Schema, found: &mut Integrity) {
    // Missing tables are schema differences, which another check reports.
    let Some(module) = schema.tables.get(INDEX).and_then(|table| table.module.as_deref()) else { return };
    if !["search_documents", "journal_entries"].iter().all(|table| schema.tables.contains_key(*table)) {
        return;
    }
    let compared = find_fault(connection, module);
    if let Some(fault) = compared.unwrap_or_else(|error| Some(error.to_string())) {
        add_finding(found, &fault);
    }
}

pub(super) fn add_finding(found: &mut Integrity, what: &str) {
    if found.findings.iter().any(|one| one.kind == FindingKind::SearchIndex) {
        return;
    }
    found
        .add(FindingKind::SearchIndex, "journal_entries", INDEX)
        .differs("the words of all entries that are not sealed, and no others", what)
        .mended_by(REPAIR_COMMAND);
}

fn find_fault(connection: &Connection, module: &str) -> Result<Option<String>> {
    // The transaction gives all queries the same snapshot without blocking writers.
    let transaction = connection.unchecked_transaction()?;
    if let Some(fault) = SearchIndexFaults::count(&transaction)?.fault() {
        return Ok(Some(fault));
    }
    transaction.execute_batch(&format!(
        "CREATE VIRTUAL TABLE temp.expected USING {module};
         CREATE VIRTUAL TABLE temp.expected_words USING fts5vocab('temp', 'expected', 'instance');
         CREATE VIRTUAL TABLE temp.words USING fts5vocab('main', '{INDEX}', 'instance');"
    ))?;
    let mut expected = Words::default();
    let mut last = 0_i64;
    while let Some(next) =
        transaction.query_row(END_OF_BATCH, (last, ENTRIES_PER_BATCH), |row| row.get::<_, Option<i64>>(0))?
    {
        transaction.execute(INSERT_EXPECTED, [last, next])?;
        expected.add(&transaction, "temp.expected_words")?;
        transaction.execute("INSERT INTO temp.expected (expected) VALUES ('delete-all')", [])?;
        last = next;
    }
    let mut indexed = Words::default();
    indexed.add(&transaction, "temp.words")?;
    Ok((indexed != expected)
        .then(|| format!("other words: {} in the index, {} in the entries", indexed.count, expected.count)))
}

/// The words of some documents, compared regardless of their order.
#[derive(Default, PartialEq)]
struct Words {
    count: u64,
    sum: u64,
}

impl Words {
    fn add(&mut self, connection: &Connection, vocabulary: &str) -> Result<()> {
        let mut statement = connection.prepare(&format!("SELECT term, doc FROM {vocabulary}"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut hasher = DefaultHasher::new();
            (row.get_ref(0)?.as_bytes()?, row.get::<_, i64>(1)?).hash(&mut hasher);
            self.sum = self.sum.wrapping_add(hasher.finish());
            self.count += 1;
        }
        Ok(())
    }
}

/// Rebuilds the index, a few entries at a time, so that a running server never waits long. Searches find fewer entries
/// until the rebuild is complete. If it is interrupted, the next rebuild completes it.
pub(super) fn rebuild(path: &Path) -> Result<Result<u64, IntegrityError>> {
    share_mode(path);
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    let tables: u32 = connection.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE name IN ('search_documents', 'journal_entries_fts', 'journal_entries')",
        [],
        |row| row.get(0),
    )?;
    if tables < 3 {
        return Ok(Err(IntegrityError::NoIndex(INDEX)));
    }
    let write = rusqlite::TransactionBehavior::Immediate;
    let transaction = connection.transaction_with_behavior(write)?;
    transaction.execute_batch(DELETE_INDEX)?;
    transaction.commit()?;
    let mut entries = 0;
    loop {
        let transaction = connection.transaction_with_behavior(write)?;
        let last: i64 =
            transaction.query_row("SELECT coalesce(max(document), 0) FROM search_documents", [], |row| row.get(0))?;
        let added = transaction.execute(ADD_DOCUMENTS, [ENTRIES_PER_BATCH])?;
        transaction.execute(INDEX_ADDED_DOCUMENTS, [last])?;
        transaction.commit()?;
        entries += added as u64;
        if added == 0 {
            break;
        }
    }
    drop(connection);
    let connection = sqlite::open(path)?;
    let schema = schema::read_connection(&connection)?;
    let mut found = Integrity::default();
    check(&connection, &schema, &mut found);
    Ok(match found.findings.pop() {
        Some(wrong) => Err(IntegrityError::StillWrong(wrong.found)),
        None => Ok(entries),
    })
}
