//! Password hashing with Argon2id (RFC 9106), on a bounded number of threads.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, Version};
use sotto_domain::account::{Password, PasswordHash};
use sotto_domain::password::normalized;
use sotto_domain::{Random, UserId};

use super::hashing::{HashingThreads, Memory, Turn};
use crate::http::error::ApiError;

/// 19 MiB, 2 passes, 1 lane: the first choice of the OWASP Password Storage Cheat Sheet.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// Hashes and verifies passwords outside of the request threads. Clones share the threads and differ in their turn.
#[derive(Clone)]
pub struct Hasher {
    threads: HashingThreads,
    turn: Turn,
    random: Arc<dyn Random>,
}

impl Hasher {
    pub fn new(random: Arc<dyn Random>) -> Self {
        Self { threads: HashingThreads::for_this_machine(), turn: Turn::server(), random }
    }

    /// The same threads, in the turn of a signed-in user.
    #[must_use]
    pub fn for_user(&self, user: UserId) -> Self {
        Self { turn: Turn::of_user(user), ..self.clone() }
    }

    /// The same threads, in the turn of a client who is not signed in. It goes first if it signed in to the same
    /// account before, so that a flood of sign-ins does not keep the owner out.
    #[must_use]
    pub fn for_client(&self, address: IpAddr, is_known: bool) -> Self {
        Self { turn: Turn::of_client(address, is_known), ..self.clone() }
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`ApiError::Busy`] if too many requests are waiting.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, ApiError> {
        let random = self.random.clone();
        self.threads.run(self.turn, move |memory| hash_with(&password, random.as_ref(), memory)).await?
    }

    /// Whether `password` matches `hash`. Without a hash (no such account) it computes one all the same and returns
    /// false, so that the response time does not reveal which addresses have accounts. A password that has another form
    /// than the typed one is tried in both, because older hashes are of the typed one.
    ///
    /// # Errors
    /// [`ApiError::Busy`] if too many requests are waiting.
    pub async fn verify(&self, password: String, hash: Option<PasswordHash>) -> Result<bool, ApiError> {
        let work = move |memory: &mut Memory| {
            let known = hash.is_some();
            let hash = hash.as_ref().map_or_else(|| hash_without_account().as_str(), |hash| hash.0.as_str());
            let form = normalized(&password);
            let matches = matches(form.as_bytes(), hash, memory)
                || (form != password && matches(password.as_bytes(), hash, memory));
            known && matches
        };
        self.threads.run(self.turn, work).await
    }
}

/// Hashes a password on this thread, with 16 random bytes of salt.
pub fn hash(password: &Password, random: &dyn Random) -> Result<PasswordHash, ApiError> {
    hash_with(password, random, &mut Memory::default())
}

fn hash_with(password: &Password, random: &dyn Random, memory: &mut Memory) -> Result<PasswordHash, ApiError> {
    let mut salt = [0; 16];
    random.fill(&mut salt);
    compute(password.as_bytes(), &salt, memory).map(|hash| PasswordHash(hash.to_string()))
}

/// The hash of a password, in the form of a PHC string.
fn compute(password: &[u8], salt: &[u8], memory: &mut Memory) -> Result<phc::PasswordHash, ApiError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES)).map_err(ApiError::internal)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut out = [0; HASH_BYTES];
    let blocks = memory.blocks(params.block_count());
    argon2.hash_password_into_with_memory(password, salt, &mut out, blocks).map_err(ApiError::internal)?;
    // The length of the hash is that of the hash itself, and no parameter.
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(ApiError::internal)?;
    Ok(phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: phc::ParamsString::try_from(&params).map_err(ApiError::internal)?,
        salt: Some(phc::Salt::new(salt).map_err(ApiError::internal)?),
        hash: Some(phc::Output::new(&out).map_err(ApiError::internal)?),
    })
}

/// Whether a password has this hash. A hash that cannot be read has no password.
fn matches(password: &[u8], hash: &str, memory: &mut Memory) -> bool {
    let Ok(stored) = phc::PasswordHash::new(hash) else { return false };
    let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else { return false };
    let version = stored.version.map_or(Ok(Version::default()), Version::try_from);
    let (Ok(algorithm), Ok(version), Ok(params)) =
        (Algorithm::try_from(stored.algorithm.as_str()), version, Params::try_from(&stored))
    else {
        return false;
    };
    let mut out = vec![0; expected.len()];
    let blocks = memory.blocks(params.block_count());
    let argon2 = Argon2::new(algorithm, version, params);
    argon2.hash_password_into_with_memory(password, salt.as_ref(), &mut out, blocks).is_ok()
        // Compared in constant time.
        && phc::Output::new(&out).is_ok_and(|computed| computed == *expected)
}

/// The hash to verify against when there is no account.
fn hash_without_account() -> &'static String {
    static NOBODY: OnceLock<String> = OnceLock::new();
    NOBODY.get_or_init(|| {
        let hash = compute(b"nobody", &[0; 16], &mut Memory::default());
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
        use argon2::PasswordHasher;

        let hasher = Hasher::new(Arc::new(SystemRandom));
        let (composed, decomposed) = ("schöne grüße", "scho\u{308}ne gru\u{308}ße");
        let hash = hasher.hash(Password::parse(decomposed, Owner::default()).unwrap()).await.unwrap();
        for spelling in [composed, decomposed] {
            assert!(hasher.verify(spelling.into(), Some(hash.clone())).await.unwrap(), "{spelling}");
        }
        // As earlier versions hashed: the text as typed.
        let salt = [7; 16];
        let old: phc::PasswordHash = Argon2::default().hash_password_with_salt(decomposed.as_bytes(), &salt).unwrap();
        let old = PasswordHash(old.to_string());
        assert!(hasher.verify(decomposed.into(), Some(old.clone())).await.unwrap());
        assert!(!hasher.verify(composed.into(), Some(old)).await.unwrap());
        assert!(!hasher.verify(decomposed.into(), None).await.unwrap());
    }

    #[test]
    fn hashes_are_those_of_the_crate() {
        use argon2::{PasswordHasher, PasswordVerifier};

        let ours = hash(&Password::parse("correct horse battery", Owner::default()).unwrap(), &SystemRandom).unwrap().0;
        let parsed = phc::PasswordHash::new(&ours).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse battery", &parsed).is_ok());
        // Also one with other parameters, as another version may have stored it, after memory was used for ours.
        let params = Params::new(64, 3, 2, Some(16)).unwrap();
        let theirs = Argon2::new(Algorithm::Argon2i, Version::V0x10, params);
        let theirs: phc::PasswordHash = theirs.hash_password_with_salt(b"correct horse battery", &[7; 16]).unwrap();
        let mut memory = Memory::default();
        assert!(matches(b"correct horse battery", &ours, &mut memory));
        assert!(matches(b"correct horse battery", &theirs.to_string(), &mut memory));
        assert!(!matches(b"battery staple", &theirs.to_string(), &mut memory));
        for unreadable in ["", "$argon2id$", "$scrypt$ln=1$c2FsdHNhbHQ$aGFzaA"] {
            assert!(!matches(b"", unreadable, &mut memory), "{unreadable}");
        }
    }

    #[tokio::test]
    async fn a_burst_of_one_client_is_bounded() {
        let hasher = Hasher::new(Arc::new(SystemRandom)).for_client([192, 0, 2, 1].into(), false);
        let verify = || {
            let hasher = hasher.clone();
            async move { hasher.verify("x".into(), None).await }
        };
        let outcomes = futures_util::future::join_all((0..100).map(|_| verify())).await;
        let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(ApiError::Busy))).count();
        assert!((1..100).contains(&refused), "{refused}");
        assert!(!verify().await.unwrap());
    }
}
