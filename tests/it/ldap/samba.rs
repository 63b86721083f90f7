//! The LDAP source against Active Directory as Samba plays it. One server for all, because it takes long to start.

use musterd::base::secret::Secret;
use musterd::sources::ldap::{LdapSource, Settings};

use super::{Pull, settings, source, verdict};
use crate::harness::samba::{BASE, READER, READER_PASSWORD, Samba};

/// What the sample of the settings says for Active Directory.
fn over_tls(samba: &Samba) -> Settings {
    Settings {
        bind_dn: READER.to_owned(),
        bind_password: Some(Secret::new(READER_PASSWORD)),
        base_dn: format!("OU=People,{BASE}"),
        ..settings(&samba.ldaps_url(), Some(samba.ca_file()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_directory_is_read_followed_and_asked_for_passwords() {
    let mut samba = Samba::start(30);
    let source = source(over_tls(&samba));
    everyone_is_read_by_a_guid(&source).await;
    passwords_are_verified(&source).await;
    changes_are_seen(&samba, &source).await;
    the_server_answers_as_its_helpers_say(&samba);
    samba.restart();
    assert_eq!(verdict(&source, "u000001", "Pw-1!x").await.0, "accepted");
}

async fn everyone_is_read_by_a_guid(source: &LdapSource) {
    let pulled = source.pull().await.unwrap();
    assert_eq!((pulled.users.len(), pulled.skipped.len()), (30, 0));
    let user = pulled.users.iter().find(|user| user.username == "u000007").unwrap();
    assert_eq!((user.name.as_str(), user.email.clone().flatten().as_deref()), ("User 7", Some("u000007@example.test")));
    assert_eq!(user.external_id.as_str().len(), 36);
    assert_eq!(user.label, format!("CN=User 000007,OU=People,{BASE}"));
    let inactive: Vec<_> =
        pulled.users.iter().filter(|user| user.disabled.is_some()).map(|user| user.username.as_str()).collect();
    assert_eq!(inactive, ["u000002"]);
}

async fn passwords_are_verified(source: &LdapSource) {
    for (name, password, expected) in [
        ("u000001", "Pw-1!x", "accepted"),
        ("U000001", "Pw-1!x", "accepted"),
        ("u000001@example.test", "Pw-1!x", "accepted"),
        ("u000001", "Pw-2!x", "wrong"),
        ("nobody", "Pw-1!x", "wrong"),
        ("reader", READER_PASSWORD, "wrong"),
    ] {
        assert_eq!(verdict(source, name, password).await.0, expected, "{name} {password}");
    }
    assert_ne!(verdict(source, "u000002", "Pw-2!x").await.0, "accepted", "disabled");
}

async fn changes_are_seen(samba: &Samba, source: &LdapSource) {
    let id = |pulled: &super::Pulled, name: &str| {
        pulled.users.iter().find(|user| user.username == name).map(|user| user.external_id.clone())
    };
    let before = source.pull().await.unwrap();
    samba.rename_user("u000010", "ada");
    samba.move_user("u000011", "OU=Sub,OU=People");
    samba.move_user("u000012", "OU=Elsewhere");
    samba.delete_user("u000013");
    samba.add_user("newcomer", "New-1!x", "mail: newcomer@example.test");
    samba.disable_user("u000014");
    samba.enable_user("u000002");
    samba.set_password("u000015", "Other-1!x");
    let after = source.pull().await.unwrap();
    assert_eq!(id(&before, "u000010").unwrap(), id(&after, "ada").unwrap());
    assert_eq!(id(&before, "u000011"), id(&after, "u000011"));
    assert_eq!((id(&after, "u000012"), id(&after, "u000013")), (None, None));
    let inactive: Vec<_> =
        after.users.iter().filter(|user| user.disabled.is_some()).map(|user| user.username.as_str()).collect();
    assert_eq!(inactive, ["u000014"]);
    for (name, password) in
        [("newcomer", "New-1!x"), ("u000015", "Other-1!x"), ("u000002", "Pw-2!x"), ("ada", "Pw-10!x")]
    {
        assert_eq!(verdict(source, name, password).await.0, "accepted", "{name}");
    }
}

fn the_server_answers_as_its_helpers_say(samba: &Samba) {
    let members =
        |group: &str| samba.search(&format!("(sAMAccountName={group})"), &["member"]).matches("member:").count();
    assert_eq!((members("devs"), members("tech"), members("big")), (10, 2, 29));
    samba.set_member("devs", "newcomer", true);
    samba.set_member("devs", "u000001", false);
    samba.set_member("tech", "dist-only", true);
    assert_eq!((members("devs"), members("tech")), (10, 3));
    assert!(samba.bind("u000003", "Pw-3!x").contains("data 701"), "expired");
    assert!(samba.bind("u000004", "Pw-4!x").contains("data 773"), "must change");
    assert!(samba.bind("u000014", "Pw-14!x").contains("data 533"), "disabled");
    samba.lock_user("u000016");
    assert!(samba.bind("u000016", "Pw-16!x").contains("data 775"), "locked");
    assert!(samba.ldap_url().starts_with("ldap://127.0.0."));
}
