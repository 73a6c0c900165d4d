//! `sotto db copy`: from a small engine to a big one, and back.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use sotto_storage::DatabaseUrl;
use sotto_storage::transfer::{self, Migrations};

use crate::commands::{say, say_json};
use crate::error::Result;
use crate::progress;
use crate::settings::Common;
use crate::stop::until_stopped;

/// Copy everything to an empty database, of the same engine or the other. Stop the server first: what is written
/// meanwhile is not copied. Interrupted, it continues when it is run again
#[derive(Args)]
pub struct CopyCommand {
    /// Where everything is [default: the database of the settings]
    #[arg(long, value_name = "URL")]
    from: Option<DatabaseUrl>,
    /// Where it is to go: an empty database
    #[arg(long, value_name = "URL", env = "SOTTO_COPY_TO", hide_env_values = true)]
    to: DatabaseUrl,
    /// Delete what an unfinished restore or copy has left in the database, and begin anew
    #[arg(long)]
    restart: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    /// Read migrations from the folders sqlite and postgres of this one, instead of those built in
    #[arg(long, value_name = "DIR", hide = true)]
    migrations: Option<PathBuf>,
}

impl CopyCommand {
    /// Does it.
    pub async fn run(self, common: &Common) -> Result<()> {
        let from = self.from.unwrap_or_else(|| common.database());
        let migrations = Migrations { folder: self.migrations };
        let (watch, bar) = progress::show(self.json);
        let copied = until_stopped(&watch, transfer::copy(&from, &self.to, self.restart, &migrations, &watch)).await;
        bar.finish_and_clear();
        let copied = copied?;
        if self.json {
            let tables = copied.tables.iter();
            let tables = tables.map(|(name, sum)| json!({"name": name, "rows": sum.rows, "sha256": sum.sha256}));
            let tables: Vec<_> = tables.collect();
            return say_json(&json!({"revision": copied.revision, "tables": tables}));
        }
        for (name, sum) in &copied.tables {
            say(&format!("  {:>9} {name}", sum.rows))?;
        }
        say(&format!(
            "{} holds what {from} holds, by counts and checksums. Attachments and keys stay where they are.",
            self.to
        ))
    }
}
