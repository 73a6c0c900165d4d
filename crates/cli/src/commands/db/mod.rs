//! `sotto db`: the database. One file per command.

mod copy;
mod migrate;

use clap::Subcommand;

use crate::error::Result;
use crate::settings::Common;

/// What to do with the database.
#[derive(Subcommand)]
pub enum DbCommand {
    #[command(flatten)]
    Migrate(migrate::MigrateCommand),
    Copy(copy::CopyCommand),
}

impl DbCommand {
    /// Does it.
    pub async fn run(self, common: &Common) -> Result<()> {
        match self {
            Self::Migrate(command) => command.run(common).await,
            Self::Copy(command) => command.run(common).await,
        }
    }
}
