//! Many tries at a time: one code is accepted once, and five wrong passwords are checked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use super::{PASSWORD, add_users, at_once, login};
use crate::Figure;
use crate::client::{Client, request};
use crate::daemon::Daemon;

const CODES: usize = 50;
const PASSWORDS: usize = 200;
const STEP: u64 = 30;

pub(super) fn figures() -> [Figure; 2] {
    [codes(), passwords()]
}

fn row(what: String, checked: usize, of: usize, wanted: usize) -> Figure {
    Figure {
        what,
        ours: format!("{checked}"),
        other: format!("{of} at a time"),
        ratio: checked as f64 / wanted as f64,
        goal: format!("exactly {wanted}"),
        met: checked == wanted,
    }
}

fn passwords() -> Figure {
    let daemon = Daemon::start("[lockout]\nnetwork_attempts = 1000000\n");
    add_users(&daemon, 1);
    let statuses = at_once(&daemon, &vec![login("user0", "a wrong password"); PASSWORDS]);
    let checked = statuses.iter().filter(|status| **status == 401).count();
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
    row("wrong passwords of one user that are checked, at a limit of five".to_owned(), checked, PASSWORDS, 5)
}

fn codes() -> Figure {
    let daemon = Daemon::start("[lockout]\ncode_attempts = 100\nnetwork_attempts = 1000000\n");
    add_users(&daemon, 1);
    // A connection each: the daemon closes one that waits for a step.
    let send = |request: Vec<u8>| -> Value {
        let (status, body) = Client::connect(&daemon.address).send(&request);
        assert!(status < 300, "{status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap_or_default()
    };
    let session = send(login("user0", PASSWORD))["session"]["token"].as_str().unwrap().to_owned();
    let enrolment =
        send(request("POST", "/api/v1/me/factors", &session, &json!({"current_password": PASSWORD}).to_string()));
    let (id, secret) = (enrolment["id"].as_str().unwrap(), enrolment["secret"].as_str().unwrap());
    let confirm = json!({"code": code(secret)}).to_string();
    send(request("POST", &format!("/api/v1/me/factors/{id}/confirm"), &session, &confirm));
    // A step that was accepted is never accepted again: the next one is needed, and all of it.
    let into = now().as_millis() as u64 % (STEP * 1_000);
    std::thread::sleep(Duration::from_millis(STEP * 1_000 - into));
    let transactions: Vec<_> =
        (0..CODES).map(|_| send(login("user0", PASSWORD))["transaction"].as_str().unwrap().to_owned()).collect();
    let body = json!({"code": code(secret)}).to_string();
    let tries: Vec<_> = transactions
        .iter()
        .map(|transaction| request("POST", &format!("/api/v1/authenticate/{transaction}/verify"), "", &body))
        .collect();
    let accepted = at_once(&daemon, &tries).into_iter().filter(|status| *status == 200).count();
    row("submissions of one TOTP code, in logins of their own, that are accepted".to_owned(), accepted, CODES, 1)
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn code(secret: &str) -> String {
    let bytes = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let totp = Builder::new().with_secret(Secret::from(bytes)).with_account_name("x").build().unwrap();
    totp.generate(now().as_secs()).to_string()
}
