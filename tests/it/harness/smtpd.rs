//! A real mail server (aiosmtpd) as a child process; ends when dropped, or with the test itself.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running mail server on 127.0.0.1.
pub(crate) struct Smtpd {
    folder: tempfile::TempDir,
    child: Child,
    pub(crate) port: u16,
}

/// One mail that the server took.
#[derive(Debug)]
pub(crate) struct Mail {
    /// Headers and text as they came, line ends included.
    pub(crate) text: String,
    /// What the server knew besides: `from`, `to`, `tls`, `login`, `peer`.
    pub(crate) envelope: serde_json::Value,
}

impl Smtpd {
    /// A server with the options of `smtpd.py`.
    pub(crate) fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("tests/.cache/venv/bin/python");
        let mut child = Command::new(&python)
            .arg(root.join("tests/it/harness/smtpd.py"))
            .arg(folder.path())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tests' own python runs; tests/run makes it");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("smtpd.py prints its port");
        Self { folder, child, port }
    }

    /// Every mail so far, in the order of their coming.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
        files.sort();
        files.iter().map(|path| read(path)).collect()
    }

    /// How many mails there are so far.
    pub(crate) fn count(&self) -> usize {
        let names = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".eml")).count()
    }

    /// Ends the server at once, as a crash would.
    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Smtpd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn read(path: &Path) -> Mail {
    let envelope = std::fs::read(path.with_extension("json")).unwrap();
    Mail {
        text: String::from_utf8(std::fs::read(path).unwrap()).unwrap(),
        envelope: serde_json::from_slice(&envelope).unwrap(),
    }
}
