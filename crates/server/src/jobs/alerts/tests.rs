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
        timed_by: TimedBy::Sotto,
        damage: vec![],
        notes: vec![],
    }
}

fn judged(alert: Alert, period: &Snapshot) -> Verdict {
    alert.judge(period, &Thresholds::default(), &BTreeMap::new()).verdict
}

/// Shows a lamp these verdicts (bad, between, good, unknown), and what becomes of it: raised, cleared.
fn shown(verdicts: &str) -> String {
    let mut lamp = Lamp::new();
    let see = |(second, letter): (usize, char)| {
        let verdict = match letter {
            'b' => Verdict::Bad,
            '-' => Verdict::Between,
            'g' => Verdict::Good,
            _ => Verdict::Unknown,
        };
        let reading = Reading { verdict, figure: 0.0, sentence: letter.to_string() };
        match lamp.see(reading, at(i64::try_from(second).unwrap()), 3, 2) {
            Some(Change::Raised) => 'R',
            Some(Change::Cleared) => 'C',
            None => '.',
        }
    };
    verdicts.chars().enumerate().map(see).collect()
}

#[test]
fn it_takes_some_bad_readings_to_raise_and_some_good_ones_to_clear() {
    for (verdicts, changes) in [
        ("bbb", "..R"),
        ("bbbbbbgg", "..R....C"),
        // No flapping: neither by one bad reading now and then, nor by one good.
        ("bgbgbgbgbbgbbg", ".............."),
        ("bbbgbgbgbgbgg", "..R.........C"),
        // Just below the threshold: not bad enough to raise, not good enough to clear.
        ("bb-bb-bb-", "........."),
        ("bbb-----g-g-gg", "..R..........C"),
        // What says nothing changes nothing.
        ("bb???b", ".....R"),
        ("bbb???????g?g", "..R.........C"),
        ("", ""),
    ] {
        assert_eq!(shown(verdicts), changes, "{verdicts}");
    }
}

#[test]
fn a_raised_alert_remembers_since_when_and_why() {
    let mut lamp = Lamp::new();
    let reading = |verdict, sentence: &str| Reading { verdict, figure: 0.0, sentence: sentence.into() };
    assert_eq!(lamp.see(reading(Verdict::Bad, "first"), at(1), 1, 2), Some(Change::Raised));
    lamp.see(reading(Verdict::Bad, "second"), at(2), 1, 2);
    lamp.see(reading(Verdict::Good, "better"), at(3), 1, 2);
    assert_eq!((lamp.raised_at, lamp.reading.sentence.as_str()), (Some(at(1)), "second"));
    assert_eq!(lamp.see(reading(Verdict::Good, "well"), at(4), 1, 2), Some(Change::Cleared));
    assert_eq!((lamp.raised_at, lamp.reading.sentence.as_str()), (None, "well"));
}

#[test]
fn the_slowest_statement_decides() {
    let mut period = period();
    assert_eq!(judged(Alert::SlowStatement, &period), Verdict::Unknown);
    for (total_ms, verdict) in
        [(1001.0, Verdict::Bad), (1000.0, Verdict::Between), (801.0, Verdict::Between), (800.0, Verdict::Good)]
    {
        let statement =
            |text: &str, total_ms| StatementHealth { text: text.into(), calls: 10, total_ms, ..<_>::default() };
        period.statements = vec![statement("SELECT 1", 1.0), statement("SELECT slow", total_ms)];
        assert_eq!(judged(Alert::SlowStatement, &period), verdict, "{total_ms}");
    }
}

#[test]
fn index_usage_is_judged_on_big_tables_that_are_read() {
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
        assert_eq!(judged(Alert::IndexUsage, &period), verdict, "{:?}", period.tables);
    }
}

#[test]
fn violations_are_told_by_name() {
    let mut period = period();
    assert_eq!(judged(Alert::ConstraintViolation, &period), Verdict::Good);
    let faults = BTreeMap::from([("ck_entries_kept".to_owned(), 2)]);
    let reading = Alert::ConstraintViolation.judge(&period, &Thresholds::default(), &faults);
    assert_eq!((reading.verdict, reading.figure), (Verdict::Bad, 2.0));
    assert!(reading.sentence.contains("ck_entries_kept"), "{reading:?}");
    period.damage = vec!["The file is damaged.".into()];
    assert_eq!(judged(Alert::ConstraintViolation, &period), Verdict::Bad);
}

#[test]
fn half_done_and_unknown_migrations_are_bad() {
    let mut period = period();
    assert_eq!(judged(Alert::Migration, &period), Verdict::Good);
    for state in [SchemaState::Behind, SchemaState::Unknown, SchemaState::Contradictory] {
        period.schema.state = state;
        assert_eq!(judged(Alert::Migration, &period), Verdict::Bad, "{state:?}");
    }
    period.schema.state = SchemaState::UpToDate;
    period.indexes = vec![IndexHealth { name: "idx_half".into(), valid: false, ..<_>::default() }];
    let reading = Alert::Migration.judge(&period, &Thresholds::default(), &BTreeMap::new());
    assert!(reading.verdict == Verdict::Bad && reading.sentence.contains("idx_half"), "{reading:?}");
}
