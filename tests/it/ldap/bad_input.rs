//! An entry that cannot be taken is one line that names it; all others are read.

use musterd::sources::PullError;
use musterd::sources::ldap::{Attributes, LdapSource, Settings};

use super::{Pull, over_tls, settings, source};
use crate::harness::fake_ldap::{Bind, Entry, FakeDirectory, FakeLdap};
use crate::harness::slapd::{BASE, READER, READER_PASSWORD, Slapd};

fn faults(settings: Settings) -> Vec<(&'static str, String)> {
    LdapSource::new(settings).err().unwrap_or_default()
}

#[test]
fn settings_that_cannot_work_are_told_with_their_names_before_anything_is_sent() {
    let good = settings("ldap://127.0.0.1:9", None);
    let mut attributes = Attributes { username: Some(String::new()), ..Attributes::default() };
    let cases = [
        (Settings { user_filter: Some("(uid=".to_owned()), ..good.clone() }, "user_filter"),
        (Settings { group_filter: Some("cn=x".to_owned()), ..good.clone() }, "group_filter"),
        (Settings { disabled_when: Some("()".to_owned()), ..good.clone() }, "disabled_when"),
        (Settings { base_dn: "people".to_owned(), ..good.clone() }, "base_dn"),
        (Settings { ca_file: Some("/nonexistent/ca.pem".into()), ..good.clone() }, "ca_file"),
        (Settings { ca_file: Some("/".into()), ..good.clone() }, "ca_file"),
        (Settings { attributes: attributes.clone(), ..good.clone() }, "attributes.username"),
    ];
    for (settings, key) in cases {
        let faults = faults(settings);
        assert_eq!(faults.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [key], "{faults:?}");
    }
    attributes.username = Some("no attribute".to_owned());
    assert!(faults(Settings { attributes, ..good })[0].1.contains("no attribute"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_is_not_there_is_a_setting_to_look_at() {
    let slapd = Slapd::start(1);
    match source(Settings { base_dn: format!("ou=gone,{BASE}"), ..over_tls(&slapd) }).pull().await {
        Err(PullError::Misconfigured(why)) => assert!(why.contains("base_dn"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_to_attributes_that_nobody_has_skips_everybody_and_says_why() {
    let slapd = Slapd::start(3);
    let attributes = Attributes { username: Some("uidd".to_owned()), ..Attributes::default() };
    let pulled = source(Settings { attributes, ..over_tls(&slapd) }).pull().await.unwrap();
    assert_eq!((pulled.users.len(), pulled.skipped.len()), (0, 3));
    for skipped in pulled.skipped {
        assert!(skipped.external_id.is_some(), "present all the same");
        assert!(skipped.label.starts_with("uid=u") && skipped.problem.contains("attributes.username"), "{skipped:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_entries_with_one_identifier_are_both_told() {
    let slapd = Slapd::start(3);
    for (name, number) in [("u0000001", "7"), ("u0000002", "7"), ("u0000003", "8")] {
        slapd.modify(name, &format!("add: employeeNumber\nemployeeNumber: {number}"));
    }
    slapd.add_user("numberless", "x", "");
    slapd.add_user("twice", "x", "employeeNumber: 9\n");
    let settings = Settings { id_attribute: Some("employeeNumber".to_owned()), ..over_tls(&slapd) };
    let source = source(settings);
    let pulled = source.pull().await.unwrap();
    assert_eq!(pulled.usernames(), ["twice", "u0000001", "u0000002", "u0000003"]);
    assert_eq!(pulled.user("u0000001").external_id, pulled.user("u0000002").external_id);
    assert_eq!(pulled.skipped.len(), 1);
    let skipped = &pulled.skipped[0];
    assert!(skipped.external_id.is_none() && skipped.label.starts_with("uid=numberless,"), "{skipped:?}");
    assert!(skipped.problem.contains("id_attribute"), "{skipped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_values_skip_their_entry_alone_and_an_odd_address_goes_through() {
    let slapd = Slapd::start(2);
    slapd.modify("u0000001", "replace: mail\nmail: not an address");
    slapd.add(&format!("dn: cn=nameless,ou=people,{BASE}\nobjectClass: inetOrgPerson\ncn: nameless\nsn: x\n"));
    // A value of bytes in an attribute that is no text.
    slapd.modify("u0000002", "add: jpegPhoto\njpegPhoto:: /9j/4A==");
    let attributes = Attributes { description: Some("jpegPhoto".to_owned()), ..Attributes::default() };
    let pulled = source(Settings { attributes, ..over_tls(&slapd) }).pull().await.unwrap();
    assert_eq!(pulled.usernames(), ["u0000001"]);
    assert_eq!(pulled.user("u0000001").email.clone().flatten().as_deref(), Some("not an address"));
    let mut skipped: Vec<_> = pulled.skipped.iter().map(|one| (one.label.as_str(), one.problem.as_str())).collect();
    skipped.sort_unstable();
    assert_eq!(skipped.len(), 2, "{skipped:?}");
    assert!(skipped[0].0.starts_with("cn=nameless,") && skipped[0].1.contains("attributes.username"), "{skipped:?}");
    assert!(skipped[1].0.starts_with("uid=u0000002,") && skipped[1].1.contains("jpegPhoto"), "{skipped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_of_ten_mebibytes_skips_its_entry_alone() {
    let people = "ou=people,dc=example,dc=org";
    let person = |name: &str| {
        let texts = [("objectClass", "inetOrgPerson"), ("uid", name), ("cn", name), ("entryUUID", name)];
        Entry::new(&format!("uid={name},{people}"), &texts)
    };
    let mut directory = FakeDirectory {
        entries: vec![
            person("ada"),
            person("bulky").with("mail", vec![vec![b'x'; 10 << 20]]),
            person("many").with("mail", vec![b"x@example.org".to_vec(); 20_000]),
            person("bytes").with("cn", vec![vec![0xff, 0xfe]]),
            person("last"),
        ],
        ..FakeDirectory::default()
    };
    directory.binds.insert(READER.to_owned(), Bind::Password(READER_PASSWORD.to_owned()));
    let fake = FakeLdap::start(directory).await;
    let pulled = source(settings(&fake.url(), None)).pull().await.unwrap();
    assert_eq!(pulled.usernames(), ["ada", "last"]);
    let problems: Vec<_> = pulled.skipped.iter().map(|one| (one.label.as_str(), one.problem.as_str())).collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    for ((label, problem), (name, word)) in
        problems.iter().zip([("bulky", "64 KiB"), ("many", "10,000"), ("bytes", "UTF-8")])
    {
        assert!(label.contains(name) && problem.contains(word), "{label}: {problem}");
    }
}
