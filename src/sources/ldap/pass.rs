//! A full reading: every entry that the filter finds, page by page (RFC 2696), or an error.
//!
//! It is complete only if every page ended with result code 0, the stream of each page came to its end, the
//! last page brought an empty cookie, and no page lacked the answer to the paging control. Anything else is
//! an error: absence of proof is never proof of absence. A reference to another server (RFC 4511 §4.5.3) is
//! never followed, and makes the reading incomplete unless the settings say that nobody is behind it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use ldap3::asn1::StructureTag;
use ldap3::controls::{MakeCritical, PagedResults, RawControl};
use ldap3::{LdapResult, Scope};

use super::entry::Entry;
use super::filter::Filter;
use super::mapping::Mapping;
use super::server::{Servers, bind_reader};
use super::settings::Settings;
use super::wire::ber;
use super::wire::error::{LinkError, explain_code};
use super::wire::link::{Link, Search};
use crate::base::id::ExternalId;
use crate::sources::{PullError, Pulled, PulledUser, SkippedEntry};

/// The paging control's name (RFC 2696).
const PAGING: &str = "1.2.840.113556.1.4.319";

/// What one search, over all of its pages, came to.
pub(super) struct Ended {
    /// Entries given to the caller.
    pub(super) entries: usize,
    /// References that were not followed.
    pub(super) references: usize,
}

/// Why a paged search did not come to its end.
#[derive(Debug)]
pub(super) enum PageFault {
    /// The connection failed.
    Link(LinkError),
    /// The server ended the search with this result code.
    Refused(u32, String),
    /// The server's answers do not add up.
    Untrusted(String),
    /// The caller has seen enough.
    Enough,
}

/// Reads all users of the source; `read` follows how many entries came so far.
pub(super) async fn read_all(
    settings: &Settings,
    servers: &Servers,
    mapping: &Mapping,
    read: &AtomicUsize,
) -> Result<Pulled, PullError> {
    let mut link = servers.connect_from_first(settings).await.map_err(before_reading)?;
    bind_reader(&mut link, settings).await.map_err(before_reading)?;
    let filter = Filter::parse(&settings.user_filter)
        .map_err(|problem| PullError::Misconfigured(format!("user_filter {problem}")))?;
    let mut collector = Collector::new(mapping, settings.max_entries);
    let search = paged(settings, &filter, mapping.wanted());
    let outcome = read_pages(&mut link, &search, settings.page_size, &mut |tag| {
        read.fetch_add(1, Ordering::Relaxed);
        collector.take(tag)
    })
    .await;
    let ended = outcome.map_err(|fault| incomplete(fault, read.load(Ordering::Relaxed)))?;
    if ended.references > 0 && !settings.ignore_referrals {
        let why = format!(
            "{} references to other servers stand for entries that were not read; point base_dn below them, or set \
             ignore_referrals if no user is behind them",
            ended.references
        );
        return Err(PullError::Incomplete { read: ended.entries, why });
    }
    if ended.references > 0 {
        tracing::info!(source.id = %settings.id, ldap.references = ended.references, "references to other servers were not followed");
    }
    let disabled =
        disabled_ids(&mut link, settings, mapping, &filter).await.map_err(|fault| incomplete(fault, ended.entries))?;
    Ok(collector.finish(&disabled))
}

/// A search of the whole subtree, with the timeout between two entries.
pub(super) fn paged<'a>(settings: &'a Settings, filter: &'a Filter, attributes: Vec<String>) -> Search<'a> {
    let timeout = settings.idle_timeout;
    Search { base: &settings.base_dn, scope: Scope::Subtree, filter, attributes, size_limit: 0, timeout }
}

/// Reads every page of a search and gives each entry to `take`.
pub(super) async fn read_pages(
    link: &mut Link,
    search: &Search<'_>,
    page_size: u16,
    take: &mut (dyn FnMut(StructureTag) -> Result<(), PageFault> + Send),
) -> Result<Ended, PageFault> {
    let mut ended = Ended { entries: 0, references: 0 };
    let mut cookie = Vec::new();
    loop {
        let control = PagedResults { size: i32::from(page_size), cookie }.critical();
        let controls: Vec<RawControl> = vec![control.into()];
        let mut answers = link.search(search, controls).await.map_err(PageFault::Link)?;
        while let Some(entry) = link.next(&mut answers, search.timeout).await.map_err(PageFault::Link)? {
            if entry.is_ref() {
                ended.references += 1;
            } else if !entry.is_intermediate() {
                ended.entries += 1;
                take(entry.0)?;
            }
        }
        // The library gives the previous result for a stream that failed: only here did it end by itself.
        cookie = next_cookie(&answers.finish().await)?;
        if cookie.is_empty() {
            return Ok(ended);
        }
    }
}

/// The cookie for the next page; empty after the last.
fn next_cookie(result: &LdapResult) -> Result<Vec<u8>, PageFault> {
    if result.rc != 0 {
        return Err(PageFault::Refused(result.rc, result.text.clone()));
    }
    let control = result.ctrls.iter().find(|control| control.1.ctype == PAGING);
    let value = control.and_then(|control| control.1.val.as_deref());
    let value = value
        .ok_or_else(|| PageFault::Untrusted("the server did not say whether this was the last page".to_owned()))?;
    let cookie = ber::paging_cookie(value);
    cookie.map(<[u8]>::to_vec).map_err(|_| PageFault::Untrusted("the server's paging cookie cannot be read".to_owned()))
}

/// The identifiers of the users whom the source has disabled.
async fn disabled_ids(
    link: &mut Link,
    settings: &Settings,
    mapping: &Mapping,
    users: &Filter,
) -> Result<HashSet<ExternalId>, PageFault> {
    let mut ids = HashSet::new();
    let Some(text) = &settings.disabled_when else { return Ok(ids) };
    let disabled = Filter::parse(text).map_err(|problem| PageFault::Untrusted(format!("disabled_when {problem}")))?;
    let both = Filter::all(&[users.clone(), disabled]);
    let wanted = mapping.wanted_id();
    let search = paged(settings, &both, wanted.clone());
    read_pages(link, &search, settings.page_size, &mut |tag| {
        let entry = Entry::read(tag, &wanted).map_err(|error| PageFault::Untrusted(error.to_string()))?;
        ids.extend(mapping.external_id(&entry));
        if ids.len() > settings.max_entries { Err(too_many(settings.max_entries)) } else { Ok(()) }
    })
    .await?;
    Ok(ids)
}

fn too_many(max: usize) -> PageFault {
    PageFault::Untrusted(format!("there are more than {max} entries: narrow user_filter or raise max_entries"))
}

/// Gathers the users of a pass.
struct Collector<'a> {
    mapping: &'a Mapping,
    wanted: Vec<String>,
    max: usize,
    users: Vec<PulledUser>,
    skipped: Vec<SkippedEntry>,
}

impl<'a> Collector<'a> {
    fn new(mapping: &'a Mapping, max: usize) -> Self {
        Self { mapping, wanted: mapping.wanted(), max, users: Vec::new(), skipped: Vec::new() }
    }

    fn take(&mut self, tag: StructureTag) -> Result<(), PageFault> {
        if self.users.len().saturating_add(self.skipped.len()) >= self.max {
            return Err(too_many(self.max));
        }
        let entry = Entry::read(tag, &self.wanted).map_err(|error| PageFault::Untrusted(error.to_string()))?;
        match self.mapping.user(&entry) {
            Ok(user) => self.users.push(user),
            Err(skipped) => self.skipped.push(skipped),
        }
        Ok(())
    }

    /// Two entries with one identifier: neither can be told to be the person, so both are skipped.
    fn finish(self, disabled: &HashSet<ExternalId>) -> Pulled {
        let mut seen: HashMap<ExternalId, u32> = HashMap::with_capacity(self.users.len());
        let ids = self.users.iter().map(|user| Some(&user.external_id));
        for id in ids.chain(self.skipped.iter().map(|skipped| skipped.external_id.as_ref())).flatten() {
            *seen.entry(id.clone()).or_default() += 1;
        }
        let (mut users, mut skipped) = (Vec::with_capacity(self.users.len()), self.skipped);
        for mut user in self.users {
            if seen.get(&user.external_id).is_some_and(|&count| count > 1) {
                let problem = "another entry has the same identifier: check id_attribute".to_owned();
                skipped.push(SkippedEntry { external_id: Some(user.external_id), label: user.label, problem });
            } else {
                user.active = !disabled.contains(&user.external_id);
                users.push(user);
            }
        }
        Pulled { users, skipped }
    }
}

/// A failure before the first entry.
fn before_reading(error: LinkError) -> PullError {
    match error {
        LinkError::Settings(why) | LinkError::Tls(why) => PullError::Misconfigured(why),
        LinkError::Lost(why) | LinkError::Slow(why) => PullError::Unavailable(why),
    }
}

/// A failure once the search had begun.
fn incomplete(fault: PageFault, read: usize) -> PullError {
    match fault {
        PageFault::Refused(code @ (12 | 18 | 32 | 34), text) if read == 0 => {
            PullError::Misconfigured(explain_code(code, &text))
        }
        PageFault::Refused(code, text) => PullError::Incomplete { read, why: explain_code(code, &text) },
        PageFault::Link(LinkError::Settings(why)) => PullError::Misconfigured(why),
        PageFault::Link(error) => PullError::Incomplete { read, why: error.to_string() },
        PageFault::Untrusted(why) => PullError::Incomplete { read, why },
        PageFault::Enough => PullError::Incomplete { read, why: "reading was given up".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;
    use ldap3::controls::Control;

    fn ended(rc: u32, value: Option<&[u8]>) -> LdapResult {
        let raw = |value: &[u8]| RawControl { ctype: PAGING.to_owned(), crit: false, val: Some(value.to_vec()) };
        let ctrls = value.map(|value| Control(None, raw(value))).into_iter().collect();
        LdapResult { rc, matched: String::new(), text: String::new(), refs: Vec::new(), ctrls }
    }

    #[test]
    fn only_a_result_of_zero_with_an_empty_cookie_ends_a_pass() {
        let last: &[u8] = &[0x30, 0x05, 0x02, 0x01, 0x00, 0x04, 0x00];
        let more: &[u8] = &[0x30, 0x06, 0x02, 0x01, 0x00, 0x04, 0x01, 0xaa];
        assert!(next_cookie(&ended(0, Some(last))).unwrap().is_empty());
        assert_eq!(next_cookie(&ended(0, Some(more))).unwrap(), [0xaa]);
        assert!(matches!(next_cookie(&ended(4, Some(last))), Err(PageFault::Refused(4, _))));
        assert!(matches!(next_cookie(&ended(0, None)), Err(PageFault::Untrusted(_))));
        assert!(matches!(next_cookie(&ended(0, Some(b"\x30"))), Err(PageFault::Untrusted(_))));
    }

    #[test]
    fn entries_with_one_identifier_are_all_skipped_and_disabled_ones_inactive() {
        let mapping = Mapping::new(&Settings::default());
        let mut collector = Collector::new(&mapping, 4);
        for (dn, id) in [(b"a", b"1"), (b"b", b"2"), (b"c", b"1"), (b"d", b"3")] {
            collector.take(entry(dn, &[("entryUUID", vec![id]), ("uid", vec![dn])])).unwrap();
        }
        assert!(matches!(collector.take(entry(b"e", &[])), Err(PageFault::Untrusted(_))));
        let pulled = collector.finish(&HashSet::from([ExternalId::parse("3").unwrap()]));
        let users: Vec<_> = pulled.users.iter().map(|user| (user.username.as_str(), user.active)).collect();
        assert_eq!(users, [("b", true), ("d", false)]);
        assert_eq!(pulled.skipped.len(), 2);
        assert!(pulled.skipped.iter().all(|skipped| skipped.external_id.as_ref().unwrap().as_str() == "1"));
    }

    #[test]
    fn a_size_limit_says_what_to_do_and_a_missing_base_is_a_setting() {
        let limited = incomplete(PageFault::Refused(4, String::new()), 500).to_string();
        assert!(limited.contains("500") && limited.contains("raise it for the bind DN"), "{limited}");
        assert!(matches!(incomplete(PageFault::Refused(32, String::new()), 0), PullError::Misconfigured(_)));
        assert!(matches!(incomplete(PageFault::Refused(32, String::new()), 1), PullError::Incomplete { read: 1, .. }));
    }
}
