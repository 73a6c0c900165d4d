//! `sotto db`: the database. One file per command.

mod advise;
pub mod check;
mod copy;
mod erd;
mod migrate;
mod preview;
mod revision;

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
    /// Compare the database with what its migrations make, and with the standards. Exit code 0: clean. 1: it could not be
    /// checked. 2: something was found
    Check(check::Check),
    Copy(copy::CopyCommand),
    /// Draw the tables and what refers to what, for Mermaid (https://mermaid.live)
    Erd(erd::Erd),
    /// Write new migrations for both engines (for developers)
    Revision(revision::Revision),
}

impl DbCommand {
    /// Does it.
    pub async fn run(self, common: &Common) -> Result<()> {
        match self {
            Self::Migrate(command) => command.run(common).await,
            Self::Advise(command) => command.run(common).await,
            Self::Check(check) => check.run(common).await,
            Self::Copy(command) => command.run(common).await,
            Self::Erd(erd) => erd.run(common).await,
            Self::Revision(revision) => revision.run(common).await,
        }
    }
}
