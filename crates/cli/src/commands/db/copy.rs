//! `sotto db copy`: copies a database to the same or the other engine.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use sotto_storage::DatabaseUrl;
use sotto_storage::transfer::{self, Migrations};

use crate::commands::{announce, print_json, print_line};
use crate::error::Result;
use crate::progress;
use crate::settings::CommonSettings;
use crate::stop::until_stopped;

/// Copy all rows to an empty database, on the same or the other engine. Stop the server first, because later writes are
/// not copied. An interrupted copy continues when you run the command again
#[derive(Args)]
pub struct CopyCommand {
    /// The database to copy [default: the database of the settings]
    #[arg(long, value_name = "URL", hide_env_values = true)]
    from: Option<DatabaseUrl>,
    /// The target: an empty database
    #[arg(long, value_name = "URL", env = "SOTTO_COPY_TO", hide_env_values = true)]
    to: DatabaseUrl,
    /// Delete the part that an unfinished restore or copy has left in the target, and start again
    #[arg(long)]
    restart: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Use the migrations in the folders sqlite and postgres of DIR instead of the built-in ones
    #[arg(long, value_name = "DIR", hide = true)]
    migrations: Option<PathBuf>,
}

impl CopyCommand {
    pub async fn run(self, common: &CommonSettings) -> Result<()> {
        let from = self.from.unwrap_or_else(|| common.database());
        announce(common, &from);
        let migrations = Migrations { folder: self.migrations };
        let (observer, bar) = progress::show(self.json);
        let report =
            until_stopped(&observer, transfer::copy(&from, &self.to, self.restart, &migrations, &observer)).await;
        bar.finish_and_clear();
        let report = report?;
        if self.json {
            let tables = report.tables.iter();
            let tables = tables.map(|(name, sum)| json!({"name": name, "rows": sum.rows, "sha256": sum.sha256}));
            let tables: Vec<_> = tables.collect();
            return print_json(&json!({"revision": report.revision, "tables": tables}));
        }
        for (name, sum) in &report.tables {
            print_line(&format!("  {:>9} {name}", sum.rows))?;
        }
        print_line(&format!(
            "{} has the same rows as {from}, by counts and checksums. Attachments and keys stay where they are.\n\
             The attachment store still belongs to the old database, and a server on the new database refuses to start \
             with this store. To replace the old database, run `sotto attachments adopt` with SOTTO_DATABASE set to the \
             new one.",
            self.to
        ))
    }
}
