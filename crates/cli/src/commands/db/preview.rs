//! `sotto db upgrade | downgrade --dry-run | --sql`: what a migration would do.

use clap::Args;
use serde_json::{Value, json};
use sotto_storage::migrate::{Locks, Losses, Rehearsal, RehearsedStep, Target};

use crate::commands::{print_json, print_line};
use crate::error::Result;

/// The options for a preview of a migration.
#[derive(Args)]
pub struct PreviewOptions {
    /// Show what would be done, lost and locked; change nothing
    #[arg(long, conflicts_with = "sql")]
    pub dry_run: bool,
    /// Print the steps as a script for psql or the sqlite3 shell; change nothing
    #[arg(long, conflicts_with = "json")]
    pub sql: bool,
    /// The revision at which the script starts, or base [default: that of the database]
    #[arg(long, value_name = "REVISION", requires = "sql")]
    pub from: Option<Target>,
}

/// Prints a migration script.
pub fn print_script(script: &str) -> Result<()> {
    print_line(script.trim_end())
}

/// Prints a rehearsal; `allowed` says whether data may be lost.
pub fn print_report(rehearsal: &Rehearsal, allowed: bool, as_json: bool) -> Result<()> {
    let losses = rehearsal.losses();
    let refused = !allowed && !losses.0.is_empty();
    if as_json {
        let steps: Vec<_> = rehearsal.steps.iter().map(step_json).collect();
        return print_json(&json!({
            "from": rehearsal.from, "to": rehearsal.to, "steps": steps, "snapshot": rehearsal.snapshot && !refused,
            "refused": refused,
        }));
    }
    if rehearsal.steps.is_empty() {
        return print_line(&format!("The database is already at {}; nothing would be done.", rehearsal.from));
    }
    print_line(&format!("The database would go from {} to {}; nothing was changed.", rehearsal.from, rehearsal.to))?;
    for step in &rehearsal.steps {
        print_step(step)?;
    }
    if refused {
        return print_line(&format!(
            "It would be refused without --allow-data-loss, because it would delete {losses}."
        ));
    }
    print_line(if rehearsal.snapshot {
        "A copy of the database would be kept."
    } else {
        "No copy of the database would be kept."
    })
}

fn print_step(step: &RehearsedStep) -> Result<()> {
    print_line(&format!("  {}", step.file))?;
    for (loss, count) in &step.losses {
        print_line(&match count {
            Some(count) => format!("    deletes {}", Losses(vec![(loss.clone(), *count)])),
            None => format!("    deletes {loss}, which does not exist yet"),
        })?;
    }
    for (column, kind, count) in &step.cuts {
        let (values, pronoun) = if *count == 1 { ("value", "it") } else { ("values", "them") };
        print_line(&format!("    cuts {count} {values} of {column}: {kind} cannot hold {pronoun}"))?;
    }
    match &step.locks {
        Locks::Unknown(reason) => print_line(&format!("    locks are unknown: {reason}")),
        Locks::Known(locks) if locks.is_empty() => print_line("    locks no existing table"),
        Locks::Known(locks) => locks.iter().try_for_each(|lock| {
            let rewritten = if lock.rewritten == Some(true) { "; it is rewritten" } else { "" };
            print_line(&format!("    locks {}: {}, {}{rewritten}", lock.on, lock.mode, lock.effect))
        }),
    }
}

fn step_json(step: &RehearsedStep) -> Value {
    let losses = step.losses.iter().map(|(loss, count)| json!({"what": loss.to_string(), "count": count}));
    let cuts =
        step.cuts.iter().map(|(column, kind, count)| json!({"what": column.to_string(), "type": kind, "count": count}));
    let (locks, unknown_reason) = match &step.locks {
        Locks::Known(locks) => (Some(locks), None),
        Locks::Unknown(reason) => (None, Some(reason)),
    };
    let locks = locks.map(|locks| {
        let lock = |lock: &sotto_storage::migrate::Lock| {
            json!({"on": lock.on, "mode": lock.mode, "effect": lock.effect, "rewritten": lock.rewritten})
        };
        locks.iter().map(lock).collect::<Vec<_>>()
    });
    json!({
        "revision": step.revision, "file": step.file, "losses": losses.collect::<Vec<_>>(),
        "cuts": cuts.collect::<Vec<_>>(), "locks": locks,
        "locks_unknown": unknown_reason,
    })
}
