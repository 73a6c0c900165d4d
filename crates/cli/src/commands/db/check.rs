//! `sotto db check`: whether the database is what its migrations make, and keeps the standards.

use clap::Args;
use serde_json::json;
use sotto_storage::DatabaseUrl;
use sotto_storage::migrate::Migrator;
use sotto_storage::schema::standards::{RULES, Violation};
use sotto_storage::schema::{self, CheckError, Difference, Report};

use super::migrate::Options;
use crate::commands::{say, say_json};
use crate::error::{CliError, Result};
use crate::settings::Common;

/// How to check.
#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    options: Options,
}

impl Check {
    /// Checks, and fails with [`CliError::Found`] if something is found.
    pub async fn run(self, common: &Common) -> Result<()> {
        let report = schema::check(&common.database(), &self.options.migrator(common)?).await?;
        if self.options.json {
            say_json(&to_json(&report))?;
        } else {
            tell(&report)?;
        }
        if report.is_clean() { Ok(()) } else { Err(CliError::Found(summary(&report))) }
    }
}

/// Checks the database of a server that has just started, and logs what is found. Nothing waits for it.
pub async fn warn(database: DatabaseUrl) {
    /// So many lines are enough to see that something is wrong.
    const LINES: usize = 20;
    let work = async { schema::check(&database, &Migrator::new(&database)?).await };
    let report: Report = match work.await {
        Ok(report) => report,
        Err(error) => return tracing::warn!(%error, "the database's schema could not be checked"),
    };
    if report.is_clean() {
        return tracing::info!(revision = report.revision, "the database's schema is as it should be");
    }
    for difference in report.differences.iter().take(LINES) {
        tracing::warn!(%difference, "the database is not what its migrations make");
    }
    for one in report.violations.iter().take(LINES) {
        tracing::warn!(
            rule = one.rule,
            table = one.table,
            name = one.name,
            "the database breaks a standard: {}",
            one.what
        );
    }
    tracing::warn!("{}: `sotto db check` lists all of it", summary(&report));
}

fn summary(report: &Report) -> String {
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    format!(
        "the database at {} has {} from what its migrations make, and breaks the standards in {}",
        report.revision,
        count(report.differences.len(), "difference"),
        count(report.violations.len(), "place")
    )
}

fn tell(report: &Report) -> Result<()> {
    if report.is_clean() {
        return say(&format!(
            "The database is what its migrations make up to {}, and keeps the {} standards.",
            report.revision,
            RULES.len()
        ));
    }
    if !report.differences.is_empty() {
        say("Not what the migrations make:\n")?;
        let or_nothing = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
        let row = |one: &Difference| {
            let what = format!("{} {}", one.part, one.name);
            [one.table.clone(), what, or_nothing(&one.expected), or_nothing(&one.found)]
        };
        let rows: Vec<_> = report.differences.iter().map(row).collect();
        say_table(["table", "part", "expected", "found"], &rows)?;
    }
    if !report.violations.is_empty() {
        say("Not as the standards ask:\n")?;
        let row = |one: &Violation| [one.rule.to_owned(), one.table.clone(), one.name.clone(), one.what.clone()];
        let rows: Vec<_> = report.violations.iter().map(row).collect();
        say_table(["rule", "table", "name", "what"], &rows)?;
        for rule in RULES.iter().filter(|rule| report.violations.iter().any(|one| one.rule == rule.id)) {
            say(&format!("  {}: {}", rule.id, rule.sentence))?;
        }
    }
    Ok(())
}

/// Prints columns that are as wide as what is in them, up to a width that leaves room for the others.
fn say_table(head: [&str; 4], rows: &[[String; 4]]) -> Result<()> {
    const WIDEST: usize = 48;
    let head = head.map(str::to_owned);
    // A definition of several lines stands in one.
    let all = std::iter::once(&head).chain(rows);
    let all: Vec<[String; 4]> =
        all.map(|row| row.each_ref().map(|cell| cell.split_whitespace().collect::<Vec<_>>().join(" "))).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).min(WIDEST);
    let [first, second, third] = [width(0), width(1), width(2)];
    for [a, b, c, d] in &all {
        say(format!("  {a:first$}  {b:second$}  {c:third$}  {d}").trim_end())?;
    }
    say("")
}

fn to_json(report: &Report) -> serde_json::Value {
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
    json!({
        "revision": report.revision,
        "clean": report.is_clean(),
        "differences": differences.collect::<Vec<_>>(),
        "violations": violations.collect::<Vec<_>>(),
    })
}

impl From<CheckError> for CliError {
    fn from(error: CheckError) -> Self {
        Self::Refused(error.to_string())
    }
}
