//! The limit of the engine: the statements of the list and of the create, without a server in front.

mod pgbench;
mod rusqlite;

use std::time::Duration;

use crate::Result;
use crate::database::Place;
use crate::scenarios::Scenario;

/// Texts that creates take turns with.
const TEXTS: u64 = 8;

/// A scenario's statements on an engine.
pub struct Statements {
    kind: Kind,
    place: Place,
    authors: u64,
}

#[derive(Clone, Copy)]
enum Kind {
    List,
    Create,
}

impl Statements {
    /// Those of a list or a create of these many authors in turn; others are not measured alone.
    pub fn of(scenario: Scenario, place: &Place, authors: u64) -> Option<Self> {
        let kind = match scenario {
            Scenario::List => Kind::List,
            Scenario::Create => Kind::Create,
            Scenario::Get | Scenario::Update | Scenario::Mix => return None,
        };
        Some(Self { kind, place: place.clone(), authors })
    }

    /// How many a second the engine does.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn rate(&self, duration: Duration) -> Result<f64> {
        let authors = self.authors;
        match (self.kind, &self.place) {
            (Kind::List, Place::Sqlite(path)) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || rusqlite::lists(&path, authors, duration)).await?
            }
            (Kind::Create, Place::Sqlite(path)) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || rusqlite::creates(&path, authors, duration)).await?
            }
            (Kind::List, Place::Postgres(url)) => pgbench::lists(url, authors, duration).await,
            (Kind::Create, Place::Postgres(url)) => pgbench::creates(url, authors, duration).await,
        }
    }
}
