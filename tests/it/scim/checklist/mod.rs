//! RFC 7643, RFC 7644 and RFC 9865 line by line against the real daemon: each test is named by the section whose
//! sentence it holds the daemon to.
//!
//! Written from the RFCs and not from the code. What no caller from outside can see has the nearest test that one can
//! make, and says so. What the RFCs leave open is not demanded.

use std::path::Path;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::clients::{ENTERPRISE, ERROR, GROUP, LIST, PATCH, SEARCH, Said, USER, encoded};
use crate::harness::daemon::{Caller, TestDaemon};

mod bulk;
mod common;
mod create;
mod cursor;
mod delete;
mod dialects;
mod discovery;
mod filters;
mod general;
mod hostile;
mod model;
mod patch;
mod patch_operations;
mod query;
mod replace;
mod resources;
mod versions;

/// What the settings add to users: `schemas/gym_user.json`.
const GYM: &str = "urn:example:gym:2.0:User";
const LOCKER: &str = "urn:example:gym:2.0:Locker";
/// Every locker must have it.
const SERVICE: &str = "urn:example:gym:2.0:LockerService";
const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// A password that the rules allow.
const PASSWORD: &str = "correct horse battery staple";
const SCIM_JSON: &str = "application/scim+json";

/// The daemon with two sources, `okta` and `entra`, and the schemas of the gym; used as okta's provider.
struct Service {
    daemon: TestDaemon,
    okta: Idp,
}

impl std::ops::Deref for Service {
    type Target = Idp;

    fn deref(&self) -> &Idp {
        &self.okta
    }
}

impl Service {
    fn start() -> Self {
        // So many may go that no test has to think of it.
        Self::start_with("budget_floor = 1000\n")
    }

    /// With these keys of the source okta.
    fn start_with(keys: &str) -> Self {
        let daemon = TestDaemon::start(&settings(keys));
        let okta = Idp::new(&daemon, "okta", "default");
        Self { daemon, okta }
    }

    /// Another provider of okta's source.
    fn speaking(&self, profile: &str) -> Idp {
        Idp::new(&self.daemon, "okta", profile)
    }

    /// The provider of the other source.
    fn entra(&self) -> Idp {
        Idp::new(&self.daemon, "entra", "default")
    }

    fn pass_seconds(&self, seconds: i64) {
        self.daemon.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// Somebody with another token, or none.
    fn with_token(&self, token: Option<&str>) -> Idp {
        let caller = token.map_or_else(|| self.daemon.anonymous(), |token| self.daemon.with_token(token));
        Idp { caller }
    }
}

fn settings(keys: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/scim/checklist/schemas");
    let files = |names: &[&str]| json!(names.iter().map(|name| folder.join(name)).collect::<Vec<_>>());
    let schemas = files(&["gym_user.json", "locker.json", "locker_service.json"]);
    let types = files(&["user_type.json", "locker_type.json"]);
    format!(
        "[scim]\nschemas = {schemas}\nresource_types = {types}\n\
         [[sources]]\nid = \"okta\"\nkind = \"scim\"\n{keys}\
         [[sources]]\nid = \"entra\"\nkind = \"scim\"\nbudget_floor = 1000\n"
    )
}

/// A caller of the endpoint; each answer is looked at before a test sees it.
struct Idp {
    caller: Caller,
}

impl Idp {
    fn new(daemon: &TestDaemon, source: &str, profile: &str) -> Self {
        let token = daemon.token(&["--source", source, "--profile", profile]);
        Self { caller: daemon.with_token(&token) }
    }

    fn send(&self, method: &str, path: &str, body: Option<String>, headers: &[(&str, &str)]) -> Said {
        let mut all = headers.to_vec();
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            all.push(("content-type", SCIM_JSON));
        }
        Said::checked(self.caller.call(method, &format!("/scim/v2{path}"), body, &all), &format!("{method} {path}"))
    }

    fn get(&self, path: &str) -> Said {
        self.send("GET", path, None, &[])
    }

    fn post(&self, path: &str, body: &Value) -> Said {
        self.send("POST", path, Some(body.to_string()), &[])
    }

    fn put(&self, path: &str, body: &Value) -> Said {
        self.send("PUT", path, Some(body.to_string()), &[])
    }

    /// Sends these operations.
    fn patch(&self, path: &str, operations: &Value) -> Said {
        let body = json!({"schemas": [PATCH], "Operations": operations});
        self.send("PATCH", path, Some(body.to_string()), &[])
    }

    fn delete(&self, path: &str) -> Said {
        self.send("DELETE", path, None, &[])
    }

    /// A list by a filter.
    fn find(&self, path: &str, filter: &str) -> Said {
        let join = if path.contains('?') { '&' } else { '?' };
        self.get(&format!("{path}{join}filter={}", encoded(filter)))
    }

    /// The userNames of those whom a filter finds, in the order of the alphabet.
    fn names(&self, filter: &str) -> Vec<String> {
        let found = self.find("/Users", filter).with(200).listed();
        let mut names: Vec<_> = found.iter().map(|user| user["userName"].as_str().unwrap().to_owned()).collect();
        names.sort_by_key(|name| name.to_lowercase());
        names
    }

    /// Makes a user with these members besides.
    fn user(&self, name: &str, more: Value) -> Value {
        let mut body = json!({"schemas": [USER], "userName": name});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("/Users", &body).with(201).json.clone()
    }

    /// Makes a user; its path.
    fn path_of(&self, name: &str, more: Value) -> String {
        format!("/Users/{}", id(&self.user(name, more)))
    }

    /// Makes a group with these members; its id.
    fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<_> = members.iter().map(|member| json!({"value": member})).collect();
        let body = json!({"schemas": [GROUP], "displayName": name, "members": members});
        self.post("/Groups", &body).with(201).text("/id")
    }

    /// Makes a locker; its id.
    fn locker(&self, serial: &str) -> String {
        self.post("/Lockers", &locker(serial)).with(201).text("/id")
    }

    /// Everything that there is, as the endpoint tells it: equal before and after where nothing was written.
    fn everything(&self) -> Value {
        self.get("/?count=1000").with(200).json.clone()
    }

    fn bulk(&self, operations: &Value) -> Said {
        self.post("/Bulk", &json!({"schemas": [BULK], "Operations": operations}))
    }
}

fn locker(serial: &str) -> Value {
    json!({"schemas": [LOCKER, SERVICE], "serial": serial, SERVICE: {"inspectedAt": "2026-01-31T08:00:00Z"}})
}

fn id(resource: &Value) -> String {
    resource["id"].as_str().unwrap().to_owned()
}

/// One operation of a PATCH.
fn op(op: &str, path: &str, value: Value) -> Value {
    json!([{"op": op, "path": path, "value": value}])
}

/// Where a location or reference of the endpoint is, from its base.
fn local(location: &Value) -> &str {
    location.as_str().unwrap().split_once("/scim/v2").expect("an address of the endpoint").1
}

/// The members of a resource in the order of their names.
fn members(resource: &Value) -> Vec<&str> {
    let mut names: Vec<_> = resource.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// The texts of a list in order.
fn sorted(list: &Value) -> Vec<&str> {
    let mut texts: Vec<_> = list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    texts.sort_unstable();
    texts
}
