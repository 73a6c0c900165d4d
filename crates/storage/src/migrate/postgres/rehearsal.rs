//! Rehearses a run on a server: runs the steps on temporary tables, and counts losses in the real tables.
//!
//! The tables of the present revision are created again in the session's own schema, `pg_temp`. Other sessions do not
//! see them, the server drops them when the session ends in whatever way, and dumps do not contain them. Then each step
//! runs on them, and its locks are read before it commits. A scratch schema in a single transaction that is rolled back
//! would not show the locks: the creator of a table holds the strongest lock on it until the end of that transaction,
//! and a second lock of the same kind is invisible.

use std::collections::BTreeMap;

use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use super::super::inventory::{DeclarationErrors, Retyped};
use super::super::plan::{self, Direction};
use super::super::rehearsal::{Cut, Lock, Locks, Rehearsal, StepFindings, end_of};
use super::super::source::{Migration, Source};
use super::super::{Counted, MigrateError, Result};
use super::{SESSION, Session, count, failed, inventory, locks_of, wrong_declaration};
use crate::DatabaseUrl;
use crate::postgres::error::sentence;

type QueryResult<T> = std::result::Result<T, tokio_postgres::Error>;

pub(in super::super) async fn rehearse(
    url: &DatabaseUrl,
    source: &Source,
    direction: Direction,
    goal: &plan::Target,
    backs_up: bool,
) -> Result<Rehearsal> {
    let mut session = Session::connect(url).await?;
    session.refuse_foreign().await?;
    let before = session.applied().await?;
    let steps = plan::steps(source, &before, direction, goal)?;
    let mut losses: Vec<Counted> = Vec::new();
    for step in &steps {
        losses.push(match direction {
            Direction::Up => Counted::new(),
            Direction::Down => count(&session.client, &[step]).await.map_err(|error| session.unusable(&error))?,
        });
    }
    let may_lose = losses.iter().flatten().any(|(_, count)| *count != Some(0));
    let tried = session.try_out(source, before.len(), direction, &steps).await?;
    let found =
        losses.into_iter().zip(tried).map(|(losses, (locks, cuts))| StepFindings { losses, cuts, locks }).collect();
    let from = plan::revision_of(&before);
    let to = end_of(&from, direction, &steps, source.migrations());
    Ok(Rehearsal::new((from, to), direction, &steps, found, backs_up && may_lose))
}

/// Fails if a down file does not declare what the step destroys, as far as empty tables show it.
pub(in super::super) async fn refuse_wrong_declarations(
    url: &DatabaseUrl,
    source: &Source,
    present: usize,
    steps: &[&Migration],
) -> Result<()> {
    let mut stage = Session::connect(url).await?;
    match stage.try_out(source, present, Direction::Down, steps).await {
        Err(error @ MigrateError::WrongDeclaration { .. }) => Err(error),
        // Another failure on empty tables may not occur on the real ones; if it does, the step is undone.
        _ => Ok(()),
    }
}

/// The result of a script on temporary tables.
enum Trial {
    Done {
        locks: Locks,
        /// The errors in its declaration of losses.
        wrong: Option<DeclarationErrors>,
        /// The columns whose types it changes.
        retyped: Vec<Retyped>,
    },
    /// The script cannot run on temporary tables, and neither can the later ones.
    Impossible(String),
}

impl Session<'_> {
    /// The locks of each step, and the number of real values that it would cut.
    async fn try_out(
        &mut self,
        source: &Source,
        present: usize,
        direction: Direction,
        steps: &[&Migration],
    ) -> Result<Vec<(Locks, Vec<Cut>)>> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let stage = format!("{SESSION}; SET search_path = pg_temp");
        self.client.batch_execute(&stage).await.map_err(|error| self.unusable(&error))?;
        for step in source.migrations().iter().take(present) {
            if let Trial::Impossible(reason) = self.try_on_stage(source, step, Direction::Up).await? {
                return Ok(vec![(Locks::Unknown(reason), Vec::new()); steps.len()]);
            }
        }
        let at = plan::revision_at(source, present);
        let mut found = Vec::new();
        for step in steps {
            match self.try_on_stage(source, step, direction).await? {
                Trial::Done { wrong: Some(wrong), .. } => return Err(wrong_declaration(step, at, &wrong)),
                Trial::Done { locks, retyped, .. } => found.push((locks, retyped)),
                Trial::Impossible(reason) => {
                    found.resize(steps.len(), (Locks::Unknown(reason), Vec::new()));
                    break;
                }
            }
        }
        self.client.batch_execute("DISCARD TEMP; RESET search_path").await.map_err(|error| self.unusable(&error))?;
        let mut cut = Vec::new();
        for (step, (locks, retyped)) in steps.iter().zip(found) {
            let cuts = self.cuts(&retyped).await.map_err(|error| self.unusable(&error))?;
            let wrong = (direction == Direction::Down).then(|| DeclarationErrors::cuts(&step.loses, &cuts)).flatten();
            if let Some(wrong) = wrong {
                return Err(wrong_declaration(step, at, &wrong));
            }
            cut.push((locks, cuts));
        }
        Ok(cut)
    }

    /// The number of values of the real columns that their new types would change.
    async fn cuts(&self, retyped: &[Retyped]) -> QueryResult<Vec<Cut>> {
        let mut cuts = Vec::new();
        for column in retyped {
            let count = inventory::cut(&self.client, column).await?.filter(|count| *count > 0);
            cuts.extend(count.map(|count| (column.what.clone(), column.kind.clone(), count)));
        }
        Ok(cuts)
    }

    async fn try_on_stage(&mut self, source: &Source, step: &Migration, direction: Direction) -> Result<Trial> {
        let script = step.script(direction);
        let tried = match &script.concurrent_index {
            Some(index) => self.build_on_stage(index, &script.sql).await,
            None => self.run_on_stage(step, direction).await,
        };
        tried.or_else(|error| {
            // The role may not create temporary tables, or an object cannot be temporary.
            if let Some(&(SqlState::INSUFFICIENT_PRIVILEGE | SqlState::FEATURE_NOT_SUPPORTED)) = error.code() {
                return Ok(Trial::Impossible(sentence(&error)));
            }
            let applied = if direction == Direction::Up { step.version - 1 } else { step.version };
            Err(match failed(source, script, applied, &error) {
                MigrateError::Step { file, line, reason, at, rows } => {
                    let reason = format!("{reason} (on temporary, empty tables)");
                    MigrateError::Step { file, line, reason, at, rows }
                }
                other => other,
            })
        })
    }

    async fn run_on_stage(&mut self, step: &Migration, direction: Direction) -> QueryResult<Trial> {
        // Outside of the transaction, because reading a table also takes a lock.
        let held = inventory::read(&self.client).await?;
        let transaction = self.client.transaction().await?;
        let before = tables(&transaction).await?;
        if direction == Direction::Down {
            let locks = locks_of(&transaction, step).await?;
            transaction.batch_execute(&locks).await?;
        }
        transaction.batch_execute(&step.script(direction).sql).await?;
        let own_locks = "SELECT DISTINCT l.relation, replace(l.mode, 'Lock', ''), c.relname::text FROM pg_locks l LEFT \
                         JOIN pg_class c ON c.oid = l.relation WHERE l.pid = pg_backend_pid() AND l.locktype = \
                         'relation' AND l.granted AND (c.oid IS NULL OR c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')) \
                         AND (c.oid IS NULL OR c.relnamespace NOT IN ('pg_catalog'::regnamespace, \
                         'pg_toast'::regnamespace))";
        let rows = transaction.query(own_locks, &[]).await?;
        let after = tables(&transaction).await?;
        let mut locks: BTreeMap<String, (usize, Option<bool>)> = BTreeMap::new();
        for row in rows {
            let (relation, mode): (u32, String) = (row.try_get(0)?, row.try_get(1)?);
            let Some((table, file)) = before.get(&relation) else {
                if let (Some(name), false) = (row.try_get::<_, Option<String>>(2)?, after.contains_key(&relation)) {
                    // Dropping the transaction undoes the step.
                    return Ok(Trial::Impossible(format!("it reaches beyond the search path, to {name}")));
                }
                continue;
            };
            let strength = MODES.iter().position(|(known, ..)| *known == mode).unwrap_or(MODES.len() - 1);
            let rewritten = after.get(&relation).map(|(_, now)| now != file);
            let held = locks.entry(table.clone()).or_insert((strength, rewritten));
            held.0 = held.0.max(strength);
        }
        let holds = inventory::read(&transaction).await?;
        transaction.commit().await?;
        let locks = locks.into_iter().map(|(on, (strength, rewritten))| {
            let (_, mode, effect) = MODES[strength];
            Lock { on, mode: mode.to_owned(), effect, rewritten }
        });
        let wrong = match direction {
            Direction::Up => None,
            Direction::Down => DeclarationErrors::find(&step.loses, &held, &holds),
        };
        Ok(Trial::Done { locks: Locks::Known(locks.collect()), wrong, retyped: held.retyped(&holds) })
    }

    /// Indexes on temporary tables are never built concurrently, so the lock is taken from the manual's description of
    /// `CREATE INDEX`.
    async fn build_on_stage(&self, index: &str, sql: &str) -> QueryResult<Trial> {
        let table = "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE i.indexrelid = \
                     to_regclass($1)";
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
        let locks = Locks::Known(row.map(lock).transpose()?.into_iter().collect());
        Ok(Trial::Done { locks, wrong: None, retyped: Vec::new() })
    }
}

/// Temporary tables with the files that contain their rows: a new file means that the table was rewritten.
async fn tables(transaction: &Transaction<'_>) -> QueryResult<BTreeMap<u32, (String, Option<u32>)>> {
    let sql = "SELECT oid, relname::text, pg_relation_filenode(oid) FROM pg_class WHERE relnamespace = \
               pg_my_temp_schema() AND relkind IN ('r', 'p')";
    let rows = transaction.query(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)))).collect()
}

const SHARE_UPDATE_EXCLUSIVE: usize = 3;

/// Lock modes in `pg_locks`, weakest first, with their effect (manual, section 13.3.1).
const MODES: [(&str, &str, &str); 8] = [
    ("AccessShare", "ACCESS SHARE", "nobody waits"),
    ("RowShare", "ROW SHARE", "readers and writers do not wait"),
    ("RowExclusive", "ROW EXCLUSIVE", "readers and writers do not wait"),
    ("ShareUpdateExclusive", "SHARE UPDATE EXCLUSIVE", "readers and writers do not wait"),
    ("Share", "SHARE", "writers wait"),
    ("ShareRowExclusive", "SHARE ROW EXCLUSIVE", "writers wait"),
    ("Exclusive", "EXCLUSIVE", "writers wait"),
    ("AccessExclusive", "ACCESS EXCLUSIVE", "readers and writers wait"),
];
