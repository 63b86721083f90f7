//! Who may give what: of a change, what differs from how it is now must be the caller's to give.

use std::collections::{BTreeMap, BTreeSet};

use crate::auth::accounts::AccountChange;
use crate::base::id::{GroupId, OrganizationId, RoleId, UserId};
use crate::directory::authority::Reach;
use crate::directory::group::{Group, Member};
use crate::directory::permission::{Permission, Permissions};
use crate::directory::policy::MfaRules;
use crate::directory::role::{self, Scope};
use crate::directory::user::{User, UserChange, with_plain_role};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::state::App;
use crate::store::tx::Reads;
use crate::store::{StoreError, credentials, groups, roles, users};

/// Refuses a change that gives or takes what the caller may not; `old` is how the user is now, none for a new one.
///
/// # Errors
/// 403 naming what it needs; 400 for a home that the user would not be in.
pub fn authorize(app: &App, caller: &Caller, old: Option<&User>, change: &AccountChange) -> Result<(), Problem> {
    let wish = &change.user;
    let home = old.map_or_else(|| wish.managed_by.flatten(), |old| old.managed_by);
    let plain = with_plain_role(BTreeSet::new());
    if let Some(wished) = wish.roles.clone().map(with_plain_role) {
        system_roles(app, caller, old.map_or(&plain, |old| &old.roles), &wished)?;
    }
    if wish.mfa.is_some_and(|mfa| mfa != old.map(|old| old.mfa).unwrap_or_default()) {
        caller.must_in(Permission::UsersMfa, home)?;
    }
    let none = BTreeMap::new();
    let had = old.map_or(&none, |old| &old.organizations);
    let has = wish.organizations.as_ref().unwrap_or(had);
    let touched: BTreeSet<OrganizationId> = had.keys().chain(has.keys()).copied().collect();
    for id in touched.into_iter().filter(|id| had.get(id) != has.get(id)) {
        let place = Place {
            user: old.map(|old| old.id),
            organization: id,
            is_home: home == Some(id),
            had: had.get(&id),
            has: has.get(&id),
        };
        // Whoever makes users for an organisation makes them its members.
        if !(old.is_none() && place.is_home && place.is_plain()) {
            membership(app, caller, &place)?;
        }
    }
    if let Some(old) = old.filter(|old| wish.email.as_ref().is_some_and(|email| *email != old.email)) {
        addressed_anew(app, caller, old)?;
    }
    if let Some(old) = old.filter(|_| wish.email.is_some() || wish.phone.is_some()) {
        keeps_factors(app, caller, old, wish)?;
    }
    let was_home = old.and_then(|old| old.managed_by);
    if let Some(home) = wish.managed_by.filter(|home| *home != was_home) {
        settle(caller, old, home, has.keys())?;
    }
    match &change.groups {
        Some(wished) => in_groups(app, caller, old, wished),
        None => Ok(()),
    }
}

/// System roles that come or go are given by who may, and who holds all that they hold.
fn system_roles(app: &App, caller: &Caller, had: &BTreeSet<RoleId>, wished: &BTreeSet<RoleId>) -> Result<(), Problem> {
    let moved: Vec<&RoleId> = had.symmetric_difference(wished).filter(|role| !role::is_plain(role)).collect();
    if moved.is_empty() {
        return Ok(());
    }
    caller.must(Permission::UsersRoles)?;
    let held = held_by(app, moved, Scope::System)?;
    must_hold(held, caller.authority.everywhere)
}

/// A membership of an organisation that comes, goes or changes its roles.
pub struct Place<'a> {
    /// Whose it is; none: of somebody who is made.
    pub user: Option<UserId>,
    /// The organisation.
    pub organization: OrganizationId,
    /// Does it manage the account?
    pub is_home: bool,
    /// The roles inside that are held, if any.
    pub had: Option<&'a BTreeSet<RoleId>>,
    /// Those that shall be.
    pub has: Option<&'a BTreeSet<RoleId>>,
}

impl Place<'_> {
    /// Are all the roles inside such as everybody holds?
    fn is_plain(&self) -> bool {
        self.had.into_iter().chain(self.has).flatten().all(role::is_plain)
    }
}

/// Refuses a change of a membership that is not the caller's to make.
///
/// # Errors
/// 403.
pub fn membership(app: &App, caller: &Caller, place: &Place<'_>) -> Result<(), Problem> {
    member_of(caller, place.organization)?;
    if let Some(user) = place.user.filter(|_| place.has.is_none()) {
        leaves_groups(app, caller, user, place.organization)?;
    }
    let added = place.has.into_iter().flatten().filter(|role| place.had.is_none_or(|had| !had.contains(*role)));
    let gives_power = !held_by(app, added, Scope::Organization)?.is_empty();
    let is_inside =
        [Permission::OrganizationsManage, Permission::MembersManage].iter().all(|one| caller.must(*one).is_err());
    if gives_power && !place.is_home && is_inside {
        // Who holds permissions is let in by their own source alone: a stranger's account is not to be changed so.
        let detail = "roles with permissions are given from here to accounts that this organisation manages; \
                      others are given them by who administers the whole directory";
        return Err(Problem::forbidden(detail));
    }
    let roles = place.had.into_iter().chain(place.has).flatten();
    must_hold(held_by(app, roles, Scope::Organization)?, caller.authority.held_in(place.organization))
}

/// Whoever leaves an organisation leaves its groups.
fn leaves_groups(app: &App, caller: &Caller, user: UserId, organization: OrganizationId) -> Result<(), Problem> {
    let (view, member) = (app.store.view(), Member::User(user));
    for id in groups::direct_groups(&view, member)? {
        if let Some(group) = groups::get(&view, id)?.filter(|group| group.organization == Some(organization)) {
            may_release(app, caller, &group, &[member])?;
        }
    }
    Ok(())
}

/// Refuses memberships of an organisation to whoever may not give them.
///
/// # Errors
/// 403.
pub fn member_of(caller: &Caller, organization: OrganizationId) -> Result<(), Problem> {
    any_membership(caller).or_else(|_| caller.must_in(Permission::MembersManage, Some(organization)))
}

/// The same for any organisation whatever.
///
/// # Errors
/// As [`member_of`].
pub fn any_membership(caller: &Caller) -> Result<(), Problem> {
    caller.must(Permission::OrganizationsManage).or_else(|_| caller.must(Permission::MembersManage))
}

/// Refuses the choice of a home to whoever may not choose any.
///
/// # Errors
/// 403, in the words in which one that is not theirs is refused.
pub fn any_home(caller: &Caller) -> Result<(), Problem> {
    caller.must(Permission::UsersUpdate).map_err(not_your_home)
}

fn not_your_home(_: Problem) -> Problem {
    Problem::forbidden("this organisation's accounts are not yours to manage")
}

/// Who gives an account another address can have a link for its password sent there.
fn addressed_anew(app: &App, caller: &Caller, old: &User) -> Result<(), Problem> {
    match app.auth.keeps_password(&old.source) {
        true => caller.must_in(Permission::UsersPassword, old.managed_by),
        false => Ok(()),
    }
}

/// A factor whose codes go to an address or number falls with it: who may not take it away does not change those.
fn keeps_factors(app: &App, caller: &Caller, old: &User, wish: &UserChange) -> Result<(), Problem> {
    let new = wish.clone().apply(old.clone());
    let factors = credentials::factors(&app.store.view(), old.id)?;
    match factors.iter().any(|factor| factor.stands_for(old) && !factor.stands_for(&new)) {
        true => caller.must_in(Permission::UsersMfa, old.managed_by),
        false => Ok(()),
    }
}

/// Whoever leaves a group whose members are asked for a second factor (`mfa.groups`), by its members or as one that is
/// nested in it, is asked no more: that is for who may take factors away, and for nobody of themselves.
///
/// # Errors
/// 403.
pub fn may_release(app: &App, caller: &Caller, group: &Group, leaving: &[Member]) -> Result<(), Problem> {
    let view = app.store.view();
    if leaving.is_empty() || !asks_for_factor(&view, &app.auth.settings.mfa.rules, group)? {
        return Ok(());
    }
    for member in leaving {
        match member {
            Member::User(id) => {
                let home = users::get(&view, *id)?.and_then(|user| user.managed_by);
                caller.must_in(Permission::UsersMfa, home)?;
            }
            // Its members may be anybody's.
            Member::Group(_) => caller.must(Permission::UsersMfa)?,
        }
    }
    let Some((own, _)) = caller.owner else { return Ok(()) };
    let own_groups = groups::groups_of(&view, own)?;
    let is_own = |member: &Member| match member {
        Member::User(id) => *id == own,
        Member::Group(id) => own_groups.iter().any(|(group, _)| group.id == *id),
    };
    match leaving.iter().any(is_own) {
        true => {
            Err(Problem::forbidden("a second factor is asked of you by this group: another administrator changes it"))
        }
        false => Ok(()),
    }
}

/// Refuses another name for a group that `mfa.groups` names, to whoever may not release its members.
///
/// # Errors
/// 403.
pub fn may_rename(app: &App, caller: &Caller, group: &Group) -> Result<(), Problem> {
    match app.auth.settings.mfa.rules.groups.iter().any(|named| named.is(group)) {
        true => may_release(app, caller, group, &[Member::Group(group.id)]),
        false => Ok(()),
    }
}

/// Are the members of a group, or of one that it is in, asked for a second factor?
fn asks_for_factor(reads: &dyn Reads, rules: &MfaRules, group: &Group) -> Result<bool, StoreError> {
    if rules.groups.is_empty() {
        return Ok(false);
    }
    let (mut seen, mut rest) = (BTreeSet::new(), vec![group.clone()]);
    while let Some(group) = rest.pop() {
        if rules.groups.iter().any(|named| named.is(&group)) {
            return Ok(true);
        }
        if seen.insert(group.id) {
            for outer in groups::direct_groups(reads, Member::Group(group.id))? {
                rest.extend(groups::get(reads, outer)?);
            }
        }
    }
    Ok(false)
}

fn held_by<'a>(
    app: &App,
    roles: impl IntoIterator<Item = &'a RoleId>,
    scope: Scope,
) -> Result<Permissions, StoreError> {
    let mut each = roles.into_iter().map(|role| roles::permissions_now(&app.store, role, scope));
    each.try_fold(Permissions::default(), |all, one| Ok(all.or(one?)))
}

fn must_hold(wanted: Permissions, held: Permissions) -> Result<(), Problem> {
    let lacking = wanted.without(held).names();
    if lacking.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "these roles hold permissions that you do not, so they are not yours to give or take: {}",
        lacking.join(", ")
    );
    Err(Problem::forbidden(detail))
}

/// What an organisation's administrators may do to an account that comes to it: nobody gives what they do not hold.
const GIVEN_WITH_AN_ACCOUNT: &[Permission] = &[
    Permission::UsersUpdate,
    Permission::UsersState,
    Permission::UsersPassword,
    Permission::UsersMfa,
    Permission::UsersSessions,
];

/// Whom an organisation manages, its administrators can lock out and come in as: only who reaches every account gives
/// an account away. A new one is at home where it is made.
fn settle<'a>(
    caller: &Caller,
    old: Option<&User>,
    home: Option<OrganizationId>,
    mut organizations: impl Iterator<Item = &'a OrganizationId>,
) -> Result<(), Problem> {
    match (old, home) {
        (None, home) => caller.must_in(Permission::UsersCreate, home).map_err(not_your_home)?,
        (Some(_), None) => caller.must(Permission::UsersUpdate)?,
        (Some(_), Some(_)) => {
            let mut each = GIVEN_WITH_AN_ACCOUNT.iter();
            each.try_for_each(|permission| caller.must(*permission)).map_err(not_your_home)?;
        }
    }
    if home.is_some_and(|home| !organizations.any(|one| *one == home)) {
        let text = "must be one of the user's organizations";
        return Err(Problem::field("managed_by", "not_a_member", text));
    }
    Ok(())
}

/// Whoever makes users inside an organisation only makes them for it: there they are members, and at home.
///
/// # Errors
/// 403 for another organisation; 400 where it does not say which of several.
pub fn settle_new(caller: &Caller, wish: &mut UserChange) -> Result<(), Problem> {
    let Reach::Organizations(reached) = caller.authority.reach(Permission::UsersCreate) else { return Ok(()) };
    let home = match (wish.managed_by.flatten(), reached.first()) {
        (Some(home), _) => home,
        (None, Some(only)) if reached.len() == 1 => *only,
        _ => {
            return Err(Problem::field(
                "managed_by",
                "missing",
                "must name the organisation that the user is made for",
            ));
        }
    };
    caller.must_in(Permission::UsersCreate, Some(home)).map_err(not_your_home)?;
    wish.managed_by = Some(Some(home));
    let plain = RoleId::parse(role::ORGANIZATION_USER).ok();
    wish.organizations.get_or_insert_default().entry(home).or_insert_with(|| plain.into_iter().collect());
    Ok(())
}

/// Groups that are joined or left are the caller's to manage, each where it is.
fn in_groups(app: &App, caller: &Caller, old: Option<&User>, wished: &[GroupId]) -> Result<(), Problem> {
    let view = app.store.view();
    let had = old.map_or(Ok(Vec::new()), |old| own_groups(app, old))?;
    for id in wished.iter().filter(|group| !had.contains(group)) {
        let organization = groups::get(&view, *id)?.and_then(|group| group.organization);
        caller.must_in(Permission::GroupsManage, organization)?;
    }
    for id in had.iter().filter(|group| !wished.contains(group)) {
        let Some(group) = groups::get(&view, *id)? else { continue };
        caller.must_in(Permission::GroupsManage, group.organization)?;
        let leaving = old.map(|old| Member::User(old.id));
        may_release(app, caller, &group, leaving.as_slice())?;
    }
    Ok(())
}

/// A user's direct groups, as far as they are musterd's own.
///
/// # Errors
/// When the store cannot read.
pub fn own_groups(app: &App, user: &User) -> Result<Vec<GroupId>, StoreError> {
    let view = app.store.view();
    let mut own = Vec::new();
    for id in groups::direct_groups(&view, Member::User(user.id))? {
        if groups::get(&view, id)?.is_some_and(|group| group.source.is_local()) {
            own.push(id);
        }
    }
    Ok(own)
}
