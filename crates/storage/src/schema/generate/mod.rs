//! Writing revisions: skeletons, or the way from what the migrations make to a desired schema.
//!
//! The desired schema is two files that a person reads and edits, one per engine (see `docs/adr/0006-desired-schema.md`).
//! What it cannot tell, such as whether a column was renamed, becomes a line `-- decide: …`, with which the migration
//! runner refuses the file. What is worked out without a question is tried, there and back, before it is written.

mod decisions;
mod draft;
mod error;
mod files;
mod postgres;
mod sqlite;
mod way;

use std::fs;
use std::path::{Path, PathBuf};

use super::scratch::{Sql, made_by};
use super::{Engine, Schema, SchemaError};
use crate::DatabaseUrl;
use crate::migrate::source::Source;
use draft::{Draft, Sides};
pub use error::RevisionError;
use files::Folder;
pub use files::LONGEST_MESSAGE;
use way::comparable;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The files, in the order of their revisions; empty if there is nothing to generate.
    pub files: Vec<PathBuf>,
    /// Whether a person has something to decide or to write before they can be run.
    pub undecided: bool,
}

/// Writes the files of a revision that does nothing yet, and is refused until it does.
///
/// # Errors
/// If the message makes no name, or the files cannot be written.
pub fn revision(message: &str, migrations: &Path) -> Result<Written, RevisionError> {
    let name = files::name(message)?;
    let files = Folder::open(migrations)?.write(&[draft::skeleton(&name, message)])?;
    Ok(Written { files, undecided: true })
}

/// Writes the revisions that lead from what `migrations` make to the schemas that `desired/sqlite.sql` and
/// `desired/postgres.sql` make. The PostgreSQL at `server` lends a place to try that, and is left as it was.
///
/// # Errors
/// As [`revision`], and if files do not run, or lead astray.
pub async fn autogenerate(
    message: &str,
    migrations: &Path,
    desired: &Path,
    server: &DatabaseUrl,
) -> Result<Written, RevisionError> {
    let name = files::name(message)?;
    let folder = Folder::open(migrations)?;
    let sqlite = Bench::new(DatabaseUrl::Sqlite(PathBuf::new()), &folder.source(Engine::Sqlite)?);
    let postgres = Bench::new(server.clone(), &folder.source(Engine::Postgres)?);
    let sides = [sqlite.sides(desired).await?, postgres.sides(desired).await?];
    let drafts = draft::drafts(&name, message, &sides);
    let undecided =
        drafts.iter().any(|one| Engine::BOTH.iter().any(|engine| one.pair(*engine).up.contains("-- decide:")));
    if !undecided {
        for (bench, sides) in [sqlite, postgres].iter().zip(&sides) {
            bench.try_out(&drafts, sides).await?;
        }
    }
    Ok(Written { files: folder.write(&drafts)?, undecided })
}

/// What sets the schema that `migrations` make apart from the one that is desired, for the engine of `url`.
///
/// # Errors
/// If files cannot be read, or do not run.
pub async fn missing(
    migrations: &Path,
    desired: &Path,
    url: &DatabaseUrl,
) -> Result<Vec<super::Difference>, RevisionError> {
    let sides = Bench::new(url.clone(), &Source::directory(url, migrations)?).sides(desired).await?;
    Ok(comparable(&sides.current, &sides.desired))
}

/// An engine, the migrations that there are for it, and a place to try things.
struct Bench {
    engine: Engine,
    url: DatabaseUrl,
    migrations: Vec<Sql>,
}

impl Bench {
    fn new(url: DatabaseUrl, source: &Source) -> Self {
        let migrations = source.migrations().iter().map(|one| Sql::from(&one.up)).collect();
        Self { engine: Engine::from(&url), url, migrations }
    }

    async fn sides(&self, desired: &Path) -> Result<Sides, RevisionError> {
        let path = desired.join(format!("{}.sql", self.engine.folder()));
        let text = fs::read_to_string(&path);
        let text = text.map_err(|reason| RevisionError::File { path: path.clone(), verb: "read", reason })?;
        let desired = Sql { file: path.display().to_string(), text };
        Ok(Sides {
            engine: self.engine,
            current: made_by(&self.url, self.migrations.clone()).await?,
            desired: made_by(&self.url, vec![desired]).await?,
        })
    }

    /// Runs the drafts up, and up and down, and compares where that leads.
    async fn try_out(&self, drafts: &[Draft], sides: &Sides) -> Result<(), RevisionError> {
        let sql = |name: String, text: &str| Sql { file: name, text: text.replace("CONCURRENTLY ", "") };
        let ups = drafts.iter().map(|one| sql(format!("{}.up.sql", one.name), &one.pair(self.engine).up));
        let downs = drafts.iter().rev().map(|one| sql(format!("{}.down.sql", one.name), &one.pair(self.engine).down));
        let up: Vec<Sql> = self.migrations.iter().cloned().chain(ups).collect();
        let down: Vec<Sql> = up.iter().cloned().chain(downs).collect();
        self.expect(up, &sides.desired, "to the desired schema").await?;
        self.expect(down, &sides.current, "back").await
    }

    async fn expect(&self, files: Vec<Sql>, goal: &Schema, direction: &'static str) -> Result<(), RevisionError> {
        let reason = match made_by(&self.url, files).await {
            Ok(reached) => comparable(&reached, goal).first().map(ToString::to_string),
            Err(SchemaError::Script { file, reason, .. }) => Some(format!("{file}: {reason}")),
            Err(other) => return Err(other.into()),
        };
        match reason {
            None => Ok(()),
            Some(reason) => Err(RevisionError::Astray { engine: self.engine, direction, reason }),
        }
    }
}
