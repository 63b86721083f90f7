//! A provider of faces inside the test: HTTPS on 127.0.0.1 as `docs/face-provider.md` has it, or as no honest one does.
//! What it signs, openssl signs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use musterd::base::clock::Clock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::certificates::file;
use super::fake_scim::{Asked, next_request};

/// What the provider lets in by.
pub(crate) const TOKEN: &str = "token-of-the-provider";

/// What it does when it is asked.
#[derive(Clone)]
pub(crate) enum Does {
    /// What it should: opens a verification, or signs that the right living person was there.
    Right,
    /// Signs claims that were changed.
    Signs(fn(&mut Value)),
    /// Signs the right claims with another key.
    SignsFalsely,
    /// Gives the last good result that it gave.
    Replays,
    /// Answers this status and content type, with this body.
    Answers(u16, &'static str, String),
    /// Says nothing for longer than anybody waits.
    Hangs,
    /// Sends a body that has no end.
    NeverEnds,
}

/// A running provider; takes no more connections when dropped.
pub(crate) struct FaceProvider {
    pub(crate) url: String,
    keys: tempfile::TempDir,
    shared: Arc<Shared>,
}

struct Shared {
    keys: PathBuf,
    clock: Mutex<Option<Clock>>,
    /// At a new verification, and when its result is asked for.
    does: Mutex<(Does, Does)>,
    asked: Mutex<Vec<Asked>>,
    /// Every verification that was opened.
    questions: Mutex<Vec<Value>>,
    last: Mutex<String>,
    ended: Mutex<bool>,
}

impl FaceProvider {
    pub(crate) fn start() -> Self {
        Self::start_with("server")
    }

    /// With this certificate of [`super::certificates`].
    pub(crate) fn start_with(certificate: &str) -> Self {
        let keys = tempfile::tempdir().unwrap();
        for name in ["own", "other"] {
            let path = |end: &str| keys.path().join(format!("{name}.{end}")).display().to_string();
            openssl(&["genpkey", "-algorithm", "ed25519", "-out", &path("key")]);
            openssl(&["pkey", "-in", &path("key"), "-pubout", "-out", &path("pem")]);
        }
        let config = tls(certificate);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("https://{}/v1", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            keys: keys.path().to_owned(),
            clock: Mutex::default(),
            does: Mutex::new((Does::Right, Does::Right)),
            asked: Mutex::default(),
            questions: Mutex::default(),
            last: Mutex::default(),
            ended: Mutex::default(),
        });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if *of_thread.ended.lock().unwrap() {
                    return;
                }
                let (shared, config) = (Arc::clone(&of_thread), Arc::clone(&config));
                std::thread::spawn(move || serve(stream, config, &shared));
            }
        });
        Self { url, keys, shared }
    }

    /// The daemon's settings for it, besides `[mfa]`.
    pub(crate) fn settings(&self) -> String {
        let (key, ca) = (self.keys.path().join("own.pem"), file("ca.pem"));
        format!(
            "[face]\nurl = \"{}\"\ntoken = \"{TOKEN}\"\nca_file = {ca:?}\npublic_key_file = {key:?}\ntimeout = \"1s\"\n\
             beside_password = true\n",
            self.url
        )
    }

    /// Tells the time of this clock from now on.
    pub(crate) fn follow(&self, clock: &Clock) {
        *self.shared.clock.lock().unwrap() = Some(clock.clone());
    }

    /// What it does at a new verification from now on.
    pub(crate) fn opens(&self, does: Does) {
        self.shared.does.lock().unwrap().0 = does;
    }

    /// What it does from now on when a result is asked for.
    pub(crate) fn finds(&self, does: Does) {
        self.shared.does.lock().unwrap().1 = does;
    }

    /// Everything that was asked so far, or since this was called the last time.
    pub(crate) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }
}

impl Drop for FaceProvider {
    fn drop(&mut self) {
        *self.shared.ended.lock().unwrap() = true;
        // Wakes up whoever waits for a connection.
        drop(TcpStream::connect(self.url.trim_start_matches("https://").trim_end_matches("/v1")));
    }
}

impl Shared {
    /// The claims of a good result for the question with this nonce.
    fn claims(&self, nonce: &str) -> Value {
        let questions = self.questions.lock().unwrap();
        let question = questions.iter().find(|body| body["nonce"] == nonce).expect("a question of this nonce");
        let now = self.clock.lock().unwrap().as_ref().expect("a clock to follow").now().as_second();
        json!({
            "nonce": nonce, "subject": question["subject"], "purpose": question["purpose"],
            "decision": "match", "match_score": 0.9, "liveness": {"passed": true, "method": "active"},
            "iat": now, "exp": now + 60,
        })
    }

    /// A compact JWS, signed by openssl.
    fn sign(&self, key: &str, claims: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(&json!({"alg": "EdDSA", "typ": "face-result+jwt"})), part(claims));
        let message = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(message.path(), &signed).unwrap();
        let (key, message) = (self.keys.join(format!("{key}.key")), message.path().display().to_string());
        let signature = openssl(&["pkeyutl", "-sign", "-rawin", "-inkey", path(&key), "-in", &message]);
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    fn result(&self, nonce: &str, does: &Does) -> String {
        let mut claims = self.claims(nonce);
        match does {
            Does::Signs(change) => change(&mut claims),
            Does::Replays => return self.last.lock().unwrap().clone(),
            _ => {}
        }
        let key = if matches!(does, Does::SignsFalsely) { "other" } else { "own" };
        let result = self.sign(key, &claims);
        if matches!(does, Does::Right) {
            self.last.lock().unwrap().clone_from(&result);
        }
        result
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn tls(certificate: &str) -> Arc<ServerConfig> {
    let chain =
        CertificateDer::pem_file_iter(file(&format!("{certificate}.pem"))).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, shared: &Shared) {
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let mut buffer = Vec::new();
    while let Some(asked) = next_request(&mut stream, &mut buffer) {
        shared.asked.lock().unwrap().push(asked.clone());
        if answer(&mut stream, shared, &asked).is_err() {
            return;
        }
    }
}

fn answer(stream: &mut (impl Read + Write), shared: &Shared, asked: &Asked) -> std::io::Result<()> {
    if asked.authorization != format!("Bearer {TOKEN}") {
        return write(stream, 401, "text/plain", "no");
    }
    let (opens, finds) = shared.does.lock().unwrap().clone();
    let does = if asked.method == "GET" { finds } else { opens };
    match (&does, asked.method.as_str(), asked.target.rsplit_once('/').unwrap()) {
        (Does::Answers(status, kind, body), ..) => write(stream, *status, kind, body),
        (Does::Hangs, ..) => {
            std::thread::sleep(Duration::from_secs(8));
            Err(std::io::ErrorKind::TimedOut.into())
        }
        (Does::NeverEnds, ..) => {
            write!(stream, "HTTP/1.1 200 x\r\ncontent-type: application/jwt\r\ncontent-length: 1073741824\r\n\r\n")?;
            loop {
                stream.write_all(&[b'A'; 16 * 1024])?;
            }
        }
        (_, "POST", _) => {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            let nonce = body["nonce"].as_str().unwrap().to_owned();
            let page = json!({"capture_url": format!("https://faces.example.org/c/{nonce}"), "more": 1});
            shared.questions.lock().unwrap().push(body);
            write(stream, 201, "application/json", &page.to_string())
        }
        (_, "DELETE", _) => write(stream, 204, "text/plain", ""),
        (_, _, (_, nonce)) => write(stream, 200, "application/jwt", &shared.result(nonce, &does)),
    }
}

fn write(stream: &mut impl Write, status: u16, kind: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let location = if (300..400).contains(&status) { "location: https://127.0.0.1:1/elsewhere\r\n" } else { "" };
    let head = format!("HTTP/1.1 {status} x\r\n{location}content-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes())?;
    stream.flush()
}
