//! The test of a source: each step from the connection to three mapped samples, with its time.
//!
//! It changes nothing, neither there nor here, and stops at the first step that fails, naming the setting.

use std::sync::Arc;
use std::time::Duration;

use ldap3::Scope;
use rustls::ClientConfig;

use super::entry::Entry;
use super::filter::Filter;
use super::mapping::Mapping;
use super::pass::{PageFault, paged, read_pages};
use super::server::{Servers, bind_reader};
use super::settings::Settings;
use super::wire::endpoint::Endpoint;
use super::wire::error::{LinkError, explain_code};
use super::wire::link::{Link, Search};
use super::wire::transport::{self, Connected};
use crate::base::clock::Stopwatch;
use crate::sources::{TestReport, TestStep};

/// Users are counted up to here; the size limits of servers are lower.
const COUNT_MAX: usize = 20_000;
/// Users shown as they would be read.
const SAMPLES: usize = 3;
/// Object identifier of the paged results control (RFC 2696).
const PAGING: &str = "1.2.840.113556.1.4.319";

/// A step failed; its text stands in the report already.
pub(super) struct Failed;

/// Runs all steps; `report` holds what was done, also when it ends early.
pub(super) async fn run(
    settings: &Settings,
    servers: &Servers,
    mapping: &Mapping,
    report: &mut TestReport,
) -> Result<(), Failed> {
    let mut link = open(settings, servers, report).await?;
    let watch = Stopwatch::start();
    let who = if settings.bind_dn.is_empty() { "anonymous" } else { &settings.bind_dn };
    let bound = bind_reader(&mut link, settings).await.map(|()| who.to_owned());
    note(report, "bind", watch, bound.map_err(|error| error.to_string()))?;
    root(&mut link, settings, report).await?;
    base(&mut link, settings, report).await?;
    let filter = Filter::parse(&settings.user_filter).map_err(|problem| format!("user_filter {problem}"));
    let filter = match filter {
        Ok(filter) => filter,
        Err(problem) => return note(report, "users", Stopwatch::start(), Err(problem)),
    };
    samples(&mut link, settings, mapping, &filter, report).await?;
    count(&mut link, settings, &filter, report).await
}

/// Writes a step down.
fn note(
    report: &mut TestReport,
    name: &'static str,
    watch: Stopwatch,
    outcome: Result<String, String>,
) -> Result<(), Failed> {
    timed(report, name, watch.elapsed(), outcome)
}

fn timed(
    report: &mut TestReport,
    name: &'static str,
    took: Duration,
    outcome: Result<String, String>,
) -> Result<(), Failed> {
    let failed = outcome.is_err();
    report.steps.push(TestStep { name, outcome, took });
    if failed { Err(Failed) } else { Ok(()) }
}

/// Steps `connection` and `TLS`.
async fn open(settings: &Settings, servers: &Servers, report: &mut TestReport) -> Result<Link, Failed> {
    let watch = Stopwatch::start();
    let tls = match servers.tls(settings).await {
        Ok(tls) => tls,
        Err(error) => {
            note(report, "TLS", watch, Err(error.to_string()))?;
            return Err(Failed);
        }
    };
    let (endpoint, connected) = match first_that_connects(settings, servers, tls).await {
        Ok(found) => found,
        Err(LinkError::Tls(why)) => {
            note(report, "TLS", watch, Err(why))?;
            return Err(Failed);
        }
        Err(error) => {
            note(report, "connection", watch, Err(format!("{error}; check urls")))?;
            return Err(Failed);
        }
    };
    timed(report, "connection", connected.tcp_took, Ok(format!("{endpoint} ({})", connected.address)))?;
    let (about, took) = match &connected.tls {
        Some((about, took)) => (about.clone(), *took),
        None => ("none: the connection stays on this host".to_owned(), Duration::ZERO),
    };
    timed(report, "TLS", took, Ok(about))?;
    match Link::start(&endpoint, connected).await {
        Ok(link) => Ok(link),
        Err(error) => {
            note(report, "connection", watch, Err(error.to_string()))?;
            Err(Failed)
        }
    }
}

async fn first_that_connects(
    settings: &Settings,
    servers: &Servers,
    tls: &Arc<ClientConfig>,
) -> Result<(Endpoint, Connected), LinkError> {
    let mut last = LinkError::Settings("no URL can be used".to_owned());
    for endpoint in servers.endpoints() {
        match transport::connect(endpoint, tls, settings.connect_timeout).await {
            Ok(connected) => return Ok((endpoint.clone(), connected)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Steps `server` and `paging`: the root DSE (RFC 4512 §5.1).
async fn root(link: &mut Link, settings: &Settings, report: &mut TestReport) -> Result<(), Failed> {
    let watch = Stopwatch::start();
    let wanted: Vec<String> =
        ["objectClass", "vendorName", "vendorVersion", "supportedCapabilities", "supportedControl"]
            .map(String::from)
            .into();
    let entry = match one(link, settings, "", wanted).await {
        Ok(Some(entry)) => entry,
        Ok(None) => {
            return note(
                report,
                "server",
                watch,
                Err("the root DSE may not be read: allow it for the bind DN".to_owned()),
            );
        }
        Err(problem) => return note(report, "server", watch, Err(problem)),
    };
    note(report, "server", watch, Ok(vendor(&entry)))?;
    let paging = if texts(&entry, "supportedControl").iter().any(|control| control == PAGING) {
        Ok(format!("supported, {} entries to a page", settings.page_size))
    } else {
        Err("the server does not offer the paged results control; a full reading needs it".to_owned())
    };
    note(report, "paging", Stopwatch::start(), paging)
}

/// Step `base`.
async fn base(link: &mut Link, settings: &Settings, report: &mut TestReport) -> Result<(), Failed> {
    let watch = Stopwatch::start();
    let outcome = match one(link, settings, &settings.base_dn, vec!["1.1".to_owned()]).await {
        Ok(Some(_)) => Ok(settings.base_dn.clone()),
        Ok(None) => Err(format!("{} cannot be seen by the bind DN: check base_dn", settings.base_dn)),
        Err(problem) => Err(format!("{}: {problem}", settings.base_dn)),
    };
    note(report, "base", watch, outcome)
}

/// Steps `id attribute` and `samples`.
async fn samples(
    link: &mut Link,
    settings: &Settings,
    mapping: &Mapping,
    filter: &Filter,
    report: &mut TestReport,
) -> Result<(), Failed> {
    let watch = Stopwatch::start();
    let wanted = mapping.wanted();
    let search = paged(settings, filter, wanted.clone());
    let mut entries = Vec::new();
    let mut take = |tag| {
        entries.push(Entry::read(tag, &wanted).map_err(|error| PageFault::Untrusted(error.to_string()))?);
        if entries.len() >= SAMPLES { Err(PageFault::Enough) } else { Ok(()) }
    };
    if let Err(problem) = read_pages(link, &search, 3, &mut take).await.map(drop).or_else(enough) {
        return note(report, "samples", watch, Err(problem));
    }
    if entries.is_empty() {
        let problem = "no entry matches: check user_filter, base_dn and the rights of the bind DN".to_owned();
        return note(report, "samples", watch, Err(problem));
    }
    let ids: Result<Vec<_>, String> = entries.iter().map(|entry| mapping.external_id(entry)).collect();
    note(report, "id attribute", watch, ids.map(|_| settings.id_attribute.clone()))?;
    let mapped: Result<Vec<_>, _> = entries.iter().map(|entry| mapping.user(entry)).collect();
    let outcome = mapped.map(|users| report.samples = users).map(|()| format!("{} mapped", entries.len()));
    note(report, "samples", watch, outcome.map_err(|skipped| format!("{}: {}", skipped.label, skipped.problem)))
}

/// Step `users`: how many there are, and that the server lets all of them through.
async fn count(link: &mut Link, settings: &Settings, filter: &Filter, report: &mut TestReport) -> Result<(), Failed> {
    let watch = Stopwatch::start();
    let search = paged(settings, filter, vec!["1.1".to_owned()]);
    let mut count = 0_usize;
    let mut take = |_| {
        count += 1;
        if count >= COUNT_MAX { Err(PageFault::Enough) } else { Ok(()) }
    };
    let outcome = read_pages(link, &search, settings.page_size, &mut take).await.map(drop).or_else(enough);
    let found = if count >= COUNT_MAX { format!("at least {count}") } else { count.to_string() };
    note(report, "users", watch, outcome.map(|()| found).map_err(|problem| format!("after {count}: {problem}")))
}

/// Having seen enough is no failure.
fn enough(fault: PageFault) -> Result<(), String> {
    match fault {
        PageFault::Enough => Ok(()),
        PageFault::Link(error) => Err(error.to_string()),
        PageFault::Refused(code, text) => Err(explain_code(code, &text)),
        PageFault::Untrusted(why) => Err(why),
    }
}

/// Reads one entry by its DN.
async fn one(link: &mut Link, settings: &Settings, dn: &str, attributes: Vec<String>) -> Result<Option<Entry>, String> {
    let filter = Filter::present("objectClass");
    let timeout = settings.operation_timeout;
    let search = Search { base: dn, scope: Scope::Base, filter: &filter, attributes, size_limit: 1, timeout };
    let (entries, result) = link.search_few(&search).await.map_err(|error| error.to_string())?;
    if result.rc != 0 {
        return Err(explain_code(result.rc, &result.text));
    }
    let entry = entries.into_iter().next().map(|entry| Entry::read(entry.0, &search.attributes));
    entry.transpose().map_err(|error| error.to_string())
}

fn texts(entry: &Entry, name: &str) -> Vec<String> {
    let values = entry.values(name).unwrap_or_default();
    values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

/// Which server this is, as far as it tells.
fn vendor(entry: &Entry) -> String {
    let named = [texts(entry, "vendorName"), texts(entry, "vendorVersion")].concat().join(" ");
    if texts(entry, "supportedCapabilities").iter().any(|capability| capability == "1.2.840.113556.1.4.800") {
        format!("Active Directory {named}").trim().to_owned()
    } else if texts(entry, "objectClass").iter().any(|class| class == "OpenLDAProotDSE") {
        "OpenLDAP".to_owned()
    } else if named.is_empty() {
        "an LDAP server that does not name itself".to_owned()
    } else {
        named
    }
}
