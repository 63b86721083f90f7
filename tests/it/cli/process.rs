//! The daemon as a process: started as a new user would, stopped by signal, killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::harness::daemon::binary;

/// A `musterd serve` in a folder, with everything it printed so far.
struct Process {
    child: Child,
    printed: Vec<String>,
}

impl Process {
    /// Starts it and waits until it is ready.
    fn start(folder: &Path) -> Self {
        let mut child = command(folder).arg("serve").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).all(|line| send.send(line).is_ok())
        });
        let mut printed = Vec::new();
        while !printed.iter().any(|line: &String| line.starts_with("  data")) {
            printed.push(receive.recv_timeout(Duration::from_secs(60)).expect("the daemon gets ready"));
        }
        printed.extend(std::iter::from_fn(|| receive.recv_timeout(Duration::from_millis(200)).ok()));
        Self { child, printed }
    }

    fn end(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(folder).env_clear().env("MUSTERD__SERVER__LISTEN", "127.0.0.1:0");
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder).args(arguments).output().unwrap()
}

#[test]
fn the_first_start_needs_no_settings_prints_the_link_once_and_says_where_to_go() {
    let folder = tempfile::tempdir().unwrap();
    let first = Process::start(folder.path());
    let printed = first.printed.join("\n");
    assert!(printed.contains("/set-password#mst_l_"), "{printed}");
    assert!(run(folder.path(), &["user", "list"]).status.success());
    assert_eq!(first.end("-TERM"), Some(0));
    let second = Process::start(folder.path());
    assert!(!second.printed.join("\n").contains("set-password"));
    assert_eq!(second.end("-INT"), Some(0));
}

#[test]
fn a_second_daemon_on_the_same_folder_names_the_holder() {
    let folder = tempfile::tempdir().unwrap();
    let first = Process::start(folder.path());
    let second = run(folder.path(), &["serve"]);
    let complaint = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success());
    assert!(complaint.contains(&format!("held by process {}", first.child.id())), "{complaint}");
    let verify = run(folder.path(), &["verify"]);
    assert!(!verify.status.success(), "verify wants the store for itself");
    first.end("-TERM");
    assert!(run(folder.path(), &["verify"]).status.success());
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let daemon = Process::start(folder.path());
        let name = format!("user{round}");
        let email = format!("{name}@example.org");
        assert!(run(folder.path(), &["user", "create", &name, "--name", "X", "--email", &email]).status.success());
        daemon.end("-KILL");
    }
    let daemon = Process::start(folder.path());
    let list = String::from_utf8(run(folder.path(), &["user", "list"]).stdout).unwrap();
    assert!((0..5).all(|round| list.contains(&format!("user{round}"))), "{list}");
    daemon.end("-TERM");
    assert!(run(folder.path(), &["verify"]).status.success());
}

#[test]
fn a_kill_during_the_start_leaves_a_store_that_opens() {
    let folder = tempfile::tempdir().unwrap();
    Process::start(folder.path()).end("-TERM");
    for milliseconds in (0..30).step_by(2) {
        let mut child =
            command(folder.path()).arg("serve").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    Process::start(folder.path()).end("-TERM");
}

#[test]
fn check_shows_every_setting_and_all_faults_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let good = run(folder.path(), &["check"]);
    let shown = String::from_utf8(good.stdout).unwrap();
    assert!(shown.contains("server.listen = \"127.0.0.1:0\"  # environment MUSTERD__SERVER__LISTEN"), "{shown}");
    assert!(shown.contains("login.deadline = \"10s\"  # default"), "{shown}");
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "[login]\ndeadlin = \"5s\"\ndeadline = 7\n[nonsense]\nx = 1\n").unwrap();
    let bad = run(folder.path(), &["check", "--config", file.to_str().unwrap()]);
    let faults = String::from_utf8(bad.stderr).unwrap();
    assert_eq!(bad.status.code(), Some(1));
    for expected in ["bad.toml:2", "deadlin", "bad.toml:3", "nonsense"] {
        assert!(faults.contains(expected), "{expected} in {faults}");
    }
    assert!(!run(folder.path(), &["serve", "--config", file.to_str().unwrap()]).status.success());
}

#[test]
fn without_a_daemon_the_command_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["user", "list"]);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("musterd serve"), "{complaint}");
}
