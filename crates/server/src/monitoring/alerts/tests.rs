use sotto_domain::health::{IndexHealth, SchemaHealth, StatementHealth, TableHealth, TimedBy};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_737_540_000_000_000).unwrap().plus_seconds(seconds)
}

fn period() -> Snapshot {
    Snapshot {
        taken_at: at(60),
        counting_since: Some(at(0)),
        engine: "sqlite",
        version: String::new(),
        bytes: 0,
        free_bytes: 0,
        schema: SchemaHealth { revision: "0001_x".into(), state: SchemaState::UpToDate, sentence: "fine".into() },
        tables: vec![],
        indexes: vec![],
        foreign_keys: vec![],
        statements: vec![],
        sized_at: None,
        inspected_at: None,
        timed_by: TimedBy::Sotto,
        damage: vec![],
        notes: vec![],
    }
}

/// Assesses a period with the given faults and nothing else wrong.
fn reading(
    alert: Alert,
    period: &Snapshot,
    faults: &BTreeMap<String, u64>,
    recordings: Option<&str>,
    clock: &ClockHealth,
) -> Reading {
    let thresholds = &Thresholds::default();
    alert.assess(&Evidence { period, thresholds, faults, recordings, clock, backup: None, backup_days: None })
}

fn verdict_on(alert: Alert, period: &Snapshot) -> Verdict {
    reading(alert, period, &BTreeMap::new(), None, &ClockHealth::default()).verdict
}

/// Applies verdicts (bad, between, good, unknown) and returns the changes: raised, cleared.
fn shown(verdicts: &str) -> String {
    let mut alert_state = AlertState::new();
    let see = |(second, letter): (usize, char)| {
        let verdict = match letter {
            'b' => Verdict::Bad,
            '-' => Verdict::Between,
            'g' => Verdict::Good,
            _ => Verdict::Unknown,
        };
        let reading = Reading { verdict, figure: 0.0, sentence: letter.to_string() };
        match alert_state.update(reading, at(i64::try_from(second).unwrap()), 3, 2) {
            Some(Change::Raised) => 'R',
            Some(Change::Cleared) => 'C',
            None => '.',
        }
    };
    verdicts.chars().enumerate().map(see).collect()
}

#[test]
fn several_bad_readings_raise_and_several_good_ones_clear_an_alert() {
    for (verdicts, changes) in [
        ("bbb", "..R"),
        ("bbbbbbgg", "..R....C"),
        // No flapping by single bad or good readings.
        ("bgbgbgbgbbgbbg", ".............."),
        ("bbbgbgbgbgbgg", "..R.........C"),
        // Just below the threshold: neither raises nor clears.
        ("bb-bb-bb-", "........."),
        ("bbb-----g-g-gg", "..R..........C"),
        // Unknown verdicts change nothing.
        ("bb???b", ".....R"),
        ("bbb???????g?g", "..R.........C"),
        ("", ""),
    ] {
        assert_eq!(shown(verdicts), changes, "{verdicts}");
    }
}

#[test]
fn a_raised_alert_keeps_its_start_and_reason() {
    let mut alert_state = AlertState::new();
    let reading = |verdict, sentence: &str| Reading { verdict, figure: 0.0, sentence: sentence.into() };
    assert_eq!(alert_state.update(reading(Verdict::Bad, "first"), at(1), 1, 2), Some(Change::Raised));
    alert_state.update(reading(Verdict::Bad, "second"), at(2), 1, 2);
    alert_state.update(reading(Verdict::Good, "better"), at(3), 1, 2);
    assert_eq!((alert_state.raised_at, alert_state.reading.sentence.as_str()), (Some(at(1)), "second"));
    assert_eq!(alert_state.update(reading(Verdict::Good, "well"), at(4), 1, 2), Some(Change::Cleared));
    assert_eq!((alert_state.raised_at, alert_state.reading.sentence.as_str()), (None, "well"));
}

#[test]
fn the_slowest_statement_determines_the_verdict() {
    let mut period = period();
    assert_eq!(verdict_on(Alert::SlowStatement, &period), Verdict::Unknown);
    for (total_ms, verdict) in
        [(1001.0, Verdict::Bad), (1000.0, Verdict::Between), (801.0, Verdict::Between), (800.0, Verdict::Good)]
    {
        let statement =
            |text: &str, total_ms| StatementHealth { text: text.into(), calls: 10, total_ms, ..<_>::default() };
        period.statements = vec![statement("SELECT 1", 1.0), statement("SELECT slow", total_ms)];
        assert_eq!(verdict_on(Alert::SlowStatement, &period), verdict, "{total_ms}");
    }
}

#[test]
fn index_usage_is_assessed_on_large_tables_with_reads() {
    let table = |rows, scans, look_ups| TableHealth { name: "tags".into(), rows, scans, look_ups, ..<_>::default() };
    for (table, verdict) in [
        (table(10_001, 11, 89), Verdict::Bad),
        (table(10_001, 10, 90), Verdict::Between),
        (table(10_001, 8, 92), Verdict::Good),
        (table(10_000, 100, 0), Verdict::Unknown),
        (table(10_001, 19, 0), Verdict::Unknown),
    ] {
        let mut period = period();
        period.tables = vec![table];
        assert_eq!(verdict_on(Alert::IndexUsage, &period), verdict, "{:?}", period.tables);
    }
}

#[test]
fn violations_are_reported_by_name() {
    let mut period = period();
    assert_eq!(verdict_on(Alert::ConstraintViolation, &period), Verdict::Good);
    let faults = BTreeMap::from([("ck_entries_kept".to_owned(), 2)]);
    let reading = reading(Alert::ConstraintViolation, &period, &faults, None, &ClockHealth::default());
    assert_eq!((reading.verdict, reading.figure), (Verdict::Bad, 2.0));
    assert!(reading.sentence.contains("ck_entries_kept"), "{reading:?}");
    period.damage = vec!["The file is damaged.".into()];
    assert_eq!(verdict_on(Alert::ConstraintViolation, &period), Verdict::Bad);
}

#[test]
fn a_lack_of_disk_space_is_a_separate_alert() {
    let faults = BTreeMap::from([(DISK_FULL.to_owned(), 2)]);
    let verdict_on = |alert: Alert, faults| reading(alert, &period(), faults, None, &ClockHealth::default()).verdict;
    assert_eq!(verdict_on(Alert::DiskFull, &faults), Verdict::Bad);
    assert_eq!(verdict_on(Alert::ConstraintViolation, &faults), Verdict::Good);
    assert_eq!(verdict_on(Alert::DiskFull, &BTreeMap::new()), Verdict::Good);
}

#[test]
fn incomplete_and_unknown_migrations_are_bad() {
    let mut period = period();
    assert_eq!(verdict_on(Alert::Migration, &period), Verdict::Good);
    for state in [SchemaState::Behind, SchemaState::Unknown, SchemaState::Contradictory] {
        period.schema.state = state;
        assert_eq!(verdict_on(Alert::Migration, &period), Verdict::Bad, "{state:?}");
    }
    period.schema.state = SchemaState::UpToDate;
    period.indexes = vec![IndexHealth { name: "idx_half".into(), valid: false, ..<_>::default() }];
    let reading = reading(Alert::Migration, &period, &BTreeMap::new(), None, &ClockHealth::default());
    assert!(reading.verdict == Verdict::Bad && reading.sentence.contains("idx_half"), "{reading:?}");
}

#[test]
fn attachment_store_errors_are_reported_verbatim() {
    assert_eq!(verdict_on(Alert::Recordings, &period()), Verdict::Good);
    let trouble = Some("It belongs to another database.");
    let reading = reading(Alert::Recordings, &period(), &BTreeMap::new(), trouble, &ClockHealth::default());
    assert_eq!((reading.verdict, reading.sentence.as_str()), (Verdict::Bad, "It belongs to another database."));
}

#[test]
fn a_changed_clock_is_bad_for_an_hour() {
    let assess = |clock: &ClockHealth| reading(Alert::Clock, &period(), &BTreeMap::new(), None, clock);
    assert_eq!(assess(&ClockHealth::default()).verdict, Verdict::Good);
    let reading = assess(&ClockHealth { set_by: Some(-3600.0), ..ClockHealth::default() });
    assert_eq!((reading.verdict, reading.figure), (Verdict::Bad, 3600.0));
    assert!(reading.sentence.contains("set back by 3600 seconds"), "{}", reading.sentence);
    assert_eq!(Alert::Clock.raise_after(3), 1);
}

#[test]
fn a_backup_is_missed_only_if_backups_are_monitored() {
    let assess = |last: Option<&LastBackup>, backup_days| {
        let (thresholds, faults, clock) = (Thresholds::default(), BTreeMap::new(), ClockHealth::default());
        let period = period();
        Alert::Backup.assess(&Evidence {
            period: &period,
            thresholds: &thresholds,
            faults: &faults,
            recordings: None,
            clock: &clock,
            backup: last,
            backup_days,
        })
    };
    let days_ago = |days: i64| LastBackup::At(at(60).plus_seconds(-days * 86_400));
    let unreadable = LastBackup::Unreadable("it is cut off".into());
    for (last, days, verdict, message) in [
        (Some(&LastBackup::Never), None, Verdict::Good, "not watched"),
        (Some(&LastBackup::Never), Some(7), Verdict::Bad, "No backup was made"),
        (Some(&days_ago(7)), Some(7), Verdict::Good, "7 days ago, at 2025-01-15T10:01:00Z."),
        (Some(&days_ago(8)), Some(7), Verdict::Bad, "8 days ago, which is too long"),
        // The backup was made by a clock that was ahead.
        (Some(&days_ago(-3)), Some(7), Verdict::Good, "less than a day ago"),
        (Some(&unreadable), Some(7), Verdict::Bad, "it is cut off"),
        (None, Some(7), Verdict::Unknown, "does not answer"),
    ] {
        let reading = assess(last, days);
        assert_eq!(reading.verdict, verdict, "{reading:?}");
        assert!(reading.sentence.contains(message), "{reading:?}");
    }
}

#[test]
fn the_verdict_is_from_the_last_reading_and_the_message_from_the_raise() {
    let mut alert_state = AlertState::new();
    assert_eq!(alert_state.verdict, Verdict::Unknown);
    let reading = |verdict, sentence: &str| Reading { verdict, figure: 0.0, sentence: sentence.into() };
    for (verdict, sentence, raised, message) in [
        (Verdict::Good, "well", false, "well"),
        // One bad reading raises nothing, but it is shown.
        (Verdict::Bad, "slow", false, "slow"),
        (Verdict::Unknown, "idle", false, "idle"),
        (Verdict::Bad, "slower", true, "slower"),
        (Verdict::Between, "nearly", true, "slower"),
        (Verdict::Unknown, "idle", true, "slower"),
        (Verdict::Good, "well", true, "slower"),
        (Verdict::Good, "well again", false, "well again"),
    ] {
        alert_state.update(reading(verdict, sentence), at(0), 2, 2);
        let shown = (alert_state.verdict, alert_state.raised_at.is_some(), alert_state.reading.sentence.as_str());
        assert_eq!(shown, (verdict, raised, message));
    }
}

#[test]
fn an_alert_from_before_a_restart_is_cleared_after_good_readings() {
    let raised = Raised { alert: Alert::Migration, since: at(1), figure: 1.0, sentence: "It was changed.".into() };
    let mut alert_state = AlertState::restored(raised);
    let good = || Reading { verdict: Verdict::Good, figure: 0.0, sentence: "well".into() };
    assert_eq!((alert_state.raised_at, alert_state.verdict), (Some(at(1)), Verdict::Unknown));
    assert_eq!(alert_state.update(good(), at(2), 1, 2), None);
    assert_eq!(alert_state.reading.sentence, "It was changed.");
    assert_eq!(alert_state.update(good(), at(3), 1, 2), Some(Change::Cleared));
    assert_eq!(alert_state.update(good(), at(4), 1, 2), None);
}

#[test]
fn each_alert_is_documented_and_named_in_the_app() {
    const PAGE: &str = include_str!("../../../../../docs/monitoring.md");
    const SHOWN: &str = include_str!("../../../../../web/src/lib/admin/Alerts.svelte");
    const NAMES: [&str; 2] = [
        include_str!("../../../../../web/src/lib/i18n/en/admin.json"),
        include_str!("../../../../../web/src/lib/i18n/de/admin.json"),
    ];
    for alert in Alert::ALL {
        let name = alert.name();
        assert!(PAGE.contains(&format!("\n| `{name}` |")), "{name} is in the table of docs/monitoring.md");
        assert!(PAGE.contains(&format!("\n`{name}`. ")), "docs/monitoring.md says what to do about {name}");
        assert!(SHOWN.contains(&format!("'{name}'")), "{name} is known to the page");
        for names in NAMES {
            let names: serde_json::Value = serde_json::from_str(names).unwrap();
            assert!(names["alert"][name].is_string(), "{name} has a name");
        }
    }
}
