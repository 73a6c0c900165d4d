//! Allowances that refill with time, one for each key, in bounded memory.
//!
//! The crate `governor` is not used, because it cannot give an attempt back that turned out to be no failure.

use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// Keys that are remembered at once. Beyond that, those are forgotten that were not used for the longest time.
const MAX_KEYS: u64 = 100_000;

/// How many attempts are allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// Attempts at once.
    pub burst: u32,
    /// The time after which one more is allowed.
    pub refill: Duration,
}

impl Allowance {
    /// This many times as many attempts, at once and afterwards.
    pub(super) fn times(self, factor: u32) -> Self {
        Self { burst: self.burst * factor, refill: self.refill / factor }
    }
}

/// The attempts of each key.
///
/// For each, one moment is kept: when all of the allowance will be there again (the generic cell rate algorithm).
pub(super) struct Attempts<K> {
    allowance: Allowance,
    full_at: Cache<K, Arc<Mutex<Duration>>>,
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Attempts<K> {
    pub(super) fn new(allowance: Allowance) -> Self {
        let time_until_full = allowance.refill * allowance.burst;
        let full_at = Cache::builder()
            .max_capacity(MAX_KEYS)
            // The usual policy would not admit a new key while all others are busy.
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(time_until_full)
            .build();
        Self { allowance, full_at }
    }

    /// Counts an attempt at `now`, or returns how long to wait.
    pub(super) fn take(&self, key: &K, now: Duration) -> Result<(), Duration> {
        let entry = self.full_at.get_with(key.clone(), Arc::default);
        let mut full_at = lock(&entry);
        let next = (*full_at).max(now) + self.allowance.refill;
        let most = self.allowance.refill * self.allowance.burst;
        let wait = next.saturating_sub(now + most);
        if !wait.is_zero() {
            return Err(wait);
        }
        *full_at = next;
        Ok(())
    }

    /// Gives back an attempt.
    pub(super) fn give_back(&self, key: &K) {
        if let Some(entry) = self.full_at.get(key) {
            let mut full_at = lock(&entry);
            *full_at = full_at.saturating_sub(self.allowance.refill);
        }
    }
}

fn lock(moment: &Mutex<Duration>) -> MutexGuard<'_, Duration> {
    moment.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_used_up_refilled_and_given_back() {
        let second = Duration::from_secs(1);
        let attempts = Attempts::new(Allowance { burst: 3, refill: 10 * second });
        let mut now = 100 * second;
        for _ in 0..3 {
            attempts.take(&"a", now).unwrap();
        }
        assert_eq!(attempts.take(&"a", now), Err(10 * second));
        attempts.take(&"b", now).unwrap();
        attempts.give_back(&"a");
        attempts.take(&"a", now).unwrap();
        now += 4 * second;
        assert_eq!(attempts.take(&"a", now), Err(6 * second));
        now += 6 * second;
        attempts.take(&"a", now).unwrap();
        assert!(attempts.take(&"a", now).is_err());
        // A full allowance does not grow, neither with time nor by what is given back.
        now += 1000 * second;
        attempts.give_back(&"a");
        assert_eq!((0..9).filter(|_| attempts.take(&"a", now).is_ok()).count(), 3);
    }
}
