//! Reminders, and the rules that say when they are due.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use crate::clock::Timestamp;
use crate::flaw::Flaw;
use crate::ids::{ReminderId, UserId};
use crate::text::{self, Check, Violations};
use crate::zone::Zone;

/// A reminder of one user.
#[derive(Debug, Clone, PartialEq)]
pub struct Reminder {
    /// The id.
    pub id: ReminderId,
    /// The owner.
    pub user_id: UserId,
    /// The fields that the user sets.
    pub plan: ReminderPlan,
    /// The next due time as of the last change; `None` while the reminder is switched off. For the next due time after
    /// a given moment, see [`ReminderPlan::next_due`].
    pub next_due_at: Option<Timestamp>,
    /// When the reminder was created.
    pub created_at: Timestamp,
    /// When the reminder was last changed.
    pub updated_at: Timestamp,
}

/// The fields of a reminder that its user sets.
#[derive(Debug, Clone, PartialEq)]
pub struct ReminderPlan {
    /// The title: one line, at most 200 bytes.
    pub title: String,
    /// The message, at most 2000 bytes.
    pub message: String,
    /// When the reminder is due.
    pub schedule: Schedule,
    /// Whether the reminder is switched on.
    pub is_active: bool,
}

/// The rule that says when a reminder is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The days on which the reminder is due.
    pub frequency: Frequency,
    /// The first day on which the reminder can be due, and the time of day, both in `time_zone`.
    pub time: Timestamp,
    /// The zone of the time of day, which stays the same across changes of summer time.
    pub time_zone: Zone,
}

/// The days on which a reminder is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frequency {
    /// Every day.
    Daily,
    /// Monday to Friday.
    Weekdays,
    /// Saturday and Sunday.
    Weekends,
    /// Weekly, on the weekday of the first day.
    Weekly,
    /// Monthly, on the day of the month of the first day; in shorter months on the last day.
    Monthly,
    /// On these weekdays.
    Custom(Days),
}

impl Frequency {
    /// The names of frequencies, in the API and in storage.
    pub const NAMES: [&str; 6] = ["daily", "weekdays", "weekends", "weekly", "monthly", "custom"];

    /// Parses a frequency and its days, which are given if and only if the frequency is `custom`.
    ///
    /// # Errors
    /// The name of the invalid field, and its flaw.
    pub fn parse(name: &str, custom_days: Option<&str>) -> Result<Self, (&'static str, Flaw)> {
        let frequency = match name {
            "daily" => Self::Daily,
            "weekdays" => Self::Weekdays,
            "weekends" => Self::Weekends,
            "weekly" => Self::Weekly,
            "monthly" => Self::Monthly,
            "custom" => {
                let missing = Flaw::Missing("must name the days, such as mon,wed,fri");
                let days = custom_days.ok_or(("custom_days", missing))?;
                return Days::parse(days).map(Self::Custom).map_err(|flaw| ("custom_days", flaw));
            }
            _ => return Err(("frequency", Flaw::UnknownFrequency)),
        };
        match custom_days {
            None => Ok(frequency),
            Some(_) => Err(("custom_days", Flaw::Unexpected("must be given with the frequency custom only"))),
        }
    }

    /// One of [`Self::NAMES`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekdays => "weekdays",
            Self::Weekends => "weekends",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Custom(_) => "custom",
        }
    }

    /// The weekdays of `custom`, such as `mon,wed,fri`.
    pub fn custom_days(self) -> Option<String> {
        match self {
            Self::Custom(days) => Some(days.to_text()),
            _ => None,
        }
    }

    fn falls_on(self, day: Date, first: Date) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        match self {
            Self::Daily => true,
            Self::Weekdays => !weekend,
            Self::Weekends => weekend,
            Self::Weekly => day.weekday() == first.weekday(),
            Self::Monthly => day.day() == first.day().min(day.days_in_month()),
            Self::Custom(days) => days.contains(day.weekday()),
        }
    }
}

/// A non-empty set of weekdays; bit 0 is Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(u8);

const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Days {
    fn parse(text: &str) -> Result<Self, Flaw> {
        let mut bits = 0;
        for name in text.split(',') {
            let position = DAY_NAMES.iter().position(|day| day.eq_ignore_ascii_case(name.trim()));
            let position = position.ok_or(Flaw::UnknownDay)?;
            bits |= 1 << position;
        }
        Ok(Self(bits))
    }

    fn to_text(self) -> String {
        let names: Vec<_> = (0..7).filter(|bit| self.0 & (1 << bit) != 0).map(|bit| DAY_NAMES[bit]).collect();
        names.join(",")
    }

    fn contains(self, day: Weekday) -> bool {
        self.0 & (1 << day.to_monday_zero_offset()) != 0
    }
}

impl ReminderPlan {
    /// Checks the fields of a request.
    pub fn parse(
        title: &str,
        message: String,
        frequency: &str,
        custom_days: Option<&str>,
        time: &str,
        time_zone: Result<Zone, &str>,
        is_active: bool,
    ) -> Result<Self, Violations> {
        let mut check = Check::default();
        let title = check.accept("title", text::line(title, 200));
        let message = check.accept("message", text::plain(message, 2000));
        let schedule = Schedule::check(&mut check, frequency, custom_days, time, time_zone);
        let plan = title.zip(message).zip(schedule);
        let plan = plan.map(|((title, message), schedule)| Self { title, message, schedule, is_active });
        check.finish(plan)
    }

    /// The first due time after `after`; `None` while the reminder is switched off, or beyond the year 9999.
    pub fn next_due(&self, after: Timestamp) -> Option<Timestamp> {
        if self.is_active { self.schedule.next_after(after) } else { None }
    }

    /// The same plan at the same local time in another zone.
    #[must_use]
    pub fn moved_to(&self, zone: &Zone) -> Self {
        Self { schedule: self.schedule.moved_to(zone), ..self.clone() }
    }
}

impl Schedule {
    /// Checks the fields of a request.
    pub fn parse(
        frequency: &str,
        custom_days: Option<&str>,
        time: &str,
        time_zone: Result<Zone, &str>,
    ) -> Result<Self, Violations> {
        let mut check = Check::default();
        let schedule = Self::check(&mut check, frequency, custom_days, time, time_zone);
        check.finish(schedule)
    }

    fn check(
        check: &mut Check,
        frequency: &str,
        custom_days: Option<&str>,
        time: &str,
        time_zone: Result<Zone, &str>,
    ) -> Option<Self> {
        let frequency =
            Frequency::parse(frequency, custom_days).map_err(|(field, flaw)| check.refuse(field, flaw)).ok();
        let time = check.accept("time", Timestamp::parse(time));
        let time_zone = time_zone.or_else(|name| check.accept("time_zone", crate::account::zone(name)).ok_or(())).ok();
        Some(Self { frequency: frequency?, time: time?, time_zone: time_zone? })
    }

    /// The due times after `after`, in order, as defined by [`Self::next_after`].
    pub fn after(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next_after(after), |due| self.next_after(*due))
    }

    /// The first due time after `after`: the time of day on one of the days. A time that summer time skips moves later
    /// by the skipped duration. Of a time that occurs twice, the first is due (RFC 5545, section 3.3.5). `None` beyond
    /// the year 9999.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let start = self.time.to_jiff().to_zoned_datetime(self.time_zone.rules());
        // Yesterday's due time can be today: a zone that crosses the date line skips a day.
        let mut day = start.date().max(after.day_in(&self.time_zone).yesterday().ok()?);
        // Every frequency has a day in any 31 days. Two more, because the times of yesterday and today may have passed.
        for _ in 0..=33 {
            if self.frequency.falls_on(day, start.date()) {
                let due = day.to_datetime(start.time()).to_zoned_datetime(self.time_zone.rules()).ok()?;
                let due = Timestamp::from_micros(due.timestamp().as_microsecond())?;
                if due > after && due >= self.time {
                    return Some(due);
                }
            }
            day = day.checked_add(1.day()).ok()?;
        }
        None
    }

    fn moved_to(&self, zone: &Zone) -> Self {
        let wall = self.time.to_jiff().to_zoned_datetime(self.time_zone.rules()).datetime();
        let moved = wall.to_zoned_datetime(zone.rules()).ok();
        let time = moved.and_then(|moved| Timestamp::from_micros(moved.timestamp().as_microsecond()));
        Self { time: time.unwrap_or(self.time), time_zone: zone.clone(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn plan(frequency: &str, days: Option<&str>, time: &str, zone: &str) -> ReminderPlan {
        ReminderPlan::parse("Write", String::new(), frequency, days, time, Err(zone), true).unwrap()
    }

    fn due(plan: &ReminderPlan, after: &str, count: usize) -> Vec<String> {
        plan.schedule.after(at(after)).take(count).map(|due| due.to_string()).collect()
    }

    #[test]
    fn each_frequency_falls_on_its_days() {
        // 2025-01-22 is a Wednesday.
        let time = "2025-01-22T20:00:00Z";
        let next = |frequency, days| due(&plan(frequency, days, time, "UTC"), "2025-01-24T20:00:00Z", 2);
        assert_eq!(next("daily", None), ["2025-01-25T20:00:00Z", "2025-01-26T20:00:00Z"]);
        assert_eq!(next("weekdays", None), ["2025-01-27T20:00:00Z", "2025-01-28T20:00:00Z"]);
        assert_eq!(next("weekends", None), ["2025-01-25T20:00:00Z", "2025-01-26T20:00:00Z"]);
        assert_eq!(next("weekly", None), ["2025-01-29T20:00:00Z", "2025-02-05T20:00:00Z"]);
        assert_eq!(next("monthly", None), ["2025-02-22T20:00:00Z", "2025-03-22T20:00:00Z"]);
        assert_eq!(next("custom", Some("Mon, fri")), ["2025-01-27T20:00:00Z", "2025-01-31T20:00:00Z"]);
    }

    #[test]
    fn the_end_of_a_month_is_kept() {
        let monthly = plan("monthly", None, "2025-01-31T08:00:00Z", "UTC");
        assert_eq!(
            due(&monthly, "2025-01-01T00:00:00Z", 3),
            ["2025-01-31T08:00:00Z", "2025-02-28T08:00:00Z", "2025-03-31T08:00:00Z"]
        );
    }

    #[test]
    fn the_wall_clock_is_kept_across_daylight_saving_time() {
        let evening = plan("daily", None, "2025-03-28T20:00:00+01:00", "Europe/Berlin");
        assert_eq!(due(&evening, "2025-03-29T00:00:00Z", 2), ["2025-03-29T19:00:00Z", "2025-03-30T18:00:00Z"]);
        // In Berlin, 02:30 does not exist on 2025-03-30 and occurs twice on 2025-10-26.
        let night = plan("daily", None, "2025-03-01T02:30:00+01:00", "Europe/Berlin");
        assert_eq!(due(&night, "2025-03-29T12:00:00Z", 1), ["2025-03-30T01:30:00Z"]);
        assert_eq!(due(&night, "2025-10-25T12:00:00Z", 2), ["2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z"]);
    }

    #[test]
    fn a_reminder_of_a_skipped_day_is_due_on_the_next() {
        // Samoa crossed the date line at the end of Thursday, 2011-12-29, and had no Friday.
        let friday = plan("weekly", None, "2011-12-23T10:00:00-10:00", "Pacific/Apia");
        let expected = ["2011-12-30T20:00:00Z", "2012-01-05T20:00:00Z"];
        assert_eq!(due(&friday, "2011-12-30T09:00:00Z", 2), expected);
        assert_eq!(due(&friday, "2011-12-30T11:00:00Z", 2), expected);
    }

    #[test]
    fn moving_to_another_zone_keeps_the_wall_clock() {
        let plan = plan("daily", None, "2025-01-22T21:00:00+01:00", "Europe/Berlin");
        let moved = plan.moved_to(&Zone::named("America/New_York").unwrap());
        assert_eq!(moved.schedule.time.to_string(), "2025-01-23T02:00:00Z");
    }

    #[test]
    fn paused_and_distant_reminders_are_computed() {
        let off = ReminderPlan { is_active: false, ..plan("daily", None, "2025-01-22T20:00:00Z", "UTC") };
        assert_eq!(off.next_due(at("2025-01-22T20:00:00Z")), None);
        let far = plan("monthly", None, "9999-12-29T20:00:00Z", "UTC");
        assert_eq!(far.next_due(at("9999-12-29T21:00:00Z")), None);
        assert_eq!(due(&far, "9999-12-01T00:00:00Z", 5), ["9999-12-29T20:00:00Z"]);
    }

    #[test]
    fn days_are_accepted_only_with_the_frequency_custom() {
        for (frequency, days, field) in [
            ("custom", None, "custom_days"),
            ("custom", Some(""), "custom_days"),
            ("custom", Some("mon,xyz"), "custom_days"),
            ("daily", Some("mon"), "custom_days"),
            ("hourly", None, "frequency"),
        ] {
            assert_eq!(Frequency::parse(frequency, days).unwrap_err().0, field);
        }
        for name in Frequency::NAMES {
            let days = (name == "custom").then_some("mon");
            assert_eq!(Frequency::parse(name, days).unwrap().name(), name);
        }
        assert_eq!(Frequency::parse("custom", Some("fri,mon,fri")).unwrap().custom_days().unwrap(), "mon,fri");
    }
}
