//! Tests the isolation of users: a call with the id of another user's row has no effect on this row and returns nothing
//! of it.

mod accounts;
mod journal;
mod secret_tags;

use std::collections::BTreeSet;

use sotto_domain::account::{Credentials, DraftKey, PasswordHash, Preferences, User};
use sotto_domain::api_token::ApiToken;
use sotto_domain::attachment::Attachment;
use sotto_domain::entry::Entry;
use sotto_domain::identity::Identity;
use sotto_domain::reminder::Reminder;
use sotto_domain::secret_tag::{OpaqueSession, SealedEntry, SecretTag};
use sotto_domain::security_event::SecurityEvent;
use sotto_domain::session::Session;
use sotto_domain::tag::Tag;
use sotto_domain::{Timestamp, UserId};

use super::world::{World, at, up_to};

const ISSUER: &str = "https://id.example.org";

/// A user with all of their rows, as the contract returns them.
#[derive(Debug, PartialEq)]
struct Belongings {
    user: User,
    password_hash: Option<PasswordHash>,
    preferences: Preferences,
    draft_key: DraftKey,
    sessions: Vec<Session>,
    identities: Vec<Identity>,
    api_tokens: Vec<ApiToken>,
    entries: Vec<Entry>,
    tags: Vec<Tag>,
    reminders: Vec<Reminder>,
    secret_tags: Vec<SecretTag>,
    opaque_sessions: Vec<OpaqueSession>,
    sealed_entries: Vec<SealedEntry>,
    recordings: Vec<Attachment>,
    security_events: Vec<SecurityEvent>,
}

async fn belongings(world: &World, id: UserId) -> Belongings {
    let user = world.users().get(id).await.unwrap().unwrap();
    let Credentials { password_hash, .. } = world.users().credentials(&user.email).await.unwrap().unwrap();
    let secret_tags = world.secret_tags().list(id).await.unwrap();
    let mut sealed_entries = vec![];
    for tag in &secret_tags {
        sealed_entries.extend(world.sealed_entries().list(id, tag.id, None, 100).await.unwrap());
    }
    let entries = world.entries().list(id, &up_to(100)).await.unwrap();
    let mut recordings = vec![];
    for entry in &entries {
        recordings.extend(world.attachments().get(id, entry.id).await.unwrap());
    }
    Belongings {
        user,
        password_hash,
        preferences: world.users().preferences(id).await.unwrap().unwrap(),
        draft_key: world.users().draft_key(id, &DraftKey([2; 32]), at(0)).await.unwrap().unwrap(),
        sessions: world.sessions().list(id, Timestamp::MIN).await.unwrap(),
        identities: world.identities().list(id).await.unwrap(),
        api_tokens: world.api_tokens().list(id).await.unwrap(),
        entries,
        tags: world.tags().list(id, None, 100).await.unwrap(),
        reminders: world.reminders().list(id, None, 100).await.unwrap(),
        secret_tags,
        opaque_sessions: world.opaque_sessions().list(id, at(1)).await.unwrap(),
        sealed_entries,
        recordings,
        security_events: world.security_events().list(id, None, 100).await.unwrap(),
    }
}

async fn user_with_belongings(world: &World) -> Belongings {
    let user = world.user().await;
    world.session(user).await;
    world.identity(user, ISSUER, &user.to_string()).await;
    world.api_token(user, hash_of(user)).await;
    let mut new = world.new_entry("mountains");
    new.tags = vec![world.named("hills")];
    let entry = world.store(user, &new).await;
    world.attach(user, &world.new_recording(entry.id)).await;
    world.reminder(user, "Write").await;
    let tag = world.secret_tag(user).await.id;
    world.write_sealed(user, tag).await;
    world.unlock(user, tag, at(0)).await;
    world.login(user, tag, at(0)).await;
    world.security_event(user, at(0)).await;
    belongings(world, user).await
}

/// Stands for the SHA-256 of the user's API token.
fn hash_of(user: UserId) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(user.0.as_bytes());
    hash
}

/// Ada calls every method with Bob's ids. The methods that were called are compared with the contract.
pub async fn no_method_reads_or_changes_rows_of_another_user(world: &World) {
    let (ada, bob) = (user_with_belongings(world).await, user_with_belongings(world).await);
    let mut tried = BTreeSet::new();
    let mut on = |method: &str| assert!(tried.insert(method.to_owned()), "{method} is tried twice");
    accounts::try_users(world, &ada, &bob, &mut on).await;
    accounts::try_sessions(world, &ada, &bob, &mut on).await;
    accounts::try_identities(world, &ada, &bob, &mut on).await;
    accounts::try_api_tokens(world, &ada, &bob, &mut on).await;
    accounts::try_idempotency_keys(world, &ada, &bob, &mut on).await;
    journal::try_entries(world, &ada, &bob, &mut on).await;
    journal::try_tags(world, &ada, &bob, &mut on).await;
    journal::try_reminders(world, &ada, &bob, &mut on).await;
    accounts::try_security_events(world, &ada, &bob, &mut on).await;
    secret_tags::try_secret_tags(world, &ada, &bob, &mut on).await;
    secret_tags::try_opaque_sessions(world, &ada, &bob, &mut on).await;
    secret_tags::try_sealed_entries(world, &ada, &bob, &mut on).await;
    journal::try_attachments(world, &ada, &bob, &mut on).await;
    journal::try_attachment_store(world, &ada, &bob, &mut on).await;
    journal::try_health(world, &bob, &mut on).await;
    accounts::try_ending_sessions_and_deleting(world, &ada, &bob, &mut on).await;
    assert_eq!(tried, contract_methods(), "every method of the contract is tried here");
}

/// The name `Trait.method` of each method of a service, read from the source of the contract. `mod.rs` has `Storage`
/// itself, whose methods read and change no rows.
pub(crate) fn contract_methods() -> BTreeSet<String> {
    let services = concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/src/storage");
    let mut methods = BTreeSet::new();
    let files = std::fs::read_dir(services).unwrap().map(|file| file.unwrap().path());
    for file in files.filter(|path| !path.ends_with("mod.rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        let mut service = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("pub trait ") {
                service = rest.split(':').next().unwrap();
            } else if let Some(rest) = line.trim_start().strip_prefix("async fn ") {
                let name = rest.split('(').next().unwrap();
                methods.insert(format!("{service}.{name}"));
            }
        }
    }
    methods
}
