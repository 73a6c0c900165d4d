//! Tests of behaviour that only PostgreSQL has. Behaviour that both engines share is tested in `crate::conformance`.

mod connections;
mod few;
mod frozen;
mod health;
mod plans;
mod pooler;
mod reads;
mod rows;
mod sealing;
mod text;

use sotto_domain::account::{Email, NewUser};
use sotto_domain::entry::NewEntry;
use sotto_domain::storage::{StorageError, Users};
use sotto_domain::{EntryId, Timestamp, UserId, Zone};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::DatabaseUrl;
use crate::postgres::{PoolOptions, Postgres};
use crate::testing::Scratch;

/// A database with the schema and a user, with a connection of Sotto's and one of an administrator.
struct Journal {
    storage: Postgres,
    admin: Client,
    user: UserId,
    url: String,
    _scratch: Scratch,
}

impl Journal {
    async fn new() -> Self {
        Self::with(PoolOptions::default()).await
    }

    async fn with(options: PoolOptions) -> Self {
        let scratch = Scratch::postgres().await;
        crate::migrate::upgrade(&scratch.url).await.unwrap();
        let DatabaseUrl::Postgres(url) = scratch.url.clone() else { panic!("a PostgreSQL database was asked for") };
        let (admin, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let storage = Postgres::connect_with(&url, options).await.unwrap();
        let user = UserId(Uuid::from_u128(1));
        let new = NewUser {
            id: user,
            email: Email::parse("ada@example.org").unwrap(),
            password_hash: None,
            full_name: None,
            is_superuser: false,
            email_verified: false,
            time_zone: Zone::utc(),
        };
        Users::create(&storage, &new, None, now()).await.unwrap();
        Self { storage, admin, user, url, _scratch: scratch }
    }
}

/// Returns the message of an `Unavailable` error.
#[track_caller]
fn unavailable<T>(result: Result<T, StorageError>) -> String {
    match result {
        Err(StorageError::Unavailable(sentence)) => sentence,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it succeeded"),
    }
}

fn now() -> Timestamp {
    Timestamp::parse("2025-01-22T10:00:00Z").unwrap()
}

fn new_entry(id: u128, content: &str) -> NewEntry {
    let id = EntryId(Uuid::from_u128(id));
    NewEntry::parse(id, None, content.into(), None, "2025-01-22T10:00:00Z", Ok(Zone::utc()), vec![]).unwrap()
}
