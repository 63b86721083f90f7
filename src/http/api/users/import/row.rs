//! What a row of a file wants of its user: found by id or username, and read by the rules of the API's fields.

use super::super::create::require;
use super::super::fields::{Fields, Membership};
use super::super::gate::CallersRights;
use super::super::rights::settle_new;
use super::super::sees;
use super::options::{By, Options};
use super::password::Passwords;
use crate::auth::accounts::AccountChange;
use crate::base::id::{OrganizationId, SourceId, UserId};
use crate::directory::audit::Actor;
use crate::directory::permission::Permission;
use crate::directory::plan::Fault;
use crate::directory::user::{DisabledReason, NewUser, User};
use crate::exchange::list::Membership as Place;
use crate::exchange::{Cell, Column, Row};
use crate::http::error::Problem;
use crate::store::tx::Reads;
use crate::store::{StoreError, organizations, users};
use crate::sync::bulk::{GroupWish, Planner, To, Wish};

/// Why a row is not taken.
pub(super) enum Faults {
    /// These faults.
    Of(Vec<Fault>),
    /// The store's fault: not the row's.
    Store(StoreError),
}

/// Looks at the rows of one file.
pub(super) struct Rows<'a> {
    rights: &'a CallersRights,
    options: &'a Options,
    reads: &'a dyn Reads,
    passwords: Passwords<'a>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        rights: &'a CallersRights,
        options: &'a Options,
        reads: &'a dyn Reads,
        runtime: &'a tokio::runtime::Handle,
    ) -> Self {
        let passwords = Passwords::new(&rights.app, runtime, options.dry_run);
        Self { rights, options, reads, passwords }
    }

    /// Puts what a row wants into the plan, or why it is refused.
    pub(super) fn plan(&mut self, row: Row, planner: &mut Planner<'_>) -> Result<(), StoreError> {
        let line = Some(row.line);
        let label = row.text(Column::Username).or_else(|| row.text(Column::Id)).unwrap_or_default().trim().to_owned();
        let user = match self.user(&row) {
            Ok(user) => user,
            Err(Faults::Of(faults)) => return planner.refuse(line, &label, None, faults),
            Err(Faults::Store(error)) => return Err(error),
        };
        // Before anything is made of the row: no file tries one password after the other on a user.
        if let Some(user) = &user
            && let Err(fault) = planner.meet(user.id, row.line)
        {
            return planner.refuse(line, &label, Some(user.id), vec![fault]);
        }
        let wanted = match &user {
            Some(user) => self.change(&row, user).map(|wish| (None, wish)),
            None => self.create(&row).map(|(new, wish)| (Some(new), wish)),
        };
        match (wanted, user) {
            (Ok((Some(new), wish)), _) => planner.create(line, new, wish),
            (Ok((None, wish)), Some(user)) => planner.change(line, &user, wish),
            (Err(Faults::Of(faults)), user) => planner.refuse(line, &label, user.map(|user| user.id), faults),
            (Err(Faults::Store(error)), _) => Err(error),
            (Ok((None, _)), None) => Ok(()),
        }
    }

    /// The user whom a row is about; none: one who is to be made.
    fn user(&self, row: &Row) -> Result<Option<User>, Faults> {
        let fault = |column: &str, code: &str, message: &str| Err(vec![Fault::at(column, code, message)].into());
        let id = match row.text(Column::Id).map(|id| id.trim().parse::<UserId>()) {
            None => None,
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => return fault("id", "malformed", "is no id of a user"),
        };
        let of_id = id.map(|id| users::get(self.reads, id)).transpose()?.flatten();
        if id.is_some() && of_id.is_none() {
            return fault("id", "unknown_id", "is the id of nobody: leave it empty for a new user");
        }
        let user = match (self.options.by, row.text(Column::Username)) {
            (By::Id, _) => of_id,
            (By::Username, None) => {
                return fault("username", "missing", "must be given: it says whom the row is about");
            }
            (By::Username, Some(username)) => {
                let user = users::by_username(self.reads, username)?;
                if id.is_some() && id != user.as_ref().map(|user| user.id) {
                    return fault("id", "id_mismatch", "is not the id of this user: import by id to rename somebody");
                }
                user
            }
        };
        let source = row.text(Column::Source).map(str::trim);
        // Of whom the caller may not see, no more is told than that the name is taken.
        let is_seen = user.as_ref().map(|user| sees(&self.rights.app, &self.rights.caller, user)).transpose()?;
        if is_seen == Some(false) {
            return fault("username", "username_taken", "is already taken (upper and lower case do not differ)");
        }
        match &user {
            Some(_) if !self.options.updates => return fault("username", "exists", "is there already"),
            None if !self.options.creates => return fault("username", "not_found", "is nobody's"),
            Some(user) if source.is_some_and(|source| source != user.source.as_str()) => {
                return fault("source", "other_source", "is not the source of this user: no import changes it");
            }
            None if source.is_some_and(|source| source != SourceId::local().as_str()) => {
                return fault("source", "not_creatable", "makes its users itself; only local users are made here");
            }
            _ => {}
        }
        Ok(user)
    }

    fn create(&mut self, row: &Row) -> Result<(NewUser, Wish), Faults> {
        let mut faults = Vec::new();
        let fields = self.fields(row, None)?;
        if let Err(problem) = require(&fields) {
            faults.extend(problem.errors.into_iter().map(Fault::from));
        }
        let AccountChange { user: mut rest, groups } = self.read(fields, faults)?;
        settle_new(&self.rights.caller, &mut rest).map_err(faults_of)?;
        let (Some(username), Some(name)) = (rest.username.take(), rest.name.take()) else {
            return Err(vec![Fault::at("username", "missing", "must be given")].into());
        };
        let app = &self.rights.app;
        let now = app.store.clock().now();
        let disabled = matches!(row.get(Column::State), Some(Cell::Active(false))).then_some(DisabledReason::Admin);
        let id = UserId::new(now, app.store.rng());
        let new = NewUser { id, username, name, source: SourceId::local(), rest, disabled };
        let lifetime = app.users.lifetime;
        let password = match has_password(row) {
            true => {
                let home = new.rest.managed_by.flatten();
                self.rights.caller.must_in(Permission::UsersPassword, home).map_err(faults_of)?;
                let provisional = new.clone().build(Actor::Anonymous, now, lifetime);
                self.passwords.of(row, &provisional, new.rest.must_change_password)?
            }
            false => None,
        };
        Ok((new, Wish { groups: groups.map(GroupWish::Exactly), password, ..Wish::default() }))
    }

    fn change(&mut self, row: &Row, user: &User) -> Result<Wish, Faults> {
        let fields = self.fields(row, Some(user))?;
        let AccountChange { user: change, groups } = self.read(fields, Vec::new())?;
        let to = match row.get(Column::State) {
            Some(Cell::Active(true)) => Some(To::Enabled),
            Some(Cell::Active(false)) => Some(To::Disabled),
            _ => None,
        };
        let password = match has_password(row) {
            true => {
                // What a rule says of a password tells about those that the user has had: rights come first.
                self.rights.may_set_password(user).map_err(faults_of)?;
                let after = change.clone().apply(user.clone());
                self.passwords.of(row, &after, change.must_change_password)?
            }
            false => None,
        };
        Ok(Wish { change, to, groups: groups.map(GroupWish::Exactly), password })
    }

    fn read(&self, fields: Fields, mut faults: Vec<Fault>) -> Result<AccountChange, Faults> {
        match fields.read(&self.rights.app, &self.rights.caller) {
            Ok(change) if faults.is_empty() => Ok(change),
            Ok(_) => Err(faults.into()),
            Err(problem) => match faults_of(problem) {
                Faults::Of(more) => {
                    faults.extend(more);
                    Err(faults.into())
                }
                store => Err(store),
            },
        }
    }

    /// The fields that a row writes: of a user who is there, those that it has otherwise.
    fn fields(&self, row: &Row, user: Option<&User>) -> Result<Fields, StoreError> {
        let mut fields = Fields::default();
        for (column, cell) in &row.cells {
            let text = text_of(cell);
            let is_as_it_is = |now: Option<&str>| user.is_some() && text == now;
            match (column, cell) {
                (Column::Username, Cell::Text(_)) if !is_as_it_is(user.map(|user| user.username.as_str())) => {
                    fields.username = Some(text.map(str::to_owned));
                }
                (Column::Name, Cell::Text(_)) if !is_as_it_is(user.map(|user| user.name.as_str())) => {
                    fields.name = Some(text.map(str::to_owned));
                }
                (Column::Email, _) => {
                    let now = user.and_then(|user| user.email.as_ref()).map(|email| email.as_str());
                    fields.email = (!is_as_it_is(now)).then(|| text.map(str::to_owned));
                }
                (Column::Phone, _) => {
                    let now = user.and_then(|user| user.phone.as_ref()).map(|phone| phone.as_str());
                    fields.phone = (!is_as_it_is(now)).then(|| text.map(str::to_owned));
                }
                (Column::Description, _) => {
                    let now = user.map(|user| user.description.as_str()).filter(|text| !text.is_empty());
                    fields.description = (!is_as_it_is(now)).then(|| text.map(str::to_owned));
                }
                (Column::ExpiresAt, _) => {
                    let at = if let Cell::Time(at) = cell { Some(*at) } else { None };
                    let is_same = user.is_some_and(|user| user.expires_at == at);
                    // An empty cell of a new user is as no column: the settings say how long they live.
                    let is_default = user.is_none() && at.is_none();
                    fields.expires_at = (!is_same && !is_default).then(|| at.map(|at| at.to_string()));
                }
                (Column::Roles, _) => {
                    let names = names_of(cell);
                    let is_same = user.is_some_and(|user| has_roles(user, &names));
                    fields.roles = (!is_same && (user.is_some() || !names.is_empty())).then_some(Some(names));
                }
                (Column::Organizations, _) => {
                    let wanted = self.memberships(cell)?;
                    let is_same = user.is_some_and(|user| is_in(user, &wanted));
                    fields.organizations = (!is_same && (user.is_some() || !wanted.is_empty())).then_some(Some(wanted));
                }
                (Column::ManagedBy, _) => {
                    let home = text.map(|name| self.organization(name)).transpose()?;
                    let is_same =
                        user.is_some_and(|user| user.managed_by.map(|home| home.to_string()).as_ref() == home.as_ref());
                    fields.managed_by = (!is_same && (user.is_some() || home.is_some())).then_some(home);
                }
                (Column::Groups, _) => {
                    let names = names_of(cell);
                    fields.groups = (user.is_some() || !names.is_empty()).then_some(Some(names));
                }
                (Column::Mfa, _) => {
                    let policy = if let Cell::Mfa(policy) = cell { Some(*policy) } else { None };
                    let is_same = user.is_some_and(|user| user.mfa == policy.unwrap_or_default());
                    fields.mfa = (!is_same && (user.is_some() || policy.is_some())).then_some(policy);
                }
                (Column::MustChangePassword, Cell::Flag(flag)) => fields.must_change_password = Some(Some(*flag)),
                _ => {}
            }
        }
        Ok(fields)
    }

    /// Organisations as the API wants them, by id where one has the name.
    fn memberships(&self, cell: &Cell) -> Result<Vec<Membership>, StoreError> {
        let Cell::Memberships(places) = cell else { return Ok(Vec::new()) };
        let membership = |Place { organization, roles }: &Place| {
            Ok(Membership { id: self.organization(organization)?, roles: roles.clone() })
        };
        places.iter().map(membership).collect()
    }

    /// An organisation by id where one has the name.
    fn organization(&self, name: &str) -> Result<String, StoreError> {
        let known = organizations::by_name(self.reads, name)?;
        Ok(known.map_or_else(|| name.to_owned(), |known| known.id.to_string()))
    }
}

/// A problem of the API as faults of a row.
fn faults_of(problem: Problem) -> Faults {
    match problem {
        problem if problem.status.is_server_error() => Faults::Store(StoreError::Stopped),
        Problem { errors, .. } if !errors.is_empty() => Faults::Of(errors.into_iter().map(Fault::from).collect()),
        Problem { code, detail, .. } => Faults::Of(vec![Fault::new(code, detail)]),
    }
}

fn has_password(row: &Row) -> bool {
    row.secret(Column::Password).is_some() || row.secret(Column::PasswordHash).is_some()
}

fn text_of(cell: &Cell) -> Option<&str> {
    if let Cell::Text(text) = cell { Some(text) } else { None }
}

fn names_of(cell: &Cell) -> Vec<String> {
    if let Cell::List(names) = cell { names.clone() } else { Vec::new() }
}

/// Does the user hold exactly these roles? Such ones are not looked up: one of them may be gone by now.
fn has_roles(user: &User, names: &[String]) -> bool {
    user.roles.len() == names.len() && user.roles.iter().all(|role| names.iter().any(|name| name == role.as_str()))
}

/// Is the user in exactly these organisations, with these roles?
fn is_in(user: &User, wanted: &[Membership]) -> bool {
    let held = |place: &Membership| {
        let roles = place.id.parse().ok().and_then(|id: OrganizationId| user.organizations.get(&id));
        let same = |roles: &std::collections::BTreeSet<crate::base::id::RoleId>| {
            roles.len() == place.roles.len()
                && roles.iter().all(|role| place.roles.iter().any(|name| name == role.as_str()))
        };
        roles.is_some_and(same)
    };
    user.organizations.len() == wanted.len() && wanted.iter().all(held)
}
