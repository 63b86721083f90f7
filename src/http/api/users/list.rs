//! Pages of users: `?filter=` in SCIM syntax, `?sort=` by one attribute, `?cursor=` from where the last page ended.

use std::cmp::Reverse;

use axum::Json;
use axum::extract::State;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::view;
use crate::base::id::UserId;
use crate::directory::query::{Filter, Literal};
use crate::directory::user::User;
use crate::http::error::Problem;
use crate::http::extract::Parameters;
use crate::http::state::App;
use crate::scim::evaluate::Matcher;
use crate::scim::filter;
use crate::store::{StoreError, list, users};

/// A place in a sorted list: users without the attribute come last.
type Place = (bool, String);

/// A page of users; those in tombstones only with `?removed=true`. Read off the runtime's threads: it may scan.
pub async fn list(State(app): State<App>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let read = tokio::task::spawn_blocking(move || read(&app, &parameters));
    read.await.map_err(|_| StoreError::Stopped)?
}

fn read(app: &App, parameters: &Parameters) -> Result<Json<Value>, Problem> {
    let limit = parameters.limit()?;
    let filter = parameters.get("filter").map(filter::parse).transpose();
    let filter = filter.map_err(|error| Problem::field("filter", "malformed", &error.detail))?;
    let matcher = filter.as_ref().map(|filter| Matcher::new(filter, &view::FILTERABLE)).transpose();
    let matcher = matcher.map_err(|error| Problem::field("filter", "malformed", &error.detail))?;
    let now = app.store.clock().now();
    let keep = |user: &User| matcher.as_ref().is_none_or(|matcher| matcher.matches(&view::attributes(user, now)));
    if parameters.get("removed") == Some("true") {
        return removed(app, limit, parameters.get("cursor"), keep);
    }
    if let Some(user) = filter.as_ref().map(|filter| pinpoint(app, filter)).transpose()?.flatten() {
        return page(app, user.into_iter().filter(keep).collect(), None);
    }
    let sort = Sort::parse(parameters.get("sort").unwrap_or("username"))?;
    let after = parameters.get("cursor").map(read_cursor).transpose()?;
    let (users, places) = sorted(app, &sort, after, limit.saturating_add(1), keep)?;
    let next =
        if users.len() > limit { users.get(limit - 1).zip(places.get(limit - 1)).map(write_cursor) } else { None };
    page(app, users.into_iter().take(limit).collect(), next)
}

fn page(app: &App, users: Vec<User>, next: Option<String>) -> Result<Json<Value>, Problem> {
    let items = users.iter().map(|user| view::user(app, user)).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

/// Tombstones in the order in which they are purged.
fn removed(
    app: &App,
    limit: usize,
    cursor: Option<&str>,
    keep: impl Fn(&User) -> bool,
) -> Result<Json<Value>, Problem> {
    let malformed = || Problem::field("cursor", "malformed", "must be the next_cursor of an earlier page");
    let after: Option<UserId> = cursor.map(|text| text.parse().map_err(|_| malformed())).transpose()?;
    let reads = app.store.view();
    let ids = users::purgeable(&reads, jiff::Timestamp::MAX, usize::MAX)?;
    let start = after.map_or(0, |after| ids.iter().position(|id| *id == after).map_or(ids.len(), |place| place + 1));
    let mut found = Vec::new();
    for chunk in ids.get(start..).unwrap_or_default().chunks(500) {
        found.extend(users::get_many(&reads, chunk)?.into_iter().filter(&keep));
        if found.len() > limit {
            break;
        }
    }
    let next = if found.len() > limit { found.get(limit - 1).map(|user| user.id.to_string()) } else { None };
    found.truncate(limit);
    page(app, found, next)
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

const SORTABLE: &[&str] = &[
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
            "modified_at" => time(Some(user.modified_at)),
            "expires_at" => time(user.expires_at),
            "last_login" => time(user.last_login),
            "last_seen" => time(user.last_seen),
            _ => Some(user.username.folded()),
        };
        (value.is_none(), value.unwrap_or_default())
    }
}

/// One more than a page, in order, each with its place.
fn sorted(
    app: &App,
    sort: &Sort,
    after: Option<(Place, UserId)>,
    limit: usize,
    keep: impl Fn(&User) -> bool,
) -> Result<(Vec<User>, Vec<Place>), Problem> {
    let reads = app.store.view();
    let place = |user: &User| keep(user).then(|| sort.place(user));
    if sort.descending {
        let after = after.map(|(place, id)| (Reverse(place), id));
        let found = list::by_key(&reads, after.as_ref(), limit, |user| place(user).map(Reverse))?;
        return Ok(found.into_iter().map(|(place, user)| (user, place.0)).unzip());
    }
    if sort.attribute == "username" {
        let after = after.map(|((_, username), _)| username);
        let found = list::by_username(&reads, after.as_deref(), limit, keep)?;
        return Ok(found
            .into_iter()
            .map(|user| {
                let place = sort.place(&user);
                (user, place)
            })
            .unzip());
    }
    let found = list::by_key(&reads, after.as_ref(), limit, place)?;
    Ok(found.into_iter().map(|(place, user)| (user, place)).unzip())
}

fn write_cursor((user, place): (&User, &Place)) -> String {
    BASE64URL_NOPAD.encode(json!([place.0, place.1, user.id]).to_string().as_bytes())
}

fn read_cursor(text: &str) -> Result<(Place, UserId), Problem> {
    let bytes = if text.len() > 4_096 { None } else { BASE64URL_NOPAD.decode(text.as_bytes()).ok() };
    let read = bytes.and_then(|bytes| serde_json::from_slice::<(bool, String, UserId)>(&bytes).ok());
    let (missing, value, id) =
        read.ok_or_else(|| Problem::field("cursor", "malformed", "must be the next_cursor of an earlier page"))?;
    Ok(((missing, value), id))
}
