//! Which certificates were seen of late, and until when they are good: noted wherever TLS begins, read by whoever warns.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// Most places that are remembered.
const MOST: usize = 1_000;

/// What was seen. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SeenCertificates {
    shared: Arc<Mutex<Seen>>,
    /// Who notes here: a host may serve several of us, by several certificates.
    service: usize,
}

#[derive(Debug, Default)]
struct Seen {
    services: usize,
    /// By place and service.
    ends: BTreeMap<(String, usize), Timestamp>,
}

impl SeenCertificates {
    /// The same for one more service: what it notes takes the place of nothing that others note.
    #[must_use]
    pub fn of_service(&self) -> Self {
        let mut seen = self.seen();
        seen.services = seen.services.saturating_add(1);
        Self { shared: self.shared.clone(), service: seen.services }
    }

    /// A server at this place showed a certificate that is good until then. What it showed to this service before counts
    /// no more.
    pub fn note(&self, place: &str, not_after: Timestamp) {
        let (mut seen, key) = (self.seen(), (place.to_owned(), self.service));
        if seen.ends.len() < MOST || seen.ends.contains_key(&key) {
            seen.ends.insert(key, not_after);
        }
    }

    /// Every place, and until when all that it showed is good.
    #[must_use]
    pub fn list(&self) -> Vec<(String, Timestamp)> {
        let mut places: BTreeMap<String, Timestamp> = BTreeMap::new();
        for ((place, _), not_after) in &self.seen().ends {
            let end = places.entry(place.clone()).or_insert(*not_after);
            *end = (*end).min(*not_after);
        }
        places.into_iter().collect()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn of_several_services_of_one_host_the_earliest_end_counts() {
        let seen = SeenCertificates::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let (one, other) = (seen.of_service(), seen.of_service());
        one.note("example.org", at(5));
        other.note("example.org", at(9));
        assert_eq!(seen.list(), [("example.org".to_owned(), at(5))]);
        one.note("example.org", at(20));
        assert_eq!(seen.list(), [("example.org".to_owned(), at(9))], "a new one takes the place of its own");
    }
}
