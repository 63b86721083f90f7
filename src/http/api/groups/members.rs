//! The members of a group: a page of them, and changes of many at once.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{find_group, own, reached};
use crate::base::id::GroupId;
use crate::directory::field::FieldError;
use crate::directory::group::Member;
use crate::directory::permission::Permission;
use crate::http::api::users::rights::may_release;
use crate::http::api::users::{find, knows};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, IfMatch, Parameters, Segment};
use crate::http::openapi::bodies::Reference;
use crate::http::state::App;
use crate::store::tx::{Reads, Tx};
use crate::store::{StoreError, groups, users};

/// Most members that one call adds and removes.
const MOST: usize = 10_000;

/// Members to add and to remove: users by id or username, groups by id or name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    #[serde(default)]
    #[schemars(with = "Vec<Reference>", length(max = MOST))]
    add_users: Vec<String>,
    #[serde(default)]
    #[schemars(with = "Vec<Reference>", length(max = MOST))]
    remove_users: Vec<String>,
    #[serde(default)]
    #[schemars(with = "Vec<Reference>", length(max = MOST))]
    add_groups: Vec<String>,
    #[serde(default)]
    #[schemars(with = "Vec<Reference>", length(max = MOST))]
    remove_groups: Vec<String>,
}

/// A page of the direct members.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let group = reached(&app, &caller, &name, Permission::GroupsView)?;
    let after = parameters.get("cursor").map(parse_member).transpose()?;
    let (view, limit) = (app.store.view(), parameters.limit()?);
    let members = groups::members(&view, group.id, after, limit)?;
    let next = members.last().filter(|_| members.len() == limit).map(|member| member_text(*member));
    let items = members.iter().map(|member| shown(&view, *member)).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

fn shown(reads: &dyn Reads, member: Member) -> Result<Value, StoreError> {
    Ok(match member {
        Member::User(id) => {
            let user = users::get(reads, id)?;
            let user = user.as_ref();
            json!({"kind": "user", "id": id, "username": user.map(|user| &user.username), "name": user.map(|user| &user.name)})
        }
        Member::Group(id) => {
            json!({"kind": "group", "id": id, "name": groups::get(reads, id)?.map(|group| group.name)})
        }
    })
}

fn member_text(member: Member) -> String {
    match member {
        Member::User(id) => format!("user:{id}"),
        Member::Group(id) => format!("group:{id}"),
    }
}

fn parse_member(text: &str) -> Result<Member, Problem> {
    let member = match text.split_once(':') {
        Some(("user", id)) => id.parse().ok().map(Member::User),
        Some(("group", id)) => id.parse::<GroupId>().ok().map(Member::Group),
        _ => None,
    };
    member.ok_or_else(|| Problem::field("cursor", "malformed", "must be the next_cursor of an earlier page"))
}

/// Adds and removes members, all together or nothing.
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    IfMatch(revision): IfMatch,
    Body(wish): Body<Wish>,
) -> Result<Json<Value>, Problem> {
    let group = own(&app, &caller, &name)?;
    let id = group.id;
    let lists = [&wish.add_users, &wish.remove_users, &wish.add_groups, &wish.remove_groups];
    if lists.iter().map(|list| list.len()).sum::<usize>() > MOST {
        let text = format!("may hold {MOST} members at most, with the other lists");
        return Err(Problem::field("add_users", "too_many", &text));
    }
    let mut faults = Vec::new();
    let mut add = users_of(&app, &caller, "add_users", &wish.add_users, &mut faults);
    add.extend(groups_of(&app, &caller, "add_groups", &wish.add_groups, &mut faults));
    let mut remove = users_of(&app, &caller, "remove_users", &wish.remove_users, &mut faults);
    remove.extend(groups_of(&app, &caller, "remove_groups", &wish.remove_groups, &mut faults));
    if !faults.is_empty() {
        return Err(Problem::fields(faults));
    }
    may_release(&app, &caller, &group, &remove)?;
    let author = caller.author();
    let write = move |tx: &mut Tx<'_>| {
        groups::expect_revision(tx, id, revision)?;
        groups::change_members(tx, &author, id, &add, &remove)
    };
    Ok(Json(json!({"changed": app.store.write(write).await?})))
}

fn users_of(app: &App, caller: &Caller, field: &str, names: &[String], faults: &mut Vec<FieldError>) -> Vec<Member> {
    let mut found = Vec::new();
    // Whoever manages groups everywhere may name anybody; others whom they see.
    let anybody = caller.must(Permission::GroupsManage).is_ok();
    for name in names {
        let user = find(app, name).and_then(|user| Ok((anybody || knows(app, caller, &user)?).then_some(user)));
        match user {
            Ok(Some(user)) => found.push(Member::User(user.id)),
            Ok(None) | Err(_) => faults.push(FieldError::new(field, "unknown_user", format!("{name:?} is no user"))),
        }
    }
    found
}

fn groups_of(app: &App, caller: &Caller, field: &str, names: &[String], faults: &mut Vec<FieldError>) -> Vec<Member> {
    let mut found = Vec::new();
    for name in names {
        let group = find_group(app, name).and_then(|group| {
            caller.must_in(Permission::GroupsManage, group.organization)?;
            Ok(group)
        });
        match group {
            Ok(group) => found.push(Member::Group(group.id)),
            Err(_) => faults.push(FieldError::new(field, "unknown_group", format!("{name:?} is no group"))),
        }
    }
    found
}
