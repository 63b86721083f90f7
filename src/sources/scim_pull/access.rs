//! Who we are to the service: the bearer token, given once or fetched by client credentials (RFC 6749 §4.4).
//!
//! A fetched token is kept until shortly before its end, and dropped when the service refuses it. Nothing here appears
//! in an error: [`Access::redact`] takes every secret out of what a server says.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use rustls::ClientConfig;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::settings::{Access as Configured, KEYS, Settings};
use crate::base::clock::Stopwatch;
use crate::base::secret::Secret;
use crate::web::Method;
use crate::web::client::{Answer, Ask, Limits, Wire, WireError};
use crate::web::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use crate::web::place::Place;

/// How long a token is used whose end the server does not tell.
const LIFE: Duration = Duration::from_secs(60 * 60);
/// So long before its end a token is not used any more; of short ones, the last tenth.
const MARGIN: Duration = Duration::from_secs(60);
/// Most bytes of the answer with a token.
const ANSWER_MAX: usize = 64 * 1024;
/// What stands for a secret in the words of a server.
const MASK: &str = "********";

/// Why there is no token.
#[derive(Debug)]
pub(super) enum NoToken {
    /// The server is not there; that may pass.
    Lost(String),
    /// It is busy, and this is its answer.
    Busy(String, Answer),
    /// It said no, or nothing that can be used.
    Refused(String),
}

/// The way to a token.
pub(super) enum Access {
    Given(Secret),
    Client {
        at: Place,
        client_id: String,
        secret: Secret,
        scope: Option<String>,
        kept: Mutex<Option<Kept>>,
    },
    /// Nothing was given: settings without it have a fault.
    Nothing,
}

/// A fetched token.
pub(super) struct Kept {
    token: Secret,
    since: Stopwatch,
    life: Duration,
}

/// The answer of RFC 6749 §5.1.
#[derive(Deserialize)]
struct Given {
    access_token: Secret,
    token_type: String,
    expires_in: Option<u64>,
}

/// The answer of RFC 6749 §5.2.
#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Access {
    pub(super) fn new(settings: &Settings) -> Self {
        match &settings.access {
            None => Self::Nothing,
            Some(Configured::Token(token)) => Self::Given(token.clone()),
            Some(Configured::Client { token_url, client_id, client_secret, scope }) => match Place::parse(token_url) {
                Err(_) => Self::Nothing,
                Ok(at) => Self::Client {
                    at,
                    client_id: client_id.clone(),
                    secret: client_secret.clone(),
                    scope: scope.clone(),
                    kept: Mutex::default(),
                },
            },
        }
    }

    /// Can another token be had, where one was refused?
    pub(super) fn can_renew(&self) -> bool {
        matches!(self, Self::Client { .. })
    }

    /// Drops this token, if it is still the one that is kept.
    pub(super) async fn forget(&self, refused: &Secret) {
        if let Self::Client { kept, .. } = self {
            let mut kept = kept.lock().await;
            if kept.as_ref().is_some_and(|kept| kept.token.expose() == refused.expose()) {
                *kept = None;
            }
        }
    }

    /// The token to use now. `time` bounds a request for one.
    ///
    /// # Errors
    /// When none can be had.
    pub(super) async fn token(
        &self,
        tls: Option<&Arc<ClientConfig>>,
        connect: Duration,
        time: Duration,
    ) -> Result<Secret, NoToken> {
        let (at, client_id, secret, scope, kept) = match self {
            Self::Nothing => return Err(NoToken::Refused("no token is given: set token, or token_url".to_owned())),
            Self::Given(token) => return Ok(token.clone()),
            Self::Client { at, client_id, secret, scope, kept } => (at, client_id, secret, scope.as_deref(), kept),
        };
        // One request for all who wait.
        let mut kept = kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.since.elapsed() < kept.life) {
            return Ok(kept.token.clone());
        }
        let limits = Limits { connect, request: time, answer: ANSWER_MAX, keys: &KEYS };
        let mut wire = Wire::new(at.clone(), limits, tls.cloned());
        let since = Stopwatch::start();
        let lost = |error: WireError| match error {
            WireError::Lost(why) => NoToken::Lost(format!("no token from token_url: {why}")),
            other => NoToken::Refused(format!("no token from token_url: {other}")),
        };
        let ask = request(at, client_id, secret, scope, true);
        let mut answer = wire.send(&ask).await.map_err(lost)?;
        if matches!(answer.status, 400 | 401) {
            // Servers must take the name and secret in a header (RFC 6749 §2.3.1), and some do not.
            let ask = request(at, client_id, secret, scope, false);
            answer = wire.send(&ask).await.map_err(lost)?;
        }
        if matches!(answer.status, 429 | 503) {
            return Err(NoToken::Busy(format!("{at} (token_url) is busy ({})", answer.status), answer));
        }
        let given = self.read(&answer, at).map_err(NoToken::Refused)?;
        let told = given.expires_in.map_or(LIFE, Duration::from_secs);
        let life = told.saturating_sub(MARGIN.min(told / 10));
        *kept = Some(Kept { token: given.access_token.clone(), since, life });
        Ok(given.access_token)
    }

    fn read(&self, answer: &Answer, at: &Place) -> Result<Given, String> {
        if answer.status == 200 {
            let given: Given = serde_json::from_slice(&answer.body)
                .map_err(|_| format!("{at} (token_url) answers no OAuth token: check token_url"))?;
            let usable = given.access_token.expose().bytes().all(|byte| (0x21..=0x7e).contains(&byte));
            return match usable && !given.access_token.is_empty() {
                _ if !given.token_type.eq_ignore_ascii_case("bearer") => {
                    Err(format!("{at} (token_url) gives no bearer token, but one of another kind"))
                }
                true => Ok(given),
                false => Err(format!("{at} (token_url) gives a token that cannot be used")),
            };
        }
        if (300..400).contains(&answer.status) {
            return Err(format!("{at} (token_url) answers {}: redirects are not followed", answer.status));
        }
        let said = serde_json::from_slice::<Refused>(&answer.body).map(|refused| {
            let text = self.redact(&format!("{} {}", refused.error, refused.error_description));
            format!(": {}", text.trim())
        });
        let said = said.unwrap_or_default();
        Err(format!("{at} (token_url) answers {}{said}: check client_id, client_secret and scope", answer.status))
    }

    /// What a server says, as it may be shown: short, on one line, without our secrets.
    pub(super) fn redact(&self, text: &str) -> String {
        self.redact_with(text, None)
    }

    /// The same, and without this token.
    pub(super) fn redact_with(&self, text: &str, token: Option<&Secret>) -> String {
        let own = match self {
            Self::Given(secret) | Self::Client { secret, .. } => Some(secret),
            Self::Nothing => None,
        };
        let mut text = text.to_owned();
        for secret in own.into_iter().chain(token).filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.expose(), MASK);
        }
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        text.chars().map(plain).take(200).collect()
    }
}

/// The request for a token (RFC 6749 §4.4.2), with the name and secret in a header or in the body.
fn request<'a>(at: &'a Place, client_id: &str, secret: &Secret, scope: Option<&str>, in_header: bool) -> Ask<'a> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    scope.map(|scope| form.append_pair("scope", scope));
    let mut headers =
        vec![(CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned()), (ACCEPT, "application/json".to_owned())];
    if in_header {
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose()));
        headers.push((AUTHORIZATION, format!("Basic {}", BASE64.encode(pair.as_bytes()))));
    } else {
        form.append_pair("client_id", client_id);
        form.append_pair("client_secret", secret.expose());
    }
    let target = if at.path.is_empty() { "/" } else { &at.path };
    Ask { method: Method::POST, target, headers, body: form.finish() }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::usable;
    use super::*;

    #[test]
    fn what_a_server_says_is_short_and_holds_no_secret() {
        let access = Access::new(&usable());
        let said = access.redact_with("bad t0ken\r\nor fetched", Some(&Secret::new("fetched")));
        assert_eq!(said, "bad ********  or ********");
        assert_eq!(access.redact(&"x".repeat(10_000)).len(), 200);
    }
}
