//! A circuit breaker: a backend that did not answer several times is left alone for a while, so that logins
//! do not wait for it one by one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Stopwatch;

/// Failures in a row that open the circuit.
const FAILURES: u32 = 3;
/// How long it stays open before one try is let through.
const REST: Duration = Duration::from_secs(10);

/// The breaker of one backend.
#[derive(Default)]
pub struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    open_since: Option<Stopwatch>,
}

impl Breaker {
    /// May the backend be asked? While the circuit is open, one try is let through after each rest.
    pub fn allows(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut state.open_since {
            None => true,
            Some(since) if since.elapsed() < REST => false,
            Some(since) => {
                *since = Stopwatch::start();
                true
            }
        }
    }

    /// Is the circuit open?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).open_since.is_some()
    }

    /// Notes whether the backend answered.
    pub fn note(&self, answered: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *state = State::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES && state.open_since.is_none() {
            state.open_since = Some(Stopwatch::start());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_open_it_and_an_answer_closes_it() {
        let breaker = Breaker::default();
        breaker.note(false);
        breaker.note(false);
        breaker.note(true);
        breaker.note(false);
        breaker.note(false);
        assert!(breaker.allows());
        breaker.note(false);
        assert!(!breaker.allows() && breaker.is_open());
        breaker.note(true);
        assert!(breaker.allows());
    }
}
