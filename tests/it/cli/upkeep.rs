//! Backup, restore and compact with the real binary: under writes, on what is not a backup, and killed at any moment.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use musterd::base::clock::Clock;
use musterd::base::rng::Rng;
use musterd::store::engine::{KeyRange, Order, Row};
use musterd::store::tx::{Reads, Tx};
use musterd::store::upkeep::reader::Reader;
use musterd::store::{Settings, Store, StoreError};
use serde_json::{Value, json};

use crate::harness::daemon::{TestDaemon, binary};
use crate::store::{tell, times};

/// What begins the keys of rows that are there to be many.
const FILLING: u8 = 0x90;
pub(super) const PASSWORD: &str = "correct horse battery";

pub(super) fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line in which it was refused.
pub(super) fn refused(output: &Output) -> String {
    // Not 2, which is for arguments, and not a panic's.
    assert!(matches!(output.status.code(), Some(1 | 3..=8)), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

/// A folder beside the daemon, with settings of its own.
pub(super) struct Place(tempfile::TempDir);

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let settings = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin_socket = \"{}/admin.sock\"\n\
             [store]\nfolder = \"{}\"\ncache = \"16MiB\"\nreserve = \"0B\"\n[hashing]\nmemory_kib = 64\niterations = 1\n",
            folder.path().display(),
            data.display()
        );
        fs::write(folder.path().join("musterd.toml"), settings).unwrap();
        Self(folder)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.0.path().join("admin.sock")
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("--config").arg(self.0.path().join("musterd.toml")).args(arguments);
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(super) fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.data()) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A daemon with users in it, and a backup of it.
fn backed_up(users: u32) -> (TestDaemon, tempfile::TempDir, PathBuf) {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for n in 0..users {
        let name = format!("user{n}");
        let wish = json!({"username": name, "name": name, "email": format!("{name}@example.org")});
        assert_eq!(admin.post("/api/v1/users", &wish).status, 201);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    ok(&daemon.musterd(&["backup", text(&file)]));
    (daemon, folder, file)
}

pub(super) fn seal_key(daemon: &TestDaemon) -> PathBuf {
    daemon.folder().join("data/seal.key")
}

fn oathtool(daemon: &TestDaemon, secret: &str) -> String {
    let now = format!("@{}", daemon.clock.now().as_second());
    let output = Command::new("oathtool").args(["--totp", "--base32", "--now", &now, secret]).output().unwrap();
    ok(&output).trim().to_owned()
}

#[test]
fn a_backup_under_writes_restored_elsewhere_has_everything_that_was_acknowledged() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let ada = daemon.with_token(&daemon.session("ada", PASSWORD));
    let enrolment = ada.post("/api/v1/me/factors", &json!({"current_password": PASSWORD}));
    let secret = enrolment.text("/secret");
    let confirm = format!("/api/v1/me/factors/{}/confirm", enrolment.text("/id"));
    assert_eq!(ada.post(&confirm, &json!({"code": oathtool(&daemon, &secret)})).status, 200);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");

    let (acknowledged, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    let admin = daemon.admin();
    let (before, printed) = std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0_u32.. {
                let name = format!("user{n}");
                let wish = json!({"username": name, "name": name, "email": format!("{name}@example.org")});
                assert_eq!(admin.post("/api/v1/users", &wish).status, 201);
                acknowledged.store(n + 1, Ordering::SeqCst);
                if stop.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        while acknowledged.load(Ordering::SeqCst) < 20 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let before = acknowledged.load(Ordering::SeqCst);
        let printed = ok(&daemon.musterd(&["backup", text(&file), "--json"]));
        let seen = acknowledged.load(Ordering::SeqCst);
        while acknowledged.load(Ordering::SeqCst) < seen + 5 {
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::SeqCst);
        (before, printed)
    });
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["bytes"], fs::metadata(&file).unwrap().len());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fs::read(&file).unwrap().windows(9).any(|part| part == b"correct h"));

    let place = Place::new();
    let key = seal_key(&daemon);
    let restored: Value =
        serde_json::from_str(&ok(&place.run(&["restore", text(&file), "--seal-key", text(&key), "--json"]))).unwrap();
    assert_eq!(restored["rows"], printed["rows"]);
    assert_eq!(fs::metadata(place.data().join("seal.key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(ok(&place.run(&["verify"])).contains("all hold together"));

    let clock = daemon.clock.clone();
    let daemon = TestDaemon::start_on(&place.data(), clock);
    let list = daemon.admin();
    for n in 0..before {
        assert_eq!(list.get(&format!("/api/v1/users/user{n}")).status, 200, "user{n} of {before}");
    }
    daemon.advance(SignedDuration::from_secs(60));
    let asked = daemon.login("ada", PASSWORD);
    assert_eq!(asked.json["status"], "mfa_required", "{asked:?}");
    let verify = format!("/api/v1/authenticate/{}/verify", asked.text("/transaction"));
    let done = daemon.anonymous().post(&verify, &json!({"code": oathtool(&daemon, &secret)}));
    assert_eq!(done.json["status"], "authenticated", "{done:?}");
    assert!(ok(&daemon.musterd(&["audit"])).contains("store.backed_up"));
}

#[test]
fn a_backup_replaces_nothing_unasked_and_may_go_to_a_program() {
    let (daemon, folder, file) = backed_up(3);
    assert!(refused(&daemon.musterd(&["backup", text(&file)])).contains("replace it with --force"));
    let printed = ok(&daemon.musterd(&["backup", text(&file), "--force"]));
    assert!(printed.contains(" rows, ") && printed.contains(" kB in ") && printed.ends_with("backup\n"), "{printed}");
    let piped = daemon.musterd(&["backup", "-"]);
    assert!(piped.status.success() && piped.stdout.starts_with(b"musterd-backup 1\n"));
    assert!(String::from_utf8(piped.stderr).unwrap().contains(" rows, "));
    assert!(refused(&daemon.musterd(&["backup", text(folder.path()), "--force"])).contains("is there and no file"));
    assert!(refused(&daemon.musterd(&["backup", "/nowhere/at/all"])).contains("/nowhere/at/all.partial"));
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["backup"]);
    let allowed = daemon.token(&["--scope", "store.backup"]);
    let answer = daemon.with_token(&allowed).call("HEAD", "/api/v1/backup", None, &[]);
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/octet-stream"));
    assert_eq!(daemon.with_token(&daemon.token(&["--scope", "audit.view"])).get("/api/v1/backup").status, 403);
}

#[test]
fn a_backup_may_take_longer_than_a_request_and_a_reader_may_go_away() {
    let daemon = TestDaemon::start_with_server("request_timeout = \"1s\"\n", "");
    fill(&daemon, 5_000);
    let token = daemon.token(&["--scope", "store.backup"]);
    let begin = || {
        let mut connection = TcpStream::connect(daemon.base.strip_prefix("http://").unwrap()).unwrap();
        let request = format!("GET /api/v1/backup HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut first = [0; 1000];
        connection.read_exact(&mut first).unwrap();
        (connection, first.to_vec())
    };
    let gone: Vec<_> = (0..5).map(|_| begin()).collect();
    let (mut connection, mut answer) = begin();
    std::thread::sleep(Duration::from_millis(1_500));
    drop(gone);
    connection.read_to_end(&mut answer).unwrap();
    let body = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
    let checked = Reader::open(&answer[body..]).unwrap().check().unwrap();
    assert!(checked.summary.rows > 5_000 && checked.summary.bytes > 12 << 20, "{checked:?}");
}

#[test]
fn what_breaks_off_or_is_changed_on_its_way_is_not_kept() {
    let (_daemon, folder, file) = backed_up(3);
    let whole = fs::read(&file).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    let place = Place::new();
    let socket = UnixListener::bind(place.0.path().join("admin.sock")).unwrap();
    for (sent, ended, word) in [
        (&whole[..100], false, "broke off and is not kept"),
        (&whole[..100], true, "what the daemon sent is damaged or cut short"),
        (&changed[..], true, "what the daemon sent is damaged"),
    ] {
        let target = folder.path().join("taken");
        let answered = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut connection, _) = socket.accept().unwrap();
                let _ = connection.read(&mut [0; 4096]).unwrap();
                write!(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", sent.len())
                    .unwrap();
                connection.write_all(sent).unwrap();
                connection.write_all(if ended { b"\r\n0\r\n\r\n" } else { b"\r\n" }).unwrap();
            });
            place.run(&["backup", text(&target)])
        });
        let text = refused(&answered);
        assert!(text.contains(word), "{text}");
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["backup"]);
    }
}

#[test]
fn what_is_not_a_whole_backup_of_this_key_is_refused_in_one_line() {
    let (daemon, folder, file) = backed_up(3);
    let place = Place::new();
    let key = seal_key(&daemon);
    let bad = folder.path().join("bad");
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 4;
    for (content, word) in [
        (&flipped[..], "is damaged"),
        (&whole[..whole.len() - 1], "is damaged or cut short"),
        (b"-- a dump of something else\n", "is no backup of musterd"),
        (b"", "is no backup of musterd"),
        (b"musterd-backup 9\n{\"of\": \"later days\"}\nand whatever comes then", "has format 9"),
    ] {
        fs::write(&bad, content).unwrap();
        let text = refused(&place.run(&["restore", text(&bad), "--seal-key", text(&key)]));
        assert!(text.contains(word) && text.contains("bad"), "{text}");
    }
    assert!(refused(&place.run(&["restore", text(&file)])).contains("--seal-key FILE"));
    assert!(place.names().is_empty(), "nothing was touched");
    ok(&place.run(&["restore", text(&file), "--seal-key", text(&key)]));
    assert!(refused(&place.run(&["restore", text(&file)])).contains("already holds a store"));
    assert!(refused(&daemon.musterd(&["restore", text(&file)])).contains("already holds a store"));
    assert!(refused(&daemon.musterd(&["compact"])).contains("is held by process"));
    assert!(refused(&Place::new().run(&["compact"])).contains("there is no store in"));
}

#[test]
fn compact_gives_disk_back_and_everything_is_there() {
    let (daemon, _folder, file) = backed_up(3);
    let place = Place::new();
    ok(&place.run(&["restore", text(&file), "--seal-key", text(&seal_key(&daemon))]));
    drop(daemon);
    let daemon = TestDaemon::start_on(&place.data(), Clock::system());
    daemon.local_user("ada", PASSWORD);
    fill(&daemon, 5_000);
    empty(&daemon, 5_000);
    drop(daemon);
    let done: Value = serde_json::from_str(&ok(&place.run(&["compact", "--json"]))).unwrap();
    let (before, after) = (done["bytes_before"].as_u64().unwrap(), done["bytes_after"].as_u64().unwrap());
    assert!(after * 3 < before, "{done}");
    assert!(ok(&place.run(&["verify"])).contains("all hold together"));
    assert!(ok(&place.run(&["compact"])).contains(" rows t"), "another one changes little, or nothing");
    let daemon = TestDaemon::start_on(&place.data(), Clock::system());
    assert_eq!(daemon.login("ada", PASSWORD).status, 200);
    assert_eq!(daemon.admin().get("/api/v1/users/user2").status, 200);
}

fn filling(n: u32) -> Vec<u8> {
    [&[FILLING], &n.to_be_bytes()[..]].concat()
}

/// Removes what was filled in, as a year of logins does.
fn empty(daemon: &TestDaemon, number: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let empty = move |tx: &mut Tx<'_>| {
        (0..number).for_each(|n| tx.remove(filling(n)));
        Ok::<_, StoreError>(())
    };
    runtime.block_on(daemon.inside.store.write(empty)).unwrap();
}

/// Lets a command run for so long, then kills it. `true`: it had ended by itself.
pub(super) fn killed_after(mut child: Child, milliseconds: u64) -> bool {
    std::thread::sleep(Duration::from_millis(milliseconds));
    let ended = child.try_wait().unwrap().is_some();
    drop(child.kill());
    child.wait().unwrap();
    ended
}

pub(super) fn quietly(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_kill_in_the_middle_of_a_backup_a_restore_or_a_compaction_loses_nothing() {
    (0..times(1)).for_each(|_| kills_in_upkeep());
}

fn kills_in_upkeep() {
    let (daemon, folder, file) = backed_up(5);
    fill(&daemon, 3_000);
    let big = folder.path().join("big");
    for milliseconds in (2..40).step_by(5) {
        let mut command = Command::new(binary());
        command.arg("--config").arg(daemon.folder().join("musterd.toml")).args(["backup", text(&big), "--force"]);
        killed_after(quietly(command), milliseconds);
        assert_eq!(daemon.admin().get("/api/v1/users/user1").status, 200);
    }
    let printed: Value =
        serde_json::from_str(&ok(&daemon.musterd(&["backup", text(&big), "--force", "--json"]))).unwrap();
    assert!(printed["rows"].as_u64().unwrap() > 3_000 && file.exists());
    assert!(!folder.path().join("big.partial").exists());
    let key = seal_key(&daemon);

    let place = Place::new();
    let restore = ["restore", text(&big), "--seal-key", text(&key)];
    let mut unfinished = 0;
    for milliseconds in (5..400).step_by(20) {
        if killed_after(quietly(place.command(&restore)), milliseconds) {
            break;
        }
        if place.names().contains(&"store.restoring".to_owned()) {
            unfinished += 1;
            assert!(refused(&place.run(&["serve"])).contains("was not finished: run `musterd restore` again"));
        }
    }
    if !place.data().join("store").exists() {
        ok(&place.run(&restore));
    }
    let here = kept(&place);
    assert_eq!(here.len(), 3_000);
    for milliseconds in (5..400).step_by(15) {
        if killed_after(quietly(place.command(&["compact"])), milliseconds) {
            break;
        }
        unfinished += usize::from(place.names().len() > 3);
        if milliseconds % 4 == 1 {
            assert!(kept(&place) == here, "after {milliseconds} ms");
        }
    }
    tell(&format!("kill: {unfinished} restores and compactions were cut short, nothing lost"));
    let compacted: Value = serde_json::from_str(&ok(&place.run(&["compact", "--json"]))).unwrap();
    assert_eq!(compacted["rows"], printed["rows"]);
    assert!(kept(&place) == here);
    assert_eq!(place.names(), ["musterd.lock", "seal.key", "store"]);
    drop(daemon);
    let daemon = TestDaemon::start_on(&place.data(), Clock::system());
    assert_eq!(daemon.admin().get("/api/v1/users/user4").status, 200);
    empty(&daemon, 3_000);
    drop(daemon);
    assert!(ok(&place.run(&["verify"])).contains("all hold together"));
}

/// The rows that [`fill`] wrote, as the next opening finds them.
fn kept(place: &Place) -> Vec<Row> {
    let settings = Settings { folder: place.data(), reserve_bytes: 0, ..Settings::default() };
    let store = Store::open(&settings, Clock::system(), Rng::system()).unwrap();
    store.view().scan(&KeyRange::prefix(&[FILLING]), Order::Ascending, usize::MAX).unwrap()
}

/// Rows enough for a command to be killed in the middle, which do not get smaller.
fn fill(daemon: &TestDaemon, number: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let rng = Rng::seeded(number.into());
    for part in 0..number / 1_000 {
        let rng = rng.clone();
        let write = move |tx: &mut Tx<'_>| {
            (0..1_000_u32).for_each(|n| {
                let value: Vec<u8> = (0..40).flat_map(|_| rng.bytes::<64>()).collect();
                tx.put(filling(part * 1_000 + n), value);
            });
            Ok::<_, StoreError>(())
        };
        runtime.block_on(daemon.inside.store.write(write)).unwrap();
    }
}
