//! What a caller writes of a user, parsed: every fault of every field at once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::auth::accounts::AccountChange;
use crate::base::id::{GroupId, OrganizationId, RoleId};
use crate::directory::field::{Description, DisplayName, Email, FieldError, Phone, Username};
use crate::directory::permission::Permission;
use crate::directory::role::{self, Scope};
use crate::directory::user::{KeptAttribute, MfaPolicy, UserChange, double_option};
use crate::http::api::groups::find_group;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::state::App;
use crate::store::organizations;

/// The fields that can be written; an absent one is left alone, a null one is cleared.
#[derive(Deserialize, Serialize, Default, Clone)]
#[serde(deny_unknown_fields, default)]
pub struct Fields {
    /// The login name.
    #[serde(with = "double_option")]
    pub username: Option<Option<String>>,
    /// The name to show.
    #[serde(with = "double_option")]
    pub name: Option<Option<String>>,
    /// The address.
    #[serde(with = "double_option")]
    pub email: Option<Option<String>>,
    /// The number.
    #[serde(with = "double_option")]
    pub phone: Option<Option<String>>,
    /// Free text.
    #[serde(with = "double_option")]
    pub description: Option<Option<String>>,
    /// The expiry.
    #[serde(with = "double_option")]
    pub expires_at: Option<Option<String>>,
    /// System roles.
    #[serde(with = "double_option")]
    pub roles: Option<Option<Vec<String>>>,
    /// Memberships of organisations.
    #[serde(with = "double_option")]
    pub organizations: Option<Option<Vec<Membership>>>,
    /// Direct groups, by id or name.
    #[serde(with = "double_option")]
    pub groups: Option<Option<Vec<String>>>,
    /// The second-factor policy; null is the default one.
    #[serde(with = "double_option")]
    pub mfa: Option<Option<MfaPolicy>>,
    /// Attributes of a source's user that are kept here, whatever the source says; null is none.
    #[serde(with = "double_option")]
    pub kept: Option<Option<Vec<KeptAttribute>>>,
    /// Whether a new password is asked for; null is no.
    #[serde(with = "double_option")]
    pub must_change_password: Option<Option<bool>>,
}

/// A membership of an organisation.
#[derive(Deserialize, Serialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// The organisation.
    pub id: String,
    /// Roles inside; empty stands for the plain one.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// Collects faults while fields are parsed.
struct Parser<'a> {
    app: &'a App,
    faults: Vec<FieldError>,
}

impl Parser<'_> {
    fn take<T>(&mut self, parsed: Result<T, FieldError>) -> Option<T> {
        parsed.map_err(|fault| self.faults.push(fault)).ok()
    }

    fn fault(&mut self, field: &str, code: &'static str, message: impl Into<String>) {
        self.faults.push(FieldError::new(field, code, message));
    }

    /// A value that may be cleared.
    fn clearable<T>(
        &mut self,
        wish: Option<Option<String>>,
        parse: fn(&str) -> Result<T, FieldError>,
    ) -> Option<Option<T>> {
        match wish? {
            None => Some(None),
            Some(text) => self.take(parse(&text)).map(Some),
        }
    }

    /// A value that cannot be cleared.
    fn required<T>(
        &mut self,
        field: &'static str,
        wish: Option<Option<String>>,
        parse: fn(&str) -> Result<T, FieldError>,
    ) -> Option<T> {
        match wish? {
            Some(text) => self.take(parse(&text)),
            None => {
                self.fault(field, "required", "cannot be taken away");
                None
            }
        }
    }

    fn expiry(&mut self, wish: Option<Option<String>>) -> Option<Option<Timestamp>> {
        let Some(text) = wish? else { return Some(None) };
        match text.parse::<Timestamp>() {
            Ok(end) if end > self.app.store.clock().now() => Some(Some(end)),
            Ok(_) => {
                self.fault(
                    "expires_at",
                    "in_the_past",
                    "must lie in the future; disable the user to keep them out now",
                );
                None
            }
            Err(_) => {
                self.fault(
                    "expires_at",
                    "malformed",
                    "must be a time up to the year 9999, such as 2027-12-31T23:59:59Z",
                );
                None
            }
        }
    }

    fn roles(&mut self, field: &'static str, names: &[String], scope: Scope) -> BTreeSet<RoleId> {
        let mut roles = BTreeSet::new();
        for name in names {
            match RoleId::parse(name).ok().filter(|id| role::find(id.as_str(), scope).is_some()) {
                Some(id) => drop(roles.insert(id)),
                None => self.fault(field, "unknown_role", format!("{name:?} is no role here")),
            }
        }
        roles
    }

    fn organizations(&mut self, wish: Vec<Membership>) -> Result<BTreeMap<OrganizationId, BTreeSet<RoleId>>, Problem> {
        let mut memberships = BTreeMap::new();
        for Membership { id, roles } in wish {
            let known = match id.parse::<OrganizationId>() {
                Ok(id) => organizations::get(&self.app.store.view(), id)?,
                Err(_) => None,
            };
            let mut roles = self.roles("organizations", &roles, Scope::Organization);
            if roles.is_empty()
                && let Ok(plain) = RoleId::parse(role::ORGANIZATION_USER)
            {
                roles.insert(plain);
            }
            match known {
                Some(known) => drop(memberships.insert(known.id, roles)),
                None => self.fault("organizations", "unknown_organization", format!("{id:?} is no organisation")),
            }
        }
        Ok(memberships)
    }

    fn groups(&mut self, names: &[String]) -> Vec<GroupId> {
        let mut groups = Vec::new();
        for name in names {
            match find_group(self.app, name) {
                Ok(group) if group.source.is_local() => groups.push(group.id),
                Ok(group) => {
                    self.fault("groups", "owned_by_source", format!("{name:?} belongs to the source {}", group.source))
                }
                Err(_) => self.fault("groups", "unknown_group", format!("{name:?} is no group")),
            }
        }
        groups
    }
}

impl Fields {
    /// Parses what was written.
    ///
    /// # Errors
    /// 400 with every fault; 403 where the caller may not give what is asked for.
    pub fn parse(self, app: &App, caller: &Caller) -> Result<AccountChange, Problem> {
        let change = self.read(app)?;
        authorize(caller, &change)?;
        Ok(change)
    }

    /// Parses what was written, and does not ask who may write it.
    ///
    /// # Errors
    /// 400 with every fault.
    pub fn read(self, app: &App) -> Result<AccountChange, Problem> {
        let mut parser = Parser { app, faults: Vec::new() };
        let description = self.description.map(Option::unwrap_or_default);
        let user = UserChange {
            username: parser.required("username", self.username, Username::parse),
            name: parser.required("name", self.name, DisplayName::parse),
            email: parser.clearable(self.email, Email::parse),
            phone: parser.clearable(self.phone, Phone::parse),
            description: description.and_then(|text| parser.take(Description::parse(&text))),
            expires_at: parser.expiry(self.expires_at),
            roles: self.roles.map(|names| parser.roles("roles", &names.unwrap_or_default(), Scope::System)),
            organizations: self.organizations.map(|wish| parser.organizations(wish.unwrap_or_default())).transpose()?,
            kept: self.kept.map(|kept| kept.unwrap_or_default().into_iter().collect()),
            mfa: self.mfa.map(Option::unwrap_or_default),
            must_change_password: self.must_change_password.map(Option::unwrap_or_default),
            ..UserChange::default()
        };
        let groups = self.groups.map(|names| parser.groups(&names.unwrap_or_default()));
        if !parser.faults.is_empty() {
            return Err(Problem::fields(parser.faults));
        }
        Ok(AccountChange { user, groups })
    }
}

/// Refuses a change that gives what the caller may not give.
///
/// # Errors
/// 403 naming what it needs.
pub fn authorize(caller: &Caller, change: &AccountChange) -> Result<(), Problem> {
    if let Some(roles) = &change.user.roles {
        caller.must(Permission::UsersRoles)?;
        if !role::may_manage(&caller.permissions, roles) {
            return Err(Problem::forbidden("these roles hold permissions that you do not: they are not yours to give"));
        }
    }
    if change.user.mfa.is_some() {
        caller.must(Permission::UsersMfa)?;
    }
    if change.user.organizations.is_some() {
        caller.must(Permission::OrganizationsManage)?;
    }
    if change.groups.is_some() {
        caller.must(Permission::GroupsManage)?;
    }
    Ok(())
}
