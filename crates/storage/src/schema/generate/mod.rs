//! Generates migrations: skeletons, or the statements that lead from the current schema to the desired one.
//!
//! The desired schema is two files, one per engine (see `docs/adr/0006-desired-schema.md`). Questions that a comparison
//! cannot answer, such as whether a column was renamed, become lines `-- decide: …`, and the migration runner refuses
//! files with such a line. Migrations without open questions are run up and down in a scratch place before they are
//! written.

mod constraints;
mod decisions;
mod diff;
mod error;
mod files;
mod migration;
mod postgres;
mod sqlite;
mod types;

use std::fs;
use std::path::{Path, PathBuf};

use super::scratch::{Sql, schema_after};
use super::{Engine, Schema, SchemaError};
use crate::DatabaseUrl;
use crate::migrate::source::Source;
use diff::comparable;
pub use error::RevisionError;
use files::Folder;
pub use files::LONGEST_MESSAGE;
use migration::{EngineSchemas, NewMigration};

/// The result of generating migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFiles {
    /// The files in the order of their revisions; empty if there is nothing to generate.
    pub files: Vec<PathBuf>,
    /// Whether a person must complete the files before they can run.
    pub undecided: bool,
}

/// Writes the files of an empty migration, which is refused until a person has completed it.
///
/// # Errors
/// If the message makes no file name, or the files cannot be written.
pub fn revision(message: &str, migrations: &Path) -> Result<WrittenFiles, RevisionError> {
    let name = files::name(message)?;
    let files = Folder::open(migrations)?.write(&[migration::skeleton(&name, message)])?;
    Ok(WrittenFiles { files, undecided: true })
}

/// Writes the migrations that lead from the schema that `migrations` create to the desired schema in
/// `desired/sqlite.sql` and `desired/postgres.sql`. The PostgreSQL server at `server` is used to try them, and is not
/// changed.
///
/// # Errors
/// As [`revision`], and if files fail, or do not create the desired schema.
pub async fn autogenerate(
    message: &str,
    migrations: &Path,
    desired: &Path,
    server: &DatabaseUrl,
) -> Result<WrittenFiles, RevisionError> {
    let name = files::name(message)?;
    let folder = Folder::open(migrations)?;
    let sqlite = Workspace::new(DatabaseUrl::Sqlite(PathBuf::new()), &folder.source(Engine::Sqlite)?);
    let postgres = Workspace::new(server.clone(), &folder.source(Engine::Postgres)?);
    let schemas = [sqlite.schemas(desired).await?, postgres.schemas(desired).await?];
    let cuts = types::cuts(server, &schemas[1].current, &schemas[1].desired).await;
    let new_migrations = migration::new_migrations(&name, message, &schemas, &cuts);
    let undecided =
        new_migrations.iter().any(|one| Engine::BOTH.iter().any(|engine| one.pair(*engine).up.contains("-- decide:")));
    if !undecided {
        for (workspace, schemas) in [sqlite, postgres].iter().zip(&schemas) {
            workspace.try_out(&new_migrations, schemas).await?;
        }
    }
    Ok(WrittenFiles { files: folder.write(&new_migrations)?, undecided })
}

/// The differences between the schema that `migrations` create and the desired one, for the engine of `url`.
///
/// # Errors
/// If files cannot be read, or fail.
pub async fn missing(
    migrations: &Path,
    desired: &Path,
    url: &DatabaseUrl,
) -> Result<Vec<super::Difference>, RevisionError> {
    let schemas = Workspace::new(url.clone(), &Source::directory(url, migrations)?).schemas(desired).await?;
    Ok(comparable(&schemas.current, &schemas.desired))
}

/// The existing migrations of an engine, and a place to try statements.
struct Workspace {
    engine: Engine,
    url: DatabaseUrl,
    migrations: Vec<Sql>,
}

impl Workspace {
    fn new(url: DatabaseUrl, source: &Source) -> Self {
        let migrations = source.migrations().iter().map(|one| Sql::from(&one.up)).collect();
        Self { engine: Engine::from(&url), url, migrations }
    }

    async fn schemas(&self, desired: &Path) -> Result<EngineSchemas, RevisionError> {
        let path = desired.join(format!("{}.sql", self.engine.folder()));
        let text = fs::read_to_string(&path);
        let text = text.map_err(|reason| RevisionError::File { path: path.clone(), verb: "read", reason })?;
        let desired = Sql { file: path.display().to_string(), text };
        Ok(EngineSchemas {
            engine: self.engine,
            current: schema_after(&self.url, self.migrations.clone()).await?,
            desired: schema_after(&self.url, vec![desired]).await?,
        })
    }

    /// Runs the migrations up, and up and down, and compares the resulting schemas.
    async fn try_out(&self, new_migrations: &[NewMigration], schemas: &EngineSchemas) -> Result<(), RevisionError> {
        let sql = |name: String, text: &str| Sql { file: name, text: text.replace("CONCURRENTLY ", "") };
        let ups = new_migrations.iter().map(|one| sql(format!("{}.up.sql", one.name), &one.pair(self.engine).up));
        let downs =
            new_migrations.iter().rev().map(|one| sql(format!("{}.down.sql", one.name), &one.pair(self.engine).down));
        let up: Vec<Sql> = self.migrations.iter().cloned().chain(ups).collect();
        let down: Vec<Sql> = up.iter().cloned().chain(downs).collect();
        self.expect(up, &schemas.desired, "to the desired schema").await?;
        self.expect(down, &schemas.current, "back").await
    }

    async fn expect(&self, files: Vec<Sql>, goal: &Schema, direction: &'static str) -> Result<(), RevisionError> {
        let reason = match schema_after(&self.url, files).await {
            Ok(reached) => comparable(&reached, goal).first().map(ToString::to_string),
            Err(SchemaError::Script { file, reason, .. }) => Some(format!("{file}: {reason}")),
            Err(other) => return Err(other.into()),
        };
        match reason {
            None => Ok(()),
            Some(reason) => Err(RevisionError::WrongResult { engine: self.engine, direction, reason }),
        }
    }
}
