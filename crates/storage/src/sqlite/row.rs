//! Reads rows of SQLite for [`crate::rows`].

use rusqlite::Row;
use rusqlite::types::ValueRef;
use sotto_domain::Timestamp;
use uuid::Uuid;

use super::values::damaged;
use crate::rows::{FromRow, RowReader};

/// The unread columns of a row.
pub struct Columns<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl<'r> Columns<'r> {
    pub fn new(row: &'r Row<'r>) -> Self {
        Self { row, next: 0 }
    }

    fn value(&mut self) -> rusqlite::Result<ValueRef<'r>> {
        self.next += 1;
        self.row.get_ref(self.next - 1)
    }
}

pub fn read_row<T: FromRow>(row: &Row) -> rusqlite::Result<T> {
    T::from_row(&mut Columns::new(row))
}

impl<'r> RowReader<'r> for Columns<'r> {
    type Error = rusqlite::Error;

    fn uuid(&mut self) -> rusqlite::Result<Uuid> {
        self.array().map(Uuid::from_bytes)
    }

    fn optional_text(&mut self) -> rusqlite::Result<Option<&'r str>> {
        Ok(self.value()?.as_str_or_null()?)
    }

    fn bytes(&mut self) -> rusqlite::Result<&'r [u8]> {
        Ok(self.value()?.as_blob()?)
    }

    fn flag(&mut self) -> rusqlite::Result<bool> {
        Ok(self.value()?.as_i64()? != 0)
    }

    fn count(&mut self) -> rusqlite::Result<u32> {
        let value = self.value()?.as_i64()?;
        value.try_into().map_err(|_| self.damaged("a count that is negative or too great"))
    }

    fn optional_instant(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        let Some(micros) = self.value()?.as_i64_or_null()? else { return Ok(None) };
        Timestamp::from_micros(micros).map(Some).ok_or_else(|| self.damaged("an instant out of range"))
    }

    fn damaged(&self, reason: &str) -> rusqlite::Error {
        damaged(self.next - 1, reason)
    }
}
