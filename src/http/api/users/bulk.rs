//! One wish about many users: who is meant, what shall become of them, and that nobody is changed by mistake.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio::sync::OwnedSemaphorePermit;

use super::filter::Condition;
use super::gate::CallersRights;
use super::many::{self, Seen, Watched};
use super::{knows, sees};
use crate::base::id::UserId;
use crate::base::text;
use crate::directory::permission::Permission;
use crate::directory::plan::{Cause, Fault};
use crate::directory::user::User;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Body;
use crate::http::openapi::bodies::{FilterText, INTEGER_MAX, Line};
use crate::http::openapi::cases::Clause::{Given, Is, Off, On, Without};
use crate::http::openapi::cases::{Cases, one_holds};
use crate::http::state::App;
use crate::store::tx::Reads;
use crate::store::{StoreError, users};
use crate::sync::bulk::{Begun, BulkChange, Draft, Planner, Progress, To, Wish};

mod change;

use change::ChangeWish;

/// Longest reason, in characters.
pub(in crate::http) const REASON_MAX: usize = 512;
/// Users that are read at a time.
const CHUNK: usize = 500;

/// Who is meant is said once, and what changes where something does.
const WHO: Cases = &[
    &[Given("filter"), Without("users"), Off("everybody")],
    &[Without("filter"), Given("users"), Off("everybody")],
    &[Without("filter"), Without("users"), On("everybody")],
];
const WHAT: Cases = &[
    &[Is("action", &["change"]), Given("change")],
    &[Is("action", &["enable", "disable", "delete"]), Without("change")],
];
/// What is asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = one_holds(WHO), transform = one_holds(WHAT))]
pub struct Asked {
    /// Who is meant: a SCIM filter. It never finds removed users.
    #[serde(default)]
    #[schemars(with = "Option<FilterText>")]
    filter: Option<String>,
    /// Or these, by id or username.
    #[serde(default)]
    users: Option<Vec<String>>,
    /// Or everybody.
    #[serde(default)]
    everybody: bool,
    /// What shall become of them.
    action: Action,
    /// With the action `change`: what changes.
    #[serde(default)]
    change: Option<ChangeWish>,
    /// Why, for the audit trail.
    #[serde(default)]
    #[schemars(with = "Option<Line<REASON_MAX>>")]
    reason: Option<String>,
    /// Only tell.
    #[serde(default)]
    dry_run: bool,
    /// How many users are meant; with any other number nothing is changed.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(range(max = INTEGER_MAX))]
    expect: Option<usize>,
    /// The digest of a preview; where the plan is another by now, nothing is changed.
    #[serde(default)]
    digest: Option<String>,
}

/// A whole number, however it is written: `40.0` is one too (JSON Schema §6.1.1).
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    let text = number.to_string();
    let number = text.strip_suffix(".0").unwrap_or(&text).parse();
    number.map(Some).map_err(|_| D::Error::custom("invalid value: expected a whole number from 0"))
}

/// What shall become of users.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Action {
    Enable,
    Disable,
    Delete,
    Change,
}

/// Who is meant.
enum Selection {
    Matching(Box<Condition>),
    Named(Vec<String>),
    Everybody,
}

/// A wish, understood.
struct Order {
    selection: Selection,
    action: Action,
    change: BulkChange,
    reason: String,
}

/// Changes many users.
pub async fn bulk(State(app): State<App>, caller: Caller, Body(asked): Body<Asked>) -> Result<Response, Problem> {
    let seen = Seen { digest: asked.digest.clone(), expect: asked.expect };
    let dry_run = asked.dry_run;
    let order = Order::parse(&app, &caller, asked)?;
    let author = caller.author().because(order.reason.clone());
    let turn = app.bulk.planning_turn().ok_or_else(|| many::busy("other bulk changes are planned: try again"))?;
    let rights = Arc::new(CallersRights { app: app.clone(), caller });
    if dry_run {
        let draft = plan(&rights, order, turn, Arc::default()).await?;
        seen.check(&draft)?;
        return Ok(many::preview(app.bulk.preview(Cause::Bulk, draft)?));
    }
    let begun = app.bulk.begin(Cause::Bulk, &author).await?;
    let run = begun.id;
    many::answer(&app, run, true, async move { carry_out(&rights, order, turn, begun, &seen).await }).await
}

async fn carry_out(
    rights: &Arc<CallersRights>,
    order: Order,
    turn: OwnedSemaphorePermit,
    begun: Begun,
    seen: &Seen,
) -> Result<Response, Problem> {
    let bulk = rights.app.bulk.clone();
    let planned = plan(rights, order, turn, begun.progress.clone()).await;
    let planned = planned.and_then(|draft| seen.check(&draft).map(|()| draft));
    match planned {
        Ok(draft) => Ok(many::report(bulk.settle(begun, draft).await?)),
        Err(problem) => {
            bulk.fail(begun, problem.detail.clone()).await?;
            Err(problem)
        }
    }
}

async fn plan(
    rights: &Arc<CallersRights>,
    order: Order,
    turn: OwnedSemaphorePermit,
    progress: Arc<Progress>,
) -> Result<Draft, Problem> {
    let rights = rights.clone();
    let planning = move |watched: &Watched| {
        let draft = order.plan(&rights, watched)?;
        // A user of whom something could not be read is not left out in silence.
        match order.selection {
            Selection::Matching(condition) => condition.end().map_err(|_| StoreError::Stopped)?,
            Selection::Everybody | Selection::Named(_) => {}
        }
        Ok(draft)
    };
    Ok(many::plan(turn, progress, planning).await?)
}

impl Order {
    fn parse(app: &App, caller: &Caller, asked: Asked) -> Result<Self, Problem> {
        let Asked { filter, users, everybody, action, change, reason, .. } = asked;
        caller.must_somewhere(match action {
            Action::Enable | Action::Disable => Permission::UsersState,
            Action::Delete => Permission::UsersDelete,
            Action::Change => Permission::UsersUpdate,
        })?;
        let selection = select(app, filter, users, everybody)?;
        let change = match (action, change) {
            (Action::Change, Some(change)) => change.parse(app, caller)?,
            (Action::Change, None) => {
                return Err(Problem::field("change", "missing", "says what changes: give it with this action"));
            }
            (_, Some(_)) => {
                return Err(Problem::field("change", "not_with_action", "is for the action change alone"));
            }
            (_, None) => BulkChange::default(),
        };
        Ok(Self { selection, action, change, reason: reason_of(reason.as_deref(), "bulk change")? })
    }

    fn wish(&self, user: &User) -> Wish {
        let to = |to| Wish { to: Some(to), ..Wish::default() };
        match self.action {
            Action::Enable => to(To::Enabled),
            Action::Disable => to(To::Disabled),
            Action::Delete => to(To::Removed),
            Action::Change => self.change.of(user),
        }
    }

    fn plan(&self, rights: &CallersRights, watched: &Watched) -> Result<Draft, StoreError> {
        let app = &rights.app;
        let (reads, now) = (app.store.snapshot()?, app.store.clock().now());
        let mut planner = Planner::new(&reads, rights, &app.users, self.reason.clone(), now)?;
        let is_seen = |user: &User| sees(app, &rights.caller, user);
        let mut take = |user: &User| {
            watched.progress()?.validated();
            planner.change(None, user, self.wish(user))
        };
        match &self.selection {
            Selection::Everybody => each(&reads, watched, |user| if is_seen(&user)? { take(&user) } else { Ok(()) })?,
            Selection::Matching(condition) => each(&reads, watched, |user| {
                let is_meant = condition.holds(app, &user, now) && is_seen(&user)?;
                if is_meant { take(&user) } else { Ok(()) }
            })?,
            Selection::Named(names) => {
                let mut met = BTreeSet::new();
                for name in names {
                    // Of whom the caller does not know, nothing is told.
                    let found = match named(&reads, name)? {
                        Some(user) if knows(app, &rights.caller, &user)? => Some(user),
                        _ => None,
                    };
                    match found {
                        Some(user) if met.insert(user.id) => planner.change(None, &user, self.wish(&user))?,
                        Some(_) => {}
                        None => {
                            let fault = Fault::new("not_found", "there is no such user");
                            planner.refuse(None, name, None, vec![fault])?;
                        }
                    }
                }
            }
        }
        planner.finish()
    }
}

/// A reason as the audit trail takes it.
pub(super) fn reason_of(reason: Option<&str>, otherwise: &str) -> Result<String, Problem> {
    Ok(parsed_reason(reason)?.unwrap_or_else(|| otherwise.to_owned()))
}

/// The same, where there is one.
pub(super) fn parsed_reason(reason: Option<&str>) -> Result<Option<String>, Problem> {
    let parsed = reason.map(|reason| text::line(reason, REASON_MAX)).transpose();
    parsed.map_err(|fault| Problem::field("reason", fault.code(), &fault.to_string()))
}

fn select(
    app: &App,
    filter: Option<String>,
    users: Option<Vec<String>>,
    everybody: bool,
) -> Result<Selection, Problem> {
    match (filter, users, everybody) {
        (Some(text), None, false) if text.trim().is_empty() => {
            let message = "is empty: say everybody = true where everybody is meant";
            Err(Problem::field("filter", "empty", message))
        }
        (Some(text), None, false) => Ok(Selection::Matching(Box::new(Condition::parse(app, &text)?))),
        (None, Some(names), false) => Ok(Selection::Named(names)),
        (None, None, true) => Ok(Selection::Everybody),
        _ => Err(Problem::field("filter", "one_of", "users or everybody: exactly one of them says who is meant")),
    }
}

/// Shows everybody who is not removed, as long as somebody waits for it.
fn each(
    reads: &dyn Reads,
    watched: &Watched,
    mut visit: impl FnMut(User) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after: Option<String> = None;
    loop {
        watched.progress()?;
        let named = users::ids_by_username(reads, after.as_deref(), CHUNK)?;
        let Some((last, _)) = named.last() else { return Ok(()) };
        after = Some(last.clone());
        let ids: Vec<UserId> = named.iter().map(|(_, id)| *id).collect();
        users::get_many(reads, &ids)?.into_iter().try_for_each(&mut visit)?;
    }
}

/// The user of this id, removed ones too, or of this username.
fn named(reads: &dyn Reads, name: &str) -> Result<Option<User>, StoreError> {
    match name.parse::<UserId>() {
        Ok(id) => users::get(reads, id),
        Err(_) => users::by_username(reads, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_users_is_whole_however_it_is_written() {
        let expect = |number: &str| {
            let asked = format!(r#"{{"action": "enable", "everybody": true, "expect": {number}}}"#);
            serde_json::from_str::<Asked>(&asked).map(|asked| asked.expect).map_err(drop)
        };
        assert_eq!(expect("40"), Ok(Some(40)));
        assert_eq!(expect("40.0"), Ok(Some(40)));
        assert_eq!(expect("4e1"), Ok(Some(40)));
        assert_eq!(expect("null"), Ok(None));
        for bad in ["40.5", "-1", "-1.0", "\"40\"", "1e400"] {
            assert_eq!(expect(bad), Err(()), "{bad}");
        }
    }
}
