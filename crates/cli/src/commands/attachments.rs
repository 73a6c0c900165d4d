//! `sotto attachments`: assigns the attachment store to a database, and sweeps it.

use std::path::Path;
use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;
use sotto_domain::storage::Storage;
use sotto_domain::{AttachmentId, Clock, StoreId, UserId};
use sotto_server::AttachmentStore;
use sotto_server::attachments::{
    AttachmentStoreError, FIRST_SWEEP_AFTER, QUARANTINE_DAYS, Quarantined, SweepOptions, SweepReport,
};
use sotto_server::system::{SystemClock, SystemRandom};
use sotto_storage::DatabaseUrl;
use sotto_storage::migrate::{Migrator, State};

use super::{print_json, print_line};
use crate::attachments::AttachmentLocation;
use crate::error::{CliError, Result};
use crate::settings::CommonSettings;

/// The commands for the attachment store.
#[derive(Subcommand)]
pub enum AttachmentsCommand {
    /// Move recordings that no entry has to quarantine, and delete them after 30 days; move recordings that are in use
    /// again back; report missing ones. A server does this once a week. Exit code 0: nothing to do for you. 1: the
    /// sweep failed. 3: something needs your attention
    Sweep {
        /// Only report; change nothing
        #[arg(long)]
        dry_run: bool,
        /// Move recordings to quarantine even if they are many, or all in the store
        #[arg(long)]
        even_if_many: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Assign the store to this database. The previous database of the store, and every copy of this database, can no
    /// longer use it
    Adopt,
}

impl AttachmentsCommand {
    pub async fn run(self, common: &CommonSettings) -> Result<()> {
        let storage = open(&common.database()).await?;
        let done = self.run_on(common, &*storage).await;
        storage.close().await;
        done
    }

    async fn run_on(self, common: &CommonSettings, storage: &dyn Storage) -> Result<()> {
        let place = common.attachments();
        match self {
            Self::Sweep { dry_run, even_if_many, json } => {
                let recordings = existing(&place).await?;
                let order = SweepOptions { dry_run, even_if_many };
                let Some(swept) = recordings.sweep(storage, SystemClock.now(), order).await? else {
                    return Err(CliError::Refused("another sweep is running: try again when it is done".into()));
                };
                print_report(&swept, &place, order, json)?;
                swept.trouble().map_or(Ok(()), |trouble| Err(CliError::Found(trouble)))
            }
            Self::Adopt => {
                let recordings = existing(&place).await?;
                recordings.adopt(storage, &SystemClock, &SystemRandom).await?;
                print_line(&format!("The store {place} now belongs to {} only.", common.database()))?;
                // Reports the consequences: all differences between store and database, including those of the newest
                // objects.
                let order = SweepOptions { dry_run: true, even_if_many: true };
                let later = SystemClock.now().plus_seconds(2 * 3600);
                if let Some(found) = recordings.sweep(storage, later, order).await? {
                    let (total, unknown) = (found.total, found.put_aside.len());
                    print_line(&format!(
                        "It contains {total} recordings; {unknown} of them are unknown to the database."
                    ))?;
                    if let Some(trouble) = found.trouble() {
                        print_line(&trouble)?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// The store identity of a database; `None` if the database does not exist or has not used a store yet.
pub async fn identity(url: &DatabaseUrl) -> Result<Option<StoreId>> {
    if is_missing(url) || !matches!(Migrator::new(url)?.state().await?, State::Head) {
        return Ok(None);
    }
    let storage = url.open().await?;
    let known = storage.attachment_store().get().await;
    storage.close().await;
    Ok(known?.map(|store| store.id))
}

/// Assigns the store to the restored database, which keeps its store identity or gets a new one. Returns a sentence if
/// the store could not be assigned.
pub async fn claim_store(common: &CommonSettings, identity: Option<StoreId>, adopt: bool) -> Result<Option<String>> {
    let url = common.database();
    if !matches!(Migrator::new(&url)?.state().await?, State::Head) {
        return Ok(None);
    }
    let storage = url.open().await?;
    let settled = claim_or_adopt(common, &*storage, identity, adopt).await;
    storage.close().await;
    match settled {
        Ok(()) => Ok(None),
        Err(CliError::Recordings(AttachmentStoreError::Refused(sentence))) => Ok(Some(format!("Note: {sentence}"))),
        Err(error) => Err(error),
    }
}

async fn claim_or_adopt(
    common: &CommonSettings,
    storage: &dyn Storage,
    identity: Option<StoreId>,
    adopt: bool,
) -> Result<()> {
    let recordings = common.attachments().recordings().await?;
    if adopt {
        return Ok(recordings.adopt(storage, &SystemClock, &SystemRandom).await.map(drop)?);
    }
    if let Some(identity) = identity {
        let now = SystemClock.now();
        storage.attachment_store().identify(identity, now.plus_seconds(FIRST_SWEEP_AFTER), now).await?;
    }
    Ok(recordings.claim(storage, &SystemClock, &SystemRandom).await?)
}

/// Opens an existing database with this program's schema. Creates nothing.
async fn open(url: &DatabaseUrl) -> Result<Arc<dyn Storage>> {
    if is_missing(url) {
        return Err(CliError::Refused(format!("there is no database at {url}")));
    }
    match Migrator::new(url)?.state().await? {
        State::Head => Ok(url.open().await?),
        state => Err(CliError::Refused(format!("{url}: {state}"))),
    }
}

fn is_missing(url: &DatabaseUrl) -> bool {
    matches!(url, DatabaseUrl::Sqlite(path) if !path.exists())
}

/// Opens an existing store. Does not create a folder.
async fn existing(place: &AttachmentLocation) -> Result<AttachmentStore> {
    match place {
        AttachmentLocation::Folder(folder) if !Path::is_dir(folder) => {
            Err(CliError::Refused(format!("there is no attachment store at {place}")))
        }
        place => place.recordings().await,
    }
}

fn print_report(swept: &SweepReport, place: &AttachmentLocation, order: SweepOptions, as_json: bool) -> Result<()> {
    let name_of = |(user, id): &(UserId, AttachmentId)| format!("{user}/{id}");
    let aside = |one: &Quarantined| format!("{}/{} (since {})", one.user, one.id, one.since);
    if as_json {
        let listed = |list: &[(UserId, AttachmentId)]| list.iter().map(name_of).collect::<Vec<_>>();
        let quarantined =
            |list: &[Quarantined]| list.iter().map(|one| format!("{}/{}", one.user, one.id)).collect::<Vec<_>>();
        return print_json(&json!({
            "dry_run": order.dry_run,
            "total": swept.total,
            "put_aside": listed(&swept.put_aside),
            "brought_back": quarantined(&swept.brought_back),
            "deleted": quarantined(&swept.deleted),
            "drafts": swept.drafts,
            "missing": listed(&swept.missing),
            "refused": swept.refused,
        }));
    }
    let (drafts_are, others_are) = if order.dry_run { ("would be ", "would be ") } else { ("", "were ") };
    print_line(&format!("{place} contains {} recordings.", swept.total))?;
    let put_aside: Vec<_> = swept.put_aside.iter().map(name_of).collect();
    let parts = [
        (format!("without an entry {others_are}moved to quarantine for {QUARANTINE_DAYS} days"), put_aside),
        (
            format!("with an entry {others_are}moved back from quarantine"),
            swept.brought_back.iter().map(aside).collect(),
        ),
        (
            format!("after {QUARANTINE_DAYS} days in quarantine {others_are}deleted"),
            swept.deleted.iter().map(aside).collect(),
        ),
        ("missing".to_owned(), swept.missing.iter().map(name_of).collect()),
    ];
    for (what, list) in parts {
        print_line(&format!("{:>9} {what}{}", list.len(), if list.is_empty() { "" } else { ":" }))?;
        for one in list {
            print_line(&format!("          {one}"))?;
        }
    }
    print_line(&format!("{:>9} drafts of interrupted uploads {drafts_are}deleted", swept.drafts))
}
