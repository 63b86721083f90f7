//! Files of users: every row looked at before one is written, a result for each, and nothing half done.

use serde_json::{Value, json};

use crate::harness::daemon::{Answer, Caller, TestDaemon};

const PASSWORD: &str = "correct horse battery";

pub(super) fn import(caller: &Caller, query: &str, file: &str) -> Answer {
    let path = format!("/api/v1/users/import?{query}");
    caller.call("POST", &path, Some(file.to_owned()), &[("content-type", "text/csv")])
}

fn shown(admin: &Caller, name: &str) -> Value {
    admin.get(&format!("/api/v1/users/{name}")).json
}

pub(super) fn is_there(admin: &Caller, name: &str) -> bool {
    admin.get(&format!("/api/v1/users/{name}")).status == 200
}

/// What became of each line: its number, the outcome, and the column and code of each fault.
fn lines(report: &Value) -> Vec<(u64, String, Vec<String>)> {
    let items = report["items"].as_array().unwrap_or_else(|| panic!("{report}"));
    let fault = |fault: &Value| {
        let column = fault["column"].as_str().unwrap_or("-");
        format!("{column} {}", fault["code"].as_str().unwrap())
    };
    let line = |item: &Value| {
        let faults = item["faults"].as_array().into_iter().flatten().map(fault).collect();
        (item["line"].as_u64().unwrap(), item["outcome"].as_str().unwrap().to_owned(), faults)
    };
    let mut all: Vec<_> = items.iter().map(line).collect();
    all.sort();
    all
}

fn line(number: u64, outcome: &str, faults: &[&str]) -> (u64, String, Vec<String>) {
    (number, outcome.to_owned(), faults.iter().map(|fault| (*fault).to_owned()).collect())
}

#[test]
fn rows_make_users_and_change_those_that_are_there() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    admin.post("/api/v1/groups", &json!({"name": "R;D"}));
    let place = admin.post("/api/v1/organizations", &json!({"name": "Example Ltd"})).text("/id");
    daemon.local_user("bob", PASSWORD);
    admin.patch("/api/v1/users/bob", &json!({"phone": "+31201234567", "description": "keeps it"}));
    let file = "username,name,email,phone,state,roles,organizations,groups,mfa,expires_at\r\n\
        ada,Ada Lovelace,ada@example.org,+31 20 1234567,active,system-auditor; user,Example Ltd: organization-admin,R\\;D,enabled,2030-01-01\r\n\
        bob,Bob Builder,bob@example.org,,disabled,,,,,\r\n\
        eve,Eve,eve@example.org,,disabled,,,,,\r\n";
    let answer = import(&admin, "reason=new%20hires", file);
    assert_eq!((answer.status, &answer.json["status"]), (200, &json!("applied")), "{answer:?}");
    assert_eq!(lines(&answer.json), [line(2, "created", &[]), line(3, "changed", &[]), line(4, "created", &[])]);
    let ada = shown(&admin, "ada");
    assert_eq!(
        (&ada["phone"], &ada["mfa"], &ada["expires_at"]),
        (&json!("+31201234567"), &json!("enabled"), &json!("2030-01-01T00:00:00Z"))
    );
    assert_eq!(ada["organizations"], json!([{"id": place, "roles": ["organization-admin"]}]));
    assert_eq!((&ada["groups"][0]["name"], &ada["roles"]), (&json!("R;D"), &json!(["system-auditor", "user"])));
    let bob = shown(&admin, "bob");
    assert_eq!((&bob["name"], &bob["phone"], &bob["state"]), (&json!("Bob Builder"), &Value::Null, &json!("disabled")));
    assert_eq!(bob["description"], "keeps it", "a column that is not there changes nothing");
    assert_eq!(shown(&admin, "eve")["disabled"]["reason"], "admin");
    let again = import(&admin, "", file);
    assert_eq!(
        (&again.json["counts"]["unchanged"], &again.json["counts"]["update"]),
        (&json!(3), &json!(0)),
        "{again:?}"
    );
    let run = admin.get(&format!("/api/v1/runs/{}", answer.text("/run")));
    assert_eq!((&run.json["cause"]["kind"], &run.json["outcome"]["is"]), (&json!("import"), &json!("applied")));
    let undone = admin.post(&format!("/api/v1/runs/{}/undo", answer.text("/run")), &json!({}));
    assert_eq!(undone.status, 200, "{undone:?}");
    assert!(!is_there(&admin, "ada") && !is_there(&admin, "eve"));
    let bob = shown(&admin, "bob");
    assert_eq!(
        (&bob["phone"], &bob["state"], &bob["name"]),
        (&json!("+31201234567"), &json!("active"), &json!("bob the tester"))
    );
}

#[test]
fn one_bad_row_keeps_all_out_and_every_bad_row_is_told() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    daemon.local_user("bob", PASSWORD);
    let file = "\u{feff}Username;NAME;email;phone;roles;groups;organizations;mfa;expires_at\n\
        good;Good;good@example.org;;;;;;\n\
        bad1;;no address;0201234567;king;Nobodys;Nowhere;maybe;1999-01-01\n\
        good;Twin;twin@example.org;;;;;;\n\
        bob2;Bob;BOB@example.org;;;;;;\n\
        Good@Example.org;Trick;trick@example.org;;;;;;\n\
        ;Nobody;nobody@example.org;;;;;;\n\
        stray;\"St\"ray;stray@example.org;;;;;;\n";
    let expected = [
        line(3, "refused", &["mfa malformed"]),
        line(4, "refused", &["username twice_in_file"]),
        line(5, "refused", &["email email_taken"]),
        line(6, "refused", &["username twice_in_file"]),
        line(7, "refused", &["username missing"]),
        line(8, "refused", &["- malformed_quotation"]),
    ];
    let preview = import(&admin, "dry_run=true", file);
    assert_eq!((preview.status, &preview.json["status"]), (200, &json!("preview")), "{preview:?}");
    let refused = |report: &Value| lines(report).into_iter().filter(|line| line.1 == "refused").collect::<Vec<_>>();
    assert_eq!(refused(&preview.json), expected);
    let answer = import(&admin, "", file);
    assert_eq!((answer.status, answer.code()), (400, "invalid_rows"), "{answer:?}");
    assert_eq!(refused(&answer.json["report"]), expected);
    assert!(!is_there(&admin, "good"), "nothing is written");
    let run = answer.text("/report/run");
    assert_eq!(refused(&admin.get(&format!("/api/v1/runs/{run}/items")).json), expected);
    assert_eq!(admin.get(&format!("/api/v1/runs/{run}")).json["outcome"]["is"], "failed");
    let answer = import(&admin, "mode=good", file);
    assert_eq!((answer.status, &answer.json["counts"]["create"]), (200, &json!(1)), "{answer:?}");
    assert_eq!((refused(&answer.json), is_there(&admin, "good")), (expected.to_vec(), true));
    // A row whose cells can be read is told all that is wrong with it at once.
    let file = "username,name,email,phone,roles,groups,organizations,expires_at\n\
        bad1,,no address,0201234567,king,Nobodys,Nowhere,1999-01-01\n";
    let answer = import(&admin, "", file);
    let mut faults = lines(&answer.json["report"])[0].2.clone();
    faults.sort();
    let all = [
        "email malformed",
        "expires_at in_the_past",
        "groups unknown_group",
        "name missing",
        "organizations unknown_organization",
        "phone malformed",
        "roles unknown_role",
    ];
    assert_eq!(faults, all, "{answer:?}");
}

#[test]
fn a_file_that_is_none_is_refused_as_a_whole() {
    let daemon = TestDaemon::start_with_server("import_limit = \"4KiB\"\n", "");
    let admin = daemon.admin();
    for (file, code) in [
        ("", "file_empty"),
        ("user name,email\nada,ada@example.org\n", "unknown_column"),
        ("username,Username\nada,ada\n", "duplicate_column"),
        ("name,email\nAda,ada@example.org\n", "missing_column"),
        ("username,name\nada,\"Ada\n", "open_quotation"),
        ("username,name\nada,A\0da\n", "file_not_text"),
    ] {
        let answer = import(&admin, "", file);
        assert_eq!((answer.status, answer.code()), (400, code), "{file:?} {answer:?}");
    }
    let large = format!("username,name\nada,{}\n", "a".repeat(8_000));
    assert_eq!(
        (import(&admin, "", &large).status, import(&admin, "", &large).code().to_owned()),
        (413, "body_too_large".to_owned())
    );
    let unnamed = admin.call("POST", "/api/v1/users/import", Some("username\n".to_owned()), &[]);
    assert_eq!((unnamed.status, unnamed.code()), (415, "unsupported_media_type"));
    assert_eq!(import(&admin, "mode=some", "username\nada\n").status, 400);
    let nobody = import(&admin, "", "username,name,email\n");
    assert_eq!((nobody.status, &nobody.json["counts"]["read"]), (200, &json!(0)), "{nobody:?}");
}

#[test]
fn a_row_is_about_whom_it_names_and_nobody_else() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let admin = daemon.admin();
    let id = daemon.local_user("bob", PASSWORD).text("/id");
    let file = format!("id,username,name,email\n{id},robert,Robert,robert@example.org\n");
    let mismatch = import(&admin, "", &file);
    assert_eq!(lines(&mismatch.json["report"]), [line(2, "refused", &["id id_mismatch"])], "{mismatch:?}");
    let renamed = import(&admin, "by=id", &file);
    assert_eq!(renamed.status, 200, "{renamed:?}");
    assert_eq!((shown(&admin, "robert")["id"].clone(), is_there(&admin, "bob")), (json!(id), false));
    let nobody = "01900000-0000-7000-8000-000000000000";
    for by in ["by=id", "by=username"] {
        let answer = import(&admin, by, &format!("id,username,name,email\n{nobody},new,New,new@example.org\n"));
        assert_eq!(lines(&answer.json["report"]), [line(2, "refused", &["id unknown_id"])], "{answer:?}");
    }
    let answer = import(&admin, "", "username,name,email,source\nnew,New,new@example.org,okta\n");
    assert_eq!(lines(&answer.json["report"]), [line(2, "refused", &["source not_creatable"])], "{answer:?}");
    let answer = import(&admin, "", "username,source\nrobert,okta\n");
    assert_eq!(lines(&answer.json["report"]), [line(2, "refused", &["source other_source"])], "{answer:?}");
    let answer = import(&admin, "on_missing=refuse", "username,name,email\nnew,New,new@example.org\n");
    assert_eq!(lines(&answer.json["report"]), [line(2, "refused", &["username not_found"])], "{answer:?}");
    let answer = import(&admin, "on_existing=refuse", "username,name\nrobert,Rob\n");
    assert_eq!(lines(&answer.json["report"]), [line(2, "refused", &["username exists"])], "{answer:?}");
    // A user of a source: what its owner says is changed there.
    let okta = daemon.with_token(&daemon.token(&["--source", "okta"]));
    let pushed = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "zoe",
        "displayName": "Zoe", "emails": [{"value": "zoe@example.org"}]});
    assert_eq!(okta.post("/scim/v2/Users", &pushed).status, 201);
    let answer = import(&admin, "", "username,name,description,source\nzoe,Zoey,ours,okta\n");
    assert_eq!(lines(&answer.json["report"]), [line(2, "refused", &["name owned_by_source"])], "{answer:?}");
    let answer = import(&admin, "", "username,name,description,source\nzoe,Zoe,ours,okta\n");
    assert_eq!((answer.status, &shown(&admin, "zoe")["description"]), (200, &json!("ours")), "{answer:?}");
}

#[test]
fn passwords_keep_the_rules_and_hashes_open_the_door() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let hash = "pbkdf2_sha256$1000$c2FsdHNhbHQ$";
    let file = format!(
        "username,name,email,password,password_hash,must_change_password\n\
        ada,Ada,ada@example.org,{PASSWORD},,false\n\
        bob,Bob,bob@example.org,short,,\n\
        eve,Eve,eve@example.org,,{hash},\n\
        kim,Kim,kim@example.org,{PASSWORD},{{SSHA}}x,\n"
    );
    let answer = import(&admin, "mode=good", &file);
    assert_eq!(answer.status, 200, "{answer:?}");
    let refused: Vec<_> = lines(&answer.json).into_iter().filter(|line| line.1 == "refused").collect();
    assert_eq!(
        refused,
        [
            line(3, "refused", &["password too_short"]),
            line(4, "refused", &["password_hash unusable_hash"]),
            line(5, "refused", &["password_hash one_of"])
        ],
        "{answer:?}"
    );
    assert!(!answer.json.to_string().contains(PASSWORD), "no password is repeated");
    daemon.session("ada", PASSWORD);
    let plain = admin.get(&format!("/api/v1/runs/{}/items", answer.text("/run"))).json.to_string();
    assert!(!plain.contains("argon2") && !plain.contains(PASSWORD));
    let file = format!("username,password\nada,{PASSWORD} two\n");
    assert_eq!(import(&admin, "", &file).status, 200);
    let login = daemon.login("ada", &format!("{PASSWORD} two"));
    assert_eq!(login.json["status"], "password_change_required", "whoever wrote it down knows it: {login:?}");
    let file = format!("username,password\nada,{PASSWORD}\n");
    let used = import(&admin, "", &file);
    assert_eq!(lines(&used.json["report"]), [line(2, "refused", &["password used_before"])], "{used:?}");
}

/// The file that an export of everybody is.
fn exported(daemon: &TestDaemon) -> String {
    let answer = daemon.admin().get("/api/v1/users/export?format=csv");
    assert_eq!(answer.status, 200, "{answer:?}");
    String::from_utf8(answer.bytes).unwrap()
}

#[test]
fn an_export_that_is_imported_changes_nothing() {
    // Nobody is disabled between an export and its import.
    let settings = "[sweep]\nschedule = \"off\"\n\n[[sources]]\nid = \"okta\"\nkind = \"scim\"\n";
    let daemon = TestDaemon::start(settings);
    let admin = daemon.admin();
    for name in ["R;D", "=HYPERLINK()", "'quoted'", "back\\slash", "01900000-0000-7000-8000-000000000000"] {
        assert_eq!(admin.post("/api/v1/groups", &json!({"name": name})).status, 201, "{name}");
    }
    let place = admin.post("/api/v1/organizations", &json!({"name": "Ex: am, ple; Ltd"})).text("/id");
    let groups = ["R;D", "=HYPERLINK()", "'quoted'", "back\\slash"];
    let wish = json!({
        "username": "Ada", "name": "=cmd|' /C calc'!A0", "email": "+ada@example.org", "phone": "+31201234567",
        "description": "two\nlines, \"quoted\"; and 'more", "groups": groups, "roles": ["system-auditor", "user"],
        "organizations": [{"id": place, "roles": ["organization-admin", "organization-user"]}], "managed_by": place,
        "expires_at": "2026-11-23T13:00:00.123456Z", "mfa": "forced", "must_change_password": true,
    });
    assert_eq!(admin.post("/api/v1/users", &wish).status, 201);
    daemon.local_user("bob", PASSWORD);
    admin.post("/api/v1/users/bob/disable", &json!({}));
    let okta = daemon.with_token(&daemon.token(&["--source", "okta"]));
    let pushed = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "zoe"});
    assert_eq!(okta.post("/scim/v2/Users", &pushed).status, 201);
    // Expired meanwhile: what lies in the past is not refused where it is so already.
    daemon.advance(jiff::SignedDuration::from_hours(2));
    let file = exported(&daemon);
    let people = file.matches("\r\n").count() - 1;
    for query in ["", "by=id"] {
        let answer = import(&admin, query, &file);
        assert_eq!(answer.status, 200, "{query} {answer:?}\n{file}");
        assert_eq!(answer.json["counts"]["unchanged"], json!(people), "{query} {answer:?}\n{file}");
    }
    assert_eq!(exported(&daemon), file);
    // The same as a spreadsheet, by the command.
    let sheet = daemon.folder().join("users.xlsx").display().to_string();
    assert!(daemon.musterd(&["user", "export", "-o", &sheet]).status.success());
    let output = daemon.musterd(&["user", "import", &sheet, "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!((&answer["status"], &answer["counts"]["unchanged"]), (&json!("applied"), &json!(people)), "{answer}");
    assert_eq!(exported(&daemon), file);
}

#[test]
fn an_export_that_is_imported_elsewhere_makes_the_same_users() {
    let columns = "username,name,email,phone,description,state,expires_at,roles,organizations,managed_by,groups,mfa";
    let [from, to] = ["", ""].map(TestDaemon::start);
    for daemon in [&from, &to] {
        let admin = daemon.admin();
        for name in ["R;D", "=1+1"] {
            assert_eq!(admin.post("/api/v1/groups", &json!({"name": name})).status, 201);
        }
        for name in ["Acme; Ltd", "Initech"] {
            assert_eq!(admin.post("/api/v1/organizations", &json!({"name": name})).status, 201);
        }
        let devs = json!({"name": "devs: all", "organization": "Initech"});
        assert_eq!(admin.post("/api/v1/groups", &devs).status, 201);
    }
    let admin = from.admin();
    let ada = json!({
        "username": "ada", "name": "@Ada", "email": "ada@example.org", "phone": "+31201234567", "description": "a\nb",
        "groups": ["R;D", "=1+1", "organization/initech:devs: all"], "roles": ["system-auditor"], "expires_at": "2030-01-01T00:00:00Z", "mfa": "forced",
        "organizations": [{"id": "Acme; Ltd", "roles": ["organization-admin"]}, {"id": "Initech"}],
        "managed_by": "Acme; Ltd",
    });
    assert_eq!(admin.post("/api/v1/users", &ada).status, 201);
    from.local_user("bob", PASSWORD);
    admin.post("/api/v1/users/bob/disable", &json!({}));
    let exported = |daemon: &TestDaemon| {
        let path = format!("/api/v1/users/export?columns={columns}&filter=username+ne+%22admin%22");
        String::from_utf8(daemon.admin().get(&path).bytes).unwrap()
    };
    let file = exported(&from);
    let answer = import(&to.admin(), "", &file);
    assert_eq!((answer.status, &answer.json["counts"]["create"]), (200, &json!(2)), "{answer:?}\n{file}");
    assert_eq!(exported(&to), file);
    assert!(file.contains("organization/Initech:devs: all"), "{file}");
    // Who is given to an organisation is in it.
    let stranger = import(&to.admin(), "", "username,managed_by\r\nbob,Initech\r\n");
    assert_eq!(lines(&stranger.json["report"]), [line(2, "refused", &["managed_by not_a_member"])]);
}

#[test]
fn entries_of_a_directory_become_users_and_log_in_with_their_old_passwords() {
    let daemon = TestDaemon::start("");
    // {SSHA} of "correct horse battery" with the salt "salt".
    let file = "version: 1\n\ndn: uid=ada,ou=people,dc=example,dc=org\nchangetype: add\nobjectClass: inetOrgPerson\n\
        uid: ada\ncn: Ada Lovelace\nmail: ada@example.org\ntelephoneNumber: +31 20 1234567\n\
        userPassword: {SSHA}ZiagWDkTqRb5dGI8jNjih9ltdZxzYWx0\n";
    let admin = daemon.admin();
    let path = "/api/v1/users/import";
    let answer = admin.call("POST", path, Some(file.to_owned()), &[("content-type", "text/x-ldif")]);
    assert_eq!((answer.status, &answer.json["counts"]["create"]), (200, &json!(1)), "{answer:?}");
    assert_eq!(shown(&admin, "ada")["phone"], "+31201234567");
    daemon.session("ada", PASSWORD);
}

#[test]
fn the_command_tells_of_bad_rows_in_a_table_and_fails() {
    let daemon = TestDaemon::start("");
    let file = daemon.folder().join("new.csv");
    std::fs::write(&file, "username,name,email\nada,Ada,ada@example.org\nbob,Bob,no address\n").unwrap();
    let file = file.display().to_string();
    let refused = daemon.musterd(&["user", "import", &file]);
    let text = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(!refused.status.success() && text.contains("3     bob   email   is not an email address"), "{text}");
    assert!(text.contains("1 of 2 rows cannot be taken: nothing was written"), "{text}");
    let preview = daemon.musterd(&["user", "import", &file, "--dry-run"]);
    assert!(preview.status.success() && String::from_utf8_lossy(&preview.stdout).contains("nothing is written"));
    assert!(!is_there(&daemon.admin(), "ada"));
    let good = daemon.musterd(&["user", "import", &file, "--apply-good", "--reason", "new hires"]);
    assert!(good.status.success(), "{good:?}");
    assert!(is_there(&daemon.admin(), "ada"));
    let disabled = daemon.musterd(&["user", "bulk", "--filter", "username eq \"ada\"", "disable", "--expect", "1"]);
    let text = String::from_utf8_lossy(&disabled.stdout).into_owned();
    assert!(disabled.status.success() && text.contains("1 to disable"), "{disabled:?}");
    assert_eq!(shown(&daemon.admin(), "ada")["state"], "disabled");
    let set = ["user", "bulk", "--user", "ada", "set", "--mfa", "forced", "--expires-at", "2027-12-31T23:59:59Z"];
    assert!(daemon.musterd(&set).status.success());
    assert_eq!(shown(&daemon.admin(), "ada")["mfa"], "forced");
    assert!(!daemon.musterd(&["user", "bulk", "disable"]).status.success(), "it says whom");
}

#[test]
fn rows_that_shut_out_too_many_are_held_and_approved_as_they_are() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let rows = |state: &str| {
        let rows: String = (0..12).map(|n| format!("u{n:02},User {n},u{n:02}@example.org,{state}\n")).collect();
        format!("username,name,email,state\n{rows}")
    };
    assert_eq!(import(&admin, "", &rows("active")).json["counts"]["create"], 12);
    let held = import(&admin, "", &rows("disabled").replace("User 3", "Usher 3"));
    assert_eq!((held.status, &held.json["status"]), (202, &json!("held")), "{held:?}");
    assert_eq!(shown(&admin, "u03")["name"], "User 3", "nothing is written");
    let approved = admin.post(&format!("/api/v1/plans/{}/approve", held.text("/plan")), &json!({}));
    assert_eq!((approved.status, &approved.json["written"]), (200, &json!(12)), "{approved:?}");
    let usher = shown(&admin, "u03");
    assert_eq!((&usher["name"], &usher["state"]), (&json!("Usher 3"), &json!("disabled")));
}

#[test]
fn no_row_takes_the_last_administrator_away() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let all = admin.get("/api/v1/users?filter=roles%20eq%20%22system-admin%22");
    let last = all.text("/items/0/username");
    assert_eq!(all.json["items"].as_array().unwrap().len(), 1);
    for (column, value) in [("state", "disabled"), ("roles", "user"), ("expires_at", "2027-01-01")] {
        let answer = import(&admin, "", &format!("username,{column}\n{last},{value}\n"));
        assert_eq!(lines(&answer.json["report"]), [line(2, "refused", &["- last_administrator"])], "{answer:?}");
    }
    // One who is made by the same file stands in.
    let file =
        format!("username,name,email,roles,state\nroot,Root,root@example.org,system-admin,\n{last},,,user,disabled\n");
    let file = file.replace(&format!("{last},,,"), &format!("{last},Old Root,old@example.org,"));
    let answer = import(&admin, "", &file);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(shown(&admin, &last)["state"], "disabled");
}

#[test]
fn who_lacks_rights_is_refused_row_by_row() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    daemon.local_user("root", PASSWORD);
    admin.patch("/api/v1/users/root", &json!({"roles": ["system-admin"]}));
    daemon.local_user("bob", PASSWORD);
    let scopes = ["--scope", "users.view", "--scope", "users.create", "--scope", "users.update"];
    let desk = daemon.with_token(&daemon.token(&scopes));
    let file = "username,name,email,roles,state,password\n\
        new,New,new@example.org,,,\n\
        boss,Boss,boss@example.org,system-admin,,\n\
        root,Toor,root@example.org,system-admin,,\n\
        bob,Bob,bob@example.org,,disabled,\n\
        pass,Pass,pass@example.org,,,correct horse battery\n";
    let answer = import(&desk, "mode=good", file);
    let expected = [
        line(2, "created", &[]),
        line(3, "refused", &["- forbidden"]),
        line(4, "refused", &["- forbidden"]),
        line(5, "refused", &["- forbidden"]),
        line(6, "refused", &["- forbidden"]),
    ];
    assert_eq!(lines(&answer.json), expected, "{answer:?}");
    assert_eq!(
        (&shown(&admin, "bob")["name"], &shown(&admin, "root")["name"]),
        (&json!("bob the tester"), &json!("root the tester")),
        "no row is half done"
    );
    let viewer = daemon.with_token(&daemon.token(&["--scope", "users.view"]));
    assert_eq!(import(&viewer, "", file).status, 403);
}

#[test]
fn a_password_that_a_file_sets_works_though_the_one_of_before_was_tried_too_often() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    (0..5).for_each(|_| drop(daemon.login("ada", "wrong")));
    assert_eq!(daemon.login("ada", PASSWORD).code(), "too_many_attempts");
    let file = "username,password,must_change_password\r\nada,a new password of ada,false\r\n";
    assert_eq!(import(&daemon.admin(), "", file).status, 200);
    assert_eq!(daemon.login("ada", "a new password of ada").status, 200);
}

#[test]
fn no_file_tries_passwords_on_a_user() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    daemon.local_user("root", PASSWORD);
    admin.patch("/api/v1/users/root", &json!({"roles": ["system-admin"]}));
    daemon.local_user("bob", PASSWORD);
    let file = format!("username,password\nroot,{PASSWORD}\nbob,{PASSWORD}\n");
    let scopes = ["--scope", "users.view", "--scope", "users.create", "--scope", "users.update"];
    for (more, bob) in [("users.delete", "- forbidden"), ("users.password", "password used_before")] {
        let desk = daemon.with_token(&daemon.token(&[&scopes[..], &["--scope", more]].concat()));
        let answer = import(&desk, "dry_run=true", &file);
        let expected = [line(2, "refused", &["- forbidden"]), line(3, "refused", &[bob])];
        assert_eq!(lines(&answer.json), expected, "{more}: {answer:?}");
    }
    let root = daemon.with_token(&daemon.session("root", PASSWORD));
    let answer = import(&root, "dry_run=true", &format!("username,password\nroot,{PASSWORD}\n"));
    assert_eq!(lines(&answer.json), [line(2, "refused", &["- forbidden"])], "not even one's own: {answer:?}");
    // A row that is refused counts: the next about the same user is not looked at.
    let file = format!("username,password\nbob,short\nbob,{PASSWORD}\nBOB,{PASSWORD} two\n");
    let answer = import(&admin, "dry_run=true", &file);
    let twice = |number| line(number, "refused", &["- twice_in_file"]);
    let expected = [line(2, "refused", &["password too_short"]), twice(3), twice(4)];
    assert_eq!(lines(&answer.json), expected, "{answer:?}");
}

#[test]
fn the_command_imports_what_was_previewed_or_nothing() {
    let daemon = TestDaemon::start("");
    let file = daemon.folder().join("new.csv").display().to_string();
    std::fs::write(&file, "username,name,email\nada,Ada,ada@example.org\n").unwrap();
    let preview = daemon.musterd(&["user", "import", &file, "--dry-run", "--json"]);
    let preview: Value = serde_json::from_slice(&preview.stdout).unwrap_or_else(|_| panic!("{preview:?}"));
    let digest = preview["digest"].as_str().unwrap();
    let import = |more: [&str; 2]| daemon.musterd(&[&["user", "import", &file][..], &more].concat());
    std::fs::write(&file, "username,name,email\nada,Eve,ada@example.org\n").unwrap();
    let other = import(["--digest", digest]);
    assert!(!other.status.success() && !is_there(&daemon.admin(), "ada"), "{other:?}");
    std::fs::write(&file, "username,name,email\nada,Ada,ada@example.org\n").unwrap();
    let other = import(["--expect", "2"]);
    assert!(!other.status.success() && !is_there(&daemon.admin(), "ada"), "{other:?}");
    let same = daemon.musterd(&["user", "import", &file, "--digest", digest, "--expect", "1"]);
    assert!(same.status.success() && is_there(&daemon.admin(), "ada"), "{same:?}");
}
