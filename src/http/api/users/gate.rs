//! Whether a caller may have something done to a user as one of many: the same that is asked when it is one alone.

use super::rights::{authorize, may_release, own_groups};
use super::{may_change, not_oneself};
use crate::auth::accounts::AccountChange;
use crate::directory::group::Member;
use crate::directory::permission::Permission;
use crate::directory::plan::{Fault, MemberRef, PlanItem, Step};
use crate::directory::user::{User, UserChange};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::state::App;
use crate::store::{StoreError, groups};
use crate::sync::bulk::Gate;

/// The rights of a caller, asked user by user.
pub struct CallersRights {
    /// What is behind the routes.
    pub app: App,
    /// Who asks.
    pub caller: Caller,
}

impl Gate for CallersRights {
    fn refuses(&self, user: Option<&User>, item: &PlanItem) -> Result<Option<Fault>, StoreError> {
        match self.look(user, item) {
            Ok(()) => Ok(None),
            Err(problem) if problem.status.is_server_error() => Err(StoreError::Stopped),
            Err(problem) => {
                let Problem { code, detail, errors, .. } = problem;
                let of_field = errors.into_iter().next().map(Fault::from);
                Ok(Some(of_field.unwrap_or_else(|| Fault::new(code, detail))))
            }
        }
    }
}

impl CallersRights {
    /// Refuses a password for a user whose it is not the caller's to set.
    ///
    /// # Errors
    /// 404, or 403.
    pub fn may_set_password(&self, user: &User) -> Result<(), Problem> {
        not_oneself(&self.caller, user)?;
        may_change(&self.app, &self.caller, user, Permission::UsersPassword)
    }

    fn look(&self, user: Option<&User>, item: &PlanItem) -> Result<(), Problem> {
        let Some(user) = user else { return self.may_make(item) };
        not_oneself(&self.caller, user)?;
        let moves = item.along.as_ref().is_some_and(|along| !along.join.is_empty() || !along.leave.is_empty());
        let (state, change) = match &item.step {
            Step::Update { change, .. } => (None, Some(change)),
            Step::Enable { change, .. } | Step::Disable { change, .. } => (Some(Permission::UsersState), Some(change)),
            _ => (Some(Permission::UsersDelete), None),
        };
        let change = change.filter(|change| moves || !change.is_nothing());
        let sets_password = item.along.as_ref().is_some_and(|along| along.password.is_some());
        let needed =
            [state, change.map(|_| Permission::UsersUpdate), sets_password.then_some(Permission::UsersPassword)];
        for permission in needed.into_iter().flatten() {
            may_change(&self.app, &self.caller, user, permission)?;
        }
        match change {
            Some(change) => self.may_give(user, change, item),
            None => Ok(()),
        }
    }

    /// May the caller make this user, or do this to a group?
    fn may_make(&self, item: &PlanItem) -> Result<(), Problem> {
        let Step::Create { rest, .. } = &item.step else { return self.may_change_group(item) };
        let home = rest.managed_by.flatten();
        self.caller.must_in(Permission::UsersCreate, home)?;
        let along = item.along.as_deref();
        if along.is_some_and(|along| along.password.is_some()) {
            self.caller.must_in(Permission::UsersPassword, home)?;
        }
        let groups = along.map(|along| along.join.clone()).filter(|groups| !groups.is_empty());
        authorize(&self.app, &self.caller, None, &AccountChange { user: rest.as_ref().clone(), groups })
    }

    /// May the caller do this to a group?
    fn may_change_group(&self, item: &PlanItem) -> Result<(), Problem> {
        self.caller.must(Permission::GroupsManage)?;
        let Some(id) = item.group else { return Ok(()) };
        let leaving: Vec<Member> = match &item.step {
            Step::RemoveGroup => vec![Member::Group(id)],
            Step::Members { remove, .. } => remove.iter().filter_map(member).collect(),
            _ => Vec::new(),
        };
        match groups::get(&self.app.store.view(), id)? {
            Some(group) => may_release(&self.app, &self.caller, &group, &leaving),
            None => Ok(()),
        }
    }

    fn may_give(&self, user: &User, change: &UserChange, item: &PlanItem) -> Result<(), Problem> {
        let groups = match &item.along {
            Some(along) if !along.join.is_empty() || !along.leave.is_empty() => {
                let mut groups = own_groups(&self.app, user)?;
                groups.retain(|group| !along.leave.contains(group));
                groups.extend(&along.join);
                Some(groups)
            }
            _ => None,
        };
        authorize(&self.app, &self.caller, Some(user), &AccountChange { user: change.clone(), groups })
    }
}

/// A member by the directory's own id.
fn member(named: &MemberRef) -> Option<Member> {
    match named {
        MemberRef::User(id) => Some(Member::User(*id)),
        MemberRef::Group(id) => Some(Member::Group(*id)),
        _ => None,
    }
}
