//! Renders a run as a script for the `sqlite3` shell.

use std::fmt::Write;
use std::path::Path;

use super::super::Result;
use super::super::plan::Direction;
use super::super::script::{Route, body};
use super::super::source::{Loss, Migration};
use super::inventory::is_derived;
use super::{APPLICATION_ID, MIGRATIONS_TABLE, rehearsal, unusable};

/// Microseconds since 1970, in functions that older shells have as well.
const NOW: &str = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)";

/// One transaction, as in the runner. `.bail` makes the shell stop at the first error, which undoes everything.
pub(in super::super) fn render(route: &Route<'_>) -> Result<String> {
    let mut text = route.head("SQLite", "sqlite3 journal.db < SCRIPT");
    if route.steps.is_empty() {
        return Ok(text);
    }
    // Both settings cannot change inside of a transaction.
    text.push_str(
        ".bail on\n.timeout 10000\nPRAGMA foreign_keys = OFF;\nPRAGMA secure_delete = ON;\nBEGIN IMMEDIATE;\n\n",
    );
    let ours = format!(
        "(SELECT application_id FROM pragma_application_id) = {APPLICATION_ID} OR NOT EXISTS (SELECT 1 FROM sqlite_schema)"
    );
    text.push_str(&insist(&ours, "this file contains tables of another program: give Sotto a separate file"));
    let _ = writeln!(text, "PRAGMA application_id = {APPLICATION_ID};{MIGRATIONS_TABLE}");
    let elsewhere = format!(
        "this script starts at {}, but the database is at another revision: see sotto db current",
        route.from()
    );
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
            let guard = if route.allow_data_loss { String::new() } else { guards(route, step)? };
            format!("{guard}{body}DELETE FROM schema_migrations WHERE version = {};\n", step.version)
        }
    })
}

/// Stops if there is data to lose, except for data computed from other tables, which cannot always be counted.
fn guards(route: &Route<'_>, step: &Migration) -> Result<String> {
    let scratch = rehearsal::schema_after(&route.known[..step.version as usize])?;
    let mut text = String::new();
    for loss in &step.loses {
        let derived = is_derived(&scratch, loss).map_err(|error| unusable(Path::new(":memory:"), &error))?;
        text.push_str(&if derived == Some(true) { String::new() } else { guard(loss) });
    }
    Ok(text)
}

/// Stops if there is data to lose.
fn guard(loss: &Loss) -> String {
    let there = loss.column.as_ref().map_or_else(String::new, |column| format!(" WHERE \"{column}\" IS NOT NULL"));
    let empty = format!("NOT EXISTS (SELECT 1 FROM \"{}\"{there})", loss.table);
    let advice = "If you want that, make a copy, and create the script with --allow-data-loss";
    insist(&empty, &format!("this step would destroy {loss}. {advice}"))
}

/// Stops with this sentence unless the condition holds. SQL has no `IF` here, but a failed check reports its name.
fn insist(condition: &str, sentence: &str) -> String {
    format!(
        "CREATE TEMP TABLE sotto_insists (holds INTEGER CONSTRAINT \"{sentence}\" CHECK (holds));\n\
         INSERT INTO sotto_insists SELECT {condition};\nDROP TABLE temp.sotto_insists;\n"
    )
}
