//! `sotto db`: the database. One file per command.

pub mod check;
mod migrate;

use clap::Subcommand;

use crate::error::Result;
use crate::settings::Common;

/// What to do with the database.
#[derive(Subcommand)]
pub enum DbCommand {
    #[command(flatten)]
    Migrate(migrate::MigrateCommand),
    /// Compare the database with what its migrations make, and with the standards. Exit code 0: clean. 1: it could not be
    /// checked. 2: something was found
    Check(check::Check),
}

impl DbCommand {
    /// Does it.
    pub async fn run(self, common: &Common) -> Result<()> {
        match self {
            Self::Migrate(command) => command.run(common).await,
            Self::Check(check) => check.run(common).await,
        }
    }
}
