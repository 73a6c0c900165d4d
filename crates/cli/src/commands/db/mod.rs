//! `sotto db`: the database. One file per command.

mod advise;
mod migrate;

use clap::Subcommand;

use crate::error::Result;
use crate::settings::Common;

/// What to do with the database.
#[derive(Subcommand)]
pub enum DbCommand {
    #[command(flatten)]
    Migrate(migrate::MigrateCommand),
    /// Tell what to do about the database: indexes that are missing, unused, duplicate, redundant or invalid, slow
    /// statements, scans of big tables, and bloat
    Advise(advise::AdviseCommand),
}

impl DbCommand {
    /// Does it.
    pub async fn run(self, common: &Common) -> Result<()> {
        match self {
            Self::Migrate(command) => command.run(common).await,
            Self::Advise(command) => command.run(common).await,
        }
    }
}
