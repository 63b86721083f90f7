//! The test of a source says how far it comes and which setting to look at.

use musterd::base::secret::Secret;
use musterd::sources::ldap::Settings;
use musterd::sources::{Source, TestReport, Trial};

use super::{over_tls, source};
use crate::harness::slapd::Slapd;

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
