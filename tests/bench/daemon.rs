//! The daemon as a process of its own, so that its processor time is nobody else's.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A running daemon, ended when dropped.
pub(crate) struct Daemon {
    folder: Option<tempfile::TempDir>,
    child: Child,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Daemon {
    pub(crate) fn start(settings: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings)
    }

    /// The daemon on what is in a folder already.
    pub(crate) fn start_in(folder: tempfile::TempDir, settings: &str) -> Self {
        let path = folder.path().display();
        let common = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin_socket = \"{path}/admin.sock\"\ntrusted_proxies = [\"127.0.0.1\"]\n[store]\nfolder = \"{path}/data\"\n[log]\nlevel = \"warn\"\n"
        );
        std::fs::write(folder.path().join("musterd.toml"), format!("{common}{settings}")).unwrap();
        let mut child = command(&folder).arg("serve").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines
            .find_map(|line| line.ok().filter(|line| line.contains("login and API")))
            .expect("the daemon gets ready");
        std::thread::spawn(move || lines.count());
        let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        Self { folder: Some(folder), child, address }
    }

    /// Runs the command and gives its answer.
    pub(crate) fn musterd(&self, arguments: &[&str]) -> Value {
        let output = command(self.folder.as_ref().unwrap()).args(arguments).arg("--json").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Ends it, and gives back its folder.
    pub(crate) fn stop(mut self) -> tempfile::TempDir {
        self.end();
        self.folder.take().unwrap()
    }

    /// Runs a command that wants the store for itself.
    pub(crate) fn run_in(folder: &tempfile::TempDir, arguments: &[&str]) {
        let output = command(folder).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }

    fn end(&mut self) {
        let pid = self.child.id().to_string();
        drop(Command::new("kill").args(["-TERM", &pid]).status());
        drop(self.child.wait());
    }

    /// Memory that it holds, in megabytes.
    pub(crate) fn memory_mb(&self) -> f64 {
        self.megabytes("VmRSS:")
    }

    /// The most memory that it held since the start, or since [`Daemon::forget_peak`], in megabytes.
    pub(crate) fn peak_mb(&self) -> f64 {
        self.megabytes("VmHWM:")
    }

    /// From now on the peak is another.
    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    fn megabytes(&self, what: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_024.0
    }

    /// Processor time of the daemon so far, user and system.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_of(self.child.id())
    }
}

/// Processor time of a process so far, user and system.
pub(crate) fn cpu_of(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // USER_HZ is 100 on Linux, whatever the kernel's own tick is.
    Duration::from_millis(ticks * 10)
}

fn command(folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_musterd"));
    command.arg("--config").arg(folder.path().join("musterd.toml"));
    command
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.folder.is_some() {
            self.end();
        }
    }
}
