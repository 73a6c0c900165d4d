//! Who can be locked out by whom.

use std::sync::Mutex;

use sotto_domain::Timestamp;

use super::*;

/// A clock that a test moves.
#[derive(Default)]
struct StoppedClock(Mutex<Duration>);

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::MIN
    }

    fn uptime(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

fn limits() -> (RateLimits, Arc<StoppedClock>) {
    let clock = Arc::new(StoppedClock::default());
    (RateLimits::new(true, clock.clone()), clock)
}

fn ada() -> Email {
    Email::parse("ada@example.org").unwrap()
}

fn session(number: u128) -> SessionId {
    SessionId(uuid::Uuid::from_u128(number))
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn v6(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn failures_are_limited_by_account_and_by_client() {
    let (limits, clock) = limits();
    // Ten clients, one account.
    for last in 0..10 {
        let _ = limits.begin_login(address(last), &ada()).unwrap();
    }
    let refused = limits.begin_login(address(99), &ada()).map(drop);
    assert!(matches!(refused, Err(ApiError::TooManyRequests { retry_after: 11 })));
    *clock.0.lock().unwrap() += Duration::from_secs(10);
    assert!(limits.begin_login(address(99), &ada()).is_ok());
    assert!(limits.begin_login(address(99), &ada()).is_err());
    // One client, many accounts.
    let account = |number: u32| Email::parse(&format!("{number}@example.org")).unwrap();
    let attempts = (0..40).filter(|number| limits.begin_login(address(200), &account(*number)).is_ok());
    assert_eq!(attempts.count(), 30);
    assert!(RateLimits::new(false, clock).check_sign_up(address(1)).is_ok());
}

#[test]
fn a_success_is_not_counted() {
    let (limits, _) = limits();
    for _ in 0..100 {
        limits.begin_login(address(1), &ada()).unwrap().succeeded();
        limits.begin_confirmation(session(1)).unwrap().succeeded();
    }
    assert!(limits.begin_login(address(2), &ada()).is_ok());
}

#[test]
fn a_fault_of_the_server_is_not_counted() {
    let (limits, _) = limits();
    for _ in 0..100 {
        let attempt = limits.begin_login(address(1), &ada()).unwrap();
        assert!(attempt.checked::<bool>(Err(ApiError::Busy)).is_err());
    }
    assert!(!limits.knows(address(1), &ada()));
}

#[test]
fn nobody_locks_out_an_owner_who_signed_in_before() {
    let (limits, _) = limits();
    let (owner, attacker) = (address(1), address(2));
    limits.begin_login(owner, &ada()).unwrap().succeeded();
    assert!(limits.knows(owner, &ada()) && !limits.knows(attacker, &ada()));
    while limits.begin_login(attacker, &ada()).is_ok() {}
    // The owner mistypes nine times, and is in.
    for _ in 0..9 {
        let _ = limits.begin_login(owner, &ada()).unwrap();
    }
    limits.begin_login(owner, &ada()).unwrap().succeeded();
    // A client that is known for one account is not known for another.
    let bob = Email::parse("bob@example.org").unwrap();
    while limits.begin_login(attacker, &bob).is_ok() {}
    assert!(!limits.knows(owner, &bob));
    // A signed-in owner can still change the password, as often as it is right.
    for _ in 0..9 {
        let _ = limits.begin_confirmation(session(1)).unwrap();
    }
    limits.begin_confirmation(session(1)).unwrap().succeeded();
    let _ = limits.begin_confirmation(session(1)).unwrap();
    assert!(limits.begin_confirmation(session(1)).is_err());
}

#[test]
fn a_known_client_cannot_guess_without_end() {
    let (limits, _) = limits();
    limits.begin_login(address(1), &ada()).unwrap().succeeded();
    assert_eq!((0..20).filter(|_| limits.begin_login(address(1), &ada()).is_ok()).count(), 10);
}

#[test]
fn a_large_ipv6_network_has_sixteen_times_the_allowance_of_a_small_one() {
    let (limits, _) = limits();
    let tries = |address: &dyn Fn(u32) -> String| {
        (0..2000).filter(|number| limits.begin_provider_sign_in(v6(&address(*number))).is_ok()).count()
    };
    assert_eq!(tries(&|number| format!("2001:db8:a:1::{number:x}")), 30);
    // Other networks of the same /56, of which 30 attempts are used; then of the same /48.
    assert_eq!(tries(&|number| format!("2001:db8:a:{:x}::1", number % 256)), 90);
    assert_eq!(tries(&|number| format!("2001:db8:a:{number:x}::1")), 360);
    assert_eq!(tries(&|number| format!("2001:db8:b:{number:x}::1")), 480);
    assert!(limits.begin_provider_sign_in(v6("2001:db8:c::1")).is_ok());
}

#[test]
fn recoveries_are_limited_also_without_other_limits() {
    let clock = Arc::new(StoppedClock::default());
    let limits = RateLimits::new(false, clock.clone());
    let user = UserId(uuid::Uuid::from_u128(1));
    for _ in 0..100 {
        limits.begin_recovery(user, address(1)).unwrap().succeeded();
    }
    for _ in 0..10 {
        let _ = limits.begin_recovery(user, address(1)).unwrap();
    }
    assert!(limits.begin_recovery(user, address(1)).is_err());
    assert!(limits.begin_recovery(user, address(2)).is_ok());
    *clock.0.lock().unwrap() += Duration::from_mins(1);
    assert!(limits.begin_recovery(user, address(1)).is_ok());
    assert_eq!((0..50).filter(|_| limits.check_recovery(user).is_ok()).count(), 20);
}
