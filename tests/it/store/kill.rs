//! Kills without warning: under writes, in the first moments of a start, in the middle of a pass.

use std::collections::BTreeSet;

use serde_json::Value;

use super::client::Client;
use super::{SETTINGS, acknowledged, kill_under_writes, kill_while, killed, lost, seed, tell, times, verified};
use crate::harness::daemon::Caller;
use crate::harness::dice::Dice;
use crate::harness::process::{Place, Process};
use crate::harness::slapd::{BASE, READER, READER_PASSWORD, Slapd};

const CLIENTS: u64 = 4;
const PEOPLE: usize = 2_000;

#[test]
fn what_was_acknowledged_survives_random_kills() {
    let (folder, seed) = (tempfile::tempdir().unwrap(), seed());
    let place = Place::new(folder.path()).with_settings(SETTINGS);
    let mut daemon = place.start();
    let token = place.token(&["--scope", "admin"]);
    let mut clients: Vec<Client> = (1..=CLIENTS).map(|number| Client::new(number, seed, &token)).collect();
    let (dice, kills, mut gone) = (Dice::new(seed), times(6), Vec::new());
    for kill in 1..=kills {
        kill_under_writes(daemon, &mut clients, dice.milliseconds(20..1_000));
        if kill % 3 == 0 {
            let report = verified(&place);
            assert!(report["audit_lines"].as_u64().unwrap() >= acknowledged(&clients), "{report}");
        }
        daemon = place.start();
        gone.extend(lost(&mut clients, &daemon));
    }
    assert_eq!(daemon.end("-TERM").code(), Some(0));
    verified(&place);
    let writes = acknowledged(&clients);
    tell(&format!(
        "kill: {kills} kills under mixed writes, {writes} acknowledged writes checked, {} lost (seed {seed})",
        gone.len()
    ));
    assert!(gone.is_empty(), "{gone:#?}");
}

#[test]
fn kills_in_the_first_moments_of_a_start_lose_nothing() {
    let (folder, seed) = (tempfile::tempdir().unwrap(), seed());
    let place = Place::new(folder.path()).with_settings(SETTINGS);
    let daemon = place.start();
    let mut clients = [Client::new(1, seed, &place.token(&["--scope", "admin"]))];
    let (dice, kills, mut gone) = (Dice::new(seed), times(15), Vec::new());
    clients[0].write(&daemon.base(), 60);
    killed(daemon);
    for kill in 1..=kills {
        let ended = place.kill_during(&["serve"], dice.milliseconds(0..30));
        assert!(ended.signal() == Some(9) && !ended.panicked(), "{ended:?}");
        // Each start finds something new in the log: otherwise it has nothing to do that a kill could break.
        let daemon = place.start();
        if kill % 5 == 0 || kill == kills {
            gone.extend(lost(&mut clients, &daemon));
        }
        clients[0].write(&daemon.base(), 3);
        killed(daemon);
    }
    verified(&place);
    let writes = acknowledged(&clients);
    tell(&format!(
        "kill: {kills} kills in the first 30 ms of a start, {writes} acknowledged writes checked, {} lost (seed {seed})",
        gone.len()
    ));
    assert!(gone.is_empty(), "{gone:#?}");
}

/// A daemon that reads everybody from a directory for the first time.
struct Import {
    _folder: tempfile::TempDir,
    place: Place,
    token: String,
    daemon: Option<Process>,
}

impl Import {
    fn new(slapd: &Slapd) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = format!(
            "[[sources]]\nid = \"corp\"\nkind = \"ldap\"\nurls = [\"{}\"]\nca_file = \"{}\"\nbind_dn = \"{READER}\"\n\
             bind_password = \"{READER_PASSWORD}\"\nbase_dn = \"{BASE}\"\nschedule = \"off\"\n",
            slapd.ldaps_url(),
            slapd.ca_file().display()
        );
        let place = Place::new(folder.path()).with_settings(&format!("{SETTINGS}{source}"));
        let daemon = place.start();
        let token = place.token(&["--scope", "admin"]);
        Self { _folder: folder, place, token, daemon: Some(daemon) }
    }

    fn admin(&self) -> Caller {
        self.daemon.as_ref().unwrap().with_token(&self.token)
    }

    /// Everybody who came from the directory, as (id there, username).
    fn people(&self) -> Vec<(String, String)> {
        let (admin, mut people, mut cursor) = (self.admin(), Vec::new(), String::new());
        loop {
            let filter = "filter=source%20eq%20%22corp%22";
            let page = admin.get(&format!("/api/v1/users?limit=1000&{filter}{cursor}")).json;
            let text = |user: &Value, member: &str| user[member].as_str().unwrap().to_owned();
            let users = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
            people.extend(users.iter().map(|user| (text(user, "external_id"), text(user, "username"))));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return people,
            }
        }
    }

    /// Kills the daemon some time after the first users of a pass are there, and starts it again. Gives whether the
    /// pass was cut off.
    fn kill_in_a_pass(&mut self, dice: &Dice) -> bool {
        let admin = self.admin();
        let daemon = self.daemon.take().unwrap();
        let newest = || admin.get("/api/v1/audit?limit=1").json["items"][0]["seq"].as_u64();
        let before = newest();
        let pass = || admin.try_call("POST", "/api/v1/sources/corp/sync", None, &[]);
        let was_cut_off = kill_while(daemon, pass, || newest() != before, dice.milliseconds(0..400)).is_err();
        self.daemon = Some(self.place.start());
        was_cut_off
    }

    /// A pass to its end makes who is not there yet, and nobody twice.
    fn finish(mut self) {
        let there = self.people().len();
        let run = self.admin().post("/api/v1/sources/corp/sync", &Value::Null).json;
        assert_eq!(run["outcome"]["is"], "applied", "{run}");
        assert_eq!(run["counts"]["create"], PEOPLE - there, "{run}");
        let people = self.people();
        let ids: BTreeSet<&String> = people.iter().map(|(id, _)| id).collect();
        let names: BTreeSet<&String> = people.iter().map(|(_, name)| name).collect();
        assert_eq!((people.len(), ids.len(), names.len()), (PEOPLE, PEOPLE, PEOPLE));
        assert_eq!(self.daemon.take().unwrap().end("-TERM").code(), Some(0));
        verified(&self.place);
    }
}

#[test]
fn kills_in_the_first_pass_of_a_source_leave_a_store_that_the_next_pass_completes() {
    let (slapd, seed, wanted) = (Slapd::start(PEOPLE), seed(), times(2));
    let (dice, mut kills, mut imports, mut people) = (Dice::new(seed), 0, 0, Vec::new());
    while kills < wanted {
        let mut import = Import::new(&slapd);
        let mut there = 0;
        while kills < wanted && import.kill_in_a_pass(&dice) {
            kills += 1;
            let now = import.people().len();
            assert!(now >= there, "{there} people were there, now {now}");
            there = now;
            people.push(now);
        }
        import.finish();
        imports += 1;
    }
    tell(&format!(
        "kill: {kills} kills in {imports} first passes over {PEOPLE} people, found with {people:?} of them; each came \
         to its end, nobody twice, 0 differences (seed {seed})"
    ));
}
