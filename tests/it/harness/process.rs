//! The binary as a process: started in a folder as a user would, run as a command, ended by a signal or killed.
//!
//! A process is ended by its id, and when it is dropped.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::daemon::{Caller, binary};

/// How long a process may take for a start, a line or an end before a test gives it up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The settings of a place, where it has any.
const SETTINGS: &str = "musterd.toml";

/// A folder where the binary runs: its settings are in `musterd.toml`, what it keeps is in `data` beside it unless
/// they say otherwise.
#[derive(Clone)]
pub(crate) struct Place {
    folder: PathBuf,
    before: Vec<String>,
}

impl Place {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), before: Vec::new() }
    }

    /// The same place, with these words before the binary's on each command line. They must end in an `exec`, so
    /// that the process is the binary's own.
    pub(crate) fn behind<Word: ToString>(self, words: &[Word]) -> Self {
        Self { before: words.iter().map(ToString::to_string).collect(), ..self }
    }

    /// The same place, with these settings.
    pub(crate) fn with_settings(self, settings: &str) -> Self {
        std::fs::write(self.folder.join(SETTINGS), settings).unwrap();
        self
    }

    /// A command line of the binary; nothing of this environment reaches it.
    fn command(&self, arguments: &[&str]) -> Command {
        let binary = binary().display().to_string();
        let mut words = self.before.iter().chain([&binary]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(arguments).current_dir(&self.folder).env_clear();
        command.env("MUSTERD__SERVER__LISTEN", "127.0.0.1:0");
        let settings = self.folder.join(SETTINGS);
        if settings.exists() {
            command.env("MUSTERD_CONFIG", settings);
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that may hang: `None` is one that had to be killed.
    pub(crate) fn run_within(&self, arguments: &[&str], limit: Duration) -> Option<Ended> {
        self.spawn(arguments).end_within(limit)
    }

    /// The text of a new API token.
    pub(crate) fn token(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["token", "create", "--json"], arguments].concat());
        let made: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        made["token"].as_str().unwrap().to_owned()
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) fn start(&self) -> Process {
        let mut daemon = self.spawn(&["serve"]);
        daemon.wait_for("  data");
        daemon
    }

    /// Starts a command that is killed without warning after some time, unless it has ended before.
    pub(crate) fn kill_during(&self, arguments: &[&str], after: Duration) -> Ended {
        let process = self.spawn(arguments);
        std::thread::sleep(after);
        process.kill()
    }

    /// Starts a command and waits for nothing.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Process {
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).all(|line| send.send(line).is_ok())
        });
        let complaints = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Process { child, lines, printed: Vec::new(), complaints: Some(complaints) }
    }
}

/// A process of the binary; killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    printed: Vec<String>,
    complaints: Option<JoinHandle<String>>,
}

/// How a process ended, and everything that it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where the daemon answers.
    pub(crate) fn base(&self) -> String {
        let line = self.printed.iter().find(|line| line.contains("login and API")).expect("the daemon is ready");
        let url = line.split_whitespace().last().unwrap();
        url.strip_suffix("/api/v1").unwrap().to_owned()
    }

    /// Somebody who calls the daemon with this token.
    pub(crate) fn with_token(&self, token: &str) -> Caller {
        Caller::new(self.base(), Some(token))
    }

    /// Waits until a line begins like this.
    pub(crate) fn wait_for(&mut self, beginning: &str) {
        while !self.printed.iter().any(|line| line.starts_with(beginning)) {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.printed.push(line),
                Err(_) => {
                    let _ = self.child.kill();
                    panic!("no line {beginning:?} came: {:?}", self.collect());
                }
            }
        }
    }

    /// Kills it without warning.
    pub(crate) fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.collect()
    }

    /// Sends a signal that it lives on after.
    pub(crate) fn tell(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.id().to_string()]).status().unwrap().success());
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn end(mut self, signal: &str) -> Ended {
        if self.child.try_wait().unwrap().is_none() {
            self.tell(signal);
        }
        self.collect()
    }

    /// Waits for the end; `None` where it had to be killed after this time.
    pub(crate) fn end_within(mut self, limit: Duration) -> Option<Ended> {
        let clock = musterd::base::clock::Stopwatch::start();
        // Its standard output is closed when it ends.
        loop {
            match self.lines.recv_timeout(limit.saturating_sub(clock.elapsed())) {
                Ok(line) => self.printed.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => return Some(self.collect()),
                Err(mpsc::RecvTimeoutError::Timeout) => return None,
            }
        }
    }

    fn collect(&mut self) -> Ended {
        let status = self.child.wait().unwrap();
        self.printed.extend(self.lines.iter());
        let stderr = self.complaints.take().map(|reader| reader.join().unwrap()).unwrap_or_default();
        Ended { status, stdout: self.printed.join("\n"), stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The exit code; `None` where a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    pub(crate) fn panicked(&self) -> bool {
        self.stderr.contains("panicked at")
    }
}
