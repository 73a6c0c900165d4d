//! Properties that hold for any input, tested with random input.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

use crate::clock::Timestamp;
use crate::reminder::{Frequency, Schedule};
use crate::tag::TagName;
use crate::zone::Zone;

/// Any zone of the database.
fn zones() -> impl Strategy<Value = Zone> {
    let names: Vec<_> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    proptest::sample::select(names).prop_filter_map("a placeholder", |name| Zone::named(&name))
}

/// Any second from 1970 to 2037, the years in which the database lists each change of a zone's rules.
fn instants() -> impl Strategy<Value = Timestamp> {
    (0..2_145_916_800_i64).prop_filter_map("out of range", |second| Timestamp::from_micros(second * 1_000_000))
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let days = proptest::sample::subsequence(vec!["mon", "tue", "wed", "thu", "fri", "sat", "sun"], 1..=7);
    let frequencies = (proptest::sample::select(Frequency::NAMES.to_vec()), days).prop_map(|(name, days)| {
        let days = days.join(",");
        Frequency::parse(name, (name == "custom").then_some(days.as_str())).unwrap()
    });
    (frequencies, instants(), zones()).prop_map(|(frequency, time, time_zone)| Schedule { frequency, time, time_zone })
}

/// The moment of a schedule's time of day on `day`. `compatible` is the rule of RFC 5545, section 3.3.5.
fn moment_on(schedule: &Schedule, day: Date) -> Timestamp {
    let rules = schedule.time_zone.rules();
    let time_of_day = schedule.time.to_jiff().to_zoned_datetime(rules.clone()).time();
    let moment = rules.to_ambiguous_timestamp(day.to_datetime(time_of_day)).compatible().unwrap();
    Timestamp::from_micros(moment.as_microsecond()).unwrap()
}

/// Whether a reminder is due on `day`, by other means than [`Frequency`] itself.
fn is_due_on(schedule: &Schedule, day: Date) -> bool {
    let first = schedule.time.day_in(&schedule.time_zone);
    let weekday = day.strftime("%a").to_string().to_lowercase();
    let is_weekend = ["sat", "sun"].contains(&weekday.as_str());
    match schedule.frequency.name() {
        "daily" => true,
        "weekdays" => !is_weekend,
        "weekends" => is_weekend,
        "weekly" => (day - first).get_days() % 7 == 0,
        "monthly" => {
            let is_last_day = day.tomorrow().unwrap().day() == 1;
            day.day() == first.day() || (is_last_day && day.day() < first.day())
        }
        _ => schedule.frequency.custom_days().unwrap().contains(&weekday),
    }
}

proptest! {
    #[test]
    fn reminders_are_due_on_each_of_their_days_and_at_no_other_moment(schedule in schedules(), after in instants()) {
        let start = after.max(schedule.time).day_in(&schedule.time_zone).saturating_sub(2.days());
        let mut expected: Vec<_> = (0..120)
            .map(|offset| start.saturating_add(offset.days()))
            .filter(|day| is_due_on(&schedule, *day))
            .map(|day| moment_on(&schedule, day))
            .filter(|moment| *moment > after && *moment >= schedule.time)
            .collect();
        // A zone that crosses the date line can skip a whole day, whose reminder is then due together with the next.
        expected.dedup();
        let due: Vec<_> = schedule.after(after).take(3).collect();
        prop_assert_eq!(&due[..], &expected[..3]);
    }

    #[test]
    fn a_day_is_at_most_one_away_from_the_day_in_utc(instant in instants(), zone in zones()) {
        let days = (instant.day_in(&zone) - instant.day_in(&Zone::utc())).get_days();
        prop_assert!(days.abs() <= 1, "{days} days");
    }

    #[test]
    fn an_instant_survives_its_text_form(micros in Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros()) {
        let instant = Timestamp::from_micros(micros).unwrap();
        prop_assert_eq!(Timestamp::parse(&instant.to_string()), Ok(instant));
    }

    #[test]
    fn normalizing_a_tag_name_again_changes_nothing(text in "\\PC{0,40}") {
        if let Ok(name) = TagName::parse(&text) {
            prop_assert_eq!(TagName::parse(name.as_str()), Ok(name.clone()));
            // The key is in compatibility form, which can be longer than a name may be.
            if let Ok(key) = TagName::parse(&name.key()) {
                prop_assert_eq!(key.key(), name.key());
            }
        }
    }

    #[test]
    fn the_spelling_of_a_tag_name_does_not_change_its_key(text in "[a-zäöüßéñçøåа-яα-ρ ]{1,30}") {
        use unicode_normalization::UnicodeNormalization;
        if let Ok(name) = TagName::parse(&text) {
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(TagName::parse(&decomposed).unwrap().key(), name.key());
            let padded = format!("  {} ", text.replace(' ', "   "));
            prop_assert_eq!(TagName::parse(&padded).unwrap().key(), name.key());
        }
    }
}
