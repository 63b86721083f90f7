//! scim2-server under the daemon: what was there comes in, what changes follows, and who is gone is out.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::daemon::run;
use crate::harness::daemon::TestDaemon;
use crate::harness::scim_server::{ScimServer, TOKEN};

fn settings(server: &ScimServer, more: &str) -> String {
    let url = &server.url;
    format!(
        "[[sources]]\nid = \"hr\"\nkind = \"scim-pull\"\nurl = \"{url}\"\ntoken = \"{TOKEN}\"\nschedule = \"off\"\n{more}"
    )
}

fn state(daemon: &TestDaemon, user: &str) -> String {
    daemon.admin().get(&format!("/api/v1/users/{user}")).text("/state")
}

fn sync(daemon: &TestDaemon, arguments: &[&str]) -> Value {
    let run = run(daemon, &[&["source", "sync", "hr"], arguments].concat());
    assert_eq!(run["outcome"]["is"], "applied", "{run}");
    run
}

#[test]
fn users_come_in_change_are_disabled_and_come_back() {
    let server = ScimServer::start();
    let ids: Vec<String> = ["ada", "grace", "katherine"].iter().map(|name| server.add_user(name)).collect();
    let daemon = TestDaemon::start(&settings(&server, ""));
    let plan = run(&daemon, &["source", "plan", "hr"]);
    assert_eq!(plan["counts"]["create"], 3, "{plan}");
    let first = sync(&daemon, &[]);
    assert_eq!(first["counts"]["create"], 3, "{first}");
    assert!(first["how"].as_str().unwrap().contains("meta.lastModified"), "{first}");
    let ada = daemon.admin().get("/api/v1/users/ada").json;
    assert_eq!((&ada["email"], &ada["source"]), (&json!("ada@example.org"), &json!("hr")), "{ada}");

    let explained = daemon.admin().get("/api/v1/users/ada/explain").json;
    assert_eq!(explained["at_source"]["active"], true, "{explained}");

    server.replace(&format!("/Users/{}", ids[0]), "displayName", &json!("Ada Lovelace"));
    server.replace(&format!("/Users/{}", ids[1]), "active", &json!(false));
    let second = sync(&daemon, &[]);
    assert!(second["how"].as_str().unwrap().starts_with("changes by meta.lastModified"), "{second}");
    assert_eq!((&second["counts"]["update"], &second["counts"]["disable"]), (&json!(1), &json!(1)), "{second}");
    assert_eq!(daemon.admin().get("/api/v1/users/ada").json["name"], "Ada Lovelace");
    assert_eq!(state(&daemon, "grace"), "disabled");

    server.replace(&format!("/Users/{}", ids[1]), "active", &json!(true));
    server.delete(&format!("/Users/{}", ids[2]));
    sync(&daemon, &[]);
    assert_eq!(state(&daemon, "grace"), "active");
    assert_eq!(state(&daemon, "katherine"), "active", "a reading of changes proves nobody absent");
    let last = sync(&daemon, &["--full"]);
    assert_eq!(state(&daemon, "katherine"), "disabled");
    let undone = run(&daemon, &["plan", "undo", last["id"].as_str().unwrap()]);
    assert_eq!(undone["counts"]["enable"], 1, "{undone}");
    assert_eq!(state(&daemon, "katherine"), "active");
}

#[test]
fn a_complete_reading_comes_by_itself_when_it_is_due() {
    let server = ScimServer::start();
    let gone = server.add_user("ada");
    server.add_user("grace");
    let daemon = TestDaemon::start(&settings(&server, "complete_every = \"2h\"\n"));
    sync(&daemon, &[]);
    server.delete(&format!("/Users/{gone}"));
    daemon.advance(SignedDuration::from_hours(3));
    let due = sync(&daemon, &[]);
    assert_eq!(due["counts"]["disable"], 1, "{due}");
}

#[test]
fn groups_come_with_their_members_nested_as_they_are() {
    let server = ScimServer::start();
    let ada = server.add_user("ada");
    let grace = server.add_user("grace");
    let devs = server.add_group("devs", &[("User", &ada)]);
    let tech = server.add_group("tech", &[("Group", &devs), ("User", &grace)]);
    let grant = format!("group_grants = [\"id={tech},Groups -> role system-auditor\"]\n");
    let daemon = TestDaemon::start(&settings(&server, &grant));
    let first = sync(&daemon, &[]);
    assert_eq!((&first["counts"]["create_groups"], &first["counts"]["join"]), (&json!(2), &json!(3)), "{first}");
    let roles = |user: &str| daemon.admin().get(&format!("/api/v1/users/{user}")).json["roles_by_groups"].clone();
    assert_eq!((roles("ada"), roles("grace")), (json!(["system-auditor"]), json!(["system-auditor"])));
    server.set_members(&tech, &[("User", &grace)]);
    let second = sync(&daemon, &[]);
    assert_eq!(second["counts"]["leave"], 1, "{second}");
    assert_eq!((roles("ada"), roles("grace")), (json!([]), json!(["system-auditor"])));
    server.delete(&format!("/Groups/{devs}"));
    let third = sync(&daemon, &["--full"]);
    assert_eq!(third["counts"]["remove_groups"], 1, "{third}");
}

#[test]
fn the_command_tests_the_source_and_lists_it() {
    let server = ScimServer::start();
    server.add_user("ada");
    let daemon = TestDaemon::start(&settings(&server, ""));
    let report = run(&daemon, &["source", "doctor", "hr"]);
    assert_eq!(report["passed"], true, "{report}");
    assert_eq!(report["samples"][0]["username"], "ada", "{report}");
    let listed = run(&daemon, &["source", "list"]);
    assert_eq!(listed["items"][1]["kind"], "scim-pull", "{listed}");
    assert!(!format!("{report}{listed}").contains(TOKEN));
}
