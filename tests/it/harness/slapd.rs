//! A real OpenLDAP server as a child process, in its own directory, on free loopback ports.
//!
//! It is ended by its process id when dropped. It allows binds without a password on purpose
//! (`bind_anon_cred`), so that a client that sends one is found out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::certificates;
use super::ldap_server::{delete, free_port, ldif, listens, modify, relocate, rename, succeeds, tool};

/// Where all entries are.
pub(crate) const BASE: &str = "dc=example,dc=org";
/// Who may read everything, with [`READER_PASSWORD`].
pub(crate) const READER: &str = "cn=reader,dc=example,dc=org";
pub(crate) const READER_PASSWORD: &str = "reader-password";
const ADMIN: &str = "cn=admin,dc=example,dc=org";
const ADMIN_PASSWORD: &str = "admin-password";

/// How a server is set up; the default is a plain one without users.
#[derive(Clone, Debug)]
pub(crate) struct SlapdOptions {
    /// Users `u0000001`… (password `pw-1`…, mail `u0000001@example.org`…).
    pub(crate) users: usize,
    /// Entries that the reader gets from one search, or `unlimited`.
    pub(crate) size_limit: &'static str,
    /// One of [`certificates::folder`] with `server.key`, without its ending: `server`, `no-san`…
    pub(crate) certificate: &'static str,
    /// What the server knows of content synchronisation.
    pub(crate) sync: Syncprov,
    /// Accounts are locked after three wrong passwords; `pwdReset` and `pwdAccountLockedTime` can be set.
    pub(crate) ppolicy: bool,
    /// The server keeps `memberOf` of users.
    pub(crate) memberof: bool,
    /// Groups of every kind in `ou=groups`, see [`groups`].
    pub(crate) groups: bool,
    /// Its `TLSVerifyClient`: `never`, `try` or `demand`. Whoever shows `reader.pem` and binds by SASL EXTERNAL is the
    /// reader.
    pub(crate) verify_client: &'static str,
}

/// What a server knows of content synchronisation (RFC 4533).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syncprov {
    /// Nothing.
    Absent,
    /// It lists the control in its root, but the database does not have it: a critical one is refused with 12.
    Listed,
    /// The database has it, without a log: every change is told by a present phase.
    WithoutLog,
    /// The database has it, with a log of so many changes; the log is lost when the server ends.
    Log(u32),
}

impl Default for SlapdOptions {
    fn default() -> Self {
        Self {
            users: 0,
            size_limit: "unlimited",
            certificate: "server",
            sync: Syncprov::Absent,
            ppolicy: false,
            memberof: false,
            groups: false,
            verify_client: "never",
        }
    }
}

/// A running (or stopped) slapd.
pub(crate) struct Slapd {
    directory: tempfile::TempDir,
    options: SlapdOptions,
    child: Option<Child>,
    /// Port of `ldap://` (StartTLS possible) and of `ldaps://`, both on 127.0.0.1.
    pub(crate) port: u16,
    pub(crate) tls_port: u16,
}

impl Slapd {
    /// Starts a server with users `u0000001`… (password `pw-1`…, mail `u0000001@example.org`…).
    pub(crate) fn start(users: usize) -> Self {
        Self::with(SlapdOptions { users, ..SlapdOptions::default() })
    }

    /// The same, with a size limit for the reader.
    pub(crate) fn start_limited(users: usize, size_limit: &'static str) -> Self {
        Self::with(SlapdOptions { users, size_limit, ..SlapdOptions::default() })
    }

    /// The same, with a certificate that ran out the day before it was made.
    pub(crate) fn start_expired(users: usize) -> Self {
        Self::with(SlapdOptions { users, certificate: "expired", ..SlapdOptions::default() })
    }

    /// Starts a server that is set up like this.
    pub(crate) fn with(options: SlapdOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::create_dir(path.join("db")).unwrap();
        // The overlay learns of members only from what the running server is told.
        let (early, late) = match (options.groups, options.memberof) {
            (true, true) => (String::new(), groups()),
            (true, false) => (groups(), String::new()),
            (false, _) => (String::new(), String::new()),
        };
        std::fs::write(path.join("data.ldif"), people(options.users) + &policy(&options) + &early).unwrap();
        let mut slapd = Self { directory, options, child: None, port: 0, tls_port: 0 };
        slapd.configure(Sight::Full);
        slapd.load();
        for _ in 0..5 {
            (slapd.port, slapd.tls_port) = (free_port(), free_port());
            if slapd.run() {
                if !late.is_empty() {
                    slapd.add(&late);
                }
                return slapd;
            }
        }
        panic!("slapd does not start");
    }

    fn configure(&self, sight: Sight) {
        let path = self.directory.path();
        std::fs::write(path.join("slapd.conf"), configuration(path, &self.options, sight)).unwrap();
    }

    fn load(&self) {
        let path = self.directory.path();
        let mut slapadd = Command::new("/usr/sbin/slapadd");
        // -w: the newest change is written down, as a server with syncprov wants it.
        slapadd.args(["-q", "-w", "-b", BASE, "-f"]).arg(path.join("slapd.conf")).arg("-l").arg(path.join("data.ldif"));
        succeeds(&mut slapadd, "slapadd (of the package slapd)");
    }

    /// The certificate that signs the server's.
    pub(crate) fn ca_file(&self) -> PathBuf {
        certificates::file("ca.pem")
    }

    /// An authority that signed nothing here.
    pub(crate) fn other_ca_file(&self) -> PathBuf {
        certificates::file("other.pem")
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

    /// The same, but it ends as an administrator ends it.
    pub(crate) fn restart_in_order(&mut self) {
        if let Some(mut child) = self.child.take() {
            let ended = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
            assert!(ended.success() && child.wait().is_ok());
        }
        self.restart();
    }

    /// Adds `uid=NAME` with the password and further lines of LDIF.
    pub(crate) fn add_user(&self, name: &str, password: &str, more: &str) {
        self.add(&person(name, password, &format!("{name}@example.org"), more));
    }

    pub(crate) fn delete_user(&self, name: &str) {
        self.change(&delete(&user(name)));
    }

    /// Changes `uid=NAME` by lines of LDIF, such as `replace: mail\nmail: x@example.org`.
    pub(crate) fn modify(&self, name: &str, change: &str) {
        self.change(&modify(&user(name), change));
    }

    /// Gives `uid=OLD` another name; where it is stays.
    pub(crate) fn rename_user(&self, old: &str, new: &str) {
        self.change(&rename(&user(old), &format!("uid={new}")));
    }

    /// Moves `uid=NAME` out of `ou=people` into another place below the base that is there: `ou=elsewhere`, outside
    /// of it, or `ou=sub,ou=people`.
    pub(crate) fn move_user(&self, name: &str, to: &str) {
        self.change(&relocate(&user(name), &format!("{to},{BASE}")));
    }

    /// Adds a `groupOfNames` of these users; needs `groups`.
    pub(crate) fn group(&self, name: &str, members: &[&str]) {
        let members: Vec<String> = members.iter().map(|member| format!("uid={member},ou=people")).collect();
        self.add(&group_of_names(name, &members));
    }

    /// Changes the group `cn=NAME` by lines of LDIF.
    pub(crate) fn modify_group(&self, name: &str, change: &str) {
        self.change(&modify(&format!("cn={name},ou=groups,{BASE}"), change));
    }

    /// From now on the reader sees those users only whose name ends in an even digit. The server starts again.
    pub(crate) fn set_acl_narrow(&mut self) {
        self.configure(Sight::Narrow);
        self.restart();
    }

    /// The reader sees everything again. The server starts again.
    pub(crate) fn set_acl_full(&mut self) {
        self.configure(Sight::Full);
        self.restart();
    }

    /// What the reader finds below a base, as LDIF.
    pub(crate) fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> String {
        let mut ldapsearch = self.tool("ldapsearch", READER, READER_PASSWORD);
        ldapsearch.args(["-LLL", "-o", "ldif-wrap=no", "-b", base, filter]).args(attributes);
        String::from_utf8(succeeds(&mut ldapsearch, "ldapsearch (of the package ldap-utils)").stdout).unwrap()
    }

    /// Adds entries as the administrator.
    pub(crate) fn add(&self, entries: &str) {
        ldif(self.tool("ldapadd", ADMIN, ADMIN_PASSWORD), entries);
    }

    /// Changes entries as the administrator.
    pub(crate) fn change(&self, changes: &str) {
        ldif(self.tool("ldapmodify", ADMIN, ADMIN_PASSWORD), changes);
    }

    fn tool(&self, name: &str, who: &str, password: &str) -> Command {
        tool(name, &format!("ldap://127.0.0.1:{}", self.port), who, password)
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
        let runs = listens(self.child.insert(child), ("127.0.0.1", self.tls_port));
        if !runs {
            self.stop();
        }
        runs
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the reader sees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    Full,
    Narrow,
}

fn configuration(path: &Path, options: &SlapdOptions, sight: Sight) -> String {
    let (path, tls) = (path.display(), certificates::folder().display());
    let SlapdOptions { size_limit, certificate, verify_client, .. } = options;
    let mut modules = "moduleload back_mdb\nmoduleload back_monitor\n".to_owned();
    let mut overlays = String::new();
    if options.sync != Syncprov::Absent {
        modules += "moduleload syncprov\n";
    }
    match options.sync {
        Syncprov::Absent | Syncprov::Listed => {}
        Syncprov::WithoutLog => overlays += "overlay syncprov\n",
        Syncprov::Log(changes) => overlays += &format!("overlay syncprov\nsyncprov-sessionlog {changes}\n"),
    }
    if options.memberof {
        modules += "moduleload memberof\n";
        overlays += "overlay memberof\n";
    }
    if options.ppolicy {
        modules += "moduleload ppolicy\n";
        overlays += &format!("overlay ppolicy\nppolicy_default \"cn=default,ou=policies,{BASE}\"\n");
    }
    let narrow = match sight {
        Sight::Full => String::new(),
        Sight::Narrow => {
            format!("access to dn.regex=\"^uid=[^,]*[13579],ou=people,{BASE}$\" by anonymous auth by * none\n")
        }
    };
    format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/dyngroup.schema
modulepath /usr/lib/ldap
{modules}pidfile {path}/slapd.pid
loglevel 0
threads 4
allow bind_anon_cred bind_anon_dn
TLSCACertificateFile {tls}/ca.pem
TLSCertificateFile {tls}/{certificate}.pem
TLSCertificateKeyFile {tls}/server.key
TLSVerifyClient {verify_client}
authz-regexp \"^cn=reader$\" \"{READER}\"
database monitor
access to * by dn.exact=\"{READER}\" read by * none
database mdb
suffix \"{BASE}\"
rootdn \"{ADMIN}\"
rootpw {ADMIN_PASSWORD}
directory {path}/db
maxsize 1073741824
dbnosync
index objectClass,uid,mail,entryUUID,entryCSN,modifyTimestamp,member,uniqueMember,memberUid eq
limits dn.exact=\"{READER}\" size={size_limit} time=unlimited
access to attrs=userPassword by anonymous auth by * none
{narrow}access to * by dn.exact=\"{READER}\" read by anonymous auth by * none
{overlays}"
    )
}

fn people(users: usize) -> String {
    let mut ldif = format!("dn: {BASE}\nobjectClass: domain\ndc: example\n\n");
    for unit in ["ou=people", "ou=elsewhere", "ou=sub,ou=people", "ou=groups", "ou=policies"] {
        let name = unit.split(['=', ',']).nth(1).unwrap();
        let _ = writeln!(ldif, "dn: {unit},{BASE}\nobjectClass: organizationalUnit\nou: {name}\n");
    }
    let _ = writeln!(
        ldif,
        "dn: {READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\n\
         userPassword: {READER_PASSWORD}\n"
    );
    for number in 1..=users {
        let name = format!("u{number:07}");
        let phone = format!("telephoneNumber: +49 30 {number:07}\n");
        let _ = writeln!(ldif, "{}", person(&name, &format!("pw-{number}"), &format!("{name}@example.org"), &phone));
    }
    ldif
}

/// The default policy, where the server has the overlay that knows what one is.
fn policy(options: &SlapdOptions) -> String {
    if !options.ppolicy {
        return String::new();
    }
    format!(
        "dn: cn=default,ou=policies,{BASE}\nobjectClass: pwdPolicy\nobjectClass: device\ncn: default\n\
         pwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: 3\npwdLockoutDuration: 300\n\
         pwdFailureCountInterval: 300\n\n"
    )
}

/// `devs` of the first three users, `ops` of two, `tech` of both groups; `top` and `cyc`, each in the other; `ghosts`,
/// with a member that is not there; `uniq`, a `groupOfUniqueNames`; `posix`, whose members are names.
fn groups() -> String {
    let people = |numbers: &[usize]| -> Vec<String> {
        numbers.iter().map(|number| format!("uid=u{number:07},ou=people")).collect()
    };
    let within = |names: &[&str]| -> Vec<String> { names.iter().map(|name| format!("cn={name},ou=groups")).collect() };
    [
        group_of_names("devs", &people(&[1, 2, 3])),
        group_of_names("ops", &people(&[3, 4])),
        group_of_names("tech", &within(&["devs", "ops"])),
        group_of_names("top", &[people(&[5]), within(&["cyc"])].concat()),
        group_of_names("cyc", &within(&["top"])),
        group_of_names("ghosts", &[people(&[1]), vec!["uid=ghost,ou=people".to_owned()]].concat()),
        group_of_names("uniq", &people(&[1, 2]))
            .replace("groupOfNames", "groupOfUniqueNames")
            .replace("member:", "uniqueMember:"),
        format!(
            "dn: cn=posix,ou=groups,{BASE}\nobjectClass: posixGroup\ncn: posix\ngidNumber: 5000\n\
             memberUid: u0000001\nmemberUid: u0000002\n\n"
        ),
    ]
    .concat()
}

/// The members are relative to the base.
fn group_of_names(name: &str, members: &[String]) -> String {
    let members: String = members.iter().map(|member| format!("member: {member},{BASE}\n")).collect();
    format!("dn: cn={name},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {name}\n{members}\n")
}

/// The DN of a user.
fn user(name: &str) -> String {
    format!("uid={name},ou=people,{BASE}")
}

fn person(name: &str, password: &str, mail: &str, more: &str) -> String {
    format!(
        "dn: uid={name},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: User {name}\nsn: {name}\n\
         mail: {mail}\nuserPassword: {password}\n{more}"
    )
}
