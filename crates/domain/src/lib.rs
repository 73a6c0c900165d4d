//! What a journal is: ids, entries, tags, reminders, accounts, the clock, and the storage contract.
//!
//! This crate knows no HTTP, no SQL and no driver. It holds the rules that every engine and every
//! front end must agree on; [`storage`] says what an engine promises.

pub mod account;
pub mod api_token;
pub mod attachment;
pub mod clock;
pub mod entry;
pub mod flaw;
pub mod health;
pub mod identity;
pub mod ids;
pub mod reminder;
pub mod secret_tag;
pub mod statistics;
pub mod storage;
pub mod tag;
pub mod text;

pub use clock::{Clock, Random, Timestamp, Zone};
pub use flaw::Flaw;
pub use ids::{
    ApiTokenId, AttachmentId, EntryId, IdentityId, OpaqueSessionId, ReminderId, SecretTagId, SessionId, TagId, UserId,
};
pub use text::{Violation, Violations};
