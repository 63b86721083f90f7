//! `musterd settings`, and SIGHUP.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::harness::process::Place;

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).unwrap()
}

/// What a command that succeeds prints.
fn done(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(&[&["settings"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

fn refused(place: &Place, arguments: &[&str]) -> String {
    let output: Output = place.run(&[&["settings"], arguments].concat());
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    text(&output.stderr)
}

fn value(place: &Place, key: &str) -> String {
    let shown: Value = serde_json::from_str(&done(place, &["show", key, "--json"])).unwrap();
    shown["value"].as_str().unwrap().to_owned()
}

/// Waits until a setting is so: the daemon does it in its own time.
fn wait_for(place: &Place, key: &str, expected: &str) {
    assert!((0..500).any(|_| value(place, key) == expected), "{key} never became {expected}");
}

fn write(folder: &Path, settings: &str) {
    std::fs::write(folder.join("musterd.toml"), settings).unwrap();
}

#[test]
fn the_command_shows_sets_and_takes_back() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["env", "MUSTERD__SESSIONS__IDLE=30m"];
    let place = Place::new(folder.path()).behind(&words).with_settings("[notices]\ncopy_to = [\"ops@example.org\"]\n");
    let daemon = place.start();
    let set = done(&place, &["set", "login.deadline=5s", "mfa.groups=[\"admins\"]", "passwords.min_length=12"]);
    for part in ["this changed", "login.deadline", "\"10s\"", "\"5s\"", "[\"admins\"]"] {
        assert!(set.contains(part), "{part} in {set}");
    }
    let dry = done(&place, &["set", "login.deadline=6s", "--dry-run"]);
    assert!(dry.contains("this would change") && dry.contains("\"6s\""), "{dry}");
    assert_eq!(value(&place, "login.deadline"), "\"5s\"");
    let listed = done(&place, &["list", "--changed"]);
    for part in ["stored", "environment MUSTERD__SESSIONS__IDLE", "musterd.toml:2"] {
        assert!(listed.contains(part), "{part} in {listed}");
    }
    assert!(!listed.contains("passwords.history"), "{listed}");
    assert!(!done(&place, &["list", "--changeable"]).contains("server.listen"));
    assert!(done(&place, &["list", "-q"]).lines().any(|line| line == "login.deadline"));
    let quiet = place.run(&["settings", "set", "inactivity.threshold=90d", "-q"]);
    assert!(text(&quiet.stderr).contains("nobody is told before") && quiet.stdout.is_empty(), "{quiet:?}");
    let shown = done(&place, &["show", "login.deadline"]);
    assert!(shown.contains("whatever the sources do") && shown.contains("default"), "{shown}");
    let pinned = refused(&place, &["set", "sessions.idle=5m"]);
    assert!(pinned.contains("environment MUSTERD__SESSIONS__IDLE"), "{pinned}");
    let bad = refused(&place, &["set", "login.deadlin=5s", "mfa.policy=some"]);
    assert!(bad.contains("did you mean login.deadline?") && bad.contains("mfa.policy must be one of"), "{bad}");
    let unknown = place.run(&["settings", "show", "login.nothing"]);
    assert_eq!(unknown.status.code(), Some(3), "{unknown:?}");
    for bad in [&["login.deadline"][..], &["login.deadline=null"], &["login.deadline=5s", "login.deadline=6s"]] {
        assert_eq!(place.run(&[&["settings", "set"], bad].concat()).status.code(), Some(2), "{bad:?}");
    }
    let back = done(&place, &["unset", "login", "mfa.groups"]);
    assert!(back.contains("\"5s\"") && back.contains("\"10s\""), "{back}");
    assert!(done(&place, &["unset", "login"]).contains("nothing differs"));
    daemon.end("-TERM");
    let daemon = place.start();
    assert_eq!(
        (value(&place, "login.deadline"), value(&place, "passwords.min_length")),
        ("\"10s\"".into(), "12".into())
    );
    daemon.end("-TERM");
    assert!(place.run(&["verify"]).status.success());
}

#[test]
fn a_hangup_has_the_file_read_again_and_a_broken_one_changes_nothing_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path()).with_settings("[login]\ndeadline = \"7s\"\n");
    let daemon = place.start();
    assert_eq!(value(&place, "login.deadline"), "\"7s\"");
    write(folder.path(), "[login]\ndeadline = \"8s\"\n[hashing]\nqueue = 32\n");
    daemon.tell("-HUP");
    wait_for(&place, "login.deadline", "\"8s\"");
    write(folder.path(), "[login]\ndeadline = \"9s\"\n[mfa]\npolicy = \"some\"\n");
    daemon.tell("-HUP");
    let broken = place.run(&["settings", "reload"]);
    assert!(!broken.status.success() && text(&broken.stderr).contains("musterd.toml:4"), "{broken:?}");
    write(folder.path(), "[login]\ndeadline = \"9s\"\n[log]\nlevel = \"debug\"\n");
    for _ in 0..50 {
        daemon.tell("-HUP");
    }
    wait_for(&place, "login.deadline", "\"9s\"");
    let reloaded = done(&place, &["reload"]);
    assert!(reloaded.contains("nothing differs"), "{reloaded}");
    let ended = daemon.end("-TERM");
    assert_eq!((ended.code(), ended.panicked()), (Some(0), false));
    for part in ["these wait for a restart: hashing.queue", "musterd.toml:4: mfa.policy: must be one of"] {
        assert!(ended.stderr.contains(part), "{part} in {}", ended.stderr);
    }
    assert!(ended.stderr.contains("DEBUG"), "the log follows too: {}", ended.stderr);
    assert!(place.run(&["verify"]).status.success());
}

#[test]
fn a_change_that_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    for round in 5..8 {
        let daemon = place.start();
        done(&place, &["set", &format!("login.deadline={round}s")]);
        daemon.kill();
        let daemon = place.start();
        assert_eq!(value(&place, "login.deadline"), format!("\"{round}s\""));
        daemon.end("-TERM");
    }
}
