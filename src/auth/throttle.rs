//! Keeps out who guesses: failures counted by account and by network, raised before the check, atomically.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::base::clock::plus;
use crate::base::id::UserId;
use crate::base::secret::sha256;
use crate::base::text;
use crate::directory::policy::LockoutPolicy;

/// Most counters that are kept; idle ones make room.
const COUNTERS_MAX: usize = 200_000;
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(86_400);
/// A counter without a new failure for this long is forgotten.
const FORGET: SignedDuration = SignedDuration::from_hours(24);

/// Most failed comparisons of a face in a row (NIST SP 800-63B-4 §3.2.3).
const FACE_ATTEMPTS: u32 = 5;

/// Whose failures are counted together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// Wrong passwords of one user, whatever was typed to name them.
    Password(UserId),
    /// Wrong codes of one user, over all logins.
    Code(UserId),
    /// Failed comparisons of one user's face, over all logins.
    Face(UserId),
    /// Tries of a name that belongs to nobody: throttled as a user would be.
    Unknown([u8; 32]),
    /// All failures of one network.
    Network(IpAddr),
}

impl Key {
    /// The counter of a typed name that belongs to nobody.
    #[must_use]
    pub fn unknown(typed: &str) -> Self {
        Self::Unknown(sha256(text::fold(typed.trim()).as_bytes()))
    }

    /// The counter of an address: itself in IPv4, its /64 in IPv6.
    #[must_use]
    pub fn network(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Network(address.into()),
            IpAddr::V6(address) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                Self::Network(Ipv6Addr::from(network).into())
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Counter {
    failures: u32,
    waits: u32,
    wait_until: Timestamp,
    last: Timestamp,
}

/// Counts failures.
pub struct Throttle {
    policy: LockoutPolicy,
    counters: Mutex<HashMap<Key, Counter>>,
}

impl Throttle {
    /// A throttle with no failures yet.
    #[must_use]
    pub fn new(policy: LockoutPolicy) -> Self {
        Self { policy, counters: Mutex::default() }
    }

    /// Counts a try before it is checked, as if it failed.
    ///
    /// # Errors
    /// How long to wait, where there were too many. A refused try does not make the wait longer.
    pub fn begin(&self, key: Key, now: Timestamp) -> Result<(), Duration> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= COUNTERS_MAX && !counters.contains_key(&key) {
            counters.retain(|_, counter| counter.wait_until > now);
        }
        let fresh = Counter { failures: 0, waits: 0, wait_until: Timestamp::MIN, last: now };
        let counter = counters.entry(key).or_insert(fresh);
        if now.duration_since(counter.last) > FORGET {
            *counter = fresh;
        }
        if now < counter.wait_until {
            let seconds = counter.wait_until.duration_since(now).as_secs();
            return Err(Duration::from_secs(u64::try_from(seconds).unwrap_or(0).saturating_add(1)));
        }
        counter.last = now;
        counter.failures = counter.failures.saturating_add(1);
        if counter.failures >= self.limit(key) {
            counter.failures = 0;
            let doubled = self.policy.wait.saturating_mul(1 << counter.waits.min(10));
            counter.wait_until = plus(now, doubled.min(WAIT_MAX));
            counter.waits = counter.waits.saturating_add(1);
        }
        Ok(())
    }

    /// Takes back the count of a try that said nothing about the password.
    pub fn undo(&self, key: Key) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = self.limit(key);
        if let Some(counter) = counters.get_mut(&key) {
            if counter.failures == 0 && counter.waits > 0 {
                counter.failures = limit.saturating_sub(1);
                counter.waits = counter.waits.saturating_sub(1);
                counter.wait_until = Timestamp::MIN;
            } else {
                counter.failures = counter.failures.saturating_sub(1);
            }
        }
    }

    /// Forgets the failures of an account after a success, or when an administrator says so.
    pub fn clear(&self, key: Key) {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    /// Until when this account waits, if it does.
    #[must_use]
    pub fn waits_until(&self, key: Key, now: Timestamp) -> Option<Timestamp> {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.get(&key).map(|counter| counter.wait_until).filter(|until| now < *until)
    }

    fn limit(&self, key: Key) -> u32 {
        match key {
            Key::Password(_) | Key::Unknown(_) => self.policy.password_attempts,
            Key::Code(_) => self.policy.code_attempts,
            Key::Face(_) => self.policy.code_attempts.min(FACE_ATTEMPTS),
            Key::Network(_) => self.policy.network_attempts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn key() -> Key {
        Key::Password(UserId::new(at(0), &Rng::seeded(1)))
    }

    #[test]
    fn five_tries_then_a_wait_that_doubles_and_is_not_made_longer_by_trying() {
        let throttle = Throttle::new(LockoutPolicy::default());
        let tried = |now| (0..9).filter(|_| throttle.begin(key(), at(now)).is_ok()).count();
        assert_eq!(tried(0), 5);
        assert_eq!(throttle.begin(key(), at(890)), Err(Duration::from_secs(11)));
        assert_eq!(tried(900), 5);
        assert_eq!(tried(900 + 1_799), 0);
        assert_eq!(tried(900 + 1_800), 5);
    }

    #[test]
    fn a_success_clears_and_an_unavailable_backend_does_not_count() {
        let throttle = Throttle::new(LockoutPolicy::default());
        for _ in 0..50 {
            throttle.begin(key(), at(0)).unwrap();
            throttle.undo(key());
        }
        (0..4).for_each(|_| throttle.begin(key(), at(0)).unwrap());
        throttle.begin(key(), at(0)).unwrap();
        throttle.undo(key());
        throttle.begin(key(), at(0)).unwrap();
        assert!(throttle.begin(key(), at(0)).is_err());
        throttle.clear(key());
        assert!(throttle.begin(key(), at(0)).is_ok());
    }

    #[test]
    fn parallel_tries_share_one_count() {
        let throttle = Throttle::new(LockoutPolicy::default());
        let passed = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..200).map(|_| scope.spawn(|| throttle.begin(key(), at(0)).is_ok())).collect();
            tries.into_iter().filter_map(|one| one.join().ok()).filter(|passed| *passed).count()
        });
        assert_eq!(passed, 5);
    }

    #[test]
    fn an_ipv6_network_is_a_64_and_a_mapped_address_is_its_ipv4() {
        let key = |text: &str| Key::network(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_eq!(Key::unknown(" Bob"), Key::unknown("bob"));
    }
}
