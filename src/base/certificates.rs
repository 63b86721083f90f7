//! Which certificates were seen of late, and until when they are good: noted wherever TLS begins, read by whoever warns.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// Most places that are remembered.
const MOST: usize = 1_000;

/// What was seen. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SeenCertificates(Arc<Mutex<BTreeMap<String, Timestamp>>>);

impl SeenCertificates {
    /// A server at this place showed a certificate that is good until then. What it showed before counts no more.
    pub fn note(&self, place: &str, not_after: Timestamp) {
        let mut seen = self.seen();
        if seen.len() < MOST || seen.contains_key(place) {
            seen.insert(place.to_owned(), not_after);
        }
    }

    /// Every place, and until when its certificate is good.
    #[must_use]
    pub fn list(&self) -> Vec<(String, Timestamp)> {
        self.seen().iter().map(|(place, not_after)| (place.clone(), *not_after)).collect()
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_certificate_of_a_place_counts_and_places_have_a_bound() {
        let seen = SeenCertificates::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        for number in 0..2_000 {
            seen.note(&format!("https://{number:04}"), at(1));
        }
        seen.clone().note("https://0007", at(2));
        assert_eq!((seen.list().len(), seen.list()[7].clone()), (MOST, ("https://0007".to_owned(), at(2))));
    }
}
