//! `sotto backup`: creates backups, once or on a schedule, and verifies them.

pub mod encryption;
pub mod report;
mod retention;

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use sotto_domain::{Clock, Timestamp};
use sotto_server::last_backup::LastBackup;
use sotto_server::system::SystemClock;
use sotto_storage::transfer::{
    self, BackupOptions, Draft, Manifest, Migrations, Observer, TransferError, backup_into, backup_to_folder,
};

use super::{announce, print_json, print_line};
use crate::error::{CliError, Result};
use crate::progress;
use crate::settings::{CommonSettings, ServeSettings};
use crate::stop::{StopSignal, until_stopped};
use encryption::{DecryptionArgs, Encryption, EncryptionArgs};
use report::{incomplete, manifest_json, missing_recordings, summary};

/// Create a backup, or verify one.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BackupCommand {
    #[command(subcommand)]
    subcommand: Option<BackupSubcommand>,
    #[command(flatten)]
    args: BackupArgs,
}

#[derive(Subcommand)]
enum BackupSubcommand {
    /// Read a whole backup and verify its checksums, without restoring it
    Verify {
        /// The backup: a file or a folder
        source: PathBuf,
        #[command(flatten)]
        decryption: DecryptionArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// The options for creating a backup.
#[derive(Args)]
struct BackupArgs {
    /// A new file; an existing folder, in which the name of the backup contains the time; or - for standard output
    /// [default: the folder backups in the data folder]
    target: Option<PathBuf>,
    /// Write a folder of plain files instead of an archive
    #[arg(long, conflicts_with = "encrypted")]
    directory: bool,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    encryption_args: EncryptionArgs,
    /// Afterwards delete all but the newest N backups in the folder
    #[arg(long, value_name = "N")]
    keep: Option<NonZeroUsize>,
    /// Keep running and create a backup every TIME, such as 24h, 30m or 7d
    #[arg(long, value_name = "TIME", requires = "keep", value_parser = parse_interval)]
    schedule: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Use the migrations in the folders sqlite and postgres of DIR instead of the built-in ones
    #[arg(long, value_name = "DIR", hide = true)]
    migrations: Option<PathBuf>,
}

/// The options for including the server's keys.
#[derive(Args)]
struct KeyArgs {
    /// Include the server's secret keys. Requires encryption, or --keys-in-the-clear
    #[arg(long)]
    with_keys: bool,
    /// Allow keys in a backup that is not encrypted, so that anyone with the file can read them
    #[arg(long, requires = "with_keys")]
    keys_in_the_clear: bool,
    /// The server's secret keys [default: keys.json in the data folder]
    #[arg(long, env = "SOTTO_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl BackupCommand {
    pub async fn run(self, common: &CommonSettings, file: &ServeSettings) -> Result<()> {
        match self.subcommand {
            Some(BackupSubcommand::Verify { source, decryption, json }) => verify(&source, &decryption, json).await,
            None => self.args.run(common, file).await,
        }
    }
}

async fn verify(source: &Path, decryption: &DecryptionArgs, json: bool) -> Result<()> {
    let package = decryption.package(source)?;
    let (observer, bar) = progress::show(json);
    let manifest = until_stopped(&observer, transfer::verify(&package, &observer)).await;
    bar.finish_and_clear();
    let manifest = manifest?;
    let missing = missing_recordings(&manifest);
    if json {
        print_json(&manifest_json(&manifest)?)?;
    } else {
        print_line(&format!(
            "{} is {}: {}, of revision {}, made {}.",
            package.name(),
            if missing.is_some() { "undamaged" } else { "complete" },
            summary(&manifest),
            manifest.header.revision,
            manifest.header.created_at
        ))?;
    }
    match missing {
        Some(missing) => Err(CliError::Incomplete(format!("{} {missing}", package.name()))),
        None => Ok(()),
    }
}

impl BackupArgs {
    async fn run(self, common: &CommonSettings, file: &ServeSettings) -> Result<()> {
        self.keys.refuse_unencrypted(&self.encryption_args)?;
        announce(common, &common.database());
        // Fails for a database without a journal, before the folder for backups is created.
        Migrations { folder: self.migrations.clone() }.migrator(&common.database())?.state_of_tables().await?;
        let target = self.resolve_target(common)?;
        if self.keep.is_some() && !matches!(target, BackupTarget::Folder(_)) {
            return Err(CliError::Refused(
                "--keep requires that the target is an existing folder, or the default".into(),
            ));
        }
        let encryption = self.encryption_args.encryption()?;
        match self.schedule {
            None => self.back_up(common, file, &target, &encryption).await,
            Some(interval) => self.back_up_on_schedule(common, file, &target, &encryption, interval).await,
        }
    }

    /// Creates backups on a schedule. If the first one fails, so does the command, because the settings are probably
    /// wrong. Later ones may fail, for example while the disk is full.
    async fn back_up_on_schedule(
        &self,
        common: &CommonSettings,
        file: &ServeSettings,
        target: &BackupTarget,
        encryption: &Encryption,
        interval: Duration,
    ) -> Result<()> {
        let mut stop = StopSignal::listen();
        let mut first = true;
        loop {
            let next = tokio::time::sleep(interval);
            match self.back_up(common, file, target, encryption).await {
                Err(CliError::Transfer(TransferError::Stopped)) => return Ok(()),
                Err(error) if first => return Err(error),
                Err(error) => tracing::error!(%error, "the backup failed; the schedule continues"),
                Ok(()) => {}
            }
            first = false;
            tokio::select! {
                () = next => {}
                _ = stop.wait() => return Ok(()),
            }
        }
    }

    async fn back_up(
        &self,
        common: &CommonSettings,
        file: &ServeSettings,
        target: &BackupTarget,
        encryption: &Encryption,
    ) -> Result<()> {
        let now = SystemClock.now();
        let options = BackupOptions {
            attachments: Some(common.attachments().attachments()?),
            keys: self.keys.file_to_include(common, file),
            created_at: now,
            migrations: Migrations { folder: self.migrations.clone() },
        };
        let path = match target {
            BackupTarget::Stdout => return self.write_to_stdout(common, &options, encryption).await,
            BackupTarget::File(path) => path.clone(),
            BackupTarget::Folder(folder) => {
                retention::remove_unfinished(folder)?;
                folder.join(retention::name(now, self.directory, self.encryption_args.is_requested()))
            }
        };
        let manifest = self.write_to_path(common, &path, &options, encryption).await?;
        let missing = missing_recordings(&manifest);
        if missing.is_none() {
            record_backup(common, now);
        }
        let deleted = match (self.keep, target) {
            // An older backup may contain the recordings that are missing in this one.
            (Some(keep), BackupTarget::Folder(folder)) if missing.is_none() => retention::prune(folder, keep)?,
            _ => Vec::new(),
        };
        self.print_report(&path, &manifest, &deleted)?;
        match missing {
            Some(missing) => Err(incomplete(&path, &missing)),
            None => Ok(()),
        }
    }

    async fn write_to_path(
        &self,
        common: &CommonSettings,
        path: &Path,
        options: &BackupOptions,
        encryption: &Encryption,
    ) -> Result<Manifest> {
        let (observer, bar) = progress::show(self.json);
        let url = common.database();
        let work = async {
            if self.directory {
                return backup_to_folder(&url, path, options, &observer).await.map_err(CliError::from);
            }
            let out = encryption.wrap(Draft::create(path)?, path)?;
            let (manifest, out) = backup_into(&url, out, path, options, &observer).await?;
            out.finish(path)?.publish()?;
            Ok(manifest)
        };
        let manifest = until_stopped(&observer, work).await;
        bar.finish_and_clear();
        manifest
    }

    /// Writes to standard output, and prints nothing else there.
    async fn write_to_stdout(
        &self,
        common: &CommonSettings,
        options: &BackupOptions,
        encryption: &Encryption,
    ) -> Result<()> {
        let (observer, bar) = progress::show(self.json);
        let (url, name) = (common.database(), Path::new("standard output"));
        let work = async {
            let out = encryption.wrap(io::stdout(), name)?;
            let (manifest, out) = backup_into(&url, out, name, options, &observer).await?;
            out.finish(name)?;
            missing_recordings(&manifest).map_or(Ok(()), |missing| Err(incomplete(name, &missing)))?;
            record_backup(common, options.created_at);
            Ok(())
        };
        let result = until_stopped(&observer, work).await;
        bar.finish_and_clear();
        result
    }

    fn resolve_target(&self, common: &CommonSettings) -> Result<BackupTarget> {
        Ok(match &self.target {
            Some(target) if target.as_os_str() == "-" && self.directory => {
                return Err(CliError::Refused("a folder cannot be written to standard output".into()));
            }
            Some(target) if target.as_os_str() == "-" => BackupTarget::Stdout,
            Some(target) if retention::is_backup_folder(target) => {
                let sentence =
                    format!("{} is itself a backup and was not changed: choose another name", target.display());
                return Err(CliError::Refused(sentence));
            }
            Some(target) if target.is_dir() => BackupTarget::Folder(target.clone()),
            Some(target) => BackupTarget::File(target.clone()),
            None => {
                common.make_data_dir()?;
                BackupTarget::Folder(common.make_folder("backups")?)
            }
        })
    }

    fn print_report(&self, path: &Path, manifest: &Manifest, deleted: &[PathBuf]) -> Result<()> {
        if self.json {
            let mut report = manifest_json(manifest)?;
            report["path"] = json!(path);
            report["deleted"] = json!(deleted);
            return print_json(&report);
        }
        for path in deleted {
            print_line(&format!("Deleted {}.", path.display()))?;
        }
        print_line(&format!("Backed up {} to {}.", summary(manifest), path.display()))
    }
}

/// Records a complete backup for the server's metrics. A failure does not invalidate the backup: it may be made on
/// another machine without the data folder, or by a user who may not write to it.
fn record_backup(common: &CommonSettings, made_at: Timestamp) {
    let folder = common.data_dir();
    if !folder.is_dir() {
        return;
    }
    if let Err(error) = LastBackup::write(&folder, made_at) {
        tracing::warn!(%error, "this backup could not be recorded for the server's metrics");
    }
}

impl KeyArgs {
    fn refuse_unencrypted(&self, encryption_args: &EncryptionArgs) -> Result<()> {
        if !self.with_keys || self.keys_in_the_clear || encryption_args.is_requested() {
            return Ok(());
        }
        Err(CliError::Refused(
            "anyone with the keys can sign in as any user: encrypt the backup with --encrypt-to or --passphrase, or add \
             --keys-in-the-clear"
                .into(),
        ))
    }

    /// The key file, if it is to be included.
    fn file_to_include(&self, common: &CommonSettings, serve_settings: &ServeSettings) -> Option<PathBuf> {
        self.with_keys.then(|| self.key_file.clone().unwrap_or_else(|| serve_settings.key_file(common)))
    }
}

enum BackupTarget {
    Stdout,
    File(PathBuf),
    Folder(PathBuf),
}

/// Parses an interval such as `24h`, `30m`, `7d` or `90s`.
fn parse_interval(text: &str) -> std::result::Result<Duration, String> {
    const MAX_SECONDS: u64 = 366 * 24 * 60 * 60;
    let wrong = || "expected a number followed by s, m, h or d, such as 24h".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 60 * 60,
        Some('d') => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let seconds = count.checked_mul(unit).filter(|seconds| (1..=MAX_SECONDS).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "expected a duration from 1s to 366d".to_owned())
}

/// Backs up all rows to the backup folder before a downgrade destroys some of them. `--keep` never deletes this
/// backup.
pub async fn before_downgrade(common: &CommonSettings, migrations: Migrations) -> Result<PathBuf> {
    common.make_data_dir()?;
    let now = SystemClock.now();
    let folder = common.make_folder("backups")?;
    transfer::remove_unfinished(&folder, retention::is_before_downgrade)?;
    let path = folder.join(retention::before_downgrade(now));
    let options = BackupOptions { migrations, ..BackupOptions::rows(now) };
    transfer::backup(&common.database(), &path, &options, &Observer::default()).await?;
    Ok(path)
}

/// Deletes backups of earlier downgrades for which there are enough newer ones, and returns their paths. A backup that
/// cannot be deleted is kept, because the downgrade has succeeded.
pub fn prune_before_downgrade(common: &CommonSettings) -> Vec<PathBuf> {
    retention::prune_before_downgrade(&common.data_dir().join("backups"), SystemClock.now())
}

/// Formats a time for a file name, without separators: `20250122T100000Z`.
fn compact_time(moment: Timestamp) -> String {
    let seconds: String = moment.to_string().chars().take_while(|c| *c != '.' && *c != 'Z').collect();
    seconds.replace(['-', ':'], "") + "Z"
}
