//! Creates the indexes of a SQLite file after all rows are written.
//!
//! Maintaining an index row by row writes at random positions, and when the index outgrows the page cache, each row
//! costs a read and a write of the disk. An index created at the end is sorted and written once. Unique indexes are
//! kept, because they are small.

use rusqlite::{Connection, Result, TransactionBehavior};

/// An index and its `CREATE` statement.
pub struct Index {
    name: String,
    sql: String,
}

// The indexes of keys and constraints have no statement.
const INDEXES: &str =
    "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql NOT LIKE 'CREATE UNIQUE %' ORDER BY name";

/// The indexes of this schema that [`postpone`] drops.
pub fn deferrable(connection: &Connection) -> Result<Vec<Index>> {
    let mut statement = connection.prepare(INDEXES)?;
    let indexes = statement.query_map([], |row| Ok(Index { name: row.get(0)?, sql: row.get(1)? }))?;
    indexes.collect()
}

/// Drops these indexes. [`create_missing`] creates them again.
pub fn postpone(connection: &mut Connection, indexes: &[Index]) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for index in indexes {
        transaction.execute_batch(&format!("DROP INDEX IF EXISTS \"{}\"", index.name))?;
    }
    transaction.commit()
}

/// Creates the missing indexes, all or none of them.
pub fn create_missing(connection: &mut Connection, indexes: &[Index]) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let present = deferrable(&transaction)?;
    for index in indexes.iter().filter(|index| present.iter().all(|one| one.name != index.name)) {
        transaction.execute_batch(&index.sql)?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use crate::{DatabaseUrl, migrate};

    #[tokio::test]
    async fn a_postponed_index_is_recreated_unchanged() {
        let scratch = Scratch::sqlite();
        migrate::upgrade(&scratch.url).await.unwrap();
        let DatabaseUrl::Sqlite(path) = &scratch.url else { panic!("it is a file") };
        let mut connection = Connection::open(path).unwrap();
        let schema = |connection: &Connection| -> Vec<String> {
            let mut all = connection.prepare("SELECT name || coalesce(sql, '') FROM sqlite_schema ORDER BY 1").unwrap();
            all.query_map([], |row| row.get(0)).unwrap().map(|row| row.unwrap()).collect()
        };
        let (before, indexes) = (schema(&connection), deferrable(&connection).unwrap());
        assert!(indexes.iter().any(|index| index.name == "idx_journal_entries_user_date"));
        for _ in 0..2 {
            postpone(&mut connection, &indexes).unwrap();
            assert_eq!(schema(&connection).len(), before.len() - indexes.len());
            // A second time, as after an interruption.
            postpone(&mut connection, &indexes).unwrap();
            create_missing(&mut connection, &indexes).unwrap();
            assert_eq!(schema(&connection), before);
            create_missing(&mut connection, &indexes).unwrap();
        }
    }
}
