//! Tests the isolation of users: a call with the id of another user's row has no effect on this row and returns nothing
//! of it.

use std::collections::BTreeSet;

use sotto_domain::account::{
    AccountPatch, Administered, Credentials, DraftKey, PasswordHash, Preferences, Rotation, Session, User, UserPatch,
    UserQuery,
};
use sotto_domain::api_token::ApiToken;
use sotto_domain::attachment::{Attached, Attachment, NewAttachment};
use sotto_domain::entry::{Created, Deleted, Entry, EntryPatch, EntryQuery, TagFilter, Updated};
use sotto_domain::identity::{Identity, Unlinked};
use sotto_domain::reminder::Reminder;
use sotto_domain::secret_tag::{
    CreatedSecretTag, DeletedSecretTag, NewLogin, OpaqueSession, OpaqueState, PlainBody, SealedEntry, SecretTag,
    Started, Stored,
};
use sotto_domain::tag::{Tag, TagChoice, TagPatch};
use sotto_domain::{ApiTokenId, IdentityId, OpaqueSessionId, SessionId, StoreId, Timestamp, UserId};

use super::attachments::AUDIO;
use super::idempotency::keyed;
use super::world::{TOKEN, World, assert_conflict, at, lock, plan, sealed, up_to};

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
    }
}

async fn settle(world: &World) -> Belongings {
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
    belongings(world, user).await
}

/// Ada calls every method with Bob's ids. The methods that were called are compared with the contract.
pub async fn no_method_reads_or_changes_rows_of_another_user(world: &World) {
    let (ada, bob) = (settle(world).await, settle(world).await);
    let mut tried = BTreeSet::new();
    let mut on = |method: &str| assert!(tried.insert(method.to_owned()), "{method} is tried twice");
    try_users(world, &ada, &bob, &mut on).await;
    try_sessions(world, &ada, &bob, &mut on).await;
    try_identities(world, &ada, &bob, &mut on).await;
    try_api_tokens(world, &ada, &bob, &mut on).await;
    try_idempotency_keys(world, &ada, &bob, &mut on).await;
    try_entries(world, &ada, &bob, &mut on).await;
    try_tags(world, &ada, &bob, &mut on).await;
    try_reminders(world, &ada, &bob, &mut on).await;
    try_secret_tags(world, &ada, &bob, &mut on).await;
    try_opaque_sessions(world, &ada, &bob, &mut on).await;
    try_sealed_entries(world, &ada, &bob, &mut on).await;
    try_attachments(world, &ada, &bob, &mut on).await;
    try_attachment_store(world, &ada, &bob, &mut on).await;
    try_health(world, &bob, &mut on).await;
    try_ending_sessions_and_deleting(world, &ada, &bob, &mut on).await;
    assert_eq!(tried, contract_methods(), "every method of the contract is tried here");
}

/// These methods take the id of an account. They find and change this account and no other.
async fn try_users(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let users = world.users();
    on("Users.create");
    let mut new = world.new_user("another@example.org");
    new.id = bob.user.id;
    assert_conflict(users.create(&new, None, at(1)).await, "pk_users");
    new = world.new_user("yet-another@example.org");
    new.email = bob.user.email.clone();
    assert_conflict(users.create(&new, None, at(1)).await, "idx_users_email");
    on("Users.get");
    assert_eq!(users.get(me).await.unwrap().as_ref(), Some(&ada.user));
    on("Users.credentials");
    assert_eq!(users.credentials(&ada.user.email).await.unwrap().unwrap().user, ada.user);
    on("Users.list");
    let all = UserQuery { limit: 10, ..UserQuery::default() };
    assert_eq!(users.list(&all).await.unwrap(), [ada.user.clone(), bob.user.clone()]);
    on("Users.update");
    let patch = UserPatch { email: Some(bob.user.email.clone()), ..UserPatch::default() };
    assert_conflict(users.update(me, &patch, at(1)).await, "idx_users_email");
    let preferences = Preferences::from_text(r#"{"theme":"dark"}"#);
    let patch = UserPatch { full_name: Some(Some("Ada".into())), preferences, ..UserPatch::default() };
    assert!(users.update(me, &patch, at(1)).await.unwrap().is_some());
    on("Users.preferences");
    assert_eq!(users.preferences(me).await.unwrap(), patch.preferences);
    on("Users.draft_key");
    assert_eq!(users.draft_key(me, &DraftKey([1; 32]), at(1)).await.unwrap(), Some(ada.draft_key));
    on("Users.administer");
    let patch = AccountPatch { is_superuser: Some(true), ..AccountPatch::default() };
    assert!(
        matches!(users.administer(me, &patch, at(1)).await.unwrap(), Administered::Done(user) if user.is_superuser)
    );
    let patch = AccountPatch { is_superuser: Some(false), ..AccountPatch::default() };
    assert_eq!(users.administer(me, &patch, at(1)).await.unwrap(), Administered::LastSuperuser);
}

async fn try_sessions(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let sessions = world.sessions();
    let theirs = bob.sessions[0].id;
    on("Sessions.start");
    assert_conflict(sessions.start(&Session { user_id: me, ..bob.sessions[0].clone() }).await, "pk_login_sessions");
    on("Sessions.standing");
    assert_eq!(sessions.standing(me, theirs).await.unwrap(), None);
    on("Sessions.rotate");
    for generation in [1, 9] {
        let rotation = sessions.rotate(me, theirs, generation, at(5000), at(1)).await.unwrap();
        assert_eq!(rotation, Rotation::Missing);
    }
    on("Sessions.end");
    assert!(!sessions.end(me, theirs).await.unwrap());
    on("Sessions.list");
    assert_eq!(sessions.list(me, at(0)).await.unwrap(), ada.sessions);
}

async fn try_identities(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let identities = world.identities();
    let theirs = &bob.identities[0];
    on("Identities.find");
    assert_eq!(identities.find(ISSUER, &ada.identities[0].subject).await.unwrap().unwrap().id, me);
    on("Identities.link");
    let taken = Identity { id: IdentityId(world.id()), user_id: me, ..theirs.clone() };
    assert_conflict(identities.link(&taken).await, "uq_identities_issuer_subject");
    on("Identities.sign_up");
    let new = world.new_user("one-more@example.org");
    assert_conflict(identities.sign_up(&new, None, &taken, at(1)).await, "uq_identities_issuer_subject");
    on("Identities.list");
    assert_eq!(identities.list(me).await.unwrap(), ada.identities);
    on("Identities.unlink");
    assert_eq!(identities.unlink(me, theirs.id, at(1)).await.unwrap(), Unlinked::Missing);
}

async fn try_api_tokens(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let tokens = world.api_tokens();
    let theirs = &bob.api_tokens[0];
    on("ApiTokens.create");
    let taken = ApiToken { id: ApiTokenId(world.id()), user_id: me, ..theirs.clone() };
    assert_conflict(tokens.create(&taken, &hash_of(bob.user.id), None).await, "uq_api_tokens_token_hash");
    on("ApiTokens.standing");
    assert_eq!(tokens.standing(&hash_of(me)).await.unwrap().unwrap().user.id, me);
    on("ApiTokens.note_use");
    tokens.note_use(me, theirs.id, at(1)).await.unwrap();
    on("ApiTokens.list");
    assert_eq!(tokens.list(me).await.unwrap(), ada.api_tokens);
    on("ApiTokens.delete");
    assert!(!tokens.delete(me, theirs.id).await.unwrap());
}

/// The same key of two users counts as two keys.
async fn try_idempotency_keys(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let (me, they) = (ada.user.id, bob.user.id);
    let keys = world.idempotency_keys();
    let theirs = world.new_tag("with a key");
    world.tags().create(they, &theirs, keyed(they, 1), at(1)).await.unwrap();
    on("IdempotencyKeys.find");
    assert_eq!(keys.find(me, &[1; 32]).await.unwrap(), None);
    let mine = world.new_tag("with a key");
    world.tags().create(me, &mine, keyed(me, 1), at(1)).await.unwrap();
    for (user, tag) in [(me, &mine), (they, &theirs)] {
        assert_eq!(keys.find(user, &[1; 32]).await.unwrap().unwrap().id, tag.id.0);
        assert!(world.tags().delete(user, tag.id).await.unwrap());
    }
    on("IdempotencyKeys.delete_expired");
    assert_eq!(keys.delete_expired(at(1)).await.unwrap(), 0);
    on("IdempotencyKeys.correct_dates");
    assert_eq!(keys.correct_dates(at(1)).await.unwrap(), 0);
}

/// Stands for the SHA-256 of the user's API token.
fn hash_of(user: UserId) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(user.0.as_bytes());
    hash
}

async fn try_entries(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let entries = world.entries();
    let (theirs, their_tag, day) = (bob.entries[0].id, bob.tags[0].id, bob.entries[0].body.date.day());
    on("Entries.create");
    let mut new = world.new_entry("stolen");
    new.id = theirs;
    assert_eq!(entries.create(me, &new, None, at(1)).await.unwrap(), Created::IdTaken);
    let mut new = world.new_entry("tagged with another's tag");
    new.tags = vec![TagChoice::Existing(their_tag)];
    assert_eq!(entries.create(me, &new, None, at(1)).await.unwrap(), Created::UnknownTag(their_tag));
    on("Entries.get");
    assert_eq!(entries.get(me, theirs).await.unwrap(), None);
    on("Entries.update");
    let patch = EntryPatch { content: Some("overwritten".into()), ..EntryPatch::default() };
    for expected in [None, Some(1)] {
        assert_eq!(entries.update(me, theirs, &patch, expected, at(1)).await.unwrap(), Updated::Missing);
    }
    let patch = EntryPatch { tags: Some(vec![TagChoice::Existing(their_tag)]), ..EntryPatch::default() };
    assert_eq!(
        entries.update(me, ada.entries[0].id, &patch, None, at(1)).await.unwrap(),
        Updated::UnknownTag(their_tag)
    );
    on("Entries.delete");
    for expected in [None, Some(1), Some(2)] {
        assert_eq!(entries.delete(me, theirs, expected).await.unwrap(), Deleted::Missing);
    }
    on("Entries.list");
    for query in [
        up_to(100),
        EntryQuery { words: vec!["mountains".into()], ..up_to(100) },
        EntryQuery { tag: Some(TagFilter::Key("hills".into())), ..up_to(100) },
        EntryQuery { from: Some(day), to: Some(day), ..up_to(100) },
        EntryQuery { after: Some((Timestamp::MAX, theirs)), ..up_to(100) },
    ] {
        assert_eq!(entries.list(me, &query).await.unwrap(), ada.entries, "{query:?}");
    }
    let by_their_tag = EntryQuery { tag: Some(TagFilter::Id(their_tag)), ..up_to(100) };
    assert_eq!(entries.list(me, &by_their_tag).await.unwrap(), vec![]);
    on("Entries.days");
    assert_eq!(entries.days(me, day, day).await.unwrap()[0].entries, 1);
    on("Entries.on_days");
    assert_eq!(entries.on_days(me, &[day], 100).await.unwrap(), ada.entries);
}

async fn try_tags(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let tags = world.tags();
    let theirs = bob.tags[0].id;
    on("Tags.create");
    let mut new = world.new_tag("stolen");
    new.id = theirs;
    assert_conflict(tags.create(me, &new, None, at(1)).await, "pk_tags");
    on("Tags.get");
    assert_eq!(tags.get(me, theirs).await.unwrap(), None);
    on("Tags.update");
    let patch = TagPatch::parse(Some("renamed"), None).unwrap();
    assert_eq!(tags.update(me, theirs, &patch, at(1)).await.unwrap(), None);
    on("Tags.delete");
    assert!(!tags.delete(me, theirs).await.unwrap());
    on("Tags.list");
    assert_eq!(tags.list(me, None, 100).await.unwrap(), ada.tags);
}

async fn try_reminders(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let reminders = world.reminders();
    let theirs = bob.reminders[0].id;
    let other = plan("Other", "daily", None);
    on("Reminders.create");
    assert_conflict(reminders.create(me, theirs, &other, None, at(1)).await, "pk_reminders");
    on("Reminders.get");
    assert_eq!(reminders.get(me, theirs).await.unwrap(), None);
    on("Reminders.replace");
    assert_eq!(reminders.replace(me, theirs, &other, bob.reminders[0].updated_at, at(1)).await.unwrap(), None);
    on("Reminders.delete");
    assert!(!reminders.delete(me, theirs).await.unwrap());
    on("Reminders.list");
    assert_eq!(reminders.list(me, None, 100).await.unwrap(), ada.reminders);
}

async fn try_secret_tags(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let secret_tags = world.secret_tags();
    let theirs = bob.secret_tags[0].id;
    on("SecretTags.create");
    let mut new = world.new_secret_tag();
    new.id = theirs;
    assert_eq!(secret_tags.create(me, &new, None, at(1)).await.unwrap(), CreatedSecretTag::IdTaken);
    on("SecretTags.get");
    assert_eq!(secret_tags.get(me, theirs).await.unwrap(), None);
    on("SecretTags.list");
    assert_eq!(secret_tags.list(me).await.unwrap(), ada.secret_tags);
    on("SecretTags.set_lock");
    assert_eq!(secret_tags.set_lock(me, theirs, &lock(5), 1, None, at(1)).await.unwrap(), None);
    on("SecretTags.set_metadata");
    assert!(!secret_tags.set_metadata(me, theirs, &[5; 93], at(1)).await.unwrap());
    on("SecretTags.delete");
    for with_entries in [false, true] {
        assert_eq!(secret_tags.delete(me, theirs, with_entries).await.unwrap(), DeletedSecretTag::Missing);
    }
    // This method is about the server's keys and involves no user.
    on("SecretTags.server_keys");
    assert_eq!(secret_tags.server_keys().await.unwrap(), [lock(1).server_keys]);
}

async fn try_opaque_sessions(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let sessions = world.opaque_sessions();
    let their_tag = bob.secret_tags[0].id;
    let of_theirs = |state: &str| bob.opaque_sessions.iter().find(|one| one.state.name() == state).unwrap().id;
    let (their_login, their_open) = (of_theirs("initialized"), of_theirs("unlocked"));
    on("OpaqueSessions.start");
    let taken_id = NewLogin { id: their_login, ..world.new_login(me, their_tag, at(1)) };
    assert_conflict(sessions.start(&taken_id, at(1)).await, "pk_opaque_sessions");
    // Another user's secret tag is treated like one that does not exist.
    let login = world.new_login(me, their_tag, at(1));
    assert_eq!(sessions.start(&login, at(1)).await.unwrap(), Started::Started);
    on("OpaqueSessions.take");
    assert_eq!(sessions.take(me, their_login, at(1)).await.unwrap(), None);
    assert!(sessions.take(me, login.id, at(1)).await.unwrap().is_some());
    on("OpaqueSessions.unlock");
    for id in [login.id, their_login, their_open] {
        assert_eq!(sessions.unlock(me, id, 1, &TOKEN, at(1)).await.unwrap(), None);
    }
    on("OpaqueSessions.open");
    assert_eq!(sessions.open(me, their_open, &TOKEN, at(100)).await.unwrap(), None);
    on("OpaqueSessions.list");
    let mine: Vec<_> = sessions.list(me, at(1)).await.unwrap().into_iter().map(|session| session.id).collect();
    let expected: Vec<_> = [login.id].into_iter().chain(ada.opaque_sessions.iter().map(|session| session.id)).collect();
    assert_eq!(mine, expected);
    on("OpaqueSessions.end");
    for id in [their_login, their_open] {
        assert!(!sessions.end(me, id).await.unwrap());
    }
    on("OpaqueSessions.lock");
    assert_eq!(sessions.lock(me, their_tag).await.unwrap(), 0);
    on("OpaqueSessions.end_all");
    assert_eq!(sessions.end_all(me).await.unwrap(), 1);
}

async fn try_sealed_entries(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let entries = world.sealed_entries();
    let (theirs, their_plain, their_tag) = (bob.sealed_entries[0].id, bob.entries[0].id, bob.secret_tags[0].id);
    let my_tag = ada.secret_tags[0].id;
    on("SealedEntries.create");
    for id in [theirs, their_plain] {
        assert_eq!(entries.create(me, id, &sealed(my_tag, 5), None, at(1)).await.unwrap(), Stored::IdTaken);
    }
    let new = world.new_entry("").id;
    assert_eq!(entries.create(me, new, &sealed(their_tag, 5), None, at(1)).await.unwrap(), Stored::UnknownSecretTag);
    on("SealedEntries.get");
    assert_eq!(entries.get(me, theirs).await.unwrap(), None);
    on("SealedEntries.list");
    assert_eq!(entries.list(me, their_tag, None, 100).await.unwrap(), vec![]);
    on("SealedEntries.replace");
    assert_eq!(entries.replace(me, theirs, &sealed(my_tag, 5), 1, at(1)).await.unwrap(), Stored::Missing);
    let mine = ada.sealed_entries[0].id;
    assert_eq!(entries.replace(me, mine, &sealed(their_tag, 5), 1, at(1)).await.unwrap(), Stored::UnknownSecretTag);
    on("SealedEntries.seal");
    assert_eq!(entries.seal(me, their_plain, &sealed(my_tag, 5), 1, at(1)).await.unwrap(), Stored::Missing);
    let my_plain = ada.entries[0].id;
    assert_eq!(entries.seal(me, my_plain, &sealed(their_tag, 5), 1, at(1)).await.unwrap(), Stored::UnknownSecretTag);
    on("SealedEntries.unseal");
    let mut plain = PlainBody { body: world.new_entry("stolen").body, tags: vec![] };
    assert_eq!(entries.unseal(me, theirs, &plain, 1, at(1)).await.unwrap(), Stored::Missing);
    plain.tags = vec![TagChoice::Existing(bob.tags[0].id)];
    assert_eq!(entries.unseal(me, mine, &plain, 1, at(1)).await.unwrap(), Stored::UnknownTag(bob.tags[0].id));
    on("SealedEntries.delete");
    for expected in [None, Some(1), Some(2)] {
        assert_eq!(entries.delete(me, theirs, expected).await.unwrap(), Stored::Missing);
    }
}

async fn try_attachments(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let attachments = world.attachments();
    let (theirs, their_recording) = (bob.entries[0].id, bob.recordings[0].id);
    on("Attachments.get");
    assert_eq!(attachments.get(me, theirs).await.unwrap(), None);
    on("Attachments.put");
    assert_eq!(attachments.put(me, &world.new_recording(theirs), None, at(1)).await.unwrap(), Attached::Missing);
    let stolen = NewAttachment { id: their_recording, ..world.new_recording(ada.entries[0].id) };
    assert_conflict(attachments.put(me, &stolen, None, at(1)).await, "pk_attachments");
    on("Attachments.remove");
    assert_eq!(attachments.remove(me, theirs, AUDIO, at(1)).await.unwrap(), []);
    on("Attachments.usage");
    assert_eq!(attachments.usage(me).await.unwrap(), 1000);
    on("Attachments.known");
    let both = [their_recording, ada.recordings[0].id];
    assert_eq!(attachments.known(me, &both).await.unwrap(), [ada.recordings[0].id]);
}

/// These methods are for the server itself. They are about the database, or about ids.
async fn try_attachment_store(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let stores = world.attachment_store();
    let (mine, theirs) = (ada.recordings[0].id, bob.recordings[0].id);
    on("AttachmentStore.get");
    assert_eq!(stores.get().await.unwrap(), None);
    on("AttachmentStore.identify");
    let store = stores.identify(StoreId(world.id()), at(1), at(1)).await.unwrap();
    on("AttachmentStore.begin_sweep");
    assert!(stores.begin_sweep(&store, at(1), at(1)).await.unwrap());
    on("AttachmentStore.end_sweep");
    stores.end_sweep(store.id, 1, None, at(1), at(1)).await.unwrap();
    on("AttachmentStore.replace");
    stores.replace(StoreId(world.id()), at(1), at(1)).await.unwrap();
    on("AttachmentStore.recordings");
    let both = stores.recordings(None, 10).await.unwrap();
    assert_eq!(both, [(ada.user.id, mine), (bob.user.id, theirs)]);
    on("AttachmentStore.freed");
    assert_eq!(stores.freed(None, 10).await.unwrap(), []);
    on("AttachmentStore.remove_freed");
    stores.remove_freed(ada.user.id, &[theirs]).await.unwrap();
    assert_eq!(belongings(world, bob.user.id).await, *bob);
}

/// These methods take no user. They are about the database and return no user's rows.
async fn try_health(world: &World, bob: &Belongings, mut on: impl FnMut(&str)) {
    let health = world.health();
    on("Health.snapshot");
    let snapshot = format!("{:?}", health.snapshot(at(1)).await.unwrap());
    for private in ["mountains", "hills", bob.user.email.as_str(), &bob.entries[0].id.0.to_string()] {
        assert!(!snapshot.contains(private), "{private}: {snapshot}");
    }
    on("Health.schema");
    health.schema().await.unwrap();
    on("Health.write_cost");
    health.write_cost("idx_tags_user_id").await.unwrap().unwrap();
    on("Health.clock");
    health.clock().await.unwrap();
    assert_eq!(belongings(world, bob.user.id).await, *bob);
}

async fn try_ending_sessions_and_deleting(world: &World, ada: &Belongings, bob: &Belongings, mut on: impl FnMut(&str)) {
    let me = ada.user.id;
    let (users, sessions) = (world.users(), world.sessions());
    on("Users.set_password");
    assert!(users.set_password(me, &PasswordHash("new".into()), Some(bob.sessions[0].id), at(2)).await.unwrap());
    on("Sessions.delete_expired");
    let expired = Session { id: SessionId(world.id()), user_id: me, expires_at: at(1), ..ada.sessions[0].clone() };
    sessions.start(&expired).await.unwrap();
    assert_eq!(sessions.delete_expired(at(2)).await.unwrap(), 1);
    on("OpaqueSessions.delete_expired");
    let login = NewLogin {
        id: OpaqueSessionId(world.id()),
        expires_at: at(1),
        ..world.new_login(me, ada.secret_tags[0].id, at(1))
    };
    let mine = world.opaque_sessions().list(me, at(2)).await.unwrap();
    let tries = mine.iter().filter(|session| session.state != OpaqueState::Unlocked).count();
    // For the clock of this attempt, the earlier attempts are in the future, so the call corrects their dates.
    assert_eq!(world.opaque_sessions().start(&login, at(-100_000)).await.unwrap(), Started::Started);
    assert_eq!(world.opaque_sessions().delete_expired(at(2)).await.unwrap(), tries as u64 + 1);
    on("Sessions.correct_ends");
    assert_eq!(sessions.correct_ends(at(2)).await.unwrap(), 0);
    on("OpaqueSessions.correct_dates");
    assert_eq!(world.opaque_sessions().correct_dates(at(2)).await.unwrap(), 0);
    on("Users.set_active");
    assert!(users.set_active(me, false, at(2)).await.unwrap());
    assert_eq!(belongings(world, bob.user.id).await, *bob);
    on("Users.delete");
    assert_eq!(users.delete(me).await.unwrap(), Administered::Done(()));
    assert_eq!(belongings(world, bob.user.id).await, *bob);
}

/// The name `Trait.method` of each method of a service, read from the source of the contract. `mod.rs` has `Storage` itself,
/// whose methods read and change no rows.
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
