//! Asking the service, as often as it takes: the token goes along, a busy server is waited for as it asks, and a reading
//! has its time. An answer comes back only where it is one; everything else is a [`Fault`] in words.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Inner;
use super::access::NoToken;
use super::answer::time;
use super::path::{member, text};
use crate::base::clock::Stopwatch;
use crate::base::secret::Secret;
use crate::sources::{PullError, Unwanted};
use crate::web::Method;
use crate::web::client::{Answer, Ask, Wire, WireError};
use crate::web::header::{ACCEPT, AUTHORIZATION, IF_NONE_MATCH};
use crate::web::place::without_query;

/// How often a server may say that it is busy, to one request.
const BUSY_MAX: u32 = 8;
/// How often a request may fail for another reason that passes.
const FAILED_MAX: u32 = 2;
/// The first wait where the server says nothing of it; each further one is twice as long.
const WAIT: Duration = Duration::from_secs(1);
/// The longest of those.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Why there is no answer, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The way there failed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The server said no; its status, and its SCIM error type where it gave one.
    #[error("{text}")]
    Refused { status: u16, kind: String, text: String },
    /// No token can be had.
    #[error("{0}")]
    NoToken(String),
    /// The server asks for more time than there is.
    #[error("{0}")]
    NoTime(String),
    /// What came cannot be trusted to be all, or to be what was asked for.
    #[error("{0}")]
    Untrusted(String),
    /// Nobody takes what is read any more.
    #[error("reading was given up")]
    Unwanted,
}

impl From<Unwanted> for Fault {
    fn from(_: Unwanted) -> Self {
        Self::Unwanted
    }
}

impl Fault {
    /// As the seam has it, once so many entries were read.
    pub(super) fn into_pull(self, read: usize) -> PullError {
        let why = self.to_string();
        match self {
            Self::Wire(WireError::Tls(_)) | Self::Refused { status: 300..=399 | 404 | 405, .. } if read == 0 => {
                PullError::Misconfigured(why)
            }
            Self::Wire(WireError::TooLarge(_)) | Self::Untrusted(_) | Self::Unwanted => {
                PullError::Incomplete { read, why }
            }
            _ if read == 0 => PullError::Unavailable(why),
            _ => PullError::Incomplete { read, why },
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Is it this SCIM error type?
    pub(super) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { kind, .. } if kind.eq_ignore_ascii_case(wanted))
    }
}

/// One reading's or question's way to the service.
pub(super) struct Session<'a> {
    inner: &'a Inner,
    wire: Wire,
    watch: Stopwatch,
    limit: Duration,
    /// When the server sent its first answer, by its own clock.
    pub(super) began: Option<Timestamp>,
}

impl<'a> Session<'a> {
    /// A session that lasts so long at most.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) async fn new(inner: &'a Inner, limit: Duration) -> Result<Self, Fault> {
        let tls = inner.tls().await.map_err(|why| Fault::Wire(WireError::Tls(why)))?;
        let wire = Wire::new(inner.base.clone(), inner.settings.limits(), tls);
        Ok(Self { inner, wire, watch: Stopwatch::start(), limit, began: None })
    }

    /// Connects, and tells how.
    pub(super) async fn connect(&mut self) -> Result<String, Fault> {
        Ok(self.wire.connect().await?)
    }

    /// The time since the session began.
    pub(super) fn elapsed(&self) -> Duration {
        self.watch.elapsed()
    }

    /// The token to use now; its server, too, is waited for.
    pub(super) async fn token(&self) -> Result<Secret, Fault> {
        let tls = self.inner.tls().await.map_err(|why| Fault::Wire(WireError::Tls(why)))?;
        let limits = self.inner.settings.limits();
        let (mut busy, mut failed) = (0, 0);
        loop {
            match self.inner.access.token(tls.as_ref(), limits.connect, limits.request).await {
                Ok(token) => return Ok(token),
                Err(NoToken::Busy(why, answer)) if busy < BUSY_MAX => {
                    busy += 1;
                    let wait = self.retry_after(&answer).unwrap_or_else(|| backoff(busy));
                    self.wait(wait, &why).await?;
                }
                Err(NoToken::Lost(why)) if failed < FAILED_MAX => {
                    failed += 1;
                    self.wait(backoff(failed), &why).await?;
                }
                Err(NoToken::Lost(why) | NoToken::Busy(why, _) | NoToken::Refused(why)) => {
                    return Err(Fault::NoToken(why));
                }
            }
        }
    }

    /// What is at a path below the base; with an ETag, 304 is an answer too.
    pub(super) async fn get(&mut self, below: &str, etag: Option<&str>) -> Result<Answer, Fault> {
        let target = format!("{}{below}", self.inner.base.path);
        let (mut busy, mut failed, mut renewed) = (0, 0, false);
        loop {
            let token = self.token().await?;
            let mut headers = vec![
                (ACCEPT, "application/scim+json, application/json;q=0.9".to_owned()),
                (AUTHORIZATION, format!("Bearer {}", token.expose())),
            ];
            headers.extend(etag.map(|etag| (IF_NONE_MATCH, etag.to_owned())));
            let ask = Ask { method: Method::GET, target: &target, headers, body: String::new() };
            let answer = match self.wire.send(&ask).await {
                Err(WireError::Lost(why)) if failed < FAILED_MAX => {
                    failed += 1;
                    self.wait(backoff(failed), &why).await?;
                    continue;
                }
                answer => answer?,
            };
            if self.began.is_none() {
                self.began = answer.date().and_then(http_date);
            }
            match answer.status {
                200 => return Ok(answer),
                304 if etag.is_some() => return Ok(answer),
                401 if !renewed && self.inner.access.can_renew() => {
                    self.inner.access.forget(&token).await;
                    renewed = true;
                }
                429 | 503 if busy < BUSY_MAX => {
                    busy += 1;
                    let wait = self.retry_after(&answer).unwrap_or_else(|| backoff(busy));
                    self.wait(wait, &format!("the server is busy ({})", answer.status)).await?;
                }
                500 | 502 | 504 if failed < FAILED_MAX => {
                    failed += 1;
                    self.wait(backoff(failed), &format!("the server answers {}", answer.status)).await?;
                }
                _ => return Err(self.refused(&answer, below, &token)),
            }
        }
    }

    /// Waits, unless that would outlast the session: then it is told at once.
    async fn wait(&self, wait: Duration, why: &str) -> Result<(), Fault> {
        let left = self.limit.saturating_sub(self.watch.elapsed());
        if wait >= left {
            let seconds = (wait.as_secs(), left.as_secs());
            return Err(Fault::NoTime(format!(
                "{why}: it would take {} s until it can be asked again, and {} s are left",
                seconds.0, seconds.1
            )));
        }
        tracing::debug!(source.id = %self.inner.settings.id, wait.seconds = wait.as_secs(), "{why}");
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// How long the server asks to wait: seconds, or until a date of its own clock (RFC 9110 §10.2.3).
    fn retry_after(&self, answer: &Answer) -> Option<Duration> {
        let said = answer.retry_after()?.trim();
        if let Ok(seconds) = said.parse::<u64>() {
            // Some count from zero: asking at once is what made it busy.
            return Some(Duration::from_secs(seconds).max(WAIT));
        }
        let now = answer.date().and_then(http_date).unwrap_or_else(|| self.inner.clock.now());
        let wait: SignedDuration = http_date(said)?.duration_since(now);
        Some(Duration::try_from(wait).unwrap_or_default().max(WAIT))
    }

    fn refused(&self, answer: &Answer, below: &str, token: &Secret) -> Fault {
        let error: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let word = |name: &str| error.as_object().and_then(|error| text(error, name)).unwrap_or_default();
        let kind: String = word("scimType").chars().filter(char::is_ascii_alphanumeric).take(40).collect();
        let said = self.inner.access.redact_with(word("detail"), Some(token));
        let status = answer.status;
        let what = match status {
            401 => "the token is refused: check token, or client_id and scope".to_owned(),
            403 => "the token may not read this: give it the right to read users and groups".to_owned(),
            404 => "there is nothing: is url the SCIM base URL, to which /Users is added?".to_owned(),
            300..=399 => {
                let to = answer.location().map(|to| format!(" to {}", self.inner.access.redact_with(to, Some(token))));
                let to = to.unwrap_or_default();
                format!(
                    "it redirects{to}; that is not followed, as the token would go along: set url to the final place"
                )
            }
            429 | 503 => "it stayed busy".to_owned(),
            _ => "the request is refused".to_owned(),
        };
        let path = without_query(below);
        let said = if said.is_empty() { String::new() } else { format!(" (it says: {said})") };
        Fault::Refused { status, kind, text: format!("{}{path} answers {status}: {what}{said}", self.inner.base) }
    }
}

/// How long to wait before a further attempt.
fn backoff(attempt: u32) -> Duration {
    WAIT.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(WAIT_MAX)
}

/// A date of HTTP (RFC 9110 §5.6.7) in its one modern form.
fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

/// When a resource changed last, by its own word.
pub(super) fn last_modified(resource: &serde_json::Map<String, Value>) -> Option<Timestamp> {
    time(text(member(resource, "meta")?.as_object()?, "lastModified")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_dates_are_read() {
        assert_eq!([1, 2, 3, 20].map(|attempt| backoff(attempt).as_secs()), [1, 2, 4, 60]);
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap().as_second(), 784_111_777);
        assert!(http_date("tomorrow").is_none());
    }
}
