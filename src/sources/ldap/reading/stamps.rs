//! Changes by the times of changes (`modifyTimestamp`, RFC 4512 §3.4.4), for servers that offer nothing better. Times
//! are the server's own, and looked at with an overlap: a change may become visible later than its time says. Who was
//! deleted is seen by complete readings only.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use ldap3::Scope;

use super::super::entry::Entry;
use super::super::filter::Filter;
use super::super::flags::generalized_time;
use super::super::kind::texts;
use super::super::pages::{PageFault, Pages, below};
use super::super::wire::link::Search;
use super::{CHANGES_MAX, Changes, Mark, Reader, Stop};
use crate::base::clock::minus;
use crate::base::id::ExternalId;
use crate::sources::Piece;

const STAMP: &str = "modifyTimestamp";
/// A change may become visible so long after the time that it carries.
const OVERLAP: std::time::Duration = std::time::Duration::from_secs(5 * 60);
/// How far back the first look goes: the clocks of server and daemon may differ.
const FIRST: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

fn written(at: Timestamp) -> String {
    at.strftime("%Y%m%d%H%M%SZ").to_string()
}

impl Reader<'_> {
    /// The latest time among the entries of the last day; where nothing changed in it, a day ago.
    pub(super) async fn mark_by_timestamp(&mut self) -> Result<Result<Mark, String>, PageFault> {
        let base = self.settings.base_dn.clone();
        let filter = Filter::present("objectClass");
        let search = Search {
            base: &base,
            scope: Scope::Base,
            filter: &filter,
            attributes: vec![STAMP.to_owned()],
            size_limit: 1,
            timeout: self.settings.operation_timeout,
        };
        let (entries, result) = self.link.search_few(&search).await?;
        let entry = entries.into_iter().next().map(|entry| Entry::read(entry.0, &search.attributes)).transpose()?;
        let has_stamp = entry.is_some_and(|entry| !texts(&entry, STAMP).is_empty());
        if result.rc != 0 || !has_stamp {
            return Ok(Err(format!("the reader cannot see {STAMP} of {base}")));
        }
        let from = minus(self.known.now(), FIRST);
        let latest = match self.stamped(from).await {
            Ok((_, latest)) => latest.unwrap_or(from),
            Err(Stop::Complete(_)) => from,
            Err(Stop::Fault(fault)) => return Err(fault),
        };
        Ok(Ok(Mark::Timestamps { server: self.link.endpoint().to_owned(), since: written(latest) }))
    }

    pub(super) async fn changes_by_timestamp(&mut self, server: &str, since: &str) -> Result<Changes, Stop> {
        if server != self.link.endpoint() {
            return Err(Stop::Complete("another server answers than at the last reading".to_owned()));
        }
        let Some(last) = generalized_time(since) else {
            return Err(Stop::Complete("the time of the last reading cannot be read".to_owned()));
        };
        let (ids, latest) = self.stamped(minus(last, OVERLAP)).await?;
        let mut changes = self.again(&ids).await?;
        // An entry that changed and is not found is no user any more; one that was deleted has no time to be found by.
        changes.pieces.retain(|piece| !matches!(piece, Piece::Gone(id) if !ids.contains(id)));
        let latest = latest.filter(|latest| latest.duration_since(last) > SignedDuration::ZERO);
        changes.next = latest.map(|at| Mark::Timestamps { server: server.to_owned(), since: written(at) });
        Ok(changes)
    }

    /// The identifiers of the entries that changed since a time, and the latest time among them.
    async fn stamped(&mut self, since: Timestamp) -> Result<(BTreeSet<ExternalId>, Option<Timestamp>), Stop> {
        let filter = Filter::at_least(STAMP, &written(since));
        let profile = &self.known.mapping.profile;
        let mut wanted = vec![profile.id.clone(), STAMP.to_owned()];
        wanted.extend(profile.groups.iter().map(|groups| groups.id.clone()));
        let (mut ids, mut latest) = (BTreeSet::new(), None);
        for base in self.bases() {
            let mut pages = Pages::new(below(self.settings, &base, &filter, wanted.clone()), self.settings.page_size);
            while let Some(entry) = pages.next(&mut self.link).await? {
                let entry = Entry::read(entry.0, &wanted)?;
                let names = wanted.iter().filter(|name| *name != STAMP);
                ids.extend(
                    names.filter_map(|name| super::super::mapping::identifier(&entry, name, "id_attribute").ok()),
                );
                latest = latest.max(texts(&entry, STAMP).first().and_then(|text| generalized_time(text)));
                if ids.len() > CHANGES_MAX {
                    return Err(Stop::Complete(format!("more than {CHANGES_MAX} entries changed")));
                }
            }
        }
        Ok((ids, latest))
    }
}
