//! What every test starts with: an empty journal on one engine, and short ways to fill it.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sotto_domain::account::{Email, NewUser, PasswordHash, Session};
use sotto_domain::entry::{Created, Entry, EntryBody, EntryQuery, NewEntry};
use sotto_domain::reminder::{Reminder, ReminderPlan};
use sotto_domain::storage::{Storage, StorageError};
use sotto_domain::tag::{NewTag, Tag, TagChoice, TagName};
use sotto_domain::{EntryId, ReminderId, SecretTagId, SessionId, TagId, Timestamp, UserId, Zone};
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::DatabaseUrl;
use crate::testing::Scratch;

/// A journal with a schema and nothing in it. The storage is reached as if the world were one.
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

    /// The file of a SQLite world.
    pub fn file(&self) -> &Path {
        match &self.scratch.url {
            DatabaseUrl::Sqlite(path) => path,
            DatabaseUrl::Postgres(_) => panic!("this world has no file"),
        }
    }

    /// The same database, opened anew.
    pub async fn open_again(&self) -> Arc<dyn Storage> {
        self.scratch.url.open().await.unwrap()
    }

    /// An id that no other call gives; each is greater than the one before.
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
            time_zone: Zone::utc(),
        }
    }

    /// An account with an address of its own.
    pub async fn user(&self) -> UserId {
        let new = self.new_user(&format!("user-{}@example.org", self.ids.load(Ordering::Relaxed)));
        self.users().create(&new, at(0)).await.unwrap().id
    }

    /// A login from second 0 to 1000.
    pub async fn session(&self, user: UserId) -> Session {
        let session = Session {
            id: SessionId(self.id()),
            user_id: user,
            generation: 1,
            rotated_at: at(0),
            expires_at: at(1000),
            user_agent: Some("Firefox".into()),
            created_at: at(0),
        };
        self.sessions().start(&session).await.unwrap();
        session
    }

    /// An entry to be made, about second 0.
    pub fn new_entry(&self, content: &str) -> NewEntry {
        let body = EntryBody {
            title: None,
            content: content.into(),
            audio_url: None,
            entry_date: at(0),
            entry_zone: Zone::utc(),
        };
        NewEntry { id: EntryId(self.id()), body, tags: vec![] }
    }

    /// Stores an entry that is new.
    pub async fn store(&self, user: UserId, new: &NewEntry) -> Entry {
        match self.entries().create(user, new, at(0)).await.unwrap() {
            Created::Created(entry) => entry,
            other => panic!("not created: {other:?}"),
        }
    }

    /// Stores an entry about second 0.
    pub async fn write(&self, user: UserId, content: &str) -> Entry {
        self.store(user, &self.new_entry(content)).await
    }

    /// Stores an entry about that moment.
    pub async fn write_at(&self, user: UserId, moment: Timestamp, zone: &str, content: &str) -> Entry {
        let mut new = self.new_entry(content);
        new.body.entry_date = moment;
        new.body.entry_zone = Zone::named(zone).unwrap();
        self.store(user, &new).await
    }

    pub fn new_tag(&self, name: &str) -> NewTag {
        NewTag { id: TagId(self.id()), name: TagName::parse(name).unwrap(), color: None }
    }

    /// The choice of a tag by its name.
    pub fn named(&self, name: &str) -> TagChoice {
        TagChoice::Named(self.new_tag(name))
    }

    /// Makes a tag.
    pub async fn tag(&self, user: UserId, name: &str) -> Tag {
        self.tags().create(user, &self.new_tag(name), at(0)).await.unwrap()
    }

    /// Makes a daily reminder.
    pub async fn reminder(&self, user: UserId, title: &str) -> Reminder {
        self.reminders().create(user, ReminderId(self.id()), &plan(title, "daily", None), at(0)).await.unwrap()
    }

    /// The contents of a page.
    pub async fn contents(&self, user: UserId, query: &EntryQuery) -> Vec<String> {
        self.entries().list(user, query).await.unwrap().into_iter().map(|entry| entry.content).collect()
    }

    /// Runs statements behind the contract's back.
    pub async fn execute(&self, sql: &str) {
        self.scratch.execute(sql).await.unwrap();
    }

    /// Puts an entry under a new secret tag, behind the contract's back: sealing is not part of it.
    pub async fn seal(&self, user: UserId, entry: EntryId) {
        let tag = SecretTagId(self.id());
        match &self.scratch.url {
            DatabaseUrl::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                let (user, tag, entry) = (user.0.as_bytes(), tag.0.as_bytes(), entry.0.as_bytes());
                let insert = "INSERT INTO secret_tags (user_id, tag_id) VALUES (?1, ?2)";
                connection.execute(insert, [user, tag]).unwrap();
                assert_eq!(connection.execute(&seal_sql("?1", "?2", "?3", "x'00'"), [user, tag, entry]).unwrap(), 1);
            }
            DatabaseUrl::Postgres(url) => {
                let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
                tokio::spawn(connection);
                let insert = "INSERT INTO secret_tags (user_id, tag_id) VALUES ($1, $2)";
                client.execute(insert, &[&user.0, &tag.0]).await.unwrap();
                let seal = seal_sql("$1", "$2", "$3", "'\\x00'");
                assert_eq!(client.execute(&seal, &[&user.0, &tag.0, &entry.0]).await.unwrap(), 1);
            }
        }
    }
}

fn seal_sql(user: &str, tag: &str, entry: &str, bytes: &str) -> String {
    format!(
        "UPDATE journal_entries
         SET title = NULL, content = '', audio_url = NULL, word_count = 0, secret_tag_id = {tag},
             encrypted_content = {bytes}, wrapped_key = {bytes}, encryption_iv = {bytes}, wrap_iv = {bytes}
         WHERE user_id = {user} AND id = {entry}"
    )
}

/// Seconds after 2025-01-22T10:00:00Z, a Wednesday.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_737_540_000_000_000).unwrap().plus_seconds(seconds)
}

/// A plan for every evening at 20:00 in Berlin, or for other days.
pub fn plan(title: &str, frequency: &str, days: Option<&str>) -> ReminderPlan {
    let time = "2025-01-22T20:00:00+01:00";
    ReminderPlan::parse(title, "How was it?".into(), frequency, days, time, Err("Europe/Berlin"), true).unwrap()
}

/// All that is asked for, up to `limit`.
pub fn up_to(limit: u32) -> EntryQuery {
    EntryQuery { limit, ..EntryQuery::default() }
}

/// Does the same `count` times at once.
pub async fn at_once<T, F>(count: usize, call: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let calls: Vec<_> = (0..count).map(|number| tokio::spawn(call(number))).collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

/// Checks that a constraint of this name refused the change.
#[track_caller]
pub fn assert_conflict<T: std::fmt::Debug>(outcome: Result<T, StorageError>, name: &str) {
    match outcome {
        Err(StorageError::Conflict { constraint }) => assert_eq!(constraint, name),
        other => panic!("{name} should have refused this: {other:?}"),
    }
}
