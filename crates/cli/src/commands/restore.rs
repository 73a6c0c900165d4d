//! `sotto restore`: restores a backup.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use sotto_server::Keys;
use sotto_server::keys::KeysError;
use sotto_storage::migrate::Target;
use sotto_storage::transfer::{self, Destination, KeysOutcome, Migrations, Restored};

use super::backup::encryption::DecryptionArgs;
use super::backup::report::{list, manifest_json, summary};
use super::{announce, attachments, print_json, print_line};
use crate::error::{CliError, Result};
use crate::progress;
use crate::settings::{CommonSettings, ServeSettings};
use crate::stop::until_stopped;

/// Restore a backup into an empty database, with its attachments and keys.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "these are independent options")]
pub struct RestoreCommand {
    /// The backup: a file or a folder
    source: PathBuf,
    #[command(flatten)]
    decryption: DecryptionArgs,
    /// Leave the schema at the revision of the backup
    #[arg(long)]
    no_upgrade: bool,
    /// Delete the part that an unfinished restore or copy has left in the database, and start again
    #[arg(long)]
    restart: bool,
    /// Use an attachment store that belongs to another database, which can then no longer use it
    #[arg(long)]
    adopt: bool,
    /// Where to restore the server's secret keys, if the backup contains them and the file does not exist [default:
    /// keys.json in the data folder]
    #[arg(long, env = "SOTTO_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Use the migrations in the folders sqlite and postgres of DIR instead of the built-in ones
    #[arg(long, value_name = "DIR", hide = true)]
    migrations: Option<PathBuf>,
}

impl RestoreCommand {
    pub async fn run(self, common: &CommonSettings, file: &ServeSettings) -> Result<()> {
        announce(common, &common.database());
        let package = self.decryption.package(&self.source)?;
        common.make_data_dir()?;
        let migrations = Migrations { folder: self.migrations };
        let migrator = migrations.migrator(&common.database())?;
        let identity = attachments::identity(&common.database()).await?;
        let destination = Destination {
            database: common.database(),
            identity,
            adopt: self.adopt,
            attachments: common.attachments().attachments()?,
            keys: self.key_file.unwrap_or_else(|| file.key_file(common)),
            check_keys,
            restart: self.restart,
            migrations,
        };
        let (observer, bar) = progress::show(self.json);
        let restored = until_stopped(&observer, transfer::restore(&package, &destination, &observer)).await;
        bar.finish_and_clear();
        let restored = restored?;

        let revision = &restored.manifest.header.revision;
        let upgraded = if self.no_upgrade { None } else { Some(migrator.upgrade(&Target::Head).await?) };
        let final_revision = upgraded.as_ref().map_or(revision, |report| &report.to);
        let store = attachments::claim_store(common, identity, restored.is_foreign).await?;
        // With `--json`, scripts compare these texts, so they must not change.
        let keys = match restored.keys {
            KeysOutcome::NotInBackup => "not in the backup",
            KeysOutcome::Restored => "restored",
            KeysOutcome::Same => "there already",
            KeysOutcome::OthersKept => "not restored, because there are others",
        };
        if self.json {
            let mut report = manifest_json(&restored.manifest)?;
            report["keys"] = json!(keys);
            report["database_revision"] = json!(final_revision);
            report["attachment_store"] = json!(store);
            report["missing"] = json!(restored.missing);
            print_json(&report)?;
            return ensure_complete(&restored);
        }
        print_line(&format!("Restored {} to {}.", summary(&restored.manifest), common.database()))?;
        if final_revision != revision {
            print_line(&format!("The database went from {revision} to {final_revision}."))?;
        }
        print_line(&format!("The keys are {keys}."))?;
        if let Some(sentence) = store {
            print_line(&sentence)?;
        }
        ensure_complete(&restored)
    }
}

/// Says why these are not the keys of a server. Those from before secret tags are completed at the next start.
fn check_keys(keys: &[u8]) -> std::result::Result<(), String> {
    let text = std::str::from_utf8(keys).map_err(|_| "it is not text".to_owned())?;
    match Keys::parse(text, "the backup") {
        Ok(_) | Err(KeysError::Incomplete { .. }) => Ok(()),
        Err(KeysError::Malformed { reason, .. }) => Err(reason),
        Err(error) => Err(error.to_string()),
    }
}

/// Fails if recordings are missing, after everything in the backup has been restored.
fn ensure_complete(restored: &Restored) -> Result<()> {
    match restored.missing.len() {
        0 => Ok(()),
        count => Err(CliError::Incomplete(format!(
            "{count} recordings have a row but are neither in the backup nor in the store: {}",
            list(&restored.missing)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use sotto_server::system::SystemRandom;

    use super::*;

    #[test]
    fn only_keys_of_a_server_are_accepted() {
        let keys = Keys::generate(&SystemRandom).to_text().unwrap();
        assert_eq!(check_keys(keys.as_bytes()), Ok(()));
        let before_secret_tags = format!(r#"{{"version": 1, "token_signing": "{}"}}"#, "A".repeat(43));
        assert_eq!(check_keys(before_secret_tags.as_bytes()), Ok(()));
        for bad in [
            "",
            "{}",
            "[]",
            &keys[1..],
            &keys.replace(":1,", ":2,"),
            &keys.replace("\"opaque\":[", "\"opaque\":[\"\","),
        ] {
            let refusal = check_keys(bad.as_bytes()).unwrap_err();
            assert!(!refusal.contains(&keys[30..50]), "{refusal}");
        }
        assert!(check_keys(&[0xff]).is_err());
    }
}
