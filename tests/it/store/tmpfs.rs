//! A small disk in memory that can be filled: a tmpfs, mounted where this user may, else in a namespace of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A mounted tmpfs, unmounted when dropped.
pub(super) struct Tmpfs {
    /// Where the daemon sees it.
    pub(super) path: PathBuf,
    namespace: Option<Namespace>,
}

/// A process that keeps a mount namespace alive until its standard input ends.
struct Namespace(Child);

impl Tmpfs {
    /// Mounts a disk of this size on an empty folder.
    ///
    /// # Errors
    /// Why neither way of mounting works here.
    pub(super) fn mount(path: &Path, kibibytes: u64) -> Result<Self, String> {
        let options = format!("size={kibibytes}k,mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(path).output();
        let refused = match mounted {
            Ok(output) if output.status.success() => return Ok(Self { path: path.to_owned(), namespace: None }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => format!("mount: {error}"),
        };
        let namespace = Namespace::with_tmpfs(path, &options).map_err(|why| format!("{refused}; {why}"))?;
        Ok(Self { path: path.to_owned(), namespace: Some(namespace) })
    }

    /// What stands before a command so that it sees the disk.
    pub(super) fn enter(&self) -> Vec<String> {
        let Some(namespace) = &self.namespace else { return Vec::new() };
        let target = namespace.0.id().to_string();
        ["nsenter", "--preserve-credentials", "--user", "--mount", "--target", &target].map(str::to_owned).to_vec()
    }

    /// Makes the disk larger.
    pub(super) fn grow(&self, kibibytes: u64) {
        let options = format!("remount,size={kibibytes}k");
        let words = [self.enter(), ["mount", "-o", &options].map(str::to_owned).to_vec()].concat();
        let grown = Command::new(&words[0]).args(&words[1..]).arg(&self.path).output().unwrap();
        assert!(grown.status.success(), "{grown:?}");
    }

    /// Fills what is left to the last page.
    pub(super) fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        loop {
            match ballast.write_all(&[b'x'; 4 << 10]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Takes away what filled it.
    pub(super) fn relieve(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    /// The ballast, by the way on which this process reaches the disk.
    fn ballast(&self) -> PathBuf {
        let root = self
            .namespace
            .as_ref()
            .map_or(PathBuf::from("/"), |namespace| PathBuf::from(format!("/proc/{}/root", namespace.0.id())));
        root.join(self.path.strip_prefix("/").unwrap()).join("ballast")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // A namespace takes its mounts with it; a lazy unmount works while a daemon still ends.
        if self.namespace.is_none() {
            let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
        }
    }
}

impl Namespace {
    fn with_tmpfs(path: &Path, options: &str) -> Result<Self, String> {
        let script = "mount -t tmpfs -o \"$1\" tmpfs \"$2\" && echo mounted && read -r _";
        let mut child = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", options])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let mut line = String::new();
        let _ = BufReader::new(child.stdout.take().unwrap()).read_line(&mut line);
        if line.trim() == "mounted" {
            return Ok(Self(child));
        }
        let output = child.wait_with_output().unwrap();
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
