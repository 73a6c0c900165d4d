//! Advice on the state of a database. Each piece has its figures and a command, or a reason to change nothing.

use serde::Serialize;

use super::{IndexHealth, Snapshot, StatementHealth, TableHealth, Thresholds, TimedBy, indexes};

/// One piece of advice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The kind of the advice.
    pub kind: AdviceKind,
    /// The index, table, foreign key or statement concerned.
    pub subject: String,
    /// The problem, in a sentence.
    pub what: String,
    /// The figures behind it, in a sentence.
    pub why: String,
    /// A statement that fixes the problem, ready to run.
    pub command: Option<String>,
    /// The reason why changing nothing may be better, in a sentence.
    pub leave: Option<String>,
}

/// The kinds of advice, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdviceKind {
    /// An index that was not created completely: writes maintain it, but queries cannot use it.
    InvalidIndex,
    /// A foreign key without an index.
    MissingIndex,
    /// A big table that is read from beginning to end.
    TableScan,
    /// A statement that is slow on average.
    SlowStatement,
    /// An index that equals another one.
    DuplicateIndex,
    /// An index that no statement has used.
    UnusedIndex,
    /// An index on the first columns of a wider index.
    RedundantIndex,
    /// A table that uses more space than its rows need.
    TableBloat,
    /// An index that uses more space than its entries need.
    IndexBloat,
}

impl AdviceKind {
    /// The name that reports show.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidIndex => "invalid index",
            Self::MissingIndex => "missing index",
            Self::TableScan => "table scan",
            Self::SlowStatement => "slow statement",
            Self::DuplicateIndex => "duplicate index",
            Self::UnusedIndex => "unused index",
            Self::RedundantIndex => "redundant index",
            Self::TableBloat => "table bloat",
            Self::IndexBloat => "index bloat",
        }
    }
}

/// Counters that cover less time than this, in seconds, do not prove that an index is unused: one week.
pub(super) const YOUNG: i64 = 7 * 24 * 3600;
/// The least size, in bytes, at which rewriting is worthwhile: 8 MiB.
const WORTH_REWRITING: u64 = 8 << 20;
/// A table or file is bloated if a larger share of it, in per cent, is unused.
const BLOATED_PERCENT: u64 = 30;
/// The limit of an index is higher, because random insertion order alone leaves a third of an index empty.
const BLOATED_INDEX_PERCENT: u64 = 50;

/// All advice for a period, most urgent first. For a snapshot, the counters cover the time since the engine began to
/// count.
pub fn advise(period: &Snapshot, thresholds: &Thresholds) -> Vec<Advice> {
    let mut advice = indexes::advise(period);
    advice.extend(period.tables.iter().filter_map(|table| scanned(table, period, thresholds)));
    advice.extend(slow(period, thresholds));
    advice.extend(period.tables.iter().filter_map(|table| bloated_table(table, period)));
    advice.extend(bloated_file(period));
    advice.extend(period.indexes.iter().filter_map(|index| bloated_index(index, period)));
    advice.sort_by_key(|one| one.kind);
    advice
}

/// How meaningful the counters are, and how to make them more meaningful, as sentences for the head of a report.
pub fn remarks(period: &Snapshot) -> Vec<String> {
    let mut remarks = Vec::new();
    match period.seconds() {
        Some(seconds) if seconds < YOUNG => remarks.push(format!(
            "The counters cover only {}: an index that was not used in that time may still be needed. Ask again \
             when they are a week old.",
            duration(seconds)
        )),
        Some(_) => {}
        None => remarks.push(
            "Little is known yet about how the database is used: SQLite keeps no counters, and those of a server live in \
             that server. Superusers see them at GET /api/admin/database."
                .into(),
        ),
    }
    if period.engine == "postgres" && period.timed_by == TimedBy::Sotto {
        remarks.push(
            "Statements are timed by this process alone. To have PostgreSQL time all of them, set \
             shared_preload_libraries = 'pg_stat_statements' in postgresql.conf, restart it, and run CREATE EXTENSION \
             pg_stat_statements in this database."
                .into(),
        );
    }
    remarks.extend(period.notes.iter().cloned());
    remarks
}

/// The statements of a period, slowest mean first.
pub fn slowest(period: &Snapshot) -> Vec<&StatementHealth> {
    let mut statements: Vec<_> = period.statements.iter().filter(|one| one.calls > 0).collect();
    statements.sort_by(|a, b| b.mean_ms().total_cmp(&a.mean_ms()));
    statements
}

fn slow<'a>(period: &'a Snapshot, thresholds: &'a Thresholds) -> impl Iterator<Item = Advice> + 'a {
    let is_slow = |one: &&StatementHealth| one.mean_ms() > thresholds.statement_ms;
    slowest(period).into_iter().take_while(is_slow).map(|one| Advice {
        kind: AdviceKind::SlowStatement,
        subject: one.text.clone(),
        what: format!("A statement takes longer than {} ms on average.", thresholds.statement_ms),
        why: format!("{:.1} ms on average over {}.", one.mean_ms(), times(one.calls)),
        command: (period.engine == "postgres")
            .then(|| format!("EXPLAIN (GENERIC_PLAN) {};  -- PostgreSQL 16 or newer", one.text)),
        leave: None,
    })
}

fn scanned(table: &TableHealth, period: &Snapshot, thresholds: &Thresholds) -> Option<Advice> {
    let usage = table.index_usage_percent()?;
    if table.rows <= thresholds.big_table_rows || usage >= thresholds.index_usage_percent {
        return None;
    }
    let statement = period.statements.iter().find(|one| one.scans.contains(&table.name));
    Some(Advice {
        kind: AdviceKind::TableScan,
        subject: table.name.clone(),
        what: match statement {
            Some(statement) => format!("{} is read from beginning to end by: {}", table.name, statement.text),
            None => format!("{} is read from beginning to end.", table.name),
        },
        why: format!(
            "Of its reads, {usage:.0} % were by an index; {} went over about {} rows, {} rows in all.",
            times(table.scans),
            table.rows,
            table.scanned_rows
        ),
        command: (period.engine == "postgres").then(|| format!("ANALYZE {};", table.name)),
        leave: statement.is_none().then(|| {
            "Reports and dumps read all of a table, and should. If it goes on without them, a condition has no index: \
             `sotto db check` reports a dropped index."
                .to_owned()
        }),
    })
}

fn bloated_table(table: &TableHealth, period: &Snapshot) -> Option<Advice> {
    let percent = (100 * table.dead_rows).checked_div(table.rows + table.dead_rows)?;
    (percent > BLOATED_PERCENT && table.bytes > WORTH_REWRITING).then(|| Advice {
        kind: AdviceKind::TableBloat,
        subject: table.name.clone(),
        what: format!("{} holds many dead rows.", table.name),
        why: format!("{} of {} rows are dead ({percent} %).", table.dead_rows, table.rows + table.dead_rows),
        command: (period.engine == "postgres").then(|| format!("VACUUM (ANALYZE) {};", table.name)),
        leave: None,
    })
}

/// In a SQLite file, all tables share the free pages.
fn bloated_file(period: &Snapshot) -> Option<Advice> {
    let percent = (100 * period.free_bytes).checked_div(period.bytes)?;
    (percent > BLOATED_PERCENT && period.free_bytes > WORTH_REWRITING).then(|| Advice {
        kind: AdviceKind::TableBloat,
        subject: "the database file".into(),
        what: "Much of the database file is empty.".into(),
        why: format!("{} of {} are free ({percent} %).", size(period.free_bytes), size(period.bytes)),
        command: Some("VACUUM;".into()),
        leave: Some(
            "New entries will fill it. VACUUM needs free disk space of up to the size of the file, and blocks all writes \
             while it runs."
                .into(),
        ),
    })
}

fn bloated_index(index: &IndexHealth, period: &Snapshot) -> Option<Advice> {
    let wasted = index.bytes.saturating_sub(index.packed_bytes?);
    let percent = (100 * wasted).checked_div(index.bytes)?;
    (percent > BLOATED_INDEX_PERCENT && wasted > WORTH_REWRITING).then(|| Advice {
        kind: AdviceKind::IndexBloat,
        subject: index.name.clone(),
        what: format!("The index {} takes more room than its entries need.", index.name),
        why: format!("About {} of {} are wasted ({percent} %).", size(wasted), size(index.bytes)),
        command: Some(match period.engine {
            "postgres" => format!("REINDEX INDEX CONCURRENTLY {};", index.name),
            _ => format!("REINDEX {};", index.name),
        }),
        leave: None,
    })
}

/// Formats a number of bytes for people.
pub fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

/// Formats a number of seconds for people.
pub fn duration(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

pub(super) fn times(count: u64) -> String {
    if count == 1 { "1 time".into() } else { format!("{count} times") }
}
