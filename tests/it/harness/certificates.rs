//! The certificates of the tests: of a server, of a reader, of strangers, and of odd kinds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Makes them all.
const SCRIPT: &str = "set -e
key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
for ca in ca other; do
  openssl req -x509 $key -keyout $ca.key -out $ca.pem -days 30 -subj \"/CN=musterd test $ca\" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
done
request() { openssl req $key -keyout $1.key -out $1.csr -subj /CN=$2; }
serial=100
sign() {
  serial=$((serial + 1))
  openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -set_serial $serial -days $3 -extfile $4 -out $5.pem
}
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\n' > named
printf 'extendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\n' > nameless
printf 'extendedKeyUsage=clientAuth\nbasicConstraints=critical,CA:FALSE\n' > person
request server localhost; request reader reader; request stranger stranger
sign server ca 30 named server
sign server ca -1 named expired
sign server ca 30 nameless no-san
sign server ca -1 nameless no-san-expired
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -set_serial 99 -days 30 -out old.pem
sign reader ca 30 person reader
sign stranger other 30 person stranger
chmod 600 *.key; cp reader.key open.key; chmod 644 open.key";

/// Where they are, made once: the authorities `ca` and `other`; with `server.key`, all of `ca`, `server.pem` and
/// `expired.pem` for localhost and 127.0.0.1, `no-san.pem` and `no-san-expired.pem` with a common name only, and
/// `old.pem` of X.509 version 1; `reader.pem` of `ca` and `stranger.pem` of `other` for `CN=reader` and `CN=stranger`,
/// with their keys; `open.key`, which everybody may read.
pub(crate) fn folder() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    MADE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let made = Command::new("sh").args(["-c", SCRIPT]).current_dir(directory.path()).output().unwrap();
        assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        directory
    })
    .path()
}

/// One file of [`folder`], such as `ca.pem`.
pub(crate) fn file(name: &str) -> PathBuf {
    folder().join(name)
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
