//! What mail servers do: refuse, defer, cut off, answer late. Each with its counts: how many were to arrive, how many
//! did, how often one did twice.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use musterd::directory::message::{Body, Message};
use musterd::notify::dispatch::{Outbox, Tally};
use musterd::notify::settings::{MailTls, Settings};
use musterd::store::outbox::undelivered::{self, Outcome};
use musterd::store::{Store, outbox};

use super::{dispatcher, message, settings};
use crate::harness::smtpd::Smtpd;
use crate::store::tell;

/// Messages to addresses that begin with this word, each another.
fn to(word: &str, count: usize) -> Vec<Message> {
    (0..count).map(|n| message("Ada", &format!("{word}-{n}@example.org"), Body::PasswordChanged)).collect()
}

/// How often each address was reached.
fn reached(smtpd: &Smtpd) -> BTreeMap<String, usize> {
    let mut reached = BTreeMap::new();
    for mail in smtpd.mails() {
        *reached.entry(mail.envelope["to"][0].as_str().unwrap().to_owned()).or_default() += 1;
    }
    reached
}

fn with(word: &str, reached: &BTreeMap<String, usize>) -> (usize, usize) {
    let of: Vec<usize> = reached.iter().filter(|(to, _)| to.starts_with(word)).map(|(_, times)| *times).collect();
    (of.len(), of.iter().filter(|times| **times > 1).count())
}

/// Lets the clock go on until nothing waits any more.
async fn until_empty(store: &Store, outbox: &Outbox) -> Tally {
    let mut all = Tally::default();
    for _ in 0..40 {
        let tally = outbox.dispatch().await.unwrap();
        all.sent += tally.sent;
        all.failed += tally.failed;
        all.refused += tally.refused;
        if tally.waiting == 0 {
            return all;
        }
        store.clock().advance(SignedDuration::from_mins(5));
    }
    panic!("messages wait on: {all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_everything_that_servers_do_nothing_is_lost_and_only_what_was_not_said_comes_twice() {
    let smtpd = Smtpd::start(&["--by-address"]);
    let counts = [("ok", 40), ("rcpt550", 10), ("data554", 10), ("grey", 10), ("cut", 10), ("lost", 10)];
    let messages = counts.iter().flat_map(|(word, count)| to(word, *count)).collect();
    let (store, outbox) = dispatcher(&settings(smtpd.port, MailTls::None), messages).await;
    let tally = until_empty(&store, &outbox).await;
    assert_eq!((tally.sent, tally.refused), (70, 20), "{tally:?}");
    let reached = reached(&smtpd);
    for (word, arrived, doubled) in
        [("ok", 40, 0), ("rcpt550", 0, 0), ("data554", 0, 0), ("grey", 10, 0), ("cut", 10, 0), ("lost", 10, 10)]
    {
        assert_eq!(with(word, &reached), (arrived, doubled), "{word}");
    }
    let kept = undelivered::page(&store.view(), None, 99).unwrap();
    assert_eq!(kept.len(), 20);
    for (_, record) in kept {
        let record = record.unwrap();
        let error = record.message.last_error.unwrap();
        assert_eq!(record.outcome, Outcome::Refused);
        assert!(error.ends_with("550 5.1.1") || error.ends_with("554 5.7.0"), "{error}");
    }
    let (all, twice) = (reached.values().sum::<usize>(), reached.values().filter(|times| **times > 1).count());
    tell(&format!(
        "faults: 90 mails, 20 refused for good and kept, 70 arrived, 0 lost, {twice} doubled ({all} in all)"
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_is_not_taken_for_that_to_the_next_mail() {
    let smtpd = Smtpd::start(&["--by-address"]);
    let impatient =
        Settings { send_timeout: Duration::from_millis(700), connections: 1, ..settings(smtpd.port, MailTls::None) };
    let messages = [to("slow2", 1), to("ok", 20), to("rcpt550", 1)].concat();
    let (store, outbox) = dispatcher(&impatient, messages).await;
    let first = outbox.dispatch().await.unwrap();
    // Were the late "250" read as the answer to the next, one of these would be lost or wrongly told.
    assert_eq!(first, Tally { sent: 20, failed: 1, refused: 1, waiting: 1, ..Tally::default() });
    assert_eq!(with("ok", &reached(&smtpd)), (20, 0));
    let left = outbox::list(&store.view(), 9).unwrap();
    assert_eq!(left[0].1.last_error.as_deref(), Some("the mail server took longer than 700ms"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_slow_recipient_holds_up_no_other() {
    let smtpd = Smtpd::start(&["--by-address"]);
    let messages = [to("slow3", 1), to("ok", 60)].concat();
    let (_, outbox) = dispatcher(&settings(smtpd.port, MailTls::None), messages).await;
    let watch = async {
        for _ in 0..25 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if with("ok", &reached(&smtpd)) == (60, 0) {
                return true;
            }
        }
        false
    };
    let (tally, all_there) = tokio::join!(outbox.dispatch(), watch);
    assert!(all_there, "they arrived while the slow one was under way");
    assert_eq!(tally.unwrap(), Tally { sent: 61, ..Tally::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_outbox_goes_over_as_many_connections_as_are_wanted_and_each_carries_many() {
    let smtpd = Smtpd::start(&[]);
    let (_, outbox) = dispatcher(&settings(smtpd.port, MailTls::None), to("ok", 150)).await;
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { sent: 150, ..Tally::default() });
    let mut mails_of: BTreeMap<u64, usize> = BTreeMap::new();
    for mail in smtpd.mails() {
        *mails_of.entry(mail.envelope["peer"].as_u64().unwrap()).or_default() += 1;
    }
    assert!((2..=6).contains(&mails_of.len()), "{mails_of:?}");
    assert!(mails_of.values().all(|mails| *mails <= 100), "a server counts the mails of a connection: {mails_of:?}");
}
