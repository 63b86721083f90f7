//! The LDAP source against Active Directory as Samba plays it. One server for all, because it takes long to start.

use musterd::base::secret::Secret;
use musterd::sources::ldap::{LdapSource, Settings, Strategy};
use musterd::sources::{MemberName, Person, RefusalReason, Source, Trial, Verdict};

use super::changes::{changes, told};
use super::{Pull, Pulled, settings, source, verdict};
use crate::harness::samba::{ADMIN, ADMIN_PASSWORD, BASE, READER, READER_PASSWORD, Samba};

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
    for strategy in [None, Some(Strategy::Usn)] {
        for sees_deleted in [false, true] {
            groups_and_changes_are_told(&samba, strategy, sees_deleted).await;
        }
    }
    changes_of_others_are_found_by_their_times(&samba).await;
    a_filter_decides_by_attributes_that_are_not_read(&samba).await;
    refusals_are_typed_and_a_lock_only_passes(&samba).await;
    a_doctor_finds_its_way(&samba).await;
    let source = source(over_tls(&samba));
    everyone_is_read_by_a_guid(&source).await;
    passwords_are_verified(&source).await;
    changes_are_seen(&samba, &source).await;
    the_server_answers_as_its_helpers_say(&samba);
    samba.restart();
    assert_eq!(verdict(&source, "u000001", "Pw-1!x").await.0, "accepted");
}

fn with_groups(samba: &Samba, strategy: Option<Strategy>, sees_deleted: bool) -> LdapSource {
    let group_base_dn = Some(format!("OU=Groups,{BASE}"));
    let (who, password) = if sees_deleted { (ADMIN, ADMIN_PASSWORD) } else { (READER, READER_PASSWORD) };
    let reader = Settings { bind_dn: who.to_owned(), bind_password: Some(Secret::new(password)), ..over_tls(samba) };
    source(Settings { groups: true, group_base_dn, strategy, ..reader })
}

/// The identifiers of these users, sorted.
fn ids(pulled: &Pulled, names: &[&str]) -> Vec<String> {
    let mut ids: Vec<_> = names.iter().map(|name| pulled.user(name).external_id.as_str().to_owned()).collect();
    ids.sort_unstable();
    ids
}

/// Every kind of change, by one way to be told of them; afterwards everything is as it was.
async fn groups_and_changes_are_told(samba: &Samba, strategy: Option<Strategy>, sees_deleted: bool) {
    let source = with_groups(samba, strategy, sees_deleted);
    let name = strategy.map_or("dirsync", Strategy::name);
    samba.add_user("leaver", "Pw-1!x", "mail: leaver@example.test");
    let before = source.pull().await.unwrap();
    assert!(before.read.how.contains(&format!("changes by {name}: ")), "{}", before.read.how);
    assert_eq!(before.read.how.contains("deletions by complete readings only"), !sees_deleted, "{}", before.read.how);
    assert_eq!((before.users.len(), before.groups.len()), (31, 6), "{before:?}");
    assert_eq!(before.user("u000017").primary_group.as_deref(), Some("513"));
    assert!(before.group("big").members.contains(&MemberName::Entry(samba.dn("u000017"))));
    let nothing = changes(&source, &before).await;
    assert_eq!((told(&nothing), nothing.groups.len()), ((vec![], 0), 0), "{name}");
    let mail = format!("{name}-{sees_deleted}@example.test");
    samba.modify("u000017", &format!("replace: mail\nmail: {mail}"));
    samba.rename_user("u000018", "grace");
    samba.move_user("u000019", "OU=Sub,OU=People");
    samba.move_user("u000020", "OU=Elsewhere");
    samba.delete_user("leaver");
    samba.disable_user("u000021");
    samba.modify("u000022", "replace: accountExpires\naccountExpires: 132223104000000000");
    samba.modify("u000023", "replace: pwdLastSet\npwdLastSet: 0");
    samba.set_member("devs", "u000024", true);
    samba.set_member("devs", "u000001", false);
    // Who has a group as the primary one is its member no more: the group changes too.
    samba.set_member("ops", "u000025", true);
    let group = samba.search("(sAMAccountName=ops)", &["objectSid"]);
    let number = relative_number(&group);
    samba.modify("u000025", &format!("replace: primaryGroupID\nprimaryGroupID: {number}"));
    let after = changes(&source, &before).await;
    assert_eq!(after.user("grace").external_id, before.user("u000018").external_id, "{name}");
    assert_eq!(after.user("u000017").email.clone().flatten(), Some(mail));
    assert!(after.user("u000019").label.contains("OU=Sub"));
    assert!(after.user("u000021").disabled.as_ref().unwrap().contains("userAccountControl"));
    assert_eq!(after.user("u000022").expires_at.flatten().unwrap().to_string(), "2020-01-01T00:00:00Z");
    assert_eq!(after.user("u000022").disabled, None);
    assert!(after.user("u000023").passing.as_ref().unwrap().contains("must be changed"));
    assert_eq!(after.user("u000025").primary_group.as_deref(), Some(number.as_str()));
    assert_eq!(after.group("ops").primary_key.as_deref(), Some(number.as_str()));
    let devs = &after.group("devs").members;
    assert!(devs.contains(&MemberName::Entry(samba.dn("u000024"))), "{devs:?}");
    assert!(!devs.contains(&MemberName::Entry(samba.dn("u000001"))), "{devs:?}");
    let known: Vec<_> = before.users.iter().map(|user| user.external_id.as_str()).collect();
    let mut gone: Vec<_> = after.gone.iter().filter(|id| known.contains(&id.as_str())).cloned().collect();
    gone.sort_unstable();
    let left: &[&str] = if sees_deleted { &["leaver", "u000020"] } else { &["u000020"] };
    assert_eq!(gone, ids(&before, left), "{name}");
    let later = changes(&source, &after).await;
    assert_eq!((told(&later), later.groups.len()), ((vec![], 0), 0), "{name}: each change is told once");
    samba.move_user("u000020", "OU=People");
    samba.enable_user("u000021");
    samba.delete_user("u000030");
    let back = changes(&source, &after).await;
    assert!(back.usernames().starts_with(&["u000020", "u000021"]), "{name}: {:?}", back.usernames());
    assert_eq!((back.user("u000020").label.contains("OU=People"), back.user("u000021").disabled.clone()), (true, None));
    as_it_was(samba);
}

/// Takes the changes back.
fn as_it_was(samba: &Samba) {
    samba.rename_user("grace", "u000018");
    samba.move_user("u000019", "OU=People");
    samba.modify("u000022", "replace: accountExpires\naccountExpires: 0");
    samba.modify("u000023", "replace: pwdLastSet\npwdLastSet: -1");
    samba.modify("u000025", "replace: primaryGroupID\nprimaryGroupID: 513");
    samba.set_member("ops", "u000025", false);
    samba.set_member("devs", "u000024", false);
    samba.set_member("devs", "u000001", true);
    samba.add_user("u000030", "Pw-30!x", "mail: u000030@example.test");
    samba.set_member("big", "u000030", true);
}

/// The last part of the `objectSid` in an entry.
fn relative_number(ldif: &str) -> String {
    let sid = ldif.lines().find_map(|line| line.strip_prefix("objectSid:: ")).unwrap();
    let sid = data_encoding::BASE64.decode(sid.as_bytes()).unwrap();
    u32::from_le_bytes(*sid.last_chunk::<4>().unwrap()).to_string()
}

/// Where entries are not identified by what the server made, its own ways to tell of changes are of no use.
async fn changes_of_others_are_found_by_their_times(samba: &Samba) {
    let settings = Settings { id_attribute: Some("employeeID".to_owned()), ..over_tls(samba) };
    for strategy in [None, Some(Strategy::DirSync)] {
        let pulled = source(Settings { strategy, ..settings.clone() }).pull().await.unwrap();
        assert!(pulled.read.how.contains("no changes"), "{}", pulled.read.how);
    }
    let source = source(Settings { strategy: Some(Strategy::Timestamps), ..settings });
    let before = source.pull().await.unwrap();
    assert!(before.read.how.contains("changes by timestamps"), "{}", before.read.how);
    samba.modify("u000026", "replace: displayName\ndisplayName: Changed");
    let after = changes(&source, &before).await;
    assert_eq!(after.user("u000026").name, "Changed");
}

/// What is no field of a user may still decide who is one, and who is disabled.
async fn a_filter_decides_by_attributes_that_are_not_read(samba: &Samba) {
    let filter = "(&(objectCategory=person)(objectClass=user)(!(department=none)))";
    let source = source(Settings {
        user_filter: Some(filter.to_owned()),
        disabled_when: Some("(title=gone)".to_owned()),
        ..over_tls(samba)
    });
    let before = source.pull().await.unwrap();
    samba.modify("u000027", "replace: department\ndepartment: none");
    samba.modify("u000028", "replace: title\ntitle: gone");
    let after = changes(&source, &before).await;
    assert_eq!(after.gone, ids(&before, &["u000027"]));
    assert_eq!(after.user("u000028").disabled.as_deref(), Some("the rule disabled_when"));
    samba.modify("u000027", "delete: department");
    samba.modify("u000028", "delete: title");
    let member_of = format!("(memberOf=CN=devs,OU=Groups,{BASE})");
    let source = super::source(Settings { user_filter: Some(member_of), ..over_tls(samba) });
    let before = source.pull().await.unwrap();
    assert_eq!((before.users.len(), &before.read.next), (10, &None), "{}", before.read.how);
}

async fn refusals_are_typed_and_a_lock_only_passes(samba: &Samba) {
    let source = source(over_tls(samba));
    samba.lock_user("u000029");
    for (name, number, reason, proved) in [
        ("u000002", 2, RefusalReason::Disabled, true),
        ("u000003", 3, RefusalReason::Expired, true),
        ("u000004", 4, RefusalReason::MustChangePassword, true),
        ("u000029", 29, RefusalReason::Locked, false),
    ] {
        match source.verify(Person::Named(name), &Secret::new(format!("Pw-{number}!x"))).await {
            Verdict::Refused(refusal) => assert_eq!((refusal.reason, refusal.proved), (reason, proved), "{name}"),
            other => panic!("{name}: {:?}", super::shown(other)),
        }
    }
    let pulled = source.pull().await.unwrap();
    let locked = pulled.user("u000029");
    assert!(locked.passing.as_ref().unwrap().contains("locked"), "{locked:?}");
    assert_eq!(locked.disabled, None);
    assert!(pulled.user("u000004").passing.as_ref().unwrap().contains("must be changed"));
    assert!(pulled.user("u000003").expires_at.flatten().is_some());
    samba.modify("u000029", "replace: lockoutTime\nlockoutTime: 0");
}

async fn a_doctor_finds_its_way(samba: &Samba) {
    let report = with_groups(samba, None, false).test(Trial { thorough: true, ..Trial::default() }).await;
    assert!(report.passed(), "{report:?}");
    let said = |name: &str| {
        let step = report.steps.iter().find(|step| step.name == name).unwrap_or_else(|| panic!("{name}: {report:?}"));
        step.outcome.clone().unwrap()
    };
    assert!(said("server").starts_with("active-directory"), "{}", said("server"));
    assert!(said("changes").starts_with("changes by dirsync"), "{}", said("changes"));
    assert!(said("clock").contains("differ by"), "{}", said("clock"));
    assert!(said("mapping").contains("that the schema knows"), "{}", said("mapping"));
    assert_eq!((said("users").as_str(), said("groups").as_str()), ("30", "6"));
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
