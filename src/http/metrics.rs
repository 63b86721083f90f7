//! `GET /metrics`: the figures of the daemon in OpenMetrics text, as Prometheus reads them.
//!
//! What happens at requests is counted by atomics as it happens; everything else is looked up at the scrape. Nothing
//! there grows with the number of users: their number is a row, and of the outbox the oldest messages are looked at.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::error::Problem;
use super::state::{App, Inside};
use crate::directory::message::Via;
use crate::directory::plan::PlanStatus;
use crate::store::outbox::fate;
use crate::store::{StoreError, queue, runs, tally, webhooks};

/// What OpenMetrics calls itself.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Logins are sorted by whether they took up to so many seconds.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Labels, by name.
type Labels = Vec<(&'static str, String)>;
type Numbers = Family<Labels, Gauge<f64, AtomicU64>>;

/// What is counted as it happens.
pub struct Metrics {
    requests: Family<Labels, Counter>,
    /// Those of `requests` by the first digit of the status, so that nobody has to look for one.
    by_class: [Counter; 5],
    logins: Family<Labels, Counter>,
    login_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let requests = Family::<Labels, Counter>::default();
        let class = |class: &str| requests.get_or_create_owned(&vec![("status", class.to_owned())]);
        let by_class = ["1xx", "2xx", "3xx", "4xx", "5xx"].map(class);
        let (logins, login_seconds) = (Family::default(), Histogram::new(BUCKETS));
        Self { requests, by_class, logins, login_seconds }
    }
}

impl Metrics {
    /// A request was answered.
    pub fn answered(&self, status: u16) {
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(counter) = self.by_class.get(class) {
            counter.inc();
        }
    }

    /// A step of a login came to this: what the caller is told, or the code of a refusal.
    pub fn login(&self, outcome: &'static str) {
        self.logins.get_or_create(&vec![("outcome", outcome.to_owned())]).inc();
    }

    /// A step of a login took so long.
    pub fn login_took(&self, time: Duration) {
        self.login_seconds.observe(time.as_secs_f64());
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests that were answered, by status", self.requests.clone());
        registry.register("logins", "Steps of logins, by what they came to", self.logins.clone());
        let seconds = self.login_seconds.clone();
        registry.register_with_unit("login_duration", "Time of the steps of logins", Unit::Seconds, seconds);
    }
}

/// The figures.
pub async fn scrape(State(app): State<App>) -> Result<Response, Problem> {
    let text = tokio::task::spawn_blocking(move || figures(&app)).await.map_err(|_| StoreError::Stopped)?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}

/// Where what cannot be looked up leaves its figures out, so that a store at fault shows.
fn figures(app: &Inside) -> String {
    let mut sheet = Sheet(Registry::with_prefix("musterd"));
    app.metrics.register(&mut sheet.0);
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    sheet.numbers("build_info", "What runs", [(version, 1.0)]);
    let now = app.store.clock().now();
    for part in [alarms, tasks, outbox, hooks, users, store] {
        if let Err(error) = part(app, &mut sheet, now) {
            tracing::warn!(error = %error, "some figures cannot be looked up");
        }
    }
    let mut text = String::new();
    match encode(&mut text, &sheet.0) {
        Ok(()) => text,
        // Writing into a text cannot fail.
        Err(_) => String::new(),
    }
}

/// Figures that are looked up.
struct Sheet(Registry);

impl Sheet {
    fn numbers(&mut self, name: &str, help: &str, numbers: impl IntoIterator<Item = (Labels, f64)>) {
        let family = Numbers::default();
        for (labels, number) in numbers {
            family.get_or_create(&labels).set(number);
        }
        self.0.register(name, help, family);
    }
}

fn alarms(app: &Inside, sheet: &mut Sheet, _: Timestamp) -> Result<(), StoreError> {
    let active = app.alarms.active();
    sheet.numbers("alarms", "Alarms that are on", [(Labels::new(), number(active.len()))]);
    let labels = active.into_iter().map(|alarm| (vec![("kind", alarm.kind), ("of", alarm.of)], 1.0));
    sheet.numbers("alarm", "Each alarm that is on", labels);
    Ok(())
}

fn tasks(app: &Inside, sheet: &mut Sheet, _: Timestamp) -> Result<(), StoreError> {
    let (mut last, mut took, mut failed, mut running) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (name, status) in app.driver.status() {
        let labels = || vec![("task", name.clone())];
        last.extend(status.last_run.map(|at| (labels(), seconds_of(at))));
        took.extend(status.last_took.map(|time| (labels(), time.as_secs_f64())));
        failed.extend(status.last_result.map(|result| (labels(), flag(result.is_err()))));
        running.push((labels(), flag(status.running_since.is_some())));
    }
    sheet.numbers("task_last_run_timestamp_seconds", "When a task began its last run", last);
    sheet.numbers("task_last_duration_seconds", "How long its last run took", took);
    sheet.numbers("task_failed", "Whether its last run failed", failed);
    sheet.numbers("task_running", "Whether it runs", running);
    let waiting = number(app.auth.hasher.pending());
    sheet.numbers("hashing_pending", "Passwords that wait or are hashed", [(Labels::new(), waiting)]);
    Ok(())
}

fn outbox(app: &Inside, sheet: &mut Sheet, now: Timestamp) -> Result<(), StoreError> {
    let waiting = queue::waiting(&app.store.view())?;
    let each = |figure: &dyn Fn(&queue::Waiting) -> f64| {
        waiting.iter().map(|(via, way)| (vec![("via", (*via).to_owned())], figure(way))).collect::<Vec<_>>()
    };
    sheet.numbers("outbox_messages", "Messages that wait, by way", each(&|way| number(way.messages)));
    sheet.numbers("outbox_failed_messages", "Those of them that failed before", each(&|way| number(way.failed)));
    let age = |way: &queue::Waiting| way.oldest.map_or(0.0, |oldest| (seconds_of(now) - seconds_of(oldest)).max(0.0));
    sheet.numbers("outbox_oldest_age_seconds", "How long the oldest of them waits", each(&age));
    sheet.numbers("outbox_given_up_messages", "Messages that were given up since the store began", given_up(app)?);
    Ok(())
}

fn given_up(app: &Inside) -> Result<Vec<(Labels, f64)>, StoreError> {
    let mut numbers = Vec::new();
    for via in Via::ALL.iter().copied() {
        let fate = fate::of(&app.store.view(), via)?;
        for (outcome, count) in [("refused", fate.refused), ("expired", fate.expired)] {
            numbers.push((vec![("via", via.name().to_owned()), ("outcome", outcome.to_owned())], float(count)));
        }
    }
    Ok(numbers)
}

fn hooks(app: &Inside, sheet: &mut Sheet, _: Timestamp) -> Result<(), StoreError> {
    let view = app.store.view();
    let (mut delivered, mut waiting, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for webhook in app.webhooks.iter() {
        let labels = || vec![("webhook", webhook.name.clone())];
        let standing = webhooks::get(&view, &webhook.name)?.unwrap_or_default();
        delivered.push((labels(), float(standing.delivered)));
        waiting.push((labels(), number(webhooks::waiting(&view, &webhook.name, webhooks::WINDOW)?.len())));
        failures.push((labels(), f64::from(standing.failures)));
    }
    sheet.numbers("webhook_delivered_events", "Events that a webhook took", delivered);
    sheet.numbers("webhook_waiting_events", "Events that wait for it", waiting);
    sheet.numbers("webhook_failures", "Failures since it last took one", failures);
    Ok(())
}

fn users(app: &Inside, sheet: &mut Sheet, _: Timestamp) -> Result<(), StoreError> {
    let view = app.store.view();
    let mut users = BTreeMap::new();
    for source in &app.sources {
        let tally = tally::of_source(&view, &source.id)?;
        users.insert((source.id.to_string(), "present"), tally.present);
        users.insert((source.id.to_string(), "active"), tally.active);
    }
    let users = users
        .into_iter()
        .map(|((source, state), users)| (vec![("source", source), ("state", state.to_owned())], float(users)));
    sheet.numbers("users", "Users by source: those who are not removed, and those of them who are active", users);
    Ok(())
}

fn store(app: &Inside, sheet: &mut Sheet, _: Timestamp) -> Result<(), StoreError> {
    let writable = flag(app.store.fault().is_none());
    sheet.numbers("store_writable", "Whether the store takes writes", [(Labels::new(), writable)]);
    let plans = runs::list_plans(&app.store.view())?;
    let held = plans.iter().filter(|plan| plan.status == PlanStatus::Held).count();
    sheet.numbers("plans_held", "Plans that wait for a person", [(Labels::new(), number(held))]);
    Ok(())
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn number(count: usize) -> f64 {
    float(u64::try_from(count).unwrap_or(u64::MAX))
}

/// Exact up to 2^53.
fn float(count: u64) -> f64 {
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "no figure needs more than 53 bits")]
    let float = count as f64;
    float
}

fn seconds_of(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
