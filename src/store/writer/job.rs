//! What waits in the writer's queues.

use tokio::sync::oneshot;

use crate::store::StoreError;
use crate::store::tx::Tx;

/// A rule that waits for its turn, and whoever waits for it.
pub(super) trait Job: Send {
    /// Runs the rule. `false`: it failed, take back what it wrote.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Answers the caller.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A job of whatever type.
pub(super) type AnyJob = Box<dyn Job>;

/// A job with its types.
pub(super) struct Typed<F, T, E> {
    pub(super) rule: F,
    pub(super) outcome: Option<Result<T, E>>,
    pub(super) caller: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Job for Typed<F, T, E>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let outcome = (self.rule)(tx);
        let kept = outcome.is_ok();
        self.outcome = Some(outcome);
        kept
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (self.outcome, committed) {
            (Some(Ok(_)), Err(error)) => Err(error.into()),
            (Some(outcome), _) => outcome,
            (None, Err(error)) => Err(error.into()),
            (None, Ok(())) => Err(StoreError::Stopped.into()),
        };
        // A caller that went away needs no answer.
        drop(self.caller.send(answer));
    }
}

/// A change that is queued, and not on disk yet.
pub struct Pending<T, E>(pub(super) oneshot::Receiver<Result<T, E>>);

impl<T, E: From<StoreError>> Pending<T, E> {
    /// Waits until it is on disk.
    ///
    /// # Errors
    /// The rule's own, or the store's.
    pub async fn done(self) -> Result<T, E> {
        self.0.await.unwrap_or_else(|_| Err(StoreError::Stopped.into()))
    }
}
