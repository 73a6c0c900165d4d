//! The rules of a journal, which all engines and front ends share, and the storage contract in [`storage`]. This crate
//! contains no HTTP, no SQL and no database drivers.

#![warn(missing_docs)]

pub mod account;
pub mod api_token;
pub mod attachment;
pub mod attachment_store;
pub mod clock;
mod email;
pub mod entry;
pub mod entry_date;
pub mod flaw;
pub mod health;
pub mod idempotency;
pub mod identity;
pub mod ids;
pub mod password;
#[cfg(test)]
mod properties;
pub mod reminder;
pub mod secret_tag;
pub mod security_event;
pub mod session;
pub mod statistics;
pub mod storage;
pub mod tag;
pub mod text;
pub mod zone;

pub use clock::{Clock, Random, Timestamp};
pub use entry_date::EntryDate;
pub use flaw::Flaw;
pub use ids::{
    ApiTokenId, AttachmentId, EntryId, IdentityId, OpaqueSessionId, ReminderId, SecretTagId, SecurityEventId,
    SessionId, StoreId, TagId, UserId,
};
pub use text::{Violation, Violations};
pub use zone::Zone;
