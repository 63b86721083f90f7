//! What changed at an OpenLDAP that keeps a log is told, and nothing else.

use std::sync::Arc;

use musterd::sources::ldap::{LdapSource, Settings};
use musterd::sources::{Bookmark, Extent, Output, Source};

use super::{Pull, Pulled, over_tls, source};
use crate::harness::slapd::{BASE, Slapd, SlapdOptions, Syncprov};

fn with_log(users: usize) -> Slapd {
    Slapd::with(SlapdOptions { users, sync: Syncprov::Log(1000), ..SlapdOptions::default() })
}

/// What changed, which must come as changes.
pub(super) async fn changes(source: &LdapSource, before: &Pulled) -> Pulled {
    let after = source.since(before).await.unwrap();
    assert_eq!(after.read.extent, Extent::Changes, "{}", after.read.how);
    after
}

/// The usernames of those who changed and how many are gone.
pub(super) fn told(pulled: &Pulled) -> (Vec<&str>, usize) {
    (pulled.usernames(), pulled.gone.len())
}

/// How everything is read again, and why so.
pub(super) async fn complete(source: &LdapSource, before: &Pulled) -> Pulled {
    let after = source.since(before).await.unwrap();
    assert_eq!(after.read.extent, Extent::Everything, "{}", after.read.how);
    assert!(after.gone.is_empty(), "{after:?}");
    after
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_known_and_the_best_way_is_taken_and_said() {
    let slapd = with_log(5);
    let source = source(over_tls(&slapd));
    let before = source.pull().await.unwrap();
    assert_eq!((before.read.extent, before.users.len()), (Extent::Everything, 5));
    assert!(before.read.how.contains("changes by syncrepl: the server offers"), "{}", before.read.how);
    let after = changes(&source, &before).await;
    assert_eq!((told(&after), after.skipped.len()), ((vec![], 0), 0));
    assert_eq!(after.read.next, before.read.next, "the bookmark stays good");
    assert!(after.read.how.contains("changes by syncrepl"), "{}", after.read.how);
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_renamed_and_moved_users_are_told_and_those_who_left_are_gone() {
    let slapd = with_log(12);
    let source = source(Settings {
        user_filter: Some("(&(objectClass=inetOrgPerson)(!(title=none)))".to_owned()),
        ..over_tls(&slapd)
    });
    let before = source.pull().await.unwrap();
    let id = |name: &str| before.user(name).external_id.clone();
    slapd.modify("u0000001", "replace: mail\nmail: new@example.org");
    slapd.rename_user("u0000002", "ada");
    slapd.move_user("u0000003", "ou=sub,ou=people");
    slapd.move_user("u0000004", "ou=elsewhere");
    slapd.modify("u0000005", "replace: title\ntitle: none");
    slapd.delete_user("u0000006");
    slapd.add_user("newcomer", "secret", "");
    let after = changes(&source, &before).await;
    assert_eq!(after.usernames(), ["ada", "newcomer", "u0000001", "u0000003"]);
    assert_eq!(after.user("u0000001").email.clone().flatten().as_deref(), Some("new@example.org"));
    assert_eq!(after.user("ada").external_id, id("u0000002"));
    assert_eq!(after.user("ada").label, format!("uid=ada,ou=people,{BASE}"));
    assert_eq!(after.user("u0000003").label, format!("uid=u0000003,ou=sub,ou=people,{BASE}"));
    let mut gone = after.gone.clone();
    gone.sort_unstable();
    let mut left: Vec<_> = ["u0000004", "u0000005", "u0000006"].map(|name| id(name).as_str().to_owned()).into();
    left.sort_unstable();
    assert_eq!(gone, left);
    assert_eq!(told(&changes(&source, &after).await), (vec![], 0), "each change is told once");
    // Back again.
    slapd.modify("u0000005", "delete: title");
    let back = changes(&source, &after).await;
    assert_eq!((told(&back), &back.user("u0000005").external_id), ((vec!["u0000005"], 0), &id("u0000005")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_was_deleted_and_made_again_is_somebody_else() {
    let slapd = with_log(2);
    let source = source(over_tls(&slapd));
    let before = source.pull().await.unwrap();
    slapd.delete_user("u0000001");
    slapd.add_user("u0000001", "pw", "");
    let after = changes(&source, &before).await;
    let old = before.user("u0000001").external_id.clone();
    assert_ne!(after.user("u0000001").external_id, old);
    assert_eq!(after.gone, [old.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_everything_is_read_is_told_with_the_next_changes() {
    let slapd = with_log(1500);
    let source = Arc::new(source(Settings { page_size: 50, ..over_tls(&slapd) }));
    let (to, mut from) = tokio::sync::mpsc::channel(1);
    let reading = tokio::spawn({
        let source = Arc::clone(&source);
        async move { source.read(None, Output::new(to, Arc::default())).await }
    });
    // The reading waits for us: of those who change, the first has been read by now and the last has not.
    let first = from.recv().await.unwrap();
    for name in ["u0000001", "u0000700", "u0001500"] {
        slapd.modify(name, "replace: cn\ncn: Changed");
    }
    slapd.delete_user("u0000002");
    let mut count = first.len();
    while let Some(pieces) = from.recv().await {
        count += pieces.len();
    }
    assert!((1499..=1500).contains(&count), "{count}");
    let read = reading.await.unwrap().unwrap();
    let before = Pulled { users: Vec::new(), groups: Vec::new(), skipped: Vec::new(), gone: Vec::new(), read };
    let after = changes(&source, &before).await;
    assert_eq!(after.usernames(), ["u0000001", "u0000700", "u0001500"]);
    assert_eq!(after.gone.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_disabled_by_the_rule_or_the_policy_is_told_as_disabled() {
    let slapd =
        Slapd::with(SlapdOptions { users: 6, sync: Syncprov::Log(1000), ppolicy: true, ..SlapdOptions::default() });
    let settings = Settings { disabled_when: Some("(title=gone)".to_owned()), ..over_tls(&slapd) };
    let source = source(settings);
    let before = source.pull().await.unwrap();
    slapd.modify("u0000001", "replace: title\ntitle: gone");
    slapd.modify("u0000002", "replace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z");
    slapd.modify("u0000003", "replace: title\ntitle: here");
    for _ in 0..3 {
        assert_ne!(super::verdict(&source, "u0000004", "wrong").await.0, "accepted");
    }
    assert_ne!(super::verdict(&source, "u0000005", "wrong").await.0, "accepted");
    let after = changes(&source, &before).await;
    let disabled: Vec<_> =
        after.users.iter().filter(|user| user.disabled.is_some()).map(|user| &user.username).collect();
    assert_eq!((disabled.len(), after.gone.len()), (2, 0), "{after:?}");
    assert_eq!(after.user("u0000001").disabled.as_deref(), Some("the rule disabled_when"));
    assert!(after.user("u0000002").disabled.as_ref().unwrap().contains("pwdAccountLockedTime"));
    assert_eq!(after.user("u0000003").disabled, None);
    // Locked by wrong passwords: it passes, and disables nobody.
    assert!(after.user("u0000004").passing.as_ref().unwrap().contains("locked"), "{after:?}");
    // A failed bind writes the entry, and nothing that we read of it.
    let (was, is) = (before.user("u0000005"), after.users.iter().find(|user| user.username == "u0000005"));
    assert!(is.is_none_or(|is| is == was));
    slapd.modify("u0000001", "delete: title");
    slapd.modify("u0000002", "delete: pwdAccountLockedTime");
    let later = changes(&source, &after).await;
    assert_eq!((told(&later), later.user("u0000001").disabled.clone()), ((vec!["u0000001", "u0000002"], 0), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_group_makes_no_user_gone_and_one_of_a_user_no_group() {
    let slapd =
        Slapd::with(SlapdOptions { users: 6, sync: Syncprov::Log(1000), groups: true, ..SlapdOptions::default() });
    let everything = Settings { groups: true, base_dn: BASE.to_owned(), ..over_tls(&slapd) };
    let apart = Settings { group_base_dn: Some(format!("ou=groups,{BASE}")), groups: true, ..over_tls(&slapd) };
    let sources = [source(everything), source(apart)];
    let mut before = Vec::new();
    for source in &sources {
        before.push(source.pull().await.unwrap());
    }
    slapd.modify("u0000001", "replace: mail\nmail: new@example.org");
    slapd.modify_group("devs", &format!("add: member\nmember: uid=u0000006,ou=people,{BASE}"));
    slapd.group("new", &["u0000002"]);
    slapd.change(&format!("dn: cn=uniq,ou=groups,{BASE}\nchangetype: delete\n"));
    slapd.change(&format!("dn: cn=ops,ou=groups,{BASE}\nchangetype: modrdn\nnewrdn: cn=operators\ndeleteoldrdn: 1\n"));
    slapd.delete_user("u0000005");
    for (source, before) in sources.iter().zip(&before) {
        assert_eq!((before.users.len(), before.groups.len()), (6, 8));
        let after = changes(source, before).await;
        assert_eq!(after.usernames(), ["u0000001"]);
        let mut names: Vec<_> = after.groups.iter().map(|group| group.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["devs", "new", "operators"]);
        assert_eq!(after.group("devs").members.len(), 4);
        assert_eq!(after.group("operators").external_id, before.group("ops").external_id);
        let mut gone = [&before.user("u0000005").external_id, &before.group("uniq").external_id].map(|id| id.as_str());
        gone.sort_unstable();
        let mut told = after.gone.clone();
        told.sort_unstable();
        assert_eq!(told, gone);
        assert_eq!(told_of_nothing(&changes(source, &after).await), (0, 0, 0));
    }
}

fn told_of_nothing(pulled: &Pulled) -> (usize, usize, usize) {
    (pulled.users.len(), pulled.groups.len(), pulled.gone.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bookmark_of_other_settings_is_worth_nothing() {
    let slapd = with_log(4);
    slapd.move_user("u0000004", "ou=sub,ou=people");
    let settings = over_tls(&slapd);
    let before = source(settings.clone()).pull().await.unwrap();
    let cases = [
        (Settings { base_dn: BASE.to_owned(), ..settings.clone() }, 4),
        (Settings { base_dn: format!("ou=sub,ou=people,{BASE}"), ..settings.clone() }, 1),
        (Settings { user_filter: Some("(uid=u0000001)".to_owned()), ..settings.clone() }, 1),
        (Settings { disabled_when: Some("(title=x)".to_owned()), ..settings.clone() }, 4),
        (Settings { groups: true, ..settings.clone() }, 4),
        (
            Settings {
                bind_dn: format!("uid=u0000001,ou=people,{BASE}"),
                bind_password: Some(musterd::base::secret::Secret::new("pw-1")),
                ..settings.clone()
            },
            0,
        ),
    ];
    for (other, users) in cases {
        let after = match source(other).since(&before).await {
            Ok(after) => after,
            // This reader sees nothing at all, not even the base.
            Err(error) => {
                assert_eq!(users, 0, "{error}");
                continue;
            }
        };
        assert_eq!((after.read.extent, after.users.len()), (Extent::Everything, users), "{}", after.read.how);
        assert!(after.read.how.contains("changed"), "{}", after.read.how);
    }
    let mut nonsense = source(settings.clone()).pull().await.unwrap();
    nonsense.read.next = Some(Bookmark("nonsense".to_owned()));
    assert_eq!(complete(&source(settings), &nonsense).await.users.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_on_memberships_is_read_as_a_whole_because_no_user_changes_with_them() {
    let slapd = Slapd::with(SlapdOptions {
        users: 6,
        sync: Syncprov::Log(1000),
        groups: true,
        memberof: true,
        ..SlapdOptions::default()
    });
    let filter = format!("(&(objectClass=inetOrgPerson)(memberOf=cn=devs,ou=groups,{BASE}))");
    let source = source(Settings { user_filter: Some(filter), ..over_tls(&slapd) });
    let before = source.pull().await.unwrap();
    assert!(before.read.next.is_none() && before.read.how.contains("memberOf"), "{}", before.read.how);
    slapd.modify_group("devs", &format!("delete: member\nmember: uid=u0000001,ou=people,{BASE}"));
    assert_eq!(complete(&source, &before).await.usernames(), ["u0000002", "u0000003"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_ends_the_wait_for_one_and_nothing_else_does() {
    let slapd = with_log(3);
    let source = Arc::new(source(Settings { watch: true, ..over_tls(&slapd) }));
    let before = source.pull().await.unwrap();
    let waits = |since: Option<Bookmark>| {
        let source = Arc::clone(&source);
        tokio::spawn(async move { source.changed(since).await })
    };
    let waiting = waits(before.read.next.clone());
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "nothing happened");
    slapd.modify("u0000001", "replace: cn\ncn: Changed");
    waiting.await.unwrap().unwrap();
    // A change that came before the wait ends it at once; a deletion is one.
    waits(before.read.next.clone()).await.unwrap().unwrap();
    let after = changes(&source, &before).await;
    let waiting = waits(after.read.next.clone());
    slapd.delete_user("u0000002");
    waiting.await.unwrap().unwrap();
    assert!(waits(None).await.unwrap().is_err(), "there is nothing to wait for");
}
