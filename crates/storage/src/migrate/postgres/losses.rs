//! The guard against data loss: counts what down migrations destroy, refuses it or takes a backup first.

use std::fmt::Write;
use std::path::PathBuf;

use tokio_postgres::GenericClient;

use super::super::BeforeLoss;
use super::super::error::{Counted, Losses, MigrateError, Result};
use super::super::source::{Loss, Migration};
use super::Session;

/// Advice after a refused downgrade, without an automatic backup.
const ADVICE: &str = "No backup is made automatically here: make one with `sotto backup` first, then add \
                      --allow-data-loss";
/// Advice after a refused downgrade, with an automatic backup.
const ADVICE_BACKUP: &str = "If you want that, add --allow-data-loss: a backup is made first";
/// Advice if rows appeared after the count, which had found nothing to back up.
const ARRIVED_LATE: &str = "It was written after the count, and is in no backup: stop the servers and try again";

impl Session<'_> {
    /// Counts what all steps destroy before the first of them, so that a refusal changes nothing, and backs up what may
    /// be destroyed. Returns the backup, and the advice for a step that must be refused because of rows that appeared
    /// in between.
    pub(super) async fn guard(
        &self,
        steps: &[&Migration],
        allowed: bool,
        before_loss: Option<&BeforeLoss>,
    ) -> Result<(Option<PathBuf>, Option<&'static str>)> {
        let counted = count(&self.client, steps).await.map_err(|error| self.unusable(&error))?;
        let losses = Losses::from_counted(&counted);
        let advice = if before_loss.is_some() { ADVICE_BACKUP } else { ADVICE };
        // A table that an earlier step creates may turn out to contain rows.
        let nothing_to_lose = losses.0.is_empty() && counted.iter().all(|(_, count)| count.is_some());
        losses.refuse_unless(allowed, advice)?;
        match before_loss {
            _ if !allowed => Ok((None, Some(advice))),
            None => Ok((None, None)),
            Some(_) if nothing_to_lose => Ok((None, Some(ARRIVED_LATE))),
            Some(before_loss) => {
                let backup = before_loss.run().await.map_err(|reason| MigrateError::Backup { reason })?;
                Ok((Some(backup), None))
            }
        }
    }
}

/// Statements that prevent others from changing the counted data until it is destroyed.
pub(super) async fn locks_of(
    client: &impl GenericClient,
    step: &Migration,
) -> std::result::Result<String, tokio_postgres::Error> {
    let mut locks = String::new();
    for loss in &step.loses {
        if exists(client, loss).await? {
            let _ = writeln!(locks, "LOCK TABLE \"{}\" IN ACCESS EXCLUSIVE MODE;", loss.table);
        }
    }
    Ok(locks)
}

/// The amount of data that the down files of `steps` destroy: rows of tables, values of columns.
pub(super) async fn count(
    client: &impl GenericClient,
    steps: &[&Migration],
) -> std::result::Result<Counted, tokio_postgres::Error> {
    let mut counted = Vec::new();
    for loss in steps.iter().flat_map(|step| &step.loses) {
        let mut found = None;
        if is_derived(client, loss).await? {
            // A generated column contains only values that are computed from others.
            found = Some(0);
        } else if exists(client, loss).await? {
            let what = loss.column.as_ref().map_or_else(|| "*".to_owned(), |column| format!("\"{column}\""));
            let row = client.query_one(&format!("SELECT count({what}) FROM \"{}\"", loss.table), &[]).await?;
            found = u64::try_from(row.get::<_, i64>(0)).ok();
        }
        counted.push((loss.clone(), found));
    }
    Ok(counted)
}

async fn exists(client: &impl GenericClient, loss: &Loss) -> std::result::Result<bool, tokio_postgres::Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT \
               attisdropped AND ($2::text IS NULL OR attname = $2))";
    Ok(client.query_one(sql, &[&loss.table, &loss.column]).await?.get(0))
}

async fn is_derived(client: &impl GenericClient, loss: &Loss) -> std::result::Result<bool, tokio_postgres::Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT \
               attisdropped AND attname = $2 AND attgenerated <> '')";
    Ok(client.query_one(sql, &[&loss.table, &loss.column]).await?.get(0))
}
