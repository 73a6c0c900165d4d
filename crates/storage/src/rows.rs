//! Conversion of rows into domain values, shared by both engines: the lists of columns that queries select, and the
//! code that reads them. Each engine has its own statements.

use sotto_domain::account::{Credentials, Email, PasswordHash, User};
use sotto_domain::api_token::{ApiToken, ApiTokenWithUser, Scopes};
use sotto_domain::attachment::Attachment;
use sotto_domain::attachment_store::Store;
use sotto_domain::entry::{Entry, EntryBody};
use sotto_domain::idempotency::RecordedCreate;
use sotto_domain::identity::Identity;
use sotto_domain::reminder::{Frequency, Reminder, ReminderPlan, Schedule};
use sotto_domain::secret_tag::{PhraseLock, Sealed, SealedEntry, SecretTag, StartedLogin};
use sotto_domain::security_event::{SecurityEvent, SecurityEventKind};
use sotto_domain::session::{Session, SessionWithUser};
use sotto_domain::tag::{Color, Tag, TagName};
use sotto_domain::{
    ApiTokenId, AttachmentId, EntryDate, EntryId, IdentityId, ReminderId, SecretTagId, SecurityEventId, SessionId,
    StoreId, TagId, Timestamp, UserId, Zone,
};
use uuid::Uuid;

/// Reads the columns of a row from first to last. A value that violates the schema is an error.
pub trait RowReader<'r> {
    /// The error type of the driver or of the contract.
    type Error;

    fn uuid(&mut self) -> Result<Uuid, Self::Error>;
    fn optional_text(&mut self) -> Result<Option<&'r str>, Self::Error>;
    fn bytes(&mut self) -> Result<&'r [u8], Self::Error>;
    fn flag(&mut self) -> Result<bool, Self::Error>;
    /// Reads an integer that is never negative.
    fn count(&mut self) -> Result<u32, Self::Error>;
    fn optional_instant(&mut self) -> Result<Option<Timestamp>, Self::Error>;
    /// The error for the column that was read last.
    fn damaged(&self, reason: &str) -> Self::Error;

    fn text(&mut self) -> Result<&'r str, Self::Error> {
        self.optional_text()?.ok_or_else(|| self.damaged("it is NULL"))
    }

    /// Reads a text into an owned string.
    fn string(&mut self) -> Result<String, Self::Error> {
        self.text().map(str::to_owned)
    }

    /// Reads a text that may be NULL into an owned string.
    fn optional_string(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(self.optional_text()?.map(str::to_owned))
    }

    fn instant(&mut self) -> Result<Timestamp, Self::Error> {
        self.optional_instant()?.ok_or_else(|| self.damaged("it is NULL"))
    }

    /// Reads the name of a time zone. The time zone database may not have this name.
    fn zone(&mut self) -> Result<Zone, Self::Error> {
        self.text().map(Zone::stored)
    }

    /// Reads bytes of a known length.
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Self::Error> {
        let bytes = self.bytes()?;
        bytes.try_into().map_err(|_| self.damaged(&format!("it has {} bytes, not {N}", bytes.len())))
    }
}

/// A value that is stored in columns of a row.
pub trait FromRow: Sized {
    /// Reads the columns of the value, starting at the next column of the row.
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error>;
}

macro_rules! user_columns {
    () => {
        "users.id, users.email, users.email_verified_at, users.full_name, users.is_active, users.is_superuser, \
         users.hashed_password IS NOT NULL, users.google_id, users.avatar_url, users.time_zone, users.created_at, \
         users.updated_at"
    };
}

impl FromRow for User {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        Ok(Self {
            id: UserId(row.uuid()?),
            email: Email::from_stored(row.string()?),
            email_verified_at: row.optional_instant()?,
            full_name: row.optional_string()?,
            is_active: row.flag()?,
            is_superuser: row.flag()?,
            has_password: row.flag()?,
            google_id: row.optional_string()?,
            avatar_url: row.optional_string()?,
            time_zone: row.zone()?,
            created_at: row.instant()?,
            updated_at: row.instant()?,
        })
    }
}

/// Reads [`user_columns`], then `hashed_password`.
impl FromRow for Credentials {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        Ok(Self { user: User::from_row(row)?, password_hash: row.optional_string()?.map(PasswordHash) })
    }
}

/// Reads [`user_columns`], then `expires_at`, `confirmed_at` and `created_at` of `login_sessions`.
impl FromRow for SessionWithUser {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        let (user, end) = (User::from_row(row)?, row.instant()?);
        let (confirmed_at, created_at) = (row.optional_instant()?, row.instant()?);
        Ok(Self { user, expires_at: end.min(Session::latest_end(created_at)), confirmed_at, created_at })
    }
}

macro_rules! session_columns {
    () => {
        "id, user_id, generation, rotated_at, expires_at, user_agent, confirmed_at, created_at"
    };
}

impl FromRow for Session {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        let session = Self {
            id: SessionId(row.uuid()?),
            user_id: UserId(row.uuid()?),
            generation: row.count()?,
            rotated_at: row.instant()?,
            expires_at: row.instant()?,
            user_agent: row.optional_string()?,
            confirmed_at: row.optional_instant()?,
            created_at: row.instant()?,
        };
        Ok(Self { expires_at: session.expires_at.min(Self::latest_end(session.created_at)), ..session })
    }
}

macro_rules! identity_columns {
    () => {
        "id, user_id, issuer, subject, email, created_at"
    };
}

impl FromRow for Identity {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        Ok(Self {
            id: IdentityId(row.uuid()?),
            user_id: UserId(row.uuid()?),
            issuer: row.string()?,
            subject: row.string()?,
            email: row.optional_string()?,
            created_at: row.instant()?,
        })
    }
}

macro_rules! api_token_columns {
    () => {
        "api_tokens.id, api_tokens.user_id, api_tokens.name, api_tokens.scopes, api_tokens.expires_at, \
         api_tokens.last_used_at, api_tokens.created_at"
    };
}

impl FromRow for ApiToken {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        Ok(Self {
            id: ApiTokenId(row.uuid()?),
            user_id: UserId(row.uuid()?),
            name: row.string()?,
            scopes: Scopes::from_text(row.text()?).map_err(|flaw| row.damaged(&flaw.to_string()))?,
            expires_at: row.optional_instant()?,
            last_used_at: row.optional_instant()?,
            created_at: row.instant()?,
        })
    }
}

/// Reads [`user_columns`], then [`api_token_columns`].
impl FromRow for ApiTokenWithUser {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        Ok(Self { user: User::from_row(row)?, token: ApiToken::from_row(row)? })
    }
}

macro_rules! tag_columns {
    () => {
        "id, user_id, name, color, created_at, updated_at"
    };
}

impl FromRow for Tag {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        Ok(Self {
            id: TagId(row.uuid()?),
            user_id: UserId(row.uuid()?),
            name: TagName::from_stored(row.string()?),
            color: row.optional_string()?.map(Color::from_stored),
            created_at: row.instant()?,
            updated_at: row.instant()?,
        })
    }
}

macro_rules! reminder_columns {
    () => {
        "id, user_id, title, message, frequency, custom_days, time, time_zone, is_active, next_due_at, created_at, \
         updated_at"
    };
}

impl FromRow for Reminder {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        let (id, user_id) = (ReminderId(row.uuid()?), UserId(row.uuid()?));
        let (title, message) = (row.string()?, row.string()?);
        let (frequency, custom_days) = (row.text()?, row.optional_text()?);
        let frequency = Frequency::parse(frequency, custom_days).map_err(|(_, flaw)| row.damaged(&flaw.to_string()))?;
        let schedule = Schedule { frequency, time: row.instant()?, time_zone: row.zone()? };
        Ok(Self {
            id,
            user_id,
            plan: ReminderPlan { title, message, schedule, is_active: row.flag()? },
            next_due_at: row.optional_instant()?,
            created_at: row.instant()?,
            updated_at: row.instant()?,
        })
    }
}

macro_rules! secret_tag_columns {
    () => {
        "tag_id, user_id, registration_record, wrapped_master_key, server_keys, metadata, recovery_wrap, \
         recovery_verifier, version, created_at, updated_at"
    };
}

impl FromRow for SecretTag {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        Ok(Self {
            id: SecretTagId(row.uuid()?),
            user_id: UserId(row.uuid()?),
            lock: PhraseLock {
                record: row.bytes()?.to_vec(),
                wrapped_master_key: row.bytes()?.to_vec(),
                server_keys: row.array()?,
            },
            metadata: row.bytes()?.to_vec(),
            recovery_wrap: row.bytes()?.to_vec(),
            recovery_verifier: row.bytes()?.to_vec(),
            version: row.count()?,
            created_at: row.instant()?,
            updated_at: row.instant()?,
        })
    }
}

/// Reads `binary_tag_id`, `session_data` and `expires_at` of `opaque_sessions`.
impl FromRow for StartedLogin {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        Ok(Self {
            tag: SecretTagId(Uuid::from_bytes(row.array()?)),
            state: row.bytes()?.to_vec(),
            expires_at: row.instant()?,
        })
    }
}

/// Reads the columns of a plain entry, without its tags: `id`, `title`, `content`, `audio_url`, `entry_date`,
/// `entry_zone`, `revision`, `created_at`, `updated_at`.
pub fn entry_without_tags<'r, R: RowReader<'r>>(row: &mut R, user_id: UserId) -> Result<Entry, R::Error> {
    Ok(Entry {
        id: EntryId(row.uuid()?),
        user_id,
        body: EntryBody {
            title: row.optional_string()?,
            content: row.string()?,
            audio_url: row.optional_string()?,
            date: EntryDate { moment: row.instant()?, zone: row.zone()? },
        },
        tags: Vec::new(),
        revision: row.count()?,
        created_at: row.instant()?,
        updated_at: row.instant()?,
    })
}

/// Reads the columns of a sealed entry: `id`, `secret_tag_id`, `encrypted_content`, `encryption_iv`, `wrapped_key`,
/// `wrap_iv`, `entry_date`, `entry_zone`, `revision`, `created_at`, `updated_at`.
pub fn sealed_entry<'r, R: RowReader<'r>>(row: &mut R, user_id: UserId) -> Result<SealedEntry, R::Error> {
    Ok(SealedEntry {
        id: EntryId(row.uuid()?),
        user_id,
        tag: SecretTagId(row.uuid()?),
        sealed: Sealed {
            encrypted_content: row.bytes()?.to_vec(),
            encryption_iv: row.bytes()?.to_vec(),
            wrapped_key: row.bytes()?.to_vec(),
            wrap_iv: row.bytes()?.to_vec(),
        },
        date: EntryDate { moment: row.instant()?, zone: row.zone()? },
        revision: row.count()?,
        created_at: row.instant()?,
        updated_at: row.instant()?,
    })
}

macro_rules! attachment_columns {
    () => {
        "id, user_id, entry_id, media_type, byte_length, sha256, sealed, created_at, updated_at"
    };
}

impl FromRow for Attachment {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        Ok(Self {
            id: AttachmentId(row.uuid()?),
            user_id: UserId(row.uuid()?),
            entry_id: EntryId(row.uuid()?),
            media_type: row.string()?,
            byte_length: row.count()?,
            sha256: row.array()?,
            sealed: row.flag()?,
            created_at: row.instant()?,
            updated_at: row.instant()?,
        })
    }
}

/// Reads `user_id` and `id` of an attachment.
impl FromRow for (UserId, AttachmentId) {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        Ok((UserId(row.uuid()?), AttachmentId(row.uuid()?)))
    }
}

macro_rules! store_columns {
    () => {
        "id, sweeps, next_sweep_at, trouble"
    };
}

impl FromRow for Store {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        Ok(Self {
            id: StoreId(row.uuid()?),
            sweeps: row.count()?,
            next_sweep_at: row.instant()?,
            trouble: row.optional_string()?,
        })
    }
}

macro_rules! security_event_columns {
    () => {
        "id, user_id, kind, client, user_agent, created_at"
    };
}

impl FromRow for SecurityEvent {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        Ok(Self {
            id: SecurityEventId(row.uuid()?),
            user_id: UserId(row.uuid()?),
            kind: SecurityEventKind::from_stored(row.text()?),
            client: row.optional_string()?,
            user_agent: row.optional_string()?,
            created_at: row.instant()?,
        })
    }
}

/// Reads `request_hash` and `created_id`.
impl FromRow for RecordedCreate {
    fn from_row<'r, R: RowReader<'r>>(row: &mut R) -> Result<Self, R::Error> {
        Ok(Self { request_hash: row.array()?, id: row.uuid()? })
    }
}

pub(crate) use {
    api_token_columns, attachment_columns, identity_columns, reminder_columns, secret_tag_columns,
    security_event_columns, session_columns, store_columns, tag_columns, user_columns,
};
