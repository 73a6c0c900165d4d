//! Journal entries, how they change, and how they are asked for.

use jiff::civil::Date;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use crate::clock::{Timestamp, Zone};
use crate::flaw::Flaw;
use crate::ids::{AttachmentId, EntryId, UserId};
use crate::tag::{MAX_TAGS_PER_ENTRY, TagChoice, TagRef};
use crate::text::{self, Check, Violations};

/// Bytes in a title, at most.
pub const MAX_TITLE: usize = 500;
/// Bytes in the text of an entry, at most: 1 MiB.
pub const MAX_CONTENT: usize = 1 << 20;

/// Bytes of text on a page: the entry that reaches so many is the last one on it, 8 MiB. A thousand entries can be as long as
/// that a hundred times over, and nobody's memory is to hold them at once.
pub const PAGE_BYTES: usize = 8 << 20;

/// An entry of one user.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The id.
    pub id: EntryId,
    /// Whose it is.
    pub user_id: UserId,
    /// An optional heading.
    pub title: Option<String>,
    /// The text, in Markdown.
    pub content: String,
    /// Where its recording can be heard.
    pub audio_url: Option<String>,
    /// The moment that it is about.
    pub entry_date: Timestamp,
    /// The zone that it was written in: its calendar day never shifts.
    pub entry_zone: Zone,
    /// Its tags, by name.
    pub tags: Vec<TagRef>,
    /// 1 at first, one more with each change.
    pub revision: u32,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a user writes: the fields of an entry that are theirs to set.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryBody {
    /// An optional heading.
    pub title: Option<String>,
    /// The text, in Markdown.
    pub content: String,
    /// Where its recording can be heard.
    pub audio_url: Option<String>,
    /// The moment that it is about.
    pub entry_date: Timestamp,
    /// The zone that it was written in.
    pub entry_zone: Zone,
}

impl EntryBody {
    /// The calendar day that the entry belongs to.
    pub fn day(&self) -> Date {
        self.entry_date.day_in(&self.entry_zone)
    }

    /// Words in the title and text (Unicode Standard Annex #29).
    pub fn words(&self) -> u32 {
        let title = self.title.as_deref().unwrap_or_default();
        let count = title.unicode_words().count() + self.content.unicode_words().count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

impl Entry {
    /// The fields that are the user's to set.
    pub fn body(&self) -> EntryBody {
        EntryBody {
            title: self.title.clone(),
            content: self.content.clone(),
            audio_url: self.audio_url.clone(),
            entry_date: self.entry_date,
            entry_zone: self.entry_zone.clone(),
        }
    }

    /// Whether a repeated create is the same request as the one that made this entry.
    pub fn is_retry_of(&self, new: &NewEntry) -> bool {
        self.body() == new.body
    }
}

/// An entry to be made.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// The id, made by the caller or by the client.
    pub id: EntryId,
    /// What was written.
    pub body: EntryBody,
    /// What it is tagged with.
    pub tags: Vec<TagChoice>,
}

impl NewEntry {
    /// Checks what was sent.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(
        id: EntryId,
        title: Option<String>,
        content: String,
        audio_url: Option<&str>,
        entry_date: &str,
        entry_zone: Result<Zone, &str>,
        tags: Vec<TagChoice>,
    ) -> Result<Self, Violations> {
        let mut check = Check::default();
        check_id(&mut check, id);
        let title = title.and_then(|title| check.take("title", self::title(title))).flatten();
        let content = check.take("content", text::plain(content, MAX_CONTENT));
        let audio_url = audio_url.and_then(|url| check.take("audio_url", text::address(url)));
        let entry_date = check.take("entry_date", Timestamp::parse(entry_date));
        let entry_zone = entry_zone.or_else(|name| check.take("entry_zone", crate::account::zone(name)).ok_or(())).ok();
        check_tags(&mut check, &tags);
        let body = (|| {
            Some(EntryBody { title, content: content?, audio_url, entry_date: entry_date?, entry_zone: entry_zone? })
        })();
        check.finish(body.map(|body| Self { id, body, tags }))
    }
}

/// A change of an entry; `None` leaves a field as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct EntryPatch {
    /// A new title.
    pub title: Option<Option<String>>,
    /// A new text.
    pub content: Option<String>,
    /// A new recording.
    pub audio_url: Option<Option<String>>,
    /// A new moment.
    pub entry_date: Option<Timestamp>,
    /// A new zone.
    pub entry_zone: Option<Zone>,
    /// All the tags that it shall have.
    pub tags: Option<Vec<TagChoice>>,
}

impl EntryPatch {
    /// Checks what was sent.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(
        title: Option<Option<String>>,
        content: Option<String>,
        audio_url: Option<Option<&str>>,
        entry_date: Option<&str>,
        entry_zone: Option<&str>,
        tags: Option<Vec<TagChoice>>,
    ) -> Result<Self, Violations> {
        let mut check = Check::default();
        let title = title.map(|title| title.and_then(|title| check.take("title", self::title(title))).flatten());
        let content = content.and_then(|content| check.take("content", text::plain(content, MAX_CONTENT)));
        let audio_url = audio_url.map(|url| url.and_then(|url| check.take("audio_url", text::address(url))));
        let entry_date = entry_date.and_then(|date| check.take("entry_date", Timestamp::parse(date)));
        let entry_zone = entry_zone.and_then(|name| check.take("entry_zone", crate::account::zone(name)));
        if let Some(tags) = &tags {
            check_tags(&mut check, tags);
        }
        check.finish(Some(Self { title, content, audio_url, entry_date, entry_zone, tags }))
    }

    /// `body` with this change made.
    #[must_use]
    pub fn apply(&self, mut body: EntryBody) -> EntryBody {
        if let Some(title) = &self.title {
            body.title.clone_from(title);
        }
        if let Some(content) = &self.content {
            body.content.clone_from(content);
        }
        if let Some(audio_url) = &self.audio_url {
            body.audio_url.clone_from(audio_url);
        }
        body.entry_date = self.entry_date.unwrap_or(body.entry_date);
        if let Some(zone) = &self.entry_zone {
            body.entry_zone = zone.clone();
        }
        body
    }
}

/// Which entries are asked for. Newest first: by `entry_date`, then by id.
#[derive(Debug, Clone, Default)]
pub struct EntryQuery {
    /// On this calendar day (of the entry's own zone) or later.
    pub from: Option<Date>,
    /// On this calendar day or earlier.
    pub to: Option<Date>,
    /// With this tag.
    pub tag: Option<TagFilter>,
    /// With a word that begins with each of these, in title or text.
    pub words: Vec<String>,
    /// Only what comes after this position.
    pub after: Option<(Timestamp, EntryId)>,
    /// Of each text only so many characters (Unicode scalar values) from its beginning.
    pub characters: Option<u32>,
    /// At most so many; fewer once their texts reach [`PAGE_BYTES`].
    pub limit: u32,
}

/// How a query names a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagFilter {
    /// By its id.
    Id(crate::ids::TagId),
    /// By the key of its name, see [`crate::tag::TagName::key`].
    Key(String),
}

/// Splits what a person typed into a search field into the words to look for: runs of letters, digits and the marks
/// on them, in lower case, at most 16 of them and 84 bytes each.
pub fn search_words(query: &str) -> Vec<String> {
    query
        .split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c))
        .filter(|word| word.contains(char::is_alphanumeric))
        .map(|word| word.chars().flat_map(char::to_lowercase).take(21).collect())
        .take(16)
        .collect()
}

/// What came of a create.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// It is stored.
    Created(Entry),
    /// The user already has an entry with this id; nothing was changed.
    Exists(Entry),
    /// Somebody else's entry has this id; nothing was changed.
    IdTaken,
    /// A tag was named by an id that is not one of the user's tags; nothing was changed.
    UnknownTag(crate::ids::TagId),
}

/// What came of an update.
#[derive(Debug, Clone, PartialEq)]
pub enum Updated {
    /// It is stored.
    Updated(Entry),
    /// The user has no such entry.
    Missing,
    /// The entry is at another revision than the caller expected; this is how it is now.
    Stale(Entry),
    /// A tag was named by an id that is not one of the user's tags; nothing was changed.
    UnknownTag(crate::ids::TagId),
}

/// What came of a delete.
#[derive(Debug, Clone, PartialEq)]
pub enum Deleted {
    /// It is gone, and so is what was known of this recording that it had; its object is the caller's to delete.
    Deleted(Option<AttachmentId>),
    /// The user has no such entry.
    Missing,
    /// The entry is at another revision than the caller expected; this is how it is now.
    Stale(Entry),
}

/// A heading; one of only white space counts as none.
fn title(text: String) -> Result<Option<String>, Flaw> {
    if text.trim().is_empty() && text.len() <= MAX_TITLE {
        return Ok(None);
    }
    text::line(&text, MAX_TITLE).map(Some)
}

fn check_id(check: &mut Check, id: EntryId) {
    if id.0.is_nil() || id.0.is_max() {
        check.refuse("id", Flaw::CommonUuid);
    }
}

fn check_tags(check: &mut Check, tags: &[TagChoice]) {
    if tags.len() > MAX_TAGS_PER_ENTRY {
        check.refuse("tags", Flaw::TooMany { max: MAX_TAGS_PER_ENTRY, count: tags.len() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn parse(title: &str, content: &str, date: &str, zone: &str) -> Result<NewEntry, Violations> {
        let id = EntryId(Uuid::from_u128(7));
        NewEntry::parse(id, Some(title.into()), content.into(), None, date, Err(zone), vec![])
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let error = parse(&"t".repeat(501), "a\0", "yesterday", "Nowhere").unwrap_err();
        let fields: Vec<_> = error.0.iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["title", "content", "entry_date", "entry_zone"]);
    }

    #[test]
    fn a_blank_title_is_none_and_words_are_counted() {
        let entry = parse("  ", "One fine day, 早く寝る.", "2025-01-22T10:00:00Z", "Asia/Tokyo").unwrap();
        assert_eq!(entry.body.title, None);
        assert!(entry.body.words() >= 4);
        assert_eq!(entry.body.day().to_string(), "2025-01-22");
    }

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let body = parse("Title", "text", "2025-01-22T23:30:00Z", "UTC").unwrap().body;
        let patch = EntryPatch::parse(Some(None), None, None, None, Some("Europe/Berlin"), None).unwrap();
        let changed = patch.apply(body.clone());
        assert_eq!((changed.title.as_deref(), changed.content.as_str()), (None, "text"));
        assert_eq!(changed.day().to_string(), "2025-01-23");
        assert_eq!(EntryPatch::default().apply(body.clone()), body);
    }

    #[test]
    fn a_search_is_words_whatever_is_typed() {
        assert_eq!(search_words("Don't \"panic\" OR e-mail*"), ["don", "t", "panic", "or", "e", "mail"]);
        assert!(search_words("\" * ( ) : ^ - \u{2764}\u{fe0f}").is_empty());
        assert_eq!(search_words("हिन्दी में"), ["हिन्दी", "में"]);
        assert_eq!(search_words(&"a ".repeat(100)).len(), 16);
    }
}
