//! Groups, organisations and roles.

use serde_json::{Value, json};

use super::super::answers::people::{group, member, organization, organization_member, permission, role, settled};
use super::super::bodies::{FilterText, Reference, Slug};
use super::super::operation::{Operation, delete, get, patch, post, query};
use super::super::shape::{count, object, one_of, page, typed, whole, with};
use super::paged;
use crate::http::api::{groups, organizations, roles};

/// How a change of a group fails.
const GROUPS: &[&str] = &["name_taken", "owned_by_source", "storage_full"];
/// How a change of an organisation fails.
const ORGANIZATIONS: &[&str] = &["name_taken", "storage_full"];
/// How a change of a role fails.
const ROLES: &[&str] = &["built_in", "in_use", "storage_full"];

pub(super) fn operations() -> Vec<Operation> {
    [of_groups(), of_organizations(), of_roles()].into_iter().flatten().collect()
}

fn example() -> Value {
    json!({"name": "Engineering", "description": "Who builds it."})
}

fn of_groups() -> Vec<Operation> {
    let filter = typed::<FilterText>("name sw \"E\"").says("A condition in SCIM syntax (RFC 7644 §3.4.2.2).");
    let own = [
        query("filter", filter),
        query("source", typed::<Slug>("corp").says("Those of one source.")),
        query(
            "organization",
            typed::<Reference>("Analytical Engines").says("Those of one organisation, by id or name."),
        ),
    ];
    vec![
        get("/api/v1/groups", "listGroups", "A page of the groups that the caller sees.")
            .takes(paged())
            .takes(own)
            .shows("The page.", page(group()))
            .fails(&["not_found"]),
        post("/api/v1/groups", "createGroup", "Makes a group.")
            .body::<groups::Wish>(example())
            .creates("The group.", group())
            .fails(&["not_found"])
            .fails(GROUPS),
        get("/api/v1/groups/{group}", "getGroup", "One group.").shows("The group.", group()).tagged(),
        patch("/api/v1/groups/{group}", "updateGroup", "Changes a group's name or description.")
            .body::<groups::Change>(json!({"description": "Who builds it."}))
            .shows("The group as it is now.", group())
            .tagged()
            .fails(GROUPS),
        delete("/api/v1/groups/{group}", "removeGroup", "Removes a group; its members stay.")
            .done("It is removed.")
            .conditional()
            .fails(GROUPS),
        get("/api/v1/groups/{group}/members", "listMembers", "A page of the direct members.")
            .takes(paged())
            .shows("The page.", page(member())),
        post("/api/v1/groups/{group}/members", "changeMembers", "Adds and removes members, all together or nothing.")
            .body::<groups::members::Wish>(json!({"add_users": ["ada"], "remove_users": ["bob"]}))
            .shows("How many that were.", object(vec![with("changed", count(2))]))
            .conditional()
            .fails(GROUPS),
    ]
}

fn of_organizations() -> Vec<Operation> {
    vec![
        get("/api/v1/organizations", "listOrganizations", "A page of the organisations that the caller sees.")
            .takes(paged())
            .shows("The page.", page(organization())),
        post("/api/v1/organizations", "createOrganization", "Makes an organisation.")
            .body::<organizations::Wish>(example())
            .creates("The organisation.", organization())
            .fails(ORGANIZATIONS),
        get("/api/v1/organizations/{organization}", "getOrganization", "One organisation.")
            .shows("The organisation.", organization())
            .tagged(),
        patch("/api/v1/organizations/{organization}", "updateOrganization", "Changes its name or description.")
            .body::<organizations::Change>(json!({"description": "Who builds them."}))
            .shows("The organisation as it is now.", organization())
            .tagged()
            .fails(ORGANIZATIONS),
        delete("/api/v1/organizations/{organization}", "removeOrganization", "Removes an organisation.")
            .done("It is removed.")
            .conditional()
            .fails(&["in_use", "storage_full"]),
        get("/api/v1/organizations/{organization}/members", "listOrganizationMembers", "A page of the members.")
            .takes(paged())
            .shows("The page.", page(organization_member())),
        post(
            "/api/v1/organizations/{organization}/members",
            "changeOrganizationMembers",
            "Invites, gives roles inside, and takes out.",
        )
        .body::<organizations::members::Wish>(json!({"add": [{"user": "ada"}], "remove": ["bob"]}))
        .shows("What became of each.", whole(settled()))
        .fails(ORGANIZATIONS),
    ]
}

fn of_roles() -> Vec<Operation> {
    let scope = one_of(["system", "organization"]).says("Those that hold there.");
    vec![
        get("/api/v1/permissions", "listPermissions", "What can be permitted.")
            .shows("All of it.", whole(permission())),
        get("/api/v1/roles", "listRoles", "The roles that the caller sees.")
            .takes([query("scope", scope)])
            .shows("All of them.", whole(role())),
        post("/api/v1/roles", "createRole", "Makes a role, anew or from another.")
            .body::<roles::Wish>(json!({"name": "Help Desk", "permissions": ["users.view", "users.password"]}))
            .creates("The role.", role())
            .fails(&["id_taken"])
            .fails(ROLES),
        get("/api/v1/roles/{role}", "getRole", "One role.").shows("The role.", role()).tagged(),
        patch("/api/v1/roles/{role}", "updateRole", "Changes a role; whoever holds it may do other things at once.")
            .body::<roles::Change>(json!({"permissions": ["users.view"]}))
            .shows("The role as it is now.", role())
            .tagged()
            .fails(ROLES),
        delete("/api/v1/roles/{role}", "removeRole", "Removes a role that nobody holds.")
            .done("It is removed.")
            .conditional()
            .fails(ROLES),
    ]
}
