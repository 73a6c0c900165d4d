use super::advice::{AdviceKind, advise, duration, remarks, size};
use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_737_540_000_000_000).unwrap().plus_seconds(seconds)
}

fn snapshot(seconds: i64) -> Snapshot {
    Snapshot {
        taken_at: at(seconds),
        counting_since: None,
        engine: "postgres",
        version: "15.8".into(),
        bytes: 0,
        free_bytes: 0,
        schema: SchemaHealth {
            revision: "0001_x".into(),
            state: SchemaState::UpToDate,
            sentence: "the database is up to date".into(),
        },
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

fn index(name: &str, columns: &[&str]) -> IndexHealth {
    IndexHealth {
        name: name.into(),
        table: "tags".into(),
        columns: columns.iter().map(|&column| column.into()).collect(),
        method: "btree".into(),
        valid: true,
        scans: 1,
        ..IndexHealth::default()
    }
}

fn statement(text: &str, calls: u64, total_ms: f64) -> StatementHealth {
    StatementHealth { text: text.into(), calls, total_ms, ..StatementHealth::default() }
}

fn kinds(snapshot: &Snapshot) -> Vec<(AdviceKind, String)> {
    advise(snapshot, &Thresholds::default()).into_iter().map(|one| (one.kind, one.subject)).collect()
}

#[test]
fn a_period_contains_the_added_counts() {
    let mut before = snapshot(0);
    before.tables =
        vec![TableHealth { name: "tags".into(), scans: 5, scanned_rows: 50, look_ups: 7, ..<_>::default() }];
    before.indexes = vec![IndexHealth { scans: 4, tuples: 9, ..index("i", &["a"]) }];
    before.statements = vec![statement("SELECT a", 10, 1000.0), statement("SELECT b", 10, 10.0)];
    let mut after = snapshot(60);
    after.tables =
        vec![TableHealth { name: "tags".into(), scans: 6, scanned_rows: 70, look_ups: 17, ..<_>::default() }];
    after.indexes = vec![IndexHealth { scans: 6, tuples: 10, ..index("i", &["a"]) }];
    after.statements =
        vec![statement("SELECT a", 12, 1500.0), statement("SELECT b", 10, 10.0), statement("SELECT c", 2, 4.0)];
    let period = after.since(&before);
    assert_eq!(period.seconds(), Some(60));
    assert_eq!((period.tables[0].scans, period.tables[0].scanned_rows, period.tables[0].look_ups), (1, 20, 10));
    assert_eq!((period.indexes[0].scans, period.indexes[0].tuples), (2, 1));
    // The mean over all time would be 125 ms; in this period it is 250 ms.
    assert_eq!(period.statements, [statement("SELECT a", 2, 500.0), statement("SELECT c", 2, 4.0)]);
    assert!((period.statements[0].mean_ms() - 250.0).abs() < 1e-9);
}

#[test]
fn reset_counters_count_from_zero() {
    let mut before = snapshot(0);
    before.tables = vec![TableHealth { name: "tags".into(), scans: 100, look_ups: 900, ..<_>::default() }];
    before.indexes = vec![IndexHealth { scans: 1000, ..index("i", &["a"]) }];
    before.statements = vec![statement("SELECT a", 1000, 1000.0)];
    let mut after = snapshot(60);
    after.tables = vec![TableHealth { name: "tags".into(), scans: 101, look_ups: 3, ..<_>::default() }];
    after.indexes = vec![IndexHealth { scans: 3, ..index("i", &["a"]) }];
    after.statements = vec![statement("SELECT a", 4, 8.0)];
    let period = after.since(&before);
    assert_eq!((period.tables[0].scans, period.tables[0].look_ups), (101, 3));
    assert_eq!(period.indexes[0].scans, 3);
    assert_eq!(period.statements, [statement("SELECT a", 4, 8.0)]);
}

#[test]
fn statements_timed_by_another_source_are_not_compared() {
    let mut before = snapshot(0);
    before.statements = vec![statement("SELECT a", 1, 1.0)];
    let mut after = snapshot(60);
    after.statements = vec![statement("SELECT a", 1000, 900_000.0)];
    after.timed_by = TimedBy::PgStatStatements;
    assert_eq!(after.since(&before).statements, []);
}

#[test]
fn indexes_are_assessed() {
    let mut period = snapshot(0);
    period.foreign_keys = vec![
        ForeignKey { name: "fk_tags_user".into(), table: "tags".into(), columns: vec!["user_id".into()] },
        ForeignKey {
            name: "fk_tags_entry".into(),
            table: "tags".into(),
            columns: vec!["user_id".into(), "entry_id".into()],
        },
    ];
    period.indexes = vec![
        IndexHealth { constraint: true, unique: true, scans: 0, ..index("pk_tags", &["id"]) },
        index("idx_tags_id_too", &["id"]),
        index("idx_tags_user_id", &["user_id"]),
        index("idx_tags_user_created", &["user_id", "created_at"]),
        IndexHealth { predicate: Some("color IS NOT NULL".into()), scans: 0, ..index("idx_tags_color", &["user_id"]) },
        IndexHealth { valid: false, ..index("idx_tags_broken", &["name"]) },
        IndexHealth { unique: true, scans: 0, ..index("idx_tags_unique", &["name"]) },
    ];
    let found = kinds(&period);
    assert_eq!(
        found,
        [
            (AdviceKind::InvalidIndex, "idx_tags_broken".into()),
            (AdviceKind::MissingIndex, "fk_tags_entry".into()),
            (AdviceKind::DuplicateIndex, "idx_tags_id_too".into()),
            (AdviceKind::UnusedIndex, "idx_tags_color".into()),
            (AdviceKind::RedundantIndex, "idx_tags_user_id".into()),
        ]
    );
    let advice = advise(&period, &Thresholds::default());
    assert_eq!(
        advice[1].command.as_deref(),
        Some("CREATE INDEX CONCURRENTLY idx_tags_entry_id ON tags (entry_id, user_id);")
    );
    assert!(advice[4].leave.as_ref().unwrap().contains("roadmap"), "{advice:?}");
    assert_eq!(advice[2].leave, None);
}

#[test]
fn an_index_for_a_foreign_key_is_not_reported_as_unused() {
    let mut period = snapshot(0);
    let key = ForeignKey { name: "fk_tags_user".into(), table: "tags".into(), columns: vec!["user_id".into()] };
    period.foreign_keys = vec![key];
    period.indexes = vec![IndexHealth { scans: 0, ..index("idx_tags_owner", &["user_id"]) }];
    assert_eq!(kinds(&period), []);
    period.indexes.push(IndexHealth { scans: 0, ..index("idx_tags_other", &["color"]) });
    assert_eq!(kinds(&period), [(AdviceKind::UnusedIndex, "idx_tags_other".into())]);
    let leave = |period: &Snapshot| advise(period, &Thresholds::default())[0].leave.clone();
    assert!(leave(&period).unwrap().contains("a week"), "nothing is known of how long it was not used");
    period.counting_since = Some(at(-6 * 86_400));
    assert!(leave(&period).is_some());
    period.counting_since = Some(at(-7 * 86_400));
    assert_eq!(leave(&period), None);
}

#[test]
fn one_of_two_equal_indexes_is_a_duplicate() {
    let mut period = snapshot(0);
    period.indexes = vec![index("a", &["name"]), index("b", &["name"]), index("idx_tags_user_id", &["color"])];
    period.indexes.push(index("idx_a", &["color"]));
    let found = kinds(&period);
    assert_eq!(found, [(AdviceKind::DuplicateIndex, "b".into()), (AdviceKind::DuplicateIndex, "idx_a".into())]);
}

#[test]
fn slow_statements_scans_and_bloat_are_reported() {
    let mut period = snapshot(0);
    period.statements = vec![statement("SELECT slow", 2, 500.0), statement("SELECT fast", 1000, 500.0)];
    period.tables = vec![
        TableHealth { name: "tags".into(), rows: 20_000, scans: 50, look_ups: 50, ..<_>::default() },
        TableHealth { name: "users".into(), rows: 9_000, scans: 50, ..<_>::default() },
        TableHealth { name: "reminders".into(), rows: 20_000, scans: 5, look_ups: 95, ..<_>::default() },
        TableHealth { name: "journal_entries".into(), rows: 6, dead_rows: 4, bytes: 1 << 30, ..<_>::default() },
    ];
    period.indexes = vec![IndexHealth { bytes: 1 << 30, packed_bytes: Some(1 << 28), ..index("idx_wide", &["name"]) }];
    let expected = [
        (AdviceKind::TableScan, "tags"),
        (AdviceKind::SlowStatement, "SELECT slow"),
        (AdviceKind::TableBloat, "journal_entries"),
        (AdviceKind::IndexBloat, "idx_wide"),
    ];
    assert_eq!(kinds(&period), expected.map(|(kind, subject)| (kind, subject.to_owned())));
}

#[test]
fn remarks_mention_a_short_period() {
    let mut period = snapshot(0);
    assert!(remarks(&period)[0].contains("Little is known yet"));
    period.counting_since = Some(at(-180));
    assert!(remarks(&period)[0].contains("cover only 3 minutes"));
    assert!(remarks(&period)[1].contains("CREATE EXTENSION pg_stat_statements"));
    period.counting_since = Some(at(-30 * 86_400));
    period.timed_by = TimedBy::PgStatStatements;
    assert_eq!(remarks(&period), [""; 0]);
}

#[test]
fn figures_are_readable() {
    assert_eq!([size(5), size(1536), size(3 << 30)], ["5 bytes", "1.5 KiB", "3.0 GiB"]);
    assert_eq!([duration(1), duration(180), duration(86_400 * 9)], ["1 second", "3 minutes", "9 days"]);
}
