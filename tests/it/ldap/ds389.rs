//! The LDAP source against a 389 Directory Server.

use musterd::sources::Extent;
use musterd::sources::ldap::Settings;

use super::changes::{changes, complete, told};
use super::{Pull, settings, source, verdict};
use crate::harness::ds389::Ds389;
use crate::harness::slapd::BASE;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "nightly: needs 389-ds and root; tests/run --deep"]
async fn a_389_directory_is_read_followed_and_asked_for_passwords() {
    let mut server = Ds389::start(2500);
    let settings = Settings { id_attribute: Some("nsUniqueId".to_owned()), ..settings(&server.ldap_url(), None) };
    changes_are_told_and_nobody_is_gone_who_is_there(&server).await;
    let source = source(settings);
    let before = source.pull().await.unwrap();
    assert_eq!((before.users.len(), before.skipped.len()), (2500, 0));
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
    assert_eq!(verdict(&source, "u0000001", "pw-2").await.0, "wrong");
    server.rename_user("u0000001", "ada");
    server.move_user("u0000002", "ou=elsewhere");
    server.delete_user("u0000003");
    server.add_user("newcomer", "new-password");
    server.modify("u0000004", "replace: nsAccountLock\nnsAccountLock: true");
    server.restart();
    let after = source.pull().await.unwrap();
    assert_eq!(after.users.len(), 2499);
    let id = |pulled: &super::Pulled, name: &str| {
        pulled.users.iter().find(|user| user.username == name).map(|user| user.external_id.clone())
    };
    assert_eq!(id(&before, "u0000001").unwrap(), id(&after, "ada").unwrap());
    assert_eq!(verdict(&source, "newcomer", "new-password").await.0, "accepted");
    assert_ne!(verdict(&source, "u0000004", "pw-4").await.0, "accepted");
}

/// Its delta ends with `refreshDeletes` false, whatever it holds; a consumer that believes it loses everybody.
async fn changes_are_told_and_nobody_is_gone_who_is_there(server: &Ds389) {
    let plain = settings(&server.ldap_url(), None);
    let group_base_dn = Some(format!("ou=groups,{BASE}"));
    let source = source(Settings { groups: true, group_base_dn, ..plain.clone() });
    let before = source.pull().await.unwrap();
    assert!(before.read.how.contains("changes by syncrepl"), "{}", before.read.how);
    assert_eq!((before.users.len(), before.groups.len(), before.skipped.len()), (2500, 1, 0));
    let nothing = changes(&source, &before).await;
    assert_eq!((told(&nothing), nothing.groups.len()), ((vec![], 0), 0));
    let of = |name: &str| before.user(name).external_id.as_str().to_owned();
    server.modify("u0000011", "replace: mail\nmail: new@example.org");
    server.rename_user("u0000012", "grace");
    server.delete_user("u0000013");
    server.modify("u0000014", "replace: nsAccountLock\nnsAccountLock: true");
    server.change(&format!(
        "dn: cn=devs,ou=groups,{BASE}\nchangetype: modify\nadd: member\nmember: uid=u0000015,ou=people,{BASE}\n"
    ));
    server.add_user("early", "new-password");
    server.move_user("u0000016", "ou=elsewhere");
    let after = changes(&source, &before).await;
    assert_eq!(after.user("grace").external_id.as_str(), of("u0000012"));
    assert_eq!(after.user("u0000011").email.clone().flatten().as_deref(), Some("new@example.org"));
    assert!(after.user("u0000014").disabled.as_ref().unwrap().contains("nsAccountLock"));
    assert_eq!(after.user("early").name, "User early");
    assert_eq!(after.group("devs").members.len(), 4);
    let known: Vec<_> = before.users.iter().map(|user| user.external_id.as_str()).collect();
    let gone: Vec<_> = after.gone.iter().filter(|id| known.contains(&id.as_str())).cloned().collect();
    assert!(gone.contains(&of("u0000013")));
    assert!(gone.iter().all(|id| [of("u0000013"), of("u0000016")].contains(id)), "{gone:?}");
    let later = changes(&source, &after).await;
    assert_eq!((later.users.len(), later.gone.len()), (0, 0), "{later:?}");
    // A cookie of another search is refused with 4096; our own bookmark would not even be tried.
    let mut forged = after;
    let text = forged.read.next.as_ref().unwrap().0.clone();
    forged.read.next = Some(musterd::sources::Bookmark(with_another_cookie(&text)));
    let again = complete(&source, &forged).await;
    assert_eq!((again.read.extent, again.users.len()), (Extent::Everything, 2499));
    assert!(again.read.how.contains("read anew"), "{}", again.read.how);
    // As it was, for those who come after.
    server.move_back("u0000016", "ou=elsewhere");
    server.delete_user("early");
    server.modify("u0000014", "delete: nsAccountLock");
    server.add_user("u0000013", "pw-13");
}

/// The bookmark with cookies that the server did not give.
fn with_another_cookie(bookmark: &str) -> String {
    let mut text: serde_json::Value = serde_json::from_str(bookmark).unwrap();
    text["mark"]["users"] = data_encoding::BASE64.encode(b"elsewhere:389#cn=x:dc=x:(uid=x)#7").into();
    text.to_string()
}
