//! Passwords verified a second: the source's own way, against a search and a bind with the LDAP library alone, on as
//! many kept connections; and the whole login over HTTP.

use std::future::Future;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry, StdStream};
use musterd::base::id::ExternalId;
use musterd::base::secret::Secret;
use musterd::sources::ldap::LdapSource;
use musterd::sources::{Person, Source, Verdict};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;

use super::{people, section, source};
use crate::Figure;
use crate::client::{Client, request};
use crate::daemon::Daemon;
use crate::harness::slapd::{READER, READER_PASSWORD, Slapd};

const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;
/// Who log in, and on how many connections of each kind.
const PEOPLE: usize = 64;
const CONNECTIONS: usize = 4;
const PASSWORD: &str = "correct horse battery";

/// Somebody who logs in.
struct Someone {
    username: String,
    dn: String,
    id: ExternalId,
}

pub(super) async fn figures(slapd: &Slapd) -> Vec<Figure> {
    let everybody: Arc<[Someone]> = everybody(slapd).into();
    let source = Arc::new(LdapSource::new(source(slapd, false)).unwrap());
    let pairs: Arc<[(Ldap, Ldap)]> = pairs(slapd).await.into();
    let (mut bare, mut known, mut named) = (0.0, 0.0, 0.0);
    for _ in 0..ROUNDS {
        let (site, pairs) = ((source.clone(), everybody.clone()), pairs.clone());
        let (by_id, by_name) = (site.clone(), site.clone());
        bare += in_turns(move |worker, n| search_and_bind(pairs.clone(), site.1.clone(), worker, n)).await;
        known += in_turns(move |_, n| verify(by_id.0.clone(), by_id.1.clone(), n, true)).await;
        named += in_turns(move |_, n| verify(by_name.0.clone(), by_name.1.clone(), n, false)).await;
    }
    let served = tokio::task::block_in_place(|| over_http(slapd, &everybody));
    let row = |what: &str, rate: f64, goal: Option<f64>| Figure {
        what: format!("{what} (SSHA), {CONNECTIONS} at a time"),
        ours: format!("{rate:.0}/s"),
        other: format!("{:.0}/s bare search and bind", bare / ROUNDS as f64),
        ratio: rate / (bare / ROUNDS as f64),
        goal: goal.map_or("shown only".to_owned(), |goal| format!("at least {goal}")),
        met: goal.is_none_or(|goal| rate / (bare / ROUNDS as f64) >= goal),
    };
    vec![
        row("LDAP passwords of users whom the directory knows", known / ROUNDS as f64, Some(0.8)),
        // A search of names and addresses for everything that a new user is made of: more than the bare one.
        row("LDAP passwords of people by name", named / ROUNDS as f64, Some(0.8)),
        row("LDAP logins over HTTP, session and audit on disk", served, None),
    ]
}

/// Gives some users a salted hash as a password.
fn everybody(slapd: &Slapd) -> Vec<Someone> {
    let hashed = std::process::Command::new("/usr/sbin/slappasswd").args(["-h", "{SSHA}", "-s", PASSWORD]).output();
    let hash = String::from_utf8(hashed.unwrap().stdout).unwrap();
    let someone = |n: usize| {
        let username = format!("u{n:07}");
        slapd.modify(&username, &format!("replace: userPassword\nuserPassword: {}", hash.trim()));
        let found = slapd.search(&people(), &format!("(uid={username})"), &["entryUUID"]);
        let id = found.lines().find_map(|line| line.strip_prefix("entryUUID: ")).unwrap();
        Someone { dn: format!("uid={username},{}", people()), username, id: ExternalId::parse(id).unwrap() }
    };
    (1..=PEOPLE).map(someone).collect()
}

/// For each worker a connection to search on, and one to bind on.
async fn pairs(slapd: &Slapd) -> Vec<(Ldap, Ldap)> {
    let mut pairs = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut reader = connect(slapd).await;
        reader.simple_bind(READER, READER_PASSWORD).await.unwrap().success().unwrap();
        pairs.push((reader, connect(slapd).await));
    }
    pairs
}

async fn connect(slapd: &Slapd) -> Ldap {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(slapd.ca_file()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    // A stream of our own: the library's waits for acknowledgements.
    let stream = TcpStream::connect(("127.0.0.1", slapd.tls_port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let settings = LdapConnSettings::new().set_config(Arc::new(config)).set_std_stream(StdStream::Tcp(stream));
    let (connection, ldap) = LdapConnAsync::with_settings(settings, &slapd.ldaps_url()).await.unwrap();
    tokio::spawn(connection.drive());
    ldap
}

/// How often a second the work is done by as many workers as there are connections.
async fn in_turns<F, W>(work: W) -> f64
where
    F: Future<Output = ()> + Send,
    W: Fn(usize, usize) -> F + Clone + Send + 'static,
{
    let start = Instant::now();
    let worker = |worker: usize| {
        let work = work.clone();
        tokio::spawn(async move {
            let mut count = 0_usize;
            while start.elapsed() < ROUND {
                work(worker, (count * CONNECTIONS + worker) % PEOPLE).await;
                count += 1;
            }
            count
        })
    };
    let workers: Vec<_> = (0..CONNECTIONS).map(worker).collect();
    let mut count = 0;
    for worker in workers {
        count += worker.await.unwrap();
    }
    count as f64 / start.elapsed().as_secs_f64()
}

async fn search_and_bind(pairs: Arc<[(Ldap, Ldap)]>, everybody: Arc<[Someone]>, worker: usize, n: usize) {
    let (mut reader, mut binder) = pairs[worker].clone();
    let filter = format!("(&(objectClass=inetOrgPerson)(uid={}))", everybody[n].username);
    let (found, _) = reader.search(&people(), Scope::Subtree, &filter, ["1.1"]).await.unwrap().success().unwrap();
    let [entry] = <[_; 1]>::try_from(found).unwrap_or_else(|_| panic!("one entry"));
    binder.simple_bind(&SearchEntry::construct(entry).dn, PASSWORD).await.unwrap().success().unwrap();
}

async fn verify(source: Arc<LdapSource>, everybody: Arc<[Someone]>, n: usize, is_known: bool) {
    let Someone { username, dn, id } = &everybody[n];
    let person = if is_known { Person::Known { id, entry: Some(dn) } } else { Person::Named(username) };
    assert!(matches!(source.verify(person, &Secret::new(PASSWORD)).await, Verdict::Accepted(_)));
}

/// Whole logins a second at a daemon that has all users.
fn over_http(slapd: &Slapd, everybody: &[Someone]) -> f64 {
    let section = section(slapd) + "user_filter = \"(uid=u00000*)\"\n";
    let daemon = Daemon::start(&section);
    daemon.musterd(&["source", "sync", "corp"]);
    let stop = AtomicBool::new(false);
    let worker = |worker: usize| {
        let mut client = Client::connect(&daemon.address);
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            let username = &everybody[(count * CONNECTIONS + worker) % PEOPLE].username;
            let body = json!({"username": username, "password": PASSWORD}).to_string();
            let (status, answer) = client.send(&request("POST", "/api/v1/authenticate", "", &body));
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
            count += 1;
        }
        count
    };
    let start = Instant::now();
    let count: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS).map(|n| scope.spawn(move || worker(n))).collect();
        std::thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    count as f64 / start.elapsed().as_secs_f64()
}
