//! Kills without warning while mail leaves: nothing is lost, and no more comes twice than may have been under way.
//!
//! The store and the dispatcher run in a child, which is this binary with one test of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use jiff::Timestamp;
use musterd::base::clock::Clock;
use musterd::base::rng::Rng;
use musterd::directory::message::Body;
use musterd::notify::settings::MailTls;
use musterd::store::tx::Tx;
use musterd::store::{Store, StoreError, outbox};

use super::{by_mail, message, settings};
use crate::harness::dice::Dice;
use crate::harness::smtpd::Smtpd;
use crate::store::{seed, tell, times};

/// Mails for each kill.
const MAILS: u64 = 120;
/// The most that are under way or not noted: connections times what `way` lets be unnoted.
const UNDER_WAY: u64 = 4 * 8;

fn open(folder: &str) -> Arc<Store> {
    let settings = musterd::store::Settings {
        folder: folder.into(),
        cache_bytes: 16 << 20,
        ..musterd::store::Settings::default()
    };
    Arc::new(Store::open(&settings, Clock::manual(now()), Rng::system()).unwrap())
}

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn child(folder: &Path, port: u16) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "notify::kill::sends_what_waits", "--include-ignored"])
        .env("MUSTERD_TEST_OUTBOX", format!("{port}:{}", folder.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Run by the other only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is run by the other test of this file, as the child that is killed"]
async fn sends_what_waits() {
    let Ok(what) = std::env::var("MUSTERD_TEST_OUTBOX") else { return };
    let (port, folder) = what.split_once(':').unwrap();
    let outbox = by_mail(&open(folder), &settings(port.parse().unwrap(), MailTls::None));
    while outbox.dispatch().await.unwrap().waiting > 0 {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_no_mail_and_double_only_what_was_under_way() {
    let (smtpd, folder, seed) = (Smtpd::start(&[]), tempfile::tempdir().unwrap(), seed());
    let (dice, wanted) = (Dice::new(seed), times(6));
    let all = wanted * MAILS;
    let store = open(folder.path().to_str().unwrap());
    for chunk in 0..wanted {
        let push = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            let to = |n: u64| format!("ada{}@example.org", chunk * MAILS + n);
            (0..MAILS).try_for_each(|n| outbox::push(tx, &message("Ada", &to(n), Body::PasswordChanged)).map(drop))
        };
        store.write(push).await.unwrap();
    }
    drop(store);
    let mut kills = 0;
    loop {
        let mut child = child(folder.path(), smtpd.port);
        let arrived = smtpd.count();
        // Some kills hit the start, most of them the sending.
        let (after, patience) = (dice.number(0..MAILS), dice.milliseconds(1..40));
        while kills < wanted && smtpd.count() < arrived + usize::try_from(after).unwrap() {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(patience);
        }
        if kills < wanted && child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            continue;
        }
        assert!(child.wait().unwrap().success());
        break;
    }
    let mut reached: BTreeMap<String, u64> = BTreeMap::new();
    for mail in smtpd.mails() {
        *reached.entry(mail.envelope["to"][0].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let (there, sent) = (u64::try_from(reached.len()).unwrap(), reached.values().sum::<u64>());
    let doubled = sent - there;
    tell(&format!("mail: {kills} kills, {all} mails, {} lost, {doubled} doubled (seed {seed})", all - there));
    assert_eq!(there, all, "none is lost");
    assert!(doubled <= kills * UNDER_WAY, "{doubled} came twice in {kills} kills");
    assert!(kills > 0, "nothing was killed");
}
