//! The seam to the outside: a channel takes one message and says whether the other side has accepted it.
//!
//! What goes wrong is told in words that hold no address and no link, so that they can be logged.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::directory::message::Message;

/// An answer that takes its time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way to people.
pub trait Channel: Send + Sync {
    /// Hands the message over; `Ok` once the other side has taken the responsibility for it.
    fn deliver<'a>(&'a self, message: &'a Message) -> Answer<'a, Result<(), DeliveryError>>;
}

/// Why a message was not handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct DeliveryError {
    /// Can a later attempt succeed?
    pub retry: bool,
    /// What happened, for the log.
    pub text: String,
    /// How long the other side asks to wait before a later attempt.
    pub wait: Option<Duration>,
    /// Did the way fail, and not only this message? Then others would meet the same.
    pub way: bool,
}

impl DeliveryError {
    /// A failure of the way, which may pass.
    #[must_use]
    pub fn passing(text: impl Into<String>) -> Self {
        Self { retry: true, text: text.into(), wait: None, way: true }
    }

    /// A failure of this message alone, which may pass.
    #[must_use]
    pub fn deferred(text: impl Into<String>) -> Self {
        Self { way: false, ..Self::passing(text) }
    }

    /// A failure that every further attempt would meet too.
    #[must_use]
    pub fn lasting(text: impl Into<String>) -> Self {
        Self { retry: false, text: text.into(), wait: None, way: false }
    }
}

/// A channel that only remembers: for tests.
#[derive(Default)]
pub struct MemoryChannel {
    delivered: Mutex<Vec<Message>>,
    failures: Mutex<VecDeque<DeliveryError>>,
}

impl MemoryChannel {
    /// Makes the next delivery fail; several failures are used up in their order.
    pub fn fail_next(&self, error: DeliveryError) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push_back(error);
    }

    /// Everything delivered since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.delivered.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Channel for MemoryChannel {
    fn deliver<'a>(&'a self, message: &'a Message) -> Answer<'a, Result<(), DeliveryError>> {
        Box::pin(async {
            if let Some(error) = self.failures.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
                return Err(error);
            }
            self.delivered.lock().unwrap_or_else(PoisonError::into_inner).push(message.clone());
            Ok(())
        })
    }
}
