//! Values of the domain in PostgreSQL's binary format (manual, section 55.7; `timestamp.h`, `date.h`).

use std::error::Error;

use bytes::BytesMut;
use jiff::Span;
use jiff::civil::{Date, date};
use sotto_domain::storage::{Result, StorageError};
use sotto_domain::{Timestamp, Zone};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
use uuid::Uuid;

use super::error;

/// `TIMESTAMPTZ`: microseconds since 2000-01-01T00:00:00Z, as a 64-bit integer.
#[derive(Debug, Clone, Copy)]
pub struct Instant(pub Timestamp);

/// 2000-01-01T00:00:00Z, in microseconds since 1970.
pub const EPOCH_MICROS: i64 = 946_684_800_000_000;

impl ToSql for Instant {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Encoded {
        // Timestamps are far from the limits of i64, so this cannot overflow.
        (self.0.as_micros() - EPOCH_MICROS).to_sql(kind, out)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Instant {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Decoded<Self> {
        let micros = i64::from_sql(kind, raw)?.checked_add(EPOCH_MICROS);
        // `infinity` is stored as the greatest integer, so the conversion rejects it too.
        Ok(Self(micros.and_then(Timestamp::from_micros).ok_or("an instant outside of the years 1 to 9999")?))
    }

    accepts!(TIMESTAMPTZ);
}

/// `DATE`: days since 2000-01-01, as a 32-bit integer.
#[derive(Debug, Clone, Copy)]
pub struct Day(pub Date);

const EPOCH_DAY: Date = date(2000, 1, 1);
const BEFORE_ALL_ENTRIES: Date = date(0, 12, 31);

impl ToSql for Day {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Encoded {
        // PostgreSQL's first day is 4713-11-24 BC. A query may name an earlier day; no entry is before the year 1.
        let day = self.0.max(BEFORE_ALL_ENTRIES);
        i32::try_from(day.duration_since(EPOCH_DAY).as_hours() / 24)?.to_sql(kind, out)
    }

    accepts!(DATE);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Day {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Decoded<Self> {
        let days = i32::from_sql(kind, raw)?;
        let day = Span::new().try_days(days).and_then(|days| EPOCH_DAY.checked_add(days));
        Ok(Self(day.map_err(|_| "a day outside of the years 1 to 9999")?))
    }

    accepts!(DATE);
}

type Encoded = std::result::Result<IsNull, Box<dyn Error + Sync + Send>>;
type Decoded<T> = std::result::Result<T, Box<dyn Error + Sync + Send>>;

/// Reads column number `index`, counted from 0.
pub fn read<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T> {
    row.try_get(index).map_err(|reason| error::corrupt(column(row, index), error::sentence(&reason)))
}

/// Reads a `TIMESTAMPTZ` column.
pub fn instant(row: &Row, index: usize) -> Result<Timestamp> {
    read::<Instant>(row, index).map(|instant| instant.0)
}

/// The 16 bytes of a UUID, for a `BYTEA` column.
pub fn bytes(id: &Uuid) -> &[u8] {
    id.as_bytes()
}

/// Reads the name of a time zone, which may be unknown.
pub fn zone(row: &Row, index: usize) -> Result<Zone> {
    read(row, index).map(Zone::stored)
}

/// Reads an `INTEGER` or `BIGINT` column that is never negative.
pub fn count<'a, I, T>(row: &'a Row, index: usize) -> Result<T>
where
    I: FromSql<'a> + TryInto<T>,
{
    let value = read::<I>(row, index)?;
    value.try_into().map_err(|_| error::corrupt(column(row, index), "a count that is negative or too great"))
}

/// Reads each row of a response with `read`.
pub fn read_rows<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T>) -> Result<Vec<T>> {
    rows.iter().map(read).collect()
}

/// Converts a count for an `INTEGER` column.
pub fn integer(value: u32) -> Result<i32> {
    i32::try_from(value).map_err(|error| StorageError::Other(Box::new(error)))
}

/// The name of column number `index`.
pub fn column(row: &Row, index: usize) -> &str {
    row.columns().get(index).map_or("", tokio_postgres::Column::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_days_round_trip() {
        for micros in
            [Timestamp::MIN.as_micros(), -1, 0, EPOCH_MICROS, 1_737_540_000_000_001, Timestamp::MAX.as_micros()]
        {
            let mut raw = BytesMut::new();
            let sent = Timestamp::from_micros(micros).unwrap();
            Instant(sent).to_sql(&Type::TIMESTAMPTZ, &mut raw).unwrap();
            assert_eq!(Instant::from_sql(&Type::TIMESTAMPTZ, &raw).unwrap().0, sent);
        }
        for day in [date(1, 1, 1), date(1969, 12, 31), EPOCH_DAY, date(2024, 2, 29), date(9999, 12, 31)] {
            let mut raw = BytesMut::new();
            Day(day).to_sql(&Type::DATE, &mut raw).unwrap();
            assert_eq!(Day::from_sql(&Type::DATE, &raw).unwrap().0, day);
        }
    }

    #[test]
    fn values_outside_of_the_domain_are_rejected() {
        for infinity in [i64::MAX, i64::MIN] {
            assert!(Instant::from_sql(&Type::TIMESTAMPTZ, &infinity.to_be_bytes()).is_err());
        }
        for infinity in [i32::MAX, i32::MIN] {
            assert!(Day::from_sql(&Type::DATE, &infinity.to_be_bytes()).is_err());
        }
    }

    #[test]
    fn a_day_before_the_supported_range_is_clamped() {
        let mut raw = BytesMut::new();
        Day(Date::MIN).to_sql(&Type::DATE, &mut raw).unwrap();
        assert_eq!(Day::from_sql(&Type::DATE, &raw).unwrap().0, BEFORE_ALL_ENTRIES);
    }
}
