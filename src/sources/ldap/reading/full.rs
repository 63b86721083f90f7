//! A complete reading: a mark first, then all users, then all groups.

use super::super::entry::Entry;
use super::super::group::Mapped;
use super::super::pages::{PageFault, Pages, below, too_many};
use super::{Mark, Reader};
use crate::sources::Piece;

impl Reader<'_> {
    /// Reads everything. Gives the mark from which changes can be read afterwards, and in words how.
    pub(super) async fn everything(&mut self) -> Result<(Option<Mark>, String), PageFault> {
        let (mark, how) = self.mark().await?;
        self.all_users().await?;
        self.all_groups().await?;
        self.output.flush().await?;
        Ok((mark, how))
    }

    async fn all_users(&mut self) -> Result<(), PageFault> {
        let known = self.known;
        let settings = self.settings;
        let disabled = self.disabled(None).await?;
        let wanted = known.mapping.wanted();
        let search = below(settings, &settings.base_dn, &known.mapping.profile.users, wanted.clone());
        let mut pages = Pages::new(search, settings.page_size);
        while let Some(entry) = pages.next(&mut self.link).await? {
            if self.output.count() >= settings.max_entries {
                return Err(too_many(settings.max_entries));
            }
            let piece = self.user(entry, &wanted, &disabled)?;
            self.output.put(piece).await?;
        }
        self.references(pages.references)
    }

    async fn all_groups(&mut self) -> Result<(), PageFault> {
        let known = self.known;
        let settings = self.settings;
        let Some(profile) = &known.mapping.profile.groups else { return Ok(()) };
        let (wanted, large) = (profile.wanted(), profile.large());
        // A page of groups may hold very many members.
        let size = settings.page_size.min(100);
        let mut pages = Pages::new(below(settings, &profile.base, &profile.filter, wanted.clone()), size);
        let mut in_ranges: Vec<Mapped> = Vec::new();
        while let Some(entry) = pages.next(&mut self.link).await? {
            if self.output.count() >= settings.max_entries {
                return Err(too_many(settings.max_entries));
            }
            let entry = Entry::read_group(entry.0, &wanted, &large)?;
            match profile.group(&entry) {
                // The rest of its members is another search, which must wait for the end of this one.
                Ok(mapped) if !mapped.rest.is_empty() => in_ranges.push(mapped),
                Ok(mapped) => self.output.put(Piece::Group(Box::new(mapped.group))).await?,
                Err(skipped) => self.output.put(Piece::Skipped(skipped)).await?,
            }
        }
        self.references(pages.references)?;
        for mapped in in_ranges {
            let piece = self.complete(mapped).await?;
            self.output.put(piece).await?;
        }
        Ok(())
    }

    /// Entries behind references were not read: without the administrator's word nobody is absent for that.
    pub(super) fn references(&self, count: usize) -> Result<(), PageFault> {
        if count == 0 {
            return Ok(());
        }
        if !self.known.mapping.profile.ignores_referrals {
            return Err(PageFault::Untrusted(format!(
                "{count} references to other servers stand for entries that were not read; point base_dn below them, \
                 or set ignore_referrals if no user is behind them"
            )));
        }
        tracing::debug!(source.id = %self.settings.id, ldap.references = count, "references to other servers were not followed");
        Ok(())
    }
}
