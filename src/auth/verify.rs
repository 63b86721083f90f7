//! Is the password right? Asks the password that musterd keeps first, then the remote backends in source
//! order, each within its deadline and behind its breaker. A dead backend is never a wrong password, and
//! never stands in the way of one that musterd can verify itself (promise 6).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::breaker::Breaker;
use super::hasher::{Checked, HashError, Hasher, PASSWORD_BYTES, Seat};
use super::throttle::{Key, Throttle};
use crate::base::clock::Stopwatch;
use crate::base::id::SourceId;
use crate::base::secret::Secret;
use crate::directory::policy::SourceLockout;
use crate::directory::user::User;
use crate::sources::{Person, PulledUser, Refusal, Source, Verdict};
use crate::store::credentials::Credential;

/// One source as the login sees it, in source order.
pub struct Backend {
    /// The source.
    pub id: SourceId,
    /// Whether its users may log in.
    pub login: bool,
    /// Whether musterd keeps its users' passwords.
    pub keeps_passwords: bool,
    /// Who verifies its users' passwords elsewhere; `None` also where that is switched off.
    pub verifier: Option<Arc<dyn Source>>,
    /// Another source that verifies its users' passwords.
    pub verify_with: Option<SourceId>,
    /// Keeps logins from waiting for a verifier that does not answer.
    pub breaker: Arc<Breaker>,
    /// How old a password that it accepted may be to stand in for it while it is out of reach; `None`: not at all.
    pub outage_cache: Option<Duration>,
    /// How often it is asked about one name; `None`: as often as logins are tried.
    pub lockout: Option<SourceLockout>,
}

/// What a source accepted before, to stand in for it.
pub struct Kept {
    /// The password's hash.
    pub hash: String,
    /// How long ago that was.
    pub age_seconds: i64,
}

/// What all the backends together say.
pub enum Answer {
    /// The password is right, says this source; its entry, where it was found by name.
    Accepted(SourceId, Option<Box<PulledUser>>),
    /// This source is out of reach, and the password is the one that it accepted last.
    AcceptedOffline(SourceId),
    /// It is wrong, or there is no such user.
    Wrong,
    /// The user's own source, which is this one, keeps them out: whatever another one would say.
    Refused(SourceId, Refusal),
    /// The backend that had to know did not answer.
    Unavailable,
    /// A source that had a say is not asked about this name for so long, and nobody else accepted the password.
    Throttled(Duration),
}

/// The answer, and how each backend contributed.
pub struct Verified {
    /// What they say.
    pub answer: Answer,
    /// Backend, verdict and milliseconds of each that was asked: for the audit trail.
    pub asked: Vec<Value>,
    /// The source does not accept any more what is kept of it: that must go.
    pub kept_is_over: bool,
    /// The hash that proved the password, where it is to be replaced.
    pub outdated: Option<String>,
    /// The names at sources for which this was a wrong password.
    pub wrong_at: Vec<Key>,
}

/// What is asked.
pub struct Question<'a> {
    /// The user, where the directory knows one.
    pub user: Option<&'a User>,
    /// The password that musterd keeps, where it does.
    pub credential: Option<&'a Credential>,
    /// What may stand in for the user's own source while that is out of reach.
    pub kept: Option<&'a Kept>,
    /// What was typed as the name.
    pub typed: &'a str,
    /// What was typed as the password.
    pub password: &'a Secret,
    /// Ask the user's own source only.
    pub only_own: bool,
    /// Whether somebody whom the directory does not know may come in: then a silent backend is no "wrong" to them.
    pub takes_newcomers: bool,
    /// Until when all the backends together may take.
    pub deadline: Duration,
    /// Where it waits for the threads that hash.
    pub seat: Seat,
    /// When.
    pub now: Timestamp,
}

/// Asks the backends.
///
/// # Errors
/// When too many passwords wait already.
pub async fn verify(
    backends: &[Backend],
    hasher: &Hasher,
    throttle: &Throttle,
    question: Question<'_>,
) -> Result<Verified, HashError> {
    let mut verified = Verified {
        answer: Answer::Wrong,
        asked: Vec::new(),
        kept_is_over: false,
        outdated: None,
        wrong_at: Vec::new(),
    };
    let password = question.password.expose();
    if password.is_empty() || password.len() > PASSWORD_BYTES || password.contains('\0') {
        hasher.verify_decoy(question.seat).await?;
        return Ok(verified);
    }
    let start = Stopwatch::start();
    let mut hashed = false;
    if let Some((user, credential)) = question.user.zip(question.credential) {
        hashed = true;
        if verified.compare_own(hasher, user, credential, &question).await? {
            verified.answer = Answer::Accepted(user.source.clone(), None);
            return Ok(verified);
        }
    }
    let silent = ask_remote(backends, throttle, &question, start, &mut verified).await;
    if !hashed && !matches!(verified.answer, Answer::Accepted(..)) {
        let hashed = match question.kept {
            Some(kept) => verified.compare(hasher, kept, question.password, silent).await,
            None => hasher.verify_decoy(question.seat).await,
        };
        match hashed {
            // What a source has said counts, whether there was a place for more or not: no guess is free in a rush.
            Err(HashError::Busy) if verified.is_decided() => {}
            other => other?,
        }
    }
    Ok(verified)
}

impl Verified {
    fn note(&mut self, backend: &SourceId, verdict: &str, watch: Stopwatch) {
        self.asked.push(json!({"backend": backend, "verdict": verdict, "milliseconds": watch.elapsed_ms()}));
    }

    /// Has a source said what it thinks of the password?
    fn is_decided(&self) -> bool {
        !self.asked.is_empty() && !matches!(self.answer, Answer::Unavailable)
    }

    /// Is it the password that musterd keeps?
    async fn compare_own(
        &mut self,
        hasher: &Hasher,
        user: &User,
        credential: &Credential,
        question: &Question<'_>,
    ) -> Result<bool, HashError> {
        let watch = Stopwatch::start();
        let verdict = match hasher.check(question.password, &credential.hash, question.seat).await {
            Ok(Checked::Right) => "accepted",
            Ok(Checked::Wrong) => "wrong",
            Ok(Checked::MustReset) => "must_reset",
            Err(HashError::Unusable) => {
                hasher.verify_decoy(question.seat).await?;
                "unusable_hash"
            }
            Err(error) => return Err(error),
        };
        self.note(&user.source, verdict, watch);
        let right = verdict == "accepted";
        self.outdated = Some(&credential.hash).filter(|hash| right && hasher.is_outdated(hash)).cloned();
        Ok(right)
    }

    /// Where nobody accepted the password: is it the one that is kept? Then it stands in for the user's own source, if
    /// that was `silent`; and it is over, if that says that it is wrong, or keeps out whoever has it.
    async fn compare(
        &mut self,
        hasher: &Hasher,
        kept: &Kept,
        password: &Secret,
        silent: Option<SourceId>,
    ) -> Result<(), HashError> {
        let watch = Stopwatch::start();
        let right = match hasher.verify(password, &kept.hash).await {
            Err(HashError::Unusable) => false,
            verdict => verdict?,
        };
        match (&self.answer, silent) {
            (Answer::Unavailable, Some(source)) => {
                let verdict = if right { "accepted_offline" } else { "wrong_offline" };
                self.asked.push(json!({
                    "backend": source, "verdict": verdict, "age_seconds": kept.age_seconds,
                    "milliseconds": watch.elapsed_ms(),
                }));
                self.answer = if right { Answer::AcceptedOffline(source) } else { Answer::Wrong };
            }
            (Answer::Wrong, _) => self.kept_is_over = right,
            (Answer::Refused(_, refusal), _) => self.kept_is_over = refusal.proved || right,
            _ => {}
        }
        Ok(())
    }

    fn note_refusal(&mut self, backend: &SourceId, refusal: &Refusal, watch: Stopwatch) {
        tracing::info!(source.id = %backend, "the source keeps somebody out: {}", refusal.text);
        let reason = refusal.reason.name();
        self.asked.push(json!({
            "backend": backend, "verdict": "refused", "reason": reason, "milliseconds": watch.elapsed_ms(),
        }));
    }
}

/// Whose word is decisive: the user's own source, and the one that it names for verification.
pub(super) fn is_own(backend: &Backend, user: &User, backends: &[Backend]) -> bool {
    let named = backends.iter().find(|own| own.id == user.source).and_then(|own| own.verify_with.as_ref());
    backend.id == user.source || named == Some(&backend.id)
}

/// A backend to ask; whether its word is decisive.
struct Candidate<'a> {
    backend: &'a Backend,
    verifier: &'a dyn Source,
    own: bool,
}

/// A backend in the order in which a login goes.
pub struct WouldAsk<'a> {
    /// Which.
    pub backend: &'a Backend,
    /// Whether it would be asked.
    pub asked: bool,
    /// Why, or why not.
    pub because: &'static str,
}

/// Who would be asked for the password of this user: what musterd keeps first, then the remote ones in source order.
pub(super) fn would_ask<'a>(backends: &'a [Backend], user: &User, only_own: bool) -> Vec<WouldAsk<'a>> {
    let one = |backend: &'a Backend| {
        let own = is_own(backend, user, backends);
        let (asked, because) = match (backend.keeps_passwords, &backend.verifier, own) {
            (true, _, true) => (true, "it keeps this user's password, and is asked first"),
            (true, _, false) | (_, None, false) => (false, "it verifies the passwords of its own users alone"),
            (false, None, true) => (false, "another source verifies its users' passwords, or it is switched off"),
            (false, Some(_), true) => (true, "it is the user's own source, or verifies for that"),
            (false, Some(_), false) if only_own => (false, "this user's own source alone is asked"),
            (false, Some(_), false) => (true, "it comes in the order of sources"),
        };
        WouldAsk { backend, asked, because }
    };
    let mut all: Vec<_> = backends.iter().map(one).collect();
    all.sort_by_key(|one| !(one.backend.keeps_passwords && one.asked));
    all
}

/// The remote backends that have a say, in source order.
fn candidates<'a>(backends: &'a [Backend], question: &Question<'_>) -> Vec<Candidate<'a>> {
    let remote = backends.iter().filter_map(|backend| {
        let own = question.user.is_some_and(|user| is_own(backend, user, backends));
        Some(Candidate { backend, verifier: &**backend.verifier.as_ref()?, own })
    });
    remote.filter(|one| !question.only_own || question.user.is_none() || one.own).collect()
}

/// Whom a backend is asked about.
fn person<'a>(backend: &Backend, question: &Question<'a>) -> (Person<'a>, &'a str) {
    let Some(user) = question.user else { return (Person::Named(question.typed), question.typed) };
    let name = user.username.as_str();
    match &user.external_id {
        Some(id) if user.source == backend.id => {
            (Person::Known { id, entry: user.at_source.as_ref().map(|at| at.entry.as_str()) }, name)
        }
        _ => (Person::Named(name), name),
    }
}

/// Asks the remote backends, whether the directory knows the user or not: the time must not tell. Gives the user's own
/// source, if that was out of reach.
async fn ask_remote(
    backends: &[Backend],
    throttle: &Throttle,
    question: &Question<'_>,
    start: Stopwatch,
    verified: &mut Verified,
) -> Option<SourceId> {
    let mut silent = None;
    let mut throttled = None;
    let mut candidates = candidates(backends, question).into_iter().peekable();
    while let Some(Candidate { backend, verifier, own }) = candidates.next() {
        let (person, name) = person(backend, question);
        let watch = Stopwatch::start();
        let tries = match Tries::begin(throttle, backend, name, question.now) {
            Ok(tries) => tries,
            Err(wait) => {
                verified.note(&backend.id, "throttled", watch);
                throttled = throttled.max(Some(wait));
                continue;
            }
        };
        let left = question.deadline.saturating_sub(start.elapsed());
        // One that hangs leaves half of the time to the next.
        let left = if candidates.peek().is_some() { left / 2 } else { left };
        let verdict = ask(backend, verifier, person, question.password, left).await;
        verified.wrong_at.extend(tries.end(&verdict));
        match verdict {
            Verdict::Accepted(entry) => {
                verified.note(&backend.id, "accepted", watch);
                verified.answer = Answer::Accepted(backend.id.clone(), entry);
                return None;
            }
            Verdict::Wrong => verified.note(&backend.id, "wrong", watch),
            Verdict::Refused(refusal) => {
                verified.note_refusal(&backend.id, &refusal, watch);
                if own {
                    verified.answer = Answer::Refused(backend.id.clone(), refusal);
                    return None;
                }
            }
            Verdict::Unavailable(why) => {
                tracing::warn!(source.id = %backend.id, "the source could not verify a password: {why}");
                verified.note(&backend.id, "unavailable", watch);
                if own || (question.user.is_none() && question.takes_newcomers) {
                    verified.answer = Answer::Unavailable;
                }
                if own {
                    silent = Some(backend.id.clone());
                }
            }
        }
    }
    // Whoever has the name here: the answer must not tell.
    if let (Answer::Wrong, Some(wait)) = (&verified.answer, throttled) {
        verified.answer = Answer::Throttled(wait);
    }
    silent
}

/// A question about a name that is counted as a wrong password, where the source limits those, until the answer is
/// there: the directory must not lock the account because of who asks here.
struct Tries<'a> {
    throttle: &'a Throttle,
    counted: Option<(Key, SourceLockout)>,
}

impl<'a> Tries<'a> {
    fn begin(throttle: &'a Throttle, backend: &Backend, name: &str, now: Timestamp) -> Result<Self, Duration> {
        let counted = backend.lockout.map(|lockout| (Key::at_source(&backend.id, name), lockout));
        if let Some((key, lockout)) = counted {
            throttle.count_at_source(key, lockout, now)?;
        }
        Ok(Self { throttle, counted })
    }

    /// Gives the key where it stays counted.
    fn end(self, verdict: &Verdict) -> Option<Key> {
        let (key, lockout) = self.counted?;
        match verdict {
            Verdict::Accepted(_) => self.throttle.clear(key),
            Verdict::Refused(refusal) if refusal.proved => self.throttle.clear(key),
            Verdict::Unavailable(_) => self.throttle.undo_at_source(key, lockout),
            Verdict::Wrong | Verdict::Refused(_) => return Some(key),
        }
        None
    }
}

/// Asks one backend, unless its breaker is open or no time is left.
async fn ask(
    backend: &Backend,
    verifier: &dyn Source,
    person: Person<'_>,
    password: &Secret,
    left: Duration,
) -> Verdict {
    if left.is_zero() || !backend.breaker.allows() {
        return Verdict::Unavailable("it did not answer lately, or no time is left".to_owned());
    }
    let verdict = tokio::time::timeout(left, verifier.verify(person, password)).await;
    let verdict = verdict.unwrap_or_else(|_| Verdict::Unavailable("the login's deadline passed".to_owned()));
    backend.breaker.note(!matches!(verdict, Verdict::Unavailable(_)));
    verdict
}
