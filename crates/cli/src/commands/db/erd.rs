//! `sotto db erd`: prints a diagram of the database, or the page about the schema.

use clap::Args;
use sotto_storage::DatabaseUrl;
use sotto_storage::migrate::{Migrator, State};
use sotto_storage::schema::{self, Schema};

use crate::commands::{announce, print_line};
use crate::error::{CliError, Result};
use crate::settings::CommonSettings;

/// The options of `sotto db erd`.
#[derive(Args)]
pub struct ErdCommand {
    /// Print docs/schema.md. Needs a PostgreSQL server to run the migrations on
    #[arg(long, hide = true)]
    page: bool,
}

impl ErdCommand {
    pub async fn run(self, common: &CommonSettings) -> Result<()> {
        if self.page {
            let sqlite = schema::after_migrations(&DatabaseUrl::Sqlite(common.data_dir())).await?;
            let postgres = schema::after_migrations(&common.database()).await?;
            return print_line(schema::page(&sqlite, &postgres).trim_end());
        }
        announce(common, &common.database());
        print_line(schema::mermaid(&read_or_migrated(&common.database()).await?).trim_end())
    }
}

/// The schema of the database; if there is no database, the schema that the migrations create.
async fn read_or_migrated(database: &DatabaseUrl) -> Result<Schema> {
    match Migrator::new(database)?.state().await? {
        State::Missing => Ok(schema::after_migrations(database).await?),
        _ => schema::read(database).await.map_err(|error| CliError::Refused(error.to_string())),
    }
}
