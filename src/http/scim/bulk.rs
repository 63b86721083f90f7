//! `POST /Bulk` (RFC 7644 §3.7): many operations in one request, each a transaction of its own.
//!
//! Operations run in their order, but for those that name what a later one makes: they wait for it. Where operations
//! wait for each other in a circle, the first is made without what it waits for, and completed as soon as that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::body::Body;
use super::call::{Call, Place};
use super::journal::Remark;
use super::kind::Kind;
use super::reply::{Failure, Reply};
use super::writes::{self, Written};
use crate::base::clock::Stopwatch;
use crate::http::state::App;
use crate::scim::ScimError;
use crate::scim::bulk::{self, Made, Method, Operation, Outcome, Wish};

/// Most operations of one request, as ServiceProviderConfig tells.
pub(super) const MOST_OPERATIONS: usize = 1_000;
/// The part of the request's time after which no operation is begun, in percent.
const PATIENCE: u32 = 80;

/// `POST /Bulk`.
pub(super) async fn bulk(State(app): State<App>, call: Call, Body(body): Body) -> Result<Response, Failure> {
    let bulk::Request { fail_on_errors, operations } = bulk::parse(body, MOST_OPERATIONS)?;
    let mut run = Run::new(&app, &call, operations, fail_on_errors);
    run.all().await;
    let detail = run.summary();
    let mut response = Reply::ok(run.respond()).into_response();
    response.extensions_mut().insert(Remark { scim_type: None, detail });
    Ok(response)
}

/// A request under way.
struct Run<'a> {
    app: &'a App,
    call: &'a Call,
    operations: Vec<Operation>,
    outcomes: Vec<Option<Outcome>>,
    /// What each names.
    references: Vec<BTreeSet<String>>,
    /// What this request makes, each by one operation.
    promised: BTreeMap<String, usize>,
    made: Made,
    /// Operations that were made without what they wait for.
    incomplete: Vec<usize>,
    errors_left: Option<u64>,
    watch: Stopwatch,
    limit: Duration,
}

impl<'a> Run<'a> {
    fn new(app: &'a App, call: &'a Call, operations: Vec<Operation>, fail_on_errors: Option<u64>) -> Self {
        let makes = |one: &Operation| one.wish.as_ref().is_ok_and(|wish| wish.method == Method::Post);
        let makers = operations.iter().enumerate().filter(|(_, one)| makes(one));
        let promised = makers.filter_map(|(number, one)| Some((one.bulk_id.clone()?, number))).collect();
        let references = operations.iter().map(|one| one.wish.as_ref().map(Wish::references).unwrap_or_default());
        Self {
            app,
            call,
            outcomes: vec![None; operations.len()],
            references: references.collect(),
            operations,
            promised,
            made: Made::new(),
            incomplete: Vec::new(),
            errors_left: fail_on_errors,
            watch: Stopwatch::start(),
            limit: app.settings.request_timeout.saturating_mul(PATIENCE) / 100,
        }
    }

    async fn all(&mut self) {
        self.in_order().await;
        // What was begun is told as it is, although nothing more is begun.
        for number in std::mem::take(&mut self.incomplete) {
            self.complete(number).await;
        }
    }

    async fn in_order(&mut self) {
        loop {
            let (mut progress, mut circle) = (false, None);
            for number in 0..self.operations.len() {
                if self.is_over() {
                    return;
                }
                match self.standing(number) {
                    Standing::Done => {}
                    Standing::Ready => {
                        self.run(number, &BTreeSet::new()).await;
                        self.complete_those_that_can().await;
                        progress = true;
                    }
                    Standing::Waiting(open) => {
                        if circle.is_none() && self.can_be_incomplete(number) {
                            circle = Some((number, open));
                        }
                    }
                }
            }
            match (progress, circle) {
                (true, _) => {}
                (false, Some((number, open))) => {
                    self.incomplete.push(number);
                    self.run(number, &open).await;
                }
                (false, None) => return,
            }
        }
    }

    /// Before anything else is done to them: what comes later in the request must find them whole.
    async fn complete_those_that_can(&mut self) {
        let made = &self.made;
        let is_ready = |number: &usize| {
            self.references.get(*number).is_some_and(|names| names.iter().all(|name| made.contains_key(name)))
        };
        let (ready, waiting) = self.incomplete.iter().copied().partition(is_ready);
        self.incomplete = waiting;
        let ready: Vec<usize> = ready;
        for number in ready {
            self.complete(number).await;
        }
    }

    fn is_over(&self) -> bool {
        self.errors_left == Some(0)
    }

    fn standing(&self, number: usize) -> Standing {
        let Some(operation) = self.operations.get(number) else { return Standing::Done };
        if !matches!(self.outcomes.get(number), Some(None)) {
            return Standing::Done;
        }
        if operation.wish.is_err() {
            return Standing::Ready;
        }
        let named = self.references.get(number).into_iter().flatten();
        let open = named.filter(|name| self.promised.contains_key(*name) && !self.made.contains_key(*name));
        let open: BTreeSet<String> = open.cloned().collect();
        if open.is_empty() { Standing::Ready } else { Standing::Waiting(open) }
    }

    /// Something that is made can be completed later; a path that leads nowhere yet cannot.
    fn can_be_incomplete(&self, number: usize) -> bool {
        let wish = self.operations.get(number).and_then(|one| one.wish.as_ref().ok());
        wish.is_some_and(|wish| wish.method == Method::Post)
    }

    /// Runs one operation, without what names one of `open`.
    async fn run(&mut self, number: usize, open: &BTreeSet<String>) {
        let Some(operation) = self.operations.get(number).cloned() else { return };
        let outcome = match operation.wish {
            Err(error) => Err(Failure::from(error)),
            Ok(wish) => self.one(wish.resolved(&self.made).without(open)).await,
        };
        if let Some(name) = &operation.bulk_id
            && self.promised.get(name) == Some(&number)
        {
            match &outcome {
                Ok(Done { written: Some(written), .. }) => _ = self.made.insert(name.clone(), written.id()),
                // Who waits for it is told that it is not there.
                _ => _ = self.promised.remove(name),
            }
        }
        self.note(number, outcome);
    }

    /// Gives what was made in a circle all that it was to have.
    async fn complete(&mut self, number: usize) {
        let Some(operation) = self.operations.get(number) else { return };
        let (Ok(wish), Some(id)) = (&operation.wish, operation.bulk_id.as_ref().and_then(|name| self.made.get(name)))
        else {
            return;
        };
        let wish = Wish { method: Method::Put, id: Some(id.clone()), ..wish.clone() }.resolved(&self.made);
        let outcome = self.one(wish).await.map(|done| Done { status: 201, ..done });
        self.note(number, outcome);
    }

    async fn one(&self, wish: Wish) -> Result<Done, Failure> {
        if let Some(name) = wish.references().into_iter().next() {
            let detail =
                format!("bulkId:{} names nothing that this request has made", crate::scim::error::excerpt(&name));
            return Err(ScimError::invalid_value(detail).into());
        }
        if self.watch.elapsed() > self.limit {
            let detail = "not begun: the request has taken too long already; send the rest again";
            return Err(ScimError::plain(503, detail).into());
        }
        let kind = Kind::at(self.call.registry, &wish.endpoint);
        let kind = kind.ok_or_else(|| ScimError::plain(404, "path names no endpoint of resources"))?;
        let (call, id) = (self.call.operation(wish.version.as_deref()), wish.id.unwrap_or_default());
        let place = Place { kind, id };
        let location = format!("{}{}/{}", call.base, kind.resource_type().endpoint, place.id);
        let done = |status, written: Written| Done { status, written: Some(written), location: None };
        let at = |failure: Failure| Failure { location: Some(location.clone()), ..failure };
        match wish.method {
            Method::Post => writes::create(self.app, &call, kind, wish.data).await.map(|written| done(201, written)),
            Method::Put => {
                let written = writes::replace(self.app, &call, place, wish.data).await;
                written.map(|written| done(200, written)).map_err(at)
            }
            Method::Patch => {
                let written = writes::patch(self.app, &call, place, wish.data).await;
                written.map(|written| done(200, written)).map_err(at)
            }
            Method::Delete => {
                let removed = writes::remove(self.app, &call, place).await.map_err(at);
                removed.map(|()| Done { status: 204, written: None, location: Some(location.clone()) })
            }
        }
    }

    fn note(&mut self, number: usize, outcome: Result<Done, Failure>) {
        let outcome = match outcome {
            Ok(Done { status, written, location }) => Outcome {
                status,
                location: written.as_ref().map(|written| written.location(self.call)).or(location),
                version: written.as_ref().map(Written::version),
                response: None,
            },
            Err(Failure { error, location, .. }) => {
                self.errors_left = self.errors_left.map(|left| left.saturating_sub(1));
                Outcome { status: error.status, location, version: None, response: Some(error.to_json()) }
            }
        };
        if let Some(slot) = self.outcomes.get_mut(number) {
            *slot = Some(outcome);
        }
    }

    /// What came of it, for the journal.
    fn summary(&self) -> String {
        let done = self.outcomes.iter().flatten();
        let failed = done.clone().filter(|outcome| outcome.status >= 400).count();
        format!("{} of {} operations processed, {failed} failed", done.count(), self.operations.len())
    }

    fn respond(self) -> Value {
        let both = self.operations.iter().zip(self.outcomes);
        bulk::respond(both.filter_map(|(operation, outcome)| Some(bulk::show(operation, outcome?))).collect())
    }
}

/// Whether an operation can run.
enum Standing {
    /// It has.
    Done,
    /// It can.
    Ready,
    /// Not before these are made.
    Waiting(BTreeSet<String>),
}

/// An operation that was done.
struct Done {
    status: u16,
    written: Option<Written>,
    location: Option<String>,
}
