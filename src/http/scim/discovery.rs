//! What the service says about itself, and what it does not offer (RFC 7644 §3.7, §3.11, §4).

use super::call::{Call, Named};
use super::list::LARGEST_PAGE;
use super::reply::{self, Failure, Reply};
use crate::http::state::App;
use crate::scim::ScimError;
use crate::scim::discovery::{self, Limits};
use axum::extract::State;

/// `GET /ServiceProviderConfig`.
pub(super) async fn service_provider_config(State(app): State<App>, call: Call) -> Result<Reply, Failure> {
    refuse_filter(&call)?;
    let payload = u64::try_from(app.settings.body_limit).unwrap_or(u64::MAX);
    let limits = Limits { filter_max_results: LARGEST_PAGE, bulk_max_payload: payload, ..Limits::default() };
    Ok(Reply::ok(discovery::service_provider_config(&call.base, limits)))
}

/// `GET /ResourceTypes`.
pub(super) async fn resource_types(call: Call) -> Result<Reply, Failure> {
    refuse_filter(&call)?;
    Ok(Reply::ok(discovery::resource_types(&call.base)))
}

/// `GET /ResourceTypes/{name}`.
pub(super) async fn resource_type(call: Call, Named(name): Named) -> Result<Reply, Failure> {
    refuse_filter(&call)?;
    let found = discovery::resource_type(&name, &call.base);
    found.map(Reply::ok).ok_or_else(|| ScimError::not_found("ResourceType", &name).into())
}

/// `GET /Schemas`.
pub(super) async fn schemas(call: Call) -> Result<Reply, Failure> {
    refuse_filter(&call)?;
    Ok(Reply::ok(discovery::schema_list(&call.base)))
}

/// `GET /Schemas/{urn}`.
pub(super) async fn schema(call: Call, Named(urn): Named) -> Result<Reply, Failure> {
    refuse_filter(&call)?;
    discovery::schema(&urn, &call.base).map(Reply::ok).ok_or_else(|| ScimError::not_found("Schema", &urn).into())
}

/// A client must not take what it filtered here for the whole truth (RFC 7644 §4).
fn refuse_filter(call: &Call) -> Result<(), Failure> {
    if call.has_parameter("filter") {
        return Err(ScimError::plain(403, "this endpoint takes no filter: read it whole").into());
    }
    Ok(())
}

/// `POST /Bulk`.
pub(super) async fn no_bulk(_: Call) -> Failure {
    ScimError::plain(501, "bulk requests are not supported: send the operations one by one").into()
}

/// `/Me`: a token is an identity provider's, and that is no user (RFC 7644 §3.11).
pub(super) async fn no_me(_: Call) -> Failure {
    ScimError::plain(501, "a SCIM token belongs to a source, not to a user: there is no /Me").into()
}

/// Every other path.
pub(super) async fn no_such_endpoint(_: Call) -> Failure {
    reply::no_such_endpoint()
}
