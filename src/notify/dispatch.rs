//! The task "outbox": hands what was committed to a channel.
//!
//! A mail leaves at least once: it is taken out of the outbox only after the other side has accepted it. A text to a
//! phone leaves at most once: it is taken out before, and put back only where it is certain that it was not sent; who
//! misses a code asks for another. Neither is sent after its end, and a server that is down is asked less and less often.
//! The provider of faces is told as a mail is sent: at least once. The ways do not wait for each other. Nothing here
//! writes an address, a code or a link to the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::base::clock::{Stopwatch, plus};
use crate::directory::message::{Body, Message, Via};
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
/// The same for a code, which is soon of no use;
const FIRST_PAUSE_OF_CODES: Duration = Duration::from_secs(5);
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
    mail: Option<Arc<dyn Channel>>,
    sms: Option<Arc<dyn Channel>>,
    /// To the provider that compares faces.
    face: Option<Arc<dyn Channel>>,
    schedule: Schedule,
    /// Was it said already that there is no mail?
    told_no_mail: AtomicBool,
    /// Was it said already that there is no SMS?
    told_no_sms: AtomicBool,
    /// Was it said already that no provider compares faces?
    told_no_face: AtomicBool,
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

impl Tally {
    fn plus(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            failed: self.failed + other.failed,
            refused: self.refused + other.refused,
            expired: self.expired + other.expired,
            waiting: self.waiting + other.waiting,
            unreadable: self.unreadable + other.unreadable,
        }
    }
}

/// One run under way, over one of the ways.
struct Run {
    via: Via,
    tally: Tally,
    stopwatch: Stopwatch,
    failures_in_a_row: u32,
}

impl Outbox {
    /// A dispatcher of mail. Without a channel messages wait until they expire.
    #[must_use]
    pub fn new(store: Arc<Store>, mail: Option<Arc<dyn Channel>>) -> Self {
        let schedule = Schedule::every(PERIOD);
        let (told_no_mail, told_no_sms, told_no_face, told_unreadable) = Default::default();
        let (sms, face) = (None, None);
        Self { store, mail, sms, face, schedule, told_no_mail, told_no_sms, told_no_face, told_unreadable }
    }

    /// The same, with a way to phones.
    #[must_use]
    pub fn with_sms(self, sms: Option<Arc<dyn Channel>>) -> Self {
        Self { sms, ..self }
    }

    /// The same, with a way to the provider that compares faces.
    #[must_use]
    pub fn with_face(self, face: Option<Arc<dyn Channel>>) -> Self {
        Self { face, ..self }
    }

    /// Delivers what is due, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn dispatch(&self) -> Result<Tally, StoreError> {
        let by = |via| self.dispatch_by(via);
        let (mail, sms, face) = tokio::join!(by(Via::Mail), by(Via::Sms), by(Via::Face));
        Ok(mail?.plus(sms?).plus(face?))
    }

    async fn dispatch_by(&self, via: Via) -> Result<Tally, StoreError> {
        let mut run = Run { via, tally: Tally::default(), stopwatch: Stopwatch::start(), failures_in_a_row: 0 };
        let mut after = None;
        loop {
            let page = outbox::page(&self.store.view(), after, CHUNK)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (id, message) in page {
                match message {
                    Ok(message) if message.via() == via => self.handle(&mut run, id, message).await?,
                    Ok(_) => {}
                    // Which way it would go nobody knows; one of them counts it.
                    Err(error) if via == Via::Mail => {
                        run.tally.unreadable += 1;
                        self.tell_unreadable(&error);
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(run.tally)
    }

    async fn handle(&self, run: &mut Run, id: MessageId, message: Message) -> Result<(), StoreError> {
        let now = self.store.clock().now();
        if message.expires_at <= now {
            run.tally.expired += 1;
            tell(&message, "a message was dropped: its end came before it could be sent");
            return self.remove(id).await;
        }
        let channel = match run.via {
            Via::Mail => &self.mail,
            Via::Sms => &self.sms,
            Via::Face => &self.face,
            // Its own tasks deliver to webhooks, in order.
            Via::Webhook => &None,
        };
        let Some(channel) = channel else {
            run.tally.waiting += 1;
            self.tell_no_channel(run.via);
            return Ok(());
        };
        let closed = run.failures_in_a_row >= FAILURES || run.stopwatch.elapsed() >= LONGEST_RUN;
        if message.due_at > now || closed {
            run.tally.waiting += 1;
            return Ok(());
        }
        if run.via == Via::Sms {
            // What comes of it may never be known: a daemon that starts again does not send it again.
            self.remove(id).await?;
        }
        match channel.deliver(&message).await {
            Ok(()) => self.sent(run, id, &message).await,
            Err(error) if error.retry => self.failed(run, id, message, &error).await,
            Err(error) => self.refused(run, id, &message, &error).await,
        }
    }

    async fn sent(&self, run: &mut Run, id: MessageId, message: &Message) -> Result<(), StoreError> {
        run.failures_in_a_row = 0;
        run.tally.sent += 1;
        self.remove_after(run.via, id).await?;
        tracing::info!(
            message.kind = message.body.kind(),
            user.id = message.user.map(tracing::field::display),
            "a message was sent"
        );
        Ok(())
    }

    async fn failed(
        &self,
        run: &mut Run,
        id: MessageId,
        message: Message,
        error: &DeliveryError,
    ) -> Result<(), StoreError> {
        run.failures_in_a_row += 1;
        run.tally.failed += 1;
        let attempts = message.attempts.saturating_add(1);
        let due_at = next_attempt(self.store.clock().now(), attempts, &message.body, error.wait);
        tracing::warn!(
            message.kind = message.body.kind(),
            user.id = message.user.map(tracing::field::display),
            message.attempts = attempts,
            "a message could not be sent and is tried again at {due_at}: {error}"
        );
        let by_sms = run.via == Via::Sms;
        let put_off = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            // Whoever took a mail out meanwhile had a reason; a text was taken out by us.
            let message = if by_sms { Some(message.clone()) } else { outbox::get(tx, id)? };
            let Some(message) = message else { return Ok(()) };
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
        self.remove_after(run.via, id).await
    }

    /// Takes out what was handed over, where that was not done before.
    async fn remove_after(&self, via: Via, id: MessageId) -> Result<(), StoreError> {
        if via == Via::Sms { Ok(()) } else { self.remove(id).await }
    }

    async fn remove(&self, id: MessageId) -> Result<(), StoreError> {
        self.store
            .write(move |tx: &mut Tx<'_>| {
                outbox::remove(tx, id);
                Ok(())
            })
            .await
    }

    fn tell_no_channel(&self, via: Via) {
        let (told, what) = match via {
            Via::Mail => (&self.told_no_mail, "mail"),
            Via::Sms => (&self.told_no_sms, "SMS"),
            Via::Face => (&self.told_no_face, "provider of faces"),
            Via::Webhook => return,
        };
        if !told.swap(true, Ordering::Relaxed) {
            tracing::warn!("there are messages to send, but no {what} is configured: they wait until they expire");
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

/// When a message that has failed so often is tried again, where the other side asks for this wait or none.
fn next_attempt(now: Timestamp, attempts: u32, body: &Body, wait: Option<Duration>) -> Timestamp {
    let first = if matches!(body, Body::Code { .. }) { FIRST_PAUSE_OF_CODES } else { FIRST_PAUSE };
    let pause = first.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1)));
    plus(now, pause.max(wait.unwrap_or_default()).min(LONGEST_PAUSE))
}

fn tell(message: &Message, what: &str) {
    tracing::warn!(message.kind = message.body.kind(), user.id = message.user.map(tracing::field::display), "{what}");
}

#[cfg(test)]
mod tests;
