//! Password hashing with Argon2id (RFC 9106), on a bounded number of threads.

use std::sync::{Arc, OnceLock};

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use sotto_domain::Random;
use sotto_domain::account::{Password, PasswordHash};
use sotto_domain::password::normalized;
use tokio::sync::Semaphore;

use crate::http::error::ApiError;

/// 19 MiB, 2 passes, 1 lane: the first choice of the OWASP Password Storage Cheat Sheet.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Requests that may wait for each running computation. More are refused.
const WAITING_PER_SLOT: usize = 32;

/// Hashes and verifies passwords outside of the request threads, one per core at a time.
#[derive(Clone)]
pub struct Hasher {
    slots: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    random: Arc<dyn Random>,
}

impl Hasher {
    pub fn new(random: Arc<dyn Random>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            slots: Arc::new(Semaphore::new(cores)),
            queue: Arc::new(Semaphore::new(cores * (1 + WAITING_PER_SLOT))),
            random,
        }
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`ApiError::Busy`] if too many requests are waiting.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, ApiError> {
        let random = self.random.clone();
        self.run(move || hash(&password, random.as_ref())).await?
    }

    /// Whether `password` matches `hash`. Without a hash (no such account) it computes one all the same and returns
    /// false, so that the response time does not reveal which addresses have accounts. A password that has another form
    /// than the typed one is tried in both, because older hashes are of the typed one.
    ///
    /// # Errors
    /// [`ApiError::Busy`] if too many requests are waiting.
    pub async fn verify(&self, password: String, hash: Option<PasswordHash>) -> Result<bool, ApiError> {
        self.run(move || {
            let known = hash.is_some();
            let hash = hash.as_ref().map_or_else(|| hash_without_account().as_str(), |hash| hash.0.as_str());
            let form = normalized(&password);
            let matches = phc::PasswordHash::new(hash).is_ok_and(|hash| {
                let is = |text: &str| Argon2::default().verify_password(text.as_bytes(), &hash).is_ok();
                is(&form) || (form != password && is(&password))
            });
            known && matches
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let _place = self.queue.try_acquire().map_err(|_| ApiError::Busy)?;
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| ApiError::Busy)?;
        // The slot moves into the work, so it stays taken if the client disconnects and this future is dropped.
        let done = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work()
        });
        done.await.map_err(ApiError::internal)
    }
}

/// Hashes a password on this thread, with 16 random bytes of salt.
pub fn hash(password: &Password, random: &dyn Random) -> Result<PasswordHash, ApiError> {
    let mut salt = [0; 16];
    random.fill(&mut salt);
    let hash: phc::PasswordHash =
        hasher()?.hash_password_with_salt(password.as_bytes(), &salt).map_err(ApiError::internal)?;
    Ok(PasswordHash(hash.to_string()))
}

fn hasher() -> Result<Argon2<'static>, ApiError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(ApiError::internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The hash to verify against when there is no account.
fn hash_without_account() -> &'static String {
    static NOBODY: OnceLock<String> = OnceLock::new();
    NOBODY.get_or_init(|| {
        let hash: Result<phc::PasswordHash, _> =
            hasher().and_then(|hasher| hasher.hash_password_with_salt(b"nobody", &[0; 16]).map_err(ApiError::internal));
        hash.map(|hash| hash.to_string()).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use sotto_domain::account::Owner;

    use super::*;
    use crate::system::SystemRandom;

    #[tokio::test]
    async fn passwords_verify_and_a_missing_hash_never_does() {
        let hasher = Hasher::new(Arc::new(SystemRandom));
        let password = Password::parse("correct horse", Owner::default()).unwrap();
        let hash = hasher.hash(password).await.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.0);
        assert!(hasher.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify("battery staple".into(), Some(hash)).await.unwrap());
        assert!(!hasher.verify("nobody".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn every_spelling_of_a_password_verifies_and_so_do_hashes_of_one_spelling() {
        let hasher = Hasher::new(Arc::new(SystemRandom));
        let (composed, decomposed) = ("schöne grüße", "scho\u{308}ne gru\u{308}ße");
        let hash = hasher.hash(Password::parse(decomposed, Owner::default()).unwrap()).await.unwrap();
        for spelling in [composed, decomposed] {
            assert!(hasher.verify(spelling.into(), Some(hash.clone())).await.unwrap(), "{spelling}");
        }
        // As earlier versions hashed: the text as typed.
        let salt = [7; 16];
        let old: phc::PasswordHash =
            super::hasher().unwrap().hash_password_with_salt(decomposed.as_bytes(), &salt).unwrap();
        let old = PasswordHash(old.to_string());
        assert!(hasher.verify(decomposed.into(), Some(old.clone())).await.unwrap());
        assert!(!hasher.verify(composed.into(), Some(old)).await.unwrap());
        assert!(!hasher.verify(decomposed.into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_burst_is_bounded() {
        let hasher = Hasher::new(Arc::new(SystemRandom));
        let held = hasher.slots.clone().acquire_many_owned(u32::try_from(hasher.slots.available_permits()).unwrap());
        let held = held.await.unwrap();
        let places = hasher.queue.available_permits();
        let waiting: Vec<_> = (0..places)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.verify("x".into(), None).await })
            })
            .collect();
        while hasher.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(hasher.verify("x".into(), None).await, Err(ApiError::Busy)));
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
        drop(held);
    }
}
