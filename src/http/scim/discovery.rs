//! What the service says about itself (RFC 7644 §4).

use super::bulk::MOST_OPERATIONS;
use super::call::{self, Call, Named};
use super::cursor;
use super::list::{LARGEST_PAGE, USUAL_PAGE};
use super::reply::{self, Failure, Reply};
use crate::http::extract::Parameters;
use crate::http::state::App;
use crate::scim::ScimError;
use crate::scim::discovery::{self, Limits};
use axum::extract::State;

/// `GET /ServiceProviderConfig`.
pub(super) async fn service_provider_config(State(app): State<App>, query: Parameters) -> Result<Reply, Failure> {
    refuse_filter(query.0.iter().any(|(name, _)| name.eq_ignore_ascii_case("filter")))?;
    let limits = Limits {
        filter_max_results: LARGEST_PAGE,
        usual_page: USUAL_PAGE,
        cursor_timeout: u64::try_from(cursor::LIFE.as_secs()).unwrap_or_default(),
        bulk_max_operations: u64::try_from(MOST_OPERATIONS).unwrap_or(u64::MAX),
        bulk_max_payload: u64::try_from(app.settings.body_limit).unwrap_or(u64::MAX),
    };
    Ok(Reply::ok(discovery::service_provider_config(&call::base(&app), limits)))
}

/// `GET /ResourceTypes`.
pub(super) async fn resource_types(call: Call) -> Result<Reply, Failure> {
    refuse_filter(call.has_parameter("filter"))?;
    Ok(Reply::ok(discovery::resource_types(call.registry, &call.base)))
}

/// `GET /ResourceTypes/{name}`.
pub(super) async fn resource_type(call: Call, Named(name): Named) -> Result<Reply, Failure> {
    refuse_filter(call.has_parameter("filter"))?;
    let found = discovery::resource_type(call.registry, &name, &call.base);
    found.map(Reply::ok).ok_or_else(|| ScimError::not_found("ResourceType", &name).into())
}

/// `GET /Schemas`.
pub(super) async fn schemas(call: Call) -> Result<Reply, Failure> {
    refuse_filter(call.has_parameter("filter"))?;
    Ok(Reply::ok(discovery::schema_list(call.registry, &call.base)))
}

/// `GET /Schemas/{urn}`.
pub(super) async fn schema(call: Call, Named(urn): Named) -> Result<Reply, Failure> {
    refuse_filter(call.has_parameter("filter"))?;
    let found = discovery::schema(call.registry, &urn, &call.base);
    found.map(Reply::ok).ok_or_else(|| ScimError::not_found("Schema", &urn).into())
}

/// A client must not take what it filtered here for the whole truth (RFC 7644 §4).
fn refuse_filter(has_filter: bool) -> Result<(), Failure> {
    if has_filter {
        return Err(ScimError::plain(403, "this endpoint takes no filter: read it whole").into());
    }
    Ok(())
}

/// Every other path.
pub(super) async fn no_such_endpoint(_: Call) -> Failure {
    reply::no_such_endpoint()
}
