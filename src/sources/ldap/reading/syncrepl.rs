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

/// Most bytes of a cookie.
pub(super) const COOKIE_MAX: usize = 256 * 1024;

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

/// The cookie to keep. An empty one says that the server lost its place, and one without end is none.
fn cookie_of(result: &LdapResult) -> Option<Vec<u8>> {
    done(result).0.filter(|cookie| !cookie.is_empty() && cookie.len() <= COOKIE_MAX)
}

fn state_of(entry: &ResultEntry) -> Option<SyncState> {
    let raw = entry.1.iter().find(|control| matches!(control.0, Some(ControlType::SyncState)));
    raw.map(|control| control.1.parse::<SyncState>())
}

/// An identifier as the entries have it: 389 writes its own in four groups. Whoever is not named at all might be gone.
fn identifier(kind: ServerKind, bytes: &[u8]) -> Result<ExternalId, PageFault> {
    let unnamed = || PageFault::Untrusted("the server told a change of an entry without its identifier".to_owned());
    let uuid = Uuid::from_slice(bytes).map_err(|_| unnamed())?;
    let text = match kind {
        ServerKind::Ds389 => {
            let hex = uuid.simple().to_string();
            let part = |from: usize| hex.get(from..from.saturating_add(8)).unwrap_or_default();
            [part(0), part(8), part(16), part(24)].join("-")
        }
        _ => uuid.to_string(),
    };
    ExternalId::parse(&text).map_err(|_| unnamed())
}

impl Reader<'_> {
    /// The cookies from before the reading.
    pub(super) async fn mark_by_syncrepl(&mut self) -> Result<Result<Mark, String>, PageFault> {
        let profile = &self.known.mapping.profile;
        // The server names who is gone by this, and by nothing else.
        let id = match profile.kind {
            ServerKind::Ds389 => "nsUniqueId",
            ServerKind::FreeIpa => return Ok(Err("entries of FreeIPA are not told by ipaUniqueID".to_owned())),
            _ => "entryUUID",
        };
        if !profile.is_identified_by(id) {
            return Ok(Err(format!("entries are not identified by {id} (id_attribute)")));
        }
        let users = match self.cookie(Whose::Users).await? {
            Ok(cookie) => cookie,
            Err(why) => return Ok(Err(why)),
        };
        let groups = match profile.groups.is_some() {
            false => None,
            true => match self.cookie(Whose::Groups).await? {
                Ok(cookie) => Some(cookie),
                Err(why) => return Ok(Err(why)),
            },
        };
        Ok(Ok(Mark::Syncrepl { users, groups }))
    }

    /// A cookie of now. OpenLDAP gives one with any search, even one that finds nobody; 389 binds it to base and
    /// filter, so that the very search is made, for the names alone.
    async fn cookie(&mut self, whose: Whose) -> Result<Result<Vec<u8>, String>, PageFault> {
        let nobody = Filter::nobody();
        let Some((search, _)) = search_for(self.known, self.settings, whose) else {
            return Ok(Err("there are no groups to read".to_owned()));
        };
        let search = Search { attributes: vec!["1.1".to_owned()], ..search };
        let search = match self.known.mapping.profile.kind {
            ServerKind::Ds389 => search,
            _ => Search { scope: Scope::Base, filter: &nobody, timeout: self.settings.operation_timeout, ..search },
        };
        let mut answers = self.link.search(&search, request(None, RefreshMode::RefreshOnly)).await?;
        let mut count = 0_usize;
        while self.link.next(&mut answers, search.timeout).await?.is_some() {
            count = count.saturating_add(1);
            if count > self.settings.max_entries {
                return Err(too_many(self.settings.max_entries));
            }
        }
        let result = answers.finish().await;
        match (result.rc, cookie_of(&result)) {
            (0, Some(cookie)) => Ok(Ok(cookie)),
            (0, None) => Ok(Err("the server gives no cookie".to_owned())),
            (32, _) => Err(PageFault::Refused(32, result.text)),
            (code, _) => Ok(Err(refusal(code, &result.text))),
        }
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
        // The changes of 389 come without operational attributes, also without the one that identifies them; and the
        // administrator's own rule is a filter that only a search answers.
        let is_whole =
            kind != ServerKind::Ds389 && (whose == Whose::Groups || known.mapping.profile.disabled.is_none());
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
                        for uuid in &sync_uuids {
                            delta.unclear.insert(identifier(kind, uuid)?);
                        }
                    }
                    SyncInfo::SyncIdSet { .. } | SyncInfo::RefreshPresent { .. } => return Err(present_phase()),
                    SyncInfo::NewCookie(_) | SyncInfo::RefreshDelete { .. } => {}
                }
                continue;
            }
            match state_of(&entry).map(|state| (state.state, state.entry_uuid)) {
                Some((EntryState::Present, _)) => return Err(present_phase()),
                Some((EntryState::Add | EntryState::Modify, _)) if is_whole => changed.push(entry),
                Some((_, uuid)) => drop(delta.unclear.insert(identifier(kind, &uuid)?)),
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
        if next.as_ref().is_some_and(|cookie| cookie.len() > COOKIE_MAX) {
            return Err(Stop::Complete("the cookie is too long to be kept".to_owned()));
        }
        if next.as_ref().is_some_and(Vec::is_empty) {
            return Err(Stop::Complete("the server does not know the cookie of the last reading".to_owned()));
        }
        // OpenLDAP means it: everything that was not named is gone. 389 always says so and does not.
        let nothing = changed.is_empty() && delta.unclear.is_empty() && next.is_none();
        if !refresh_deletes && kind != ServerKind::Ds389 && !nothing {
            return Err(present_phase());
        }
        delta.cookie = next;
        for entry in changed {
            let piece = match (whose, &known.mapping.profile.groups) {
                (Whose::Groups, Some(profile)) => {
                    match profile.group(&Entry::read_group(entry.0, &search.attributes, &large)?) {
                        Ok(mapped) => self.complete(mapped).await?,
                        Err(skipped) => Piece::Skipped(skipped),
                    }
                }
                _ => self.user(entry, &search.attributes, &HashSet::new())?,
            };
            delta.pieces.push(piece);
        }
        Ok(delta)
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
        assert!(identifier(ServerKind::OpenLdap, b"short").is_err());
    }
}
