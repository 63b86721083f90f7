//! Lists of the source's resources: through an index where the filter names a unique value, else by a scan;
//! filtered, sorted, in pages by number or cursor (RFC 7644 §3.4.2, RFC 9865). Without filter and sort only the
//! page's records are read.

use std::cmp::Ordering;

use axum::extract::State;
use serde_json::Value;

use super::body::Body;
use super::call::{Call, Place};
use super::cursor::{self, Mark};
use super::index::{candidates, detail, exact, has_index, is_name_lookup};
use super::kind::{Key, Kind};
use super::members::Wanted;
use super::reply::{Failure, Reply};
use super::shelf::Shelf;
use crate::base::id::UserId;
use crate::directory::query::{Filter, Literal};
use crate::http::state::App;
use crate::scim::evaluate::Matcher;
use crate::scim::list::{ListRequest, ListResponse, Position};
use crate::scim::project::Projection;
use crate::scim::sort::{SortKey, Sorter};
use crate::store::{StoreError, users};

/// Resources in one answer, unless the client wants fewer or more.
pub(super) const USUAL_PAGE: u64 = 100;
/// Most resources in one answer.
pub(super) const LARGEST_PAGE: u64 = 1_000;
/// Records that are looked at together.
const CHUNK: usize = 500;

/// `GET /`: users, then groups, then all others (RFC 7644 §3.4.2.1).
pub(super) async fn everything(State(app): State<App>, call: Call) -> Result<Reply, Failure> {
    let (request, kinds) = (call.list_request()?, Kind::all(call.registry).collect());
    answer(app, call, kinds, request).await
}

/// `POST /.search`.
pub(super) async fn search_everything(State(app): State<App>, call: Call, Body(body): Body) -> Result<Reply, Failure> {
    let (request, kinds) = (call.search_request(body)?, Kind::all(call.registry).collect());
    answer(app, call, kinds, request).await
}

/// `GET /Users` and the like.
pub(super) async fn list(State(app): State<App>, call: Call, place: Place) -> Result<Reply, Failure> {
    let request = call.list_request()?;
    answer(app, call, vec![place.kind], request).await
}

/// `POST /Users/.search` and the like.
pub(super) async fn search(
    State(app): State<App>,
    call: Call,
    place: Place,
    Body(body): Body,
) -> Result<Reply, Failure> {
    let request = call.search_request(body)?;
    answer(app, call, vec![place.kind], request).await
}

/// A list. What an index answers is read at once; what may scan is read off the runtime's threads.
async fn answer(app: App, call: Call, kinds: Vec<Kind>, request: ListRequest) -> Result<Reply, Failure> {
    let is_quick = kinds.iter().all(|kind| request.filter.as_ref().is_some_and(|filter| has_index(*kind, filter)));
    if is_quick {
        return Ok(Reply::ok(read(&app, &call, &kinds, &request)?.into_json()));
    }
    let page = tokio::task::spawn_blocking(move || read(&app, &call, &kinds, &request)).await;
    Ok(Reply::ok(page.map_err(|_| StoreError::Stopped)??.into_json()))
}

fn read(app: &App, call: &Call, kinds: &[Kind], request: &ListRequest) -> Result<ListResponse, Failure> {
    let view = app.store.view();
    let shelf = call.shelf(&view);
    if let [kind @ Kind::Users(_)] = kinds
        && let Some(response) = one_by_name(&shelf, *kind, request)?
    {
        return Ok(response);
    }
    if let [kind @ Kind::Users(_)] = kinds
        && request.filter.is_none()
        && request.sort.is_none()
    {
        return page_of_users(&shelf, *kind, request, app);
    }
    match &request.cursor {
        None => page_by_index(&shelf, kinds, request),
        Some(text) => page_by_cursor(&shelf, kinds, request, text, app),
    }
}

/// The answer to `userName eq "…"`, which every provider asks before each change: one index row, one record.
fn one_by_name(shelf: &Shelf<'_>, kind: Kind, request: &ListRequest) -> Result<Option<ListResponse>, Failure> {
    let Some(Filter::Compare { value: Literal::String(name), .. }) =
        request.filter.as_ref().filter(|filter| is_name_lookup(kind, filter) && request.cursor.is_none())
    else {
        return Ok(None);
    };
    let user = users::by_username(shelf.reads, name)?.filter(|user| shelf.owns(user));
    let total_results = Some(u64::from(user.is_some()));
    let wanted = request.offset() == 0 && request.count != Some(0);
    let projection = Projection::new(kind.resource_type(), &request.attributes, &request.excluded_attributes);
    let resources = match user.filter(|_| wanted) {
        Some(user) => vec![Value::Object(projection.apply(shelf.answer_user(user, &projection)?))],
        None => Vec::new(),
    };
    Ok(Some(ListResponse { total_results, position: Position::Index(request.start_index), resources }))
}

/// How many results a page has.
fn page_size(request: &ListRequest) -> usize {
    usize::try_from(request.count.unwrap_or(USUAL_PAGE).min(LARGEST_PAGE)).unwrap_or(0)
}

fn page_by_index(shelf: &Shelf<'_>, kinds: &[Kind], request: &ListRequest) -> Result<ListResponse, Failure> {
    let offset = usize::try_from(request.offset()).unwrap_or(usize::MAX);
    let found = Results::of(shelf, kinds, request)?.found;
    let total_results = u64::try_from(found.len()).ok();
    let resources = show(shelf, request, found.into_iter().skip(offset).take(page_size(request)))?;
    Ok(ListResponse { total_results, position: Position::Index(request.start_index), resources })
}

fn page_by_cursor(
    shelf: &Shelf<'_>,
    kinds: &[Kind],
    request: &ListRequest,
    text: &str,
    app: &App,
) -> Result<ListResponse, Failure> {
    let (list, now) = (cursor::list_of(shelf.source, kinds, request), app.store.clock().now());
    let after = cursor::read(shelf.reads.sealer(), &list, text, now)?;
    let mut results = Results::of(shelf, kinds, request)?;
    let total_results = u64::try_from(results.found.len()).ok();
    if let Some(after) = after {
        results.found.retain(|found| results.order.compare(&found.mark, &after).is_gt());
    }
    let size = page_size(request);
    let more = results.found.len() > size;
    results.found.truncate(size);
    // A page of nothing goes nowhere: the reader has asked for the number alone.
    let last = results.found.last().filter(|_| more).map(|found| found.mark.clone());
    let next = last.map(|last| cursor::make(shelf.reads.sealer(), list, last, now)).transpose()?;
    let resources = show(shelf, request, results.found.into_iter())?;
    Ok(ListResponse { total_results, position: Position::Cursor(next), resources })
}

/// A page of all users: their number is known, and no more ids are read than the page is away.
fn page_of_users(shelf: &Shelf<'_>, kind: Kind, request: &ListRequest, app: &App) -> Result<ListResponse, Failure> {
    let (size, now) = (page_size(request), app.store.clock().now());
    let tally = shelf.tally()?;
    let total_results = Some(tally.present);
    let found = |id| Found { kind, mark: Mark { key: SortKey::Missing, id: Key::User(id) } };
    let Some(text) = &request.cursor else {
        let offset = usize::try_from(request.offset()).unwrap_or(usize::MAX);
        let ids =
            if request.offset() < tally.present { page_at(shelf, app, offset, size, tally.shifts)? } else { vec![] };
        let resources = show(shelf, request, ids.into_iter().map(found))?;
        return Ok(ListResponse { total_results, position: Position::Index(request.start_index), resources });
    };
    let list = cursor::list_of(shelf.source, &[kind], request);
    let after = match cursor::read(shelf.reads.sealer(), &list, text, now)? {
        Some(Mark { id: Key::User(id), .. }) => Some(id),
        _ => None,
    };
    let mut ids = shelf.user_ids(after, size.saturating_add(1))?;
    let more = ids.len() > size;
    ids.truncate(size);
    let last = ids.last().filter(|_| more).map(|id| found(*id).mark);
    let next = last.map(|last| cursor::make(shelf.reads.sealer(), list, last, now)).transpose()?;
    let resources = show(shelf, request, ids.into_iter().map(found))?;
    Ok(ListResponse { total_results, position: Position::Cursor(next), resources })
}

/// The users of a page by number; the next page is found quicker.
fn page_at(shelf: &Shelf<'_>, app: &App, offset: usize, size: usize, shifts: u64) -> Result<Vec<UserId>, StoreError> {
    let before = app.pages.find(shelf.source, offset, shifts);
    let ids = match before {
        Some(before) => shelf.user_ids(Some(before), size)?,
        None => shelf.user_ids(None, offset.saturating_add(size))?.into_iter().skip(offset).collect(),
    };
    // What was read while others were removed may be read of two states.
    if let Some(last) = ids.last().filter(|_| ids.len() == size)
        && shelf.tally()?.shifts == shifts
    {
        app.pages.note(shelf.source, offset.saturating_add(size), *last, shifts);
    }
    Ok(ids)
}

/// The resources of a page; those that have gone meanwhile are left out.
fn show(shelf: &Shelf<'_>, request: &ListRequest, page: impl Iterator<Item = Found>) -> Result<Vec<Value>, StoreError> {
    let mut shown = Vec::new();
    let page: Vec<Found> = page.collect();
    for of_a_kind in page.chunk_by(|one, other| one.kind.resource_type().name == other.kind.resource_type().name) {
        let Some(Found { kind, .. }) = of_a_kind.first() else { continue };
        let projection = Projection::new(kind.resource_type(), &request.attributes, &request.excluded_attributes);
        let detail = Wanted::all_if(kind.dear_attribute().is_some_and(|name| projection.wants(name)));
        let ids: Vec<Key> = of_a_kind.iter().map(|found| found.mark.id).collect();
        let loaded = shelf.load(*kind, &ids, &detail)?;
        shown.extend(loaded.into_iter().map(|(_, resource)| Value::Object(projection.apply(resource))));
    }
    Ok(shown)
}

struct Found {
    kind: Kind,
    mark: Mark,
}

/// How results follow each other: by what the client wants, then by kind and age.
struct Order(Option<Sorter>);

impl Order {
    fn compare(&self, left: &Mark, right: &Mark) -> Ordering {
        let wanted = self.0.as_ref().map_or(Ordering::Equal, |sorter| sorter.compare(&left.key, &right.key));
        wanted.then(left.id.cmp(&right.id))
    }
}

/// Everything that matches, in its order.
struct Results {
    found: Vec<Found>,
    order: Order,
}

impl Results {
    fn of(shelf: &Shelf<'_>, kinds: &[Kind], request: &ListRequest) -> Result<Self, Failure> {
        let mut found = Vec::new();
        for kind in kinds {
            found.extend(Search::bind(*kind, request)?.run(shelf)?);
        }
        let order = match (&request.sort, kinds.first()) {
            (Some(sort), Some(kind)) => Order(Some(Sorter::new(sort, kind.resource_type())?)),
            _ => Order(None),
        };
        // Also where nobody wants an order: cursors go by it.
        found.sort_by(|left, right| order.compare(&left.mark, &right.mark));
        Ok(Self { found, order })
    }
}

/// A list request bound to one kind of resource.
struct Search<'r> {
    kind: Kind,
    filter: Option<(&'r Filter, Matcher)>,
    sorter: Option<Sorter>,
    detail: Wanted,
}

impl<'r> Search<'r> {
    fn bind(kind: Kind, request: &'r ListRequest) -> Result<Self, Failure> {
        let kind_type = kind.resource_type();
        let matcher = request.filter.as_ref().map(|filter| Matcher::new(filter, kind_type)).transpose()?;
        let sorter = request.sort.as_ref().map(|sort| Sorter::new(sort, kind_type)).transpose()?;
        Ok(Self { kind, filter: request.filter.as_ref().zip(matcher), sorter, detail: detail(kind, request) })
    }

    fn run(&self, shelf: &Shelf<'_>) -> Result<Vec<Found>, Failure> {
        let found = |id, key| Found { kind: self.kind, mark: Mark { key, id } };
        let few = match &self.filter {
            Some((filter, _)) => candidates(shelf, self.kind, filter)?,
            None => None,
        };
        let ids = few.map_or_else(|| shelf.ids(self.kind), Ok)?;
        if self.filter.is_none() && self.sorter.is_none() {
            return Ok(ids.into_iter().map(|id| found(id, SortKey::Missing)).collect());
        }
        let believed = match &self.filter {
            Some((filter, _)) => exact(shelf, self.kind, filter)?,
            None => None,
        };
        let mut all = Vec::new();
        for chunk in ids.chunks(CHUNK) {
            for (id, resource) in shelf.load(self.kind, chunk, &self.detail)? {
                let matches = |(_, matcher): &(_, Matcher)| Some(id) == believed || matcher.matches(&resource);
                if self.filter.as_ref().is_none_or(matches) {
                    all.push(found(id, self.sorter.as_ref().map_or(SortKey::Missing, |sorter| sorter.key(&resource))));
                }
            }
        }
        Ok(all)
    }
}
