//! Changes by the times of changes (`modifyTimestamp`, RFC 4512 §3.4.4), for servers that offer nothing better. Times
//! are the server's own, and looked at with an overlap: a change may become visible later than its time says. Who was
//! deleted, or moved out of the base, is seen by complete readings only.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use ldap3::Scope;

use super::super::entry::Entry;
use super::super::filter::Filter;
use super::super::flags::generalized_time;
use super::super::kind::{ServerKind, texts};
use super::super::mapping::identifier;
use super::super::pages::{PageFault, Pages, below};
use super::super::wire::link::Search;
use super::{CHANGES_MAX, Changes, Mark, Reader, Stop, refusal};
use crate::base::clock::minus;
use crate::base::id::ExternalId;

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
        let mark = latest.map(|latest| Mark::Timestamps { server, since: written(latest) });
        Ok(mark.ok_or_else(|| format!("the server finds no entries by their {stamp}")))
    }

    /// Does the base show the time of its last change?
    async fn shows_stamp(&mut self) -> Result<bool, PageFault> {
        let filter = Filter::present("objectClass");
        let search = Search {
            base: &self.settings.base_dn,
            scope: Scope::Base,
            filter: &filter,
            attributes: vec![self.stamp().to_owned()],
            size_limit: 1,
            timeout: self.settings.operation_timeout,
        };
        let (entries, result) = self.link.search_few(&search).await?;
        let entry = entries.into_iter().next().map(|entry| Entry::read(entry.0, &search.attributes)).transpose()?;
        Ok(result.rc == 0 && entry.is_some_and(|entry| !texts(&entry, self.stamp()).is_empty()))
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
        let (ids, latest) = self.stamped(minus(last, OVERLAP)).await?;
        // An entry that changed and is not found is no user any more; one that was deleted has no time to be found by.
        let mut changes = self.again(&ids).await?;
        let latest = latest.filter(|latest| latest.duration_since(last) > SignedDuration::ZERO);
        changes.next = latest.map(|at| Mark::Timestamps { server: server.to_owned(), since: written(at) });
        Ok(changes)
    }

    /// The identifiers of the entries that changed since a time, and the latest time among them.
    async fn stamped(&mut self, since: Timestamp) -> Result<(BTreeSet<ExternalId>, Option<Timestamp>), Stop> {
        let stamp = self.stamp();
        let filter = Filter::at_least(stamp, &written(since));
        let profile = &self.known.mapping.profile;
        let mut names = vec![profile.id.clone()];
        names.extend(profile.groups.iter().map(|groups| groups.id.clone()));
        let wanted = [names.as_slice(), &[stamp.to_owned()]].concat();
        let (mut ids, mut latest) = (BTreeSet::new(), None);
        for base in self.bases() {
            let mut pages = Pages::new(below(self.settings, &base, &filter, wanted.clone()), self.settings.page_size);
            while let Some(entry) = pages.next(&mut self.link).await? {
                let entry = Entry::read(entry.0, &wanted)?;
                ids.extend(names.iter().filter_map(|name| identifier(&entry, name, "id_attribute").ok()));
                latest = latest.max(time_of(&entry, stamp));
                if ids.len() > CHANGES_MAX {
                    return Err(Stop::Complete(format!("more than {CHANGES_MAX} entries changed")));
                }
            }
        }
        Ok((ids, latest))
    }
}

fn time_of(entry: &Entry, stamp: &str) -> Option<Timestamp> {
    texts(entry, stamp).first().and_then(|text| generalized_time(text))
}
