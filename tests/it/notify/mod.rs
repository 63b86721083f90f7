//! The outbox and the mail channel against a real mail server.

mod alarms;
mod faults;
mod kill;
mod queue;
mod sms;
mod tls;
mod webhooks;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use musterd::base::clock::{Clock, plus};
use musterd::base::id::UserId;
use musterd::base::rng::Rng;
use musterd::base::secret::Secret;
use musterd::directory::message::{Body, Message, Via};
use musterd::notify::channel::{Channel, DeliveryError};
use musterd::notify::dispatch::{Outbox, Tally};
use musterd::notify::mail::Mail;
use musterd::notify::settings::{MailTls, Settings};
use musterd::store::tx::Tx;
use musterd::store::{Store, StoreError, outbox};

use crate::harness::smtpd::Smtpd;

fn settings(port: u16, tls: MailTls) -> Settings {
    let from = "The Directory <directory@example.org>".to_owned();
    Settings { host: "localhost".to_owned(), port, tls, from, ..Settings::default() }
}

fn with_login(port: u16, password: &str) -> Settings {
    let login = (Some("musterd".to_owned()), Some(Secret::new(password)));
    Settings { username: login.0, password: login.1, ..settings(port, MailTls::None) }
}

fn message(name: &str, to: &str, body: Body) -> Message {
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let message = Message::to_address(to, body, now, plus(now, Duration::from_secs(3 * 24 * 3_600)));
    Message { user: Some(UserId::new(now, &Rng::seeded(7))), name: name.to_owned(), ..message }
}

async fn deliver(settings: &Settings) -> Result<(), DeliveryError> {
    Mail::new(settings).unwrap().deliver(&message("Ada", "ada@example.org", Body::PasswordChanged)).await
}

fn by_mail(store: &Arc<Store>, settings: &Settings) -> Outbox {
    let mail = Arc::new(Mail::new(settings).unwrap());
    Outbox::new(store.clone()).with(Via::Mail, Some(mail), settings.connections)
}

/// A store with these messages in its outbox, and a dispatcher over it.
async fn dispatcher(settings: &Settings, messages: Vec<Message>) -> (Arc<Store>, Outbox) {
    let clock = Clock::manual(Timestamp::from_second(1_700_000_000).unwrap());
    let store = Arc::new(Store::in_memory(clock, Rng::seeded(7)).unwrap());
    let push = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        messages.iter().try_for_each(|message| outbox::push(tx, message).map(drop))
    };
    store.write(push).await.unwrap();
    let outbox = by_mail(&store, settings);
    (store, outbox)
}

#[tokio::test]
async fn mail_arrives_as_it_was_written_over_few_connections() {
    let smtpd = Smtpd::start(&[]);
    let url =
        "https://id.example.org/set/mst_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ?next=%2F{{7*7}}";
    let set = message("Zoë {{7*7}} 王", "zoe@example.org", Body::SetPassword { url: url.to_owned() });
    let changed = message("Ada\r\nBcc: eve@example.org", "ada@example.org", Body::PasswordChanged);
    let mut messages = vec![set, changed];
    messages.extend((0..8).map(|n| message("Ada", &format!("ada{n}@example.org"), Body::FactorAdded)));
    let one_at_a_time = Settings { connections: 1, ..settings(smtpd.port, MailTls::None) };
    let (store, outbox) = dispatcher(&one_at_a_time, messages).await;
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { sent: 10, ..Tally::default() });
    assert!(outbox::list(&store.view(), 9).unwrap().is_empty());
    let mails = smtpd.mails();
    assert_eq!(mails.len(), 10);
    assert_eq!(mails[0].envelope["from"], "directory@example.org");
    assert_eq!(mails[0].envelope["to"], serde_json::json!(["zoe@example.org"]));
    assert_eq!(mails[1].envelope["to"], serde_json::json!(["ada@example.org"]), "nobody else was added");
    let connections: BTreeSet<_> = mails.iter().map(|mail| mail.envelope["peer"].as_u64()).collect();
    assert_eq!(connections.len(), 1, "a connection is used again: {connections:?}");
    let text = part(&mails[0].text, "text/plain");
    assert!(text.contains("Hello Zoë {{7*7}} 王,\n") && text.contains(&format!("\n    {url}\n")), "{text}");
    let page = part(&mails[0].text, "text/html");
    assert!(page.contains("<p>Hello Zoë {{7*7}} 王,</p>") && page.contains("<html lang=\"en\">"), "{page}");
    for header in ["Auto-Submitted: auto-generated", "Content-Language: en"] {
        assert!(mails[1].text.contains(&format!("\r\n{header}\r\n")), "{}", mails[1].text);
    }
    assert!(!mails[1].text.contains("\nBcc"), "{}", mails[1].text);
}

/// A part of a mail of several.
pub(crate) fn part(mail: &str, kind: &str) -> String {
    let boundary = mail.split_once("boundary=\"").unwrap().1.split_once('"').unwrap().0;
    let marked = format!("--{boundary}");
    let found = mail.split(&marked).find(|part| part.starts_with(&format!("\r\nContent-Type: {kind}")));
    let found = found.unwrap_or_else(|| panic!("no {kind} in {mail}"));
    if found.contains("base64") {
        let (_, body) = found.split_once("\r\n\r\n").unwrap();
        let body: String = body.split_whitespace().collect();
        return String::from_utf8(data_encoding::BASE64.decode(body.as_bytes()).unwrap())
            .unwrap()
            .replace("\r\n", "\n");
    }
    decoded(found)
}

/// The text of a part in quoted-printable (RFC 2045 §6.7) or as it is.
fn decoded(mail: &str) -> String {
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    if !head.contains("quoted-printable") {
        return body.replace("\r\n", "\n");
    }
    let joined = body.replace("=\r\n", "").replace("\r\n", "\n");
    let mut bytes = Vec::new();
    let mut rest = joined.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let pair: String = rest.by_ref().take(2).map(char::from).collect();
            bytes.push(u8::from_str_radix(&pair, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_recipient_refused_for_good_is_given_up_and_one_refused_for_now_is_tried_again() {
    for (code, tally) in [
        ("550", Tally { refused: 1, ..Tally::default() }),
        ("450", Tally { failed: 1, waiting: 1, ..Tally::default() }),
        ("530", Tally { failed: 1, waiting: 1, ..Tally::default() }),
    ] {
        let smtpd = Smtpd::start(&["--refuse", code]);
        let messages = vec![message("Ada", "ada@example.org", Body::PasswordChanged)];
        let (store, outbox) = dispatcher(&settings(smtpd.port, MailTls::None), messages).await;
        assert_eq!(outbox.dispatch().await.unwrap(), tally, "{code}");
        let left = outbox::list(&store.view(), 9).unwrap();
        assert_eq!(left.len(), tally.failed, "{code}");
        assert!(
            left.iter().all(|(_, message)| message.attempts == 1 && message.due_at > store.clock().now()),
            "{code}"
        );
        let error = deliver(&settings(smtpd.port, MailTls::None)).await.unwrap_err();
        let said = format!("the mail server answered {code} {}.1.1", &code[..1]);
        assert!(error.text.starts_with(&said) && !error.text.contains("ada@"), "no word of the server: {error}");
        assert_eq!(error.way, code == "530", "{error}");
        assert!(smtpd.mails().is_empty());
    }
}

#[tokio::test]
async fn mail_goes_out_once_the_server_is_back() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let down = deliver(&settings(port, MailTls::None)).await.unwrap_err();
    assert!(down.retry, "{down}");
    let mut first = Smtpd::start(&[]);
    let messages = vec![message("Ada", "ada@example.org", Body::PasswordChanged)];
    let (store, outbox) = dispatcher(&settings(first.port, MailTls::None), messages).await;
    first.stop();
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { failed: 1, waiting: 1, ..Tally::default() });
    store.clock().advance(SignedDuration::from_mins(1));
    let second = Smtpd::start(&[]);
    let again = by_mail(&store, &settings(second.port, MailTls::None));
    assert_eq!(again.dispatch().await.unwrap(), Tally { sent: 1, ..Tally::default() });
    assert_eq!(second.mails().len(), 1);
}

#[tokio::test]
async fn a_server_that_logs_in_gets_the_password_and_a_wrong_one_costs_no_message() {
    let smtpd = Smtpd::start(&["--login", "musterd:correct horse"]);
    deliver(&with_login(smtpd.port, "correct horse")).await.unwrap();
    assert_eq!(smtpd.mails()[0].envelope["login"], true);
    for refused in [with_login(smtpd.port, "wrong"), settings(smtpd.port, MailTls::None)] {
        let error = deliver(&refused).await.unwrap_err();
        assert!(error.way && error.retry && error.text.contains("mail.username and mail.password"), "{error}");
        assert!(!error.text.contains("wrong"), "{error}");
    }
    assert_eq!(smtpd.mails().len(), 1);
}

#[tokio::test]
async fn a_server_that_turns_everybody_away_costs_no_message() {
    let smtpd = Smtpd::start(&["--greet", "554"]);
    let error = deliver(&settings(smtpd.port, MailTls::None)).await.unwrap_err();
    assert_eq!(error, DeliveryError::passing("the mail server answered 554 5.3.2"));
}

#[tokio::test]
async fn a_silent_server_holds_nobody_longer_than_the_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = settings(silent.local_addr().unwrap().port(), MailTls::None);
    let error = deliver(&Settings { connect_timeout: Duration::from_millis(200), ..settings }).await.unwrap_err();
    assert!(error.way && error.text.ends_with("did not take the connection within 200ms"), "{error}");
}

/// Waits for what the daemon does by itself.
fn wait_for<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let watch = musterd::base::clock::Stopwatch::start();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(watch.elapsed() < Duration::from_secs(60), "it does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}
