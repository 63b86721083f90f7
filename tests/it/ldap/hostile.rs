//! A hostile server, or one who sits in between, can make a reading fail and nothing else.

use std::time::Duration;

use musterd::base::clock::Stopwatch;
use musterd::sources::PullError;
use musterd::sources::ldap::{Settings, Strategy};

use super::{Pull, settings, source};
use crate::harness::hostile::{Hostile, element, message, numbered};

/// Settings for plain LDAP to a port, without a bind: the first request is for the root entry, the second for the users.
fn anonymous(port: u16) -> Settings {
    let strategy = Some(Strategy::Full);
    let settings = settings(&format!("ldap://127.0.0.1:{port}"), None);
    Settings { bind_dn: String::new(), bind_password: None, strategy, ..settings }
}

/// Why a reading fails whose first request is answered by these bytes.
async fn pull_from(bytes: Vec<u8>) -> String {
    why(Hostile::answering(bytes).await).await
}

/// The same for the first request for users: the one before it finds no root entry.
async fn users_from(operation: Vec<u8>) -> String {
    let result = [element(0x0a, &[32]), element(0x04, &[]), element(0x04, &[])].concat();
    why(Hostile::answering_each(vec![message(element(0x65, &result)), numbered(2, operation)]).await).await
}

async fn why(server: Hostile) -> String {
    let started = Stopwatch::start();
    let settings = Settings { idle_timeout: Duration::from_secs(2), ..anonymous(server.port) };
    match source(settings).pull().await {
        Err(PullError::Incomplete { why, .. } | PullError::Unavailable(why)) => {
            assert!(started.elapsed() < Duration::from_secs(1), "{why}: {:?}", started.elapsed());
            why
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_nesting_does_not_end_the_process() {
    // 120 kB of nothing but headers, as a bomb is made that never has to close.
    let headers: Vec<u8> = [0x30, 0x84, 0x00, 0xf0, 0x00, 0x00].repeat(20_000);
    assert!(pull_from(headers).await.contains("not LDAP"));
    let nested = (0..20_000).fold(Vec::new(), |inside: Vec<u8>, _| element(0x30, &inside));
    assert_eq!(nested.len(), 120_000);
    assert!(pull_from(message(element(0x64, &nested))).await.contains("32 levels"));
    let filter_like = (0..20_000).fold(Vec::new(), |inside: Vec<u8>, _| element(0xa2, &inside));
    assert!(pull_from(message(element(0x64, &filter_like))).await.contains("32 levels"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_length_is_refused_at_once() {
    assert!(pull_from(vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]).await.contains("16 MiB"));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_refused() {
    let web = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    assert!(pull_from(web).await.contains("not LDAP"));
    assert!(pull_from(vec![0x30, 0x80, 0x00, 0x00]).await.contains("indefinite"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_the_library_panic_is_an_error() {
    let done = |content: &[Vec<u8>]| message(element(0x65, &content.concat()));
    let not_utf8 = done(&[element(0x0a, &[0]), element(0x04, &[0xff]), element(0x04, &[0xfe])]);
    let empty = done(&[]);
    let unknown_operation = message(element(0x7e, &[]));
    let bad_control =
        element(0x30, &[element(0x02, &[1]), element(0x65, &[]), element(0xa0, &element(0x30, &[]))].concat());
    for bytes in [not_utf8, empty, unknown_operation, bad_control] {
        let why = pull_from(bytes).await;
        assert!(why.contains("cannot be decoded"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_the_wrong_shape_ends_the_pass() {
    assert!(users_from(element(0x64, &element(0x04, b"dn"))).await.contains("entry"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_page_without_the_paging_control_is_incomplete() {
    let result = [element(0x0a, &[0]), element(0x04, &[]), element(0x04, &[])].concat();
    assert!(users_from(element(0x65, &result)).await.contains("last page"));
}

#[tokio::test(flavor = "multi_thread")]
async fn start_tls_that_is_refused_or_smuggled_into_sends_no_password() {
    let answer =
        |code: u8| message(element(0x78, &[element(0x0a, &[code]), element(0x04, &[]), element(0x04, &[])].concat()));
    let smuggled = [answer(0), message(element(0x61, &[]))].concat();
    for (bytes, expected) in
        [(answer(2), "refused StartTLS"), (smuggled, "came along"), (b"+OK ready\r\n".to_vec(), "StartTLS")]
    {
        let server = Hostile::answering(bytes).await;
        let settings = settings(&format!("ldap://localhost:{}", server.port), None);
        let why = source(Settings { start_tls: true, ..settings }).pull().await.unwrap_err().to_string();
        assert!(why.contains(expected), "{why}");
        let received = server.received.lock().unwrap().clone();
        assert_eq!(received.len(), 31, "only the StartTLS request may be sent: {received:02x?}");
    }
}
