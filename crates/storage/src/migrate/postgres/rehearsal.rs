//! What a run on a server would do: tried on temporary tables, and counted in the real ones.
//!
//! The tables of the present revision are made once more in the session's own schema, `pg_temp`: nobody else sees them,
//! the server drops them when the session ends, however it ends, and no dump has them. Then each step is run on them, and
//! the locks that it holds are read before it commits. A scratch schema in one transaction that is rolled back could
//! not tell: who makes a table holds the strongest lock on it until the end of that transaction, and a second one of the same
//! kind does not show.

use std::collections::BTreeMap;

use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use super::super::plan::{self, Direction};
use super::super::rehearsal::{Lock, Locks, Rehearsal, end_of};
use super::super::source::{Migration, Source};
use super::super::{Counted, MigrateError, Result};
use super::{SESSION, Target, count, failed, lock_tables};
use crate::DatabaseUrl;
use crate::postgres::error::sentence;

type Answer<T> = std::result::Result<T, tokio_postgres::Error>;

pub(in super::super) async fn rehearse(
    url: &DatabaseUrl,
    source: &Source,
    direction: Direction,
    goal: &plan::Target,
    backs_up: bool,
) -> Result<Rehearsal> {
    let mut target = Target::connect(url).await?;
    target.refuse_foreign().await?;
    let before = target.applied().await?;
    let steps = plan::steps(source, &before, direction, goal)?;
    let mut losses: Vec<Counted> = Vec::new();
    for step in &steps {
        losses.push(match direction {
            Direction::Up => Counted::new(),
            Direction::Down => count(&target.client, &[step]).await.map_err(|error| target.unusable(&error))?,
        });
    }
    let may_lose = losses.iter().flatten().any(|(_, count)| *count != Some(0));
    let locks = target.locks(source, before.len(), direction, &steps).await?;
    let found = losses.into_iter().zip(locks).collect();
    let from = plan::at(&before);
    let to = end_of(&from, direction, &steps, source.migrations());
    Ok(Rehearsal::of((from, to), direction, &steps, found, backs_up && may_lose))
}

/// What came of a script on temporary tables.
enum Tried {
    Done(Locks),
    /// It cannot be tried like that, and neither can what comes after.
    Impossible(String),
}

impl Target<'_> {
    /// The locks of each step.
    async fn locks(
        &mut self,
        source: &Source,
        present: usize,
        direction: Direction,
        steps: &[&Migration],
    ) -> Result<Vec<Locks>> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let stage = format!("{SESSION}; SET search_path = pg_temp");
        self.client.batch_execute(&stage).await.map_err(|error| self.unusable(&error))?;
        for step in source.migrations().iter().take(present) {
            if let Tried::Impossible(reason) = self.try_on_stage(source, step, Direction::Up).await? {
                return Ok(vec![Locks::Unknown(reason); steps.len()]);
            }
        }
        let mut locks = Vec::new();
        for step in steps {
            match self.try_on_stage(source, step, direction).await? {
                Tried::Done(taken) => locks.push(taken),
                Tried::Impossible(reason) => {
                    locks.resize(steps.len(), Locks::Unknown(reason));
                    break;
                }
            }
        }
        self.client.batch_execute("DISCARD TEMP").await.map_err(|error| self.unusable(&error))?;
        Ok(locks)
    }

    async fn try_on_stage(&mut self, source: &Source, step: &Migration, direction: Direction) -> Result<Tried> {
        let script = step.script(direction);
        let tried = match &script.concurrent_index {
            Some(index) => self.build_on_stage(index, &script.sql).await,
            None => self.run_on_stage(step, direction).await,
        };
        tried.or_else(|error| {
            // A user who may not make temporary tables, and what cannot be temporary.
            if let Some(&(SqlState::INSUFFICIENT_PRIVILEGE | SqlState::FEATURE_NOT_SUPPORTED)) = error.code() {
                return Ok(Tried::Impossible(sentence(&error)));
            }
            let applied = if direction == Direction::Up { step.version - 1 } else { step.version };
            Err(match failed(source, script, applied, &error) {
                MigrateError::Step { file, line, reason, at } => {
                    MigrateError::Step { file, line, reason: format!("{reason} (on temporary, empty tables)"), at }
                }
                other => other,
            })
        })
    }

    async fn run_on_stage(&mut self, step: &Migration, direction: Direction) -> Answer<Tried> {
        let transaction = self.client.transaction().await?;
        let before = tables(&transaction).await?;
        if direction == Direction::Down {
            lock_tables(&transaction, step).await?;
        }
        transaction.batch_execute(&step.script(direction).sql).await?;
        let held = "SELECT DISTINCT l.relation, replace(l.mode, 'Lock', ''), c.relname::text \
                    FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation \
                    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted \
                    AND (c.oid IS NULL OR c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')) \
                    AND (c.oid IS NULL OR c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace))";
        let rows = transaction.query(held, &[]).await?;
        let after = tables(&transaction).await?;
        let mut locks: BTreeMap<String, (usize, Option<bool>)> = BTreeMap::new();
        for row in rows {
            let (relation, mode): (u32, String) = (row.try_get(0)?, row.try_get(1)?);
            let Some((table, file)) = before.get(&relation) else {
                if let (Some(name), false) = (row.try_get::<_, Option<String>>(2)?, after.contains_key(&relation)) {
                    // Dropping the transaction undoes what it did there.
                    return Ok(Tried::Impossible(format!("it reaches beyond the search path, to {name}")));
                }
                continue;
            };
            let strength = MODES.iter().position(|(known, ..)| *known == mode).unwrap_or(MODES.len() - 1);
            let rewritten = after.get(&relation).map(|(_, now)| now != file);
            let held = locks.entry(table.clone()).or_insert((strength, rewritten));
            held.0 = held.0.max(strength);
        }
        transaction.commit().await?;
        let locks = locks.into_iter().map(|(on, (strength, rewritten))| {
            let (_, mode, effect) = MODES[strength];
            Lock { on, mode: mode.to_owned(), effect, rewritten }
        });
        Ok(Tried::Done(Locks::Known(locks.collect())))
    }

    /// Indexes on temporary tables are never built concurrently, so the lock is the one of the manual's description of
    /// `CREATE INDEX`.
    async fn build_on_stage(&self, index: &str, sql: &str) -> Answer<Tried> {
        let table = "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
                     WHERE i.indexrelid = to_regclass($1)";
        let before = self.client.query_opt(table, &[&index]).await?;
        self.client.batch_execute(sql).await?;
        let row = match before {
            Some(row) => Some(row),
            None => self.client.query_opt(table, &[&index]).await?,
        };
        let (_, mode, effect) = MODES[SHARE_UPDATE_EXCLUSIVE];
        let lock = |row: tokio_postgres::Row| {
            Ok(Lock { on: row.try_get(0)?, mode: mode.to_owned(), effect, rewritten: Some(false) })
        };
        Ok(Tried::Done(Locks::Known(row.map(lock).transpose()?.into_iter().collect())))
    }
}

/// Temporary tables, with the file that holds each one's rows: another file means that it was written anew.
async fn tables(transaction: &Transaction<'_>) -> Answer<BTreeMap<u32, (String, Option<u32>)>> {
    let sql = "SELECT oid, relname::text, pg_relation_filenode(oid) FROM pg_class \
               WHERE relnamespace = pg_my_temp_schema() AND relkind IN ('r', 'p')";
    let rows = transaction.query(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)))).collect()
}

const SHARE_UPDATE_EXCLUSIVE: usize = 3;

/// Modes in `pg_locks`, weakest first, and what they mean (manual, section 13.3.1).
const MODES: [(&str, &str, &str); 8] = [
    ("AccessShare", "ACCESS SHARE", "nobody waits"),
    ("RowShare", "ROW SHARE", "nobody who reads or writes waits"),
    ("RowExclusive", "ROW EXCLUSIVE", "nobody who reads or writes waits"),
    ("ShareUpdateExclusive", "SHARE UPDATE EXCLUSIVE", "nobody who reads or writes waits"),
    ("Share", "SHARE", "writers wait"),
    ("ShareRowExclusive", "SHARE ROW EXCLUSIVE", "writers wait"),
    ("Exclusive", "EXCLUSIVE", "writers wait"),
    ("AccessExclusive", "ACCESS EXCLUSIVE", "readers and writers wait"),
];
