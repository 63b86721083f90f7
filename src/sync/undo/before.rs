//! What was before, from the changes of an audit line.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::base::id::{ExternalId, GroupId, UserId};
use crate::directory::audit::Change;
use crate::directory::field::DisplayName;
use crate::directory::group::GroupChange;
use crate::directory::plan::{MemberRef, Step};
use crate::directory::user::{State, UserChange};

pub(super) fn parse<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

pub(super) fn old_state(state: Option<&Change>) -> Option<State> {
    parse(&state?.old)
}

/// The value of before into the change; `false`: a run of a source does not set such an attribute.
pub(super) fn set(change: &mut UserChange, one: &Change) -> bool {
    fn optional<T: DeserializeOwned>(field: &mut Option<Option<T>>, old: &Value) -> bool {
        let value = if old.is_null() { Some(None) } else { parse(old).map(Some) };
        take(field, value)
    }
    match one.attribute.as_str() {
        "username" => take(&mut change.username, parse(&one.old)),
        "name" => take(&mut change.name, parse(&one.old)),
        "email" => optional(&mut change.email, &one.old),
        "phone" => optional(&mut change.phone, &one.old),
        "expires_at" => optional(&mut change.expires_at, &one.old),
        "at_source" => optional(&mut change.at_source, &one.old),
        "roles" => take(&mut change.roles, parse(&one.old)),
        "organizations" => take(&mut change.organizations, parse(&one.old)),
        "managed_by" => optional(&mut change.managed_by, &one.old),
        "mfa" => take(&mut change.mfa, parse(&one.old)),
        "must_change_password" => take(&mut change.must_change_password, parse(&one.old)),
        "description" if one.old.is_null() => take(&mut change.description, Some(Default::default())),
        "description" => take(&mut change.description, parse(&one.old)),
        _ => false,
    }
}

/// Takes a value, if there is one.
pub(super) fn take<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    let is_some = value.is_some();
    if is_some {
        *field = value;
    }
    is_some
}

pub(super) fn group_change(changes: &[Change]) -> Option<GroupChange> {
    let mut change = GroupChange::default();
    for one in changes {
        match one.attribute.as_str() {
            "name" => change.name = parse(&one.old),
            "description" => change.description = parse(&one.old),
            "at_source" => change.at_source = parse(&one.old),
            _ => {}
        }
    }
    (change != GroupChange::default()).then_some(change)
}

/// Who joined leaves, but for those who stay, and the other way round.
pub(super) fn members(changes: &[Change], stays: impl Fn(UserId) -> bool) -> Step {
    let member = |value: &Value| {
        let (kind, id) = value.as_str()?.split_once(' ')?;
        match kind {
            "user" => id.parse().ok().map(MemberRef::User),
            _ => id.parse().ok().map(MemberRef::Group),
        }
    };
    let leaves = |member: &MemberRef| !matches!(member, MemberRef::User(id) if stays(*id));
    Step::Members {
        add: changes.iter().filter_map(|one| member(&one.old)).collect(),
        remove: changes.iter().filter_map(|one| member(&one.new)).filter(leaves).collect(),
    }
}

/// The group of before, under the id of before.
pub(super) fn again(changes: &[Change], id: GroupId) -> Option<Step> {
    let old = |name: &str| changes.iter().find(|one| one.attribute == name).map(|one| &one.old);
    let name: DisplayName = parse(old("name")?)?;
    let external_id: ExternalId = parse(old("external_id")?)?;
    let rest = GroupChange {
        name: None,
        description: old("description").and_then(parse),
        at_source: old("at_source").and_then(parse),
    };
    Some(Step::CreateGroup { external_id, name, rest: Box::new(rest), again: Some(id) })
}
