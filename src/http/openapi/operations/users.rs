//! Users.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::answers::login::{device, factor, session};
use super::super::answers::many::{begun, preview, report};
use super::super::answers::people::{changed_user, explanation, new_user, user};
use super::super::bodies::{FilterText, Line};
use super::super::operation::{Operation, Parameter, delete, get, patch, post, query};
use super::super::pattern;
use super::super::shape::{
    Shape, anything, count, like, list as items, object, one_of, page, text, typed, whole, with,
};
use super::{number, paged, switch};
use crate::exchange::{FileError, Format};
use crate::http::api::users::bulk::{self, REASON_MAX};
use crate::http::api::users::{access, create, duplicate, fields, list, state};

/// How a change of a user fails.
const CHANGED: &[&str] = &["wrong_state", "last_administrator", "storage_full"];
/// How a user's name or address fails.
const TAKEN: &[&str] = &["username_taken", "email_taken", "external_id_taken"];

fn example() -> Value {
    json!({"username": "ada", "name": "Ada Lovelace", "email": "ada@example.org", "password_link": true})
}

fn listed() -> impl Iterator<Item = Parameter> {
    let filter = r#"username sw "a" and state eq "active""#;
    let own = [
        query(
            "filter",
            typed::<FilterText>(filter)
                .says("A condition in SCIM syntax (RFC 7644 §3.4.2.2) on any attribute that is shown."),
        ),
        query("sort", sort().says("An attribute; a minus sign in front turns the order around.")),
        switch("removed", "Those in tombstones."),
    ];
    paged().into_iter().chain(own)
}

/// By what a list is sorted, either way.
fn sort() -> Shape {
    let both = list::SORTABLE.iter().flat_map(|name| [(*name).to_owned(), format!("-{name}")]).collect::<Vec<_>>();
    one_of(both.iter().map(String::as_str)).such_as(json!("-last_login"))
}

pub(super) fn operations() -> Vec<Operation> {
    [records(), many(), files(), moves(), ways_in(), held()].into_iter().flatten().collect()
}

fn records() -> Vec<Operation> {
    vec![
        get("/api/v1/users", "listUsers", "A page of users.").takes(listed()).shows("The page.", page(user())),
        post("/api/v1/users", "createUser", "Makes a user.")
            .says("With a password, a hash of one, a link by which the user sets one, or none yet.")
            .body::<create::Wish>(example())
            .creates("The user.", new_user())
            .fails(CHANGED)
            .fails(TAKEN)
            .fails(&["password_rejected", "busy"]),
        get("/api/v1/users/{user}", "getUser", "One user.").shows("The user.", user()).tagged(),
        patch("/api/v1/users/{user}", "updateUser", "Changes attributes of a user.")
            .body::<fields::Fields>(json!({"phone": "+41446681800", "description": null}))
            .shows("The user as they are now.", changed_user())
            .tagged()
            .fails(CHANGED)
            .fails(TAKEN),
        delete("/api/v1/users/{user}", "removeUser", "Removes a user to a tombstone, which can be restored.")
            .done("They are removed.")
            .conditional()
            .fails(CHANGED),
        post("/api/v1/users/{user}/duplicate", "duplicateUser", "Makes a user like another.")
            .body::<duplicate::Wish>(example())
            .creates("The new user.", new_user())
            .fails(CHANGED)
            .fails(TAKEN)
            .fails(&["password_rejected", "busy"]),
        get("/api/v1/users/{user}/explain", "explainUser", "Could this user come in now, how, and if not, why?")
            .shows("Everything that decides it.", explanation()),
    ]
}

/// How what is done to many users at once fails: one that cannot be changed is told of in the answer.
const MANY: &[&str] = &["unexpected_number", "plan_stale", "storage_full"];

fn many() -> Vec<Operation> {
    let wish = json!({
        "filter": "description eq \"summer school\"",
        "action": "disable",
        "reason": "the summer is over",
        "expect": 40,
    });
    let rows = "username,name,email\r\nada,Ada Lovelace,ada@example.org\r\n";
    let entry = "dn: uid=ada,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: ada\ncn: Ada Lovelace\n";
    let expect = number("expect", "How many users or rows it is about; with any other number nothing is changed.");
    vec![
        done(
            post("/api/v1/users/bulk", "changeUsers", "Changes many users at once, or tells what that would change.")
                .says("Who is meant is said by exactly one of filter, users and everybody.")
                .body::<bulk::Asked>(wish),
        ),
        done(
            post("/api/v1/users/import", "importUsers", "Makes and changes users as a file says.")
                .takes([
                    query("format", one_of(Format::names()).says("Of the file; that of its Content-Type unless told.")),
                    query("mode", one_of(["all", "good"]).says("With bad rows: nothing is written, or the good ones.")),
                    query("by", one_of(["username", "id"]).says("By what a row names its user.")),
                    query("on_missing", one_of(["create", "refuse"]).says("What becomes of rows of nobody.")),
                    query("on_existing", one_of(["update", "refuse"]).says("What becomes of rows of users.")),
                    switch("dry_run", "Only tell what would change."),
                    switch("wait", "Answer when it is done; otherwise at once, with the run."),
                    query("reason", typed::<Line<REASON_MAX>>("the new term").says("Why, for the audit trail.")),
                    expect,
                    query("digest", text("9f86d081884c7d65").says("Of a preview: only if it would be the same still.")),
                ])
                .file(&[
                    (Format::Csv.media_type(), text(rows)),
                    (Format::Xlsx.media_type(), anything(json!("…"))),
                    (Format::Ldif.media_type(), text(entry)),
                ]),
        )
        .fails(FileError::CODES)
        .fails(&["invalid_rows", "busy"]),
    ]
}

/// What is answered to a wish about many users.
fn done(operation: Operation) -> Operation {
    let later = "A person must approve it; or it takes longer than the request, and goes on.";
    operation
        .shows("What became of them; with dry_run what would.", report().or(preview()))
        .gives(StatusCode::ACCEPTED, later, report().or(begun()))
        .fails(MANY)
}

/// The type of spreadsheets.
const SHEET: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

fn files() -> Vec<Operation> {
    let format = || query("format", one_of(["csv", "xlsx"]));
    let columns = like(&pattern::COLUMNS, "username,name,email")
        .says("The columns, separated by commas; all of them unless told.");
    let filter = typed::<FilterText>("state eq \"active\"").says("A condition, as in the list of users.");
    vec![
        get("/api/v1/users/export", "exportUsers", "Users as a file, made while it is read.")
            .takes([format(), query("columns", columns), query("filter", filter)])
            .gives_as(StatusCode::OK, "The file, by its format.", "text/csv", text("username,name\r\n"))
            .or_as(SHEET, text("…"))
            .header("Content-Disposition", "The name of the file.")
            .fails(&["storage_full"]),
        get("/api/v1/users/template", "getTemplate", "A file to fill in, for an import.")
            .takes([format()])
            .gives_as(StatusCode::OK, "The file, by its format.", "text/csv", text("username,name\r\n"))
            .or_as(SHEET, text("…"))
            .header("Content-Disposition", "The name of the file."),
    ]
}

fn moves() -> Vec<Operation> {
    let moved =
        |operation: Operation| operation.shows("The user as they are now.", changed_user()).tagged().fails(CHANGED);
    let why = || json!({"reason": "left the company"});
    vec![
        moved(
            post("/api/v1/users/{user}/disable", "disableUser", "Disables a user; everything they hold ends.")
                .body::<state::Why>(why()),
        ),
        moved(post("/api/v1/users/{user}/enable", "enableUser", "Enables a user.").body::<state::Why>(why())),
        moved(post("/api/v1/users/{user}/restore", "restoreUser", "Takes a tombstone back, by its id.")).fails(TAKEN),
        post("/api/v1/users/{user}/unlock", "unlockUser", "Forgets the failed tries of a user.")
            .done("They are forgotten.")
            .fails(CHANGED),
    ]
}

fn ways_in() -> Vec<Operation> {
    let factors = object(vec![
        with("items", items(factor())),
        with("recovery_codes_left", count(10).or_null()),
        with("policy", text("enabled")),
        with("asked_by", text("the settings")),
    ]);
    vec![
        post("/api/v1/users/{user}/password", "setPassword", "Sets a password; every session of the user ends.")
            .body::<access::Wish>(json!({"password": "a brand new password", "must_change": true}))
            .done("It is set.")
            .fails(CHANGED)
            .fails(&["password_rejected", "password_change_at_source", "busy"]),
        post(
            "/api/v1/users/{user}/password-link",
            "sendPasswordLink",
            "Mails a link by which the user sets a password.",
        )
        .gives(
            StatusCode::CREATED,
            "The link.",
            object(vec![with("password_link", text("https://id.example.org/set-password#mst_l_…"))]),
        )
        .fails(CHANGED)
        .fails(&[
            "password_change_at_source",
            "account_disabled",
            "account_expired",
            "source_not_allowed",
            "password_rejected",
        ]),
        get("/api/v1/users/{user}/mfa", "listFactors", "A user's second factors, and what asks for one.")
            .shows("All of them.", factors),
        delete("/api/v1/users/{user}/mfa", "resetFactors", "Removes all second factors of a user.")
            .shows("How many that were.", object(vec![with("removed", count(1))]))
            .fails(CHANGED),
    ]
}

fn held() -> Vec<Operation> {
    vec![
        get("/api/v1/users/{user}/devices", "listDevices", "The devices that stand in for a user's second factor.")
            .shows("All of them.", whole(device())),
        delete("/api/v1/users/{user}/devices", "forgetDevices", "Trusts none of a user's devices any more.")
            .shows("How many that were.", object(vec![with("forgotten", count(1))]))
            .fails(CHANGED),
        get("/api/v1/users/{user}/sessions", "listSessions", "The valid sessions of a user.")
            .shows("All of them.", whole(session())),
        delete("/api/v1/users/{user}/sessions", "endSessions", "Ends everything that a user holds.")
            .done("It is over.")
            .fails(CHANGED),
        delete("/api/v1/users/{user}/sessions/{session}", "endSessionOf", "Ends one session of a user.")
            .done("It is over.")
            .fails(CHANGED),
    ]
}
