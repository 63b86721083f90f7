//! A real browser (Chromium) with virtual authenticators, told what to do by its DevTools protocol over a pipe: it
//! opens a page of the daemon and makes and uses passkeys there as a person's would. Ends when dropped.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use musterd::base::clock::Stopwatch;
use serde_json::{Value, json};

/// How long the browser may take for one thing.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take to end before it is killed.
const FAREWELL: Duration = Duration::from_secs(5);

const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--remote-debugging-pipe",
];

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    orders: ChildStdin,
    messages: Receiver<Value>,
    events: VecDeque<Value>,
    count: u64,
    page: String,
    /// Dropped last: the browser writes there until it ends.
    _profile: tempfile::TempDir,
}

/// How an authenticator of the browser is reached, and how well it knows its user.
#[derive(Clone, Copy)]
pub(crate) struct Device {
    pub(crate) transport: &'static str,
    pub(crate) verifies: bool,
}

/// Part of the machine, as fingerprint or face readers are.
pub(crate) const BUILT_IN: Device = Device { transport: "internal", verifies: true };
/// A key that is plugged in.
pub(crate) const PLUGGED_IN: Device = Device { transport: "usb", verifies: true };
/// A key that was never told a PIN.
pub(crate) const WITHOUT_PIN: Device = Device { transport: "usb", verifies: false };

impl Browser {
    /// Starts it with a page.
    pub(crate) fn open(url: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The browser reads orders from descriptor 3 and answers on 4.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null"#, "sh", "chromium"])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let (send, messages) = mpsc::channel();
        let answers = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let messages = answers.split(0).map_while(Result::ok);
            messages.map(|message| serde_json::from_slice(&message).unwrap()).all(|message| send.send(message).is_ok())
        });
        let (events, page) = (VecDeque::new(), String::new());
        let mut browser = Self { child, orders, messages, events, count: 0, page, _profile: profile };
        let target = browser.order("Target.createTarget", json!({"url": "about:blank"}));
        let attached = browser.order("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        browser.page = attached["sessionId"].as_str().unwrap().to_owned();
        browser.order("Page.enable", json!({}));
        browser.order("WebAuthn.enable", json!({"enableUI": false}));
        browser.go(url);
        browser
    }

    /// Goes to another page.
    pub(crate) fn go(&mut self, url: &str) {
        self.events.clear();
        let gone = self.order("Page.navigate", json!({"url": url}));
        assert!(gone.get("errorText").is_none(), "{url}: {gone}");
        self.wait_for("Page.loadEventFired");
    }

    /// Gives it another authenticator, and its name.
    pub(crate) fn add(&mut self, device: Device) -> String {
        let options = json!({
            "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": device.transport,
            "hasResidentKey": true, "hasUserVerification": device.verifies, "isUserVerified": device.verifies,
            "automaticPresenceSimulation": true,
        });
        let added = self.order("WebAuthn.addVirtualAuthenticator", json!({"options": options}));
        added["authenticatorId"].as_str().unwrap().to_owned()
    }

    /// Takes an authenticator away with its passkeys.
    pub(crate) fn remove(&mut self, authenticator: &str) {
        self.order("WebAuthn.removeVirtualAuthenticator", json!({"authenticatorId": authenticator}));
    }

    /// The passkeys of an authenticator, with their private keys.
    pub(crate) fn passkeys(&mut self, authenticator: &str) -> Vec<Value> {
        let mut found = self.order("WebAuthn.getCredentials", json!({"authenticatorId": authenticator}));
        serde_json::from_value(found["credentials"].take()).unwrap()
    }

    /// Puts a passkey into an authenticator, as a copy would.
    pub(crate) fn put(&mut self, authenticator: &str, passkey: &Value) {
        let put = json!({"authenticatorId": authenticator, "credential": passkey});
        self.order("WebAuthn.addCredential", put);
    }

    /// Makes a passkey: what the browser answers, or why it does not.
    pub(crate) fn create(&mut self, options: &Value) -> Result<Value, String> {
        self.ask("create", "parseCreationOptionsFromJSON", options)
    }

    /// Uses a passkey: what the browser answers, or why it does not.
    pub(crate) fn get(&mut self, options: &Value) -> Result<Value, String> {
        self.ask("get", "parseRequestOptionsFromJSON", options)
    }

    fn ask(&mut self, what: &str, parse: &str, options: &Value) -> Result<Value, String> {
        self.run(&format!(
            "navigator.credentials.{what}({{publicKey: PublicKeyCredential.{parse}({options})}})\
             .then(credential => credential.toJSON())"
        ))
    }

    /// Runs a script in the page: the value that it comes to, or its error.
    pub(crate) fn run(&mut self, script: &str) -> Result<Value, String> {
        let order = json!({
            "expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let mut done = self.order("Runtime.evaluate", order);
        match done.pointer("/exceptionDetails/exception/description") {
            Some(error) => Err(error.as_str().unwrap_or_default().to_owned()),
            None => Ok(done["result"]["value"].take()),
        }
    }

    fn order(&mut self, method: &str, parameters: Value) -> Value {
        self.count += 1;
        let mut order = json!({"id": self.count, "method": method, "params": parameters});
        if !self.page.is_empty() {
            order["sessionId"] = self.page.as_str().into();
        }
        let sent = self.orders.write_all(format!("{order}\0").as_bytes());
        assert!(sent.is_ok(), "chromium ended; tests/run installs it");
        let id = self.count;
        let mut answer = self.next(|message| message["id"] == id);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    fn wait_for(&mut self, event: &str) {
        if !self.events.iter().any(|message| message["method"] == event) {
            self.next(|message| message["method"] == event);
        }
    }

    fn next(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.messages.recv_timeout(PATIENCE).expect("chromium answers; tests/run installs it");
            if wanted(&message) {
                return message;
            }
            self.events.push_back(message);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // So that its own processes end in order too.
        let _ = self.orders.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let begun = Stopwatch::start();
        while self.messages.recv_timeout(FAREWELL.saturating_sub(begun.elapsed())).is_ok() {}
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
