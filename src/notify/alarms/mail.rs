//! Looks for mail that does not leave: it waits, or it is refused for good whoever it is for.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::finding::{Finding, Kind};
use super::probes::Probe;
use crate::base::clock::minus;
use crate::directory::message::Via;
use crate::directory::policy::days;
use crate::store::outbox::fate;
use crate::store::outbox::undelivered::{self, Outcome, Undelivered};
use crate::store::tx::Reads;
use crate::store::{Store, StoreError, alarms, queue};

/// Where mail waits for longer, and none was accepted for as long, it cannot leave.
const WAITS: Duration = Duration::from_secs(10 * 60);
/// Fewer than so many may be for people whose server puts off whom it does not know, as greylisting does,
const FEW: usize = 3;
/// and are told of after this time.
const FEW_WAIT: Duration = Duration::from_secs(3_600);
/// So many different people whose mail was refused one after the other within this time do not all have a wrong address.
const REFUSED: usize = 10;
const REFUSED_WITHIN: Duration = days(1);
/// Most of what was given up that is looked through for them, newest first.
const LOOKED: usize = 500;

/// Mail that cannot leave.
pub struct StuckMail {
    /// Is there a section `[mail]`?
    pub is_configured: bool,
    /// Is the mail server found to be down at present?
    pub is_down: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Probe for StuckMail {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Mail]
    }

    fn look(&self, store: &Store, now: Timestamp) -> Result<Vec<Finding>, StoreError> {
        let view = store.view();
        let accepted_at = fate::of(&view, Via::Mail)?.accepted_at;
        let detail = match self.waiting(&view, accepted_at, now)? {
            Some(detail) => Some(detail),
            None => match refused(&view, accepted_at, now)? {
                Some(detail) => Some(detail),
                None => self.still(&view, accepted_at, now)?,
            },
        };
        Ok(detail.map(|detail| Finding::new(Kind::Mail, "", detail)).into_iter().collect())
    }
}

impl StuckMail {
    fn waiting(
        &self,
        reads: &dyn Reads,
        accepted_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        // Many that leave one after the other wait for long too.
        if accepted_at.is_some_and(|at| at > minus(now, WAITS) && at <= now) {
            return Ok(None);
        }
        let mail = queue::waiting(reads)?.remove("mail").unwrap_or_default();
        let is_patient = mail.messages < FEW && self.is_configured && !(self.is_down)();
        let longest = if is_patient { FEW_WAIT } else { WAITS };
        let Some(oldest) = mail.oldest.filter(|oldest| *oldest <= minus(now, longest)) else { return Ok(None) };
        let what = match self.is_configured {
            true => "the log says what the mail server answered; look at [mail] in the settings",
            false => "there is no section [mail] in the settings",
        };
        Ok(Some(format!("{} mails wait, the oldest since {}: {what}", mail.messages, shown(oldest))))
    }

    /// What has begun is over only once a mail was accepted: that nothing waits any more can mean that all of it came to
    /// its end.
    fn still(
        &self,
        reads: &dyn Reads,
        accepted_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let alarm = alarms::get(reads, Kind::Mail.name(), "")?.filter(|alarm| alarm.ended_at.is_none());
        let since = alarm.map(|alarm| alarm.since).filter(|since| *since <= now && accepted_at <= Some(*since));
        let Some(since) = since.filter(|_| self.is_configured) else { return Ok(None) };
        let since = shown(since);
        Ok(Some(format!("no mail was accepted since {since}, though none waits now. musterd mail test ADDRESS")))
    }
}

/// A sender, a relay or a login that the server does not want shows as a refusal of every mail. Other people's mail that
/// is accepted meanwhile shows that it is about addresses.
fn refused(reads: &dyn Reads, accepted_at: Option<Timestamp>, now: Timestamp) -> Result<Option<String>, StoreError> {
    let from = minus(now, REFUSED_WITHIN).max(accepted_at.unwrap_or(Timestamp::MIN));
    let is_one = |record: &Undelivered| {
        record.outcome == Outcome::Refused && record.message.via() == Via::Mail && record.at > from
    };
    let given_up = undelivered::page(reads, None, LOOKED)?.into_iter();
    let refused: Vec<_> = given_up.filter_map(|(_, record)| record.ok()).filter(is_one).collect();
    let people: BTreeSet<&str> = refused.iter().map(|record| record.message.to.as_str()).collect();
    let (Some(last), true) = (refused.first(), people.len() >= REFUSED) else { return Ok(None) };
    let since = refused.iter().map(|record| record.at).min().unwrap_or(last.at);
    let said = last.message.last_error.as_deref().unwrap_or_default();
    Ok(Some(format!(
        "every mail since {} was refused for good, {} of them: {said}. musterd message list --state failed",
        shown(since),
        refused.len()
    )))
}

fn shown(at: Timestamp) -> impl std::fmt::Display {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
