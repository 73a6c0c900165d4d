//! Rate limits on sign-up and sign-in, kept in memory by each node.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sotto_domain::account::Email;

use crate::http::error::ApiError;

/// Sign-ups per client address: 10 at once, then one every 6 minutes.
const SIGN_UPS: Allowance = Allowance { burst: 10, refill: Duration::from_mins(6) };
/// Sign-in attempts per client address: 30 at once, then one every 2 seconds.
const LOGINS: Allowance = Allowance { burst: 30, refill: Duration::from_secs(2) };
/// Sign-in attempts per account, from any address: 10 at once, then one every 10 seconds.
const LOGINS_PER_ACCOUNT: Allowance = Allowance { burst: 10, refill: Duration::from_secs(10) };

struct Allowance {
    burst: u32,
    refill: Duration,
}

impl Allowance {
    fn limiter<K: Hash + Eq + Clone>(&self) -> DefaultKeyedRateLimiter<K> {
        let burst = NonZeroU32::new(self.burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(self.refill).map_or(Quota::per_second(burst), |quota| quota.allow_burst(burst));
        RateLimiter::keyed(quota)
    }
}

/// `None` if limits are switched off.
pub struct RateLimits(Option<Limiters>);

struct Limiters {
    sign_ups: DefaultKeyedRateLimiter<IpAddr>,
    logins: DefaultKeyedRateLimiter<IpAddr>,
    accounts: DefaultKeyedRateLimiter<Email>,
}

impl RateLimits {
    pub fn new(enabled: bool) -> Self {
        Self(enabled.then(|| Limiters {
            sign_ups: SIGN_UPS.limiter(),
            logins: LOGINS.limiter(),
            accounts: LOGINS_PER_ACCOUNT.limiter(),
        }))
    }

    /// Counts a sign-up.
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`], with the time to wait.
    pub fn check_sign_up(&self, from: IpAddr) -> Result<(), ApiError> {
        self.0.as_ref().map_or(Ok(()), |limits| consume(&limits.sign_ups, &network(from)))
    }

    /// Counts a sign-in attempt by password.
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`], with the time to wait.
    pub fn check_login(&self, from: IpAddr, account: &Email) -> Result<(), ApiError> {
        self.check_provider_sign_in(from)?;
        self.check_account(account)
    }

    /// Counts a sign-in attempt with a provider, where the account is not known yet.
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`], with the time to wait.
    pub fn check_provider_sign_in(&self, from: IpAddr) -> Result<(), ApiError> {
        self.0.as_ref().map_or(Ok(()), |limits| consume(&limits.logins, &network(from)))
    }

    /// Counts an attempt at an account's password, from any address.
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`], with the time to wait.
    pub fn check_account(&self, account: &Email) -> Result<(), ApiError> {
        self.0.as_ref().map_or(Ok(()), |limits| consume(&limits.accounts, account))
    }

    /// Frees the memory of clients whose allowance is full again.
    pub fn drop_idle(&self) {
        if let Some(limits) = &self.0 {
            limits.sign_ups.retain_recent();
            limits.logins.retain_recent();
            limits.accounts.retain_recent();
        }
    }
}

fn consume<K: Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<(), ApiError> {
    limiter.check_key(key).map_err(|denied| {
        let wait = denied.wait_time_from(DefaultClock::default().now());
        ApiError::TooManyRequests { retry_after: wait.as_secs() + 1 }
    })
}

/// A household shares an IPv4 address or an IPv6 /64, so a /64 counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_limited_by_address_and_by_account() {
        let limits = RateLimits::new(true);
        let email = Email::parse("ada@example.org").unwrap();
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        // Ten addresses, one account.
        for last in 0..10 {
            limits.check_login(address(last), &email).unwrap();
        }
        assert!(matches!(
            limits.check_login(address(99), &email),
            Err(ApiError::TooManyRequests { retry_after: 1..=11 })
        ));
        // One address, many accounts.
        let attempts =
            (0..40).map(|n| limits.check_login(address(200), &Email::parse(&format!("{n}@example.org")).unwrap()));
        assert_eq!(attempts.flatten().count(), 30);
        assert!(RateLimits::new(false).check_sign_up(address(1)).is_ok());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let one = network("2001:db8:1:2::1".parse().unwrap());
        assert_eq!(one, network("2001:db8:1:2:ffff::9".parse().unwrap()));
        assert_ne!(one, network("2001:db8:1:3::1".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
    }
}
