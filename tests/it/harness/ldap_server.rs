//! What the LDAP servers of the tests share: their tools, their changes as LDIF, and the wait for a start.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A port of 127.0.0.1 that nobody listens on just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Waits up to 30 seconds until a server listens; no where it ends before.
pub(crate) fn listens(server: &mut Child, address: (&str, u16)) -> bool {
    for _ in 0..3000 {
        if TcpStream::connect(address).is_ok() {
            return true;
        }
        if server.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Waits up to so long for the end of a server; no where it is still there.
pub(crate) fn ends(server: &mut Child, patience: Duration) -> bool {
    let pause = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    while waited < patience {
        if server.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(pause);
        waited += pause;
    }
    false
}

/// What a command printed, which must succeed; `what` says which one it is, and of which package.
pub(crate) fn succeeds(command: &mut Command, what: &str) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|problem| panic!("{what}: {problem}"));
    let text = || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what} fails: {}", text());
    output
}

/// An LDAP tool of OpenLDAP, with a simple bind; nothing of this machine's settings reaches it.
pub(crate) fn tool(name: &str, url: &str, who: &str, password: &str) -> Command {
    let mut command = Command::new(name);
    command.args(["-x", "-D", who, "-w", password, "-H", url]).env("LDAPNOINIT", "1");
    command
}

/// Gives LDIF to an LDAP tool, `ldapadd` or `ldapmodify`.
pub(crate) fn ldif(mut tool: Command, ldif: &str) {
    let mut child = tool
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the ldap tools run; install the package ldap-utils");
    child.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}\n{ldif}", String::from_utf8_lossy(&done.stderr));
}

/// Changes an entry by lines of LDIF, such as `replace: mail\nmail: x@example.org`.
pub(crate) fn modify(dn: &str, change: &str) -> String {
    format!("dn: {dn}\nchangetype: modify\n{change}\n")
}

/// Deletes an entry.
pub(crate) fn delete(dn: &str) -> String {
    format!("dn: {dn}\nchangetype: delete\n")
}

/// Gives an entry another name where it is.
pub(crate) fn rename(dn: &str, rdn: &str) -> String {
    format!("dn: {dn}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1\n")
}

/// Moves an entry below another one; its name stays.
pub(crate) fn relocate(dn: &str, to: &str) -> String {
    let (rdn, _) = dn.split_once(',').unwrap();
    format!("dn: {dn}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: 1\nnewsuperior: {to}\n")
}
