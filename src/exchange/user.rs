//! A user as the cells of a file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Column;
use super::list::{self, Membership};
use crate::base::id::{GroupId, OrganizationId};
use crate::directory::group::Group;
use crate::directory::user::{MfaPolicy, State, User};

/// A user, and what lies beside the record.
pub struct Person<'a> {
    /// The record.
    pub user: &'a User,
    /// The groups that the user is in, each with whether directly; nobody asks for them where no column has them.
    pub groups: &'a [(Group, bool)],
    /// Names of organisations.
    pub organizations: &'a BTreeMap<OrganizationId, String>,
}

/// What stands in a column of a user. Read again, it says the same: names stand where they are clear, and ids where
/// they are not.
#[must_use]
pub fn text<'a>(column: Column, person: &Person<'a>) -> Cow<'a, str> {
    let user = person.user;
    let known = |text: &'a str| Cow::Borrowed(text);
    let optional = |text: Option<&'a str>| Cow::Borrowed(text.unwrap_or_default());
    let time = |at: Option<Timestamp>| Cow::Owned(at.map(|at| at.to_string()).unwrap_or_default());
    match column {
        Column::Id => Cow::Owned(user.id.to_string()),
        Column::Username => known(user.username.as_str()),
        Column::Name => known(user.name.as_str()),
        Column::Email => optional(user.email.as_ref().map(|email| email.as_str())),
        Column::Phone => optional(user.phone.as_ref().map(|phone| phone.as_str())),
        Column::Description => known(user.description.as_str()),
        Column::State => known(user.state_name()),
        Column::ExpiresAt => time(user.expires_at),
        Column::Roles => Cow::Owned(list::write(user.roles.iter().map(|role| role.as_str()))),
        Column::Organizations => Cow::Owned(memberships(person)),
        Column::Groups => {
            let own = person.groups.iter().filter(|(group, direct)| *direct && group.source.is_local());
            Cow::Owned(groups(own.map(|(group, _)| group)))
        }
        Column::AllGroups => Cow::Owned(groups(person.groups.iter().map(|(group, _)| group))),
        Column::Mfa => known(policy(user.mfa)),
        Column::MustChangePassword => known(if user.must_change_password { "true" } else { "false" }),
        // Secrets are written by nobody.
        Column::Password | Column::PasswordHash => known(""),
        Column::Source => known(user.source.as_str()),
        Column::ExternalId => optional(user.external_id.as_ref().map(|id| id.as_str())),
        Column::DisabledReason => optional(match &user.state {
            State::Disabled(disabled) => Some(disabled.reason.name()),
            _ => None,
        }),
        Column::CreatedAt => time(Some(user.created_at)),
        Column::ModifiedAt => time(Some(user.modified_at)),
        Column::LastLogin => time(user.last_login),
        Column::LastSeen => time(user.last_seen),
    }
}

/// The policy in one word.
#[must_use]
pub fn policy(policy: MfaPolicy) -> &'static str {
    match policy {
        MfaPolicy::Disabled => "disabled",
        MfaPolicy::Enabled => "enabled",
        MfaPolicy::Forced => "forced",
    }
}

/// Names of groups in their order. One that would be taken for an id, and one of a source, which only its id tells
/// from ours, stand with their id.
fn groups<'a>(groups: impl Iterator<Item = &'a Group>) -> String {
    let name = |group: &Group| {
        let name = group.name.as_str();
        let is_clear = group.source.is_local() && name.parse::<GroupId>().is_err();
        if is_clear { name.to_owned() } else { group.id.to_string() }
    };
    let mut names: Vec<String> = groups.map(name).collect();
    names.sort();
    list::write(names.iter().map(String::as_str))
}

fn memberships(person: &Person<'_>) -> String {
    let held = person.user.organizations.iter().map(|(id, roles)| {
        let name = person.organizations.get(id).filter(|name| name.parse::<OrganizationId>().is_err());
        let roles = roles.iter().map(|role| role.as_str().to_owned()).collect();
        Membership { organization: name.cloned().unwrap_or_else(|| id.to_string()), roles }
    });
    list::write_memberships(&held.collect::<Vec<_>>())
}
