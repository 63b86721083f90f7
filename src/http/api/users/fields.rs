//! What a caller writes of a user, parsed: every fault of every field at once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rights;
use crate::auth::accounts::AccountChange;
use crate::base::id::{GroupId, OrganizationId, RoleId};
use crate::directory::field::{Description, DisplayName, Email, FieldError, Phone, Username};
use crate::directory::permission::Permission;
use crate::directory::role::{self, Scope};
use crate::directory::user::{KeptAttribute, MfaPolicy, UserChange, double_option};
use crate::http::api::groups::find_group;
use crate::http::api::organizations::find_organization;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::openapi::bodies::{Reference, Slug};
use crate::http::state::App;
use crate::store::roles;

/// The fields that can be written; an absent one is left alone, a null one is cleared.
#[derive(Deserialize, Serialize, JsonSchema, Default, Clone)]
#[serde(deny_unknown_fields, default)]
pub struct Fields {
    /// The login name.
    #[serde(with = "double_option")]
    #[schemars(with = "Username")]
    pub username: Option<Option<String>>,
    /// The name to show.
    #[serde(with = "double_option")]
    #[schemars(with = "DisplayName")]
    pub name: Option<Option<String>>,
    /// The address.
    #[serde(with = "double_option")]
    #[schemars(with = "Option<Email>")]
    pub email: Option<Option<String>>,
    /// The number.
    #[serde(with = "double_option")]
    #[schemars(with = "Option<Phone>")]
    pub phone: Option<Option<String>>,
    /// Free text.
    #[serde(with = "double_option")]
    #[schemars(with = "Option<Description>")]
    pub description: Option<Option<String>>,
    /// The expiry.
    #[serde(with = "double_option")]
    #[schemars(with = "Option<Timestamp>")]
    pub expires_at: Option<Option<String>>,
    /// System roles.
    #[serde(with = "double_option")]
    #[schemars(with = "Option<Vec<Slug>>")]
    pub roles: Option<Option<Vec<String>>>,
    /// Memberships of organisations.
    #[serde(with = "double_option")]
    #[schemars(with = "Option<Vec<Membership>>")]
    pub organizations: Option<Option<Vec<Membership>>>,
    /// The organisation whose administrators manage the account, by id or name; null: the directory's do.
    #[serde(with = "double_option")]
    #[schemars(with = "Option<Reference>")]
    pub managed_by: Option<Option<String>>,
    /// Direct groups, by id or name.
    #[serde(with = "double_option")]
    #[schemars(with = "Option<Vec<Reference>>")]
    pub groups: Option<Option<Vec<String>>>,
    /// The second-factor policy; null is the default one.
    #[serde(with = "double_option")]
    #[schemars(with = "Option<MfaPolicy>")]
    pub mfa: Option<Option<MfaPolicy>>,
    /// Attributes of a source's user that are kept here, whatever the source says; null is none.
    #[serde(with = "double_option")]
    #[schemars(with = "Option<Vec<KeptAttribute>>")]
    pub kept: Option<Option<Vec<KeptAttribute>>>,
    /// Whether a new password is asked for; null is no.
    #[serde(with = "double_option")]
    #[schemars(with = "Option<bool>")]
    pub must_change_password: Option<Option<bool>>,
}

/// A membership of an organisation.
#[derive(Deserialize, Serialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// The organisation, by id or name.
    #[schemars(with = "Reference")]
    pub id: String,
    /// Roles inside; empty stands for the plain one.
    #[serde(default)]
    #[schemars(with = "Vec<Slug>")]
    pub roles: Vec<String>,
}

/// Collects faults while fields are parsed.
struct Parser<'a> {
    app: &'a App,
    caller: &'a Caller,
    faults: Vec<FieldError>,
    /// The refusal of what is not there, where it would not be the caller's to give: it is the same for what is there.
    out_of_reach: Option<Problem>,
}

impl Parser<'_> {
    fn take<T>(&mut self, parsed: Result<T, FieldError>) -> Option<T> {
        parsed.map_err(|fault| self.faults.push(fault)).ok()
    }

    fn fault(&mut self, field: &str, code: &'static str, message: impl Into<String>) {
        self.faults.push(FieldError::new(field, code, message));
    }

    /// Something is not there. Whoever could not give it if it were is told no more than that.
    fn unknown(&mut self, field: &str, code: &'static str, message: String, needed: Permission) {
        match self.caller.must(needed) {
            Ok(()) => self.fault(field, code, message),
            Err(problem) => drop(self.out_of_reach.get_or_insert(problem)),
        }
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

    fn roles(&mut self, field: &'static str, names: &[String], scope: Scope) -> Result<BTreeSet<RoleId>, Problem> {
        let mut found = BTreeSet::new();
        for name in names {
            let known = match RoleId::parse(name) {
                Ok(id) => roles::find(&self.app.store.view(), &id)?.filter(|role| role.scope == scope),
                Err(_) => None,
            };
            match known {
                Some(role) => drop(found.insert(role.id)),
                None if scope == Scope::System => {
                    self.unknown(field, "unknown_role", format!("{name:?} is no role here"), Permission::UsersRoles);
                }
                // Whoever administers an organisation sees the roles that can be held in one.
                None => self.fault(field, "unknown_role", format!("{name:?} is no role here")),
            }
        }
        Ok(found)
    }

    /// The organisation of this id or name.
    fn organization(
        &mut self,
        field: &'static str,
        name: &str,
        may_be_given: impl Fn(&Caller) -> Result<(), Problem>,
    ) -> Result<Option<OrganizationId>, Problem> {
        let known = find_organization(self.app, name)?;
        match may_be_given(self.caller) {
            _ if known.is_some() => {}
            Ok(()) => self.fault(field, "unknown_organization", format!("{name:?} is no organisation")),
            Err(problem) => drop(self.out_of_reach.get_or_insert(problem)),
        }
        Ok(known.map(|known| known.id))
    }

    fn organizations(&mut self, wish: Vec<Membership>) -> Result<BTreeMap<OrganizationId, BTreeSet<RoleId>>, Problem> {
        let mut memberships = BTreeMap::new();
        for Membership { id, roles } in wish {
            let mut roles = self.roles("organizations", &roles, Scope::Organization)?;
            if roles.is_empty()
                && let Ok(plain) = RoleId::parse(role::ORGANIZATION_USER)
            {
                roles.insert(plain);
            }
            if let Some(id) = self.organization("organizations", &id, rights::any_membership)? {
                memberships.insert(id, roles);
            }
        }
        Ok(memberships)
    }

    fn home(&mut self, wish: Option<Option<String>>) -> Result<Option<Option<OrganizationId>>, Problem> {
        match wish {
            Some(Some(name)) => Ok(self.organization("managed_by", &name, rights::any_home)?.map(Some)),
            Some(None) => Ok(Some(None)),
            None => Ok(None),
        }
    }

    fn groups(&mut self, names: &[String]) -> Vec<GroupId> {
        let mut groups = Vec::new();
        for name in names {
            match find_group(self.app, name) {
                Ok(group) if group.source.is_local() => groups.push(group.id),
                Ok(group) => {
                    let message = format!("{name:?} belongs to the source {}", group.source);
                    self.unknown("groups", "owned_by_source", message, Permission::GroupsManage);
                }
                Err(_) => {
                    let message = format!("{name:?} is no group");
                    self.unknown("groups", "unknown_group", message, Permission::GroupsManage);
                }
            }
        }
        groups
    }
}

impl Fields {
    /// Parses what was written. Who may write it is asked by [`super::rights`].
    ///
    /// # Errors
    /// 400 with every fault; 403 for what is not there, where it would not be the caller's to give.
    pub fn read(self, app: &App, caller: &Caller) -> Result<AccountChange, Problem> {
        let mut parser = Parser { app, caller, faults: Vec::new(), out_of_reach: None };
        let description = self.description.map(Option::unwrap_or_default);
        let user = UserChange {
            username: parser.required("username", self.username, Username::parse),
            name: parser.required("name", self.name, DisplayName::parse),
            email: parser.clearable(self.email, Email::parse),
            phone: parser.clearable(self.phone, Phone::parse),
            description: description.and_then(|text| parser.take(Description::parse(&text))),
            expires_at: parser.expiry(self.expires_at),
            roles: self
                .roles
                .map(|names| parser.roles("roles", &names.unwrap_or_default(), Scope::System))
                .transpose()?,
            organizations: self.organizations.map(|wish| parser.organizations(wish.unwrap_or_default())).transpose()?,
            managed_by: parser.home(self.managed_by)?,
            kept: self.kept.map(|kept| kept.unwrap_or_default().into_iter().collect()),
            mfa: self.mfa.map(Option::unwrap_or_default),
            must_change_password: self.must_change_password.map(Option::unwrap_or_default),
            ..UserChange::default()
        };
        let groups = self.groups.map(|names| parser.groups(&names.unwrap_or_default()));
        if !parser.faults.is_empty() {
            return Err(Problem::fields(parser.faults));
        }
        parser.out_of_reach.map_or(Ok(()), Err)?;
        Ok(AccountChange { user, groups })
    }
}
