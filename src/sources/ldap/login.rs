//! Verifies a password at the directory server: search for the one entry, then bind as it.
//!
//! A bind proves a password only for the DN that a search found exactly once; the search runs on connections
//! that never carry a user's bind. Where a person's entry was at the last reading is looked at first: it counts only
//! if the entry there has the person's identifier now. It refuses to send an empty password (RFC 4513 §5.1.2), one of blanks or
//! one that begins with NUL; and it never takes a failure of the server for a wrong password.

use std::time::Duration;

use ldap3::{LdapResult, Scope};

use super::Inner;
use super::entry::Entry;
use super::filter::Filter;
use super::mapping::Mapping;
use super::pool::Pool;
use super::server::Servers;
use super::settings::Settings;
use super::wire::error::{LinkError, bounded, explain_code};
use super::wire::link::{Link, Search};
use crate::base::id::ExternalId;
use crate::base::secret::Secret;
use crate::directory::dn;
use crate::sources::{Person, PulledUser, Refusal, RefusalReason, SkippedEntry, Verdict};

/// Longest login name or address that is searched for, in bytes.
const NAME_MAX: usize = 512;

/// Whom to verify; [`Person`] with its text owned, for a task.
pub(super) enum Whom {
    /// By the identifier; the entry's name at the last reading, which may be stale.
    Known(ExternalId, Option<String>),
    Named(String),
}

impl From<Person<'_>> for Whom {
    fn from(person: Person<'_>) -> Self {
        match person {
            Person::Known { id, entry } => Self::Known(id.clone(), entry.map(ToOwned::to_owned)),
            Person::Named(name) => Self::Named(name.to_owned()),
        }
    }
}

/// The connections for logins of one source.
pub(super) struct Logins {
    searches: Pool,
    binds: Pool,
}

/// The entry as a user, or why it is none.
type Mapped = Result<Box<PulledUser>, SkippedEntry>;

/// How to look for a person.
struct Wanted<'a> {
    mapping: &'a Mapping,
    /// Which entries are users.
    users: Filter,
    /// Which of them is the person.
    person: Filter,
    /// Is the entry wanted as a user?
    as_user: bool,
    /// Who is known, and the name of the entry to look at first.
    known: Option<(&'a ExternalId, &'a str)>,
}

/// What the search for a person came to.
enum Found {
    One { dn: String, user: Option<Mapped>, disabled: Option<String> },
    Nobody,
    Several,
}

impl Logins {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { searches: Pool::new(settings.login_connections), binds: Pool::new(settings.login_connections) }
    }

    /// Is this the password of this person? Not bounded in time: the caller sees to that.
    pub(super) async fn verify(&self, inner: &Inner, whom: &Whom, password: &Secret) -> Verdict {
        if is_never_sent(password) || whom.is_nobody() {
            return Verdict::Wrong;
        }
        let (dn, user, disabled) = match self.find(inner, whom, false).await {
            Ok(Found::One { dn, user, disabled }) => (dn, user, disabled),
            Ok(Found::Nobody) => return Verdict::Wrong,
            Ok(Found::Several) => {
                tracing::warn!(source.id = %inner.settings.id, "a login name matches several entries and was refused; narrow user_filter");
                return Verdict::Wrong;
            }
            Err(error) => return Verdict::Unavailable(error.to_string()),
        };
        match self.bind(&inner.settings, &inner.servers, &dn, password).await {
            Ok(result) => conclude(judge(result.rc, &result.text), user, disabled),
            Err(error) => Verdict::Unavailable(error.to_string()),
        }
    }

    /// Searches on a kept connection; on a fresh one where the kept one turns out to be dead or silent.
    ///
    /// A firewall on the way may have forgotten all kept connections without a word: so a kept one gets half
    /// of the login's time, and when it fails no other kept one is tried.
    async fn find(&self, inner: &Inner, whom: &Whom, as_user: bool) -> Result<Found, LinkError> {
        let settings = &inner.settings;
        let _permit = self.searches.enter().await?;
        if let Some(mut link) = self.searches.reuse() {
            let patience = settings.operation_timeout.min(settings.login_timeout / 2);
            match look_up(&mut link, inner, whom, as_user, patience).await {
                Ok(found) => {
                    self.searches.park(link);
                    return Ok(found);
                }
                Err(LinkError::Lost(_) | LinkError::Slow(_)) => {
                    self.searches.clear();
                    self.binds.clear();
                }
                Err(error) => return Err(error),
            }
        }
        let mut link = inner.servers.for_login(settings).await?;
        let found = look_up(&mut link, inner, whom, as_user, settings.operation_timeout).await?;
        self.searches.park(link);
        Ok(found)
    }

    /// The person of this identity as the server has them now; `None`: it has not, or not among the users.
    pub(super) async fn person(&self, inner: &Inner, id: &ExternalId) -> Result<Option<PulledUser>, LinkError> {
        match self.find(inner, &Whom::Known(id.clone(), None), true).await? {
            Found::One { user: Some(Ok(user)), disabled, .. } => Ok(Some(PulledUser { disabled, ..*user })),
            Found::One { user: Some(Err(skipped)), .. } => {
                Err(LinkError::Settings(format!("{}: {}", skipped.label, skipped.problem)))
            }
            Found::Several => Err(LinkError::Settings(format!("several entries have the identifier {}", id.as_str()))),
            Found::One { user: None, .. } | Found::Nobody => Ok(None),
        }
    }

    /// Binds on a kept connection; on a fresh one where the kept one turns out to be dead.
    async fn bind(
        &self,
        settings: &Settings,
        servers: &Servers,
        dn: &str,
        password: &Secret,
    ) -> Result<LdapResult, LinkError> {
        let _permit = self.binds.enter().await?;
        if let Some(mut link) = self.binds.reuse() {
            match link.bind(dn, password, settings.operation_timeout).await {
                Ok(result) => {
                    self.binds.park(link);
                    return Ok(result);
                }
                Err(LinkError::Lost(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let mut link = servers.unbound(settings).await?;
        let result = link.bind(dn, password, settings.operation_timeout).await?;
        self.binds.park(link);
        Ok(result)
    }
}

/// Many servers take such a password for an anonymous bind, and let it succeed.
fn is_never_sent(password: &Secret) -> bool {
    let text = password.expose();
    text.trim().is_empty() || text.starts_with('\0')
}

impl Whom {
    /// Is it a name that cannot be anybody's?
    fn is_nobody(&self) -> bool {
        matches!(self, Self::Named(name) if name.trim().is_empty() || name.len() > NAME_MAX)
    }
}

impl<'a> Wanted<'a> {
    fn new(settings: &Settings, mapping: &'a Mapping, whom: &'a Whom, as_user: bool) -> Self {
        let users = mapping.profile.users.clone();
        let (person, known) = match whom {
            Whom::Known(id, entry) => {
                let entry = entry.as_deref().filter(|entry| dn::is_under(entry, &settings.base_dn));
                (mapping.known(id), entry.map(|entry| (id, entry)))
            }
            Whom::Named(name) => (mapping.named(name), None),
        };
        Self { mapping, users, person, as_user: as_user || matches!(whom, Whom::Named(_)), known }
    }

    fn attributes(&self) -> Vec<String> {
        if self.as_user { self.mapping.wanted() } else { self.mapping.wanted_of_account() }
    }

    /// The filter that finds the person among all entries.
    fn filter(&self) -> Filter {
        Filter::all(&[self.users.clone(), self.person.clone()])
    }
}

async fn look_up(
    link: &mut Link,
    inner: &Inner,
    whom: &Whom,
    as_user: bool,
    timeout: Duration,
) -> Result<Found, LinkError> {
    let settings = &inner.settings;
    let known = inner.known(link).await?;
    let wanted = &Wanted::new(settings, &known.mapping, whom, as_user);
    if let Some((id, entry)) = wanted.known
        && let Some(found) = look_there(link, wanted, id, entry, timeout).await?
    {
        return one(link, wanted, &found, timeout).await;
    }
    let attributes = wanted.attributes();
    let (base, filter) = (settings.base_dn.as_str(), &wanted.filter());
    let search = Search { base, scope: Scope::Subtree, filter, attributes, size_limit: 2, timeout };
    let (entries, result) = link.search_few(&search).await?;
    let unclear = |why: String| Err(LinkError::Settings(format!("the search for a login failed: {why}")));
    let mut entries = entries.into_iter();
    let entry = match (result.rc, entries.next(), entries.next()) {
        (_, Some(_), Some(_)) => return Ok(Found::Several),
        (0, None, _) => return Ok(Found::Nobody),
        (0, Some(entry), None) => entry,
        (code, ..) => return unclear(explain_code(code, &result.text)),
    };
    let Ok(entry) = Entry::read(entry.0, &search.attributes) else {
        return unclear("the server sent a malformed entry".to_owned());
    };
    one(link, wanted, &entry, timeout).await
}

/// The one entry that was found.
async fn one(link: &mut Link, wanted: &Wanted<'_>, entry: &Entry, timeout: Duration) -> Result<Found, LinkError> {
    let Some(dn) = std::str::from_utf8(&entry.dn).ok().filter(|dn| !dn.trim().is_empty()) else {
        return Err(LinkError::Settings(
            "the search for a login failed: the entry's DN is empty or no text".to_owned(),
        ));
    };
    // What the entry itself says counts at once, whenever it was read last.
    let disabled = match wanted.mapping.disabled(entry) {
        Some(why) => Some(why),
        None => is_disabled(link, wanted.mapping, dn, timeout).await?.then(|| "the rule disabled_when".to_owned()),
    };
    let user = wanted.as_user.then(|| wanted.mapping.user(entry).map(Box::new));
    Ok(Found::One { user, dn: dn.to_owned(), disabled })
}

/// The entry of this name, if it is a user and has that identifier. Whatever else the server answers, the
/// search of the whole subtree decides.
async fn look_there(
    link: &mut Link,
    wanted: &Wanted<'_>,
    id: &ExternalId,
    entry: &str,
    timeout: Duration,
) -> Result<Option<Entry>, LinkError> {
    let attributes = wanted.attributes();
    let search = Search { base: entry, scope: Scope::Base, filter: &wanted.users, attributes, size_limit: 1, timeout };
    let (entries, result) = link.search_few(&search).await?;
    let mut entries = entries.into_iter();
    let (0, Some(found), None) = (result.rc, entries.next(), entries.next()) else { return Ok(None) };
    let Ok(found) = Entry::read(found.0, &search.attributes) else { return Ok(None) };
    if wanted.mapping.external_id(&found).as_ref() != Ok(id) {
        return Ok(None);
    }
    Ok(Some(found))
}

/// Does the entry match `disabled_when`?
async fn is_disabled(link: &mut Link, mapping: &Mapping, dn: &str, timeout: Duration) -> Result<bool, LinkError> {
    let Some(filter) = &mapping.profile.disabled else { return Ok(false) };
    let attributes = vec!["1.1".to_owned()];
    let search = Search { base: dn, scope: Scope::Base, filter, attributes, size_limit: 1, timeout };
    let (entries, result) = link.search_few(&search).await?;
    match result.rc {
        0 => Ok(!entries.is_empty()),
        code => Err(LinkError::Settings(format!("disabled_when: {}", explain_code(code, &result.text)))),
    }
}

/// What becomes of an accepted password: whoever is disabled, or cannot be read as a user, stays out.
fn conclude(verdict: Verdict, user: Option<Mapped>, disabled: Option<String>) -> Verdict {
    match (verdict, user) {
        (Verdict::Accepted(_), _) if disabled.is_some() => {
            let why = disabled.unwrap_or_default();
            refused(RefusalReason::Disabled, true, format!("the source has disabled the entry: {why}"))
        }
        (Verdict::Accepted(_), Some(Err(skipped))) => {
            let text = format!("{} cannot be taken as a user: {}", skipped.label, skipped.problem);
            refused(RefusalReason::NotPermitted, true, text)
        }
        (Verdict::Accepted(_), user) => Verdict::Accepted(user.and_then(Result::ok)),
        (other, _) => other,
    }
}

fn refused(reason: RefusalReason, proved: bool, text: String) -> Verdict {
    Verdict::Refused(Refusal { reason, proved, text })
}

/// What a result code of the bind says of the password. All that is not known is no verdict on it.
fn judge(code: u32, text: &str) -> Verdict {
    match code {
        0 => Verdict::Accepted(None),
        49 => match active_directory_reason(text) {
            Some((reason, proved, text)) => refused(reason, proved, format!("Active Directory: {text}")),
            None => Verdict::Wrong,
        },
        // 389 says so whatever the password.
        19 | 53 => {
            let text = format!("the source keeps the account out (result code {code}: {})", bounded(text));
            refused(RefusalReason::NotPermitted, false, text)
        }
        48 => {
            let text = "the entry has no password that can be checked (result code 48)".to_owned();
            refused(RefusalReason::NotPermitted, false, text)
        }
        8 | 13 => Verdict::Unavailable(explain_code(code, text)),
        _ => Verdict::Unavailable(format!("the bind of the user failed: {}", explain_code(code, text))),
    }
}

/// The reason behind "invalid credentials" where Active Directory gives one: `… data 533, …`.
///
/// All but a lock are told to who gave the right password only.
fn active_directory_reason(text: &str) -> Option<(RefusalReason, bool, &'static str)> {
    let (_, after) = text.split_once("data ")?;
    let code: String = after.chars().take_while(char::is_ascii_hexdigit).collect();
    match code.as_str() {
        "530" => Some((RefusalReason::NotPermitted, true, "not permitted to log on at this time (data 530)")),
        "531" => Some((RefusalReason::NotPermitted, true, "not permitted to log on from here (data 531)")),
        "532" => Some((RefusalReason::MustChangePassword, true, "the password has expired (data 532)")),
        "533" => Some((RefusalReason::Disabled, true, "the account is disabled (data 533)")),
        "701" => Some((RefusalReason::Expired, true, "the account has expired (data 701)")),
        "773" => Some((RefusalReason::MustChangePassword, true, "the password must be changed first (data 773)")),
        "775" => Some((RefusalReason::Locked, false, "the account is locked (data 775)")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Accepted(_) => "accepted",
            Verdict::Wrong => "wrong",
            Verdict::Unavailable(_) => "unavailable",
            Verdict::Refused(_) => "refused",
        }
    }

    #[test]
    fn result_codes_are_judged_and_unknown_ones_never_count_as_wrong() {
        let ad = |data: &str| {
            format!("80090308: LdapErr: DSID-0C090449, comment: AcceptSecurityContext error, data {data}, v4563")
        };
        let cases = [
            (0, String::new(), "accepted"),
            (49, String::new(), "wrong"),
            (49, ad("52e"), "wrong"),
            (49, ad("525"), "wrong"),
            (49, "data 5330".to_owned(), "wrong"),
            (19, String::new(), "refused"),
            (53, "Account inactivated".to_owned(), "refused"),
            (48, String::new(), "refused"),
        ];
        for (code, text, expected) in cases {
            assert_eq!(word(&judge(code, &text)), expected, "{code} {text}");
        }
        for data in ["530", "531", "532", "533", "701", "773", "775"] {
            assert_eq!(word(&judge(49, &ad(data))), "refused", "{data}");
        }
        for code in (1..=123).filter(|code| ![19, 48, 49, 53].contains(code)) {
            assert_eq!(word(&judge(code, "")), "unavailable", "{code}");
        }
    }

    #[test]
    fn passwords_that_could_mean_an_anonymous_bind_are_never_sent() {
        for bad in ["", " ", "\t\n", "\0", "\0secret", "\u{a0}"] {
            assert!(is_never_sent(&Secret::new(bad)), "{bad:?}");
        }
        assert!(!is_never_sent(&Secret::new(" x")));
    }

    #[test]
    fn a_person_is_searched_for_within_the_users_only() {
        let settings = Settings::default();
        let mapping = super::super::mapping::tests::mapping(&settings);
        let text = |whom: Whom| Wanted::new(&settings, &mapping, &whom, false).filter().as_str().to_owned();
        assert_eq!(
            text(Whom::Named("*)(uid=*".to_owned())),
            r"(&(objectClass=inetOrgPerson)(|(uid=\2a\29\28uid=\2a)(mail=\2a\29\28uid=\2a)))"
        );
        let id = ExternalId::parse("2f2cd9b4-0000-1000-8000-000000000000").unwrap();
        assert!(text(Whom::Known(id, None)).ends_with("(entryUUID=2f2cd9b4-0000-1000-8000-000000000000))"));
        assert!(Whom::Named(" ".to_owned()).is_nobody() && Whom::Named("x".repeat(513)).is_nobody());
    }
}
