//! Rate limits on sign-up, sign-in and other secrets that can be guessed, kept in memory by each node.
//!
//! Only failures count: an attempt is counted when it begins, so that attempts at the same time count, too, and given
//! back when it succeeds. Nobody can use up the allowance of an account's owner: an account's limit applies to clients
//! that never signed in to it. Those that did have an allowance of their own each, and so has a user who is signed in.

mod allowance;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use sotto_domain::account::Email;
use sotto_domain::{Clock, SessionId, UserId};

use self::allowance::{Allowance, Attempts};
use crate::http::client_network::{household, network};
use crate::http::error::ApiError;

/// Sign-ups per client: 10 at once, then one every 6 minutes.
const SIGN_UPS: Allowance = Allowance { burst: 10, refill: Duration::from_mins(6) };
/// Failed sign-ins per client, here an IPv4 address or an IPv6 /64: 30 at once, then one every 2 seconds.
const LOGINS: Allowance = Allowance { burst: 30, refill: Duration::from_secs(2) };
/// Failed sign-ins per account, from all clients that never signed in to it, and from each one that did: 10 at once,
/// then one every 10 seconds.
const LOGINS_PER_ACCOUNT: Allowance = Allowance { burst: 10, refill: Duration::from_secs(10) };
/// Wrong passwords of a signed-in user: the same.
const CONFIRMATIONS: Allowance = LOGINS_PER_ACCOUNT;
/// Wrong recovery keys per user and client: 10 at once, then one a minute. Their 256 random bits cannot be guessed.
const WRONG_RECOVERIES: Allowance = Allowance { burst: 10, refill: Duration::from_mins(1) };
/// Recoveries that begin with the right key, per user: 20 at once, then one an hour. Each lets the holder of the key
/// test one passphrase; nobody without the key can use them up.
const RECOVERIES: Allowance = Allowance { burst: 20, refill: Duration::from_hours(1) };

/// The networks that an IPv6 address counts for, in bits, and how many times the allowance of one client each has.
const IPV6_NETWORKS: [(u8, u32); 3] = [(64, 1), (56, 4), (48, 16)];
/// How long a client is known to have signed in to an account: 90 days.
const KNOWN_FOR: Duration = Duration::from_hours(90 * 24);
/// Pairs of account and client that are remembered.
const MAX_KNOWN: u64 = 100_000;

/// The limits. If sign-ups and sign-ins are not limited, recoveries still are.
pub struct RateLimits {
    limits_sign_in: bool,
    clock: Arc<dyn Clock>,
    sign_ups: PerNetwork,
    logins: PerNetwork,
    accounts: Attempts<Email>,
    /// Accounts and clients that have signed in to them.
    known: Cache<(Email, IpAddr), ()>,
    known_logins: Attempts<(Email, IpAddr)>,
    confirmations: Attempts<SessionId>,
    wrong_recoveries: Attempts<(UserId, IpAddr)>,
    recoveries: Attempts<UserId>,
}

/// An attempt that counts as failed, unless [`Self::succeeded`] is called.
#[must_use]
pub struct Attempt<'a> {
    limits: &'a RateLimits,
    /// `None` if it is not limited.
    kind: Option<Kind>,
}

enum Kind {
    /// With a provider, where the account is not known yet.
    Provider(IpAddr),
    /// By password, from a client that has not signed in to the account.
    Login(IpAddr, Email),
    /// By password, from a client that has.
    KnownLogin(IpAddr, Email),
    /// By password, of a signed-in user.
    Confirmation(SessionId),
    /// By recovery key, of a signed-in user.
    Recovery(UserId, IpAddr),
}

impl RateLimits {
    /// With `limits_sign_in` false, sign-ups and sign-ins are not limited.
    pub fn new(limits_sign_in: bool, clock: Arc<dyn Clock>) -> Self {
        let known = Cache::builder().max_capacity(MAX_KNOWN).eviction_policy(EvictionPolicy::lru());
        Self {
            limits_sign_in,
            clock,
            sign_ups: PerNetwork::new(SIGN_UPS),
            logins: PerNetwork::new(LOGINS),
            accounts: Attempts::new(LOGINS_PER_ACCOUNT),
            known: known.time_to_live(KNOWN_FOR).build(),
            known_logins: Attempts::new(LOGINS_PER_ACCOUNT),
            confirmations: Attempts::new(CONFIRMATIONS),
            wrong_recoveries: Attempts::new(WRONG_RECOVERIES),
            recoveries: Attempts::new(RECOVERIES),
        }
    }

    /// Counts a sign-up.
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`], with the time to wait; so do all others.
    pub fn check_sign_up(&self, from: IpAddr) -> Result<(), ApiError> {
        if self.limits_sign_in { self.sign_ups.take(from, self.now()).map_err(refusal) } else { Ok(()) }
    }

    /// Begins a sign-in with a provider, where the account is not known yet.
    pub fn begin_provider_sign_in(&self, from: IpAddr) -> Result<Attempt<'_>, ApiError> {
        self.begin(Kind::Provider(from), || self.logins.take(from, self.now()))
    }

    /// Begins a sign-in by password.
    pub fn begin_login(&self, from: IpAddr, account: &Email) -> Result<Attempt<'_>, ApiError> {
        let now = self.now();
        if self.knows(from, account) {
            let key = (account.clone(), household(from));
            return self.begin(Kind::KnownLogin(from, account.clone()), || self.known_logins.take(&key, now));
        }
        self.begin(Kind::Login(from, account.clone()), || {
            self.logins.take(from, now)?;
            self.accounts.take(account, now).inspect_err(|_| self.logins.give_back(from))
        })
    }

    /// Begins to check the password of a user who is signed in.
    ///
    /// Each session has its own allowance. A new one needs the password, so this allows no more guesses, and a stolen
    /// session does not use up what the owner has.
    pub fn begin_confirmation(&self, session: SessionId) -> Result<Attempt<'_>, ApiError> {
        self.begin(Kind::Confirmation(session), || self.confirmations.take(&session, self.now()))
    }

    /// Begins to check a recovery key.
    pub fn begin_recovery(&self, user: UserId, from: IpAddr) -> Result<Attempt<'_>, ApiError> {
        self.wrong_recoveries.take(&(user, household(from)), self.now()).map_err(refusal)?;
        Ok(Attempt { limits: self, kind: Some(Kind::Recovery(user, from)) })
    }

    /// Counts a recovery that begins with the right key.
    pub fn check_recovery(&self, user: UserId) -> Result<(), ApiError> {
        self.recoveries.take(&user, self.now()).map_err(refusal)
    }

    /// Whether this client has signed in to this account by password, on this node and not long ago.
    pub fn knows(&self, from: IpAddr, account: &Email) -> bool {
        self.known.contains_key(&(account.clone(), household(from)))
    }

    fn begin(&self, kind: Kind, take: impl FnOnce() -> Result<(), Duration>) -> Result<Attempt<'_>, ApiError> {
        if !self.limits_sign_in {
            return Ok(Attempt { limits: self, kind: None });
        }
        take().map_err(refusal)?;
        Ok(Attempt { limits: self, kind: Some(kind) })
    }

    /// By a clock that nobody sets.
    fn now(&self) -> Duration {
        self.clock.uptime()
    }
}

impl Attempt<'_> {
    /// The outcome of a check. A fault of the server says nothing about the password, so it gives the attempt back.
    ///
    /// # Errors
    /// That fault.
    pub fn checked<T>(self, outcome: Result<T, ApiError>) -> Result<(Self, T), ApiError> {
        match outcome {
            Ok(found) => Ok((self, found)),
            Err(fault) => {
                self.give_back();
                Err(fault)
            }
        }
    }

    /// Gives the attempt back, and remembers the client of a sign-in.
    pub fn succeeded(self) {
        self.give_back();
        if let Some(Kind::Login(from, account) | Kind::KnownLogin(from, account)) = self.kind {
            self.limits.known.insert((account, household(from)), ());
        }
    }

    fn give_back(&self) {
        let limits = self.limits;
        match &self.kind {
            None => {}
            Some(Kind::Provider(from)) => limits.logins.give_back(*from),
            Some(Kind::Login(from, account)) => {
                limits.logins.give_back(*from);
                limits.accounts.give_back(account);
            }
            Some(Kind::KnownLogin(from, account)) => {
                limits.known_logins.give_back(&(account.clone(), household(*from)));
            }
            Some(Kind::Confirmation(session)) => limits.confirmations.give_back(session),
            Some(Kind::Recovery(user, from)) => limits.wrong_recoveries.give_back(&(*user, household(*from))),
        }
    }
}

fn refusal(wait: Duration) -> ApiError {
    ApiError::TooManyRequests { retry_after: wait.as_secs() + 1 }
}

/// Attempts by client network. An IPv6 address counts for networks of several sizes, because the owner of a large one
/// has all the small ones in it.
struct PerNetwork(Vec<(u8, Attempts<IpAddr>)>);

impl PerNetwork {
    fn new(allowance: Allowance) -> Self {
        let sizes = IPV6_NETWORKS.into_iter();
        Self(sizes.map(|(bits, factor)| (bits, Attempts::new(allowance.times(factor)))).collect())
    }

    /// Counts an attempt for all networks of the address, or for none.
    fn take(&self, from: IpAddr, now: Duration) -> Result<(), Duration> {
        for (index, (bits, attempts)) in self.of(from).iter().enumerate() {
            if let Err(wait) = attempts.take(&network(from, *bits), now) {
                self.of(from)[..index].iter().for_each(|(bits, taken)| taken.give_back(&network(from, *bits)));
                return Err(wait);
            }
        }
        Ok(())
    }

    fn give_back(&self, from: IpAddr) {
        self.of(from).iter().for_each(|(bits, attempts)| attempts.give_back(&network(from, *bits)));
    }

    /// An IPv4 address has one network.
    fn of(&self, from: IpAddr) -> &[(u8, Attempts<IpAddr>)] {
        if from.to_canonical().is_ipv4() { &self.0[..1] } else { &self.0 }
    }
}

#[cfg(test)]
mod tests;
