//! The steps of a run as a script, for a person who may not, or would rather not, let this program touch the database.

use std::fmt::Write;

use super::plan::{self, Applied, Direction, Target};
use super::rehearsal::end_of;
use super::source::{Migration, Script};
use super::{MigrateError, Migrator, Result, postgres, sql, sqlite};
use crate::DatabaseUrl;

/// What a script is made of.
pub(super) struct Route<'s> {
    pub(super) direction: Direction,
    /// Where the database has to be.
    pub(super) before: Vec<Applied>,
    /// Where it will be.
    pub(super) to: String,
    /// What leads there, in this order.
    pub(super) steps: Vec<&'s Migration>,
    /// Whether a step may destroy rows; else the script stops at them.
    pub(super) allow_data_loss: bool,
}

impl Migrator {
    /// The steps up to `target` as a script for `psql` or the `sqlite3` shell: what [`Migrator::upgrade`] would run, with
    /// its bookkeeping and transactions. It begins at `from`, or where the database is; run on a database that is
    /// elsewhere, it stops and changes nothing.
    ///
    /// # Errors
    /// As [`Migrator::upgrade`], and [`MigrateError::NoStart`] without `from` if the database does not answer.
    pub async fn upgrade_script(&self, target: &Target, from: Option<&Target>) -> Result<String> {
        self.script(Direction::Up, target, from, false).await
    }

    /// The steps down to `target` as a script. Without `allow_data_loss` it stops before a step that would destroy rows or
    /// values. It takes no copy.
    ///
    /// # Errors
    /// As [`Self::upgrade_script`].
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
            None => self.applied().await.map_err(|error| match error {
                MigrateError::Database { reason, .. } => MigrateError::NoStart { reason },
                other => other,
            })?,
        };
        let steps = plan::steps(&self.source, &before, direction, target)?;
        let to = end_of(&plan::at(&before), direction, &steps, self.source.migrations());
        let route = Route { direction, before, to, steps, allow_data_loss };
        match &self.url {
            DatabaseUrl::Sqlite(_) => sqlite::script::render(&route),
            DatabaseUrl::Postgres(_) => Ok(postgres::script::render(&route)),
        }
    }
}

impl Route<'_> {
    /// Where the script begins.
    pub(super) fn from(&self) -> String {
        plan::at(&self.before)
    }

    /// A condition that holds where the rows of bookkeeping are those that the script begins at. Both engines read it.
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

    /// What the script is, in comments.
    pub(super) fn head(&self, engine: &str, how_to_run: &str) -> String {
        let (way, from) = (if self.direction == Direction::Up { "upgrade" } else { "downgrade" }, self.from());
        let mut text = format!("-- Sotto {}, {engine}: {way} from {from}", env!("CARGO_PKG_VERSION"));
        let _ =
            if self.steps.is_empty() { writeln!(text, ": nothing to do.") } else { writeln!(text, " to {}.", self.to) };
        let _ = writeln!(text, "-- Take a backup first: nothing here does. Run it with: {how_to_run}");
        text
    }

    /// The comment above a step, with what it destroys.
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

/// The text of a file, which need not end its last statement.
pub(super) fn body(script: &Script) -> String {
    let text = script.sql.trim_end();
    let ended = sql::split(text, '\0').last().is_none_or(|all| all.ends_with(';'));
    format!("{text}\n{}", if ended { "" } else { ";\n" })
}
