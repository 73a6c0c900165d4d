//! The storage contract of plain entries.

use async_trait::async_trait;
use jiff::civil::Date;

use super::Result;
use crate::clock::Timestamp;
use crate::entry::{Created, Deleted, Entry, EntryPatch, EntryQuery, NewEntry, Updated};
use crate::idempotency::KeyedCreate;
use crate::ids::{EntryId, UserId};
use crate::statistics::DayCount;

/// Plain entries. None of these methods returns an entry under a secret tag.
#[async_trait]
pub trait Entries: Send + Sync {
    /// Stores a new entry with its tags, and creates tags that are named and do not exist yet, all or nothing.
    async fn create(&self, user: UserId, new: &NewEntry, key: Option<KeyedCreate>, now: Timestamp) -> Result<Created>;
    /// Returns the entry with its tags, which are in the order of their names' keys.
    async fn get(&self, user: UserId, id: EntryId) -> Result<Option<Entry>>;
    /// Changes the entry and raises its revision, all or nothing; with `expected`, only if the entry is at that
    /// revision. Of two concurrent calls that expect the same revision, one gets [`Updated::Stale`].
    async fn update(
        &self,
        user: UserId,
        id: EntryId,
        patch: &EntryPatch,
        expected: Option<u32>,
        now: Timestamp,
    ) -> Result<Updated>;
    /// Deletes the entry and its links to tags; with `expected`, only if the entry is at that revision.
    async fn delete(&self, user: UserId, id: EntryId, expected: Option<u32>) -> Result<Deleted>;
    /// Returns a page of entries, newest first. A search word matches the beginning of a word, regardless of case.
    async fn list(&self, user: UserId, query: &EntryQuery) -> Result<Vec<Entry>>;
    /// Returns the days from `from` to `to`, both included, that have entries, in ascending order.
    async fn days(&self, user: UserId, from: Date, to: Date) -> Result<Vec<DayCount>>;
    /// Returns the entries of each of these days, newest first, at most `limit` in total. The result ends early with
    /// the entry that brings the texts to [`crate::entry::PAGE_BYTES`].
    async fn on_days(&self, user: UserId, days: &[Date], limit: u32) -> Result<Vec<Entry>>;
}
