//! An OpenLDAP that keeps no log, or lost it, is read as a whole; nobody is absent who is not.

use musterd::sources::Extent;
use musterd::sources::ldap::{Settings, Strategy};

use super::changes::{changes, complete, told};
use super::{Pull, over_tls, source};
use crate::harness::slapd::{BASE, Slapd, SlapdOptions, Syncprov};

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_lost_makes_the_reading_a_complete_one() {
    let mut slapd = Slapd::with(SlapdOptions { users: 700, sync: Syncprov::Log(1000), ..SlapdOptions::default() });
    let source = source(over_tls(&slapd));
    let before = source.pull().await.unwrap();
    slapd.modify("u0000001", "replace: cn\ncn: Changed");
    slapd.delete_user("u0000002");
    slapd.restart_in_order();
    let after = complete(&source, &before).await;
    assert_eq!(after.users.len(), 699);
    assert!(after.read.how.contains("keeps no log"), "{}", after.read.how);
    slapd.delete_user("u0000003");
    assert_eq!(told(&changes(&source, &after).await), (vec![], 1), "from there it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgot_in_a_crash_what_changed_makes_nobody_absent() {
    let mut slapd = Slapd::with(SlapdOptions { users: 5, sync: Syncprov::Log(1000), ..SlapdOptions::default() });
    let source = source(over_tls(&slapd));
    let before = source.pull().await.unwrap();
    slapd.modify("u0000001", "replace: cn\ncn: Changed");
    slapd.delete_user("u0000002");
    // Without checkpoints of syncprov it says that nothing changed: only the complete reading tells.
    slapd.restart();
    let after = source.since(&before).await.unwrap();
    match after.read.extent {
        Extent::Everything => assert_eq!(after.users.len(), 4),
        Extent::Changes => assert!(after.gone.iter().all(|id| *id == before.user("u0000002").external_id.as_str())),
    }
    let all = source.pull().await.unwrap();
    assert_eq!(
        (all.read.extent, all.users.len(), all.user("u0000001").name.as_str()),
        (Extent::Everything, 4, "Changed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_too_short_makes_the_reading_a_complete_one() {
    let slapd = Slapd::with(SlapdOptions { users: 20, sync: Syncprov::Log(5), ..SlapdOptions::default() });
    let source = source(over_tls(&slapd));
    let before = source.pull().await.unwrap();
    for number in 1..=15 {
        slapd.delete_user(&format!("u{number:07}"));
    }
    let after = source.since(&before).await.unwrap();
    match after.read.extent {
        Extent::Everything => assert_eq!(after.users.len(), 5),
        Extent::Changes => assert_eq!(after.gone.len(), 15),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_log_changes_are_read_as_a_whole_and_the_unchanged_are_not_read_at_all() {
    let slapd = Slapd::with(SlapdOptions { users: 5, sync: Syncprov::WithoutLog, ..SlapdOptions::default() });
    let source = source(over_tls(&slapd));
    let before = source.pull().await.unwrap();
    assert!(before.read.how.contains("syncrepl"), "{}", before.read.how);
    assert_eq!(told(&changes(&source, &before).await), (vec![], 0));
    slapd.modify("u0000001", "replace: cn\ncn: Changed");
    assert_eq!(complete(&source, &before).await.users.len(), 5);
    slapd.delete_user("u0000002");
    assert_eq!(complete(&source, &before).await.users.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_present_phase_in_which_every_survivor_changed_is_no_delta() {
    let slapd = Slapd::with(SlapdOptions { users: 3, sync: Syncprov::WithoutLog, ..SlapdOptions::default() });
    let source = source(over_tls(&slapd));
    let before = source.pull().await.unwrap();
    for name in ["u0000001", "u0000002"] {
        slapd.modify(name, "replace: cn\ncn: Changed");
    }
    slapd.delete_user("u0000003");
    assert_eq!(complete(&source, &before).await.users.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_synchronize_is_read_whole_each_time() {
    for sync in [Syncprov::Listed, Syncprov::Absent] {
        let slapd = Slapd::with(SlapdOptions { users: 4, sync, ..SlapdOptions::default() });
        let source = source(over_tls(&slapd));
        let before = source.pull().await.unwrap();
        assert!(before.read.how.contains("no changes: the server tells of no deletions"), "{}", before.read.how);
        assert_eq!(before.read.how.contains("refused: syncrepl"), sync == Syncprov::Listed, "{}", before.read.how);
        slapd.delete_user("u0000001");
        assert_eq!(complete(&source, &before).await.usernames(), ["u0000002", "u0000003", "u0000004"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_sees_less_is_noticed_by_the_complete_reading_only() {
    let mut slapd = Slapd::with(SlapdOptions { users: 10, sync: Syncprov::Log(1000), ..SlapdOptions::default() });
    let source = source(over_tls(&slapd));
    let before = source.pull().await.unwrap();
    slapd.set_acl_narrow();
    assert_eq!(told(&changes(&source, &before).await), (vec![], 0));
    let all = source.pull().await.unwrap();
    assert_eq!((all.read.extent, all.users.len()), (Extent::Everything, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_times_changes_are_seen_again_and_again_and_deletions_by_the_complete_reading() {
    let slapd = Slapd::with(SlapdOptions { users: 6, groups: true, sync: Syncprov::Log(9), ..SlapdOptions::default() });
    let settings =
        Settings { strategy: Some(Strategy::Timestamps), groups: true, base_dn: BASE.to_owned(), ..over_tls(&slapd) };
    let source =
        source(Settings { user_filter: Some("(&(objectClass=inetOrgPerson)(!(title=none)))".to_owned()), ..settings });
    let before = source.pull().await.unwrap();
    assert!(before.read.how.contains("the settings say so"), "{}", before.read.how);
    let of = |name: &str| before.user(name).external_id.as_str().to_owned();
    slapd.rename_user("u0000001", "ada");
    slapd.modify("u0000002", "replace: title\ntitle: none");
    slapd.delete_user("u0000003");
    slapd.modify_group("devs", &format!("add: member\nmember: uid=u0000006,ou=people,{BASE}"));
    let mut last = before.read.clone();
    for _ in 0..2 {
        let mut from = source.pull().await.unwrap();
        from.read = last.clone();
        let after = changes(&source, &from).await;
        assert_eq!(after.user("ada").external_id.as_str(), of("u0000001"));
        assert_eq!(after.group("devs").members.len(), 4);
        assert!(after.gone.contains(&of("u0000002")), "left the filter");
        assert!(!after.gone.contains(&of("u0000003")), "a deleted entry has no time");
        let others = ["u0000004", "u0000005", "u0000006"].map(of);
        assert!(after.gone.iter().all(|id| !others.contains(id)));
        last = after.read.clone();
    }
    assert_eq!(source.pull().await.unwrap().users.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_by_years_loses_no_change() {
    let slapd = Slapd::start(3);
    let settings = Settings { strategy: Some(Strategy::Timestamps), ..over_tls(&slapd) };
    for now in ["2001-01-01T00:00:00Z", "2091-01-01T00:00:00Z"] {
        let clock = musterd::base::clock::Clock::manual(now.parse().unwrap());
        let source = musterd::sources::ldap::LdapSource::with_clock(settings.clone(), clock).unwrap();
        let before = source.pull().await.unwrap();
        assert!(before.read.how.contains("timestamps"), "{}", before.read.how);
        slapd.modify("u0000001", &format!("replace: cn\ncn: Changed in {now}"));
        assert!(changes(&source, &before).await.user("u0000001").name.contains(now));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_settings_say_so_every_reading_is_complete() {
    let slapd = Slapd::with(SlapdOptions { users: 3, sync: Syncprov::Log(9), ..SlapdOptions::default() });
    let source = source(Settings { strategy: Some(Strategy::Full), ..over_tls(&slapd) });
    let before = source.pull().await.unwrap();
    assert_eq!(before.read.next, None);
    assert!(before.read.how.contains("no changes"), "{}", before.read.how);
    slapd.delete_user("u0000001");
    assert_eq!(complete(&source, &before).await.users.len(), 2);
    // A way that the server has not is said, and everything is read.
    let source = super::source(Settings { strategy: Some(Strategy::DirSync), ..over_tls(&slapd) });
    let pulled = source.pull().await.unwrap();
    assert!(pulled.read.next.is_none() && pulled.read.how.contains("refused: dirsync"), "{}", pulled.read.how);
}
