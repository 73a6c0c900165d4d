//! The guard against the loss of data: what steps down destroy is counted, allowed or refused, and backed up first.

use std::path::PathBuf;

use tokio_postgres::{GenericClient, Transaction};

use super::super::BeforeLoss;
use super::super::error::{Counted, Losses, MigrateError, Result};
use super::super::source::{Loss, Migration};
use super::Target;

/// To somebody whose downgrade was refused, where nothing makes a backup.
const ADVICE: &str = "Nothing copies a server's database on the way: take a backup with `sotto backup` first; then add \
                      --allow-data-loss";
/// Where something does.
const ADVICE_BACKUP: &str = "If that is meant, add --allow-data-loss: a backup is taken first";
/// Where something would have, had there been anything to lose.
const ARRIVED_LATE: &str =
    "It was written after everything had been counted, and is in no backup: stop the servers, and try again";

impl Target<'_> {
    /// Counts what all steps destroy, before the first of them, so that a refusal changes nothing; what is allowed to
    /// go is backed up. Answers with the backup, and with the advice to somebody whom a step has to refuse all the same
    /// because of rows that arrived in between.
    pub(super) async fn guard(
        &self,
        steps: &[&Migration],
        allowed: bool,
        before_loss: Option<&BeforeLoss>,
    ) -> Result<(Option<PathBuf>, Option<&'static str>)> {
        let counted = count(&self.client, steps).await.map_err(|error| self.unusable(&error))?;
        let losses = Losses::of(&counted);
        let advice = if before_loss.is_some() { ADVICE_BACKUP } else { ADVICE };
        // What is not there yet, because an earlier step makes it, may turn out to hold rows.
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

/// Nobody writes what has been counted until it is gone.
pub(super) async fn lock_tables(
    transaction: &Transaction<'_>,
    step: &Migration,
) -> std::result::Result<(), tokio_postgres::Error> {
    for loss in &step.loses {
        if exists(transaction, loss).await? {
            transaction.batch_execute(&format!("LOCK TABLE \"{}\" IN ACCESS EXCLUSIVE MODE", loss.table)).await?;
        }
    }
    Ok(())
}

/// How much there is of what the down files of `steps` destroy: rows of tables, values of columns.
pub(super) async fn count(
    client: &impl GenericClient,
    steps: &[&Migration],
) -> std::result::Result<Counted, tokio_postgres::Error> {
    let mut counted = Vec::new();
    for loss in steps.iter().flat_map(|step| &step.loses) {
        let mut found = None;
        if exists(client, loss).await? {
            let what = loss.column.as_ref().map_or_else(|| "*".to_owned(), |column| format!("\"{column}\""));
            let row = client.query_one(&format!("SELECT count({what}) FROM \"{}\"", loss.table), &[]).await?;
            found = u64::try_from(row.get::<_, i64>(0)).ok();
        }
        counted.push((loss.clone(), found));
    }
    Ok(counted)
}

async fn exists(client: &impl GenericClient, loss: &Loss) -> std::result::Result<bool, tokio_postgres::Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 \
               AND NOT attisdropped AND ($2::text IS NULL OR attname = $2))";
    Ok(client.query_one(sql, &[&loss.table, &loss.column]).await?.get(0))
}
