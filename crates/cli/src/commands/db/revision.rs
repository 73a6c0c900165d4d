//! `sotto db revision`: writes new migrations, for developers.

use std::env;
use std::path::PathBuf;

use clap::Args;
use sotto_storage::DatabaseUrl;
use sotto_storage::schema::generate::{self, RevisionError};

use crate::commands::print_line;
use crate::error::{CliError, Result};
use crate::settings::CommonSettings;

/// The options of `sotto db revision`.
#[derive(Args)]
pub struct RevisionCommand {
    /// What the migration does, in a few plain words; the files are named after it
    #[arg(short, long)]
    message: String,
    /// Generate the statements that lead to the desired schema. Tries them on a PostgreSQL server, which is
    /// not changed: the server of --database, or the one that scripts/with-postgres starts
    #[arg(long)]
    autogenerate: bool,
    /// The folder with the folders sqlite and postgres
    #[arg(long, value_name = "DIR", default_value = "crates/storage/migrations")]
    directory: PathBuf,
    /// The folder with the desired schema, sqlite.sql and postgres.sql
    #[arg(long, value_name = "DIR", default_value = "crates/storage/schema")]
    schema: PathBuf,
}

impl RevisionCommand {
    pub async fn run(self, common: &CommonSettings) -> Result<()> {
        let written = if self.autogenerate {
            generate::autogenerate(&self.message, &self.directory, &self.schema, &trial_server(common)?).await?
        } else {
            generate::revision(&self.message, &self.directory)?
        };
        if written.files.is_empty() {
            return print_line("There is nothing to generate: the migrations create the desired schema.");
        }
        for file in &written.files {
            print_line(&format!("  {}", file.display()))?;
        }
        if written.undecided {
            print_line(
                "Answer the questions in the lines `-- decide: …` with statements, and remove these lines: until then \
                 the files are refused.",
            )
        } else {
            print_line("Read them, then run `sotto db upgrade` and `make schema-docs`.")
        }
    }
}

/// The PostgreSQL server to try migrations on.
fn trial_server(common: &CommonSettings) -> Result<DatabaseUrl> {
    if let postgres @ DatabaseUrl::Postgres(_) = common.database() {
        return Ok(postgres);
    }
    let no_server = || {
        CliError::Refused(
            "--autogenerate works for both engines and needs a PostgreSQL server to try the statements on: name a server with \
             --database postgres://…, or run this under scripts/with-postgres"
                .to_owned(),
        )
    };
    env::var("SOTTO_TEST_POSTGRES").ok().and_then(|url| url.parse().ok()).ok_or_else(no_server)
}

impl From<RevisionError> for CliError {
    fn from(error: RevisionError) -> Self {
        Self::Refused(error.to_string())
    }
}
