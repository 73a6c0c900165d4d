//! What is sent about entries: in plain, or sealed, and never both.

use serde::Deserialize;
use sotto_crypto::sealed;
use sotto_domain::account::User;
use sotto_domain::entry::{EntryPatch, MAX_CONTENT, NewEntry};
use sotto_domain::secret_tag::{Sealed, SealedBody};
use sotto_domain::tag::{NewTag, TagChoice};
use sotto_domain::{EntryId, Flaw, SecretTagId, TagId, Timestamp, Zone};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::base64url;
use crate::config::BODY_LIMIT;
use crate::error::{ApiError, FieldError};
use crate::extract::present;

// Titles and texts are bounded in bytes; the specification can only say characters, so it states the same number.
const _: () = assert!(MAX_CONTENT == 1_048_576);
// The largest sealed entry in base64url, with room for the other fields.
const _: () = assert!(sealed::MAX_ENCRYPTED_CONTENT * 4 / 3 + 4096 < BODY_LIMIT);

/// A new entry: in plain, with `content`; or under a secret tag, with `id`, `secret_tag_id` and the four sealed fields.
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
    content: Option<String>,
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
    /// An open secret tag of yours.
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

/// An entry to be made.
pub enum Create {
    /// In plain.
    Plain(NewEntry),
    /// Under a secret tag.
    Sealed(EntryId, SealedBody),
}

impl EntryCreate {
    /// Checks what was sent.
    pub fn parse(self, app: &App, user: &User) -> Result<Create, ApiError> {
        let zone = self.entry_zone.as_deref().map_or_else(|| Ok(user.time_zone.clone()), Err);
        let sealed = [&self.encrypted_content, &self.wrapped_key, &self.encryption_iv, &self.wrap_iv];
        if let Some(sealed) = sealed_fields(self.secret_tag_id, sealed.map(Option::as_deref))? {
            refuse_plaintext(&[
                ("title", self.title.is_some()),
                ("content", self.content.is_some()),
                ("audio_url", self.audio_url.is_some()),
                ("tags", !self.tags.is_empty()),
                ("tag_ids", !self.tag_ids.is_empty()),
            ])?;
            let id = self.id.ok_or_else(|| missing("id", "must be given: what is sealed is sealed for an id"))?;
            // The domain's checks of id, date and zone are those of an entry without a text.
            let checked = NewEntry::parse(EntryId(id), None, String::new(), None, &self.entry_date, zone, Vec::new())?;
            let (entry_date, entry_zone) = (checked.body.entry_date, checked.body.entry_zone);
            return Ok(Create::Sealed(
                checked.id,
                SealedBody { tag: sealed.0, sealed: sealed.1, entry_date, entry_zone },
            ));
        }
        let content =
            self.content.ok_or_else(|| missing("content", "must be given: an entry has a text, be it an empty one"))?;
        let id = self.id.map_or_else(|| EntryId::new(app.clock.as_ref(), app.random.as_ref()), EntryId);
        let tags = choices(app, self.tags, self.tag_ids)?;
        let audio_url = self.audio_url.as_deref();
        Ok(Create::Plain(NewEntry::parse(id, self.title, content, audio_url, &self.entry_date, zone, tags)?))
    }
}

/// What to change; a field that is absent stays, null clears it.
///
/// With `secret_tag_id` and the four sealed fields, the entry is sealed as a whole, and comes under that secret tag if it was
/// not. With `secret_tag_id: null` and `content`, it leaves its secret tag. Both need `If-Match`.
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
    /// An open secret tag of yours; null for none.
    #[serde(default, deserialize_with = "present")]
    secret_tag_id: Option<Option<Uuid>>,
    /// Sealed for this entry, secret tag and the revision that it is about to have, in base64url without padding.
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

/// A change of an entry.
pub enum Change {
    /// Fields of an entry in plain.
    Patch(EntryPatch),
    /// The entry shall be in plain, whatever it was; these are its fields.
    Unseal(EntryPatch),
    /// The entry shall be under a secret tag, whatever it was.
    Seal(SealedChange),
}

/// A sealed body that takes the place of another one.
pub struct SealedChange {
    /// What it is under.
    pub tag: SecretTagId,
    /// Its text.
    pub sealed: Sealed,
    /// A new moment.
    pub entry_date: Option<Timestamp>,
    /// A new zone.
    pub entry_zone: Option<Zone>,
}

impl EntryUpdate {
    /// Checks what was sent.
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
            let EntryPatch { entry_date, entry_zone, .. } = EntryPatch::parse(None, None, None, date, zone, None)?;
            return Ok(Change::Seal(SealedChange { tag, sealed, entry_date, entry_zone }));
        }
        let tags = match (self.tags, self.tag_ids) {
            (None, None) => None,
            (names, ids) => Some(choices(app, names.unwrap_or_default(), ids.unwrap_or_default())?),
        };
        let audio_url = self.audio_url.as_ref().map(Option::as_deref);
        let patch = EntryPatch::parse(self.title, self.content, audio_url, date, zone, tags)?;
        Ok(if self.secret_tag_id == Some(None) { Change::Unseal(patch) } else { Change::Patch(patch) })
    }
}

/// `encrypted_content`, `wrapped_key`, `encryption_iv` and `wrap_iv`, which come with a secret tag or not at all.
fn sealed_fields(tag: Option<Uuid>, fields: [Option<&str>; 4]) -> Result<Option<(SecretTagId, Sealed)>, ApiError> {
    const NAMES: [&str; 4] = ["encrypted_content", "wrapped_key", "encryption_iv", "wrap_iv"];
    let Some(tag) = tag else {
        let stray = NAMES.into_iter().zip(fields).find(|(_, field)| field.is_some());
        return stray.map_or(Ok(None), |_| {
            Err(missing("secret_tag_id", "must be given: what is sealed is under a secret tag"))
        });
    };
    let mut bytes = [const { Vec::new() }; 4];
    for ((name, field), bytes) in NAMES.into_iter().zip(fields).zip(&mut bytes) {
        let text = field.ok_or_else(|| missing(name, "must be given: an entry under a secret tag is sealed"))?;
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

/// Plaintext beside ciphertext would be kept from nobody.
fn refuse_plaintext(fields: &[(&str, bool)]) -> Result<(), ApiError> {
    match fields.iter().find(|(_, given)| *given) {
        Some((field, _)) => {
            let flaw = Flaw::Unexpected("must not be sent in plain with a sealed entry: it belongs inside");
            Err(ApiError::invalid("body", field, &flaw))
        }
        None => Ok(()),
    }
}

fn missing(field: &str, sentence: &'static str) -> ApiError {
    ApiError::invalid("body", field, &Flaw::Missing(sentence))
}

fn choices(app: &App, names: Vec<String>, ids: Vec<Uuid>) -> Result<Vec<TagChoice>, ApiError> {
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
