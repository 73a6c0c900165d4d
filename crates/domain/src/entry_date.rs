//! The date of an entry: the moment that it is about, and the time zone in which its author saw that moment.

use jiff::civil::Date;

use crate::clock::Timestamp;
use crate::text::{Check, Violations};
use crate::zone::Zone;

/// The date of a plain or sealed entry.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryDate {
    /// The moment that the entry is about.
    pub moment: Timestamp,
    /// The zone that the author wrote in, which fixes the calendar day of the entry.
    pub zone: Zone,
}

impl EntryDate {
    /// Parses a moment (RFC 3339) and a zone; `zone` is the result of [`Zone::chosen`].
    ///
    /// # Errors
    /// The flaws of the fields `entry_date` and `entry_zone`.
    pub fn parse(moment: &str, zone: Result<Zone, &str>) -> Result<Self, Violations> {
        let mut check = Check::default();
        let date = Self::check(&mut check, moment, zone);
        check.finish(date)
    }

    /// Like [`Self::parse`], as part of a larger check.
    pub(crate) fn check(check: &mut Check, moment: &str, zone: Result<Zone, &str>) -> Option<Self> {
        let moment = check.accept("entry_date", Timestamp::parse(moment));
        let zone = zone.or_else(|name| check.accept("entry_zone", crate::account::zone(name)).ok_or(())).ok();
        Some(Self { moment: moment?, zone: zone? })
    }

    /// The calendar day that the entry belongs to.
    pub fn day(&self) -> Date {
        self.moment.day_in(&self.zone)
    }
}

/// A change of the date of an entry; `None` leaves a part unchanged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EntryDatePatch {
    /// A new moment.
    pub moment: Option<Timestamp>,
    /// A new zone.
    pub zone: Option<Zone>,
}

impl EntryDatePatch {
    /// Parses the given parts, as [`EntryDate::parse`] does.
    ///
    /// # Errors
    /// The flaws of the fields `entry_date` and `entry_zone`.
    pub fn parse(moment: Option<&str>, zone: Option<&str>) -> Result<Self, Violations> {
        let mut check = Check::default();
        let patch = Self::check(&mut check, moment, zone);
        check.finish(Some(patch))
    }

    /// Like [`Self::parse`], as part of a larger check.
    pub(crate) fn check(check: &mut Check, moment: Option<&str>, zone: Option<&str>) -> Self {
        Self {
            moment: moment.and_then(|moment| check.accept("entry_date", Timestamp::parse(moment))),
            zone: zone.and_then(|name| check.accept("entry_zone", crate::account::zone(name))),
        }
    }

    /// Returns `date` with this change applied.
    #[must_use]
    pub fn apply(&self, date: EntryDate) -> EntryDate {
        EntryDate { moment: self.moment.unwrap_or(date.moment), zone: self.zone.clone().unwrap_or(date.zone) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_checked_at_once() {
        let fields = |error: Violations| error.0.iter().map(|violation| violation.field).collect::<Vec<_>>();
        let wrong = EntryDate::parse("yesterday", Err("Nowhere")).unwrap_err();
        assert_eq!(fields(wrong), ["entry_date", "entry_zone"]);
        let wrong = EntryDatePatch::parse(Some("yesterday"), Some("Nowhere")).unwrap_err();
        assert_eq!(fields(wrong), ["entry_date", "entry_zone"]);
    }

    #[test]
    fn a_patch_changes_only_the_sent_parts() {
        let date = EntryDate::parse("2025-01-22T23:30:00Z", Err("UTC")).unwrap();
        assert_eq!(date.day().to_string(), "2025-01-22");
        assert_eq!(EntryDatePatch::default().apply(date.clone()), date);
        let moved = EntryDatePatch::parse(None, Some("Europe/Berlin")).unwrap().apply(date.clone());
        assert_eq!((moved.moment, moved.day().to_string().as_str()), (date.moment, "2025-01-23"));
        let later = EntryDatePatch::parse(Some("2025-02-01T00:00:00Z"), None).unwrap().apply(date);
        assert_eq!((later.day().to_string().as_str(), later.zone), ("2025-02-01", Zone::utc()));
    }
}
