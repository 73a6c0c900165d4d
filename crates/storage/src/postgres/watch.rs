//! Notes every statement on its way to the server, for tests about plans.

use std::sync::{Mutex, PoisonError};

use deadpool_postgres::Object;
use serde_json::Value;

use super::pool::{Answer, Parameters, TypedParameters};

/// The statements since it was last asked; none before it is first asked.
#[derive(Default)]
pub struct Watch(Mutex<Option<Vec<Seen>>>);

/// A statement.
pub struct Seen {
    /// Its text.
    pub sql: String,
    /// Its plan for the values that it came with, if it came with them.
    pub plan: Option<Value>,
    /// Whether that is how it always runs: it is planned anew each time.
    pub planned_anew: bool,
}

impl Watch {
    /// What was seen.
    pub fn take(&self) -> Vec<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(Vec::new()).unwrap_or_default()
    }

    pub async fn note(&self, client: &Object, sql: &str, parameters: Option<Parameters<'_>>) -> Answer<()> {
        if !self.is_on() {
            return Ok(());
        }
        let plan = match parameters {
            Some(parameters) => Some(client.query_one(&explain(sql), parameters).await?.try_get(0)?),
            None => None,
        };
        self.push(Seen { sql: sql.to_owned(), plan, planned_anew: false });
        Ok(())
    }

    pub async fn note_planned_anew(&self, client: &Object, sql: &str, parameters: TypedParameters<'_>) -> Answer<()> {
        if self.is_on() {
            let rows = client.query_typed(&explain(sql), parameters).await?;
            let plan = rows.first().map(|row| row.try_get(0)).transpose()?;
            self.push(Seen { sql: sql.to_owned(), plan, planned_anew: true });
        }
        Ok(())
    }

    fn is_on(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn push(&self, seen: Seen) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().push(seen);
    }
}

fn explain(sql: &str) -> String {
    format!("EXPLAIN (FORMAT JSON) {sql}")
}
