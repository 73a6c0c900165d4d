//! Time and randomness. Code takes them as parameters, so that tests are deterministic.

use std::fmt;
use std::time::Duration;

use jiff::civil::Date;
use serde::{Serialize, Serializer};

use crate::flaw::Flaw;
use crate::zone::Zone;

/// A source of time.
pub trait Clock: Send + Sync {
    /// The current time of the machine's clock, which can be wrong and can be set in either direction.
    fn now(&self) -> Timestamp;

    /// The time since some moment in the past, by a monotonic clock. Only differences are meaningful. Time in which the
    /// machine was suspended may be left out.
    fn uptime(&self) -> Duration;
}

/// The difference between the clocks of two servers that has no consequences, in seconds: 2 minutes.
///
/// A stored or signed timestamp that lies further in the future was written while a clock was wrong. See
/// [`Timestamp::is_impossible`].
pub const CLOCK_TOLERANCE: i64 = 120;

/// A source of unpredictable bytes.
pub trait Random: Send + Sync {
    /// Fills `bytes` with random bytes that are fit for keys.
    fn fill(&self, bytes: &mut [u8]);
}

/// A UTC instant in whole microseconds, from 0001-01-01 to 9999-12-31, which both engines can store.
///
/// The text form is RFC 3339, such as `2025-01-22T10:00:00Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0001-01-02T00:00:00Z. The distance of a day to both ends keeps every time zone within the years 1–9999.
    pub const MIN: Self = Self(-62_135_510_400_000_000);
    /// 9999-12-30T00:00:00Z.
    pub const MAX: Self = Self(253_402_128_000_000_000);

    /// Converts microseconds since 1970-01-01T00:00:00Z; `None` outside of [`Self::MIN`]..=[`Self::MAX`].
    pub fn from_micros(micros: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&micros).then_some(Self(micros))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Parses RFC 3339 with an offset. Digits below a microsecond are cut off.
    ///
    /// # Errors
    /// The flaw of the text: no zone, not a date, or out of range.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        // Clients of this API have no use for zone annotations in brackets, an extension (RFC 9557).
        if text.len() > 40 || text.contains('[') {
            return Err(Flaw::NotATime);
        }
        let instant: jiff::Timestamp = text.parse().map_err(|_| Flaw::NotATime)?;
        Self::from_micros(instant.as_microsecond()).ok_or(Flaw::FarTime)
    }

    /// This instant plus `seconds`, which may be negative, clamped to the range.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        let micros = self.0.saturating_add(seconds.saturating_mul(1_000_000));
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Whether this instant cannot have been the present of any server with a correct clock if the present is `now`: it
    /// is more than [`CLOCK_TOLERANCE`] ahead.
    pub fn is_impossible(self, now: Self) -> bool {
        self > now.plus_seconds(CLOCK_TOLERANCE)
    }

    /// Whether at most `seconds` have passed since this instant if the present is `now`. False for an impossible
    /// instant: otherwise a wait, or a grace period, would last until the clock gets there.
    pub fn is_within(self, seconds: i64, now: Self) -> bool {
        !self.is_impossible(now) && now <= self.plus_seconds(seconds)
    }

    /// Seconds from `earlier` to this instant; negative if `earlier` is the later one.
    #[expect(clippy::cast_precision_loss, reason = "exact to the microsecond for 285 years")]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 / 1e6
    }

    /// The calendar day of this instant in `zone`.
    pub fn day_in(self, zone: &Zone) -> Date {
        self.to_jiff().to_zoned_datetime(zone.rules()).date()
    }

    pub(crate) fn to_jiff(self) -> jiff::Timestamp {
        // The range is well inside of jiff's, so the fallback is never used.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_need_a_zone_and_a_supported_year() {
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
    fn the_range_matches_its_comment() {
        assert_eq!(Timestamp::MIN.to_string(), "0001-01-02T00:00:00Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T00:00:00Z");
    }

    #[test]
    fn an_instant_from_a_wrong_clock_is_not_recent() {
        let now = Timestamp::parse("2026-11-25T10:00:00Z").unwrap();
        let ahead = |seconds| now.plus_seconds(seconds);
        assert!(!ahead(CLOCK_TOLERANCE).is_impossible(now) && ahead(CLOCK_TOLERANCE + 1).is_impossible(now));
        for (seconds, within) in [(-11, false), (-10, true), (0, true), (120, true), (121, false), (315_000_000, false)]
        {
            assert_eq!(ahead(seconds).is_within(10, now), within, "{seconds}");
        }
        assert!((ahead(90).seconds_since(now) - 90.0).abs() < 1e-9);
    }

    #[test]
    fn a_day_depends_on_the_zone() {
        let late = Timestamp::parse("2025-01-22T23:30:00Z").unwrap();
        assert_eq!(late.day_in(&Zone::utc()).to_string(), "2025-01-22");
        assert_eq!(late.day_in(&Zone::named("Europe/Berlin").unwrap()).to_string(), "2025-01-23");
    }
}
