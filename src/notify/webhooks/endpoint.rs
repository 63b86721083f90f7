//! One request to an endpoint. TLS is always verified, redirects are not followed, nothing of what it writes is
//! repeated.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::payload::Event;
use super::rules::Verdict;
use super::settings::Settings;
use super::sign::{SigningKey, signatures};
use crate::base::certificates::SeenCertificates;
use crate::web::Method;
use crate::web::client::{Answer, Ask, Keys, Limits, Wire, WireError};
use crate::web::header::{CONTENT_TYPE, HeaderName};
use crate::web::place::Place;
use crate::web::tls::Tls;

/// Most bytes of an answer: its status says all.
const ANSWER_MAX: usize = 64 * 1024;
/// How the settings call what errors tell to look at.
const KEYS: Keys = Keys {
    url: "url",
    ca_file: "ca_file",
    connect: "timeout",
    request: "timeout",
    too_large: "an endpoint answers with a status, and nothing to read",
};

/// Where events go.
pub(super) struct Endpoint {
    place: Place,
    tls: Tls,
    keys: Vec<SigningKey>,
    limits: Limits,
    /// The connection, kept from one event to the next.
    wire: Mutex<Option<Wire>>,
}

impl Endpoint {
    /// By these settings.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        let place = Place::parse(&settings.url)?;
        let timeout = settings.timeout;
        let limits = Limits { connect: timeout, request: timeout, answer: ANSWER_MAX, keys: &KEYS };
        let (tls, keys) = (Tls::new(settings.ca_file.clone()), settings.keys.clone());
        Ok(Self { place, tls, keys, limits, wire: Mutex::default() })
    }

    pub(super) fn note_in(&self, seen: &SeenCertificates) {
        self.tls.note_in(seen);
    }

    /// Hands an event over; with what the endpoint answered, in words.
    pub(super) async fn post(&self, event: &Event, now: Timestamp) -> (Verdict, String) {
        let limit = self.limits.request;
        match tokio::time::timeout(limit, self.ask(event, now)).await {
            Ok(Ok(answer)) => self.judge(&answer),
            Ok(Err(why)) => (Verdict::Unreachable, why),
            Err(_) => (Verdict::Unreachable, format!("{}: no answer within {limit:?} (timeout)", self.place)),
        }
    }

    async fn ask(&self, event: &Event, now: Timestamp) -> Result<Answer, String> {
        let mut kept = self.wire.lock().await;
        let mut wire = match kept.take() {
            Some(wire) => wire,
            None => {
                let tls = if self.place.tls { Some(self.tls.config().await?) } else { None };
                Wire::new(self.place.clone(), self.limits, tls)
            }
        };
        let headers = vec![
            (CONTENT_TYPE, "application/json".to_owned()),
            (HeaderName::from_static("webhook-id"), event.id.clone()),
            (HeaderName::from_static("webhook-timestamp"), now.as_second().to_string()),
            (HeaderName::from_static("webhook-signature"), signatures(&self.keys, &event.id, now, &event.payload)),
        ];
        let ask = Ask { method: Method::POST, target: &self.place.target(), headers, body: event.payload.clone() };
        let answer = wire.send(&ask).await.map_err(|error: WireError| error.to_string())?;
        *kept = Some(wire);
        Ok(answer)
    }

    fn judge(&self, answer: &Answer) -> (Verdict, String) {
        let status = answer.status;
        let wait = answer.retry_after().and_then(|said| said.trim().parse().ok()).map(Duration::from_secs);
        match status {
            200..=299 => (Verdict::Accepted, format!("it answers {status}")),
            300..=399 => (Verdict::Refused, format!("it answers {status}: redirects are not followed, correct url")),
            401 | 403 => (Verdict::Refused, format!("it answers {status}: does it know the secret?")),
            410 => (Verdict::Gone, "it answers 410: it is no more".to_owned()),
            429 | 503 => (Verdict::Busy(wait), format!("it answers {status}: not now")),
            _ => (Verdict::Refused, format!("it answers {status}")),
        }
    }
}
