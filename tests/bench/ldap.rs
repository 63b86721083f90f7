//! The first import of 10,000 LDAP users, and a second pass that has nothing to write.

use std::time::Instant;

use crate::Figure;
use crate::daemon::Daemon;
use crate::slapd::{BASE, READER, READER_PASSWORD, Slapd};

const USERS: usize = 10_000;
const GOAL: f64 = 3_000.0;

pub(crate) fn figures() -> Vec<Figure> {
    let slapd = Slapd::start(USERS);
    let ca_file = slapd.ca_file();
    let daemon = Daemon::start(&format!(
        "[[sources]]\nid = \"corp\"\nkind = \"ldap\"\nurls = [\"{}\"]\nca_file = \"{}\"\nbind_dn = \"{READER}\"\n\
         bind_password = \"{READER_PASSWORD}\"\nbase_dn = \"{BASE}\"\nschedule = \"off\"\n",
        slapd.ldaps_url(),
        ca_file.display(),
    ));
    let start = Instant::now();
    let first = daemon.musterd(&["source", "sync", "corp"]);
    let import = start.elapsed().as_secs_f64();
    assert_eq!(first["counts"]["create"], USERS);
    let last_line = || daemon.musterd(&["audit", "--limit", "1"])["items"][0]["seq"].as_u64().unwrap();
    let before = last_line();
    let start = Instant::now();
    let second = daemon.musterd(&["source", "sync", "corp"]);
    let again = start.elapsed().as_secs_f64();
    assert_eq!(
        (&second["counts"]["unchanged"], last_line()),
        (&USERS.into(), before),
        "the second pass writes no user"
    );
    let rate = USERS as f64 / import;
    vec![
        Figure {
            what: format!("first import of {USERS} LDAP users, end to end over ldaps"),
            ours: format!("{rate:.0}/s"),
            other: format!("{GOAL:.0}/s"),
            ratio: rate / GOAL,
            goal: "at least 1 (3,000 users a second)".to_owned(),
            met: rate >= GOAL,
        },
        Figure {
            what: "the second pass, nothing changed: no user and no audit line written".to_owned(),
            ours: format!("{again:.2} s"),
            other: format!("{import:.2} s for the first"),
            ratio: again / import,
            goal: "writes nothing".to_owned(),
            met: true,
        },
    ]
}
