//! What is answered about entries.

use serde::Serialize;
use sotto_domain::Timestamp;
use sotto_domain::entry::Entry;
use sotto_domain::secret_tag::{AnyEntry, SealedEntry};
use sotto_domain::statistics::{DayCount, Statistics};
use sotto_domain::tag::TagRef;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::base64url;

/// An entry.
#[derive(Serialize, ToSchema)]
#[schema(as = JournalEntry)]
pub struct EntryResponse {
    pub(super) id: Uuid,
    user_id: Uuid,
    title: Option<String>,
    /// Markdown.
    content: String,
    /// True if `content` is cut, and absent if it is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    truncated: Option<bool>,
    audio_url: Option<String>,
    /// The moment that it is about.
    #[schema(value_type = String, format = DateTime)]
    entry_date: Timestamp,
    /// The IANA time zone that it was written in: its calendar day never shifts.
    entry_zone: String,
    tags: Vec<EntryTag>,
    /// What it is under; null for an entry in plain. With it, title, text, recording and tags are in `encrypted_content`.
    secret_tag_id: Option<Uuid>,
    /// Base64url without padding, like the next three; all four are absent from an entry in plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    encrypted_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    wrapped_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    encryption_iv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    wrap_iv: Option<String>,
    /// One more with each change.
    pub(super) revision: u32,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A tag as it is shown on an entry.
#[derive(Serialize, ToSchema)]
pub struct EntryTag {
    id: Uuid,
    name: String,
    /// `#rrggbb`.
    color: Option<String>,
}

impl From<TagRef> for EntryTag {
    fn from(tag: TagRef) -> Self {
        Self { id: tag.id.0, name: tag.name, color: tag.color }
    }
}

impl From<Entry> for EntryResponse {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id.0,
            user_id: entry.user_id.0,
            title: entry.title,
            content: entry.content,
            truncated: None,
            audio_url: entry.audio_url,
            entry_date: entry.entry_date,
            entry_zone: entry.entry_zone.name().to_owned(),
            tags: entry.tags.into_iter().map(EntryTag::from).collect(),
            secret_tag_id: None,
            encrypted_content: None,
            wrapped_key: None,
            encryption_iv: None,
            wrap_iv: None,
            revision: entry.revision,
            created_at: entry.created_at,
            updated_at: entry.updated_at,
        }
    }
}

impl EntryResponse {
    /// With at most so many characters of its text.
    pub fn summary(mut entry: Entry, characters: usize) -> Self {
        let end = entry.content.char_indices().nth(characters).map(|(end, _)| end);
        if let Some(end) = end {
            entry.content.truncate(end);
        }
        Self { truncated: end.map(|_| true), ..entry.into() }
    }
}

impl From<SealedEntry> for EntryResponse {
    fn from(entry: SealedEntry) -> Self {
        Self {
            id: entry.id.0,
            user_id: entry.user_id.0,
            title: None,
            content: String::new(),
            truncated: None,
            audio_url: None,
            entry_date: entry.entry_date,
            entry_zone: entry.entry_zone.name().to_owned(),
            tags: Vec::new(),
            secret_tag_id: Some(entry.tag.0),
            encrypted_content: Some(base64url::encode(&entry.sealed.encrypted_content)),
            wrapped_key: Some(base64url::encode(&entry.sealed.wrapped_key)),
            encryption_iv: Some(base64url::encode(&entry.sealed.encryption_iv)),
            wrap_iv: Some(base64url::encode(&entry.sealed.wrap_iv)),
            revision: entry.revision,
            created_at: entry.created_at,
            updated_at: entry.updated_at,
        }
    }
}

impl From<AnyEntry> for EntryResponse {
    fn from(entry: AnyEntry) -> Self {
        match entry {
            AnyEntry::Plain(entry) => entry.into(),
            AnyEntry::Sealed(entry) => entry.into(),
        }
    }
}

/// A day that has entries.
#[derive(Serialize, ToSchema)]
pub struct DayResponse {
    #[schema(value_type = String, format = Date)]
    date: String,
    entries: u64,
    words: u64,
}

impl From<DayCount> for DayResponse {
    fn from(count: DayCount) -> Self {
        Self { date: count.day.to_string(), entries: count.entries, words: count.words }
    }
}

/// Totals and streaks over a whole journal.
#[derive(Serialize, ToSchema)]
#[schema(as = JournalStatistics)]
pub struct StatisticsResponse {
    entries: u64,
    words: u64,
    /// Days with at least one entry.
    days: u64,
    #[schema(format = Date)]
    first_day: Option<String>,
    #[schema(format = Date)]
    last_day: Option<String>,
    /// Days in a row up to today, or up to yesterday while today is not written yet.
    current_streak: u64,
    /// The most days in a row ever.
    longest_streak: u64,
}

impl From<Statistics> for StatisticsResponse {
    fn from(statistics: Statistics) -> Self {
        Self {
            entries: statistics.entries,
            words: statistics.words,
            days: statistics.days,
            first_day: statistics.first_day.map(|day| day.to_string()),
            last_day: statistics.last_day.map(|day| day.to_string()),
            current_streak: statistics.current_streak,
            longest_streak: statistics.longest_streak,
        }
    }
}
