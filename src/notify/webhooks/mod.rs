//! Webhooks: each follows the audit trail from where it stands, writes what it wants into the outbox, and delivers that
//! in order, at least once, independently of mail and of the others.
//!
//! A part of the trail lies in the outbox at a time, so that a long trail fills nothing; the rest waits where it is. A
//! daemon that is killed between an answer and the commit that notes it sends the event again, under the same id. An answer
//! that the store fails to note is kept in memory and noted before anything else is sent.

mod endpoint;
mod payload;
mod rules;
pub mod settings;
pub mod sign;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use self::endpoint::Endpoint;
use self::payload::Event;
use self::rules::{Fate, LIFE, Verdict};
use self::settings::Settings;
use crate::base::certificates::SeenCertificates;
use crate::base::clock::{Stopwatch, minus, plus};
use crate::base::secret::sha256;
use crate::directory::message::{Body, Message};
use crate::store::outbox::{self, MessageId};
use crate::store::tx::Tx;
use crate::store::webhooks::{self, Standing, WINDOW};
use crate::store::{Store, StoreError, audit};
use crate::tasks::schedule::Schedule;
use crate::tasks::{Task, Work};

/// How often the trail is looked at.
const PERIOD: Duration = Duration::from_secs(2);
/// Lines of the trail that are looked at in one step.
const LINES: u64 = 1_000;
/// A run begins no further delivery after this time, and then tells what it did.
const LONGEST_RUN: Duration = Duration::from_secs(15);

/// One webhook, as the task that keeps it up to date.
pub struct Webhook {
    settings: Settings,
    task: String,
    schedule: Schedule,
    store: Arc<Store>,
    endpoint: Endpoint,
    /// SHA-256 of the URL.
    url: String,
    /// How far the trail was looked at; what is stored may be a little behind where nothing was wanted.
    looked_at: AtomicU64,
    /// The answer that is to be noted.
    owed: Mutex<Option<Owed>>,
    /// The daemon stops: no delivery begins any more.
    stopping: CancellationToken,
}

/// What an endpoint answered to an event, until it is noted.
#[derive(Clone)]
struct Owed {
    id: MessageId,
    message: Message,
    verdict: Verdict,
    said: String,
    at: Timestamp,
}

/// What came of a trial.
pub struct Trial {
    /// Was it taken?
    pub accepted: bool,
    /// What the endpoint answered, in words.
    pub said: String,
    /// How long that took.
    pub took: Duration,
}

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events that were taken by the endpoint.
    pub delivered: usize,
    /// Attempts that failed.
    pub failed: usize,
    /// Events that wait.
    pub waiting: usize,
}

/// Forgets the webhooks that the settings name no more.
///
/// # Errors
/// When the store fails.
pub async fn forget_others(store: &Store, names: &[&str]) -> Result<(), StoreError> {
    for name in webhooks::names(&store.view())? {
        if !names.contains(&name.as_str()) {
            store.write(move |tx: &mut Tx<'_>| webhooks::forget(tx, &name)).await?;
        }
    }
    Ok(())
}

impl Webhook {
    /// By these settings. A new one begins at the end of the trail; one whose URL is another than that which was gone
    /// goes on.
    ///
    /// # Errors
    /// What is wrong with the settings, or with the store.
    pub async fn begin(settings: Settings, store: Arc<Store>) -> Result<Self, String> {
        let endpoint =
            Endpoint::new(&settings).map_err(|problem| format!("webhooks.{}.url {problem}", settings.name))?;
        let url = HEXLOWER.encode(&sha256(settings.url.as_bytes()));
        let (name, address) = (settings.name.clone(), url.clone());
        let begin = move |tx: &mut Tx<'_>| -> Result<u64, StoreError> {
            let known = webhooks::get(tx, &name)?;
            let moved = |standing: &Standing| standing.gone.as_ref().is_some_and(|gone| gone.url != address);
            let standing = match known {
                None => Standing { position: audit::last(tx)?, ..Standing::default() },
                Some(standing) if moved(&standing) => rules::working(standing),
                Some(standing) => return Ok(standing.position),
            };
            webhooks::put(tx, &name, &standing)?;
            Ok(standing.position)
        };
        let position = store.write(begin).await.map_err(|error| error.to_string())?;
        let (task, schedule) = (format!("webhook:{}", settings.name), Schedule::every(PERIOD));
        let (looked_at, owed, stopping) = (AtomicU64::new(position), Mutex::default(), CancellationToken::new());
        Ok(Self { settings, task, schedule, store, endpoint, url, looked_at, owed, stopping })
    }

    /// Notes there what certificate the endpoint shows, from the first connection on.
    #[must_use]
    pub fn noting_certificates(self, seen: &SeenCertificates) -> Self {
        self.endpoint.note_in(seen);
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Begins no delivery any more: who stops the daemon does not wait for what is behind.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    fn goes_on(&self, watch: &Stopwatch) -> bool {
        !self.stopping.is_cancelled() && watch.elapsed() < LONGEST_RUN && self.store.fault().is_none()
    }

    /// Takes what is new, and delivers what is due, in turns until there is no more.
    ///
    /// # Errors
    /// When the store fails, or could not note what is sent.
    pub async fn follow_and_deliver(&self) -> Result<Tally, StoreError> {
        self.note_owed().await?;
        if let Some(fault) = self.store.fault() {
            return Err(fault);
        }
        let watch = Stopwatch::start();
        let mut tally = Tally::default();
        loop {
            let more = self.follow().await?;
            let before = tally.delivered;
            self.deliver(&watch, &mut tally).await?;
            let is_through = !more && tally.delivered == before;
            if is_through || tally.failed > 0 || !self.goes_on(&watch) {
                return Ok(tally);
            }
        }
    }

    fn standing(&self) -> Result<Standing, StoreError> {
        Ok(webhooks::get(&self.store.view(), self.name())?.unwrap_or_default())
    }

    /// Looks at some lines of the trail, and writes those that are wanted into the outbox; `true`: there are more.
    async fn follow(&self) -> Result<bool, StoreError> {
        let view = self.store.view();
        let (last, dropped) = (audit::last(&view)?, audit::dropped(&view)?);
        let looked_at = self.looked_at.load(Ordering::Relaxed);
        let room = WINDOW.saturating_sub(webhooks::waiting(&view, self.name(), WINDOW)?.len());
        if last <= looked_at || room == 0 || self.standing()?.gone.is_some() {
            return Ok(false);
        }
        let (from, missed) = (looked_at.max(dropped), dropped.saturating_sub(looked_at));
        let (mut upto, mut expired, mut wanted) = (last.min(from.saturating_add(LINES)), 0_u64, Vec::new());
        let now = self.store.clock().now();
        audit::between(&view, from, upto, |line| {
            if self.settings.events.iter().any(|pattern| pattern.chooses(&line.action)) {
                match line.at <= minus(now, LIFE) {
                    true => expired = expired.saturating_add(1),
                    false => wanted.push((line.seq, line.at, Event::of(&line))),
                }
            }
            if wanted.len() >= room {
                upto = line.seq;
            }
            Ok::<_, StoreError>(wanted.len() < room)
        })?;
        if missed > 0 {
            let name = self.name();
            tracing::warn!(
                webhook.name = name,
                "{missed} lines of the trail were dropped before this webhook saw them"
            );
        }
        let is_worth_it = !wanted.is_empty() || expired > 0 || missed > 0 || upto.saturating_sub(from) >= LINES;
        if is_worth_it {
            let name = self.name().to_owned();
            let write = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
                let mut standing = webhooks::get(tx, &name)?.unwrap_or_default();
                standing.position = upto;
                standing.expired = standing.expired.saturating_add(expired);
                standing.missed = standing.missed.saturating_add(missed);
                webhooks::put(tx, &name, &standing)?;
                for (line, at, Event { id, payload }) in wanted.clone() {
                    let message = Message::to_address(&name, Body::Event { id, payload }, tx.now(), plus(at, LIFE));
                    webhooks::push(tx, &name, line, &message)?;
                }
                Ok(())
            };
            self.store.write_bulk(write).await?;
        }
        self.looked_at.store(upto, Ordering::Relaxed);
        Ok(upto < last)
    }

    /// Delivers what waits, oldest first, until one fails.
    async fn deliver(&self, watch: &Stopwatch, tally: &mut Tally) -> Result<(), StoreError> {
        let ids = webhooks::waiting(&self.store.view(), self.name(), WINDOW)?;
        tally.waiting = ids.len();
        for id in ids {
            let (standing, now) = (self.standing()?, self.store.clock().now());
            if !self.goes_on(watch)
                || standing.gone.is_some()
                || standing.not_before.is_some_and(|at| !rules::has_come(at, now))
            {
                return Ok(());
            }
            let message = match outbox::get(&self.store.view(), id) {
                Ok(Some(message)) => message,
                Ok(None) | Err(StoreError::Key(_) | StoreError::Record(_)) => {
                    tracing::warn!(webhook.name = self.name(), "an event cannot be read, and is not sent");
                    self.drop_event(id, |standing| standing).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if message.expires_at <= now {
                tracing::warn!(webhook.name = self.name(), "an event was dropped: its end came before it was taken");
                let expired = |standing: Standing| Standing { expired: standing.expired.saturating_add(1), ..standing };
                self.drop_event(id, expired).await?;
            } else if rules::has_come(message.due_at, now) && !self.attempt(id, message, &standing, tally).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Tries to deliver one event; `true`: the next one is up.
    async fn attempt(
        &self,
        id: MessageId,
        message: Message,
        standing: &Standing,
        tally: &mut Tally,
    ) -> Result<bool, StoreError> {
        let Body::Event { id: event, payload } = &message.body else { return Ok(true) };
        let event = Event { id: event.clone(), payload: payload.clone() };
        let (verdict, said) = self.endpoint.post(&event, self.store.clock().now()).await;
        let now = self.store.clock().now();
        self.tell(standing, &verdict, &said);
        match verdict {
            Verdict::Accepted => tally.delivered = tally.delivered.saturating_add(1),
            _ => tally.failed = tally.failed.saturating_add(1),
        }
        *self.owed() = Some(Owed { id, message, verdict, said, at: now });
        self.note_owed().await
    }

    /// Notes the answer that is not noted yet; `true`: the next event is up.
    async fn note_owed(&self) -> Result<bool, StoreError> {
        let owed = self.owed().clone();
        let Some(Owed { id, message, verdict, said, at }) = owed else { return Ok(true) };
        let (name, url, goes_on) = (self.name().to_owned(), self.url.clone(), verdict == Verdict::Accepted);
        let write = move |tx: &mut Tx<'_>| -> Result<bool, StoreError> {
            let standing = webhooks::get(tx, &name)?.unwrap_or_default();
            let (standing, fate) = rules::after(&standing, message.attempts, &verdict, said.clone(), &url, at);
            webhooks::put(tx, &name, &standing)?;
            let put = |tx: &mut Tx<'_>, attempts, due_at| {
                outbox::put(tx, id, &Message { attempts, due_at, ..message.clone() })
            };
            let is_there = outbox::is_there(tx, id)?;
            match fate {
                Fate::Done => webhooks::take_out(tx, &name, id),
                Fate::Failed(attempts) if is_there => put(tx, attempts, message.due_at)?,
                Fate::SetAside(attempts, due_at) if is_there => put(tx, attempts, due_at)?,
                // Whoever dropped it while it was under way had a reason.
                Fate::Stays | Fate::Failed(_) | Fate::SetAside(..) => {}
            }
            Ok(goes_on || matches!(fate, Fate::SetAside(..)))
        };
        let next = self.store.write_bulk(write).await?;
        *self.owed() = None;
        Ok(next)
    }

    fn owed(&self) -> MutexGuard<'_, Option<Owed>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, before: &Standing, verdict: &Verdict, said: &str) {
        let name = self.name();
        match verdict {
            Verdict::Accepted if before.failing_since.is_some() => {
                tracing::info!(webhook.name = name, "the webhook works again");
            }
            Verdict::Accepted => tracing::debug!(webhook.name = name, "an event was delivered"),
            _ => tracing::warn!(webhook.name = name, "an event was not taken and is tried again: {said}"),
        }
    }

    async fn drop_event(
        &self,
        id: MessageId,
        change: impl Fn(Standing) -> Standing + Send + 'static,
    ) -> Result<(), StoreError> {
        let name = self.name().to_owned();
        let write = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            let standing = change(webhooks::get(tx, &name)?.unwrap_or_default());
            webhooks::take_out(tx, &name, id);
            webhooks::put(tx, &name, &standing)
        };
        self.store.write(write).await
    }

    /// Sends an event that tells of nothing. One that is taken ends every pause, also that of an endpoint that was gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn test(&self) -> Result<Trial, StoreError> {
        let now = self.store.clock().now();
        let id = format!("msg_test_{}", HEXLOWER.encode(&self.store.rng().bytes::<8>()));
        let data = serde_json::json!({"webhook": self.name()});
        let payload = serde_json::json!({"type": "webhook.test", "timestamp": now, "data": data}).to_string();
        let watch = Stopwatch::start();
        let (verdict, said) = self.endpoint.post(&Event { id, payload }, now).await;
        let (took, accepted) = (watch.elapsed(), verdict == Verdict::Accepted);
        if accepted {
            let name = self.name().to_owned();
            let write = move |tx: &mut Tx<'_>| {
                let standing = webhooks::get(tx, &name)?.unwrap_or_default();
                webhooks::put(tx, &name, &rules::working(standing))
            };
            self.store.write::<_, StoreError>(write).await?;
        }
        Ok(Trial { accepted, said, took })
    }
}

impl Task for Webhook {
    fn name(&self) -> &str {
        &self.task
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn run(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async {
            let tally = self.follow_and_deliver().await.map_err(|error| error.to_string())?;
            Ok(format!("{} delivered, {} failed, {} waiting", tally.delivered, tally.failed, tally.waiting))
        })
    }
}
