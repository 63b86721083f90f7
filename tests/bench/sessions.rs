//! What a check of a session costs, by introspection and by forward-auth, beside a bare server of the same HTTP library
//! with one read of the same engine; and how fast somebody who was disabled is refused.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Figure;
use crate::client::{Client, request};
use crate::daemon::{Daemon, cpu_of};

const PASSWORD: &str = "correct horse battery";
/// Sessions that are asked about in turns.
const SESSIONS: usize = 200;
/// Requests that are under way at once, each on a connection of its own.
const CONNECTIONS: usize = 16;
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;
/// The argument by which this program is the bare server.
const BARE: &str = "--bare-server";

const SETTINGS: &str = "[hashing]\nmemory_kib = 64\niterations = 1\n[jwt]\nenabled = true\naudiences = [\"wiki\"]\n";

pub(crate) fn figures() -> Vec<Figure> {
    let daemon = Daemon::start(SETTINGS);
    let desk = Desk::new(&daemon);
    let sessions = desk.sessions();
    let asks = |make: &dyn Fn(&str) -> Vec<u8>| sessions.iter().map(|token| make(token)).collect::<Vec<_>>();
    let introspect = asks(&|token| desk.introspection(token));
    let forward = asks(&forward_auth);
    let bare = Bare::start();
    let plain = vec![request("GET", "/", "", "")];
    let (mut by_introspection, mut by_proxy, mut by_bare) = (Cost::default(), Cost::default(), Cost::default());
    for _ in 0..ROUNDS {
        by_bare.add(run(&bare.address, &plain, || cpu_of(bare.child.id())));
        by_introspection.add(run(&daemon.address, &introspect, || daemon.cpu()));
        by_proxy.add(run(&daemon.address, &forward, || daemon.cpu()));
    }
    let mut figures = Vec::new();
    for (what, ours) in [("introspection", &by_introspection), ("forward-auth", &by_proxy)] {
        let (own, other) = (ours.micros(), by_bare.micros());
        figures.push(Figure {
            what: format!("a session checked by {what}: processor time of the server"),
            ours: format!("{own:.1} µs"),
            other: format!("{other:.1} µs bare axum, one sled read"),
            ratio: own / other,
            goal: "under 25 µs".to_owned(),
            met: own < 25.0,
        });
        let (own, other) = (ours.rate(), by_bare.rate());
        figures.push(Figure {
            what: format!("sessions checked by {what}, the client on the same cores"),
            ours: format!("{own:.0}/s"),
            other: format!("{other:.0}/s bare axum, one sled read"),
            ratio: own / other,
            goal: "at least 25,000/s".to_owned(),
            met: own >= 25_000.0,
        });
    }
    figures.extend(desk.refusals());
    figures
}

#[derive(Default)]
struct Cost {
    requests: usize,
    took: Duration,
    cpu: Duration,
}

impl Cost {
    fn add(&mut self, other: Cost) {
        self.requests += other.requests;
        self.took += other.took;
        self.cpu += other.cpu;
    }

    fn micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests as f64
    }

    fn rate(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }
}

/// Sends the requests in turns for one round. One thread: what it writes on all connections is then read from all.
fn run(address: &str, requests: &[Vec<u8>], cpu: impl Fn() -> Duration) -> Cost {
    let connect = |_| {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    };
    let mut streams: Vec<TcpStream> = (0..CONNECTIONS).map(connect).collect();
    let mut buffer = vec![0; 16 << 10];
    let mut next = requests.iter().cycle();
    let (before, start, mut count) = (cpu(), Instant::now(), 0);
    while start.elapsed() < ROUND {
        for stream in &mut streams {
            stream.write_all(next.next().unwrap()).unwrap();
        }
        for stream in &mut streams {
            let length = stream.read(&mut buffer).unwrap();
            assert!(buffer[..length].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..length]));
        }
        count += CONNECTIONS;
    }
    Cost { requests: count, took: start.elapsed(), cpu: cpu() - before }
}

/// Asks as nginx does.
fn forward_auth(token: &str) -> Vec<u8> {
    format!(
        "GET /api/v1/forward-auth HTTP/1.1\r\nhost: bench\r\ncookie: __Host-musterd={token}\r\n\
         x-original-url: https://app.example.org/page\r\nx-original-method: GET\r\nx-forwarded-for: 192.0.2.1\r\n\r\n"
    )
    .into_bytes()
}

struct Desk<'a> {
    daemon: &'a Daemon,
    admin: String,
    application: String,
}

impl<'a> Desk<'a> {
    fn new(daemon: &'a Daemon) -> Self {
        let token =
            |scope: &str| daemon.musterd(&["token", "create", "--scope", scope])["token"].as_str().unwrap().to_owned();
        Self { daemon, admin: token("admin"), application: token("login.introspect") }
    }

    fn call(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = Client::connect(&self.daemon.address).send(&request(method, path, token, &body));
        (status, serde_json::from_slice(&answer).unwrap_or_default())
    }

    /// A user who is in a group, and the token of a session.
    fn session(&self, name: &str) -> String {
        let user = json!({
            "username": name, "name": "Somebody", "email": format!("{name}@example.org"), "password": PASSWORD,
            "groups": ["staff"],
        });
        let (status, answer) = self.call("POST", "/api/v1/users", &self.admin, &user);
        assert_eq!(status, 201, "{answer}");
        let (_, answer) =
            self.call("POST", "/api/v1/authenticate", "", &json!({"username": name, "password": PASSWORD}));
        answer["session"]["token"].as_str().unwrap().to_owned()
    }

    fn sessions(&self) -> Vec<String> {
        let (status, _) = self.call("POST", "/api/v1/groups", &self.admin, &json!({"name": "staff"}));
        assert_eq!(status, 201);
        (0..SESSIONS).map(|n| self.session(&format!("user{n}"))).collect()
    }

    fn introspection(&self, token: &str) -> Vec<u8> {
        let body = format!("token={token}");
        format!(
            "POST /api/v1/introspect HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\ncontent-type: \
             application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            self.application,
            body.len()
        )
        .into_bytes()
    }

    /// From the request that disables somebody to the first refusal, for each kind of bearer; the slowest of each.
    fn refusals(&self) -> Vec<Figure> {
        let kinds = ["session", "introspection", "forward-auth", "API token", "signed token, introspected"];
        let mut slowest = vec![Duration::ZERO; kinds.len()];
        for turn in 0..10 {
            for (n, kind) in kinds.iter().enumerate() {
                let name = format!("out{turn}-{n}");
                let session = self.session(&name);
                let ask = self.bearer(kind, &name, &session);
                slowest[n] = slowest[n].max(self.refused_after(&name, &ask));
            }
        }
        let figure = |(kind, slowest): (&str, Duration)| Figure {
            what: format!("from disabling somebody to the first refusal: {kind}, slowest of 10"),
            ours: format!("{:.1} ms", slowest.as_secs_f64() * 1e3),
            other: "the disabling itself is in it".to_owned(),
            ratio: slowest.as_secs_f64(),
            goal: "under 1 s".to_owned(),
            met: slowest < Duration::from_secs(1),
        };
        kinds.into_iter().zip(slowest).map(figure).collect()
    }

    fn bearer(&self, kind: &str, name: &str, session: &str) -> Vec<u8> {
        match kind {
            "session" => request("GET", "/api/v1/session", session, ""),
            "introspection" => self.introspection(session),
            "forward-auth" => forward_auth(session),
            "API token" => {
                let path = format!("/api/v1/users/{name}");
                self.call("PATCH", &path, &self.admin, &json!({"roles": ["system-admin"]}));
                let wish = json!({"name": "mine", "scopes": ["users.view"]});
                let (_, made) = self.call("POST", "/api/v1/tokens", session, &wish);
                request("GET", "/api/v1/users?limit=1", made["token"].as_str().unwrap(), "")
            }
            _ => {
                let wish = json!({"audience": "wiki"});
                let (_, signed) = self.call("POST", "/api/v1/session/token", session, &wish);
                self.introspection(signed["access_token"].as_str().unwrap())
            }
        }
    }

    fn refused_after(&self, name: &str, ask: &[u8]) -> Duration {
        let mut client = Client::connect(&self.daemon.address);
        let mut is_in = || {
            let (status, body) = client.send(ask);
            status == 200 && !body.starts_with(b"{\"active\":false")
        };
        assert!(is_in(), "{name} is in");
        let disable = request("POST", &format!("/api/v1/users/{name}/disable"), &self.admin, "{}");
        let mut other = Client::connect(&self.daemon.address);
        let start = Instant::now();
        assert_eq!(other.send(&disable).0, 200);
        while is_in() {
            assert!(start.elapsed() < Duration::from_secs(10));
        }
        start.elapsed()
    }
}

/// The bare server as a process of its own: its processor time is nobody else's.
struct Bare {
    child: Child,
    address: String,
}

impl Bare {
    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg(BARE).stdout(Stdio::piped()).stdin(Stdio::piped()).spawn().unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut address = String::new();
        std::io::BufRead::read_line(&mut lines, &mut address).unwrap();
        Self { child, address: address.trim().to_owned() }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Is this program the bare server? Then it serves until it is killed, or whoever started it is gone.
pub(crate) fn is_bare_server() -> bool {
    if !std::env::args().any(|argument| argument == BARE) {
        return false;
    }
    let folder = tempfile::tempdir().unwrap();
    let db = sled::open(folder.path()).unwrap();
    let record = json!({"user": "ada", "email": "ada@example.org", "expires_at": "2027-01-01T00:00:00Z"}).to_string();
    db.insert("session", record.as_bytes()).unwrap();
    std::thread::spawn(|| {
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        std::process::exit(0);
    });
    let read = move || {
        let db = db.clone();
        async move { axum::Json(serde_json::from_slice::<Value>(&db.get("session").unwrap().unwrap()).unwrap()) }
    };
    let router = axum::Router::new().route("/", axum::routing::get(read));
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        axum::serve(listener, router).await.unwrap();
    });
    true
}
