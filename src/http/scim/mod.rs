//! The SCIM 2.0 endpoint: the bearer token decides the source, and one source never sees another's users.
//!
//! The protocol itself is the room `scim`; here it meets the store. A request becomes a [`call::Call`] and perhaps a
//! [`body::Body`]; `resources` and `list` are the handlers, `writes` does what one asks of any kind of resource by
//! `user_writes`, `group_writes` and `other_writes`, `shelf` reads.

use axum::http::Method;

use super::middleware::access::Access;
use super::routes::{Route, route};

pub mod body;
mod bulk;
pub mod call;
pub mod convert;
mod cursor;
mod discovery;
mod group_writes;
pub mod guide;
mod index;
pub mod journal;
mod kind;
mod list;
mod me;
mod members;
mod other_writes;
pub mod pages;
mod refused;
pub mod reply;
mod resources;
pub mod settings;
mod shelf;
mod user_writes;
mod writes;

/// The routes under `/scim/v2`.
#[must_use]
pub fn routes() -> Vec<Route> {
    [everything(), resources(), discovery(), me(), unknown()].into_iter().flatten().collect()
}

/// What looks at, or changes, several kinds of resources.
fn everything() -> Vec<Route> {
    vec![
        route(Method::GET, "/scim/v2", Access::Scim, list::everything),
        route(Method::GET, "/scim/v2/", Access::Scim, list::everything),
        route(Method::POST, "/scim/v2/.search", Access::Scim, list::search_everything),
        route(Method::POST, "/scim/v2/Bulk", Access::Scim, bulk::bulk),
    ]
}

/// `Users`, `Groups`, and the endpoints of the settings.
fn resources() -> Vec<Route> {
    let others = [Method::PUT, Method::PATCH, Method::DELETE];
    let refused = others.map(|method| route(method, "/scim/v2/{type}", Access::Scim, resources::refuse));
    let mut routes = vec![
        route(Method::POST, "/scim/v2/{type}/{id}", Access::Scim, resources::refuse),
        route(Method::GET, "/scim/v2/{type}", Access::Scim, list::list),
        route(Method::POST, "/scim/v2/{type}", Access::Scim, resources::create),
        route(Method::POST, "/scim/v2/{type}/.search", Access::Scim, list::search),
        route(Method::GET, "/scim/v2/{type}/{id}", Access::Scim, resources::get),
        route(Method::PUT, "/scim/v2/{type}/{id}", Access::Scim, resources::replace),
        route(Method::PATCH, "/scim/v2/{type}/{id}", Access::Scim, resources::patch),
        route(Method::DELETE, "/scim/v2/{type}/{id}", Access::Scim, resources::remove),
    ];
    routes.extend(refused);
    routes
}

fn discovery() -> Vec<Route> {
    vec![
        route(Method::GET, "/scim/v2/ServiceProviderConfig", Access::ScimDiscovery, discovery::service_provider_config),
        route(Method::GET, "/scim/v2/ResourceTypes", Access::Scim, discovery::resource_types),
        route(Method::GET, "/scim/v2/ResourceTypes/{name}", Access::Scim, discovery::resource_type),
        route(Method::GET, "/scim/v2/Schemas", Access::Scim, discovery::schemas),
        route(Method::GET, "/scim/v2/Schemas/{urn}", Access::Scim, discovery::schema),
    ]
}

fn me() -> Vec<Route> {
    let others = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let mut routes = vec![route(Method::GET, "/scim/v2/Me", Access::ScimMe, me::get)];
    routes.extend(others.map(|method| route(method, "/scim/v2/Me", Access::ScimMe, me::refuse)));
    routes
}

/// Every other path, so that it asks for a token before it says that it is none.
fn unknown() -> Vec<Route> {
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let route = |method| route(method, "/scim/{*rest}", Access::Scim, discovery::no_such_endpoint);
    methods.into_iter().map(route).collect()
}

#[cfg(test)]
mod tests;
