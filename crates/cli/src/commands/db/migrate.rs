//! `sotto db upgrade | downgrade | current | history | stamp`: going from revision to revision.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use sotto_storage::migrate::{Applied, BeforeLoss, Migrator, Report, Target};
use sotto_storage::transfer::Migrations;

use super::preview::{self, Preview};
use crate::commands::{backup, say, say_json};
use crate::error::Result;
use crate::settings::Common;

/// Where to bring the schema, or what to tell about it.
#[derive(Subcommand)]
pub enum MigrateCommand {
    /// Bring the schema up: to the newest revision, or as far as TARGET says. A SQLite file that holds a schema is copied
    /// first
    Upgrade {
        /// head, +N, or a revision
        #[arg(default_value = "head")]
        target: Target,
        #[command(flatten)]
        preview: Preview,
        #[command(flatten)]
        options: Options,
    },
    /// Bring the schema down. Refused if data would be lost, unless that is allowed; then a SQLite file is copied first, and
    /// a PostgreSQL database backed up to the folder backups in the data folder
    Downgrade {
        /// base, -N, or a revision
        #[arg(allow_negative_numbers = true)]
        target: Target,
        /// Go down even if rows or values are lost
        #[arg(long)]
        allow_data_loss: bool,
        #[command(flatten)]
        preview: Preview,
        #[command(flatten)]
        options: Options,
    },
    /// Show the revision that the database is at, and whether this program works with it
    Current(Options),
    /// List the revisions, and when each was applied
    History(Options),
    /// Record the database to be at a revision, and run nothing
    Stamp {
        /// head, base, or a revision
        target: Target,
        #[command(flatten)]
        options: Options,
    },
}

/// How to do it.
#[derive(Args)]
pub struct Options {
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
    /// Read migrations from the folders sqlite and postgres of this one, instead of those built in
    #[arg(long, value_name = "DIR", hide = true)]
    migrations: Option<PathBuf>,
}

impl MigrateCommand {
    /// Does it.
    pub async fn run(self, common: &Common) -> Result<()> {
        match self {
            Self::Upgrade { target, preview, options } => {
                let migrator = options.migrator(common)?;
                if preview.sql {
                    return preview::print(&migrator.upgrade_script(&target, preview.from.as_ref()).await?);
                }
                if preview.dry_run {
                    return preview::tell(&migrator.rehearse_upgrade(&target).await?, true, options.json);
                }
                common.make_data_dir()?;
                options.tell(&migrator.upgrade(&target).await?)
            }
            Self::Downgrade { target, allow_data_loss, preview, options } => {
                let migrator = options.migrator(common)?.backing_up(options.backup(common));
                if preview.sql {
                    let from = preview.from.as_ref();
                    return preview::print(&migrator.downgrade_script(&target, from, allow_data_loss).await?);
                }
                if preview.dry_run {
                    let rehearsal = migrator.rehearse_downgrade(&target).await?;
                    return preview::tell(&rehearsal, allow_data_loss, options.json);
                }
                options.tell(&migrator.downgrade(&target, allow_data_loss).await?)
            }
            Self::Stamp { target, options } => options.tell(&options.migrator(common)?.stamp(&target).await?),
            Self::Current(options) => options.current(common).await,
            Self::History(options) => options.history(common).await,
        }
    }
}

impl Options {
    /// What reads and runs the migrations.
    pub fn migrator(&self, common: &Common) -> Result<Migrator> {
        let database = common.database();
        Ok(match &self.migrations {
            Some(folder) => Migrator::with_directory(&database, folder)?,
            None => Migrator::new(&database)?,
        })
    }

    /// Backs a server's database up to where backups are.
    fn backup(&self, common: &Common) -> BeforeLoss {
        let (common, migrations) = (common.clone(), Migrations { folder: self.migrations.clone() });
        BeforeLoss::new(move || {
            let (common, migrations) = (common.clone(), migrations.clone());
            async move { backup::before_downgrade(&common, migrations).await.map_err(|error| error.to_string()) }
        })
    }

    fn tell(&self, report: &Report) -> Result<()> {
        if self.json {
            return say_json(&json!({
                "from": report.from, "to": report.to, "steps": report.steps, "snapshot": report.snapshot,
            }));
        }
        if let Some(snapshot) = &report.snapshot {
            say(&format!("A copy of the database as it was is in {}.", snapshot.display()))?;
        }
        if report.from == report.to {
            return say(&format!("The database is at {} already.", report.to));
        }
        for step in &report.steps {
            say(&format!("  {step}"))?;
        }
        say(&format!("The database went from {} to {}.", report.from, report.to))
    }

    async fn current(&self, common: &Common) -> Result<()> {
        let migrator = self.migrator(common)?;
        let current = migrator.current().await?;
        let state = migrator.state().await?;
        let revision = current.as_ref().map_or_else(|| "base".to_owned(), Applied::revision);
        if self.json {
            let applied_at = current.map(|applied| applied.applied_at);
            return say_json(&json!({"revision": revision, "applied_at": applied_at, "state": state.to_string()}));
        }
        say(&format!("{revision}: {state}"))
    }

    async fn history(&self, common: &Common) -> Result<()> {
        let revisions = self.migrator(common)?.history().await?;
        if self.json {
            let revisions = revisions.iter().map(|revision| {
                let loses: Vec<_> = revision.loses.iter().map(ToString::to_string).collect();
                json!({"revision": revision.revision, "applied_at": revision.applied_at, "loses": loses})
            });
            return say_json(&revisions.collect());
        }
        for revision in revisions {
            let when = revision.applied_at.map_or_else(|| "not applied".to_owned(), |at| format!("applied {at}"));
            say(&format!("{}  {when}", revision.revision))?;
        }
        Ok(())
    }
}
