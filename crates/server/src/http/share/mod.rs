//! What one request, one user, and all requests together may take of the server's memory.
//!
//! Each user has a number of places for requests and for uploads, and a number of bytes for bodies; all users together
//! have a number of bytes, too. Callers who are not signed in have an allowance of their own, so that they never use up
//! that of users. A request that finds no room waits for a moment and is then refused.
//!
//! This is about memory. [`crate::user_slots`] limits the work of one user: the reads, large responses and exports that
//! go on at the same time.

mod held;

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use sotto_domain::UserId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;

pub use held::{Held, release_shares};

/// How much each may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareLimits {
    /// Requests of one user at once, until their responses are sent.
    pub requests: usize,
    /// Uploads of recordings of one user at once.
    pub uploads: usize,
    /// Uploads of recordings of all users at once.
    pub all_uploads: usize,
    /// Bytes of request bodies of one user at once.
    pub user_bytes: usize,
    /// Bytes of request bodies of all users at once.
    pub all_bytes: usize,
    /// Bytes of small request bodies (up to [`SMALL_BODY`]) of all users at once, which do not wait for large ones.
    pub small_bytes: usize,
    /// Bytes of request bodies of all callers who are not signed in: a small body for each connection, because
    /// otherwise a few callers could keep all others from signing in.
    pub anonymous_bytes: usize,
    /// How long a request waits for its share.
    pub wait: Duration,
}

/// A small body, in bytes.
pub const SMALL_BODY: usize = 16 << 10;
/// Bodies are counted in this many bytes, because a semaphore has few permits.
const UNIT: usize = 1 << 10;
/// Time after which the state of an idle user is forgotten, longer than any request takes.
const IDLE: Duration = Duration::from_hours(1);
/// Users whose state is kept at once.
const MAX_USERS: u64 = 100_000;

impl Default for ShareLimits {
    fn default() -> Self {
        Self {
            requests: 16,
            uploads: 4,
            all_uploads: 32,
            user_bytes: 16 << 20,
            all_bytes: 64 << 20,
            small_bytes: 8 << 20,
            anonymous_bytes: 4096 * SMALL_BODY,
            wait: Duration::from_secs(2),
        }
    }
}

impl ShareLimits {
    /// Without limits per user, for load tests by one user.
    #[must_use]
    pub fn for_load_tests() -> Self {
        let any = Semaphore::MAX_PERMITS;
        let all = Self::default();
        Self { requests: any, uploads: any, user_bytes: all.all_bytes, ..all }
    }
}

/// The shares that are taken at the moment.
pub struct Shares {
    limits: ShareLimits,
    users: Cache<UserId, Arc<UserShare>>,
    uploads: Arc<Semaphore>,
    large: Arc<Semaphore>,
    small: Arc<Semaphore>,
    anonymous: Arc<Semaphore>,
}

struct UserShare {
    requests: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// The permission to upload a recording, until it is dropped.
pub struct UploadPlace {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Shares {
    pub fn new(limits: ShareLimits) -> Self {
        Self {
            users: Cache::builder().max_capacity(MAX_USERS).time_to_idle(IDLE).build(),
            uploads: places(limits.all_uploads),
            large: units(limits.all_bytes),
            small: units(limits.small_bytes),
            anonymous: units(limits.anonymous_bytes),
            limits,
        }
    }

    fn of(&self, user: UserId) -> Arc<UserShare> {
        self.users.get_with(user, || {
            Arc::new(UserShare {
                requests: places(self.limits.requests),
                uploads: places(self.limits.uploads),
                bytes: units(self.limits.user_bytes),
            })
        })
    }

    /// Counts a request of a user, once, until its response is sent.
    ///
    /// # Errors
    /// [`ApiError::TooManyAtOnce`] if the user has too many.
    pub async fn enter(&self, user: UserId, held: &Held) -> Result<(), ApiError> {
        if held.user().is_some() {
            return Ok(());
        }
        let place = self.in_time(self.of(user).requests.clone().acquire_owned(), ApiError::TooManyAtOnce).await?;
        held.hold_place(user, place);
        Ok(())
    }

    /// Counts an upload of a user.
    ///
    /// # Errors
    /// [`ApiError::TooManyAtOnce`] if the user has too many, [`ApiError::Busy`] if all users together have.
    pub async fn upload(&self, user: UserId) -> Result<UploadPlace, ApiError> {
        let own = self.in_time(self.of(user).uploads.clone().acquire_owned(), ApiError::TooManyAtOnce).await?;
        let all = self.in_time(self.uploads.clone().acquire_owned(), ApiError::Busy).await?;
        Ok(UploadPlace { _own: own, _all: all })
    }

    /// Reserves memory for a request body, until its handler has responded.
    ///
    /// # Errors
    /// [`ApiError::Busy`] if there is none.
    pub async fn reserve(&self, bytes: usize, held: &Held) -> Result<(), ApiError> {
        let count = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let take = |from: &Arc<Semaphore>| self.in_time(from.clone().acquire_many_owned(count), ApiError::Busy);
        match held.user() {
            None => held.hold_bytes(take(&self.anonymous).await?),
            Some(user) => {
                // First the user's own share, so that nobody waits in the common queue who could not go on.
                held.hold_bytes(take(&self.of(user).bytes).await?);
                let common = if bytes <= SMALL_BODY { &self.small } else { &self.large };
                held.hold_bytes(take(common).await?);
            }
        }
        Ok(())
    }

    async fn in_time<E>(
        &self,
        acquired: impl Future<Output = Result<OwnedSemaphorePermit, E>>,
        refusal: ApiError,
    ) -> Result<OwnedSemaphorePermit, ApiError> {
        match tokio::time::timeout(self.limits.wait, acquired).await {
            Ok(Ok(permit)) => Ok(permit),
            // No semaphore is ever closed.
            Ok(Err(_)) | Err(_) => Err(refusal),
        }
    }
}

fn places(number: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(number.min(Semaphore::MAX_PERMITS)))
}

fn units(bytes: usize) -> Arc<Semaphore> {
    places(bytes / UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hurried() -> Shares {
        Shares::new(ShareLimits { wait: Duration::from_millis(10), ..ShareLimits::default() })
    }

    fn user(number: u128) -> UserId {
        UserId(uuid::Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn a_user_has_sixteen_requests_at_once() {
        let shares = hurried();
        let mut open = Vec::new();
        for _ in 0..16 {
            let held = Held::default();
            shares.enter(user(1), &held).await.unwrap();
            // A second look at the credentials is no second request.
            shares.enter(user(1), &held).await.unwrap();
            open.push(held);
        }
        assert!(matches!(shares.enter(user(1), &Held::default()).await, Err(ApiError::TooManyAtOnce)));
        shares.enter(user(2), &Held::default()).await.unwrap();
        drop(open.pop());
        shares.enter(user(1), &Held::default()).await.unwrap();
    }

    #[tokio::test]
    async fn a_user_has_four_uploads_and_all_users_have_thirty_two() {
        let shares = hurried();
        let mut open = Vec::new();
        for number in 0..8 {
            for _ in 0..4 {
                open.push(shares.upload(user(number)).await.unwrap());
            }
            assert!(matches!(shares.upload(user(number)).await, Err(ApiError::TooManyAtOnce)));
        }
        assert!(matches!(shares.upload(user(9)).await, Err(ApiError::Busy)));
        drop(open.pop());
        shares.upload(user(9)).await.unwrap();
    }

    #[tokio::test]
    async fn bodies_share_a_number_of_bytes() {
        let shares = hurried();
        let mut open = Vec::new();
        for number in 0..4 {
            for _ in 0..4 {
                let held = Held::default();
                shares.enter(user(number), &held).await.unwrap();
                shares.reserve(4 << 20, &held).await.unwrap();
                open.push(held);
            }
            let held = Held::default();
            shares.enter(user(number), &held).await.unwrap();
            assert!(matches!(shares.reserve(1 << 20, &held).await, Err(ApiError::Busy)));
        }
        // The common bytes are used up. Small bodies and strangers have bytes of their own.
        let held = Held::default();
        shares.enter(user(9), &held).await.unwrap();
        assert!(matches!(shares.reserve(SMALL_BODY + 1, &held).await, Err(ApiError::Busy)));
        let held = Held::default();
        shares.enter(user(9), &held).await.unwrap();
        shares.reserve(SMALL_BODY, &held).await.unwrap();
        let mut strangers = Vec::new();
        for _ in 0..4096 {
            let held = Held::default();
            shares.reserve(SMALL_BODY, &held).await.unwrap();
            strangers.push(held);
        }
        assert!(matches!(shares.reserve(1, &Held::default()).await, Err(ApiError::Busy)));
        shares.reserve(SMALL_BODY, &held).await.unwrap();
        drop(open);
        shares.reserve(4 << 20, &held).await.unwrap();
    }
}
