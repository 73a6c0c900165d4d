//! Records every statement before it is sent to the server, for tests of query plans.

use std::sync::{Mutex, PoisonError};

use deadpool_postgres::Object;
use serde_json::Value;

use super::pool::{DriverResult, Parameters, TypedParameters};

/// The statements since the last call of `take`. Nothing is recorded before the first call.
#[derive(Default)]
pub struct StatementLog(Mutex<Option<Vec<LoggedStatement>>>);

/// One recorded statement.
pub struct LoggedStatement {
    pub sql: String,
    /// The plan for its values, if it was sent with values.
    pub plan: Option<Value>,
    /// Whether the statement is planned for each call, so that `plan` is always the plan it runs with.
    pub custom_plan: bool,
}

impl StatementLog {
    /// Returns the recorded statements, and continues with an empty log.
    pub fn take(&self) -> Vec<LoggedStatement> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(Vec::new()).unwrap_or_default()
    }

    pub async fn log(&self, client: &Object, sql: &str, parameters: Option<Parameters<'_>>) -> DriverResult<()> {
        if !self.is_on() {
            return Ok(());
        }
        let plan = match parameters {
            Some(parameters) => Some(client.query_one(&explain(sql), parameters).await?.try_get(0)?),
            None => None,
        };
        self.push(LoggedStatement { sql: sql.to_owned(), plan, custom_plan: false });
        Ok(())
    }

    pub async fn log_with_custom_plan(
        &self,
        client: &Object,
        sql: &str,
        parameters: TypedParameters<'_>,
    ) -> DriverResult<()> {
        if self.is_on() {
            let rows = client.query_typed(&explain(sql), parameters).await?;
            let plan = rows.first().map(|row| row.try_get(0)).transpose()?;
            self.push(LoggedStatement { sql: sql.to_owned(), plan, custom_plan: true });
        }
        Ok(())
    }

    fn is_on(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn push(&self, seen: LoggedStatement) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().push(seen);
    }
}

fn explain(sql: &str) -> String {
    format!("EXPLAIN (FORMAT JSON) {sql}")
}
