//! The test and the doctor of a source: each step from the connection to some mapped samples, with its time and the
//! setting that governs it. The doctor looks at more: how changes are read and why so, the whole certificate chain, the
//! schema behind the mapping, the clocks, and how many users and groups there are.
//!
//! It changes nothing, neither there nor here, and stops at the first step that fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::entry::Entry;
use super::flags::generalized_time;
use super::kind::{PAGING, one, texts};
use super::pages::{PageFault, Pages, below};
use super::server::bind_reader;
use super::settings::Settings;
use super::wire::certificate::CertificateFacts;
use super::wire::endpoint::Endpoint;
use super::wire::error::{LinkError, explain_code};
use super::wire::link::{Link, Search};
use super::wire::transport::{self, Connected};
use super::{Inner, Known, know, reading};
use crate::base::clock::Stopwatch;
use crate::sources::{TestReport, TestStep};

/// A test counts users up to here; the size limits of servers are lower.
const COUNT_MAX: usize = 20_000;
/// Users shown as they would be read, by a test and by a doctor.
const SAMPLES: usize = 3;
const SAMPLES_OF_DOCTOR: usize = 5;
/// Certificates that end within so many days are worth a word.
const DAYS_LEFT: i64 = 30;
/// Clocks that differ by more seconds are worth a word.
const CLOCK_SECONDS: i64 = 60;

/// A step failed; its text stands in the report already.
pub(super) struct Failed;

/// Runs all steps; `report` holds what was done, also when it ends early.
pub(super) async fn run(inner: &Inner, thorough: bool, report: &mut TestReport) -> Result<(), Failed> {
    let mut probe = Probe { inner, report, thorough };
    let mut link = probe.open().await?;
    probe.bind(&mut link).await?;
    let known = probe.server(&mut link).await?;
    probe.base(&mut link).await?;
    if thorough {
        link = probe.changes(link, &known).await?;
        probe.clocks(&mut link, &known).await?;
        probe.schema(&mut link, &known).await?;
    }
    probe.samples(&mut link, &known).await?;
    probe.count(&mut link, &known).await?;
    if thorough { probe.groups(&mut link, &known).await } else { Ok(()) }
}

struct Probe<'a> {
    inner: &'a Inner,
    report: &'a mut TestReport,
    thorough: bool,
}

impl Probe<'_> {
    /// Writes a step down.
    fn note(
        &mut self,
        (name, setting): (&'static str, &'static str),
        took: Duration,
        outcome: Result<String, String>,
    ) -> Result<(), Failed> {
        let failed = outcome.is_err();
        self.report.steps.push(TestStep { name, outcome, took, setting });
        if failed { Err(Failed) } else { Ok(()) }
    }

    /// Steps `connection`, `TLS` and, for the doctor, `certificate`.
    async fn open(&mut self) -> Result<Link, Failed> {
        let (inner, watch) = (self.inner, Stopwatch::start());
        let tls = match inner.servers.tls(&inner.settings).await {
            Ok(tls) => tls,
            Err(error) => return Err(self.failed(("TLS", "ca_file"), watch, error.to_string())),
        };
        let (endpoint, connected) = match first_that_connects(inner, tls).await {
            Ok(found) => found,
            Err(LinkError::Tls(why)) => return Err(self.failed(("TLS", "ca_file"), watch, why)),
            Err(error) => return Err(self.failed(("connection", "urls"), watch, format!("{error}; check urls"))),
        };
        let shown = format!("{endpoint} ({})", connected.address);
        self.note(("connection", "urls"), connected.tcp_took, Ok(shown))?;
        let (about, took) = match &connected.tls {
            Some((about, took)) => (about.clone(), *took),
            None => ("none: the connection stays on this host".to_owned(), Duration::ZERO),
        };
        self.note(("TLS", "start_tls"), took, Ok(about))?;
        if self.thorough && !connected.certificates.is_empty() {
            let shown = self.chain(&connected.certificates);
            self.note(("certificate", "ca_file"), Duration::ZERO, Ok(shown))?;
        }
        match Link::start(&endpoint, connected).await {
            Ok(link) => Ok(link),
            Err(error) => Err(self.failed(("connection", "urls"), watch, error.to_string())),
        }
    }

    fn failed(&mut self, step: (&'static str, &'static str), watch: Stopwatch, why: String) -> Failed {
        drop(self.note(step, watch.elapsed(), Err(why)));
        Failed
    }

    /// The chain that the server presented, its own certificate first.
    fn chain(&self, certificates: &[CertificateFacts]) -> String {
        let now = self.inner.clock.now();
        let shown = certificates.iter().map(|one| {
            let days = one.days_left(now);
            let soon = if days <= DAYS_LEFT { ": renew it" } else { "" };
            let names = if one.names.is_empty() { String::new() } else { format!(" ({})", one.names.join(", ")) };
            format!("{}{names} by {}, {days} days left{soon}", one.subject, one.issuer)
        });
        let own = certificates.first().map(|own| format!("; SHA-256 {}", own.sha256)).unwrap_or_default();
        shown.collect::<Vec<_>>().join(" < ") + &own
    }

    async fn bind(&mut self, link: &mut Link) -> Result<(), Failed> {
        let (settings, watch) = (&self.inner.settings, Stopwatch::start());
        let who = match (settings.bind_dn.as_str(), &settings.client_cert_file) {
            ("", Some(file)) => format!("by the client certificate {}", file.display()),
            ("", None) => "anonymous".to_owned(),
            (dn, _) => dn.to_owned(),
        };
        let bound = bind_reader(link, settings, settings.operation_timeout)
            .await
            .map(|()| who)
            .map_err(|error| error.to_string());
        self.note(("bind", "bind_dn"), watch.elapsed(), bound)
    }

    /// Steps `server` and `paging`: the root DSE, and what kind of server it speaks of.
    async fn server(&mut self, link: &mut Link) -> Result<Arc<Known>, Failed> {
        let watch = Stopwatch::start();
        let known = match know(self.inner, link).await {
            Ok(known) => known,
            Err(error) => return Err(self.failed(("server", "server_kind"), watch, error.to_string())),
        };
        let vendor = if known.root.vendor.is_empty() { String::new() } else { format!(" ({})", known.root.vendor) };
        let shown = format!("{}{vendor}: {}", known.mapping.profile.kind.name(), known.kind_because);
        self.note(("server", "server_kind"), watch.elapsed(), Ok(shown))?;
        let paging = if known.root.offers(PAGING) {
            Ok(format!("supported, {} entries to a page", self.inner.settings.page_size))
        } else if known.root.controls.is_empty() {
            Err("the root DSE does not say whether the server answers in pages: let the bind DN read it".to_owned())
        } else {
            Err("the server does not offer the paged results control; a complete reading needs it".to_owned())
        };
        self.note(("paging", "page_size"), Duration::ZERO, paging)?;
        Ok(known)
    }

    async fn base(&mut self, link: &mut Link) -> Result<(), Failed> {
        let settings = &self.inner.settings;
        let mut bases = vec![("base", "base_dn", settings.base_dn.as_str())];
        if let Some(base) = settings.group_base_dn.as_deref().filter(|_| settings.groups) {
            bases.push(("base of groups", "group_base_dn", base));
        }
        for (name, setting, dn) in bases {
            let watch = Stopwatch::start();
            let outcome = match one(link, settings, dn, vec!["1.1".to_owned()]).await {
                Ok(Some(_)) => Ok(dn.to_owned()),
                Ok(None) => Err(format!("{dn} does not exist, or cannot be seen by the bind DN: check {setting}")),
                Err(error) => Err(format!("{dn}: {error}")),
            };
            self.note((name, setting), watch.elapsed(), outcome)?;
        }
        Ok(())
    }

    /// How changes are read between complete readings, and why so: the server is asked for it.
    async fn changes(&mut self, link: Link, known: &Known) -> Result<Link, Failed> {
        let watch = Stopwatch::start();
        let (link, how) = reading::changes_by(link, &self.inner.settings, known).await;
        self.note(("changes", "strategy"), watch.elapsed(), how.map_err(worded)).map(|()| link)
    }

    /// The difference of the clocks, where the server tells its own.
    async fn clocks(&mut self, link: &mut Link, known: &Known) -> Result<(), Failed> {
        let watch = Stopwatch::start();
        let told = match &known.root.current_time {
            Some(time) => Some(time.clone()),
            None => monitor_time(link, &self.inner.settings).await,
        };
        let server = told.as_deref().and_then(generalized_time);
        let shown = match server.map(|server| known.now().duration_since(server).as_secs()) {
            None => "the server does not tell its time".to_owned(),
            Some(seconds) if seconds.abs() > CLOCK_SECONDS => {
                format!("the clocks differ by {seconds} s: ends of accounts are judged by the daemon's own")
            }
            Some(seconds) => format!("the clocks differ by {seconds} s"),
        };
        self.note(("clock", "server_kind"), watch.elapsed(), Ok(shown))
    }

    /// Does the schema know every attribute of the mapping? A name that is misspelt is found nowhere else.
    async fn schema(&mut self, link: &mut Link, known: &Known) -> Result<(), Failed> {
        let watch = Stopwatch::start();
        let attributes = known_attributes(link, &self.inner.settings, known).await;
        let profile = &known.mapping.profile;
        let fields = &profile.fields;
        let optional = [&fields.email, &fields.phone, &fields.description];
        let mut wanted = vec![&profile.id, &fields.username, &fields.name];
        wanted.extend(optional.into_iter().flatten());
        if let Some(groups) = &profile.groups {
            wanted.extend([&groups.id, &groups.name]);
        }
        let unknown: Vec<&str> = wanted
            .iter()
            .map(|name| name.split(';').next().unwrap_or_default())
            .filter(|name| !attributes.is_empty() && !attributes.contains(&name.to_lowercase()))
            .collect();
        let outcome = match (attributes.len(), unknown.is_empty()) {
            (0, _) => Ok("the schema cannot be read: names of attributes are not checked".to_owned()),
            (known, true) => Ok(format!("every attribute is one of the {known} that the schema knows")),
            (_, false) => Err(format!("the schema knows no attribute {}: check attributes", unknown.join(", "))),
        };
        self.note(("mapping", "attributes"), watch.elapsed(), outcome)
    }

    /// Steps `id attribute` and `samples`.
    async fn samples(&mut self, link: &mut Link, known: &Known) -> Result<(), Failed> {
        let (settings, watch) = (&self.inner.settings, Stopwatch::start());
        let most = if self.thorough { SAMPLES_OF_DOCTOR } else { SAMPLES };
        let wanted = known.mapping.wanted();
        let profile = &known.mapping.profile;
        let search = below(settings, &settings.base_dn, &profile.users, wanted.clone());
        let size = u16::try_from(most).unwrap_or(1).min(settings.page_size);
        let mut entries = Vec::new();
        let outcome = first(link, Pages::new(search, size), most, |tag| {
            entries.push(Entry::read(tag, &wanted)?);
            Ok(())
        });
        if let Err(problem) = outcome.await {
            return Err(self.failed(("samples", "user_filter"), watch, problem));
        }
        if entries.is_empty() {
            let problem = "no entry matches: check user_filter, base_dn and the rights of the bind DN".to_owned();
            return Err(self.failed(("samples", "user_filter"), watch, problem));
        }
        let ids: Result<Vec<_>, String> = entries.iter().map(|entry| known.mapping.external_id(entry)).collect();
        self.note(("id attribute", "id_attribute"), watch.elapsed(), ids.map(|_| profile.id.clone()))?;
        let mapped: Result<Vec<_>, _> = entries.iter().map(|entry| known.mapping.user(entry)).collect();
        let outcome = match mapped {
            Ok(users) => {
                let mailed = users.iter().filter(|user| user.email.as_ref().is_some_and(Option::is_some)).count();
                let shown = format!("{} mapped, {mailed} of them with an email", users.len());
                self.report.samples = users;
                Ok(shown)
            }
            Err(skipped) => Err(format!("{}: {}", skipped.label, skipped.problem)),
        };
        self.note(("samples", "attributes"), watch.elapsed(), outcome)
    }

    /// Step `users`: how many there are, and that the server lets all of them through.
    async fn count(&mut self, link: &mut Link, known: &Known) -> Result<(), Failed> {
        let (settings, watch) = (&self.inner.settings, Stopwatch::start());
        let search = below(settings, &settings.base_dn, &known.mapping.profile.users, vec!["1.1".to_owned()]);
        let outcome = self.counted(link, search).await;
        self.note(("users", "user_filter"), watch.elapsed(), outcome)
    }

    async fn groups(&mut self, link: &mut Link, known: &Known) -> Result<(), Failed> {
        let (settings, watch) = (&self.inner.settings, Stopwatch::start());
        let Some(profile) = &known.mapping.profile.groups else {
            return self.note(("groups", "groups"), Duration::ZERO, Ok("not read: groups is false".to_owned()));
        };
        let search = below(settings, &profile.base, &profile.filter, vec!["1.1".to_owned()]);
        let outcome = self.counted(link, search).await;
        self.note(("groups", "group_filter"), watch.elapsed(), outcome)
    }

    async fn counted(&self, link: &mut Link, search: Search<'_>) -> Result<String, String> {
        let most = if self.thorough { self.inner.settings.max_entries } else { COUNT_MAX };
        let mut count = 0_usize;
        let pages = Pages::new(search, self.inner.settings.page_size);
        let outcome = first(link, pages, most, |_| {
            count = count.saturating_add(1);
            Ok(())
        });
        let outcome = outcome.await;
        let found = if count >= most { format!("at least {count}") } else { count.to_string() };
        outcome.map(|()| found).map_err(|problem| format!("after {count}: {problem}"))
    }
}

/// Takes the first entries of a search.
async fn first(
    link: &mut Link,
    mut pages: Pages<'_>,
    most: usize,
    mut take: impl FnMut(ldap3::asn1::StructureTag) -> Result<(), PageFault>,
) -> Result<(), String> {
    let mut taken = 0_usize;
    let work = async {
        while taken < most
            && let Some(entry) = pages.next(link).await?
        {
            taken = taken.saturating_add(1);
            take(entry.0)?;
        }
        Ok(())
    };
    work.await.map_err(worded)
}

fn worded(fault: PageFault) -> String {
    match fault {
        PageFault::Link(error) => error.to_string(),
        PageFault::Refused(code, text) => explain_code(code, &text),
        PageFault::Untrusted(why) => why,
        PageFault::Enough => "reading was given up".to_owned(),
    }
}

async fn first_that_connects(
    inner: &Inner,
    tls: &Arc<rustls::ClientConfig>,
) -> Result<(Endpoint, Connected), LinkError> {
    let mut last = LinkError::Settings("no URL can be used".to_owned());
    for endpoint in inner.servers.endpoints() {
        match transport::connect(endpoint, tls, inner.settings.connect_timeout).await {
            Ok(connected) => return Ok((endpoint.clone(), connected)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The time as OpenLDAP's monitor and 389's tell it, to whom they may be read.
async fn monitor_time(link: &mut Link, settings: &Settings) -> Option<String> {
    for (dn, attribute) in [("cn=Current,cn=Time,cn=Monitor", "monitorTimestamp"), ("cn=monitor", "currentTime")] {
        if let Ok(Some(entry)) = one(link, settings, dn, vec![attribute.to_owned()]).await
            && let Some(time) = texts(&entry, attribute).into_iter().next()
        {
            return Some(time);
        }
    }
    None
}

/// The names of the attributes that the schema knows (RFC 4512 §4.1.2), in lower case; none where it cannot be read.
async fn known_attributes(link: &mut Link, settings: &Settings, known: &Known) -> BTreeSet<String> {
    let Some(subschema) = &known.root.subschema else { return BTreeSet::new() };
    let wanted = vec!["attributeTypes".to_owned()];
    let filter = super::filter::Filter::present("objectClass");
    let search = Search {
        base: subschema,
        scope: ldap3::Scope::Base,
        filter: &filter,
        attributes: wanted.clone(),
        size_limit: 1,
        timeout: settings.operation_timeout,
    };
    let Ok((entries, result)) = link.search_few(&search).await else { return BTreeSet::new() };
    let entry = entries.into_iter().next().filter(|_| result.rc == 0);
    let entry = entry.and_then(|entry| Entry::read_group(entry.0, &wanted, &wanted).ok());
    entry
        .map(|entry| texts(&entry, "attributeTypes").iter().flat_map(|text| names_of(text)).collect())
        .unwrap_or_default()
}

/// The names in `( 2.5.4.3 NAME ( 'cn' 'commonName' ) … )`, and the number.
fn names_of(definition: &str) -> Vec<String> {
    let mut words = definition.trim_start_matches(['(', ' ']).split_whitespace();
    let mut names: Vec<String> = words.next().map(str::to_lowercase).into_iter().collect();
    let mut in_list = false;
    let mut seen = false;
    for word in words {
        match word {
            "NAME" => seen = true,
            _ if !seen => {}
            "(" => in_list = true,
            ")" => break,
            quoted => {
                names.push(quoted.trim_matches('\'').to_lowercase());
                if !in_list {
                    break;
                }
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_the_schema() {
        let cn = "( 2.5.4.3 NAME ( 'cn' 'commonName' ) DESC 'x' SUP name )";
        assert_eq!(names_of(cn), ["2.5.4.3", "cn", "commonname"]);
        assert_eq!(names_of("( 1.2.3 NAME 'entryUUID' DESC 'UUID of NAME' )"), ["1.2.3", "entryuuid"]);
        assert_eq!(names_of(""), Vec::<String>::new());
    }
}
