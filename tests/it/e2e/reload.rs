//! A directory whose settings change while the daemon runs.

use serde_json::{Value, json};

use super::directory::settings;
use crate::harness::daemon::TestDaemon;
use crate::harness::slapd::Slapd;

fn sync(daemon: &TestDaemon) -> Value {
    let output = daemon.musterd(&["source", "sync", "corp", "--full", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn what_is_decided_about_a_source_takes_effect_and_who_reads_it_goes_on() {
    let slapd = Slapd::start(30);
    let daemon = TestDaemon::start(&settings(&slapd, "login = true"));
    let admin = daemon.admin();
    sync(&daemon);
    let status = |user: &str, password: &str| daemon.login(user, password).status;
    assert_eq!(status("u0000001", "pw-1"), 200);
    let order = admin.patch("/api/v1/settings", &json!({"login.order": ["corp"]}));
    assert_eq!(order.status, 200, "{order:?}");
    assert_eq!(admin.get("/api/v1/sources").json["items"][0]["id"], "corp");
    assert_eq!(admin.patch("/api/v1/settings", &json!({"login.order": ["crop"]})).status, 400);
    assert_eq!(status("u0000001", "pw-1"), 200);
    let path = daemon.folder().join("musterd.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let decided = "login = false\nbudget_floor = 0\nbudget_count = 0";
    let edited = text.replace("login = true", decided).replace("schedule = \"off\"", "schedule = \"3h\"");
    std::fs::write(&path, edited).unwrap();
    let reloaded = admin.post("/api/v1/settings/reload", &json!({}));
    assert_eq!((reloaded.status, &reloaded.json["needs_restart"]), (200, &json!([])), "{reloaded:?}");
    assert_eq!(reloaded.json["changes"].as_array().unwrap().len(), 4, "{reloaded:?}");
    assert_eq!(daemon.login("u0000001", "pw-1").code(), "source_not_allowed");
    assert_eq!(admin.get("/api/v1/tasks").json["items"]["sync:corp"]["schedule"], "3h");
    slapd.delete_user("u0000002");
    let run = sync(&daemon);
    assert_eq!(run["outcome"]["is"], "held", "by the new budget: {run}");
    std::fs::write(&path, text).unwrap();
    assert_eq!(admin.post("/api/v1/settings/reload", &json!({})).status, 200);
    assert_eq!(status("u0000001", "pw-1"), 200);
}
