//! Changes by the times of changes (`modifyTimestamp`, RFC 4512 §3.4.4), for servers that offer nothing better. Times
//! are the server's own, and looked at with an overlap: a change may become visible later than its time says. Who was
//! deleted, or moved out of the base, is seen by complete readings only.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::super::entry::Entry;
use super::super::filter::Filter;
use super::super::flags::generalized_time;
use super::super::kind::{ServerKind, one, texts};
use super::super::pages::{PageFault, Pages, below};
use super::{Changes, Mark, Reader, Stop, refusal};
use crate::base::clock::minus;

/// A change may become visible so long after the time that it carries.
const OVERLAP: std::time::Duration = std::time::Duration::from_secs(5 * 60);
/// How far back the first look for the latest change goes; where it finds none, everything is looked at.
const FIRST: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

fn written(at: Timestamp) -> String {
    // Active Directory refuses a time without a fraction.
    at.strftime("%Y%m%d%H%M%S.0Z").to_string()
}

impl Reader<'_> {
    /// The attribute with the time: that of RFC 4512 is computed in Active Directory, and cannot be searched by.
    fn stamp(&self) -> &'static str {
        match self.known.mapping.profile.kind {
            ServerKind::ActiveDirectory => "whenChanged",
            _ => "modifyTimestamp",
        }
    }

    /// The latest time that an entry has. The daemon's own clock only says where to look first.
    pub(super) async fn mark_by_timestamp(&mut self) -> Result<Result<Mark, String>, PageFault> {
        let stamp = self.stamp();
        if !self.shows_stamp().await? {
            return Ok(Err(format!("the reader cannot see {stamp} of {}", self.settings.base_dn)));
        }
        let latest = match self.latest_change().await {
            Ok(latest) => latest,
            Err(PageFault::Refused(code, text)) => return Ok(Err(refusal(code, &text))),
            Err(fault) => return Err(fault),
        };
        let server = self.link.endpoint().to_owned();
        let mark = latest
            .map(|latest| self.not_ahead(latest))
            .map(|latest| Mark::Timestamps { server, since: written(latest) });
        Ok(mark.ok_or_else(|| format!("the server finds no entries by their {stamp}")))
    }

    /// One entry that is dated in the future must not hide what changes until then; an earlier mark only reads more.
    fn not_ahead(&self, latest: Timestamp) -> Timestamp {
        latest.min(self.known.now())
    }

    /// Does the base show the time of its last change?
    async fn shows_stamp(&mut self) -> Result<bool, PageFault> {
        let stamp = self.stamp();
        let entry = one(&mut self.link, self.settings, &self.settings.base_dn, vec![stamp.to_owned()]).await?;
        Ok(entry.is_some_and(|entry| !texts(&entry, stamp).is_empty()))
    }

    async fn latest_change(&mut self) -> Result<Option<Timestamp>, PageFault> {
        let of_today = Filter::at_least(self.stamp(), &written(minus(self.known.now(), FIRST)));
        if let Some(latest) = self.latest(&of_today).await? {
            return Ok(Some(latest));
        }
        let Some(latest) = self.latest(&Filter::present(self.stamp())).await? else { return Ok(None) };
        // It must be found by its time.
        self.latest(&Filter::at_least(self.stamp(), &written(latest))).await
    }

    /// The latest time among the entries that a filter finds.
    async fn latest(&mut self, filter: &Filter) -> Result<Option<Timestamp>, PageFault> {
        let (stamp, mut latest) = (self.stamp(), None);
        let wanted = vec![stamp.to_owned()];
        for base in self.bases() {
            let mut pages = Pages::new(below(self.settings, &base, filter, wanted.clone()), self.settings.page_size);
            while let Some(entry) = pages.next(&mut self.link).await? {
                latest = latest.max(time_of(&Entry::read(entry.0, &wanted)?, stamp));
            }
        }
        Ok(latest)
    }

    pub(super) async fn changes_by_timestamp(&mut self, server: &str, since: &str) -> Result<Changes, Stop> {
        if server != self.link.endpoint() {
            return Err(Stop::Complete("another server answers than at the last reading".to_owned()));
        }
        let Some(last) = generalized_time(since) else {
            return Err(Stop::Complete("the time of the last reading cannot be read".to_owned()));
        };
        let filter = Filter::at_least(self.stamp(), &written(minus(last, OVERLAP)));
        let (mut ids, mut latest, stamp) = (BTreeSet::new(), None, self.stamp());
        for base in self.bases() {
            let at = self.changed(&base, &filter, Some(stamp), None, &mut ids).await?;
            latest = latest.max(at);
        }
        // An entry that changed and is not found is no user any more; one that was deleted has no time to be found by.
        let mut changes = self.again(&ids).await?;
        let latest = latest
            .map(|latest| self.not_ahead(latest))
            .filter(|latest| latest.duration_since(last) > SignedDuration::ZERO);
        changes.next = latest.map(|at| Mark::Timestamps { server: server.to_owned(), since: written(at) });
        Ok(changes)
    }
}

pub(super) fn time_of(entry: &Entry, stamp: &str) -> Option<Timestamp> {
    texts(entry, stamp).first().and_then(|text| generalized_time(text))
}
