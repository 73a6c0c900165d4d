//! What both engines say of their health in the same way.

use std::path::PathBuf;

use sotto_domain::health::{SchemaHealth, SchemaState};

use crate::DatabaseUrl;
use crate::migrate::source::Source;
use crate::migrate::{Applied, State, plan};

/// The migrations of SQLite that are built in.
pub fn sqlite_schema(applied: &[Applied]) -> SchemaHealth {
    schema(&DatabaseUrl::Sqlite(PathBuf::new()), applied)
}

/// The same for PostgreSQL.
pub fn postgres_schema(applied: &[Applied]) -> SchemaHealth {
    schema(&DatabaseUrl::Postgres(String::new()), applied)
}

/// Where a database with these bookkeeping rows stands. The address tells the engine alone.
fn schema(engine: &DatabaseUrl, applied: &[Applied]) -> SchemaHealth {
    let state = Source::embedded(engine).and_then(|source| plan::state(&source, applied));
    let sentence = state.as_ref().map_or_else(ToString::to_string, ToString::to_string);
    SchemaHealth {
        revision: applied.last().map_or_else(|| "base".into(), Applied::revision),
        state: match state {
            Ok(State::Head) => SchemaState::UpToDate,
            Ok(State::Empty | State::Behind { .. }) => SchemaState::Behind,
            Ok(State::Ahead { .. }) => SchemaState::Unknown,
            Err(_) => SchemaState::Contradictory,
        },
        sentence,
    }
}
