//! The test and the doctor of a source: each step from the connection to some mapped samples, with its time and the
//! setting that governs it. The doctor also looks at how changes are read, and counts groups.
//!
//! It changes nothing, neither there nor here, and stops at the first step that fails.

use std::time::Duration;

use super::Inner;
use super::answer::{Features, Page};
use super::mapping::{GROUPS, USERS, group};
use super::reading::{features, list};
use super::session::{Fault, Session, last_modified};
use super::settings::Paging;
use crate::base::clock::Stopwatch;
use crate::scim::Resource;
use crate::sources::{TestReport, TestStep};
use crate::web::client::WireError;

/// Users shown as they would be read, by a test and by a doctor.
const SAMPLES: usize = 3;
const SAMPLES_OF_DOCTOR: usize = 5;

/// Runs all steps; `report` holds what was done, also when it ends early.
pub(super) async fn run(inner: &Inner, thorough: bool, limit: Duration, report: &mut TestReport) {
    // A step that failed stands in the report.
    drop(Probe { inner, thorough, report }.steps(limit).await);
}

struct Probe<'a> {
    inner: &'a Inner,
    thorough: bool,
    report: &'a mut TestReport,
}

/// A step failed; its text stands in the report already.
struct Failed;

impl Probe<'_> {
    async fn steps(&mut self, limit: Duration) -> Result<(), Failed> {
        let watch = Stopwatch::start();
        let session = Session::new(self.inner, limit).await;
        let mut session = self.taken("TLS", "ca_file", watch, session)?;
        let watch = Stopwatch::start();
        let about = session.connect().await;
        let tls = matches!(about, Err(Fault::Wire(WireError::Tls(_))));
        let (name, setting) = if tls { ("TLS", "ca_file") } else { ("connection", "url") };
        self.said(name, setting, watch, about)?;
        let watch = Stopwatch::start();
        let (setting, words) = match self.inner.access.can_renew() {
            true => ("token_url", "a token was given"),
            false => ("token", "as configured"),
        };
        let token = session.token().await.map(|_| words.to_owned());
        self.said("token", setting, watch, token)?;
        let features = self.features(&mut session).await?;
        let users = self.users(&mut session, &features).await?;
        if self.thorough {
            self.changes(&mut session, &features, &users).await?;
        }
        if self.inner.settings.groups { self.groups(&mut session, &features).await } else { Ok(()) }
    }

    async fn features(&mut self, session: &mut Session<'_>) -> Result<Features, Failed> {
        let watch = Stopwatch::start();
        let known = self.taken("service", "url", watch, features(self.inner, session, true).await)?;
        let shown = match known.told {
            false => "it has no ServiceProviderConfig: what it can do will show".to_owned(),
            true => {
                let most = known.page_max.map(|most| format!(", at most {most} to a page")).unwrap_or_default();
                let (filter, cursor) = (yes(known.filter), yes(known.cursor));
                format!("filters: {filter}; cursors: {cursor}{most}")
            }
        };
        self.said("service", "url", watch, Ok(shown))?;
        Ok(known)
    }

    /// The first page of users, as they would be read.
    async fn users(&mut self, session: &mut Session<'_>, features: &Features) -> Result<Vec<Resource>, Failed> {
        let watch = Stopwatch::start();
        let wanted = list(self.inner, features, USERS, None);
        let page = self.taken("users", "user_filter", watch, page(session, &wanted.first()).await)?;
        let paging = if wanted.paging == Paging::Cursor || page.next_cursor.is_some() { "cursor" } else { "index" };
        let shown = match page.total {
            Some(total) => Ok(format!("{total}, by {paging}, {} on the first page", page.resources.len())),
            None if paging == "cursor" => Ok(format!("{} on the first page, by cursor", page.resources.len())),
            None => Err(Fault::Untrusted("the list has no totalResults: it cannot be read to a proved end".to_owned())),
        };
        self.said("users", "paging", watch, shown)?;
        let watch = Stopwatch::start();
        let most = if self.thorough { SAMPLES_OF_DOCTOR } else { SAMPLES };
        let mut problems = Vec::new();
        for resource in &page.resources {
            match self.inner.mapping.user(resource) {
                Ok(user) if self.report.samples.len() < most => self.report.samples.push(user),
                Ok(_) => {}
                Err(skipped) => problems.push(format!("{}: {}", skipped.label, skipped.problem)),
            }
        }
        let count = page.resources.len();
        let shown = match problems.first() {
            None => Ok(format!("{count} of {count} on the first page can be taken")),
            Some(first) if problems.len() == count => Err(Fault::Untrusted(format!("none can be taken: {first}"))),
            Some(first) => Ok(format!("{} of {count} cannot be taken: {first}", problems.len())),
        };
        self.said("mapping", "attributes", watch, shown)?;
        Ok(page.resources)
    }

    /// Whether the service finds a user by the time of their last change.
    async fn changes(
        &mut self,
        session: &mut Session<'_>,
        features: &Features,
        users: &[Resource],
    ) -> Result<(), Failed> {
        let watch = Stopwatch::start();
        let told: Vec<_> = users.iter().filter_map(last_modified).collect();
        let latest = told.iter().max().copied().filter(|_| told.len() == users.len());
        let shown = match latest {
            _ if !self.inner.settings.changes => "not by changes: the settings say so".to_owned(),
            _ if !features.filter => "not by changes: the server says that it does not filter".to_owned(),
            None => "not by changes: users do not tell meta.lastModified".to_owned(),
            Some(latest) => {
                let wanted = list(self.inner, features, USERS, Some(latest));
                match page(session, &wanted.first()).await {
                    Ok(page) if page.resources.is_empty() => {
                        "not by changes: a user is not found by the time of their last change".to_owned()
                    }
                    Ok(page)
                        if page
                            .resources
                            .iter()
                            .filter_map(last_modified)
                            .any(|at| at.as_second() < latest.as_second()) =>
                    {
                        "not by changes: the server ignores filters by meta.lastModified".to_owned()
                    }
                    Ok(_) => {
                        "by meta.lastModified; who was deleted is seen by complete readings (complete_every)".to_owned()
                    }
                    Err(fault) => format!("not by changes: {fault}"),
                }
            }
        };
        self.said("changes", "strategy", watch, Ok(shown))
    }

    async fn groups(&mut self, session: &mut Session<'_>, features: &Features) -> Result<(), Failed> {
        let watch = Stopwatch::start();
        let wanted = list(self.inner, features, GROUPS, None);
        let page = self.taken("groups", "groups", watch, page(session, &wanted.first()).await)?;
        let total = page.total.map_or_else(|| "some".to_owned(), |total| total.to_string());
        let mapped: Vec<_> = page.resources.iter().filter_map(|one| group(one).ok()).collect();
        let members: usize = mapped.iter().map(|one| one.group.members.len() + one.untyped.len()).sum();
        let shown = format!("{total}, {members} members in the {} on the first page", page.resources.len());
        self.said("groups", "groups", watch, Ok(shown))
    }

    /// What came of a step that goes on.
    fn taken<T>(
        &mut self,
        name: &'static str,
        setting: &'static str,
        watch: Stopwatch,
        outcome: Result<T, Fault>,
    ) -> Result<T, Failed> {
        outcome.map_err(|fault| {
            let step = TestStep { name, outcome: Err(fault.to_string()), took: watch.elapsed(), setting };
            self.report.steps.push(step);
            Failed
        })
    }

    /// Writes a step down.
    fn said(
        &mut self,
        name: &'static str,
        setting: &'static str,
        watch: Stopwatch,
        outcome: Result<String, Fault>,
    ) -> Result<(), Failed> {
        let text = self.taken(name, setting, watch, outcome)?;
        self.report.steps.push(TestStep { name, outcome: Ok(text), took: watch.elapsed(), setting });
        Ok(())
    }
}

async fn page(session: &mut Session<'_>, below: &str) -> Result<Page, Fault> {
    let answer = session.get(below, None).await?;
    Page::read(&answer.body).map_err(Fault::Untrusted)
}

fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}
