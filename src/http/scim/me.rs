//! `/Me` (RFC 7644 §3.11): the user of a session. The token of a provider belongs to a source, and that is no user.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::call;
use super::reply::{self, Failure};
use super::shelf::Shelf;
use crate::http::caller::Caller;
use crate::http::extract::Parameters;
use crate::http::state::App;
use crate::scim::ScimError;
use crate::scim::list::ListRequest;
use crate::scim::project::Projection;

/// `GET /Me`: the resource itself, with its own address as `Location`.
pub(super) async fn get(State(app): State<App>, caller: Caller, query: Parameters) -> Result<Response, Failure> {
    let (user, _) = caller.user().map_err(|_| not_a_user())?;
    let (view, base) = (app.store.view(), call::base(&app));
    let shelf = Shelf { reads: &view, source: &user.source, base: &base, registry: app.scim.registry };
    let chosen = ListRequest::from_query(query.0.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
    let projection = Projection::new(app.scim.registry.user(), &chosen.attributes, &chosen.excluded_attributes);
    let resource = shelf.answer_user(user.clone(), &projection)?;
    Ok(reply::one(StatusCode::OK, resource, &projection))
}

/// Changes of oneself go through the API, which asks for the present password where it must.
pub(super) async fn refuse(caller: Caller) -> Failure {
    match caller.user() {
        Ok(_) => ScimError::plain(501, "/Me can be read; change your profile at /api/v1/me").into(),
        Err(_) => not_a_user(),
    }
}

fn not_a_user() -> Failure {
    ScimError::plain(501, "a SCIM token belongs to a source, not to a user: there is no /Me").into()
}
