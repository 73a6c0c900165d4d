//! How much each user may do at the same time, so that one user's load delays that user alone.
//!
//! The slots are for reads (a read's slot is its *turn*), for large responses and for exports. [`crate::http::share`]
//! limits the memory of requests, and counts every request of a user.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sotto_domain::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of slots for each user. Clones share them.
#[derive(Clone)]
pub struct UserSlots {
    per_user: usize,
    users: Arc<Mutex<HashMap<UserId, Arc<Semaphore>>>>,
}

/// One slot. It is free again when this is dropped.
pub struct UserSlot {
    _permit: OwnedSemaphorePermit,
    _use: Use,
}

impl UserSlots {
    pub fn new(per_user: usize) -> Self {
        Self { per_user, users: Arc::default() }
    }

    /// Waits for a slot of this user. Those who wait get one in the order in which they came; `None` after this time.
    pub async fn wait(&self, user: UserId, at_most: Duration) -> Option<UserSlot> {
        let slots = self.slots(user);
        let permit = tokio::time::timeout(at_most, slots.semaphore.clone().acquire_owned()).await;
        Some(UserSlot { _permit: permit.ok()?.ok()?, _use: slots })
    }

    /// A slot of this user, if one is free.
    pub fn try_take(&self, user: UserId) -> Option<UserSlot> {
        let slots = self.slots(user);
        let permit = slots.semaphore.clone().try_acquire_owned();
        Some(UserSlot { _permit: permit.ok()?, _use: slots })
    }

    fn slots(&self, user: UserId) -> Use {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let semaphore = users.entry(user).or_insert_with(|| Arc::new(Semaphore::new(self.per_user))).clone();
        drop(users);
        Use { slots: self.clone(), user, semaphore }
    }
}

/// Exists for each slot that is held or waited for. The last one of a user removes the user from the map.
struct Use {
    slots: UserSlots,
    user: UserId,
    semaphore: Arc<Semaphore>,
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut users = self.slots.users.lock().unwrap_or_else(PoisonError::into_inner);
        // One is the map's and one is this. Another one is made only while the map is locked.
        if Arc::strong_count(&self.semaphore) == 2 {
            users.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use uuid::Uuid;

    use super::*;

    const LONG: Duration = Duration::from_mins(5);

    fn user(id: u128) -> UserId {
        UserId(Uuid::from_u128(id))
    }

    #[tokio::test]
    async fn each_user_has_separate_slots_and_waits_in_a_queue() {
        let slots = UserSlots::new(2);
        let (first, _second) = (slots.try_take(user(1)).unwrap(), slots.try_take(user(1)).unwrap());
        assert!(slots.try_take(user(1)).is_none());
        assert!(slots.try_take(user(2)).is_some());

        let (mut third, mut fourth) = (Box::pin(slots.wait(user(1), LONG)), Box::pin(slots.wait(user(1), LONG)));
        assert!((&mut third).now_or_never().is_none() && (&mut fourth).now_or_never().is_none());
        drop(first);
        assert!((&mut fourth).now_or_never().is_none(), "it came later");
        let third = third.await.unwrap();
        drop(third);
        assert!(fourth.await.is_some());
    }

    #[tokio::test]
    async fn a_wait_ends_and_nothing_is_left_behind() {
        let slots = UserSlots::new(1);
        let taken = slots.try_take(user(1)).unwrap();
        assert!(slots.wait(user(1), Duration::from_millis(10)).await.is_none());
        assert!(slots.wait(user(1), LONG).now_or_never().is_none(), "this one gives up");
        assert_eq!(slots.users.lock().unwrap().len(), 1);
        drop(taken);
        assert!(slots.users.lock().unwrap().is_empty());
        assert!(slots.try_take(user(1)).is_some());
    }
}
