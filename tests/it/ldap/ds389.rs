//! The LDAP source against a 389 Directory Server.

use musterd::sources::ldap::Settings;

use super::{Pull, settings, source, verdict};
use crate::harness::ds389::Ds389;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "nightly: needs 389-ds and root; tests/run --deep"]
async fn a_389_directory_is_read_followed_and_asked_for_passwords() {
    let mut server = Ds389::start(2500);
    let settings = Settings { id_attribute: Some("nsUniqueId".to_owned()), ..settings(&server.ldap_url(), None) };
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
