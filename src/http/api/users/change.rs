//! Changing a user's attributes: a merge patch (RFC 7396) of what is written.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;

use super::fields::Fields;
use super::{answer, find_to_change, not_oneself};
use crate::directory::field::FieldError;
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
    let user = find_to_change(&app, &caller, &name)?;
    if user.is_removed() {
        return Err(Problem::new(
            axum::http::StatusCode::CONFLICT,
            "wrong_state",
            "the user is removed: restore it first",
        ));
    }
    owned(&user, &fields)?;
    if fields.roles.is_some() || fields.expires_at.is_some() || fields.mfa.is_some() {
        not_oneself(&caller, &user)?;
    }
    let change = fields.parse(&app, &caller)?;
    let changed = app.auth.change_account(caller.author(), user.id, revision, change).await?;
    answer(&app, &changed)
}

/// What the owning source keeps would be overwritten by its next word; a local user keeps an address.
fn owned(user: &User, fields: &Fields) -> Result<(), Problem> {
    if user.source.is_local() {
        return match fields.email {
            Some(None) => Err(Problem::field("email", "required", "must not be taken from a local user")),
            _ => Ok(()),
        };
    }
    let written = [
        ("username", KeptAttribute::Username, fields.username.is_some()),
        ("name", KeptAttribute::Name, fields.name.is_some()),
        ("email", KeptAttribute::Email, fields.email.is_some()),
        ("phone", KeptAttribute::Phone, fields.phone.is_some()),
    ];
    let kept: BTreeSet<KeptAttribute> = match &fields.kept {
        Some(kept) => kept.iter().flatten().copied().collect(),
        None => user.kept.clone(),
    };
    let written = written.into_iter().filter(|(_, attribute, written)| *written && !kept.contains(attribute));
    let message =
        format!("belongs to the source {}: change it there, or put it into kept to keep it here", user.source);
    let faults: Vec<_> =
        written.map(|(field, ..)| FieldError::new(field, "owned_by_source", message.clone())).collect();
    if faults.is_empty() { Ok(()) } else { Err(Problem::fields(faults)) }
}
