//! Fills the search index of a SQLite file with one statement after all rows are written.
//!
//! The schema has a trigger that adds each new entry. FTS5 writes its buffer at the end of each statement that a
//! trigger runs, so every entry would become a separate segment, to be merged later. One statement for all entries
//! takes less than half of the time.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Result, TransactionBehavior};

/// The trigger that [`fill`] replaces.
const TRIGGER: &str = "
    CREATE TRIGGER journal_entries_search_insert AFTER INSERT ON journal_entries WHEN new.secret_tag_id IS NULL BEGIN
        INSERT INTO search_documents (entry_id) VALUES (new.id);
        INSERT INTO journal_entries_fts (rowid, owner, title, content)
            SELECT document, char(57344) || hex(new.user_id), new.title, new.content
            FROM search_documents WHERE entry_id = new.id;
    END";
/// The triggers that run on inserts.
const INSERT_TRIGGERS: &str =
    "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND (sql LIKE '% INSERT ON %' OR sql LIKE '% INSTEAD OF %')";
const LAST_DOCUMENT: &str = "SELECT coalesce(max(document), 0) FROM search_documents";
// Entries that are already in the index were stored by a version that left the triggers on.
const NUMBER_ENTRIES: &str = "
    INSERT INTO search_documents (entry_id) SELECT id FROM journal_entries e
    WHERE secret_tag_id IS NULL AND NOT EXISTS (SELECT 1 FROM search_documents d WHERE d.entry_id = e.id) ORDER BY id";
const ADD_ENTRIES: &str = "
    INSERT INTO journal_entries_fts (rowid, owner, title, content)
    SELECT document, char(57344) || hex(user_id), title, content
    FROM search_documents JOIN journal_entries ON id = entry_id WHERE document > ?1 ORDER BY document";

/// Disables the triggers on this connection, if [`fill`] can do their work later.
pub fn postpone(connection: &Connection) -> Result<()> {
    if can_fill(connection)? {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    }
    Ok(())
}

/// Adds the entries that are missing in the search index, all or none of them.
pub fn fill(connection: &mut Connection) -> Result<()> {
    if !can_fill(connection)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let last: i64 = transaction.query_row(LAST_DOCUMENT, [], |row| row.get(0))?;
    transaction.execute(NUMBER_ENTRIES, [])?;
    transaction.execute(ADD_ENTRIES, [last])?;
    transaction.commit()
}

/// Whether the known trigger is the only one that inserts run. The schema of another revision may have other triggers,
/// which then run for each row.
fn can_fill(connection: &Connection) -> Result<bool> {
    let mut statement = connection.prepare(INSERT_TRIGGERS)?;
    let triggers = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>>>()?;
    Ok(matches!(triggers.as_slice(), [only] if words(only).eq(words(TRIGGER))))
}

/// The words of a statement, ignoring line breaks.
fn words(sql: &str) -> impl Iterator<Item = &str> {
    sql.trim().trim_end_matches(';').split_whitespace()
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;
    use crate::testing::Scratch;
    use crate::{DatabaseUrl, migrate};

    /// A database with entries, one of them sealed; filled by triggers, or by `fill` after each of two parts.
    async fn journal(with_triggers: bool) -> (Scratch, Connection) {
        let scratch = Scratch::sqlite();
        migrate::upgrade(&scratch.url).await.unwrap();
        let DatabaseUrl::Sqlite(path) = &scratch.url else { panic!("it is a file") };
        let mut connection = Connection::open(path).unwrap();
        connection.execute_batch("INSERT INTO users (id, email) VALUES (zeroblob(16), 'ada@example.org')").unwrap();
        for part in 0..2_u8 {
            if !with_triggers {
                assert!(can_fill(&connection).unwrap(), "the trigger of the schema is not the one that is known here");
                postpone(&connection).unwrap();
            }
            let transaction = connection.transaction().unwrap();
            for number in part * 50..part * 50 + 50 {
                let id = [number; 16];
                let entry = "INSERT INTO journal_entries (id, user_id, title, content, entry_date, entry_day)
                             VALUES (?1, zeroblob(16), ?2, ?3, 0, '2025-01-22')";
                let title = (number % 3 == 0).then(|| format!("Title {number}"));
                transaction.execute(entry, params![id, title, format!("Öl und Meer {}", number % 7)]).unwrap();
            }
            transaction.commit().unwrap();
            if !with_triggers {
                fill(&mut connection).unwrap();
            }
        }
        (scratch, connection)
    }

    /// Every word in the index, with the number of its entries.
    fn index(connection: &Connection) -> Vec<(String, i64)> {
        connection
            .execute_batch("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, journal_entries_fts, row)")
            .unwrap();
        let mut words = connection.prepare("SELECT term, doc FROM temp.words ORDER BY term").unwrap();
        words.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(|row| row.unwrap()).collect()
    }

    #[tokio::test]
    async fn a_search_index_filled_at_the_end_equals_one_filled_by_triggers() {
        let (_kept, by_triggers) = journal(true).await;
        let (_kept_too, at_the_end) = journal(false).await;
        let expected = index(&by_triggers);
        assert!(expected.iter().any(|(word, count)| word == "öl" && *count == 100), "{expected:?}");
        assert_eq!(index(&at_the_end), expected);
        let documents = "SELECT document || hex(entry_id) FROM search_documents ORDER BY 1";
        let [one, other] = [&by_triggers, &at_the_end].map(|connection| {
            let mut statement = connection.prepare(documents).unwrap();
            let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
            rows.map(|row| row.unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(one, other);
        at_the_end
            .execute_batch("INSERT INTO journal_entries_fts (journal_entries_fts) VALUES ('integrity-check')")
            .unwrap();
    }
}
