//! Policy that is changed while the daemon runs: it takes effect at the next request, whole or not at all, and survives.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::daemon::{Answer, Caller, TestDaemon};

const SETTINGS: &str = "/api/v1/settings";
const PASSWORD: &str = "correct horse battery staple";

fn change(admin: &Caller, patch: Value) -> Answer {
    let answer = admin.patch(SETTINGS, &patch);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

fn shown(admin: &Caller, key: &str) -> Value {
    admin.get(&format!("{SETTINGS}/{key}")).json
}

/// The fields that a refusal names.
fn fields(answer: &Answer) -> Vec<&str> {
    let errors = answer.json["errors"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    errors.iter().map(|error| error["field"].as_str().unwrap()).collect()
}

/// Puts text at the end of the daemon's settings file.
fn append(daemon: &TestDaemon, text: &str) {
    let path = daemon.folder().join("musterd.toml");
    let before = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("{before}\n{text}\n")).unwrap();
}

#[test]
fn a_password_may_be_as_short_as_the_last_change_says_and_null_brings_the_default_back() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let wish = |name: &str| {
        let email = format!("{name}@example.org");
        let wish = json!({"username": name, "name": name, "email": email, "password": "brass otter", "must_change_password": false});
        admin.post("/api/v1/users", &wish)
    };
    assert_eq!(wish("ada").status, 400);
    let answer = change(&admin, json!({"passwords": {"min_length": 10}}));
    let changes = json!([{"key": "passwords.min_length", "old": "15", "new": "10"}]);
    assert_eq!((&answer.json["changes"], &answer.json["revision"]), (&changes, &json!(1)));
    assert_eq!(wish("ada").status, 201);
    let one = shown(&admin, "passwords.min_length");
    assert_eq!((&one["value"], &one["origin"], &one["default"]), (&json!("10"), &json!("stored"), &json!("15")));
    assert_eq!((&one["changeable"], &one["pinned"], &one["stored"]), (&json!(true), &json!(false), &json!(10)));
    assert!(one["description"].as_str().unwrap().contains("fewest characters"));
    change(&admin, json!({"passwords.min_length": null}));
    assert_eq!(wish("bob").status, 400);
    assert_eq!(shown(&admin, "passwords.min_length")["origin"], "default");
}

#[test]
fn lockout_sessions_and_factors_follow_the_last_change_and_counters_go_on() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    daemon.local_user("ada", PASSWORD);
    daemon.local_user("bob", PASSWORD);
    assert_eq!(daemon.login("ada", "wrong").status, 401);
    change(&admin, json!({"lockout.password_attempts": 2}));
    // What was counted before the change counts after it.
    assert_eq!(daemon.login("ada", "wrong").status, 401);
    assert_eq!(daemon.login("ada", PASSWORD).code(), "too_many_attempts");
    let session = daemon.session("bob", PASSWORD);
    let until = || daemon.with_token(&session).get("/api/v1/session").text("/session/expires_at");
    let long = until();
    change(&admin, json!({"sessions": {"idle": "5m", "absolute": "10m"}}));
    assert_eq!((long.as_str(), until().as_str()), ("2026-11-24T12:00:00Z", "2026-11-23T12:10:00Z"), "as it ends now");
    daemon.advance(SignedDuration::from_mins(6));
    assert!(!daemon.is_in(&session), "a session that is idle for longer than the new time has ended");
    let short = daemon.session("bob", PASSWORD);
    assert!(daemon.is_in(&short));
    change(&admin, json!({"mfa.policy": "all"}));
    assert_eq!(daemon.login("bob", PASSWORD).json["status"], "mfa_enrolment_required");
    change(&admin, json!({"mfa": {"policy": null}}));
    assert_eq!(daemon.login("bob", PASSWORD).json["status"], "authenticated");
    change(&admin, json!({"lockout.deny_networks": ["127.0.0.0/8"]}));
    assert_eq!(daemon.login("bob", PASSWORD).code(), "network_not_allowed");
}

#[test]
fn a_misspelt_dry_run_changes_nothing() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for query in ["dry-run=true", "dryrun=true", "dry_run=yes"] {
        let refused = admin.patch(&format!("/api/v1/settings?{query}"), &json!({"sessions.idle": "7m"}));
        assert_eq!((refused.status, refused.code()), (400, "invalid_fields"), "{query}");
        let file = Some("username,name,email\r\neve,E,eve@example.org\r\n".to_owned());
        let kind = [("content-type", "text/csv")];
        let refused = admin.call("POST", &format!("/api/v1/users/import?{query}"), file, &kind);
        assert_eq!((refused.status, refused.code()), (400, "invalid_fields"), "{query}");
    }
    assert_eq!(admin.get("/api/v1/users/eve").status, 404);
    assert!(!admin.get("/api/v1/settings").json.to_string().contains("\"7m\""));
}

#[test]
fn a_sweep_and_the_tasks_go_by_the_last_change() {
    let daemon = TestDaemon::start("[sweep]\nschedule = \"off\"\n[users]\ntombstone_retention = \"90d\"\n");
    let admin = daemon.admin();
    daemon.local_user("ada", PASSWORD);
    daemon.advance(SignedDuration::from_hours(24 * 40));
    let due = || {
        let preview = admin.post("/api/v1/sweep", &json!({"dry_run": true})).json;
        preview["items"].as_array().unwrap().iter().map(|item| item["label"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(due().len(), 0);
    change(&admin, json!({"inactivity.threshold": "30d"}));
    assert_eq!(due(), ["ada"], "there is no [mail]: nobody has to be told first");
    change(&admin, json!({"inactivity": {"exempt_users": ["ada"]}}));
    assert_eq!(due().len(), 0);
    change(&admin, json!({"upkeep.schedule": "2h", "users.default_lifetime": "7d"}));
    let tasks = admin.get("/api/v1/tasks").json;
    assert_eq!(
        (&tasks["items"]["upkeep"]["schedule"], &tasks["items"]["sweep"]["schedule"]),
        (&json!("2h"), &json!("off"))
    );
    let made = daemon.local_user("bob", PASSWORD);
    assert_eq!(made.json["expires_at"], "2027-01-09T12:00:00Z", "{made:?}");
}

#[test]
fn who_can_be_told_is_told_before_a_shorter_threshold_disables_them() {
    let mail = "[mail]\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\nfrom = \"directory@example.org\"\n";
    let daemon = TestDaemon::start(mail);
    let admin = daemon.admin();
    daemon.local_user("ada", PASSWORD);
    daemon.advance(SignedDuration::from_hours(24 * 100));
    change(&admin, json!({"inactivity.threshold": "30d"}));
    let preview = admin.post("/api/v1/sweep", &json!({"dry_run": true})).json;
    assert_eq!(preview["items"], json!([]), "{preview}");
    let ahead = admin.get("/api/v1/sweep/upcoming?days=30").json;
    assert!(ahead["notices"].as_array().unwrap().iter().any(|notice| notice["label"] == "ada"), "{ahead}");
}

#[test]
fn a_change_survives_a_restart_and_is_in_the_trail_with_old_and_new() {
    let daemon = TestDaemon::start("");
    change(&daemon.admin(), json!({"login": {"deadline": "4s"}, "mfa.groups": ["admins"]}));
    let daemon = daemon.restart();
    let admin = daemon.admin();
    let all = admin.get(SETTINGS);
    assert_eq!((all.header("etag"), &all.json["revision"]), ("W/\"1\"", &json!(1)));
    assert_eq!(shown(&admin, "login.deadline")["value"], "\"4s\"");
    assert_eq!(daemon.inside.auth.settings.deadline.as_secs(), 4);
    let lines = admin.get("/api/v1/audit?action=settings.changed").json;
    let line = &lines["items"][0];
    let expected = json!([
        {"attribute": "login.deadline", "old": "10s", "new": "4s"},
        {"attribute": "mfa.groups", "old": [], "new": ["admins"]},
    ]);
    assert_eq!((&line["changes"], &line["actor"]["kind"]), (&expected, &json!("token")), "{lines}");
}

#[test]
fn a_change_is_taken_whole_or_not_at_all() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for (patch, expected) in [
        (json!({"login.deadline": "4s", "passwords.min_length": 3}), vec!["passwords.min_length"]),
        (json!({"login.deadline": "4s", "login.deadlin": "3s"}), vec!["login.deadlin"]),
        (json!({"login.deadline": 4, "mfa.policy": "some"}), vec!["login.deadline", "mfa.policy"]),
        // Each is fine by itself.
        (json!({"sessions": {"idle": "2h", "absolute": "1h"}}), vec!["sessions.idle"]),
        (
            json!({"passwords.min_length": 8, "passwords.min_length_with_factor": 9}),
            vec!["passwords.min_length_with_factor"],
        ),
        (json!({"mfa.methods": ["email"]}), vec!["mfa.methods"]),
        // Wiring.
        (json!({"server.body_limit": "2MiB"}), vec!["server.body_limit"]),
        (json!({"mfa.issuer": "x"}), vec!["mfa.issuer"]),
        (json!({"passwords.breached_set": "/etc/passwd"}), vec!["passwords.breached_set"]),
        (json!({"mail.password": "x"}), vec!["mail.password"]),
        (json!({"sources": [{"id": "x"}]}), vec!["sources"]),
        (json!({"login.deadlin": null}), vec!["login.deadlin"]),
    ] {
        let answer = admin.patch(SETTINGS, &patch);
        assert_eq!((answer.status, answer.code(), fields(&answer)), (400, "invalid_settings", expected), "{answer:?}");
    }
    let hint = admin.patch(SETTINGS, &json!({"login.deadlin": "3s"})).json.to_string();
    assert!(hint.contains("did you mean login.deadline?"), "{hint}");
    assert_eq!(admin.patch(SETTINGS, &json!({"login..deadline": 1})).code(), "invalid_fields");
    assert_eq!(admin.patch(SETTINGS, &json!([])).code(), "wrong_type");
    let all = admin.get(SETTINGS).json;
    assert_eq!(all["revision"], 0);
    assert!(all["items"].as_array().unwrap().iter().all(|item| item["origin"] != "stored"));
    assert_eq!(admin.get("/api/v1/audit?action=settings.changed").json["items"], json!([]));
}

#[test]
fn a_dry_run_tells_and_changes_nothing_and_what_is_so_already_is_no_change() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let told = admin.patch(&format!("{SETTINGS}?dry_run=true"), &json!({"mfa.policy": "all"}));
    assert_eq!(told.json["changes"][0]["new"], "\"all\"", "{told:?}");
    assert_eq!((told.header("etag"), &told.json["revision"]), ("W/\"0\"", &json!(0)));
    assert_eq!(shown(&admin, "mfa.policy")["value"], "\"off\"");
    assert_eq!(admin.patch(&format!("{SETTINGS}?dry_run=yes"), &json!({})).status, 400);
    change(&admin, json!({"mfa.policy": "all"}));
    let again = change(&admin, json!({"mfa.policy": "all", "login.deadline": null}));
    assert_eq!((&again.json["changes"], &again.json["revision"]), (&json!([]), &json!(1)));
}

#[test]
fn of_two_who_change_what_they_saw_the_second_is_told() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let seen = admin.get(SETTINGS).header("etag").to_owned();
    let change = |patch: Value| admin.call("PATCH", SETTINGS, Some(patch.to_string()), &[("if-match", &seen)]);
    let first = change(json!({"mfa.policy": "all"}));
    assert_eq!((first.status, first.header("etag")), (200, "W/\"1\""));
    let second = change(json!({"mfa.policy": "off"}));
    assert_eq!((second.status, second.code()), (412, "stale"));
    assert_eq!(shown(&admin, "mfa.policy")["value"], "\"all\"");
}

#[test]
fn whoever_lacks_the_permission_reads_and_changes_nothing() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let viewer = daemon.with_token(&daemon.token(&["--scope", "settings.view"]));
    let user = daemon.with_token(&daemon.session("ada", PASSWORD));
    assert_eq!((viewer.get(SETTINGS).status, user.get(SETTINGS).status), (200, 403));
    for caller in [&viewer, &user] {
        assert_eq!(caller.patch(SETTINGS, &json!({"mfa.policy": "all"})).status, 403);
        assert_eq!(caller.post(&format!("{SETTINGS}/reload"), &json!({})).status, 403);
    }
    let manager = daemon.with_token(&daemon.token(&["--scope", "settings.manage"]));
    change(&manager, json!({"mfa.policy": "all"}));
}

#[test]
fn what_the_file_sets_is_pinned_there_and_shows_where() {
    let daemon = TestDaemon::start("[login]\ndeadline = \"7s\"\n");
    let admin = daemon.admin();
    change(&admin, json!({"mfa.policy": "all"}));
    let refused = admin.patch(SETTINGS, &json!({"login.deadline": "3s"}));
    assert_eq!((refused.status, refused.code(), fields(&refused)), (409, "pinned", vec!["login.deadline"]));
    assert!(refused.json["detail"].as_str().unwrap().contains("musterd.toml:"), "{refused:?}");
    assert_eq!(shown(&admin, "login.deadline")["pinned"], true);
    // A section of the file hides what is no key.
    append(&daemon, "[inactivity.roles]\nsystem-admin = \"off\"\n");
    assert_eq!(admin.post(&format!("{SETTINGS}/reload"), &json!({})).status, 200);
    for key in ["login", "inactivity.roles"] {
        let refused = admin.patch(SETTINGS, &json!({key: 5}));
        assert_eq!((refused.status, fields(&refused)), (400, vec![key]), "{refused:?}");
    }
    // A file that sets later what was set at run time wins, and what is stored shows.
    append(&daemon, "[mfa]\npolicy = \"administrators\"\n");
    let reloaded = admin.post(&format!("{SETTINGS}/reload"), &json!({}));
    assert_eq!(reloaded.json["changes"][0]["key"], "mfa.policy", "{reloaded:?}");
    let one = shown(&admin, "mfa.policy");
    assert_eq!((&one["value"], &one["stored"]), (&json!("\"administrators\""), &json!("all")));
    change(&admin, json!({"mfa.policy": null}));
    assert_eq!(shown(&admin, "mfa.policy")["stored"], Value::Null);
}

#[test]
fn a_file_that_is_read_again_takes_effect_whole_or_not_at_all() {
    let okta = "[[sources]]\nid = \"okta\"\nkind = \"scim\"\nlogin = true\n";
    let daemon = TestDaemon::start(okta);
    let admin = daemon.admin();
    let reload = || admin.post(&format!("{SETTINGS}/reload"), &json!({}));
    let path = daemon.folder().join("musterd.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    let nothing = reload();
    assert_eq!((&nothing.json["changes"], &nothing.json["revision"]), (&json!([]), &json!(0)), "{nothing:?}");
    for (bad, expected) in [
        ("[mfa]\npolicy = \"all\"\n[login]\ndeadline = 7\nnonsense = 1\n", vec!["login.deadline", "login.nonsense"]),
        ("[mfa]\npolicy = \n", vec!["musterd.toml"]),
    ] {
        std::fs::write(&path, format!("{good}\n{bad}")).unwrap();
        let refused = reload();
        assert_eq!((refused.status, refused.code()), (400, "invalid_settings"), "{refused:?}");
        assert!(fields(&refused).iter().zip(&expected).all(|(field, part)| field.contains(part)), "{refused:?}");
        assert!(refused.json["detail"].as_str().unwrap().contains("musterd.toml:"), "{refused:?}");
        assert_eq!(shown(&admin, "mfa.policy")["value"], "\"off\"");
    }
    let edited =
        good.replace("login = true", "login = false\nbudget_floor = 3").replace("[hashing]", "[hashing]\nqueue = 32");
    let added = "[mfa]\npolicy = \"all\"\n[[webhooks]]\nname = \"portal\"\nurl = \"https://portal.example.org/\"\n\
                 secret = \"whsec_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"\nevents = [\"*\"]\n";
    std::fs::write(&path, format!("{edited}\n{added}")).unwrap();
    let taken = reload();
    assert_eq!(taken.status, 200, "{taken:?}");
    let keys: Vec<_> =
        taken.json["changes"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["mfa.policy", "sources.okta.budget_floor", "sources.okta.login"], "{taken:?}");
    assert_eq!(taken.json["needs_restart"], json!(["hashing.queue", "webhooks.portal"]));
    assert!(!taken.json.to_string().contains("xxxx"), "no secret is shown");
    let sources = admin.get("/api/v1/sources").json;
    assert_eq!(sources["items"][1]["login"], false, "{sources}");
    assert_eq!(admin.get(SETTINGS).json["needs_restart"], json!(["hashing.queue", "webhooks.portal"]));
    assert_eq!(shown(&admin, "hashing.queue")["value"], "64", "what waits for a restart shows as it is");
    let lines = admin.get("/api/v1/audit?action=settings.reloaded").json;
    assert_eq!(lines["items"][0]["details"]["needs_restart"][0], "hashing.queue", "{lines}");
    assert_eq!(lines["items"][0]["changes"][0], json!({"attribute": "mfa.policy", "old": "off", "new": "all"}));
}

#[test]
fn nobody_is_disabled_untold_because_mail_waits_for_a_restart() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let reload = || admin.post(&format!("{SETTINGS}/reload"), &json!({}));
    let path = daemon.folder().join("musterd.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    let mail = "[mail]\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\nfrom = \"directory@example.org\"\n";
    std::fs::write(&path, format!("{good}\n{mail}\n[inactivity]\nthreshold = \"90d\"\n")).unwrap();
    let refused = reload();
    assert_eq!((refused.status, refused.code()), (400, "invalid_settings"), "{refused:?}");
    assert!(refused.json["detail"].as_str().unwrap().contains("restart first"), "{refused:?}");
    assert_eq!(shown(&admin, "inactivity.threshold")["value"], "\"off\"");
    // The same in two steps.
    std::fs::write(&path, format!("{good}\n{mail}")).unwrap();
    assert_eq!(reload().status, 200);
    for patch in [json!({"inactivity.threshold": "90d"}), json!({"mfa.methods": ["email"]})] {
        let refused = admin.patch(SETTINGS, &patch);
        assert!(refused.json["detail"].as_str().unwrap().contains("restart first"), "{refused:?}");
    }
    let daemon = daemon.restart();
    change(&daemon.admin(), json!({"inactivity.threshold": "90d", "mfa.methods": ["email"]}));
}

#[test]
fn a_file_that_shuts_every_administrator_out_is_not_taken_and_is_doubted_at_the_start() {
    let daemon = TestDaemon::start("");
    append(&daemon, "[[sources]]\nid = \"local\"\nkind = \"local\"\nlogin = false\n");
    let refused = daemon.admin().post(&format!("{SETTINGS}/reload"), &json!({}));
    assert_eq!((refused.status, refused.code()), (409, "last_administrator"), "{refused:?}");
    assert_eq!(daemon.admin().get("/api/v1/sources").json["items"][0]["login"], true);
    let daemon = daemon.restart();
    let admin = daemon.admin();
    let doubted =
        |json: &Value| json["doubts"].as_array().unwrap().iter().any(|one| one.to_string().contains("can log in"));
    assert!(doubted(&admin.get(SETTINGS).json));
    assert!(doubted(&admin.post(&format!("{SETTINGS}/reload"), &json!({})).json), "until it is put right");
    let path = daemon.folder().join("musterd.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("login = false", "login = true");
    std::fs::write(&path, text).unwrap();
    assert!(!doubted(&admin.post(&format!("{SETTINGS}/reload"), &json!({})).json));
}

#[test]
fn what_does_not_fit_a_new_file_keeps_no_daemon_from_starting() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    change(&admin, json!({"sessions.idle": "12h", "mfa.policy": "all"}));
    append(&daemon, "[sessions]\nabsolute = \"6h\"\n");
    let refused = admin.post(&format!("{SETTINGS}/reload"), &json!({}));
    assert_eq!((refused.status, fields(&refused)), (400, vec!["sessions.idle"]), "{refused:?}");
    let daemon = daemon.restart();
    let admin = daemon.admin();
    let all = admin.get(SETTINGS).json;
    assert!(all["doubts"][0].as_str().unwrap().contains("sessions.idle (set at run time): is left out"), "{all}");
    assert_eq!(shown(&admin, "sessions.idle")["value"], "\"1h\"");
    assert_eq!(shown(&admin, "mfa.policy")["value"], "\"all\"", "the rest takes effect");
    // It stands in nobody's way, and goes when a person says so.
    change(&admin, json!({"mfa.policy": "off"}));
    assert_eq!(admin.post(&format!("{SETTINGS}/reload"), &json!({})).status, 200);
    let again = admin.patch(SETTINGS, &json!({"sessions.idle": "12h"}));
    assert_eq!((again.status, fields(&again)), (400, vec!["sessions.idle"]), "it fits no better: {again:?}");
    let path = daemon.folder().join("musterd.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("absolute = \"6h\"", "absolute = \"18h\"")).unwrap();
    assert_eq!(admin.post(&format!("{SETTINGS}/reload"), &json!({})).status, 200);
    change(&admin, json!({"sessions.idle": "12h"}));
    assert_eq!(shown(&admin, "sessions.idle")["value"], "\"12h\"");
    change(&admin, json!({"sessions.idle": null}));
    assert_eq!(admin.get(SETTINGS).json["doubts"], json!([]));
}

#[test]
fn requests_go_on_while_policy_changes() {
    let daemon = TestDaemon::start("[lockout]\nnetwork_attempts = 100000\n");
    let admin = daemon.admin();
    daemon.local_user("ada", PASSWORD);
    std::thread::scope(|scope| {
        let logins = scope.spawn(|| {
            for _ in 0..40 {
                let status = daemon.login("ada", PASSWORD).json["status"].clone();
                assert!(status == "authenticated" || status == "mfa_enrolment_required", "{status}");
            }
        });
        for round in 0..20 {
            change(
                &admin,
                json!({"mfa.policy": if round % 2 == 0 { "all" } else { "off" }, "sessions.idle": format!("{}m", round + 5)}),
            );
        }
        logins.join().unwrap();
    });
    assert_eq!(admin.get(SETTINGS).json["revision"], 20);
}
