//! Where pages by number begin: a reader who goes from page to page is led on from the last user of the page before,
//! instead of past everybody who comes before it.
//!
//! A place is good as long as nobody has left and nobody has come in between: the store counts that.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::base::id::{SourceId, UserId};

/// Places that are remembered.
const MOST: usize = 1_024;

/// A page: the source, and how many users come before it.
type Page = (SourceId, usize);

/// The places that were reached of late.
#[derive(Default)]
pub struct Pages(Mutex<BTreeMap<Page, Place>>);

/// The user before a page, as things stood.
#[derive(Clone, Copy)]
struct Place {
    after: UserId,
    shifts: u64,
}

impl Pages {
    /// The user before a page, if the source's users stand as they stood then.
    #[must_use]
    pub fn find(&self, source: &SourceId, offset: usize, shifts: u64) -> Option<UserId> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.get(&(source.clone(), offset)).filter(|place| place.shifts == shifts);
        place.map(|place| place.after)
    }

    /// This is the user before that page.
    pub fn note(&self, source: &SourceId, offset: usize, after: UserId, shifts: u64) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MOST {
            places.clear();
        }
        places.insert((source.clone(), offset), Place { after, shifts });
    }
}
