//! Letters and senders, without a server.

use jiff::Timestamp;

use super::*;
use crate::base::id::UserId;
use crate::base::rng::Rng;
use crate::directory::message::{Body, OneTimeCode, Via};
use crate::notify::settings::MailTls;

fn settings(from: &str) -> Settings {
    let (host, tls) = ("localhost".to_owned(), MailTls::None);
    Settings { host, port: 25, tls, from: from.to_owned(), ..Settings::default() }
}

fn mail(from: &str) -> Result<Mail, MailError> {
    Mail::new(&settings(from))
}

fn message(name: &str, to: &str, body: Body) -> Message {
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    let user = Some(UserId::new(at, &Rng::seeded(1)));
    Message { user, name: name.to_owned(), ..Message::to_address(to, body, at, at) }
}

fn written(mail: &Mail, message: &Message) -> Result<String, DeliveryError> {
    let letter = mail.sender.letter(message, &mail.templates, &mail.voice)?;
    Ok(String::from_utf8(letter.formatted()).unwrap())
}

fn letter(name: &str, to: &str) -> Result<String, DeliveryError> {
    let body = Body::SetPassword { url: "https://id.example.org/a".to_owned() };
    written(&mail("Directory <directory@example.org>").unwrap(), &message(name, to, body))
}

fn headers(letter: &str) -> Vec<&str> {
    let (head, _) = letter.split_once("\r\n\r\n").unwrap();
    head.split("\r\n").filter(|line| !line.starts_with(' ')).map(|line| line.split(':').next().unwrap()).collect()
}

const HEADERS: [&str; 9] = [
    "Date",
    "Message-ID",
    "From",
    "To",
    "Subject",
    "Auto-Submitted",
    "Content-Language",
    "MIME-Version",
    "Content-Type",
];

#[test]
fn a_letter_is_the_same_at_every_attempt() {
    let first = letter("Ada", "ada@example.org").unwrap();
    assert_eq!(first, letter("Ada", "ada@example.org").unwrap());
    for line in [
        "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
        "From: Directory <directory@example.org>\r\n",
        "To: Ada <ada@example.org>\r\n",
        "Subject: Set your password\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Content-Language: en\r\n",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Content-Type: text/html; charset=utf-8\r\n",
        "\r\n\r\nHello Ada,\r\n",
    ] {
        assert!(first.contains(line), "{line:?} is missing in {first}");
    }
}

#[test]
fn nobody_can_add_a_header() {
    for name in
        ["Ada\r\nBcc: eve@example.org", "Ada\n\nHello", "\"Ada\" <eve@example.org>", "Ada, eve@example.org,", "Zoë 王"]
    {
        let letter = letter(name, "ada@example.org").unwrap();
        assert_eq!(headers(&letter), HEADERS, "{letter}");
        let to: Vec<_> = letter.lines().skip_while(|line| !line.starts_with("To:")).collect();
        let to = to.iter().take_while(|line| line.starts_with("To:") || line.starts_with(' ')).copied();
        assert!(to.collect::<String>().ends_with(" <ada@example.org>"), "{letter}");
    }
    for to in
        ["ada@example.org\r\nBcc: eve@example.org", "ada@example.org, eve@example.org", "ada", "", "<ada@example.org>"]
    {
        assert!(!letter("Ada", to).unwrap_err().retry, "{to:?}");
    }
}

#[test]
fn two_messages_of_one_moment_have_two_ids_and_no_id_depends_on_a_code() {
    let mail = mail("directory@example.org").unwrap();
    let id = |body: Body| {
        let letter = written(&mail, &message("Ada", "ada@example.org", body)).unwrap();
        letter.split_once("Message-ID: ").unwrap().1.split_once("\r\n").unwrap().0.to_owned()
    };
    let alarm = |cause: &str| Body::Alarm { cause: cause.to_owned(), detail: "x".to_owned() };
    assert_eq!(id(alarm("mail")), id(alarm("mail")));
    assert_ne!(id(alarm("mail")), id(alarm("store")));
    let code = |code: &str| Body::Code { via: Via::Mail, code: OneTimeCode::new(code), minutes: 5 };
    assert_eq!(id(code("111111")), id(code("222222")));
}

#[test]
fn the_sender_is_an_address_with_or_without_a_name() {
    for good in ["directory@example.org", "Directory <directory@example.org>", "\"A, B\" <a@example.org>"] {
        assert!(mail(good).is_ok(), "{good}");
    }
    for bad in ["", "Directory", "a@example.org, b@example.org", "Directory <a@example.org> x"] {
        assert!(mail(bad).is_err(), "{bad}");
    }
    let answered = Settings { reply_to: Some("Desk <desk@example.org>".to_owned()), ..settings("a@example.org") };
    let letter = written(&Mail::new(&answered).unwrap(), &message("Ada", "ada@example.org", Body::MailTest)).unwrap();
    assert!(letter.contains("\r\nReply-To: Desk <desk@example.org>\r\n"), "{letter}");
    let wrong = Mail::new(&Settings { reply_to: Some("desk".to_owned()), ..answered }).err().unwrap();
    assert!(wrong.to_string().contains("mail.reply_to"), "{wrong}");
}

#[test]
fn a_domain_outside_ascii_is_written_as_dns_knows_it() {
    let mail = mail("musterd@bücher.example").unwrap();
    let envelope = |to: &str| {
        let message = message("Zoë", to, Body::MailTest);
        let letter = mail.sender.letter(&message, &mail.templates, &mail.voice).unwrap();
        let text = String::from_utf8(letter.formatted()).unwrap();
        assert!(text.contains("\r\nFrom: musterd@xn--bcher-kva.example\r\n"), "{text}");
        let envelope = letter.envelope();
        (envelope.from().unwrap().to_string(), envelope.to().iter().map(ToString::to_string).collect::<String>())
    };
    let from = "musterd@xn--bcher-kva.example".to_owned();
    assert_eq!(envelope("ada@BÜCHER.example"), (from.clone(), "ada@xn--bcher-kva.example".to_owned()));
    assert_eq!(envelope("ada@例え.jp"), (from.clone(), "ada@xn--r8jz45g.jp".to_owned()));
    assert_eq!(envelope("zoë@bücher.example"), (from.clone(), "zoë@bücher.example".to_owned()));
    assert_eq!(envelope("ada@Example.org"), (from, "ada@Example.org".to_owned()));
}

#[test]
fn an_authority_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let with = |path: &std::path::Path| {
        let ca_file = Some(path.to_owned());
        Mail::new(&Settings { ca_file, tls: MailTls::StartTls, ..settings("a@example.org") }).err().unwrap().to_string()
    };
    assert!(with(&file).contains("ca.pem cannot be read"), "{}", with(&file));
    std::fs::write(&file, "no certificate").unwrap();
    assert!(with(&file).contains("ca.pem holds no certificate"), "{}", with(&file));
}
