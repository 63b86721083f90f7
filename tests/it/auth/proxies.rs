//! Real nginx and Caddy in front of an application, with the configurations of `config/proxies` as they are: only ports
//! and certificates are put in. Traefik is no package of Debian.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::daemon::TestDaemon;
use crate::harness::ldap_server::free_port;

const PASSWORD: &str = "correct horse battery";
const HOST: &str = "app.example.org";

/// An application that answers with the headers it got, in lower case, as JSON.
fn application() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let headers = head.iter().skip(1).filter_map(|line| line.split_once(": "));
            let headers: serde_json::Map<String, Value> =
                headers.map(|(name, value)| (name.to_ascii_lowercase(), value.into())).collect();
            let body = Value::Object(headers).to_string();
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        }
    });
    port
}

/// A proxy as a process of its own, ended when dropped.
struct Proxy {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status());
        drop(self.child.wait());
    }
}

/// What curl got: the status, the headers, the body.
#[derive(Debug)]
struct Got {
    status: u16,
    head: String,
    body: Value,
}

impl Proxy {
    fn wait(child: Child, port: u16, folder: tempfile::TempDir) -> Self {
        let proxy = Self { child, port, folder };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return proxy;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the proxy does not listen");
    }

    fn curl(&self, path: &str, arguments: &[&str]) -> Got {
        let url = format!("https://{HOST}:{}{path}", self.port);
        let resolve = format!("{HOST}:{}:127.0.0.1", self.port);
        let authority = self.folder.path().join("ca.pem");
        let output = Command::new("curl")
            .args(["-sS", "-i", "--http1.1", "--max-time", "20", "--resolve", &resolve, "--cacert"])
            .arg(authority)
            .args(arguments)
            .arg(url)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Got { status, head: head.to_ascii_lowercase(), body: serde_json::from_str(body).unwrap_or(Value::Null) }
    }
}

/// A folder with certificates, and a configuration with what differs here put in.
fn prepare(name: &str, replacements: &[(&str, String)]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=app.example.org", "-addext", "subjectAltName=DNS:app.example.org", "-out"])
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/proxies").join(name);
    let mut text = std::fs::read_to_string(sample).unwrap();
    let files = [
        ("/etc/ssl/certs/app.example.org.pem", certificate.display().to_string()),
        ("/etc/ssl/private/app.example.org.key", key.display().to_string()),
    ];
    for (from, to) in replacements.iter().chain(&files) {
        assert!(text.contains(from), "{from} stands in {name}");
        text = text.replace(from, to);
    }
    (folder, text)
}

fn nginx(daemon: &TestDaemon, application: u16) -> Proxy {
    let port = free_port();
    let (folder, text) = prepare(
        "nginx.conf",
        &[
            ("listen 443 ssl", format!("listen 127.0.0.1:{port} ssl")),
            ("127.0.0.1:8480", daemon.inside.settings.listen.to_string()),
            ("127.0.0.1:8080", format!("127.0.0.1:{application}")),
        ],
    );
    let path = folder.path().display();
    let places =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {path}/{kind};"));
    let whole = format!(
        "pid {path}/pid;\nerror_log stderr warn;\ndaemon off;\nworker_processes 1;\nevents {{}}\n\
         http {{\naccess_log off;\n{}\n{text}\n}}\n",
        places.join("\n")
    );
    std::fs::write(folder.path().join("nginx.conf"), whole).unwrap();
    let child = Command::new("/usr/sbin/nginx")
        .arg("-c")
        .arg(folder.path().join("nginx.conf"))
        .arg("-p")
        .arg(folder.path())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("nginx runs; install the package nginx-light");
    Proxy::wait(child, port, folder)
}

fn caddy(daemon: &TestDaemon, application: u16) -> Proxy {
    let port = free_port();
    let (folder, text) = prepare(
        "Caddyfile",
        &[
            ("app.example.org {", format!("https://app.example.org:{port} {{\n\tbind 127.0.0.1")),
            ("127.0.0.1:8480", daemon.inside.settings.listen.to_string()),
            ("127.0.0.1:8080", format!("127.0.0.1:{application}")),
        ],
    );
    let whole = format!("{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{text}");
    std::fs::write(folder.path().join("Caddyfile"), whole).unwrap();
    let child = Command::new("caddy")
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(folder.path().join("Caddyfile"))
        .env("XDG_DATA_HOME", folder.path())
        .env("XDG_CONFIG_HOME", folder.path())
        .env("HOME", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("caddy runs; install the package caddy");
    Proxy::wait(child, port, folder)
}

#[test]
fn an_application_behind_nginx_knows_who_asks_and_nobody_passes_for_another() {
    behind(nginx);
}

#[test]
fn an_application_behind_caddy_knows_who_asks_and_nobody_passes_for_another() {
    behind(caddy);
}

fn behind(start: fn(&TestDaemon, u16) -> Proxy) {
    let settings =
        "[forward_auth]\nlogin_url = \"https://id.example.org/login\"\nallowed_hosts = [\"*.example.org\"]\n";
    let daemon = TestDaemon::start_with_server("trusted_proxies = [\"127.0.0.1\"]\n", settings);
    daemon.admin().post("/api/v1/groups", &json!({"name": "staff"}));
    let id = daemon.local_user("ada", PASSWORD).text("/id");
    daemon.admin().patch("/api/v1/users/ada", &json!({"groups": ["staff"]}));
    let session = daemon.session("ada", PASSWORD);
    let proxy = start(&daemon, application());
    let bearer = format!("authorization: Bearer {session}");
    let cookie = format!("cookie: a=b; __Host-musterd={session}; c=d");

    for credentials in [&bearer, &cookie] {
        let got = proxy.curl("/page?q=1", &["-H", credentials, "-X", "POST", "-d", "x=y"]);
        assert_eq!(got.status, 200, "{got:?}");
        for (name, value) in [
            ("user", "ada"),
            ("id", &id),
            ("name", "ada the tester"),
            ("email", "ada@example.org"),
            ("groups", "staff"),
        ] {
            assert_eq!(got.body[format!("remote-{name}")], json!(value), "{got:?}");
        }
    }
    let got = proxy.curl("/", &["-H", &cookie]);
    let kept = got.body["cookie"].as_str().unwrap();
    assert!(!kept.contains("mst_") && kept.contains("a=b") && kept.contains("c=d"), "{kept}");

    // Nobody passes for another, with a session or without.
    let forged =
        ["-H", "Remote-User: root", "-H", "Remote-Groups: admins", "-H", "Remote-Id: 1", "-H", "Remote-Extra: x"];
    let got = proxy.curl("/", &[&["-H", &bearer], &forged[..]].concat());
    assert_eq!((&got.body["remote-user"], &got.body["remote-groups"]), (&json!("ada"), &json!("staff")));
    let got = proxy.curl("/", &forged);
    assert!(got.status == 401 && got.head.contains("www-authenticate: bearer"), "{got:?}");
    assert!(got.body.get("remote-user").is_none(), "it is not the application that answers: {got:?}");

    // What a client says of the original request changes nothing, or is refused.
    for header in [
        "X-Original-URL: https://app.example.org/public",
        "X-Original-Method: OPTIONS",
        "X-Forwarded-Uri: /public",
        "X-Forwarded-Method: OPTIONS",
        "X-Forwarded-Host: other.example.org",
        "X-Forwarded-Proto: http",
        "X-Forwarded-For: 127.0.0.1",
    ] {
        assert_eq!(proxy.curl("/", &["-H", header]).status, 401, "{header}");
        assert_eq!(proxy.curl("/", &["-H", header, "-H", &bearer]).status, 200, "{header}");
    }

    // A browser is sent to the login with the address that it wanted.
    let got = proxy.curl("/page?q=1", &["-H", "accept: text/html"]);
    assert_eq!(got.status, 302, "{got:?}");
    let place = "location: https://id.example.org/login?rd=https%3a%2f%2fapp%2eexample%2eorg";
    assert!(got.head.contains(place) && got.head.contains("%2fpage%3fq%3d1"), "{got:?}");

    // The cookie is made through the proxy, on its host.
    let got = proxy.curl("/api/v1/session/cookie", &["-X", "POST", "-H", &bearer]);
    assert!(got.status == 204 && got.head.contains("set-cookie: __host-musterd=mst_s_"), "{got:?}");
    let got = proxy.curl("/api/v1/session/cookie", &["-X", "POST", "-H", &cookie]);
    assert_eq!(got.status, 401, "{got:?}");

    // Out means out, behind a proxy too.
    daemon.admin().post("/api/v1/users/ada/disable", &json!({}));
    assert_eq!(proxy.curl("/", &["-H", &cookie]).status, 401);
}
