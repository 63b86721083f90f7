//! The queue in front of the threads that hash: bounded, with places that only administrators can take, and with at
//! most one costly job under way.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// Whoever wants to come in.
    Anybody,
    /// Somebody whose roles hold permissions: goes first, and finds a place where nobody else does. They are the ones
    /// who can do something about the rush. Not more of them than the throttle lets through.
    Administrator,
}

/// There is no place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

struct Waiting<J> {
    job: J,
    costly: bool,
}

struct State<J> {
    first: VecDeque<Waiting<J>>,
    then: VecDeque<Waiting<J>>,
    running: usize,
    costly_runs: bool,
    open: bool,
}

pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    ready: Condvar,
    /// Places for all.
    places: usize,
    /// How many of them anybody can take.
    common: usize,
}

impl<J> Queue<J> {
    pub(super) fn new(places: usize, reserved: usize) -> Self {
        let places = places.max(1);
        let common = places.saturating_sub(reserved).max(1);
        let (first, then) = (VecDeque::new(), VecDeque::new());
        let state = State { first, then, running: 0, costly_runs: false, open: true };
        Self { state: Mutex::new(state), ready: Condvar::new(), places, common }
    }

    /// Takes a place, if there is one. Of the costly jobs one runs at a time: what they need above the usual is needed
    /// once, however many there are.
    pub(super) fn push(&self, job: J, seat: Seat, costly: bool) -> Result<(), Full> {
        let mut state = self.state();
        let waiting = Waiting { job, costly };
        match seat {
            Seat::Anybody if state.then.len() < self.common => state.then.push_back(waiting),
            Seat::Administrator if state.first.len().saturating_add(state.then.len()) < self.places => {
                state.first.push_back(waiting);
            }
            _ => return Err(Full),
        }
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// The next job and whether it is costly, once there is one; `None` when the queue is closed.
    pub(super) fn pop(&self) -> Option<(J, bool)> {
        let mut state = self.state();
        loop {
            if !state.open {
                return None;
            }
            if let Some(next) = state.next() {
                state.running = state.running.saturating_add(1);
                state.costly_runs |= next.costly;
                return Some((next.job, next.costly));
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A job has ended.
    pub(super) fn done(&self, costly: bool) {
        let mut state = self.state();
        state.running = state.running.saturating_sub(1);
        if costly {
            state.costly_runs = false;
            // Threads may sleep that found nothing but other costly jobs.
            self.ready.notify_one();
        }
    }

    /// Jobs that wait or run.
    pub(super) fn pending(&self) -> usize {
        let state = self.state();
        state.first.len().saturating_add(state.then.len()).saturating_add(state.running)
    }

    /// Nothing is popped from now on.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.open = false;
        state.first.clear();
        state.then.clear();
        self.ready.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> State<J> {
    fn next(&mut self) -> Option<Waiting<J>> {
        let busy = self.costly_runs;
        [&mut self.first, &mut self.then].into_iter().find_map(|queue| {
            let place = queue.iter().position(|waiting| !(waiting.costly && busy))?;
            queue.remove(place)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrators_go_first_and_find_a_place_where_nobody_else_does() {
        let queue = Queue::new(4, 2);
        let push = |name, seat| queue.push(name, seat, false);
        assert_eq!(push("a", Seat::Anybody), Ok(()));
        assert_eq!(push("b", Seat::Anybody), Ok(()));
        assert_eq!(push("c", Seat::Anybody), Err(Full));
        assert_eq!(push("root", Seat::Administrator), Ok(()));
        assert_eq!(push("admin", Seat::Administrator), Ok(()));
        assert_eq!(push("third", Seat::Administrator), Err(Full));
        let order: Vec<_> = (0..4).filter_map(|_| queue.pop()).map(|(name, _)| name).collect();
        assert_eq!(order, ["root", "admin", "a", "b"]);
        assert_eq!(queue.pending(), 4);
        (0..4).for_each(|_| queue.done(false));
        assert_eq!(queue.pending(), 0);
    }

    #[test]
    fn places_that_administrators_take_are_not_taken_from_anybody() {
        let queue = Queue::new(4, 2);
        for _ in 0..2 {
            queue.push("root", Seat::Administrator, false).unwrap();
            queue.push("a", Seat::Anybody, false).unwrap();
        }
        assert_eq!(queue.push("b", Seat::Anybody, false), Err(Full));
    }

    #[test]
    fn one_costly_job_runs_at_a_time_and_holds_up_nobody_else() {
        let queue = Queue::new(8, 0);
        for (name, costly) in [("big", true), ("bigger", true), ("small", false)] {
            queue.push(name, Seat::Anybody, costly).unwrap();
        }
        assert_eq!(queue.pop(), Some(("big", true)));
        assert_eq!(queue.pop(), Some(("small", false)));
        queue.done(false);
        queue.done(true);
        assert_eq!(queue.pop(), Some(("bigger", true)));
    }

    #[test]
    fn a_closed_queue_lets_its_threads_go() {
        let queue = Queue::<()>::new(1, 0);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.pop());
            queue.close();
            assert_eq!(waiting.join().unwrap(), None);
        });
    }
}
