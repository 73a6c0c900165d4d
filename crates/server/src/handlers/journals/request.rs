//! Requests for entries: either plain or sealed, never both.

use serde::Deserialize;
use sotto_crypto::sealed;
use sotto_domain::account::User;
use sotto_domain::entry::{EntryPatch, MAX_CONTENT, NewEntry};
use sotto_domain::entry_date::EntryDatePatch;
use sotto_domain::secret_tag::{Sealed, SealedBody};
use sotto_domain::tag::{MAX_TAGS_PER_ENTRY, NewTag, TagChoice};
use sotto_domain::{EntryId, Flaw, SecretTagId, TagId, Zone};
use utoipa::ToSchema;
use uuid::Uuid;

use super::access::EntryAccess;
use crate::app::App;
use crate::config::BODY_LIMIT;
use crate::http::base64url;
use crate::http::bounded::Bounded;
use crate::http::error::{ApiError, FieldError};
use crate::http::extract::present;

// Titles and texts are limited in bytes. The specification can only limit characters, so it has the same number.
const _: () = assert!(MAX_CONTENT == 1_048_576 && MAX_TAGS_PER_ENTRY == 100);
// The largest sealed entry in base64url, with room for the other fields.
const _: () = assert!(sealed::MAX_ENCRYPTED_CONTENT * 4 / 3 + 4096 < BODY_LIMIT);

/// A new entry: plain, with `content`; or sealed, with `id`, `secret_tag_id` and the four sealed fields.
#[derive(Deserialize, ToSchema)]
#[schema(as = JournalEntryCreate)]
#[serde(deny_unknown_fields)]
pub struct EntryCreate {
    /// A UUID of your own, so that the request can be repeated safely. Generated if absent.
    id: Option<Uuid>,
    #[schema(max_length = 500)]
    title: Option<String>,
    /// Markdown, at most 1 MiB.
    #[schema(max_length = 1_048_576)]
    content: Option<String>,
    /// An http(s) address, or a path on this server.
    #[schema(max_length = 2048)]
    audio_url: Option<String>,
    /// The moment that the entry is about, with its offset: `2025-01-22T10:00:00Z`.
    #[schema(format = DateTime)]
    entry_date: String,
    /// An IANA time zone; that of your account by default.
    entry_zone: Option<String>,
    /// Tags by name. Missing tags are created.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 100)]
    tags: Bounded<String, MAX_TAGS_PER_ENTRY>,
    /// Tags by id.
    #[serde(default)]
    #[schema(value_type = Vec<Uuid>, max_items = 100)]
    tag_ids: Bounded<Uuid, MAX_TAGS_PER_ENTRY>,
    /// An unlocked secret tag.
    secret_tag_id: Option<Uuid>,
    /// Sealed for this id, secret tag and revision 1, in base64url without padding.
    #[schema(min_length = 66, max_length = 1_412_887)]
    encrypted_content: Option<String>,
    /// 48 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{64}$")]
    wrapped_key: Option<String>,
    /// 12 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{16}$")]
    encryption_iv: Option<String>,
    /// 12 bytes.
    #[schema(pattern = "^[A-Za-z0-9_-]{16}$")]
    wrap_iv: Option<String>,
}

pub enum Create {
    Plain(NewEntry),
    /// Under a secret tag.
    Sealed(EntryId, SealedBody),
}

impl EntryCreate {
    /// The secret tag of the new entry, if it has one.
    pub fn secret_tag(&self) -> Option<SecretTagId> {
        self.secret_tag_id.map(SecretTagId)
    }

    /// Validates the request.
    pub fn parse(self, app: &App, user: &User) -> Result<Create, ApiError> {
        let zone = Zone::chosen(self.entry_zone.as_deref(), &user.time_zone);
        let sealed = [&self.encrypted_content, &self.wrapped_key, &self.encryption_iv, &self.wrap_iv];
        if let Some(sealed) = sealed_fields(self.secret_tag_id, sealed.map(Option::as_deref))? {
            refuse_plaintext(&[
                ("title", self.title.is_some()),
                ("content", self.content.is_some()),
                ("audio_url", self.audio_url.is_some()),
                ("tags", !self.tags.0.is_empty()),
                ("tag_ids", !self.tag_ids.0.is_empty()),
            ])?;
            let id = self.id.ok_or_else(|| missing_field("id", "must be given: an entry is sealed for its id"))?;
            let (id, date) = SealedBody::check(EntryId(id), &self.entry_date, zone)?;
            return Ok(Create::Sealed(id, SealedBody { tag: sealed.0, sealed: sealed.1, date }));
        }
        let content = self.content.ok_or_else(|| missing_field("content", "must be given, even if it is empty"))?;
        let id = self.id.map_or_else(|| EntryId::new(app.clock.as_ref(), app.random.as_ref()), EntryId);
        let tags = tag_choices(app, self.tags.0, self.tag_ids.0)?;
        let audio_url = self.audio_url.as_deref();
        Ok(Create::Plain(NewEntry::parse(id, self.title, content, audio_url, &self.entry_date, zone, tags)?))
    }
}

/// The fields to change. An absent field stays as it is; null clears it.
///
/// `secret_tag_id` with the four sealed fields seals the whole entry, under that secret tag. `secret_tag_id: null` with
/// `content` removes the entry from its secret tag. Both need `If-Match`.
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
    /// The moment that the entry is about, with its offset: `2025-01-22T10:00:00Z`.
    #[serde(default, deserialize_with = "present")]
    #[schema(format = DateTime, nullable = false)]
    entry_date: Option<String>,
    /// An IANA time zone.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    entry_zone: Option<String>,
    /// All tags by name, together with `tag_ids`. Missing tags are created.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>, max_items = 100, nullable = false)]
    tags: Option<Bounded<String, MAX_TAGS_PER_ENTRY>>,
    /// All tags by id, together with `tags`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<Uuid>>, max_items = 100, nullable = false)]
    tag_ids: Option<Bounded<Uuid, MAX_TAGS_PER_ENTRY>>,
    /// An unlocked secret tag, or null for none.
    #[serde(default, deserialize_with = "present")]
    secret_tag_id: Option<Option<Uuid>>,
    /// Sealed for this entry, secret tag and the next revision, in base64url without padding.
    #[serde(default, deserialize_with = "present")]
    #[schema(min_length = 66, max_length = 1_412_887, nullable = false)]
    encrypted_content: Option<String>,
    /// 48 bytes.
    #[serde(default, deserialize_with = "present")]
    #[schema(pattern = "^[A-Za-z0-9_-]{64}$", nullable = false)]
    wrapped_key: Option<String>,
    /// 12 bytes.
    #[serde(default, deserialize_with = "present")]
    #[schema(pattern = "^[A-Za-z0-9_-]{16}$", nullable = false)]
    encryption_iv: Option<String>,
    /// 12 bytes.
    #[serde(default, deserialize_with = "present")]
    #[schema(pattern = "^[A-Za-z0-9_-]{16}$", nullable = false)]
    wrap_iv: Option<String>,
}

pub enum Change {
    /// Changes fields of a plain entry.
    Patch(EntryPatch),
    /// Makes the entry plain, with these fields.
    Unseal(EntryPatch),
    /// Seals the entry.
    Seal(SealedChange),
}

/// A new sealed body for an entry.
pub struct SealedChange {
    pub tag: SecretTagId,
    pub sealed: Sealed,
    pub date: EntryDatePatch,
}

impl EntryUpdate {
    /// Removes an unknown time zone if the entry already has it, so that an entry can be sent back as it was read.
    pub async fn without_unknown_zone(mut self, access: &EntryAccess<'_>, id: EntryId) -> Result<Self, ApiError> {
        let unknown = self.entry_zone.as_deref().filter(|name| Zone::named(name).is_none());
        if let Some(name) = unknown
            && access.zone(id).await?.is_some_and(|zone| zone.name() == name)
        {
            self.entry_zone = None;
        }
        Ok(self)
    }

    /// Validates the request.
    pub fn parse(self, app: &App) -> Result<Change, ApiError> {
        let (date, zone) = (self.entry_date.as_deref(), self.entry_zone.as_deref());
        let sealed = [&self.encrypted_content, &self.wrapped_key, &self.encryption_iv, &self.wrap_iv];
        if let Some((tag, sealed)) = sealed_fields(self.secret_tag_id.flatten(), sealed.map(Option::as_deref))? {
            refuse_plaintext(&[
                ("title", self.title.is_some()),
                ("content", self.content.is_some()),
                ("audio_url", self.audio_url.is_some()),
                ("tags", self.tags.is_some()),
                ("tag_ids", self.tag_ids.is_some()),
            ])?;
            return Ok(Change::Seal(SealedChange { tag, sealed, date: EntryDatePatch::parse(date, zone)? }));
        }
        let tags = match (self.tags, self.tag_ids) {
            (None, None) => None,
            (names, ids) => Some(tag_choices(app, names.unwrap_or_default().0, ids.unwrap_or_default().0)?),
        };
        let audio_url = self.audio_url.as_ref().map(Option::as_deref);
        let patch = EntryPatch::parse(self.title, self.content, audio_url, date, zone, tags)?;
        Ok(if self.secret_tag_id == Some(None) { Change::Unseal(patch) } else { Change::Patch(patch) })
    }
}

/// `encrypted_content`, `wrapped_key`, `encryption_iv` and `wrap_iv`, which require a secret tag, and the other way
/// round.
fn sealed_fields(tag: Option<Uuid>, fields: [Option<&str>; 4]) -> Result<Option<(SecretTagId, Sealed)>, ApiError> {
    const NAMES: [&str; 4] = ["encrypted_content", "wrapped_key", "encryption_iv", "wrap_iv"];
    let Some(tag) = tag else {
        let stray = NAMES.into_iter().zip(fields).find(|(_, field)| field.is_some());
        return stray.map_or(Ok(None), |_| {
            Err(missing_field("secret_tag_id", "must be given: sealed fields need a secret tag"))
        });
    };
    let mut bytes = [const { Vec::new() }; 4];
    for ((name, field), bytes) in NAMES.into_iter().zip(fields).zip(&mut bytes) {
        let text =
            field.ok_or_else(|| missing_field(name, "must be given: an entry under a secret tag must be sealed"))?;
        *bytes = base64url::decode(name, text)?;
    }
    let [content, key, encryption_iv, wrap_iv] = bytes;
    let sealed = sealed::SealedEntry::from_parts(content, &encryption_iv, &key, &wrap_iv).map_err(|error| {
        let name = if let sotto_crypto::Error::Length { name, .. } = error { name } else { "encrypted_content" };
        base64url::refused(name, error)
    })?;
    let sealed = Sealed {
        encrypted_content: sealed.encrypted_content,
        encryption_iv: sealed.encryption_iv.to_vec(),
        wrapped_key: sealed.wrapped_key.to_vec(),
        wrap_iv: sealed.wrap_iv.to_vec(),
    };
    Ok(Some((SecretTagId(tag), sealed)))
}

/// Plaintext beside the ciphertext would not be protected.
fn refuse_plaintext(fields: &[(&str, bool)]) -> Result<(), ApiError> {
    match fields.iter().find(|(_, given)| *given) {
        Some((field, _)) => {
            let flaw =
                Flaw::Unexpected("must not be sent with a sealed entry: it belongs inside the encrypted content");
            Err(ApiError::invalid("body", field, &flaw))
        }
        None => Ok(()),
    }
}

fn missing_field(field: &str, sentence: &'static str) -> ApiError {
    ApiError::invalid("body", field, &Flaw::Missing(sentence))
}

fn tag_choices(app: &App, names: Vec<String>, ids: Vec<Uuid>) -> Result<Vec<TagChoice>, ApiError> {
    // Before the names are looked at: a million of them fit into a body.
    let count = names.len() + ids.len();
    if count > MAX_TAGS_PER_ENTRY {
        return Err(ApiError::invalid("body", "tags", &Flaw::TooMany { max: MAX_TAGS_PER_ENTRY, count }));
    }
    let mut choices: Vec<TagChoice> = ids.into_iter().map(|id| TagChoice::Existing(TagId(id))).collect();
    for (index, name) in names.iter().enumerate() {
        let id = TagId::new(app.clock.as_ref(), app.random.as_ref());
        let tag = NewTag::parse(id, name, None).map_err(|violations| {
            let errors = violations.0.iter().map(|violation| {
                let mut error = FieldError::new("body", "tags", &violation.flaw);
                error.loc.push(index.to_string());
                error
            });
            ApiError::Invalid(errors.collect())
        })?;
        choices.push(TagChoice::Named(tag));
    }
    Ok(choices)
}
