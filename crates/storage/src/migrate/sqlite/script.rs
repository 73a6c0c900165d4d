//! A run as a script for the `sqlite3` shell.

use std::fmt::Write;

use super::super::Result;
use super::super::plan::Direction;
use super::super::script::{Route, body};
use super::super::source::{Loss, Migration};
use super::{APPLICATION_ID, BOOKKEEPING};

/// In microseconds since 1970, in words that older shells understand as well.
const NOW: &str = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)";

/// One transaction, as the runner makes it. `.bail` makes the shell stop at the first error, which undoes everything.
pub(in super::super) fn render(route: &Route<'_>) -> Result<String> {
    let mut text = route.head("SQLite", "sqlite3 journal.db < SCRIPT");
    if route.steps.is_empty() {
        return Ok(text);
    }
    // Both are not possible inside of a transaction.
    text.push_str(
        ".bail on\n.timeout 10000\nPRAGMA foreign_keys = OFF;\nPRAGMA secure_delete = ON;\nBEGIN IMMEDIATE;\n\n",
    );
    let ours = format!(
        "(SELECT application_id FROM pragma_application_id) = {APPLICATION_ID} OR NOT EXISTS (SELECT 1 FROM sqlite_schema)"
    );
    text.push_str(&insist(&ours, "this file holds tables that are not of Sotto: give Sotto a file of its own"));
    let _ = writeln!(text, "PRAGMA application_id = {APPLICATION_ID};{BOOKKEEPING}");
    let elsewhere =
        format!("this script starts from {}, and the file is elsewhere: sotto db current says where", route.from());
    text.push_str(&insist(&route.fits(), &elsewhere));
    for step in &route.steps {
        text.push('\n');
        text.push_str(&route.title(step));
        text.push_str(&one(route, step)?);
    }
    text.push('\n');
    let whole = "NOT EXISTS (SELECT 1 FROM pragma_foreign_key_check)";
    text.push_str(&insist(whole, "rows would be left without the row that they refer to"));
    text.push_str("COMMIT;\n");
    Ok(text)
}

fn one(route: &Route<'_>, step: &Migration) -> Result<String> {
    let script = step.script(route.direction);
    script.refuse_concurrent()?;
    let body = body(script);
    Ok(match route.direction {
        Direction::Up => format!(
            "{body}INSERT INTO schema_migrations (version, name, up_checksum, down_checksum, applied_at)\n    \
             VALUES ({}, '{}', '{}', '{}', {NOW});\n",
            step.version, step.name, step.up.checksum, step.down.checksum
        ),
        Direction::Down => {
            let guard: String =
                if route.allow_data_loss { <_>::default() } else { step.loses.iter().map(guard).collect() };
            format!("{guard}{body}DELETE FROM schema_migrations WHERE version = {};\n", step.version)
        }
    })
}

/// Stops if there is something to lose.
fn guard(loss: &Loss) -> String {
    let there = loss.column.as_ref().map_or_else(String::new, |column| format!(" WHERE \"{column}\" IS NOT NULL"));
    let empty = format!("NOT EXISTS (SELECT 1 FROM \"{}\"{there})", loss.table);
    let advice = "If that is meant, take a copy, and make the script with --allow-data-loss";
    insist(&empty, &format!("this step would destroy {loss}. {advice}"))
}

/// Stops with this sentence unless the condition holds. SQL has no `IF` here; but a check can be refused, and its name is
/// told.
fn insist(condition: &str, sentence: &str) -> String {
    format!(
        "CREATE TEMP TABLE sotto_insists (holds INTEGER CONSTRAINT \"{sentence}\" CHECK (holds));\n\
         INSERT INTO sotto_insists SELECT {condition};\nDROP TABLE temp.sotto_insists;\n"
    )
}
