//! What the identity provider of a source has taken away of late, and the plan that keeps what it may not.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::{PlanId, SourceId};
use crate::store::StoreError;
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};

/// Seconds of an hour.
const HOUR: i64 = 3_600;
/// Hours that are remembered.
const HOURS: i64 = 24;

/// One source's record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pushed {
    /// Losses by the hour, oldest first.
    hours: Vec<Hour>,
    /// The plan that waits for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<PlanId>,
}

/// The losses of one hour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Hour {
    /// Hours since 1970.
    number: i64,
    /// Users who lost their way in.
    users: usize,
    /// Users who were removed as new as they were made.
    new: usize,
}

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A user who could come in, or might have.
    Users,
    /// A user whom the source has just made itself, and who was never in.
    New,
}

fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(HOUR)
}

impl Pushed {
    /// How many were lost in the day before.
    #[must_use]
    pub fn lost(&self, of: Of, now: Timestamp) -> usize {
        let recent = self.hours.iter().filter(|one| one.number > hour(now) - HOURS && one.number <= hour(now));
        recent.map(|one| if of == Of::New { one.new } else { one.users }).fold(0, usize::saturating_add)
    }

    /// One more.
    pub fn lose(&mut self, of: Of, now: Timestamp) {
        let number = hour(now);
        self.hours.retain(|one| one.number > number - HOURS && one.number <= number);
        if self.hours.last().is_none_or(|last| last.number != number) {
            self.hours.push(Hour { number, users: 0, new: 0 });
        }
        if let Some(last) = self.hours.last_mut() {
            let counter = if of == Of::New { &mut last.new } else { &mut last.users };
            *counter = counter.saturating_add(1);
        }
    }

    /// One who was lost then has the way in again, or was new.
    pub fn give_back(&mut self, then: Timestamp) {
        if let Some(one) = self.hours.iter_mut().find(|one| one.number == hour(then)) {
            one.users = one.users.saturating_sub(1);
        }
    }
}

fn key(source: &SourceId) -> Vec<u8> {
    Space::Push.key(&[source.as_str().as_bytes()])
}

/// The record of a source.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, source: &SourceId) -> Result<Pushed, StoreError> {
    Ok(get_record(reads, &key(source))?.unwrap_or_default())
}

/// Keeps the record of a source.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put(tx: &mut Tx<'_>, source: &SourceId, pushed: &Pushed) -> Result<(), StoreError> {
    tx.put_record(key(source), pushed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_remembered_and_what_is_given_back_is_not_lost() {
        let at = |hours: i64| Timestamp::from_second(hours * HOUR + 7).unwrap();
        let mut pushed = Pushed::default();
        for hours in [100, 100, 101, 110] {
            pushed.lose(Of::Users, at(hours));
        }
        pushed.lose(Of::New, at(110));
        assert_eq!((pushed.lost(Of::Users, at(110)), pushed.lost(Of::New, at(110))), (4, 1));
        assert_eq!(pushed.lost(Of::Users, at(124)), 2, "the first hour is over");
        pushed.give_back(at(101));
        pushed.give_back(at(7));
        assert_eq!(pushed.lost(Of::Users, at(110)), 3);
        pushed.lose(Of::Users, at(200));
        assert_eq!(pushed.hours.len(), 1, "what is over is forgotten");
        assert_eq!(pushed.lost(Of::Users, at(50)), 0, "a clock that went back finds nothing");
    }
}
