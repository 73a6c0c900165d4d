//! `sotto backup`: making backups, once or again and again, and checking them.

pub mod encryption;
mod retention;

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sotto_domain::{Clock, Timestamp};
use sotto_server::system::SystemClock;
use sotto_storage::transfer::{
    self, Contents, Draft, Manifest, Migrations, TransferError, Watch, backup_into, backup_to_folder,
};

use super::{say, say_json};
use crate::error::{CliError, Result};
use crate::progress;
use crate::settings::{Common, Serving};
use crate::stop::{StopSignal, until_stopped};
use encryption::{Lock, Sealed, Unlocking};

/// Make a backup, or check one.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BackupCommand {
    #[command(subcommand)]
    check: Option<Check>,
    #[command(flatten)]
    order: Order,
}

/// Checks.
#[derive(Subcommand)]
enum Check {
    /// Read a backup from end to end and hold it to its checksums; nothing is restored
    Verify {
        /// The backup: a file or a folder
        source: PathBuf,
        #[command(flatten)]
        unlocking: Unlocking,
        /// Answer in JSON
        #[arg(long)]
        json: bool,
    },
}

/// What to back up, and where to.
#[derive(Args)]
struct Order {
    /// A new file; or a folder, in which the backup gets a name with its time; or - for standard output
    /// [default: the folder backups in the data folder]
    target: Option<PathBuf>,
    /// Make a folder of plain files instead of one archive
    #[arg(long, conflicts_with = "encrypted")]
    directory: bool,
    #[command(flatten)]
    secrets: Secrets,
    #[command(flatten)]
    lock: Lock,
    /// Afterwards, delete all but the newest N backups of the folder
    #[arg(long, value_name = "N")]
    keep: Option<NonZeroUsize>,
    /// Keep running, and make a backup each time so much has passed, such as 24h, 30m or 7d
    #[arg(long, value_name = "TIME", requires = "keep", value_parser = interval)]
    schedule: Option<Duration>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    /// Read migrations from the folders sqlite and postgres of this one, instead of those built in
    #[arg(long, value_name = "DIR", hide = true)]
    migrations: Option<PathBuf>,
}

/// Whether the server's keys go into it.
#[derive(Args)]
struct Secrets {
    /// Put the server's secret keys into it as well. Only into an encrypted one, or with --keys-in-the-clear
    #[arg(long)]
    with_keys: bool,
    /// Put the keys into a backup that anybody can read who has the file
    #[arg(long, requires = "with_keys")]
    keys_in_the_clear: bool,
    /// The server's secret keys [default: keys.json in the data folder]
    #[arg(long, env = "SOTTO_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl BackupCommand {
    /// Does it.
    pub async fn run(self, common: &Common, file: &Serving) -> Result<()> {
        match self.check {
            Some(Check::Verify { source, unlocking, json }) => verify(&source, &unlocking, json).await,
            None => self.order.run(common, file).await,
        }
    }
}

async fn verify(source: &Path, unlocking: &Unlocking, json: bool) -> Result<()> {
    let package = unlocking.package(source)?;
    let (watch, bar) = progress::show(json);
    let manifest = until_stopped(&watch, transfer::verify(&package, &watch)).await;
    bar.finish_and_clear();
    let manifest = manifest?;
    if json {
        return say_json(&told(&manifest)?);
    }
    say(&format!(
        "{} is whole: {}, of revision {}, made {}.",
        package.name(),
        summary(&manifest),
        manifest.header.revision,
        manifest.header.created_at
    ))
}

impl Order {
    async fn run(self, common: &Common, file: &Serving) -> Result<()> {
        self.secrets.refuse_in_the_clear(&self.lock)?;
        let place = self.place(common)?;
        if self.keep.is_some() && !matches!(place, Place::In(_)) {
            return Err(CliError::Refused("--keep is for backups in a folder: name one that exists, or none".into()));
        }
        let sealed = self.lock.sealed()?;
        match self.schedule {
            None => self.once(common, file, &place, &sealed).await,
            Some(interval) => self.again_and_again(common, file, &place, &sealed, interval).await,
        }
    }

    /// The first one has to succeed: what is wrong at the beginning is a mistake. Later ones may fail, as when the
    /// disk is full for a while.
    async fn again_and_again(
        &self,
        common: &Common,
        file: &Serving,
        place: &Place,
        sealed: &Sealed,
        interval: Duration,
    ) -> Result<()> {
        let mut stop = StopSignal::listen();
        let mut first = true;
        loop {
            let next = tokio::time::sleep(interval);
            match self.once(common, file, place, sealed).await {
                Err(CliError::Transfer(TransferError::Stopped)) => return Ok(()),
                Err(error) if first => return Err(error),
                Err(error) => tracing::error!(%error, "no backup was made; the next is due as planned"),
                Ok(()) => {}
            }
            first = false;
            tokio::select! {
                () = next => {}
                () = stop.wait() => return Ok(()),
            }
        }
    }

    async fn once(&self, common: &Common, file: &Serving, place: &Place, sealed: &Sealed) -> Result<()> {
        let now = SystemClock.now();
        let contents = Contents {
            attachments: Some(common.attachments().attachments()?),
            keys: self.secrets.file(common, file),
            created_at: now,
            migrations: Migrations { folder: self.migrations.clone() },
        };
        let path = match place {
            Place::Output => return self.to_output(common, &contents, sealed).await,
            Place::At(path) => path.clone(),
            Place::In(folder) => folder.join(retention::name(now, self.directory, self.lock.is_asked_for())),
        };
        let manifest = self.to_path(common, &path, &contents, sealed).await?;
        let deleted = match (self.keep, place) {
            (Some(keep), Place::In(folder)) => retention::prune(folder, keep)?,
            _ => Vec::new(),
        };
        self.tell(&path, &manifest, &deleted)
    }

    async fn to_path(&self, common: &Common, path: &Path, contents: &Contents, sealed: &Sealed) -> Result<Manifest> {
        let (watch, bar) = progress::show(self.json);
        let url = common.database();
        let work = async {
            if self.directory {
                return backup_to_folder(&url, path, contents, &watch).await.map_err(CliError::from);
            }
            let out = sealed.around(Draft::create(path)?, path)?;
            let (manifest, out) = backup_into(&url, out, path, contents, &watch).await?;
            out.finish(path)?.publish()?;
            Ok(manifest)
        };
        let manifest = until_stopped(&watch, work).await;
        bar.finish_and_clear();
        manifest
    }

    /// Nothing else is said there.
    async fn to_output(&self, common: &Common, contents: &Contents, sealed: &Sealed) -> Result<()> {
        let (watch, bar) = progress::show(self.json);
        let (url, name) = (common.database(), Path::new("standard output"));
        let work = async {
            let out = sealed.around(io::stdout(), name)?;
            let (_, out) = backup_into(&url, out, name, contents, &watch).await?;
            out.finish(name).map(drop)
        };
        let done = until_stopped(&watch, work).await;
        bar.finish_and_clear();
        done
    }

    fn place(&self, common: &Common) -> Result<Place> {
        Ok(match &self.target {
            Some(target) if target.as_os_str() == "-" && self.directory => {
                return Err(CliError::Refused("a folder cannot go to standard output".into()));
            }
            Some(target) if target.as_os_str() == "-" => Place::Output,
            Some(target) if retention::is_backup_folder(target) => {
                let sentence =
                    format!("{} is a backup itself, and is left as it is: choose another name", target.display());
                return Err(CliError::Refused(sentence));
            }
            Some(target) if target.is_dir() => Place::In(target.clone()),
            Some(target) => Place::At(target.clone()),
            None => {
                common.make_data_dir()?;
                Place::In(common.make_folder("backups")?)
            }
        })
    }

    fn tell(&self, path: &Path, manifest: &Manifest, deleted: &[PathBuf]) -> Result<()> {
        if self.json {
            let mut answer = told(manifest)?;
            answer["path"] = json!(path);
            answer["deleted"] = json!(deleted);
            return say_json(&answer);
        }
        for path in deleted {
            say(&format!("Deleted {}.", path.display()))?;
        }
        say(&format!("Backed up {} to {}.", summary(manifest), path.display()))
    }
}

impl Secrets {
    fn refuse_in_the_clear(&self, lock: &Lock) -> Result<()> {
        if !self.with_keys || self.keys_in_the_clear || lock.is_asked_for() {
            return Ok(());
        }
        Err(CliError::Refused(
            "whoever has the keys can sign in as anybody: encrypt the backup with --encrypt-to or --passphrase, or say \
             --keys-in-the-clear"
                .into(),
        ))
    }

    /// The file of the keys, if they go into it.
    fn file(&self, common: &Common, serving: &Serving) -> Option<PathBuf> {
        self.with_keys.then(|| self.key_file.clone().unwrap_or_else(|| serving.key_file(common)))
    }
}

enum Place {
    Output,
    At(PathBuf),
    In(PathBuf),
}

/// `5 rows of 8 tables and 2 attachments`.
pub fn summary(manifest: &Manifest) -> String {
    let keys = if manifest.keys.is_some() { ", with the keys" } else { "" };
    let counted = |count: u64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    format!(
        "{} of {} and {}{keys}",
        counted(manifest.rows(), "row"),
        counted(manifest.tables.len() as u64, "table"),
        counted(manifest.attachments.len() as u64, "attachment")
    )
}

/// A manifest without what it says about each file.
pub fn told(manifest: &Manifest) -> Result<Value> {
    let mut value = serde_json::to_value(manifest).map_err(io::Error::from)?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("layout");
        if let Some(tables) = fields.get_mut("tables").and_then(Value::as_array_mut) {
            tables.iter_mut().filter_map(Value::as_object_mut).for_each(|table| drop(table.remove("files")));
        }
    }
    Ok(value)
}

/// `24h`, `30m`, `7d`, `90s`.
fn interval(text: &str) -> std::result::Result<Duration, String> {
    let wrong = || "it is a number with s, m, h or d behind it, such as 24h".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 60 * 60,
        Some('d') => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let seconds = count.checked_mul(unit).filter(|seconds| (1..=366 * 24 * 60 * 60).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "it is from 1s to 366d".to_owned())
}

/// Backs up the rows that a downgrade is about to destroy, and what is around them, to the folder of backups. `--keep`
/// never deletes this one.
pub async fn before_downgrade(common: &Common, migrations: Migrations) -> Result<PathBuf> {
    common.make_data_dir()?;
    let now = SystemClock.now();
    let path = common.make_folder("backups")?.join(format!("before-downgrade-{}.tar", compact(now)));
    let contents = Contents { migrations, ..Contents::rows(now) };
    transfer::backup(&common.database(), &path, &contents, &Watch::default()).await?;
    Ok(path)
}

/// The time in a name: `20250122T100000Z`.
fn compact(moment: Timestamp) -> String {
    let whole: String = moment.to_string().chars().take_while(|c| *c != '.' && *c != 'Z').collect();
    whole.replace(['-', ':'], "") + "Z"
}
