//! Finds rows that refer to a row that does not exist. PostgreSQL enforces foreign keys, but their triggers can be
//! disabled, a dump can be restored in part, and a page can be lost.

use std::collections::HashMap;

use sotto_domain::Timestamp;
use sotto_domain::storage::Result;
use tokio_postgres::Row;

use super::lead::{Findings, Lead};
use super::{Postgres, mark, read, read_rows, tables};
use crate::integrity::Orphans;

/// An inspection is repeated after this many seconds: one hour.
const INTERVAL_SECONDS: i64 = 3600;
/// The limits for counting the rows of one foreign key.
const LIMITS: &str = "SET LOCAL statement_timeout = '10s'; SET LOCAL transaction_read_only = on";
/// Each foreign key, with the number of writes to its two tables.
const FOREIGN_KEYS: &str = concat!(
    mark!(),
    tables!(),
    "SELECT c.conname::text, t.name,
        ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k (attnum, at)
              JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum ORDER BY k.at),
        p.name,
        ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k (attnum, at)
              JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum ORDER BY k.at),
        c.confdeltype = 'n',
        (SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint
         FROM pg_stat_user_tables s WHERE s.relid IN (c.conrelid, c.confrelid))
     FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'f' JOIN tables p ON p.oid = c.confrelid
     ORDER BY t.name, c.conname"
);

/// The result of the last inspection.
#[derive(Default)]
pub struct Inspection {
    /// Present if this server is the one that inspects.
    lead: Option<Lead>,
    at: Option<Timestamp>,
    keys: HashMap<String, Known>,
    damage: Vec<String>,
    notes: Vec<String>,
}

/// How many rows violate a foreign key, and the number of writes at the time of the count.
#[derive(Clone, Copy)]
struct Known {
    writes: i64,
    orphans: u64,
}

impl Postgres {
    /// Adds the findings to `damage`. Returns notes about foreign keys that were not checked, and the time of the
    /// inspection. An inspection is repeated after an hour, and then only counts the foreign keys of tables that have
    /// been written to. If several servers share a database, one of them inspects it.
    pub(super) async fn orphans(
        &self,
        now: Timestamp,
        damage: &mut Vec<String>,
    ) -> Result<(Vec<String>, Option<Timestamp>)> {
        let mut last = self.inspection.lock().await;
        if last.lead.as_ref().is_some_and(|lead| !lead.is_held()) {
            last.lead = None;
        }
        if last.lead.is_none()
            && let Some(findings) = Findings::read(&self.pool).await?
        {
            return Ok(report_findings_of_another_server(findings, damage));
        }
        let is_recent = |at: Timestamp| at <= now && now < at.plus_seconds(INTERVAL_SECONDS);
        if !last.at.is_some_and(is_recent) {
            if last.lead.is_none() {
                last.lead = Lead::try_acquire(&self.pool).await;
                // Several servers may have tried to become the lead at the same time; one of them has succeeded.
                if last.lead.is_none()
                    && let Some(findings) = Findings::read(&self.pool).await?
                {
                    return Ok(report_findings_of_another_server(findings, damage));
                }
            }
            self.inspect(&mut last, now).await?;
        }
        damage.extend(last.damage.iter().cloned());
        Ok((last.notes.clone(), last.at))
    }

    async fn inspect(&self, last: &mut Inspection, now: Timestamp) -> Result<()> {
        let keys = self.pool.query(FOREIGN_KEYS, &[]).await?;
        let mut next = Inspection { at: Some(now), ..Inspection::default() };
        let mut broken = Vec::new();
        for (key, writes) in read_rows(&keys, foreign_key)? {
            let known = last.keys.get(&key.name).copied().filter(|known| known.writes == writes);
            let orphans = match known {
                Some(known) => known.orphans,
                None => match self.count(&key).await {
                    Ok(orphans) => orphans,
                    Err(error) => {
                        next.notes.push(format!(
                            "The foreign key {} was not checked ({error}). `sotto db check --rows` takes its time.",
                            key.name
                        ));
                        continue;
                    }
                },
            };
            if orphans > 0 {
                next.damage.push(key.sentence(orphans));
                broken.push(key.name.clone());
            }
            next.keys.insert(key.name, Known { writes, orphans });
        }
        if let Some(mut lead) = last.lead.take() {
            next.lead = lead.publish(broken).await.then_some(lead);
        }
        *last = next;
        Ok(())
    }

    async fn count(&self, key: &Orphans) -> Result<u64> {
        let lease = self.pool.lease().await?;
        let client = lease.client()?;
        lease.begin(client.batch_execute(LIMITS)).await?;
        let row = lease.query_opt(&format!("{}{}", mark!(), key.count), &[]).await?;
        lease.commit(async { Ok(()) }).await?;
        row.map_or(Ok(0), |row| read::<i64>(&row, 0).map(i64::unsigned_abs))
    }
}

/// Adds the findings of another server to `damage`, and returns a note about that server.
fn report_findings_of_another_server(findings: Findings, damage: &mut Vec<String>) -> (Vec<String>, Option<Timestamp>) {
    let Findings { place, at, broken } = findings;
    damage.extend(broken.into_iter().map(|name| {
        format!(
            "Another server has found rows that break the foreign key {name}. `sotto db check --rows --sql` counts them and \
             prints what mends them."
        )
    }));
    let note = format!("Foreign keys are inspected by another server on this database, at {place}.");
    (vec![note], at)
}

fn foreign_key(row: &Row) -> Result<(Orphans, i64)> {
    let (name, table, columns): (String, String, Vec<String>) = (read(row, 0)?, read(row, 1)?, read(row, 2)?);
    let (parent, references): (String, Vec<String>) = (read(row, 3)?, read(row, 4)?);
    Ok((Orphans::new(&name, (&table, &columns), (&parent, &references), read(row, 5)?), read(row, 6)?))
}
