//! Changing a user's attributes: a merge patch (RFC 7396) of what is written.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;

use super::fields::Fields;
use super::rights::authorize;
use super::{answer_to, find_to_change, looked_at, not_oneself};
use crate::directory::permission::Permission;
use crate::directory::user::{KeptAttribute, User};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, IfMatch, Segment};
use crate::http::state::App;

/// Changes a user.
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    IfMatch(revision): IfMatch,
    Body(fields): Body<Fields>,
) -> Result<Response, Problem> {
    let user = find_to_change(&app, &caller, &name, Permission::UsersUpdate)?;
    if user.is_removed() {
        return Err(Problem::new(
            axum::http::StatusCode::CONFLICT,
            "wrong_state",
            "the user is removed: restore it first",
        ));
    }
    if is_not_for_oneself(&fields) {
        not_oneself(&caller, &user)?;
    }
    owned(&app, &user, &fields)?;
    let change = fields.read(&app, &caller)?;
    authorize(&app, &caller, Some(&user), &change)?;
    let changed = app.auth.change_account(caller.author(), user.id, looked_at(revision, &user), change).await?;
    answer_to(&app, &caller, &changed)
}

/// What is proved by who one is is changed at `/api/v1/me`; what one may do, how long and where, and what of it the
/// source does not decide, by somebody else.
fn is_not_for_oneself(fields: &Fields) -> bool {
    let proved = fields.email.is_some() || fields.phone.is_some() || fields.mfa.is_some();
    let given = fields.roles.is_some() || fields.organizations.is_some() || fields.managed_by.is_some();
    let asked = fields.must_change_password.is_some() || fields.kept.is_some();
    proved || given || asked || fields.expires_at.is_some()
}

/// What the owning source keeps would be overwritten by its next word; a local user keeps an address.
pub(crate) fn owned(app: &App, user: &User, fields: &Fields) -> Result<(), Problem> {
    let is_pulled = app.source(&user.source).is_some_and(|source| source.pulled.is_some());
    if !is_pulled && fields.kept.as_ref().is_some_and(|kept| kept.iter().flatten().next().is_some()) {
        let text = "is for users of a source that musterd reads itself: nobody overwrites the attributes of others so";
        return Err(Problem::field("kept", "not_pulled", text));
    }
    if user.source.is_local() {
        return match fields.email {
            Some(None) => Err(Problem::field("email", "required", "must not be taken from a local user")),
            _ => Ok(()),
        };
    }
    let writes = |attribute| match attribute {
        KeptAttribute::Username => fields.username.is_some(),
        KeptAttribute::Name => fields.name.is_some(),
        KeptAttribute::Email => fields.email.is_some(),
        KeptAttribute::Phone => fields.phone.is_some(),
        KeptAttribute::Description => fields.description.is_some(),
        KeptAttribute::ExpiresAt => fields.expires_at.is_some(),
    };
    let kept: BTreeSet<KeptAttribute> = match &fields.kept {
        Some(kept) => kept.iter().flatten().copied().collect(),
        None => user.kept.clone(),
    };
    let faults = user.owned_by_source(writes, &kept);
    if faults.is_empty() { Ok(()) } else { Err(Problem::fields(faults)) }
}
