//! The SCIM 2.0 endpoint: the bearer token decides the source, and one source never sees another's users.
//!
//! The protocol itself is the room `scim`; here it meets the store. A request becomes a [`call::Call`] and
//! perhaps a [`body::Body`]; `users` and `groups` are the handlers, `user_writes` and `group_writes` their
//! transactions, `shelf` and `list` what they read.

use axum::http::Method;

use super::middleware::access::Access;
use super::routes::{Route, route};

pub mod body;
pub mod call;
pub mod convert;
mod discovery;
mod group_writes;
mod groups;
mod index;
mod list;
mod members;
pub mod reply;
mod shelf;
mod user_writes;
mod users;

/// The routes under `/scim/v2`.
#[must_use]
pub fn routes() -> Vec<Route> {
    [resources(), discovery(), not_offered()].into_iter().flatten().collect()
}

fn resources() -> Vec<Route> {
    vec![
        route(Method::GET, "/scim/v2/Users", Access::Scim, users::list),
        route(Method::POST, "/scim/v2/Users", Access::Scim, users::create),
        route(Method::POST, "/scim/v2/Users/.search", Access::Scim, users::search),
        route(Method::GET, "/scim/v2/Users/{id}", Access::Scim, users::get),
        route(Method::PUT, "/scim/v2/Users/{id}", Access::Scim, users::replace),
        route(Method::PATCH, "/scim/v2/Users/{id}", Access::Scim, users::patch),
        route(Method::DELETE, "/scim/v2/Users/{id}", Access::Scim, users::remove),
        route(Method::GET, "/scim/v2/Groups", Access::Scim, groups::list),
        route(Method::POST, "/scim/v2/Groups", Access::Scim, groups::create),
        route(Method::POST, "/scim/v2/Groups/.search", Access::Scim, groups::search),
        route(Method::GET, "/scim/v2/Groups/{id}", Access::Scim, groups::get),
        route(Method::PUT, "/scim/v2/Groups/{id}", Access::Scim, groups::replace),
        route(Method::PATCH, "/scim/v2/Groups/{id}", Access::Scim, groups::patch),
        route(Method::DELETE, "/scim/v2/Groups/{id}", Access::Scim, groups::remove),
        route(Method::GET, "/scim/v2", Access::Scim, list::everything),
        route(Method::GET, "/scim/v2/", Access::Scim, list::everything),
        route(Method::POST, "/scim/v2/.search", Access::Scim, list::search_everything),
    ]
}

fn discovery() -> Vec<Route> {
    vec![
        route(Method::GET, "/scim/v2/ServiceProviderConfig", Access::Scim, discovery::service_provider_config),
        route(Method::GET, "/scim/v2/ResourceTypes", Access::Scim, discovery::resource_types),
        route(Method::GET, "/scim/v2/ResourceTypes/{name}", Access::Scim, discovery::resource_type),
        route(Method::GET, "/scim/v2/Schemas", Access::Scim, discovery::schemas),
        route(Method::GET, "/scim/v2/Schemas/{urn}", Access::Scim, discovery::schema),
    ]
}

/// What the protocol knows and this service has not: said in words (RFC 7644 §3.7, §3.11). The last path is
/// every other one, so that an unknown path asks for a token before it says that it is none.
fn not_offered() -> Vec<Route> {
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let mut routes = vec![route(Method::POST, "/scim/v2/Bulk", Access::Scim, discovery::no_bulk)];
    for method in methods {
        routes.push(route(method.clone(), "/scim/v2/Me", Access::Scim, discovery::no_me));
        routes.push(route(method, "/scim/{*rest}", Access::Scim, discovery::no_such_endpoint));
    }
    routes
}

#[cfg(test)]
mod tests;
