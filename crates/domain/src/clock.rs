//! Time and randomness, which are parameters everywhere: nothing reads them behind the caller's back.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use crate::flaw::Flaw;

/// Where "now" comes from.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Where unpredictable bytes come from.
pub trait Random: Send + Sync {
    /// Fills `bytes` from a source fit for keys.
    fn fill(&self, bytes: &mut [u8]);
}

/// A UTC instant in whole microseconds, from 0001-01-01 to 9999-12-31: what both engines can keep.
///
/// It reads and prints as RFC 3339, such as `2025-01-22T10:00:00Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0001-01-02T00:00:00Z. A day is left on either side so that no time zone leaves the years 1–9999.
    pub const MIN: Self = Self(-62_135_510_400_000_000);
    /// 9999-12-30T00:00:00Z.
    pub const MAX: Self = Self(253_402_128_000_000_000);

    /// From microseconds since 1970-01-01T00:00:00Z; `None` outside of [`Self::MIN`]..=[`Self::MAX`].
    pub fn from_micros(micros: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&micros).then_some(Self(micros))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 with an offset; digits below a microsecond are cut off.
    ///
    /// # Errors
    /// What is wrong with it: no zone, not a date, or out of range.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        // A zone annotation in brackets is an extension (RFC 9557) that clients of this API have no use for.
        if text.len() > 40 || text.contains('[') {
            return Err(Flaw::NotATime);
        }
        let instant: jiff::Timestamp = text.parse().map_err(|_| Flaw::NotATime)?;
        Self::from_micros(instant.as_microsecond()).ok_or(Flaw::FarTime)
    }

    /// This instant, `seconds` later (or earlier), held within the range.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        let micros = self.0.saturating_add(seconds.saturating_mul(1_000_000));
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// The calendar day that a wall clock in `zone` shows.
    pub fn day_in(self, zone: &Zone) -> Date {
        self.to_jiff().to_zoned_datetime(zone.0.clone()).date()
    }

    pub(crate) fn to_jiff(self) -> jiff::Timestamp {
        // The range is far inside of what jiff holds, so this is never the fallback.
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_jiff().fmt(f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An IANA time zone, such as `Europe/Berlin`.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// `UTC`.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Looks a zone up by its name; `None` if the time zone database has no such name.
    pub fn named(name: &str) -> Option<Self> {
        // "UTC" first: it is the default, and this avoids the look-up. A zone without a name
        // (the database's `Etc/Unknown`, say) could not be stored.
        if name == "UTC" {
            return Some(Self::utc());
        }
        let zone = TimeZone::get(name).ok()?;
        zone.iana_name().filter(|name| name.len() <= 64 && *name != "Etc/Unknown")?;
        Some(Self(zone))
    }

    /// The name, at most 64 bytes.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    pub(crate) fn to_jiff(&self) -> TimeZone {
        self.0.clone()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_need_a_zone_and_a_sane_year() {
        assert_eq!(Timestamp::parse("2025-01-22T10:00:00Z").unwrap().to_string(), "2025-01-22T10:00:00Z");
        assert_eq!(
            Timestamp::parse("2025-01-22T10:00:00.1234567+02:00").unwrap().to_string(),
            "2025-01-22T08:00:00.123456Z"
        );
        for bad in
            ["2025-01-22T10:00:00", "2025-01-22", "", "now", "-009999-01-02T00:00:00Z", "2025-01-22T10:00:00Z[UTC]"]
        {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_range_is_what_its_comment_says() {
        assert_eq!(Timestamp::MIN.to_string(), "0001-01-02T00:00:00Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T00:00:00Z");
    }

    #[test]
    fn a_day_depends_on_the_zone() {
        let late = Timestamp::parse("2025-01-22T23:30:00Z").unwrap();
        assert_eq!(late.day_in(&Zone::utc()).to_string(), "2025-01-22");
        assert_eq!(late.day_in(&Zone::named("Europe/Berlin").unwrap()).to_string(), "2025-01-23");
        assert!(Zone::named("Mars/Olympus").is_none());
        assert!(Zone::named("Etc/Unknown").is_none());
    }
}
