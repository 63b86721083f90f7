//! Logins of musterd's own users while the first source in order hangs: a server that takes connections and never says a
//! word.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Figure;
use crate::client::{Client, request};
use crate::daemon::Daemon;
use crate::store::{ms, percentile};

const ROUNDS: usize = 4;
const LOGINS: usize = 150;
const PASSWORD: &str = "correct horse battery";

pub(super) fn figure() -> Figure {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let hanging = format!(
        "[[sources]]\nid = \"corp\"\nkind = \"ldap\"\nurls = [\"ldap://127.0.0.1:{}\"]\nbase_dn = \"dc=x\"\n\
         schedule = \"off\"\n[[sources]]\nid = \"local\"\nkind = \"local\"\n",
        silent.local_addr().unwrap().port()
    );
    let _kept = std::thread::spawn(move || silent.incoming().collect::<Vec<_>>());
    let (normal, troubled) = (Daemon::start(""), Daemon::start(&hanging));
    [&normal, &troubled].into_iter().for_each(add_user);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.extend(logins(&normal));
        beside.extend(while_it_hangs(&troubled));
    }
    let (alone, beside) = (ms(percentile(&mut alone, 0.99)), ms(percentile(&mut beside, 0.99)));
    Figure {
        what: "local login, p99, while the first source in order hangs and others wait for it".to_owned(),
        ours: format!("{beside:.1} ms"),
        other: format!("{alone:.1} ms without that source"),
        ratio: beside / alone,
        goal: "within 20 ms".to_owned(),
        met: beside - alone < 20.0,
    }
}

fn add_user(daemon: &Daemon) {
    let token = daemon.musterd(&["token", "create", "--scope", "admin"])["token"].as_str().unwrap().to_owned();
    let body = json!({"username": "ada", "name": "Ada", "email": "ada@example.org", "password": PASSWORD}).to_string();
    let (status, _) = Client::connect(&daemon.address).send(&request("POST", "/api/v1/users", &token, &body));
    assert_eq!(status, 201);
}

/// One login after the other; the time of each.
fn logins(daemon: &Daemon) -> Vec<Duration> {
    let login =
        request("POST", "/api/v1/authenticate", "", &json!({"username": "ada", "password": PASSWORD}).to_string());
    let mut client = Client::connect(&daemon.address);
    let timed = |_| {
        let start = Instant::now();
        let (status, answer) = client.send(&login);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        start.elapsed()
    };
    (0..LOGINS).map(timed).collect()
}

/// The same, while somebody whom the directory does not know is asked about at the source.
fn while_it_hangs(daemon: &Daemon) -> Vec<Duration> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let stranger = json!({"username": "stranger", "password": PASSWORD}).to_string();
            let login = request("POST", "/api/v1/authenticate", "", &stranger);
            while !done.load(Ordering::Relaxed) {
                assert_ne!(Client::connect(&daemon.address).send(&login).0, 200);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let times = logins(daemon);
        done.store(true, Ordering::Relaxed);
        times
    })
}
