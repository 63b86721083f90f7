//! A disk that fills up: writes are refused in words, reading goes on, and with space again so do writes, without a
//! restart.

use std::thread;
use std::time::Duration;

use musterd::base::clock::Stopwatch;
use serde_json::json;

use super::client::Client;
use super::tmpfs::Tmpfs;
use super::{SETTINGS, lost, seed, tell, verified};
use crate::harness::daemon::Answer;
use crate::harness::process::{Place, Process};

/// What a disk has, in KiB, and what the daemon keeps in reserve of it: one with room to spare; one that a few
/// hundred writes fill, as far as the engine goes where the settings keep nothing in reserve.
const ROOMY: (u64, &str) = (8 << 10, "256KiB");
const TIGHT: (u64, &str) = (4 << 10, "0B");
/// Writes that fit into what is left in pages that the log holds already, at most.
const LAST_WRITES: u64 = 10_000;
/// As long as a client is told to wait before it tries again, and something more.
const RECOVERY: Duration = Duration::from_secs(40);

/// A place whose data is on a disk of its own. Dropped in this order: the disk is unmounted before its folder goes.
struct Site {
    disk: Tmpfs,
    place: Place,
    folder: tempfile::TempDir,
}

impl Site {
    /// `None` where this machine allows no mount; that is told.
    fn new((kibibytes, reserve): (u64, &str)) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mountpoint = folder.path().join("disk");
        std::fs::create_dir(&mountpoint).unwrap();
        let disk = match Tmpfs::mount(&mountpoint, kibibytes) {
            Ok(disk) => disk,
            Err(why) => {
                tell(&format!("skipped: no tmpfs can be mounted here ({why})"));
                return None;
            }
        };
        let (data, socket) = (mountpoint.join("data"), folder.path().join("admin.sock"));
        let settings = format!(
            "[server]\nadmin_socket = \"{}\"\n{}[[sources]]\nid = \"okta\"\nkind = \"scim\"\n",
            socket.display(),
            SETTINGS.replace("[store]", &format!("[store]\nfolder = \"{}\"\nreserve = \"{reserve}\"", data.display()))
        );
        let place = Place::new(folder.path()).behind(&disk.enter()).with_settings(&settings);
        Some(Self { disk, place, folder })
    }
}

/// A daemon on a small disk, with somebody who wrote there.
struct Story {
    daemon: Process,
    site: Site,
    admin: String,
    provider: String,
    clients: [Client; 1],
}

impl Story {
    fn begin(size: (u64, &str)) -> Option<Self> {
        let site = Site::new(size)?;
        let daemon = site.place.start();
        let admin = site.place.token(&["--scope", "admin"]);
        let provider = site.place.token(&["--source", "okta"]);
        let mut clients = [Client::new(1, seed(), &admin)];
        clients[0].write(&daemon.base(), 40);
        Some(Self { daemon, site, admin, provider, clients })
    }

    /// Writes until the disk takes nothing more.
    fn write_until_full(&mut self) {
        let refusal = self.clients[0].write_until_refused(&self.daemon.base(), LAST_WRITES);
        is_storage_full(&refusal.expect("a full disk refuses writes"));
    }

    /// While the disk is full: who writes is told so in the form of their protocol, who reads is served.
    fn is_readable_and_says_why_not_writable(&mut self) {
        let admin = self.daemon.with_token(&self.admin);
        let wish = json!({"username": "late", "name": "Late", "email": "late@example.org"});
        is_storage_full(&admin.post("/api/v1/users", &wish));
        let scim = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "late"});
        let refused = self.daemon.with_token(&self.provider).post("/scim/v2/Users", &scim);
        assert_eq!((refused.status, &refused.json["status"]), (503, &json!("503")), "{refused:?}");
        assert_eq!(refused.json["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error", "{refused:?}");
        for path in ["/api/v1/users?limit=1000", "/api/v1/users/admin", "/api/v1/groups", "/api/v1/audit", "/healthz"] {
            assert_eq!(admin.get(path).status, 200, "{path}");
        }
        is_storage_full(&admin.get("/readyz"));
        let gone = lost(&mut self.clients, &self.daemon);
        assert!(gone.is_empty(), "{gone:#?}");
    }

    /// With space again: the same daemon writes, and everything acknowledged is there, now and after a restart.
    fn goes_on(mut self, how: &str) {
        let waited = Stopwatch::start();
        let admin = self.daemon.with_token(&self.admin);
        let wish = json!({"username": "afterwards", "name": "Afterwards", "email": "afterwards@example.org"});
        let mut answer = admin.post("/api/v1/users", &wish);
        while answer.status == 503 && waited.elapsed() < RECOVERY {
            thread::sleep(Duration::from_millis(100));
            answer = admin.post("/api/v1/users", &wish);
        }
        assert_eq!(answer.status, 201, "no write works with space again: {answer:?}");
        assert_eq!(admin.get("/readyz").status, 200);
        self.clients[0].write(&self.daemon.base(), 40);
        let gone = lost(&mut self.clients, &self.daemon);
        assert!(gone.is_empty(), "{gone:#?}");
        let ended = self.daemon.end("-TERM");
        assert!(ended.code() == Some(0) && !ended.panicked(), "{ended:?}");
        verified(&self.site.place);
        let daemon = self.site.place.start();
        let gone = lost(&mut self.clients, &daemon);
        tell(&format!(
            "disk: {how}, writes again after {:?}, {} acknowledged writes checked, {} lost (seed {})",
            waited.elapsed(),
            self.clients[0].acknowledged,
            gone.len(),
            seed()
        ));
        assert!(gone.is_empty(), "{gone:#?}");
        assert_eq!(daemon.end("-TERM").code(), Some(0));
    }
}

fn is_storage_full(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (503, "storage_full"), "{answer:?}");
}

#[test]
fn a_disk_that_somebody_else_fills_stops_writes_alone_until_there_is_space() {
    let Some(mut story) = Story::begin(ROOMY) else { return };
    story.site.disk.fill();
    story.write_until_full();
    story.is_readable_and_says_why_not_writable();
    story.site.disk.relieve();
    story.goes_on("filled by somebody else");
}

#[test]
fn a_disk_that_the_daemon_fills_stops_writes_alone_until_there_is_space() {
    let Some(mut story) = Story::begin(TIGHT) else { return };
    story.write_until_full();
    story.is_readable_and_says_why_not_writable();
    story.site.disk.grow(ROOMY.0);
    story.goes_on("filled by the daemon's own writes");
}

#[test]
fn a_kill_while_the_disk_is_full_loses_nothing() {
    let Some(mut story) = Story::begin(ROOMY) else { return };
    story.site.disk.fill();
    story.write_until_full();
    let ended = story.daemon.kill();
    assert!(!ended.panicked(), "{ended:?}");
    story.site.disk.relieve();
    verified(&story.site.place);
    story.daemon = story.site.place.start();
    story.goes_on("filled by somebody else, then a kill");
}

#[test]
fn a_daemon_that_finds_a_full_disk_says_so_in_one_line_and_ends() {
    let Some(site) = Site::new(ROOMY) else { return };
    site.disk.fill();
    refuses_to_start(&site);
    site.disk.relieve();
    let daemon = site.place.start();
    let mut client = Client::new(1, seed(), &site.place.token(&["--scope", "admin"]));
    client.write(&daemon.base(), 40);
    daemon.kill();
    site.disk.fill();
    refuses_to_start(&site);
    site.disk.relieve();
    let daemon = site.place.start();
    let gone = lost(std::slice::from_mut(&mut client), &daemon);
    assert!(gone.is_empty(), "{gone:#?}");
    assert_eq!(daemon.end("-TERM").code(), Some(0));
}

/// One line on a full disk, that names the place.
fn refuses_to_start(site: &Site) {
    let ended = site.place.run_within(&["serve"], Duration::from_secs(60)).expect("a start on a full disk ends");
    assert_eq!((ended.code(), ended.panicked()), (Some(1), false), "{ended:?}");
    let (said, folder) = (ended.stderr.to_lowercase(), site.folder.path().display().to_string());
    let says_so = said.contains("full") || said.contains("no space");
    assert!(says_so && said.lines().count() == 1 && ended.stderr.contains(&folder), "{ended:?}");
}
