//! A paged search (RFC 2696): every entry that a filter finds, page by page, or an error.
//!
//! It is complete only if every page ended with result code 0, the stream of each page came to its end, the last page
//! brought an empty cookie, and no page lacked the answer to the paging control. Anything else is an error: absence of
//! proof is never proof of absence. A reference to another server (RFC 4511 §4.5.3) is never followed; how many there
//! were is told.

use ldap3::controls::{MakeCritical, PagedResults, RawControl};
use ldap3::{LdapResult, ResultEntry, Scope};

use super::filter::Filter;
use super::kind::PAGING;
use super::settings::Settings;
use super::wire::ber;
use super::wire::error::{LinkError, explain_code};
use super::wire::link::{Answers, Link, Search};
use crate::sources::PullError;

/// Why a search did not come to its end.
#[derive(Debug)]
pub(super) enum PageFault {
    /// The connection failed.
    Link(LinkError),
    /// The server ended the search with this result code.
    Refused(u32, String),
    /// The server's answers do not add up.
    Untrusted(String),
    /// Whoever wanted the entries has seen enough.
    Enough,
}

impl From<LinkError> for PageFault {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<super::entry::Malformed> for PageFault {
    fn from(error: super::entry::Malformed) -> Self {
        Self::Untrusted(error.to_string())
    }
}

impl From<crate::sources::Unwanted> for PageFault {
    fn from(_: crate::sources::Unwanted) -> Self {
        Self::Enough
    }
}

/// A paged search under way.
pub(super) struct Pages<'a> {
    search: Search<'a>,
    size: u16,
    cookie: Vec<u8>,
    page: Option<Answers>,
    done: bool,
    controls: Vec<RawControl>,
    /// References that were not followed.
    pub(super) references: usize,
}

impl<'a> Pages<'a> {
    /// A search that is not sent yet.
    pub(super) fn new(search: Search<'a>, size: u16) -> Self {
        Self { search, size, cookie: Vec::new(), page: None, done: false, controls: Vec::new(), references: 0 }
    }

    /// Sends further controls along.
    pub(super) fn with_controls(&mut self, controls: Vec<RawControl>) {
        self.controls = controls;
    }

    /// The next entry; `None` after the last of the last page, when all of it is proved to have come.
    pub(super) async fn next(&mut self, link: &mut Link) -> Result<Option<ResultEntry>, PageFault> {
        while !self.done {
            let Some(mut page) = self.page.take() else {
                let control = PagedResults { size: i32::from(self.size), cookie: std::mem::take(&mut self.cookie) };
                let mut controls: Vec<RawControl> = vec![control.critical().into()];
                controls.extend(self.controls.iter().cloned());
                self.page = Some(link.search(&self.search, controls).await?);
                continue;
            };
            match link.next(&mut page, self.search.timeout).await? {
                Some(entry) if entry.is_ref() => self.references = self.references.saturating_add(1),
                Some(entry) if entry.is_intermediate() => {}
                Some(entry) => {
                    self.page = Some(page);
                    return Ok(Some(entry));
                }
                None => {
                    // The library gives the previous result for a stream that failed: only here did it end by itself.
                    self.cookie = next_cookie(&page.finish().await)?;
                    self.done = self.cookie.is_empty();
                    continue;
                }
            }
            self.page = Some(page);
        }
        Ok(None)
    }
}

/// A search of the whole subtree below a base, with the timeout between two entries.
pub(super) fn below<'a>(settings: &Settings, base: &'a str, filter: &'a Filter, attributes: Vec<String>) -> Search<'a> {
    Search { base, scope: Scope::Subtree, filter, attributes, size_limit: 0, timeout: settings.idle_timeout }
}

/// The cookie for the next page; empty after the last.
fn next_cookie(result: &LdapResult) -> Result<Vec<u8>, PageFault> {
    if result.rc != 0 {
        return Err(PageFault::Refused(result.rc, result.text.clone()));
    }
    let value = control_value(result, PAGING);
    let value = value
        .ok_or_else(|| PageFault::Untrusted("the server did not say whether this was the last page".to_owned()))?;
    let cookie = ber::paging_cookie(value);
    cookie.map(<[u8]>::to_vec).map_err(|_| PageFault::Untrusted("the server's paging cookie cannot be read".to_owned()))
}

/// The value of a control that came with a result.
pub(super) fn control_value<'a>(result: &'a LdapResult, name: &str) -> Option<&'a [u8]> {
    let control = result.ctrls.iter().find(|control| control.1.ctype == name);
    control.and_then(|control| control.1.val.as_deref())
}

pub(super) fn too_many(max: usize) -> PageFault {
    PageFault::Untrusted(format!("there are more than {max} entries: narrow user_filter or raise max_entries"))
}

/// A failure before the first entry.
pub(super) fn before_reading(error: LinkError) -> PullError {
    match error {
        LinkError::Settings(why) | LinkError::Tls(why) => PullError::Misconfigured(why),
        LinkError::Lost(why) | LinkError::Slow(why) => PullError::Unavailable(why),
    }
}

/// A failure once a search had begun.
pub(super) fn incomplete(fault: PageFault, read: usize) -> PullError {
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
    use super::*;
    use ldap3::controls::Control;

    fn ended(rc: u32, value: Option<&[u8]>) -> LdapResult {
        let raw = |value: &[u8]| RawControl { ctype: PAGING.to_owned(), crit: false, val: Some(value.to_vec()) };
        let ctrls = value.map(|value| Control(None, raw(value))).into_iter().collect();
        LdapResult { rc, matched: String::new(), text: String::new(), refs: Vec::new(), ctrls }
    }

    #[test]
    fn only_a_result_of_zero_with_an_empty_cookie_ends_a_search() {
        let last: &[u8] = &[0x30, 0x05, 0x02, 0x01, 0x00, 0x04, 0x00];
        let more: &[u8] = &[0x30, 0x06, 0x02, 0x01, 0x00, 0x04, 0x01, 0xaa];
        assert!(next_cookie(&ended(0, Some(last))).unwrap().is_empty());
        assert_eq!(next_cookie(&ended(0, Some(more))).unwrap(), [0xaa]);
        assert!(matches!(next_cookie(&ended(4, Some(last))), Err(PageFault::Refused(4, _))));
        assert!(matches!(next_cookie(&ended(0, None)), Err(PageFault::Untrusted(_))));
        assert!(matches!(next_cookie(&ended(0, Some(b"\x30"))), Err(PageFault::Untrusted(_))));
    }

    #[test]
    fn a_size_limit_says_what_to_do_and_a_missing_base_is_a_setting() {
        let limited = incomplete(PageFault::Refused(4, String::new()), 500).to_string();
        assert!(limited.contains("500") && limited.contains("raise it for the bind DN"), "{limited}");
        assert!(matches!(incomplete(PageFault::Refused(32, String::new()), 0), PullError::Misconfigured(_)));
        assert!(matches!(incomplete(PageFault::Refused(32, String::new()), 1), PullError::Incomplete { read: 1, .. }));
    }
}
