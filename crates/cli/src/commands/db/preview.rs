//! `sotto db upgrade | downgrade --dry-run | --sql`: what would be done.

use clap::Args;
use serde_json::{Value, json};
use sotto_storage::migrate::{Locks, Losses, Rehearsal, RehearsedStep, Target};

use crate::commands::{say, say_json};
use crate::error::Result;

/// Ways to look before the leap.
#[derive(Args)]
pub struct Preview {
    /// Say what would be done, what would be lost and what would be locked, and do nothing
    #[arg(long, conflicts_with = "sql")]
    pub dry_run: bool,
    /// Print the steps as a script for psql or the sqlite3 shell, and do nothing
    #[arg(long, conflicts_with = "json")]
    pub sql: bool,
    /// Where the script starts: base or a revision [default: where the database is]
    #[arg(long, value_name = "REVISION", requires = "sql")]
    pub from: Option<Target>,
}

/// Prints a script.
pub fn print(script: &str) -> Result<()> {
    say(script.trim_end())
}

/// Tells what was found out; `allowed` says whether data may be lost.
pub fn tell(rehearsal: &Rehearsal, allowed: bool, as_json: bool) -> Result<()> {
    let losses = rehearsal.losses();
    let refused = !allowed && !losses.0.is_empty();
    if as_json {
        let steps: Vec<_> = rehearsal.steps.iter().map(step).collect();
        return say_json(&json!({
            "from": rehearsal.from, "to": rehearsal.to, "steps": steps, "snapshot": rehearsal.snapshot && !refused,
            "refused": refused,
        }));
    }
    if rehearsal.steps.is_empty() {
        return say(&format!("The database is at {} already; nothing would be done.", rehearsal.from));
    }
    say(&format!("The database would go from {} to {}; nothing was changed.", rehearsal.from, rehearsal.to))?;
    for step in &rehearsal.steps {
        tell_step(step)?;
    }
    if refused {
        return say(&format!("It would be refused without --allow-data-loss, because it would delete {losses}."));
    }
    say(if rehearsal.snapshot {
        "A copy of the database would be kept."
    } else {
        "No copy of the database would be kept."
    })
}

fn tell_step(step: &RehearsedStep) -> Result<()> {
    say(&format!("  {}", step.file))?;
    for (loss, count) in &step.losses {
        say(&match count {
            Some(count) => format!("    deletes {}", Losses(vec![(loss.clone(), *count)])),
            None => format!("    deletes {loss}, which is not there yet"),
        })?;
    }
    match &step.locks {
        Locks::Unknown(reason) => say(&format!("    locks cannot be told: {reason}")),
        Locks::Known(locks) if locks.is_empty() => say("    locks nothing that exists"),
        Locks::Known(locks) => locks.iter().try_for_each(|lock| {
            let rewritten = if lock.rewritten == Some(true) { "; it is written anew" } else { "" };
            say(&format!("    locks {}: {}, {}{rewritten}", lock.on, lock.mode, lock.effect))
        }),
    }
}

fn step(step: &RehearsedStep) -> Value {
    let losses = step.losses.iter().map(|(loss, count)| json!({"what": loss.to_string(), "count": count}));
    let (locks, unknown) = match &step.locks {
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
        "revision": step.revision, "file": step.file, "losses": losses.collect::<Vec<_>>(), "locks": locks,
        "locks_unknown": unknown,
    })
}
