//! The API under schemathesis, which reads the OpenAPI document and tries everything that it says, and much that it does not.
//! More of it, as long as it takes: `MUSTERD_EXAMPLES=2000 cargo nextest run --test it schemathesis`.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::e2e::directory::settings;
use crate::harness::daemon::TestDaemon;
use crate::harness::slapd::Slapd;

/// Examples of each operation, unless the environment says otherwise.
const EXAMPLES: &str = "20";

const PASSWORD: &str = "a password of the tests";

/// A source with users, one of whom clashes with a local one; a provider; signed tokens.
fn start(slapd: &Slapd) -> TestDaemon {
    let source = settings(slapd, "");
    let others = "[[sources]]\nid = \"okta\"\nkind = \"scim\"\n[jwt]\nenabled = true\naudiences = [\"wiki\"]\n";
    let daemon = TestDaemon::start_with_server("trusted_proxies = [\"127.0.0.1\"]\n", &format!("{source}{others}"));
    for username in ["ada", "bob", "u0000001"] {
        daemon.local_user(username, "another password of the tests");
    }
    let admin = daemon.admin();
    let group = admin.post("/api/v1/groups", &json!({"name": "Engineering"}));
    assert_eq!(group.status, 201, "{group:?}");
    let run = admin.post("/api/v1/sources/corp/sync", &json!({}));
    assert_eq!(run.json["counts"]["conflict"], 1, "{run:?}");
    daemon
}

#[test]
fn schemathesis_finds_nothing_in_the_api() {
    let slapd = Slapd::start(30);
    let daemon = start(&slapd);
    // A pass that takes out so many is held: there is a plan.
    (2..=30).for_each(|number| slapd.delete_user(&format!("u{number:07}")));
    let admin = daemon.admin();
    assert_eq!(admin.post("/api/v1/sources/corp/sync", &json!({})).json["outcome"]["is"], "held");
    let tester = daemon.local_user("tester", PASSWORD).text("/id");
    assert_eq!(admin.patch("/api/v1/users/tester", &json!({"roles": ["system-admin"]})).status, 200);
    let session = daemon.session("tester", PASSWORD);
    let own = daemon.with_token(&session).get("/api/v1/session").text("/session/id");
    let made = admin.post("/api/v1/tokens", &json!({"name": "tester", "scopes": ["admin"]}));
    let (token, client) = (made.text("/token"), made.text("/id"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let examples = std::env::var("MUSTERD_EXAMPLES").unwrap_or_else(|_| EXAMPLES.to_owned());
    let output = Command::new(folder.join(".cache/venv/bin/st"))
        .current_dir(daemon.folder())
        .arg("--config-file")
        .arg(folder.join("it/api/schemathesis.toml"))
        .args(["run", "--checks", "all", "--seed", "1", "--max-examples", &examples])
        .arg(format!("{}/api/v1/openapi.json", daemon.base))
        .env("MUSTERD_HOOKS", folder.join("it/api/schemathesis.py"))
        .env("MUSTERD_SESSION", &session)
        .env("MUSTERD_TOKEN", &token)
        .env("MUSTERD_CLIENT", &client)
        .env("MUSTERD_OURS", format!("{tester},tester,{client},{own}"))
        .output()
        .expect("the virtual environment of tests/run is there");
    let printed = String::from_utf8_lossy(&output.stdout);
    let trail = admin.get(&format!("/api/v1/audit?user={tester}&limit=20")).json;
    assert!(output.status.success(), "{printed}\n{}\n{trail}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("Stateful"), "{printed}");
    assert!(daemon.is_in(&session), "self-service was tried to the end: {trail}\n{printed}");
    assert_eq!(daemon.with_token(&token).get("/api/v1/users").status, 200, "so was administration: {printed}");
}
