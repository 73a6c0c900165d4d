//! What is sent and answered about entries.

use serde::{Deserialize, Serialize};
use sotto_domain::account::User;
use sotto_domain::entry::{Entry, EntryPatch, MAX_CONTENT, NewEntry};
use sotto_domain::statistics::{DayCount, Statistics};
use sotto_domain::tag::{NewTag, TagChoice, TagRef};
use sotto_domain::{EntryId, TagId, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::error::{ApiError, FieldError};
use crate::extract::present;

/// An entry.
#[derive(Serialize, ToSchema)]
#[schema(as = JournalEntry)]
pub struct EntryResponse {
    id: Uuid,
    user_id: Uuid,
    title: Option<String>,
    /// Markdown.
    content: String,
    audio_url: Option<String>,
    /// The moment that it is about.
    #[schema(value_type = String, format = DateTime)]
    entry_date: Timestamp,
    /// The IANA time zone that it was written in: its calendar day never shifts.
    entry_zone: String,
    tags: Vec<EntryTag>,
    /// One more with each change.
    revision: u32,
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
            audio_url: entry.audio_url,
            entry_date: entry.entry_date,
            entry_zone: entry.entry_zone.name().to_owned(),
            tags: entry.tags.into_iter().map(EntryTag::from).collect(),
            revision: entry.revision,
            created_at: entry.created_at,
            updated_at: entry.updated_at,
        }
    }
}

/// A new entry.
#[derive(Deserialize, ToSchema)]
#[schema(as = JournalEntryCreate)]
#[serde(deny_unknown_fields)]
pub struct EntryCreate {
    /// A UUID of your own, so that sending it again is safe; one is made if it is absent.
    id: Option<Uuid>,
    #[schema(max_length = 500)]
    title: Option<String>,
    /// Markdown, at most 1 MiB.
    #[schema(max_length = 1_048_576)]
    content: String,
    /// An http(s) address, or a path on this server.
    #[schema(max_length = 2048)]
    audio_url: Option<String>,
    /// The moment that it is about, with its zone: `2025-01-22T10:00:00Z`.
    #[schema(format = DateTime)]
    entry_date: String,
    /// An IANA time zone; yours if absent.
    entry_zone: Option<String>,
    /// Tags by name; those that you do not have yet are made.
    #[serde(default)]
    #[schema(max_items = 100)]
    tags: Vec<String>,
    /// Tags by id.
    #[serde(default)]
    #[schema(max_items = 100)]
    tag_ids: Vec<Uuid>,
}

impl EntryCreate {
    /// Checks what was sent.
    pub fn parse(self, app: &App, user: &User) -> Result<NewEntry, ApiError> {
        let id = self.id.map_or_else(|| EntryId::new(app.clock.as_ref(), app.random.as_ref()), EntryId);
        let tags = choices(app, self.tags, self.tag_ids)?;
        let zone = self.entry_zone.as_deref().map_or_else(|| Ok(user.time_zone.clone()), Err);
        let audio_url = self.audio_url.as_deref();
        Ok(NewEntry::parse(id, self.title, self.content, audio_url, &self.entry_date, zone, tags)?)
    }
}

/// What to change; a field that is absent stays, null clears it.
#[derive(Deserialize, ToSchema)]
#[schema(as = JournalEntryUpdate)]
#[serde(deny_unknown_fields)]
pub struct EntryUpdate {
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 500)]
    title: Option<Option<String>>,
    /// Markdown, at most 1 MiB.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 1_048_576, nullable = false)]
    content: Option<String>,
    /// An http(s) address, or a path on this server.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_length = 2048)]
    audio_url: Option<Option<String>>,
    /// The moment that it is about, with its zone: `2025-01-22T10:00:00Z`.
    #[serde(default, deserialize_with = "present")]
    #[schema(format = DateTime, nullable = false)]
    entry_date: Option<String>,
    /// An IANA time zone.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    entry_zone: Option<String>,
    /// All its tags by name, together with `tag_ids`; those that you do not have yet are made.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_items = 100, nullable = false)]
    tags: Option<Vec<String>>,
    /// All its tags by id, together with `tags`.
    #[serde(default, deserialize_with = "present")]
    #[schema(max_items = 100, nullable = false)]
    tag_ids: Option<Vec<Uuid>>,
}

impl EntryUpdate {
    /// Checks what was sent.
    pub fn parse(self, app: &App) -> Result<EntryPatch, ApiError> {
        let tags = match (self.tags, self.tag_ids) {
            (None, None) => None,
            (names, ids) => Some(choices(app, names.unwrap_or_default(), ids.unwrap_or_default())?),
        };
        let audio_url = self.audio_url.as_ref().map(Option::as_deref);
        let (date, zone) = (self.entry_date.as_deref(), self.entry_zone.as_deref());
        Ok(EntryPatch::parse(self.title, self.content, audio_url, date, zone, tags)?)
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

// Titles and texts are bounded in bytes; the specification can only say characters, so it states the same number.
const _: () = assert!(MAX_CONTENT == 1_048_576);

fn choices(app: &App, names: Vec<String>, ids: Vec<Uuid>) -> Result<Vec<TagChoice>, ApiError> {
    let mut choices: Vec<TagChoice> = ids.into_iter().map(|id| TagChoice::Existing(TagId(id))).collect();
    for (index, name) in names.iter().enumerate() {
        let id = TagId::new(app.clock.as_ref(), app.random.as_ref());
        let tag = NewTag::parse(id, name, None).map_err(|violations| {
            let message = violations.0.into_iter().next().map(|violation| violation.message).unwrap_or_default();
            let loc = vec!["body".to_owned(), "tags".to_owned(), index.to_string()];
            ApiError::Invalid(vec![FieldError { loc, msg: message }])
        })?;
        choices.push(TagChoice::Named(tag));
    }
    Ok(choices)
}
