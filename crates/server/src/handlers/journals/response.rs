//! Responses about entries.

use serde::Serialize;
use sotto_domain::Timestamp;
use sotto_domain::entry::Entry;
use sotto_domain::secret_tag::{AnyEntry, SealedEntry};
use sotto_domain::statistics::{DayCount, Statistics};
use sotto_domain::tag::TagRef;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::base64url;

/// An entry.
#[derive(Serialize, ToSchema)]
#[schema(as = JournalEntry)]
pub struct EntryResponse {
    pub(super) id: Uuid,
    user_id: Uuid,
    title: Option<String>,
    /// Markdown.
    content: String,
    /// True if `content` is cut; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    truncated: Option<bool>,
    audio_url: Option<String>,
    /// The moment that the entry is about.
    #[schema(value_type = String, format = DateTime)]
    entry_date: Timestamp,
    /// The IANA time zone of the entry, which fixes its calendar day. An unknown name counts as UTC.
    entry_zone: String,
    tags: Vec<EntryTag>,
    /// The secret tag, or null for a plain entry. Title, text, recording and tags of a sealed entry are in
    /// `encrypted_content`.
    secret_tag_id: Option<Uuid>,
    /// In base64url without padding, like the next three fields. All four are absent for a plain entry.
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
    /// Increases by one with each change.
    pub(super) revision: u32,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A tag of an entry.
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
            title: entry.body.title,
            content: entry.body.content,
            truncated: None,
            audio_url: entry.body.audio_url,
            entry_date: entry.body.date.moment,
            entry_zone: entry.body.date.zone.name().to_owned(),
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
    /// An entry with at most this many characters of its text.
    pub fn summary(mut entry: Entry, characters: usize) -> Self {
        let end = entry.body.content.char_indices().nth(characters).map(|(end, _)| end);
        if let Some(end) = end {
            entry.body.content.truncate(end);
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
            entry_date: entry.date.moment,
            entry_zone: entry.date.zone.name().to_owned(),
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

/// A day with entries.
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

/// Totals and streaks of a whole journal.
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
    /// Days in a row up to today, or up to yesterday if today has no entry yet.
    current_streak: u64,
    /// The largest number of days in a row.
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
