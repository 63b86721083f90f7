//! The test of a source says how far it comes and which setting to look at.

use musterd::base::secret::Secret;
use musterd::sources::ldap::{Attributes, Settings};
use musterd::sources::{Instead, Source, TestReport, Trial};

use super::{over_tls, settings, source};
use crate::harness::fault_proxy::FaultProxy;
use crate::harness::slapd::{BASE, READER_PASSWORD, Slapd, SlapdOptions, Syncprov};

/// The name and text of the last step.
fn last(report: &TestReport) -> (&'static str, String) {
    let step = report.steps.last().unwrap();
    (step.name, step.outcome.clone().unwrap_or_else(|problem| problem))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_from_the_connection_to_three_samples() {
    let slapd = Slapd::start(30);
    let report = source(over_tls(&slapd)).test(Trial::default()).await;
    assert!(report.passed(), "{report:?}");
    let names: Vec<_> = report.steps.iter().map(|step| step.name).collect();
    assert_eq!(names, ["connection", "TLS", "bind", "server", "paging", "base", "id attribute", "samples", "users"]);
    assert_eq!(report.samples.len(), 3);
    assert_eq!(last(&report), ("users", "30".to_owned()));
    assert!(report.steps[1].outcome.as_ref().unwrap().contains("TLSv1_3"), "{report:?}");
    assert_eq!(report.steps[3].outcome.as_deref(), Ok("openldap: the root DSE is one of OpenLDAP"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_names_the_step_that_fails_and_the_setting() {
    let slapd = Slapd::start_limited(30, "20");
    let good = over_tls(&slapd);
    let cases = [
        (Settings { ca_file: Some(slapd.other_ca_file()), ..good.clone() }, "TLS", "ca_file"),
        (Settings { bind_password: Some(Secret::new("x")), ..good.clone() }, "bind", "bind_password"),
        (Settings { base_dn: "ou=gone,dc=example,dc=org".to_owned(), ..good.clone() }, "base", "base_dn"),
        (Settings { id_attribute: Some("employeeNumber".to_owned()), ..good.clone() }, "id attribute", "id_attribute"),
        (Settings { user_filter: Some("(uid=x)".to_owned()), ..good.clone() }, "samples", "user_filter"),
        (good, "users", "size limit"),
        (Settings { urls: vec!["ldaps://127.0.0.1:9".to_owned()], ..over_tls(&slapd) }, "connection", "urls"),
    ];
    for (settings, step, hint) in cases {
        let report = source(settings).test(Trial::default()).await;
        let (name, text) = last(&report);
        assert!(!report.passed() && name == step && text.contains(hint), "{step} {hint}: {report:?}");
    }
}

fn thorough() -> Trial {
    Trial { thorough: true, ..Trial::default() }
}

/// What a step said.
fn said(report: &TestReport, name: &str) -> String {
    let step = report.steps.iter().find(|step| step.name == name).unwrap_or_else(|| panic!("{name}: {report:?}"));
    step.outcome.clone().unwrap_or_else(|problem| problem)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_looks_at_more_and_each_step_names_its_setting() {
    let slapd =
        Slapd::with(SlapdOptions { users: 30, groups: true, sync: Syncprov::Log(9), ..SlapdOptions::default() });
    let with_groups = Settings { groups: true, base_dn: BASE.to_owned(), ..over_tls(&slapd) };
    let report = source(with_groups).test(thorough()).await;
    assert!(report.passed(), "{report:?}");
    let steps: Vec<_> = report.steps.iter().map(|step| (step.name, step.setting)).collect();
    let expected = [
        ("connection", "urls"),
        ("TLS", "start_tls"),
        ("certificate", "ca_file"),
        ("bind", "bind_dn"),
        ("server", "server_kind"),
        ("paging", "page_size"),
        ("base", "base_dn"),
        ("changes", "strategy"),
        ("clock", "server_kind"),
        ("mapping", "attributes"),
        ("id attribute", "id_attribute"),
        ("samples", "attributes"),
        ("users", "user_filter"),
        ("groups", "group_filter"),
    ];
    assert_eq!(steps, expected);
    assert!(said(&report, "changes").starts_with("changes by syncrepl: "), "{report:?}");
    assert!(said(&report, "clock").contains("differ by"), "{report:?}");
    assert!(said(&report, "mapping").contains("that the schema knows"), "{report:?}");
    assert!(said(&report, "certificate").contains("days left"), "{report:?}");
    assert_eq!((said(&report, "users"), said(&report, "groups"), report.samples.len()), ("30".into(), "8".into(), 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_says_how_changes_are_read_and_what_the_server_refuses() {
    for sync in [Syncprov::Listed, Syncprov::Absent] {
        let slapd = Slapd::with(SlapdOptions { users: 3, sync, ..SlapdOptions::default() });
        let report = source(over_tls(&slapd)).test(thorough()).await;
        let changes = said(&report, "changes");
        assert!(changes.starts_with("no changes: the server tells of no deletions"), "{sync:?}: {changes}");
        assert_eq!(changes.contains("refused: syncrepl"), sync == Syncprov::Listed, "{changes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_finds_a_misspelt_attribute_that_a_test_cannot() {
    let slapd = Slapd::start(3);
    let attributes = Attributes { phone: Some("telefoneNumber".to_owned()), ..Attributes::default() };
    let source = source(Settings { attributes, ..over_tls(&slapd) });
    assert!(source.test(Trial::default()).await.passed());
    let report = source.test(thorough()).await;
    let (name, text) = last(&report);
    assert!(!report.passed() && name == "mapping" && text.contains("telefoneNumber"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_settings_are_tried_and_the_password_goes_nowhere_it_was_not_meant_for() {
    let slapd = Slapd::start(3);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let source = source(settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file())));
    let user = format!("uid=u0000001,ou=people,{BASE}");
    let elsewhere = [
        Instead { urls: Some(vec![slapd.ldaps_url()]), ..Instead::default() },
        Instead { bind_dn: Some(user), ..Instead::default() },
        Instead { urls: Some(vec!["ldap://ldap.example.org".to_owned()]), ..Instead::default() },
    ];
    for instead in elsewhere {
        let report = source.test(Trial { instead, ..Trial::default() }).await;
        let (name, text) = last(&report);
        assert!(!report.passed() && name == "settings" && text.contains("bind_password"), "{report:?}");
        assert_eq!(report.steps.len(), 1);
    }
    assert_eq!(proxy.accepted(), 0, "nothing was sent");
    let given = Instead {
        urls: Some(vec![slapd.ldaps_url()]),
        bind_password: Some(Secret::new(READER_PASSWORD)),
        ..Instead::default()
    };
    assert!(source.test(Trial { instead: given, ..Trial::default() }).await.passed());
    let filter = Instead { user_filter: Some("(uid=u0000002)".to_owned()), ..Instead::default() };
    let report = source.test(Trial { instead: filter, ..Trial::default() }).await;
    assert_eq!(last(&report), ("users", "1".to_owned()));
    let base = Instead { base_dn: Some(format!("ou=gone,{BASE}")), ..Instead::default() };
    assert_eq!(last(&source.test(Trial { instead: base, ..Trial::default() }).await).0, "base");
    let nonsense = Instead { user_filter: Some("(uid=".to_owned()), ..Instead::default() };
    assert!(last(&source.test(Trial { instead: nonsense, ..Trial::default() }).await).1.contains("user_filter"));
    // Nothing of it was kept.
    assert_eq!(last(&source.test(Trial::default()).await), ("users", "3".to_owned()));
}
