//! An LDAP source of many users, against what the same work costs without musterd: `ldapsearch`, sled alone, and the
//! LDAP library alone. Over ldaps, from a slapd that keeps a log of changes.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use musterd::base::id::SourceId;
use musterd::base::secret::Secret;
use musterd::directory::audit::Author;
use musterd::directory::plan::{Outcome, Run};
use musterd::sources::ldap::{LdapSource, Settings};
use musterd::store::{Store, audit};
use musterd::sync::pass::{Pass, Wanted};
use musterd::sync::rules::Rules;
use serde_json::Value;

use crate::Figure;
use crate::client::{Client, request};
use crate::daemon::Daemon;
use crate::harness::slapd::{BASE, READER, READER_PASSWORD, Slapd, SlapdOptions, Syncprov};
use crate::store::{against_sled, limit, ms, open};

mod hanging;
mod logins;

/// What a pass asks for, so that `ldapsearch` asks for the same.
const ATTRIBUTES: &[&str] = &[
    "entryUUID",
    "uid",
    "cn",
    "displayName",
    "mail",
    "telephoneNumber",
    "pwdAccountLockedTime",
    "pwdEndTime",
    "shadowExpire",
    "pwdReset",
];
/// Each side of the complete reading, in turns.
const ROUNDS: usize = 3;
const POLLS: usize = 20;
const CHANGES: usize = 100;

pub(crate) fn figures(users: usize) -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let slapd = Slapd::with(SlapdOptions { users, sync: Syncprov::Log(10_000), ..SlapdOptions::default() });
    let folder = tempfile::tempdir().unwrap();
    let mut figures = Vec::new();
    runtime.block_on(imported(&slapd, folder.path(), users, &mut figures));
    let folder = served(&slapd, folder, users, &mut figures);
    runtime.block_on(large_group(&slapd, folder.path(), users, &mut figures));
    figures.extend(runtime.block_on(logins::figures(&slapd)));
    drop(slapd);
    figures.push(hanging::figure());
    figures
}

fn people() -> String {
    format!("ou=people,{BASE}")
}

/// The settings of the source.
fn source(slapd: &Slapd, groups: bool) -> Settings {
    Settings {
        id: SourceId::parse("corp").unwrap(),
        urls: vec![slapd.ldaps_url()],
        ca_file: Some(slapd.ca_file()),
        bind_dn: READER.to_owned(),
        bind_password: Some(Secret::new(READER_PASSWORD)),
        base_dn: people(),
        groups,
        group_base_dn: Some(format!("ou=groups,{BASE}")),
        ..Settings::default()
    }
}

/// The same, as the daemon reads them.
pub(crate) fn section(slapd: &Slapd) -> String {
    format!(
        "[[sources]]\nid = \"corp\"\nkind = \"ldap\"\nurls = [\"{}\"]\nca_file = \"{}\"\nbind_dn = \"{READER}\"\n\
         bind_password = \"{READER_PASSWORD}\"\nbase_dn = \"{}\"\nschedule = \"off\"\n",
        slapd.ldaps_url(),
        slapd.ca_file().display(),
        people(),
    )
}

async fn run(store: &Arc<Store>, source: &LdapSource, wanted: Wanted, groups: bool) -> (Run, Duration) {
    let pass = Pass::new(store.clone(), Rules { unique_ids: true, groups, ..Rules::default() });
    let start = Instant::now();
    let run = pass.run(source, wanted, Author::system("bench")).await.unwrap();
    let took = start.elapsed();
    assert_eq!(run.outcome, Outcome::Applied, "{run:?}");
    (run, took)
}

/// The first reading, then readings of changes.
async fn imported(slapd: &Slapd, folder: &Path, users: usize, figures: &mut Vec<Figure>) {
    let (store, recorder) = open(folder);
    let source = LdapSource::new(source(slapd, false)).unwrap();
    recorder.start();
    let (first, took) = run(&store, &source, Wanted::Everything, false).await;
    assert_eq!(first.counts.create, users, "{first:?}");
    let what = format!("first import of {users} LDAP users, end to end");
    figures.push(against_sled(what, users, took, &recorder.stop(), &folder.join("bare"), 0.6));
    // The first one after a complete reading still learns of what came in between.
    run(&store, &source, Wanted::Due, false).await;
    let mut polls = Vec::new();
    for _ in 0..POLLS {
        let (idle, took) = run(&store, &source, Wanted::Due, false).await;
        assert!(idle.counts.read == 0 && idle.how.contains("syncrepl"), "{idle:?}");
        polls.push(took);
    }
    polls.sort_unstable();
    let what = format!("idle poll of {users} users, connection and TLS included, median of {POLLS}");
    figures.push(limit(what, ms(polls[POLLS / 2]), 20.0, "ms"));
    let mut ldif = String::new();
    for n in (1..=users).step_by((users / CHANGES).max(1)).take(CHANGES) {
        let _ = writeln!(ldif, "dn: uid=u{n:07},{}\nchangetype: modify\nreplace: cn\ncn: Changed {n}\n", people());
    }
    slapd.change(&ldif);
    let (changed, took) = run(&store, &source, Wanted::Due, false).await;
    assert_eq!((changed.counts.update, changed.counts.read), (CHANGES.min(users), CHANGES.min(users)), "{changed:?}");
    let what = format!("{CHANGES} changes among {users}, from the poll to the commit");
    figures.push(limit(what, ms(took), 300.0, "ms"));
}

/// The daemon on what was imported: a complete reading that has nothing to write.
fn served(slapd: &Slapd, folder: tempfile::TempDir, users: usize, figures: &mut Vec<Figure>) -> tempfile::TempDir {
    let daemon = Daemon::start_in(folder, &section(slapd));
    let admin = daemon.musterd(&["token", "create", "--scope", "admin"])["token"].as_str().unwrap().to_owned();
    let mut client = Client::connect(&daemon.address);
    let mut pass = || -> Value {
        let (status, body) = client.send(&request("POST", "/api/v1/sources/corp/sync?full=true", &admin, "{}"));
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    };
    let last_line = || daemon.musterd(&["audit", "--limit", "1"])["items"][0]["seq"].as_u64().unwrap();
    let (lines, before) = (last_line(), daemon.memory_mb());
    let (mut ours, mut bare) = (Duration::ZERO, Duration::ZERO);
    daemon.forget_peak();
    for _ in 0..ROUNDS {
        bare += ldapsearch(slapd, users);
        let start = Instant::now();
        let run = pass();
        ours += start.elapsed();
        assert_eq!(run["counts"]["unchanged"], users, "{run}");
    }
    let peak = daemon.peak_mb();
    assert_eq!(last_line(), lines, "a pass that finds nothing changed leaves no audit line");
    let (ours, bare) = (ours.as_secs_f64() / ROUNDS as f64, bare.as_secs_f64() / ROUNDS as f64);
    figures.push(Figure {
        what: format!("complete pass over {users} users, nothing changed, nobody and no audit line written"),
        ours: format!("{ours:.2} s"),
        other: format!("{bare:.2} s ldapsearch -E pr=1000/noprompt"),
        ratio: ours / bare,
        goal: "at most 1.5".to_owned(),
        met: ours / bare <= 1.5,
    });
    let what = format!("most memory of the daemon during those passes ({before:.0} MB before)");
    figures.push(limit(what, peak, 250.0, "MB"));
    daemon.stop()
}

/// Reads the same entries and attributes with the tool that comes with the server.
fn ldapsearch(slapd: &Slapd, users: usize) -> Duration {
    // By its address: the tool takes `localhost` for the name of this machine, which is not in the certificate.
    let url = format!("ldaps://127.0.0.1:{}", slapd.tls_port);
    let start = Instant::now();
    let mut child = Command::new("ldapsearch")
        .args(["-x", "-LLL", "-o", "ldif-wrap=no", "-E", "pr=1000/noprompt", "-D", READER, "-w", READER_PASSWORD])
        .args(["-H", &url, "-b", &people(), "(objectClass=inetOrgPerson)"])
        .args(ATTRIBUTES)
        .env("LDAPTLS_CACERT", slapd.ca_file())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(child.wait().unwrap().success(), "ldapsearch of {users} users");
    start.elapsed()
}

/// A group that everybody is in, of which one goes.
async fn large_group(slapd: &Slapd, folder: &Path, users: usize, figures: &mut Vec<Figure>) {
    let member = |n: usize| format!("member: uid=u{n:07},{}\n", people());
    let dn = format!("dn: cn=everybody,ou=groups,{BASE}\n");
    // In pieces: slapd takes no more than 4 MiB at a time.
    for (piece, numbers) in (1..=users).collect::<Vec<_>>().chunks(40_000).enumerate() {
        let members: String = numbers.iter().map(|n| member(*n)).collect();
        match piece {
            0 => slapd.add(&format!("{dn}objectClass: groupOfNames\ncn: everybody\n{members}\n")),
            _ => slapd.change(&format!("{dn}changetype: modify\nadd: member\n{members}\n")),
        }
    }
    let (store, _) = open(folder);
    let source = LdapSource::new(source(slapd, true)).unwrap();
    let (first, took) = run(&store, &source, Wanted::Everything, true).await;
    assert_eq!((first.counts.create_groups, first.counts.join), (1, users), "{first:?}");
    println!("a pass over {users} users that makes a group of all of them: {:.1} s", took.as_secs_f64());
    run(&store, &source, Wanted::Due, true).await;
    let (mut times, mut lines) = (Vec::new(), audit::last(&store.view()).unwrap());
    for n in 1..=ROUNDS {
        slapd.modify_group("everybody", &format!("delete: member\n{}", member(n)));
        let (changed, took) = run(&store, &source, Wanted::Due, true).await;
        assert_eq!((changed.counts.leave, changed.counts.read), (1, 1), "{changed:?}");
        times.push(took);
        // One of the group, one of the run.
        lines += 2;
        assert_eq!(audit::last(&store.view()).unwrap(), lines);
    }
    times.sort_unstable();
    let what = format!("a group of {users} members, one changed, from the poll to the commit");
    figures.push(limit(what, times[ROUNDS / 2].as_secs_f64(), 1.0, "s"));
    let (again, took) = run(&store, &source, Wanted::Everything, true).await;
    assert!(again.counts.is_quiet(), "{again:?}");
    println!("a pass over {users} users and the group, nothing changed: {:.1} s", took.as_secs_f64());
}
