//! Keeps out who guesses: failures counted by account, network and source, raised before the check, atomically.
//!
//! Counting is in memory, and each count that is worth it has a row in the store (`store/locks.rs`): a restart forgets
//! nothing. A row is read when its key is first asked for, so that memory holds what is in use.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::base::clock::plus;
use crate::base::id::{SourceId, UserId};
use crate::base::secret::sha256;
use crate::base::text;
use crate::directory::policy::{LockoutPolicy, SourceLockout};
use crate::store::locks::{self, Owner};
use crate::store::{Store, StoreError};

mod counter;
mod rows;

use counter::Counter;
pub use rows::Rows;

/// Most counters in memory; idle ones make room.
const COUNTERS_MAX: usize = 200_000;
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(86_400);
/// Most failed comparisons of a face before it waits (NIST SP 800-63B-4 §3.2.3).
const FACE_ATTEMPTS: u32 = 5;
/// A counter that was raised so lately is not taken from memory: its row may not be written yet.
const YOUNG: SignedDuration = SignedDuration::from_secs(60);

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
    /// Wrong passwords of one name that one source was asked about.
    AtSource([u8; 32]),
    /// Logins that found no place in the queue.
    Busy,
}

impl Key {
    /// The counter of a typed name that belongs to nobody.
    #[must_use]
    pub fn unknown(typed: &str) -> Self {
        Self::Unknown(sha256(text::fold(typed.trim()).as_bytes()))
    }

    /// The counter of a name at a source, whoever has it here.
    #[must_use]
    pub fn at_source(source: &SourceId, name: &str) -> Self {
        Self::AtSource(sha256(format!("{source}\0{}", text::fold(name.trim())).as_bytes()))
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

    /// Where its row lies; `None`: it has none.
    fn row(self) -> Option<Vec<u8>> {
        Some(match self {
            Self::Password(user) => locks::key(Owner::Password, user.as_bytes()),
            Self::Code(user) => locks::key(Owner::Code, user.as_bytes()),
            Self::Face(user) => locks::key(Owner::Face, user.as_bytes()),
            Self::Unknown(digest) => locks::key(Owner::Unknown, &digest),
            Self::AtSource(digest) => locks::key(Owner::AtSource, &digest),
            Self::Network(IpAddr::V4(address)) => locks::key(Owner::Network, &address.octets()),
            Self::Network(IpAddr::V6(address)) => locks::key(Owner::Network, &address.octets()),
            Self::Busy => return None,
        })
    }

    /// The other counter of the same user: consecutive failures of both count together.
    fn sibling(self) -> Option<Self> {
        match self {
            Self::Password(user) => Some(Self::Code(user)),
            Self::Code(user) => Some(Self::Password(user)),
            _ => None,
        }
    }

    /// Why it waits, as the settings call it.
    fn reason(self) -> &'static str {
        match self {
            Self::Password(_) | Self::Unknown(_) => "password_attempts",
            Self::Code(_) => "code_attempts",
            Self::Face(_) => "face_attempts",
            Self::Network(_) => "network_attempts",
            Self::AtSource(_) => "source_attempts",
            Self::Busy => "busy",
        }
    }
}

/// A try that is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// How long to wait before the next.
    pub wait: Duration,
    /// Why, as the settings call it.
    pub reason: &'static str,
    /// How many were held since the wait began, where that is worth a line of the audit trail: the first, the tenth,
    /// the hundredth and so on.
    pub worth_telling: Option<u64>,
}

/// A wait that a try begins, unless it turns out to be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begins {
    /// Whose.
    pub key: Key,
    /// For how long.
    pub wait: Duration,
    /// Why, as the settings call it.
    pub reason: &'static str,
}

/// What holds for one counter.
struct Limits {
    attempts: u32,
    wait: Duration,
    /// Is each wait twice as long as the one before?
    doubles: bool,
    /// Without a failure for so long, it starts anew.
    forget: SignedDuration,
    /// Most failures since the last success.
    consecutive: Option<u32>,
}

type Counters = HashMap<Key, Counter>;

/// Counts failures.
pub struct Throttle {
    policy: LockoutPolicy,
    counters: Arc<Mutex<Counters>>,
    store: Arc<Store>,
}

impl Throttle {
    /// A throttle that knows of the failures that the store knows of.
    #[must_use]
    pub fn new(policy: LockoutPolicy, store: Arc<Store>) -> Self {
        Self { policy, counters: Arc::default(), store }
    }

    /// The same failures, counted by another policy from here on.
    #[must_use]
    pub fn by(&self, policy: LockoutPolicy) -> Self {
        Self { policy, counters: self.counters.clone(), store: self.store.clone() }
    }

    /// Counts a try before it is checked, as if it failed; tells which wait it begins. Whoever counts writes the rows too.
    /// A try that is held does not make the wait longer.
    ///
    /// # Errors
    /// Where there were too many.
    pub fn count(&self, key: Key, now: Timestamp) -> Result<Option<Begins>, Held> {
        self.count_within(key, &self.limits(key), now)
    }

    /// Counts a try of a name at a source before that is asked.
    ///
    /// # Errors
    /// How long the source is not to be asked.
    pub fn count_at_source(&self, key: Key, lockout: SourceLockout, now: Timestamp) -> Result<(), Duration> {
        let forget = SignedDuration::try_from(lockout.wait).unwrap_or(SignedDuration::MAX);
        let SourceLockout { attempts, wait } = lockout;
        let limits = Limits { attempts, wait, doubles: false, forget, consecutive: None };
        self.count_within(key, &limits, now).map(drop).map_err(|held| held.wait)
    }

    fn count_within(&self, key: Key, limits: &Limits, now: Timestamp) -> Result<Option<Begins>, Held> {
        let mut counters = self.loaded(key, now);
        let others = key.sibling().and_then(|other| counters.get(&other)).map_or(0, |other| other.consecutive);
        let counter = counters.entry(key).or_insert_with(|| Counter::new(now));
        counter.forget_after(limits.forget, now);
        let all = counter.consecutive.saturating_add(others);
        if limits.consecutive.is_some_and(|most| all >= most) {
            return Err(counter.hold(WAIT_MAX, "consecutive_attempts"));
        }
        if now < counter.wait_until {
            let seconds = u64::try_from(counter.wait_until.duration_since(now).as_secs()).unwrap_or(0);
            return Err(counter.hold(Duration::from_secs(seconds.saturating_add(1)), key.reason()));
        }
        counter.raise(now);
        if counter.failures >= limits.attempts {
            let factor = if limits.doubles { 1 << counter.waits.min(10) } else { 1 };
            let wait = limits.wait.saturating_mul(factor).min(WAIT_MAX.max(limits.wait));
            counter.wait(plus(now, wait));
            return Ok(Some(Begins { key, wait, reason: key.reason() }));
        }
        let last = limits.consecutive.is_some_and(|most| all.saturating_add(1) >= most);
        Ok(last.then_some(Begins { key, wait: WAIT_MAX, reason: "consecutive_attempts" }))
    }

    /// Is this one of those that are worth a line of the audit trail, of many alike? Gives how many there were.
    pub fn tell(&self, key: Key, quiet: SignedDuration, now: Timestamp) -> Option<u64> {
        let mut counters = self.loaded(key, now);
        let counter = counters.entry(key).or_insert_with(|| Counter::new(now));
        if now.duration_since(counter.told) > quiet {
            counter.held = 0;
        }
        counter.told = now;
        counter.hold(Duration::ZERO, "").worth_telling
    }

    /// Takes back the count of a try that said nothing about the password.
    pub fn undo(&self, key: Key) {
        let limit = self.limits(key).attempts;
        self.undo_within(key, limit);
    }

    /// The same for a name at a source.
    pub fn undo_at_source(&self, key: Key, lockout: SourceLockout) {
        self.undo_within(key, lockout.attempts);
    }

    fn undo_within(&self, key: Key, limit: u32) {
        let mut counters = self.counters();
        let Some(counter) = counters.get_mut(&key) else { return };
        counter.take_back(limit);
        // Right passwords take back the count of their network all the time: its row is written with the next wrong one.
        let differs = counter.stored && !matches!(key, Key::Network(_));
        drop(counters);
        if differs {
            self.keep(key);
        }
    }

    /// Forgets the failures of an account after a success, or when an administrator says so.
    pub fn clear(&self, key: Key) {
        if self.reset(key) {
            self.keep(key);
        }
    }

    /// The same; `true` where there is a row to remove.
    pub(super) fn reset(&self, key: Key) -> bool {
        // Somebody else's failure may be in the store alone.
        let mut counters = self.loaded(key, self.store.clock().now());
        match counters.get_mut(&key) {
            Some(counter) if counter.stored => {
                *counter = Counter { stored: true, ..Counter::new(self.store.clock().now()) };
                true
            }
            _ => {
                counters.remove(&key);
                false
            }
        }
    }

    /// Until when this account waits, if it does.
    #[must_use]
    pub fn waits_until(&self, key: Key, now: Timestamp) -> Option<Timestamp> {
        let counters = self.loaded(key, now);
        counters.get(&key).map(|counter| counter.wait_until).filter(|until| now < *until)
    }

    /// Failures of a user since the last success, of passwords and codes.
    #[must_use]
    pub fn consecutive(&self, user: UserId, now: Timestamp) -> u32 {
        let counters = self.loaded(Key::Password(user), now);
        let of = |key| counters.get(&key).map_or(0, |counter: &Counter| counter.consecutive);
        of(Key::Password(user)).saturating_add(of(Key::Code(user)))
    }

    /// So many of them, and only an administrator or a new password helps.
    #[must_use]
    pub fn consecutive_limit(&self) -> u32 {
        self.policy.consecutive_attempts
    }

    /// The rows of these counters, for the transaction that writes what came of the try.
    #[must_use]
    pub fn rows(&self, keys: impl IntoIterator<Item = Key>) -> Rows {
        Rows::new(self.counters.clone(), keys)
    }

    /// Writes the row of a counter, nobody waiting for it.
    pub(super) fn keep(&self, key: Key) {
        let rows = self.rows([key]);
        if !self.store.note(move |tx| rows.write(tx)) {
            tracing::warn!("too much waits to be written: a restart would forget a failed login");
        }
    }

    fn limits(&self, key: Key) -> Limits {
        let LockoutPolicy { password_attempts, code_attempts, network_attempts, consecutive_attempts, wait, .. } =
            self.policy;
        let (attempts, consecutive) = match key {
            Key::Password(_) | Key::Unknown(_) => (password_attempts, Some(consecutive_attempts)),
            Key::Code(_) => (code_attempts, Some(consecutive_attempts)),
            Key::Face(_) => (code_attempts.min(FACE_ATTEMPTS), Some(consecutive_attempts)),
            Key::Network(_) | Key::AtSource(_) | Key::Busy => (network_attempts, None),
        };
        Limits { attempts, wait, doubles: true, forget: SignedDuration::from_hours(24), consecutive }
    }

    /// The counters, with what the store knows of this key and of its sibling.
    fn loaded(&self, key: Key, now: Timestamp) -> MutexGuard<'_, Counters> {
        let mut counters = self.counters();
        for key in [Some(key), key.sibling()].into_iter().flatten() {
            if counters.contains_key(&key) {
                continue;
            }
            drop(counters);
            let row = self.stored(key);
            counters = self.counters();
            make_room(&mut counters, now);
            // Whoever came first in between has counted on.
            if let Some(row) = row {
                counters.entry(key).or_insert(row);
            }
        }
        counters
    }

    fn stored(&self, key: Key) -> Option<Counter> {
        let row = key.row()?;
        let lock = locks::get(&self.store.view(), &row).unwrap_or_else(|error: StoreError| {
            tracing::error!(error = %error, "the failures of an account or network cannot be read");
            None
        });
        lock.map(Counter::from)
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has a row is read again when it is asked for; of the rest, waits stay longest.
fn make_room(counters: &mut Counters, now: Timestamp) {
    let is_young = |counter: &Counter| now.duration_since(counter.last) < YOUNG;
    if counters.len() >= COUNTERS_MAX {
        counters.retain(|_, counter| is_young(counter) || (!counter.stored && now < counter.wait_until));
    }
    if counters.len() >= COUNTERS_MAX {
        counters.retain(|_, counter| !counter.stored && now < counter.wait_until);
    }
    if counters.len() >= COUNTERS_MAX {
        counters.clear();
    }
}

#[cfg(test)]
mod tests;
