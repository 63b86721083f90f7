//! The task "outbox": hands what was committed to a channel.
//!
//! A mail leaves at least once: it is taken out of the outbox only after the other side has accepted it. A daemon that
//! dies sends those again whose acceptance was not on disk yet: no more than the few for each connection that `way`
//! lets be unnoted. Over a full disk no mail goes out again and again: nothing leaves while the store takes no notes, and
//! a note that it did not take is kept in memory and written before anything else leaves. A text to a phone leaves at
//! most once: it is taken out before, and put back only where it is certain that it was not sent; who misses a code asks
//! for another. Neither is sent after its end, and a server that is down is asked less and less often. The provider of
//! faces is told as a mail is sent: at least once. The ways do not wait for each other, and what somebody waits for goes
//! first. What is given up is kept, and can be seen. Nothing here writes an address, a code or a link to the log.

mod note;
mod queue;
mod run;
mod way;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::directory::message::{Message, Via};
use crate::notify::channel::{Channel, DeliveryError};
use crate::store::outbox::undelivered::{self, Outcome};
use crate::store::outbox::{self, MessageId};
use crate::store::{Store, StoreError};
use crate::tasks::schedule::Schedule;
use crate::tasks::{Task, Work};

use note::{Note, Noted};
use queue::Queue;
use run::{Event, Flight, Landed, Run};
use way::Way;

/// How often the outbox is looked at; a poke does so at once.
const PERIOD: Duration = Duration::from_secs(5);
/// A run begins no further delivery after this time, and then tells what it did.
const LONGEST_RUN: Duration = Duration::from_secs(20);
/// Messages whose end has come that are given up in one commit.
const ENDED_AT_ONCE: usize = 200;

/// The dispatcher of one daemon.
pub struct Outbox {
    store: Arc<Store>,
    ways: Vec<Way>,
    queue: Mutex<Queue>,
    /// What became of messages, where the store failed to note it.
    owed: Mutex<Vec<Noted>>,
    schedule: Schedule,
    /// The daemon stops: no delivery begins any more.
    stopping: CancellationToken,
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
    /// Refused for good, and given up.
    pub refused: usize,
    /// Given up because their end had come.
    pub expired: usize,
    /// Left for a later run: not due yet, or without a channel.
    pub waiting: usize,
    /// Do not open, and stay.
    pub unreadable: usize,
}

impl Outbox {
    /// A dispatcher without a way out: messages wait until they expire.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            ways: Via::ALL.iter().copied().map(Way::missing).collect(),
            queue: Mutex::default(),
            owed: Mutex::default(),
            schedule: Schedule::every(PERIOD),
            stopping: CancellationToken::new(),
            told_unreadable: AtomicBool::new(false),
        }
    }

    /// The same, with this way out, where there is a channel, and so many deliveries on it at once.
    #[must_use]
    pub fn with(mut self, via: Via, channel: Option<Arc<dyn Channel>>, at_once: usize) -> Self {
        self.ways.retain(|way| way.via != via);
        self.ways.push(Way::by(via, channel, at_once));
        self
    }

    /// Begins no delivery any more: who stops the daemon does not wait for a full outbox.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Why nothing leaves by some ways at present.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        self.ways.iter().filter_map(Way::trouble).collect()
    }

    /// Does nothing leave by this way at present, because the other side is down?
    #[must_use]
    pub fn is_closed(&self, via: Via) -> bool {
        self.ways.iter().any(|way| way.via == via && way.trouble().is_some())
    }

    /// Delivers what is due.
    ///
    /// # Errors
    /// When the store fails, or could not note what leaves.
    pub async fn dispatch(&self) -> Result<Tally, StoreError> {
        self.write_owed().await?;
        if let Some(fault) = self.store.fault() {
            return Err(fault);
        }
        self.queue().begin();
        let mut run = Run::start();
        loop {
            if self.goes_on(&run)
                && let Err(error) = self.begin_due(&mut run).await
            {
                run.failure = Some(error);
            }
            run.write_notes(&self.store);
            if run.is_at_end() {
                return self.end(run).await;
            }
            match run.step().await {
                Event::Landed(flight, landed) => self.land(&mut run, *flight, landed),
                Event::Noted(notes) => self.settle(&notes),
                Event::Unnoted(notes) => self.owed().extend(notes),
                Event::Nothing => {}
            }
        }
    }

    async fn end(&self, mut run: Run) -> Result<Tally, StoreError> {
        if let Some(error) = run.failure.take() {
            self.queue().forget();
            return Err(error);
        }
        if run.tally.refused > 0 || run.tally.expired > 0 {
            while self.store.write(undelivered::trim).await? {}
        }
        (run.tally.waiting, run.tally.unreadable) = self.queue().count();
        Ok(run.tally)
    }

    /// Notes what the store failed to note. Nothing leaves before that: the queue is read from the outbox, where those
    /// messages still wait.
    async fn write_owed(&self) -> Result<(), StoreError> {
        let owed = self.owed().clone();
        if !owed.is_empty() {
            note::write(&self.store, owed).await?;
            self.owed().clear();
        }
        Ok(())
    }

    fn owed(&self) -> MutexGuard<'_, Vec<Noted>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn goes_on(&self, run: &Run) -> bool {
        let in_time = !self.stopping.is_cancelled() && run.stopwatch.elapsed() < LONGEST_RUN;
        in_time && run.failure.is_none() && self.store.fault().is_none()
    }

    /// Reads what is new, and begins with as much of what is due as each way takes.
    async fn begin_due(&self, run: &mut Run) -> Result<(), StoreError> {
        while self.queue().read(&self.store, |error| self.tell_unreadable(error))? {
            // There may be very many: others run meanwhile, and a later run reads on.
            tokio::task::yield_now().await;
            if !self.goes_on(run) {
                return Ok(());
            }
        }
        let now = self.store.clock().now();
        for way in &self.ways {
            while run.notes() < ENDED_AT_ONCE
                && let Some(id) = self.next_ended(way, now)
            {
                self.expire(run, way, id)?;
            }
            let Some(channel) = &way.channel else {
                if self.queue().has(way.via) {
                    way.tell_missing();
                }
                continue;
            };
            while let Some(id) = self.next(run, way, now) {
                let Some(message) = self.open(id)? else { continue };
                let flight = Flight { via: way.via, id, message };
                run.begin(&self.store, channel.clone(), flight, way.is_at_most_once());
            }
        }
        Ok(())
    }

    fn next(&self, run: &Run, way: &Way, now: Timestamp) -> Option<MessageId> {
        let (under_way, unnoted) = run.counts(way.via);
        let others_too = way.admits(now, under_way, unnoted)?;
        self.queue().next(way.via, now, others_too)
    }

    fn next_ended(&self, way: &Way, now: Timestamp) -> Option<MessageId> {
        self.queue().next_ended(way.via, now)
    }

    /// A message that was handed out, where it still is in the outbox.
    fn open(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        match outbox::get(&self.store.view(), id) {
            Ok(Some(message)) => return Ok(Some(message)),
            Ok(None) => self.queue().settle(id),
            Err(error @ (StoreError::Record(_) | StoreError::Key(_))) => {
                self.queue().spoiled(id);
                self.tell_unreadable(&error);
            }
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    fn expire(&self, run: &mut Run, way: &Way, id: MessageId) -> Result<(), StoreError> {
        let Some(message) = self.open(id)? else { return Ok(()) };
        run.tally.expired += 1;
        tell(&message, "a message was given up: its end came before it could be sent");
        let note = Note::GivenUp(Box::new(message), Outcome::Expired);
        run.note(Noted { via: way.via, id, taken_out: false, flown: false, note });
        Ok(())
    }

    /// Notes what came of a delivery.
    fn land(&self, run: &mut Run, flight: Flight, landed: Landed) {
        let Some(way) = self.ways.iter().find(|way| way.via == flight.via) else { return };
        let Landed::Told(told) = landed else {
            run.forget(way.via);
            return self.queue().settle(flight.id);
        };
        let note = match told {
            Ok(()) => sent(run, way, &flight.message),
            Err(error) if error.retry => self.failed(run, way, &flight.message, &error),
            Err(error) => refused(run, way, &flight.message, &error),
        };
        if matches!(note, Note::Sent) && way.is_at_most_once() {
            // It was taken out before: there is nothing to note.
            run.forget(way.via);
            return self.queue().settle(flight.id);
        }
        run.note(Noted::of(&flight, way.is_at_most_once(), note));
    }

    fn failed(&self, run: &mut Run, way: &Way, message: &Message, error: &DeliveryError) -> Note {
        let now = self.store.clock().now();
        run.tally.failed += 1;
        if error.way {
            way.failed(now, &error.text)
        } else {
            way.is_open()
        }
        let later = note::put_off(message.clone(), error, now);
        tracing::warn!(
            message.kind = message.body.kind(),
            user.id = message.user.map(tracing::field::display),
            message.attempts = later.attempts,
            "a message could not be sent and is tried again at {}: {error}",
            later.due_at
        );
        Note::PutOff(Box::new(later))
    }

    /// What was noted is on disk.
    fn settle(&self, notes: &[Noted]) {
        let mut queue = self.queue();
        for Noted { id, note, .. } in notes {
            match note {
                Note::PutOff(message) => queue.put_back(*id, message),
                Note::Sent | Note::GivenUp(..) => queue.settle(*id),
            }
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
            let counts = format!(
                "{} sent, {} failed for now, {} refused, {} expired, {} waiting, {} unreadable",
                tally.sent, tally.failed, tally.refused, tally.expired, tally.waiting, tally.unreadable
            );
            Ok([vec![counts], self.troubles()].concat().join("; "))
        })
    }
}

fn sent(run: &mut Run, way: &Way, message: &Message) -> Note {
    way.is_open();
    run.tally.sent += 1;
    tracing::info!(
        message.kind = message.body.kind(),
        user.id = message.user.map(tracing::field::display),
        "a message was sent"
    );
    Note::Sent
}

fn refused(run: &mut Run, way: &Way, message: &Message, error: &DeliveryError) -> Note {
    // The other side looked at the message.
    way.is_open();
    run.tally.refused += 1;
    tell(message, &format!("a message was given up: {error}"));
    let attempts = message.attempts.saturating_add(1);
    let message = Message { attempts, last_error: Some(error.text.clone()), ..message.clone() };
    Note::GivenUp(Box::new(message), Outcome::Refused)
}

fn tell(message: &Message, what: &str) {
    tracing::warn!(message.kind = message.body.kind(), user.id = message.user.map(tracing::field::display), "{what}");
}

#[cfg(test)]
mod tests;
