//! The order in which messages leave: which is next on each way. Kept in memory, and read from the outbox.
//!
//! Of a message only its times lie here. Each is read once when it is new, and again where somebody changed it from
//! outside; the whole outbox only at the start, after a fault, and where very many were changed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::note::LONGEST_PAUSE;
use crate::base::clock::is_over;
use crate::directory::message::{Message, Via};
use crate::store::outbox::{self, MessageId};
use crate::store::tx::View;
use crate::store::{Store, StoreError};

/// Messages that are read at a time.
pub(super) const CHUNK: usize = 200;

/// Everything that waits.
#[derive(Default)]
pub(super) struct Queue {
    /// Up to where the outbox was read; `None`: it is to be read from its beginning.
    read: Option<MessageId>,
    /// The count of changes from outside that was seen last.
    changes: u64,
    places: BTreeMap<MessageId, Place>,
    lanes: BTreeMap<Via, Lane>,
    /// Handed out, and not settled yet.
    out: BTreeSet<MessageId>,
    /// Those that do not open, and stay.
    unreadable: BTreeSet<MessageId>,
}

#[derive(Clone, Copy)]
struct Place {
    via: Via,
    urgent: bool,
    due_at: Timestamp,
    expires_at: Timestamp,
}

/// What waits on one way, by time.
#[derive(Default)]
struct Lane {
    urgent: BTreeSet<(Timestamp, MessageId)>,
    others: BTreeSet<(Timestamp, MessageId)>,
    ends: BTreeSet<(Timestamp, MessageId)>,
}

impl Lane {
    fn of(&mut self, urgent: bool) -> &mut BTreeSet<(Timestamp, MessageId)> {
        if urgent { &mut self.urgent } else { &mut self.others }
    }
}

impl Queue {
    /// Forgets everything: the outbox is read anew.
    pub(super) fn forget(&mut self) {
        *self = Self { changes: self.changes, ..Self::default() };
    }

    /// Begins a run. What an earlier one left without an end is read anew.
    pub(super) fn begin(&mut self) {
        if !self.out.is_empty() {
            self.forget();
        }
    }

    /// Reads some of what is new; `true`: there is more. `tell` gets the error of one that does not open.
    pub(super) fn read(&mut self, store: &Store, tell: impl Fn(&StoreError)) -> Result<bool, StoreError> {
        let view = store.view();
        self.read_changed(&view, &tell)?;
        let page = outbox::page(&view, self.read, CHUNK)?;
        let more = page.len() == CHUNK;
        for (id, message) in page {
            self.read = Some(id);
            self.take_in(id, message, &tell);
        }
        Ok(more)
    }

    /// Reads again what was changed from outside.
    fn read_changed(&mut self, view: &View<'_>, tell: impl Fn(&StoreError)) -> Result<(), StoreError> {
        let changes = outbox::changes(view)?;
        if changes == self.changes {
            return Ok(());
        }
        match outbox::changed_since(view, self.changes, changes)? {
            Some(ids) if self.read.is_some() => {
                for id in ids {
                    self.remove(id);
                    self.unreadable.remove(&id);
                    match outbox::get(view, id) {
                        Ok(None) => {}
                        Ok(Some(message)) => self.take_in(id, Ok(message), &tell),
                        Err(error @ (StoreError::Record(_) | StoreError::Key(_))) => {
                            self.take_in(id, Err(error), &tell)
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            _ => {
                let out = std::mem::take(&mut self.out);
                self.forget();
                self.out = out;
            }
        }
        self.changes = changes;
        Ok(())
    }

    fn take_in(&mut self, id: MessageId, message: Result<Message, StoreError>, tell: impl Fn(&StoreError)) {
        match message {
            Ok(message) if !Via::ALL.contains(&message.via()) => {}
            Ok(message) if !self.out.contains(&id) => self.put(id, &message),
            Ok(_) => {}
            Err(error) => {
                self.unreadable.insert(id);
                tell(&error);
            }
        }
    }

    fn put(&mut self, id: MessageId, message: &Message) {
        let Message { due_at, expires_at, .. } = *message;
        let place = Place { via: message.via(), urgent: message.body.is_urgent(), due_at, expires_at };
        self.remove(id);
        let lane = self.lanes.entry(place.via).or_default();
        lane.of(place.urgent).insert((due_at, id));
        lane.ends.insert((expires_at, id));
        self.places.insert(id, place);
    }

    fn remove(&mut self, id: MessageId) {
        let Some(place) = self.places.remove(&id) else { return };
        let lane = self.lanes.entry(place.via).or_default();
        lane.of(place.urgent).remove(&(place.due_at, id));
        lane.ends.remove(&(place.expires_at, id));
    }

    fn hand_out(&mut self, id: MessageId) -> MessageId {
        self.remove(id);
        self.out.insert(id);
        id
    }

    /// The next that is due on a way: one that somebody waits for, or else, where those may go too, the one that has
    /// been due for longest. What waits for longer than any pause lasts was put off before the clock was set back.
    pub(super) fn next(&mut self, via: Via, now: Timestamp, others_too: bool) -> Option<MessageId> {
        let lane = self.lanes.get(&via)?;
        let due = |set: &BTreeSet<(Timestamp, MessageId)>| {
            let ends = [set.first()?, set.last()?];
            ends.into_iter().find(|(due, _)| is_over(*due, LONGEST_PAUSE, now)).map(|(_, id)| *id)
        };
        let id = due(&lane.urgent).or_else(|| due(&lane.others).filter(|_| others_too))?;
        Some(self.hand_out(id))
    }

    /// One on a way whose end has come.
    pub(super) fn next_ended(&mut self, via: Via, now: Timestamp) -> Option<MessageId> {
        let (end, id) = *self.lanes.get(&via)?.ends.first()?;
        if end <= now { Some(self.hand_out(id)) } else { None }
    }

    /// A message that was handed out is gone.
    pub(super) fn settle(&mut self, id: MessageId) {
        self.out.remove(&id);
    }

    /// A message that was handed out waits again.
    pub(super) fn put_back(&mut self, id: MessageId, message: &Message) {
        if self.out.remove(&id) {
            self.put(id, message);
        }
    }

    /// A message that was handed out does not open.
    pub(super) fn spoiled(&mut self, id: MessageId) {
        self.out.remove(&id);
        self.unreadable.insert(id);
    }

    /// Does anything wait on this way?
    pub(super) fn has(&self, via: Via) -> bool {
        self.lanes.get(&via).is_some_and(|lane| !lane.ends.is_empty())
    }

    /// How many wait, and how many do not open.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.places.len(), self.unreadable.len())
    }
}
