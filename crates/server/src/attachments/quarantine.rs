//! The quarantine: objects that no row names are moved to `quarantine/YYYY-MM-DD/USER/ID`. They are restored when they
//! are read, or when a sweep finds a row for them, and deleted after [`QUARANTINE_DAYS`].

use futures_util::{StreamExt, TryStreamExt};
use jiff::civil::Date;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStoreExt};
use sotto_domain::attachment_store::QUARANTINE;
use sotto_domain::{AttachmentId, Timestamp, UserId, Zone};

use super::owner::folder_error;
use super::store::{AttachmentStore, object_key, parse_key};

/// Full days that an object stays in quarantine.
pub const QUARANTINE_DAYS: i32 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarantined {
    /// The day (UTC) on which it was moved.
    pub since: Date,
    pub user: UserId,
    pub id: AttachmentId,
}

impl Quarantined {
    pub fn has_expired(&self, now: Timestamp) -> bool {
        let today = now.day_in(&Zone::utc());
        today.since(self.since).is_ok_and(|span| span.get_days() > QUARANTINE_DAYS)
    }

    pub(super) fn key(&self) -> Key {
        Key::from_iter([QUARANTINE, &self.since.to_string(), &self.user.to_string(), &self.id.to_string()])
    }
}

impl AttachmentStore {
    /// Moves an object to the quarantine. An interrupted move can be repeated.
    pub(super) async fn quarantine(&self, user: UserId, id: AttachmentId, now: Timestamp) -> Result<(), Error> {
        let quarantined = Quarantined { since: now.day_in(&Zone::utc()), user, id };
        self.make_folder_of(&quarantined.key())?;
        match self.objects.rename(&object_key(user, id), &quarantined.key()).await {
            Err(Error::NotFound { .. }) => Ok(()),
            moved => moved,
        }
    }

    /// Moves an object back from the quarantine. Returns whether it was there.
    pub(super) async fn restore(&self, user: UserId, id: AttachmentId) -> Result<bool, Error> {
        for since in self.quarantine_days().await? {
            let quarantined = Quarantined { since, user, id };
            match self.objects.rename(&quarantined.key(), &object_key(user, id)).await {
                Ok(()) => {
                    tracing::warn!(%user, recording = %id, %since, "a recording was restored from quarantine");
                    return Ok(true);
                }
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// In a folder, creates the parent folder of an object, owned by the owner of the store even if root runs the
    /// program.
    fn make_folder_of(&self, key: &Key) -> Result<(), Error> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = folder.join(key.as_ref());
        path.parent().map_or(Ok(()), sotto_files::make_folder).map_err(|error| folder_error(error.into()))
    }

    /// Deletes an object from the quarantine, if it is there.
    pub(super) async fn delete_quarantined(&self, user: UserId, id: AttachmentId) -> Result<(), Error> {
        for since in self.quarantine_days().await? {
            self.delete_object(&Quarantined { since, user, id }.key()).await?;
        }
        Ok(())
    }

    /// The quarantined objects of one user or of all users.
    pub(super) async fn quarantined(&self, user: Option<UserId>) -> Result<Vec<Quarantined>, Error> {
        let mut all = Vec::new();
        for since in self.quarantine_days().await? {
            let day = [QUARANTINE.to_owned(), since.to_string()];
            let folder: Key = day.into_iter().chain(user.map(|user| user.to_string())).collect();
            let mut objects = self.objects.list(Some(&folder)).boxed();
            while let Some(object) = objects.try_next().await? {
                let rest = object.location.as_ref().splitn(3, '/').nth(2).map(Key::from);
                if let Some((user, id)) = rest.as_ref().and_then(parse_key) {
                    all.push(Quarantined { since, user, id });
                }
            }
        }
        Ok(all)
    }

    /// The days of the quarantine, newest first. They are few, because sweeps are rare.
    async fn quarantine_days(&self) -> Result<Vec<Date>, Error> {
        let found = self.objects.list_with_delimiter(Some(&Key::from(QUARANTINE))).await?;
        let days = found.common_prefixes.iter().filter_map(|day| day.filename()?.parse().ok());
        let mut days: Vec<Date> = days.collect();
        days.sort_unstable();
        days.reverse();
        Ok(days)
    }
}
