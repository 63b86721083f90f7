//! A user as the cells of a file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Column;
use super::list::{self, Membership};
use crate::base::id::{GroupId, OrganizationId};
use crate::directory::group::{Group, OF_ORGANIZATION};
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
        Column::ManagedBy => Cow::Owned(user.managed_by.map(|id| organization(person, id)).unwrap_or_default()),
        Column::Groups => {
            let own = person.groups.iter().filter(|(group, direct)| *direct && group.source.is_local());
            Cow::Owned(groups(person, own.map(|(group, _)| group)))
        }
        Column::AllGroups => Cow::Owned(groups(person, person.groups.iter().map(|(group, _)| group))),
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

/// Names of groups in their order, as an import finds them; those of organisations with the organisation in front. What
/// only an id tells from others stands with it: a group of a source, and one whose name would be taken for something else.
fn groups<'a>(person: &Person<'_>, groups: impl Iterator<Item = &'a Group>) -> String {
    let name = |group: &Group| {
        let name = group.name.as_str();
        match group.organization.map(|id| organization(person, id)) {
            Some(organization) if !organization.contains(':') => format!("{OF_ORGANIZATION}{organization}:{name}"),
            None if group.source.is_local() && is_clear(name) => name.to_owned(),
            _ => group.id.to_string(),
        }
    };
    let mut names: Vec<String> = groups.map(name).collect();
    names.sort();
    list::write(names.iter().map(String::as_str))
}

fn is_clear(name: &str) -> bool {
    name.parse::<GroupId>().is_err() && !name.starts_with(OF_ORGANIZATION)
}

fn memberships(person: &Person<'_>) -> String {
    let held = person.user.organizations.iter().map(|(id, roles)| {
        let roles = roles.iter().map(|role| role.as_str().to_owned()).collect();
        Membership { organization: organization(person, *id), roles }
    });
    let mut held: Vec<Membership> = held.collect();
    held.sort_by(|one, other| one.organization.cmp(&other.organization));
    list::write_memberships(&held)
}

/// An organisation by its name, where that is known and no id.
fn organization(person: &Person<'_>, id: OrganizationId) -> String {
    let name = person.organizations.get(&id).filter(|name| name.parse::<OrganizationId>().is_err());
    name.cloned().unwrap_or_else(|| id.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::id::{RoleId, SourceId};
    use crate::base::rng::Rng;
    use crate::directory::field::{Description, DisplayName, Username};
    use crate::directory::user::tests::user;
    use crate::exchange::{Cell, Format, Limits, Writer, read};

    fn group(name: &str, source: SourceId) -> Group {
        let name = DisplayName::parse(name).unwrap();
        Group::new(GroupId::new(Timestamp::UNIX_EPOCH, &Rng::system()), name, source, Timestamp::UNIX_EPOCH)
    }

    /// The cells of a user in these columns, written and read again.
    fn back(format: Format, columns: &[Column], person: &Person<'_>) -> Vec<Cell> {
        let mut file = Writer::new(format, columns, Vec::new()).unwrap();
        file.row(columns.iter().map(|column| text(*column, person))).unwrap();
        let table = read(format, &file.end().unwrap(), &Limits::default()).unwrap_or_else(|error| panic!("{error}"));
        let row = table.rows.into_iter().next().unwrap().unwrap_or_else(|error| panic!("{error:?}"));
        row.cells.into_iter().map(|(_, cell)| cell).collect()
    }

    #[test]
    fn a_name_that_is_no_clear_name_stands_with_its_id() {
        let (ada, organizations) = (user("ada", Timestamp::UNIX_EPOCH), BTreeMap::new());
        let corp = SourceId::parse("corp").unwrap();
        let like_an_id = group("01a20846-fe00-7469-acb0-1d7d468e4d8a", SourceId::local());
        let groups =
            [(like_an_id.clone(), true), (group("Sales", SourceId::local()), false), (group("Sales", corp), true)];
        let person = Person { user: &ada, groups: &groups, organizations: &organizations };
        assert_eq!(text(Column::Groups, &person), like_an_id.id.to_string());
        let all = list::read(&text(Column::AllGroups, &person)).unwrap();
        assert_eq!((all.len(), all.contains(&"Sales".to_owned())), (3, true));
    }

    proptest! {
        #[test]
        fn every_user_comes_back_as_it_was(
            username in "\\PC{1,10}", name in "\\PC{1,10}|['=+@;:,\\\\\"]{1,8}", description in "[^\0]{0,12}|['=+@\n\t\"]{0,8}",
            groups in prop::collection::vec("\\PC{1,8}|[;:,\\\\= a]{1,6}", 0..4), place in "\\PC{1,8}|[;:,\\\\= a]{1,6}",
        ) {
            let mut ada = user("ada", Timestamp::UNIX_EPOCH);
            let (Ok(username), Ok(name)) = (Username::parse(&username), DisplayName::parse(&name)) else { return Ok(()) };
            (ada.username, ada.name) = (username, name);
            ada.description = Description::parse(&description).unwrap_or_default();
            let groups: Vec<(Group, bool)> = groups.iter().filter(|name| DisplayName::parse(name).is_ok())
                .map(|name| (group(name, SourceId::local()), true)).collect();
            let id = OrganizationId::new(Timestamp::UNIX_EPOCH, &Rng::system());
            let role = RoleId::parse("organization-admin").unwrap();
            let Ok(place) = DisplayName::parse(&place) else { return Ok(()) };
            ada.organizations = [(id, [role].into())].into();
            let organizations = [(id, place.as_str().to_owned())].into();
            let person = Person { user: &ada, groups: &groups, organizations: &organizations };
            let columns =
                [Column::Username, Column::Name, Column::Description, Column::Groups, Column::Organizations];
            let mut names: Vec<String> = groups.iter().map(|(group, _)| group.name.as_str().to_owned()).collect();
            names.sort();
            for format in [Format::Csv, Format::Xlsx] {
                let cells = back(format, &columns, &person);
                prop_assert!(matches!(&cells[0], Cell::Text(text) if text == ada.username.as_str()));
                prop_assert!(matches!(&cells[1], Cell::Text(text) if text == ada.name.as_str()));
                let described = match &cells[2] { Cell::Text(text) => text.as_str(), _ => "" };
                prop_assert_eq!(described, ada.description.as_str());
                let held = match &cells[3] { Cell::List(held) => held.clone(), _ => Vec::new() };
                prop_assert_eq!(&held, &names);
                let named = place.as_str();
                prop_assert!(matches!(&cells[4], Cell::Memberships(held) if held[0].organization == named));
            }
        }
    }
}
