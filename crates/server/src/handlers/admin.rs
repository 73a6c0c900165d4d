//! For superusers: the database's health, and accounts.

pub mod users;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sotto_domain::Timestamp;
use sotto_domain::health::advice::{Advice, advise, remarks, slowest};
use sotto_domain::health::{IndexHealth, Snapshot, StatementHealth, TableHealth};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Superuser;
use crate::error::ApiError;
use crate::jobs::alerts::{Alert, Lamp};
use crate::jobs::monitor;

/// Statements that are shown.
const SLOWEST: usize = 20;

/// How the database is. What was counted was counted since `watched_since`, as this node sees it.
#[derive(Serialize, ToSchema)]
pub struct DatabaseResponse {
    /// `sqlite` or `postgres`.
    engine: &'static str,
    /// The engine's version.
    version: String,
    /// The newest migration that the database records, or `base`.
    revision: String,
    /// Whether this program works with it, in a sentence.
    schema: String,
    /// On disk, in bytes.
    size_bytes: u64,
    /// Of those, what is free for new rows, where the engine knows.
    free_bytes: u64,
    /// When this node last looked.
    #[schema(value_type = String, format = DateTime)]
    taken_at: Timestamp,
    /// When it first did.
    #[schema(value_type = Option<String>, format = DateTime)]
    watched_since: Option<Timestamp>,
    /// The roadmap's alerts, raised or not.
    alerts: Vec<AlertResponse>,
    /// What to do, the most pressing first.
    advice: Vec<AdviceResponse>,
    /// How much the counters can tell.
    remarks: Vec<String>,
    /// By name.
    tables: Vec<TableResponse>,
    /// By name.
    indexes: Vec<IndexResponse>,
    /// On average, slowest first.
    slowest_statements: Vec<StatementResponse>,
}

/// An alert.
#[derive(Serialize, ToSchema)]
pub struct AlertResponse {
    /// `slow_statement`, `index_usage`, `constraint_violation` or `migration`.
    alert: &'static str,
    raised: bool,
    /// Since when it is raised.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// What was measured last: milliseconds, per cent, or how many.
    figure: f64,
    sentence: String,
}

/// A piece of advice.
#[derive(Serialize, ToSchema)]
pub struct AdviceResponse {
    /// Such as `missing index`.
    kind: &'static str,
    /// The index, table, foreign key or statement.
    subject: String,
    what: String,
    why: String,
    /// The statement that puts it right.
    command: Option<String>,
    /// Why to leave it as it is.
    leave: Option<String>,
}

/// A table.
#[derive(Serialize, ToSchema)]
pub struct TableResponse {
    name: String,
    /// About how many.
    rows: u64,
    dead_rows: u64,
    /// Without its indexes.
    bytes: u64,
    /// How often it was read from beginning to end.
    scans: u64,
    scanned_rows: u64,
    /// How often rows were looked up by an index.
    look_ups: u64,
    /// Null if it was not read.
    index_usage_percent: Option<f64>,
}

/// An index.
#[derive(Serialize, ToSchema)]
pub struct IndexResponse {
    name: String,
    table: String,
    columns: Vec<String>,
    unique: bool,
    /// Whether a key or constraint rests on it.
    constraint: bool,
    /// False if its making failed.
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
    /// Returned or changed; null where that is not counted.
    rows: Option<u64>,
}

/// How the database is: alerts, advice, tables, indexes and the slowest statements.
#[utoipa::path(get, path = "/api/admin/database", tag = "operation", responses(
    (status = 200, body = DatabaseResponse),
    (status = 403, description = "Not a superuser."),
))]
pub async fn database(State(app): State<App>, _: Superuser) -> Result<Json<DatabaseResponse>, ApiError> {
    let known = monitor::known(&app, |state| {
        let alerts = state.lamps.iter().map(|(alert, lamp)| AlertResponse::new(*alert, lamp)).collect();
        (state.since_start(), alerts)
    });
    let (period, alerts) = known.await?.ok_or(ApiError::Busy)?;
    Ok(Json(DatabaseResponse {
        alerts,
        advice: advise(&period, &app.config.monitoring.thresholds).into_iter().map(Into::into).collect(),
        ..DatabaseResponse::new(period)
    }))
}

impl DatabaseResponse {
    fn new(period: Snapshot) -> Self {
        Self {
            remarks: remarks(&period),
            slowest_statements: slowest(&period).into_iter().take(SLOWEST).map(Into::into).collect(),
            engine: period.engine,
            version: period.version,
            revision: period.schema.revision,
            schema: period.schema.sentence,
            size_bytes: period.bytes,
            free_bytes: period.free_bytes,
            taken_at: period.taken_at,
            watched_since: period.counting_since,
            tables: period.tables.into_iter().map(Into::into).collect(),
            indexes: period.indexes.into_iter().map(Into::into).collect(),
            alerts: Vec::new(),
            advice: Vec::new(),
        }
    }
}

impl AlertResponse {
    fn new(alert: Alert, lamp: &Lamp) -> Self {
        Self {
            alert: alert.name(),
            raised: lamp.raised_at.is_some(),
            since: lamp.raised_at,
            figure: lamp.reading.figure,
            sentence: lamp.reading.sentence.clone(),
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
