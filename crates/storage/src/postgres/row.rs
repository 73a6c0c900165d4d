//! Reads rows of PostgreSQL into the types of [`crate::rows`].

use sotto_domain::Timestamp;
use sotto_domain::storage::{Result, StorageError};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use super::error::corrupt;
use super::values::{Instant, column, read};
use crate::rows::{FromRow, RowReader};

/// The columns of a row that have not been read yet.
pub struct Columns<'r> {
    row: &'r Row,
    next: usize,
}

impl<'r> Columns<'r> {
    /// Starts with column number `first`, counted from 0.
    pub fn starting_at(row: &'r Row, first: usize) -> Self {
        Self { row, next: first }
    }

    fn value<T: FromSql<'r>>(&mut self) -> Result<T> {
        self.next += 1;
        read(self.row, self.next - 1)
    }
}

/// Reads a whole row.
pub fn read_row<T: FromRow>(row: &Row) -> Result<T> {
    T::from_row(&mut Columns::starting_at(row, 0))
}

impl<'r> RowReader<'r> for Columns<'r> {
    type Error = StorageError;

    fn uuid(&mut self) -> Result<Uuid> {
        self.value()
    }

    fn optional_text(&mut self) -> Result<Option<&'r str>> {
        self.value()
    }

    fn bytes(&mut self) -> Result<&'r [u8]> {
        self.value()
    }

    fn flag(&mut self) -> Result<bool> {
        self.value()
    }

    fn count(&mut self) -> Result<u32> {
        let value = self.value::<i32>()?;
        value.try_into().map_err(|_| self.damaged("a count that is negative or too great"))
    }

    fn optional_instant(&mut self) -> Result<Option<Timestamp>> {
        Ok(self.value::<Option<Instant>>()?.map(|instant| instant.0))
    }

    fn damaged(&self, reason: &str) -> StorageError {
        corrupt(column(self.row, self.next - 1), reason)
    }
}
