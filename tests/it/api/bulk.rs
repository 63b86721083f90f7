//! One wish about many users: by filter, by name; told before it is done, held where it is too much, taken back.

use serde_json::{Value, json};

use super::import::{import, is_there};
use crate::harness::daemon::{Answer, Caller, TestDaemon};

const PASSWORD: &str = "correct horse battery";
const BULK: &str = "/api/v1/users/bulk";

/// Users `u00`, `u01`, … of the daemon, described by their number.
fn users(admin: &Caller, count: usize) {
    for n in 0..count {
        let wish = json!({
            "username": format!("u{n:02}"), "name": format!("User {n}"), "email": format!("u{n:02}@example.org"),
            "description": if n % 2 == 0 { "even" } else { "odd" },
        });
        assert_eq!(admin.post("/api/v1/users", &wish).status, 201);
    }
}

fn user(admin: &Caller, name: &str) -> Value {
    admin.get(&format!("/api/v1/users/{name}")).json
}

fn outcomes(answer: &Answer) -> Vec<(String, String)> {
    let items = answer.json["items"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = items.iter().map(|item| (text(item, "label"), text(item, "outcome"))).collect();
    all.sort();
    all
}

fn codes(answer: &Answer) -> Vec<(String, String)> {
    let items = answer.json["items"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    let refused = items.iter().filter(|item| item["outcome"] == "refused");
    let code = |item: &Value| {
        (item["label"].as_str().unwrap().to_owned(), item["faults"][0]["code"].as_str().unwrap().to_owned())
    };
    let mut all: Vec<_> = refused.map(code).collect();
    all.sort();
    all
}

/// Somebody with a session and these system roles.
fn somebody(daemon: &TestDaemon, name: &str, roles: &[&str]) -> Caller {
    daemon.local_user(name, PASSWORD);
    let changed = daemon.admin().patch(&format!("/api/v1/users/{name}"), &json!({"roles": roles}));
    assert_eq!(changed.status, 200, "{changed:?}");
    daemon.with_token(&daemon.session(name, PASSWORD))
}

#[test]
fn a_filter_chooses_and_each_user_is_told() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    users(&admin, 6);
    admin.post("/api/v1/users/u02/disable", &json!({}));
    let wish = json!({"filter": "description eq \"even\"", "action": "disable", "reason": "the evening is over"});
    let answer = admin.post(BULK, &wish);
    assert_eq!((answer.status, &answer.json["status"]), (200, &json!("applied")), "{answer:?}");
    let pair = |name: &str, outcome: &str| (name.to_owned(), outcome.to_owned());
    assert_eq!(outcomes(&answer), [pair("u00", "changed"), pair("u02", "unchanged"), pair("u04", "changed")]);
    assert_eq!((&answer.json["counts"]["disable"], &answer.json["counts"]["unchanged"]), (&json!(2), &json!(1)));
    assert_eq!((&user(&admin, "u00")["state"], &user(&admin, "u01")["state"]), (&json!("disabled"), &json!("active")));
    let run = answer.text("/run");
    let kept = admin.get(&format!("/api/v1/runs/{run}/items?outcome=changed"));
    assert_eq!(outcomes(&kept), [pair("u00", "changed"), pair("u04", "changed")]);
    let first = admin.get(&format!("/api/v1/runs/{run}/items?limit=2"));
    let next = first.text("/next_cursor");
    assert_eq!(outcomes(&admin.get(&format!("/api/v1/runs/{run}/items?limit=2&cursor={next}"))).len(), 1);
    let lines = admin.get(&format!("/api/v1/runs/{run}/changes"));
    let lines = lines.json["items"].as_array().unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line["reason"] == "the evening is over" && line["actor"]["kind"] == "token"));
}

#[test]
fn what_was_previewed_is_what_is_applied_or_nothing() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    users(&admin, 4);
    let mut wish = json!({
        "filter": "description eq \"odd\"", "action": "change", "dry_run": true,
        "change": {"expires_at": "2027-12-31T23:59:59Z", "mfa": "enabled"},
    });
    let preview = admin.post(BULK, &wish);
    assert_eq!((preview.status, &preview.json["status"]), (200, &json!("preview")), "{preview:?}");
    assert_eq!(user(&admin, "u01")["mfa"], "disabled", "nothing is written");
    wish["dry_run"] = json!(false);
    wish["digest"] = preview.json["digest"].clone();
    wish["expect"] = json!(3);
    let other = admin.post(BULK, &wish);
    assert_eq!((other.status, other.code()), (409, "unexpected_number"));
    wish["expect"] = json!(2);
    admin.patch("/api/v1/users/u03", &json!({"name": "Somebody Else"}));
    let moved = admin.post(BULK, &wish);
    assert_eq!((moved.status, moved.code()), (409, "plan_stale"), "{moved:?}");
    assert_eq!(user(&admin, "u01")["mfa"], "disabled");
    wish["dry_run"] = json!(true);
    wish.as_object_mut().unwrap().remove("digest");
    let preview = admin.post(BULK, &wish);
    wish["dry_run"] = json!(false);
    wish["digest"] = preview.json["digest"].clone();
    let applied = admin.post(BULK, &wish);
    assert_eq!((applied.status, &applied.json["counts"]["update"]), (200, &json!(2)), "{applied:?}");
    assert_eq!(user(&admin, "u01")["mfa"], "enabled");
    assert_eq!(user(&admin, "u01")["expires_at"], "2027-12-31T23:59:59Z");
    let again =
        admin.post(BULK, &json!({"filter": "description eq \"odd\"", "action": "change", "change": wish["change"]}));
    assert_eq!((&again.json["counts"]["update"], &again.json["counts"]["unchanged"]), (&json!(0), &json!(2)));
}

#[test]
fn roles_groups_and_organizations_are_given_and_taken() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    users(&admin, 3);
    for name in ["Staff", "Alumni"] {
        assert_eq!(admin.post("/api/v1/groups", &json!({"name": name})).status, 201);
    }
    let place = admin.post("/api/v1/organizations", &json!({"name": "Example Ltd"})).text("/id");
    admin.patch("/api/v1/users/u00", &json!({"groups": ["Alumni"]}));
    let change = json!({
        "groups": {"add": ["Staff"], "remove": ["Alumni"]}, "roles": {"add": ["system-auditor"]},
        "organizations": {"add": [{"id": place, "roles": ["organization-admin"]}]},
    });
    let everybody = json!({"users": ["u00", "u01", "u02", "u01"], "action": "change", "change": change});
    let answer = admin.post(BULK, &everybody);
    assert_eq!((answer.status, &answer.json["counts"]["update"]), (200, &json!(3)), "{answer:?}");
    assert_eq!((&answer.json["counts"]["join"], &answer.json["counts"]["leave"]), (&json!(3), &json!(1)));
    let shown = user(&admin, "u00");
    let groups: Vec<_> = shown["groups"].as_array().unwrap().iter().map(|group| group["name"].clone()).collect();
    assert_eq!((groups, &shown["roles"]), (vec![json!("Staff")], &json!(["system-auditor", "user"])));
    assert_eq!(shown["organizations"], json!([{"id": place, "roles": ["organization-admin"]}]));
    let undone = admin.post(&format!("/api/v1/runs/{}/undo", answer.text("/run")), &json!({}));
    assert_eq!(undone.status, 200, "{undone:?}");
    let shown = user(&admin, "u00");
    let groups: Vec<_> = shown["groups"].as_array().unwrap().iter().map(|group| group["name"].clone()).collect();
    assert_eq!((groups, &shown["roles"]), (vec![json!("Alumni")], &json!(["user"])));
    assert_eq!((&shown["organizations"], user(&admin, "u02")["groups"].clone()), (&json!([]), json!([])));
    let again = admin.post(&format!("/api/v1/runs/{}/undo", answer.text("/run")), &json!({}));
    assert_eq!((again.status, again.code()), (409, "already_undone"));
}

#[test]
fn who_was_taken_out_of_an_organisation_comes_back_into_its_groups_too() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    users(&admin, 1);
    let acme = admin.post("/api/v1/organizations", &json!({"name": "Acme"})).text("/id");
    admin.post("/api/v1/groups", &json!({"name": "devs", "organization": "Acme"}));
    let place = json!({"organizations": [{"id": acme}], "groups": ["organization/Acme:devs"]});
    assert_eq!(admin.patch("/api/v1/users/u00", &place).status, 200);
    let leave = json!({"organizations": {"remove": ["Acme"]}});
    let left = admin.post(BULK, &json!({"users": ["u00"], "action": "change", "change": leave}));
    assert_eq!((left.status, &user(&admin, "u00")["groups"]), (200, &json!([])), "{left:?}");
    let undone = admin.post(&format!("/api/v1/runs/{}/undo", left.text("/run")), &json!({}));
    assert_eq!((undone.status, &undone.json["counts"]["skipped"]), (200, &json!(0)), "{undone:?}");
    let back = user(&admin, "u00");
    assert_eq!((&back["organizations"][0]["id"], &back["groups"][0]["name"]), (&json!(acme), &json!("devs")));
}

#[test]
fn an_import_is_taken_back_but_for_those_who_were_changed_since() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    assert_eq!(admin.post("/api/v1/groups", &json!({"name": "Staff"})).status, 201);
    let file = "username,name,email,groups,password\r\nann,A,ann@example.org,Staff,a long password of ann\r\n\
                ben,B,ben@example.org,Staff,a long password of ben\r\n";
    let run = |answer: &Answer| answer.text("/run");
    let made = import(&admin, "", file);
    assert_eq!((made.status, &made.json["counts"]["create"]), (200, &json!(2)), "{made:?}");
    daemon.advance(jiff::SignedDuration::from_mins(1));
    assert_eq!(admin.patch("/api/v1/users/ben", &json!({"description": "stays"})).status, 200);
    let undone = admin.post(&format!("/api/v1/runs/{}/undo", run(&made)), &json!({}));
    assert_eq!(codes(&undone), [("ben".to_owned(), "changed_since".to_owned())], "{undone:?}");
    assert_eq!((is_there(&admin, "ann"), is_there(&admin, "ben")), (false, true));
    assert_eq!(user(&admin, "ben")["groups"][0]["name"], "Staff", "with all that was given");
    // Nothing that was made stays, and so nothing is left to take back.
    let whole = import(&admin, "", "username,name,email,password\r\ncat,C,cat@example.org,a long password of cat\r\n");
    let undo = format!("/api/v1/runs/{}/undo", run(&whole));
    assert_eq!((admin.post(&undo, &json!({})).status, is_there(&admin, "cat")), (200, false));
    assert_eq!(admin.post(&undo, &json!({})).code(), "already_undone");
}

#[test]
fn who_is_given_another_address_and_password_by_a_file_is_told_at_the_one_of_before() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    daemon.local_user("ada", PASSWORD);
    let old = user(&admin, "ada")["email"].clone();
    let told = || {
        let queued = musterd::store::outbox::list(&daemon.inside.store.view(), 100).unwrap();
        queued.into_iter().map(|(_, message)| json!(message.to)).collect::<Vec<_>>()
    };
    let before = told().len();
    let changed = import(&admin, "", "username,email,password\r\nada,new@example.org,a long password of ada\r\n");
    assert_eq!((changed.status, &user(&admin, "ada")["email"]), (200, &json!("new@example.org")), "{changed:?}");
    assert_eq!(told()[before..], [old.clone(), old], "of the address, and of the password");
}

#[test]
fn too_many_losses_are_held_and_exactly_that_plan_is_approved() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    users(&admin, 14);
    let wish = json!({"filter": "username sw \"u\"", "action": "delete", "reason": "season is over"});
    let held = admin.post(BULK, &wish);
    assert_eq!((held.status, &held.json["status"]), (202, &json!("held")), "{held:?}");
    assert_eq!(user(&admin, "u00")["state"], "active");
    let plan = held.text("/plan");
    assert_eq!(admin.post(BULK, &wish).text("/plan"), plan, "the same wish is the same plan");
    let shown = admin.get(&format!("/api/v1/plans/{plan}?limit=1000"));
    assert_eq!(shown.json["items"].as_array().unwrap().len(), 14);
    assert_eq!(shown.json["plan"]["wished_by"]["kind"], "token");
    // Somebody comes later: the plan is not about them.
    users_named(&admin, "u99");
    let approved = admin.post(&format!("/api/v1/plans/{plan}/approve"), &json!({}));
    assert_eq!((approved.status, &approved.json["written"]), (200, &json!(14)), "{approved:?}");
    assert_eq!(
        (user(&admin, "u00")["code"].clone(), &user(&admin, "u99")["state"]),
        (json!("not_found"), &json!("active"))
    );
    let run = held.text("/run");
    assert_eq!(
        admin.get(&format!("/api/v1/runs/{run}/items?outcome=changed")).json["items"].as_array().unwrap().len(),
        14
    );
    let undone = admin.post(&format!("/api/v1/runs/{run}/undo"), &json!({}));
    assert_eq!((undone.status, &user(&admin, "u00")["state"]), (200, &json!("active")), "{undone:?}");
}

fn users_named(admin: &Caller, name: &str) {
    let wish = json!({"username": name, "name": name, "email": format!("{name}@example.org")});
    assert_eq!(admin.post("/api/v1/users", &wish).status, 201);
}

#[test]
fn a_plan_that_waits_is_of_no_use_once_its_users_have_moved_on_and_a_no_ends_it() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    users(&admin, 12);
    let held = admin.post(BULK, &json!({"filter": "username sw \"u\"", "action": "disable"}));
    let plan = held.text("/plan");
    admin.patch("/api/v1/users/u03", &json!({"name": "Somebody Else"}));
    let stale = admin.post(&format!("/api/v1/plans/{plan}/approve"), &json!({}));
    assert_eq!((stale.status, stale.code()), (409, "plan_stale"), "{stale:?}");
    assert_eq!(admin.post(&format!("/api/v1/plans/{plan}/reject"), &json!({})).status, 200);
    let decided = admin.post(&format!("/api/v1/plans/{plan}/approve"), &json!({}));
    assert_eq!((decided.status, decided.code()), (409, "plan_decided"));
    assert_eq!(admin.get(&format!("/api/v1/plans/{plan}")).json["items"], json!([]));
    assert_eq!(user(&admin, "u00")["state"], "active");
}

#[test]
fn many_small_wishes_share_one_budget_a_day() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    users(&admin, 14);
    let disable = |names: &[&str]| admin.post(BULK, &json!({"users": names, "action": "disable"}));
    assert_eq!(disable(&["u00", "u01", "u02", "u03", "u04", "u05"]).status, 200);
    let second = disable(&["u06", "u07", "u08", "u09", "u10", "u11"]);
    assert_eq!((second.status, &second.json["status"]), (202, &json!("held")), "{second:?}");
    daemon.advance(jiff::SignedDuration::from_hours(25));
    assert_eq!(disable(&["u12", "u13"]).status, 200, "a day later it is a new budget");
}

#[test]
fn the_last_administrator_stays_whatever_is_wished() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for name in ["root1", "root2"] {
        users_named(&admin, name);
        admin.patch(&format!("/api/v1/users/{name}"), &json!({"roles": ["system-admin"]}));
    }
    // The administrator of the first start counts too.
    let others = admin.get("/api/v1/users?filter=roles%20eq%20%22system-admin%22");
    let all: Vec<_> = others.json["items"].as_array().unwrap().iter().map(|user| user["username"].clone()).collect();
    let last = all.last().unwrap().as_str().unwrap().to_owned();
    let wishes = [
        json!({"action": "disable"}),
        json!({"action": "delete"}),
        json!({"action": "change", "change": {"roles": {"remove": ["system-admin"]}}}),
        json!({"action": "change", "change": {"roles": {"set": ["user"]}}}),
        json!({"action": "change", "change": {"expires_at": "2027-01-01T00:00:00Z"}}),
    ];
    for wish in wishes {
        let mut wish = wish;
        wish["users"] = json!(all);
        wish["dry_run"] = json!(true);
        let preview = admin.post(BULK, &wish);
        assert_eq!(codes(&preview), [(last.clone(), "last_administrator".to_owned())], "{preview:?}");
        wish["dry_run"] = json!(false);
        let answer = admin.post(BULK, &wish);
        assert_eq!(codes(&answer), [(last.clone(), "last_administrator".to_owned())], "{answer:?}");
        assert!(user(&admin, &last)["active"].as_bool().unwrap() && user(&admin, &last)["expires_at"].is_null());
        let undone = admin.post(&format!("/api/v1/runs/{}/undo", answer.text("/run")), &json!({}));
        assert_eq!(undone.status, 200, "{undone:?}");
    }
}

#[test]
fn nobody_changes_themselves_or_who_holds_more_and_each_is_told() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    users(&admin, 2);
    let root = somebody(&daemon, "root", &["system-admin"]);
    let answer = root.post(BULK, &json!({"users": ["root", "u00", "nobody"], "action": "disable"}));
    assert_eq!(answer.status, 200, "{answer:?}");
    let pair = |name: &str, code: &str| (name.to_owned(), code.to_owned());
    assert_eq!(codes(&answer), [pair("nobody", "not_found"), pair("root", "forbidden")]);
    assert_eq!((&user(&admin, "root")["state"], &user(&admin, "u00")["state"]), (&json!("active"), &json!("disabled")));
    let token = daemon.token(&["--scope", "users.view", "--scope", "users.state"]);
    let desk = daemon.with_token(&token);
    let answer = desk.post(BULK, &json!({"users": ["root", "u01"], "action": "disable"}));
    assert_eq!(codes(&answer), [pair("root", "forbidden")], "{answer:?}");
    assert_eq!(user(&admin, "u01")["state"], "disabled");
    let refused = desk.post(BULK, &json!({"users": ["u01"], "action": "delete"}));
    assert_eq!((refused.status, refused.code()), (403, "forbidden"));
}

#[test]
fn who_approves_must_hold_the_rights_over_each_user_too() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    users(&admin, 11);
    somebody(&daemon, "boss", &["system-auditor"]);
    let wish = json!({"filter": "username sw \"u\" or username eq \"boss\"", "action": "disable"});
    let plan = admin.post(BULK, &wish).text("/plan");
    let scopes = ["--scope", "plans.approve", "--scope", "users.state"];
    let desk = daemon.with_token(&daemon.token(&scopes));
    let approved = desk.post(&format!("/api/v1/plans/{plan}/approve"), &json!({}));
    assert_eq!((approved.status, &approved.json["written"]), (200, &json!(11)), "{approved:?}");
    assert_eq!(approved.json["refused"][0]["label"], "boss");
    assert_eq!((&user(&admin, "boss")["state"], &user(&admin, "u00")["state"]), (&json!("active"), &json!("disabled")));
}

#[test]
fn nobody_is_meant_by_mistake() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    users(&admin, 2);
    let bad = [
        json!({"filter": "", "action": "disable"}),
        json!({"action": "disable"}),
        json!({"filter": "username eq \"u00\"", "users": ["u00"], "action": "disable"}),
        json!({"filter": "not (usernme eq \"u00\")", "action": "disable"}),
        json!({"filter": "username pr and (", "action": "disable"}),
        json!({"users": ["u00"], "action": "change"}),
        json!({"users": ["u00"], "action": "change", "change": {}}),
        json!({"users": ["u00"], "action": "change", "change": {"roles": {"add": ["king"]}}}),
        json!({"users": ["u00"], "action": "change", "change": {"expires_at": "2001-01-01T00:00:00Z"}}),
        json!({"users": ["u00"], "action": "disable", "change": {"mfa": "enabled"}}),
        json!({"users": ["u00"], "action": "disable", "reason": "two\nlines"}),
        json!({"users": ["u00"], "action": "marry"}),
    ];
    for wish in bad {
        let answer = admin.post(BULK, &wish);
        assert_eq!(answer.status, 400, "{wish} {answer:?}");
    }
    assert_eq!(user(&admin, "u00")["state"], "active");
    let nobody = admin.post(BULK, &json!({"filter": "username eq \"nobody\"", "action": "delete"}));
    assert_eq!((nobody.status, &nobody.json["counts"]["read"]), (200, &json!(0)), "{nobody:?}");
    assert_eq!(nobody.json["detail"], "nobody is selected: nobody is changed");
    // Who is removed is found by id alone, and stays so.
    let id = user(&admin, "u01")["id"].clone();
    assert_eq!(admin.delete("/api/v1/users/u01").status, 204);
    let answer = admin.post(BULK, &json!({"users": ["u01", id], "action": "enable"}));
    let found: Vec<_> = codes(&answer).into_iter().map(|(_, code)| code).collect();
    assert_eq!(found, ["not_found", "wrong_state"], "{answer:?}");
    let everybody = admin.post(BULK, &json!({"everybody": true, "action": "enable", "dry_run": true}));
    assert!(everybody.json["counts"]["read"].as_u64().unwrap() >= 1, "{everybody:?}");
}

#[test]
fn an_administrator_of_an_organisation_reaches_its_accounts_and_hears_of_nobody_else() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let place = admin.post("/api/v1/organizations", &json!({"name": "Example Ltd"})).text("/id");
    daemon.local_user("boss", PASSWORD);
    let role = json!({"organizations": [{"id": place, "roles": ["organization-admin"]}]});
    assert_eq!(admin.patch("/api/v1/users/boss", &role).status, 200);
    for (name, home) in [("own", json!(place)), ("guest", Value::Null), ("stranger", Value::Null)] {
        let organizations = if name == "stranger" { json!([]) } else { json!([{"id": place}]) };
        let wish = json!({
            "username": name, "name": name, "email": format!("{name}@example.org"),
            "organizations": organizations, "managed_by": home,
        });
        let made = admin.post("/api/v1/users", &wish);
        assert_eq!(made.status, 201, "{made:?}");
    }
    let boss = daemon.with_token(&daemon.session("boss", PASSWORD));
    let answer = boss.post(BULK, &json!({"users": ["own", "guest", "stranger"], "action": "disable"}));
    let pair = |name: &str, code: &str| (name.to_owned(), code.to_owned());
    assert_eq!(codes(&answer), [pair("guest", "forbidden"), pair("stranger", "not_found")], "{answer:?}");
    assert_eq!(
        (&user(&admin, "own")["state"], &user(&admin, "guest")["state"]),
        (&json!("disabled"), &json!("active"))
    );
    let all = boss.post(BULK, &json!({"everybody": true, "action": "enable", "dry_run": true}));
    assert_eq!(outcomes(&all).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["own"], "{all:?}");
}

#[test]
fn who_is_in_an_organisation_and_joins_it_again_keeps_the_roles_there() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    users(&admin, 2);
    let place = admin.post("/api/v1/organizations", &json!({"name": "Example Ltd"})).text("/id");
    let role = json!({"organizations": [{"id": place, "roles": ["organization-admin"]}]});
    assert_eq!(admin.patch("/api/v1/users/u00", &role).status, 200);
    let args = ["user", "bulk", "--user", "u00", "--user", "u01", "set", "--add-organization", "Example Ltd"];
    let output = daemon.musterd(&args);
    assert!(output.status.success(), "{output:?}");
    let roles = |name: &str| user(&admin, name)["organizations"][0]["roles"].clone();
    assert_eq!((roles("u00"), roles("u01")), (json!(["organization-admin"]), json!(["organization-user"])));
    let change = json!({"organizations": {"add": [{"id": place, "roles": ["organization-user"]}]}});
    let answer = admin.post(BULK, &json!({"users": ["u00", "u01"], "action": "change", "change": change}));
    assert_eq!(answer.json["counts"]["update"], 1, "{answer:?}");
    assert_eq!(roles("u00"), json!(["organization-admin", "organization-user"]));
}
