//! Changes by Active Directory's DirSync ([MS-ADTS] 3.1.1.3.4.1.3), with the object security flag, so that an ordinary
//! reader may use it. It sends only the attributes that changed, of all objects of the naming context: so it only says
//! which objects changed, and those are read again.

use std::collections::BTreeSet;

use ldap3::Scope;
use ldap3::controls::RawControl;

use super::super::entry::Entry;
use super::super::filter::Filter;
use super::super::kind::{DIR_SYNC, texts};
use super::super::mapping::identifier;
use super::super::pages::{PageFault, control_value};
use super::super::wire::ber;
use super::super::wire::link::Search;
use super::syncrepl::COOKIE_MAX;
use super::{CHANGES_MAX, Changes, Mark, Reader, Stop, refusal};
use crate::base::id::ExternalId;
use crate::directory::dn::is_under;

/// LDAP_DIRSYNC_OBJECT_SECURITY: what the reader may not see is left out, instead of the whole search refused.
const OBJECT_SECURITY: i64 = 1;
/// Most bytes that the server sends at a time.
const BYTES_MAX: i64 = 1 << 20;
/// Rounds after which a server that has always more to say is not believed.
const ROUNDS_MAX: usize = 100_000;
/// LDAP_SERVER_SHOW_DELETED_OID ([MS-ADTS] 3.1.1.3.4.1.14).
const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";

/// What every object is told by.
const IDENTITY: &str = "objectGUID";

/// What came back with one round.
struct Round {
    more: bool,
    cookie: Vec<u8>,
}

fn controls(cookie: &[u8]) -> Vec<RawControl> {
    let value = ber::sequence(&[ber::integer(OBJECT_SECURITY), ber::integer(BYTES_MAX), ber::octet_string(cookie)]);
    let dir_sync = RawControl { ctype: DIR_SYNC.to_owned(), crit: true, val: Some(value) };
    vec![dir_sync, show_deleted()]
}

/// Deleted objects are to be found too, by whoever may see them.
pub(super) fn show_deleted() -> RawControl {
    RawControl { ctype: SHOW_DELETED.to_owned(), crit: true, val: None }
}

/// `SEQUENCE { moreResults INTEGER, unused INTEGER, cookie OCTET STRING }`.
fn round(value: &[u8]) -> Option<Round> {
    if value.len() > COOKIE_MAX {
        return None;
    }
    let (body, _) = ber::take(ber::SEQUENCE, value).ok()?;
    let (more, body) = ber::take(ber::INTEGER, body).ok()?;
    let (_, body) = ber::take(ber::INTEGER, body).ok()?;
    let (cookie, _) = ber::take(ber::OCTET_STRING, body).ok()?;
    Some(Round { more: ber::integer_of(more).ok()? != 0, cookie: cookie.to_vec() })
}

impl Reader<'_> {
    /// Asks for all changes of nobody: the cookie is of the whole naming context.
    pub(super) async fn mark_by_dirsync(&mut self) -> Result<Result<Mark, String>, PageFault> {
        let Some(base) = self.root().default_naming_context.clone() else {
            return Ok(Err("the server names no default naming context".to_owned()));
        };
        if !self.known.mapping.profile.is_identified_by(IDENTITY) {
            return Ok(Err(format!("entries are not identified by {IDENTITY} (id_attribute)")));
        }
        if let Some(elsewhere) = self.bases().into_iter().find(|elsewhere| !is_under(elsewhere, &base)) {
            return Ok(Err(format!("{elsewhere} is not below {base}, of which alone changes are told")));
        }
        let nobody = Filter::equals(IDENTITY, &[0; 16]);
        let mut cookie = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let search = self.dirsync_search(&base, &nobody, self.watched());
            let (_, result) = self.link.search_entries(&search, controls(&cookie), 10).await?;
            if result.rc != 0 {
                return Ok(Err(refusal(result.rc, &result.text)));
            }
            let Some(round) = control_value(&result, DIR_SYNC).and_then(round).filter(|round| !round.cookie.is_empty())
            else {
                return Ok(Err("the server gives no cookie".to_owned()));
            };
            cookie = round.cookie;
            if !round.more {
                return Ok(Ok(Mark::DirSync { cookie }));
            }
        }
        Ok(Err("the server does not come to an end".to_owned()))
    }

    fn dirsync_search<'b>(&self, base: &'b str, filter: &'b Filter, attributes: Vec<String>) -> Search<'b> {
        let timeout = self.settings.idle_timeout;
        Search { base, scope: Scope::Subtree, filter, attributes, size_limit: 0, timeout }
    }

    pub(super) async fn changes_by_dirsync(&mut self, cookie: &[u8]) -> Result<Changes, Stop> {
        let Some(base) = self.root().default_naming_context.clone() else {
            return Err(Stop::Complete("the server names no default naming context any more".to_owned()));
        };
        let filter = self.objects();
        let mut cookie = cookie.to_vec();
        let mut ids = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let search = self.dirsync_search(&base, &filter, self.watched());
            let mut answers = self.link.search(&search, controls(&cookie)).await?;
            while let Some(entry) = self.link.next(&mut answers, search.timeout).await? {
                if entry.is_ref() || entry.is_intermediate() {
                    continue;
                }
                ids.insert(self.changed_object(Entry::read_group(entry.0, &search.attributes, &self.large())?)?);
                if ids.len() > CHANGES_MAX {
                    return Err(Stop::Complete(format!("more than {CHANGES_MAX} entries changed")));
                }
            }
            let result = answers.finish().await;
            match result.rc {
                0 => {}
                12 | 50 | 53 => {
                    let why = format!("the cookie was refused: {}", refusal(result.rc, &result.text));
                    return Err(Stop::Complete(why));
                }
                code => return Err(PageFault::Refused(code, result.text).into()),
            }
            let Some(round) = control_value(&result, DIR_SYNC).and_then(round).filter(|round| !round.cookie.is_empty())
            else {
                return Err(Stop::Complete("the server gave no cookie".to_owned()));
            };
            cookie = round.cookie;
            if !round.more {
                let mut changes = self.again(&ids).await?;
                changes.next = Some(Mark::DirSync { cookie });
                return Ok(changes);
            }
        }
        Err(PageFault::Untrusted("the changes do not come to an end".to_owned()).into())
    }

    /// Users and groups, whatever became of them: an object that is no user any more must be seen to change.
    pub(super) fn objects(&self) -> Filter {
        let users = Filter::equals("objectClass", b"user");
        match self.known.mapping.profile.groups {
            Some(_) => Filter::any(&[users, Filter::equals("objectClass", b"group")]),
            None => users,
        }
    }

    /// Attributes whose changes matter, also those that decide who is a user. Without `name` no rename and no move would be told.
    fn watched(&self) -> Vec<String> {
        let profile = &self.known.mapping.profile;
        let mut watched = self.known.mapping.wanted();
        watched.extend(profile.groups.iter().flat_map(super::super::profile::GroupProfile::wanted));
        watched.extend(profile.filters().flat_map(Filter::attributes));
        watched.extend([IDENTITY, "name", "isDeleted"].map(str::to_owned));
        // Computed when asked for: it never changes by itself.
        watched.retain(|name| name != "msDS-User-Account-Control-Computed");
        watched.sort();
        watched.dedup();
        watched
    }

    fn large(&self) -> Vec<String> {
        self.known.mapping.profile.groups.as_ref().map(super::super::profile::GroupProfile::large).unwrap_or_default()
    }

    fn changed_object(&self, entry: Entry) -> Result<ExternalId, Stop> {
        let id = identifier(&entry, IDENTITY, "id_attribute");
        let id = id.map_err(|problem| PageFault::Untrusted(format!("{}: {problem}", entry.label())))?;
        tracing::trace!(source.id = %self.settings.id, deleted = ?texts(&entry, "isDeleted"), "an object changed");
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_is_written_and_its_answer_read() {
        let written = controls(b"ab");
        let expected = [0x30, 0x0c, 0x02, 0x01, 0x01, 0x02, 0x03, 0x10, 0x00, 0x00, 0x04, 0x02, b'a', b'b'];
        let value = written[0].val.clone().unwrap();
        assert_eq!(value[..2], [0x30, u8::try_from(value.len() - 2).unwrap()]);
        assert_eq!(value[2..], expected[2..]);
        let answer = [0x30, 0x0a, 0x02, 0x01, 0x01, 0x02, 0x01, 0x00, 0x04, 0x02, b'c', b'd'];
        let read = round(&answer).unwrap();
        assert!(read.more && read.cookie == b"cd");
        assert!(round(b"\x30\x00").is_none() && round(b"").is_none());
    }
}
