//! The API under `/api/v1`, one file an area, and its routes.

use axum::http::Method;

use super::middleware::access::Access;
use super::routes::{Route, route};
use super::{metrics, openapi};
use crate::directory::permission::Permission as P;

pub mod alarms;
pub mod audit;
pub mod backup;
pub mod conflicts;
mod events;
pub mod groups;
pub mod health;
pub mod journal;
pub mod jwks;
pub mod login;
pub mod me;
pub mod messages;
pub mod organizations;
pub mod passkey;
pub mod password_link;
pub mod plans;
pub mod roles;
pub mod runs;
pub mod session;
pub mod settings;
pub mod sms;
pub mod sources;
mod stream;
pub mod sweep;
pub mod system;
pub mod tokens;
pub mod users;
pub mod webhooks;

/// The routes of the API.
#[must_use]
pub fn routes() -> Vec<Route> {
    [login(), own(), users(), groups(), running()].into_iter().flatten().collect()
}

fn login() -> Vec<Route> {
    let anonymous = Access::Anonymous;
    let client = Access::Client(P::LoginIntrospect);
    let user_or_client = Access::SessionOrClient(P::LoginIntrospect);
    vec![
        route(Method::POST, "/api/v1/authenticate", anonymous, login::authenticate),
        route(Method::POST, "/api/v1/authenticate/passkey", anonymous, passkey::begin),
        route(Method::POST, "/api/v1/authenticate/passkey/verify", anonymous, passkey::verify),
        route(Method::POST, "/api/v1/authenticate/{transaction}/challenge", anonymous, login::challenge),
        route(Method::POST, "/api/v1/authenticate/{transaction}/verify", anonymous, login::verify),
        route(Method::POST, "/api/v1/authenticate/{transaction}/password", anonymous, login::password),
        route(Method::POST, "/api/v1/authenticate/{transaction}/enrol", anonymous, login::enrol),
        route(Method::POST, "/api/v1/forgotten-password", anonymous, password_link::forgotten),
        route(Method::GET, "/api/v1/password-link", anonymous, password_link::show),
        route(Method::POST, "/api/v1/password-link", anonymous, password_link::use_it),
        route(Method::GET, "/api/v1/settings/password-rules", anonymous, settings::password_rules),
        route(Method::GET, "/api/v1/session", Access::Session, session::show),
        route(Method::DELETE, "/api/v1/session", Access::Session, session::end),
        route(Method::POST, "/api/v1/session/token", user_or_client, session::token::issue),
        route(Method::POST, "/api/v1/session/cookie", Access::Session, session::cookie::set),
        route(Method::DELETE, "/api/v1/session/cookie", anonymous, session::cookie::clear),
        route(Method::POST, "/api/v1/introspect", client, session::introspect::introspect),
        route(Method::POST, "/api/v1/revoke", user_or_client, session::revoke::revoke),
        route(Method::GET, "/api/v1/forward-auth", Access::Visitor, session::forward_auth::forward_auth),
        route(Method::GET, "/.well-known/jwks.json", anonymous, jwks::keys),
        route(Method::GET, "/healthz", anonymous, health::alive),
        route(Method::GET, "/readyz", anonymous, health::ready),
        route(Method::GET, "/api/v1/openapi.json", anonymous, openapi::show),
    ]
}

fn own() -> Vec<Route> {
    let session = Access::Session;
    vec![
        route(Method::GET, "/api/v1/me", session, me::show),
        route(Method::PATCH, "/api/v1/me", session, me::profile::change),
        route(Method::POST, "/api/v1/me/password", session, me::password),
        route(Method::GET, "/api/v1/me/password-rules", session, me::password_rules),
        route(Method::POST, "/api/v1/me/challenge", session, me::factors::challenge),
        route(Method::GET, "/api/v1/me/factors", session, me::factors::list),
        route(Method::POST, "/api/v1/me/factors", session, me::factors::enrol),
        route(Method::PATCH, "/api/v1/me/factors/{factor}", session, me::factors::rename),
        route(Method::DELETE, "/api/v1/me/factors/{factor}", session, me::factors::remove),
        route(Method::POST, "/api/v1/me/factors/{factor}/challenge", session, me::factors::challenge_enrolment),
        route(Method::POST, "/api/v1/me/factors/{factor}/confirm", session, me::factors::confirm),
        route(Method::GET, "/api/v1/me/recovery-codes", session, me::factors::recovery_codes),
        route(Method::POST, "/api/v1/me/recovery-codes", session, me::factors::new_recovery_codes),
        route(Method::GET, "/api/v1/me/devices", session, me::devices),
        route(Method::DELETE, "/api/v1/me/devices", session, me::forget_devices),
        route(Method::DELETE, "/api/v1/me/devices/{device}", session, me::forget_device),
        route(Method::GET, "/api/v1/me/sessions", session, me::sessions),
        route(Method::DELETE, "/api/v1/me/sessions", session, me::end_other_sessions),
        route(Method::DELETE, "/api/v1/me/sessions/{session}", session, me::end_session),
    ]
}

fn users() -> Vec<Route> {
    let (holder, within) = (Access::Holder, Access::Within);
    vec![
        route(Method::GET, "/api/v1/users", within(P::UsersView), users::list::list),
        route(Method::POST, "/api/v1/users", within(P::UsersCreate), users::create::create),
        route(Method::GET, "/api/v1/users/export", within(P::UsersView), users::export::export),
        route(Method::GET, "/api/v1/users/template", within(P::UsersView), users::export::template),
        route(Method::POST, "/api/v1/users/bulk", within(P::UsersView), users::bulk::bulk),
        route(Method::POST, "/api/v1/users/import", within(P::UsersCreate), users::import::import),
        route(Method::GET, "/api/v1/users/{user}", within(P::UsersView), users::show),
        route(Method::PATCH, "/api/v1/users/{user}", within(P::UsersUpdate), users::change::change),
        route(Method::DELETE, "/api/v1/users/{user}", holder(P::UsersDelete), users::state::remove),
        route(Method::POST, "/api/v1/users/{user}/duplicate", within(P::UsersCreate), users::duplicate::duplicate),
        route(Method::POST, "/api/v1/users/{user}/disable", within(P::UsersState), users::state::disable),
        route(Method::POST, "/api/v1/users/{user}/enable", within(P::UsersState), users::state::enable),
        route(Method::POST, "/api/v1/users/{user}/restore", holder(P::UsersDelete), users::state::restore),
        route(Method::POST, "/api/v1/users/{user}/password", within(P::UsersPassword), users::access::set_password),
        route(Method::POST, "/api/v1/users/{user}/password-link", within(P::UsersPassword), users::access::send_link),
        route(Method::GET, "/api/v1/users/{user}/mfa", within(P::UsersView), users::access::factors),
        route(Method::DELETE, "/api/v1/users/{user}/mfa", within(P::UsersMfa), users::access::reset_factors),
        route(Method::GET, "/api/v1/users/{user}/devices", within(P::UsersSessions), users::access::devices),
        route(Method::DELETE, "/api/v1/users/{user}/devices", within(P::UsersSessions), users::access::forget_devices),
        route(Method::POST, "/api/v1/users/{user}/unlock", within(P::UsersState), users::access::unlock),
        route(Method::GET, "/api/v1/users/{user}/sessions", within(P::UsersSessions), users::access::sessions),
        route(Method::DELETE, "/api/v1/users/{user}/sessions", within(P::UsersSessions), users::access::end_sessions),
        route(
            Method::DELETE,
            "/api/v1/users/{user}/sessions/{session}",
            within(P::UsersSessions),
            users::access::end_session,
        ),
        route(Method::GET, "/api/v1/users/{user}/explain", within(P::UsersView), users::explain::explain),
    ]
}

fn groups() -> Vec<Route> {
    let (holder, within) = (Access::Holder, Access::Within);
    vec![
        route(Method::GET, "/api/v1/groups", within(P::GroupsView), groups::list),
        route(Method::POST, "/api/v1/groups", within(P::GroupsManage), groups::create),
        route(Method::GET, "/api/v1/groups/{group}", within(P::GroupsView), groups::show),
        route(Method::PATCH, "/api/v1/groups/{group}", within(P::GroupsManage), groups::change),
        route(Method::DELETE, "/api/v1/groups/{group}", within(P::GroupsManage), groups::remove),
        route(Method::GET, "/api/v1/groups/{group}/members", within(P::GroupsView), groups::members::list),
        route(Method::POST, "/api/v1/groups/{group}/members", within(P::GroupsManage), groups::members::change),
        route(Method::GET, "/api/v1/organizations", within(P::OrganizationsView), organizations::list),
        route(Method::POST, "/api/v1/organizations", holder(P::OrganizationsManage), organizations::create),
        route(Method::GET, "/api/v1/organizations/{organization}", within(P::OrganizationsView), organizations::show),
        route(
            Method::PATCH,
            "/api/v1/organizations/{organization}",
            holder(P::OrganizationsManage),
            organizations::change,
        ),
        route(
            Method::DELETE,
            "/api/v1/organizations/{organization}",
            holder(P::OrganizationsManage),
            organizations::remove,
        ),
        route(
            Method::GET,
            "/api/v1/organizations/{organization}/members",
            within(P::UsersView),
            organizations::members::list,
        ),
        route(
            Method::POST,
            "/api/v1/organizations/{organization}/members",
            within(P::MembersManage),
            organizations::members::change,
        ),
        route(Method::GET, "/api/v1/permissions", within(P::RolesView), roles::permissions),
        route(Method::GET, "/api/v1/roles", within(P::RolesView), roles::list),
        route(Method::POST, "/api/v1/roles", holder(P::RolesManage), roles::create),
        route(Method::GET, "/api/v1/roles/{role}", within(P::RolesView), roles::show),
        route(Method::PATCH, "/api/v1/roles/{role}", holder(P::RolesManage), roles::change),
        route(Method::DELETE, "/api/v1/roles/{role}", holder(P::RolesManage), roles::remove),
    ]
}

fn running() -> Vec<Route> {
    let holder = Access::Holder;
    vec![
        route(Method::GET, "/api/v1/tokens", holder(P::TokensView), tokens::list),
        route(Method::POST, "/api/v1/tokens", holder(P::TokensManage), tokens::create),
        route(Method::GET, "/api/v1/tokens/{token}", holder(P::TokensView), tokens::show),
        route(Method::PATCH, "/api/v1/tokens/{token}", holder(P::TokensManage), tokens::change::change),
        route(Method::DELETE, "/api/v1/tokens/{token}", holder(P::TokensManage), tokens::revoke),
        route(Method::POST, "/api/v1/tokens/{token}/rotate", holder(P::TokensManage), tokens::rotate::rotate),
        route(Method::GET, "/api/v1/token", Access::Token, tokens::rotate::own),
        route(Method::POST, "/api/v1/token/rotate", Access::Token, tokens::rotate::rotate_own),
        route(Method::GET, "/api/v1/sources", holder(P::SourcesView), sources::list),
        route(Method::POST, "/api/v1/sources/{source}/test", holder(P::SourcesSync), sources::test),
        route(Method::POST, "/api/v1/sources/{source}/doctor", holder(P::SourcesSync), sources::doctor),
        route(Method::GET, "/api/v1/sources/{source}/progress", holder(P::SourcesView), sources::progress),
        route(Method::GET, "/api/v1/sources/{source}/journal", holder(P::AuditView), journal::list),
        route(Method::POST, "/api/v1/sources/{source}/plan", holder(P::SourcesSync), sources::plan),
        route(Method::POST, "/api/v1/sources/{source}/sync", holder(P::SourcesSync), sources::sync),
        route(Method::GET, "/api/v1/runs", holder(P::SourcesView), runs::list),
        route(Method::GET, "/api/v1/runs/{run}", Access::Own(P::SourcesView), runs::show),
        route(Method::GET, "/api/v1/runs/{run}/items", Access::Own(P::UsersView), runs::items),
        route(Method::GET, "/api/v1/runs/{run}/changes", holder(P::AuditView), runs::changes),
        route(Method::POST, "/api/v1/runs/{run}/undo", holder(P::PlansApprove), runs::undo),
        route(Method::GET, "/api/v1/conflicts", holder(P::SourcesView), conflicts::list),
        route(Method::POST, "/api/v1/conflicts/{source}/{entry}/link", holder(P::ConflictsResolve), conflicts::link),
        route(
            Method::POST,
            "/api/v1/conflicts/{source}/{entry}/rename",
            holder(P::ConflictsResolve),
            conflicts::rename,
        ),
        route(
            Method::POST,
            "/api/v1/conflicts/{source}/{entry}/ignore",
            holder(P::ConflictsResolve),
            conflicts::ignore,
        ),
        route(
            Method::POST,
            "/api/v1/conflicts/{source}/{entry}/reopen",
            holder(P::ConflictsResolve),
            conflicts::reopen,
        ),
        route(Method::GET, "/api/v1/plans", holder(P::SourcesView), plans::list),
        route(Method::GET, "/api/v1/plans/{plan}", holder(P::SourcesView), plans::show),
        route(Method::POST, "/api/v1/plans/{plan}/approve", holder(P::PlansApprove), plans::approve),
        route(Method::POST, "/api/v1/plans/{plan}/reject", holder(P::PlansApprove), plans::reject),
        route(Method::POST, "/api/v1/sweep", holder(P::SweepsRun), sweep::sweep),
        route(Method::GET, "/api/v1/sweep", holder(P::SourcesView), sweep::show),
        route(Method::GET, "/api/v1/sweep/upcoming", holder(P::UsersView), sweep::upcoming),
        route(Method::GET, "/api/v1/audit", holder(P::AuditView), audit::list),
        route(Method::GET, "/api/v1/audit/export", holder(P::AuditView), audit::export),
        route(Method::GET, "/api/v1/backup", holder(P::StoreBackup), backup::backup),
        route(Method::GET, "/api/v1/export", holder(P::StoreBackup), backup::export),
        route(Method::GET, "/api/v1/messages", holder(P::MessagesView), messages::list),
        route(Method::POST, "/api/v1/messages/{message}/retry", holder(P::MessagesManage), messages::retry),
        route(Method::DELETE, "/api/v1/messages/{message}", holder(P::MessagesManage), messages::discard),
        route(Method::POST, "/api/v1/mail/test", holder(P::MessagesTest), messages::test),
        route(Method::POST, "/api/v1/sms/test", holder(P::MessagesTest), sms::test),
        route(Method::GET, "/api/v1/alarms", holder(P::AlarmsView), alarms::list),
        route(Method::GET, "/api/v1/webhooks", holder(P::AlarmsView), webhooks::list),
        route(Method::POST, "/api/v1/webhooks/{webhook}/test", holder(P::MessagesTest), webhooks::test),
        route(Method::GET, "/metrics", holder(P::MetricsView), metrics::scrape),
        route(Method::POST, "/api/v1/key/rotate", holder(P::StoreKey), system::rotate_key),
        route(Method::POST, "/api/v1/key/rotate-signing", holder(P::StoreKey), system::rotate_signing),
        route(Method::GET, "/api/v1/settings", holder(P::SettingsView), settings::list),
        route(Method::PATCH, "/api/v1/settings", holder(P::SettingsManage), settings::change),
        route(Method::POST, "/api/v1/settings/reload", holder(P::SettingsManage), settings::reload),
        route(Method::GET, "/api/v1/settings/{key}", holder(P::SettingsView), settings::show),
        route(Method::GET, "/api/v1/tasks", holder(P::SourcesView), system::tasks),
    ]
}
