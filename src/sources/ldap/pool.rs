//! Connections kept open between logins: at most so many at once, the one used last taken first.
//!
//! It hands out no connection that ended, was used too often or lay idle for too long.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::wire::error::LinkError;
use super::wire::link::Link;

/// Idle connections, and the right to use one.
pub(super) struct Pool {
    size: usize,
    idle: Mutex<Vec<Link>>,
    permits: Semaphore,
}

impl Pool {
    pub(super) fn new(size: usize) -> Self {
        let size = size.max(1);
        Self { size, idle: Mutex::new(Vec::new()), permits: Semaphore::new(size) }
    }

    /// Waits for the right to use one connection.
    pub(super) async fn enter(&self) -> Result<SemaphorePermit<'_>, LinkError> {
        self.permits.acquire().await.map_err(|_| LinkError::Lost("the source is being shut down".to_owned()))
    }

    /// An open connection, where there is one.
    pub(super) fn reuse(&self) -> Option<Link> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain_mut(Link::is_usable);
        idle.pop()
    }

    /// Keeps a connection that just gave a full answer. One whose user gave up on the way is dropped with the login,
    /// and thereby closed: nobody gets a connection on which an answer is still due.
    pub(super) fn park(&self, mut link: Link) {
        link.touch();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain_mut(Link::is_usable);
        if idle.len() < self.size {
            idle.push(link);
        }
    }

    /// Closes every connection that is not in use.
    pub(super) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
