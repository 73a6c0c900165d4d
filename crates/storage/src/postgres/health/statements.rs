//! The statements that were run, as counted by PostgreSQL if it keeps count, otherwise by this process.

use std::collections::{BTreeMap, HashMap};

use sotto_domain::health::{StatementHealth, TimedBy};
use sotto_domain::storage::{Result, StorageError};

use super::super::Postgres;
use super::super::values::{count, read};
use crate::statements::{mark, without_values};

/// The schema of the extension, if it exists in this database and the server has loaded its library.
const EXTENSION: &str = concat!(
    mark!(),
    "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname = 'pg_stat_statements' AND current_setting('pg_stat_statements.max', true) IS NOT NULL"
);

impl Postgres {
    /// The statements of this database, and the source of their timings.
    pub(super) async fn statements(&self) -> Result<(Vec<StatementHealth>, TimedBy)> {
        if let Some(row) = self.pool.query_opt(EXTENSION, &[]).await? {
            let schema: String = read(&row, 0)?;
            match self.counted_by_the_server(&schema).await {
                // The extension exists but cannot be used: its library is not loaded after all, or this role may not
                // read it.
                Err(StorageError::Other(error)) => tracing::debug!(%error, "pg_stat_statements does not answer"),
                counted => return Ok((counted?, TimedBy::PgStatStatements)),
            }
        }
        Ok((self.counted_here(), TimedBy::Sotto))
    }

    /// Reads `pg_stat_statements` (<https://www.postgresql.org/docs/15/pgstatstatements.html>). Selects only statements
    /// that read or change rows: others are listed with their literals, which may include a password. Statements of
    /// other users are hidden from ordinary roles, and are left out.
    async fn counted_by_the_server(&self, schema: &str) -> Result<Vec<StatementHealth>> {
        let sql = format!(
            "{}SELECT query, calls, total_exec_time, rows FROM {schema}.pg_stat_statements
             WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND userid = (SELECT oid FROM pg_roles WHERE rolname = current_user)
             AND query ~* '^[\\s(]*(SELECT|INSERT|UPDATE|DELETE|WITH)\\M'",
            mark!()
        );
        let mut statements: BTreeMap<String, StatementHealth> = BTreeMap::new();
        for row in &self.pool.query(&sql, &[]).await? {
            let text = without_values(read(row, 0)?);
            let statement = statements.entry(text.clone()).or_default();
            statement.text = text;
            statement.calls += count::<i64, u64>(row, 1)?;
            statement.total_ms += read::<f64>(row, 2)?;
            statement.rows = Some(statement.rows.unwrap_or(0) + count::<i64, u64>(row, 3)?);
        }
        Ok(statements.into_values().collect())
    }

    fn counted_here(&self) -> Vec<StatementHealth> {
        let mut timings = HashMap::new();
        self.pool.timings.sum_into(&mut timings);
        let statement = |(sql, timing): (Box<str>, crate::statements::Timing)| StatementHealth {
            text: without_values(&sql),
            calls: timing.calls,
            total_ms: timing.total_ms(),
            ..StatementHealth::default()
        };
        timings.into_iter().map(statement).collect()
    }
}
