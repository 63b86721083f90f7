//! One run of the dispatcher: what is under way, and what became of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};

use super::Tally;
use super::note::{self, Note, Noted};
use super::way::rules;
use crate::base::clock::Stopwatch;
use crate::directory::message::{Message, Via};
use crate::notify::channel::{Channel, DeliveryError};
use crate::store::outbox::MessageId;
use crate::store::tx::Tx;
use crate::store::{Store, StoreError, outbox};

/// How long a run waits for what is under way before it looks for what is new.
const LOOK: Duration = Duration::from_millis(200);

/// One run under way.
pub(super) struct Run {
    pub(super) tally: Tally,
    pub(super) stopwatch: Stopwatch,
    /// The store failed: nothing begins any more.
    pub(super) failure: Option<StoreError>,
    under_way: JoinSet<Landed>,
    flights: HashMap<Id, Flight>,
    notes: Vec<Noted>,
    /// The one commit of notes that is under way, and what it notes.
    noting: JoinSet<Result<(), StoreError>>,
    being_noted: Vec<Noted>,
    counts: BTreeMap<Via, Counts>,
}

/// A delivery under way.
pub(super) struct Flight {
    pub(super) via: Via,
    pub(super) id: MessageId,
    pub(super) message: Message,
}

/// What came of a delivery.
pub(super) enum Landed {
    /// The other side took it, or did not.
    Told(Result<(), DeliveryError>),
    /// It was taken out of the outbox before it could be sent.
    Gone,
    /// The store failed before it could be sent.
    Failed(StoreError),
}

/// What a run waits for.
pub(super) enum Event {
    /// A delivery came to its end.
    Landed(Box<Flight>, Landed),
    /// These notes are on disk.
    Noted(Vec<Noted>),
    /// The store failed to note these.
    Unnoted(Vec<Noted>),
    /// Nothing yet.
    Nothing,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    under_way: usize,
    unnoted: usize,
}

impl Run {
    pub(super) fn start() -> Self {
        Self {
            tally: Tally::default(),
            stopwatch: Stopwatch::start(),
            failure: None,
            under_way: JoinSet::new(),
            flights: HashMap::new(),
            notes: Vec::new(),
            noting: JoinSet::new(),
            being_noted: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// How many deliveries of a way are under way, and of how many it is not on disk what became of them.
    pub(super) fn counts(&self, via: Via) -> (usize, usize) {
        let counts = self.counts.get(&via).copied().unwrap_or_default();
        (counts.under_way, counts.unnoted)
    }

    /// How many notes wait to be written.
    pub(super) fn notes(&self) -> usize {
        self.notes.len()
    }

    /// Begins a delivery; where a message leaves at most once, it is taken out first.
    pub(super) fn begin(&mut self, store: &Arc<Store>, channel: Arc<dyn Channel>, flight: Flight, take_out: bool) {
        let counts = self.counts.entry(flight.via).or_default();
        counts.under_way = counts.under_way.saturating_add(1);
        counts.unnoted = counts.unnoted.saturating_add(1);
        let (store, id, message) = (store.clone(), flight.id, flight.message.clone());
        let handle = self.under_way.spawn(async move {
            if take_out {
                match take(&store, id).await {
                    // What comes of it may never be known: a daemon that starts again does not send it again.
                    Ok(true) => {}
                    Ok(false) => return Landed::Gone,
                    Err(error) => return Landed::Failed(error),
                }
            }
            Landed::Told(channel.deliver(&message).await)
        });
        self.flights.insert(handle.id(), flight);
    }

    /// Has something noted that was no delivery.
    pub(super) fn note(&mut self, noted: Noted) {
        self.notes.push(noted);
    }

    /// A delivery came to nothing that must be noted.
    pub(super) fn forget(&mut self, via: Via) {
        let counts = self.counts.entry(via).or_default();
        counts.unnoted = counts.unnoted.saturating_sub(1);
    }

    /// Writes what there is to note, once the notes before are on disk.
    pub(super) fn write_notes(&mut self, store: &Arc<Store>) {
        if self.notes.is_empty() || !self.noting.is_empty() {
            return;
        }
        self.being_noted = std::mem::take(&mut self.notes);
        let (notes, store) = (self.being_noted.clone(), store.clone());
        self.noting.spawn(async move { note::write(&store, notes).await });
    }

    /// Is nothing under way, and everything noted?
    pub(super) fn is_at_end(&self) -> bool {
        self.under_way.is_empty() && self.noting.is_empty() && self.notes.is_empty()
    }

    /// Waits for the next thing to happen, for a short while.
    pub(super) async fn step(&mut self) -> Event {
        tokio::select! {
            Some(landed) = self.under_way.join_next_with_id() => self.land(landed),
            Some(noted) = self.noting.join_next() => self.noted(noted.unwrap_or(Err(StoreError::Stopped))),
            () = tokio::time::sleep(LOOK) => Event::Nothing,
        }
    }

    fn noted(&mut self, outcome: Result<(), StoreError>) -> Event {
        let notes = std::mem::take(&mut self.being_noted);
        notes.iter().filter(|noted| noted.flown).for_each(|noted| self.forget(noted.via));
        let Err(error) = outcome else { return Event::Noted(notes) };
        self.failure = Some(error);
        Event::Unnoted(notes)
    }

    fn land(&mut self, landed: Result<(Id, Landed), tokio::task::JoinError>) -> Event {
        let (id, landed) = match landed {
            Ok((id, landed)) => (id, landed),
            Err(error) => {
                let why = "sending it ended in a fault of its own";
                // It may have left before the fault.
                let give_up = self.flights.get(&error.id()).is_some_and(|flight| rules(flight.via).1);
                let fault = if give_up { DeliveryError::lasting(why) } else { DeliveryError::deferred(why) };
                (error.id(), Landed::Told(Err(fault)))
            }
        };
        let Some(flight) = self.flights.remove(&id) else { return Event::Nothing };
        let counts = self.counts.entry(flight.via).or_default();
        counts.under_way = counts.under_way.saturating_sub(1);
        match landed {
            Landed::Failed(error) => self.fail(error),
            landed => Event::Landed(Box::new(flight), landed),
        }
    }

    fn fail(&mut self, error: StoreError) -> Event {
        self.failure = Some(error);
        Event::Nothing
    }
}

impl Noted {
    /// What became of a delivery.
    pub(super) fn of(flight: &Flight, taken_out: bool, note: Note) -> Self {
        Self { via: flight.via, id: flight.id, taken_out, flown: true, note }
    }
}

/// Takes a message out; `false`: somebody else did.
async fn take(store: &Store, id: MessageId) -> Result<bool, StoreError> {
    let take = move |tx: &mut Tx<'_>| -> Result<bool, StoreError> {
        let is_there = outbox::is_there(tx, id)?;
        outbox::remove(tx, id);
        Ok(is_there)
    };
    store.write(take).await
}
