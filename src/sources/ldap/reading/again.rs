//! Entries read again by their identifiers. One that a complete answer does not have is gone: it was deleted, moved
//! away, or is no user and no group any more.

use std::collections::{BTreeSet, HashSet};

use super::super::entry::Entry;
use super::super::filter::Filter;
use super::super::mapping::identified_by;
use super::super::pages::{Pages, below};
use super::{Changes, Reader, Stop};
use crate::base::id::ExternalId;
use crate::sources::Piece;

/// Identifiers of one search.
const CHUNK: usize = 50;

impl Reader<'_> {
    /// What became of the entries with these identifiers: people first, then groups, then those who are gone.
    pub(super) async fn again(&mut self, ids: &BTreeSet<ExternalId>) -> Result<Changes, Stop> {
        let known = self.known;
        let mut missing: Vec<ExternalId> = ids.iter().cloned().collect();
        let mut changes = Changes::default();
        let found = self.users_again(&missing, &mut changes.pieces).await?;
        missing.retain(|id| !found.contains(id));
        if known.mapping.profile.groups.is_some() {
            let found = self.groups_again(&missing, &mut changes.pieces).await?;
            missing.retain(|id| !found.contains(id));
        }
        changes.pieces.extend(missing.into_iter().map(Piece::Gone));
        Ok(changes)
    }

    /// The users among these identifiers.
    pub(super) async fn users_again(
        &mut self,
        ids: &[ExternalId],
        pieces: &mut Vec<Piece>,
    ) -> Result<HashSet<ExternalId>, Stop> {
        let (known, settings) = (self.known, self.settings);
        let profile = &known.mapping.profile;
        let wanted = known.mapping.wanted();
        let mut found = HashSet::new();
        for chunk in ids.chunks(CHUNK) {
            let among = any(&profile.id, chunk);
            let disabled = self.disabled(Some(&among)).await?;
            let filter = Filter::all(&[profile.users.clone(), among]);
            let mut pages = Pages::new(below(settings, &settings.base_dn, &filter, wanted.clone()), settings.page_size);
            while let Some(entry) = pages.next(&mut self.link).await? {
                let piece = self.user(entry, &wanted, &disabled)?;
                found.insert(identity(&piece).ok_or_else(unnamed)?);
                pieces.push(piece);
            }
            self.references(pages.references)?;
        }
        Ok(found)
    }

    async fn groups_again(&mut self, ids: &[ExternalId], pieces: &mut Vec<Piece>) -> Result<HashSet<ExternalId>, Stop> {
        let (known, settings) = (self.known, self.settings);
        let mut found = HashSet::new();
        let Some(profile) = &known.mapping.profile.groups else { return Ok(found) };
        let (wanted, large) = (profile.wanted(), profile.large());
        for chunk in ids.chunks(CHUNK) {
            let filter = Filter::all(&[profile.filter.clone(), any(&profile.id, chunk)]);
            let mut pages = Pages::new(below(settings, &profile.base, &filter, wanted.clone()), settings.page_size);
            let mut mapped = Vec::new();
            while let Some(entry) = pages.next(&mut self.link).await? {
                mapped.push(profile.group(&Entry::read_group(entry.0, &wanted, &large)?));
            }
            self.references(pages.references)?;
            for one in mapped {
                let piece = match one {
                    Ok(mapped) => self.complete(mapped).await?,
                    Err(skipped) => Piece::Skipped(skipped),
                };
                found.insert(identity(&piece).ok_or_else(unnamed)?);
                pieces.push(piece);
            }
        }
        Ok(found)
    }
}

/// An entry that was found by its identifier and does not show one is not gone.
fn unnamed() -> Stop {
    Stop::Complete("an entry that changed does not show its identifier".to_owned())
}

/// Entries with any of these identifiers.
fn any(attribute: &str, ids: &[ExternalId]) -> Filter {
    Filter::any(&ids.iter().map(|id| identified_by(attribute, id)).collect::<Vec<_>>())
}

/// Whose piece it is, as far as it says.
pub(super) fn identity(piece: &Piece) -> Option<ExternalId> {
    match piece {
        Piece::User(user) => Some(user.external_id.clone()),
        Piece::Group(group) => Some(group.external_id.clone()),
        Piece::Skipped(skipped) => skipped.external_id.clone(),
        Piece::Gone(id) => Some(id.clone()),
    }
}
