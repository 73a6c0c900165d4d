//! Tests the methods that concern the database as a whole.

use sotto_domain::storage::{Storage, StorageError};

use super::world::{World, at, at_once};

pub async fn a_storage_is_reachable_and_names_its_engine(world: &World) {
    world.ping().await.unwrap();
    assert!(["sqlite", "postgres"].contains(&world.engine()));
}

pub async fn a_disk_space_probe_leaves_nothing(world: &World) {
    let user = world.user().await;
    let entry = world.write(user, "kept").await;
    for _ in 0..3 {
        world.probe_room().await.unwrap();
    }
    assert_eq!(world.entries().get(user, entry.id).await.unwrap(), Some(entry));
    world.close().await;
    assert!(matches!(world.probe_room().await, Err(StorageError::Unavailable(_))));
}

pub async fn stored_rows_survive_closing_and_opening(world: &World) {
    let user = world.user().await;
    let entry = world.write(user, "kept").await;
    world.close().await;
    let again = world.open_again().await;
    assert_eq!(again.entries().get(user, entry.id).await.unwrap(), Some(entry));
    again.close().await;
}

pub async fn closing_finishes_accepted_calls_and_rejects_later_ones(world: &World) {
    let user = world.user().await;
    let writing = at_once(32, |number| {
        let (storage, new) = (world.storage.clone(), world.new_entry(&number.to_string()));
        async move {
            if number == 16 {
                storage.close().await;
            }
            let stored = storage.entries().create(user, &new, None, at(0)).await;
            (new.id, stored)
        }
    });
    let written = writing.await;
    world.close().await;
    assert!(matches!(world.ping().await, Err(StorageError::Unavailable(_))));
    assert!(matches!(world.users().get(user).await, Err(StorageError::Unavailable(_))));
    assert!(matches!(world.users().delete(user).await, Err(StorageError::Unavailable(_))));

    let again: std::sync::Arc<dyn Storage> = world.open_again().await;
    for (id, stored) in written {
        let found = again.entries().get(user, id).await.unwrap();
        match stored {
            Ok(_) => assert!(found.is_some(), "an entry is lost"),
            Err(error) => assert!(matches!(error, StorageError::Unavailable(_)), "{error}"),
        }
    }
    again.close().await;
}
