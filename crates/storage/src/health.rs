//! The parts of a health snapshot that are the same on both engines.

use std::path::PathBuf;
use std::sync::LazyLock;

use sotto_domain::health::{SchemaHealth, SchemaState};

use crate::DatabaseUrl;
use crate::migrate::source::Source;
use crate::migrate::{self, Applied, State, plan};

/// The built-in migrations, parsed once, because health checks need them often.
type BuiltIn = LazyLock<migrate::Result<Source>>;
static SQLITE: BuiltIn = LazyLock::new(|| Source::embedded(&DatabaseUrl::Sqlite(PathBuf::new())));
static POSTGRES: BuiltIn = LazyLock::new(|| Source::embedded(&DatabaseUrl::Postgres(String::new())));

/// The state of a SQLite database with these rows in its table of migrations.
pub fn sqlite_schema(applied: &[Applied]) -> SchemaHealth {
    schema(&SQLITE, applied)
}

/// The state of a PostgreSQL database with these rows in its table of migrations.
pub fn postgres_schema(applied: &[Applied]) -> SchemaHealth {
    schema(&POSTGRES, applied)
}

/// The newest built-in migration for SQLite.
pub fn newest_of_sqlite() -> String {
    newest(&SQLITE)
}

/// The newest built-in migration for PostgreSQL.
pub fn newest_of_postgres() -> String {
    newest(&POSTGRES)
}

/// `base` if there are no migrations. Migrations that cannot be parsed stop the program when it starts.
fn newest(source: &migrate::Result<Source>) -> String {
    let newest = source.as_ref().ok().and_then(|source| source.migrations().last());
    newest.map_or_else(|| "base".to_owned(), migrate::source::Migration::revision)
}

fn schema(source: &migrate::Result<Source>, applied: &[Applied]) -> SchemaHealth {
    let state = match source {
        Ok(source) => plan::state(source, applied).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let sentence = state.as_ref().map_or_else(Clone::clone, ToString::to_string);
    SchemaHealth {
        revision: applied.last().map_or_else(|| "base".into(), Applied::revision),
        state: match state {
            Ok(State::Head) => SchemaState::UpToDate,
            Ok(State::Missing | State::Empty | State::Behind { .. }) => SchemaState::Behind,
            Ok(State::Ahead { .. } | State::Unfinished { .. }) => SchemaState::Unknown,
            Err(_) => SchemaState::Contradictory,
        },
        sentence,
    }
}
