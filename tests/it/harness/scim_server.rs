//! A real SCIM service (scim2-server) as a child process; ends when dropped, or with the test itself.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::daemon::{Answer, Caller};

/// What lets one in.
pub(crate) const TOKEN: &str = "token-of-the-service";

/// A running service on 127.0.0.1.
pub(crate) struct ScimServer {
    child: Child,
    pub(crate) url: String,
}

impl ScimServer {
    pub(crate) fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(root.join("tests/.cache/venv/bin/python"))
            .arg(root.join("tests/it/harness/scim_server.py"))
            .arg(TOKEN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tests' own python runs; tests/run makes it");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().expect("scim_server.py prints its port");
        Self { child, url: format!("http://127.0.0.1:{port}/v2") }
    }

    /// Somebody who writes to it.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let caller = Caller::new(self.url.clone(), Some(TOKEN));
        let answer =
            caller.call(method, path, body.map(Value::to_string), &[("content-type", "application/scim+json")]);
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        answer
    }

    /// A user; gives the identifier.
    pub(crate) fn add_user(&self, name: &str) -> String {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": name, "displayName": format!("User {name}"), "active": true,
            "emails": [{"value": format!("{name}@example.org"), "type": "work", "primary": true}],
        });
        self.call("POST", "/Users", Some(&user)).text("/id")
    }

    /// A group with members, each with what it is; gives the identifier.
    pub(crate) fn add_group(&self, name: &str, members: &[(&str, &str)]) -> String {
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": name, "members": listed(members),
        });
        self.call("POST", "/Groups", Some(&group)).text("/id")
    }

    pub(crate) fn set_members(&self, group: &str, members: &[(&str, &str)]) {
        self.replace(&format!("/Groups/{group}"), "members", &listed(members));
    }

    /// Replaces an attribute of a resource.
    pub(crate) fn replace(&self, path: &str, attribute: &str, value: &Value) {
        let patch = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": attribute, "value": value}],
        });
        self.call("PATCH", path, Some(&patch));
    }

    pub(crate) fn delete(&self, path: &str) {
        self.call("DELETE", path, None);
    }
}

fn listed(members: &[(&str, &str)]) -> Value {
    members.iter().map(|(kind, id)| json!({"value": id, "type": kind})).collect()
}

impl Drop for ScimServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
