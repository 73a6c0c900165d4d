//! The tags of entries on SQLite.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection};
use sotto_domain::tag::TagRef;
use sotto_domain::{EntryId, TagId, UserId};
use uuid::Uuid;

use super::values::uuid;

/// Reads the tags of several entries of one user. Entries of a page share a few tags, so each tag is read once.
pub struct TagReader<'c> {
    user: UserId,
    links: CachedStatement<'c>,
    tags: CachedStatement<'c>,
    known: HashMap<Uuid, Keyed>,
}

struct Keyed {
    key: String,
    tag: TagRef,
}

impl<'c> TagReader<'c> {
    pub fn new(connection: &'c Connection, user: UserId) -> rusqlite::Result<Self> {
        Ok(Self {
            user,
            links: connection.prepare_cached("SELECT tag_id FROM journal_entry_tags WHERE entry_id = ?1")?,
            tags: connection.prepare_cached("SELECT name_key, name, color FROM tags WHERE id = ?2 AND user_id = ?1")?,
            known: HashMap::new(),
        })
    }

    /// Returns the tags of an entry, sorted by their keys.
    pub fn read(&mut self, entry: EntryId) -> rusqlite::Result<Vec<TagRef>> {
        let ids: Vec<Uuid> =
            self.links.query_map([entry.0.as_bytes()], |row| uuid(row, 0))?.collect::<rusqlite::Result<_>>()?;
        for id in &ids {
            if !self.known.contains_key(id) {
                let tag = self.read_tag(*id)?;
                self.known.insert(*id, tag);
            }
        }
        let mut found: Vec<_> = ids.iter().filter_map(|id| self.known.get(id)).collect();
        found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(found.into_iter().map(|keyed| keyed.tag.clone()).collect())
    }

    fn read_tag(&mut self, id: Uuid) -> rusqlite::Result<Keyed> {
        self.tags.query_row([self.user.0.as_bytes(), id.as_bytes()], |row| {
            let tag = TagRef { id: TagId(id), name: row.get(1)?, color: row.get(2)? };
            Ok(Keyed { key: row.get(0)?, tag })
        })
    }
}
