//! The real daemon on a free port in a temporary folder: real store, real HTTP, real admin socket; only the
//! clock is the test's. Hashing is cheap, so that tests measure nothing but behaviour.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use musterd::app::Daemon;
use musterd::base::clock::{Clock, Stopwatch};
use musterd::base::rng::Rng;
use musterd::config;
use musterd::http::state::Inside;
use musterd::store::engine::EngineError;
use musterd::store::{Store, StoreError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Where every test's time begins.
pub(crate) const START: &str = "2026-11-23T12:00:00Z";

/// A running daemon. It drains and ends when dropped.
pub(crate) struct TestDaemon {
    folder: tempfile::TempDir,
    pub(crate) base: String,
    pub(crate) clock: Clock,
    pub(crate) inside: Arc<Inside>,
    pub(crate) first_link: Option<String>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// An answer of the daemon.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) json: Value,
    pub(crate) headers: ureq::http::HeaderMap,
    /// What came, where it is no JSON.
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// The stable code of a problem document.
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// The text of a member.
    pub(crate) fn text(&self, pointer: &str) -> String {
        self.json
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{pointer} in {:?}", self.json))
            .to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// Somebody who calls the daemon, with a token or without.
pub(crate) struct Caller {
    base: String,
    token: Option<String>,
}

impl TestDaemon {
    /// Starts a daemon with these settings besides the harness's own.
    pub(crate) fn start(settings: &str) -> Self {
        Self::start_with_server("", settings)
    }

    /// The same, with more keys of the section `[server]`.
    pub(crate) fn start_with_server(server: &str, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("musterd.toml"), configuration(folder.path(), server, settings)).unwrap();
        Self::start_in(folder, Clock::manual(START.parse::<Timestamp>().unwrap()))
    }

    /// Starts a daemon that people reach by a name, as browsers want it for passkeys.
    pub(crate) fn start_at_localhost(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = quiet_port();
        let named = format!("127.0.0.1:{port}\"\npublic_url = \"http://localhost:{port}\"");
        let text = configuration(folder.path(), "", settings).replacen("127.0.0.1:0\"", &named, 1);
        std::fs::write(folder.path().join("musterd.toml"), text).unwrap();
        Self::start_in(folder, Clock::manual(START.parse::<Timestamp>().unwrap()))
    }

    /// Starts a daemon on a data folder that is there, with settings in a folder of its own.
    pub(crate) fn start_on(data: &Path, clock: Clock) -> Self {
        Self::start_on_with(data, clock, "")
    }

    /// The same, with these settings besides the harness's own.
    pub(crate) fn start_on_with(data: &Path, clock: Clock, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(data, folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("musterd.toml"), configuration(folder.path(), "", settings)).unwrap();
        Self::start_in(folder, clock)
    }

    fn start_in(folder: tempfile::TempDir, clock: Clock) -> Self {
        let loaded = config::load(Some(&folder.path().join("musterd.toml")), std::iter::empty(), clock.now());
        let loaded = loaded.unwrap_or_else(|faults| panic!("{faults}"));
        let store = opened(&loaded.settings.store, &clock);
        let stop = CancellationToken::new();
        let (tell, told) = std::sync::mpsc::channel();
        let stopper = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let daemon = Daemon::build(loaded, store).await.unwrap();
                let link = daemon.first_link.as_ref().map(|link| link.expose().to_owned());
                tell.send((daemon.inside.clone(), link)).unwrap();
                daemon.run(stopper).await.unwrap();
            });
        });
        let (inside, first_link) = told.recv_timeout(Duration::from_secs(60)).expect("the daemon starts");
        let base = format!("http://{}", inside.settings.listen);
        Self { folder, base, clock, inside, first_link, stop, thread: Some(thread) }
    }

    /// Stops the daemon and starts another on the same folder.
    pub(crate) fn restart(mut self) -> Self {
        self.end();
        let clock = self.clock.clone();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        drop(self);
        Self::start_in(folder, clock)
    }

    fn end(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the daemon ends in order");
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn anonymous(&self) -> Caller {
        Caller::new(self.base.clone(), None)
    }

    pub(crate) fn with_token(&self, token: &str) -> Caller {
        Caller::new(self.base.clone(), Some(token))
    }

    /// A caller who may do everything, by a token that the command made.
    pub(crate) fn admin(&self) -> Caller {
        self.with_token(&self.token(&["--scope", "admin"]))
    }

    /// A token that the command made.
    pub(crate) fn token(&self, arguments: &[&str]) -> String {
        let arguments = [&["token", "create", "--json"], arguments].concat();
        let made: Value = serde_json::from_slice(&self.musterd(&arguments).stdout).unwrap();
        made["token"].as_str().unwrap().to_owned()
    }

    /// Runs the command with the daemon's settings.
    pub(crate) fn musterd(&self, arguments: &[&str]) -> Output {
        self.musterd_with_input(arguments, "")
    }

    pub(crate) fn musterd_with_input(&self, arguments: &[&str], input: &str) -> Output {
        use std::io::Write as _;
        let mut child = Command::new(binary())
            .arg("--config")
            .arg(self.folder().join("musterd.toml"))
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Moves the daemon's time.
    pub(crate) fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    /// A local user with a password.
    pub(crate) fn local_user(&self, username: &str, password: &str) -> Answer {
        let wish = json!({
            "username": username, "name": format!("{username} the tester"),
            "email": format!("{username}@example.org"), "password": password, "must_change_password": false,
        });
        let made = self.admin().post("/api/v1/users", &wish);
        assert_eq!(made.status, 201, "{made:?}");
        made
    }

    pub(crate) fn login(&self, username: &str, password: &str) -> Answer {
        self.anonymous().post("/api/v1/authenticate", &json!({"username": username, "password": password}))
    }

    /// The token of a login that succeeds.
    pub(crate) fn session(&self, username: &str, password: &str) -> String {
        let answer = self.login(username, password);
        assert_eq!(answer.json["status"], "authenticated", "{answer:?}");
        answer.text("/session/token")
    }

    /// Does this session open anything?
    pub(crate) fn is_in(&self, session: &str) -> bool {
        self.with_token(session).get("/api/v1/session").status == 200
    }
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
        self.stop.cancel();
    }
}

impl Caller {
    pub(crate) fn new(base: String, token: Option<&str>) -> Self {
        Self { base, token: token.map(str::to_owned) }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None, &[])
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body.to_string()), &[])
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call("PATCH", path, Some(body.to_string()), &[])
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None, &[])
    }

    /// Sends a request as it is told.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<String>, headers: &[(&str, &str)]) -> Answer {
        self.try_call(method, path, body, headers).unwrap()
    }

    /// The same, where the daemon may go away before it answers.
    pub(crate) fn try_call(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.unwrap_or_default()).unwrap();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        let mut response = ureq::Agent::new_with_config(agent).run(request)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let bytes = response.body_mut().with_config().limit(64 << 20).read_to_vec()?;
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let json = serde_json::from_slice(&bytes).ok();
        let (json, bytes) = json.map_or_else(|| (text(), bytes.clone()), |json| (json, Vec::new()));
        Ok(Answer { status, json, headers, bytes })
    }
}

/// The command that was built with the tests.
pub(crate) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_musterd"))
}

/// A free port below those that the system gives out by itself, another one each time: no other test takes it by
/// chance.
fn quiet_port() -> u16 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(17) % 10_000;
    let mut ports = std::iter::repeat_with(|| {
        let step = ASKED.fetch_add(1, Ordering::Relaxed) % 10_000;
        u16::try_from(20_000 + (first + step) % 10_000).unwrap()
    });
    ports.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a port is free")
}

/// Opens the store. A program that another test starts has copies of this process's descriptors until it is executed,
/// and so for a moment the lock of a daemon that has ended: that moment is waited for.
fn opened(settings: &musterd::store::Settings, clock: &Clock) -> Store {
    let since = Stopwatch::start();
    loop {
        match Store::open(settings, clock.clone(), Rng::system()) {
            Err(StoreError::Engine(EngineError::Held(_))) if since.elapsed_ms() < 5_000 => {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => return opened.unwrap(),
        }
    }
}

fn configuration(folder: &Path, server: &str, settings: &str) -> String {
    let folder = folder.display();
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_socket = \"{folder}/admin.sock\"\n{server}\
         [store]\nfolder = \"{folder}/data\"\ncache = \"16MiB\"\n\
         [hashing]\nmemory_kib = 64\niterations = 1\n{settings}\n"
    )
}
