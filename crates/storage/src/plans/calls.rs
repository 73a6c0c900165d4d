//! Calls every method of the contract on a populated database, once for each set of statements that it may run.

use jiff::civil::date;
use sotto_domain::account::{
    AccountPatch, Administered, DraftKey, Email, NewUser, PasswordHash, Preferences, Session, UserPatch, UserQuery,
};
use sotto_domain::api_token::{ApiToken, CreatedApiToken, Scopes};
use sotto_domain::attachment::{Attached, NewAttachment};
use sotto_domain::entry::{EntryPatch, EntryQuery, NewEntry, TagFilter};
use sotto_domain::idempotency::KEPT_SECONDS;
use sotto_domain::identity::{GOOGLE, Identity, Unlinked};
use sotto_domain::secret_tag::{DeletedSecretTag, NewLogin, NewSecretTag, PlainBody, Started, Stored};
use sotto_domain::storage::Storage;
use sotto_domain::tag::{NewTag, TagChoice, TagPatch};
use sotto_domain::{
    ApiTokenId, AttachmentId, EntryId, IdentityId, OpaqueSessionId, ReminderId, SecretTagId, SessionId, StoreId, TagId,
    UserId, Zone,
};

use super::population::{RowKind, id};
use crate::conformance::idempotency::keyed;
use crate::conformance::world::{TOKEN, at, lock, plan, sealed, up_to};

/// Calls all methods. `after` receives the name of each method when its calls are done.
pub async fn all(storage: &dyn Storage, mut after: impl FnMut(&str)) {
    entries(storage, &mut after).await;
    tags(storage, &mut after).await;
    reminders(storage, &mut after).await;
    sessions(storage, &mut after).await;
    identities(storage, &mut after).await;
    api_tokens(storage, &mut after).await;
    idempotency_keys(storage, &mut after).await;
    secret_tags(storage, &mut after).await;
    opaque_sessions(storage, &mut after).await;
    sealed_entries(storage, &mut after).await;
    attachments(storage, &mut after).await;
    attachment_store(storage, &mut after).await;
    users(storage, &mut after).await;
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

async fn entries(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let entries = storage.entries();
    let new = |n: u32, tags: Vec<TagChoice>| {
        let when = "2025-01-22T10:00:00Z";
        NewEntry::parse(entry(n), None, "text".into(), None, when, Ok(Zone::utc()), tags).unwrap()
    };
    let named = |name: &str, n: u32| TagChoice::Named(NewTag::parse(tag(n), name, None).unwrap());
    let choices = vec![TagChoice::Existing(tag(2)), named("tag3", 90), named("unheard of", 91)];
    entries.create(me(), &new(5001, vec![]), None, at(0)).await.unwrap();
    entries.create(me(), &new(5002, choices.clone()), None, at(0)).await.unwrap();
    entries.create(me(), &new(5002, vec![]), None, at(0)).await.unwrap();
    entries.create(me(), &new(5003, vec![]), keyed(me(), 1), at(0)).await.unwrap();
    entries.create(me(), &new(5003, vec![]), keyed(me(), 2), at(0)).await.unwrap();
    after("Entries.create");

    entries.get(me(), entry(7)).await.unwrap().unwrap();
    after("Entries.get");

    let patch = EntryPatch { content: Some("other".into()), ..EntryPatch::default() };
    entries.update(me(), entry(7), &patch, None, at(1)).await.unwrap();
    entries.update(me(), entry(7), &patch, Some(1), at(1)).await.unwrap();
    let patch = EntryPatch { tags: Some(choices), ..EntryPatch::default() };
    entries.update(me(), entry(7), &patch, Some(2), at(1)).await.unwrap();
    after("Entries.update");

    entries.delete(me(), entry(8), None).await.unwrap();
    entries.delete(me(), entry(9), Some(1)).await.unwrap();
    entries.delete(me(), entry(7), Some(1)).await.unwrap();
    after("Entries.delete");

    let (rare, common) = (TagFilter::Id(tag(3)), TagFilter::Key("tag1".into()));
    let page = up_to(20);
    for query in [
        page.clone(),
        EntryQuery { after: Some((at(-100 * 3600), entry(100))), ..page.clone() },
        EntryQuery { characters: Some(281), ..page.clone() },
        EntryQuery { limit: 8, ..page.clone() },
        EntryQuery { from: Some(date(2025, 1, 1)), to: Some(date(2025, 1, 7)), ..page.clone() },
        EntryQuery { from: Some(date(2025, 1, 1)), ..page.clone() },
        EntryQuery { to: Some(date(2025, 1, 7)), ..page.clone() },
        EntryQuery { tag: Some(rare.clone()), ..page.clone() },
        EntryQuery { tag: Some(common.clone()), ..page.clone() },
        EntryQuery { words: vec!["word77".into()], ..page.clone() },
        EntryQuery { words: vec!["common".into()], ..page.clone() },
        EntryQuery { words: vec!["common".into(), "word7".into()], tag: Some(common), ..page.clone() },
        EntryQuery {
            words: vec!["common".into()],
            tag: Some(rare),
            from: Some(date(2024, 12, 1)),
            to: Some(date(2025, 1, 7)),
            after: Some((at(-100 * 3600), entry(100))),
            ..page
        },
    ] {
        assert!(!entries.list(me(), &query).await.unwrap().is_empty(), "{query:?}");
    }
    after("Entries.list");

    assert!(!entries.days(me(), date(2025, 1, 1), date(2025, 1, 31)).await.unwrap().is_empty());
    after("Entries.days");
    assert!(!entries.on_days(me(), &[date(2025, 1, 1), date(2025, 1, 5)], 100).await.unwrap().is_empty());
    after("Entries.on_days");
}

/// A create with an idempotency key runs the same extra statements for every kind of row.
async fn idempotency_keys(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let keys = storage.idempotency_keys();
    assert_eq!(keys.find(me(), &[1; 32]).await.unwrap().unwrap().id, entry(5003).0);
    after("IdempotencyKeys.find");
    keys.correct_dates(at(0)).await.unwrap();
    after("IdempotencyKeys.correct_dates");
    assert!(keys.delete_expired(at(KEPT_SECONDS - 4 * 3600)).await.unwrap() > 0);
    after("IdempotencyKeys.delete_expired");
}

async fn tags(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let tags = storage.tags();
    tags.create(me(), &NewTag::parse(tag(92), "new", None).unwrap(), None, at(0)).await.unwrap();
    after("Tags.create");
    tags.get(me(), tag(1)).await.unwrap().unwrap();
    after("Tags.get");
    tags.update(me(), tag(1), &TagPatch::parse(Some("first"), None).unwrap(), at(1)).await.unwrap().unwrap();
    after("Tags.update");
    assert!(tags.delete(me(), tag(5)).await.unwrap());
    after("Tags.delete");
    for place in [None, Some((at(-4 * 3600), id(RowKind::Tag, 1, 4)))] {
        assert!(!tags.list(me(), place, 100).await.unwrap().is_empty());
    }
    after("Tags.list");
}

async fn reminders(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let reminders = storage.reminders();
    let reminder = |n: u32| ReminderId(id(RowKind::Reminder, 1, n));
    let made = reminders.create(me(), reminder(90), &plan("new", "daily", None), None, at(0)).await.unwrap();
    after("Reminders.create");
    reminders.get(me(), reminder(1)).await.unwrap().unwrap();
    after("Reminders.get");
    let other = plan("other", "weekly", None);
    reminders.replace(me(), reminder(90), &other, made.updated_at, at(1)).await.unwrap().unwrap();
    after("Reminders.replace");
    assert!(reminders.delete(me(), reminder(90)).await.unwrap());
    after("Reminders.delete");
    for place in [None, Some((at(-2 * 3600), id(RowKind::Reminder, 1, 2)))] {
        assert!(!reminders.list(me(), place, 100).await.unwrap().is_empty());
    }
    after("Reminders.list");
}

async fn sessions(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let sessions = storage.sessions();
    let session = |n: u32| SessionId(id(RowKind::Session, 1, n));
    let new = Session {
        id: session(90),
        user_id: me(),
        generation: 1,
        rotated_at: at(0),
        expires_at: at(1000),
        user_agent: None,
        created_at: at(0),
    };
    sessions.start(&new).await.unwrap();
    after("Sessions.start");
    sessions.standing(me(), session(90)).await.unwrap().unwrap();
    after("Sessions.standing");
    for generation in [1, 7] {
        sessions.rotate(me(), session(90), generation, at(2000), at(1)).await.unwrap();
    }
    after("Sessions.rotate");
    assert!(sessions.end(me(), session(1)).await.unwrap());
    after("Sessions.end");
    assert!(!sessions.list(me(), at(0)).await.unwrap().is_empty());
    after("Sessions.list");
    // The expired sessions of the last users only: as many as expire in a day, not in years.
    assert!(sessions.delete_expired(at(20 * 3600)).await.unwrap() > 0);
    after("Sessions.delete_expired");
    sessions.correct_ends(at(0)).await.unwrap();
    after("Sessions.correct_ends");
}

/// A secret tag of the user who writes the most.
fn secret(n: u32) -> SecretTagId {
    SecretTagId(id(RowKind::SecretTag, 1, n))
}

async fn secret_tags(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let secret_tags = storage.secret_tags();
    let (metadata, recovery_wrap, recovery_verifier) = (vec![0; 93], vec![0; 61], vec![0; 32]);
    let new = NewSecretTag { id: secret(90), lock: lock(1), metadata, recovery_wrap, recovery_verifier };
    secret_tags.create(me(), &new, None, at(0)).await.unwrap();
    secret_tags.create(me(), &new, None, at(0)).await.unwrap();
    after("SecretTags.create");
    secret_tags.get(me(), secret(1)).await.unwrap().unwrap();
    after("SecretTags.get");
    assert_eq!(secret_tags.list(me()).await.unwrap().len(), 3);
    after("SecretTags.list");
    secret_tags.set_lock(me(), secret(90), &lock(2), 1, None, at(1)).await.unwrap().unwrap();
    after("SecretTags.set_lock");
    assert!(secret_tags.set_metadata(me(), secret(90), &[1; 93], at(1)).await.unwrap());
    after("SecretTags.set_metadata");
    assert!(matches!(secret_tags.delete(me(), secret(1), false).await.unwrap(), DeletedSecretTag::HasEntries(_)));
    secret_tags.delete(me(), secret(90), true).await.unwrap();
    after("SecretTags.delete");
    assert_eq!(secret_tags.server_keys().await.unwrap(), [[0; 16]]);
    after("SecretTags.server_keys");
}

async fn opaque_sessions(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let sessions = storage.opaque_sessions();
    let session = |n: u32| OpaqueSessionId(id(RowKind::OpaqueSession, 1, n));
    for n in [90, 91] {
        let (expires_at, state) = (at(100), vec![0; 157]);
        let login = NewLogin { id: session(n), user_id: me(), tag: secret(1), state, expires_at };
        assert_eq!(sessions.start(&login, at(0)).await.unwrap(), Started::Started);
    }
    after("OpaqueSessions.start");
    sessions.take(me(), session(90), at(1)).await.unwrap().unwrap();
    after("OpaqueSessions.take");
    sessions.unlock(me(), session(90), 1, &TOKEN, at(1)).await.unwrap().unwrap();
    after("OpaqueSessions.unlock");
    sessions.open(me(), session(90), &TOKEN, at(100)).await.unwrap().unwrap();
    after("OpaqueSessions.open");
    assert!(!sessions.list(me(), at(0)).await.unwrap().is_empty());
    after("OpaqueSessions.list");
    for n in [91, 90] {
        assert!(sessions.end(me(), session(n)).await.unwrap());
    }
    after("OpaqueSessions.end");
    sessions.lock(me(), secret(1)).await.unwrap();
    after("OpaqueSessions.lock");
    sessions.end_all(me()).await.unwrap();
    after("OpaqueSessions.end_all");
    // Again as many as expire in a day.
    sessions.delete_expired(at(20 * 3600)).await.unwrap();
    after("OpaqueSessions.delete_expired");
    sessions.correct_dates(at(0)).await.unwrap();
    after("OpaqueSessions.correct_dates");
}

async fn sealed_entries(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let entries = storage.sealed_entries();
    let body = sealed(secret(1), 1);
    for _ in 0..2 {
        entries.create(me(), entry(6001), &body, None, at(0)).await.unwrap();
    }
    after("SealedEntries.create");
    entries.get(me(), entry(4001)).await.unwrap().unwrap();
    after("SealedEntries.get");
    for place in [None, Some((at(-100 * 3600), entry(4100)))] {
        assert_eq!(entries.list(me(), secret(1), place, 20).await.unwrap().len(), 20);
    }
    after("SealedEntries.list");
    for expected in [1, 1] {
        entries.replace(me(), entry(4001), &body, expected, at(1)).await.unwrap();
    }
    after("SealedEntries.replace");
    assert!(matches!(entries.seal(me(), entry(20), &body, 1, at(1)).await.unwrap(), Stored::Stored(_)));
    after("SealedEntries.seal");
    let when = "2025-01-22T10:00:00Z";
    let plain = NewEntry::parse(entry(20), None, "text".into(), None, when, Ok(Zone::utc()), vec![]).unwrap();
    let tags = vec![TagChoice::Existing(tag(1)), TagChoice::Named(NewTag::parse(tag(93), "never", None).unwrap())];
    let plain = PlainBody { body: plain.body, tags };
    assert!(matches!(entries.unseal(me(), entry(20), &plain, 2, at(2)).await.unwrap(), Stored::Stored(_)));
    after("SealedEntries.unseal");
    for (n, expected) in [(4002, None), (4003, Some(1)), (4001, Some(1))] {
        entries.delete(me(), entry(n), expected).await.unwrap();
    }
    after("SealedEntries.delete");
}

async fn attachments(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let attachments = storage.attachments();
    let recording = |n: u32| AttachmentId(id(RowKind::Attachment, 1, n));
    attachments.get(me(), entry(30)).await.unwrap().unwrap();
    after("Attachments.get");
    for (n, entry) in [(9001, entry(31)), (9002, entry(1000))] {
        let (media_type, audio_url) = ("audio/ogg".to_owned(), Some("/audio".to_owned()));
        let new =
            NewAttachment { id: recording(n), entry_id: entry, media_type, byte_length: 9, sha256: [0; 32], audio_url };
        let put = attachments.put(me(), &new, Some(1 << 40), at(1)).await.unwrap();
        assert!(matches!(put, Attached::Attached(..)), "{put:?}");
    }
    after("Attachments.put");
    assert_eq!(attachments.remove(me(), entry(1000), "/audio", at(1)).await.unwrap(), [recording(9002)]);
    after("Attachments.remove");
    assert!(attachments.usage(me()).await.unwrap() > 9);
    after("Attachments.usage");
    assert_eq!(attachments.known(me(), &[recording(30), recording(9002)]).await.unwrap(), [recording(30)]);
    after("Attachments.known");
}

async fn identities(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let identities = storage.identities();
    let identity = |n: u32, person: u32, issuer: &str, subject: &str| Identity {
        id: IdentityId(id(RowKind::Identity, person, n)),
        user_id: other_user(person),
        issuer: issuer.into(),
        subject: subject.into(),
        email: None,
        created_at: at(0),
    };
    identities.find("https://id.example.org/1", "person77").await.unwrap().unwrap();
    after("Identities.find");
    for (n, issuer) in [(90, GOOGLE), (91, "https://other.example")] {
        identities.link(&identity(n, 1, issuer, "me")).await.unwrap();
    }
    after("Identities.link");
    let new = NewUser {
        id: other_user(9002),
        email: Email::parse("signed-up@example.org").unwrap(),
        password_hash: None,
        full_name: None,
        is_superuser: false,
        time_zone: Zone::utc(),
    };
    identities.sign_up(&new, None, &identity(1, 9002, GOOGLE, "new"), at(0)).await.unwrap();
    after("Identities.sign_up");
    assert_eq!(identities.list(me()).await.unwrap().len(), 4);
    after("Identities.list");
    for n in [90, 91] {
        let unlinked = identities.unlink(me(), IdentityId(id(RowKind::Identity, 1, n)), at(1)).await.unwrap();
        assert_eq!(unlinked, Unlinked::Unlinked);
    }
    after("Identities.unlink");
}

async fn api_tokens(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let tokens = storage.api_tokens();
    let new = ApiToken {
        id: ApiTokenId(id(RowKind::Token, 1, 90)),
        user_id: me(),
        name: "script".into(),
        scopes: Scopes::parse(["tags:read"]).unwrap(),
        expires_at: None,
        last_used_at: None,
        created_at: at(0),
    };
    assert_eq!(tokens.create(&new, &[7; 32], None).await.unwrap(), CreatedApiToken::Created);
    after("ApiTokens.create");
    tokens.standing(&[7; 32]).await.unwrap().unwrap();
    after("ApiTokens.standing");
    for now in [1, 2] {
        tokens.note_use(me(), new.id, at(now)).await.unwrap();
    }
    after("ApiTokens.note_use");
    assert_eq!(tokens.list(me()).await.unwrap().len(), 3);
    after("ApiTokens.list");
    assert!(tokens.delete(me(), new.id).await.unwrap());
    after("ApiTokens.delete");
}

async fn attachment_store(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let stores = storage.attachment_store();
    assert_eq!(stores.get().await.unwrap(), None);
    after("AttachmentStore.get");
    let store = stores.identify(StoreId(id(RowKind::Attachment, 0, 1)), at(1), at(1)).await.unwrap();
    after("AttachmentStore.identify");
    assert!(stores.begin_sweep(&store, at(2), at(2)).await.unwrap());
    after("AttachmentStore.begin_sweep");
    stores.end_sweep(store.id, 1, Some("trouble"), at(3), at(3)).await.unwrap();
    after("AttachmentStore.end_sweep");
    stores.replace(StoreId(id(RowKind::Attachment, 0, 2)), at(4), at(4)).await.unwrap();
    after("AttachmentStore.replace");
    assert_eq!(stores.recordings(Some(AttachmentId(id(RowKind::Attachment, 1, 10))), 100).await.unwrap().len(), 100);
    after("AttachmentStore.recordings");
    let freed = stores.freed(None, 100).await.unwrap();
    assert!(!freed.is_empty());
    after("AttachmentStore.freed");
    stores.remove_freed(freed[0].0, &[freed[0].1]).await.unwrap();
    after("AttachmentStore.remove_freed");
}

async fn users(storage: &dyn Storage, after: &mut impl FnMut(&str)) {
    let users = storage.users();
    let new = NewUser {
        id: other_user(9001),
        email: Email::parse("new@example.org").unwrap(),
        password_hash: None,
        full_name: None,
        is_superuser: false,
        time_zone: Zone::utc(),
    };
    users.create(&new, None, at(0)).await.unwrap();
    after("Users.create");
    users.get(me()).await.unwrap().unwrap();
    after("Users.get");
    users.credentials(&Email::parse("person77@example.org").unwrap()).await.unwrap().unwrap();
    after("Users.credentials");
    let patch = UserPatch { full_name: Some(Some("Ada".into())), ..UserPatch::default() };
    users.update(me(), &patch, at(1)).await.unwrap().unwrap();
    // This patch moves the reminders, which are in UTC like their user.
    let patch = UserPatch { time_zone: Zone::named("Asia/Tokyo"), ..UserPatch::default() };
    users.update(me(), &patch, at(1)).await.unwrap().unwrap();
    after("Users.update");
    let keep = Some(SessionId(id(RowKind::Session, 1, 2)));
    assert!(users.set_password(me(), &PasswordHash("new".into()), keep, at(1)).await.unwrap());
    after("Users.set_password");
    for active in [false, true] {
        assert!(users.set_active(other_user(2), active, at(1)).await.unwrap());
    }
    after("Users.set_active");
    for (search, after) in [(None, None), (None, Some("person1500@example.org")), (Some("person15"), None)] {
        let after = after.map(|email| Email::parse(email).unwrap());
        let query = UserQuery { search: search.map(str::to_owned), after, limit: 10 };
        assert_eq!(users.list(&query).await.unwrap().len(), 10);
    }
    after("Users.list");
    assert_eq!(users.preferences(me()).await.unwrap(), Some(Preferences::default()));
    after("Users.preferences");
    for fresh in [1, 2] {
        assert_eq!(users.draft_key(me(), &DraftKey([fresh; 32]), at(1)).await.unwrap(), Some(DraftKey([1; 32])));
    }
    after("Users.draft_key");
    for is_superuser in [true, false] {
        let patch = AccountPatch { is_superuser: Some(is_superuser), is_active: Some(true), ..AccountPatch::default() };
        users.administer(me(), &patch, at(1)).await.unwrap();
    }
    let off = AccountPatch { is_active: Some(false), ..AccountPatch::default() };
    users.administer(other_user(4), &off, at(1)).await.unwrap();
    after("Users.administer");
    assert_eq!(users.delete(other_user(3)).await.unwrap(), Administered::Done(()));
    assert_eq!(users.delete(me()).await.unwrap(), Administered::LastSuperuser);
    after("Users.delete");
}
