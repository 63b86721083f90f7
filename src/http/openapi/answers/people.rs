//! Users, and what they are in: groups, organisations, roles.

use serde_json::json;

use super::{actor, opaque};
use crate::directory::permission::Permission;
use crate::directory::user::KeptAttribute;
use crate::http::openapi::shape::{
    Member, Shape, count, flag, free, id, list, map, maybe, object, one_of, text, time, with,
};

const STATES: [&str; 3] = ["active", "disabled", "removed"];
const REASONS: [&str; 5] = ["admin", "inactivity", "expired", "source", "absent_from_source"];

fn membership() -> Shape {
    object(vec![with("id", id()), with("roles", list(text("organization-user")))])
}

fn members() -> Vec<Member> {
    let group = object(vec![
        with("id", id()),
        with("name", text("Engineering")),
        with("source", text("local")),
        with("direct", flag(true).says("False: by another group.")),
    ]);
    let disabled = object(vec![with("at", time()), with("by", actor()), with("reason", one_of(REASONS))]);
    let removed = object(vec![with("at", time()), with("by", actor()), with("purge_after", time())]);
    vec![
        with("id", id()),
        with("username", text("ada")),
        with("name", text("Ada Lovelace")),
        with("email", text("ada@example.org").or_null()),
        with("phone", text("+41446681800").or_null()),
        with("description", text("")),
        with("source", text("local").says("Who owns the record.")),
        with("external_id", text("S-1-5-21-1-2-3-1104").or_null().says("What the source calls the user.")),
        with("entry", text("uid=ada,ou=people,dc=example,dc=org").or_null().says("Where the source has the user.")),
        with("kept", list(one_of(KeptAttribute::ALL.iter().map(|(name, _)| *name)))),
        with("state", one_of(STATES)),
        with("active", flag(true).says("May come in now: the state is active, and the end is not past.")),
        with("expired", flag(false)),
        with("expires_at", time().or_null()),
        with("roles", list(text("user"))),
        with("organizations", list(membership())),
        with("managed_by", id().or_null().says("The organisation whose administrators manage the account.")),
        with("mfa", one_of(["enabled", "disabled", "forced"])),
        with("must_change_password", flag(false)),
        with("created_at", time()),
        with("modified_at", time()),
        with("last_login", time().or_null()),
        with("last_seen", time().or_null()),
        with("revision", count(3)),
        with("groups", list(group)),
        with("roles_by_groups", list(text("system-auditor"))),
        with("organizations_by_groups", list(membership())),
        with("has_password", flag(true)),
        with("has_factor", flag(false)),
        maybe("disabled", disabled),
        maybe("removed", removed),
        maybe("scim", free(json!({"title": "Countess"})).says("SCIM attributes as they were sent.")),
    ]
}

/// A user.
pub(in crate::http::openapi) fn user() -> Shape {
    object(members()).named("User")
}

/// A user after a change.
pub(in crate::http::openapi) fn changed_user() -> Shape {
    let unseen = object(vec![with("id", id()), with("revision", count(4))]);
    user().or(unseen.says("For who may change them and not see them."))
}

/// A user who was just made.
pub(in crate::http::openapi) fn new_user() -> Shape {
    let mut members = members();
    let link = text("https://id.example.org/set-password#mst_l_…").or_null();
    members.push(with("password_link", link.says("Where the user sets a password, where that was asked for.")));
    object(members).named("NewUser")
}

/// A group.
pub(in crate::http::openapi) fn group() -> Shape {
    object(vec![
        with("id", id()),
        with("name", text("Engineering")),
        with("description", text("")),
        with("source", text("local")),
        with("organization", id().or_null().says("The organisation that it is of; null: of the directory.")),
        with("external_id", text("S-1-5-21-1-2-3-513").or_null()),
        with("entry", text("cn=engineering,dc=example,dc=org").or_null().says("Where the source has it.")),
        with("scim", free(json!({}))),
        with("created_at", time()),
        with("modified_at", time()),
        with("revision", count(1)),
    ])
    .named("Group")
}

/// A member of a group.
pub(in crate::http::openapi) fn member() -> Shape {
    object(vec![
        with("kind", one_of(["user", "group"])),
        with("id", id()),
        maybe("username", text("ada").or_null()),
        with("name", text("Ada Lovelace").or_null()),
    ])
    .named("Member")
}

/// An organisation.
pub(in crate::http::openapi) fn organization() -> Shape {
    object(vec![
        with("id", id()),
        with("name", text("Analytical Engines")),
        with("description", text("")),
        with("created_at", time()),
        with("modified_at", time()),
        with("revision", count(1)),
    ])
    .named("Organization")
}

/// A member of an organisation.
pub(in crate::http::openapi) fn organization_member() -> Shape {
    object(vec![
        with("id", id()),
        with("username", text("ada")),
        with("name", text("Ada Lovelace")),
        with("email", text("ada@example.org").or_null()),
        with("state", one_of(STATES)),
        with("roles", list(text("organization-user")).or_null()),
        with("managed_here", flag(true).says("The organisation's administrators manage the account.")),
    ])
    .named("OrganizationMember")
}

/// What became of a member of an organisation.
pub(in crate::http::openapi) fn settled() -> Shape {
    object(vec![
        with("id", id()),
        with("username", text("ada")),
        with("outcome", one_of(["added", "removed", "changed", "unchanged"])),
    ])
}

/// A role.
pub(in crate::http::openapi) fn role() -> Shape {
    object(vec![
        with("id", text("help-desk")),
        with("name", text("Help Desk")),
        with("description", text("")),
        with("scope", one_of(["system", "organization"])),
        with("built_in", flag(false)),
        with("permissions", list(permission_name())),
        with("created_at", time().or_null()),
        with("modified_at", time().or_null()),
        with("revision", count(1)),
    ])
    .named("Role")
}

/// The name of a permission.
pub(in crate::http::openapi) fn permission_name() -> Shape {
    one_of(Permission::ALL.iter().map(|permission| permission.name())).named("PermissionName")
}

/// What can be permitted.
pub(in crate::http::openapi) fn permission() -> Shape {
    object(vec![
        with("name", permission_name()),
        with("description", text("see users")),
        with("inside_organizations", flag(true).says("It can be held inside an organisation.")),
    ])
}

/// Why a user can or cannot come in.
pub(in crate::http::openapi) fn explanation() -> Shape {
    let until = || time().or_null();
    let waiting = object(vec![
        with("passwords_until", until()),
        with("codes_until", until()),
        with("faces_until", until()),
        with("failures_since_success", count(0)),
        with("needs_unlock", flag(false)),
    ]);
    let backend = object(vec![
        with("id", text("local")),
        with("asked", flag(true)),
        with("because", text("it keeps the password")),
        with("health", one_of(["up", "resting"])),
    ]);
    let attempt = object(vec![
        with("at", time()),
        with("outcome", text("succeeded")),
        with("reason", text("wrong password").or_null()),
        with("address", text("192.0.2.7").or_null()),
        with("methods", opaque()),
        with("backends", opaque()),
    ]);
    let login = object(vec![with("backends", list(backend)), with("attempts", list(attempt))]);
    object(vec![
        with("username", text("ada")),
        with("state", free(json!({"is": "active"}))),
        with("expires_at", time().or_null()),
        with("source", text("local")),
        with("may_come_in", flag(true)),
        with("refused_by", list(one_of(["account_disabled", "account_expired", "source_not_allowed"]))),
        with("password_kept_here", flag(true)),
        with("must_change_password", flag(false)),
        with("second_factor", one_of(["not_asked", "if_enrolled", "required"])),
        with("second_factor_by", text("the settings")),
        with("factors_enrolled", count(1)),
        with("factors", list(super::login::factor())),
        with("recovery_codes_left", count(10).or_null()),
        with("devices_trusted", count(0)),
        with("sessions", count(1)),
        with("waits_until", until()),
        with("waiting", waiting),
        with("only_from_source", flag(false)),
        with("at_source", free(json!({"absent": true})).or_null()),
        with("quiet_since", time()),
        with("login", login),
    ])
    .named("Explanation")
}

/// Metadata of bounded counts by name.
pub(in crate::http::openapi) fn counts() -> Shape {
    map("create", count(2)).says("How many of what.").named("Counts")
}
