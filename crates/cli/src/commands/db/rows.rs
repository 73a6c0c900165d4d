//! The report of `sotto db check --rows`, and `sotto db reindex`.

use clap::Args;
use serde_json::json;
use sotto_storage::integrity::{self, Finding, Integrity, IntegrityError};

use super::check::print_table;
use crate::commands::print_line;
use crate::error::{CliError, Result};
use crate::settings::CommonSettings;

/// The options of `sotto db reindex`.
#[derive(Args)]
pub struct ReindexCommand {}

impl ReindexCommand {
    /// Rebuilds the search index and prints the number of its entries.
    pub async fn run(self, common: &CommonSettings) -> Result<()> {
        let entries = integrity::reindex(&common.database()).await?;
        let what = if entries == 1 { "entry" } else { "entries" };
        print_line(&format!("The search index was rebuilt and verified: it contains {entries} {what}."))
    }
}

pub(super) fn summary(rows: &Integrity) -> String {
    let count = rows.findings.len();
    format!("its rows, file or recordings have {count} problem{}", if count == 1 { "" } else { "s" })
}

pub(super) fn print_report(rows: &Integrity) -> Result<()> {
    if rows.is_clean() {
        let limit = if rows.notes.is_empty() { "" } else { ", as far as they were checked" };
        print_line(&format!("The rows, the search index and the recordings are intact{limit}."))?;
    } else {
        print_line("Problems in the rows, in the file or in the recordings:\n")?;
        let row = |one: &Finding| {
            let what = format!("{} {}", one.kind, one.name);
            [one.table.clone(), what, one.expected.clone(), one.found.clone()]
        };
        print_table(["table", "what", "expected", "found"], &rows.findings.iter().map(row).collect::<Vec<_>>())?;
        print_line(
            "`sotto db check --rows --sql` prints repairs; for damage and missing recordings, restore a backup.",
        )?;
    }
    for note in &rows.notes {
        print_line(&format!("Not checked: {note}"))?;
    }
    Ok(())
}

/// Prints the repairs of rows. Commands of this program, and statements that delete data, are commented out.
pub(super) fn print_script(rows: &Integrity) -> Result<()> {
    for one in &rows.findings {
        print_line(&format!("\n-- {one}"))?;
        if one.mend.is_empty() {
            print_line("-- No statement repairs this. Restore a backup, or correct the rows by hand.")?;
        }
        if let Some(what) = &one.loses {
            print_line(&format!("-- This deletes {what}. Remove the `--` to run it."))?;
        }
        for statement in &one.mend {
            let is_command = statement.starts_with("sotto ");
            print_line(&format!("{}{statement}", if is_command || one.loses.is_some() { "-- " } else { "" }))?;
        }
    }
    Ok(())
}

pub(super) fn to_json(rows: &Integrity) -> serde_json::Value {
    let findings = rows.findings.iter().map(|one| {
        json!({
            "kind": one.kind.to_string(), "table": one.table, "name": one.name, "expected": one.expected,
            "found": one.found, "mend": one.mend, "loses": one.loses,
        })
    });
    json!({"findings": findings.collect::<Vec<_>>(), "notes": rows.notes})
}

impl From<IntegrityError> for CliError {
    fn from(error: IntegrityError) -> Self {
        Self::Refused(error.to_string())
    }
}
