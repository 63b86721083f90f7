//! Which servers of one source answer, and in which order they are tried.
//!
//! A server that just failed is tried last for a while, so that it costs others nothing; after that one attempt
//! finds out whether it is back, while everybody else still goes to the next. It keeps no clock time and nothing
//! over a restart.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::certificate::CertificateFacts;
use crate::base::clock::Stopwatch;

/// A server that failed is left alone for so long, as far as there is another.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// Whoever gives up waiting after so long blames the server.
const PATIENCE: Duration = Duration::from_millis(500);

/// How one server stands, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointHealth {
    /// Its URL.
    pub url: String,
    /// Did it answer when it was last asked? Also where it was not asked yet.
    pub healthy: bool,
    /// Why it is not healthy.
    pub problem: Option<String>,
    /// For how many seconds it has stood like this; `None` where it was not asked yet.
    pub seconds: Option<u64>,
    /// The certificate that it presented last.
    pub certificate: Option<CertificateFacts>,
}

#[derive(Debug, Default)]
struct State {
    standing: Standing,
    certificate: Option<CertificateFacts>,
}

#[derive(Debug, Default)]
enum Standing {
    #[default]
    Unknown,
    Up {
        since: Stopwatch,
    },
    Down {
        since: Stopwatch,
        tried: Stopwatch,
        problem: String,
    },
}

/// What is known of all servers of a source.
#[derive(Debug)]
pub(crate) struct Board(Mutex<Vec<State>>);

impl Board {
    /// Knows nothing yet of so many servers.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new((0..count).map(|_| State::default()).collect())))
    }

    /// The order in which to try the servers now. Who is told to try one that was down tries it for all: to
    /// everybody else it still is.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut states = self.lock();
        let failed: Vec<_> = states.iter().map(failed_ago).collect();
        for state in states.iter_mut() {
            if let Standing::Down { tried, .. } = &mut state.standing
                && tried.elapsed() >= RETRY_AFTER
            {
                *tried = Stopwatch::start();
            }
        }
        order(&failed)
    }

    /// How each server stands, in the order of the settings.
    pub(crate) fn shown(&self, urls: impl Iterator<Item = String>) -> Vec<EndpointHealth> {
        self.lock().iter().zip(urls).map(|(state, url)| shown(state, url)).collect()
    }

    fn up(&self, index: usize, certificate: Option<CertificateFacts>) {
        if let Some(state) = self.lock().get_mut(index) {
            if !matches!(state.standing, Standing::Up { .. }) {
                state.standing = Standing::Up { since: Stopwatch::start() };
            }
            state.certificate = certificate;
        }
    }

    fn down(&self, index: usize, problem: &str) {
        if let Some(state) = self.lock().get_mut(index) {
            let tried = Stopwatch::start();
            let since = if let Standing::Down { since, .. } = state.standing { since } else { tried };
            state.standing = Standing::Down { since, tried, problem: problem.to_owned() };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed_ago(state: &State) -> Option<Duration> {
    match &state.standing {
        Standing::Down { tried, .. } => Some(tried.elapsed()),
        Standing::Unknown | Standing::Up { .. } => None,
    }
}

fn shown(state: &State, url: String) -> EndpointHealth {
    let (since, problem) = match &state.standing {
        Standing::Unknown => (None, None),
        Standing::Up { since } => (Some(since), None),
        Standing::Down { since, problem, .. } => (Some(since), Some(problem.clone())),
    };
    EndpointHealth {
        url,
        healthy: problem.is_none(),
        problem,
        seconds: since.map(|since| since.elapsed().as_secs()),
        certificate: state.certificate.clone(),
    }
}

/// The order of the settings, but those that failed a short while ago last. `failed` says for each how long ago
/// that was, unless it works.
fn order(failed: &[Option<Duration>]) -> Vec<usize> {
    let is_out = |failed: &Option<Duration>| failed.is_some_and(|ago| ago < RETRY_AFTER);
    let mut order: Vec<(bool, usize)> = failed.iter().map(is_out).zip(0..).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, index)| index).collect()
}

/// Watches one attempt to use a server, until the server has given its first answer.
///
/// An attempt that is dropped while an answer is awaited was given up because of the server, if it took long.
#[derive(Debug)]
pub(crate) struct Watch {
    board: Arc<Board>,
    index: usize,
    asked: Option<Stopwatch>,
    answered: bool,
}

impl Watch {
    /// The attempt begins.
    pub(crate) fn start(board: &Arc<Board>, index: usize) -> Self {
        Self { board: Arc::clone(board), index, asked: Some(Stopwatch::start()), answered: false }
    }

    /// The connection is there.
    pub(crate) fn connected(&mut self, certificate: Option<CertificateFacts>) {
        self.asked = None;
        self.board.up(self.index, certificate);
    }

    /// Something was asked; only the first answer counts.
    pub(crate) fn asked(&mut self) {
        self.asked = (!self.answered).then(Stopwatch::start);
    }

    /// The server answered.
    pub(crate) fn answered(&mut self) {
        self.asked = None;
        self.answered = true;
    }

    /// The attempt failed. On a connection that worked before, that says nothing of the server.
    pub(crate) fn failed(&mut self, problem: &str) {
        self.asked = None;
        if !self.answered {
            self.board.down(self.index, problem);
        }
    }

    /// The server says that it cannot serve.
    pub(crate) fn unable(&mut self, problem: &str) {
        self.asked = None;
        self.board.down(self.index, problem);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.asked.is_some_and(|asked| asked.elapsed() >= PATIENCE) {
            self.board.down(self.index, "no answer came as long as it was waited for");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_failed_lately_are_tried_last_and_all_are_tried() {
        let (now, late) = (Some(Duration::ZERO), Some(RETRY_AFTER));
        let young = Some(RETRY_AFTER - Duration::from_millis(1));
        for (failed, expected) in [
            ([None, None, None], [0, 1, 2]),
            ([now, None, None], [1, 2, 0]),
            ([young, None, now], [1, 0, 2]),
            ([now, now, young], [0, 1, 2]),
            ([late, None, now], [0, 1, 2]),
            ([now, late, None], [1, 2, 0]),
        ] {
            assert_eq!(order(&failed), expected, "{failed:?}");
        }
        assert!(order(&[]).is_empty());
    }

    fn healthy(board: &Board) -> Vec<bool> {
        let urls = (0..).map(|index| format!("ldaps://{index}"));
        board.shown(urls).into_iter().map(|health| health.healthy).collect()
    }

    #[test]
    fn a_failure_before_the_first_answer_takes_a_server_down_and_an_answer_brings_it_back() {
        let board = Board::new(2);
        assert_eq!(healthy(&board), [true, true]);
        Watch::start(&board, 0).failed("it is gone");
        assert_eq!(healthy(&board), [false, true]);
        assert_eq!(board.order(), [1, 0]);
        let mut watch = Watch::start(&board, 0);
        watch.connected(None);
        assert_eq!(healthy(&board), [true, true]);
        watch.asked();
        watch.answered();
        watch.failed("the connection ended");
        assert_eq!(healthy(&board), [true, true]);
        watch.unable("busy");
        assert_eq!(healthy(&board), [false, true]);
        assert_eq!(board.shown(std::iter::once(String::new()))[0].problem.as_deref(), Some("busy"));
    }

    #[test]
    fn an_attempt_that_is_given_up_blames_the_server_only_after_a_while() {
        let board = Board::new(1);
        drop(Watch::start(&board, 0));
        assert_eq!(healthy(&board), [true]);
        let mut watch = Watch::start(&board, 0);
        std::thread::sleep(PATIENCE);
        watch.connected(None);
        drop(watch);
        assert_eq!(healthy(&board), [true]);
        let watch = Watch::start(&board, 0);
        std::thread::sleep(PATIENCE);
        drop(watch);
        assert_eq!(healthy(&board), [false]);
    }
}
