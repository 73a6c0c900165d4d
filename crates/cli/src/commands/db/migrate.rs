//! `sotto db upgrade | downgrade | current | history | stamp`: migrations.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use sotto_storage::migrate::{Applied, BeforeLoss, MigrateError, Migrator, Report, State, Target};
use sotto_storage::transfer::Migrations;

use super::preview::{self, PreviewOptions};
use crate::commands::{backup, print_json, print_line};
use crate::error::{CliError, Result};
use crate::settings::CommonSettings;

/// The commands for migrations.
#[derive(Subcommand)]
pub enum MigrateCommand {
    /// Upgrade the schema to the newest revision, or to TARGET. A SQLite file with a schema is copied first
    Upgrade {
        /// head, +N, or a revision
        #[arg(default_value = "head")]
        target: Target,
        #[command(flatten)]
        preview: PreviewOptions,
        #[command(flatten)]
        options: MigrateOptions,
    },
    /// Downgrade the schema. Refused if data would be lost, unless you allow it with --allow-data-loss. Then a SQLite
    /// file is copied first, and a PostgreSQL database is backed up to the folder backups in the data folder
    Downgrade {
        /// base, -N, or a revision
        #[arg(allow_negative_numbers = true)]
        target: Target,
        /// Downgrade even if rows or values are lost
        #[arg(long)]
        allow_data_loss: bool,
        #[command(flatten)]
        preview: PreviewOptions,
        #[command(flatten)]
        options: MigrateOptions,
    },
    /// Show the revision of the database, and whether this version of Sotto works with it
    Current {
        /// End with exit code 3 unless the database is up to date
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        options: MigrateOptions,
    },
    /// List all revisions, and when each was applied
    History(MigrateOptions),
    /// Record the database as being at a revision, without running any migration
    Stamp {
        /// head, base, or a revision
        target: Target,
        #[command(flatten)]
        options: MigrateOptions,
    },
}

/// The options of all migration commands.
#[derive(Args)]
pub struct MigrateOptions {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Use the migrations in the folders sqlite and postgres of DIR instead of the built-in ones
    #[arg(long, value_name = "DIR", hide = true)]
    pub migrations: Option<PathBuf>,
}

impl MigrateCommand {
    pub async fn run(self, common: &CommonSettings) -> Result<()> {
        let done = self.execute(common).await;
        if let Err(CliError::Migrate(error)) = &done {
            show_rows(error);
        }
        done
    }

    async fn execute(self, common: &CommonSettings) -> Result<()> {
        match self {
            Self::Upgrade { target, preview, options } => {
                let migrator = options.migrator(common)?;
                if preview.sql {
                    return preview::print_script(&migrator.upgrade_script(&target, preview.from.as_ref()).await?);
                }
                if preview.dry_run {
                    if !options.json && migrator.state().await? == State::Missing {
                        print_line("There is no database yet: it would be created.")?;
                    }
                    return preview::print_report(&migrator.rehearse_upgrade(&target).await?, true, options.json);
                }
                common.make_data_dir()?;
                options.print_report(&migrator.upgrade(&target).await?)
            }
            Self::Downgrade { target, allow_data_loss, preview, options } => {
                let migrator = options.migrator(common)?.backing_up(options.backup(common));
                if preview.sql {
                    let from = preview.from.as_ref();
                    return preview::print_script(&migrator.downgrade_script(&target, from, allow_data_loss).await?);
                }
                if preview.dry_run {
                    let rehearsal = migrator.rehearse_downgrade(&target).await?;
                    return preview::print_report(&rehearsal, allow_data_loss, options.json);
                }
                let mut report = migrator.downgrade(&target, allow_data_loss).await?;
                if report.snapshot.is_some() {
                    report.deleted.extend(backup::prune_before_downgrade(common));
                }
                options.print_report(&report)
            }
            Self::Stamp { target, options } => options.print_report(&options.migrator(common)?.stamp(&target).await?),
            Self::Current { check, options } => options.current(common, check).await,
            Self::History(options) => options.history(common).await,
        }
    }
}

/// Shows the operator the rows that made a step fail. A server that upgrades at its start does not, because users'
/// texts must not be logged.
#[expect(clippy::print_stderr, reason = "this is where a command speaks")]
fn show_rows(error: &MigrateError) {
    if let Some(rows) = error.rows() {
        eprintln!("These rows stand in the way, {rows}");
    }
}

impl MigrateOptions {
    /// The migrator for the database.
    pub fn migrator(&self, common: &CommonSettings) -> Result<Migrator> {
        let database = common.database();
        Ok(match &self.migrations {
            Some(folder) => Migrator::with_directory(&database, folder)?,
            None => Migrator::new(&database)?,
        })
    }

    /// The backup of a PostgreSQL database before a downgrade destroys data.
    fn backup(&self, common: &CommonSettings) -> BeforeLoss {
        let (common, migrations) = (common.clone(), Migrations { folder: self.migrations.clone() });
        BeforeLoss::new(move || {
            let (common, migrations) = (common.clone(), migrations.clone());
            async move { backup::before_downgrade(&common, migrations).await.map_err(|error| error.to_string()) }
        })
    }

    fn print_report(&self, report: &Report) -> Result<()> {
        if self.json {
            return print_json(&json!({
                "from": report.from, "to": report.to, "steps": report.steps, "snapshot": report.snapshot,
                "deleted": report.deleted,
            }));
        }
        if let Some(snapshot) = &report.snapshot {
            print_line(&format!("A copy of the database before the migration is in {}.", snapshot.display()))?;
        }
        for copy in &report.deleted {
            print_line(&format!("Deleted the older copy {}.", copy.display()))?;
        }
        if report.from == report.to {
            return print_line(&format!("The database is already at {}.", report.to));
        }
        for step in &report.steps {
            print_line(&format!("  {step}"))?;
        }
        print_line(&format!("The database went from {} to {}.", report.from, report.to))
    }

    async fn current(&self, common: &CommonSettings, check: bool) -> Result<()> {
        let migrator = self.migrator(common)?;
        let current = migrator.current().await?;
        let state = migrator.state().await?;
        let revision = current.as_ref().map_or_else(|| "base".to_owned(), Applied::revision);
        if self.json {
            print_json(&json!({
                "revision": revision,
                "applied_at": current.map(|applied| applied.applied_at),
                "state": state.word(),
                "sentence": state.to_string(),
            }))?;
        } else if let State::Unfinished { .. } = state {
            // The row that marks an unfinished run is no revision.
            print_line(&state.to_string())?;
        } else {
            print_line(&format!("{revision}: {state}"))?;
        }
        if check && state != State::Head { Err(CliError::Found(state.to_string())) } else { Ok(()) }
    }

    async fn history(&self, common: &CommonSettings) -> Result<()> {
        let revisions = self.migrator(common)?.history().await?;
        if self.json {
            let revisions = revisions.iter().map(|revision| {
                let loses: Vec<_> = revision.loses.iter().map(ToString::to_string).collect();
                let state = match (revision.known, revision.applied_at) {
                    (false, _) => "unknown",
                    (true, Some(_)) => "applied",
                    (true, None) => "pending",
                };
                json!({
                    "revision": revision.revision, "state": state, "applied_at": revision.applied_at, "loses": loses,
                })
            });
            return print_json(&revisions.collect());
        }
        for revision in revisions {
            let when = revision.applied_at.map_or_else(|| "not applied".to_owned(), |at| format!("applied {at}"));
            print_line(&format!("{}  {when}", revision.revision))?;
        }
        Ok(())
    }
}
