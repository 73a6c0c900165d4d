//! Plain entries, their changes, and the queries for them.

use jiff::civil::Date;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use crate::clock::Timestamp;
use crate::entry_date::{EntryDate, EntryDatePatch};
use crate::flaw::Flaw;
use crate::ids::{AttachmentId, EntryId, UserId};
use crate::tag::{MAX_TAGS_PER_ENTRY, TagChoice, TagRef};
use crate::text::{self, Check, Violations};
use crate::zone::Zone;

/// The longest title in bytes.
pub const MAX_TITLE: usize = 500;
/// The longest text of an entry in bytes: 1 MiB.
pub const MAX_CONTENT: usize = 1 << 20;

/// A page ends with the entry that brings its texts to 2 MiB. So 1,000 entries of 1 MiB never sit in memory at once,
/// while 1,000 entries of 2,000 bytes still are one page.
pub const PAGE_BYTES: usize = 2 << 20;

/// The words of a search, at most.
pub const MAX_SEARCH_WORDS: usize = 16;
/// The words of a search that have a single character, at most. Each costs as much as all words that begin with it.
pub const MAX_SINGLE_CHARACTERS: usize = 4;

/// An entry of one user.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The id.
    pub id: EntryId,
    /// The owner.
    pub user_id: UserId,
    /// The fields that the user sets.
    pub body: EntryBody,
    /// The tags of the entry, sorted by name.
    pub tags: Vec<TagRef>,
    /// 1 at first; each change raises it by one.
    pub revision: u32,
    /// When the entry was created.
    pub created_at: Timestamp,
    /// When the entry was last changed.
    pub updated_at: Timestamp,
}

/// The fields of an entry that its user sets.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryBody {
    /// The title, if there is one.
    pub title: Option<String>,
    /// The text, in Markdown.
    pub content: String,
    /// The address of the entry's recording.
    pub audio_url: Option<String>,
    /// The date of the entry.
    pub date: EntryDate,
}

impl EntryBody {
    /// The number of words in the title and text (Unicode Standard Annex #29).
    pub fn words(&self) -> u32 {
        let title = self.title.as_deref().unwrap_or_default();
        let count = title.unicode_words().count() + self.content.unicode_words().count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

impl Entry {
    /// Whether `new` is the request that created this entry, sent again.
    pub fn is_retry_of(&self, new: &NewEntry) -> bool {
        self.body == new.body
    }
}

/// An entry to create.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// The id, chosen by the caller or by the client.
    pub id: EntryId,
    /// The fields that the user sets.
    pub body: EntryBody,
    /// The tags of the entry.
    pub tags: Vec<TagChoice>,
}

impl NewEntry {
    /// Checks the fields of a request.
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
        let title = title.and_then(|title| check.accept("title", self::title(title))).flatten();
        let content = check.accept("content", text::plain(content, MAX_CONTENT));
        let audio_url = audio_url.and_then(|url| check.accept("audio_url", text::address(url)));
        let date = EntryDate::check(&mut check, entry_date, entry_zone);
        check_tags(&mut check, &tags);
        let body = content.zip(date).map(|(content, date)| EntryBody { title, content, audio_url, date });
        check.finish(body.map(|body| Self { id, body, tags }))
    }
}

/// A change of an entry; `None` leaves a field unchanged, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct EntryPatch {
    /// A new title.
    pub title: Option<Option<String>>,
    /// A new text.
    pub content: Option<String>,
    /// The address of a new recording.
    pub audio_url: Option<Option<String>>,
    /// A new date.
    pub date: EntryDatePatch,
    /// All tags of the entry after the change.
    pub tags: Option<Vec<TagChoice>>,
}

impl EntryPatch {
    /// Checks the fields of a request.
    pub fn parse(
        title: Option<Option<String>>,
        content: Option<String>,
        audio_url: Option<Option<&str>>,
        entry_date: Option<&str>,
        entry_zone: Option<&str>,
        tags: Option<Vec<TagChoice>>,
    ) -> Result<Self, Violations> {
        let mut check = Check::default();
        let title = title.map(|title| title.and_then(|title| check.accept("title", self::title(title))).flatten());
        let content = content.and_then(|content| check.accept("content", text::plain(content, MAX_CONTENT)));
        let audio_url = audio_url.map(|url| url.and_then(|url| check.accept("audio_url", text::address(url))));
        let date = EntryDatePatch::check(&mut check, entry_date, entry_zone);
        if let Some(tags) = &tags {
            check_tags(&mut check, tags);
        }
        check.finish(Some(Self { title, content, audio_url, date, tags }))
    }

    /// Returns `body` with this change applied.
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
        body.date = self.date.apply(body.date);
        body
    }
}

/// A query for entries, newest first: by `entry_date`, then by id.
#[derive(Debug, Clone, Default)]
pub struct EntryQuery {
    /// Only entries of this calendar day, in the entry's own zone, or later.
    pub from: Option<Date>,
    /// Only entries of this calendar day or earlier.
    pub to: Option<Date>,
    /// Only entries with this tag.
    pub tag: Option<TagFilter>,
    /// Only entries that have, for each of these words, a word in title or text that begins with it.
    pub words: Vec<String>,
    /// Only entries after this position.
    pub after: Option<(Timestamp, EntryId)>,
    /// Only this many characters (Unicode scalar values) from the beginning of each text.
    pub characters: Option<u32>,
    /// At most this many entries. The page ends early when its texts reach [`PAGE_BYTES`].
    pub limit: u32,
}

/// A tag that a query names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagFilter {
    /// By its id.
    Id(crate::ids::TagId),
    /// By the key of its name; see [`crate::tag::TagName::key`].
    Key(String),
}

/// Splits the text of a search field into words: runs of letters, digits and their combining marks, in lower case, cut
/// after 84 bytes. Words with which another word begins are left out, because they would find the same entries.
///
/// # Errors
/// If there is no word, if there are more than [`MAX_SEARCH_WORDS`], or if more than [`MAX_SINGLE_CHARACTERS`] of them
/// have a single character.
pub fn search_words(query: &str) -> Result<Vec<String>, Flaw> {
    let words = query
        .split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c))
        .filter(|word| word.contains(char::is_alphanumeric))
        .map(|word| word.chars().flat_map(char::to_lowercase).take(21).collect::<String>());
    let mut kept: Vec<String> = Vec::new();
    for word in words {
        if kept.iter().any(|other| other.starts_with(&word)) {
            continue;
        }
        kept.retain(|other| !word.starts_with(other.as_str()));
        kept.push(word);
        if kept.len() > MAX_SEARCH_WORDS {
            return Err(Flaw::TooManyWords { max: MAX_SEARCH_WORDS });
        }
    }
    if kept.is_empty() {
        return Err(Flaw::NoWords);
    }
    if kept.iter().filter(|word| word.chars().count() == 1).count() > MAX_SINGLE_CHARACTERS {
        return Err(Flaw::TooManySingleCharacters { max: MAX_SINGLE_CHARACTERS });
    }
    Ok(kept)
}

/// The outcome of a create.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// The entry is stored.
    Created(Entry),
    /// The user already has an entry with this id. Nothing was changed.
    Exists(Entry),
    /// Another user has an entry with this id. Nothing was changed.
    IdTaken,
    /// The request names a tag by an id that is not one of the user's tags. Nothing was changed.
    UnknownTag(crate::ids::TagId),
}

/// The outcome of an update.
#[derive(Debug, Clone, PartialEq)]
pub enum Updated {
    /// The change is stored.
    Updated(Entry),
    /// The user has no such entry.
    Missing,
    /// The entry is at another revision than the caller expected. Contains the current entry.
    Stale(Entry),
    /// The request names a tag by an id that is not one of the user's tags. Nothing was changed.
    UnknownTag(crate::ids::TagId),
}

/// The outcome of a delete.
#[derive(Debug, Clone, PartialEq)]
pub enum Deleted {
    /// The entry is deleted, and these attachments are freed.
    Deleted(Vec<AttachmentId>),
    /// The user has no such entry.
    Missing,
    /// The entry is at another revision than the caller expected. Contains the current entry.
    Stale(Entry),
}

/// Checks a title. A title of white space only counts as none.
fn title(text: String) -> Result<Option<String>, Flaw> {
    if text.trim().is_empty() && text.len() <= MAX_TITLE {
        return Ok(None);
    }
    text::line(&text, MAX_TITLE).map(Some)
}

/// Checks an id that a client has chosen for an entry.
pub(crate) fn check_id(check: &mut Check, id: EntryId) {
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
    fn all_field_errors_are_returned_together() {
        let error = parse(&"t".repeat(501), "a\0", "yesterday", "Nowhere").unwrap_err();
        let fields: Vec<_> = error.0.iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["title", "content", "entry_date", "entry_zone"]);
    }

    #[test]
    fn a_blank_title_is_none_and_words_are_counted() {
        let entry = parse("  ", "One fine day, 早く寝る.", "2025-01-22T10:00:00Z", "Asia/Tokyo").unwrap();
        assert_eq!(entry.body.title, None);
        assert!(entry.body.words() >= 4);
        assert_eq!(entry.body.date.day().to_string(), "2025-01-22");
    }

    #[test]
    fn a_patch_changes_only_the_sent_fields() {
        let body = parse("Title", "text", "2025-01-22T23:30:00Z", "UTC").unwrap().body;
        let patch = EntryPatch::parse(Some(None), None, None, None, Some("Europe/Berlin"), None).unwrap();
        let changed = patch.apply(body.clone());
        assert_eq!((changed.title.as_deref(), changed.content.as_str()), (None, "text"));
        assert_eq!(changed.date.day().to_string(), "2025-01-23");
        assert_eq!(EntryPatch::default().apply(body.clone()), body);
    }

    #[test]
    fn any_search_text_is_split_into_words() {
        let words = |query: &str| search_words(query).unwrap();
        assert_eq!(words("Don't \"panic\" OR e-mail*"), ["don", "t", "panic", "or", "e", "mail"]);
        assert_eq!(search_words("\" * ( ) : ^ - \u{2764}\u{fe0f}"), Err(Flaw::NoWords));
        assert_eq!(words("हिन्दी में"), ["हिन्दी", "में"]);
    }

    #[test]
    fn a_search_has_few_words() {
        assert_eq!(search_words("a an and ant and a").unwrap(), ["and", "ant"], "the others find the same entries");
        assert_eq!(search_words(&"a ".repeat(10_000)).unwrap(), ["a"]);
        let numbers = |count: usize| (10..10 + count).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(search_words(&numbers(16)).unwrap().len(), 16);
        assert_eq!(search_words(&numbers(17)), Err(Flaw::TooManyWords { max: 16 }));
        assert_eq!(search_words("a b c d word").unwrap().len(), 5);
        assert_eq!(search_words("a b c d e"), Err(Flaw::TooManySingleCharacters { max: 4 }));
    }
}
