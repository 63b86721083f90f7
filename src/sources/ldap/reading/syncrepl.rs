//! Changes by content synchronization (RFC 4533), polled: refreshOnly with the cookie of the last reading.
//!
//! Only what the server says in so many words is taken: an entry that it sends, an identifier that it calls deleted.
//! A present phase (who is not named is gone) is answered by a complete reading, and so is a server that ends a delta
//! with `refreshDeletes` false without having named anybody present: 389 always says false and means nothing by it.

use std::collections::{BTreeSet, HashSet};

use ldap3::controls::{
    ControlType, EntryState, MakeCritical, RawControl, RefreshMode, SyncDone, SyncInfo, SyncRequest, SyncState,
    parse_syncinfo,
};
use ldap3::{LdapResult, ResultEntry, Scope};
use uuid::Uuid;

use super::super::entry::Entry;
use super::super::filter::Filter;
use super::super::kind::ServerKind;
use super::super::pages::{PageFault, below, too_many};
use super::super::settings::Settings;
use super::super::wire::error::LinkError;
use super::super::wire::link::{Link, Search};
use super::again::identity;
use super::{Bookmark, CHANGES_MAX, Changes, Known, Mark, Reader, Stop, before_reading, incomplete, refusal};
use crate::base::id::ExternalId;
use crate::sources::{Piece, PullError};

/// Result code e-syncRefreshRequired (RFC 4533 §2.3): the cookie is worth nothing.
const REFRESH_REQUIRED: u32 = 4096;

/// With more entries to look for by their identifiers, a complete reading is cheaper.
const UNCLEAR_MAX: usize = 2000;

/// Whose changes one search is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Users,
    Groups,
}

/// What one search with a cookie came to.
#[derive(Default)]
struct Delta {
    pieces: Vec<Piece>,
    /// Those of whom the server says that they are gone, or that they changed, and no more than that.
    unclear: BTreeSet<ExternalId>,
    /// A new cookie; none: the old one stays good.
    cookie: Option<Vec<u8>>,
}

fn request(cookie: Option<Vec<u8>>, mode: RefreshMode) -> Vec<RawControl> {
    vec![SyncRequest { mode, cookie, reload_hint: false }.critical().into()]
}

/// The cookie and the word on deletions that came with the result.
fn done(result: &LdapResult) -> (Option<Vec<u8>>, bool) {
    let raw = result.ctrls.iter().find(|control| matches!(control.0, Some(ControlType::SyncDone)));
    let parsed = raw.map(|control| control.1.parse::<SyncDone>());
    parsed.map_or((None, false), |done| (done.cookie, done.refresh_deletes))
}

/// The cookie to keep. An empty one says that the server lost its place.
fn cookie_of(result: &LdapResult) -> Option<Vec<u8>> {
    done(result).0.filter(|cookie| !cookie.is_empty())
}

fn state_of(entry: &ResultEntry) -> Option<SyncState> {
    let raw = entry.1.iter().find(|control| matches!(control.0, Some(ControlType::SyncState)));
    raw.map(|control| control.1.parse::<SyncState>())
}

/// An identifier as the entries have it: 389 writes its own in four groups.
fn identifier(kind: ServerKind, bytes: &[u8]) -> Option<ExternalId> {
    let uuid = Uuid::from_bytes(bytes.try_into().ok()?);
    let text = match kind {
        ServerKind::Ds389 => {
            let hex = uuid.simple().to_string();
            let part = |from: usize| hex.get(from..from.saturating_add(8)).unwrap_or_default();
            [part(0), part(8), part(16), part(24)].join("-")
        }
        _ => uuid.to_string(),
    };
    ExternalId::parse(&text).ok()
}

impl Reader<'_> {
    /// A cookie from before the reading. OpenLDAP gives one with any search, even one that finds nobody; 389 only with
    /// the very search that it is for, so that this only asks whether the server agrees.
    pub(super) async fn mark_by_syncrepl(&mut self) -> Result<Result<Mark, String>, PageFault> {
        let has_groups = self.known.mapping.profile.groups.is_some();
        let nobody = Filter::nobody();
        let mut cookies = Vec::new();
        let groups = self.known.mapping.profile.groups.as_ref().map(|profile| profile.base.as_str());
        for base in [Some(self.settings.base_dn.as_str()), groups].into_iter().flatten() {
            let search = Search {
                base,
                scope: Scope::Base,
                filter: &nobody,
                attributes: vec!["1.1".to_owned()],
                size_limit: 0,
                timeout: self.settings.operation_timeout,
            };
            let control = request(None, RefreshMode::RefreshOnly);
            let (_, result) = self.link.search_entries(&search, control, 10).await?;
            match (result.rc, cookie_of(&result)) {
                (0, Some(cookie)) => cookies.push(cookie),
                (0, None) => return Ok(Err("the server gives no cookie".to_owned())),
                (32, _) => return Err(PageFault::Refused(32, result.text)),
                (code, _) => return Ok(Err(refusal(code, &result.text))),
            }
        }
        let mut cookies = cookies.into_iter();
        Ok(match (cookies.next(), cookies.next()) {
            (Some(users), groups) if groups.is_some() == has_groups => Ok(Mark::Syncrepl { users, groups }),
            _ => Err("the server gives no cookie".to_owned()),
        })
    }

    /// Everything by the searches that the cookies are for: of 389, whose cookie is bound to its search.
    pub(super) async fn everything_by_syncrepl(&mut self) -> Result<Mark, PageFault> {
        let users = self.all_by_syncrepl(Whose::Users).await?;
        let has_groups = self.known.mapping.profile.groups.is_some();
        let groups = if has_groups { Some(self.all_by_syncrepl(Whose::Groups).await?) } else { None };
        Ok(Mark::Syncrepl { users, groups })
    }

    async fn all_by_syncrepl(&mut self, whose: Whose) -> Result<Vec<u8>, PageFault> {
        let known = self.known;
        let disabled = if whose == Whose::Users { self.disabled(None).await? } else { HashSet::new() };
        let Some((search, large)) = search_for(known, self.settings, whose) else {
            return Err(PageFault::Untrusted("there are no groups to read".to_owned()));
        };
        let mut answers = self.link.search(&search, request(None, RefreshMode::RefreshOnly)).await?;
        let mut references = 0_usize;
        while let Some(entry) = self.link.next(&mut answers, search.timeout).await? {
            if entry.is_ref() {
                references = references.saturating_add(1);
                continue;
            }
            if entry.is_intermediate() {
                continue;
            }
            if self.output.count() >= self.settings.max_entries {
                return Err(too_many(self.settings.max_entries));
            }
            let piece = match (whose, &known.mapping.profile.groups) {
                (Whose::Groups, Some(profile)) => {
                    let entry = Entry::read_group(entry.0, &search.attributes, &large)?;
                    profile.group(&entry).map_or_else(Piece::Skipped, |mapped| Piece::Group(Box::new(mapped.group)))
                }
                _ => self.user(entry, &search.attributes, &disabled)?,
            };
            self.output.put(piece).await?;
        }
        let result = answers.finish().await;
        if result.rc != 0 {
            return Err(PageFault::Refused(result.rc, result.text));
        }
        self.references(references)?;
        cookie_of(&result)
            .ok_or_else(|| PageFault::Untrusted("the server gave no cookie with a complete reading".to_owned()))
    }

    /// What changed since the cookies.
    pub(super) async fn changes_by_syncrepl(&mut self, users: &[u8], groups: Option<&[u8]>) -> Result<Changes, Stop> {
        let of_users = self.delta(Whose::Users, users).await?;
        let of_groups = match groups {
            Some(cookie) => self.delta(Whose::Groups, cookie).await?,
            None => Delta::default(),
        };
        let mut changes = Changes::default();
        changes.pieces.extend(of_users.pieces);
        changes.pieces.extend(of_groups.pieces);
        let mut unclear = of_users.unclear;
        unclear.extend(of_groups.unclear);
        self.put_unclear(&mut changes.pieces, unclear).await?;
        if of_users.cookie.is_some() || of_groups.cookie.is_some() {
            let users = of_users.cookie.unwrap_or_else(|| users.to_vec());
            let groups = groups.map(|before| of_groups.cookie.unwrap_or_else(|| before.to_vec()));
            changes.next = Some(Mark::Syncrepl { users, groups });
        }
        Ok(changes)
    }

    /// Adds what became of those of whom it is not clear. The server names for one search whatever changed and does not
    /// match it: for that of the groups each changed user. So who is said to be gone is looked for as a user and as a
    /// group.
    async fn put_unclear(&mut self, pieces: &mut Vec<Piece>, mut ids: BTreeSet<ExternalId>) -> Result<(), Stop> {
        let there: HashSet<ExternalId> = pieces.iter().filter_map(identity).collect();
        ids.retain(|id| !there.contains(id));
        if ids.len() > UNCLEAR_MAX {
            return Err(Stop::Complete(format!("more than {UNCLEAR_MAX} entries changed or are gone")));
        }
        pieces.extend(self.again(&ids).await?.pieces);
        pieces.sort_by_key(|piece| match piece {
            Piece::User(_) | Piece::Skipped(_) => 0,
            Piece::Group(_) => 1,
            Piece::Gone(_) => 2,
        });
        Ok(())
    }

    async fn delta(&mut self, whose: Whose, cookie: &[u8]) -> Result<Delta, Stop> {
        let known = self.known;
        let kind = known.mapping.profile.kind;
        let Some((search, large)) = search_for(known, self.settings, whose) else { return Ok(Delta::default()) };
        let mut delta = Delta::default();
        let mut changed = Vec::new();
        let mut answers = self.link.search(&search, request(Some(cookie.to_vec()), RefreshMode::RefreshOnly)).await?;
        while let Some(entry) = self.link.next(&mut answers, search.timeout).await? {
            if entry.is_ref() {
                continue;
            }
            if entry.is_intermediate() {
                match parse_syncinfo(entry) {
                    SyncInfo::SyncIdSet { refresh_deletes: true, sync_uuids, .. } => {
                        delta.unclear.extend(sync_uuids.iter().filter_map(|uuid| identifier(kind, uuid)));
                    }
                    SyncInfo::SyncIdSet { .. } | SyncInfo::RefreshPresent { .. } => return Err(present_phase()),
                    SyncInfo::NewCookie(_) | SyncInfo::RefreshDelete { .. } => {}
                }
                continue;
            }
            match state_of(&entry).map(|state| (state.state, state.entry_uuid)) {
                Some((EntryState::Present, _)) => return Err(present_phase()),
                Some((EntryState::Delete, uuid)) => delta.unclear.extend(identifier(kind, &uuid)),
                // The changes of 389 come without operational attributes, also without the one that identifies them.
                Some((EntryState::Add | EntryState::Modify, uuid)) if kind == ServerKind::Ds389 => {
                    delta.unclear.extend(identifier(kind, &uuid));
                }
                Some((EntryState::Add | EntryState::Modify, _)) => changed.push(entry),
                None => {
                    return Err(PageFault::Untrusted("the server sent an entry without its state".to_owned()).into());
                }
            }
            if changed.len().saturating_add(delta.unclear.len()) > CHANGES_MAX {
                return Err(Stop::Complete(format!("more than {CHANGES_MAX} entries changed")));
            }
        }
        let result = answers.finish().await;
        match result.rc {
            0 => {}
            REFRESH_REQUIRED => return Err(Stop::Complete("the server wants everything to be read anew".to_owned())),
            53 | 12 => {
                return Err(Stop::Complete(format!("the cookie was refused: {}", refusal(result.rc, &result.text))));
            }
            code => return Err(PageFault::Refused(code, result.text).into()),
        }
        let (next, refresh_deletes) = done(&result);
        if next.as_ref().is_some_and(Vec::is_empty) {
            return Err(Stop::Complete("the server does not know the cookie of the last reading".to_owned()));
        }
        // OpenLDAP means it: everything that was not named is gone. 389 always says so and does not.
        if !refresh_deletes && kind != ServerKind::Ds389 && (!changed.is_empty() || next.is_some()) {
            return Err(present_phase());
        }
        delta.cookie = next;
        for entry in changed {
            let piece = match (whose, &known.mapping.profile.groups) {
                (Whose::Groups, Some(profile)) => {
                    let entry = Entry::read_group(entry.0, &search.attributes, &large)?;
                    profile.group(&entry).map_or_else(Piece::Skipped, |mapped| Piece::Group(Box::new(mapped.group)))
                }
                _ => self.user(entry, &search.attributes, &HashSet::new())?,
            };
            delta.pieces.push(piece);
        }
        if whose == Whose::Users && known.mapping.profile.disabled.is_some() {
            self.apply_rule(&mut delta.pieces).await?;
        }
        Ok(delta)
    }

    /// The administrator's own rule is a filter of the server's: it is asked for those who changed.
    async fn apply_rule(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Stop> {
        let ids: Vec<ExternalId> = pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::User(user) => Some(user.external_id.clone()),
                _ => None,
            })
            .collect();
        let mut again = Vec::new();
        let found = self.users_again(&ids, &mut again).await?;
        // Whoever vanished in between is in the next changes.
        pieces.retain(|piece| !matches!(piece, Piece::User(user) if found.contains(&user.external_id)));
        pieces.extend(again);
        Ok(())
    }
}

/// The search whose changes are asked for, and the attributes of it that may be large.
fn search_for<'a>(known: &'a Known, settings: &'a Settings, whose: Whose) -> Option<(Search<'a>, Vec<String>)> {
    let profile = &known.mapping.profile;
    match (whose, &profile.groups) {
        (Whose::Users, _) => {
            Some((below(settings, &settings.base_dn, &profile.users, known.mapping.wanted()), Vec::new()))
        }
        (Whose::Groups, Some(groups)) => {
            Some((below(settings, &groups.base, &groups.filter, groups.wanted()), groups.large()))
        }
        (Whose::Groups, None) => None,
    }
}

fn present_phase() -> Stop {
    Stop::Complete("the server keeps no log back to the last reading".to_owned())
}

/// Waits until the server says that something changed since the cookies; gives the reason of an early end.
pub(in super::super) async fn wait(
    inner: &super::super::Inner,
    since: Option<crate::sources::Bookmark>,
) -> Result<(), PullError> {
    let settings = &inner.settings;
    let mut link = inner.servers.for_reading(settings).await.map_err(before_reading)?;
    let known = super::super::know(inner, &mut link).await.map_err(before_reading)?;
    let profile = &known.mapping.profile;
    let mark = since.and_then(|since| Bookmark::parse(&since.0, &Bookmark::scope(settings, profile)).ok());
    let Some(Mark::Syncrepl { users, .. }) = mark else {
        return Err(PullError::Misconfigured("the server does not tell of changes (watch)".to_owned()));
    };
    // One search for both, so that one connection is enough: whoever was not told of a change reads it by schedule. The
    // cookie of 389 is for the very search of the users.
    let filter = match &profile.groups {
        Some(groups) if profile.kind != ServerKind::Ds389 => {
            Filter::any(&[profile.users.clone(), groups.filter.clone()])
        }
        _ => profile.users.clone(),
    };
    watch(&mut link, settings, &filter, users).await.map_err(|fault| incomplete(fault, 0))
}

async fn watch(link: &mut Link, settings: &Settings, filter: &Filter, cookie: Vec<u8>) -> Result<(), PageFault> {
    // For ever: the connection's keepalive notices a server that is gone.
    let forever = std::time::Duration::from_secs(365 * 24 * 3600);
    let search = Search { timeout: forever, ..below(settings, &settings.base_dn, filter, vec!["1.1".to_owned()]) };
    let mut answers = link.search(&search, request(Some(cookie), RefreshMode::RefreshAndPersist)).await?;
    while let Some(entry) = link.next(&mut answers, search.timeout).await? {
        let is_change = match entry.is_intermediate() {
            true => matches!(parse_syncinfo(entry), SyncInfo::SyncIdSet { sync_uuids, .. } if !sync_uuids.is_empty()),
            false => !entry.is_ref(),
        };
        if is_change {
            return Ok(());
        }
    }
    let result = answers.finish().await;
    Err(match result.rc {
        0 => PageFault::Link(LinkError::Lost("the server ended the watch".to_owned())),
        code => PageFault::Refused(code, result.text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_written_as_the_entries_have_them() {
        let bytes: Vec<u8> = (0..16).collect();
        let text = |kind| identifier(kind, &bytes).unwrap().as_str().to_owned();
        assert_eq!(text(ServerKind::OpenLdap), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert_eq!(text(ServerKind::Ds389), "00010203-04050607-08090a0b-0c0d0e0f");
        assert_eq!(identifier(ServerKind::OpenLdap, b"short"), None);
    }
}
