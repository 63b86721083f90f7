//! Who the server is and who we are: pinned certificates, client certificates, and how their faults are told.

use std::path::PathBuf;

use musterd::base::certificates::SeenCertificates;
use musterd::sources::ldap::Settings;
use musterd::sources::{PullError, Source, Trial};

use super::{Pull, settings, source, verdict};
use crate::harness::certificates::{file, sha256};
use crate::harness::slapd::{Slapd, SlapdOptions};

/// A server with one user and this certificate, which asks for ours like this.
fn slapd(certificate: &'static str, verify_client: &'static str) -> Slapd {
    Slapd::with(SlapdOptions { users: 1, certificate, verify_client, ..SlapdOptions::default() })
}

/// Settings that read by the certificate `name.pem` and nothing else.
fn by_certificate(url: &str, name: &str) -> Settings {
    Settings {
        bind_dn: String::new(),
        bind_password: None,
        client_cert_file: Some(file(&format!("{name}.pem"))),
        client_key_file: Some(file(&format!("{name}.key"))),
        ..settings(url, Some(file("ca.pem")))
    }
}

/// What went wrong with a reading; it must be told as a matter of the settings.
async fn misconfigured(settings: Settings) -> String {
    match source(settings).pull().await {
        Err(PullError::Misconfigured(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_reads_the_users_and_passwords_are_verified_as_ever() {
    let slapd = slapd("server", "demand");
    let start_tls = Settings { start_tls: true, ..by_certificate(&slapd.ldap_url(), "reader") };
    for settings in [by_certificate(&slapd.ldaps_url(), "reader"), start_tls] {
        let seen = SeenCertificates::default();
        let source = source(settings).noting_certificates(&seen);
        let pulled = source.pull().await.unwrap();
        assert_eq!(pulled.users.len(), 1);
        assert_eq!(seen.list().len(), 1, "until when the server's is good is known");
        assert_eq!(verdict(&source, "u0000001", "pw-1").await, ("accepted", "u0000001".to_owned()));
        assert_eq!(verdict(&source, "u0000001", "pw-2").await.0, "wrong");
        assert!(source.test(Trial::default()).await.passed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_that_the_server_does_not_take_is_explained() {
    let demanding = slapd("server", "demand");
    let strange = by_certificate(&demanding.ldaps_url(), "stranger");
    let without = Settings { client_cert_file: None, client_key_file: None, ..strange.clone() };
    for settings in [strange, without] {
        // This server says nothing and closes, as one does that is going down.
        let why = source(settings).pull().await.unwrap_err().to_string();
        assert!(why.contains("before its first answer") && why.contains("client_cert_file"), "{why}");
    }
    let not_asking = slapd("server", "never");
    let why = misconfigured(by_certificate(&not_asking.ldaps_url(), "reader")).await;
    assert!(why.contains("result code 7") && why.contains("client_cert_file"), "{why}");
}

#[test]
fn files_of_a_client_certificate_that_cannot_be_used_are_faults() {
    let good = by_certificate("ldaps://localhost", "reader");
    assert!(good.faults().is_empty());
    let gone = Some(PathBuf::from("gone.pem"));
    for (settings, key, word) in [
        (Settings { client_key_file: None, ..good.clone() }, "client_key_file", "missing"),
        (Settings { client_cert_file: None, ..good.clone() }, "client_cert_file", "missing"),
        (Settings { client_cert_file: gone.clone(), ..good.clone() }, "client_cert_file", "gone.pem"),
        (Settings { client_key_file: gone, ..good.clone() }, "client_key_file", "gone.pem"),
        (Settings { client_key_file: Some(file("stranger.key")), ..good.clone() }, "client_key_file", "not the key"),
        (Settings { client_key_file: Some(file("reader.pem")), ..good.clone() }, "client_key_file", "everybody"),
        (Settings { client_key_file: Some(file("open.key")), ..good.clone() }, "client_key_file", "chmod o="),
        (Settings { urls: vec!["ldap://localhost".to_owned()], ..good.clone() }, "client_cert_file", "needs TLS"),
        (Settings { tls_pin: vec!["ab".to_owned()], ca_file: None, ..good.clone() }, "tls_pin", "64 hex digits"),
        (Settings { tls_pin: vec!["0".repeat(64)], ..good.clone() }, "tls_pin", "remove ca_file"),
    ] {
        let faults = settings.faults();
        assert!(matches!(&faults[..], [(found, text)] if *found == key && text.contains(word)), "{word}: {faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_stands_in_for_a_name_and_for_nothing_else() {
    let slapd = slapd("no-san", "never");
    let pinned = |pins: &[&str]| Settings {
        tls_pin: pins.iter().map(|name| sha256(&format!("{name}.pem"))).collect(),
        ca_file: None,
        ..settings(&slapd.ldaps_url(), None)
    };
    let verifying = settings(&slapd.ldaps_url(), Some(file("ca.pem")));
    let why = misconfigured(verifying.clone()).await;
    assert!(why.contains("subject alternative names") && why.contains("tls_pin"), "{why}");
    let why = misconfigured(pinned(&["server", "no-san-expired"])).await;
    assert!(why.contains(&sha256("no-san.pem")) && why.contains("tls_pin"), "{why}");
    for pins in [&["no-san"][..], &["server", "no-san"]] {
        let settings = pinned(pins);
        let start_tls = Settings { start_tls: true, urls: vec![slapd.ldap_url()], ..settings.clone() };
        for settings in [settings, start_tls] {
            let source = source(settings);
            assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
            assert_eq!(source.pull().await.unwrap().users.len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_certificate_that_has_run_out_or_is_of_an_old_version_is_refused() {
    for (name, word) in [("no-san-expired", "expired"), ("old", "version")] {
        let slapd = slapd(name, "never");
        let tls_pin = vec![sha256(&format!("{name}.pem"))];
        let why = misconfigured(Settings { tls_pin, ..settings(&slapd.ldaps_url(), None) }).await;
        assert!(why.contains(word), "{why}");
    }
}
