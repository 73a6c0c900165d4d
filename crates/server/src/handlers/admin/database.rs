//! The health of the database, for superusers.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sotto_domain::Timestamp;
use sotto_domain::health::advice::{Advice, advise, remarks, slowest};
use sotto_domain::health::{IndexHealth, Snapshot, StatementHealth, TableHealth};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Superuser;
use crate::http::error::ApiError;
use crate::monitoring::alerts::{Alert, AlertState, Verdict};
use crate::monitoring::monitor;

/// Statements in the response.
const MAX_STATEMENTS: usize = 20;

/// The health of the database. Counters count since `watched_since`, on this node.
#[derive(Serialize, ToSchema)]
pub struct DatabaseResponse {
    /// `sqlite` or `postgres`.
    engine: &'static str,
    /// Version of the engine.
    version: String,
    /// The newest migration that the database records, or `base`.
    revision: String,
    /// Whether this program works with the schema, in a sentence.
    schema: String,
    /// Size on disk, in bytes.
    size_bytes: u64,
    /// Bytes of `size_bytes` that are free for new rows, where the engine knows.
    free_bytes: u64,
    /// When this node last took a reading.
    #[schema(value_type = String, format = DateTime)]
    taken_at: Timestamp,
    /// Since when readings fail; everything else is as of `taken_at`. Null if the last reading succeeded. The log has
    /// the reason.
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<Timestamp>,
    /// When the sizes of tables and indexes were measured. SQLite has to read the whole file for that, so it happens at
    /// most once an hour.
    #[schema(value_type = Option<String>, format = DateTime)]
    sized_at: Option<Timestamp>,
    /// When the stored rows were last checked for damage.
    #[schema(value_type = Option<String>, format = DateTime)]
    inspected_at: Option<Timestamp>,
    /// When the last backup was made with this node's data folder, if there was one.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_backup_at: Option<Timestamp>,
    /// When this node took its first reading.
    #[schema(value_type = Option<String>, format = DateTime)]
    watched_since: Option<Timestamp>,
    /// All alerts, raised or not.
    alerts: Vec<AlertResponse>,
    /// What to do, most urgent first.
    advice: Vec<AdviceResponse>,
    /// Limits of what the counters can show.
    remarks: Vec<String>,
    /// Sorted by name.
    tables: Vec<TableResponse>,
    /// Sorted by name.
    indexes: Vec<IndexResponse>,
    /// Sorted by mean duration, slowest first.
    slowest_statements: Vec<StatementResponse>,
}

/// An alert.
#[derive(Serialize, ToSchema)]
pub struct AlertResponse {
    /// `slow_statement`, `index_usage`, `constraint_violation`, `disk_full`, `migration`, `recordings`, `clock` or, if backups are
    /// watched, `backup`.
    alert: &'static str,
    raised: bool,
    /// The verdict of the last reading. An alert is raised by several bad readings in a row and cleared by several good
    /// ones, so this may differ from `raised`. `unknown` if too little happened, or if readings fail.
    verdict: Verdict,
    /// Since when the alert is raised.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// The last measurement, or the last bad one while the alert is raised: milliseconds, per cent, days, or a count.
    figure: f64,
    /// The figure in a sentence.
    sentence: String,
}

/// A piece of advice.
#[derive(Serialize, ToSchema)]
pub struct AdviceResponse {
    /// For example `missing index`.
    kind: &'static str,
    /// The index, table, foreign key or statement.
    subject: String,
    what: String,
    why: String,
    /// The statement that fixes it.
    command: Option<String>,
    /// A reason to leave it as it is.
    leave: Option<String>,
}

/// A table.
#[derive(Serialize, ToSchema)]
pub struct TableResponse {
    name: String,
    /// An estimate.
    rows: u64,
    dead_rows: u64,
    /// Without its indexes.
    bytes: u64,
    /// Full scans.
    scans: u64,
    scanned_rows: u64,
    /// Look-ups by an index.
    look_ups: u64,
    /// Null if the table was not read.
    index_usage_percent: Option<f64>,
}

/// An index.
#[derive(Serialize, ToSchema)]
pub struct IndexResponse {
    name: String,
    table: String,
    columns: Vec<String>,
    unique: bool,
    /// Whether a key or constraint needs it.
    constraint: bool,
    /// False if its creation failed.
    valid: bool,
    bytes: u64,
    scans: u64,
}

/// A statement.
#[derive(Serialize, ToSchema)]
pub struct StatementResponse {
    /// Without values.
    text: String,
    calls: u64,
    mean_ms: f64,
    total_ms: f64,
    /// Rows returned or changed; null where the engine does not count them.
    rows: Option<u64>,
}

/// The health of the database: alerts, advice, tables, indexes and the slowest statements.
#[utoipa::path(get, path = "/api/admin/database", tag = "operation", operation_id = "database", responses(
    (status = 200, body = DatabaseResponse),
    (status = 403, description = "Not a superuser."),
))]
pub async fn get(State(app): State<App>, _: Superuser) -> Result<Json<DatabaseResponse>, ApiError> {
    let known = monitor::with_latest(&app, |state, readings| {
        let alerts = state
            .assessed_alerts(&app)
            .map(|(alert, alert_state)| AlertResponse::new(alert, alert_state, state.verdict(&app, alert_state)));
        (readings.since_start(), alerts.collect(), state.failing_since, state.last_backup())
    });
    let (period, alerts, failing_since, last_backup_at) = known.await?.ok_or(ApiError::Busy)?;
    Ok(Json(DatabaseResponse {
        alerts,
        failing_since,
        last_backup_at,
        advice: advise(&period, &app.config.monitoring.thresholds).into_iter().map(Into::into).collect(),
        ..DatabaseResponse::new(period)
    }))
}

impl DatabaseResponse {
    fn new(period: Snapshot) -> Self {
        Self {
            remarks: remarks(&period),
            slowest_statements: slowest(&period).into_iter().take(MAX_STATEMENTS).map(Into::into).collect(),
            engine: period.engine,
            version: period.version,
            revision: period.schema.revision,
            schema: period.schema.sentence,
            size_bytes: period.bytes,
            free_bytes: period.free_bytes,
            taken_at: period.taken_at,
            watched_since: period.counting_since,
            failing_since: None,
            sized_at: period.sized_at,
            inspected_at: period.inspected_at,
            last_backup_at: None,
            tables: period.tables.into_iter().map(Into::into).collect(),
            indexes: period.indexes.into_iter().map(Into::into).collect(),
            alerts: Vec::new(),
            advice: Vec::new(),
        }
    }
}

impl AlertResponse {
    fn new(alert: Alert, alert_state: &AlertState, verdict: Verdict) -> Self {
        Self {
            alert: alert.name(),
            raised: alert_state.raised_at.is_some(),
            verdict,
            since: alert_state.raised_at,
            figure: alert_state.reading.figure,
            sentence: alert_state.reading.sentence.clone(),
        }
    }
}

impl From<Advice> for AdviceResponse {
    fn from(advice: Advice) -> Self {
        let Advice { kind, subject, what, why, command, leave } = advice;
        Self { kind: kind.name(), subject, what, why, command, leave }
    }
}

impl From<TableHealth> for TableResponse {
    fn from(table: TableHealth) -> Self {
        let index_usage_percent = table.index_usage_percent();
        let TableHealth { name, rows, dead_rows, bytes, scans, scanned_rows, look_ups } = table;
        Self { name, rows, dead_rows, bytes, scans, scanned_rows, look_ups, index_usage_percent }
    }
}

impl From<IndexHealth> for IndexResponse {
    fn from(index: IndexHealth) -> Self {
        let IndexHealth { name, table, columns, unique, constraint, valid, bytes, scans, .. } = index;
        Self { name, table, columns, unique, constraint, valid, bytes, scans }
    }
}

impl From<&StatementHealth> for StatementResponse {
    fn from(statement: &StatementHealth) -> Self {
        let (text, mean_ms) = (statement.text.clone(), statement.mean_ms());
        Self { text, mean_ms, calls: statement.calls, total_ms: statement.total_ms, rows: statement.rows }
    }
}
