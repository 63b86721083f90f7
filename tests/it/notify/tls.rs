//! TLS towards the mail server: required where it is set, and always verified.
//!
//! The system's roots are read from the environment, which a test cannot change for itself alone: the tests that
//! need another root run this binary again with one test of it.

use std::path::Path;
use std::process::Command;

use musterd::base::certificates::SeenCertificates;
use musterd::base::clock::Clock;
use musterd::directory::message::Body;
use musterd::notify::channel::Channel;
use musterd::notify::mail::Mail;
use musterd::notify::settings::{MailTls, Settings};

use super::{deliver, message, settings};
use crate::harness::certificates::file;
use crate::harness::smtpd::Smtpd;

/// `smtpd.py` with a certificate for localhost.
fn server(option: &str, certificate: &str) -> Smtpd {
    let path = |name: &str| file(name).display().to_string();
    Smtpd::start(&[option, &path(certificate), &path("server.key")])
}

/// Runs [`delivers_over_tls`] in a process of its own that trusts these roots.
fn delivers(way: &str, port: u16, roots: &Path) -> bool {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "notify::tls::delivers_over_tls", "--include-ignored"])
        .env("SSL_CERT_FILE", roots)
        .env_remove("SSL_CERT_DIR")
        .env("MUSTERD_TEST_MAIL", format!("{way}:{port}"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(said.contains("running 1 test"), "{said}");
    child.status.success()
}

/// Run by the others only.
#[tokio::test]
#[ignore = "is run by the other tests of this file, with roots of their own"]
async fn delivers_over_tls() {
    let Ok(way) = std::env::var("MUSTERD_TEST_MAIL") else { return };
    let (way, port) = way.split_once(':').unwrap();
    let tls = if way == "starttls" { MailTls::StartTls } else { MailTls::Tls };
    deliver(&settings(port.parse().unwrap(), tls)).await.unwrap();
}

#[test]
fn a_certificate_of_a_trusted_authority_is_taken_and_the_mail_goes_protected() {
    for way in ["starttls", "tls"] {
        let smtpd = server(&format!("--{way}"), "server.pem");
        assert!(delivers(way, smtpd.port, &file("ca.pem")), "{way}");
        let mails = smtpd.mails();
        assert_eq!(mails.len(), 1, "{way}");
        assert!(way == "tls" || mails[0].envelope["tls"] == true, "{mails:?}");
    }
}

#[test]
fn an_unknown_authority_or_an_expired_certificate_sends_nothing() {
    for way in ["starttls", "tls"] {
        for (certificate, root) in [("server.pem", "other.pem"), ("expired.pem", "ca.pem")] {
            let smtpd = server(&format!("--{way}"), certificate);
            assert!(!delivers(way, smtpd.port, &file(root)), "{way} {certificate} {root}");
            assert!(smtpd.mails().is_empty(), "{way} {certificate} {root}");
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_where_starttls_is_wanted_and_not_offered() {
    let smtpd = Smtpd::start(&[]);
    let error = deliver(&settings(smtpd.port, MailTls::StartTls)).await.unwrap_err();
    assert!(error.retry && error.text.contains("STARTTLS"), "{error}");
    assert!(smtpd.mails().is_empty());
}

#[tokio::test]
async fn until_when_the_servers_certificate_is_good_is_noted() {
    for (option, way) in [("--starttls", MailTls::StartTls), ("--tls", MailTls::Tls)] {
        let smtpd = server(option, "server.pem");
        let settings = Settings { ca_file: Some(file("ca.pem")), ..settings(smtpd.port, way) };
        let seen = SeenCertificates::default();
        let mail = Mail::new(&settings).unwrap().noting_certificates(&seen);
        mail.deliver(&message("Ada", "ada@example.org", Body::PasswordChanged)).await.unwrap();
        let noted = seen.list();
        assert_eq!(noted.len(), 1, "{noted:?}");
        assert!(noted[0].0 == "localhost" && noted[0].1 > Clock::system().now(), "{noted:?}");
    }
}
