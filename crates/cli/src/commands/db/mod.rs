//! `sotto db`: commands for the database, one file each.

mod advise;
pub mod check;
mod copy;
mod erd;
mod migrate;
mod preview;
mod revision;
mod rows;

use clap::Subcommand;

use crate::commands::announce;
use crate::error::Result;
use crate::settings::CommonSettings;

/// The commands for the database.
#[derive(Subcommand)]
pub enum DbCommand {
    #[command(flatten)]
    Migrate(migrate::MigrateCommand),
    /// Give advice about the database: missing, unused, duplicate, redundant and invalid indexes, slow statements,
    /// scans of big tables, and bloat
    Advise(advise::AdviseCommand),
    /// Compare the schema with the migrations and the standards; with --rows, also check the rows and the file. Exit
    /// code 0: nothing found. 3: something found. Any other: the check failed
    Check(check::CheckCommand),
    Copy(copy::CopyCommand),
    /// Rebuild and verify the search index. The server can keep running
    Reindex(rows::ReindexCommand),
    /// Print a diagram of the tables and their references, for Mermaid (https://mermaid.live)
    Erd(erd::ErdCommand),
    /// Write new migrations for both engines (for developers)
    Revision(revision::RevisionCommand),
}

impl DbCommand {
    pub async fn run(self, common: &CommonSettings) -> Result<()> {
        match self {
            Self::Migrate(command) => {
                announce(common, &common.database());
                command.run(common).await
            }
            Self::Advise(command) => {
                announce(common, &common.database());
                command.run(common).await
            }
            Self::Check(check) => {
                announce(common, &common.database());
                check.run(common).await
            }
            Self::Copy(command) => command.run(common).await,
            Self::Reindex(reindex) => {
                announce(common, &common.database());
                reindex.run(common).await
            }
            Self::Erd(erd) => erd.run(common).await,
            Self::Revision(revision) => revision.run(common).await,
        }
    }
}
