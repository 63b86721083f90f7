//! What an administrator does with a source under the running daemon: look at runs and take them back, decide
//! conflicts, ask the doctor, try other settings, let groups give roles.

use serde_json::{Value, json};

use super::directory::settings;
use crate::harness::daemon::TestDaemon;
use crate::harness::hostile::Hostile;
use crate::harness::slapd::{Slapd, SlapdOptions, Syncprov};

fn slapd(users: usize) -> Slapd {
    Slapd::with(SlapdOptions { users, groups: true, sync: Syncprov::Log(1000), ..SlapdOptions::default() })
}

fn run(daemon: &TestDaemon, arguments: &[&str]) -> Value {
    let output = daemon.musterd(&[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {output:?}"))
}

#[test]
fn a_run_is_shown_and_taken_back_and_the_source_waits_for_a_person() {
    let slapd = slapd(12);
    let daemon = TestDaemon::start(&settings(&slapd, "groups = true\n"));
    let first = run(&daemon, &["source", "sync", "corp"]);
    assert_eq!(first["counts"]["create"], 12, "{first}");
    assert!(first["how"].as_str().unwrap().contains("syncrepl"), "{first}");
    slapd.modify("u0000003", "replace: mail\nmail: new@example.org");
    slapd.delete_user("u0000004");
    let second = run(&daemon, &["source", "sync", "corp"]);
    assert_eq!(second["how"], "changes by syncrepl");
    assert_eq!((&second["counts"]["update"], &second["counts"]["disable"]), (&json!(1), &json!(1)), "{second}");
    let id = second["id"].as_str().unwrap();
    let shown = String::from_utf8(daemon.musterd(&["source", "run", id]).stdout).unwrap();
    assert!(shown.contains("email: u0000003@example.org -> new@example.org"), "{shown}");
    let told = run(&daemon, &["plan", "undo", id, "--dry-run"]);
    assert_eq!((&told["counts"]["update"], &told["counts"]["enable"]), (&json!(1), &json!(1)), "{told}");
    assert_eq!(daemon.admin().get("/api/v1/users/u0000004").json["state"], "disabled");
    let undone = run(&daemon, &["plan", "undo", id]);
    assert_eq!(undone["cause"]["kind"], "undo", "{undone}");
    assert_eq!(daemon.admin().get("/api/v1/users/u0000004").json["state"], "active");
    assert_eq!(daemon.admin().get("/api/v1/users/u0000003").json["email"], "u0000003@example.org");
    let held = run(&daemon, &["source", "sync", "corp"]);
    assert_eq!(held["outcome"]["is"], "held", "{held}");
    let plan = held["outcome"]["plan"].as_str().unwrap();
    assert!(daemon.musterd(&["plan", "approve", plan]).status.success());
    assert_eq!(daemon.admin().get("/api/v1/users/u0000004").json["state"], "disabled");
    assert_eq!(run(&daemon, &["source", "sync", "corp"])["outcome"]["is"], "applied");
}

#[test]
fn conflicts_wait_in_the_inbox_until_a_person_decides() {
    let slapd = slapd(3);
    let daemon = TestDaemon::start(&settings(&slapd, ""));
    daemon.local_user("u0000001", "correct horse battery");
    let admin = daemon.admin();
    let first = run(&daemon, &["source", "sync", "corp"]);
    assert_eq!((&first["counts"]["create"], &first["counts"]["conflict"]), (&json!(2), &json!(1)), "{first}");
    let inbox = run(&daemon, &["conflict", "list"]);
    let [conflict] = &inbox["items"].as_array().unwrap()[..] else { panic!("{inbox}") };
    assert_eq!((&conflict["field"], &conflict["holder_username"]), (&json!("username"), &json!("u0000001")));
    let id = conflict["external_id"].as_str().unwrap();
    let refused = daemon.anonymous().post(&format!("/api/v1/conflicts/corp/{id}/link"), &json!({}));
    assert_eq!(refused.status, 401);
    let local = admin.get("/api/v1/users/u0000001").text("/id");
    let linked = run(&daemon, &["conflict", "link", "corp", id]);
    assert_eq!((&linked["id"], &linked["source"]), (&json!(local), &json!("corp")), "{linked}");
    assert_eq!(run(&daemon, &["conflict", "list"])["items"], json!([]));
    // The directory keeps the password now, and the one of before is worth nothing.
    assert_eq!(daemon.login("u0000001", "correct horse battery").status, 401);
    assert_eq!(daemon.login("u0000001", "pw-1").status, 200);
    assert_eq!(admin.post("/api/v1/conflicts/corp/nobody/ignore", &json!({})).status, 404);
}

#[test]
fn a_group_gives_a_role_as_long_as_one_is_in_it() {
    let slapd = slapd(4);
    let dn = "cn=tech,ou=groups,dc=example,dc=org";
    let more = format!("groups = true\ngroup_grants = [\"{dn} -> role system-auditor\"]\n");
    let daemon = TestDaemon::start(&settings(&slapd, &more));
    run(&daemon, &["source", "sync", "corp"]);
    // tech holds devs, and devs holds the first three.
    let shown = daemon.admin().get("/api/v1/users/u0000001").json;
    assert_eq!(shown["roles_by_groups"], json!(["system-auditor"]), "{shown}");
    let session = daemon.session("u0000001", "pw-1");
    assert_eq!(daemon.with_token(&session).get("/api/v1/users").status, 200);
    slapd.modify_group("devs", "delete: member\nmember: uid=u0000001,ou=people,dc=example,dc=org");
    let second = run(&daemon, &["source", "sync", "corp"]);
    assert_eq!(second["counts"]["leave"], 1, "{second}");
    assert_eq!(daemon.with_token(&session).get("/api/v1/users").status, 403);
}

#[test]
fn an_attribute_that_an_administrator_keeps_can_be_written_and_stays() {
    let slapd = slapd(2);
    let daemon = TestDaemon::start(&settings(&slapd, ""));
    run(&daemon, &["source", "sync", "corp"]);
    let admin = daemon.admin();
    let path = "/api/v1/users/u0000001";
    let owned = admin.patch(path, &json!({"name": "Kept Here"}));
    assert_eq!((owned.status, owned.json["errors"][0]["code"].as_str()), (400, Some("owned_by_source")));
    assert_eq!(admin.patch(path, &json!({"name": "Kept Here", "kept": ["name"]})).status, 200);
    slapd.modify("u0000001", "replace: cn\ncn: From The Directory");
    run(&daemon, &["source", "sync", "corp", "--full"]);
    assert_eq!(admin.get(path).json["name"], "Kept Here");
    let local = json!({"username": "lee", "name": "Lee", "email": "lee@example.org"});
    assert_eq!(admin.post("/api/v1/users", &local).status, 201);
    let nobodys = admin.patch("/api/v1/users/lee", &json!({"kept": ["name"]}));
    assert_eq!(nobodys.json["errors"][0]["code"], "not_pulled", "{:?}", nobodys.json);
    assert_eq!(admin.patch(path, &json!({"kept": null})).status, 200);
    run(&daemon, &["source", "sync", "corp", "--full"]);
    assert_eq!(admin.get(path).json["name"], "From The Directory");
}

#[test]
fn the_doctor_and_the_progress_say_how_a_source_is() {
    let slapd = slapd(5);
    let daemon = TestDaemon::start(&settings(&slapd, "groups = true\n"));
    let report = run(&daemon, &["source", "doctor", "corp"]);
    assert_eq!(report["passed"], true, "{report}");
    let step = |name: &str| report["steps"].as_array().unwrap().iter().find(|step| step["step"] == name).cloned();
    for name in
        ["connection", "TLS", "certificate", "bind", "server", "changes", "mapping", "samples", "users", "groups"]
    {
        let step = step(name).unwrap_or_else(|| panic!("{name} in {report}"));
        assert!(!step["setting"].as_str().unwrap().is_empty());
    }
    assert!(step("certificate").unwrap()["text"].as_str().unwrap().contains("days left"));
    assert_eq!(report["samples"].as_array().unwrap().len(), 5);
    let ended = run(&daemon, &["source", "sync", "corp"]);
    let events = daemon.admin().get("/api/v1/sources/corp/progress");
    assert_eq!(events.header("content-type"), "text/event-stream");
    let text = events.json.as_str().unwrap().to_owned();
    let data = text.strip_prefix("event: end\ndata: ").unwrap_or_else(|| panic!("{text}"));
    assert_eq!(serde_json::from_str::<Value>(data.trim()).unwrap()["id"], ended["id"]);
    let explained = daemon.admin().get("/api/v1/users/u0000001/explain").json;
    assert_eq!(explained["at_source"]["active"], true, "{explained}");
}

#[test]
fn another_server_is_tried_with_a_password_of_its_own_and_never_gets_the_configured_one() {
    let slapd = slapd(2);
    let daemon = TestDaemon::start(&settings(&slapd, ""));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let hostile = runtime.block_on(Hostile::answering(Vec::new()));
    let url = format!("ldap://127.0.0.1:{}", hostile.port);
    let refused = daemon.musterd(&["source", "test", "corp", "--url", &url]);
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(!refused.status.success() && said.contains("bind_password"), "{said}");
    assert!(hostile.received.lock().unwrap().is_empty(), "nothing is sent there");
    let good = daemon.musterd_with_input(
        &["source", "test", "corp", "--url", &slapd.ldaps_url(), "--bind-password-stdin"],
        crate::harness::slapd::READER_PASSWORD,
    );
    assert!(good.status.success(), "{good:?}");
}
