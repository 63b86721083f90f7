//! A daemon that is killed while it delivers: every line of the trail arrives, and what arrives twice is the same.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{SECRET, number, ok};
use crate::harness::certificates::file;
use crate::harness::dice::Dice;
use crate::harness::process::Place;
use crate::harness::web_server::{Does, WebServer};

const SETTINGS: &str = "[store]\ncache = \"16MiB\"\n[hashing]\nmemory_kib = 64\niterations = 1\n";

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_lost_over_kills_and_what_comes_twice_has_the_same_id() {
    let server = WebServer::start(Some("server"), ok()).await;
    let webhook = format!(
        "[[webhooks]]\nname = \"portal\"\nurl = \"https://{}/hooks\"\nsecret = \"{SECRET}\"\nevents = [\"*\"]\n\
         ca_file = \"{}\"\n",
        server.authority,
        file("ca.pem").display()
    );
    tokio::task::spawn_blocking(move || run(&server, &format!("{SETTINGS}{webhook}"))).await.unwrap();
}

fn run(server: &WebServer, settings: &str) {
    let (folder, dice) = (tempfile::tempdir().unwrap(), Dice::new(17));
    let place = Place::new(folder.path()).with_settings(settings);
    let mut daemon = place.start();
    let token = place.token(&["--scope", "admin"]);
    let first = daemon.with_token(&token).get("/api/v1/webhooks").json["items"][0]["position"].as_u64().unwrap();
    let kills = crate::store::times(4);
    for kill in 0..kills {
        let admin = daemon.with_token(&token);
        // Now and then the endpoint is down, too.
        server.turns_to(if kill % 4 == 1 { Does::Drops } else { ok() });
        for number in 0..40 {
            let name = format!("user{kill}x{number}");
            let wish = json!({"username": name, "name": name, "email": format!("{name}@example.org")});
            assert_eq!(admin.post("/api/v1/users", &wish).status, 201);
        }
        std::thread::sleep(dice.milliseconds(0..2_500));
        daemon.kill();
        daemon = place.start();
    }
    server.turns_to(ok());
    let admin = daemon.with_token(&token);
    // An endpoint that was down waits for its next turn; a trial that is taken ends that.
    assert_eq!(admin.post("/api/v1/webhooks/portal/test", &json!({})).json["accepted"], true);
    let last = || admin.get("/api/v1/webhooks").json["trail"].as_u64().unwrap();
    let mut arrived: BTreeMap<u64, (String, String)> = BTreeMap::new();
    let (mut seen, mut doubles) = (0, 0);
    crate::notify::wait_for(|| {
        for asked in server.asked().split_off(seen) {
            seen += 1;
            let event = (asked.header("webhook-id"), asked.body.clone());
            if let Some(before) = arrived.insert(number(&asked), event.clone()) {
                assert_eq!(before, event, "what comes twice is the same");
                doubles += 1;
            }
        }
        arrived.contains_key(&last()).then_some(())
    });
    arrived.remove(&0);
    let trail: Vec<u64> = (first + 1..=last()).collect();
    let came: Vec<u64> = arrived.into_keys().filter(|number| *number > first).collect();
    assert_eq!(came.len(), trail.len(), "{:?}", trail.iter().find(|number| !came.contains(number)));
    crate::store::tell(&format!("webhooks: {kills} kills, {} events, {doubles} came twice", trail.len()));
    let shown: Value = admin.get("/api/v1/webhooks").json;
    assert_eq!(shown["items"][0]["expired"], 0, "{shown}");
}
