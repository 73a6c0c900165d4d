//! `sotto db revision`: new migrations, for developers.

use std::env;
use std::path::PathBuf;

use clap::Args;
use sotto_storage::DatabaseUrl;
use sotto_storage::schema::generate::{self, RevisionError};

use crate::commands::say;
use crate::error::{CliError, Result};
use crate::settings::Common;

/// What to write, and where.
#[derive(Args)]
pub struct Revision {
    /// What it does, in a few plain words; it names the files
    #[arg(short, long)]
    message: String,
    /// Work out what leads from the migrations to the desired schema. This needs a PostgreSQL server to try things on (the
    /// one of --database, or of scripts/with-postgres); it is left as it was
    #[arg(long)]
    autogenerate: bool,
    /// The folder that holds the folders sqlite and postgres
    #[arg(long, value_name = "DIR", default_value = "crates/storage/migrations")]
    directory: PathBuf,
    /// The folder that holds the desired schema, sqlite.sql and postgres.sql
    #[arg(long, value_name = "DIR", default_value = "crates/storage/schema")]
    schema: PathBuf,
}

impl Revision {
    /// Writes it.
    pub async fn run(self, common: &Common) -> Result<()> {
        let written = if self.autogenerate {
            generate::autogenerate(&self.message, &self.directory, &self.schema, &server(common)?).await?
        } else {
            generate::revision(&self.message, &self.directory)?
        };
        if written.files.is_empty() {
            return say("There is nothing to generate: the migrations make the desired schema.");
        }
        for file in &written.files {
            say(&format!("  {}", file.display()))?;
        }
        if written.undecided {
            say("Write what the lines `-- decide: …` ask for, and remove these: until then the files are refused.")
        } else {
            say("Read them, then run `sotto db upgrade` and `make schema-docs`.")
        }
    }
}

/// A PostgreSQL server to try things on.
fn server(common: &Common) -> Result<DatabaseUrl> {
    if let postgres @ DatabaseUrl::Postgres(_) = common.database() {
        return Ok(postgres);
    }
    let none = || {
        CliError::Refused(
            "--autogenerate works for both engines and needs a PostgreSQL server to try things on: name one with \
             --database postgres://…, or run this under scripts/with-postgres"
                .to_owned(),
        )
    };
    env::var("SOTTO_TEST_POSTGRES").ok().and_then(|url| url.parse().ok()).ok_or_else(none)
}

impl From<RevisionError> for CliError {
    fn from(error: RevisionError) -> Self {
        Self::Refused(error.to_string())
    }
}
