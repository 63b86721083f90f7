//! Changes of users by their source: each one transaction, with the password hashed before it begins.

use serde_json::Value;

use super::call::{Call, expect};
use super::convert::{Wish, is_the_sources, show_user};
use super::refused;
use super::reply::Failure;
use crate::auth::login::LoginError;
use crate::auth::passwords::Prepared;
use crate::base::id::{ExternalId, SourceId, UserId};
use crate::base::secret::Secret;
use crate::directory::audit::{Actor, Author};
use crate::directory::grant::Grant;
use crate::directory::plan::Step;
use crate::directory::policy::Budget;
use crate::directory::user::{DisabledReason, NewUser, State, User, UserChange};
use crate::http::state::{App, Inside};
use crate::scim::patch::Operation;
use crate::scim::{ScimError, resource};
use crate::store::tx::{Reads, Tx};
use crate::store::users::WriteError;
use crate::store::{StoreError, conflicts, credentials, grants, users};
use crate::sync::push;

/// Makes a user; or takes back the tombstone of the one whom the source calls by that external id and has removed
/// itself; or takes over a user of a source that it may adopt from.
pub(super) async fn create(app: &App, call: &Call, wish: Wish) -> Result<User, Failure> {
    let (now, (budget, adopts)) = (app.store.clock().now(), push_of(app, call));
    let there = match tombstone(&app.store.view(), &call.source, wish.external_id.as_ref())? {
        None => adoptable(app, &wish, &adopts)?,
        tombstone => tombstone,
    };
    let id = there.as_ref().map_or_else(|| UserId::new(now, app.store.rng()), |user| user.id);
    let draft = new_user(id, &call.source, &wish);
    let (author, lifetime, about) = (call.author.clone(), app.lifetime(), wish.clone());
    let (source, identity, grants) = (call.source.clone(), refused::identity(&wish), app.auth.grants.clone());
    let person = match there {
        Some(user) => draft.rest.clone().apply(User { source: source.clone(), ..user }),
        None => draft.clone().build(author.actor.clone(), now, lifetime),
    };
    let password = prepare(app, &person, wish.password.as_ref()).await?;
    let write = move |tx: &mut Tx<'_>| {
        let change = wish.change();
        let user = match users::get(tx, id)? {
            None => users::create(tx, &author, draft.clone(), lifetime)?,
            Some(removed) if removed.is_removed() => {
                keeps_administrators(tx, &grants, &removed, change.clone(), password.is_some())?;
                let user =
                    users::update(tx, &author, id, "user.restored", |user, now| Ok(change.apply(user.restore(now)?)))?;
                set_active(tx, &author, user, Some(wish.active.unwrap_or(true)), budget)?
            }
            Some(holder) if may_adopt(tx, &grants, &holder, &wish, &adopts)? => {
                let author = author.clone().because("the source may take over users of that one");
                let user = users::update(tx, &author, id, "user.linked", |user, _| {
                    let source = source.clone();
                    Ok(change.apply(User { source, external_id: None, at_source: None, ..user.end_sessions() }))
                })?;
                set_active(tx, &author, user, wish.active, budget)?
            }
            // Somebody was quicker, and they are in the way now.
            Some(_) => return Err(WriteError::Taken { field: "username" }.into()),
        };
        if let Some((id, _)) = &identity {
            conflicts::settle(tx, &user.source, id)?;
        }
        commit(password.as_ref(), tx, &author, user)
    };
    let written = app.store.write(write).await;
    refused::note(app, call, written, Some(&about), None).await
}

/// The user of another source whom this one takes over, if it may. Roles that groups give count here too.
fn adoptable(app: &Inside, wish: &Wish, adopts: &[SourceId]) -> Result<Option<User>, StoreError> {
    if adopts.is_empty() {
        return Ok(None);
    }
    let view = app.store.view();
    let Some(holder) = users::by_username(&view, wish.username.as_str())? else { return Ok(None) };
    Ok(may_adopt(&view, &app.auth.grants, &holder, wish, adopts)?.then_some(holder))
}

/// The settings let the source take users of that one over, the username is the same, and they hold no permission.
fn may_adopt(
    reads: &dyn Reads,
    grants: &[Grant],
    holder: &User,
    wish: &Wish,
    adopts: &[SourceId],
) -> Result<bool, StoreError> {
    let is_the_same = holder.username.folded() == wish.username.folded();
    let allowed = is_the_same && adopts.contains(&holder.source);
    Ok(allowed && grants::authority_in(reads, grants, holder)?.is_empty())
}

fn new_user(id: UserId, source: &SourceId, wish: &Wish) -> NewUser {
    NewUser {
        id,
        username: wish.username.clone(),
        name: wish.name.clone(),
        source: source.clone(),
        rest: wish.change(),
        disabled: (wish.active == Some(false)).then_some(DisabledReason::Source),
    }
}

/// Whom the source removed and calls by this id; one whom an administrator removed stays so.
fn tombstone(reads: &dyn Reads, source: &SourceId, id: Option<&ExternalId>) -> Result<Option<User>, StoreError> {
    let Some(id) = id else { return Ok(None) };
    let by_source = |user: &User| match &user.state {
        State::Removed { by: Actor::Source { id, .. }, .. } => id == source,
        _ => false,
    };
    Ok(users::by_external_id(reads, source, id)?.filter(by_source))
}

/// Makes the user what the wish says.
pub(super) async fn replace(app: &App, call: &Call, id: String, wish: Wish) -> Result<User, Failure> {
    let (base, kind) = (call.base.clone(), call.registry.user());
    change(app, call, id, move |user| {
        let shown = show_user(user.clone(), Vec::new(), &base, kind);
        resource::check_immutable(kind, &shown, &wish.scim)?;
        Ok(Some(wish.clone()))
    })
    .await
}

/// Applies a PATCH, all of it or nothing (RFC 7644 §3.5.2).
pub(super) async fn patch(app: &App, call: &Call, id: String, operations: Vec<Operation>) -> Result<User, Failure> {
    let (base, kind, apply) = (call.base.clone(), call.registry.user(), call.applies());
    change(app, call, id, move |user| {
        let shown = show_user(user.clone(), Vec::new(), &base, kind);
        let mut resource = shown.clone();
        if apply(kind, &mut resource, &operations)? {
            return Wish::read_patched(resource).map(Some);
        }
        // "active is true" about somebody who is changes nothing, and is a word all the same.
        let mut shut_out = shown;
        shut_out.insert("active".to_owned(), Value::Bool(false));
        let says_so = user.is_active() && apply(kind, &mut shut_out, &operations)?;
        if says_so { Wish::read_patched(resource).map(Some) } else { Ok(None) }
    })
    .await
}

/// Works out the wish from the user as they are: once to hash its password, and again inside the transaction,
/// so that nothing that happens in between is lost.
async fn change(
    app: &App,
    call: &Call,
    id: String,
    wish: impl Fn(&User) -> Result<Option<Wish>, ScimError> + Send + 'static,
) -> Result<User, Failure> {
    let seen = call.shelf(&app.store.view()).user(&id)?;
    expect(call.if_match.as_ref(), seen.revision)?;
    let (user, about) = (seen.id, wish(&seen)?);
    let password = match &about {
        Some(wish) => prepare(app, &wish.change().apply(seen), wish.password.as_ref()).await?,
        None => None,
    };
    let (origin, budget) = (call, push_of(app, call).0);
    let (author, call, grants) = (call.author.clone(), call.clone(), app.auth.grants.clone());
    let write = move |tx: &mut Tx<'_>| {
        let user = call.shelf(tx).user(&id)?;
        expect(call.if_match.as_ref(), user.revision)?;
        let Some(wish) = wish(&user)? else { return Ok(user) };
        let change = wish.change();
        keeps_administrators(tx, &grants, &user, change.clone(), password.is_some())?;
        let user = users::update(tx, &author, user.id, "user.changed", |user, _| Ok(change.apply(user)))?;
        let user = set_active(tx, &author, user, wish.active, budget)?;
        if let Some((id, _)) = refused::identity(&wish) {
            conflicts::settle(tx, &user.source, &id)?;
        }
        commit(password.as_ref(), tx, &author, user)
    };
    let written = app.store.write(write).await;
    refused::note(app, origin, written, about.as_ref(), Some(user)).await
}

/// A source may shut an administrator out, but not come in as one: a user who holds permissions keeps username,
/// address and password until an administrator changes them.
fn keeps_administrators(
    reads: &dyn Reads,
    grants: &[Grant],
    old: &User,
    change: UserChange,
    sets_password: bool,
) -> Result<(), Failure> {
    let new = change.apply(old.clone());
    let takes_over = old.username != new.username || old.email != new.email || sets_password;
    if takes_over && !grants::authority_in(reads, grants, old)?.is_empty() {
        let detail =
            "this user holds an administrator's role: username, address and password are changed by an administrator";
        return Err(ScimError::plain(403, detail).into());
    }
    Ok(())
}

/// Removes the user: the name is free, and the person can come back until the tombstone is purged.
pub(super) async fn remove(app: &App, origin: &Call, id: String) -> Result<(), Failure> {
    let (author, call) = (origin.author.clone(), origin.clone());
    let (retention, (budget, _)) = (app.users.retention, push_of(app, origin));
    let write = move |tx: &mut Tx<'_>| {
        let user = call.shelf(tx).user(&id)?;
        expect(call.if_match.as_ref(), user.revision)?;
        may_take_away(tx, &user, Step::Remove, budget)?;
        let by = author.actor.clone();
        users::update(tx, &author, user.id, "user.removed", |user, now| Ok(user.remove(by, now, retention)))?;
        Ok(())
    };
    let written = app.store.write(write).await;
    refused::note(app, origin, written, None, None).await
}

/// What the settings let the provider do.
fn push_of(app: &App, call: &Call) -> (Budget, Vec<SourceId>) {
    let push = app.source(&call.source).and_then(|source| source.push.clone()).unwrap_or_default();
    (push.budget, push.adopts)
}

/// Lets the guard look at it (promise 2).
fn may_take_away(tx: &mut Tx<'_>, user: &User, step: Step, budget: Budget) -> Result<(), Failure> {
    match push::allow(tx, user, step, budget)? {
        Some(held) => Err(Failure::held(held)),
        None => Ok(()),
    }
}

/// Disables, or enables whom the source itself disabled: others have their own reasons and stay out.
fn set_active(
    tx: &mut Tx<'_>,
    author: &Author,
    user: User,
    wanted: Option<bool>,
    budget: Budget,
) -> Result<User, Failure> {
    let by = author.actor.clone();
    let enables = is_the_sources(&user.state) && !user.is_expired(tx.now());
    match wanted {
        Some(false) if user.is_active() => {
            let reason = DisabledReason::Source;
            may_take_away(tx, &user, Step::disable(reason), budget)?;
            Ok(users::update(tx, author, user.id, "user.disabled", |user, now| user.disable(reason, by, now))?)
        }
        Some(true) => {
            push::withdraw(tx, &user)?;
            if !enables {
                return Ok(user);
            }
            push::give_back(tx, &user)?;
            Ok(users::update(tx, author, user.id, "user.enabled", |user, now| user.enable(now))?)
        }
        _ => Ok(user),
    }
}

/// Checks and hashes a new password. The present one again is no change, so that a request can be repeated;
/// one for a source whose passwords are verified elsewhere is of no use and is dropped, as providers send
/// throw-away ones.
async fn prepare(app: &Inside, person: &User, password: Option<&Secret>) -> Result<Option<Prepared>, Failure> {
    let Some(password) = password.filter(|_| app.auth.keeps_password(&person.source)) else { return Ok(None) };
    let present = credentials::get(&app.store.view(), person.id)?;
    if let Some(present) = present
        && app.auth.hasher.verify(password, &present.hash).await.map_err(LoginError::from)?
    {
        return Ok(None);
    }
    Ok(Some(app.auth.prepare_password(person, password).await?))
}

fn commit(password: Option<&Prepared>, tx: &mut Tx<'_>, author: &Author, user: User) -> Result<User, Failure> {
    match password {
        Some(password) => Ok(password.commit(tx, author, false)?),
        None => Ok(user),
    }
}
