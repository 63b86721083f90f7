//! What goes wrong on the way to a provider over HTTP, and what that means for the text.

use std::time::Duration;

use musterd::notify::sms::settings::{Kind, Provider};
use musterd::notify::sms::{SendError, Sent};

use super::{CODE, NUMBER, deliver, http, provider, said};
use crate::harness::certificates::file;
use crate::harness::web_server::{Does, WebServer};

fn at(server: &WebServer) -> Provider {
    let kind = Kind::Http(Box::new(http(&format!("https://{}/send", server.authority))));
    let timeout = Duration::from_millis(1_500);
    Provider { ca_file: Some(file("ca.pem")), timeout, ..provider("other", kind) }
}

/// A provider whose server does this, and the server.
async fn doing(does: Does) -> (Provider, WebServer) {
    let server = WebServer::start(Some("server"), does).await;
    (at(&server), server)
}

fn ok() -> Does {
    Does::answer("200 OK", "", r#"{"status": "ok", "id": "m-1"}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_accepted_by_status_and_by_what_the_answer_says() {
    let (provider, server) = doing(ok()).await;
    assert_eq!(said(provider.clone()).await, Ok("m-1".to_owned()));
    deliver(vec![provider]).await.unwrap();
    let asked = server.asked().remove(1);
    assert_eq!((asked.line.as_str(), asked.header("authorization").as_str()), ("POST /send", "Bearer hunter2"));
    let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
    let text = "918273 is your code for Example. It is good for 5 minutes. Never share it.\n\n@id.example.org #918273";
    assert_eq!(body, serde_json::json!({"to": NUMBER, "text": text}));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_fail_says_whether_the_text_may_have_left() {
    let redirect = "location: https://127.0.0.1:1/elsewhere\r\n";
    let cases = [
        (Does::answer("200 OK", "", r#"{"status": "no money"}"#), Sent::No, false),
        (Does::answer("429 Too Many Requests", "retry-after: 7\r\n", ""), Sent::No, true),
        (Does::answer("400 Bad Request", "", "918273 to +31612345600"), Sent::No, false),
        (Does::answer("401 Unauthorized", "", ""), Sent::No, false),
        (Does::answer("302 Found", redirect, ""), Sent::No, false),
        (Does::answer("408 Request Timeout", "", ""), Sent::Maybe, false),
        (Does::answer("500 Internal Server Error", "", ""), Sent::Maybe, false),
        (Does::answer("503 Service Unavailable", "", ""), Sent::Maybe, false),
        (Does::answer("204 No Content", "", ""), Sent::Maybe, false),
        (Does::answer("200 OK", "", "<html>918273</html>"), Sent::Maybe, false),
        (Does::Says("no HTTP at all\r\n\r\n".to_owned()), Sent::Maybe, false),
        (Does::Drops, Sent::Maybe, false),
        (Does::Hangs, Sent::Maybe, false),
        (Does::Floods, Sent::Maybe, false),
        (Does::Trickles, Sent::Maybe, false),
    ];
    for (at, (does, sent, retryable)) in cases.into_iter().enumerate() {
        let (provider, server) = doing(does).await;
        let error: SendError = said(provider.clone()).await.unwrap_err();
        assert_eq!((error.sent, error.retryable), (sent, retryable), "{at}: {error}");
        assert_eq!(error.wait, retryable.then(|| Duration::from_secs(7)), "{at}");
        let told = deliver(vec![provider]).await.unwrap_err();
        assert_eq!(told.retry, retryable, "{at}: {told}");
        assert!(!told.text.contains(CODE) && !told.text.contains(&NUMBER[1..]), "{at}: {told}");
        assert_eq!(server.asked().len(), 2, "{at}: it is asked once for each text");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_whom_the_certificate_does_not_prove() {
    for (certificate, ca, word) in [
        ("expired", "ca.pem", "expired"),
        ("server", "other.pem", "set ca_file"),
        ("no-san", "ca.pem", "not for this host"),
    ] {
        let server = WebServer::start(Some(certificate), ok()).await;
        let error = said(Provider { ca_file: Some(file(ca)), ..at(&server) }).await.unwrap_err();
        assert!(error.sent == Sent::No && error.text.contains(word), "{certificate}: {error}");
        assert!(server.asked().is_empty(), "{certificate}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_provider_is_asked_only_where_the_first_certainly_did_not_send() {
    for (first, goes_on) in [
        (Does::answer("400 Bad Request", "", ""), true),
        (Does::answer("429 Too Many Requests", "", ""), true),
        (Does::answer("500 Internal Server Error", "", ""), false),
        (Does::Drops, false),
        (ok(), false),
    ] {
        let ((first, _one), (second, two)) = (doing(first).await, doing(ok()).await);
        let second = Provider { name: "second".to_owned(), ..second };
        drop(deliver(vec![first, second]).await);
        assert_eq!(two.asked().len(), usize::from(goes_on));
    }
}
