//! Passwords, throttling and the client's address on the running daemon, by the ids of the requirements: P and T are
//! the tables of passwords and of throttling, `incident` is what went wrong elsewhere.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::daemon::{Answer, TestDaemon};

const PASSWORD: &str = "correct horse battery";
const PROXY: &str = "trusted_proxies = [\"127.0.0.0/8\"]\n";
const AUTHENTICATE: &str = "/api/v1/authenticate";
/// `PASSWORD` as crypt(3), Django and LDAP servers keep it.
const HASHES: [&str; 3] = [
    "$2b$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.",
    "pbkdf2_sha256$1000$seasalt$DrdiWD40lyBuydnjvZiDrdQMx1S1mOA9O0QYex0R6ww=",
    "{SSHA}h76P59bZw+9u3y2Y6+8H8pSUQpZzZWFzYWx0",
];

fn from(daemon: &TestDaemon, forwarded: &str, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password}).to_string();
    daemon.anonymous().call("POST", AUTHENTICATE, Some(body), &[("x-forwarded-for", forwarded)])
}

fn account(username: &str, more: Value) -> Value {
    let mut wish = json!({"username": username, "name": username, "email": format!("{username}@example.org")});
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wish
}

fn audit(daemon: &TestDaemon, action: &str) -> Vec<Value> {
    let lines = daemon.admin().get(&format!("/api/v1/audit?action={action}&limit=200")).json;
    lines["items"].as_array().unwrap().clone()
}

#[test]
fn p_02_p_03_every_character_counts_and_composed_letters_are_one() {
    let daemon = TestDaemon::start("");
    for length in [64, 72, 73, 200, 1024] {
        let same = "x".repeat(length - 1);
        let name = format!("user{length}");
        daemon.local_user(&name, &format!("{same}a"));
        assert_eq!(daemon.login(&name, &format!("{same}b")).status, 401, "{length}");
        assert_eq!(daemon.login(&name, &format!("{same}a")).status, 200, "{length}");
    }
    daemon.local_user("zoe", "é 😀 á 🙂 ó 🎈 í 🚲");
    assert_eq!(daemon.login("zoe", "e\u{301} 😀 a\u{301} 🙂 o\u{301} 🎈 i\u{301} 🚲").status, 200);
    let long = daemon.admin().post("/api/v1/users", &account("long", json!({"password": "x".repeat(1025)})));
    assert_eq!(long.json["errors"][0]["code"], "too_long");
}

#[test]
fn p_02_ten_megabytes_of_password_are_refused_and_count_against_no_account() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    for _ in 0..6 {
        let refused = daemon.login("ada", &"x".repeat(10 << 20));
        assert!(matches!(refused.status, 400 | 413), "{}", refused.status);
    }
    assert_eq!(daemon.login("ada", PASSWORD).status, 200);
}

#[test]
fn p_10_hashes_of_other_programs_come_by_the_api_and_by_the_command() {
    let daemon = TestDaemon::start("");
    let create = |name: &str, more| daemon.admin().post("/api/v1/users", &account(name, more));
    for (n, hash) in HASHES.iter().enumerate() {
        let made = create(&format!("user{n}"), json!({"password_hash": hash}));
        assert_eq!(made.status, 201, "{made:?}");
        assert!(!made.json.to_string().contains(hash));
        for _ in 0..2 {
            assert_eq!(daemon.login(&format!("user{n}"), PASSWORD).status, 200, "{hash}");
        }
        assert_eq!(daemon.login(&format!("user{n}"), "wrong").status, 401, "{hash}");
    }
    let file = daemon.folder().join("hash");
    std::fs::write(&file, format!("{}\n", HASHES[0])).unwrap();
    let hash_file = ["--password-hash-file", file.to_str().unwrap()];
    let command = ["user", "create", "bob", "--name", "Bob", "--email", "bob@example.org"];
    let made = daemon.musterd(&[&command[..], &hash_file].concat());
    assert!(made.status.success() && !String::from_utf8_lossy(&made.stdout).contains("$2b$"), "{made:?}");
    assert_eq!(daemon.login("bob", PASSWORD).status, 200);
    std::fs::write(&file, "hunter2").unwrap();
    let command = ["user", "create", "eve", "--name", "Eve", "--email", "eve@example.org"];
    let refused = daemon.musterd(&[&command[..], &hash_file].concat());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("bcrypt") && !said.contains("hunter2"), "{said}");
    for (more, code) in [
        (json!({"password_hash": "hunter2"}), "unusable_hash"),
        (json!({"password_hash": "$2b$31$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo."}), "unusable_hash"),
        (json!({"password_hash": HASHES[0], "password": PASSWORD}), "one_of"),
        (json!({"password_hash": HASHES[0], "password_link": true}), "one_of"),
    ] {
        let refused = create("mia", more);
        assert_eq!((refused.status, &refused.json["errors"][0]["code"]), (400, &json!(code)), "{refused:?}");
    }
    let writer = daemon.with_token(&daemon.token(&["--scope", "users.create"]));
    assert_eq!(writer.post("/api/v1/users", &account("mia", json!({"password_hash": HASHES[0]}))).status, 403);
}

#[test]
fn p_10_a_hash_that_no_login_could_use_is_refused_when_lines_are_imported() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let (file, data) = (daemon.folder().join("export.jsonl"), daemon.folder().join("other"));
    let path = file.to_str().unwrap();
    assert!(daemon.musterd(&["export", path]).status.success());
    let lines = std::fs::read_to_string(&file).unwrap();
    let start = lines.find("$argon2id$").unwrap();
    let end = start + lines[start..].find('"').unwrap();
    let import = |hash: &str, name: &str| {
        std::fs::write(&file, format!("{}{hash}{}", &lines[..start], &lines[end..])).unwrap();
        let settings = daemon.folder().join(format!("{name}.toml"));
        let folder = data.join(name);
        std::fs::write(&settings, format!("[store]\nfolder = {folder:?}\n")).unwrap();
        let key = daemon.folder().join("data/seal.key");
        std::process::Command::new(crate::harness::daemon::binary())
            .args(["--config", settings.to_str().unwrap(), "import", path, "--seal-key", key.to_str().unwrap()])
            .output()
            .unwrap()
    };
    let refused = import("hunter2", "bad");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("the hash of its password") && !said.contains("hunter2"),
        "{said}"
    );
    let taken = import(HASHES[1], "good");
    assert!(taken.status.success(), "{taken:?}");
}

#[test]
fn p_13_t_03_all_names_of_an_account_share_a_count_and_the_unknown_are_told_the_same() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    daemon.local_user("off", PASSWORD);
    daemon.local_user("idle", PASSWORD);
    daemon.admin().post("/api/v1/users", &account("bare", json!({})));
    daemon.admin().post("/api/v1/users/off/disable", &json!({}));
    let spellings = ["ada", "ADA", " ada ", "ada@example.org", "Ada@Example.ORG", "ada"];
    let told = |answer: Answer| {
        let names: Vec<_> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
        (answer.status, answer.json.clone(), names, answer.header("retry-after").to_owned())
    };
    let ada: Vec<_> = spellings.iter().map(|name| told(daemon.login(name, "wrong"))).collect();
    assert_eq!(ada.iter().map(|answer| answer.0).collect::<Vec<_>>(), [401, 401, 401, 401, 401, 429]);
    assert_eq!(ada[5].3, "901");
    for name in ["nobody", "off", "bare"] {
        let others: Vec<_> = spellings.iter().map(|_| told(daemon.login(name, "wrong"))).collect();
        assert_eq!(ada, others, "{name}");
    }
    assert_eq!(daemon.login("ada", PASSWORD).status, 429, "the right password is not looked at");
}

#[test]
fn t_01_t_06_a_wait_survives_a_restart_and_ends_by_time_by_command_and_by_a_new_password() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let lock = |daemon: &TestDaemon| {
        let checked = (0..7).filter(|_| daemon.login("ada", "wrong").status == 401).count();
        assert_eq!(checked, 5);
    };
    lock(&daemon);
    let daemon = daemon.restart();
    assert_eq!(daemon.login("ada", PASSWORD).status, 429);
    let waiting = daemon.admin().get("/api/v1/users/ada/explain").json;
    assert_eq!(
        (&waiting["waiting"]["failures_since_success"], &waiting["waiting"]["needs_unlock"]),
        (&json!(5), &json!(false))
    );
    daemon.advance(SignedDuration::from_secs(899));
    assert_eq!(daemon.login("ada", PASSWORD).status, 429, "what was tried meanwhile has not made it longer");
    daemon.advance(SignedDuration::from_secs(1));
    assert_eq!(daemon.login("ada", PASSWORD).status, 200);

    lock(&daemon);
    assert!(daemon.musterd(&["user", "unlock", "ada"]).status.success());
    let daemon = daemon.restart();
    assert_eq!(daemon.login("ada", PASSWORD).status, 200);

    lock(&daemon);
    assert_eq!(daemon.admin().post("/api/v1/users/ada/unlock", &json!({})).status, 204);
    assert_eq!(daemon.login("ada", PASSWORD).status, 200);
    assert_eq!(audit(&daemon, "user.unlocked").len(), 2);

    lock(&daemon);
    let link = daemon.admin().post("/api/v1/users/ada/password-link", &json!({})).text("/password_link");
    let token = link.split('#').nth(1).unwrap();
    let body = json!({"token": token, "password": "another long password"});
    assert!(daemon.anonymous().post("/api/v1/password-link", &body).status < 300);
    assert_eq!(daemon.login("ada", "another long password").status, 200);
    assert!(daemon.restart().login("ada", "another long password").status == 200);
}

#[test]
fn t_02_incident_17_of_two_hundred_parallel_tries_five_are_checked() {
    let daemon = TestDaemon::start("[lockout]\nnetwork_attempts = 1000\n");
    daemon.local_user("ada", PASSWORD);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..200).map(|_| scope.spawn(|| daemon.login("ada", "wrong").status)).collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 195, "{statuses:?}");
}

#[test]
fn t_04_incidents_5_and_11_a_thousand_forged_addresses_are_one_network() {
    let daemon = TestDaemon::start("[lockout]\nnetwork_attempts = 20\n");
    let answers: Vec<_> = (0..1000)
        .map(|n| from(&daemon, &format!("198.51.{}.{}", n / 250, n % 250), &format!("nobody{n}"), "x").status)
        .collect();
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 20);
    let address = &audit(&daemon, "login.locked")[0]["address"];
    assert_eq!(address, "127.0.0.1", "the trail shows who really called");
}

#[test]
fn t_04_held_back_tries_count_against_the_network() {
    let daemon = TestDaemon::start_with_server(PROXY, "[lockout]\nnetwork_attempts = 10\n");
    daemon.local_user("ada", PASSWORD);
    daemon.local_user("bob", PASSWORD);
    let tried: Vec<_> = (0..10).map(|_| from(&daemon, "192.0.2.1", "ada", "wrong").status).collect();
    assert_eq!(tried, [401, 401, 401, 401, 401, 429, 429, 429, 429, 429]);
    assert_eq!(from(&daemon, "192.0.2.1", "bob", PASSWORD).status, 429);
    assert_eq!(from(&daemon, "192.0.2.2", "bob", PASSWORD).status, 200);
}

#[test]
fn incident_10_what_a_trusted_proxy_cannot_mean_is_refused_and_from_others_ignored() {
    let (trusting, alone) = (TestDaemon::start_with_server(PROXY, ""), TestDaemon::start(""));
    let hops = vec!["127.0.0.1"; 1_000].join(", ");
    for forwarded in ["x", "", ",", "192.0.2.1,", "fe80::1%eth0", "unknown", "192.0.2.300", &"x".repeat(10_000), &hops]
    {
        let refused = from(&trusting, forwarded, "ada", "x");
        assert_eq!((refused.status, refused.code()), (400, "bad_forwarded_for"), "{forwarded:.40}");
        assert_eq!(from(&alone, forwarded, &format!("n{}", forwarded.len()), "x").status, 401, "{forwarded:.40}");
    }
    for forwarded in ["192.0.2.1", "x, 192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "192.0.2.1, 127.0.0.1"] {
        assert_eq!(from(&trusting, forwarded, forwarded, "x").status, 401, "{forwarded}");
    }
    let scim = trusting.anonymous().call("GET", "/scim/v2/Users", None, &[("x-forwarded-for", "x")]);
    assert_eq!((scim.status, &scim.json["status"]), (400, &json!("400")), "{scim:?}");
}

#[test]
fn networks_are_let_in_and_kept_out_before_anything_is_checked() {
    let settings =
        "[lockout]\nallow_networks = [\"10.0.0.0/8\", \"2001:db8::/32\"]\ndeny_networks = [\"10.6.6.0/24\"]\n";
    let daemon = TestDaemon::start_with_server(PROXY, settings);
    daemon.local_user("ada", PASSWORD);
    for address in ["10.1.1.1", "2001:db8::1"] {
        assert_eq!(from(&daemon, address, "ada", PASSWORD).status, 200, "{address}");
    }
    for address in ["10.6.6.6", "192.0.2.1", "2001:db9::1"] {
        for _ in 0..10 {
            let denied = from(&daemon, address, "ada", PASSWORD);
            assert_eq!((denied.status, denied.code()), (403, "network_not_allowed"), "{address}");
        }
    }
    let told = audit(&daemon, "login.held");
    assert!(told.iter().all(|line| line["reason"] == "network_not_allowed"), "{told:?}");
    assert_eq!(told.len(), 6, "the first and the tenth of each network");
    // Who logs users in for an application says whose address it is.
    let application = daemon.with_token(&daemon.token(&["--scope", "login.authenticate"]));
    let body = |ip: &str| json!({"username": "ada", "password": PASSWORD, "client_ip": ip});
    assert_eq!(application.post(AUTHENTICATE, &body("10.6.6.6")).status, 403);
    assert_eq!(application.post(AUTHENTICATE, &body("10.1.1.1")).status, 200);
}

#[test]
fn t_05_codes_have_a_count_of_their_own_over_all_logins() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let ada = daemon.with_token(&daemon.session("ada", PASSWORD));
    let enrolment = ada.post("/api/v1/me/factors", &json!({"current_password": PASSWORD}));
    let id = enrolment.text("/id");
    let confirm = || ada.post(&format!("/api/v1/me/factors/{id}/confirm"), &json!({"code": "000000"})).status;
    let statuses: Vec<_> = (0..7).map(|_| confirm()).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
    let daemon = daemon.restart();
    assert_eq!(daemon.login("ada", PASSWORD).status, 200, "passwords are counted apart");
    let ada = daemon.with_token(&daemon.session("ada", PASSWORD));
    let code = json!({"code": "000000"});
    assert_eq!(ada.post(&format!("/api/v1/me/factors/{id}/confirm"), &code).status, 429, "a restart ends no wait");
}

#[test]
fn t_09_every_wait_is_told_and_a_flood_is_not() {
    let daemon = TestDaemon::start("[lockout]\nnetwork_attempts = 1000\n");
    daemon.local_user("ada", PASSWORD);
    for _ in 0..120 {
        let refused = daemon.login("ada", "wrong");
        assert_eq!(refused.status == 429, !refused.header("retry-after").is_empty(), "{refused:?}");
    }
    let reasons = |action| audit(&daemon, action).iter().map(|line| line["reason"].clone()).collect::<Vec<_>>();
    assert_eq!(reasons("login.locked"), ["password_attempts"]);
    assert_eq!(reasons("login.held"), ["password_attempts"; 3], "the first, the tenth, the hundredth");
    assert_eq!(reasons("login.refused").len(), 5);
}
