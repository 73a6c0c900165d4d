//! The fixture of every test: an empty journal on one engine, with short methods that fill it.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sotto_domain::account::{Email, NewUser, PasswordHash};
use sotto_domain::api_token::{ApiToken, CreatedApiToken, Scopes};
use sotto_domain::entry::{Created, Entry, EntryBody, EntryQuery, NewEntry};
use sotto_domain::identity::Identity;
use sotto_domain::reminder::{Reminder, ReminderPlan};
use sotto_domain::secret_tag::{
    CreatedSecretTag, FailedTries, LOGIN_SECONDS, NewLogin, NewSecretTag, PhraseLock, Sealed, SealedBody, SealedEntry,
    SecretTag, Started, Stored,
};
use sotto_domain::session::Session;
use sotto_domain::storage::{Storage, StorageError};
use sotto_domain::tag::{NewTag, Tag, TagChoice, TagName};
use sotto_domain::{
    ApiTokenId, EntryDate, EntryId, IdentityId, OpaqueSessionId, ReminderId, SecretTagId, SessionId, TagId, Timestamp,
    UserId, Zone,
};
use uuid::Uuid;

use crate::DatabaseUrl;
use crate::testing::Scratch;

/// A database with a schema and no rows. It dereferences to its storage.
pub struct World {
    pub storage: Arc<dyn Storage>,
    scratch: Scratch,
    ids: AtomicU64,
}

impl std::ops::Deref for World {
    type Target = dyn Storage;

    fn deref(&self) -> &Self::Target {
        &*self.storage
    }
}

impl World {
    pub async fn sqlite() -> Self {
        Self::on(Scratch::sqlite()).await
    }

    pub async fn postgres() -> Self {
        Self::on(Scratch::postgres().await).await
    }

    async fn on(scratch: Scratch) -> Self {
        crate::migrate::upgrade(&scratch.url).await.unwrap();
        let storage = scratch.url.open().await.unwrap();
        Self { storage, scratch, ids: AtomicU64::new(0) }
    }

    pub fn url(&self) -> &DatabaseUrl {
        &self.scratch.url
    }

    /// The file of the SQLite database.
    pub fn file(&self) -> &Path {
        match &self.scratch.url {
            DatabaseUrl::Sqlite(path) => path,
            DatabaseUrl::Postgres(_) => panic!("this world has no file"),
        }
    }

    /// Opens the same database again.
    pub async fn open_again(&self) -> Arc<dyn Storage> {
        self.scratch.url.open().await.unwrap()
    }

    /// A new id, greater than all earlier ones.
    pub fn id(&self) -> Uuid {
        let number = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        Uuid::from_u128((0x0194_8d2e_5c00_7000_8000 << 48) | u128::from(number))
    }

    pub fn new_user(&self, email: &str) -> NewUser {
        NewUser {
            id: UserId(self.id()),
            email: Email::parse(email).unwrap(),
            password_hash: Some(PasswordHash("$argon2id$stand-in".into())),
            full_name: None,
            is_superuser: false,
            email_verified: false,
            time_zone: Zone::utc(),
        }
    }

    /// Creates an account with a unique address.
    pub async fn user(&self) -> UserId {
        let new = self.new_user(&format!("user-{}@example.org", self.ids.load(Ordering::Relaxed)));
        self.users().create(&new, None, at(0)).await.unwrap().id
    }

    /// Creates a session that lasts from second 0 to 1000.
    pub async fn session(&self, user: UserId) -> Session {
        let session = Session {
            id: SessionId(self.id()),
            user_id: user,
            generation: 1,
            rotated_at: at(0),
            expires_at: at(1000),
            user_agent: Some("Firefox".into()),
            confirmed_at: None,
            created_at: at(0),
        };
        self.sessions().start(&session).await.unwrap();
        session
    }

    pub fn new_identity(&self, user_id: UserId, issuer: &str, subject: &str) -> Identity {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        let email = Some("person@id.example.org".into());
        Identity { id: IdentityId(self.id()), user_id, issuer, subject, email, created_at: at(0) }
    }

    pub async fn identity(&self, user: UserId, issuer: &str, subject: &str) -> Identity {
        let identity = self.new_identity(user, issuer, subject);
        self.identities().link(&identity).await.unwrap();
        identity
    }

    pub fn new_api_token(&self, user_id: UserId) -> ApiToken {
        ApiToken {
            id: ApiTokenId(self.id()),
            user_id,
            name: "a script".into(),
            scopes: Scopes::parse(["entries:read"]).unwrap(),
            expires_at: None,
            last_used_at: None,
            created_at: at(0),
        }
    }

    /// Creates an API token that never expires.
    pub async fn api_token(&self, user: UserId, hash: [u8; 32]) -> ApiToken {
        let token = self.new_api_token(user);
        assert_eq!(self.api_tokens().create(&token, &hash, None).await.unwrap(), CreatedApiToken::Created);
        token
    }

    /// A new entry about second 0, not stored yet.
    pub fn new_entry(&self, content: &str) -> NewEntry {
        let body = EntryBody { title: None, content: content.into(), audio_url: None, date: date(0) };
        NewEntry { id: EntryId(self.id()), body, tags: vec![] }
    }

    /// Stores a new entry.
    pub async fn store(&self, user: UserId, new: &NewEntry) -> Entry {
        match self.entries().create(user, new, None, at(0)).await.unwrap() {
            Created::Created(entry) => entry,
            other => panic!("not created: {other:?}"),
        }
    }

    /// Stores an entry about second 0.
    pub async fn write(&self, user: UserId, content: &str) -> Entry {
        self.store(user, &self.new_entry(content)).await
    }

    /// Stores an entry about the given moment.
    pub async fn write_at(&self, user: UserId, moment: Timestamp, zone: &str, content: &str) -> Entry {
        let mut new = self.new_entry(content);
        new.body.date.moment = moment;
        new.body.date.zone = Zone::named(zone).unwrap();
        self.store(user, &new).await
    }

    pub fn new_tag(&self, name: &str) -> NewTag {
        NewTag { id: TagId(self.id()), name: TagName::parse(name).unwrap(), color: None }
    }

    /// Chooses a tag by its name.
    pub fn named(&self, name: &str) -> TagChoice {
        TagChoice::Named(self.new_tag(name))
    }

    pub async fn tag(&self, user: UserId, name: &str) -> Tag {
        self.tags().create(user, &self.new_tag(name), None, at(0)).await.unwrap()
    }

    /// Creates a daily reminder.
    pub async fn reminder(&self, user: UserId, title: &str) -> Reminder {
        self.reminders().create(user, ReminderId(self.id()), &plan(title, "daily", None), None, at(0)).await.unwrap()
    }

    /// The contents of the entries of a page.
    pub async fn contents(&self, user: UserId, query: &EntryQuery) -> Vec<String> {
        self.entries().list(user, query).await.unwrap().into_iter().map(|entry| entry.body.content).collect()
    }

    /// Runs SQL directly on the database, without the storage contract.
    pub async fn execute(&self, sql: &str) {
        self.scratch.execute(sql).await.unwrap();
    }

    pub fn new_secret_tag(&self) -> NewSecretTag {
        NewSecretTag {
            id: SecretTagId(self.id()),
            lock: lock(1),
            metadata: vec![2; 93],
            recovery_wrap: vec![3; 61],
            recovery_verifier: vec![4; 32],
        }
    }

    pub async fn secret_tag(&self, user: UserId) -> SecretTag {
        match self.secret_tags().create(user, &self.new_secret_tag(), None, at(0)).await.unwrap() {
            CreatedSecretTag::Created(tag) => tag,
            other => panic!("not created: {other:?}"),
        }
    }

    /// Moves an entry at revision 1 into a new secret tag.
    pub async fn seal(&self, user: UserId, entry: EntryId) -> SealedEntry {
        let tag = self.secret_tag(user).await.id;
        match self.sealed_entries().seal(user, entry, &sealed(tag, 1), 1, at(0)).await.unwrap() {
            Stored::Stored(moved) => moved.entry,
            other => panic!("not sealed: {other:?}"),
        }
    }

    /// Stores a sealed entry about second 0.
    pub async fn write_sealed(&self, user: UserId, tag: SecretTagId) -> SealedEntry {
        let id = EntryId(self.id());
        match self.sealed_entries().create(user, id, &sealed(tag, 1), None, at(0)).await.unwrap() {
            Stored::Stored(sealed) => sealed,
            other => panic!("not stored: {other:?}"),
        }
    }

    /// An attempt with the longest possible duration.
    pub fn new_login(&self, user: UserId, tag: SecretTagId, now: Timestamp) -> NewLogin {
        let expires_at = now.plus_seconds(LOGIN_SECONDS);
        NewLogin { id: OpaqueSessionId(self.id()), user_id: user, tag, state: vec![7; 157], expires_at }
    }

    /// Starts an attempt, and fails if it is slowed down.
    pub async fn login(&self, user: UserId, tag: SecretTagId, now: Timestamp) -> OpaqueSessionId {
        let login = self.new_login(user, tag, now);
        assert_eq!(self.opaque_sessions().start(&login, now).await.unwrap(), Started::Started);
        login.id
    }

    /// Makes an attempt with a wrong passphrase, and fails if it is slowed down.
    pub async fn fail(&self, user: UserId, tag: SecretTagId, now: Timestamp) -> OpaqueSessionId {
        let id = self.login(user, tag, now).await;
        assert!(self.opaque_sessions().take(user, id, now).await.unwrap().is_some());
        id
    }

    /// Unlocks a secret tag at version 1 with [`TOKEN`].
    pub async fn unlock(&self, user: UserId, tag: SecretTagId, now: Timestamp) -> (OpaqueSessionId, FailedTries) {
        let id = self.fail(user, tag, now).await;
        let tries = self.opaque_sessions().unlock(user, id, 1, &TOKEN, now).await.unwrap();
        (id, tries.expect("the right phrase opens it"))
    }
}

/// The SHA-256 of the unlock token of every unlocked secret tag.
pub const TOKEN: [u8; 32] = [9; 32];

/// The passphrase lock of a secret tag, distinguished by `byte`.
pub fn lock(byte: u8) -> PhraseLock {
    PhraseLock { record: vec![byte; 192], wrapped_master_key: vec![byte; 61], server_keys: [byte; 16] }
}

/// The body of a sealed entry about second 0, distinguished by `byte`.
pub fn sealed(tag: SecretTagId, byte: u8) -> SealedBody {
    let sealed = Sealed {
        encrypted_content: vec![byte; 49],
        encryption_iv: vec![byte; 12],
        wrapped_key: vec![byte; 48],
        wrap_iv: vec![byte; 12],
    };
    SealedBody { tag, sealed, date: date(0) }
}

/// The given number of seconds after 2025-01-22T10:00:00Z, a Wednesday.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_737_540_000_000_000).unwrap().plus_seconds(seconds)
}

/// The date of an entry that is `seconds` after 2025-01-22T10:00:00Z, in UTC.
pub fn date(seconds: i64) -> EntryDate {
    EntryDate { moment: at(seconds), zone: Zone::utc() }
}

/// A plan for 20:00 in Berlin, with the given frequency and days.
pub fn plan(title: &str, frequency: &str, days: Option<&str>) -> ReminderPlan {
    let time = "2025-01-22T20:00:00+01:00";
    ReminderPlan::parse(title, "How was it?".into(), frequency, days, time, Err("Europe/Berlin"), true).unwrap()
}

/// Selects all entries, up to `limit`.
pub fn up_to(limit: u32) -> EntryQuery {
    EntryQuery { limit, ..EntryQuery::default() }
}

/// Makes the same call `count` times concurrently.
pub async fn at_once<T, F>(count: usize, call: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let calls: Vec<_> = (0..count).map(|number| tokio::spawn(call(number))).collect();
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await.unwrap());
    }
    results
}

/// Checks that the constraint `name` rejected the change.
#[track_caller]
pub fn assert_conflict<T: std::fmt::Debug>(outcome: Result<T, StorageError>, name: &str) {
    match outcome {
        Err(StorageError::Conflict { constraint }) => assert_eq!(constraint, name),
        other => panic!("{name} should have refused this: {other:?}"),
    }
}
