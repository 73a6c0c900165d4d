//! Measures the limit of the engine: the statements of the list and of the create, without a server.

mod pgbench;
mod rusqlite;

use std::time::Duration;

use crate::Result;
use crate::database::Location;
use crate::scenarios::Scenario;

/// The number of different texts that creates use in turn.
const DISTINCT_TEXTS: u64 = 8;

/// The statements of a scenario on an engine.
pub struct Statements {
    kind: StatementKind,
    location: Location,
    authors: u64,
}

#[derive(Clone, Copy)]
enum StatementKind {
    List,
    Create,
}

impl Statements {
    /// The statements of a list or a create by this many authors in turn; `None` for other scenarios.
    pub fn for_scenario(scenario: Scenario, location: &Location, authors: u64) -> Option<Self> {
        let kind = match scenario {
            Scenario::List => StatementKind::List,
            Scenario::Create => StatementKind::Create,
            Scenario::Get | Scenario::Update | Scenario::Mix => return None,
        };
        Some(Self { kind, location: location.clone(), authors })
    }

    /// Runs the statements, and returns how many operations the engine completes per second.
    ///
    /// # Errors
    /// The engine's error.
    pub async fn rate(&self, duration: Duration) -> Result<f64> {
        let authors = self.authors;
        match (self.kind, &self.location) {
            (StatementKind::List, Location::Sqlite(path)) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || rusqlite::lists(&path, authors, duration)).await?
            }
            (StatementKind::Create, Location::Sqlite(path)) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || rusqlite::creates(&path, authors, duration)).await?
            }
            (StatementKind::List, Location::Postgres(url)) => pgbench::lists(url, authors, duration).await,
            (StatementKind::Create, Location::Postgres(url)) => pgbench::creates(url, authors, duration).await,
        }
    }
}
