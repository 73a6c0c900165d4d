//! `sotto db check`: compares the schema with the migrations and the standards; with `--rows`, also checks rows, file
//! and recordings.

use clap::Args;
use serde_json::json;
use sotto_storage::DatabaseUrl;
use sotto_storage::integrity::{self, Integrity};
use sotto_storage::migrate::Migrator;
use sotto_storage::schema::standards::{RULES, Violation};
use sotto_storage::schema::{self, CheckError, Difference, Engine, Repair, Report};
use sotto_storage::transfer::Migrations;

use super::migrate::MigrateOptions;
use super::rows;
use crate::commands::{print_json, print_line};
use crate::error::{CliError, Result};
use crate::settings::CommonSettings;

/// The options of `sotto db check`.
#[derive(Args)]
pub struct CheckCommand {
    /// Also read all rows, and on SQLite the whole file: find damage, orphans, violated checks, duplicate keys and gaps
    /// in the search index, and compare the names and lengths of recordings with their rows. The server can keep
    /// running
    #[arg(long)]
    rows: bool,
    /// With --rows, also read all recordings and compare their content with the SHA-256 in their rows
    #[arg(long, requires = "rows")]
    hashes: bool,
    /// Print a script that repairs what is found. Statements that delete data are commented out
    #[arg(long, conflicts_with = "json")]
    sql: bool,
    #[command(flatten)]
    options: MigrateOptions,
}

impl CheckCommand {
    /// Runs the check, and fails with [`CliError::Found`] if it finds something.
    pub async fn run(self, common: &CommonSettings) -> Result<()> {
        let database = common.database();
        let report = schema::check(&database, &self.options.migrator(common)?).await?;
        let rows = if self.rows { Some(self.check_rows(common, &database).await?) } else { None };
        if self.options.json {
            print_json(&to_json(&report, rows.as_ref()))?;
        } else if self.sql {
            print_script(&database, &report, rows.as_ref())?;
        } else {
            print_report(&report)?;
            rows.as_ref().map_or(Ok(()), rows::print_report)?;
        }
        let mut found = Vec::new();
        if !report.is_clean() {
            found.push(summary(&report));
        }
        found.extend(rows.filter(|rows| !rows.is_clean()).map(|rows| rows::summary(&rows)));
        if found.is_empty() { Ok(()) } else { Err(CliError::Found(found.join("; "))) }
    }

    async fn check_rows(&self, common: &CommonSettings, database: &DatabaseUrl) -> Result<Integrity> {
        let mut found = integrity::check(database).await?;
        let attachments = common.attachments().attachments()?;
        let migrations = Migrations { folder: self.options.migrations.clone() };
        found.extend(integrity::check_recordings(database, &attachments, &migrations, self.hashes).await);
        Ok(found)
    }
}

/// Prints the repairs of the schema, then those of rows.
fn print_script(database: &DatabaseUrl, report: &Report, rows: Option<&Integrity>) -> Result<()> {
    let script = schema::script(Engine::from(database), &report.repairs);
    print_line(script.trim_end())?;
    rows.map_or(Ok(()), rows::print_script)
}

/// Checks the database of a server that has just started, in the background, and logs what it finds.
pub async fn warn(database: DatabaseUrl) {
    /// How many lines to log.
    const MAX_LOG_LINES: usize = 20;
    let work = async { schema::check(&database, &Migrator::new(&database)?).await };
    let report: Report = match work.await {
        Ok(report) => report,
        Err(error) => return tracing::warn!(%error, "the database's schema could not be checked"),
    };
    if report.is_clean() {
        return tracing::info!(revision = report.revision, "the database's schema is correct");
    }
    for difference in report.differences.iter().take(MAX_LOG_LINES) {
        tracing::warn!(%difference, "the database differs from its migrations");
    }
    for one in report.violations.iter().take(MAX_LOG_LINES) {
        tracing::warn!(
            rule = one.rule,
            table = one.table,
            name = one.name,
            "the database violates a standard: {}",
            one.what
        );
    }
    tracing::warn!("{}: run `sotto db check` for the full list", summary(&report));
}

fn summary(report: &Report) -> String {
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    format!(
        "the database at {} has {} from its migrations, and violates the standards in {}",
        report.revision,
        count(report.differences.len(), "difference"),
        count(report.violations.len(), "place")
    )
}

fn print_report(report: &Report) -> Result<()> {
    if report.is_clean() {
        return print_line(&format!(
            "The database matches its migrations up to {}, and follows the {} standards.",
            report.revision,
            RULES.len()
        ));
    }
    if !report.differences.is_empty() {
        print_line("Differences from the migrations:\n")?;
        let or_nothing = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
        let row = |one: &Difference| {
            let what = format!("{} {}", one.part, one.name);
            [one.table.clone(), what, or_nothing(&one.expected), or_nothing(&one.found)]
        };
        let rows: Vec<_> = report.differences.iter().map(row).collect();
        print_table(["table", "part", "expected", "found"], &rows)?;
    }
    if !report.violations.is_empty() {
        print_line("Violated standards:\n")?;
        let row = |one: &Violation| [one.rule.to_owned(), one.table.clone(), one.name.clone(), one.what.clone()];
        let rows: Vec<_> = report.violations.iter().map(row).collect();
        print_table(["rule", "table", "name", "what"], &rows)?;
        for rule in RULES.iter().filter(|rule| report.violations.iter().any(|one| one.rule == rule.id)) {
            print_line(&format!("  {}: {}", rule.id, rule.sentence))?;
        }
    }
    Ok(())
}

/// Prints a table. The first columns are as wide as their contents, up to a limit.
pub(super) fn print_table(head: [&str; 4], rows: &[[String; 4]]) -> Result<()> {
    const MAX_COLUMN_WIDTH: usize = 48;
    let head = head.map(str::to_owned);
    // Puts definitions of several lines on one line.
    let all = std::iter::once(&head).chain(rows);
    let all: Vec<[String; 4]> =
        all.map(|row| row.each_ref().map(|cell| cell.split_whitespace().collect::<Vec<_>>().join(" "))).collect();
    let width =
        |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).min(MAX_COLUMN_WIDTH);
    let [first, second, third] = [width(0), width(1), width(2)];
    for [a, b, c, d] in &all {
        print_line(format!("  {a:first$}  {b:second$}  {c:third$}  {d}").trim_end())?;
    }
    print_line("")
}

fn to_json(report: &Report, rows: Option<&Integrity>) -> serde_json::Value {
    let differences = report.differences.iter().map(|one| {
        json!({
            "table": one.table, "part": one.part.to_string(), "name": one.name, "expected": one.expected,
            "found": one.found,
        })
    });
    let violations = report
        .violations
        .iter()
        .map(|one| json!({"rule": one.rule, "table": one.table, "name": one.name, "what": one.what}));
    let mends = report.repairs.iter().map(|one: &Repair| {
        json!({
            "differences": one.differences, "statements": one.statements, "loses": one.loses, "note": one.note,
        })
    });
    json!({
        "revision": report.revision,
        "clean": report.is_clean() && rows.is_none_or(Integrity::is_clean),
        "mends": mends.collect::<Vec<_>>(),
        "rows": rows.map(rows::to_json),
        "differences": differences.collect::<Vec<_>>(),
        "violations": violations.collect::<Vec<_>>(),
    })
}

impl From<CheckError> for CliError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Migrate(error) => Self::Migrate(error),
            other => Self::Refused(other.to_string()),
        }
    }
}
