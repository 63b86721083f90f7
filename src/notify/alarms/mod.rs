//! Alarms: what needs a person is looked for, written to those whom the settings name at most once per cause and day,
//! logged when it begins and when it ends, and shown by the API and in the figures.
//!
//! The row of an alarm and its mail are one commit, so that neither a restart nor a kill tells twice. Only what keeps
//! the store itself from writing is mailed past the outbox, and remembered in memory.

mod finding;
mod mail;
mod notices;
mod probes;
mod rules;
mod tokens;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

pub use self::finding::{Finding, Kind};
pub use self::mail::StuckMail;
pub use self::notices::FirstReadings;
pub use self::probes::{
    By, CertificateFile, Certificates, FailedRuns, FailedTasks, HeldRuns, Probe, Storage, StuckWebhooks, Tasks,
};
use self::rules::{Alarms, Step, Turn};
pub use self::tokens::EndingTokens;
use crate::base::clock::plus;
use crate::directory::field::Email;
use crate::directory::message::{Body, Message};
use crate::directory::policy::days;
use crate::notify::channel::Channel;
use crate::store::alarms::{self, Alarm};
use crate::store::tx::Tx;
use crate::store::{Store, StoreError, outbox};
use crate::tasks::schedule::Schedule;
use crate::tasks::{Task, Work};

/// How often everything is looked at.
const PERIOD: Duration = Duration::from_secs(60);

/// Who is told.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// By mail; nobody: alarms are in the log, the API and the figures alone.
    pub recipients: Vec<Email>,
}

/// Watches over what needs a person.
pub struct Watch {
    store: Arc<Store>,
    settings: Settings,
    probes: Vec<Box<dyn Probe>>,
    readings: FirstReadings,
    /// The way that is taken where the outbox cannot be; without one nobody is told by mail at all.
    mail: Option<Arc<dyn Channel>>,
    schedule: Schedule,
    /// What the rows say, and what could not be written into them.
    known: Mutex<Alarms>,
}

impl Watch {
    /// Goes on where the rows say.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn new(
        store: Arc<Store>,
        settings: Settings,
        probes: Vec<Box<dyn Probe>>,
        readings: FirstReadings,
        mail: Option<Arc<dyn Channel>>,
    ) -> Result<Self, StoreError> {
        let rows = alarms::list(&store.view())?;
        let known = Mutex::new(rows.into_iter().map(|alarm| (alarm.cause(), alarm)).collect());
        Ok(Self { store, settings, probes, readings, mail, schedule: Schedule::every(PERIOD), known })
    }

    /// What needs a person now, by cause.
    #[must_use]
    pub fn active(&self) -> Vec<Alarm> {
        self.known().values().filter(|alarm| alarm.ended_at.is_none()).cloned().collect()
    }

    fn known(&self) -> MutexGuard<'_, Alarms> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at everything once; gives how many alarms there are.
    ///
    /// # Errors
    /// When the store cannot write what came of it.
    pub async fn look(&self) -> Result<usize, StoreError> {
        let now = self.store.clock().now();
        let (mut found, mut blind) = (Vec::new(), BTreeSet::new());
        for probe in &self.probes {
            match probe.look(&self.store, now) {
                Ok(more) => found.extend(more),
                Err(error) => {
                    tracing::warn!(error = %error, "what needs a person cannot be looked at: {:?}", probe.kinds());
                    blind.extend(probe.kinds().iter().copied());
                }
            }
        }
        let known = self.known().clone();
        let is_unknown = |alarm: &Alarm| {
            let mut probes =
                self.probes.iter().filter(|probe| probe.kinds().iter().any(|kind| kind.name() == alarm.kind));
            blind.iter().any(|kind| kind.name() == alarm.kind) || probes.any(|probe| !probe.can_tell(&alarm.of, now))
        };
        let mails = self.mail.is_some() && !self.settings.recipients.is_empty();
        let steps = rules::steps(&found, &known, is_unknown, mails, now);
        let notices = self.readings.look(&self.store, &known, mails, now).unwrap_or_default();
        let written = self.write(&steps, &notices).await;
        steps.iter().filter_map(|step| Some((step, step.turn?))).for_each(|(step, turn)| tell(step, turn));
        let Err(error) = written else {
            self.keep(steps.into_iter().chain(notices));
            return Ok(self.active().len());
        };
        let mut kept = Vec::new();
        for step in steps {
            kept.push(self.without_store(step, &known).await);
        }
        self.keep(kept);
        Err(error)
    }

    fn keep(&self, steps: impl IntoIterator<Item = Step>) {
        let mut known = self.known();
        for step in steps {
            match step.remove {
                true => known.remove(&step.alarm.cause()),
                false => known.insert(step.alarm.cause(), step.alarm),
            };
        }
    }

    /// Rows and mails in one commit.
    async fn write(&self, steps: &[Step], notices: &[Step]) -> Result<(), StoreError> {
        if steps.is_empty() && notices.is_empty() {
            return Ok(());
        }
        let (steps, recipients) = ([steps, notices].concat(), self.settings.recipients.clone());
        let write = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            for step in &steps {
                match step.remove {
                    true => alarms::remove(tx, &step.alarm),
                    false => alarms::put(tx, &step.alarm)?,
                }
                let Some(body) = &step.mail else { continue };
                for recipient in &recipients {
                    outbox::push(tx, &message(recipient, body.clone(), tx.now()))?;
                }
            }
            Ok(())
        };
        self.store.write(write).await
    }

    /// What is known of a step that cannot be written: that it was mailed only where that was done past the outbox.
    async fn without_store(&self, step: Step, known: &Alarms) -> Step {
        let before = known.get(&step.alarm.cause()).and_then(|alarm| alarm.mailed_at);
        let is_storage = step.alarm.kind == Kind::Storage.name();
        let mailed_at = match &step.mail {
            Some(body) if is_storage && self.send(body).await => step.alarm.mailed_at,
            Some(_) => before,
            None => step.alarm.mailed_at,
        };
        Step { alarm: Alarm { mailed_at, ..step.alarm }, ..step }
    }

    /// Sends a mail past the outbox to everybody; `true`: to somebody.
    async fn send(&self, body: &Body) -> bool {
        let Some(mail) = &self.mail else { return false };
        let mut sent = false;
        for recipient in &self.settings.recipients {
            match mail.deliver(&message(recipient, body.clone(), self.store.clock().now())).await {
                Ok(()) => sent = true,
                Err(error) => tracing::warn!("an alarm could not be mailed: {error}"),
            }
        }
        sent
    }
}

fn message(recipient: &Email, body: Body, now: Timestamp) -> Message {
    Message::to_address(recipient.as_str(), body, now, plus(now, days(3)))
}

fn tell(step: &Step, turn: Turn) {
    let (cause, detail) = (step.alarm.cause(), &step.alarm.detail);
    match turn {
        Turn::Begins => tracing::error!(alarm.cause = cause, "alarm: {detail}"),
        Turn::Changes => tracing::warn!(alarm.cause = cause, "alarm goes on: {detail}"),
        Turn::Ends => tracing::info!(alarm.cause = cause, "alarm is over: {detail}"),
    }
}

impl Task for Watch {
    fn name(&self) -> &str {
        "alarms"
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn run(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async {
            let alarms = self.look().await.map_err(|error| error.to_string())?;
            Ok(format!("{alarms} alarms"))
        })
    }
}

#[cfg(test)]
mod tests;
