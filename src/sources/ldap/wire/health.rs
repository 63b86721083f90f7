//! Which servers of one source answer, and in which order they are tried.
//!
//! A server that just failed is tried last for a while, so that it costs others nothing; after that one attempt
//! finds out whether it is back, while everybody else still goes to the next. It keeps no clock time and nothing
//! over a restart.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::clock::Stopwatch;
use crate::sources::ServerHealth;

/// A server that failed is left alone for so long, as far as there is another.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// Whoever gives up waiting after so long blames the server.
const PATIENCE: Duration = Duration::from_millis(500);

/// How one server stands.
#[derive(Debug, Default)]
enum Standing {
    /// Nothing is known against it.
    #[default]
    Works,
    Down {
        since: Stopwatch,
        tried: Stopwatch,
        problem: String,
    },
}

/// What is known of all servers of a source.
#[derive(Debug)]
pub(crate) struct Board(Mutex<Vec<Standing>>);

impl Board {
    /// Knows nothing yet of so many servers.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new((0..count).map(|_| Standing::default()).collect())))
    }

    /// The order in which to try the servers now. Who is told to try one that was down tries it for all: to
    /// everybody else it still is.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut states = self.lock();
        let failed: Vec<_> = states.iter().map(failed_ago).collect();
        for state in states.iter_mut() {
            if let Standing::Down { tried, .. } = state
                && tried.elapsed() >= RETRY_AFTER
            {
                *tried = Stopwatch::start();
            }
        }
        order(&failed)
    }

    /// How each server stands, in the order of the settings.
    pub(crate) fn shown(&self, urls: impl Iterator<Item = String>) -> Vec<ServerHealth> {
        let down = |standing: &Standing| match standing {
            Standing::Works => None,
            Standing::Down { since, problem, .. } => Some((problem.clone(), since.elapsed())),
        };
        self.lock().iter().zip(urls).map(|(standing, url)| ServerHealth { url, down: down(standing) }).collect()
    }

    fn up(&self, index: usize) {
        if let Some(standing) = self.lock().get_mut(index) {
            *standing = Standing::Works;
        }
    }

    fn down(&self, index: usize, problem: &str) {
        if let Some(standing) = self.lock().get_mut(index) {
            let tried = Stopwatch::start();
            let since = if let Standing::Down { since, .. } = standing { *since } else { tried };
            *standing = Standing::Down { since, tried, problem: problem.to_owned() };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed_ago(standing: &Standing) -> Option<Duration> {
    match standing {
        Standing::Works => None,
        Standing::Down { tried, .. } => Some(tried.elapsed()),
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

    /// The connection is there; that the server serves is another matter.
    pub(crate) fn connected(&mut self) {
        self.asked = None;
    }

    /// Something was asked; only the first answer counts.
    pub(crate) fn asked(&mut self) {
        self.asked = (!self.answered).then(Stopwatch::start);
    }

    /// The server answered.
    pub(crate) fn answered(&mut self) {
        self.asked = None;
        if !std::mem::replace(&mut self.answered, true) {
            self.board.up(self.index);
        }
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
        board.shown(urls).into_iter().map(|health| health.down.is_none()).collect()
    }

    #[test]
    fn a_failure_before_the_first_answer_takes_a_server_down_and_an_answer_brings_it_back() {
        let board = Board::new(2);
        assert_eq!(healthy(&board), [true, true]);
        Watch::start(&board, 0).failed("it is gone");
        assert_eq!(healthy(&board), [false, true]);
        assert_eq!(board.order(), [1, 0]);
        let mut watch = Watch::start(&board, 0);
        watch.connected();
        watch.asked();
        assert_eq!(healthy(&board), [false, true], "a server that only takes connections is not back");
        watch.answered();
        assert_eq!(healthy(&board), [true, true]);
        watch.failed("the connection ended");
        assert_eq!(healthy(&board), [true, true]);
        watch.unable("busy");
        assert_eq!(healthy(&board), [false, true]);
        assert_eq!(board.shown(std::iter::once(String::new()))[0].down.as_ref().unwrap().0, "busy");
    }

    #[test]
    fn an_attempt_that_is_given_up_blames_the_server_only_after_a_while() {
        let board = Board::new(1);
        drop(Watch::start(&board, 0));
        assert_eq!(healthy(&board), [true]);
        let mut watch = Watch::start(&board, 0);
        std::thread::sleep(PATIENCE);
        watch.connected();
        drop(watch);
        assert_eq!(healthy(&board), [true]);
        let watch = Watch::start(&board, 0);
        std::thread::sleep(PATIENCE);
        drop(watch);
        assert_eq!(healthy(&board), [false]);
    }
}
