//! The task "outbox": hands what was committed to a channel.
//!
//! A message leaves at least once: it is taken out of the outbox only after the other side has accepted it. It is
//! never sent after its end, and a server that is down is asked less and less often. Nothing here writes an
//! address or a link to the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::base::clock::{Stopwatch, plus};
use crate::directory::message::Message;
use crate::notify::channel::{Channel, DeliveryError};
use crate::store::outbox::{self, MessageId};
use crate::store::tx::Tx;
use crate::store::{Store, StoreError};
use crate::tasks::schedule::Schedule;
use crate::tasks::{Task, Work};

/// How often the outbox is looked at; a poke does so at once.
const PERIOD: Duration = Duration::from_secs(5);
/// The pause after the first failure; each further one is twice as long,
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// Messages read at a time.
const CHUNK: usize = 200;
/// A run begins no further delivery after this time: who stops the daemon does not wait for a full outbox.
const LONGEST_RUN: Duration = Duration::from_secs(20);
/// After so many failures in a row the way is taken for closed until the next run.
const FAILURES: u32 = 3;

/// The dispatcher of one daemon.
pub struct Outbox {
    store: Arc<Store>,
    channel: Option<Arc<dyn Channel>>,
    schedule: Schedule,
    /// Was it said already that there is no channel?
    told_no_channel: AtomicBool,
    /// Was it said already that some messages do not open?
    told_unreadable: AtomicBool,
}

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Accepted by the other side.
    pub sent: usize,
    /// Failed, to be tried again later.
    pub failed: usize,
    /// Refused for good, and dropped.
    pub refused: usize,
    /// Dropped because their end had come.
    pub expired: usize,
    /// Left for a later run: not due yet, or without a channel.
    pub waiting: usize,
    /// Do not open, and stay.
    pub unreadable: usize,
}

/// One run under way.
struct Run {
    tally: Tally,
    stopwatch: Stopwatch,
    failures_in_a_row: u32,
}

impl Outbox {
    /// A dispatcher. Without a channel messages wait until they expire.
    #[must_use]
    pub fn new(store: Arc<Store>, channel: Option<Arc<dyn Channel>>) -> Self {
        let schedule = Schedule::every(PERIOD);
        let (told_no_channel, told_unreadable) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { store, channel, schedule, told_no_channel, told_unreadable }
    }

    /// Delivers what is due, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn dispatch(&self) -> Result<Tally, StoreError> {
        let mut run = Run { tally: Tally::default(), stopwatch: Stopwatch::start(), failures_in_a_row: 0 };
        let mut after = None;
        loop {
            let page = outbox::page(&self.store.view(), after, CHUNK)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (id, message) in page {
                match message {
                    Ok(message) => self.handle(&mut run, id, &message).await?,
                    Err(error) => {
                        run.tally.unreadable += 1;
                        self.tell_unreadable(&error);
                    }
                }
            }
        }
        Ok(run.tally)
    }

    async fn handle(&self, run: &mut Run, id: MessageId, message: &Message) -> Result<(), StoreError> {
        let now = self.store.clock().now();
        if message.expires_at <= now {
            run.tally.expired += 1;
            tell(message, "a message was dropped: its end came before it could be sent");
            return self.remove(id).await;
        }
        let Some(channel) = &self.channel else {
            run.tally.waiting += 1;
            self.tell_no_channel();
            return Ok(());
        };
        let closed = run.failures_in_a_row >= FAILURES || run.stopwatch.elapsed() >= LONGEST_RUN;
        if message.due_at > now || closed {
            run.tally.waiting += 1;
            return Ok(());
        }
        match channel.deliver(message).await {
            Ok(()) => self.sent(run, id, message).await,
            Err(error) if error.retry => self.failed(run, id, message, &error).await,
            Err(error) => self.refused(run, id, message, &error).await,
        }
    }

    async fn sent(&self, run: &mut Run, id: MessageId, message: &Message) -> Result<(), StoreError> {
        run.failures_in_a_row = 0;
        run.tally.sent += 1;
        self.remove(id).await?;
        tracing::info!(message.kind = message.body.kind(), user.id = %message.user, "a message was sent");
        Ok(())
    }

    async fn failed(
        &self,
        run: &mut Run,
        id: MessageId,
        message: &Message,
        error: &DeliveryError,
    ) -> Result<(), StoreError> {
        run.failures_in_a_row += 1;
        run.tally.failed += 1;
        let attempts = message.attempts.saturating_add(1);
        let due_at = next_attempt(self.store.clock().now(), attempts);
        tracing::warn!(
            message.kind = message.body.kind(),
            user.id = %message.user,
            message.attempts = attempts,
            "a message could not be sent and is tried again at {due_at}: {error}"
        );
        let put_off = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            // Whoever took it out meanwhile had a reason.
            let Some(message) = outbox::get(tx, id)? else { return Ok(()) };
            outbox::put(tx, id, &Message { attempts, due_at, ..message })
        };
        self.store.write(put_off).await
    }

    async fn refused(
        &self,
        run: &mut Run,
        id: MessageId,
        message: &Message,
        error: &DeliveryError,
    ) -> Result<(), StoreError> {
        // The way is open: the other side looked at the message.
        run.failures_in_a_row = 0;
        run.tally.refused += 1;
        tell(message, &format!("a message was given up: {error}"));
        self.remove(id).await
    }

    async fn remove(&self, id: MessageId) -> Result<(), StoreError> {
        self.store
            .write(move |tx: &mut Tx<'_>| {
                outbox::remove(tx, id);
                Ok(())
            })
            .await
    }

    fn tell_no_channel(&self) {
        if !self.told_no_channel.swap(true, Ordering::Relaxed) {
            tracing::warn!("there are messages to send, but no mail is configured: they wait until they expire");
        }
    }

    fn tell_unreadable(&self, error: &StoreError) {
        if !self.told_unreadable.swap(true, Ordering::Relaxed) {
            tracing::warn!(error = %error, "there are messages in the outbox that cannot be read: they stay there");
        }
    }
}

impl Task for Outbox {
    fn name(&self) -> &str {
        "outbox"
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn run(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async {
            let tally = self.dispatch().await.map_err(|error| error.to_string())?;
            Ok(format!(
                "{} sent, {} failed for now, {} refused, {} expired, {} waiting, {} unreadable",
                tally.sent, tally.failed, tally.refused, tally.expired, tally.waiting, tally.unreadable
            ))
        })
    }
}

/// When a message that has failed so often is tried again.
fn next_attempt(now: Timestamp, attempts: u32) -> Timestamp {
    let factor = 2_u32.saturating_pow(attempts.saturating_sub(1));
    plus(now, FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE))
}

fn tell(message: &Message, what: &str) {
    tracing::warn!(message.kind = message.body.kind(), user.id = %message.user, "{what}");
}

#[cfg(test)]
mod tests;
