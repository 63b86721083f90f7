//! What becomes of a change of a user that was refused: past the budget it waits in a plan; where another source's user
//! is in the way, it stands in the inbox of conflicts.

use super::call::Call;
use super::convert::Wish;
use super::reply::Failure;
use crate::base::id::{ExternalId, SourceId, UserId};
use crate::directory::conflict::Conflict;
use crate::directory::field::Email;
use crate::http::state::App;
use crate::scim::{ScimError, ScimType};
use crate::store::tx::{Reads, Tx};
use crate::store::{StoreError, conflicts};
use crate::sync::directory::Directory;
use crate::sync::push;

/// Notes a refusal before it is answered. `wish` is what the source wanted, of a `user` whom it has already.
pub(super) async fn note<T>(
    app: &App,
    call: &Call,
    written: Result<T, Failure>,
    wish: Option<&Wish>,
    user: Option<UserId>,
) -> Result<T, Failure> {
    match (written, wish) {
        (Err(Failure { error, retry_after, location, held: Some(held) }), _) => {
            let plan = push::hold(&app.store, *held).await?;
            let plan = plan.map(|plan| format!(": an administrator looks at the plan {plan}")).unwrap_or_default();
            let detail = format!("{}{plan}", error.detail);
            Err(Failure { error: ScimError { detail, ..error }, retry_after, location, held: None })
        }
        (Err(failure), Some(wish)) if failure.error.scim_type == Some(ScimType::Uniqueness) => {
            keep(app, call, wish, user).await?;
            Err(failure)
        }
        (written, _) => written,
    }
}

/// What a conflict is called: by the provider's id, else by the username, and then `true`.
pub(super) fn identity(wish: &Wish) -> Option<(ExternalId, bool)> {
    match &wish.external_id {
        Some(id) => Some((id.clone(), false)),
        None => ExternalId::parse(wish.username.as_str()).ok().map(|id| (id, true)),
    }
}

/// Puts who is in the way into the inbox, unless it is one of the provider's own, which it can see.
async fn keep(app: &App, call: &Call, wish: &Wish, user: Option<UserId>) -> Result<(), StoreError> {
    let Some(conflict) = found(&app.store.view(), call, wish, user)? else { return Ok(()) };
    app.store
        .write(move |tx: &mut Tx<'_>| {
            let before = conflicts::get(tx, &conflict.source, &conflict.external_id)?;
            let same = before.as_ref().is_some_and(|one| one.holder == conflict.holder && one.field == conflict.field);
            if same || is_full(tx, &conflict.source)? {
                return Ok(());
            }
            let conflict = Conflict { since: tx.now(), ..conflict.clone() };
            conflicts::put(tx, &conflict)
        })
        .await
}

/// The inbox of a source has an end.
fn is_full(reads: &dyn Reads, source: &SourceId) -> Result<bool, StoreError> {
    let all = conflicts::page(reads, Some(source), None, conflicts::KEPT_MAX, |_| true)?;
    Ok(all.len() >= conflicts::KEPT_MAX)
}

fn found(reads: &dyn Reads, call: &Call, wish: &Wish, user: Option<UserId>) -> Result<Option<Conflict>, StoreError> {
    let email = wish.email.as_ref().map(Email::as_str);
    let directory = Directory { reads, source: &call.source };
    let of_name = directory.holder("username", wish.username.as_str())?;
    let of_email = email.map(|email| directory.holder("email", email)).transpose()?.flatten();
    let holders = [("username", of_name), ("email", of_email)];
    let other = holders.into_iter().find_map(|(field, holder)| {
        let holder = holder.filter(|holder| holder.source != call.source && Some(holder.id) != user)?;
        Some((field, holder))
    });
    let Some((external_id, unnamed)) = identity(wish) else { return Ok(None) };
    Ok(other.map(|(field, holder)| Conflict {
        source: call.source.clone(),
        external_id,
        entry: wish.username.as_str().to_owned(),
        username: wish.username.as_str().to_owned(),
        name: wish.name.as_str().to_owned(),
        email: email.map(str::to_owned),
        field: field.to_owned(),
        holder: holder.id,
        holder_source: holder.source,
        user,
        link_proposed: false,
        since: jiff::Timestamp::UNIX_EPOCH,
        run: None,
        unnamed,
        decision: None,
    }))
}
