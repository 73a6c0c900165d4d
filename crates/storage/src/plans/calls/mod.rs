//! Calls every method of the contract on a populated database, once for each set of statements that it may run.

mod accounts;
mod journal;
mod secret_tags;

use sotto_domain::storage::Storage;
use sotto_domain::{EntryId, TagId, UserId};

use super::population::{RowKind, id};

/// Calls all methods. `after` receives the name of each method when its calls are done.
pub async fn all(storage: &dyn Storage, mut after: impl FnMut(&str)) {
    journal::entries(storage, &mut after).await;
    journal::tags(storage, &mut after).await;
    journal::reminders(storage, &mut after).await;
    accounts::sessions(storage, &mut after).await;
    accounts::identities(storage, &mut after).await;
    accounts::api_tokens(storage, &mut after).await;
    journal::idempotency_keys(storage, &mut after).await;
    accounts::security_events(storage, &mut after).await;
    secret_tags::secret_tags(storage, &mut after).await;
    secret_tags::opaque_sessions(storage, &mut after).await;
    secret_tags::sealed_entries(storage, &mut after).await;
    journal::attachments(storage, &mut after).await;
    journal::attachment_store(storage, &mut after).await;
    accounts::users(storage, &mut after).await;
}

/// The user who writes the most.
fn me() -> UserId {
    UserId(id(RowKind::User, 1, 0))
}

fn other_user(person: u32) -> UserId {
    UserId(id(RowKind::User, person, 0))
}

fn tag(n: u32) -> TagId {
    TagId(id(RowKind::Tag, 1, n))
}

fn entry(n: u32) -> EntryId {
    EntryId(id(RowKind::Entry, 1, n))
}
