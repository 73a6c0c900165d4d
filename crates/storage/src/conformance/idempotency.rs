//! Tests idempotency keys: one key creates one row.

use std::future::Future;

use sotto_domain::api_token::{CreatedApiToken, MAX_TOKENS};
use sotto_domain::clock::CLOCK_TOLERANCE;
use sotto_domain::entry::Created;
use sotto_domain::idempotency::{KEPT_SECONDS, KeyedCreate, RecordedCreate};
use sotto_domain::secret_tag::{CreatedSecretTag, Stored};
use sotto_domain::storage::StorageError;
use sotto_domain::tag::TagChoice;
use sotto_domain::{EntryId, ReminderId, SecretTagId, TagId, UserId};
use uuid::Uuid;

use super::world::{World, assert_conflict, at, at_once, plan, sealed, up_to};

const USED: &str = "pk_idempotency_keys";

/// An idempotency key of a user, distinguished by `number`.
#[expect(clippy::unnecessary_wraps, reason = "creates take an option")]
pub fn keyed(user: UserId, number: u8) -> Option<KeyedCreate> {
    Some(KeyedCreate { user, key_hash: [number; 32], request_hash: [number + 100; 32] })
}

async fn recorded_id(world: &World, user: UserId, number: u8) -> Option<Uuid> {
    let recorded = world.idempotency_keys().find(user, &[number; 32]).await.unwrap();
    recorded.map(|RecordedCreate { request_hash, id }| {
        assert_eq!(request_hash, [number + 100; 32]);
        id
    })
}

/// Calls `create` twice with the same key and different ids. `create` returns its id and its outcome.
async fn twice<T, F>(world: &World, user: UserId, number: u8, create: impl Fn(Option<KeyedCreate>) -> F)
where
    T: std::fmt::Debug,
    F: Future<Output = (Uuid, Result<T, StorageError>)>,
{
    assert_eq!(recorded_id(world, user, number).await, None);
    let (id, outcome) = create(keyed(user, number)).await;
    outcome.unwrap();
    assert_eq!(recorded_id(world, user, number).await, Some(id));
    let (_, outcome) = create(keyed(user, number)).await;
    assert_conflict(outcome, USED);
    assert_eq!(recorded_id(world, user, number).await, Some(id));
}

pub async fn each_create_with_one_key_creates_one_row(world: &World) {
    let user = world.user().await;
    let names = std::sync::atomic::AtomicU32::new(0);
    let name = || format!("new-{}@example.org", names.fetch_add(1, std::sync::atomic::Ordering::Relaxed));

    twice(world, user, 1, async |key| {
        let new = world.new_tag(&name());
        (new.id.0, world.tags().create(user, &new, key, at(0)).await)
    })
    .await;
    assert_eq!(world.tags().list(user, None, 10).await.unwrap().len(), 1);

    twice(world, user, 2, async |key| {
        let id = ReminderId(world.id());
        (id.0, world.reminders().create(user, id, &plan("one", "daily", None), key, at(0)).await)
    })
    .await;
    assert_eq!(world.reminders().list(user, None, 10).await.unwrap().len(), 1);

    for (number, tags) in [(3, vec![]), (4, vec![world.named("hills"), world.named("valleys")])] {
        twice(world, user, number, async |key| {
            let mut new = world.new_entry("one");
            new.tags = tags.clone();
            let outcome = world.entries().create(user, &new, key, at(0)).await;
            assert!(matches!(outcome, Ok(Created::Created(_)) | Err(_)), "{outcome:?}");
            (new.id.0, outcome)
        })
        .await;
    }
    assert_eq!(world.entries().list(user, &up_to(10)).await.unwrap().len(), 2);

    twice(world, user, 5, async |key| {
        let token = world.new_api_token(user);
        let hash = [key.map_or(0, |_| u8::try_from(token.id.0.as_u128() % 200).unwrap()); 32];
        (token.id.0, world.api_tokens().create(&token, &hash, key).await)
    })
    .await;
    assert_eq!(world.api_tokens().list(user).await.unwrap().len(), 1);

    twice(world, user, 6, async |key| {
        let new = world.new_user(&name());
        (new.id.0, world.users().create(&new, key, at(0)).await)
    })
    .await;

    twice(world, user, 7, async |key| {
        let new = world.new_secret_tag();
        (new.id.0, world.secret_tags().create(user, &new, key, at(0)).await)
    })
    .await;
    let tags = world.secret_tags().list(user).await.unwrap();
    assert_eq!(tags.len(), 1);

    twice(world, user, 8, async |key| {
        let id = EntryId(world.id());
        (id.0, world.sealed_entries().create(user, id, &sealed(tags[0].id, 1), key, at(0)).await)
    })
    .await;
    assert_eq!(world.sealed_entries().list(user, tags[0].id, None, 10).await.unwrap().len(), 1);
}

pub async fn a_used_key_is_reported_before_other_errors(world: &World) {
    let user = world.user().await;
    let (tag, secret) = (world.new_tag("one"), world.secret_tag(user).await.id);
    world.tags().create(user, &tag, keyed(user, 1), at(0)).await.unwrap();
    let key = keyed(user, 1);
    // The same create again. Without the key it would be rejected for its id and its name.
    assert_conflict(world.tags().create(user, &tag, key, at(1)).await, USED);
    let mut new = world.new_entry("with a tag that nobody has");
    new.tags = vec![TagChoice::Existing(TagId(world.id()))];
    assert_conflict(world.entries().create(user, &new, key, at(1)).await, USED);
    let entry = world.store(user, &world.new_entry("taken")).await.id;
    let mut new = world.new_entry("with an id that is taken");
    new.id = entry;
    assert_conflict(world.entries().create(user, &new, key, at(1)).await, USED);
    assert_conflict(world.sealed_entries().create(user, entry, &sealed(secret, 1), key, at(1)).await, USED);
    let mut new = world.new_secret_tag();
    new.id = secret;
    assert_conflict(world.secret_tags().create(user, &new, key, at(1)).await, USED);
}

pub async fn one_of_many_creates_with_one_key_creates_a_row(world: &World) {
    let user = world.user().await;
    let one_of = |created: usize, refused: Vec<StorageError>| {
        assert_eq!((created, refused.len()), (1, 7), "{refused:?}");
        for error in refused {
            assert_conflict::<()>(Err(error), USED);
        }
    };
    let tags = at_once(8, |number| {
        let (storage, new) = (world.storage.clone(), world.new_tag(&format!("tag {number}")));
        async move { storage.tags().create(user, &new, keyed(user, 1), at(0)).await }
    });
    let (created, refused): (Vec<_>, Vec<_>) = tags.await.into_iter().partition(Result::is_ok);
    one_of(created.len(), refused.into_iter().filter_map(Result::err).collect());
    let kept = world.tags().list(user, None, 10).await.unwrap();
    assert_eq!(kept, [created.into_iter().next().unwrap().unwrap()]);

    // These creates consist of several steps, and create a tag too.
    let entries = at_once(8, |number| {
        let (storage, mut new) = (world.storage.clone(), world.new_entry(&format!("entry {number}")));
        new.tags = vec![world.named(&format!("tag of {number}"))];
        async move { storage.entries().create(user, &new, keyed(user, 2), at(0)).await }
    });
    let (created, refused): (Vec<_>, Vec<_>) = entries.await.into_iter().partition(Result::is_ok);
    one_of(created.len(), refused.into_iter().filter_map(Result::err).collect());
    let kept = world.entries().list(user, &up_to(10)).await.unwrap();
    assert_eq!(created.into_iter().next().unwrap().unwrap(), Created::Created(kept[0].clone()));
    assert_eq!(world.tags().list(user, None, 10).await.unwrap().len(), 2);

    // These creates are subject to a limit, so they wait for each other's lock on the user.
    let tokens = at_once(8, |number| {
        let (storage, token) = (world.storage.clone(), world.new_api_token(user));
        let hash = [u8::try_from(number).unwrap(); 32];
        async move { storage.api_tokens().create(&token, &hash, keyed(user, 3)).await }
    });
    let (created, refused): (Vec<_>, Vec<_>) = tokens.await.into_iter().partition(Result::is_ok);
    one_of(created.len(), refused.into_iter().filter_map(Result::err).collect());
    assert_eq!(world.api_tokens().list(user).await.unwrap().len(), 1);
}

pub async fn a_failed_create_does_not_use_its_key(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    let key = keyed(user, 1);
    let mut new = world.new_entry("one");
    new.tags = vec![TagChoice::Existing(TagId(world.id()))];
    let refused = world.entries().create(user, &new, key, at(0)).await.unwrap();
    assert!(matches!(refused, Created::UnknownTag(_)), "{refused:?}");
    let mut taken = world.new_entry("two");
    taken.id = world.store(other, &world.new_entry("theirs")).await.id;
    for tags in [vec![], vec![world.named("new")]] {
        taken.tags = tags;
        assert_eq!(world.entries().create(user, &taken, key, at(0)).await.unwrap(), Created::IdTaken);
    }
    let tag = world.tag(user, "taken").await;
    let refused = world.tags().create(user, &world.new_tag("taken"), key, at(0)).await;
    assert_conflict(refused, "uq_tags_user_name_key");
    for number in 0..MAX_TOKENS {
        world.api_token(user, [u8::try_from(number).unwrap(); 32]).await;
    }
    let one_more = world.new_api_token(user);
    let refused = world.api_tokens().create(&one_more, &[99; 32], key).await.unwrap();
    assert_eq!(refused, CreatedApiToken::TooMany);
    let mut secret = world.new_secret_tag();
    secret.id = world.secret_tag(other).await.id;
    let refused = world.secret_tags().create(user, &secret, key, at(0)).await.unwrap();
    assert_eq!(refused, CreatedSecretTag::IdTaken);
    let nobodys = sealed(SecretTagId(world.id()), 1);
    let refused = world.sealed_entries().create(user, EntryId(world.id()), &nobodys, key, at(0)).await.unwrap();
    assert_eq!(refused, Stored::UnknownSecretTag);

    assert_eq!(recorded_id(world, user, 1).await, None);
    new.tags = vec![TagChoice::Existing(tag.id)];
    let created = world.entries().create(user, &new, key, at(0)).await.unwrap();
    assert!(matches!(created, Created::Created(_)), "{created:?}");
    assert_eq!(recorded_id(world, user, 1).await, Some(new.id.0));
}

pub async fn a_key_outlives_its_row(world: &World) {
    let user = world.user().await;
    let tag = world.new_tag("one");
    world.tags().create(user, &tag, keyed(user, 1), at(0)).await.unwrap();
    assert!(world.tags().delete(user, tag.id).await.unwrap());
    assert_eq!(recorded_id(world, user, 1).await, Some(tag.id.0));
    assert_conflict(world.tags().create(user, &tag, keyed(user, 1), at(1)).await, USED);
}

pub async fn keys_are_deleted_after_a_day_and_with_their_user(world: &World) {
    let (user, other) = (world.user().await, world.user().await);
    for (owner, number, second) in [(user, 1, 0), (user, 2, 5), (other, 1, 9)] {
        let new = world.new_tag(&format!("tag {number}"));
        world.tags().create(owner, &new, keyed(owner, number), at(second)).await.unwrap();
    }
    let keys = world.idempotency_keys();
    assert_eq!(keys.delete_expired(at(KEPT_SECONDS - 1)).await.unwrap(), 0);
    assert_eq!(keys.delete_expired(at(KEPT_SECONDS + 4)).await.unwrap(), 1);
    assert_eq!(recorded_id(world, user, 1).await, None);
    assert!(recorded_id(world, user, 2).await.is_some());
    // The key creates a row again.
    world.tags().create(user, &world.new_tag("later"), keyed(user, 1), at(KEPT_SECONDS)).await.unwrap();
    world.users().delete(user).await.unwrap();
    assert_eq!((recorded_id(world, user, 1).await, recorded_id(world, user, 2).await), (None, None));
    assert!(recorded_id(world, other, 1).await.is_some());
}

pub async fn a_key_from_a_wrong_clock_is_redated(world: &World) {
    let user = world.user().await;
    let ahead = 10 * KEPT_SECONDS;
    for (number, second) in [(1, ahead), (2, CLOCK_TOLERANCE)] {
        let new = world.new_tag(&format!("tag {number}"));
        world.tags().create(user, &new, keyed(user, number), at(second)).await.unwrap();
    }
    let keys = world.idempotency_keys();
    assert_eq!(keys.correct_dates(at(0)).await.unwrap(), 1);
    assert_eq!(keys.correct_dates(at(0)).await.unwrap(), 0);
    assert_eq!(keys.delete_expired(at(KEPT_SECONDS)).await.unwrap(), 1);
    assert_eq!(recorded_id(world, user, 1).await, None);
    assert!(recorded_id(world, user, 2).await.is_some());
}

pub async fn create_rejects_a_key_of_a_deleted_user(world: &World) {
    let user = world.user().await;
    world.users().delete(user).await.unwrap();
    let new = world.new_user("new@example.org");
    assert_conflict(world.users().create(&new, keyed(user, 1), at(0)).await, "fk_idempotency_keys_user");
    assert_eq!(world.users().get(new.id).await.unwrap(), None);
}
