//! Exports of everything and of the audit trail, and the way back, with the real binary: the same bytes again, nothing
//! of what is no export, and killed at any moment.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use musterd::base::clock::Stopwatch;
use musterd::directory::audit::{Author, Target};
use musterd::store::audit::{self, Entry};
use musterd::store::tx::Tx;
use musterd::store::{StoreError, verify};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::upkeep::{PASSWORD, Place, killed_after, ok, quietly, refused, seal_key, text};
use crate::harness::daemon::TestDaemon;
use crate::store::{tell, times};

/// Nothing may write between two exports that are compared.
const QUIET: &str = "[sweep]\nschedule = \"off\"\n[[sources]]\nid = \"okta\"\nkind = \"scim\"\n";

/// A daemon with something of every kind.
fn lived_in(users: usize) -> TestDaemon {
    let daemon = TestDaemon::start(QUIET);
    let admin = daemon.admin();
    daemon.local_user("ada", PASSWORD);
    let ada = daemon.with_token(&daemon.session("ada", PASSWORD));
    assert_eq!(ada.post("/api/v1/me/factors", &json!({"current_password": PASSWORD})).status, 201);
    admin.post("/api/v1/groups", &json!({"name": "engineers"}));
    assert_eq!(admin.post("/api/v1/groups/engineers/members", &json!({"add_users": ["ada"]})).status, 200);
    admin.post("/api/v1/organizations", &json!({"name": "Example Ltd"}));
    let okta = daemon.with_token(&daemon.token(&["--source", "okta"]));
    for n in 0..users {
        let wish = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": format!("kim{n}"),
            "externalId": format!("x{n}"), "title": "ü \"quoted\"",
        });
        assert_eq!(okta.post("/scim/v2/Users", &wish).status, 201);
    }
    assert_eq!(admin.post("/api/v1/users/ada/disable", &json!({"reason": "left"})).status, 200);
    assert_eq!(admin.delete("/api/v1/users/kim1").status, 204);
    daemon
}

fn export(daemon: &TestDaemon, file: &Path) -> String {
    ok(&daemon.musterd(&["export", text(file), "--force"]));
    fs::read_to_string(file).unwrap()
}

#[test]
fn what_was_exported_and_imported_is_exported_as_the_same_bytes() {
    let daemon = lived_in(5);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.jsonl");
    let first = export(&daemon, &file);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(refused(&daemon.musterd(&["export", text(&file)])).contains("replace it with --force"));
    let key = seal_key(&daemon);
    let (place, clock) = (Place::new(), daemon.clock.clone());
    assert!(refused(&place.run(&["import", text(&file)])).contains("--seal-key FILE"));
    let told: Value =
        serde_json::from_str(&ok(&place.run(&["import", text(&file), "--seal-key", text(&key), "--json"]))).unwrap();
    assert_eq!(told["lines"], first.lines().count());
    assert_eq!(place.names(), ["musterd.lock", "seal.key", "store"]);
    assert!(ok(&place.run(&["verify"])).contains("all hold together"));
    assert!(refused(&place.run(&["import", text(&file)])).contains("already holds a store"));
    drop(daemon);
    let daemon = TestDaemon::start_on_with(&place.data(), clock, QUIET);
    let second = daemon.musterd(&["export", "-"]);
    assert!(second.status.success() && String::from_utf8(second.stderr).unwrap().contains(" lines, "));
    let second = String::from_utf8(second.stdout).unwrap();
    for (one, other) in first.lines().zip(second.lines()) {
        assert_eq!(one, other);
    }
    assert!(first == second, "{} and {} lines", first.lines().count(), second.lines().count());
    assert!(daemon.musterd(&["user", "enable", "ada"]).status.success());
    assert_eq!(daemon.login("ada", PASSWORD).status, 200);
    assert!(ok(&daemon.musterd(&["audit", "--action", "store.*"])).contains("store.exported"));
}

#[test]
fn what_is_no_whole_export_of_this_key_is_refused_in_one_line_and_touches_nothing() {
    let daemon = lived_in(2);
    let folder = tempfile::tempdir().unwrap();
    let (file, bad) = (folder.path().join("good"), folder.path().join("bad"));
    let whole = export(&daemon, &file);
    let lines: Vec<&str> = whole.lines().collect();
    let without = |number: usize| {
        let rest: Vec<&str> = lines.iter().enumerate().filter(|(at, _)| *at != number).map(|(_, line)| *line).collect();
        rest.join("\n") + "\n"
    };
    let place = Place::new();
    let key = seal_key(&daemon);
    let import = ["import", text(&bad), "--seal-key", text(&key)];
    for (content, word) in [
        (String::new(), "line 1: the file is empty"),
        ("-- a dump of something else\n".to_owned(), "line 1: this is no export of musterd"),
        (whole.replace("musterd_export\":1", "musterd_export\":9"), "its format is 9"),
        (without(lines.len() - 1), "is cut short after this line"),
        (without(3), "does not have as many lines as it says"),
        (whole[..whole.len() / 2].to_owned(), "cannot be imported: line "),
        (whole.clone() + "{\"space\":\"end\"}\n", "something comes after the last line"),
        (whole.replacen("\"space\":\"user\"", "\"space\":\"usr\"", 1), "its space is none that is exported"),
        (whole.replacen("\"record\":{", "\"record\":\u{0}{", 1), "cannot be imported: line "),
        (format!("{}\n{}\n", lines[0], "x".repeat((64 << 20) + 1)), "line 2: it is longer than 64 MiB"),
    ] {
        fs::write(&bad, content).unwrap();
        let told = refused(&place.run(&import));
        assert!(told.contains(word) && told.contains("bad"), "{word}: {told}");
        assert!(place.names().is_empty(), "{word}");
    }
    assert!(refused(&Place::new().run(&["import", "none", "--seal-key", text(&key)])).contains("none cannot be read"));
    let other = TestDaemon::start("");
    let wrong = refused(&place.run(&["import", text(&file), "--seal-key", text(&seal_key(&other))]));
    assert!(wrong.contains("is not the one of this export") && place.names().is_empty(), "{wrong}");
    let member = lines.iter().position(|line| line.contains("\"space\":\"group\"")).unwrap();
    let number: usize = lines.len() - 2;
    let orphaned =
        without(member).replace(&format!("\"record\":{}}}", lines.len() - 1), &format!("\"record\":{number}}}"));
    fs::write(&bad, orphaned).unwrap();
    let told = refused(&place.run(&import));
    assert!(told.contains("does not hold together, and nothing of it was kept: "), "{told}");
    assert!(!place.data().join("store").exists() && !place.data().join("store.restoring").exists());
    ok(&place.run(&["import", text(&file), "--seal-key", text(&key)]));
}

#[test]
fn a_kill_in_the_middle_of_an_import_leaves_nothing_to_use_and_the_next_try_works() {
    (0..times(1)).for_each(|_| kills_in_an_import());
}

fn kills_in_an_import() {
    let daemon = lived_in(400);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.jsonl");
    let first = export(&daemon, &file);
    let (key, place, clock) = (seal_key(&daemon), Place::new(), daemon.clock.clone());
    let import = ["import", text(&file), "--seal-key", text(&key)];
    let mut unfinished = 0;
    for milliseconds in (5..300).step_by(20) {
        if killed_after(quietly(place.command(&import)), milliseconds) {
            break;
        }
        if place.names().contains(&"store.restoring".to_owned()) {
            unfinished += 1;
            assert!(refused(&place.run(&["serve"])).contains("(or `musterd import`)"));
        }
    }
    tell(&format!("kill: {unfinished} imports were cut short, the next try worked"));
    if !place.data().join("store").exists() {
        ok(&place.run(&import));
    }
    assert!(ok(&place.run(&["verify"])).contains("all hold together"));
    drop(daemon);
    let daemon = TestDaemon::start_on_with(&place.data(), clock, QUIET);
    assert!(export(&daemon, &file) == first);
}

#[test]
fn the_audit_trail_goes_to_people_line_by_line_and_to_a_file_as_it_is_stored() {
    let daemon = lived_in(2);
    let printed = ok(&daemon.musterd(&["audit", "--user", "ada", "--action", "user.*", "--limit", "2"]));
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 3, "{printed}");
    assert!(lines[0].starts_with("WHEN ") && lines[1].contains("user.disabled") && lines[1].ends_with("left"));
    let by_okta = ok(&daemon.musterd(&["audit", "--actor", "source:okta"]));
    assert!(by_okta.contains("source okta") && by_okta.contains("kim0"), "{by_okta}");
    assert!(ok(&daemon.musterd(&["audit", "--action", "group.*"])).contains("group engineers"));
    assert_eq!(ok(&daemon.musterd(&["audit", "--until", "2020-01-01T00:00:00Z"])).lines().count(), 1);
    assert!(refused(&daemon.musterd(&["audit", "--since", "yesterday"])).contains("since must be a time"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let told = ok(&daemon.musterd(&["audit", "--export", text(&file)]));
    let stored = fs::read_to_string(&file).unwrap();
    assert!(told.contains(&format!("{} lines, ", stored.lines().count())), "{told}");
    assert!(refused(&daemon.musterd(&["audit", "--export", text(&file)])).contains("replace it with --force"));
    let some = daemon.musterd(&["audit", "--export", "-", "--since", "2020-01-01T00:00:00Z", "--actor", "source:okta"]);
    assert!(some.status.success() && some.stdout.split(|byte| *byte == b'\n').count() > 2);
    assert_eq!(daemon.musterd(&["audit", "--force"]).status.code(), Some(2));
}

#[test]
fn old_audit_lines_go_with_the_upkeep_and_the_rest_stays_provable() {
    let daemon = TestDaemon::start("[audit]\nretention = \"30d\"\n");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let write = |tx: &mut Tx<'_>| {
        (0..500).try_for_each(|_| {
            audit::append(tx, &Author::system("test"), Entry::new("test.happened", Target::Directory))
        })
    };
    runtime.block_on(daemon.inside.store.write::<_, StoreError>(write)).unwrap();
    daemon.advance(SignedDuration::from_hours(24 * 31));
    let (admin, watch) = (daemon.admin(), Stopwatch::start());
    let runs = || daemon.inside.driver.status().get("upkeep").unwrap().running_since.is_some();
    while runs() || admin.get("/api/v1/audit?action=audit.trimmed").json["items"].as_array().unwrap().is_empty() {
        daemon.inside.driver.poke("upkeep");
        assert!(watch.elapsed() < Duration::from_secs(60), "nothing is trimmed");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    ok(&daemon.musterd(&["audit", "--export", text(&file)]));
    let lines: Vec<Value> =
        fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() < 200 && lines[0]["seq"].as_u64().unwrap() > 300, "{}", lines.len());
    let cut = lines.iter().rev().find(|line| line["action"] == "audit.trimmed").unwrap();
    let mut hash = cut["details"]["hash"].as_str().unwrap().to_owned();
    for mut line in lines.clone() {
        let claimed = line.as_object_mut().unwrap().remove("hash").unwrap();
        hash = data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{hash}{line}")));
        assert_eq!(claimed, hash, "{line}");
    }
    let place = Place::new();
    let key = seal_key(&daemon);
    let everything = folder.path().join("export.jsonl");
    ok(&daemon.musterd(&["export", text(&everything)]));
    ok(&place.run(&["import", text(&everything), "--seal-key", text(&key)]));
    assert!(ok(&place.run(&["verify"])).contains("all hold together"));
    let report = verify::verify(&daemon.inside.store.view()).unwrap();
    assert!(report.differences.is_empty(), "{report:?}");
}

#[test]
fn an_export_that_breaks_off_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new();
    let socket = UnixListener::bind(place.socket()).unwrap();
    for (command, sent, end, word) in [
        (vec!["export"], "{}\n", "\r\n", "broke off and is not kept"),
        (vec!["audit", "--export"], "{}\n", "\r\n", "broke off and is not kept"),
        (vec!["export"], "{}\n{", "\r\n0\r\n\r\n", "in the middle of a line"),
    ] {
        let target = folder.path().join("taken");
        let answered = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut connection, _) = socket.accept().unwrap();
                connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let _ = connection.read(&mut [0; 4096]).unwrap();
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                write!(connection, "{head}{:x}\r\n{sent}{end}", sent.len()).unwrap();
            });
            place.run(&[&command[..], &[text(&target)]].concat())
        });
        assert!(refused(&answered).contains(word), "{answered:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
