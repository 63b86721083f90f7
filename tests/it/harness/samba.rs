//! A real Active Directory domain controller: Samba as a child process, on a loopback address of its own, because its
//! ports 389 and 636 are fixed. It needs root for them.
//!
//! A domain takes seconds to make, so it is made once and kept in the build folder; each server gets a copy with users
//! of its own. Its process group is ended when it is dropped; where a test process is killed, Samba ends by itself,
//! because its standard input then ends.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use data_encoding::BASE64;

use super::certificates;
use super::ldap_server::{delete, ends, ldif, modify, relocate, rename, succeeds, tool};

/// The root of the domain; users are in `OU=People`, groups in `OU=Groups`. `OU=Elsewhere` and `OU=Sub,OU=People` are
/// empty.
pub(crate) const BASE: &str = "DC=example,DC=test";
/// An ordinary user of the domain, who is in `CN=Users` and may read what ordinary users may.
pub(crate) const READER: &str = "reader@example.test";
pub(crate) const READER_PASSWORD: &str = "Reader-1!x";
/// Who may do and see everything, also what was deleted.
pub(crate) const ADMIN: &str = "Administrator@example.test";
pub(crate) const ADMIN_PASSWORD: &str = "Passw0rd!x";
/// What fills a copy of the domain.
const SEED: &str = include_str!("samba_seed.py");
/// Bound on the address of a running server: whoever has it, has the address.
const CLAIM_PORT: u16 = 60_389;
/// Wrong passwords that lock an account; `samba_seed.py` says the same.
const LOCKOUT: usize = 5;

/// A running Samba.
pub(crate) struct Samba {
    folder: tempfile::TempDir,
    address: String,
    child: Option<Child>,
    _claim: TcpListener,
}

impl Samba {
    /// Starts a domain controller with users `u000001`… (`CN=User 000001`…), who can also be called
    /// `u000001@example.test`. The first 50 have the password `Pw-1!x`…; number 2 is disabled, 3 has expired, 4 must
    /// change the password. Groups: `devs` (1 to 10), `ops` (6 to 20), `tech` (both groups), `all-staff` (`tech` and 21
    /// to 30), `dist-only` (a distribution group, 1 to 3), `big` (everyone).
    pub(crate) fn start(users: usize) -> Self {
        let (address, claim) = claim_address();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        succeeds(Command::new("cp").arg("-a").arg(template().join(".")).arg(path), "cp");
        std::fs::write(path.join("etc/smb.conf"), configuration(path, &address)).unwrap();
        make_certificate(path, &address);
        seed(path, users);
        let mut samba = Self { folder, address, child: None, _claim: claim };
        samba.run();
        samba
    }

    /// The authority that signed the server's certificate.
    pub(crate) fn ca_file(&self) -> PathBuf {
        certificates::file("ca.pem")
    }

    pub(crate) fn ldaps_url(&self) -> String {
        format!("ldaps://{}", self.address)
    }

    /// Refuses simple binds without TLS with code 8, as Active Directory does where signing is required.
    pub(crate) fn ldap_url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// Ends the server.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let group = format!("-{}", child.id());
        for signal in ["-TERM", "-KILL"] {
            let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
            if ends(&mut child, Duration::from_secs(3)) {
                return;
            }
        }
    }

    /// Starts it again on the same address with the same data.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.run();
    }

    fn change(&self, changes: &str) {
        ldif(self.tool("ldapmodify", ADMIN, ADMIN_PASSWORD), changes);
    }

    /// What the administrator finds in the domain, as LDIF.
    pub(crate) fn search(&self, filter: &str, attributes: &[&str]) -> String {
        let mut command = self.tool("ldapsearch", ADMIN, ADMIN_PASSWORD);
        command.args(["-LLL", "-o", "ldif-wrap=no", "-b", BASE, filter]).args(attributes);
        String::from_utf8(succeeds(&mut command, "ldapsearch").stdout).unwrap()
    }

    /// Adds a user `CN=NAME` to `OU=People`; `more` is further lines of LDIF.
    pub(crate) fn add_user(&self, name: &str, password: &str, more: &str) {
        let entry = format!(
            "dn: CN={name},OU=People,{BASE}\nobjectClass: user\nsAMAccountName: {name}\ndisplayName: {name}\n\
             userPrincipalName: {name}@example.test\nuserAccountControl: 512\nunicodePwd:: {}\n{more}\n",
            quoted(password)
        );
        ldif(self.tool("ldapadd", ADMIN, ADMIN_PASSWORD), &entry);
    }

    pub(crate) fn delete_user(&self, name: &str) {
        self.change(&delete(&self.dn(name)));
    }

    /// Gives a user another name everywhere: in the DN, `sAMAccountName` and `userPrincipalName`.
    pub(crate) fn rename_user(&self, old: &str, new: &str) {
        let dn = self.dn(old);
        let login = format!(
            "replace: sAMAccountName\nsAMAccountName: {new}\n-\nreplace: userPrincipalName\n\
             userPrincipalName: {new}@example.test\n"
        );
        self.change(&format!("{}\n{}", modify(&dn, &login), rename(&dn, &format!("CN={new}"))));
    }

    /// Moves a user to another place below the base: `OU=Elsewhere`, or `OU=Sub,OU=People`.
    pub(crate) fn move_user(&self, name: &str, to: &str) {
        self.change(&relocate(&self.dn(name), &format!("{to},{BASE}")));
    }

    /// Changes a user or a group by lines of LDIF, such as `replace: mail\nmail: x@example.test`.
    pub(crate) fn modify(&self, name: &str, change: &str) {
        self.change(&modify(&self.dn(name), change));
    }

    pub(crate) fn disable_user(&self, name: &str) {
        self.modify(name, "replace: userAccountControl\nuserAccountControl: 514");
    }

    pub(crate) fn enable_user(&self, name: &str) {
        self.modify(name, "replace: userAccountControl\nuserAccountControl: 512");
    }

    /// Puts a user or a group into a group, or takes it out.
    pub(crate) fn set_member(&self, group: &str, member: &str, is_member: bool) {
        let verb = if is_member { "add" } else { "delete" };
        self.modify(group, &format!("{verb}: member\nmember: {}", self.dn(member)));
    }

    pub(crate) fn set_password(&self, name: &str, password: &str) {
        self.modify(name, &format!("replace: unicodePwd\nunicodePwd:: {}", quoted(password)));
    }

    /// Locks an account by wrong passwords.
    pub(crate) fn lock_user(&self, name: &str) {
        for _ in 0..LOCKOUT {
            let answer = self.bind(name, "not the password");
            assert!(answer.contains("Invalid credentials"), "{answer}");
        }
    }

    /// What the server says to a bind of `NAME@example.test`; empty for a yes.
    pub(crate) fn bind(&self, name: &str, password: &str) -> String {
        let mut command = self.tool("ldapsearch", &format!("{name}@example.test"), password);
        let answer = command.args(["-b", "", "-s", "base", "1.1"]).output().unwrap();
        String::from_utf8_lossy(&answer.stderr).into_owned()
    }

    /// The DN of the user or group with this `sAMAccountName`.
    pub(crate) fn dn(&self, name: &str) -> String {
        let ldif = self.search(&format!("(sAMAccountName={name})"), &["1.1"]);
        let dn = ldif.lines().find_map(|line| line.strip_prefix("dn: "));
        dn.unwrap_or_else(|| panic!("nobody is called {name}")).to_owned()
    }

    fn tool(&self, name: &str, who: &str, password: &str) -> Command {
        let mut command = tool(name, &self.ldaps_url(), who, password);
        // The rest of this machine's settings stays out; this one is read only where settings are read at all.
        command.env_remove("LDAPNOINIT").env("LDAPTLS_CACERT", self.ca_file());
        command
    }

    fn run(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("output")).unwrap();
        let child = Command::new("samba")
            .arg("-i")
            .arg("-s")
            .arg(self.folder.path().join("etc/smb.conf"))
            .arg("--debug-stdout")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("samba runs; install the package samba");
        self.child = Some(child);
        for _ in 0..1000 {
            let answers = TcpStream::connect((self.address.as_str(), 636)).is_ok();
            if answers && self.bind("reader", READER_PASSWORD).is_empty() {
                return;
            }
            if self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = std::fs::read_to_string(self.folder.path().join("output")).unwrap_or_default();
        panic!("samba does not answer on {}, which only root can make it do:\n{log}", self.address);
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A loopback address that no other test has.
fn claim_address() -> (String, TcpListener) {
    for last in 3..=250 {
        let address = format!("127.0.0.{last}");
        let Ok(claim) = TcpListener::bind((address.as_str(), CLAIM_PORT)) else { continue };
        let is_free = |port: u16| TcpStream::connect((address.as_str(), port)).is_err();
        if is_free(389) && is_free(636) {
            return (address, claim);
        }
    }
    panic!("no loopback address is free");
}

/// A domain without users of ours; made where this version of Samba has not made one yet.
fn template() -> PathBuf {
    static MAKING: Mutex<()> = Mutex::new(());
    let _one = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let version = Command::new("samba").arg("--version").output();
    let version = version.expect("samba runs; install the package samba");
    let version = String::from_utf8(version.stdout).unwrap().trim().replace(' ', "-");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let template = folder.join(format!("samba-{version}"));
    if template.is_dir() {
        return template;
    }
    let making = tempfile::tempdir_in(folder).unwrap();
    let mut command = Command::new("samba-tool");
    command
        .args(["domain", "provision", "--realm=EXAMPLE.TEST", "--domain=EXAMPLE", "--server-role=dc"])
        .args(["--dns-backend=NONE", "--host-name=dc1", "--host-ip=127.0.0.1", "--use-rfc2307"])
        .arg(format!("--adminpass={ADMIN_PASSWORD}"))
        .arg("--option=vfs objects=dfs_samba4")
        .arg(format!("--targetdir={}", making.path().display()));
    succeeds(&mut command, "samba-tool (of the packages samba-ad-provision, samba-dsdb-modules, samba-vfs-modules)");
    // Another process may have been faster; its domain is as good.
    let _ = std::fs::rename(making.path(), &template);
    assert!(template.is_dir());
    template
}

fn configuration(path: &Path, address: &str) -> String {
    let path = path.display();
    format!(
        "[global]
netbios name = DC1
workgroup = EXAMPLE
realm = EXAMPLE.TEST
server role = active directory domain controller
server services = ldap
interfaces = {address}/8
bind interfaces only = yes
private dir = {path}/private
state directory = {path}/state
cache directory = {path}/cache
lock directory = {path}
pid directory = {path}
ncalrpc dir = {path}/ncalrpc
binddns dir = {path}/bind-dns
log file = {path}/log
tls keyfile = {path}/server.key
tls certfile = {path}/server.pem
tls cafile = {path}/ca.pem
prefork children = 1
"
    )
}

/// Samba's own certificate names nobody.
fn make_certificate(path: &Path, address: &str) {
    let script = "set -e
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.csr -subj /CN=dc1
printf 'subjectAltName=DNS:dc1.example.test,IP:%s\\nextendedKeyUsage=serverAuth\\nbasicConstraints=critical,CA:FALSE\\n' \
  \"$2\" > extensions
openssl x509 -req -in server.csr -CA \"$1/ca.pem\" -CAkey \"$1/ca.key\" -set_serial \"0x$(openssl rand -hex 8)\" \
  -days 30 -extfile extensions -out server.pem
cp \"$1/ca.pem\" .
chmod 600 server.key";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(certificates::folder()).arg(address).current_dir(path);
    succeeds(&mut command, "openssl");
}

fn seed(path: &Path, users: usize) {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", SEED]).arg(path).arg(users.to_string());
    succeeds(&mut command, "the seed (python3-samba)");
}

/// A password as `unicodePwd` takes it.
fn quoted(password: &str) -> String {
    let bytes: Vec<u8> = format!("\"{password}\"").encode_utf16().flat_map(u16::to_le_bytes).collect();
    BASE64.encode(&bytes)
}
