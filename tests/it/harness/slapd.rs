//! A real OpenLDAP server as a child process, in its own directory, on free loopback ports.
//!
//! It is ended by its process id when dropped. It allows binds without a password on purpose
//! (`bind_anon_cred`), so that a client that sends one is found out.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Where all entries are.
pub(crate) const BASE: &str = "dc=example,dc=org";
/// Who may read everything, with [`READER_PASSWORD`].
pub(crate) const READER: &str = "cn=reader,dc=example,dc=org";
pub(crate) const READER_PASSWORD: &str = "reader-password";
const ADMIN: &str = "cn=admin,dc=example,dc=org";
const ADMIN_PASSWORD: &str = "admin-password";

/// A running (or stopped) slapd.
pub(crate) struct Slapd {
    directory: tempfile::TempDir,
    child: Option<Child>,
    /// Port of `ldap://` (StartTLS possible) and of `ldaps://`, both on 127.0.0.1.
    pub(crate) port: u16,
    pub(crate) tls_port: u16,
}

impl Slapd {
    /// Starts a server with users `u0000001`… (password `pw-1`…, mail `u0000001@example.org`…).
    pub(crate) fn start(users: usize) -> Self {
        Self::start_limited(users, "unlimited")
    }

    /// The same, with a size limit for the reader.
    pub(crate) fn start_limited(users: usize, size_limit: &str) -> Self {
        Self::start_with(users, size_limit, "server.pem")
    }

    /// The same, with a certificate that ran out the day before it was made.
    pub(crate) fn start_expired(users: usize) -> Self {
        Self::start_with(users, "unlimited", "expired.pem")
    }

    fn start_with(users: usize, size_limit: &str, certificate: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::create_dir(path.join("db")).unwrap();
        std::fs::write(path.join("slapd.conf"), configuration(path, size_limit, certificate)).unwrap();
        std::fs::write(path.join("data.ldif"), people(users)).unwrap();
        let config = path.join("slapd.conf");
        let loaded = Command::new("/usr/sbin/slapadd")
            .args(["-q", "-f"])
            .arg(&config)
            .args(["-b", BASE, "-l"])
            .arg(path.join("data.ldif"))
            .output()
            .expect("slapadd runs; install the package slapd");
        assert!(loaded.status.success(), "slapadd: {}", String::from_utf8_lossy(&loaded.stderr));
        let mut slapd = Self { directory, child: None, port: 0, tls_port: 0 };
        for _ in 0..5 {
            (slapd.port, slapd.tls_port) = free_ports();
            if slapd.run() {
                return slapd;
            }
        }
        panic!("slapd does not start");
    }

    /// The certificate that signs the server's.
    pub(crate) fn ca_file(&self) -> PathBuf {
        certificates().join("ca.pem")
    }

    /// An authority that signed nothing here.
    pub(crate) fn other_ca_file(&self) -> PathBuf {
        certificates().join("other.pem")
    }

    pub(crate) fn ldaps_url(&self) -> String {
        format!("ldaps://localhost:{}", self.tls_port)
    }

    pub(crate) fn ldap_url(&self) -> String {
        format!("ldap://localhost:{}", self.port)
    }

    /// Ends the server at once, as a crash would.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same ports with the same data.
    pub(crate) fn restart(&mut self) {
        self.stop();
        assert!(self.run(), "slapd does not start again");
    }

    /// Adds `uid=NAME` with the password and further lines of LDIF.
    pub(crate) fn add_user(&self, name: &str, password: &str, more: &str) {
        self.ldif("ldapadd", &person(name, password, &format!("{name}@example.org"), more));
    }

    pub(crate) fn delete_user(&self, name: &str) {
        self.ldif("ldapmodify", &format!("dn: uid={name},ou=people,{BASE}\nchangetype: delete\n"));
    }

    /// Changes `uid=NAME` by lines of LDIF, such as `replace: mail\nmail: x@example.org`.
    pub(crate) fn modify(&self, name: &str, change: &str) {
        self.ldif("ldapmodify", &format!("dn: uid={name},ou=people,{BASE}\nchangetype: modify\n{change}\n"));
    }

    /// Runs any LDIF as the administrator.
    pub(crate) fn ldif(&self, tool: &str, ldif: &str) {
        let mut child = Command::new(tool)
            .args(["-x", "-D", ADMIN, "-w", ADMIN_PASSWORD, "-H", &format!("ldap://127.0.0.1:{}", self.port)])
            .env("LDAPNOINIT", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the ldap tools run; install the package ldap-utils");
        child.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{tool}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// `-d` keeps it in the foreground, so that it is our child.
    fn run(&mut self) -> bool {
        let urls = format!("ldap://127.0.0.1:{} ldaps://127.0.0.1:{}", self.port, self.tls_port);
        let child = Command::new("/usr/sbin/slapd")
            .args(["-d", "0", "-h", &urls, "-f"])
            .arg(self.directory.path().join("slapd.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("slapd runs");
        self.child = Some(child);
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", self.tls_port)).is_ok() {
                return true;
            }
            if self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some()) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.stop();
        false
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Two ports that nobody listens on just now.
fn free_ports() -> (u16, u16) {
    let listen = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (first, second) = (listen(), listen());
    (first.local_addr().unwrap().port(), second.local_addr().unwrap().port())
}

fn configuration(path: &Path, size_limit: &str, certificate: &str) -> String {
    let (path, tls) = (path.display(), certificates().display().to_string());
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {path}/slapd.pid
loglevel 0
threads 4
allow bind_anon_cred bind_anon_dn
TLSCACertificateFile {tls}/ca.pem
TLSCertificateFile {tls}/{certificate}
TLSCertificateKeyFile {tls}/server.key
database mdb
suffix \"{BASE}\"
rootdn \"{ADMIN}\"
rootpw {ADMIN_PASSWORD}
directory {path}/db
maxsize 1073741824
dbnosync
index objectClass,uid,mail,entryUUID eq
limits dn.exact=\"{READER}\" size={size_limit} time=unlimited
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=\"{READER}\" read by anonymous auth by * none
"
    )
}

fn people(users: usize) -> String {
    let mut ldif = format!(
        "dn: {BASE}\nobjectClass: domain\ndc: example\n\n\
         dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n\
         dn: {READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\n\
         userPassword: {READER_PASSWORD}\n\n"
    );
    for number in 1..=users {
        let name = format!("u{number:07}");
        let phone = format!("telephoneNumber: +49 30 {number:07}\n");
        let _ = writeln!(ldif, "{}", person(&name, &format!("pw-{number}"), &format!("{name}@example.org"), &phone));
    }
    ldif
}

fn person(name: &str, password: &str, mail: &str, more: &str) -> String {
    format!(
        "dn: uid={name},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: User {name}\nsn: {name}\n\
         mail: {mail}\nuserPassword: {password}\n{more}"
    )
}

/// A test authority, another one, and a server's certificate for localhost and 127.0.0.1; made once.
pub(crate) fn certificates() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    MADE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let script = "set -e
for ca in ca other; do
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $ca.key -out $ca.pem -days 30 \
    -subj \"/CN=musterd test $ca\" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
done
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.csr -subj /CN=ldap
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\n' > extensions
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile extensions -out server.pem
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days -1 -extfile extensions -out expired.pem";
        let made = Command::new("sh").args(["-c", script]).current_dir(directory.path()).output().unwrap();
        assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        directory
    })
    .path()
}
