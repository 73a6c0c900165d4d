//! Statistics of a journal: days with entries, streaks, totals.

use jiff::ToSpan;
use jiff::civil::Date;

/// The number of entries and words of one calendar day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCount {
    /// The calendar day in each entry's own zone.
    pub day: Date,
    /// The number of entries.
    pub entries: u64,
    /// The number of words.
    pub words: u64,
}

/// Totals of a whole journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The number of entries.
    pub entries: u64,
    /// The number of words.
    pub words: u64,
    /// The number of days with at least one entry.
    pub days: u64,
    /// The first day with an entry.
    pub first_day: Option<Date>,
    /// The last day with an entry.
    pub last_day: Option<Date>,
    /// The length in days of the streak that ends today, or yesterday if today has no entry yet.
    pub current_streak: u64,
    /// The length in days of the longest streak.
    pub longest_streak: u64,
}

impl Statistics {
    /// Computes the totals from the days with entries in ascending order. Days after `today` count, except for the
    /// current streak.
    pub fn from_days(days: &[DayCount], today: Date) -> Self {
        let mut statistics = Self {
            days: days.len() as u64,
            first_day: days.first().map(|count| count.day),
            last_day: days.last().map(|count| count.day),
            ..Self::default()
        };
        let mut streak = 0;
        let mut previous = None;
        for count in days {
            statistics.entries += count.entries;
            statistics.words += count.words;
            let follows =
                previous.is_some_and(|previous: Date| previous.tomorrow().is_ok_and(|next| next == count.day));
            streak = if follows { streak + 1 } else { 1 };
            statistics.longest_streak = statistics.longest_streak.max(streak);
            if count.day == today || count.day.checked_add(1.day()).is_ok_and(|next| next == today) {
                statistics.current_streak = streak;
            }
            previous = Some(count.day);
        }
        statistics
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn of(days: &[i8], today: i8) -> Statistics {
        let days: Vec<_> =
            days.iter().map(|&day| DayCount { day: date(2025, 1, day), entries: 2, words: 10 }).collect();
        Statistics::from_days(&days, date(2025, 1, today))
    }

    #[test]
    fn streaks_end_with_a_gap() {
        let statistics = of(&[1, 2, 3, 4, 8, 9], 10);
        assert_eq!((statistics.longest_streak, statistics.current_streak), (4, 2));
        assert_eq!((statistics.entries, statistics.words, statistics.days), (12, 60, 6));
        assert_eq!(of(&[1, 2, 3], 3).current_streak, 3);
        assert_eq!(of(&[1, 2, 3], 5).current_streak, 0);
        assert_eq!(of(&[1, 2, 3], 2).current_streak, 2);
        assert_eq!(of(&[], 2), Statistics::default());
    }
}
