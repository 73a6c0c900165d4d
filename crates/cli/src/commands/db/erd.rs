//! `sotto db erd`: a diagram of the database, and the page about the schema.

use clap::Args;
use sotto_storage::DatabaseUrl;
use sotto_storage::schema::{self, Schema};

use crate::commands::say;
use crate::error::{CliError, Result};
use crate::settings::Common;

/// What to draw.
#[derive(Args)]
pub struct Erd {
    /// Print docs/schema.md, which needs a PostgreSQL server to try the migrations on
    #[arg(long, hide = true)]
    page: bool,
}

impl Erd {
    /// Draws it.
    pub async fn run(self, common: &Common) -> Result<()> {
        if self.page {
            let sqlite = schema::of_migrations(&DatabaseUrl::Sqlite(common.data_dir())).await?;
            let postgres = schema::of_migrations(&common.database()).await?;
            return say(schema::page(&sqlite, &postgres).trim_end());
        }
        say(schema::mermaid(&present(&common.database()).await?).trim_end())
    }
}

/// The database as it is; where there is none, what the migrations would make.
async fn present(database: &DatabaseUrl) -> Result<Schema> {
    match database {
        DatabaseUrl::Sqlite(path) if !path.exists() => Ok(schema::of_migrations(database).await?),
        _ => schema::read(database).await.map_err(|error| CliError::Refused(error.to_string())),
    }
}
