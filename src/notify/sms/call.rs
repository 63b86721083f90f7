//! One request to a provider over HTTP, and what its failures mean for the text: was it sent, or not, or perhaps.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::SendError;
use super::settings::Provider;
use crate::base::clock::Stopwatch;
use crate::web::client::{Answer, Ask, Keys, Limits, Wire, WireError};
use crate::web::place::Place;
use crate::web::tls::Tls;

/// Most bytes of an answer: they say yes or no.
const ANSWER_MAX: usize = 64 * 1024;
/// The longest wait that a provider may ask for; no code is good for longer.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// What the errors of the HTTP client call the settings of a provider.
pub(super) const KEYS: Keys = Keys {
    url: "url",
    ca_file: "ca_file",
    connect: "connect_timeout",
    request: "timeout",
    too_large: "that is no answer of a provider",
};

/// The way to one provider. Each request has a connection of its own.
pub(super) struct Caller {
    pub(super) place: Place,
    pub(super) tls: Tls,
    limits: Limits,
}

impl Caller {
    /// To this URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(url: &str, settings: &Provider) -> Result<Self, (&'static str, String)> {
        let place = Place::parse(url).map_err(|problem| ("url", problem))?;
        let (connect, request) = (settings.connect_timeout, settings.timeout);
        let limits = Limits { connect, request, answer: ANSWER_MAX, keys: &KEYS };
        Ok(Self { place, tls: Tls::new(settings.ca_file.clone()), limits })
    }

    /// The path, with a query where there is one.
    pub(super) fn target(&self, query: &str) -> String {
        let path = self.place.target();
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }

    /// Asks once.
    ///
    /// # Errors
    /// Before the request has left, it is certain that nothing was sent; afterwards nothing is.
    pub(super) async fn call(&self, ask: &Ask<'_>) -> Result<Answer, SendError> {
        let watch = Stopwatch::start();
        let tls = if self.place.tls { Some(self.tls.config().await) } else { None };
        let tls = tls.transpose().map_err(|why| SendError::busy(why, None))?;
        let mut wire = Wire::new(self.place.clone(), self.limits, tls);
        wire.connect().await.map_err(|error| SendError::busy(error.to_string(), None))?;
        let left = self.limits.request.saturating_sub(watch.elapsed());
        let late =
            || SendError::unsure(format!("{}: no answer within {:?} (timeout)", self.place, self.limits.request));
        match timeout(left, wire.send_at_most_once(ask)).await {
            Err(_) => Err(late()),
            Ok(outcome) => outcome.map_err(|error: WireError| SendError::unsure(error.to_string())),
        }
    }
}

/// What an answer that is no success means by its status alone (RFC 9110 §15).
pub(super) fn refused(answer: &Answer, code: &str) -> SendError {
    let status = answer.status;
    let code = if code.is_empty() { String::new() } else { format!(" ({code})") };
    match status {
        429 => {
            let seconds = answer.retry_after().and_then(|said| said.trim().parse().ok());
            let wait = seconds.map(|seconds| Duration::from_secs(seconds).min(WAIT_MAX));
            SendError::busy(format!("the provider answers 429{code}: too many requests"), wait)
        }
        300..=399 => SendError::refused(format!("the provider answers {status}: redirects are not followed")),
        401 | 403 => SendError::refused(format!("the provider answers {status}{code}: check the credentials")),
        // It took too long, or it was there already.
        408 | 409 | 425 => SendError::unsure(format!("the provider answers {status}{code}")),
        400..=499 => SendError::refused(format!("the provider answers {status}{code}: the text is refused")),
        _ => SendError::unsure(format!("the provider answers {status}{code}")),
    }
}

/// The body of an answer, where it is JSON.
pub(super) fn json(answer: &Answer) -> Option<Value> {
    serde_json::from_slice(&answer.body).ok()
}

/// A word of a provider as it may be logged: of a code, only what cannot repeat a number or a text.
pub(super) fn word(value: Option<&Value>) -> String {
    let text = match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => return String::new(),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    // A code of an error has no more than five digits: six may be those of a code.
    if text.len() <= 64 && text.chars().all(plain) && digits <= 5 { text } else { String::new() }
}

/// An identifier as it may be logged, where it is one.
pub(super) fn id(value: Option<&Value>) -> String {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "._-^".contains(*c)).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_of_errors_are_repeated() {
        for good in ["isv.BUSINESS_LIMIT_CONTROL", "LimitExceeded.PhoneNumberDailyLimit", "21211"] {
            assert_eq!(word(Some(&Value::from(good))), good);
        }
        for bad in ["918273", "+31612345600", "your code is 12", "x\ny", &"x".repeat(65)] {
            assert_eq!(word(Some(&Value::from(bad))), "", "{bad:?}");
        }
        assert_eq!(word(Some(&Value::from(21_211))), "21211");
        assert_eq!(word(Some(&serde_json::json!({"a": 1}))), "");
    }
}
