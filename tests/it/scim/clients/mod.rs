//! Identity providers as they are known to speak, against the real daemon: whole conversations, and of every answer its
//! status, its media type and its form.

use serde_json::{Value, json};

use crate::harness::daemon::{Answer, Caller, TestDaemon};

mod authentik;
mod entra;
mod entra_groups;
mod jumpcloud;
mod keycloak;
mod okta;
mod onelogin_google;
mod sailpoint_ping;

pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(super) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(super) const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
pub(super) const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
pub(super) const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
pub(super) const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// Providers send a password that nobody is to know.
const THROWN_AWAY: &str = "uV7-thrown-away-Qd93xk";

/// An identity provider, and the daemon with a source for it.
struct Client {
    daemon: TestDaemon,
    caller: Caller,
    accept: &'static str,
    content_type: &'static str,
}

impl Client {
    /// Sends and takes these media types.
    fn speaking(content_type: &'static str, accept: &'static str) -> Self {
        let daemon = TestDaemon::start("[[sources]]\nid = \"idp\"\nkind = \"scim\"\n");
        let caller = daemon.with_token(&daemon.token(&["--source", "idp"]));
        Self { daemon, caller, accept, content_type }
    }

    fn start() -> Self {
        Self::speaking("application/scim+json", "application/scim+json")
    }

    fn get(&self, path: &str) -> Said {
        self.send("GET", path, None)
    }

    fn post(&self, path: &str, body: &Value) -> Said {
        self.send("POST", path, Some(body))
    }

    fn put(&self, path: &str, body: &Value) -> Said {
        self.send("PUT", path, Some(body))
    }

    /// Sends these operations.
    fn patch(&self, path: &str, operations: &Value) -> Said {
        self.send("PATCH", path, Some(&json!({"schemas": [PATCH], "Operations": operations})))
    }

    fn delete(&self, path: &str) -> Said {
        self.send("DELETE", path, None)
    }

    /// Those whom a filter finds.
    fn find(&self, path: &str, filter: &str) -> Vec<Value> {
        let join = if path.contains('?') { '&' } else { '?' };
        let said = self.get(&format!("{path}{join}filter={}", encoded(filter))).with(200);
        said.listed()
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Said {
        let headers = [("content-type", self.content_type), ("accept", self.accept)];
        let path = format!("/scim/v2{path}");
        let answer = self.caller.call(method, &path, body.map(Value::to_string), &headers);
        Said::checked(answer, &format!("{method} {path}"))
    }

    /// Makes a resource; its id.
    fn make(&self, path: &str, body: &Value) -> String {
        let said = self.post(path, body).with(201);
        assert_eq!(said.header("location"), said.text("/meta/location"));
        let endpoint = path.split('?').next().unwrap();
        assert!(said.header("location").ends_with(&format!("{endpoint}/{}", said.text("/id"))), "{said:?}");
        said.text("/id")
    }

    fn make_user(&self, username: &str) -> String {
        self.make("/Users", &json!({"schemas": [USER], "userName": username}))
    }

    /// The ids of a group's members.
    fn members(&self, group: &str) -> Vec<String> {
        let group = self.get(&format!("/Groups/{group}")).with(200);
        let members = group.json["members"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> = members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    }
}

/// An answer in SCIM's form.
pub(super) struct Said {
    answer: Answer,
    asked: String,
}

impl std::fmt::Debug for Said {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {:?}", self.asked, self.answer)
    }
}

impl std::ops::Deref for Said {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.answer
    }
}

impl Said {
    /// What holds of every answer: the media type without a parameter, and the form of an error.
    pub(super) fn checked(answer: Answer, asked: &str) -> Self {
        let said = Self { answer, asked: asked.to_owned() };
        if [204, 304].contains(&said.status) {
            assert_eq!(said.json, "", "{said:?}");
            return said;
        }
        assert_eq!(said.header("content-type"), "application/scim+json", "{said:?}");
        assert!(said.json["schemas"].as_array().is_some_and(|schemas| !schemas.is_empty()), "{said:?}");
        if said.status >= 400 {
            assert_eq!(said.json["schemas"], json!([ERROR]), "{said:?}");
            assert_eq!(said.json["status"], json!(said.status.to_string()), "{said:?}");
            assert!(said.json["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{said:?}");
        }
        said
    }

    pub(super) fn with(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// An error of this kind.
    pub(super) fn refused(self, status: u16, scim_type: &str) {
        assert_eq!((self.status, &self.json["scimType"]), (status, &json!(scim_type)), "{self:?}");
    }

    /// Carried out, whether shown or not: providers take both (RFC 7644 §3.5.2).
    fn done(&self) {
        assert!([200, 204].contains(&self.status), "{self:?}");
    }

    /// The resources of a list whose numbers agree.
    pub(super) fn listed(&self) -> Vec<Value> {
        assert_eq!(self.json["schemas"], json!([LIST]), "{self:?}");
        let resources = self.json["Resources"].as_array().unwrap_or_else(|| panic!("Resources in {self:?}"));
        assert_eq!(self.json["itemsPerPage"], json!(resources.len()), "{self:?}");
        assert!(self.json["totalResults"].as_u64().unwrap() >= u64::try_from(resources.len()).unwrap(), "{self:?}");
        assert!(self.json["startIndex"].is_u64(), "{self:?}");
        resources.clone()
    }

    /// Shows each of these members exactly so.
    fn shows(&self, members: &Value) {
        for (name, value) in members.as_object().unwrap() {
            assert_eq!(self.json[name], *value, "{name} in {self:?}");
        }
    }
}

/// A filter as it stands in a URL.
pub(super) fn encoded(filter: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let piece = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    filter.bytes().map(piece).collect()
}

fn ids(resources: &[Value]) -> Vec<&str> {
    resources.iter().map(|resource| resource["id"].as_str().unwrap()).collect()
}

fn sorted(mut ids: Vec<&String>) -> Vec<&String> {
    ids.sort();
    ids
}
