//! Lists of the source's users and groups: through an index where the filter names a unique value, else by a
//! scan; filtered, sorted, paged (RFC 7644 §3.4.2). Without filter and sort only the page's records are read.

use axum::extract::State;
use serde_json::Value;

use super::body::Body;
use super::call::Call;
use super::index::{Kind, candidates, detail, has_index, is_name_lookup};
use super::members::Wanted;
use super::reply::{Failure, Reply};
use super::shelf::Shelf;
use crate::directory::group::Member;
use crate::directory::query::{Filter, Literal};
use crate::http::state::App;
use crate::scim::evaluate::Matcher;
use crate::scim::list::{ListRequest, ListResponse};
use crate::scim::project::Projection;
use crate::scim::sort::{SortKey, Sorter};
use crate::store::{StoreError, groups, users};

/// Resources in one answer, unless the client wants fewer or more.
const USUAL_PAGE: u64 = 100;
/// Most resources in one answer.
pub(super) const LARGEST_PAGE: u64 = 1_000;
/// Records that are looked at together.
const CHUNK: usize = 500;

/// `GET /`: users, then groups (RFC 7644 §3.4.2.1).
pub(super) async fn everything(State(app): State<App>, call: Call) -> Result<Reply, Failure> {
    let request = call.list_request()?;
    answer(app, call, &[Kind::Users, Kind::Groups], request).await
}

/// `POST /.search`.
pub(super) async fn search_everything(State(app): State<App>, call: Call, Body(body): Body) -> Result<Reply, Failure> {
    answer(app, call, &[Kind::Users, Kind::Groups], ListRequest::from_search(body)?).await
}

/// A list. What an index answers is read at once; what may scan is read off the runtime's threads.
pub(super) async fn answer(
    app: App,
    call: Call,
    kinds: &'static [Kind],
    request: ListRequest,
) -> Result<Reply, Failure> {
    let is_quick = kinds.iter().all(|kind| request.filter.as_ref().is_some_and(|filter| has_index(*kind, filter)));
    if is_quick {
        return Ok(Reply::ok(read(&app, &call, kinds, &request)?.into_json()));
    }
    let page = tokio::task::spawn_blocking(move || read(&app, &call, kinds, &request)).await;
    Ok(Reply::ok(page.map_err(|_| StoreError::Stopped)??.into_json()))
}

fn read(app: &App, call: &Call, kinds: &[Kind], request: &ListRequest) -> Result<ListResponse, Failure> {
    let view = app.store.view();
    let shelf = Shelf { reads: &view, source: &call.source, base: &call.base };
    match kinds {
        [Kind::Users] => match one_by_name(&shelf, request)? {
            Some(response) => Ok(response),
            None => page(&shelf, kinds, request),
        },
        _ => page(&shelf, kinds, request),
    }
}

/// The answer to `userName eq "…"`, which every provider asks before each change: one index row, one record.
fn one_by_name(shelf: &Shelf<'_>, request: &ListRequest) -> Result<Option<ListResponse>, Failure> {
    let Some(Filter::Compare { value: Literal::String(name), .. }) =
        request.filter.as_ref().filter(|filter| is_name_lookup(Kind::Users, filter))
    else {
        return Ok(None);
    };
    let user = users::by_username(shelf.reads, name)?.filter(|user| shelf.owns(user));
    let total_results = u64::from(user.is_some());
    let wanted = request.offset() == 0 && request.count != Some(0);
    let projection = Projection::new(Kind::Users.resource_type(), &request.attributes, &request.excluded_attributes);
    let resources = match user.filter(|_| wanted) {
        Some(user) => vec![Value::Object(projection.apply(shelf.answer_user(user, &projection)?))],
        None => Vec::new(),
    };
    Ok(Some(ListResponse { total_results, start_index: request.start_index, resources }))
}

fn page(shelf: &Shelf<'_>, kinds: &[Kind], request: &ListRequest) -> Result<ListResponse, Failure> {
    let size = usize::try_from(request.count.unwrap_or(USUAL_PAGE).min(LARGEST_PAGE)).unwrap_or(0);
    let offset = usize::try_from(request.offset()).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for kind in kinds {
        found.extend(Search::bind(*kind, request)?.run(shelf)?);
    }
    if let (Some(sort), Some(kind)) = (&request.sort, kinds.first()) {
        let sorter = Sorter::new(sort, kind.resource_type())?;
        found.sort_by(|left, right| sorter.compare(&left.key, &right.key));
    }
    let total_results = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let resources = found.into_iter().skip(offset).take(size).map(|found| show(shelf, found.id, request));
    let resources = resources.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    Ok(ListResponse { total_results, start_index: request.start_index, resources })
}

/// One resource of the page; nothing if it has gone meanwhile.
fn show(shelf: &Shelf<'_>, id: Member, request: &ListRequest) -> Result<Option<Value>, StoreError> {
    let kind = Kind::of(id);
    let projection = Projection::new(kind.resource_type(), &request.attributes, &request.excluded_attributes);
    let detail = Wanted::all_if(projection.wants(kind.dear_attribute()));
    let loaded = shelf.load(&[id], &detail)?.pop();
    Ok(loaded.map(|(_, resource)| Value::Object(projection.apply(resource))))
}

struct Found {
    id: Member,
    key: SortKey,
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
        let (ids, believed) = match &self.filter {
            Some((filter, _)) => match candidates(shelf, self.kind, filter)? {
                Some(ids) => (ids, is_name_lookup(self.kind, filter)),
                None => (all(shelf, self.kind)?, false),
            },
            None if self.sorter.is_none() => {
                return Ok(all(shelf, self.kind)?.into_iter().map(|id| Found { id, key: SortKey::Missing }).collect());
            }
            None => (all(shelf, self.kind)?, false),
        };
        let mut found = Vec::new();
        for chunk in ids.chunks(CHUNK) {
            for (id, resource) in shelf.load(chunk, &self.detail)? {
                let matches = self.filter.as_ref().is_none_or(|(_, matcher)| believed || matcher.matches(&resource));
                if matches {
                    let key = self.sorter.as_ref().map_or(SortKey::Missing, |sorter| sorter.key(&resource));
                    found.push(Found { id, key });
                }
            }
        }
        Ok(found)
    }
}

fn all(shelf: &Shelf<'_>, kind: Kind) -> Result<Vec<Member>, StoreError> {
    Ok(match kind {
        Kind::Users => shelf.user_ids()?.into_iter().map(Member::User).collect(),
        Kind::Groups => groups::ids_of_source(shelf.reads, shelf.source)?.into_iter().map(Member::Group).collect(),
    })
}
