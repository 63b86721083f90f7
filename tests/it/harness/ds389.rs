//! A real 389 Directory Server as a child process, with content synchronisation and the retro changelog.
//!
//! Its files lie where the package wants them, under a name of this test process; it needs root, and takes some ten
//! seconds. Its files are removed when it is dropped; where a test process is killed, the server at least ends.

use std::fmt::Write as _;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use super::ldap_server::{delete, ends, free_port, ldif, listens, modify, relocate, rename, succeeds, tool};
use super::slapd::{BASE, READER, READER_PASSWORD};

const ADMIN: &str = "cn=Directory Manager";
const ADMIN_PASSWORD: &str = "admin-password";
/// Runs a tool of lib389, which believes that there is systemd wherever the package was built for it.
const WITHOUT_SYSTEMD: &str = "import runpy, sys
from lib389.paths import Paths
Paths.with_systemd = property(lambda self: False)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')";
/// Runs a server until its standard input ends.
const WHILE_WE_LIVE: &str = "\"$@\" & server=$!; read -r _; kill $server; wait $server";

/// A running 389 Directory Server.
pub(crate) struct Ds389 {
    name: String,
    child: Option<Child>,
    /// Plain LDAP on 127.0.0.1.
    pub(crate) port: u16,
}

impl Ds389 {
    /// Starts a server with the users `u0000001`… in `ou=people` (password `pw-1`…, mail `u0000001@example.org`…), the
    /// group `devs` of the first three in `ou=groups`, and an empty `ou=elsewhere`. Below the base of `Slapd`; the
    /// reader is the same, and has no limits. Everybody else gets at most 2,000 entries, and is locked out by five wrong
    /// passwords.
    pub(crate) fn start(users: usize) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let name = format!("musterd{}x{}", std::process::id(), STARTED.fetch_add(1, Ordering::SeqCst));
        let port = free_port();
        let mut server = Self { name, child: None, port };
        server.create();
        server.configure();
        server.load(users);
        server.run();
        server
    }

    pub(crate) fn ldap_url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// Ends the server.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        drop(child.stdin.take());
        if ends(&mut child, Duration::from_secs(10)) {
            return;
        }
        let group = format!("-{}", child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = child.wait();
    }

    /// Starts it again on the same port with the same data.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.run();
    }

    pub(crate) fn add_user(&self, name: &str, password: &str) {
        ldif(self.tool("ldapadd"), &person(name, password));
    }

    pub(crate) fn delete_user(&self, name: &str) {
        self.change(&delete(&user(name, "ou=people")));
    }

    /// Changes `uid=NAME` by lines of LDIF, such as `replace: nsAccountLock\nnsAccountLock: true`.
    pub(crate) fn modify(&self, name: &str, change: &str) {
        self.change(&modify(&user(name, "ou=people"), change));
    }

    /// Gives `uid=OLD` another name; where it is stays.
    pub(crate) fn rename_user(&self, old: &str, new: &str) {
        self.change(&rename(&user(old, "ou=people"), &format!("uid={new}")));
    }

    /// Moves `uid=NAME` out of `ou=people` into another place below the base that is there, such as `ou=elsewhere`.
    pub(crate) fn move_user(&self, name: &str, to: &str) {
        self.change(&relocate(&user(name, "ou=people"), &format!("{to},{BASE}")));
    }

    /// Moves `uid=NAME` from there back to `ou=people`.
    pub(crate) fn move_back(&self, name: &str, from: &str) {
        self.change(&relocate(&user(name, from), &format!("ou=people,{BASE}")));
    }

    /// Changes entries as the administrator.
    pub(crate) fn change(&self, changes: &str) {
        ldif(self.tool("ldapmodify"), changes);
    }

    /// A tool that acts as the administrator.
    fn tool(&self, name: &str) -> Command {
        tool(name, &self.ldap_url(), ADMIN, ADMIN_PASSWORD)
    }

    fn create(&self) {
        let folder = tempfile::tempdir().unwrap();
        let answers = folder.path().join("answers");
        let text = format!(
            "[general]\nconfig_version = 2\nfull_machine_name = localhost\nstrict_host_checking = False\nstart = False\n\
             systemd = False\n[slapd]\ninstance_name = {}\nport = {}\nroot_dn = {ADMIN}\n\
             root_password = {ADMIN_PASSWORD}\nself_sign_cert = False\nuser = root\ngroup = root\n\
             [backend-userroot]\nsuffix = {BASE}\nsample_entries = no\n",
            self.name, self.port
        );
        std::fs::write(&answers, text).unwrap();
        let mut dscreate = lib389("/usr/sbin/dscreate");
        dscreate.arg("from-file").arg(answers);
        succeeds(&mut dscreate, "dscreate (as root, of the packages 389-ds-base and python3-lib389)");
    }

    /// Changes the settings in their file, which is faster than to start the server for it.
    fn configure(&self) {
        let file = format!("/etc/dirsrv/slapd-{}/dse.ldif", self.name);
        let mut settings = std::fs::read_to_string(&file).unwrap();
        let on = [("nsslapd-pluginEnabled", "on")];
        let changelog = [on[0], ("nsslapd-attribute", "nsuniqueid:targetUniqueId")];
        let server = [
            ("nsslapd-listenhost", "127.0.0.1"),
            ("nsslapd-sizelimit", "2000"),
            ("passwordLockout", "on"),
            ("passwordMaxFailure", "5"),
        ];
        for (dn, changes) in [
            ("cn=Retro Changelog Plugin,cn=plugins,cn=config", changelog.as_slice()),
            ("cn=Content Synchronization,cn=plugins,cn=config", on.as_slice()),
            ("cn=MemberOf Plugin,cn=plugins,cn=config", on.as_slice()),
            ("cn=config", server.as_slice()),
        ] {
            settings = with(&settings, dn, changes);
        }
        std::fs::write(file, settings).unwrap();
    }

    fn load(&self, users: usize) {
        let ldif = format!("/var/lib/dirsrv/slapd-{}/ldif/users.ldif", self.name);
        std::fs::write(&ldif, people(users)).unwrap();
        let mut import = Command::new("ns-slapd");
        import.args(["ldif2db", "-D", &self.folder(), "-n", "userroot", "-i", &ldif]);
        succeeds(&mut import, "ns-slapd ldif2db");
    }

    fn folder(&self) -> String {
        format!("/etc/dirsrv/slapd-{}", self.name)
    }

    fn pid_file(&self) -> String {
        format!("/run/dirsrv/slapd-{}.pid", self.name)
    }

    fn run(&mut self) {
        let child = Command::new("sh")
            .args(["-c", WHILE_WE_LIVE, "sh", "ns-slapd", "-D", &self.folder(), "-i", &self.pid_file(), "-d", "0"])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let runs = listens(self.child.insert(child), ("127.0.0.1", self.port));
        assert!(runs, "389 does not start; see /var/log/dirsrv");
    }
}

impl Drop for Ds389 {
    fn drop(&mut self) {
        self.stop();
        let _ = lib389("/usr/sbin/dsctl").args([&self.name, "remove", "--do-it"]).stdin(Stdio::null()).output();
        for folder in ["/etc/dirsrv", "/var/lib/dirsrv", "/var/log/dirsrv", "/run/lock/dirsrv", "/dev/shm"] {
            let _ = std::fs::remove_dir_all(format!("{folder}/slapd-{}", self.name));
        }
        let _ = std::fs::remove_file(self.pid_file());
    }
}

fn lib389(tool: &str) -> Command {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", WITHOUT_SYSTEMD, tool]);
    command
}

/// The settings with other values of one entry.
fn with(settings: &str, dn: &str, changes: &[(&str, &str)]) -> String {
    let first = format!("dn: {dn}");
    let mut found = false;
    let changed = settings.split("\n\n").map(|entry| {
        if entry.lines().next() != Some(&first) {
            return entry.to_owned();
        }
        found = true;
        let is_changed = |line: &&str| changes.iter().any(|(name, _)| line.starts_with(&format!("{name}:")));
        let kept = entry.lines().filter(|line| !is_changed(line)).map(str::to_owned);
        let new = changes.iter().map(|(name, value)| format!("{name}: {value}"));
        kept.chain(new).collect::<Vec<_>>().join("\n")
    });
    let changed = changed.collect::<Vec<_>>().join("\n\n");
    assert!(found, "no {dn} in the settings of 389");
    changed
}

fn people(users: usize) -> String {
    let mut ldif = format!(
        "dn: {BASE}\nobjectClass: domain\ndc: example\n\
         aci: (targetattr!=\"userPassword\")(version 3.0; acl \"reader\"; allow(read,search,compare) \
         userdn=\"ldap:///{READER}\";)\n\n\
         dn: {READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\n\
         userPassword: {}\nnsSizeLimit: -1\nnsLookThroughLimit: -1\nnsPagedSizeLimit: -1\nnsPagedLookThroughLimit: -1\n\n",
        hashed(READER_PASSWORD)
    );
    for unit in ["people", "groups", "elsewhere"] {
        let _ = writeln!(ldif, "dn: ou={unit},{BASE}\nobjectClass: organizationalUnit\nou: {unit}\n");
    }
    for number in 1..=users {
        let _ = writeln!(ldif, "{}", person(&format!("u{number:07}"), &hashed(&format!("pw-{number}"))));
    }
    let members: String =
        (1..=users.min(3)).map(|number| format!("member: uid=u{number:07},ou=people,{BASE}\n")).collect();
    let _ = writeln!(ldif, "dn: cn=devs,ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: devs\n{members}");
    ldif
}

/// The DN of a user.
fn user(name: &str, place: &str) -> String {
    format!("uid={name},{place},{BASE}")
}

fn person(name: &str, password: &str) -> String {
    format!(
        "dn: uid={name},ou=people,{BASE}\nobjectClass: inetOrgPerson\nobjectClass: inetUser\nuid: {name}\n\
         cn: User {name}\nsn: {name}\nmail: {name}@example.org\nuserPassword: {password}\n"
    )
}

/// A hash that costs nothing; the server makes its own from it at the first bind, which is a change of the entry.
fn hashed(password: &str) -> String {
    format!("{{SHA256}}{}", BASE64.encode(&Sha256::digest(password.as_bytes())))
}
