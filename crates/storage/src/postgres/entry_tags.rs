//! Finds or creates the tags that a request chooses for an entry, in the transaction that writes the entry.

use std::collections::BTreeMap;

use deadpool_postgres::Object;
use sotto_domain::storage::Result;
use sotto_domain::tag::{Color, NewTag, TagChoice, TagRef};
use sotto_domain::{EntryId, TagId, Timestamp, UserId};
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::lease::Lease;
use super::pool::{DriverResult, Parameters};
use super::values::{Instant, read};

// The rows are inserted in sorted order, so that two requests that create the same tags wait for each other and do not
// deadlock.
const MAKE: &str = "INSERT INTO tags (id, name, name_key, color, user_id, created_at, updated_at)
    SELECT new.id, new.name, new.name_key, new.color, $1::uuid, $2::timestamptz, $2::timestamptz
    FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[]) AS new (id, name, name_key, color)
    ON CONFLICT DO NOTHING";

// The lock prevents the deletion of the tags until the entry is linked to them.
const FIND: &str = r#"SELECT id, name, color, name_key FROM tags
    WHERE user_id = $1 AND (id = ANY ($2) OR name_key = ANY ($3))
    ORDER BY name_key COLLATE "C" FOR KEY SHARE"#;

const UNLINK_OTHERS: &str =
    "DELETE FROM journal_entry_tags WHERE user_id = $1 AND entry_id = $2 AND tag_id <> ALL ($3)";

const LINK: &str = "INSERT INTO journal_entry_tags (user_id, entry_id, tag_id)
    SELECT $1::uuid, $2::uuid, tag.id FROM unnest($3::uuid[]) AS tag (id)
    ON CONFLICT DO NOTHING";

/// The tags that one request chooses, without duplicates.
pub struct Choices<'a> {
    existing: Vec<Uuid>,
    named: BTreeMap<String, &'a NewTag>,
}

/// The outcome of looking up the chosen tags.
pub enum FoundTags {
    /// All tags were found. They are ordered by the keys of their names.
    Tags(Vec<TagRef>),
    /// The user has no tag with this id.
    Unknown(TagId),
    /// A tag that existed when it was to be created was deleted before it was read. Another try helps.
    Vanished,
}

/// The prepared statements that find, create and link tags.
pub struct TagStatements {
    make: Statement,
    find: Statement,
    unlink_others: Statement,
    link: Statement,
}

impl TagStatements {
    pub async fn prepare(lease: &Lease<'_>) -> Result<Self> {
        Ok(Self {
            make: lease.prepare(MAKE).await?,
            find: lease.prepare(FIND).await?,
            unlink_others: lease.prepare(UNLINK_OTHERS).await?,
            link: lease.prepare(LINK).await?,
        })
    }

    /// Creates the named tags that do not exist, and returns the rows of all chosen tags, for [`Choices::among`].
    pub async fn find(
        &self,
        client: &Object,
        user: UserId,
        choices: &Choices<'_>,
        now: Timestamp,
    ) -> DriverResult<Vec<Row>> {
        if choices.existing.is_empty() && choices.named.is_empty() {
            return Ok(vec![]);
        }
        let keys: Vec<_> = choices.named.keys().map(String::as_str).collect();
        let make = async {
            if choices.named.is_empty() {
                return Ok(0);
            }
            let (mut ids, mut names, mut colors) = (vec![], vec![], vec![]);
            for tag in choices.named.values() {
                ids.push(tag.id.0);
                names.push(tag.name.as_str());
                colors.push(tag.color.as_ref().map(Color::as_str));
            }
            client.execute(&self.make, &[&user.0, &Instant(now), &ids, &names, &keys, &colors]).await
        };
        let chosen: Parameters<'_> = &[&user.0, &choices.existing, &keys];
        let (_, found) = tokio::try_join!(biased; make, client.query(&self.find, chosen))?;
        Ok(found)
    }

    /// Links a new entry to its tags.
    pub async fn link(&self, client: &Object, user: UserId, entry: EntryId, tags: &[TagRef]) -> DriverResult<()> {
        if tags.is_empty() {
            return Ok(());
        }
        let tags: Vec<_> = tags.iter().map(|tag| tag.id.0).collect();
        client.execute(&self.link, &[&user.0, &entry.0, &tags]).await.map(drop)
    }

    /// Links an entry to these tags, and removes all other links.
    pub async fn relink(&self, client: &Object, user: UserId, entry: EntryId, tags: &[TagRef]) -> DriverResult<()> {
        let kept: Vec<_> = tags.iter().map(|tag| tag.id.0).collect();
        let all: Parameters<'_> = &[&user.0, &entry.0, &kept];
        let unlink = client.execute(&self.unlink_others, all);
        tokio::try_join!(biased; unlink, self.link(client, user, entry, tags)).map(drop)
    }
}

impl<'a> Choices<'a> {
    /// Removes duplicates; of two names with the same key, the first is used.
    pub fn new(choices: &'a [TagChoice]) -> Self {
        let mut all = Self { existing: vec![], named: BTreeMap::new() };
        for choice in choices {
            match choice {
                TagChoice::Existing(id) => all.existing.push(id.0),
                TagChoice::Named(tag) => {
                    all.named.entry(tag.name.key()).or_insert(tag);
                }
            }
        }
        all
    }

    /// Matches the choices with the rows that [`TagStatements::find`] returned.
    pub fn among(&self, rows: &[Row]) -> Result<FoundTags> {
        let mut tags = Vec::with_capacity(rows.len());
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            tags.push(TagRef { id: TagId(read(row, 0)?), name: read(row, 1)?, color: read(row, 2)? });
            keys.push(read::<&str>(row, 3)?);
        }
        let unknown = self.existing.iter().find(|id| !tags.iter().any(|tag| tag.id.0 == **id));
        let vanished = self.named.keys().any(|key| !keys.contains(&key.as_str()));
        Ok(match unknown {
            Some(id) => FoundTags::Unknown(TagId(*id)),
            None if vanished => FoundTags::Vanished,
            None => FoundTags::Tags(tags),
        })
    }
}
