//! Every path that sets a password, by every rule: each refuses with all that is wrong and keeps nothing of the request, and
//! each takes a good one.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::harness::daemon::{Answer, TestDaemon};

const OLD: &str = "Trajectories by 1 hand.";
const GOOD: &str = "Nanoseconds are 11.8 inches";
const LEAKED: &str = "A phrase that leaked in 2012";
/// Every password that breaks rules, with the codes of all of them.
const BAD: [(&str, &[&str]); 11] = [
    ("", &["empty"]),
    ("Aa1. x", &["too_short", "too_guessable"]),
    ("Nanoseconds are 11.8 \0 inches", &["control_character"]),
    ("nanoseconds are 11.8 inches", &["no_upper"]),
    ("NANOSECONDS ARE 11.8 INCHES", &["no_lower"]),
    ("Nanoseconds are eleven inches", &["no_digit"]),
    ("NanosecondsAre118Inches", &["no_special"]),
    ("Grace Hopper and 11.8 inches", &["contains_name"]),
    ("Password-1234567", &["blocklisted", "too_guessable"]),
    ("Shadow/12.12.2012", &["too_guessable"]),
    (LEAKED, &["breached"]),
];

fn too_long() -> String {
    format!("Aa1. {}", "nanoseconds ".repeat(100))
}

/// The daemon with every rule on, and the folder with its set of breached passwords.
fn daemon() -> (TestDaemon, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("breached.txt");
    let mut lines = [LEAKED, "12345678", "iloveyou"].map(|password| format!("{}:7\r\n", hex(password)));
    lines.sort();
    std::fs::write(&path, lines.concat()).unwrap();
    let daemon = TestDaemon::start(&format!(
        "[passwords]\nrequire_upper = true\nrequire_lower = true\nrequire_digit = true\nrequire_special = true\n\
         breached_set = {path:?}\nmin_strength = 4\nhistory = 2\n[lockout]\nnetwork_attempts = 100000\n\
         [[sources]]\nid = \"okta\"\nkind = \"scim\"\n"
    ));
    (daemon, folder)
}

fn hex(text: &str) -> String {
    data_encoding::HEXUPPER.encode(&Sha1::digest(text.as_bytes()))
}

/// A password as LDAP servers keep it.
fn salted(password: &str) -> String {
    let salt = b"salt of the sea";
    let hash = Sha1::digest([password.as_bytes(), salt].concat());
    format!("{{SSHA}}{}", data_encoding::BASE64.encode(&[&hash[..], salt].concat()))
}

/// What came of a try: the status, and what was said.
struct Tried {
    taken: bool,
    /// The codes, where the path has them; else every one whose words were said.
    codes: Vec<String>,
}

/// What each code is told in, as the first path said it.
type Words = BTreeMap<String, String>;

struct Scene {
    daemon: TestDaemon,
    scim: String,
    words: Words,
}

impl Scene {
    fn tried(&self, answer: &Answer) -> Tried {
        let errors = answer.json["errors"].as_array().cloned().unwrap_or_default();
        assert!(errors.is_empty() || answer.code() == "password_rejected", "{answer:?}");
        let codes = errors.iter().map(|error| error["code"].as_str().unwrap().to_owned()).collect();
        Tried { taken: answer.status < 300, codes }
    }

    /// Where a path has words alone.
    fn told(&self, taken: bool, text: &str) -> Tried {
        let said = self.words.iter().filter(|(_, words)| text.contains(words.as_str()));
        Tried { taken, codes: said.map(|(code, _)| code.clone()).collect() }
    }

    fn scim(&self, method: &str, path: &str, body: &Value) -> Tried {
        let provider = self.daemon.with_token(&self.scim);
        let answer = provider.call(method, &format!("/scim/v2{path}"), Some(body.to_string()), &[]);
        let inner = &answer.json["Operations"][0];
        let status = inner["status"].as_str().and_then(|status| status.parse().ok()).unwrap_or(answer.status);
        assert!(status < 300 || answer.json.to_string().contains("invalidValue"), "{answer:?}");
        self.told(status < 300, &answer.json.to_string())
    }

    fn command(&self, arguments: &[&str], password: &str) -> Tried {
        let output = self.daemon.musterd_with_input(arguments, &format!("{password}\n"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(password.len() < 6 || !said.contains(password), "{said}");
        self.told(output.status.success(), &said)
    }

    /// Everything that is shown of a user.
    fn shown(&self, name: &str) -> Value {
        let mut shown = self.daemon.admin().get(&format!("/api/v1/users/{name}")).json;
        // Logins are noted.
        for member in ["last_login", "last_seen", "revision", "modified_at"] {
            shown.as_object_mut().unwrap().remove(member);
        }
        shown
    }

    fn lets_in(&self, name: &str, password: &str) -> bool {
        let answer = self.daemon.login(name, password);
        assert!([200, 401].contains(&answer.status), "{answer:?}");
        answer.status == 200
    }
}

fn account(name: &str, more: Value) -> Value {
    let mut wish = json!({"username": name, "name": "Grace Hopper", "email": format!("{name}@example.org")});
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wish
}

fn person(name: &str, title: &str, password: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "displayName": "Grace Hopper",
        "emails": [{"value": format!("{name}@example.org"), "primary": true}], "title": title, "password": password,
    })
}

fn bulk(method: &str, path: &str, data: &Value) -> Value {
    let operation = json!({"method": method, "path": path, "bulkId": "one", "data": data});
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [operation]})
}

fn patch(password: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [
            {"op": "replace", "path": "title", "value": "Rear Admiral"},
            {"op": "replace", "path": "password", "value": password},
        ],
    })
}

/// A path by which a user comes with a password.
type Path = fn(&Scene, &str, &str) -> Tried;

const NEW: [(&str, Path); 5] = [
    ("made", |scene, name, password| {
        scene.tried(&scene.daemon.admin().post("/api/v1/users", &account(name, json!({"password": password}))))
    }),
    ("duplicated", |scene, name, password| {
        let wish = account(name, json!({"password": password}));
        scene.tried(&scene.daemon.admin().post("/api/v1/users/original/duplicate", &wish))
    }),
    ("commanded", |scene, name, password| {
        let email = format!("{name}@example.org");
        let command = ["user", "create", name, "--name", "Grace Hopper", "--email", &email, "--password-stdin"];
        scene.command(&command, password)
    }),
    ("pushed", |scene, name, password| scene.scim("POST", "/Users", &person(name, "", password))),
    ("bulkmade", |scene, name, password| {
        scene.scim("POST", "/Bulk", &bulk("POST", "/Users", &person(name, "", password)))
    }),
];

const CHANGED: [(&str, Path); 8] = [
    ("administered", |scene, name, password| {
        let path = format!("/api/v1/users/{name}/password");
        scene.tried(&scene.daemon.admin().post(&path, &json!({"password": password, "must_change": false})))
    }),
    ("own", |scene, name, password| {
        let me = scene.daemon.with_token(&scene.daemon.session(name, OLD));
        scene.tried(&me.post("/api/v1/me/password", &json!({"current_password": OLD, "password": password})))
    }),
    ("linked", |scene, name, password| {
        let link = scene.daemon.admin().post(&format!("/api/v1/users/{name}/password-link"), &json!({}));
        let token = link.text("/password_link").split('#').nth(1).unwrap().to_owned();
        let body = json!({"token": token, "password": password});
        scene.tried(&scene.daemon.anonymous().post("/api/v1/password-link", &body))
    }),
    ("asked", |scene, name, password| {
        scene.daemon.admin().patch(&format!("/api/v1/users/{name}"), &json!({"must_change_password": true}));
        let asked = scene.daemon.login(name, OLD);
        assert_eq!(asked.json["reason"], "must_change", "{asked:?}");
        let path = format!("/api/v1/authenticate/{}/password", asked.text("/transaction"));
        let tried = scene.tried(&scene.daemon.anonymous().post(&path, &json!({"password": password})));
        scene.daemon.admin().patch(&format!("/api/v1/users/{name}"), &json!({"must_change_password": false}));
        tried
    }),
    ("typed", |scene, name, password| scene.command(&["user", "password", name], password)),
    ("replaced", |scene, name, password| {
        let path = format!("/Users/{}", scene.shown(name)["id"].as_str().unwrap());
        scene.scim("PUT", &path, &person(name, "Rear Admiral", password))
    }),
    ("patched", |scene, name, password| {
        let path = format!("/Users/{}", scene.shown(name)["id"].as_str().unwrap());
        scene.scim("PATCH", &path, &patch(password))
    }),
    ("bulkpatch", |scene, name, password| {
        let path = format!("/Users/{}", scene.shown(name)["id"].as_str().unwrap());
        scene.scim("POST", "/Bulk", &bulk("PATCH", &path, &patch(password)))
    }),
];

/// What a path is told by itself, before any rule: the command and SCIM have words of their own for no password.
fn is_told_otherwise(path: &str, codes: &[&str]) -> bool {
    codes == ["empty"]
        && ["commanded", "typed", "pushed", "bulkmade", "replaced", "patched", "bulkpatch"].contains(&path)
}

/// Every code, as the first path words it.
fn words(daemon: &TestDaemon) -> Words {
    let mut words = Words::new();
    let note = |words: &mut Words, answer: &Answer| {
        for error in answer.json["errors"].as_array().unwrap() {
            let text = |member: &str| error[member].as_str().unwrap().to_owned();
            // Numbers differ from password to password.
            let message = text("message").split(':').next().unwrap().to_owned();
            words.insert(text("code"), message);
        }
    };
    for (password, _) in BAD {
        let wish = account("original", json!({"password": password}));
        note(&mut words, &daemon.admin().post("/api/v1/users", &wish));
    }
    note(&mut words, &daemon.admin().post("/api/v1/users", &account("original", json!({"password": too_long()}))));
    let made = daemon.admin().post("/api/v1/users", &account("original", json!({"password": OLD})));
    assert_eq!(made.status, 201, "{made:?}");
    let again = json!({"password": OLD});
    note(&mut words, &daemon.admin().post("/api/v1/users/original/password", &again));
    words
}

#[test]
fn every_path_refuses_by_every_rule_keeps_nothing_and_takes_a_good_password() {
    let (daemon, _folder) = daemon();
    let words = words(&daemon);
    assert_eq!(words.len(), 13, "a code for each rule: {words:?}");
    let scim = daemon.token(&["--source", "okta"]);
    let scene = Scene { daemon, scim, words };
    let long = too_long();
    let bad = || BAD.into_iter().chain([(long.as_str(), &["too_long"][..])]);
    for (path, set) in NEW {
        for (password, codes) in bad().filter(|(_, codes)| !is_told_otherwise(path, codes)) {
            let tried = set(&scene, path, password);
            assert!(!tried.taken && same(&tried.codes, codes), "{path}: {codes:?} and not {:?}", tried.codes);
            assert_eq!(scene.daemon.admin().get(&format!("/api/v1/users/{path}")).status, 404, "{path}: {codes:?}");
        }
        assert!(set(&scene, path, GOOD).taken && scene.lets_in(path, GOOD), "{path}");
    }
    for (path, set) in CHANGED {
        begin(&scene, path);
        let before = scene.shown(path);
        let used: (&str, &[&str]) = (OLD, &["used_before"]);
        // To a provider the present password is no change.
        let repeats = ["replaced", "patched", "bulkpatch"].contains(&path);
        for (password, codes) in bad().chain((!repeats).then_some(used)) {
            if is_told_otherwise(path, codes) {
                continue;
            }
            let tried = set(&scene, path, password);
            assert!(!tried.taken && same(&tried.codes, codes), "{path}: {codes:?} and not {:?}", tried.codes);
            assert_eq!(scene.shown(path), before, "{path}: {codes:?}");
        }
        assert!(scene.lets_in(path, OLD), "{path}");
        assert!(set(&scene, path, GOOD).taken, "{path}");
        assert!(scene.lets_in(path, GOOD) && !scene.lets_in(path, OLD), "{path}");
        let back = set_back(&scene, path);
        assert_eq!(back["errors"][0]["code"], "used_before", "{path}: the last but one");
    }
}

fn same(found: &[String], expected: &[&str]) -> bool {
    let sorted = |mut codes: Vec<String>| {
        codes.sort();
        codes
    };
    sorted(found.to_vec()) == sorted(expected.iter().map(|code| (*code).to_owned()).collect())
}

/// A user with the old password: of the provider where that sets the new one.
fn begin(scene: &Scene, path: &str) {
    let pushed = ["replaced", "patched", "bulkpatch"].contains(&path);
    if pushed {
        assert!(scene.scim("POST", "/Users", &person(path, "Commodore", OLD)).taken, "{path}");
    } else {
        let wish = account(path, json!({"password": OLD, "must_change_password": false}));
        let made = scene.daemon.admin().post("/api/v1/users", &wish);
        assert_eq!(made.status, 201, "{made:?}");
    }
}

fn set_back(scene: &Scene, name: &str) -> Value {
    let path = format!("/api/v1/users/{name}/password");
    scene.daemon.admin().post(&path, &json!({"password": OLD})).json
}

#[test]
fn p_05_a_hash_that_was_imported_is_looked_at_by_the_first_login() {
    let (daemon, _folder) = daemon();
    for (name, password, reason) in
        [("weak", "Password-1234567", Some("blocklisted")), ("leaked", LEAKED, Some("breached")), ("good", GOOD, None)]
    {
        let wish = account(name, json!({"password_hash": salted(password)}));
        let made = daemon.admin().post("/api/v1/users", &wish);
        assert_eq!(made.status, 201, "{made:?}");
        let answer = daemon.login(name, password);
        let Some(reason) = reason else {
            assert_eq!(answer.json["status"], "authenticated", "{answer:?}");
            continue;
        };
        assert_eq!(
            (&answer.json["status"], &answer.json["reason"]),
            (&json!("password_change_required"), &json!(reason))
        );
        assert_eq!(
            (&answer.json["rules"]["min_length"], &answer.json["rules"]["breached"]),
            (&json!(15), &json!(true))
        );
        let path = format!("/api/v1/authenticate/{}/password", answer.text("/transaction"));
        let changed = daemon.anonymous().post(&path, &json!({"password": GOOD}));
        assert_eq!(changed.json["status"], "authenticated", "{changed:?}");
    }
}

#[test]
fn p_04_the_rules_are_shown_to_everybody_and_each_is_told_their_own() {
    let plain = TestDaemon::start("");
    let shown = plain.anonymous().get("/api/v1/settings/password-rules");
    let golden: Value = serde_json::from_str(include_str!("../../../src/directory/password/default.json")).unwrap();
    assert_eq!((shown.status, &shown.json), (200, &golden));
    let strict = TestDaemon::start("[passwords]\nadmin_min_length = 20\nmax_age = \"90d\"\n[mfa]\npolicy = \"all\"\n");
    let rules = strict.anonymous().get("/api/v1/settings/password-rules").json;
    assert_eq!((&rules["admin_min_length"], &rules["max_age_seconds"]), (&json!(20), &json!(7_776_000)));
    let least = |name: &str, roles: Value| {
        let wish = account(name, json!({"roles": roles, "password": "a 20 character phrase"}));
        assert_eq!(strict.admin().post("/api/v1/users", &wish).status, 201);
        let path = format!("/api/v1/users/{name}/password");
        let refused = strict.admin().post(&path, &json!({"password": "seven c"}));
        refused.json["errors"][0]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(least("ada", json!(["user"])), "must have at least 8 characters");
    assert_eq!(least("root", json!(["system-admin"])), "must have at least 20 characters");
    let own = plain.local_user("ada", "correct horse battery");
    assert_eq!(own.status, 201);
    let own = plain.with_token(&plain.session("ada", "correct horse battery")).get("/api/v1/me/password-rules").json;
    assert_eq!((&own["min_length"], own.get("admin_min_length")), (&json!(15), None));
}

#[test]
fn p_06_a_set_that_is_not_there_is_told_by_check_and_blocks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("breached.txt");
    let daemon = TestDaemon::start(&format!("[passwords]\nbreached_set = {path:?}\n"));
    let check = || daemon.musterd(&["check"]);
    let told = check();
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(
        !told.status.success() && said.contains("passwords.breached_set: ") && said.contains("cannot be read"),
        "{said}"
    );
    daemon.local_user("early", LEAKED);
    assert_eq!(daemon.login("early", LEAKED).json["status"], "authenticated");
    std::fs::write(&path, format!("{}:7\n", hex(LEAKED))).unwrap();
    assert!(check().status.success());
    assert_eq!(daemon.login("early", LEAKED).json["reason"], "breached", "a set that comes later counts at once");
    let refused = daemon.admin().post("/api/v1/users", &account("late", json!({"password": LEAKED})));
    assert_eq!(refused.json["errors"][0]["code"], "breached");
    std::fs::remove_file(&path).unwrap();
    daemon.local_user("late", LEAKED);
}
