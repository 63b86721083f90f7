//! Pages of users: `?filter=` in SCIM syntax, `?sort=` by one attribute, `?cursor=` from where the last page ended.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::filter::Condition;
use super::{sees, view};
use crate::base::id::{OrganizationId, UserId};
use crate::directory::authority::Reach;
use crate::directory::grant::{Gives, Grant};
use crate::directory::permission::Permission;
use crate::directory::query::{Filter, Literal, Operator};
use crate::directory::user::User;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{self, Parameters};
use crate::http::state::App;
use crate::scim::evaluate::earliest;
use crate::store::engine::Order;
use crate::store::list::Among;
use crate::store::users::TimePlace;
use crate::store::{StoreError, list, users};

/// A place in a sorted list: users without the attribute come last.
type Place = (bool, String);

/// The one state that an index knows.
const DISABLED: &str = "disabled";

/// A page of users; those in tombstones only with `?removed=true`. Read off the runtime's threads: it may scan.
pub async fn list(State(app): State<App>, caller: Caller, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let read = tokio::task::spawn_blocking(move || read(&app, &caller, &parameters));
    read.await.map_err(|_| StoreError::Stopped)?
}

fn read(app: &App, caller: &Caller, parameters: &Parameters) -> Result<Json<Value>, Problem> {
    let limit = parameters.limit()?;
    let condition = parameters.get("filter").map(|text| Condition::parse(app, text)).transpose()?;
    let now = app.store.clock().now();
    let fits = |user: &User| condition.as_ref().is_none_or(|condition| condition.holds(app, user, now));
    // Who cannot be said to be seen is not shown, and nobody is left out in silence.
    let fault = OnceCell::new();
    let is_seen = |user: &User| match sees(app, caller, user) {
        Ok(is_seen) => is_seen,
        Err(error) => {
            fault.get_or_init(|| error);
            false
        }
    };
    let keep = |user: &User| fits(user) && is_seen(user);
    let seen_in = seen_in(app, caller)?;
    let look = Look { seen_in: seen_in.as_ref(), filter: condition.as_ref().map(|condition| &condition.filter) };
    let found = find(app, parameters, &look, limit, keep);
    condition.map_or(Ok(()), Condition::end)?;
    fault.into_inner().map_or(found, |error| Err(error.into()))
}

/// Where to look for those who fit.
struct Look<'a> {
    /// The caller sees the members of these organisations and nobody else; none: others too.
    seen_in: Option<&'a BTreeSet<OrganizationId>>,
    filter: Option<&'a Filter>,
}

/// The organisations whose members, with those whom nothing else puts there, are all that a caller sees, where they are
/// few.
fn seen_in(app: &App, caller: &Caller) -> Result<Option<BTreeSet<OrganizationId>>, StoreError> {
    let Reach::Organizations(seen) = caller.authority.reach(Permission::UsersView) else { return Ok(None) };
    let puts = |grant: &Grant| matches!(&grant.rule.gives, Gives::Organization(id, _) if seen.contains(id));
    let is_index = !app.auth.grants.iter().any(puts) && list::few_members(&app.store.view(), &seen)?;
    Ok(is_index.then_some(seen))
}

fn find(
    app: &App,
    parameters: &Parameters,
    look: &Look<'_>,
    limit: usize,
    keep: impl Fn(&User) -> bool,
) -> Result<Json<Value>, Problem> {
    if parameters.flag("removed")? {
        return removed(app, limit, parameters.get("cursor"), keep);
    }
    if let Some(user) = look.filter.map(|filter| pinpoint(app, filter)).transpose()?.flatten() {
        return page(app, user.into_iter().filter(keep).collect(), None);
    }
    let sort = Sort::parse(parameters.get("sort").unwrap_or("username"))?;
    let after = parameters.get("cursor").map(read_cursor).transpose()?;
    let among = among(app, look, &sort)?;
    let found = sorted(app, &sort, among, after, limit.saturating_add(1), keep)?;
    cut(app, found, limit)
}

/// Cuts off what is more than a page, and says where to go on.
fn cut(app: &App, mut found: Vec<(Place, User)>, limit: usize) -> Result<Json<Value>, Problem> {
    let next = extract::cut(&mut found, limit, |(place, user)| write_cursor(place, user.id));
    page(app, found.into_iter().map(|(_, user)| user).collect(), next)
}

fn page(app: &App, users: Vec<User>, next: Option<String>) -> Result<Json<Value>, Problem> {
    let items = view::users(app, &users)?;
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

/// Tombstones in the order in which they are purged.
fn removed(
    app: &App,
    limit: usize,
    cursor: Option<&str>,
    keep: impl Fn(&User) -> bool,
) -> Result<Json<Value>, Problem> {
    let after = cursor.map(read_cursor).transpose()?.map(time_place).transpose()?;
    let found = list::removed(&app.store.view(), after, limit.saturating_add(1), keep)?;
    cut(app, found.into_iter().map(placed).collect(), limit)
}

/// Among whom to look for what a filter requires, where an index knows. Those who were changed since a time are worth
/// it where the list is in their order, or where they are few.
fn among<'a>(app: &App, look: &Look<'a>, sort: &Sort) -> Result<Among<'a>, StoreError> {
    if let Some(seen) = look.seen_in.filter(|_| sort.attribute != "modified_at") {
        return Ok(Among::MembersOf(seen));
    }
    let Some(filter) = look.filter else { return Ok(Among::Everybody) };
    let disabled = filter.required().any(|(path, operator, literal)| {
        let is_state = path.is("state", None) && operator == Operator::Equal;
        is_state && matches!(literal, Literal::String(state) if state.eq_ignore_ascii_case(DISABLED))
    });
    let from = earliest(filter, |path| path.is("modified_at", None)).map(users::modified_place);
    Ok(match from {
        Some(from) if sort.attribute == "modified_at" => Among::ModifiedFrom(from),
        _ if disabled => Among::InState(DISABLED),
        Some(from) if list::few_modified_from(&app.store.view(), from)?.is_some() => Among::ModifiedFrom(from),
        _ => Among::Everybody,
    })
}

/// The one user that can fit a filter, where an index knows; `Some(None)`: there is none.
fn pinpoint(app: &App, filter: &Filter) -> Result<Option<Option<User>>, Problem> {
    let reads = app.store.view();
    for (path, value) in filter.required_equals() {
        let Literal::String(value) = value else { continue };
        let found = match path.name.to_ascii_lowercase().as_str() {
            "id" => value.parse().ok().map(|id| users::get(&reads, id)).transpose()?.flatten(),
            "username" => users::by_username(&reads, value)?,
            "email" => users::by_email(&reads, value)?,
            _ => continue,
        };
        return Ok(Some(found.filter(|user| !user.is_removed())));
    }
    Ok(None)
}

struct Sort {
    attribute: String,
    descending: bool,
}

/// By what a list can be sorted.
pub(in crate::http) const SORTABLE: &[&str] = &[
    "username",
    "name",
    "email",
    "source",
    "state",
    "created_at",
    "modified_at",
    "expires_at",
    "last_login",
    "last_seen",
];

impl Sort {
    fn parse(text: &str) -> Result<Self, Problem> {
        let (descending, attribute) = text.strip_prefix('-').map_or((false, text), |attribute| (true, attribute));
        if SORTABLE.contains(&attribute) {
            return Ok(Self { attribute: attribute.to_owned(), descending });
        }
        let message = format!("must be one of {}; a minus sign in front turns the order around", SORTABLE.join(", "));
        Err(Problem::field("sort", "unknown_attribute", &message))
    }

    fn place(&self, user: &User) -> Place {
        let time = |at: Option<jiff::Timestamp>| at.map(|at| format!("{:020}", at.as_millisecond().max(0)));
        let value = match self.attribute.as_str() {
            "name" => Some(user.name.folded()),
            "email" => user.email.as_ref().map(|email| email.folded()),
            "source" => Some(user.source.as_str().to_owned()),
            "state" => Some(user.state_name().to_owned()),
            "created_at" => time(Some(user.created_at)),
            "expires_at" => time(user.expires_at),
            "last_login" => time(user.last_login),
            "last_seen" => time(user.last_seen),
            _ => Some(user.username.folded()),
        };
        (value.is_none(), value.unwrap_or_default())
    }
}

/// The first so many in order, each with its place.
fn sorted(
    app: &App,
    sort: &Sort,
    among: Among<'_>,
    after: Option<(Place, UserId)>,
    limit: usize,
    keep: impl Fn(&User) -> bool,
) -> Result<Vec<(Place, User)>, Problem> {
    let reads = app.store.view();
    if sort.attribute == "modified_at" {
        let from = if let Among::ModifiedFrom(from) = among { from } else { 0 };
        let order = if sort.descending { Order::Descending } else { Order::Ascending };
        let after = after.map(time_place).transpose()?;
        let found = list::by_modified(&reads, order, from, after, limit, keep)?;
        return Ok(found.into_iter().map(placed).collect());
    }
    let place = |user: &User| keep(user).then(|| sort.place(user));
    if sort.descending {
        let after = after.map(|(place, id)| (Reverse(place), id));
        let found = list::by_key(&reads, among, after.as_ref(), limit, |user| place(user).map(Reverse))?;
        return Ok(found.into_iter().map(|(place, user)| (place.0, user)).collect());
    }
    let state = match among {
        Among::Everybody => None,
        Among::InState(state) => Some(state),
        Among::ModifiedFrom(_) | Among::MembersOf(_) => {
            return Ok(list::by_key(&reads, among, after.as_ref(), limit, place)?);
        }
    };
    if sort.attribute == "username" {
        let after = after.map(|((_, username), _)| username);
        let found = list::by_username(&reads, state, after.as_deref(), limit, keep)?;
        return Ok(found.into_iter().map(|user| (sort.place(&user), user)).collect());
    }
    Ok(list::by_key(&reads, among, after.as_ref(), limit, place)?)
}

/// A place in an index by time as a place in a list.
fn placed(((time, _), user): (TimePlace, User)) -> (Place, User) {
    ((false, format!("{time:020}")), user)
}

/// And back, from a cursor.
fn time_place(((_, time), id): (Place, UserId)) -> Result<TimePlace, Problem> {
    time.parse().map(|time| (time, id)).map_err(|_| malformed_cursor())
}

fn malformed_cursor() -> Problem {
    Problem::field("cursor", "malformed", "must be the next_cursor of an earlier page")
}

fn write_cursor(place: &Place, id: UserId) -> String {
    BASE64URL_NOPAD.encode(json!([place.0, place.1, id]).to_string().as_bytes())
}

fn read_cursor(text: &str) -> Result<(Place, UserId), Problem> {
    let bytes = if text.len() > 4_096 { None } else { BASE64URL_NOPAD.decode(text.as_bytes()).ok() };
    let read = bytes.and_then(|bytes| serde_json::from_slice::<(bool, String, UserId)>(&bytes).ok());
    let (missing, value, id) = read.ok_or_else(malformed_cursor)?;
    Ok(((missing, value), id))
}
