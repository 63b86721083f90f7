//! The OpenLDAP of the tests is what its options say.

use std::process::Command;

use musterd::sources::ldap::Settings;

use super::{Pull, over_tls, source, verdict};
use crate::harness::certificates::file;
use crate::harness::slapd::{BASE, READER, READER_PASSWORD, Slapd, SlapdOptions, Syncprov};

/// The `dn:` lines of a search.
fn found(slapd: &Slapd, filter: &str) -> Vec<String> {
    let ldif = slapd.search(BASE, filter, &["1.1"]);
    ldif.lines().filter_map(|line| line.strip_prefix("dn: ")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_every_kind_are_there_and_users_can_be_moved() {
    let slapd = Slapd::with(SlapdOptions { users: 5, groups: true, memberof: true, ..SlapdOptions::default() });
    let all = found(&slapd, "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))");
    assert_eq!(all.len(), 8, "{all:?}");
    assert_eq!(found(&slapd, &format!("(memberOf=cn=devs,ou=groups,{BASE})")).len(), 3);
    slapd.group("new", &["u0000004"]);
    slapd.modify_group("new", &format!("add: member\nmember: uid=u0000005,ou=people,{BASE}"));
    assert_eq!(found(&slapd, &format!("(memberOf=cn=new,ou=groups,{BASE})")).len(), 2);
    slapd.rename_user("u0000001", "ada");
    slapd.move_user("u0000002", "ou=elsewhere");
    slapd.move_user("u0000003", "ou=sub,ou=people");
    for (filter, place) in [("ada", "ou=people"), ("u0000002", "ou=elsewhere"), ("u0000003", "ou=sub,ou=people")] {
        assert_eq!(found(&slapd, &format!("(uid={filter})")), [format!("uid={filter},{place},{BASE}")]);
    }
    assert_eq!(source(over_tls(&slapd)).pull().await.unwrap().users.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_reader_sees_half_of_the_users() {
    let mut slapd = Slapd::start(10);
    slapd.set_acl_narrow();
    assert_eq!(source(over_tls(&slapd)).pull().await.unwrap().users.len(), 5);
    slapd.set_acl_full();
    assert_eq!(source(over_tls(&slapd)).pull().await.unwrap().users.len(), 10);
}

#[test]
fn content_synchronisation_is_known_as_far_as_the_options_say() {
    const CONTROL: &str = "1.3.6.1.4.1.4203.1.9.1.1";
    for (sync, listed, works) in [
        (Syncprov::Absent, false, false),
        (Syncprov::Listed, true, false),
        (Syncprov::WithoutLog, true, true),
        (Syncprov::Log(100), true, true),
    ] {
        let slapd = Slapd::with(SlapdOptions { users: 1, sync, ..SlapdOptions::default() });
        let root = Command::new("ldapsearch")
            .args(["-x", "-H", &slapd.ldap_url(), "-b", "", "-s", "base", "supportedControl"])
            .env("LDAPNOINIT", "1")
            .output();
        assert_eq!(String::from_utf8(root.unwrap().stdout).unwrap().contains(CONTROL), listed, "{sync:?}");
        let synced = Command::new("ldapsearch")
            .args([
                "-x",
                "-D",
                READER,
                "-w",
                READER_PASSWORD,
                "-H",
                &slapd.ldap_url(),
                "-b",
                BASE,
                "-E",
                "!sync=ro",
                "1.1",
            ])
            .env("LDAPNOINIT", "1")
            .output();
        assert_eq!(synced.unwrap().status.code(), Some(if works { 0 } else { 12 }), "{sync:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_locks_accounts() {
    let slapd = Slapd::with(SlapdOptions { users: 2, ppolicy: true, ..SlapdOptions::default() });
    slapd.modify("u0000002", "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z");
    let source = source(over_tls(&slapd));
    assert_eq!(
        verdict(&source, "u0000002", "pw-2").await.0,
        "wrong",
        "OpenLDAP tells nobody that an account is locked"
    );
    for password in ["pw-1", "x", "x", "x"] {
        let right = password == "pw-1";
        assert_eq!(verdict(&source, "u0000001", password).await.0 == "accepted", right);
    }
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "wrong");
}

#[test]
fn a_client_with_a_certificate_is_the_reader() {
    let slapd = Slapd::with(SlapdOptions { verify_client: "try", ..SlapdOptions::default() });
    let who = Command::new("ldapwhoami")
        .args(["-Y", "EXTERNAL", "-Q", "-H", &format!("ldaps://127.0.0.1:{}", slapd.tls_port)])
        .env("LDAPTLS_CACERT", file("ca.pem"))
        .env("LDAPTLS_CERT", file("reader.pem"))
        .env("LDAPTLS_KEY", file("reader.key"))
        .output()
        .unwrap();
    let name = String::from_utf8_lossy(&who.stdout).into_owned();
    assert_eq!(name.trim(), format!("dn:{READER}"), "{who:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_without_alternative_names_is_refused() {
    let slapd = Slapd::with(SlapdOptions { users: 1, certificate: "no-san", ..SlapdOptions::default() });
    let refused = source(over_tls(&slapd)).pull().await.unwrap_err().to_string();
    assert!(refused.contains("subject alternative"), "{refused}");
    let plain = Settings { ca_file: None, urls: vec![format!("ldap://127.0.0.1:{}", slapd.port)], ..over_tls(&slapd) };
    assert_eq!(source(plain).pull().await.unwrap().users.len(), 1);
}
