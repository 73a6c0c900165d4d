//! `sotto db advise`: advice about indexes, statements and tables.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use jiff::civil::Date;
use serde_json::json;
use sotto_domain::account::{Email, UserQuery};
use sotto_domain::entry::{EntryQuery, TagFilter};
use sotto_domain::health::advice::{Advice, AdviceKind, advise, remarks};
use sotto_domain::health::{Snapshot, Thresholds, WriteCost};
use sotto_domain::storage::{Storage, StorageError};
use sotto_domain::{Clock, EntryId, ReminderId, SessionId, TagId, Timestamp, UserId};
use sotto_server::system::SystemClock;
use uuid::Uuid;

use crate::commands::{expect_schema, print_json, print_line};
use crate::error::Result;
use crate::settings::CommonSettings;

/// The options of `sotto db advise`.
#[derive(Args)]
pub struct AdviseCommand {
    /// Observe the database for N seconds and judge only that time. Without it, PostgreSQL's statistics so far are
    /// judged
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measured costs by index; a sentence if measuring failed.
type Costs = BTreeMap<String, std::result::Result<WriteCost, String>>;

impl AdviseCommand {
    pub async fn run(self, common: &CommonSettings) -> Result<()> {
        // The queries require the newest revision.
        expect_schema(common).await?;
        let storage = common.database().open().await?;
        let collected = self.collect(&*storage).await;
        storage.close().await;
        let (period, advice, costs) = collected?;
        if self.json { print_json(&as_json(&period, &advice, &costs)) } else { print_report(&period, &advice, &costs) }
    }

    async fn collect(&self, storage: &dyn Storage) -> Result<(Snapshot, Vec<Advice>, Costs)> {
        // SQLite has no statistics, so each statement is run once, for a user that does not exist, to see its plan.
        // PostgreSQL has statistics, and would count these statements.
        if storage.engine() == "sqlite" {
            run_queries_for_unknown_user(storage).await?;
        }
        let mut period = storage.health().snapshot(SystemClock.now()).await?;
        if let Some(seconds) = self.seconds {
            let before = period;
            tokio::time::sleep(Duration::from_secs(seconds.into())).await;
            period = storage.health().snapshot(SystemClock.now()).await?.since(&before);
        }
        let advice = advise(&period, &Thresholds::default());
        let mut costs = Costs::new();
        for one in &advice {
            if [AdviceKind::RedundantIndex, AdviceKind::DuplicateIndex, AdviceKind::UnusedIndex].contains(&one.kind) {
                match storage.health().write_cost(&one.subject).await {
                    Ok(Some(cost)) => drop(costs.insert(one.subject.clone(), Ok(cost))),
                    Ok(None) => {}
                    Err(error) => drop(costs.insert(one.subject.clone(), Err(error.to_string()))),
                }
            }
        }
        Ok((period, advice, costs))
    }
}

/// Runs each query of the storage contract once, for a user that does not exist. Changes nothing.
async fn run_queries_for_unknown_user(storage: &dyn Storage) -> std::result::Result<(), StorageError> {
    let (user, nothing) = (UserId(Uuid::nil()), Uuid::nil());
    let (early, late) = (Timestamp::MIN, Timestamp::MAX);
    storage.users().get(user).await?;
    storage.users().list(&UserQuery { limit: 1, ..UserQuery::default() }).await?;
    storage.users().preferences(user).await?;
    if let Ok(email) = Email::parse("nobody@invalid.example") {
        storage.users().credentials(&email).await?;
    }
    storage.sessions().get_with_user(user, SessionId(nothing)).await?;
    storage.sessions().list(user, late).await?;
    storage.sessions().delete_expired(early).await?;
    storage.entries().get(user, EntryId(nothing)).await?;
    let all = EntryQuery { limit: 1, ..EntryQuery::default() };
    let day = Date::ZERO;
    for query in [
        all.clone(),
        EntryQuery { from: Some(day), to: Some(day), ..all.clone() },
        EntryQuery { tag: Some(TagFilter::Id(TagId(nothing))), ..all.clone() },
        EntryQuery { tag: Some(TagFilter::Key("nothing".into())), ..all.clone() },
        EntryQuery { words: vec!["nothing".into()], ..all },
    ] {
        storage.entries().list(user, &query).await?;
    }
    storage.entries().days(user, day, day).await?;
    storage.entries().on_days(user, &[day], 1).await?;
    storage.tags().get(user, TagId(nothing)).await?;
    storage.tags().list(user, None, 1).await?;
    storage.reminders().get(user, ReminderId(nothing)).await?;
    storage.reminders().list(user, None, 1).await?;
    Ok(())
}

fn as_json(period: &Snapshot, advice: &[Advice], costs: &Costs) -> serde_json::Value {
    let advice = advice.iter().map(|one| {
        let cost = costs.get(&one.subject).map(|cost| match cost {
            Ok(cost) => json!({
                "rows": cost.rows, "with_ms": cost.with_ms, "without_ms": cost.without_ms, "ratio": cost.ratio(),
            }),
            Err(reason) => json!({"not_measured": reason}),
        });
        json!({
            "kind": one.kind, "subject": one.subject, "what": one.what, "why": one.why, "command": one.command,
            "leave": one.leave, "write_cost": cost,
        })
    });
    json!({
        "engine": period.engine, "version": period.version, "revision": period.schema.revision,
        "taken_at": period.taken_at, "counting_since": period.counting_since, "timed_by": period.timed_by,
        "remarks": remarks(period), "damage": period.damage, "advice": advice.collect::<Vec<_>>(),
    })
}

fn print_report(period: &Snapshot, advice: &[Advice], costs: &Costs) -> Result<()> {
    for remark in remarks(period) {
        print_line(&remark)?;
    }
    for damage in &period.damage {
        print_line(&format!("\nDAMAGE\n  {damage}"))?;
    }
    if advice.is_empty() {
        return print_line("There is no advice.");
    }
    for one in advice {
        print_line(&format!("\n{}\n  {}\n  {}", one.kind.name().to_uppercase(), one.what, one.why))?;
        match costs.get(&one.subject) {
            Some(Ok(cost)) => print_line(&format!(
                "  Inserting {} rows took {:.1} ms with it and {:.1} ms without: {:.2} times as long.",
                cost.rows,
                cost.with_ms,
                cost.without_ms,
                cost.ratio()
            ))?,
            Some(Err(reason)) => print_line(&format!("  Its cost for writes could not be measured: {reason}."))?,
            None => {}
        }
        if let Some(leave) = &one.leave {
            print_line(&format!("  Leave it: {leave}"))?;
        }
        if let Some(command) = &one.command {
            let introduction = if one.leave.is_some() { "Else" } else { "Run" };
            print_line(&format!("  {introduction}: {command}"))?;
        }
    }
    Ok(())
}
