//! What is said between the daemon and the provider of faces over HTTP. It knows the addresses, the bounds and the forms;
//! what a result is worth is not decided here.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::result::RESULT_MAX;
use super::settings::Settings;
use crate::base::certificates::SeenCertificates;
use crate::base::secret::Secret;
use crate::web::Method;
use crate::web::client::{Answer, Ask, Keys, Limits, Wire};
use crate::web::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use crate::web::place::{Place, encode};
use crate::web::tls::Tls;

/// The longest address of a page.
const URL_MAX: usize = 2048;

/// How the settings call what errors tell to look at.
const KEYS: Keys = Keys {
    url: "face.url",
    ca_file: "face.ca_file",
    connect: "face.timeout",
    request: "face.timeout",
    too_large: "the provider's answers are far smaller",
};

/// The provider.
pub(super) struct Provider {
    place: Place,
    token: Secret,
    tls: Tls,
    timeout: Duration,
}

/// What the provider is asked to find out.
#[derive(Serialize)]
pub(super) struct Question<'a> {
    pub(super) nonce: &'a str,
    pub(super) subject: &'a str,
    pub(super) purpose: &'a str,
    pub(super) ttl_seconds: u64,
    pub(super) issuer: &'a str,
}

/// Where the person goes.
#[derive(Deserialize)]
struct Page {
    capture_url: String,
}

/// What came of a question.
pub(super) enum Found {
    /// This, signed.
    Signed(String),
    /// Nobody was there yet.
    Nobody,
    /// The provider knows of no such question any more.
    Ended,
}

impl Provider {
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        let place = Place::parse(&settings.url).map_err(|problem| format!("face.url {problem}"))?;
        let tls = Tls::new(settings.ca_file.clone());
        Ok(Self { place, token: settings.token.clone(), tls, timeout: settings.timeout })
    }

    pub(super) fn note_in(&self, seen: &SeenCertificates) {
        self.tls.note_in(seen);
    }

    /// Puts a question; gives the page on which it is answered.
    pub(super) async fn begin(&self, question: &Question<'_>) -> Result<String, String> {
        let body = serde_json::to_string(question).map_err(|error| error.to_string())?;
        let answer = self.send(Method::POST, "/verifications", body).await?;
        if answer.status != 201 {
            return Err(self.refused(&answer));
        }
        let page: Page = serde_json::from_slice(&answer.body)
            .map_err(|_| format!("{}: the answer to a new verification has no capture_url", self.place))?;
        match is_page(&page.capture_url) {
            true => Ok(page.capture_url),
            false => Err(format!("{}: capture_url must be https, and at most {URL_MAX} bytes", self.place)),
        }
    }

    /// Asks what came of a question.
    pub(super) async fn look(&self, nonce: &str) -> Result<Found, String> {
        let answer = self.send(Method::GET, &format!("/verifications/{}", encode(nonce)), String::new()).await?;
        match answer.status {
            200 if answer.media_type().is_some_and(|kind| kind.eq_ignore_ascii_case("application/jwt")) => {
                let text = std::str::from_utf8(&answer.body).map(|text| text.trim().to_owned());
                text.map(Found::Signed).map_err(|_| format!("{}: a result is no text", self.place))
            }
            200 => Err(format!("{}: a result is not of the type application/jwt", self.place)),
            202 => Ok(Found::Nobody),
            404 | 410 => Ok(Found::Ended),
            _ => Err(self.refused(&answer)),
        }
    }

    /// Has somebody forgotten. Who is not known is forgotten.
    pub(super) async fn forget(&self, subject: &str) -> Result<(), String> {
        let answer = self.send(Method::DELETE, &format!("/subjects/{}", encode(subject)), String::new()).await?;
        if matches!(answer.status, 200 | 202 | 204 | 404 | 410) { Ok(()) } else { Err(self.refused(&answer)) }
    }

    /// Everything together has its time: the host's address, TLS, the request and its answer.
    async fn send(&self, method: Method, path: &str, body: String) -> Result<Answer, String> {
        let exchange = async {
            let tls = if self.place.tls { Some(self.tls.config().await?) } else { None };
            let limits = Limits { connect: self.timeout, request: self.timeout, answer: RESULT_MAX, keys: &KEYS };
            let mut headers = vec![
                (AUTHORIZATION, format!("Bearer {}", self.token.expose())),
                (ACCEPT, "application/jwt, application/json".to_owned()),
            ];
            if !body.is_empty() {
                headers.push((CONTENT_TYPE, "application/json".to_owned()));
            }
            let target = format!("{}{path}", self.place.path);
            let ask = Ask { method, target: &target, headers, body };
            Wire::new(self.place.clone(), limits, tls).send(&ask).await.map_err(|error| error.to_string())
        };
        let late = || format!("{}: no answer within {:?} (face.timeout)", self.place, self.timeout);
        tokio::time::timeout(self.timeout, exchange).await.map_err(|_| late())?
    }

    fn refused(&self, answer: &Answer) -> String {
        let (place, status) = (&self.place, answer.status);
        match status {
            300..=399 => format!("{place} answers {status}: redirects are not followed, correct face.url"),
            401 | 403 => format!("{place} answers {status}: check face.token"),
            _ => format!("{place} answers {status}"),
        }
    }
}

/// May a client be sent there?
fn is_page(url: &str) -> bool {
    let plain = url.len() <= URL_MAX && url.bytes().all(|byte| byte.is_ascii_graphic());
    let parsed = Url::parse(url).ok().filter(|_| plain);
    parsed.is_some_and(|url| {
        url.scheme() == "https" && url.has_host() && url.username().is_empty() && url.password().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_sent_to_pages_in_https_only() {
        assert!(is_page("https://faces.example.org/c/abc?x=1"));
        let long = format!("https://faces.example.org/{}", "x".repeat(URL_MAX));
        for bad in [
            "",
            "faces.example.org",
            "http://faces.example.org/c",
            "javascript:alert(1)",
            "https://",
            "https://ada:secret@faces.example.org/",
            "https://faces.example.org/a b",
            "https://faces.example.org/\u{7f}",
            "https://faces.example.org/é",
            &long,
        ] {
            assert!(!is_page(bad), "{bad}");
        }
    }
}
