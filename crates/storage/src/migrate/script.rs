//! Renders the steps of a run as a script, for operators who do not want to or may not give this program access to the
//! database.

use std::fmt::Write;

use super::plan::{self, Applied, Direction, Target};
use super::rehearsal::end_of;
use super::source::{Migration, Script};
use super::{MigrateError, Migrator, Result, postgres, sql, sqlite};
use crate::DatabaseUrl;

/// The contents of a script.
pub(super) struct Route<'s> {
    pub(super) direction: Direction,
    /// The rows that the database must have.
    pub(super) before: Vec<Applied>,
    /// The revision after the script.
    pub(super) to: String,
    /// The steps in their order.
    pub(super) steps: Vec<&'s Migration>,
    /// All known migrations.
    pub(super) known: &'s [Migration],
    /// Whether a step may destroy rows; otherwise the script stops there.
    pub(super) allow_data_loss: bool,
}

impl Migrator {
    /// The steps up to `target` as a script for `psql` or the `sqlite3` shell: what [`Migrator::upgrade`] would run,
    /// including `schema_migrations` and transactions. It starts at `from`, or at the present revision of the database.
    /// On a database at another revision it stops without changes.
    ///
    /// # Errors
    /// As [`Migrator::upgrade`], and [`MigrateError::NoStart`] without `from` if the database does not respond.
    pub async fn upgrade_script(&self, target: &Target, from: Option<&Target>) -> Result<String> {
        self.script(Direction::Up, target, from, false).await
    }

    /// The steps down to `target` as a script. Without `allow_data_loss` it stops before a step that would destroy rows
    /// or values. It takes no copy.
    ///
    /// # Errors
    /// As [`Self::upgrade_script`], and [`MigrateError::WrongDeclaration`] if a file does not declare which tables and
    /// columns it destroys. With `from`, that is not checked on PostgreSQL.
    pub async fn downgrade_script(
        &self,
        target: &Target,
        from: Option<&Target>,
        allow_data_loss: bool,
    ) -> Result<String> {
        self.script(Direction::Down, target, from, allow_data_loss).await
    }

    async fn script(
        &self,
        direction: Direction,
        target: &Target,
        from: Option<&Target>,
        allow_data_loss: bool,
    ) -> Result<String> {
        let before = match from {
            Some(from) => plan::as_applied(plan::stamp(&self.source, &[], from)?),
            None => self.start(direction).await?,
        };
        let steps = plan::steps(&self.source, &before, direction, target)?;
        let to = end_of(&plan::revision_of(&before), direction, &steps, self.source.migrations());
        if direction == Direction::Down {
            match &self.url {
                DatabaseUrl::Sqlite(path) => {
                    sqlite::rehearsal::refuse_wrong_declarations(path, &self.source, &before, &steps)?;
                }
                DatabaseUrl::Postgres(_) if from.is_some() => {}
                url @ DatabaseUrl::Postgres(_) => {
                    postgres::rehearsal::refuse_wrong_declarations(url, &self.source, before.len(), &steps).await?;
                }
            }
        }
        let route = Route { direction, before, to, steps, known: self.source.migrations(), allow_data_loss };
        match &self.url {
            DatabaseUrl::Sqlite(_) => sqlite::script::render(&route),
            DatabaseUrl::Postgres(_) => Ok(postgres::script::render(&route)),
        }
    }

    /// The applied migrations. A missing file is at base, because the `sqlite3` shell creates it.
    async fn start(&self, direction: Direction) -> Result<Vec<Applied>> {
        match self.applied().await {
            Ok(Some(applied)) => Ok(applied),
            Ok(None) if direction == Direction::Up && matches!(self.url, DatabaseUrl::Sqlite(_)) => Ok(Vec::new()),
            Ok(None) => Err(MigrateError::missing(&self.url)),
            Err(MigrateError::Database { reason, .. }) => Err(MigrateError::NoStart { reason }),
            Err(error) => Err(error),
        }
    }
}

impl Route<'_> {
    /// The revision at which the script starts.
    pub(super) fn from(&self) -> String {
        plan::revision_of(&self.before)
    }

    /// An SQL condition, valid on both engines, that the rows of `schema_migrations` are those at the start of the
    /// script.
    pub(super) fn fits(&self) -> String {
        if self.before.is_empty() {
            return "NOT EXISTS (SELECT 1 FROM schema_migrations)".into();
        }
        let row = |one: &Applied| {
            format!("({}, '{}', '{}', '{}')", one.version, one.name, one.up_checksum, one.down_checksum)
        };
        let rows: Vec<String> = self.before.iter().map(row).collect();
        let count = self.before.len();
        format!(
            "{count} = (SELECT count(*) FROM schema_migrations) AND {count} = (SELECT count(*) FROM schema_migrations\n\
             \x20       WHERE (version, name, up_checksum, down_checksum) IN (VALUES {}))",
            rows.join(",\n        ")
        )
    }

    /// The comments at the top of the script.
    pub(super) fn head(&self, engine: &str, how_to_run: &str) -> String {
        let (way, from) = (if self.direction == Direction::Up { "upgrade" } else { "downgrade" }, self.from());
        let mut text = format!("-- Sotto {}, {engine}: {way} from {from}", env!("CARGO_PKG_VERSION"));
        let _ =
            if self.steps.is_empty() { writeln!(text, ": nothing to do.") } else { writeln!(text, " to {}.", self.to) };
        let _ = writeln!(text, "-- Make a backup first: this script does not. Run it with: {how_to_run}");
        text
    }

    /// The comment above a step, with its losses.
    pub(super) fn title(&self, step: &Migration) -> String {
        let file = &step.script(self.direction).file;
        if self.direction == Direction::Up || step.loses.is_empty() {
            return format!("-- {file}\n");
        }
        let losses: Vec<String> = step.loses.iter().map(ToString::to_string).collect();
        let (losses, allowed) = (losses.join(", "), if self.allow_data_loss { "DESTROYS" } else { "stops at rows of" });
        format!("-- {file}: {allowed} {losses}\n")
    }
}

/// The text of a file, with a semicolon after its last statement.
pub(super) fn body(script: &Script) -> String {
    let text = script.sql.trim_end();
    let ended = sql::split(text, '\0').last().is_none_or(|all| all.ends_with(';'));
    format!("{text}\n{}", if ended { "" } else { ";\n" })
}
