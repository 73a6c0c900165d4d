//! Sweeps: look for what crashes have left behind. These are objects without a row, which go to the quarantine, drafts
//! of interrupted uploads, and rows without an object.
//!
//! A sweep lists the whole store, so it runs rarely ([`SWEEP_INTERVAL`]) and on one server of a cluster. It deletes
//! only what has been in quarantine long enough, and stops if too many objects have no row, because that points to
//! another fault.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use futures_util::TryStreamExt;
use object_store::{ObjectStoreExt, PutMode};
use sotto_domain::attachment_store::{Store, StoreMark};
use sotto_domain::storage::{Storage, StorageError};
use sotto_domain::{AttachmentId, Timestamp, UserId};

use super::owner::AttachmentStoreError;
use super::quarantine::Quarantined;
use super::store::{AttachmentStore, object_key, parse_key};

/// Younger objects are ignored: their row may be written any moment. Longer than any upload takes.
pub const MIN_AGE: Duration = Duration::from_hours(1);
/// Seconds between two sweeps: a week.
pub const SWEEP_INTERVAL: i64 = 7 * 24 * 3600;
/// Seconds until a failed sweep is retried: a day.
pub const RETRY_INTERVAL: i64 = 24 * 3600;
/// After a longer delay, in seconds, nothing is deleted: the clock may be wrong, or the server was off for long.
const MAX_DELAY: i64 = 30 * 24 * 3600;

/// Objects without a row that a sweep accepts in any store, however small, …
const ALWAYS_PLAUSIBLE: u64 = 10;
/// … or this fraction of a larger store: five per cent.
const PLAUSIBLE_FRACTION: u64 = 20;
/// Objects looked up at a time.
const OBJECTS_PER_BATCH: usize = 1000;
/// Rows without an object are counted up to this number.
const MAX_MISSING: usize = 100;
/// How many of them a message names.
const MAX_NAMED: usize = 3;

#[derive(Debug, Clone, Copy, Default)]
pub struct SweepOptions {
    /// Report only, change nothing.
    pub dry_run: bool,
    /// Quarantine objects even if they are too many, or all.
    pub even_if_many: bool,
}

/// What a sweep has found, and has done unless it was a dry run.
#[derive(Debug, Default)]
pub struct SweepReport {
    /// Objects in the store, without the quarantine.
    pub total: u64,
    /// Objects without a row and older than [`MIN_AGE`], moved to the quarantine. A dry run lists them even if they are
    /// too many.
    pub put_aside: Vec<(UserId, AttachmentId)>,
    /// Quarantined objects that have a row, moved back.
    pub brought_back: Vec<Quarantined>,
    /// Objects whose time in quarantine has passed, deleted.
    pub deleted: Vec<Quarantined>,
    /// Drafts of interrupted uploads, deleted.
    pub drafts: u64,
    /// Rows whose object is neither in place nor in quarantine, at most [`MAX_MISSING`].
    pub missing: Vec<(UserId, AttachmentId)>,
    /// The reason why nothing was quarantined or deleted, in a sentence.
    pub refused: Option<String>,
}

impl SweepReport {
    /// What an operator has to know: why the sweep was refused, and which recordings are lost.
    pub fn trouble(&self) -> Option<String> {
        let lost = (!self.missing.is_empty()).then(|| {
            let names = self.missing.iter().take(MAX_NAMED).map(|(user, id)| format!("{user}/{id}"));
            let names = names.collect::<Vec<_>>().join(", ");
            let more = if self.missing.len() > MAX_NAMED { ", …" } else { "" };
            let count = self.missing.len();
            let count = if count < MAX_MISSING { count.to_string() } else { format!("{count} or more") };
            format!("Recordings that the database names and the store does not have: {count} ({names}{more}).")
        });
        let parts: Vec<_> = self.refused.iter().cloned().chain(lost).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

/// Whether so many objects without a row point to another fault.
pub(super) fn is_too_much(unknown: u64, total: u64) -> bool {
    unknown > 0 && (unknown >= total || unknown > ALWAYS_PLAUSIBLE.max(total / PLAUSIBLE_FRACTION))
}

impl AttachmentStore {
    /// Sweeps if a sweep is due and `may_sweep` is true, and updates [`Self::trouble`]. Every server calls this, and
    /// one of them sweeps.
    ///
    /// # Errors
    /// If the store belongs to another database, or if the store or the database cannot be reached.
    pub async fn maintain(
        &self,
        storage: &dyn Storage,
        now: Timestamp,
        may_sweep: bool,
    ) -> Result<Option<SweepReport>, AttachmentStoreError> {
        let maintained = self.sweep_if_due(storage, now, may_sweep).await;
        match &maintained {
            // A failure of the database says nothing about the store.
            Err(AttachmentStoreError::Storage(_)) => {}
            Err(error) => self.set_trouble(Some(format!("The store of recordings cannot be maintained: {error}"))),
            Ok(_) => {
                let store = storage.attachment_store().get().await?;
                self.set_trouble(store.and_then(|store| store.trouble));
            }
        }
        maintained
    }

    async fn sweep_if_due(
        &self,
        storage: &dyn Storage,
        now: Timestamp,
        may_sweep: bool,
    ) -> Result<Option<SweepReport>, AttachmentStoreError> {
        let Some(store) = storage.attachment_store().get().await? else { return Ok(None) };
        self.check_owner(&store).await?;
        // A time further away than any sweep sets was written by a wrong clock.
        let is_due = store.next_sweep_at <= now || store.next_sweep_at > now.plus_seconds(2 * SWEEP_INTERVAL);
        if is_due && may_sweep { self.sweep(storage, now, SweepOptions::default()).await } else { Ok(None) }
    }

    /// Sweeps now. Returns `None` if another server is sweeping.
    ///
    /// # Errors
    /// If the store belongs to another database, or if the store or the database cannot be reached. The next sweep
    /// continues.
    pub async fn sweep(
        &self,
        storage: &dyn Storage,
        now: Timestamp,
        order: SweepOptions,
    ) -> Result<Option<SweepReport>, AttachmentStoreError> {
        let Some(store) = storage.attachment_store().get().await? else {
            let sentence = "the database has no store of recordings yet: start the server once";
            return Err(AttachmentStoreError::Refused(sentence.into()));
        };
        self.check_owner(&store).await?;
        if order.dry_run {
            return self.carry_out(storage, &store, now, order).await.map(Some);
        }
        let stores = storage.attachment_store();
        if !stores.begin_sweep(&store, now.plus_seconds(RETRY_INTERVAL), now).await? {
            return Ok(None);
        }
        let sweeps = store.sweeps + 1;
        let swept = match self.put_mark(StoreMark::new(store.id, sweeps), PutMode::Overwrite).await {
            Ok(()) => self.carry_out(storage, &store, now, order).await,
            Err(error) => Err(error.into()),
        };
        let (trouble, next) = match &swept {
            Ok(swept) => (swept.trouble(), SWEEP_INTERVAL),
            Err(error) => (Some(format!("The last sweep of the attachment store failed: {error}")), RETRY_INTERVAL),
        };
        stores.end_sweep(store.id, sweeps, trouble.as_deref(), now.plus_seconds(next), now).await?;
        swept.map(Some)
    }

    async fn carry_out(
        &self,
        storage: &dyn Storage,
        store: &Store,
        now: Timestamp,
        order: SweepOptions,
    ) -> Result<SweepReport, AttachmentStoreError> {
        let census = Census::count(self, storage, now).await?;
        let mut swept = SweepReport { total: census.total, ..SweepReport::default() };
        let quarantined = self.quarantined(None).await?;
        swept.brought_back = with_row(storage, &quarantined).await?;
        let is_back = |one: &Quarantined| swept.brought_back.contains(one);
        if !order.dry_run {
            for one in &swept.brought_back {
                self.restore(one.user, one.id).await?;
            }
        }
        swept.missing = self.missing(storage, census.present, &quarantined).await?;
        let unknown = census.unknown.len() as u64;
        if is_too_much(unknown, census.total) && !order.even_if_many {
            swept.refused = Some(format!(
                "Of the {} recordings in the store, the database does not know {unknown}, which is more than crashes \
                 leave behind: nothing was quarantined or deleted. To list them, run `sotto attachments sweep --dry-run`.",
                census.total
            ));
            if order.dry_run {
                swept.put_aside = census.unknown;
            }
            return Ok(swept);
        }
        let is_late = now > store.next_sweep_at.plus_seconds(MAX_DELAY);
        swept.deleted =
            quarantined.iter().filter(|one| one.has_expired(now) && !is_back(one) && !is_late).copied().collect();
        swept.drafts = self.delete_drafts(now, order.dry_run).await?;
        if !order.dry_run {
            for one in &swept.deleted {
                self.delete_object(&one.key()).await?;
            }
            for (user, id) in &census.unknown {
                self.quarantine(*user, *id, now).await?;
            }
        }
        swept.put_aside = census.unknown;
        Ok(swept)
    }

    async fn missing(
        &self,
        storage: &dyn Storage,
        mut present: HashSet<AttachmentId>,
        quarantined: &[Quarantined],
    ) -> Result<Vec<(UserId, AttachmentId)>, AttachmentStoreError> {
        present.extend(quarantined.iter().map(|one| one.id));
        let (mut missing, mut after) = (Vec::new(), None);
        loop {
            let page = storage.attachment_store().recordings(after, 1000).await?;
            let Some((_, last)) = page.last() else { return Ok(missing) };
            after = Some(*last);
            for (user, id) in page.into_iter().filter(|(_, id)| !present.contains(id)) {
                // It may have been stored or deleted since the store was listed.
                let is_there = match self.objects.head(&object_key(user, id)).await {
                    Ok(_) => true,
                    Err(object_store::Error::NotFound { .. }) => false,
                    Err(error) => return Err(error.into()),
                };
                if !is_there && !storage.attachments().known(user, &[id]).await?.is_empty() {
                    missing.push((user, id));
                    if missing.len() == MAX_MISSING {
                        return Ok(missing);
                    }
                }
            }
        }
    }

    async fn delete_drafts(&self, now: Timestamp, dry_run: bool) -> Result<u64, AttachmentStoreError> {
        let Some(folder) = self.folder.clone() else { return Ok(0) };
        let drafts = tokio::task::spawn_blocking(move || delete_drafts(&folder, now, dry_run)).await;
        Ok(drafts.map_err(io::Error::from)??)
    }
}

/// The objects of a store, compared with the rows of the database.
pub(super) struct Census {
    /// Number of objects, without foreign files.
    pub total: u64,
    present: HashSet<AttachmentId>,
    /// Objects without a row, older than [`MIN_AGE`].
    pub unknown: Vec<(UserId, AttachmentId)>,
}

impl Census {
    /// Lists the whole store. Objects younger than [`MIN_AGE`] at `now` do not count as unknown.
    pub async fn count(
        recordings: &AttachmentStore,
        storage: &dyn Storage,
        now: Timestamp,
    ) -> Result<Self, AttachmentStoreError> {
        let mut census = Self { total: 0, present: HashSet::new(), unknown: Vec::new() };
        let mut waiting: BTreeMap<UserId, Vec<AttachmentId>> = BTreeMap::new();
        let (mut count, mut objects) = (0, recordings.objects.list(None));
        while let Some(object) = objects.try_next().await? {
            let Some((user, id)) = parse_key(&object.location) else { continue };
            census.total += 1;
            census.present.insert(id);
            let age = now.as_micros().saturating_sub(object.last_modified.timestamp_micros());
            if age < i64::try_from(MIN_AGE.as_micros()).unwrap_or(i64::MAX) {
                continue;
            }
            waiting.entry(user).or_default().push(id);
            count += 1;
            if count == OBJECTS_PER_BATCH {
                census.find_unknown(storage, std::mem::take(&mut waiting)).await?;
                count = 0;
            }
        }
        census.find_unknown(storage, waiting).await?;
        Ok(census)
    }

    async fn find_unknown(
        &mut self,
        storage: &dyn Storage,
        objects: BTreeMap<UserId, Vec<AttachmentId>>,
    ) -> Result<(), StorageError> {
        for (user, ids) in objects {
            let known = storage.attachments().known(user, &ids).await?;
            self.unknown.extend(ids.into_iter().filter(|id| !known.contains(id)).map(|id| (user, id)));
        }
        Ok(())
    }
}

/// Those of the quarantined objects that have a row.
async fn with_row(storage: &dyn Storage, quarantined: &[Quarantined]) -> Result<Vec<Quarantined>, StorageError> {
    let mut by_user: BTreeMap<UserId, Vec<AttachmentId>> = BTreeMap::new();
    for one in quarantined {
        by_user.entry(one.user).or_default().push(one.id);
    }
    let mut known = HashSet::new();
    for (user, ids) in by_user {
        known.extend(storage.attachments().known(user, &ids).await?);
    }
    Ok(quarantined.iter().filter(|one| known.contains(&one.id)).copied().collect())
}

/// Deletes drafts in a folder (`ID#1`, `ID#2`, …) that are older than [`MIN_AGE`], and returns how many.
fn delete_drafts(folder: &Path, now: Timestamp, dry_run: bool) -> io::Result<u64> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(now.as_micros()).unwrap_or_default());
    let mut deleted = 0;
    for user in fs::read_dir(folder)? {
        let user = user?;
        if !user.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(user.path())? {
            let file = file?;
            let is_draft = file.file_name().to_string_lossy().contains('#');
            if is_draft && now.duration_since(file.metadata()?.modified()?).unwrap_or_default() >= MIN_AGE {
                if !dry_run {
                    fs::remove_file(file.path())?;
                }
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::is_too_much;

    #[test]
    fn only_a_few_unknown_objects_are_plausible() {
        for (unknown, total) in [(0, 0), (0, 9), (1, 2), (10, 11), (10, 100), (50, 1000), (5000, 100_000)] {
            assert!(!is_too_much(unknown, total), "{unknown} of {total}");
        }
        for (unknown, total) in [(1, 1), (3, 3), (11, 12), (11, 100), (51, 1000), (1000, 1000)] {
            assert!(is_too_much(unknown, total), "{unknown} of {total}");
        }
    }
}
