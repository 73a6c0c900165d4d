//! Interrupts statements that run past a deadline.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::Connection;

/// How many instructions of SQLite's virtual machine run between two looks at the clock, a few microseconds. The
/// full-text index runs an instruction or two for each block that it reads, so a search with common words is
/// interrupted as well, within about 10 ms, although for SQLite the whole search is one instruction.
const INSTRUCTIONS: i32 = 200;

/// The deadline of the statements of one connection; none at first.
pub struct ReadDeadline(Arc<Mutex<Option<Instant>>>);

impl ReadDeadline {
    /// Watches a connection. A statement that runs past the deadline fails with `SQLITE_INTERRUPT`.
    pub fn attach(connection: &mut Connection) -> rusqlite::Result<Self> {
        let deadline = Arc::<Mutex<Option<Instant>>>::default();
        let watched = deadline.clone();
        let has_passed = move || {
            let deadline = *watched.lock().unwrap_or_else(PoisonError::into_inner);
            deadline.is_some_and(|deadline| Instant::now() >= deadline)
        };
        connection.progress_handler(INSTRUCTIONS, Some(has_passed))?;
        Ok(Self(deadline))
    }

    pub fn set(&self, deadline: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rusqlite::ErrorCode;

    use super::*;

    fn watched(schema: &str) -> (Connection, ReadDeadline) {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(schema).unwrap();
        let deadline = ReadDeadline::attach(&mut connection).unwrap();
        (connection, deadline)
    }

    fn count(connection: &Connection, sql: &str) -> Result<i64, Option<ErrorCode>> {
        connection.query_row(sql, [], |row| row.get(0)).map_err(|error| error.sqlite_error_code())
    }

    #[test]
    fn a_statement_is_interrupted_only_after_its_deadline() {
        const ENDLESS: &str = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n";
        let (connection, deadline) = watched("");
        deadline.set(Instant::now() + Duration::from_millis(50));
        assert_eq!(count(&connection, ENDLESS), Err(Some(ErrorCode::OperationInterrupted)));
        deadline.set(Instant::now() + Duration::from_hours(1));
        assert_eq!(count(&connection, "SELECT 1"), Ok(1));
    }

    /// The whole search is one instruction, in which the index merges the documents of all words that begin so.
    #[test]
    fn a_search_is_interrupted_while_the_index_reads() {
        const SEARCH: &str = "SELECT count(*) FROM entries WHERE entries MATCH '\"1\"* AND \"2\"* AND \"none\"*'";
        let (connection, deadline) = watched(
            "CREATE VIRTUAL TABLE entries USING fts5 (content, content = '', columnsize = 0, detail = none);
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 20000)
             INSERT INTO entries (rowid, content) SELECT n, printf('1%d 2%d 1x%d 2x%d', n, n, n * 7, n * 7) FROM n;",
        );
        assert_eq!(count(&connection, SEARCH), Ok(0));
        deadline.set(Instant::now());
        assert_eq!(count(&connection, SEARCH), Err(Some(ErrorCode::OperationInterrupted)));
    }
}
