//! `sotto restore`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use sotto_storage::migrate::Target;
use sotto_storage::transfer::{self, Destination, Keys, Migrations};

use super::backup::encryption::Unlocking;
use super::backup::{summary, told};
use super::{say, say_json};
use crate::error::Result;
use crate::progress;
use crate::settings::{Common, Serving};
use crate::stop::until_stopped;

/// Bring an empty database, and the files beside it, to what a backup holds.
#[derive(Args)]
pub struct RestoreCommand {
    /// The backup: a file or a folder
    source: PathBuf,
    #[command(flatten)]
    unlocking: Unlocking,
    /// Leave the schema at the revision of the backup
    #[arg(long)]
    no_upgrade: bool,
    /// Delete what an unfinished restore or copy has left in the database, and begin anew
    #[arg(long)]
    restart: bool,
    /// Where the server's secret keys go, if the backup has them and there are none [default: keys.json in the data folder]
    #[arg(long, env = "SOTTO_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    /// Read migrations from the folders sqlite and postgres of this one, instead of those built in
    #[arg(long, value_name = "DIR", hide = true)]
    migrations: Option<PathBuf>,
}

impl RestoreCommand {
    /// Does it.
    pub async fn run(self, common: &Common, file: &Serving) -> Result<()> {
        let package = self.unlocking.package(&self.source)?;
        common.make_data_dir()?;
        let migrations = Migrations { folder: self.migrations };
        let migrator = migrations.migrator(&common.database())?;
        let destination = Destination {
            database: common.database(),
            attachments: common.attachments().attachments()?,
            keys: self.key_file.unwrap_or_else(|| file.key_file(common)),
            restart: self.restart,
            migrations,
        };
        let (watch, bar) = progress::show(self.json);
        let restored = until_stopped(&watch, transfer::restore(&package, &destination, &watch)).await;
        bar.finish_and_clear();
        let restored = restored?;

        let revision = &restored.manifest.header.revision;
        let upgraded = if self.no_upgrade { None } else { Some(migrator.upgrade(&Target::Head).await?) };
        let now = upgraded.as_ref().map_or(revision, |report| &report.to);
        let keys = match restored.keys {
            Keys::NotInBackup => "not in the backup",
            Keys::Restored => "restored",
            Keys::Same => "there already",
            Keys::OthersKept => "not restored, because there are others",
        };
        if self.json {
            let mut answer = told(&restored.manifest)?;
            answer["keys"] = json!(keys);
            answer["database_revision"] = json!(now);
            return say_json(&answer);
        }
        say(&format!("Restored {} to {}.", summary(&restored.manifest), common.database()))?;
        if now != revision {
            say(&format!("The database went from {revision} to {now}."))?;
        }
        say(&format!("The keys are {keys}."))
    }
}
