//! Changes by the update sequence numbers of Active Directory ([MS-ADTS] 3.1.1.1.9). Each domain controller counts for
//! itself, and begins anew when its database is restored: with another controller, or another life of its database,
//! everything is read again.

use std::collections::BTreeSet;

use jiff::Timestamp;
use ldap3::Scope;
use ldap3::controls::RawControl;

use super::super::entry::Entry;
use super::super::filter::Filter;
use super::super::kind::{RootDse, one, texts};
use super::super::mapping::identifier;
use super::super::pages::{PageFault, Pages, below};
use super::super::wire::link::Search;
use super::dirsync::show_deleted;
use super::stamps::time_of;
use super::{CHANGES_MAX, Changes, Mark, Reader, Stop};
use crate::base::id::ExternalId;
use crate::directory::dn::is_under;

/// The container of the objects that were deleted ([MS-ADTS] 6.1.1.4.2).
const DELETED: &str = "CN=Deleted Objects";

impl Reader<'_> {
    /// Which controller this is, which life of its database, and the number of its last change.
    async fn controller(&mut self) -> Result<Result<(String, String, u64), String>, PageFault> {
        let root = RootDse::read(&mut self.link, self.settings).await?;
        let (Some(service), Some(usn)) = (root.service_name, root.highest_usn) else {
            return Ok(Err("the server tells no update sequence number".to_owned()));
        };
        let entry = one(&mut self.link, self.settings, &service, vec!["invocationId".to_owned()]).await?;
        let invocation = entry.and_then(|entry| identifier(&entry, "invocationId", "bind_dn").ok());
        let Some(invocation) = invocation else {
            return Ok(Err("the reader may not see invocationId of the server".to_owned()));
        };
        Ok(Ok((service, invocation.as_str().to_owned(), usn)))
    }

    /// The number from before the reading.
    pub(super) async fn mark_by_usn(&mut self) -> Result<Result<Mark, String>, PageFault> {
        let mark = |(service, invocation, usn)| Mark::Usn { service, invocation, usn };
        Ok(self.controller().await?.map(mark))
    }

    pub(super) async fn changes_by_usn(&mut self, service: &str, invocation: &str, usn: u64) -> Result<Changes, Stop> {
        let (now_service, now_invocation, now) = self.controller().await?.map_err(Stop::Complete)?;
        if now_service != service || now_invocation != invocation {
            return Err(Stop::Complete("another domain controller answers, or its database was restored".to_owned()));
        }
        let since = Filter::at_least("uSNChanged", &usn.saturating_add(1).to_string());
        let filter = Filter::all(&[self.objects(), since]);
        let mut ids = BTreeSet::new();
        for base in self.bases_and_context() {
            self.changed(&base, &filter, None, None, &mut ids).await?;
        }
        if let Some(context) = self.root().default_naming_context.clone() {
            // An ordinary reader of Active Directory may not look there: then the next complete reading tells.
            let deleted = format!("{DELETED},{context}");
            match self.changed(&deleted, &filter, None, Some(show_deleted()), &mut ids).await {
                Err(Stop::Fault(PageFault::Refused(32 | 50, _))) | Ok(_) => {}
                Err(stop) => return Err(stop),
            }
        }
        let mut changes = self.again(&ids).await?;
        changes.next = Some(Mark::Usn { service: now_service, invocation: now_invocation, usn: now });
        Ok(changes)
    }

    /// Whether, and why not, deletions are told between complete readings: an ordinary reader of Active Directory may
    /// not look where the deleted objects are.
    pub(super) async fn deletions(&mut self) -> Result<&'static str, PageFault> {
        let Some(context) = &self.known.root.default_naming_context else { return Ok("") };
        let (deleted, filter) = (format!("{DELETED},{context}"), Filter::present("objectClass"));
        let search = Search {
            base: &deleted,
            scope: Scope::Base,
            filter: &filter,
            attributes: vec!["isDeleted".to_owned()],
            size_limit: 1,
            timeout: self.settings.operation_timeout,
        };
        let (entries, _) = self.link.search_entries(&search, vec![show_deleted()], 2).await?;
        let entry = entries.into_iter().next().map(|entry| Entry::read(entry.0, &search.attributes)).transpose()?;
        Ok(match entry.is_some_and(|entry| !texts(&entry, "isDeleted").is_empty()) {
            true => "",
            false => "; deletions by complete readings only: the reader may not see CN=Deleted Objects",
        })
    }

    /// Where users and groups are.
    pub(super) fn bases(&self) -> BTreeSet<String> {
        let groups = self.known.mapping.profile.groups.as_ref().map(|groups| groups.base.clone());
        [Some(self.settings.base_dn.clone()), groups].into_iter().flatten().collect()
    }

    /// Where users and groups are and may have been: who was moved away changed where they are now.
    fn bases_and_context(&self) -> BTreeSet<String> {
        let mut bases = self.bases();
        if let Some(context) = &self.root().default_naming_context {
            bases.retain(|base| !is_under(base, context));
            bases.insert(context.clone());
        }
        bases
    }

    /// The identifiers of the entries below a base that a filter finds, and the latest time that one of them has in
    /// `stamp`.
    pub(super) async fn changed(
        &mut self,
        base: &str,
        filter: &Filter,
        stamp: Option<&str>,
        control: Option<RawControl>,
        ids: &mut BTreeSet<ExternalId>,
    ) -> Result<Option<Timestamp>, Stop> {
        let profile = &self.known.mapping.profile;
        let names = [Some(profile.id.as_str()), profile.groups.as_ref().map(|groups| groups.id.as_str())];
        let names: BTreeSet<&str> = names.into_iter().flatten().collect();
        let wanted: Vec<String> = names.iter().copied().chain(stamp).map(str::to_owned).collect();
        let mut latest = None;
        let mut pages = Pages::new(below(self.settings, base, filter, wanted.clone()), self.settings.page_size);
        pages.with_controls(control.into_iter().collect());
        while let Some(entry) = pages.next(&mut self.link).await? {
            let entry = Entry::read(entry.0, &wanted)?;
            // What has no identifier is neither a user nor a group.
            ids.extend(names.iter().filter_map(|name| identifier(&entry, name, "id_attribute").ok()));
            latest = latest.max(stamp.and_then(|stamp| time_of(&entry, stamp)));
            if ids.len() > CHANGES_MAX {
                return Err(Stop::Complete(format!("more than {CHANGES_MAX} entries changed")));
            }
        }
        Ok(latest)
    }
}
