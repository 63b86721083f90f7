//! What membership of a source's group gives here: a role, a place in an organisation, membership of a group of
//! musterd's own. It is looked at whenever it is asked for, so that it goes at once with the membership.

use std::fmt;
use std::str::FromStr;

use crate::base::id::{OrganizationId, RoleId, SourceId};
use crate::base::text;
use crate::directory::dn;
use crate::directory::group::Group;
use crate::directory::role::{self, Scope};

/// What one group of a source gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The source whose group it is.
    pub source: SourceId,
    /// The group.
    pub rule: GrantRule,
}

/// What a group gives, as an administrator writes it: `GROUP -> role NAME`, `GROUP -> organization ID [ROLE]`,
/// `GROUP -> group NAME`. The group is the name of its entry, or its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRule {
    /// The name of the group's entry (a DN), or its own name.
    pub group: String,
    /// What it gives.
    pub gives: Gives,
}

/// What membership gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gives {
    /// A system role.
    Role(RoleId),
    /// A place in an organisation, with a role inside.
    Organization(OrganizationId, RoleId),
    /// Membership of a group of musterd's own, by its name.
    Group(String),
}

impl FromStr for GrantRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "must be like \"cn=auditors,ou=groups,dc=example,dc=org -> role system-auditor\", with \
                      \"role NAME\", \"organization ID [ROLE]\" or \"group NAME\" behind the arrow";
        let (group, gives) = text.rsplit_once("->").ok_or(wanted)?;
        let (group, gives) = (group.trim(), gives.trim());
        let (kind, name) = gives.split_once(' ').ok_or(wanted)?;
        let name = name.trim();
        let gives = match kind {
            "role" => Gives::Role(role_of(name, Scope::System)?),
            "group" if !name.is_empty() => Gives::Group(name.to_owned()),
            "organization" => {
                let (id, role) = name.split_once(' ').unwrap_or((name, role::ORGANIZATION_USER));
                let id = id.parse().map_err(|_| format!("{id:?} is no id of an organisation"))?;
                Gives::Organization(id, role_of(role.trim(), Scope::Organization)?)
            }
            _ => return Err(wanted.to_owned()),
        };
        let rule = Self { group: group.to_owned(), gives };
        match group {
            "" => Err(wanted.to_owned()),
            // Whoever may make a group somewhere may give it any name.
            _ if rule.is_powerful() && !group.contains('=') => {
                Err(format!("names the group {group:?}, but a role with permissions wants the group's whole DN"))
            }
            _ => Ok(rule),
        }
    }
}

/// A role that is built in, or may be one of the directory's own: one that is not there gives nothing.
fn role_of(name: &str, scope: Scope) -> Result<RoleId, String> {
    match role::find_built_in(name) {
        Some(role) if role.scope != scope => Err(format!("{name:?} is a role that holds elsewhere")),
        Some(role) => Ok(role.id.clone()),
        None => RoleId::parse(name).map_err(|_| format!("{name:?} cannot be the name of a role")),
    }
}

impl fmt::Display for GrantRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = &self.group;
        match &self.gives {
            Gives::Role(role) => write!(f, "{group} -> role {}", role.as_str()),
            Gives::Organization(id, role) => write!(f, "{group} -> organization {id} {}", role.as_str()),
            Gives::Group(name) => write!(f, "{group} -> group {name}"),
        }
    }
}

impl GrantRule {
    /// Does it give a role that may hold permissions? Of custom roles nobody knows ahead.
    #[must_use]
    pub fn is_powerful(&self) -> bool {
        match &self.gives {
            Gives::Role(role) | Gives::Organization(_, role) => !role::is_plain(role),
            Gives::Group(_) => false,
        }
    }

    /// The organisation in which it gives a place.
    #[must_use]
    pub fn organization(&self) -> Option<OrganizationId> {
        match &self.gives {
            Gives::Organization(id, _) => Some(*id),
            Gives::Role(_) | Gives::Group(_) => None,
        }
    }

    /// The role that it gives, in the directory or inside an organisation.
    #[must_use]
    pub fn role(&self) -> Option<&RoleId> {
        match &self.gives {
            Gives::Role(role) | Gives::Organization(_, role) => Some(role),
            Gives::Group(_) => None,
        }
    }

    /// Is it about a group with this name, whose entry has that one?
    #[must_use]
    pub fn is_about(&self, name: &str, entry: Option<&str>) -> bool {
        match self.group.contains('=') {
            true => entry.is_some_and(|entry| dn::normal(entry) == dn::normal(&self.group)),
            false => text::fold(name) == text::fold(&self.group),
        }
    }
}

impl Grant {
    /// Is it about this group?
    #[must_use]
    pub fn is_about(&self, group: &Group) -> bool {
        let entry = group.at_source.as_ref().map(|at| at.entry.as_str());
        group.source == self.source && self.rule.is_about(group.name.as_str(), entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_written_and_power_wants_the_whole_name() {
        for fine in [
            "cn=auditors,ou=groups,dc=example,dc=org -> role system-auditor",
            "cn=admins,dc=example,dc=org -> role system-admin",
            "devs -> group Developers",
            "devs -> role user",
            "devs -> organization 018f0000-0000-7000-8000-000000000000 organization-user",
            "cn=helpers,dc=example,dc=org -> role helpdesk",
            "cn=heads,dc=example,dc=org -> organization 018f0000-0000-7000-8000-000000000000 organization-admin",
        ] {
            assert_eq!(fine.parse::<GrantRule>().unwrap().to_string(), fine);
        }
        for bad in [
            "",
            "devs",
            "devs -> role",
            "devs -> role No Body",
            "devs -> role organization-admin",
            "-> group x",
            "devs -> organization x",
            "a -> b c",
        ] {
            assert!(bad.parse::<GrantRule>().is_err(), "{bad}");
        }
        for powerful in [
            "admins -> role system-admin",
            "helpers -> role helpdesk",
            "heads -> organization 018f0000-0000-7000-8000-000000000000 organization-admin",
        ] {
            assert!(powerful.parse::<GrantRule>().unwrap_err().contains("whole DN"), "{powerful}");
        }
    }

    #[test]
    fn a_rule_is_about_one_entry_or_one_name() {
        let by_dn: GrantRule = "cn=Admins,dc=example,dc=org -> role system-admin".parse().unwrap();
        assert!(by_dn.is_about("x", Some("CN=admins, DC=example,dc=org")));
        assert!(
            !by_dn.is_about("Admins", Some("cn=Admins,ou=mine,dc=example,dc=org")) && !by_dn.is_about("Admins", None)
        );
        let by_name: GrantRule = "Devs -> group Developers".parse().unwrap();
        assert!(by_name.is_about("devs", None) && !by_name.is_about("ops", Some("cn=devs,dc=x")));
    }
}
