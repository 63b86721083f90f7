//! A slapd that asks for client certificates, and certificates of odd kinds: without names, expired, of strangers.
//!
//! Its one user is `u0000001` with the password `pw-1`. The holder of `reader.pem` may read everything.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::slapd::{BASE, certificates};

/// Whom `reader.pem` names.
const HOLDER: &str = "cn=musterd,o=example";

/// A running server; ended by its process id when dropped.
pub(crate) struct TlsSlapd {
    directory: tempfile::TempDir,
    child: Option<Child>,
    pub(crate) port: u16,
    pub(crate) tls_port: u16,
}

impl TlsSlapd {
    /// Presents the certificate `name.pem`; `verify` is its `TLSVerifyClient`: `never`, `try` or `demand`.
    pub(crate) fn start(name: &str, verify: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::create_dir(path.join("db")).unwrap();
        std::fs::write(path.join("slapd.conf"), configuration(path, name, verify)).unwrap();
        std::fs::write(path.join("data.ldif"), entries()).unwrap();
        let loaded = Command::new("/usr/sbin/slapadd")
            .args(["-q", "-b", BASE, "-f"])
            .arg(path.join("slapd.conf"))
            .arg("-l")
            .arg(path.join("data.ldif"))
            .output()
            .expect("slapadd runs; install the package slapd");
        assert!(loaded.status.success(), "slapadd: {}", String::from_utf8_lossy(&loaded.stderr));
        let mut slapd = Self { directory, child: None, port: 0, tls_port: 0 };
        for _ in 0..5 {
            (slapd.port, slapd.tls_port) = (free_port(), free_port());
            if slapd.run() {
                return slapd;
            }
        }
        panic!("slapd does not start");
    }

    pub(crate) fn ldaps_url(&self) -> String {
        format!("ldaps://localhost:{}", self.tls_port)
    }

    pub(crate) fn ldap_url(&self) -> String {
        format!("ldap://localhost:{}", self.port)
    }

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
        let child = self.child.insert(child);
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", self.tls_port)).is_ok() {
                return true;
            }
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for TlsSlapd {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A file of [`certificates`] or of those made here: `reader`, `stranger`, `no-san`, `no-san-expired`, `old`, with
/// `.pem` or `.key`.
pub(crate) fn file(name: &str) -> PathBuf {
    made().join(name)
}

/// The SHA-256 of a certificate file, as openssl prints it.
pub(crate) fn sha256(name: &str) -> String {
    let printed = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(file(name))
        .output()
        .unwrap();
    String::from_utf8(printed.stdout).unwrap().trim().split_once('=').unwrap().1.to_owned()
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn configuration(path: &Path, name: &str, verify: &str) -> String {
    let (path, tls) = (path.display(), made().display());
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {path}/slapd.pid
loglevel 0
threads 2
TLSCACertificateFile {tls}/ca.pem
TLSCertificateFile {tls}/{name}.pem
TLSCertificateKeyFile {tls}/server.key
TLSVerifyClient {verify}
database mdb
suffix \"{BASE}\"
directory {path}/db
dbnosync
index objectClass,uid,mail,entryUUID eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=\"{HOLDER}\" read by anonymous auth by * none
"
    )
}

fn entries() -> String {
    format!(
        "dn: {BASE}\nobjectClass: domain\ndc: example\n\n\
         dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n\
         dn: uid=u0000001,ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: u0000001\ncn: One\nsn: One\n\
         userPassword: pw-1\n"
    )
}

/// The certificates of [`certificates`] and more of the same authority and key; made once.
fn made() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    MADE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let script = "set -e
cp \"$FROM\"/*.pem \"$FROM\"/*.key \"$FROM\"/server.csr .
ask() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $1.key -out $1.csr -subj /O=example/CN=musterd; }
sign() { openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -set_serial $serial -days $3 -extfile $4 -out $5.pem; }
printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n' > client
printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n' > server
ask reader; serial=101; sign reader ca 30 client reader
ask stranger; serial=102; sign stranger other 30 client stranger
serial=103; sign server ca 30 server no-san
serial=104; sign server ca -1 server no-san-expired
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -set_serial 105 -days 30 -out old.pem
chmod 600 *.key; cp reader.key open.key; chmod 644 open.key";
        let made = Command::new("sh")
            .args(["-c", script])
            .env("FROM", certificates())
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        directory
    })
    .path()
}
